//! What is lost in one copy costs nothing; what is lost in both is named.

use super::*;

/// Any page of one copy may be ruined: the store opens, answers, and mends it. If both are at the
/// same place, the error names the files and the page.
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
                f.get_mut(&path(name)).unwrap()[at..at + 64].fill(0);
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

/// A page that opened in neither copy was given up, though what was wrong in one was right in the
/// other: the store did not open, and nobody in it could be erased.
#[test]
fn a_page_is_had_from_what_is_good_in_each_copy() {
    let disk = MemoryVfs::new();
    let k = create(&disk, &set(0..2000));
    let (model, whole) = (all(&k.tree()), disk.snapshot());
    let (pages, _) = living(&k);
    for (place, here) in pages.keys().map(|place| (*place, *place as usize * PAGE_LEN)) {
        let ruined = edited(&disk, |f| {
            f.get_mut(&path(files::PAGE_FILES[0])).unwrap()[here + 700] ^= 0x44;
            f.get_mut(&path(files::PAGE_FILES[1])).unwrap()[here + 2000] ^= 0x81;
        });
        let k = open(&ruined);
        let mut report = Report::default();
        k.verify(false, &mut report).unwrap();
        // The root page was mended when it was read.
        let named = format!("keyring.a and keyring.b page {place}: can be repaired");
        assert!(k.repaired() == 2 || report.damage == [named], "{:?}", report.damage);
        assert_eq!(all(&k.tree()), model);
        k.verify(true, &mut Report::default()).unwrap();
        assert_eq!(k.repaired(), 2);
        for name in files::PAGE_FILES {
            assert!(ruined.snapshot()[&path(name)] == whole[&path(name)], "{name} page {place}");
        }
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
