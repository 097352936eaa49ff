//! What it costs to record acts: reads a second at each level, by one reader and by many; and an erasure
//! that reads what was typed.

use std::path::Path;
use std::time::{Duration, Instant};

use escrowdb::id::Micros;
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Level, Record, Selector};

use crate::Result;
use crate::measure::store;
use crate::meter::median;
use crate::table::{Table, number, rate, time};
use crate::workload::Workload;

const LEVELS: [Level; 3] = [Level::Off, Level::Acts, Level::All];
const READERS: [usize; 3] = [1, 8, 64];
/// Who type at once.
const READERS_TYPING: usize = 64;
const ROUNDS: usize = 5;
/// How long each reader reads in a round.
const TIME: Duration = Duration::from_millis(400);

/// `get` and `count` at each level.
pub fn audit(dir: &Path, workload: &Workload, records: u64, table: &mut Table) -> Result<()> {
    let ids: Vec<String> = (0..1_000).map(|n| workload.id_of(n * records / 1_000)).collect();
    let query = format!("tag:{}", workload.tag(400));
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

/// What was typed before somebody is erased.
struct Typed {
    /// What the row says of it.
    what: &'static str,
    queries: usize,
    /// Whether they are for words in the whole store: each could have found what goes.
    everywhere: bool,
    /// Segments in which they stand.
    segments: usize,
    /// Conversations of the one who goes, a record each.
    conversations: usize,
}

/// Erases somebody where nothing was typed, and where many queries stand in details.
pub fn details(dir: &Path, table: &mut Table) -> Result<()> {
    let few = Typed { what: "none", queries: 0, everywhere: false, segments: 1, conversations: 10 };
    for typed in [
        Typed { what: "10,000, of one conversation each", queries: 10_000, ..few },
        Typed {
            what: "100,000 over the whole store",
            queries: 100_000,
            everywhere: true,
            segments: 20,
            ..few
        },
        Typed { what: "none, 20,000 conversations", conversations: 20_000, ..few },
        Typed {
            what: "10,000 of one conversation each, 20,000 conversations",
            queries: 10_000,
            conversations: 20_000,
            ..few
        },
        few,
    ] {
        erase_beside(&dir.join(typed.what), &typed, table)?;
    }
    Ok(())
}

fn erase_beside(dir: &Path, typed: &Typed, table: &mut Table) -> Result<()> {
    let store = store(dir).audit(Level::All).create()?;
    let said = (0..typed.conversations.max(1_000)).map(|n| {
        let author = if n < typed.conversations { "p7".to_owned() } else { format!("other {}", n % 100) };
        Record::new(format!("c{n}"), author, Micros(n as i64), "a lamp").id(format!("m{n}")).tag("common")
    });
    store.append(&said.collect::<Vec<_>>())?;
    for part in 0..typed.segments {
        std::thread::scope(|scope| -> Result<()> {
            let store = &store;
            let all: Vec<_> = (0..READERS_TYPING)
                .map(|reader| {
                    scope.spawn(move || -> escrowdb::Result<()> {
                        let reading = store.session(Session::new().actor("dana").purpose("measurement"));
                        for n in (reader..typed.queries / typed.segments).step_by(READERS_TYPING) {
                            let n = n + part;
                            let of =
                                if typed.everywhere { String::new() } else { format!("conversation:c{n} ") };
                            reading.count(&format!("{of}(lime OR lump) -tag:x{n}"))?;
                        }
                        Ok(())
                    })
                })
                .collect();
            for reader in all {
                reader.join().map_err(|_| "a reader panicked")??;
            }
            Ok(())
        })?;
        store.roll()?;
    }
    let (erased, slowest) = std::thread::scope(|scope| -> Result<_> {
        let erasing = scope.spawn(|| -> escrowdb::Result<_> {
            let start = Instant::now();
            let certificate = store.erase(&Selector::Person("p7".into()), &EraseOptions::default())?;
            Ok((start.elapsed(), certificate.records_removed))
        });
        let reading = store.session(Session::new().actor("dana"));
        let mut slowest = Duration::ZERO;
        while !erasing.is_finished() {
            let start = Instant::now();
            reading.count("author:\"other 1\"")?;
            slowest = slowest.max(start.elapsed());
        }
        Ok((erasing.join().map_err(|_| "the erasure panicked")??, slowest))
    })?;
    table.row(
        format!(
            "erase of one person, queries in details: {}: whole / removed / slowest count beside it",
            typed.what
        ),
        format!("{} / {} / {}", time(erased.0), number(erased.1), time(slowest)),
    )?;
    store.close()?;
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
