//! A commit in two steps: [`Keyring::prepare`] makes it durable beside the current state,
//! [`Keyring::publish`] makes it current in memory. What is not published is discarded: its pages
//! are kept until the next HEAD record has replaced the one that names them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use zeroize::Zeroizing;

use crate::crypto::{Entropy, hedged, hedged_secret};
use crate::error::{Error, Result};
use crate::id::{Epoch, StoreId};
use crate::keyring::build::{self, Child, Fresh};
use crate::keyring::files::Files;
use crate::keyring::free::{self, CHUNK_LEN, Draft};
use crate::keyring::head::{Head, LogHead, Record};
use crate::keyring::node::{Builder, ENTRY_LEN_MAX, KEY_LEN_MAX, LINK_LEN, Node};
use crate::keyring::page::{self, BODY_AT, Link, Lock, NO_PAGE, PAGE_LEN, Secret};
use crate::keyring::slot::RootKey;
use crate::keyring::tree::Tree;
use crate::keyring::{Changes, Keyring, Writer, write_head};

/// A commit that replaces so many pages is written while the rest of it is sealed …
const AHEAD: usize = 256;
/// … in pieces of so many bytes.
const PIECE: usize = 128 * PAGE_LEN;

/// A commit that is durable and named by the alternate HEAD record, but not current.
pub struct Prepared {
    id: u64,
    pub(super) record: Arc<Record>,
    pub(super) root_node: Arc<Node>,
    /// The root key it is sealed under.
    pub(super) root: Secret,
    new_root: bool,
    /// Which HEAD record names it.
    pub(super) index: usize,
    /// Every page it wrote, ascending.
    pub(super) written: Vec<u32>,
    freed: Vec<u32>,
}

impl Prepared {
    /// The HEAD it will be.
    pub fn head(&self) -> Head {
        self.record.head
    }
}

impl Keyring {
    /// Writes the tree with these changes to new places in both files, then the alternate HEAD
    /// record, each durable in turn. Nothing of the current state is touched. With `new_root` the
    /// commit is an erasing one: it stands under that root and opens once the slot holds it.
    pub fn prepare(
        &self,
        changes: &Changes,
        log: LogHead,
        new_root: Option<(&RootKey, Epoch)>,
    ) -> Result<Prepared> {
        self.prepare_needing(changes, log, new_root, 0)
    }

    /// The same for a commit from which on the store needs more of its readers: bits of *needed* in
    /// HEAD, which stay set for good.
    pub fn prepare_needing(
        &self,
        changes: &Changes,
        log: LogHead,
        new_root: Option<(&RootKey, Epoch)>,
        more: u32,
    ) -> Result<Prepared> {
        let list = checked(changes)?;
        let mut w = self.writer.lock();
        self.refuse_if_poisoned()?;
        let tree = self.tree();
        let current = tree.head().sequence;
        let epoch = new_root.map_or(tree.head().epoch, |(_, epoch)| epoch);
        if new_root.is_some() && epoch <= tree.head().epoch {
            return Err(Error::invalid("a new root needs a new epoch"));
        }
        let root = match new_root {
            Some((new, _)) => Secret::from_bytes(new.bytes()),
            None => w.root.with(Secret::from_bytes)?,
        };

        let oldest = w.oldest(current);
        let files = &*self.pages.files;
        let mut batch = Batch {
            draft: w.space.draft(current, oldest),
            places: Vec::new(),
            bytes: Vec::new(),
            handed: 0,
            writer: None,
            entropy: self.entropy.as_ref(),
            store: files.store(),
            root: &root,
            epoch,
        };
        let (fresh, mut freed) = build::apply(&tree, &list)?;
        let before = tree.record()?;
        if before.root_page != NO_PAGE {
            freed.push(before.root_page);
        }
        freed.extend(free_pages(self, &before)?);
        let (sealed, ahead) = thread::scope(|scope| {
            let (sender, queue) = channel();
            let writer = (freed.len() >= AHEAD)
                .then(|| thread::Builder::new().spawn_scoped(scope, || write_ahead(files, queue)).ok())
                .flatten();
            batch.writer = writer.is_some().then_some(sender);
            let sealed = batch.seal_root(&fresh);
            batch.writer = None;
            (sealed, writer.map_or(Ok(Ok(())), |writer| writer.join().unwrap_or_else(|_| Err(panicked()))))
        });
        self.poison(ahead?)?;
        let (root_page, root_salt, root_node) = sealed?;
        let free = batch.seal_free_list(&w, &freed, current)?;
        let Batch { draft, places, bytes, handed, .. } = batch;

        let sequence = current.checked_add(1).ok_or_else(|| Error::invalid("HEAD has no sequence left"))?;
        let needed = tree.head().needed | more;
        let head = Head { sequence, epoch, log, pages: draft.pages(), needed };
        let record = Record { head, root_page, root_salt, free };
        let salt =
            random(self.entropy.as_ref(), &root, &[&root_salt[..], &head.sequence.to_le_bytes()].concat())?;
        let head_page = record.seal(self.pages.files.store(), &root, &salt)?;
        let index = 1 - w.index;

        files.reserve(draft.pages())?;
        // No living snapshot reaches these numbers: what the cache holds of them is of dead ones.
        self.pages.cache.lock().forget(&places);
        files.write(places.get(handed..).unwrap_or_default(), &bytes)?;
        self.poison(files.sync())?;
        self.poison(write_head(w.head_file.as_ref(), index, &head_page))?;

        w.drafts += 1;
        let id = w.drafts;
        w.space.settle(draft, places.clone(), current, id);
        Ok(Prepared {
            id,
            record: Arc::new(record),
            root_node: Arc::new(root_node),
            root,
            new_root: new_root.is_some(),
            index,
            written: places,
            freed,
        })
    }

