//! Proofs of records for whoever doesn't have the store.

use crate::error::{Error, Result};
use crate::id::Seq;
use crate::merkle::checkpoint::SignedCheckpoint;
use crate::merkle::proof::Inclusion;
use crate::merkle::text::{Opening, RecordProof};
use crate::state::State;
use crate::state::tree_now::Relation;

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
    let tree = if at.is_some() { state.tree_now()? } else { state.tree_to_sign()? };
    let checkpoint = match at {
        None => tree.sign()?,
        Some(at) => match tree.relation(at.unverified())? {
            Relation::Continues => at.clone(),
            other => return Err(other.into_error(at.unverified())),
        },
    };
    let head = checkpoint.unverified();
    let prove = |(seq, opening): (Seq, Opening)| {
        if seq.0 >= head.size {
            return Err(Error::invalid(format!(
                "the record stands at position {seq}, behind the {} of that checkpoint",
                head.size
            ))
            .hint("prove it in a later checkpoint"));
        }
        let inclusion = Inclusion::prove(&tree, seq, head.size)?;
        inclusion.verify(&opening.leaf(), &head.root).map_err(|_| {
            Error::corrupt(format!("the record at position {seq} is not the one in the log"))
                .hint("`escrow verify --read-data` says what is damaged")
        })?;
        Ok(RecordProof { opening, inclusion, checkpoint: checkpoint.clone() })
    };
    records.into_iter().map(prove).collect()
}
