//! Heads that others signed, kept beside the log: a convenience of bounded size, of which nothing is believed.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::path::Path;
use std::sync::Arc;

use escrowdb::Store;
use escrowdb::id::Micros;
use escrowdb::merkle::cosign::Cosigner;
use escrowdb::store::{Record, SignedCheckpoint};
use escrowdb::vfs::{MemoryVfs, Vfs};

/// As docs/FORMAT.md says.
const KEPT: usize = 8;
const FOLDER: &str = "/s/log/cosigned";

fn builder(disk: &MemoryVfs) -> escrowdb::store::Builder {
    Store::builder("/s").vfs(Arc::new(disk.clone())).background(false)
}

fn say(store: &Store, n: i64) {
    store.append(&[Record::new("c", "anna", Micros(n), "x").id(format!("m{n}"))]).unwrap();
}

fn head(store: &Store, seed: u8) -> SignedCheckpoint {
    let witness = Cosigner::new(&format!("w{seed}.example"), &[seed; 32]).unwrap();
    let head = store.checkpoint().unwrap();
    head.with(&[witness.cosign(&head, 1_700_000_000).unwrap()]).unwrap()
}

fn names(disk: &MemoryVfs) -> Vec<String> {
    let mut names = disk.list(Path::new(FOLDER)).unwrap();
    names.sort_by_key(|name| name.parse::<u64>().unwrap_or(u64::MAX));
    names
}

#[test]
fn the_last_eight_are_kept_the_longest_first() {
    let disk = MemoryVfs::new();
    let store = builder(&disk).create().unwrap();
    let mut all = Vec::new();
    for n in 0..12 {
        say(&store, n);
        all.push(head(&store, 1));
        store.keep_cosigned(&all[n as usize]).unwrap();
        assert_eq!(store.cosigned().unwrap().len(), KEPT.min(all.len()));
    }
    all.reverse();
    assert_eq!(store.cosigned().unwrap(), all[..KEPT]);
    assert_eq!(names(&disk).len(), KEPT);
    // Of one size the newest word.
    let other = head(&store, 2);
    store.keep_cosigned(&other).unwrap();
    let kept = store.cosigned().unwrap();
    assert_eq!((kept.len(), &kept[0], &kept[1..]), (KEPT, &other, &all[1..KEPT]));
    // One that is shorter than all of them is not kept in the place of a longer one.
    store.keep_cosigned(&all[11]).unwrap();
    assert_eq!(store.cosigned().unwrap(), kept);
    assert_eq!(names(&disk).len(), KEPT);
}

/// Whoever can write to the folder puts there what he likes.
#[test]
fn what_is_no_head_of_this_log_is_left_out() {
    let disk = MemoryVfs::new();
    let store = builder(&disk).create().unwrap();
    say(&store, 0);
    let good = head(&store, 1);
    store.keep_cosigned(&good).unwrap();
    let size = good.unverified().size;
    let put = |name: &str, bytes: &[u8]| {
        disk.create(&Path::new(FOLDER).join(name)).unwrap().write_at(bytes, 0).unwrap();
    };
    put("7", good.to_string().as_bytes());
    put("8", b"hello\n");
    put("9", &vec![b'x'; 4 << 20]);
    put("010", good.to_string().as_bytes());
    put("notes", b"somebody's");
    let other = builder(&MemoryVfs::new()).create().unwrap();
    (0..9).for_each(|n| say(&other, n));
    let foreign = head(&other, 1);
    put(&foreign.unverified().size.to_string(), foreign.to_string().as_bytes());
    assert_eq!(store.cosigned().unwrap(), [good]);
    // More than are kept, none of them a head: what was good is among the shortest, and goes.
    for n in 100..120 {
        put(&n.to_string(), b"");
    }
    assert_eq!(store.cosigned().unwrap(), []);
    say(&store, 1);
    let newest = head(&store, 1);
    store.keep_cosigned(&newest).unwrap();
    let names = names(&disk);
    assert!(!names.contains(&size.to_string()));
    assert!(
        ["010", "notes"].iter().all(|name| names.iter().any(|n| n == name)),
        "others' are left alone: {names:?}"
    );
    assert_eq!(names.len(), KEPT + 2);
}
