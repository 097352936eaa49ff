use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;

use proptest::prelude::*;

use super::*;
use crate::crypto::{Label, OsEntropy};
use crate::vfs::{LockGuard, MemoryVfs, ReadAt};

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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn equals_a_map_through_commits_and_reopens(
        batches in proptest::collection::vec(
            (proptest::collection::vec((0u16..600, 0usize..1500, prop::bool::weighted(0.6)), 0..120), any::<bool>()),
            1..12,
        )
    ) {
        let disk = MemoryVfs::new();
        let mut k = create(&disk, &Changes::new());
        let mut model = Model::new();
        for (batch, reopen) in batches {
            let mut c = Changes::new();
            for (key, len, put) in batch {
                let key = format!("k{key}").into_bytes();
                let len = if len % 7 == 0 { len } else { len % 40 };
                c.insert(key, put.then(|| Zeroizing::new(vec![len as u8; len])));
            }
            for (key, value) in &c {
                match value {
                    Some(v) => { model.insert(key.clone(), v.to_vec()); }
                    None => { model.remove(key); }
                }
            }
            commit(&k, &c);
            if reopen { k = open(&disk); }
            prop_assert_eq!(&all(&k.tree()), &model);
            for key in c.keys() {
                prop_assert_eq!(k.tree().get(key).unwrap().map(|v| v.to_vec()), model.get(key).cloned());
            }
            sound(&k);
        }
        let ranged: Model = k.tree().range(b"k2", Some(b"k4"), usize::MAX).unwrap()
            .into_iter().map(|(k, v)| (k, v.to_vec())).collect();
        let wanted: Model = model.range(b"k2".to_vec()..b"k4".to_vec()).map(|(k, v)| (k.clone(), v.clone())).collect();
        prop_assert_eq!(ranged, wanted);
    }
}

#[test]
fn scans_and_ranges() {
    let disk = MemoryVfs::new();
    let k = create(&disk, &changes([(&b"a"[..], Some(&b"1"[..])), (b"ab", Some(b"2")), (b"b", Some(b"3"))]));
    let t = k.tree();
    let keys = |pairs: Vec<tree::Pair>| pairs.into_iter().map(|p| p.0).collect::<Vec<_>>();
    assert_eq!(keys(t.scan(b"a").unwrap()), [b"a".to_vec(), b"ab".to_vec()]);
    assert_eq!(keys(t.range(b"ab", None, 1).unwrap()), [b"ab".to_vec()]);
    assert_eq!(keys(t.range(b"ab", Some(b"b"), 9).unwrap()), [b"ab".to_vec()]);
    assert!(t.range(b"", None, 0).unwrap().is_empty() && t.scan(b"c").unwrap().is_empty());
    assert_eq!((k.head().sequence, k.head().log), (1, LOG));
    // The first commit has no predecessor that could prove it.
    assert!(k.proved_newest() && !open(&disk).proved_newest());
}

#[test]
fn too_long_entries_are_refused() {
    let k = create(&MemoryVfs::new(), &Changes::new());
    for (key, value) in [(vec![1; 256], vec![]), (vec![], vec![1]), (vec![1; 10], vec![0; 1791])] {
        let c = changes([(&key[..], Some(&value[..]))]);
        assert_eq!(k.prepare(&c, LOG, None).err().unwrap().kind(), ErrorKind::Invalid);
    }
    commit(&k, &changes([(&[1; 255][..], Some(&[0; 1545][..]))]));
}

#[test]
fn a_hundred_thousand_names() {
    let disk = MemoryVfs::new();
    let k = create(&disk, &set(0..100_000));
    for i in (0..100_000).step_by(997) {
        let (key, value) = pair(i);
        assert_eq!(*k.tree().get(&key).unwrap().unwrap(), value);
    }
    commit(&k, &unset(0..99_000));
    assert_eq!(all(&k.tree()).len(), 1000);
    commit(&k, &unset(99_000..100_000));
    assert_eq!(all(&open(&disk).tree()).len(), 0);
    sound(&k);
    assert_eq!(k.tree().root().unwrap().level, 0);
}

