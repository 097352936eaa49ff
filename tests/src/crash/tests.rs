//! The generator itself.

use std::path::Path;

use crate::crash::*;

fn disk() -> RecordingVfs {
    let disk = RecordingVfs::new();
    disk.create_dir(Path::new("/s")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk
}

fn last(disk: &RecordingVfs, options: CrashOptions) -> Vec<Image> {
    let log = disk.log();
    let points = log.len()..log.len() + 1;
    crashes(&log, CrashOptions { points, ..options }).collect()
}

fn contents(images: &[Image], path: &str) -> BTreeSet<Option<Vec<u8>>> {
    images.iter().map(|i| i.file(Path::new(path))).collect()
}

#[test]
fn synced_is_in_every_state() {
    let d = disk();
    let f = d.create(Path::new("/s/a")).unwrap();
    f.write_at(b"one", 0).unwrap();
    f.sync().unwrap();
    // The content is durable, the name is not.
    let images = last(&d, CrashOptions::default());
    assert_eq!(contents(&images, "/s/a"), BTreeSet::from([None, Some(b"one".to_vec())]));
    d.sync_dir(Path::new("/s")).unwrap();
    let images = last(&d, CrashOptions::default());
    assert_eq!(images.len(), 1);
    assert_eq!(contents(&images, "/s/a"), BTreeSet::from([Some(b"one".to_vec())]));
}

#[test]
fn unsynced_writes_come_in_every_subset_torn_and_reordered() {
    let d = disk();
    let f = d.create(Path::new("/s/a")).unwrap();
    f.allocate(2048).unwrap();
    f.sync().unwrap();
    d.sync_dir(Path::new("/s")).unwrap();
    f.write_at(&[1; 1024], 0).unwrap();
    f.write_at(&[2; 1024], 1024).unwrap();
    let images = last(&d, CrashOptions::default());
    let heads: BTreeSet<Vec<u8>> = contents(&images, "/s/a")
        .into_iter()
        .map(|c| c.unwrap().chunks(512).map(|s| s[0]).collect())
        .collect();
    for want in [[0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 2, 2], [1, 1, 2, 2], [1, 0, 2, 2], [0, 1, 0, 0]] {
        assert!(heads.contains(&want[..]), "{want:?} of {heads:?}");
    }
    // Two writes of one place: the older may win.
    f.sync().unwrap();
    f.write_at(&[3; 512], 0).unwrap();
    f.write_at(&[4; 512], 0).unwrap();
    let images = last(&d, CrashOptions { random: 200, ..CrashOptions::default() });
    let first: BTreeSet<u8> = contents(&images, "/s/a").into_iter().map(|c| c.unwrap()[0]).collect();
    assert_eq!(first, BTreeSet::from([1, 3, 4]));
    assert_eq!(images.len(), 3, "states are distinct");
}

#[test]
fn a_sector_is_never_torn() {
    let d = disk();
    let f = d.create(Path::new("/s/a")).unwrap();
    f.allocate(4096).unwrap();
    f.sync().unwrap();
    d.sync_dir(Path::new("/s")).unwrap();
    f.write_at(&[1; 2000], 300).unwrap();
    for image in last(&d, CrashOptions { random: 200, torn: 50, ..CrashOptions::default() }) {
        let bytes = image.file(Path::new("/s/a")).unwrap();
        for (i, sector) in bytes.chunks(512).enumerate() {
            let touched = &sector[300usize.saturating_sub(i * 512)..(2300 - i * 512).min(512)];
            assert!(touched.windows(2).all(|w| w[0] == w[1]), "sector {i}: {}", image.what);
            if i == 4 {
                break;
            }
        }
    }
}

#[test]
fn names_come_and_go_on_their_own() {
    let d = disk();
    for name in ["/s/a", "/s/b"] {
        d.create(Path::new(name)).unwrap().sync().unwrap();
    }
    d.sync_dir(Path::new("/s")).unwrap();
    d.remove(Path::new("/s/a")).unwrap();
    d.create(Path::new("/s/c")).unwrap();
    d.rename(Path::new("/s/c"), Path::new("/s/b")).unwrap();
    let all: BTreeSet<Vec<_>> = last(&d, CrashOptions::default())
        .iter()
        .map(|i| i.names().map(|p| p.file_name().unwrap().to_str().unwrap().to_string()).collect())
        .collect();
    let has = |names: &[&str]| all.contains(&names.iter().map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(has(&["a", "b"]) && has(&["b"]) && has(&["a", "b", "c"]) && has(&["b", "c"]));
}

#[test]
fn a_folder_that_was_not_synced_may_be_missing_with_all_in_it() {
    let d = RecordingVfs::new();
    d.create_dir(Path::new("/s")).unwrap();
    d.create(Path::new("/s/a")).unwrap().sync().unwrap();
    d.sync_dir(Path::new("/s")).unwrap();
    let images = last(&d, CrashOptions::default());
    assert_eq!(images.iter().filter(|i| i.names().next().is_none()).count(), 1);
    let empty = images.iter().find(|i| i.names().next().is_none()).unwrap();
    assert!(!empty.disk().exists(Path::new("/s")).unwrap());
}

#[test]
fn a_failed_sync_makes_nothing_durable_ever() {
    let d = disk();
    let f = d.create(Path::new("/s/a.jrn")).unwrap();
    f.allocate(3).unwrap();
    f.sync().unwrap();
    d.sync_dir(Path::new("/s")).unwrap();
    d.fail_sync(crate::call::Class::Journal, 0);
    f.write_at(b"one", 0).unwrap();
    f.sync().unwrap_err();
    f.sync().unwrap();
    let images = last(&d, CrashOptions::default());
    assert!(contents(&images, "/s/a.jrn").contains(&Some(b"\0\0\0".to_vec())));
}

#[test]
fn remarks_say_what_was_promised() {
    let d = disk();
    let f = d.create(Path::new("/s/a")).unwrap();
    d.mark("created");
    f.write_at(b"x", 0).unwrap();
    d.mark("written");
    let log = d.log();
    let mut promised = BTreeSet::new();
    for image in crashes(&log, CrashOptions::default()) {
        promised.insert(marks(&log, image.at).len());
    }
    assert_eq!(promised, BTreeSet::from([0, 1, 2]));
}

#[test]
fn many_states_are_cheap() {
    let d = disk();
    let f = d.create(Path::new("/s/keyring.a")).unwrap();
    f.allocate(64 * 4096).unwrap();
    f.sync().unwrap();
    d.sync_dir(Path::new("/s")).unwrap();
    for i in 0..20u8 {
        f.write_at(&[i; 4096], u64::from(i) * 4096).unwrap();
    }
    let log = d.log();
    let start = std::time::Instant::now();
    let all = crashes(&log, CrashOptions { random: 500, ..CrashOptions::default() });
    let n = all.filter(|i| i.disk().exists(Path::new("/s")).unwrap()).count();
    println!("{n} states in {:?}", start.elapsed());
    assert!(n > 5000);
}
