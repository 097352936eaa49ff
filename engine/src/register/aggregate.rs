//! Published aggregates: written once, and never counted again, so that what is erased later can't be
//! found by comparing two of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::id::{Micros, Seq};
use crate::policy::aggregate::again::{Claim, may_publish};
use crate::policy::aggregate::{Rules, Table};
use crate::register::form::{check_code, instant};

/// An aggregate as it was published. What was asked for is not kept: words of a query may be names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aggregate {
    /// Its name.
    pub name: String,
    /// What it is counted by: a field, if any, and a period.
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
    /// Periods, in order, one behind the other.
    pub periods: Vec<String>,
    /// Rows by name.
    pub rows: Vec<Row>,
    /// Sums of the periods, with what is suppressed in them.
    pub totals: Vec<Option<u64>>,
    /// Sum of it all.
    pub total: Option<u64>,
}

/// A row of an aggregate. `None` is suppressed or withheld.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its name; empty if the aggregate is counted by no field.
    pub name: String,
    /// Records, period by period.
    pub cells: Vec<Option<u64>>,
    /// Its sum, with what is suppressed in it.
    pub total: Option<u64>,
}

impl Aggregate {
    /// A table that is to be published.
    pub fn new(name: &str, by: Vec<String>, time: std::ops::Range<Micros>, table: Table) -> Self {
        let row =
            |row: crate::policy::aggregate::Row| Row { name: row.name, cells: row.cells, total: row.total };
        Self {
            name: name.to_owned(),
            by,
            k: table.rules.k(),
            round: table.rules.round(),
            from: time.start,
            before: time.end,
            periods: table.columns,
            rows: table.rows.into_iter().map(row).collect(),
            totals: table.totals,
            total: table.total,
        }
    }

    fn claim(&self) -> Claim<'_> {
        Claim { name: &self.name, from: self.from, before: self.before }
    }

    fn has_shape(&self) -> bool {
        let columns = self.periods.len();
        self.from < self.before
            && columns > 0
            && self.totals.len() == columns
            && self.rows.iter().all(|row| row.cells.len() == columns)
    }
}

/// All aggregates by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aggregates(BTreeMap<String, (Aggregate, Micros, Seq)>);

impl Aggregates {
    /// Every aggregate, when it was published, and where that stands in the log.
    pub fn iter(&self) -> impl Iterator<Item = (&Aggregate, Micros, Seq)> {
        self.0.values().map(|(aggregate, at, seq)| (aggregate, *at, *seq))
    }

    /// One by its name: it, when it was published, and where that stands in the log.
    pub fn get(&self, name: &str) -> Option<(&Aggregate, Micros, Seq)> {
        self.0.get(name).map(|(aggregate, at, seq)| (aggregate, *at, *seq))
    }

    /// Whether one may be published.
    ///
    /// # Errors
    /// *Invalid*; *refused* for a name that was used, and for time of which some was counted before.
    pub fn check(&self, new: &Aggregate, now: Micros) -> Result<()> {
        check_code("name", &new.name)?;
        Rules::new(new.k, new.round)?;
        if !new.has_shape() || now < new.before {
            return Err(Error::invalid("an aggregate is a table of periods that are over"));
        }
        may_publish(self.iter().map(|(old, ..)| old.claim()), new.claim()).map_err(|why| why.refusal())
    }

    /// What publishing does.
    pub fn apply(&mut self, new: Aggregate, at: Micros, seq: Seq) {
        self.0.entry(new.name.clone()).or_insert((new, at, seq));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn of(name: &str, from: i64, before: i64) -> Aggregate {
        Aggregate {
            name: name.into(),
            by: vec!["month".into()],
            k: 10,
            round: 5,
            from: Micros(from),
            before: Micros(before),
            periods: vec!["2026-01".into()],
            rows: vec![Row { name: String::new(), cells: vec![Some(25)], total: None }],
            totals: vec![Some(25)],
            total: None,
        }
    }

    #[test]
    fn the_same_is_not_counted_twice() {
        let (mut all, now) = (Aggregates::default(), Micros(50));
        all.check(&of("a", 0, 10), now).unwrap();
        all.apply(of("a", 0, 10), Micros(11), Seq(1));
        for again in [of("a", 20, 30), of("b", 9, 12), of("b", 0, 10)] {
            assert_eq!(all.check(&again, now).unwrap_err().kind(), ErrorKind::Refused);
        }
        all.check(&of("b", 10, 20), now).unwrap();
        // A fold keeps the first of a name.
        all.apply(of("a", 20, 30), Micros(12), Seq(2));
        assert_eq!(all.get("a"), Some((&of("a", 0, 10), Micros(11), Seq(1))));
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let all = Aggregates::default();
        let kind = |change: fn(&mut Aggregate), now: i64| {
            let mut new = of("a", 0, 10);
            change(&mut new);
            all.check(&new, Micros(now)).unwrap_err().kind()
        };
        assert_eq!(kind(|_| (), 9), ErrorKind::Invalid);
        for change in [
            (|a| a.name = "a b".into()) as fn(&mut Aggregate),
            |a| a.k = 1,
            |a| a.round = 11,
            |a| a.before = a.from,
            |a| a.totals.clear(),
            |a| a.rows[0].cells.clear(),
        ] {
            assert_eq!(kind(change, 10), ErrorKind::Invalid);
        }
    }
}
