//! What is known of an export that was made: all that a register of exports needs.

use std::path::Path;

use escrowdb::export::{Asked, Digest, Section, Terms};
use escrowdb::id::{Handle, Micros};

use crate::json::Object;

/// An export whose files stand under their names.
pub(crate) struct Made {
    /// What was asked for.
    pub(crate) asked: Asked,
    /// The random handle of the person, if everything of one was asked for.
    pub(crate) handle: Option<Handle>,
    /// Name of the form.
    pub(crate) format: String,
    /// Number of records.
    pub(crate) count: u64,
    /// The file in clear, also if it was encrypted.
    pub(crate) digest: Digest,
    /// The moment that it shows.
    pub(crate) at: Micros,
    /// Of an access package, and to whom it was encrypted.
    pub(crate) terms: Terms,
    /// Bytes of the proof.
    pub(crate) proof: Option<u64>,
    /// Positions of the log that the checkpoint counts, if one was signed.
    pub(crate) size: Option<u64>,
    /// Of a person, how many records are restricted and left out, for nobody named a case.
    pub(crate) restricted: u64,
    /// Code under which it is registered; one that is unsigned or of an older store may not be.
    pub(crate) disclosure: Option<String>,
}

impl Made {
    pub(super) fn to_json(&self, file: &Path) -> String {
        let null = |number: Option<u64>| number.map_or("null".to_owned(), |n| n.to_string());
        let mut line = Object::new();
        line.text("file", &file.display().to_string())
            .number("count", self.count)
            .number("bytes", self.digest.bytes)
            .text("sha256", &self.sha256())
            .flag("signed", self.size.is_some())
            .raw("size", &null(self.size))
            .raw("proof_bytes", &null(self.proof));
        self.put_terms(&mut line);
        if self.restricted > 0 {
            line.number("restricted", self.restricted);
        }
        if let Some(code) = &self.disclosure {
            line.text("disclosure", code);
        }
        line.finish()
    }

    /// A manifest that is not signed, and says so: it shows a damaged file, not a forged one.
    pub(super) fn unsigned(&self, file: &str) -> String {
        let mut line = Object::new();
        line.number("version", 1)
            .text("file", file)
            .text("format", &self.format)
            .number("count", self.count)
            .number("bytes", self.digest.bytes)
            .text("sha256", &self.sha256())
            .flag("signed", false);
        self.put_terms(&mut line);
        line.finish()
    }

    /// For people.
    pub(super) fn to_text(&self, file: &Path) -> String {
        let mut text = format!("{} records in {}", self.count, file.display());
        if let Some(package) = &self.terms.package {
            text += &format!(
                ": {} by or about the person, {} of others, {} withheld",
                package.own, package.of_others, package.withheld
            );
            for (section, count) in Section::ALL.into_iter().zip(package.told.unwrap_or_default().counts) {
                text += &format!(", {count} {}", section.name());
            }
        }
        match &self.disclosure {
            Some(code) => text += &format!("; registered as disclosure {code}"),
            None => text += "; NOT registered, for the store can't: note by hand who has it",
        }
        text
    }

    /// Only what there is: without it the object is the one that it always was.
    fn put_terms(&self, line: &mut Object) {
        if let Some(package) = &self.terms.package {
            line.text("others", package.others.name())
                .number("own", package.own)
                .number("of_others", package.of_others)
                .number("withheld", package.withheld)
                .number("people", package.people)
                .number("fields", package.fields)
                .number("unproved", package.unproved);
            if let Some(told) = &package.told {
                for section in Section::ALL {
                    line.number(section.name(), told.of(section));
                }
            }
        }
        if !self.terms.recipients.is_empty() {
            line.texts("recipients", &self.terms.recipients);
        }
    }

    pub(super) fn sha256(&self) -> String {
        self.digest.sha256.iter().map(|b| format!("{b:02x}")).collect()
    }
}
