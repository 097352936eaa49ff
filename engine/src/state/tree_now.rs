//! The log's tree over everything that was acknowledged: what stands in the files, and behind it
//! the leaves of records that stand in journals only, computed in memory.
//!
//! A roll writes the leaf of every record of its journal, also of those that an erasure takes, so
//! the tree of the next roll is the one that was seen here. What is signed must outlive a power
//! cut, so the journal is synced first.

use parking_lot::MutexGuard;

use crate::error::{Error, Result};
use crate::id::Seq;
use crate::index::LiveIndex;
use crate::keyring::{Tree, catalog};
use crate::log::{LOST, Log};
use crate::merkle::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::merkle::commitment::Committer;
use crate::merkle::hash::Hash;
use crate::merkle::note::Note;
use crate::merkle::proof::Hashes;
use crate::merkle::signer::{Signer, VerifierKey, is_name};
use crate::merkle::tail::Tail;
use crate::merkle::tree::Frontier;
use crate::state::State;

/// Records whose leaves are computed under one hold of the view's lock, for which appends wait.
const PIECE: usize = 4096;

/// The tree at one moment. Rolls wait for as long as it lives.
pub struct TreeNow<'a> {
    log: MutexGuard<'a, Log>,
    tail: MutexGuard<'a, Tail>,
    /// The key tree of that moment: who holds the log must not ask for the view.
    keys: Tree,
    name: String,
}

/// What the tree is to a head that was signed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// It begins with that tree, or is it.
    Continues,
    /// It has fewer leaves.
    Shorter,
    /// Its first leaves are others.
    Differs,
}

impl Relation {
    /// Why nothing can be proved from `head` on.
    pub fn into_error(self, head: &Checkpoint) -> Error {
        let what = match self {
            Self::Shorter => "ends before it",
            Self::Continues | Self::Differs => "has another beginning",
        };
        Error::corrupt(format!(
            "the log does not continue the checkpoint of {} positions: it {what}",
            head.size
        ))
        .hint("`escrow verify --against` says more")
    }
}

impl TreeNow<'_> {
    /// Size and root.
    pub fn frontier(&self) -> &Frontier {
        self.tail.frontier()
    }

    /// The leaf at a position.
    pub fn leaf(&self, seq: Seq) -> Result<Hash> {
        self.hash(0, seq.0)
    }

    /// What the tree is to a head of this log. Whether that is signed the caller knows.
    pub fn relation(&self, head: &Checkpoint) -> Result<Relation> {
        Ok(if head.size > self.frontier().size() {
            Relation::Shorter
        } else if Frontier::read(self, head.size)?.root() == head.root {
            Relation::Continues
        } else {
            Relation::Differs
        })
    }

    /// The log's key.
    ///
    /// # Errors
    /// An unreadable key tree, *revoked* if an erasure ended meanwhile.
    pub fn signer(&self) -> Result<Signer> {
        Signer::new(&self.name, &*catalog::signing_key(&self.keys)?)
    }

    /// The head of all of it, signed by the log's key.
    ///
    /// # Errors
    /// As of [`Self::signer`].
    pub fn sign(&self) -> Result<SignedCheckpoint> {
        self.signed(self.frontier())
    }

    /// The head of its first `size` leaves, signed likewise.
    ///
    /// # Errors
    /// As of [`Self::signer`], and unreadable hashes.
    pub fn sign_at(&self, size: u64) -> Result<SignedCheckpoint> {
        self.signed(&Frontier::read(self, size)?)
    }

    fn signed(&self, head: &Frontier) -> Result<SignedCheckpoint> {
        let checkpoint = Checkpoint { origin: self.name.clone(), size: head.size(), root: head.root() };
        SignedCheckpoint::sign(checkpoint, &self.signer()?)
    }
}

impl Hashes for TreeNow<'_> {
    fn hash(&self, height: u8, index: u64) -> Result<Hash> {
        self.tail.over(&*self.log).hash(height, index)
    }
}

impl State {
    /// The tree over everything acknowledged before the call. It is durable.
    ///
    /// # Errors
    /// A store that was poisoned or can't be synced; *corrupt* if hashes of the log are lost and
    /// nobody has noted it yet.
    pub fn tree_now(&self) -> Result<TreeNow<'_>> {
        self.check_not_poisoned()?;
        let acknowledged = {
            let mut writer = self.writer.lock();
            let synced = writer.active.sync();
            synced.map_err(|e| if writer.survives(&e) { e } else { self.poison(e) })?;
            writer.next_seq.0
        };
        loop {
            let view = self.view.read();
            let log = self.log.lock();
            if log.loss().is_some() {
                return Err(Error::corrupt("hashes of the log are lost, so it has another root than it had")
                    .hint("`escrow verify` names them; put the folder `log` back from a backup"));
            }
            let mut tail = self.tail.lock();
            if tail.base() != log.frontier() {
                *tail = Tail::behind(log.frontier().clone());
            }
            let mut left = PIECE;
            for live in view.frozen.iter().map(|frozen| &**frozen).chain([&view.live]) {
                left -= extend(&mut tail, live, acknowledged, left);
            }
            let size = tail.frontier().size();
            if size >= acknowledged {
                let (keys, name) = (view.tree.clone(), self.log_name());
                drop(view);
                return Ok(TreeNow { log, tail, keys, name });
            }
            // Appends and rolls that wait go first; a roll that publishes takes the tail's place.
            if left > 0 {
                return Err(Error::corrupt(format!(
                    "log positions {size} to {} have no record",
                    acknowledged - 1
                )));
            }
        }
    }

    /// A statement signed by the log's key. It begins with a line that no checkpoint begins with.
    ///
    /// # Errors
    /// *Invalid* if it begins with another, or can't stand in a note; an unreadable key tree.
    pub fn sign_statement(&self, text: &str) -> Result<Note> {
        // The second line of a checkpoint is a number, whatever its origin.
        let second = text.split('\n').nth(1).unwrap_or_default();
        if !text.starts_with("escrowdb/")
            || second.is_empty()
            || second.starts_with(|c: char| c.is_ascii_digit())
        {
            return Err(Error::invalid("that is no statement of a store"));
        }
        let seed = catalog::signing_key(&self.view.read().tree)?;
        Signer::new(&self.log_name(), &seed)?.sign(text)
    }

    /// What checks signatures of the log.
    ///
    /// # Errors
    /// An unreadable key tree.
    pub fn verifier_key(&self) -> Result<VerifierKey> {
        let seed = catalog::signing_key(&self.view.read().tree)?;
        Ok(Signer::new(&self.log_name(), &seed)?.verifier_key())
    }

    /// Name of the log and of its key. A store may have been made with an origin that can't be one.
    fn log_name(&self) -> String {
        match &*self.settings.origin {
            origin if is_name(origin) => origin.to_owned(),
            _ => format!("escrowdb.local/{}", self.env.store),
        }
    }
}

/// Adds leaves of a live index that are not there yet and stand below `end`, those of `most` records at
/// most; answers of how many it did. A position without record had one in a damaged frame.
fn extend(tail: &mut Tail, live: &LiveIndex, end: u64, most: usize) -> usize {
    let (mut committer, mut done) = (Committer::new(), 0);
    let new = live.from_seq(Seq(tail.frontier().size())).take_while(|doc| doc.key.seq.0 < end);
    for doc in new.take(most) {
        while tail.frontier().size() < doc.key.seq.0 {
            tail.append(LOST);
        }
        tail.append(committer.leaf(doc.salt, doc.canonical));
        done += 1;
    }
    done
}
