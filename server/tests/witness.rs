//! The folder of a witness: what it keeps before it answers, and what an older copy of it knows.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails where it stands")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use escrowdb::merkle::checkpoint::{Checkpoint, SignedCheckpoint};
use escrowdb::merkle::cosign;
use escrowdb::merkle::hash::{Hash, leaf_hash};
use escrowdb::merkle::note::Note;
use escrowdb::merkle::proof::{Consistency, Hashes};
use escrowdb::merkle::signer::Signer;
use escrowdb::merkle::text::Advance;
use escrowdb::merkle::tree::Frontier;
use escrowdb::{ErrorKind, Result};
use escrowdb_server::witness::folder::Folder;

const ORIGIN: &str = "log.example";

/// A folder that goes with its owner.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("escrow-witness-{}-{n}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A witness that knows the log.
    fn witness(&self) -> Folder {
        Folder::init(&self.0.join("w"), "w.example").unwrap();
        let mut folder = Folder::open(&self.0.join("w")).unwrap();
        assert!(folder.add_log(log().verifier_key()).unwrap());
        folder
    }

    fn again(&self) -> Folder {
        Folder::open(&self.0.join("w")).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn log() -> Signer {
    Signer::new(ORIGIN, &[7; 32]).unwrap()
}

/// All leaves of a log that parts from that of branch 0 at leaf 10.
struct Leaves(Vec<Hash>);

impl Leaves {
    fn of(branch: u8) -> Self {
        Self((0..64u8).map(|i| leaf_hash(&[if i < 10 { 0 } else { branch }, i])).collect())
    }

    fn head(&self, size: u64) -> SignedCheckpoint {
        let mut tree = Frontier::default();
        self.0.iter().take(size as usize).for_each(|leaf| tree.append(*leaf));
        let head = Checkpoint { origin: ORIGIN.into(), size, root: tree.root() };
        SignedCheckpoint::sign(head, &log()).unwrap()
    }

    fn body(&self, from: u64, to: u64) -> Vec<u8> {
        let path = Consistency::prove(self, from, to).unwrap().path;
        Advance { from, path, checkpoint: self.head(to) }.to_string().into_bytes()
    }
}

impl Hashes for Leaves {
    fn hash(&self, height: u8, index: u64) -> Result<Hash> {
        let mut tree = Frontier::default();
        let width = 1usize << height;
        self.0[index as usize * width..][..width].iter().for_each(|leaf| tree.append(*leaf));
        Ok(tree.root())
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &target) } else { fs::copy(&path, &target).map(drop).unwrap() }
    }
}

#[test]
fn a_witness_cosigns_what_continues_and_says_where_it_is() {
    let place = Place::new();
    let witness = place.witness();
    let tree = Leaves::of(0);
    let reply = witness.submit(&tree.body(0, 20), 1_000).unwrap();
    assert_eq!((reply.status, &reply.told), (200, &None));
    let lines = cosign::lines(reply.body.as_bytes()).unwrap();
    let note = tree.head(20).with(&lines).unwrap();
    note.note().verify(&[&witness.verifier_key()]).unwrap();
    assert_eq!(witness.head(ORIGIN).unwrap().unwrap(), note, "what it keeps is what it said");
    let reply = witness.submit(&tree.body(0, 30), 1_001).unwrap();
    assert_eq!((reply.status, reply.content_type, &*reply.body), (409, Some("text/x.tlog.size"), "20\n"));
    assert_eq!(witness.submit(&tree.body(20, 30), 1_002).unwrap().status, 200);
    let other = Signer::new("other.example", &[9; 32]).unwrap();
    let head = Checkpoint { origin: "other.example".into(), size: 1, root: Hash([1; 32]) };
    let unknown = format!("old 0\n\n{}", SignedCheckpoint::sign(head, &other).unwrap());
    assert_eq!(witness.submit(unknown.as_bytes(), 1_003).unwrap().status, 404);
    // The clock went back: the longer head is not the older one.
    let reply = witness.submit(&tree.body(30, 40), 5).unwrap();
    assert_eq!(cosign::time(&cosign::lines(reply.body.as_bytes()).unwrap()[0]), Some(1_002));
}

/// The attack: a log that has two histories.
#[test]
fn a_fork_is_refused_and_kept_as_a_proof() {
    let place = Place::new();
    let witness = place.witness();
    let (mine, fork) = (Leaves::of(0), Leaves::of(1));
    witness.submit(&mine.body(0, 20), 1).unwrap();
    // Longer: nothing proves that it continues. As long: both heads together convict the log.
    assert_eq!(witness.submit(&fork.body(20, 30), 2).unwrap().status, 422);
    let reply = witness.submit(&fork.body(20, 20), 3).unwrap();
    assert_eq!(reply.status, 409);
    let heads = reply.fork.unwrap();
    let second = heads.match_indices("\n\nlog.example\n").last().unwrap().0;
    let [kept, sent] =
        [&heads[..=second], &heads[second + 2..]].map(|t| SignedCheckpoint::parse(t.as_bytes()).unwrap());
    for head in [&kept, &sent] {
        assert_eq!(head.verify(&log().verifier_key()).unwrap().size, 20);
    }
    assert_ne!(kept.unverified().root, sent.unverified().root);
    let forks = || {
        fs::read_dir(place.0.join("w/forks")).unwrap().map(|e| fs::read_to_string(e.unwrap().path()).unwrap())
    };
    assert_eq!(forks().collect::<Vec<_>>(), [heads]);
    // Again and again: one file.
    witness.submit(&fork.body(20, 20), 4).unwrap();
    assert_eq!(forks().count(), 1);
    assert_eq!(witness.head(ORIGIN).unwrap().unwrap().unverified(), mine.head(20).unverified());
}

