//! Which documents are of other than default kinds.
//!
//! A query finds default kinds only unless it asks for others. So each word says how many of its
//! documents a query for it does not find: its count needs no list then.

use zeroize::Zeroizing;

use crate::index::part::Field;
use crate::index::terms::grow;
use crate::record::Kind;

/// A bit for each document of another than a default kind, up to the last one.
#[derive(Default)]
pub struct OtherKinds {
    bits: Zeroizing<Vec<u64>>,
}

impl OtherKinds {
    /// Whether a term is one of those kinds.
    pub fn is_one(field: Field, value: &[u8]) -> bool {
        let default =
            |number: u8| Kind::ALL.into_iter().any(|kind| kind as u8 == number && kind.is_default());
        field == Field::Kind && !matches!(value, [number] if default(*number))
    }

    /// Notes the documents of a term if it is one of those kinds.
    pub fn note(&mut self, field: Field, value: &[u8], docs: &[u32]) {
        if !Self::is_one(field, value) {
            return;
        }
        for doc in docs {
            self.insert(*doc);
        }
    }

    /// Notes a document.
    pub fn insert(&mut self, doc: u32) {
        let word = doc as usize / 64;
        if word >= self.bits.len() {
            let more = word + 1 - self.bits.len();
            grow(&mut self.bits, more);
            self.bits.resize(word + 1, 0);
        }
        if let Some(word) = self.bits.get_mut(word) {
            *word |= 1 << (doc % 64);
        }
    }

    /// How many of `docs` are of those kinds.
    pub fn count(&self, docs: impl Iterator<Item = u32>) -> u32 {
        if self.bits.is_empty() {
            return 0;
        }
        docs.map(|doc| self.bits.get(doc as usize / 64).map_or(0, |word| (word >> (doc % 64) & 1) as u32))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_that_are_not_found_unasked_are_noted() {
        let mut others = OtherKinds::default();
        others.note(Field::Tag, &[Kind::Edit as u8], &[1]);
        for kind in Kind::ALL {
            others.note(Field::Kind, &[kind as u8], &[kind as u32 + 100]);
        }
        let found: Vec<u32> = (0..2_000).filter(|doc| others.count([*doc].into_iter()) == 1).collect();
        let wanted: Vec<u32> =
            Kind::ALL.into_iter().filter(|kind| !kind.is_default()).map(|kind| kind as u32 + 100).collect();
        assert_eq!(found, wanted);
        assert_eq!(others.count(0..2_000), wanted.len() as u32);
    }
}