/// Any page of one copy may be ruined: the store opens, answers, and mends it. If both are, the
/// error names the files and the page.
#[test]
fn one_ruined_copy_is_mended_two_are_named() {
    let disk = MemoryVfs::new();
    let k = create(&disk, &set(0..2000));
    commit(&k, &set(2000..2100));
    let model = all(&k.tree());
    let (pages, _) = living(&k);
    for place in pages.keys() {
        let at = *place as usize * PAGE_LEN + 1000;
        for name in files::PAGE_FILES {
            let d = edited(&disk, |f| f.get_mut(&path(name)).unwrap()[at] ^= 4);
            let k = open(&d);
            assert_eq!(all(&k.tree()), model);
            let mut report = Report::default();
            k.verify(true, &mut report).unwrap();
            assert!(report.damage.is_empty());
            assert_eq!(k.repaired(), 1);
            assert!(d.snapshot()[&path(name)] == disk.snapshot()[&path(name)]);
        }
        let d = edited(&disk, |f| {
            for name in files::PAGE_FILES {
                f.get_mut(&path(name)).unwrap()[at] ^= 4;
            }
        });
        let error = match open_as(d, 1) {
            Err(e) => e,
            Ok(k) => k.tree().scan(b"").err().unwrap(),
        };
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        let text = error.to_string();
        assert!(text.contains("keyring.a") && text.contains("keyring.b"), "{text}");
        assert!(text.contains(&format!("page {place}")), "{text}");
    }
}

#[test]
fn a_lost_or_cut_file_is_made_anew() {
    let disk = MemoryVfs::new();
    let k = create(&disk, &set(0..1000));
    for name in files::PAGE_FILES {
        let lost = edited(&disk, |f| {
            f.remove(&path(name));
        });
        let cut = edited(&disk, |f| f.get_mut(&path(name)).unwrap().truncate(5000));
        for d in [lost, cut] {
            let opened = open(&d);
            let mut report = Report::default();
            opened.verify(true, &mut report).unwrap();
            assert!(report.damage.is_empty() && report.repaired > 0);
            sound(&opened);
            assert_eq!(all(&opened.tree()), all(&k.tree()));
        }
    }
    let both = edited(&disk, |f| files::PAGE_FILES.iter().for_each(|n| drop(f.remove(&path(n)))));
    assert_eq!(open_as(both, 1).err().unwrap().kind(), ErrorKind::Corrupt);
}

#[test]
fn any_flipped_byte_of_head_is_healed_at_open() {
    let disk = MemoryVfs::new();
    let k = create(&disk, &set(0..10));
    commit(&k, &set(10..20));
    let good = disk.snapshot();
    for i in 0..HEAD_LEN {
        let d = edited(&disk, |f| f.get_mut(&path(HEAD_FILE)).unwrap()[i] ^= 1);
        let k = open(&d);
        assert_eq!(k.head().sequence, 2);
        assert!(k.proved_newest());
        if i >= HEAD_LEN / 2 {
            // The current record stands in the second half after two commits.
            assert!(d.snapshot()[&path(HEAD_FILE)] == good[&path(HEAD_FILE)], "byte {i}");
        }
    }
}

#[test]
fn wrong_keys_and_ruins_have_their_kinds() {
    let disk = MemoryVfs::new();
    drop(create(&disk, &set(0..10)));
    assert_eq!(open_as(disk.clone(), 2).err().unwrap().kind(), ErrorKind::WrongKey);
    let other = Keyring::open(
        Arc::new(disk.clone()),
        Path::new(DIR),
        Arc::new(OsEntropy),
        StoreId([4; 16]),
        &root(1),
        Epoch(1),
    );
    assert_eq!(other.err().unwrap().kind(), ErrorKind::WrongKey);
    let ruined = edited(&disk, |f| f.get_mut(&path(HEAD_FILE)).unwrap().fill(0));
    assert_eq!(open_as(ruined, 1).err().unwrap().kind(), ErrorKind::Corrupt);
}

