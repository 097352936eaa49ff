//! Records of which the words go and the rest stays.

use escrowdb::session::Session;
use escrowdb::store::{Certificate, EraseOptions, Redaction};

use super::{World, wide};

impl World {
    /// What overwrites both words of the record with an id.
    pub fn redaction(&self, id: &str) -> Redaction {
        let said = self.said.iter().find(|said| said.record.id.as_deref() == Some(id)).unwrap();
        let body = said.marks.body.as_ref().unwrap();
        Redaction::new(id).word(body.word.as_str()).word(wide(&body.folded))
    }

    /// Takes these words out of the model, and leaves the record.
    pub fn bury_words(&mut self, id: &str) {
        let nowhere = self.word();
        let said = self.said.iter_mut().find(|said| said.record.id.as_deref() == Some(id)).unwrap();
        let mut gone = said.clone();
        let marks = said.marks.body.take().unwrap();
        for word in [marks.word.clone(), wide(&marks.folded)] {
            said.record.body = said.record.body.replace(&word, "█");
        }
        // What stood there is a record of its own that is no more.
        gone.living = false;
        gone.record.id = Some(nowhere);
        gone.marks.beside.clear();
        self.said.push(gone);
    }

    /// Whether the words of a record are gone from it.
    pub fn is_redacted(&self, id: &str) -> bool {
        self.store().session(Session::new()).get(id, None).unwrap()[0].body.contains('█')
    }

    /// Redacts a record, with the control before and the verdict after.
    pub fn redact(&mut self, id: &str) -> Certificate {
        self.control();
        let certificate = self.store().redact(&self.redaction(id), &EraseOptions::default()).unwrap();
        self.bury_words(id);
        self.acknowledged();
        self.verdict().assert_clean("redacted");
        certificate
    }
}
