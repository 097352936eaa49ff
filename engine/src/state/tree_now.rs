//! The log's tree over everything that was acknowledged: what stands in the files, and behind it
//! the leaves of records that stand in journals only, computed in memory.
//!
//! A roll writes the leaf of every record of its journal, also of those that an erasure takes, so
//! the tree of the next roll is the one that was seen here. What is signed must outlive a power
//! cut, so the journal is synced first.

use parking_lot::{MutexGuard, RwLockReadGuard};

use crate::error::{Error, Result};
use crate::id::{Micros, Seq};
use crate::index::LiveIndex;
use crate::keyring::log_keys::SignedHead;
use crate::keyring::{Changes, Tree, catalog};
use crate::log::{LOST, Log, damaged};
use crate::merkle::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::merkle::commitment::Committer;
use crate::merkle::hash::{Hash, subtree_root};
use crate::merkle::proof::{Consistency, Hashes, Inclusion};
use crate::merkle::signer::Signer;
use crate::merkle::tail::Tail;
use crate::merkle::text::{Opening, RecordProof};
use crate::merkle::tile::{HEIGHT, LEVELS, Tile, WIDTH};
use crate::merkle::tree::Frontier;
use crate::state::{State, commit};
use crate::view::View;

/// Records whose leaves are computed under one hold of the view's lock, for which appends wait.
const PIECE: usize = 4096;

/// The tree at one moment. Rolls wait for as long as it lives.
pub struct TreeNow<'a> {
    log: MutexGuard<'a, Log>,
    tail: MutexGuard<'a, Tail>,
    /// The key tree of that moment: who holds the log must not ask for the view.
    keys: Tree,
    name: String,
    /// The store's, empty if it has none.
    region: &'a str,
    /// How many of its leaves may be signed.
    noted: u64,
}

