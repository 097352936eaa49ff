//! The keyring as a whole: what each file of tests needs.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;

use proptest::prelude::*;

use super::*;
use crate::crypto::{Label, OsEntropy};
use crate::vfs::{Layer, MemoryVfs, ReadAt};

mod commits;
mod copies;
mod erasing;
mod failing;
mod map;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

const STORE: StoreId = StoreId([3; 16]);
const DIR: &str = "/s";
const LOG: LogHead = LogHead { size: 5, root: [9; 32] };

fn root(n: u8) -> RootKey {
    RootKey::from_bytes(&[n; 32])
}

fn changes<'a>(list: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>)>) -> Changes {
    list.into_iter().map(|(k, v)| (k.to_vec(), v.map(|v| Zeroizing::new(v.to_vec())))).collect()
}

/// Entry `i`: its key and value are its own and easy to find.
fn pair(i: u32) -> (Vec<u8>, Vec<u8>) {
    let mut bytes = [0u8; 40];
    crate::crypto::kdf::expand(Label::Random, &[b"test", &i.to_le_bytes()], &mut bytes);
    (bytes[..16].to_vec(), bytes[16..].to_vec())
}

fn set(range: impl IntoIterator<Item = u32>) -> Changes {
    range.into_iter().map(pair).map(|(k, v)| (k, Some(Zeroizing::new(v)))).collect()
}

fn unset(range: impl IntoIterator<Item = u32>) -> Changes {
    range.into_iter().map(|i| (pair(i).0, None)).collect()
}

fn create(disk: &MemoryVfs, entries: &Changes) -> Keyring {
    disk.create_dir(Path::new(DIR)).unwrap();
    let vfs = Arc::new(disk.clone());
    Keyring::create(vfs, Path::new(DIR), Arc::new(OsEntropy), STORE, &root(1), Epoch(1), entries, LOG)
        .unwrap()
}

fn open_as(vfs: impl Vfs + 'static, n: u8) -> Result<Keyring> {
    Keyring::open(Arc::new(vfs), Path::new(DIR), Arc::new(OsEntropy), STORE, &root(n), Epoch(u64::from(n)))
}

fn open(disk: &MemoryVfs) -> Keyring {
    open_as(disk.clone(), 1).unwrap()
}

fn commit(k: &Keyring, c: &Changes) {
    let p = k.prepare(c, LOG, None).unwrap();
    k.publish(p).unwrap();
}

fn all(tree: &Tree) -> Model {
    tree.scan(b"").unwrap().into_iter().map(|(k, v)| (k, v.to_vec())).collect()
}

fn sound(k: &Keyring) {
    let mut report = Report::default();
    k.verify(false, &mut report).unwrap();
    assert_eq!(report.damage, Vec::<String>::new());
    assert_eq!(report.repaired, 0);
}

fn path(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

fn copy(disk: &MemoryVfs) -> MemoryVfs {
    MemoryVfs::from_files(disk.snapshot())
}

fn edited(disk: &MemoryVfs, edit: impl FnOnce(&mut BTreeMap<PathBuf, Vec<u8>>)) -> MemoryVfs {
    let mut files = disk.snapshot();
    edit(&mut files);
    MemoryVfs::from_files(files)
}

/// Texts and keys of every page reachable from a record, the free list included.
fn living(k: &Keyring) -> (BTreeMap<u32, Vec<u8>>, Vec<[u8; 32]>) {
    fn below(tree: &Tree, node: &Node, out: &mut (BTreeMap<u32, Vec<u8>>, Vec<[u8; 32]>)) {
        if node.level > 0 {
            for i in 0..node.len() {
                let (place, key) = node.link(i).unwrap();
                let child = tree.child(node, i).unwrap();
                out.0.insert(place, child.body().to_vec());
                out.1.push(*key);
                below(tree, &child, out);
            }
        }
    }
    let tree = k.tree();
    let (node, record) = (tree.root().unwrap(), tree.record().unwrap());
    let mut out = (BTreeMap::new(), Vec::new());
    out.0.insert(record.root_page, node.body().to_vec());
    below(&tree, &node, &mut out);
    if let Some((_, key)) = &record.free {
        out.1.push(**key);
    }
    out
}
