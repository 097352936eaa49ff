//! What can be proved, and what that costs: the log in an ingest, proofs, checkpoints, certificates.
//! A witness is asked in [`witness`](super::witness).

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use escrowdb::Store;
use escrowdb::erase::certificate;
use escrowdb::id::Seq;
use escrowdb::log::Log;
use escrowdb::merkle::commitment::Committer;
use escrowdb::merkle::hash::{Hash, leaf_hash};
use escrowdb::merkle::proof::{Consistency, Inclusion};
use escrowdb::merkle::signer::VerifierKey;
use escrowdb::merkle::text::Opening;
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Selector};
use escrowdb::vfs::DiskVfs;

use crate::Result;
use crate::measure::{Options, store};
use crate::meter::{self, median, percentile};
use crate::table::{Table, number, time};
use crate::workload::Workload;

/// Leaves of the large log.
const LEAVES: u64 = 10_000_000;
/// Leaves that one roll writes.
const ROLL: usize = 32_768;
/// Records that fill a journal; people who are born in it, and what is appended one by one, come on top.
const FULL: usize = 30_000;
/// Of how many the median is taken.
const SAMPLES: usize = 2_000;

/// Measures in stores and logs of its own, in `dir`.
pub fn evidence(dir: &Path, options: &Options, table: &mut Table) -> Result<()> {
    large_log(&dir.join("large"), table)?;
    let mut workload = Workload::new(options.shape, options.records, options.seed);
    let place = dir.join("store");
    super::loading::load(&place, &mut workload, options.records, table)?;
    let store = store(&place).open()?;
    of_records(&store, &workload, &dir.join("roll"), table)?;
    super::witness::round_trips(&dir.join("witness"), &store, &mut workload, table)?;
    certificates(&store, &workload, table)?;
    store.close()?;
    first_checkpoints(dir, options, table)
}

