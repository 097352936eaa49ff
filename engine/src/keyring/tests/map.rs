//! The tree is a map, through commits and openings.

use super::*;

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