/// After an erasing commit: the old root opens nothing; no page written before opens with a key
/// of the new tree, but the pages it shares; nothing of a dead entry stands in a living page.
#[test]
fn an_erasing_commit_leaves_nothing_behind() {
    let disk = MemoryVfs::new();
    let k = create(&disk, &set(0..3000));
    commit(&k, &set(3000..3100));
    let before = copy(&disk);
    let old_view = k.tree();
    let dead: Vec<u32> = (0..3100).step_by(3).take(40).collect();
    let p = k.prepare(&unset(dead.clone()), LOG, Some((&root(2), Epoch(2)))).unwrap();
    let seen = k.read_back(&p).unwrap();
    assert_eq!(all(&seen).len(), 3060);
    assert_eq!(all(&k.tree()).len(), 3100, "the current state is untouched");
    assert_eq!(all(&open_as(copy(&disk), 1).unwrap().tree()).len(), 3100, "before the slot turns");
    k.publish(p).unwrap();
    assert_eq!(old_view.get(b"x").unwrap_err().kind(), ErrorKind::Revoked);
    assert_eq!(old_view.scan(b"").unwrap_err().kind(), ErrorKind::Revoked);
    assert_eq!(all(&k.tree()).len(), 3060);
    sound(&k);

    commit(&k, &Changes::new());
    assert_eq!(open_as(copy(&disk), 1).err().unwrap().kind(), ErrorKind::WrongKey);
    let k = open_as(disk.clone(), 2).unwrap();
    let (pages, keys) = living(&k);
    for i in dead {
        let (key, value) = pair(i);
        for text in pages.values() {
            assert!(!text.windows(8).any(|w| w == &key[..8] || w == &value[..8]));
        }
    }
    let old = before.snapshot()[&path("keyring.a")].clone();
    let now = disk.snapshot()[&path("keyring.a")].clone();
    for (place, bytes) in old.chunks(PAGE_LEN).enumerate() {
        let shared = pages.contains_key(&(place as u32)) && now[place * PAGE_LEN..][..PAGE_LEN] == *bytes;
        let place = place as u32;
        let record = k.tree().record().unwrap();
        let top = Lock::Root { root: &[2; 32], salt: &record.root_salt, epoch: Epoch(2) };
        assert!(page::open(bytes, top, STORE, place).is_err());
        for key in &keys {
            assert!(page::open(bytes, Lock::Free(key), STORE, place).is_err());
            assert!(shared || page::open(bytes, Lock::Node(key), STORE, place).is_err());
        }
    }
}

/// Two commits under one root share no page key and no root page key; what an ordinary commit
/// removed is out of every living page too.
#[test]
fn separators_are_of_the_living() {
    let disk = MemoryVfs::new();
    let k = create(&disk, &set(0..5000));
    let mut alive: BTreeSet<u32> = (0..5000).collect();
    for round in 0..30u32 {
        // The first key of every leaf is what separators are made of.
        let firsts: Vec<Vec<u8>> = {
            let tree = k.tree();
            let node = tree.root().unwrap();
            (0..node.len()).map(|i| node.key(i).to_vec()).collect()
        };
        let dead: Vec<u32> =
            alive.iter().copied().filter(|i| firsts.contains(&pair(*i).0) || i % 97 == round).collect();
        commit(&k, &unset(dead.clone()));
        dead.iter().for_each(|i| assert!(alive.remove(i)));
        let (pages, _) = living(&k);
        let dead: BTreeSet<Vec<u8>> = dead.iter().map(|i| pair(*i).0).collect();
        for text in pages.values() {
            assert!(!text.windows(16).any(|w| dead.contains(w)));
        }
    }
    assert_eq!(all(&k.tree()).len(), alive.len());
}

#[test]
fn a_key_seals_once() {
    let disk = MemoryVfs::new();
    let k = create(&disk, &set(0..500));
    let mut keys: BTreeMap<[u8; 32], Vec<u8>> = BTreeMap::new();
    let mut salts = BTreeSet::new();
    for _ in 0..20 {
        commit(&k, &set(0..1));
        assert!(salts.insert(k.tree().record().unwrap().root_salt));
        let (_, links) = living(&k);
        let tree = k.tree();
        let node = tree.root().unwrap();
        for i in 0..node.len() {
            let (_, key) = node.link(i).unwrap();
            let body = tree.child(&node, i).unwrap().body().to_vec();
            assert_eq!(*keys.entry(*key).or_insert_with(|| body.clone()), body);
        }
        let unique: BTreeSet<_> = links.iter().collect();
        assert_eq!(unique.len(), links.len());
    }
}

