//! What it costs to record acts: reads a second at each level, by one reader and by many.

use std::path::Path;
use std::time::{Duration, Instant};

use escrowdb::session::Session;
use escrowdb::store::Level;

use crate::Result;
use crate::measure::store;
use crate::meter::median;
use crate::table::{Table, rate};
use crate::workload::Workload;

const LEVELS: [Level; 3] = [Level::Off, Level::Acts, Level::All];
const READERS: [usize; 3] = [1, 8, 64];
const ROUNDS: usize = 5;
/// How long each reader reads in a round.
const TIME: Duration = Duration::from_millis(400);

/// `get` and `count` at each level.
pub fn audit(dir: &Path, workload: &Workload, records: u64, table: &mut Table) -> Result<()> {
    let ids: Vec<String> = (0..1_000).map(|n| workload.id_of(n * records / 1_000)).collect();
    let query = workload.tag(400).to_owned();
    for readers in READERS {
        for what in ["get", "count"] {
            // The levels take turns: what else the machine does meets all alike.
            let mut times = [const { Vec::new() }; LEVELS.len()];
            for _ in 0..ROUNDS {
                for (level, times) in LEVELS.into_iter().zip(&mut times) {
                    let store = store(dir).audit(level).open()?;
                    times.push(round(readers, |reader, n| {
                        let reading = store.session(Session::new().actor("dana").purpose("measurement"));
                        let id = ids.get((reader * 131 + n) % ids.len()).map_or("", String::as_str);
                        match what {
                            "get" => reading.get(id, None).map(|hits| hits.len() as u64),
                            _ => reading.count(&query),
                        }
                    })?);
                    store.close()?;
                }
            }
            for (level, mut times) in LEVELS.into_iter().zip(times) {
                let name = format!("{what}, level {}, {readers} readers", level.name());
                table.row(name, rate(1, median(&mut times)))?;
            }
        }
    }
    Ok(())
}

/// Time a read of so many readers.
fn round(readers: usize, read: impl Fn(usize, usize) -> escrowdb::Result<u64> + Sync) -> Result<Duration> {
    // The first opens what is kept open, and begins the periods of acts.
    read(0, 0)?;
    let start = Instant::now();
    let done = std::thread::scope(|scope| -> Result<usize> {
        let read = &read;
        let all: Vec<_> = (0..readers)
            .map(|reader| {
                scope.spawn(move || -> escrowdb::Result<usize> {
                    let mut n = 0;
                    while start.elapsed() < TIME {
                        read(reader, n)?;
                        n += 1;
                    }
                    Ok(n)
                })
            })
            .collect();
        let mut done = 0;
        for reader in all {
            done += reader.join().map_err(|_| "a reader panicked")??;
        }
        Ok(done)
    })?;
    Ok(start.elapsed() / u32::try_from(done.max(1))?)
}
