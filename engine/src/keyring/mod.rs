//! The tree of keys: a copy-on-write B+tree of sealed pages in two files, HEAD, and the slot.
//!
//! ```text
//! slot (root key) ─ HEAD record ─ root page ─┬─ page ─┬─ leaf
//!                        │                   └─ ...   └─ ...     every link carries the one key
//!                        └─ free list                            that opens what it leads to
//! ```
//!
//! A commit writes the touched paths to places that no tree in HEAD uses, makes them durable in
//! both files, then writes the older of the two HEAD records. An *erasing* commit does the same
//! under a new root; once the slot holds only that root, no page, list or HEAD record written
//! before opens with any key, except the living pages the new tree shares.
//!
//! What is absent: a separator that is the key of a dead entry; a page written twice under one
//! key; a commit that touches what the current or the former HEAD record names.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, RwLock};
use zeroize::Zeroizing;

use crate::crypto::{Entropy, Key, Keys};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{Epoch, StoreId};
use crate::keyring::files::Files;
use crate::keyring::free::Space;
use crate::keyring::head::{Chosen, HEAD_FILE, HEAD_LEN, Record};
use crate::keyring::node::Node;
use crate::keyring::page::{Lock, PAGE_LEN};
use crate::keyring::tree::{Pages, Snapshot};
use crate::vfs::{Vfs, VfsFile};

mod build;
mod cache;
pub mod catalog;
mod check;
mod commit;
pub mod entry;
pub mod files;
pub mod free;
pub mod head;
pub mod log_keys;
pub mod losses;
pub mod node;
mod page;
pub mod pending;
pub mod progress;
mod rescue;
pub mod slot;
pub mod tree;

pub use check::Report;
pub use commit::Prepared;
pub use head::{Head, LogHead};
pub use slot::{FileSlot, Grade, RootKey, Slot, SlotRecord};
pub use tree::Tree;

/// Entries to set, and keys to remove (`None`).
pub type Changes = BTreeMap<Vec<u8>, Option<Zeroizing<Vec<u8>>>>;

/// Bytes of decoded pages kept in memory.
const CACHE_BYTES: usize = 8 << 20;

/// An open keyring. One committer at a time; trees are read without a lock.
pub struct Keyring {
    entropy: Arc<dyn Entropy>,
    pages: Arc<Pages>,
    /// The current tree; replaced under `writer`.
    current: RwLock<Tree>,
    proved_newest: AtomicBool,
    /// Set by a failed sync or HEAD write; cleared only by reopening.
    poisoned: AtomicBool,
    writer: Mutex<Writer>,
}

/// What only the committer touches.
struct Writer {
    head_file: Box<dyn VfsFile>,
    /// Which HEAD record is current.
    index: usize,
    space: Space,
    /// The current root, in an arena of its own, for the store's arena is wiped by an erasure.
    root: Key,
    keys: Keys,
    /// Snapshots that may still be read.
    living: Vec<Weak<Snapshot>>,
    /// Number of the latest prepared commit.
    drafts: u64,
}

impl Keyring {
    /// Makes the files of a new keyring with these entries, durable when it returns: that of a store
    /// whose indexes have words. Fails if one of the files exists.
    #[expect(clippy::too_many_arguments, reason = "each stands for itself, and there is one caller")]
    pub fn create(
        vfs: Arc<dyn Vfs>,
        dir: &Path,
        entropy: Arc<dyn Entropy>,
        store: StoreId,
        root: &RootKey,
        epoch: Epoch,
        entries: &Changes,
        log: LogHead,
    ) -> Result<Self> {
        let files = Files::create(vfs.as_ref(), dir, store)?;
        let head_file = vfs.create(&dir.join(HEAD_FILE)).map_err(|e| Error::io("create HEAD", e))?;
        head_file.allocate(HEAD_LEN as u64).map_err(|e| Error::io("reserve HEAD", e))?;
        let head = Head { sequence: 0, epoch, log, pages: 0, needed: head::KNOWN };
        let record = Record { head, root_page: page::NO_PAGE, root_salt: [0; 32], free: None };
        let space = Space::default();
        let this = Self::assemble(
            entropy,
            files,
            (record, Node::empty()),
            (head_file, 1, space, root.bytes()),
            true,
        )?;
        let prepared = this.prepare(entries, log, None)?;
        vfs.sync_dir(dir).map_err(|e| Error::io("sync the store folder", e))?;
        this.publish(prepared)?;
        Ok(this)
    }

