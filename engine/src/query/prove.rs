//! Proofs of records for whoever doesn't have the store.

use crate::error::Result;
use crate::id::Seq;
use crate::merkle::checkpoint::SignedCheckpoint;
use crate::merkle::text::{Opening, RecordProof};
use crate::state::State;

/// Proves records in the tree of `at`, or in that of everything acknowledged.
pub(super) fn prove(
    state: &State,
    records: Vec<(Seq, Opening)>,
    at: Option<&SignedCheckpoint>,
) -> Result<Vec<RecordProof>> {
    if let Some(at) = at {
        at.verify(&state.log_trust()?)?;
    }
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let (mut tree, checkpoint) = match at {
        Some(at) => {
            let mut tree = state.tree_now()?;
            tree.must_continue(at.unverified())?;
            (tree, at.clone())
        }
        None => {
            let tree = state.tree_to_sign()?;
            let checkpoint = tree.sign()?;
            (tree, checkpoint)
        }
    };
    records.into_iter().map(|(seq, opening)| tree.prove(seq, opening, &checkpoint)).collect()
}
