//! What takes the place of records of which a part goes: made while the old ones can still be read.

use zeroize::Zeroizing;

use crate::erase::pass::Pass;
use crate::erase::{redact, target};
use crate::error::{ErrorKind, Result};
use crate::id::{RequestId, Seq};
use crate::keyring::pending::{Redacted, Target, Waiting};
use crate::record::Stored;
use crate::view::View;

/// What becomes of a record of which a part was to go.
enum Fate {
    /// It goes whole, by another request, or can't be read any more: nothing is left to keep.
    Gone,
    /// It has its new form, or gets it in a later pass.
    Stays,
    /// It gets this one now.
    Anew(Box<Zeroizing<Stored>>),
}

impl Pass<'_> {
    /// The new forms of the records that this pass takes for a part of them only. Notes of which requests the
    /// record lives on.
    pub(super) fn redacted_forms(&mut self) -> Result<Vec<Zeroizing<Stored>>> {
        let view = self.state.view.read();
        let mut forms = Vec::new();
        let mut named = Vec::new();
        for (request, waiting) in &self.batch {
            let Some(of) = waiting.target.redacted() else { continue };
            match self.fate(&view, of, &waiting.target)? {
                Fate::Gone => continue,
                Fate::Stays => {}
                Fate::Anew(form) => forms.push(*form),
            }
            named.push(*request);
        }
        drop(view);
        self.named = named;
        Ok(forms)
    }

    fn fate(&self, view: &View, of: &Redacted, target: &Target) -> Result<Fate> {
        let copy = redact::copy_of(view, of)?;
        for seq in copy.into_iter().chain([of.seq]) {
            if self.goes_whole(view, seq)? {
                return Ok(Fate::Gone);
            }
        }
        if copy.is_some() {
            return Ok(Fate::Stays);
        }
        for (nth, part) in view.parts().into_iter().enumerate() {
            let Some(doc) = part.doc_of(of.seq)? else { continue };
            if !self.takes_now(view, nth) {
                return Ok(Fate::Stays);
            }
            return match part.record(doc) {
                Ok(stored) => Ok(Fate::Anew(Box::new(redact::new_form(view, stored, of.seq, target)?))),
                Err(e) if e.kind() == ErrorKind::Corrupt => Ok(Fate::Gone),
                Err(e) => Err(e),
            };
        }
        Ok(Fate::Gone)
    }

    /// Whether another request of this pass takes the record at a position.
    fn goes_whole(&self, view: &View, seq: Seq) -> Result<bool> {
        for part in view.parts() {
            let Some(doc) = part.doc_of(seq)? else { continue };
            for (_, other) in self.batch.iter().filter(|(_, other)| takes_all(other)) {
                if target::doomed_in(part, other)?.contains(doc) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Whether this pass writes a part of the view anew; another may be left to the next.
    fn takes_now(&self, view: &View, nth: usize) -> bool {
        match view.segments.get(nth) {
            Some(segment) => self.rewritten.iter().any(|(id, _)| *id == segment.id),
            None => self.roll.is_some(),
        }
    }

    /// What is kept of a redaction until its answer: names only of a record that lives.
    pub(super) fn redacted(named: &[RequestId], request: RequestId, waiting: &Waiting) -> Option<Redacted> {
        let of = waiting.target.redacted().filter(|of| of.seq != Redacted::LOST)?;
        if named.contains(&request) {
            return Some(of.clone());
        }
        Some(Redacted { conversation: String::new(), id: String::new(), ..*of })
    }
}

const fn takes_all(waiting: &Waiting) -> bool {
    waiting.target.redacted().is_none()
}
