//! Acts on their way into the log: who did it gets a number like an author does.

use zeroize::Zeroize;

use crate::error::Result;
use crate::id::PersonNumber;
use crate::ingest::assemble::{Draft, Outcome, busy};
use crate::record::input::check_identifier;
use crate::record::{Kind, Stored};
use crate::text;

/// Acts of one actor, and their details.
#[derive(Clone)]
pub struct Acts {
    /// Who did it, if he is named.
    pub actor: Option<String>,
    /// The view's generation when what they tell of was looked up.
    pub generation: u64,
    /// Their records. Those that are not details get the actor as author.
    pub records: Vec<Stored>,
}

impl Zeroize for Acts {
    fn zeroize(&mut self) {
        self.actor.zeroize();
        self.records.iter_mut().for_each(Zeroize::zeroize);
    }
}

impl Draft<'_, '_> {
    /// The number of who does something, who gets one like an author does; that of the store if nobody is named.
    pub(super) fn actor(&mut self, name: Option<&str>) -> Result<PersonNumber> {
        let Some(name) = name else { return Ok(PersonNumber::STORE) };
        check_identifier("actor", name)?;
        let name = text::nfc(name);
        match self.number(&name)? {
            Some(number) if self.view.mask.hides(number) => Err(busy()),
            Some(number) => Ok(number),
            None => self.birth(&name),
        }
    }

    /// Adds acts. Their details are left out while an erasure runs, and if one has ended since they
    /// were made: what they name may be what is gone.
    pub fn add_acts(&mut self, acts: &Acts) -> Result<Vec<Outcome>> {
        let author = self.actor(acts.actor.as_deref())?;
        let with_details = self.view.mask.is_empty() && self.view.generation == acts.generation;
        let mut outcomes = Vec::with_capacity(acts.records.len());
        for stored in &acts.records {
            let is_detail = stored.kind == Kind::Detail;
            if is_detail && !with_details {
                continue;
            }
            let author = if is_detail { PersonNumber::STORE } else { author };
            outcomes.push(Outcome::Added(self.push(Stored { author, ..stored.clone() })?));
        }
        Ok(outcomes)
    }
}