    /// Opens a keyring under the slot's root. Makes durable what a killed process may have left in
    /// caches, and rewrites both copies of the HEAD record that counts, before anything is read.
    pub fn open(
        vfs: Arc<dyn Vfs>,
        dir: &Path,
        entropy: Arc<dyn Entropy>,
        store: StoreId,
        root: &RootKey,
        epoch: Epoch,
    ) -> Result<Self> {
        let head_file = vfs.open(&dir.join(HEAD_FILE)).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => Error::corrupt("HEAD is missing"),
            _ => Error::io("open HEAD", e),
        })?;
        let chosen = head::choose(&read_head(head_file.as_ref()), store, root.bytes(), epoch)?;
        let files = Files::open(vfs.as_ref(), dir, store)?;
        files.sync()?;
        write_head(head_file.as_ref(), chosen.index, &chosen.page)?;
        let Chosen { record, index, proved_newest, .. } = chosen;
        let lock = Lock::Root { root: root.bytes(), salt: &record.root_salt, epoch };
        let node = Node::decode(files.read(record.root_page, lock, true)?)?;
        let (free, freed) = read_free(&files, &record)?;
        let space = Space::new(record.head.pages, free, freed, record.head.sequence);
        Self::assemble(entropy, files, (record, node), (head_file, index, space, root.bytes()), proved_newest)
    }

    /// The tree that another root opens, as it is: nothing is written, not even mended.
    pub fn look(vfs: &dyn Vfs, dir: &Path, store: StoreId, root: &RootKey, epoch: Epoch) -> Result<Tree> {
        let head_file = vfs.open(&dir.join(HEAD_FILE)).map_err(|e| Error::io("open HEAD", e))?;
        let record = head::choose(&read_head(head_file.as_ref()), store, root.bytes(), epoch)?.record;
        let files = Files::open(vfs, dir, store)?;
        let lock = Lock::Root { root: root.bytes(), salt: &record.root_salt, epoch };
        let node = Node::decode(files.read(record.root_page, lock, false)?)?;
        let pages = Arc::new(Pages::new(Arc::new(files), CACHE_BYTES, false));
        Ok(Tree::new(pages, Arc::new(node), Arc::new(record)))
    }

    fn assemble(
        entropy: Arc<dyn Entropy>,
        files: Files,
        (record, node): (Record, Node),
        (head_file, index, space, root): (Box<dyn VfsFile>, usize, Space, &[u8; 32]),
        proved_newest: bool,
    ) -> Result<Self> {
        let pages = Arc::new(Pages::new(Arc::new(files), CACHE_BYTES, true));
        let tree = Tree::new(Arc::clone(&pages), Arc::new(node), Arc::new(record));
        let keys = Keys::new();
        let root = keys.insert(root)?;
        let living = vec![Arc::downgrade(&tree.0)];
        Ok(Self {
            entropy,
            pages,
            current: RwLock::new(tree),
            proved_newest: AtomicBool::new(proved_newest),
            poisoned: AtomicBool::new(false),
            writer: Mutex::new(Writer { head_file, index, space, root, keys, living, drafts: 0 }),
        })
    }

    /// The current tree.
    pub fn tree(&self) -> Tree {
        self.current.read().clone()
    }

    /// The current HEAD.
    pub fn head(&self) -> Head {
        *self.current.read().head()
    }

    /// Whether no newer HEAD can have been lost: the other record is the direct predecessor.
    pub fn proved_newest(&self) -> bool {
        self.proved_newest.load(Ordering::Acquire)
    }

    /// Whether a failed sync or HEAD write ended all commits until the store is reopened.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }

    /// How many bad copies of pages were mended since opening.
    pub fn repaired(&self) -> u64 {
        self.pages.files.repaired()
    }

    /// Drops and wipes every decoded page but the root page.
    pub fn clear_cache(&self) {
        self.pages.cache.lock().clear();
    }

    fn poison<T>(&self, result: Result<T>) -> Result<T> {
        if result.is_err() {
            self.poisoned.store(true, Ordering::Release);
        }
        result
    }

    fn refuse_if_poisoned(&self) -> Result<()> {
        if self.is_poisoned() {
            return Err(Error::new(ErrorKind::Poisoned, "an earlier commit of the keyring failed")
                .hint("reopen the store"));
        }
        Ok(())
    }
}

/// All of HEAD; what can't be read counts as zeros.
fn read_head(file: &dyn VfsFile) -> Vec<u8> {
    let mut bytes = vec![0; HEAD_LEN];
    for (i, page) in bytes.chunks_mut(PAGE_LEN).enumerate() {
        if file.read_exact_at(page, (i * PAGE_LEN) as u64).is_err() {
            page.fill(0);
        }
    }
    bytes
}

/// Both copies of a record, durable.
fn write_head(file: &dyn VfsFile, index: usize, page: &[u8]) -> Result<()> {
    let at = (index * 2 * PAGE_LEN) as u64;
    file.write_at(page, at)
        .and_then(|()| file.write_at(page, at + PAGE_LEN as u64))
        .map_err(|e| Error::io("write HEAD", e))?;
    file.sync().map_err(|e| Error::io("sync HEAD", e))
}

/// The free pages and the pages freed by the commit of this record.
fn read_free(files: &Files, record: &Record) -> Result<(Vec<u32>, Vec<u32>)> {
    let mut list = Vec::new();
    let mut next = record.free.clone();
    let mut chunks = 0;
    while let Some((place, key)) = next {
        chunks += 1;
        if chunks > record.head.pages {
            return Err(Error::corrupt("keyring: the free list has no end"));
        }
        let body = files.read(place, Lock::Free(&key), true)?;
        let (after, part) = free::decode_chunk(&body)?;
        list.extend_from_slice(part);
        next = after;
    }
    if list.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    free::decode(&list, record.head.pages)
}

#[cfg(test)]
mod tests;
