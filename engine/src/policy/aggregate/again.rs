//! Whether records may be counted in public a second time.
//!
//! A published table is written once and never made anew. If it were, or if a second one counted
//! the same records, the two could be subtracted after somebody was erased, and the difference is
//! she. So a second table is refused where it is made to be the same: of the same name, of the same
//! query, or of the same cells (the same division, a row and a period in common, whatever the
//! query, for `a OR nothing` is another text than `a`).
//!
//! Not prevented: two tables of overlapping queries that divide the records otherwise (by channel
//! here, by tag there) have sums that can be subtracted. Then the threshold and the suppression of
//! each stand between an observer and a person, and rounding: the difference of two sums is known to
//! one base only. Whoever plans several tables of one period plans them before it is published, and
//! fewer tell less.

use std::fmt;

use crate::error::{Error, ErrorKind};
use crate::id::Micros;

/// What a table counts, or would.
#[derive(Clone, PartialEq, Eq)]
pub struct Scope {
    /// Its name.
    pub name: String,
    /// Hash of the query in its canonical text; the text itself may name people.
    pub query: [u8; 32],
    /// What it is divided by, in order: `tag:dept`, `month`.
    pub by: Vec<String>,
    /// Names of its rows, as published.
    pub rows: Vec<String>,
    /// Its periods: first instant, and first instant after.
    pub periods: Vec<(Micros, Micros)>,
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scope({} rows, {} periods)", self.rows.len(), self.periods.len())
    }
}

/// Why a second table is refused; with its number, what it is at odds with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// A table of this name has the period.
    Name(usize),
    /// A table of this query has the period.
    Query(usize),
    /// A table divided alike has a row and the period.
    Cells(usize),
}

impl Why {
    /// The refusal in words, of kind `Refused`.
    pub fn refusal(self) -> Error {
        let what = match self {
            Self::Name(_) => "an aggregate of this name was published for a period of this one",
            Self::Query(_) => "an aggregate of this query was published for a period of this one",
            Self::Cells(_) => "an aggregate with cells of this one was published for the same period",
        };
        Error::new(ErrorKind::Refused, what).hint(
            "an aggregate is published once: two could be subtracted after an erasure; ask for later periods",
        )
    }
}

/// Asks whether `new` may be published beside what was.
///
/// ```
/// use escrowdb::id::Micros;
/// use escrowdb::policy::aggregate::again::{Scope, Why, may_publish};
/// let scope = |name: &str, query, month: i64| Scope {
///     name: name.into(), query: [query; 32], by: vec!["tag".into(), "month".into()],
///     rows: vec!["billing".into()], periods: vec![(Micros(month), Micros(month + 1))],
/// };
/// let january = [scope("tags", 1, 1)];
/// assert_eq!(may_publish(&january, &scope("tags", 1, 2)), Ok(()));
/// assert_eq!(may_publish(&january, &scope("other", 1, 1)), Err(Why::Query(0)));
/// ```
///
/// # Errors
/// What it is at odds with.
pub fn may_publish(existing: &[Scope], new: &Scope) -> Result<(), Why> {
    for (at, old) in existing.iter().enumerate().filter(|(_, old)| meet(old, new)) {
        if old.name == new.name {
            return Err(Why::Name(at));
        }
        if old.query == new.query {
            return Err(Why::Query(at));
        }
        let alike = || old.by.iter().all(|by| new.by.contains(by)) && new.by.len() == old.by.len();
        if alike() && old.rows.iter().any(|row| new.rows.contains(row)) {
            return Err(Why::Cells(at));
        }
    }
    Ok(())
}

/// Whether an instant is in periods of both.
fn meet(one: &Scope, other: &Scope) -> bool {
    (one.periods.iter()).any(|a| other.periods.iter().any(|b| a.0.max(b.0) < a.1.min(b.1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(name: &str, query: u8, rows: &[&str], periods: &[(i64, i64)]) -> Scope {
        Scope {
            name: name.into(),
            query: [query; 32],
            by: vec!["tag".into(), "month".into()],
            rows: rows.iter().map(|row| (*row).to_owned()).collect(),
            periods: periods.iter().map(|(from, to)| (Micros(*from), Micros(*to))).collect(),
        }
    }

    #[test]
    fn a_period_is_published_once() {
        let old = [scope("x", 9, &["z"], &[(50, 60)]), scope("a", 1, &["r", "s"], &[(0, 10), (10, 20)])];
        for (new, answer) in [
            (scope("a", 2, &["t"], &[(19, 30)]), Err(Why::Name(1))),
            (scope("a", 1, &["r"], &[(20, 30)]), Ok(())),
            (scope("b", 1, &["t"], &[(5, 6)]), Err(Why::Query(1))),
            (scope("b", 1, &["t"], &[(-5, 0), (20, 50)]), Ok(())),
            (scope("b", 2, &["s", "t"], &[(0, 10)]), Err(Why::Cells(1))),
            (scope("b", 2, &["t"], &[(0, 10)]), Ok(())),
            (scope("b", 2, &["s"], &[]), Ok(())),
        ] {
            assert_eq!(may_publish(&old, &new), answer);
        }
        let mut other = scope("b", 2, &["s"], &[(0, 10)]);
        other.by = vec!["channel".into(), "month".into()];
        assert_eq!(may_publish(&old, &other), Ok(()));
        other.by = vec!["month".into(), "tag".into()];
        assert_eq!(may_publish(&old, &other), Err(Why::Cells(1)));
        assert_eq!(Why::Name(1).refusal().kind(), ErrorKind::Refused);
    }
}
