//! Random histories that sign heads of the log at any moment: whatever is rolled, erased, compacted,
//! closed or killed between, each later head continues each earlier one, and what was proved stays
//! proved. A failure prints its seed; `ESCROW_SEED=n` replays that history alone.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use escrowdb::Store;
use escrowdb::id::Micros;
use escrowdb::merkle::signer::VerifierKey;
use escrowdb::record::Stored;
use escrowdb::session::Session;
use escrowdb::store::{
    Advance, Against, CompactOptions, EraseOptions, Outcome, Record, RecordProof, Selector, SignedCheckpoint,
    VerifyOptions,
};
use escrowdb::vfs::MemoryVfs;
use escrowdb_tests::entropy::SeededEntropy;
use escrowdb_tests::rng::Rng;

const PEOPLE: [&str; 6] = ["anna", "bob", "chloé", "дмитрий", "eve", "fay"];
const CASES: u64 = 60;
const FULL: u64 = 3_000;
const STEPS: usize = 40;

struct History {
    rng: Rng,
    disk: MemoryVfs,
    seed: u64,
    openings: u64,
    key: VerifierKey,
    /// Body and author of what lives, by id.
    living: BTreeMap<String, (String, &'static str)>,
    next: u64,
    heads: Vec<SignedCheckpoint>,
    proofs: Vec<(String, Vec<u8>)>,
}

impl History {
    fn run(seed: u64) {
        let disk = MemoryVfs::new();
        let store = builder(&disk, seed).create().unwrap();
        let key = store.verifier_key().unwrap().parse().unwrap();
        let mut history = Self {
            rng: Rng::new(seed),
            disk,
            seed,
            openings: 1,
            key,
            living: BTreeMap::new(),
            next: 0,
            heads: vec![store.checkpoint().unwrap()],
            proofs: Vec::new(),
        };
        let mut store = store;
        for _ in 0..STEPS {
            store = history.step(store);
        }
        history.look(&store);
        let report = store.verify(&VerifyOptions::new().read_data(true)).unwrap();
        assert_eq!(report.damage, Vec::<String>::new());
        // The tree that was signed last is the one that a roll writes.
        let before = store.checkpoint().unwrap();
        store.roll().unwrap();
        assert_eq!(store.checkpoint().unwrap(), before);
    }

    fn step(&mut self, store: Store) -> Store {
        match self.rng.below(12) {
            0..=3 => self.append(&store),
            4 => store.roll().unwrap(),
            5 | 6 => self.erase(&store),
            7 => drop(store.compact(&CompactOptions::default(), |_| {}).unwrap()),
            8 => {
                store.close().unwrap();
                return self.open();
            }
            9 => {
                // Killed: what was written stands there, nothing was closed.
                let image = self.disk.snapshot();
                drop(store);
                self.disk = MemoryVfs::from_files(image);
                return self.open();
            }
            _ => self.look(&store),
        }
        store
    }

    fn open(&mut self) -> Store {
        self.openings += 1;
        builder(&self.disk, self.seed * 1_000 + self.openings).open().unwrap()
    }

    fn append(&mut self, store: &Store) {
        let mut records = Vec::new();
        for _ in 0..self.rng.below(30) + 1 {
            self.next += 1;
            let (id, author) = (format!("m{}", self.next), *self.rng.pick(&PEOPLE));
            let body = format!("text {}", self.rng.next());
            records.push(Record::new("c", author, Micros(self.next as i64), body.clone()).id(id.clone()));
            self.living.insert(id, (body, author));
        }
        assert!(store.append(&records).unwrap().iter().all(|o| matches!(o, Outcome::Added(_))));
    }

    fn erase(&mut self, store: &Store) {
        if self.rng.chance(50) {
            let who = *self.rng.pick(&PEOPLE);
            if self.living.values().any(|(_, author)| *author == who) {
                store.erase(&Selector::Person(who.into()), &EraseOptions::default()).unwrap();
                self.living.retain(|_, (_, author)| *author != who);
            }
        } else if let Some(id) = self.some_id() {
            let selector = Selector::Record { id: id.clone(), conversation: Some("c".into()) };
            store.erase(&selector, &EraseOptions::default()).unwrap();
            self.living.remove(&id);
            assert_eq!(store.session(Session::new()).prove(&id, Some("c"), None).unwrap(), []);
        }
    }

    fn some_id(&mut self) -> Option<String> {
        let at = self.rng.below(self.living.len());
        self.living.keys().nth(at).cloned()
    }

