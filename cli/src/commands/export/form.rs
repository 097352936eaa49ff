//! The forms of an exported file. Each is written record by record, in bounded memory.

use crate::commands::export::{csv::Csv, html::Html};
use crate::engine::{self, Hit};

/// Writes the records of one file.
pub(crate) trait Form {
    /// Its name in the manifest.
    fn name(&self) -> &'static str;
    /// Whether records come conversation by conversation instead of by time alone.
    fn by_conversation(&self) -> bool {
        false
    }
    /// Whether each record is a line that can be proved.
    fn is_proved(&self) -> bool {
        false
    }
    /// What stands before the first record.
    fn begin(&mut self, _out: &mut String) {}
    /// One record.
    fn record(&mut self, out: &mut String, hit: &Hit);
    /// What stands behind the last.
    fn end(&mut self, _out: &mut String) {}
}

/// JSON Lines, as an import reads them.
pub(crate) struct Jsonl;

impl Form for Jsonl {
    fn name(&self) -> &'static str {
        "jsonl"
    }

    fn is_proved(&self) -> bool {
        true
    }

    fn record(&mut self, out: &mut String, hit: &Hit) {
        out.push_str(&engine::record_json(hit));
        out.push('\n');
    }
}

/// The form of this name; `title` is what a page is about.
pub(crate) fn named(name: &str, title: (&'static str, &str)) -> Option<Box<dyn Form>> {
    match name {
        "jsonl" => Some(Box::new(Jsonl)),
        "csv" => Some(Box::new(Csv)),
        "html" => Some(Box::new(Html::new(title))),
        _ => None,
    }
}
