//! Transfers: where a store was opened, or its records went, outside of its region, and on which basis
//! (GDPR articles 44 to 49). What the store is told of places it can't check: it keeps what was said.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::id::{Micros, PersonNumber, Seq};
use crate::register::form::{check_code, check_text};

/// What happened elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// The store was opened by a program that runs there.
    Opened,
    /// Records went there.
    Exported,
}

impl What {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Exported => "exported",
        }
    }
}

/// A transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    /// What happened.
    pub what: What,
    /// Where.
    pub region: String,
    /// The basis that was named: `GDPR 46 (2) (c)`.
    pub basis: String,
}

/// A transfer as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// What it is.
    pub transfer: Transfer,
    /// When.
    pub at: Micros,
    /// Where in the log.
    pub seq: Seq,
    /// By whom; 0 if nobody was named.
    pub by: PersonNumber,
}

/// All transfers in the order of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transfers(Vec<Made>);

impl Transfers {
    /// Every transfer.
    pub fn iter(&self) -> impl Iterator<Item = &Made> {
        self.0.iter()
    }

    /// Whether one may be noted.
    ///
    /// # Errors
    /// *Invalid*.
    pub fn check(&self, new: &Transfer) -> Result<()> {
        check_region(&new.region)?;
        check_text("basis", &new.basis)
    }

    /// What it does.
    pub fn apply(&mut self, transfer: Transfer, (at, seq, by): (Micros, Seq, PersonNumber)) {
        self.0.push(Made { transfer, at, seq, by });
    }
}

/// Checks the name of a region: what codes are made of.
///
/// # Errors
/// *Invalid*.
pub fn check_region(region: &str) -> Result<()> {
    check_code("region", region).map_err(|e| e.hint("for example eu, de or eu-central-1"))
}

/// Whether two names are of one region. No region is part of another: what is `eu` to one is not `de`.
pub fn is_same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// Whether a place is outside of the region of a store. A store without region is at home everywhere.
pub fn is_elsewhere(home: &str, place: &str) -> bool {
    !home.is_empty() && !is_same(home, place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_the_same_or_not() {
        for (home, place, elsewhere) in [
            ("", "us", false),
            ("eu", "EU", false),
            ("eu", "us", true),
            ("eu", "eu-1", true),
            ("eu", "", true),
        ] {
            assert_eq!(is_elsewhere(home, place), elsewhere, "{home} {place}");
        }
        assert!(check_region("eu-central-1").is_ok() && check_region("e u").is_err());
    }

    #[test]
    fn transfers_are_kept_in_order() {
        let mut all = Transfers::default();
        let new = Transfer { what: What::Exported, region: "us".into(), basis: "GDPR 46 (2) (c)".into() };
        all.check(&new).unwrap();
        all.apply(new.clone(), (Micros(1), Seq(7), PersonNumber(3)));
        assert!(all.check(&Transfer { basis: " ".into(), ..new.clone() }).is_err());
        assert!(all.check(&Transfer { region: "u s".into(), ..new.clone() }).is_err());
        assert_eq!(all.iter().map(|made| (&made.transfer, made.seq)).collect::<Vec<_>>(), [(&new, Seq(7))]);
    }
}
