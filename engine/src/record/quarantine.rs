//! When a record came into quarantine: the one thing that it holds besides what its writer said.

use minicbor::{Decoder, Encoder};

use crate::id::Micros;
use crate::record::Stored;
use crate::record::stored::CAME;

/// The same record as it came in at an instant.
#[must_use]
pub fn came(mut stored: Stored, at: Micros) -> Stored {
    let mut bytes = Vec::with_capacity(9);
    // Writing to a vector does not fail.
    let written = Encoder::new(&mut bytes).i64(at.0).is_ok();
    debug_assert!(written);
    stored.unknown.push((CAME, bytes));
    stored
}

/// When a record came in, if it says.
pub fn came_at(stored: &Stored) -> Option<Micros> {
    let (_, bytes) = stored.unknown.iter().find(|(key, _)| *key == CAME)?;
    Decoder::new(bytes).i64().ok().map(Micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_record_says_of_its_coming_is_sealed_with_it() {
        for at in [i64::MIN, -1, 0, 23, 24, 1_767_225_600_000_000, i64::MAX].map(Micros) {
            let stored = came(Stored { id: "m1".into(), ..Stored::default() }, at);
            let read = Stored::decode(&stored.encode()).unwrap();
            assert_eq!(came_at(&read), Some(at));
        }
        assert_eq!(came_at(&Stored::default()), None);
    }
}
