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
    /// What was asked for, and what for, as long as it is kept: a record each.
    pub details: [Option<Typed>; 2],
}

/// Of what was typed what was asked for, and what for.
fn halves(typed: impl IntoIterator<Item = (DetailField, String)>) -> [Option<Typed>; 2] {
    let (what_for, asked): (Typed, Typed) = typed.into_iter().partition(|(field, _)| field.is_what_for());
    [asked, what_for].map(|half| Some(half).filter(|half| !half.is_empty()))
}

impl Told {
    /// An act with what was typed, in the order of the fields.
    pub fn new(seq: u64, time: Micros, typed: Typed) -> Self {
        Self { seq, time, deed: None, count: 0, author: None, details: halves(typed) }
    }
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
        let next = told.seq + 1 + told.details.iter().flatten().count() as u64;
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
                gone += told.details.iter_mut().filter_map(Option::take).count();
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
            let fields = act.detail.iter().flat_map(|detail| detail.fields());
            let found = halves(fields.map(|(field, text)| (*field, text.to_string())));
            for (found, told_half) in found.iter().zip(&mut told.details) {
                let Some(found) = found else {
                    gone += u64::from(told_half.take().is_some());
                    continue;
                };
                let typed = told_half.as_ref();
                let typed = typed.unwrap_or_else(|| panic!("a detail of {} came back", told.seq));
                assert_eq!(found.len(), typed.len(), "a detail of {}", told.seq);
                for ((field, text), (wanted, all)) in found.iter().zip(typed) {
                    // What is very long is cut.
                    assert!(
                        field == wanted && all.starts_with(text.as_str()),
                        "{field:?}, not {wanted:?}: {all}"
                    );
                }
            }
        }
        gone
    }

    /// No detail tells of what went: of its people, and of records that a query might have found.
    pub fn tell_nothing_of(&self, rows: &[(u64, Plain)], people: &BTreeSet<String>) {
        for told in &self.list {
            for (field, text) in told.details.iter().flatten().flatten() {
                match field {
                    DetailField::Person => assert!(!people.contains(text), "{told:?}"),
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