/// A log that forks can make as many forks as it likes, and each is a file: of more than a thousand none is kept,
/// but each is told.
#[test]
fn forks_fill_no_disk() {
    const FORKS_MAX: usize = 1000;
    let place = Place::new();
    let witness = place.witness();
    assert_eq!(witness.submit(&Leaves::of(1).body(0, 20), 1).unwrap().status, 200);
    let forks = place.0.join("w/forks");
    let count = || fs::read_dir(&forks).unwrap().count();
    for n in 0..FORKS_MAX - 1 {
        fs::write(forks.join(format!("{n}")), "an older one").unwrap();
    }
    let kept = witness.submit(&Leaves::of(2).body(20, 20), 2).unwrap();
    assert!(kept.fork.is_some() && kept.told.unwrap().contains("kept in "));
    assert_eq!(count(), FORKS_MAX);
    let told = witness.submit(&Leaves::of(3).body(20, 20), 3).unwrap();
    assert!(told.fork.is_some() && told.told.unwrap().contains("not kept: too many"));
    assert_eq!(count(), FORKS_MAX);
    // One that is kept already is found.
    let again = witness.submit(&Leaves::of(2).body(20, 20), 4).unwrap();
    assert!(again.told.unwrap().contains("kept in "));
}

/// Where two heads of one size can't be kept, who runs the witness is told them all the more.
#[test]
fn a_fork_that_can_not_be_kept_is_told() {
    let place = Place::new();
    let witness = place.witness();
    assert_eq!(witness.submit(&Leaves::of(1).body(0, 20), 1).unwrap().status, 200);
    let forks = place.0.join("w/forks");
    fs::remove_dir(&forks).unwrap();
    fs::write(&forks, "no folder").unwrap();
    let told = witness.submit(&Leaves::of(2).body(20, 20), 2).unwrap();
    assert_eq!((told.status, told.is_urgent), (409, true));
    assert!(told.fork.is_some() && told.told.unwrap().contains("could not be kept"));
}