/// Whether the log is one that goes on with what its key signed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// It does.
    Whole,
    /// Hashes are lost and given up, or records that a signed head counts are not there.
    Broken,
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
    fn into_error(self, head: &Checkpoint) -> Error {
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
    ///
    /// # Errors
    /// *Corrupt* if hashes are damaged beyond their parity: then nobody can tell.
    pub fn relation(&mut self, head: &Checkpoint) -> Result<Relation> {
        if head.size > self.frontier().size() {
            return Ok(Relation::Shorter);
        }
        // Before another history is blamed on anybody, a turned bit is looked for.
        let same = self.read_mending(&[head.size.saturating_sub(1)], |tree| {
            Ok((Frontier::read(tree, head.size)?.root() == head.root).then_some(()))
        })?;
        Ok(if same.is_some() { Relation::Continues } else { Relation::Differs })
    }

    /// What `read` makes of the tree's hashes. If they don't fit, the stored ones on the ways of these leaves to
    /// the root are looked at, and what comes back from parity is read again.
    ///
    /// # Errors
    /// Those of `read`; *corrupt* if hashes are damaged beyond their parity.
    fn read_mending<T>(
        &mut self,
        leaves: &[u64],
        read: impl Fn(&Self) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        if let Some(fits) = read(self)? {
            return Ok(Some(fits));
        }
        let stored = self.log.frontier().size();
        let mut mended = 0;
        for leaf in leaves.iter().filter(|leaf| **leaf < stored) {
            mended += self.log.mend_way(*leaf)?;
        }
        if mended == 0 { Ok(None) } else { read(self) }
    }

    /// Refuses a head that it doesn't continue. Whether that is signed the caller knows.
    ///
    /// # Errors
    /// *Corrupt* if it is shorter, or has another beginning.
    pub fn must_continue(&mut self, head: &Checkpoint) -> Result<()> {
        match self.relation(head)? {
            Relation::Continues => Ok(()),
            other => Err(other.into_error(head)),
        }
    }

    /// Proves a record in a head of this log.
    ///
    /// # Errors
    /// *Invalid* if the record came after that head; *corrupt* if it is not the one in the log.
    pub fn prove(
        &mut self,
        seq: Seq,
        opening: Opening,
        checkpoint: &SignedCheckpoint,
    ) -> Result<RecordProof> {
        let head = checkpoint.unverified();
        if seq.0 >= head.size {
            return Err(Error::invalid(format!(
                "the record stands at position {seq}, behind the {} of that checkpoint",
                head.size
            ))
            .hint("prove it in a later checkpoint"));
        }
        let leaf = opening.leaf();
        let inclusion = self.read_mending(&[seq.0, head.size - 1], |tree| {
            let inclusion = Inclusion::prove(tree, seq, head.size)?;
            Ok(Some(inclusion).filter(|inclusion| inclusion.verify(&leaf, &head.root).is_ok()))
        })?;
        let inclusion = inclusion.ok_or_else(|| {
            Error::corrupt(format!("the record at position {seq} is not the one in the log"))
                .hint("`escrow verify --read-data` says what is damaged")
        })?;
        Ok(RecordProof { opening, inclusion, checkpoint: checkpoint.clone() })
    }

    /// Proves that the first `to` leaves continue the first `from`.
    ///
    /// # Errors
    /// *Corrupt* if hashes are damaged beyond their parity.
    pub fn consistency(&mut self, from: u64, to: u64) -> Result<Consistency> {
        let ends = [from.saturating_sub(1), to.saturating_sub(1)];
        let proof = self.read_mending(&ends, |tree| {
            let (earlier, later) = (Frontier::read(tree, from)?.root(), Frontier::read(tree, to)?.root());
            let proof = Consistency::prove(tree, from, to)?;
            Ok(Some(proof).filter(|proof| proof.verify(&earlier, &later).is_ok()))
        })?;
        proof.ok_or_else(|| damaged(&format!("{from} leaves don't lead to {to}")))
    }

    /// The hashes of a tile. Those of a full one are what its parent says.
    ///
    /// # Errors
    /// *Corrupt* if they are damaged beyond their parity.
    pub fn tile(&mut self, tile: Tile) -> Result<Vec<Hash>> {
        let entries = tile.first()..tile.first() + u64::from(tile.width);
        let is_full = u64::from(tile.width) == WIDTH && tile.level + 1 < LEVELS;
        let hashes = self.read_mending(&[tile.first() << (HEIGHT * tile.level)], |tree| {
            let hashes = entries.clone().map(|i| tree.hash(HEIGHT * tile.level, i));
            let hashes = hashes.collect::<Result<Vec<_>>>()?;
            let fits =
                !is_full || subtree_root(&hashes) == Some(tree.hash(HEIGHT * (tile.level + 1), tile.index)?);
            Ok(fits.then_some(hashes))
        })?;
        hashes.ok_or_else(|| damaged(&tile.to_string()))
    }

    /// The log's key.
    ///
    /// # Errors
    /// An unreadable key tree, *revoked* if an erasure ended meanwhile.
    pub fn signer(&self) -> Result<Signer> {
        Signer::new(&self.name, &*catalog::signing_key(&self.keys)?)
    }

    /// The head of all of it that may be signed, signed by the log's key.
    ///
    /// # Errors
    /// As of [`Self::signer`].
    pub fn sign(&self) -> Result<SignedCheckpoint> {
        self.sign_at(self.noted)
    }

    /// How many leaves [`Self::sign`] signs.
    pub fn signs(&self) -> u64 {
        self.noted
    }

    /// The key tree of that moment.
    pub fn keys(&self) -> &Tree {
        &self.keys
    }

    /// Whether it continues what the key of today signed.
    ///
    /// # Errors
    /// An unreadable key tree, unreadable hashes.
    pub fn history(&mut self) -> Result<History> {
        let lost = catalog::losses(&self.keys)?.iter().filter(|loss| loss.is_of_hashes()).count();
        if lost as u64 > catalog::log_keys(&self.keys)?.losses {
            return Ok(History::Broken);
        }
        let Some(SignedHead { size, root, .. }) = catalog::signed_head(&self.keys)? else {
            return Ok(History::Whole);
        };
        let head = Checkpoint { origin: self.name.clone(), size, root: Hash(root) };
        Ok(if self.relation(&head)? == Relation::Continues { History::Whole } else { History::Broken })
    }

    /// What must stand in the key tree before all of it is signed. None if that stands there, or a roll has
    /// published it.
    fn to_note(&self, at: Micros) -> Result<Option<SignedHead>> {
        let noted = catalog::signed_head(&self.keys)?.map_or(0, |head| head.size);
        let head = self.frontier();
        let is_kept = head.size() <= noted.max(self.keys.head().log.size);
        Ok((!is_kept).then(|| SignedHead { size: head.size(), root: head.root().0, at }))
    }

    /// The head of its first `size` leaves, signed likewise.
    ///
    /// # Errors
    /// As of [`Self::signer`], and unreadable hashes.
    pub fn sign_at(&self, size: u64) -> Result<SignedCheckpoint> {
        self.signed(&Frontier::read(self, size)?)
    }

    fn signed(&self, head: &Frontier) -> Result<SignedCheckpoint> {
        if head.size() > self.noted {
            return Err(Error::invalid("that many leaves are not noted as signed"));
        }
        let checkpoint = Checkpoint { origin: self.name.clone(), size: head.size(), root: head.root() };
        SignedCheckpoint::sign_in(checkpoint, self.region, &self.signer()?)
    }
}

