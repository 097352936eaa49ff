//! What rules cost: a gate and classes on appends, the withdrawal of a consent, a run of retention.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use escrowdb::id::Micros;
use escrowdb::register::Event;
use escrowdb::register::class::{self, Class, Start, Then};
use escrowdb::register::consent::{self, Deed, Shown};
use escrowdb::register::notice::{self, Text};
use escrowdb::register::purpose::{self, LawfulBasis, Purpose};
use escrowdb::register::settings::{self, Gate, GateRule};
use escrowdb::session::Session;
use escrowdb::store::{Outcome, Preset, Record, SearchOptions, Store};

use crate::Result;
use crate::measure::store;
use crate::meter::{self, median};
use crate::table::{Table, number, rate, time};

const BATCH: u64 = 1_000;
/// Records of a customer.
const EACH: u64 = 20;
const NOTICE: &str = "We keep what you write to us.";
/// Rounds of what is measured by a median.
const ROUNDS: usize = 21;

/// Everything, on stores of so many records.
pub fn rules(dir: &Path, records: u64, table: &mut Table) -> Result<()> {
    at_ingest(dir, records.min(200_000), table)?;
    let store = loaded(&dir.join("ruled"), records)?;
    withdrawing(&store, records, table)?;
    expiring(&store, records, table)?;
    store.close()?;
    Ok(())
}

fn dana() -> Session {
    Session::new().actor("dana").purpose("support")
}

fn customer(n: u64) -> String {
    format!("customer{n}@example.org")
}

/// A customer's message; one of a hundred has the tag *old*.
fn message(n: u64, customers: u64) -> Record {
    let of = n % customers;
    let at = Micros(1_735_689_600_000_000 + n as i64 * 1_000_000);
    let body = "the lamp that you sent me flickers, and I would like to have another one";
    let record = Record::new(format!("c{of}"), customer(of), at, body).id(format!("m{n}")).channel("web");
    let record = record.tag("dept:sales").tag(format!("case:{}", n % 997));
    if n % 100 == 7 { record.tag("old") } else { record }
}

fn define(store: &Store, number: u32, maximum: &str, selector: &str) -> Result<()> {
    let class = Class {
        code: format!("class-{number}"),
        number,
        title: "A class".into(),
        start: Start::Time,
        lock: None,
        maximum: Some(maximum.into()),
        then: Then::Erase,
        ground: "GDPR 5 (1) (e)".into(),
        selector: selector.into(),
    };
    store.change(&dana(), Event::Class(class::Event::Define(class)))?;
    Ok(())
}

/// A purpose that needs consent, and a notice of it.
fn ask(store: &Store) -> Result<()> {
    let purpose = Purpose {
        code: "support".into(),
        title: "Support".into(),
        basis: LawfulBasis::Consent,
        class: None,
        needs_consent: true,
    };
    store.change(&dana(), Event::Purpose(purpose::Event::Define(purpose)))?;
    let text = Text {
        id: "privacy".into(),
        version: 1,
        language: "en".into(),
        title: "Privacy".into(),
        hash: notice::hash_of(NOTICE),
        text: NOTICE.into(),
        purposes: vec!["support".into()],
        valid_from: Micros(0),
        material: false,
    };
    store.change(&dana(), Event::Notice(notice::Event::Draft(text)))?;
    store.change(&dana(), Event::Notice(notice::Event::Publish { id: "privacy".into(), version: 1 }))?;
    Ok(())
}

fn said(event: Deed, person: String) -> Event {
    let (id, version, language, hash) = ("privacy".into(), 1, "en".into(), notice::hash_of(NOTICE));
    Event::Consent(consent::Event {
        event,
        person,
        purposes: vec!["support".into()],
        notice: Some(Shown { id, version, language, hash }),
        method: "click".into(),
        channel: "web".into(),
        expires: None,
    })
}

/// A store in which so many customers have consented.
fn consented(dir: &Path, customers: u64) -> Result<Store> {
    let store = store(dir).preset(Preset::Customer).create()?;
    ask(&store)?;
    for from in (0..customers).step_by(BATCH as usize) {
        let to = customers.min(from + BATCH);
        store.change_all(&dana(), (from..to).map(|n| said(Deed::Give, customer(n))).collect())?;
    }
    store.roll()?;
    Ok(store)
}

fn append(store: &Store, n: u64, customers: u64) -> Result<Duration> {
    let batch: Vec<_> = (n..n + BATCH).map(|n| message(n, customers)).collect();
    let before = meter::thread_cpu();
    let outcomes = store.append(&batch)?;
    let took = meter::thread_cpu() - before;
    if outcomes.iter().any(|outcome| !matches!(outcome, Outcome::Added(_))) {
        return Err("a record was not added".into());
    }
    Ok(took)
}

