//! Published aggregates: written once, and never counted again, so that what is erased later can't be
//! found by comparing two of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::id::{Micros, Seq};
use crate::register::form::{check_code, instant};

/// An aggregate as it was published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aggregate {
    /// Its name.
    pub name: String,
    /// The store's keyed mark of what was counted, so that it is not counted a second time. The question
    /// itself may name people, and is not kept.
    pub mark: String,
    /// What it is counted by.
    pub by: Vec<String>,
    /// People that a cell has at least.
    pub k: u64,
    /// What counts are rounded to.
    pub round: u64,
    /// First instant of the periods that it counts.
    #[serde(with = "instant")]
    pub from: Micros,
    /// The instant behind them: all of them are over.
    #[serde(with = "instant")]
    pub before: Micros,
    /// The table as it was published.
    pub table: serde_json::Value,
}

/// All aggregates by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aggregates(BTreeMap<String, (Aggregate, Micros, Seq)>);

impl Aggregates {
    /// Every aggregate, when it was published, and where that stands in the log.
    pub fn iter(&self) -> impl Iterator<Item = (&Aggregate, Micros, Seq)> {
        self.0.values().map(|(aggregate, at, seq)| (aggregate, *at, *seq))
    }

    /// One by its name.
    pub fn get(&self, name: &str) -> Option<&Aggregate> {
        self.0.get(name).map(|(aggregate, ..)| aggregate)
    }

    /// Whether one may be published.
    ///
    /// # Errors
    /// *Invalid*; *refused* for a name that was used, and for what was counted before over the same time.
    pub fn check(&self, new: &Aggregate) -> Result<()> {
        check_code("name", &new.name)?;
        if self.get(&new.name).is_some() {
            return Err(Error::new(ErrorKind::Refused, "an aggregate is published once: this name was used"));
        }
        let overlaps =
            |old: &&Aggregate| old.mark == new.mark && old.from < new.before && new.from < old.before;
        if self.iter().map(|(old, ..)| old).any(|old| overlaps(&old)) {
            return Err(Error::new(
                ErrorKind::Refused,
                "the same was published before, over some of the same time",
            )
            .hint("two counts of one thing tell what was erased between them: publish later periods only"));
        }
        Ok(())
    }

    /// What publishing does.
    pub fn apply(&mut self, new: Aggregate, at: Micros, seq: Seq) {
        self.0.entry(new.name.clone()).or_insert((new, at, seq));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_not_counted_twice() {
        let of = |name: &str, mark: &str, from, before| Aggregate {
            name: name.into(),
            mark: mark.into(),
            by: vec!["month".into()],
            k: 10,
            round: 5,
            from: Micros(from),
            before: Micros(before),
            table: serde_json::Value::Null,
        };
        let mut all = Aggregates::default();
        all.check(&of("a", "x", 0, 10)).unwrap();
        all.apply(of("a", "x", 0, 10), Micros(11), Seq(1));
        for again in [of("a", "y", 20, 30), of("b", "x", 9, 12), of("b", "x", 0, 10)] {
            assert_eq!(all.check(&again).unwrap_err().kind(), ErrorKind::Refused);
        }
        all.check(&of("b", "x", 10, 20)).unwrap();
        all.check(&of("b", "y", 0, 10)).unwrap();
    }
}
