//! What the server costs: batches and searches over HTTP on the machine's own address, beside the same in one process.

use std::io::Read as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use escrowdb::id::Micros;
use escrowdb::record::jsonl;
use escrowdb::session::Session;
use escrowdb::store::{Level, Preset, SearchOptions, Store};
use escrowdb_server::access::token::New;
use escrowdb_server::access::{Role, Tokens};
use escrowdb_server::http::{Server, router};
use escrowdb_server::ops::metrics::Metrics;
use escrowdb_server::serve::{Listen, serve};
use escrowdb_server::tenants::Tenants;
use tokio::sync::{Semaphore, oneshot};

use crate::Result;
use crate::meter::{median, percentile};
use crate::table::{Table, number, rate, time};

const BATCH: u64 = 1_000;
/// Searches of a median.
const SEARCHES: u64 = 1_000;
/// Callers at a time, and how long they call.
const CALLERS: u64 = 8;
const WHILE: Duration = Duration::from_secs(5);
const TENANT: &str = "bench";

/// Everything, on stores of so many records.
pub fn server(dir: &Path, records: u64, table: &mut Table) -> Result<()> {
    let store = Store::builder(dir.join("alone")).preset(Preset::Peer).audit(Level::Acts).create()?;
    let alone = in_process(&store, records)?;
    table.row("append in one process, of parsed records", rate(records, alone.records))?;
    table.row("the same, lines parsed too", rate(records, alone.lines))?;
    let running = Running::start(dir)?;
    let served = running.ingest(records)?;
    table.row("NDJSON over HTTP, batches of 1,000", rate(records, served))?;
    let share = alone.records.as_secs_f64() / served.as_secs_f64();
    table.row("its share of what one process does", format!("{:.0} %", share * 100.0))?;

    let reading = store.session(Session::new().actor("bench"));
    let mut here = Vec::new();
    for n in 0..SEARCHES {
        let begun = Instant::now();
        reading.search(&query(n), &SearchOptions::new().limit(50))?;
        here.push(begun.elapsed());
    }
    let mut there = Vec::new();
    let agent = agent();
    for n in 0..SEARCHES {
        let begun = Instant::now();
        running.search(&agent, n)?;
        there.push(begun.elapsed());
    }
    let (here, there) = (median(&mut here), median(&mut there));
    table.row("search in one process, 50 hits, median", time(here))?;
    table.row("the same over HTTP", time(there))?;
    table.row("what HTTP adds", time(there.saturating_sub(here)))?;
    let (count, mut all) = running.many()?;
    table.row("searches of 8 callers at a time", rate(count, WHILE))?;
    table.row("their median", time(percentile(&mut all, 0.5)))?;
    table.row("their 99th of 100", time(percentile(&mut all, 0.99)))?;
    table.row("callers and server share", format!("{} cores", number(cores())))?;
    store.close()?;
    Ok(())
}

fn cores() -> u64 {
    std::thread::available_parallelism().map_or(1, |n| n.get() as u64)
}

struct Alone {
    records: Duration,
    lines: Duration,
}

/// Half of the records as they are, half as lines; each time is that of all.
fn in_process(store: &Store, records: u64) -> Result<Alone> {
    let mut times = [Duration::ZERO; 2];
    for from in (0..records).step_by(BATCH as usize) {
        let lines = batch(from, records);
        let as_lines = (from / BATCH) % 2 == 1;
        let parse = || lines.lines().map(|line| jsonl::parse(line.as_bytes(), false)).collect();
        let parsed: escrowdb::Result<Vec<_>> = parse();
        let mut parsed = parsed?;
        let begun = Instant::now();
        if as_lines {
            let again: escrowdb::Result<Vec<_>> = parse();
            parsed = again?;
        }
        store.append(&parsed)?;
        times[usize::from(as_lines)] += begun.elapsed();
    }
    Ok(Alone { records: times[0] * 2, lines: times[1] * 2 })
}

