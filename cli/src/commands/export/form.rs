//! The forms of an exported file. Each is written record by record, in bounded memory.

use escrowdb::export::{FORM_SALT_LEN, FormLine, Package, Statement};
use escrowdb::id::Micros;

use crate::commands::export::{csv::Csv, html::Html, told, vcon::Vcon};
use crate::engine::{self, Hit};
use crate::json::Object;

/// Names of the forms.
pub(crate) const NAMES: [&str; 4] = ["jsonl", "html", "csv", "vcon"];

/// Whether the records of a form come conversation by conversation instead of by time alone.
pub(crate) fn is_by_conversation(name: &str) -> bool {
    matches!(name, "html" | "vcon")
}

/// What a file is about. Of the same records and the same of this the same file comes, byte for byte.
pub(crate) struct About {
    /// What was asked for: person, conversation or query; and its name.
    pub(crate) title: (&'static str, String),
    /// When.
    pub(crate) at: Micros,
    /// Random bytes of this export.
    pub(crate) salt: [u8; FORM_SALT_LEN],
    /// Of an access package. Its numbers count only at the end of the file.
    pub(crate) package: Option<Package>,
}

/// Writes the records of one file.
pub(crate) trait Form {
    /// Its name in the manifest.
    fn name(&self) -> &'static str;
    /// Which rendering it is: one more whenever other bytes come of the same records.
    fn version(&self) -> u64 {
        1
    }
    /// The export's own salt, if it shows in the file.
    fn salt(&self) -> Option<[u8; FORM_SALT_LEN]> {
        None
    }
    /// Whether each record is a line that is proved as it stands.
    fn has_lines(&self) -> bool {
        false
    }
    /// What stands before the first record.
    fn begin(&mut self, _out: &mut String) {}
    /// One record.
    fn record(&mut self, out: &mut String, hit: &Hit);
    /// What an access package says beside its records, behind all of them.
    fn told(&mut self, out: &mut String, statement: &Statement);
    /// What stands behind the last; with the numbers of an access package.
    fn end(&mut self, _out: &mut String, _package: Option<&Package>) {}
    /// What its proof says of it.
    fn line(&self) -> FormLine {
        FormLine { name: self.name().to_owned(), version: self.version(), salt: self.salt() }
    }
}

/// JSON Lines, as an import reads them.
pub(crate) struct Jsonl;

impl Form for Jsonl {
    fn name(&self) -> &'static str {
        "jsonl"
    }

    fn has_lines(&self) -> bool {
        true
    }

    fn record(&mut self, out: &mut String, hit: &Hit) {
        out.push_str(&engine::record_json(hit));
        out.push('\n');
    }

    fn told(&mut self, out: &mut String, statement: &Statement) {
        out.push_str(&told::line(statement));
        out.push('\n');
    }
}

/// The form of this name.
pub(crate) fn named(name: &str, about: &About) -> Option<Box<dyn Form>> {
    match name {
        "jsonl" => Some(Box::new(Jsonl)),
        "csv" => Some(Box::new(Csv::new(about))),
        "html" => Some(Box::new(Html::new(about))),
        "vcon" => Some(Box::new(Vcon::new(about))),
        _ => None,
    }
}

/// Further fields of a record, as one object.
pub(super) fn extra(hit: &Hit) -> String {
    let mut object = Object::new();
    for (name, json) in &hit.extra {
        object.raw(name, json);
    }
    object.finish()
}