/// Free pages are used again, also across reopens, and the tree of the other HEAD record stays
/// whole until that record is replaced.
#[test]
fn free_pages_are_used_again_and_the_former_tree_stays_whole() {
    let disk = MemoryVfs::new();
    let mut k = create(&disk, &set(0..2000));
    let mut grown = 0;
    for i in 0..1000u32 {
        let former = disk.snapshot()[&path(HEAD_FILE)].clone();
        let sequence = k.head().sequence;
        let p = k.prepare(&set((0..20).map(|j| 2000 + (i * 20 + j) % 500)), LOG, None).unwrap();
        if i % 50 == 7 {
            // As if the write of HEAD had not come to the disk: both old records open whole trees.
            let d = edited(&disk, |f| drop(f.insert(path(HEAD_FILE), former.clone())));
            let now = open(&d);
            assert_eq!(now.head().sequence, sequence);
            sound(&now);
            let index = choose_index(&former);
            let d = edited(&d, |f| {
                f.get_mut(&path(HEAD_FILE)).unwrap()[index * 2 * PAGE_LEN..][..2 * PAGE_LEN].fill(0);
            });
            let before = open(&d);
            assert_eq!(before.head().sequence, sequence - 1);
            let mut report = Report::default();
            before.verify(false, &mut report).unwrap();
            assert!(report.damage.is_empty());
        }
        k.publish(p).unwrap();
        if i == 500 {
            grown = k.head().pages;
        }
        if i % 100 == 99 {
            k = open(&disk);
            sound(&k);
        }
    }
    assert!(k.head().pages <= grown + grown / 10, "{} pages, then {}", grown, k.head().pages);
    assert_eq!(all(&k.tree()).len(), 2500);
}

fn choose_index(head: &[u8]) -> usize {
    head::choose(head, STORE, root(1).bytes(), Epoch(1)).unwrap().index
}

/// A view keeps its pages while commits go on, and gives them back after.
#[test]
fn a_snapshot_is_whole_while_it_lives() {
    let disk = MemoryVfs::new();
    let k = create(&disk, &set(0..3000));
    let view = k.tree();
    let then = all(&view);
    for i in 0..30 {
        commit(&k, &set((0..100).map(|j| 3000 + i * 100 + j)));
        commit(&k, &unset((0..100).map(|j| i * 100 + j)));
        k.clear_cache();
        assert_eq!(all(&view), then);
    }
    let pinned = k.head().pages;
    drop(view);
    for i in 0..60 {
        commit(&k, &set(i..i + 100));
    }
    assert!(k.head().pages <= pinned + 8);
    sound(&k);
}

/// What was prepared and discarded is still named by HEAD: the next commit must not write there
/// before it has replaced that record.
#[test]
fn a_discarded_commit_stays_whole_until_head_is_replaced() {
    let disk = MemoryVfs::new();
    let k = create(&disk, &set(0..1000));
    for i in 0..20 {
        let p = k.prepare(&set(1000..1010 + i), LOG, None).unwrap();
        k.discard(p);
        let head = disk.snapshot()[&path(HEAD_FILE)].clone();
        let p = k.prepare(&set(1500..1520 + i), LOG, None).unwrap();
        let d = edited(&disk, |f| drop(f.insert(path(HEAD_FILE), head)));
        let reopened = open(&d);
        sound(&reopened);
        assert_eq!(reopened.head().sequence, p.head().sequence);
        k.publish(p).unwrap();
        sound(&k);
    }
    let p = k.prepare(&set(0..1), LOG, Some((&root(2), Epoch(2)))).unwrap();
    k.discard(p);
    commit(&k, &set(0..1));
    sound(&open(&disk));
}

#[test]
fn an_overtaken_commit_is_refused() {
    let k = create(&MemoryVfs::new(), &Changes::new());
    let a = k.prepare(&set(0..1), LOG, None).unwrap();
    let b = k.prepare(&set(1..2), LOG, None).unwrap();
    assert!(k.publish(a).is_err());
    k.publish(b).unwrap();
    assert_eq!(all(&k.tree()).len(), 1);
    assert!(k.prepare(&set(0..1), LOG, Some((&root(9), Epoch(1)))).is_err(), "a new root needs a new epoch");
}

