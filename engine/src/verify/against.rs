//! The log against a checkpoint that somebody kept outside of the store. Only that shows a folder
//! that was put back to an older state under the same root, and a journal of which the end was cut.

use std::fmt;

use crate::error::Result;
use crate::id::Seq;
use crate::keyring::catalog;
use crate::keyring::losses::Loss;
use crate::merkle::checkpoint::SignedCheckpoint;
use crate::merkle::text::Advance;
use crate::state::State;
use crate::state::tree_now::Relation;

/// What the log is to an earlier checkpoint of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Against {
    /// All that the checkpoint counts is there, unchanged.
    Continues {
        /// Leaves that the checkpoint counts.
        from: u64,
        /// Leaves now.
        to: u64,
    },
    /// Records are missing at the end: the log was cut, or the folder put back.
    Missing {
        /// The first position that is missing.
        first: Seq,
        /// The last that the checkpoint counts.
        last: Seq,
    },
    /// As many leaves lead to another root: something before the checkpoint was changed, taken away
    /// or slipped in, or the log was begun anew from an older state.
    Differs {
        /// Leaves that the checkpoint counts.
        size: u64,
        /// What is known to be lost of it, which may be why.
        losses: Vec<Loss>,
    },
}

impl Against {
    /// Whether nothing is missing and nothing changed.
    pub const fn holds(&self) -> bool {
        matches!(self, Self::Continues { .. })
    }
}

/// In words, for people.
impl fmt::Display for Against {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Continues { from, to } => {
                write!(f, "the log continues the checkpoint: {from} positions then, {to} now")
            }
            Self::Missing { first, last } => write!(
                f,
                "log: positions {first} to {last} are missing, which the checkpoint counts: the end was cut, or an \
                 older state of the folder was put back"
            ),
            Self::Differs { size, losses } => {
                write!(
                    f,
                    "log: the first {size} positions are others than those that the checkpoint counts: "
                )?;
                match losses.as_slice() {
                    [] => write!(f, "records before it were changed, taken away or slipped in"),
                    losses => {
                        let told: Vec<String> = losses.iter().map(ToString::to_string).collect();
                        write!(f, "what was lost of them was given up ({})", told.join("; "))
                    }
                }
            }
        }
    }
}

/// Compares the log with a checkpoint.
pub fn against(state: &State, earlier: &SignedCheckpoint) -> Result<Against> {
    let trust = state.log_trust()?;
    let head = earlier.verify(&trust)?;
    let losses = catalog::losses(&state.view.read().tree)?;
    let before = |loss: &&Loss| loss.first.0 < head.size && loss.changed_leaves();
    let losses = losses.iter().filter(before).copied().collect();
    let mut tree = state.tree_now()?;
    let to = tree.frontier().size();
    Ok(match tree.relation(head)? {
        Relation::Continues => Against::Continues { from: head.size, to },
        Relation::Shorter => Against::Missing { first: Seq(to), last: Seq(head.size - 1) },
        Relation::Differs => Against::Differs { size: head.size, losses },
    })
}

/// Signs the log's head and proves that it continues an earlier one.
pub fn advance(state: &State, earlier: &SignedCheckpoint) -> Result<Advance> {
    let trust = state.log_trust()?;
    let head = earlier.verify(&trust)?;
    let mut tree = state.tree_to_sign()?;
    tree.must_continue(head)?;
    let path = tree.consistency(head.size, tree.signs())?.path;
    Ok(Advance { from: head.size, path, checkpoint: tree.sign()? })
}

/// Proves that a checkpoint of this log continues the first `from` leaves.
pub fn advance_from(state: &State, from: u64, to: &SignedCheckpoint) -> Result<Advance> {
    to.verify(&state.log_trust()?)?;
    let mut tree = state.tree_now()?;
    let head = to.unverified();
    tree.must_continue(head)?;
    let path = tree.consistency(from, head.size)?.path;
    Ok(Advance { from, path, checkpoint: to.clone() })
}
