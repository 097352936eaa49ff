//! From older formats to that of today. Evidence (format 3) and rules (format 4) are bits in HEAD; words (format 2) every index
//! gets, made from the bodies.
//!
//! First one commit says in HEAD what may stand here, so from then on no older program opens the store. Then
//! one segment after the other gets a new index, each by a commit
//! of its own. A kill between them leaves a store that answers everything but words, which it refuses
//! for as long as one index has none; the next upgrade goes on with what is left.

use std::collections::HashSet;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::id::FileId;
use crate::index::{LiveIndex, Part};
use crate::keyring::losses::By;
use crate::keyring::{Changes, Tree, catalog, head};
use crate::state::heal::{self, GiveUp};
use crate::state::{State, commit};
use crate::view::{Rolled, View};

/// What an upgrade did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UpgradeReport {
    /// Format of the store before.
    pub from: u32,
    /// Format of the store now.
    pub to: u32,
    /// Indexes that were written anew with words.
    pub rebuilt: u64,
    /// Indexes that are still to be written.
    pub left: u64,
    /// Segments that were left as they are because records of theirs can't be read. Until they are
    /// repaired or given up, nothing can be asked for words.
    pub damaged: u64,
}

/// Version of the format of a store: 1 to 4.
pub fn format(tree: &Tree) -> u32 {
    let head = tree.head();
    match (head.has_words(), head.has_evidence(), head.has_rules()) {
        (false, ..) => 1,
        (true, false, _) => 2,
        (true, true, false) => 3,
        (true, true, true) => 4,
    }
}

/// Brings the store to the format of this program. `each` is called after each commit.
pub fn upgrade(state: &Arc<State>, mut each: impl FnMut(&UpgradeReport)) -> Result<UpgradeReport> {
    let _no_compactions = state.forbid_compactions();
    state.check_writable()?;
    let mut report = UpgradeReport { from: format(&state.view.read().tree), ..UpgradeReport::default() };
    if report.from < head::FORMAT_VERSION {
        allow_all(state)?;
    }
    if !unrolled_has_words(&state.view.read()) {
        commit::roll_now(state)?;
    }
    report.to = format(&state.view.read().tree);
    let mut damaged = HashSet::new();
    (_, report.left) = next(state, &damaged);
    if report.from != report.to {
        each(&report);
    }
    loop {
        // No erasure runs while a segment is built; between two of them one may.
        let _no_erasure = state.pass();
        let (Some(segment), _) = next(state, &damaged) else { break };
        if !catalog::pending(&state.view.read().tree)?.is_empty() {
            // What is erased in part has no keys any more, and none of it may be written again.
            return Err(Error::new(ErrorKind::Busy, "an erasure waits").hint("upgrade when it has ended"));
        }
        match heal::one(state, &segment, GiveUp::Nothing, By::Repair) {
            Ok(_) => report.rebuilt += 1,
            Err(e) if e.kind() == ErrorKind::Corrupt && !state.is_poisoned() => {
                damaged.insert(segment.entry.index);
                report.damaged += 1;
            }
            Err(e) => return Err(e),
        }
        (_, report.left) = next(state, &damaged);
        each(&report);
    }
    state.keep_reserve();
    Ok(report)
}

/// The commit from which on the store is of the format of today.
fn allow_all(state: &State) -> Result<()> {
    let keyring = state.keyring.lock();
    let log = keyring.head().log;
    commit::commit_needing(state, &keyring, &Changes::new(), log, head::KNOWN, |view| {
        // One that holds records is rolled.
        if !view.live.has_words() && view.live.doc_count() == 0 {
            view.live = LiveIndex::new(true);
        }
    })
}

fn unrolled_has_words(view: &View) -> bool {
    view.live.has_words() && view.frozen.as_ref().is_none_or(|frozen| frozen.has_words())
}

/// The next segment without words that is not known to be damaged, and how many there are.
fn next(state: &State, damaged: &HashSet<FileId>) -> (Option<Rolled>, u64) {
    let view = state.view.read();
    let is_left = |s: &&Rolled| !s.part.has_words() && !damaged.contains(&s.entry.index);
    let left = view.segments.iter().filter(is_left);
    (left.clone().next().cloned(), left.count() as u64)
}