    /// Makes a prepared commit the current state, in memory only. After a new root every older
    /// tree is revoked and every decoded page wiped.
    pub fn publish(&self, prepared: Prepared) -> Result<()> {
        let mut w = self.writer.lock();
        let before = self.head().sequence;
        if prepared.id != w.drafts || prepared.record.head.sequence != before + 1 {
            return Err(Error::invalid("this prepared commit was overtaken by another"));
        }
        let root = w.keys.insert(&prepared.root)?;
        if !w.space.publish(prepared.id, prepared.freed, before) {
            return Err(Error::invalid("this prepared commit is unknown"));
        }
        w.root = root;
        w.index = prepared.index;
        let tree = Tree::new(Arc::clone(&self.pages), prepared.root_node, prepared.record);
        let newest = Arc::downgrade(&tree.0);
        // First the new tree, so that no reader is given a revoked one.
        *self.current.write() = tree;
        w.living.retain(|s| s.strong_count() > 0);
        if prepared.new_root {
            for snapshot in &w.living {
                if let Some(snapshot) = snapshot.upgrade() {
                    Tree(snapshot).revoke();
                }
            }
        }
        w.living.push(newest);
        if prepared.new_root {
            self.clear_cache();
        }
        self.proved_newest.store(true, Ordering::Release);
        Ok(())
    }

    /// Drops a prepared commit. For an ordinary one this is of use only if the process goes on:
    /// its HEAD record stands until the next commit, and reopening would choose it.
    pub fn discard(&self, prepared: Prepared) {
        drop(prepared);
    }
}

impl Writer {
    /// The oldest commit of which a snapshot lives.
    fn oldest(&self, current: u64) -> u64 {
        let living = self.living.iter().filter_map(|s| s.upgrade().map(|s| Tree(s).head().sequence));
        living.min().unwrap_or(current)
    }
}

fn random(entropy: &dyn Entropy, root: &[u8; 32], content: &[u8]) -> Result<[u8; 32]> {
    hedged(entropy, root, content).map_err(|e| Error::io("read random bytes", e))
}

fn random_key(entropy: &dyn Entropy, root: &[u8; 32], content: &[u8]) -> Result<Secret> {
    hedged_secret(entropy, root, content).map_err(|e| Error::io("read random bytes", e))
}

/// The changes as slices, with their sizes checked.
fn checked(changes: &Changes) -> Result<Vec<build::Change<'_>>> {
    let mut out = Vec::with_capacity(changes.len());
    for (key, value) in changes {
        let value = value.as_ref().map(|v| v.as_slice());
        if key.is_empty()
            || key.len() > KEY_LEN_MAX
            || key.len() + value.map_or(0, <[u8]>::len) > ENTRY_LEN_MAX
        {
            return Err(Error::invalid(format!(
                "an entry of the keyring is over {ENTRY_LEN_MAX} bytes, or its key is empty or over {KEY_LEN_MAX}"
            )));
        }
        out.push((key.as_slice(), value));
    }
    Ok(out)
}

/// Where the free list of a commit stands.
fn free_pages(keyring: &Keyring, record: &Record) -> Result<Vec<u32>> {
    let mut out = Vec::new();
    let mut next = record.free.clone();
    while let Some((place, key)) = next {
        out.push(place);
        if out.len() > record.head.pages as usize {
            return Err(Error::corrupt("keyring: the free list has no end"));
        }
        let body = keyring.pages.files.read(place, Lock::Free(&key), true)?;
        next = free::decode_chunk(&body)?.0;
    }
    Ok(out)
}

/// Pages by their places, sealed.
type Piece = (Vec<u32>, Vec<u8>);

/// Writes what was sealed, to places that nothing leads to yet, and syncs it: so the device is at
/// work while the rest is sealed. What stands last is synced once more by the commit itself. The
/// inner result is that of the syncs.
fn write_ahead(files: &Files, queue: Receiver<Piece>) -> Result<Result<()>> {
    while let Ok(first) = queue.recv() {
        for (places, bytes) in std::iter::once(first).chain(queue.try_iter()) {
            files.reserve(places.last().map_or(0, |last| last + 1))?;
            files.write(&places, &bytes)?;
        }
        let synced = files.sync();
        if synced.is_err() {
            return Ok(synced);
        }
    }
    Ok(Ok(()))
}

