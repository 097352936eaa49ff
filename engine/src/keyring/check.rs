//! Reading back what a commit wrote, and checking a whole keyring: every page in both copies.

use std::collections::BTreeSet;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::crypto::Secret;
use crate::error::{Error, Result};
use crate::keyring::files::{Files, Mended, PAGE_FILES};
use crate::keyring::free;
use crate::keyring::head::Record;
use crate::keyring::node::Node;
use crate::keyring::page::{Lock, NO_PAGE, PAGE_LEN};
use crate::keyring::tree::{Pages, Tree};
use crate::keyring::{Keyring, Prepared, read_head, write_head};

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Pages looked at, each in both copies.
    pub pages: u64,
    /// Copies written anew.
    pub repaired: u64,
    /// What is damaged, by file and page.
    pub damage: Vec<String>,
    /// How many of these places a repair would set right.
    pub repairable: u64,
}

impl Keyring {
    /// Reads back from the device what a prepared commit wrote: HEAD, then every page the commit
    /// wrote, in both copies, each opened with the key the new tree holds for it. A single bad
    /// copy is written anew and read back again. The tree returned reads from the files only.
    pub fn read_back(&self, prepared: &Prepared) -> Result<Tree> {
        self.evict()?;
        let root_node = match self.read_back_once(prepared, true)? {
            (node, 0) => node,
            _ => {
                self.poison(self.pages.files.sync())?;
                self.evict()?;
                self.read_back_once(prepared, false)?.0
            }
        };
        let pages = Arc::new(Pages::new(Arc::clone(&self.pages.files), 0, false));
        Ok(Tree::new(pages, Arc::new(root_node), Arc::clone(&prepared.record)))
    }

    /// Checks every page of the current tree and of its free list in both copies, from the device,
    /// and both copies of HEAD; mends single bad copies if asked. Damage goes into the report, not
    /// into the result.
    pub fn verify(&self, repair: bool, report: &mut Report) -> Result<()> {
        self.evict()?;
        let tree = self.tree();
        let (root, record) = (self.root_key()?, tree.record()?);
        let mut walk = Walk::new(&self.pages.files, repair, None);
        walk.commit(&record, &root);
        walk.account(&record);
        let Walk { seen, repaired, repairable, damage, .. } = walk;
        if repaired > 0 {
            self.poison(self.pages.files.sync())?;
        }
        report.repaired += repaired;
        report.repairable += repairable;
        report.pages += seen.len() as u64;
        report.damage.extend(damage);
        self.verify_head(&record, &root, repair, report)
    }

    fn verify_head(&self, record: &Record, root: &[u8; 32], repair: bool, report: &mut Report) -> Result<()> {
        let w = self.writer.lock();
        if self.head().sequence != record.head.sequence {
            return Ok(());
        }
        let head = read_head(w.head_file.as_ref());
        let first = w.index * 2;
        let copies: Vec<&[u8]> = head.chunks(PAGE_LEN).skip(first).take(2).collect();
        let store = self.pages.files.store();
        let good = |page: &&&[u8]| {
            Record::open(page, store, root, record.head.epoch).is_ok_and(|r| r.head == record.head)
        };
        let Some(page) = copies.iter().find(good) else {
            report.damage.push(format!("HEAD pages {first} and {}", first + 1));
            return Ok(());
        };
        for (i, _) in copies.iter().enumerate().filter(|(_, c)| *c != page) {
            if repair {
                self.poison(write_head(w.head_file.as_ref(), w.index, page))?;
                report.repaired += 1;
            } else {
                report.damage.push(format!("HEAD page {}: can be repaired", first + i));
                report.repairable += 1;
            }
        }
        Ok(())
    }

    fn read_back_once(&self, prepared: &Prepared, repair: bool) -> Result<(Node, u64)> {
        let store = self.pages.files.store();
        let head = read_head(self.writer.lock().head_file.as_ref());
        for (i, page) in head.chunks(PAGE_LEN).enumerate().skip(prepared.index * 2).take(2) {
            let record = Record::open(page, store, &prepared.root, prepared.record.head.epoch)
                .map_err(|e| Error::corrupt(format!("HEAD page {i}: {e}")))?;
            if record.head != prepared.record.head
                || record.root_page != prepared.record.root_page
                || record.root_salt != prepared.record.root_salt
            {
                return Err(Error::corrupt(format!("HEAD page {i}: not the record that was written")));
            }
        }
        let only: BTreeSet<u32> = prepared.written.iter().copied().collect();
        let mut walk = Walk::new(&self.pages.files, repair, Some(&only));
        let root = walk.commit(&prepared.record, &prepared.root);
        if let Some(first) = walk.damage.first() {
            return Err(Error::corrupt(format!("reading back: {first}")));
        }
        if walk.seen != only {
            return Err(Error::corrupt("reading back: a page that was written is not in the new tree"));
        }
        let root = root.filter(|r| r.body() == prepared.root_node.body());
        let root = root.ok_or_else(|| Error::corrupt("reading back: another root page"))?;
        Ok((root, walk.repaired))
    }

