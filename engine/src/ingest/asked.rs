//! The identities of a batch's records, asked of all rolled segments before the first is added.

use crate::index::IdHash;
use crate::index::filter::Probe;
use crate::record::Record;
use crate::view::Gates;

/// Records that are asked together: what the filters' answers take stays in the nearest cache.
pub const TOGETHER: usize = 256;

/// The identity of a record, and what the filters say of it.
pub struct Asked {
    /// Hashes of id and conversation.
    pub identity: IdHash,
    /// Whether a rolled segment may hold it.
    pub rolled: bool,
}

impl Asked {
    /// An identity that no filter was asked for.
    pub const fn not_yet(identity: IdHash) -> Self {
        Self { identity, rolled: true }
    }
}

/// Asks for each record that has an id. All are hashed first: the hashing of one would keep the
/// processor from fetching the filters' cache lines for the next.
pub fn ask(gates: &Gates<'_>, records: &[Record], asked: &mut Vec<Option<Asked>>) {
    asked.clear();
    let mut probes: Vec<Probe> = Vec::with_capacity(records.len());
    asked.extend(records.iter().map(|record| {
        let identity = IdHash::of(record.id.as_ref()?, &record.conversation);
        probes.push(identity.probe());
        Some(Asked::not_yet(identity))
    }));
    for (asked, probe) in asked.iter_mut().flatten().zip(&probes) {
        asked.rolled = gates.may_hold(probe);
    }
}