/// A batch as it is sent.
fn batch(from: u64, records: u64) -> String {
    let mut text = String::new();
    for n in from..(from + BATCH).min(records) {
        let (who, case, at) = (n % 5_000, n % 997, Micros(1_735_689_600_000_000 + n as i64 * 1_000_000));
        let at = escrowdb::record::time::format(at);
        text += &format!(
            "{{\"id\":\"m{n}\",\"conversation\":\"c{who}\",\"author\":\"customer{who}@example.org\",\
             \"subjects\":[\"customer{who}@example.org\"],\"time\":\"{at}\",\"channel\":\"web\",\
             \"tags\":[\"dept:sales\",\"case:{case}\"],\"body\":\"the lamp that you sent me flickers, and I would \
             like to have another one\"}}\n"
        );
    }
    text
}

fn query(n: u64) -> String {
    format!("tag:case:{}", n * 31 % 997)
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(true).build().into()
}

/// A server in this process; it ends when it is dropped.
struct Running {
    base: String,
    token: String,
    end: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    fn start(dir: &Path) -> Result<Self> {
        let data = dir.join("served");
        std::fs::create_dir(&data)?;
        let tenants = Tenants::new(&data, 1);
        tenants.create(TENANT, Preset::Peer)?;
        let tokens = Tokens::open(data.join("tokens"))?;
        let roles = [Role::Writer, Role::Reviewer];
        let new = New { name: "bench", tenant: TENANT, roles: &roles, expires: Micros(i64::MAX) };
        let token = tokens.create(&new)?;
        let working = Arc::new(Semaphore::new(64));
        let metrics = Metrics::default();
        let server = Arc::new(Server { tenants, tokens, working, metrics, ending: AtomicBool::new(false) });
        let (end, ended) = oneshot::channel::<()>();
        let (ready, address) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
            let Ok(runtime) = runtime else { return };
            let listen = Listen {
                address: SocketAddr::from(([127, 0, 0, 1], 0)),
                tls: None,
                connections_max: 64,
                patience: Duration::from_secs(10),
                drain: Duration::from_secs(1),
            };
            let said = move |address| {
                let _ = ready.send(address);
            };
            let until = async move {
                let _ = ended.await;
            };
            let _ = runtime.block_on(serve(&listen, router(&server), said, until));
        });
        let address = address.recv()?;
        Ok(Self {
            base: format!("http://{address}/v1/{TENANT}"),
            token,
            end: Some(end),
            thread: Some(thread),
        })
    }

    fn ingest(&self, records: u64) -> Result<Duration> {
        let (agent, mut took) = (agent(), Duration::ZERO);
        for from in (0..records).step_by(BATCH as usize) {
            let lines = batch(from, records);
            let begun = Instant::now();
            let request = agent.post(format!("{}/records", self.base)).header("authorization", self.bearer());
            let text = request.send(&lines)?.body_mut().read_to_string()?;
            took += begun.elapsed();
            if !text.starts_with("{\"added\":1000,") {
                return Err(format!("a batch was answered by {}", &text[..text.len().min(200)]).into());
            }
        }
        Ok(took)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    fn search(&self, agent: &ureq::Agent, n: u64) -> Result<usize> {
        let url = format!("{}/search?limit=50&q={}", self.base, query(n));
        let mut response = agent.get(url).header("authorization", self.bearer()).call()?;
        let mut text = Vec::new();
        response.body_mut().as_reader().read_to_end(&mut text)?;
        Ok(text.len())
    }

    /// What several callers get done, and how long each search took.
    fn many(&self) -> Result<(u64, Vec<Duration>)> {
        let over = AtomicBool::new(false);
        let all = std::thread::scope(|scope| {
            let callers: Vec<_> = (0..CALLERS)
                .map(|caller| {
                    let over = &over;
                    scope.spawn(move || {
                        let (agent, mut times, mut n) = (agent(), Vec::new(), caller * 1_000);
                        while !over.load(Ordering::Relaxed) {
                            let begun = Instant::now();
                            if self.search(&agent, n).is_err() {
                                break;
                            }
                            times.push(begun.elapsed());
                            n += 1;
                        }
                        times
                    })
                })
                .collect();
            std::thread::sleep(WHILE);
            over.store(true, Ordering::Relaxed);
            callers.into_iter().filter_map(|caller| caller.join().ok()).flatten().collect::<Vec<_>>()
        });
        Ok((all.len() as u64, all))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.end.take());
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}
