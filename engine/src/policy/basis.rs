//! On what law an erasure rests, as a closed list: text of people's own stands in reasons.

/// Legal ground of an erasure. What stands behind the names: Regulation (EU) 2016/679, article 17,
/// paragraph 1, (a) to (f).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum Basis {
    /// (a) No longer needed for what they were collected for.
    NotNeeded = 1,
    /// (b) Consent was withdrawn.
    ConsentWithdrawn = 2,
    /// (c) The person objected.
    Objection = 3,
    /// (d) They were processed unlawfully.
    Unlawful = 4,
    /// (e) Another law demands it.
    LegalObligation = 5,
    /// (f) Collected from a child for a service of the information society.
    Child = 6,
    /// Their time of retention was over.
    Retention = 7,
    /// Another ground.
    Other = 8,
}

impl Basis {
    /// Every ground, ascending by number.
    pub const ALL: [Self; 8] = [
        Self::NotNeeded,
        Self::ConsentWithdrawn,
        Self::Objection,
        Self::Unlawful,
        Self::LegalObligation,
        Self::Child,
        Self::Retention,
        Self::Other,
    ];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotNeeded => "not-needed",
            Self::ConsentWithdrawn => "consent-withdrawn",
            Self::Objection => "objection",
            Self::Unlawful => "unlawful",
            Self::LegalObligation => "legal-obligation",
            Self::Child => "child",
            Self::Retention => "retention",
            Self::Other => "other",
        }
    }

    /// The ground with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|basis| basis.name() == name)
    }

    /// The ground with this number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|basis| *basis as u8 == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_of_one_ground_each() {
        for basis in Basis::ALL {
            assert_eq!(Basis::parse(basis.name()), Some(basis));
            assert_eq!(Basis::from_code(basis as u8), Some(basis));
        }
        assert_eq!((Basis::from_code(0), Basis::from_code(9), Basis::parse("")), (None, None, None));
    }
}
