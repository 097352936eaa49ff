//! What rules keep of records that are to go.

use roaring::RoaringBitmap;

use crate::error::Result;
use crate::id::{Micros, PersonNumber};
use crate::index::Part;
use crate::policy::{Facts, Held, Lock as LockFact, Reach};
use crate::query::held::{At, Standing, Starts, speaking};
use crate::register::class::Kept as Class;
use crate::view::View;

/// Everything that holds, restrictions and locks keep in a moment, found once and asked often.
pub(crate) struct Keeps<'v> {
    view: &'v View,
    parts: Vec<&'v dyn Part>,
    standing: Standing<'v>,
    /// Documents that holds keep, by hold and part.
    held: Vec<(&'v str, Vec<RoaringBitmap>)>,
    /// Documents that somebody had restricted, likewise.
    restricted: Vec<(&'v str, Vec<RoaringBitmap>)>,
    locks: Vec<Lock<'v>>,
}

/// Documents of a class whose shortest time is not over.
struct Lock<'v> {
    class: &'v Class,
    starts: Starts,
    /// These, and the records of which they are edits: one that binds a wording binds all.
    docs: Vec<RoaringBitmap>,
    /// Those records, each with the edit because of which.
    edited: Vec<(At, At)>,
}

/// What is kept of some documents, part by part.
#[derive(Default)]
pub(crate) struct Found {
    /// By holds.
    pub(crate) held: Vec<RoaringBitmap>,
    /// By restrictions.
    pub(crate) restricted: Vec<RoaringBitmap>,
    /// By locks.
    pub(crate) locked: Vec<RoaringBitmap>,
    /// Codes of these holds.
    pub(crate) holds: Vec<String>,
    /// Codes of these restrictions.
    pub(crate) restrictions: Vec<String>,
    /// When the last of these locks is over; [`Micros::MAX`] of one that nobody knows it of.
    pub(crate) until: Option<Micros>,
}

impl Found {
    /// Whether nothing is kept; what is restricted only counts unless it may go.
    pub(crate) fn is_empty(&self, may_take_restricted: bool) -> bool {
        let are_empty = |docs: &[RoaringBitmap]| docs.iter().all(RoaringBitmap::is_empty);
        are_empty(&self.held)
            && are_empty(&self.locked)
            && (may_take_restricted || are_empty(&self.restricted))
    }

    /// Whether holds keep some.
    pub(crate) fn holds_some(&self) -> bool {
        self.held.iter().any(|docs| !docs.is_empty())
    }

    /// What is kept of one document, as the policy is asked of it.
    pub(crate) fn facts(&self, (nth, doc): At) -> Facts {
        let is_in = |docs: &[RoaringBitmap]| docs.get(nth).is_some_and(|docs| docs.contains(doc));
        let reach = if is_in(&self.held) { Reach::All } else { Reach::None };
        Facts {
            held: Held { reach, codes: Vec::new() },
            lock: is_in(&self.locked).then_some(LockFact { reach: Reach::All, until: Micros::MAX }),
            restricted: is_in(&self.restricted),
            ..Facts::default()
        }
    }

    /// What holds, restrictions and locks keep of a part.
    pub(crate) fn parted(&self, nth: usize) -> [RoaringBitmap; 3] {
        [&self.held, &self.restricted, &self.locked].map(|docs| docs.get(nth).cloned().unwrap_or_default())
    }
}

impl<'v> Keeps<'v> {
    /// Those of a moment; `now` is what the store believes of the time.
    ///
    /// # Errors
    /// Unreadable files.
    pub(crate) fn of(view: &'v View, now: Micros) -> Result<Self> {
        let parts = view.parts();
        let standing = Standing::of(view)?;
        let held = standing.docs(view)?;
        let restricted = Standing::restricting(view)?.docs(view)?;
        let mut locks = Vec::new();
        for class in view.rules().classes.iter().filter(|class| class.lock.is_some()) {
            let mut docs = Vec::with_capacity(parts.len());
            for part in &parts {
                docs.push(part.class_docs(class.class.number)?);
            }
            if docs.iter().all(RoaringBitmap::is_empty) {
                continue;
            }
            let starts = Starts::of(view, class, &parts, &docs)?;
            for (nth, (part, docs)) in parts.iter().zip(&mut docs).enumerate() {
                let (over, _) = starts.over(*part, nth, docs, |start| is_unlocked(class, start, now))?;
                *docs -= over;
            }
            let edited = speaking::edited(view, &parts, &docs)?;
            for ((nth, doc), _) in &edited {
                docs.get_mut(*nth).into_iter().for_each(|docs| _ = docs.insert(*doc));
            }
            locks.push(Lock { class, starts, docs, edited });
        }
        Ok(Self { view, parts, standing, held, restricted, locks })
    }