#[test]
fn read_back_mends_one_bad_copy_and_refuses_two() {
    let disk = MemoryVfs::new();
    let k = create(&disk, &set(0..2000));
    let spoil = |name: &str, place: u32| {
        let f = disk.open(&path(name)).unwrap();
        f.write_at(&[0xee; 16], u64::from(place) * PAGE_LEN as u64 + 600).unwrap();
    };
    let p = k.prepare(&set(2000..2050), LOG, Some((&root(2), Epoch(2)))).unwrap();
    for place in &p.written {
        spoil("keyring.a", *place);
        assert_eq!(all(&k.read_back(&p).unwrap()).len(), 2050);
        spoil("keyring.b", *place);
        assert_eq!(all(&k.read_back(&p).unwrap()).len(), 2050);
    }
    spoil("keyring.a", p.written[0]);
    spoil("keyring.b", p.written[0]);
    assert_eq!(k.read_back(&p).err().unwrap().kind(), ErrorKind::Corrupt);
    k.discard(p);
    assert_eq!(all(&k.tree()).len(), 2000);
}

/// A disk whose Nth call from now fails, and every one after it.
#[derive(Clone)]
struct Failing {
    disk: MemoryVfs,
    left: Arc<AtomicUsize>,
}

struct FailingFile(Box<dyn VfsFile>, Arc<AtomicUsize>);

fn step(left: &AtomicUsize) -> io::Result<()> {
    let spent = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_err();
    if spent { Err(io::Error::other("injected")) } else { Ok(()) }
}

impl ReadAt for FailingFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
}

impl VfsFile for FailingFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if let Err(e) = step(&self.1) {
            // Torn.
            self.0.write_at(&bytes[..bytes.len() / 2], offset)?;
            return Err(e);
        }
        self.0.write_at(bytes, offset)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        step(&self.1).and_then(|()| self.0.set_len(len))
    }
    fn allocate(&self, len: u64) -> io::Result<()> {
        step(&self.1).and_then(|()| self.0.allocate(len))
    }
    fn sync(&self) -> io::Result<()> {
        step(&self.1).and_then(|()| self.0.sync())
    }
    fn evict(&self) -> io::Result<()> {
        self.0.evict()
    }
}

impl Vfs for Failing {
    fn create(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        Ok(Box::new(FailingFile(self.disk.create(path)?, Arc::clone(&self.left))))
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        Ok(Box::new(FailingFile(self.disk.open(path)?, Arc::clone(&self.left))))
    }
    fn map(&self, path: &Path) -> io::Result<Box<dyn ReadAt>> {
        self.disk.map(path)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.disk.list(dir)
    }
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.create_dir(dir)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }
    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.disk.exists(path)
    }
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn LockGuard>>> {
        self.disk.lock(path)
    }
}

/// Every write, allocation and sync of a commit fails in turn: the old state or the new one is
/// there after reopening, and a failed sync or HEAD write poisons.
#[test]
fn a_commit_that_fails_anywhere_is_whole_or_absent() {
    let base = MemoryVfs::new();
    let first = create(&base, &set(0..2000));
    commit(&first, &set(2000..2010));
    commit(&first, &set(2010..2020));
    let (mut poisoned, mut plain) = (0, 0);
    for n in 0.. {
        let disk = copy(&base);
        let left = Arc::new(AtomicUsize::new(usize::MAX));
        let k = open_as(Failing { disk: disk.clone(), left: Arc::clone(&left) }, 1).unwrap();
        left.store(n, Ordering::SeqCst);
        let done = k.prepare(&set(3000..3100), LOG, None);
        left.store(usize::MAX, Ordering::SeqCst);
        let after = open(&copy(&disk));
        sound(&after);
        let count = all(&after.tree()).len();
        if done.is_ok() {
            assert_eq!(count, 2120);
            break;
        }
        assert!(count == 2020 || count == 2120);
        assert_eq!(all(&k.tree()).len(), 2020);
        if k.is_poisoned() {
            poisoned += 1;
            assert_eq!(k.prepare(&set(0..1), LOG, None).err().unwrap().kind(), ErrorKind::Poisoned);
        } else {
            plain += 1;
            assert_eq!(count, 2020);
            commit(&k, &set(3000..3100));
            sound(&k);
        }
    }
    assert!(poisoned >= 5 && plain >= 4, "{poisoned} {plain}");
}
