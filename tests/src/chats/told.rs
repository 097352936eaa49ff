//! What a store at level `all` is to tell of what was done with it: the plain list of its acts.

use std::collections::{BTreeMap, BTreeSet};

use escrowdb::id::Micros;
use escrowdb::query::ast::{Ast, Leaf};
use escrowdb::query::parse::parse;
use escrowdb::store::{ActView, Deed, DetailField, Period};

use crate::chats::ask::{Plain, finds};

/// What was typed, field by field.
pub type Typed = Vec<(DetailField, String)>;

/// Days for which acts are kept behind their month, and details.
pub const KEEP: [i64; 2] = [60, 20];

/// An act.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its position.
    pub seq: u64,
    /// When it was done.
    pub time: Micros,
    /// What; none of an erasure.
    pub deed: Option<Deed>,
    /// Of how many records.
    pub count: u64,
    /// Who did it, by number.
    pub author: Option<u64>,
    /// What was typed, while it is kept.
    pub typed: Option<Typed>,
}

/// Every act that is kept.
#[derive(Clone, Debug, Default)]
pub struct Acts {
    /// In order.
    pub list: Vec<Told>,
    /// Months of which acts are kept, and those of which details are, by their first moments.
    months: [BTreeSet<Micros>; 2],
}

fn month(at: Micros) -> Micros {
    Period::Month.start_of(at)
}

/// When what was written in a month dies.
fn until(month: Micros, keep: i64) -> Micros {
    let next = Period::Month.start_of(Micros(month.0 + 45 * Micros::DAY));
    Micros(next.0 + keep * Micros::DAY)
}

impl Acts {
    /// Adds one; answers the next free position. An erasure has no deed, and no date.
    pub fn add(&mut self, told: Told) -> u64 {
        let next = told.seq + 1 + u64::from(told.typed.is_some());
        if told.deed.is_some() {
            let month = month(told.time);
            self.months.iter_mut().for_each(|months| months.extend([month]));
        }
        self.list.push(told);
        next
    }

    /// Whether somebody did something that is kept.
    pub fn has_author(&self, number: u64) -> bool {
        self.list.iter().any(|told| told.author == Some(number))
    }

    /// Whether acts (0) or details (1) are due, and how many of them go. They are gone then.
    pub fn expire(&mut self, class: usize, now: Micros) -> Option<u64> {
        let due: BTreeSet<Micros> =
            self.months[class].iter().copied().filter(|month| until(*month, KEEP[class]) <= now).collect();
        self.months[class].retain(|month| !due.contains(month));
        let goes = |told: &Told| told.deed.is_some() && due.contains(&month(told.time));
        let before = self.list.len();
        let mut gone = 0;
        if class == 0 {
            self.list.retain(|told| !goes(told));
            gone = before - self.list.len();
        } else {
            for told in self.list.iter_mut().filter(|told| goes(told)) {
                gone += usize::from(told.typed.take().is_some());
            }
        }
        (!due.is_empty()).then_some(gone as u64)
    }

    /// Holds what a store tells against this list: every act, oldest first. Details that are gone though
    /// they should be there are forgotten; answers how many. `name` says who has a number.
    pub fn compare(&mut self, found: &[ActView], name: impl Fn(u64) -> Option<String>) -> u64 {
        let (is, was): (Vec<u64>, Vec<u64>) =
            (found.iter().map(|act| act.seq.0).collect(), self.list.iter().map(|told| told.seq).collect());
        assert_eq!(is, was, "positions of acts");
        let mut gone = 0;
        for (act, told) in found.iter().zip(&mut self.list) {
            let deed = act.act.as_ref().and_then(|act| act.deed);
            let count = act.act.as_ref().map_or(0, |act| act.count);
            let wanted = (told.deed, told.count, told.time, told.author.and_then(&name));
            assert_eq!((deed, count, act.time, act.actor_name.clone()), wanted, "act {}", told.seq);
            let Some(detail) = &act.detail else {
                gone += u64::from(told.typed.take().is_some());
                continue;
            };
            let typed = told.typed.as_ref();
            let typed = typed.unwrap_or_else(|| panic!("the detail of {} came back", told.seq));
            let fields = detail.fields();
            assert_eq!(fields.len(), typed.len(), "the detail of {}", told.seq);
            for ((field, text), (wanted, all)) in fields.iter().zip(typed) {
                // What is very long is cut.
                assert!(
                    field == wanted && all.starts_with(text.as_str()),
                    "{field:?}, not {wanted:?}: {all}"
                );
            }
        }
        gone
    }

    /// No detail tells of what went: of its people, and of records that a query might have found.
    pub fn tell_nothing_of(&self, rows: &[(u64, Plain)], people: &BTreeSet<String>) {
        for told in &self.list {
            for (field, text) in told.typed.iter().flatten() {
                match field {
                    DetailField::Person => assert!(!people.contains(text), "{told:?}"),
                    // Who searches among acts is told nothing of records.
                    DetailField::Query if matches!(told.deed, Some(Deed::Details | Deed::Acts)) => {}
                    DetailField::Query => {
                        let Ok(query) = parse(text, told.time) else { continue };
                        assert!(!names(&query, people), "{told:?} names somebody");
                        let found = rows.iter().find(|(seq, row)| *seq < told.seq && finds(&query, row));
                        assert!(found.is_none(), "{told:?} tells of {found:?}");
                    }
                    _ => {}
                }
            }
        }
    }

    /// How many of each deed there are, for figures.
    pub fn deeds(&self) -> BTreeMap<&'static str, usize> {
        let mut deeds = BTreeMap::new();
        for told in &self.list {
            *deeds.entry(told.deed.map_or("erased", Deed::name)).or_default() += 1;
        }
        deeds
    }
}

fn names(query: &Ast, people: &BTreeSet<String>) -> bool {
    match query {
        Ast::All => false,
        Ast::Leaf(Leaf::Author(name) | Leaf::Subject(name)) => people.contains(name),
        Ast::Leaf(_) => false,
        Ast::Not(of) => names(of, people),
        Ast::And(of) | Ast::Or(of) => of.iter().any(|each| names(each, people)),
    }
}