/// The attack: two requests at once, each good for itself.
#[test]
fn of_two_requests_at_once_one_is_cosigned() {
    let place = Place::new();
    let witness = place.witness();
    let (mine, fork) = (Leaves::of(0), Leaves::of(1));
    witness.submit(&mine.body(0, 10), 1).unwrap();
    for round in 0..40 {
        let from = witness.head(ORIGIN).unwrap().unwrap().unverified().size;
        if round == 0 {
            assert_eq!(from, 10);
        }
        let bodies = [mine.body(from, from + 1), fork.body(from, from + 1), mine.body(from, from + 1)];
        let status = std::thread::scope(|scope| {
            let asked = bodies.iter().map(|body| scope.spawn(|| witness.submit(body, 2).unwrap().status));
            asked.collect::<Vec<_>>().into_iter().map(|t| t.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(status.iter().filter(|s| **s == 200).count(), 1, "{status:?}");
    }
}

/// Killed between the write and the answer: nobody has the cosignature, and the log gets it when it asks
/// from where the witness is.
#[test]
fn what_was_kept_without_an_answer_can_be_asked_for_again() {
    let place = Place::new();
    let tree = Leaves::of(0);
    drop(place.witness().submit(&tree.body(0, 20), 1).unwrap());
    let witness = place.again();
    assert_eq!(&*witness.submit(&tree.body(0, 20), 2).unwrap().body, "20\n");
    assert_eq!(witness.submit(&tree.body(20, 20), 3).unwrap().status, 200);
}

/// Nothing is cosigned that can't be kept, and nothing of a log whose head can't be read.
#[test]
fn nothing_is_cosigned_that_is_not_kept() {
    let place = Place::new();
    let witness = place.witness();
    let tree = Leaves::of(0);
    witness.submit(&tree.body(0, 20), 1).unwrap();
    let heads = place.0.join("w/heads");
    let head = fs::read_dir(&heads).unwrap().next().unwrap().unwrap().path();
    let kept = fs::read(&head).unwrap();
    for spoiled in [&b""[..], b"rubbish\n", &kept[..kept.len() - 5]] {
        fs::write(&head, spoiled).unwrap();
        assert!(witness.submit(&tree.body(0, 20), 2).is_err(), "a head that can't be read is not none");
        assert!(witness.submit(&tree.body(20, 30), 2).is_err());
    }
    // Another head, also one that the log signed, has no cosignature of this witness.
    fs::write(&head, tree.head(5).to_string()).unwrap();
    assert!(witness.submit(&tree.body(5, 30), 2).is_err());
    fs::write(&head, &kept).unwrap();
    fs::rename(&heads, place.0.join("w/away")).unwrap();
    assert!(witness.submit(&tree.body(0, 30), 2).is_err(), "it can't be written");
    fs::rename(place.0.join("w/away"), &heads).unwrap();
    assert_eq!(witness.submit(&tree.body(20, 30), 2).unwrap().status, 200);
}

/// The attack: the witness's folder put back. It can't know. Who kept what it said before can: it is
/// behind its own word, and a second history that it cosigns since convicts the log all the same.
#[test]
fn a_folder_that_was_put_back_is_seen_by_who_kept_its_word() {
    let place = Place::new();
    let witness = place.witness();
    let (mine, fork) = (Leaves::of(0), Leaves::of(1));
    witness.submit(&mine.body(0, 12), 1).unwrap();
    drop(witness);
    copy(&place.0.join("w"), &place.0.join("old"));
    let word = place.again().submit(&mine.body(12, 20), 5).unwrap();
    let word = mine.head(20).with(&cosign::lines(word.body.as_bytes()).unwrap()).unwrap();
    fs::remove_dir_all(place.0.join("w")).unwrap();
    fs::rename(place.0.join("old"), place.0.join("w")).unwrap();
    let witness = place.again();
    // It says 12, after it said 20: that is all there is to see.
    assert_eq!(&*witness.submit(&fork.body(0, 30), 6).unwrap().body, "12\n");
    // From 12 on it is shown another history... of which 10 to 12 differ already: not this one.
    assert_eq!(witness.submit(&fork.body(12, 20), 7).unwrap().status, 422);
    let own = Leaves(mine.0[..12].iter().chain(&fork.0[12..]).copied().collect());
    let second = witness.submit(&own.body(12, 20), 8).unwrap();
    assert_eq!(second.status, 200, "it can't know");
    let second = own.head(20).with(&cosign::lines(second.body.as_bytes()).unwrap()).unwrap();
    let key = witness.verifier_key();
    for head in [&word, &second] {
        head.note().verify(&[&key]).unwrap();
        head.verify(&log().verifier_key()).unwrap();
    }
    assert!(
        word.unverified().size == second.unverified().size
            && word.unverified().root != second.unverified().root
    );
}

#[test]
fn a_folder_is_for_one_and_its_key_for_the_owner() {
    let place = Place::new();
    let mut witness = place.witness();
    assert!(!witness.add_log(log().verifier_key()).unwrap());
    assert!(witness.add_log(witness.verifier_key()).is_err(), "no witness is a log");
    assert_eq!(Folder::open(&place.0.join("w")).unwrap_err().kind(), ErrorKind::Locked);
    assert_eq!(Folder::init(&place.0.join("w"), "w.example").unwrap_err().kind(), ErrorKind::Invalid);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        for (name, mode) in [("w", 0o700), ("w/key", 0o600), ("w/heads", 0o700)] {
            assert_eq!(
                fs::metadata(place.0.join(name)).unwrap().permissions().mode() & 0o777,
                mode,
                "{name}"
            );
        }
    }
    let key = witness.verifier_key();
    drop(witness);
    fs::write(place.0.join("w/heads/x.part"), b"cut").unwrap();
    let witness = place.again();
    assert_eq!((witness.verifier_key(), witness.logs()), (key, &[log().verifier_key()][..]));
    assert!(!place.0.join("w/heads/x.part").exists());
    drop(witness);
    fs::write(place.0.join("w/key"), b"PRIVATE+KEY+hidden").unwrap();
    let error = Folder::open(&place.0.join("w")).unwrap_err().to_string();
    assert!(!error.contains("hidden"), "{error}");
    assert!(Folder::init(&place.0.join("x"), "a b").is_err() && !place.0.join("x").exists());
}

#[test]
fn rubbish_is_refused() {
    let place = Place::new();
    let witness = place.witness();
    let tree = Leaves::of(0);
    for len in [1, 4096, 64 * 1024, 64 * 1024 + 1] {
        let mut bytes: Vec<u8> = (0..len).map(|i| (i as u8).wrapping_mul(167)).collect();
        assert_eq!(witness.submit(&bytes, 1).unwrap().status, 400);
        bytes.splice(0..0, tree.body(0, 20));
        assert_eq!(witness.submit(&bytes, 1).unwrap().status, 400);
    }
    // Signatures of strangers beside that of the log are not kept.
    let stranger = Signer::new("x", &[1; 32]).unwrap().sign("x\n").unwrap().signatures()[0].clone();
    let lines = [tree.head(20).note().signatures(), &vec![stranger; 40]].concat();
    let note = Note::new(tree.head(20).note().text().into(), lines).unwrap();
    witness.submit(format!("old 0\n\n{note}").as_bytes(), 1).unwrap();
    assert_eq!(witness.head(ORIGIN).unwrap().map_or(0, |head| head.note().signatures().len()), 2);
}
