//! Whether records may be counted in public a second time.
//!
//! A published table is written once and never made anew. If it were, or if a second one counted
//! some of the same records, the two could be subtracted after somebody was erased, and the
//! difference is she. That holds for any two tables that have records in common, however they are
//! asked for and divided: their sums can be subtracted, and a margin that one of them withholds
//! stands in the other. Whether two queries have records in common is not known from their texts
//! (`a OR nothing` is another text than `a`), and what was erased can't be asked any more. But a record
//! has one time. So an instant is counted in public once: tables of one store never share a period,
//! whatever they count, and no two of them can be subtracted.
//!
//! Whoever wants to know several things of one period asks for them in one table.

use crate::error::{Error, ErrorKind};
use crate::id::Micros;

/// What a table takes for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim<'a> {
    /// Its name.
    pub name: &'a str,
    /// The first instant that it counts.
    pub from: Micros,
    /// The instant behind the last one.
    pub before: Micros,
}

/// Why a second table is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// There is a table of this name.
    Name,
    /// There is a table of some of this time.
    Time,
}

impl Why {
    /// The refusal in words, of kind `Refused`.
    pub fn refusal(self) -> Error {
        match self {
            Self::Name => {
                Error::new(ErrorKind::Refused, "an aggregate is published once: this name was used")
                    .hint("`escrow aggregate list` has the names; take another, and later periods")
            }
            Self::Time => Error::new(ErrorKind::Refused, "some of this time was counted in public before")
                .hint("two tables could be subtracted after an erasure: publish later periods only"),
        }
    }
}

/// Asks whether `new` may be published beside what was.
///
/// ```
/// use escrowdb::id::Micros;
/// use escrowdb::policy::aggregate::again::{Claim, Why, may_publish};
/// let claim = |name, from, before| Claim { name, from: Micros(from), before: Micros(before) };
/// let spring = [claim("spring", 3, 6)];
/// assert_eq!(may_publish(spring, claim("summer", 6, 9)), Ok(()));
/// assert_eq!(may_publish(spring, claim("again", 5, 7)), Err(Why::Time));
/// ```
///
/// # Errors
/// Why not.
pub fn may_publish<'a>(existing: impl IntoIterator<Item = Claim<'a>>, new: Claim<'_>) -> Result<(), Why> {
    let mut answer = Ok(());
    for old in existing {
        if old.name == new.name {
            return Err(Why::Name);
        }
        if old.from < new.before && new.from < old.before {
            answer = Err(Why::Time);
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_counted_once() {
        let claim = |name, from, before| Claim { name, from: Micros(from), before: Micros(before) };
        let old = [claim("a", 0, 10), claim("b", 20, 30)];
        for (new, answer) in [
            (claim("a", 100, 110), Err(Why::Name)),
            (claim("b", 5, 6), Err(Why::Name)),
            (claim("c", 9, 12), Err(Why::Time)),
            (claim("c", -5, 100), Err(Why::Time)),
            (claim("c", 29, 40), Err(Why::Time)),
            (claim("c", 10, 20), Ok(())),
            (claim("c", 30, 31), Ok(())),
            (claim("c", -10, 0), Ok(())),
        ] {
            assert_eq!(may_publish(old, new), answer);
        }
        for why in [Why::Name, Why::Time] {
            assert_eq!(why.refusal().kind(), ErrorKind::Refused);
        }
    }
}
