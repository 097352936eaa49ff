//! Whose record it is: nearly always one person, who then needs no allocation.

use std::ops::Deref;

use crate::id::PersonNumber;

/// Numbers of people, in the order in which they were collected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subjects {
    /// One person.
    One(PersonNumber),
    /// None, or several.
    Many(Box<[PersonNumber]>),
}

impl Subjects {
    /// Puts them in order and takes out who stands there twice.
    #[must_use]
    pub fn sorted(self) -> Self {
        match self {
            Self::One(_) => self,
            Self::Many(all) => {
                let mut all = all.into_vec();
                all.sort_unstable();
                all.dedup();
                Self::from(all)
            }
        }
    }
}

impl From<Vec<PersonNumber>> for Subjects {
    fn from(all: Vec<PersonNumber>) -> Self {
        match *all {
            [one] => Self::One(one),
            _ => Self::Many(all.into_boxed_slice()),
        }
    }
}

impl FromIterator<PersonNumber> for Subjects {
    fn from_iter<I: IntoIterator<Item = PersonNumber>>(all: I) -> Self {
        let mut all = all.into_iter();
        match (all.next(), all.next()) {
            (Some(one), None) => Self::One(one),
            (first, second) => Self::Many(first.into_iter().chain(second).chain(all).collect()),
        }
    }
}

impl Deref for Subjects {
    type Target = [PersonNumber];

    fn deref(&self) -> &[PersonNumber] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(all) => all,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_it_was_given() {
        for n in 0..4u64 {
            let all: Vec<PersonNumber> = (0..n).map(|i| PersonNumber(n - i)).collect();
            let subjects: Subjects = all.iter().copied().collect();
            assert_eq!(*subjects, *all);
            assert_eq!(subjects, Subjects::from(all));
            assert!(subjects.sorted().is_sorted());
        }
        let twice = Subjects::from(vec![PersonNumber(7), PersonNumber(7)]);
        assert_eq!(twice.sorted(), Subjects::One(PersonNumber(7)));
    }
}
