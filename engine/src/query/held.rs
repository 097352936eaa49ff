//! What holds keep, and restrictions: the documents of each part that they are about.
//!
//! A record and its edits are one thing: where a hold is about one of them it keeps all. What else speaks of
//! a record that is kept, a deletion, reaction or tag, is kept with it.

mod kept;
mod speaking;
mod starts;

use roaring::RoaringBitmap;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::id::{PersonNumber, Seq};
use crate::index::live::Held;
use crate::index::overlay::Version;
use crate::index::scope::Mask;
use crate::index::{Field, IdHash, LiveIndex, Part, Term};
use crate::query::eval;
use crate::query::parse::parse;
use crate::query::plan::Plan;
use crate::record::StoredRef;
use crate::register::hold::{Effect, Hold, Placed, Scope};
use crate::view::View;
use crate::view::overlays::Shown;

pub(crate) use kept::{Found, Keeps};
pub(crate) use speaking::{At, leave_what_speaks_of_others, place};
pub(crate) use starts::{Starts, mark_of};

/// Bytes of a salt, which stands before a record wherever it lies.
const SALT: usize = 16;

/// Holds that stand, made ready to be asked of parts.
pub(crate) struct Standing<'v> {
    holds: Vec<Ready<'v>>,
    parts: Vec<&'v dyn Part>,
    /// The parts as queries see them: with later tags and wordings. None if no query asks.
    shown: Option<Shown<'v>>,
}

/// One that stands.
struct Ready<'v> {
    hold: &'v Hold,
    /// The person it is about and those linked to her.
    people: Vec<PersonNumber>,
    /// What its query means: as it was typed, and of every wording, also of what was taken back.
    plans: Vec<Plan>,
}

impl<'v> Standing<'v> {
    /// Those of a moment that keep. A query means what it meant when it was typed; people in it who are
    /// unknown by now have no records.
    ///
    /// # Errors
    /// A query that is not well formed any more, or an unreadable key tree.
    pub(crate) fn of(view: &'v View) -> Result<Self> {
        Self::gather(view, view.rules().holds.standing())
    }

    /// Those of a moment that hide.
    fn restricting(view: &'v View) -> Result<Self> {
        Self::gather(view, view.rules().holds.iter().filter(|placed| placed.restricts()))
    }

    /// Those that kept, and were lifted.
    fn lifted(view: &'v View) -> Result<Self> {
        let is_lifted = |placed: &&Placed| placed.released.is_some() && placed.hold.effect == Effect::Hold;
        Self::gather(view, view.rules().holds.iter().filter(is_lifted))
    }

    fn gather(view: &'v View, placed: impl Iterator<Item = &'v Placed>) -> Result<Self> {
        let mut holds = Vec::new();
        for Placed { hold, .. } in placed {
            let (mut people, mut plans) = (Vec::new(), Vec::new());
            match &hold.scope {
                Scope::Query { text, at } => {
                    let query = parse(text, *at)?;
                    for version in [None, Some(Version::All)] {
                        let mut plan = Plan::new(&query, view, &Mask::default())?;
                        plan.version = version.unwrap_or(plan.version);
                        plans.push(plan);
                    }
                }
                Scope::Person(number) => people = view.linked(PersonNumber(*number))?,
                Scope::Conversation(_) => {}
            }
            holds.push(Ready { hold, people, plans });
        }
        let asks = holds.iter().any(|ready| !ready.plans.is_empty());
        let shown = asks.then(|| view.shown(None)).transpose()?;
        Ok(Self { holds, parts: view.parts(), shown })
    }

