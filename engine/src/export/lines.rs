//! Lines of an export and of its proof, one after the other.

use std::io::{BufRead, Read as _};

use crate::error::{Error, Result};
use crate::export::line::Line;

/// Bytes of a line at most; what is longer is taken apart. The longest record has a sixth of it.
const LINE_MAX: u64 = 64 << 20;

/// Lines with their ends.
pub(super) struct Lines {
    from: Box<dyn BufRead>,
    line: Vec<u8>,
}

impl Lines {
    pub(super) fn new(from: Box<dyn BufRead>) -> Self {
        Self { from, line: Vec::new() }
    }

    pub(super) fn next(&mut self, what: &str) -> Result<Option<&[u8]>> {
        self.line.clear();
        let read = (&mut self.from).take(LINE_MAX).read_until(b'\n', &mut self.line);
        let read = read.map_err(|e| Error::io(format!("read {what}"), e))?;
        Ok((read > 0).then_some(&self.line))
    }
}

/// Records of a proof, and statements behind them, in their order.
pub(super) struct Records {
    lines: Lines,
    next: usize,
}

impl Records {
    pub(super) fn new(from: Box<dyn BufRead>) -> Self {
        Self { lines: Lines::new(from), next: 0 }
    }

    /// The record of a line of the export; they are asked for in ascending order.
    pub(super) fn at(&mut self, wanted: usize) -> Result<Option<Line>> {
        while let Some(line) = self.lines.next("the proof")? {
            if ![b"r ", b"x ", b"s "].iter().any(|kind| line.starts_with(*kind)) {
                continue;
            }
            self.next += 1;
            if self.next == wanted + 1 {
                return Ok(Line::parse(line.strip_suffix(b"\n").unwrap_or(line)).ok());
            }
        }
        Ok(None)
    }
}
