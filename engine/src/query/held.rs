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

/// Holds that stand, made ready to be asked of parts.
pub(crate) struct Standing<'v> {
    holds: Vec<(&'v Hold, Option<Plan>)>,
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
        Ok(Self { holds })
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
                (Scope::Query { .. }, Some(plan)) => eval::matches(plan, part, &Mask::default())?,
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
