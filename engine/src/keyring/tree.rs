//! Reading a committed tree. A [`Tree`] is a snapshot: cheap to clone, never changing; pages it
//! can reach are not written over while it lives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, RwLock};
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::keyring::cache::Cache;
use crate::keyring::files::Files;
use crate::keyring::head::{Head, Record};
use crate::keyring::node::Node;
use crate::keyring::page::Lock;

/// A key and its value.
pub type Pair = (Vec<u8>, Zeroizing<Vec<u8>>);

/// Is shown a key and its value; says whether to go on.
type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> Result<bool> + 'a;

/// A snapshot of the keyring. After an erasing commit every older one answers `Revoked`.
#[derive(Clone)]
pub struct Tree(pub(super) Arc<Snapshot>);

pub(super) struct Snapshot {
    head: Head,
    pages: Arc<Pages>,
    /// Root page and HEAD record; taken out and wiped by an erasing commit.
    opened: RwLock<Option<(Arc<Node>, Arc<Record>)>>,
    revoked: AtomicBool,
}

/// The page files behind a cache.
pub(super) struct Pages {
    pub(super) files: Arc<Files>,
    pub(super) cache: Mutex<Cache>,
    /// Whether reads mend a bad copy.
    repair: bool,
}

impl Pages {
    pub(super) fn new(files: Arc<Files>, cache_bytes: usize, repair: bool) -> Self {
        Self { files, cache: Mutex::new(Cache::new(cache_bytes)), repair }
    }
}

impl Tree {
    pub(super) fn new(pages: Arc<Pages>, root: Arc<Node>, record: Arc<Record>) -> Self {
        Self(Arc::new(Snapshot {
            head: record.head,
            pages,
            opened: RwLock::new(Some((root, record))),
            revoked: AtomicBool::new(false),
        }))
    }

    /// The commit this is a snapshot of.
    pub fn head(&self) -> &Head {
        &self.0.head
    }

    /// The value of `key`.
    pub fn get(&self, key: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let mut node = self.root()?;
        while node.level > 0 {
            node = self.child(&node, node.link_for(key))?;
        }
        Ok(node.find(key).ok().map(|i| Zeroizing::new(node.value(i).to_vec())))
    }

    /// Every entry whose key starts with `prefix`, ascending.
    pub fn scan(&self, prefix: &[u8]) -> Result<Vec<Pair>> {
        let mut out = Vec::new();
        self.each(prefix, |key, value| {
            out.push((key.to_vec(), Zeroizing::new(value.to_vec())));
            Ok(true)
        })?;
        Ok(out)
    }

    /// Shows every entry whose key starts with `prefix` to `f`, ascending, until it says `false`.
    pub fn each(&self, prefix: &[u8], mut f: impl FnMut(&[u8], &[u8]) -> Result<bool>) -> Result<()> {
        let root = self.root()?;
        self.walk(&root, prefix, &mut |key, value| {
            if key.starts_with(prefix) { f(key, value) } else { Ok(false) }
        })?;
        Ok(())
    }

    /// At most `limit` entries with `from <= key < to` (no end if `None`), ascending.
    pub fn range(&self, from: &[u8], to: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>> {
        let mut out = Vec::new();
        if limit == 0 {
            return Ok(out);
        }
        let root = self.root()?;
        self.walk(&root, from, &mut |key, value| {
            if to.is_some_and(|to| key >= to) {
                return Ok(false);
            }
            out.push((key.to_vec(), Zeroizing::new(value.to_vec())));
            Ok(out.len() < limit)
        })?;
        Ok(out)
    }

    /// Wipes what opens this snapshot. Its cached pages must be cleared after.
    pub(super) fn revoke(&self) {
        self.0.revoked.store(true, Ordering::Release);
        self.0.opened.write().take();
    }

    pub(super) fn root(&self) -> Result<Arc<Node>> {
        Ok(self.opened()?.0)
    }

    pub(super) fn record(&self) -> Result<Arc<Record>> {
        Ok(self.opened()?.1)
    }

    /// The page behind link `i` of an inner page.
    pub(super) fn child(&self, parent: &Node, i: usize) -> Result<Arc<Node>> {
        if self.0.revoked.load(Ordering::Acquire) {
            return Err(revoked());
        }
        let (place, key) = parent.link(i)?;
        let pages = &self.0.pages;
        if let Some(node) = pages.cache.lock().get(place) {
            return Ok(node);
        }
        let node = Node::decode(pages.files.read(place, Lock::Node(key), pages.repair)?)?;
        if node.level + 1 != parent.level {
            return Err(Error::corrupt(format!("keyring page {place}: level does not fit its parent")));
        }
        let node = Arc::new(node);
        let mut cache = pages.cache.lock();
        // Under the lock: an erasing commit revokes first and clears the cache after.
        if !self.0.revoked.load(Ordering::Acquire) {
            cache.put(place, Arc::clone(&node));
        }
        Ok(node)
    }

    fn opened(&self) -> Result<(Arc<Node>, Arc<Record>)> {
        self.0.opened.read().clone().ok_or_else(revoked)
    }

    fn walk(&self, node: &Node, from: &[u8], f: &mut Visit<'_>) -> Result<bool> {
        if node.level == 0 {
            let start = node.find(from).unwrap_or_else(|i| i);
            for i in start..node.len() {
                if !f(node.key(i), node.value(i))? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        for i in node.link_for(from)..node.len() {
            if !self.walk(self.child(node, i)?.as_ref(), from, f)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn revoked() -> Error {
    Error::new(ErrorKind::Revoked, "an erasure ended this view of the keyring")
}
