//! Lines of any input in bounded memory: a line that is too long is named, not held.

use std::io::{self, BufRead, Read as _};

/// Longest line accepted, without its end: 8 MiB.
pub(crate) use escrowdb::record::limits::LINE_LEN_MAX;

/// One line of the input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// The line without its end.
    Whole(Vec<u8>),
    /// Longer than [`LINE_LEN_MAX`]; skipped.
    TooLong,
}

/// Reads lines and counts them and their bytes.
pub(crate) struct Lines<R> {
    input: R,
    number: u64,
    len_max: usize,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, number: 0, len_max: LINE_LEN_MAX }
    }

    /// The lines behind the first `number`.
    pub(crate) fn behind(input: R, number: u64) -> Self {
        Self { input, number, len_max: LINE_LEN_MAX }
    }

    /// The next line, its number (the first is 1) and the bytes it took; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<(u64, Line, u64)>> {
        let mut line = Vec::new();
        // One more than a line may have, and its end.
        let held_max = self.len_max as u64 + 1;
        let mut taken = (&mut self.input).take(held_max).read_until(b'\n', &mut line)? as u64;
        if taken == 0 {
            return Ok(None);
        }
        line.pop_if(|b| *b == b'\n');
        let too_long = line.len() > self.len_max;
        if too_long {
            line = Vec::new();
            taken += self.input.skip_until(b'\n')? as u64;
        }
        self.number += 1;
        if self.number == 1 && line.starts_with(BYTE_ORDER_MARK) {
            line.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(Some((self.number, if too_long { Line::TooLong } else { Line::Whole(line) }, taken)))
    }
}

/// Some programs begin UTF-8 files with it; it is no part of the first line.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8], len_max: usize, buffer: usize) -> Vec<(u64, Line)> {
        let mut lines = Lines::new(io::BufReader::with_capacity(buffer, text));
        lines.len_max = len_max;
        let mut found = Vec::new();
        while let Some((number, line, _)) = lines.next().unwrap() {
            found.push((number, line));
        }
        found
    }

    #[test]
    fn long_lines_are_named_and_skipped() {
        for buffer in 1..12 {
            let found = all(b"ab\n123456\n\nabcde\nx", 5, buffer);
            let whole = |t: &str| Line::Whole(t.into());
            assert_eq!(
                found,
                [(1, whole("ab")), (2, Line::TooLong), (3, whole("")), (4, whole("abcde")), (5, whole("x"))]
            );
        }
    }

    #[test]
    fn byte_order_mark_is_no_text() {
        assert_eq!(all("\u{feff}{}\n".as_bytes(), 9, 64), [(1, Line::Whole(b"{}".to_vec()))]);
        assert_eq!(all(b"", 9, 64), []);
    }
}