    fn root_key(&self) -> Result<Secret> {
        self.writer.lock().root.with(Secret::from_bytes)
    }

    fn evict(&self) -> Result<()> {
        self.pages.files.evict()?;
        self.writer.lock().head_file.evict().map_err(|e| Error::io("evict HEAD", e))
    }
}

/// A walk over pages in both copies. Damage is noted and the walk goes on.
struct Walk<'a> {
    files: &'a Files,
    repair: bool,
    /// Only these pages; the others are shared with an older tree.
    only: Option<&'a BTreeSet<u32>>,
    seen: BTreeSet<u32>,
    lists: Vec<u32>,
    repaired: u64,
    repairable: u64,
    damage: Vec<String>,
}

impl<'a> Walk<'a> {
    fn new(files: &'a Files, repair: bool, only: Option<&'a BTreeSet<u32>>) -> Self {
        let (seen, lists, damage) = Default::default();
        Self { files, repair, only, seen, lists, repaired: 0, repairable: 0, damage }
    }

    /// The tree and the free list of a record.
    fn commit(&mut self, record: &Record, root: &[u8; 32]) -> Option<Node> {
        let lock = Lock::Root { root, salt: &record.root_salt, epoch: record.head.epoch };
        let root = self.page(record.root_page, lock).and_then(|body| self.decode(record.root_page, body));
        if let Some(node) = &root {
            self.below(node, None);
        }
        let mut list = Vec::new();
        let mut next = record.free.clone();
        while let Some((place, key)) = next.take() {
            let Some(body) = self.page(place, Lock::Free(&key)) else { return root };
            match free::decode_chunk(&body) {
                Ok((after, part)) => {
                    list.extend_from_slice(part);
                    next = after;
                }
                Err(e) => self.damage.push(format!("free list, page {place}: {e}")),
            }
        }
        if !list.is_empty() {
            match free::decode(&list, record.head.pages) {
                Ok((free, freed)) => self.lists = [free, freed].concat(),
                Err(e) => self.damage.push(format!("free list: {e}")),
            }
        }
        root
    }

    /// Every page is in the tree or in the free list, and in one of them once.
    fn account(&mut self, record: &Record) {
        if !self.damage.is_empty() {
            return;
        }
        let mut all: Vec<u32> = self.seen.iter().copied().chain(self.lists.iter().copied()).collect();
        all.sort_unstable();
        if !all.iter().copied().eq(0..record.head.pages) {
            self.damage.push("keyring: the free list does not fit the tree".into());
        }
    }

    /// Everything below an inner page. `end` is the first key behind it.
    fn below(&mut self, node: &Node, end: Option<&[u8]>) {
        if node.level == 0 {
            return;
        }
        for i in 0..node.len() {
            let Ok((place, key)) = node.link(i) else { continue };
            if self.only.is_some_and(|only| !only.contains(&place)) {
                continue;
            }
            let Some(child) = self.page(place, Lock::Node(key)).and_then(|b| self.decode(place, b)) else {
                continue;
            };
            let end = if i + 1 < node.len() { Some(node.key(i + 1)) } else { end };
            let last = child.len().checked_sub(1).map(|l| child.key(l));
            if child.level + 1 != node.level
                || child.len() == 0
                || child.key(0) != node.key(i)
                || end.is_some_and(|end| last.is_some_and(|last| last >= end))
            {
                self.damage.push(format!("keyring page {place}: does not fit its parent"));
                continue;
            }
            self.below(&child, end);
        }
    }

    fn decode(&mut self, place: u32, body: Zeroizing<Vec<u8>>) -> Option<Node> {
        match Node::decode(body) {
            Ok(node) => Some(node),
            Err(e) => {
                self.damage.push(format!("keyring page {place}: {e}"));
                None
            }
        }
    }

    fn page(&mut self, place: u32, lock: Lock<'_>) -> Option<Zeroizing<Vec<u8>>> {
        if place == NO_PAGE || !self.seen.insert(place) {
            self.damage.push(format!("keyring page {place}: linked twice, or no page"));
            return None;
        }
        match self.files.read_both(place, lock, self.repair) {
            Ok((body, mended)) => {
                match mended {
                    Mended::Whole => {}
                    Mended::Rewritten(copies) => self.repaired += copies,
                    Mended::Bad { copy, both } => {
                        let names = if both { PAGE_FILES.join(" and ") } else { PAGE_FILES[copy].to_owned() };
                        self.damage.push(format!("{names} page {place}: can be repaired"));
                        self.repairable += 1;
                    }
                }
                Some(body)
            }
            Err(e) => {
                self.damage.push(e.to_string());
                None
            }
        }
    }
}