impl Hashes for TreeNow<'_> {
    fn hash(&self, height: u8, index: u64) -> Result<Hash> {
        self.tail.over(&*self.log).hash(height, index)
    }
}

impl State {
    /// The same tree for whoever signs its head. That this head was signed is noted in the key tree first:
    /// so no key ever signs two histories, whatever becomes of the end of a journal.
    ///
    /// # Errors
    /// As of [`Self::tree_now`]; *corrupt* if the log doesn't continue what its key signed; *no space*.
    pub fn tree_to_sign(&self) -> Result<TreeNow<'_>> {
        let mut tree = self.tree_now()?;
        if tree.history()? == History::Broken {
            return Err(Error::corrupt("the log does not continue what its key signed before").hint(
                "put the folder back from a backup that has all of it, or begin a new history by `escrow key rotate`",
            ));
        }
        let head = if tree.keys.head().has_evidence() { tree.to_note(self.env.clock.now())? } else { None };
        let Some(head) = head else { return Ok(tree) };
        drop(tree);
        self.commit_noting(Changes::new(), Some(&head))?;
        // What came meanwhile is not noted.
        let mut tree = self.tree_now()?;
        let noted = catalog::signed_head(&tree.keys)?.map_or(0, |head| head.size);
        tree.noted = tree.noted.min(noted.max(tree.keys.head().log.size));
        Ok(tree)
    }

    /// Commits `changes`, with a head that is going to be signed unless a longer one is noted: two may sign
    /// at once, and none takes the other's back.
    ///
    /// # Errors
    /// As of every commit.
    pub fn commit_noting(&self, mut changes: Changes, head: Option<&SignedHead>) -> Result<()> {
        let keyring = self.keyring.lock();
        let noted = catalog::signed_head(&keyring.tree())?.map_or(0, |noted| noted.size);
        if let Some(head) = head.filter(|head| head.size > noted) {
            catalog::put_signed_head(&mut changes, head)?;
        }
        if changes.is_empty() {
            return Ok(());
        }
        let log = keyring.head().log;
        commit::commit_locked(self, &keyring, &changes, log, |_| {})
    }

    /// The head that a commit may note as signed, so that signing needs no commit of its own.
    ///
    /// # Errors
    /// As of [`Self::tree_now`].
    pub fn head_to_note(&self) -> Result<Option<SignedHead>> {
        let mut tree = self.tree_now()?;
        if tree.history()? == History::Broken { Ok(None) } else { tree.to_note(self.env.clock.now()) }
    }

    /// Both, without waiting for one while the other is held. Whoever reads or writes hashes holds the log
    /// for long; behind a writer that waits for the view every reader would wait too.
    fn view_and_log(&self) -> (RwLockReadGuard<'_, View>, MutexGuard<'_, Log>) {
        loop {
            let view = self.view.read();
            if let Some(log) = self.log.try_lock() {
                return (view, log);
            }
            drop(view);
            let log = self.log.lock();
            if let Some(view) = self.view.try_read() {
                return (view, log);
            }
        }
    }

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
            let (view, log) = self.view_and_log();
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
                let keys = view.tree.clone();
                let name = self.log_name(catalog::log_keys(&keys)?.generation);
                drop(view);
                return Ok(TreeNow { log, tail, keys, name, region: &self.settings.region, noted: size });
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