/// Proofs from the files of a log that holds nothing else: 10,000,000 hashes.
fn large_log(dir: &Path, table: &mut Table) -> Result<()> {
    fs::create_dir(dir)?;
    let mut log = Log::create(Arc::new(DiskVfs), dir)?;
    let mut spent = Duration::ZERO;
    for first in (0..LEAVES).step_by(ROLL) {
        let leaves: Vec<Hash> =
            (first..LEAVES.min(first + ROLL as u64)).map(|i| leaf_hash(&i.to_be_bytes())).collect();
        let start = meter::process_cpu();
        log.append(&leaves)?;
        log.sync()?;
        spent += meter::process_cpu() - start;
    }
    let of = number(LEAVES);
    table.row(format!("tree and writing of {of} hashes, CPU each"), time(spent / LEAVES as u32))?;
    let root = log.frontier().root();
    let mut random = LEAVES / 3;
    let (mut proofs, mut cpu, mut advances, mut checks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..SAMPLES {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = (random >> 20) % LEAVES;
        let (start, before) = (Instant::now(), meter::thread_cpu());
        let proof = Inclusion::prove(&log, Seq(at), LEAVES)?;
        cpu.push(meter::thread_cpu() - before);
        proofs.push(start.elapsed());
        let leaf = log.leaf(Seq(at))?;
        let start = Instant::now();
        proof.verify(&leaf, &root)?;
        checks.push(start.elapsed());
        let start = Instant::now();
        Consistency::prove(&log, at + 1, LEAVES)?;
        advances.push(start.elapsed());
    }
    three(table, format!("proof of one leaf of {of}"), &mut proofs)?;
    three(table, "… processor time", &mut cpu)?;
    three(table, "… its check", &mut checks)?;
    three(table, format!("proof that {of} leaves continue fewer"), &mut advances)
}

/// Proofs of records of a store, and what their leaves cost a roll.
fn of_records(store: &Store, workload: &Workload, dir: &Path, table: &mut Table) -> Result<()> {
    let reading = store.session(Session::new());
    let key: VerifierKey = store.verifier_key()?.parse()?;
    let head = store.checkpoint()?;
    let (mut proofs, mut cpu, mut checks) = (Vec::new(), Vec::new(), Vec::new());
    let mut openings: Vec<Opening> = Vec::new();
    for n in 0..SAMPLES {
        let id = workload.id_of(n as u64 * 7);
        let (start, before) = (Instant::now(), meter::thread_cpu());
        let found = reading.prove(&id, None, Some(&head))?;
        cpu.push(meter::thread_cpu() - before);
        proofs.push(start.elapsed());
        let proof = found.into_iter().next().ok_or("a record is not there")?;
        let text = proof.to_text();
        let start = Instant::now();
        escrowdb::store::RecordProof::parse(text.as_bytes())?.verify(&key)?;
        checks.push(start.elapsed());
        openings.push(proof.opening);
    }
    let of = number(head.unverified().size);
    three(table, format!("proof of one record, found by its id, of {of}"), &mut proofs)?;
    three(table, "… processor time", &mut cpu)?;
    three(table, "… read and checked with the key alone", &mut checks)?;
    leaves(&openings, dir, table)
}

/// The leaves of a roll, over and over: what `roll::write_leaves` does, step by step.
fn leaves(openings: &[Opening], dir: &Path, table: &mut Table) -> Result<()> {
    fs::create_dir(dir)?;
    let mut log = Log::create(Arc::new(DiskVfs), dir)?;
    let bytes: usize = openings.iter().map(|o| o.canonical.len()).sum();
    let (mut hashed, mut written, mut synced) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..30 {
        let mut committer = Committer::new();
        let start = meter::process_cpu();
        let leaves: Vec<Hash> =
            openings.iter().cycle().take(ROLL).map(|o| committer.leaf(&o.salt, &o.canonical)).collect();
        let done = meter::process_cpu();
        hashed.push((done - start) / ROLL as u32);
        log.append(&leaves)?;
        written.push((meter::process_cpu() - done) / ROLL as u32);
        let (start, cpu) = (Instant::now(), meter::process_cpu());
        log.sync()?;
        if let Some(written) = written.last_mut() {
            *written += (meter::process_cpu() - cpu) / ROLL as u32;
        }
        synced.push(start.elapsed());
    }
    let (hash, write) = (median(&mut hashed), median(&mut written));
    let each = bytes / openings.len().max(1);
    table.row(format!("leaf of a record ({each} B, canonical), CPU"), time(hash))?;
    table.row("… tree, parity and writing of it, CPU", time(write))?;
    table.row("… both: what the log costs a record, all threads", time(hash + write))?;
    table.row(
        format!("sync of {} leaves, waiting, once a roll", number(ROLL as u64)),
        time(median(&mut synced)),
    )
}

/// Signing and checking certificates. What an erasure takes is measured by `erase`.
fn certificates(store: &Store, workload: &Workload, table: &mut Table) -> Result<()> {
    let key: VerifierKey = store.verifier_key()?.parse()?;
    let who = Selector::Person(workload.small_subject(600));
    let request = store.erase(&who, &EraseOptions::default())?.request;
    let (mut signed, mut checked, mut bytes) = (Vec::new(), Vec::new(), 0);
    for _ in 0..SAMPLES / 4 {
        let start = Instant::now();
        let certificate = store.certificate(request, None)?;
        signed.push(start.elapsed());
        let file = certificate.to_json() + "\n";
        bytes = file.len();
        let start = Instant::now();
        certificate::verify(file.as_bytes(), &key)?;
        checked.push(start.elapsed());
    }
    three(table, format!("certificate of an erasure ({bytes} B): found, proved and signed"), &mut signed)?;
    three(table, "… read and checked with the key alone", &mut checked)
}

/// The first checkpoint over a full journal, beside somebody who appends one record after the other.
fn first_checkpoints(dir: &Path, options: &Options, table: &mut Table) -> Result<()> {
    let (mut firsts, mut cpu, mut again) = (Vec::new(), Vec::new(), Vec::new());
    let (mut waits, mut quiet, mut size) = (Vec::new(), Vec::new(), 0);
    for round in 0..5 {
        let mut workload = Workload::new(options.shape, options.records, options.seed + round);
        let place = dir.join(format!("full-{round}"));
        let store = store(&place).preset(workload.preset()).roll_records(2 * ROLL as u32).create()?;
        for _ in 0..FULL / 1_000 {
            store.append(&workload.batch(1_000))?;
        }
        let over = AtomicBool::new(false);
        let (first, took, appends) = std::thread::scope(|scope| -> Result<_> {
            let appender = scope.spawn(|| one_by_one(&store, &mut workload, &over));
            std::thread::sleep(Duration::from_millis(300));
            let (first, before) = (Instant::now(), meter::thread_cpu());
            let head = store.checkpoint();
            let took = first.elapsed();
            cpu.push(meter::thread_cpu() - before);
            std::thread::sleep(Duration::from_millis(300));
            over.store(true, Ordering::Release);
            let appends = appender.join().map_err(|_| "the caller who appends panicked")??;
            size = head?.unverified().size;
            Ok((first, took, appends))
        })?;
        firsts.push(took);
        for (start, spent) in appends {
            let beside = start + spent > first && start < first + took;
            if beside { &mut waits } else { &mut quiet }.push(spent);
        }
        for _ in 0..SAMPLES / 20 {
            let start = Instant::now();
            store.checkpoint()?;
            again.push(start.elapsed());
        }
        store.close()?;
    }
    let journal = number(size);
    three(table, format!("first checkpoint over a journal of {journal} positions"), &mut firsts)?;
    three(table, "… processor time", &mut cpu)?;
    three(table, "… single appends beside it", &mut waits)?;
    three(table, "… single appends before and after", &mut quiet)?;
    three(table, "checkpoint with nothing new", &mut again)
}

fn one_by_one(store: &Store, workload: &mut Workload, over: &AtomicBool) -> Result<Vec<(Instant, Duration)>> {
    let mut appends = Vec::new();
    while !over.load(Ordering::Acquire) {
        let batch = workload.batch(1);
        let start = Instant::now();
        store.append(&batch)?;
        appends.push((start, start.elapsed()));
    }
    Ok(appends)
}

/// Median, the 99th of a hundred, and the worst.
pub(super) fn three(table: &mut Table, what: impl Into<String>, samples: &mut [Duration]) -> Result<()> {
    let (middle, late) = (median(samples), percentile(samples, 0.99));
    let worst = samples.last().copied().unwrap_or_default();
    let said = format!("{} / {} / {}", time(middle), time(late), time(worst));
    table.row(format!("{}: p50 / p99 / worst of {}", what.into(), samples.len()), said)
}
