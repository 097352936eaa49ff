//! What an erasing commit leaves behind.

use super::*;

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

/// What an ordinary commit removed is out of every living page too.
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

/// Two commits under one root share no page key and no root page key.
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

/// What readers must know of the store is said by every commit from the first that said it: one that
/// left it out would let an older program write what this one takes for whole.
#[test]
fn what_is_needed_stays_needed() {
    let disk = MemoryVfs::new();
    let k = create(&disk, &set(0..10));
    assert!(k.head().has_evidence(), "a new store's");
    commit(&k, &set(10..20));
    let p = k.prepare(&unset(0..5), LOG, Some((&root(2), Epoch(2)))).unwrap();
    assert!(p.head().has_evidence());
    k.publish(p).unwrap();
    drop(k);
    let k = open_as(disk.clone(), 2).unwrap();
    commit(&k, &unset(5..9));
    assert!(open_as(copy(&disk), 2).unwrap().head().has_evidence());
    assert!(Keyring::look(&disk, Path::new(DIR), STORE, &root(2), Epoch(2)).unwrap().head().has_evidence());
}