/// The same appends to a store with a gate and classes, and to one without; they take turns.
fn at_ingest(dir: &Path, records: u64, table: &mut Table) -> Result<()> {
    let customers = records / EACH;
    let (plain, ruled) =
        (consented(&dir.join("plain"), customers)?, consented(&dir.join("gated"), customers)?);
    for (number, selector) in
        [(1, "tag:old"), (2, "channel:phone"), (3, "tag:dept:legal"), (4, "kind:call"), (5, "*")]
    {
        define(&ruled, number, "10y", selector)?;
    }
    let gate = settings::Event {
        gate: Some(Gate::Refuse),
        gate_rules: Some(vec![GateRule { when: "*".into(), purposes: vec!["support".into()] }]),
        ..settings::Event::default()
    };
    ruled.change(&dana(), Event::Settings(gate))?;
    let mut times = [Vec::new(), Vec::new()];
    for n in (0..records).step_by(BATCH as usize) {
        for (store, times) in [&plain, &ruled].into_iter().zip(&mut times) {
            times.push(append(store, n, customers)?);
        }
    }
    // Each customer's consents are looked up at the first of his records; that counts too.
    let sums = times.each_ref().map(|times| times.iter().sum::<Duration>());
    let [plainly, with_rules] = times.map(|mut times| median(&mut times) / BATCH as u32);
    table.row("append, CPU a record of the median batch, no rules", time(plainly))?;
    table.row("the same with a gate and five classes", time(with_rules))?;
    table.row("what gate and class cost a record, median", time(with_rules.saturating_sub(plainly)))?;
    let mean = sums[1].saturating_sub(sums[0]) / records as u32;
    table.row("the same, mean: each customer's consents are looked up once", time(mean))?;
    plain.close()?;
    ruled.close()?;
    Ok(())
}

fn loaded(dir: &Path, records: u64) -> Result<Store> {
    let customers = records / EACH;
    let store = consented(dir, customers)?;
    define(&store, 1, "30d", "tag:old")?;
    for n in (0..records).step_by(BATCH as usize) {
        append(&store, n, customers)?;
    }
    store.roll()?;
    Ok(store)
}

/// From the call of a withdrawal to the answer of a query that leaves her out.
fn withdrawing(store: &Store, records: u64, table: &mut Table) -> Result<()> {
    let customers = records / EACH;
    let reading = store.session(dana());
    let start = Instant::now();
    if reading.count("*")? != records {
        return Err("everybody has consented".into());
    }
    table.row("first query for a purpose that needs consent", time(start.elapsed()))?;
    let (mut times, mut before) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS as u64 {
        let who = round * 31 % customers;
        let query = format!("subject:{}", customer(who));
        let start = Instant::now();
        let found = reading.count(&query)?;
        before.push(start.elapsed());
        let start = Instant::now();
        store.change(&dana(), said(Deed::Withdraw, customer(who)))?;
        let left = reading.count(&query)?;
        let hits = reading.search(&query, &SearchOptions::new().limit(10))?;
        times.push(start.elapsed());
        if found == 0 || left != 0 || !hits.is_empty() {
            return Err("a withdrawal holds for the next query".into());
        }
    }
    table.row("a query for that purpose, median", time(median(&mut before)))?;
    table.row("withdrawal and the next two queries, median", time(median(&mut times)))?;
    table.row("the same, slowest", time(times.iter().copied().max().unwrap_or_default()))?;
    Ok(())
}

/// A run in which a hundredth is over, and appends meanwhile.
fn expiring(store: &Store, records: u64, table: &mut Table) -> Result<()> {
    let customers = records / EACH;
    // Somebody who has withdrawn is appended for as anybody: no gate is set here.
    let (stop, next) = (AtomicBool::new(false), AtomicU64::new(records));
    let appending = |until: &AtomicBool| -> Result<(u64, Duration)> {
        let (start, mut added) = (Instant::now(), 0);
        while !until.load(Ordering::Relaxed) {
            append(store, next.fetch_add(BATCH, Ordering::Relaxed) * 100 + 8, customers)?;
            added += BATCH;
        }
        Ok((added, start.elapsed()))
    };
    let (alone, alone_time) = std::thread::scope(|scope| {
        let appending = scope.spawn(|| appending(&stop));
        std::thread::sleep(Duration::from_secs(5));
        stop.store(true, Ordering::Relaxed);
        appending.join().map_err(|_| "an appender panicked")?
    })?;
    stop.store(false, Ordering::Relaxed);
    let start = Instant::now();
    let due = store.retention(true)?.classes.iter().map(|class| class.due).sum::<u64>();
    table.row("retention, dry run", time(start.elapsed()))?;
    let (run, beside) = std::thread::scope(|scope| -> Result<_> {
        let appending = scope.spawn(|| appending(&stop));
        let start = Instant::now();
        let report = store.retention(false);
        let took = start.elapsed();
        stop.store(true, Ordering::Relaxed);
        let beside = appending.join().map_err(|_| "an appender panicked")??;
        Ok(((report?, took), beside))
    })?;
    let (report, took) = run;
    let removed: u64 = report.certificates.iter().map(|certificate| certificate.records_removed).sum();
    table.row(
        "retention run: due / removed / time",
        format!("{} / {} / {}", number(due), number(removed), time(took)),
    )?;
    table.row("appends alone", rate(alone, alone_time))?;
    table.row("appends beside the run", rate(beside.0, beside.1))?;
    let share = beside.0 as f64 / beside.1.as_secs_f64() / (alone as f64 / alone_time.as_secs_f64());
    table.row("their share", format!("{:.0} %", share * 100.0))?;
    Ok(())
}
