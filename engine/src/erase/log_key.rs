//! Change of the log's key. It takes the way of an erasure, for the old seed must die as surely as a
//! person's key: an ordinary commit notes the next seed with what the old key signed of the change; the
//! next erasing commit makes it the key; then the act `log-key/…` is appended, once.

use std::sync::Arc;

use crate::crypto::Secret;
use crate::erase::pass;
use crate::error::{Error, Result};
use crate::id::{Micros, PersonNumber};
use crate::ingest::Queue;
use crate::keyring::log_keys::{Change, LogKey, Waits};
use crate::keyring::{Changes, Tree, catalog};
use crate::merkle::hash::Hash;
use crate::merkle::note::NoteSignature;
use crate::merkle::rotation::{Rotation, SignedRotation};
use crate::merkle::signer::{Signer, VerifierKey};
use crate::record::{Kind, Stored};
use crate::state::tree_now::History;
use crate::state::{State, commit};

/// Changes the log's key and answers with the note of it, which both keys signed. A change that waits
/// already, because the last call was cut, is gone on with.
///
/// # Errors
/// *Unsupported* in a store of an older format, *corrupt* while a segment can't be read, *no space*, *busy*.
pub fn rotate(state: &Arc<State>, queue: &Queue) -> Result<SignedRotation> {
    state.check_writable()?;
    // Of two at once the second one finds the key of the first, or its change and goes on with it.
    let _one = state.pass();
    if !state.view.read().missing.is_empty() {
        return Err(pass::waits());
    }
    let change = announce(state)?;
    let waits = || -> Result<bool> {
        Ok(!matches!(catalog::log_keys(&state.view.read().tree)?.waits, Waits::Nothing))
    };
    while waits()? {
        let run = || state.reserve.retry(&state.env, || !state.is_poisoned(), || pass::run(state, queue));
        run()?.went_on()?;
    }
    state.keep_reserve();
    let tree = state.view.read().tree.clone();
    note(state, &tree, &change)
}

/// Notes the next key, unless one waits.
fn announce(state: &State) -> Result<Change> {
    let tree = state.view.read().tree.clone();
    if !tree.head().has_evidence() {
        return Err(Error::newer("a store of this format keeps one key of the log").hint("`escrow upgrade`"));
    }
    match catalog::log_keys(&tree)?.waits {
        Waits::Next(_, change) | Waits::Act(change) => return Ok(change),
        Waits::Nothing => {}
    }
    let seed = Secret::from_bytes(&state.env.random(b"log key")?);
    let (change, keys) = {
        let mut now = state.tree_now()?;
        let mut keys = catalog::log_keys(now.keys())?;
        let generation = keys.generation + u64::from(now.history()? == History::Broken);
        let next = Signer::new(&state.log_name(generation), &seed)?.verifier_key();
        let (old, head) = (now.signer()?, now.frontier());
        let rotation = Rotation {
            origin: old.verifier_key().name().to_owned(),
            key: next.clone(),
            size: head.size(),
            root: head.root(),
        };
        let signature = rotation.sign(&old)?.bytes;
        let signature =
            signature.try_into().map_err(|_| Error::invalid("the signature has another length"))?;
        let change = Change {
            generation,
            old: *old.verifier_key().public(),
            new: *next.public(),
            size: head.size(),
            root: head.root().0,
            signature,
            at: state.env.clock.now(),
        };
        keys.waits = Waits::Next(seed, change.clone());
        (change, keys)
    };
    let mut changes = Changes::new();
    catalog::put_log_keys(&mut changes, &keys)?;
    commit::ordinary(state, &changes)?;
    Ok(change)
}

/// What an erasing commit changes if a key waits.
pub(super) fn change(changes: &mut Changes, tree: &Tree) -> Result<()> {
    let mut keys = catalog::log_keys(tree)?;
    let Waits::Next(seed, change) = std::mem::take(&mut keys.waits) else { return Ok(()) };
    catalog::put_signing_key(changes, &seed)?;
    if keys.keys.is_empty() {
        keys.push(LogKey { generation: keys.generation, public: change.old, from: 0, since: Micros(0) });
    }
    if change.generation != keys.generation {
        let lost = catalog::losses(tree)?.iter().filter(|loss| loss.is_of_hashes()).count();
        (keys.generation, keys.losses) = (change.generation, lost as u64);
        catalog::remove_signed_head(changes);
    }
    keys.push(LogKey {
        generation: change.generation,
        public: change.new,
        from: change.size,
        since: change.at,
    });
    keys.waits = Waits::Act(change);
    catalog::put_log_keys(changes, &keys)
}

/// Whether the next erasing commit changes the key.
pub fn waits(tree: &Tree) -> Result<bool> {
    Ok(matches!(catalog::log_keys(tree)?.waits, Waits::Next(..)))
}

/// The act of a change that is done and stands nowhere yet.
pub(super) fn act(state: &State, tree: &Tree) -> Result<Option<Stored>> {
    let Waits::Act(change) = catalog::log_keys(tree)?.waits else { return Ok(None) };
    let id: String = change.new[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Some(Stored {
        id: format!("log-key/{id}"),
        kind: Kind::Rule,
        subjects: vec![PersonNumber::STORE],
        time: change.at,
        body: note(state, tree, &change)?.to_string(),
        ..Stored::default()
    }))
}

/// Takes the act of a change out of the tree, once it is in the log.
pub(super) fn act_is_written(changes: &mut Changes, tree: &Tree) -> Result<()> {
    let mut keys = catalog::log_keys(tree)?;
    keys.waits = Waits::Nothing;
    catalog::put_log_keys(changes, &keys)
}

/// The note of a change that is done: the new key signs it now.
fn note(state: &State, tree: &Tree, change: &Change) -> Result<SignedRotation> {
    let keys = catalog::log_keys(tree)?;
    let before = keys.keys.iter().find(|key| key.public == change.old);
    let origin = state.log_name(before.map_or(keys.generation, |key| key.generation));
    let old = VerifierKey::new(&origin, &change.old)?;
    let new = Signer::new(&state.log_name(change.generation), &*catalog::signing_key(tree)?)?;
    let rotation = Rotation { origin, key: new.verifier_key(), size: change.size, root: Hash(change.root) };
    let by_old =
        NoteSignature { name: old.name().to_owned(), id: old.id(), bytes: change.signature.to_vec() };
    let by_new = rotation.sign(&new)?;
    rotation.signed(by_old, by_new)
}