    /// Signs a head and holds it against all before; proves a record in it, and in an earlier one.
    fn look(&mut self, store: &Store) {
        let head = store.checkpoint().unwrap();
        head.verify(&self.key).unwrap();
        let size = head.unverified().size;
        for earlier in &self.heads {
            let from = earlier.unverified().size;
            assert_eq!(store.verify_against(earlier).unwrap(), Against::Continues { from, to: size });
            let steps = store.checkpoint_since(earlier).unwrap();
            assert_eq!(steps.checkpoint, head);
            let steps = Advance::parse(steps.to_string().as_bytes()).unwrap();
            steps.verify(earlier, &self.key).unwrap();
        }
        self.heads.push(head);
        if let Some(id) = self.some_id() {
            let reading = store.session(Session::new());
            for at in self.heads.iter().rev().map(Some).chain([None]) {
                let Ok(proofs) = reading.prove(&id, Some("c"), at) else { break };
                let [proof] = proofs.as_slice() else { unreachable!("one record has the id") };
                assert!(at.is_none_or(|at| *at == proof.checkpoint));
                self.proofs.push((id.clone(), proof.to_text().as_bytes().to_vec()));
            }
            let (body, _) = &self.living[&id];
            let newest = reading.prove(&id, Some("c"), None).unwrap().remove(0);
            assert_eq!(&Stored::decode(&newest.opening.canonical).unwrap().body, body);
        }
        // Also of what was erased since: the log keeps its leaf, and who had a proof still has it.
        for (id, text) in &self.proofs {
            let proof = RecordProof::parse(text).unwrap();
            proof.verify(&self.key).unwrap();
            assert_eq!(&Stored::decode(&proof.opening.canonical).unwrap().id, id);
        }
    }
}

fn builder(disk: &MemoryVfs, seed: u64) -> escrowdb::store::Builder {
    Store::builder("/s")
        .vfs(Arc::new(disk.clone()))
        .entropy(Arc::new(SeededEntropy::new(seed)))
        .background(false)
        .roll_records(64)
}

#[test]
fn later_heads_continue_earlier_ones() {
    if let Ok(seed) = std::env::var("ESCROW_SEED") {
        return History::run(seed.parse().unwrap());
    }
    let cases = if std::env::var("ESCROW_TEST").is_ok_and(|v| v == "full") { FULL } else { CASES };
    for seed in 0..cases {
        let run = std::panic::catch_unwind(|| History::run(seed));
        assert!(run.is_ok(), "ESCROW_SEED={seed}");
    }
}

/// The tree over a long journal is computed piece by piece, and appends and rolls go on between two of them.
#[test]
fn heads_over_long_journals_continue_each_other_beside_appends_and_rolls() {
    let store = Store::builder("/s").vfs(Arc::new(MemoryVfs::new())).create().unwrap();
    let append = |thousand: u64| {
        let record =
            |n: u64| Record::new("c", PEOPLE[n as usize % 6], Micros(n as i64), "x").id(format!("m{n}"));
        store.append(&(thousand * 1000..(thousand + 1) * 1000).map(record).collect::<Vec<_>>()).unwrap();
    };
    (0..9).for_each(append);
    let first = store.checkpoint().unwrap();
    assert!(first.unverified().size > 9000);
    store.roll().unwrap();
    assert_eq!(store.checkpoint().unwrap(), first, "the roll wrote the tree that was signed");
    let over = AtomicBool::new(false);
    let heads = std::thread::scope(|scope| {
        let signer = scope.spawn(|| {
            let mut heads = vec![first];
            while !over.load(Ordering::Acquire) {
                heads.push(store.checkpoint().unwrap());
                std::thread::sleep(Duration::from_millis(5));
            }
            heads
        });
        for thousand in 9..30 {
            append(thousand);
            if thousand % 7 == 0 {
                store.roll().unwrap();
            }
        }
        over.store(true, Ordering::Release);
        signer.join().unwrap()
    });
    let to = store.checkpoint().unwrap().unverified().size;
    assert!(to > 30_000 && heads.len() > 1);
    for head in &heads {
        let from = head.unverified().size;
        assert_eq!(store.verify_against(head).unwrap(), Against::Continues { from, to });
    }
    let key: VerifierKey = store.verifier_key().unwrap().parse().unwrap();
    let reading = store.session(Session::new());
    for id in ["m0", "m4090", "m8999"] {
        reading.prove(id, Some("c"), heads.first()).unwrap()[0].verify(&key).unwrap();
    }
}
