//! Commits: places, snapshots, and what was prepared and not published.

use super::*;

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