    /// Codes of all of them.
    pub(crate) fn codes(&self) -> impl Iterator<Item = &'v str> {
        self.holds.iter().map(|ready| ready.hold.code.as_str())
    }

    /// Codes of holds that are about a person as a whole.
    pub(crate) fn on_person(&self, number: PersonNumber) -> impl Iterator<Item = &'v str> {
        let of = self.holds.iter().filter(move |ready| ready.people.contains(&number));
        of.map(|ready| ready.hold.code.as_str())
    }

    /// Codes of those whose query names somebody so: it would mean nobody once the name is gone.
    ///
    /// # Errors
    /// A query that is not well formed any more.
    pub(crate) fn naming(&self, name: &str) -> Result<Vec<&'v str>> {
        let mut codes = Vec::new();
        for ready in &self.holds {
            if let Scope::Query { text, at } = &ready.hold.scope
                && parse(text, *at)?.names(name)
            {
                codes.push(ready.hold.code.as_str());
            }
        }
        Ok(codes)
    }

    /// Everybody whom a hold is about as a whole.
    pub(crate) fn people(&self) -> impl Iterator<Item = PersonNumber> {
        self.holds.iter().flat_map(|ready| ready.people.iter().copied())
    }

    /// Codes of holds that are about whatever stands in a conversation, or comes from somebody.
    pub(crate) fn on_any(
        &self,
        conversation: &str,
        people: &[PersonNumber],
    ) -> impl Iterator<Item = &'v str> {
        let is_about = move |ready: &&Ready<'v>| match &ready.hold.scope {
            Scope::Conversation(name) => name == conversation,
            _ => people.iter().any(|number| ready.people.contains(number)),
        };
        self.holds.iter().filter(is_about).map(|ready| ready.hold.code.as_str())
    }

    /// Codes of holds that are about a record which is on its way.
    ///
    /// # Errors
    /// A record that is too long for any part.
    pub(crate) fn on_record(&self, record: &StoredRef<'_>) -> Result<Vec<&'v str>> {
        let mut bytes = Zeroizing::new(vec![0; SALT]);
        record.encode_into(&mut bytes);
        let to = u32::try_from(bytes.len()).map_err(|_| Error::invalid("a record is over 4 GiB"))?;
        let mut live = LiveIndex::new(self.parts.iter().all(|part| part.has_words()));
        let held = Held { bytes: live.hold(bytes)?, salt: 0, from: SALT as u32, to };
        live.add_held(held, Seq(0), record, IdHash::of(record.id, record.conversation), true)?;
        let mut codes = Vec::new();
        for ready in &self.holds {
            if !ready.docs(&live, None)?.is_empty() {
                codes.push(ready.hold.code.as_str());
            }
        }
        Ok(codes)
    }

    /// Documents that each of them is about, by hold and part; a record and its edits together.
    fn docs(&self, view: &View) -> Result<Vec<(&'v str, Vec<RoaringBitmap>)>> {
        let shown = self.shown.as_ref().map(Shown::parts).unwrap_or_default();
        let mut all = Vec::with_capacity(self.holds.len());
        for ready in &self.holds {
            let mut docs = Vec::with_capacity(self.parts.len());
            for (nth, part) in self.parts.iter().enumerate() {
                docs.push(ready.docs(*part, shown.get(nth).copied())?);
            }
            speaking::add_edited(view, &self.parts, &mut docs)?;
            all.push((ready.hold.code.as_str(), docs));
        }
        Ok(all)
    }
}

impl Ready<'_> {
    /// Documents of a part that it is about; `shown` is the part as queries see it.
    fn docs(&self, part: &dyn Part, shown: Option<&dyn Part>) -> Result<RoaringBitmap> {
        let mut docs = RoaringBitmap::new();
        for number in &self.people {
            docs |= part.postings(&Term::person(Field::Subject, *number))?;
            if self.hold.effect == Effect::Hold {
                docs |= part.postings(&Term::person(Field::Author, *number))?;
            }
        }
        if let Scope::Conversation(name) = &self.hold.scope {
            docs |= part.postings(&Term::conversation(name))?;
        }
        // As it was written, and as it is found now: either is what was meant.
        for plan in &self.plans {
            for part in [Some(part), shown].into_iter().flatten() {
                docs |= eval::matches(plan, part, &Mask::default())?;
            }
        }
        Ok(docs)
    }
}