    /// Holds only: what keeps something from being changed.
    ///
    /// # Errors
    /// Unreadable files.
    pub(crate) fn holding(view: &'v View) -> Result<Self> {
        let standing = Standing::of(view)?;
        let held = standing.docs(view)?;
        Ok(Self { view, parts: view.parts(), standing, held, restricted: Vec::new(), locks: Vec::new() })
    }

    /// Holds that were lifted, as if they still stood: of whom they kept something.
    ///
    /// # Errors
    /// Unreadable files.
    pub(crate) fn lifted(view: &'v View) -> Result<Self> {
        let standing = Standing::lifted(view)?;
        let held = standing.docs(view)?;
        Ok(Self { view, parts: view.parts(), standing, held, restricted: Vec::new(), locks: Vec::new() })
    }

    /// The holds themselves.
    pub(crate) const fn standing(&self) -> &Standing<'v> {
        &self.standing
    }

    /// Codes of the holds that keep a record as it is.
    ///
    /// # Errors
    /// Unreadable files.
    pub(crate) fn on(&self, part: &dyn Part, doc: u32) -> Result<Vec<String>> {
        let mut among = vec![RoaringBitmap::new(); self.parts.len()];
        let at = self.parts.iter().position(|of| std::ptr::addr_eq(*of, part));
        at.and_then(|at| among.get_mut(at)).into_iter().for_each(|docs| _ = docs.insert(doc));
        Ok(self.among(&among)?.holds)
    }

    /// Codes of holds that are about a person as a whole.
    pub(crate) fn on_person(&self, number: PersonNumber) -> impl Iterator<Item = &'v str> {
        self.standing.on_person(number)
    }

    /// Everybody whom a hold is about as a whole.
    pub(crate) fn people(&self) -> impl Iterator<Item = PersonNumber> {
        self.standing.people()
    }

    /// Whether no rule keeps anything.
    pub(crate) fn is_idle(&self) -> bool {
        self.held.is_empty() && self.restricted.is_empty() && self.locks.is_empty()
    }

    /// What of these documents is kept, part by part: what a rule is about, its edits, and what speaks of it.
    ///
    /// # Errors
    /// Unreadable files.
    pub(crate) fn among(&self, among: &[RoaringBitmap]) -> Result<Found> {
        let none = || vec![RoaringBitmap::new(); self.parts.len()];
        let mut found = Found { held: none(), restricted: none(), locked: none(), ..Found::default() };
        if self.is_idle() {
            return Ok(found);
        }
        let spoken = speaking::spoken(self.view, &self.parts, among)?;
        // Documents of `among` that go together with some of `docs`, and those of `docs` because of which.
        let hits = |docs: &[RoaringBitmap]| {
            let mut kept: Vec<_> = docs.iter().zip(among).map(|(docs, among)| docs & among).collect();
            let mut because = kept.clone();
            for ((nth, doc), (at, of)) in &spoken {
                if docs.get(*at).is_some_and(|docs| docs.contains(*of)) {
                    kept.get_mut(*nth).into_iter().for_each(|kept| _ = kept.insert(*doc));
                    because.get_mut(*at).into_iter().for_each(|because| _ = because.insert(*of));
                }
            }
            (kept, because)
        };
        let by_code = |all: &[(&str, Vec<RoaringBitmap>)], into: &mut [RoaringBitmap]| {
            let mut codes = Vec::new();
            for (code, docs) in all {
                let (kept, _) = hits(docs);
                if kept.iter().any(|docs| !docs.is_empty()) {
                    codes.push((*code).to_owned());
                }
                into.iter_mut().zip(kept).for_each(|(into, kept)| *into |= kept);
            }
            codes
        };
        found.holds = by_code(&self.held, &mut found.held);
        found.restrictions = by_code(&self.restricted, &mut found.restricted);
        for lock in &self.locks {
            let (kept, mut because) = hits(&lock.docs);
            for ((nth, doc), (at, edit)) in &lock.edited {
                if because.get(*nth).is_some_and(|docs| docs.contains(*doc)) {
                    because.get_mut(*at).into_iter().for_each(|docs| _ = docs.insert(*edit));
                }
            }
            for (nth, (part, because)) in self.parts.iter().zip(&because).enumerate() {
                let last = lock.starts.latest(*part, nth, because)?;
                let end = last.map(|start| lock.class.lock_until(start));
                found.until = found.until.max(end);
            }
            found.locked.iter_mut().zip(kept).for_each(|(into, kept)| *into |= kept);
        }
        Ok(found)
    }
}

/// Whether the shortest time is over. It is kept to the end of its day, so it may outlast a longest time that is as
/// long.
fn is_unlocked(class: &Class, start: Micros, at: Micros) -> bool {
    class.lock_until(start) <= at
}
