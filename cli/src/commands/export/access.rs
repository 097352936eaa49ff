//! An access package: what a person gets who asks for her data (GDPR Art. 15 and 20) without that others are
//! shown to her who have rights of their own (Art. 15(4), 20(4)).
//!
//! Her own are the records that she wrote and those that are about her; the others are those of others in the
//! conversations that she takes part in. Pseudonyms are counted in the order in which they come up, anew in
//! each export: two of them can't be put together by them.

use std::collections::{HashMap, HashSet};

use escrowdb::export::{Others, Package, Statement, Told};

use crate::commands::export::{every_kind, field_query};
use crate::engine::{Hit, PersonView};

/// Beginning of a pseudonym.
const PSEUDONYM: &str = "other-";

/// What becomes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// It stands there as the log holds it.
    Whole,
    /// It stands there, but somebody else is called otherwise.
    Changed,
    /// It is counted only.
    Withheld,
}

/// The package while it is made.
pub(crate) struct Access {
    own: HashSet<String>,
    called: HashMap<String, String>,
    next: u64,
    package: Package,
}

impl Access {
    /// A package for a person.
    pub(crate) fn new(others: Others, person: &PersonView) -> Self {
        let mut names = person.identifiers.clone();
        names.extend(person.linked.iter().filter(|name| !person.identifiers.contains(name)).cloned());
        let package = Package {
            others,
            names: names.clone(),
            own: 0,
            of_others: 0,
            withheld: 0,
            people: 0,
            unproved: 0,
            fields: 0,
            told: Some(Told::default()),
        };
        Self { own: names.into_iter().collect(), called: HashMap::new(), next: 0, package }
    }

    /// What it holds so far.
    pub(crate) const fn package(&self) -> &Package {
        &self.package
    }

    /// The query for the records of her own, of every kind.
    pub(crate) fn own_query(&self) -> String {
        let terms = self
            .package
            .names
            .iter()
            .flat_map(|name| ["subject", "author"].map(|field| field_query(field, name)));
        format!("version:all ({}) {}", terms.collect::<Vec<_>>().join(" OR "), every_kind())
    }

    /// Puts a record as it may stand in the package, and counts it.
    pub(crate) fn show(&mut self, hit: &mut Hit) -> Shown {
        let is_own = is_own(&self.package.names, hit);
        if !is_own && self.package.others == Others::Withheld {
            self.package.withheld += 1;
            return Shown::Withheld;
        }
        *if is_own { &mut self.package.own } else { &mut self.package.of_others } += 1;
        let mut names_others = false;
        for name in hit.author.iter_mut().chain(&mut hit.subjects) {
            names_others |= self.call(name);
        }
        if !names_others || self.package.others == Others::Included {
            return Shown::Whole;
        }
        // Nobody knows what they say: names, numbers, pictures of others.
        self.package.fields += hit.extra.len() as u64;
        hit.extra.clear();
        self.package.unproved += 1;
        Shown::Changed
    }
}

impl Access {
    /// Puts what is said beside the records as it may stand in the package, and counts it. Whoever did it is called as
    /// in the records.
    pub(crate) fn tell(&mut self, statement: &mut Statement) {
        if let Some(name) = statement.by() {
            self.call(name);
        }
        if let Some(told) = &mut self.package.told {
            told.add(statement.section());
        }
    }

    /// Calls somebody as the package does. Answers whether it is another person.
    fn call(&mut self, name: &mut String) -> bool {
        if self.own.contains(name) {
            return false;
        }
        let (own, next) = (&self.own, &mut self.next);
        let called = self.called.entry(name.clone()).or_insert_with(|| pseudonym(own, next));
        if self.package.others != Others::Included {
            name.clone_from(called);
        }
        self.package.people = self.called.len() as u64;
        true
    }
}

/// The next pseudonym; the person herself may be called so.
fn pseudonym(own: &HashSet<String>, next: &mut u64) -> String {
    loop {
        *next += 1;
        let name = format!("{PSEUDONYM}{next}");
        if !own.contains(&name) {
            return name;
        }
    }
}

/// Whether a record is by a person or about her.
pub(crate) fn is_own(names: &[String], hit: &Hit) -> bool {
    hit.author.iter().chain(&hit.subjects).any(|name| names.contains(name))
}
