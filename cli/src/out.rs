//! Output: data on stdout, notes on stderr. Text for people is made safe for terminals.

use std::io::{self, BufWriter, StdoutLock, Write as _};

use crate::json::{Field, flat_json};

/// Stdout, and the choice between JSON Lines and text for people.
pub(crate) struct Out {
    writer: BufWriter<StdoutLock<'static>>,
    json: bool,
}

impl Out {
    pub(crate) fn new(json: bool) -> Self {
        Self { writer: BufWriter::with_capacity(64 * 1024, io::stdout().lock()), json }
    }

    /// Whether JSON Lines were asked for.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// Prints one line of data.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        self.writer.write_all(text.as_bytes())?;
        self.writer.write_all(b"\n")
    }

    /// Prints what is no text for people: scripts, manual pages.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes)
    }

    /// Prints rows with their columns aligned; the last column is not padded.
    pub(crate) fn table(&mut self, rows: &[Vec<String>]) -> io::Result<()> {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|c| rows.iter().filter_map(|r| r.get(c)).map(|v| width(v)).max().unwrap_or(0))
            .collect();
        for row in rows {
            let mut line = String::new();
            for (c, (value, width_max)) in row.iter().zip(&widths).enumerate() {
                line.push_str(value);
                if c + 1 < row.len() {
                    line.extend(std::iter::repeat_n(' ', width_max - width(value) + 2));
                }
            }
            self.line(&line)?;
        }
        Ok(())
    }

    /// Prints a flat report: one JSON object, or a table of names and values.
    pub(crate) fn fields(&mut self, fields: &[Field]) -> io::Result<()> {
        if self.json {
            return self.line(&flat_json(fields));
        }
        let row = |(name, value): &Field| vec![name.replace('_', " "), clean(&value.text())];
        self.table(&fields.iter().map(row).collect::<Vec<_>>())
    }

    /// Hands everything printed so far to stdout.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Prints a note on stderr. Notes are lost silently if stderr is closed.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Text of a record on one line of a terminal. Control characters and the ones that reorder
/// text are replaced: a chat message must not move the cursor, rename the window or hide words.
pub(crate) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\r' | '\t' => ' ',
            '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => '\u{FFFD}',
            c if c.is_control() => '\u{FFFD}',
            c => c,
        })
        .collect()
}

/// [`clean`], cut to at most `columns_max` columns.
pub(crate) fn clip(text: &str, columns_max: usize) -> String {
    // Control characters never grow in cleaning, so a bounded prefix is enough to clean.
    let text = clean(&text.chars().take(columns_max + 1).collect::<String>());
    if width(&text) <= columns_max {
        return text;
    }
    let mut cut = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += char_width(c);
        if used > columns_max {
            break;
        }
        cut.push(c);
    }
    cut.push('…');
    cut
}

fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// Columns of a character: wide East Asian ones and emoji take two. Near enough for aligning.
fn char_width(c: char) -> usize {
    match u32::from(c) {
        0x0300..=0x036F | 0x200B..=0x200F | 0xFE00..=0xFE0F => 0,
        0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF => 2,
        0xFE30..=0xFE6F | 0xFF00..=0xFF60 | 0xFFE0..=0xFFE6 | 0x1F300..=0x1FAFF | 0x20000..=0x3FFFD => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_do_not_reach_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\nc\u{202e}d"), "a\u{fffd}[2Jb c\u{fffd}d");
    }

    #[test]
    fn clipped_text_fits() {
        assert_eq!(clip("short", 10), "short");
        assert_eq!(clip("abcdefghijk", 5), "abcd…");
        assert_eq!(clip("配送状況", 5), "配送…");
        assert_eq!(width(&clip("配送状況を教えて", 7)), 7);
    }
}
