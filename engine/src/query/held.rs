//! What holds keep: the documents of a part that each standing hold is about.

use roaring::RoaringBitmap;

use crate::error::Result;
use crate::id::PersonNumber;
use crate::index::scope::Mask;
use crate::index::{Field, Part, Term};
use crate::query::eval;
use crate::query::parse::parse;
use crate::query::plan::Plan;
use crate::register::hold::{Hold, Scope};
use crate::view::View;
use crate::view::overlays::Shown;

/// Holds that stand, made ready to be asked of parts.
pub(crate) struct Standing<'v> {
    holds: Vec<(&'v Hold, Option<Plan>)>,
    /// The parts, and as queries see them: with later tags and wordings. None if no query asks.
    parts: Vec<&'v dyn Part>,
    shown: Option<Shown<'v>>,
}

impl<'v> Standing<'v> {
    /// Those of a moment. A query means what it meant when it was typed; people in it who are unknown by
    /// now have no records.
    ///
    /// # Errors
    /// A query that is not well formed any more.
    pub(crate) fn of(view: &'v View) -> Result<Self> {
        let mut holds = Vec::new();
        for placed in view.rules().holds.standing() {
            let plan = match &placed.hold.scope {
                Scope::Query { text, at } => Some(Plan::new(&parse(text, *at)?, view, &Mask::default())?),
                Scope::Person(_) | Scope::Conversation(_) => None,
            };
            holds.push((&placed.hold, plan));
        }
        let asks = holds.iter().any(|(_, plan)| plan.is_some());
        let shown = asks.then(|| view.shown(None)).transpose()?;
        Ok(Self { holds, parts: view.parts(), shown })
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.holds.is_empty()
    }

    /// Codes of holds that are about a person as a whole.
    pub(crate) fn on_person(&self, number: PersonNumber) -> impl Iterator<Item = &'v str> {
        let of = self.holds.iter().filter(move |(hold, _)| hold.scope == Scope::Person(number.0));
        of.map(|(hold, _)| hold.code.as_str())
    }

    /// Documents of a part that any of them keeps, and the codes of those that keep some of `among`.
    ///
    /// # Errors
    /// Unreadable files.
    pub(crate) fn docs(
        &self,
        part: &dyn Part,
        among: &RoaringBitmap,
        codes: &mut Vec<String>,
    ) -> Result<RoaringBitmap> {
        let mut all = RoaringBitmap::new();
        for (hold, plan) in &self.holds {
            let docs = match (&hold.scope, plan) {
                (Scope::Person(number), _) => {
                    let number = PersonNumber(*number);
                    part.postings(&Term::person(Field::Subject, number))?
                        | part.postings(&Term::person(Field::Author, number))?
                }
                (Scope::Conversation(name), _) => part.postings(&Term::conversation(name))?,
                // As it was written, and as it is found now: either is what was meant.
                (Scope::Query { .. }, Some(plan)) => {
                    let mut docs = eval::matches(plan, part, &Mask::default())?;
                    let at = self.parts.iter().position(|of| std::ptr::addr_eq(*of, part));
                    let shown = self.shown.as_ref().map(Shown::parts).unwrap_or_default();
                    if let Some(shown) = at.and_then(|at| shown.get(at)) {
                        docs |= eval::matches(plan, *shown, &Mask::default())?;
                    }
                    docs
                }
                (Scope::Query { .. }, None) => continue,
            };
            if !docs.is_disjoint(among) && !codes.contains(&hold.code) {
                codes.push(hold.code.clone());
            }
            all |= docs;
        }
        Ok(all)
    }
}