fn panicked() -> Error {
    Error::io("write keyring pages", std::io::Error::other("the thread that wrote panicked"))
}

/// The pages of one commit, sealed one behind the other in ascending places.
struct Batch<'a> {
    draft: Draft,
    places: Vec<u32>,
    /// The pages from place number `handed` on; those before went to `writer`.
    bytes: Vec<u8>,
    handed: usize,
    writer: Option<Sender<Piece>>,
    entropy: &'a dyn Entropy,
    store: StoreId,
    root: &'a [u8; 32],
    epoch: Epoch,
}

impl Batch<'_> {
    fn seal_root(&mut self, fresh: &Fresh) -> Result<(u32, [u8; 32], Node)> {
        let built;
        let node = match fresh {
            Fresh::Leaf(node) => node,
            Fresh::Inner { level, children, .. } => {
                built = self.inner(*level, children)?;
                &built
            }
        };
        let salt = random(self.entropy, self.root, node.body())?;
        let lock = Lock::Root { root: self.root, salt: &salt, epoch: self.epoch };
        let place = self.page(node.body(), lock)?;
        let body = Zeroizing::new(node.body().to_vec());
        Ok((place, salt, Node::decode(body)?))
    }

    fn seal_node(&mut self, fresh: &Fresh) -> Result<Link> {
        let built;
        let node = match fresh {
            Fresh::Leaf(node) => node,
            Fresh::Inner { level, children, .. } => {
                built = self.inner(*level, children)?;
                &built
            }
        };
        let key = random_key(self.entropy, self.root, node.body())?;
        Ok((self.page(node.body(), Lock::Node(&key))?, key))
    }

    /// The text of an inner page; its new children are sealed on the way.
    fn inner(&mut self, level: u8, children: &[Child]) -> Result<Node> {
        let mut page = Builder::new(level);
        for child in children {
            match child {
                Child::Kept { parent, at } => page.push(parent.key(*at), parent.value(*at)),
                Child::Fresh(fresh) => {
                    if fresh.level() + 1 != level {
                        return Err(Error::corrupt("keyring: a page does not fit its level"));
                    }
                    let (place, key) = self.seal_node(fresh)?;
                    let mut link = Zeroizing::new([0u8; LINK_LEN]);
                    link[..4].copy_from_slice(&place.to_le_bytes());
                    link[4..].copy_from_slice(&key[..]);
                    page.push(fresh.first(), &link[..]);
                }
            }
        }
        Ok(page.finish())
    }

    /// The free list, last page first. Places are taken before the list is written, for they no
    /// longer stand in it; taking them never makes it longer.
    fn seal_free_list(&mut self, w: &Writer, freed: &[u32], current: u64) -> Result<Option<Link>> {
        let (free, left) = w.space.lists(&self.draft, freed, current);
        let chunks = free::encode(&free, &left).len().div_ceil(CHUNK_LEN);
        let places = (0..chunks).map(|_| self.draft.take()).collect::<Result<Vec<_>>>()?;
        let (free, left) = w.space.lists(&self.draft, freed, current);
        let list = free::encode(&free, &left);
        let mut next = None;
        let from = self.bytes.len();
        self.bytes.resize(from + chunks * PAGE_LEN, 0);
        self.places.extend_from_slice(&places);
        for (i, place) in places.iter().enumerate().rev() {
            let part = list.get(i * CHUNK_LEN..).unwrap_or(&[]);
            let page = &mut self.bytes[from + i * PAGE_LEN..][..PAGE_LEN];
            free::encode_chunk(&mut page[BODY_AT..], next.as_ref(), &part[..part.len().min(CHUNK_LEN)]);
            let key = random_key(self.entropy, self.root, &page[BODY_AT..])?;
            page::seal(page, Lock::Free(&key), self.store, *place)?;
            next = Some((*place, key));
        }
        Ok(next)
    }

    fn page(&mut self, body: &[u8], lock: Lock<'_>) -> Result<u32> {
        let place = self.draft.take()?;
        let at = self.bytes.len();
        // Grown before text stands in it: what a move leaves behind is ciphertext.
        self.bytes.resize(at + PAGE_LEN, 0);
        let page = &mut self.bytes[at..];
        page[BODY_AT..].copy_from_slice(body);
        page::seal(page, lock, self.store, place)?;
        self.places.push(place);
        self.hand_over();
        Ok(place)
    }

    /// Gives the writer a piece as soon as there is one.
    fn hand_over(&mut self) {
        let Some(writer) = self.writer.as_ref().filter(|_| self.bytes.len() >= PIECE) else { return };
        let places = self.places.get(self.handed..).unwrap_or_default().to_vec();
        // A writer that failed takes nothing any more, and its error ends the commit.
        let _ = writer.send((places, std::mem::take(&mut self.bytes)));
        self.handed = self.places.len();
    }
}
