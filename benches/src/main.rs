//! `cargo run --release -p escrowdb-benches -- measure`, `-- names`, `-- duplicates`: the figures of
//! `docs/FIGURES.md`; `-- compare`: those of `docs/COMPARISON.md`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use std::time::Duration;

use escrowdb_benches::compare::words::peer::Plan;
use escrowdb_benches::measure::{self, Options};
use escrowdb_benches::workload::Shape;
use escrowdb_benches::{Error, Result, compare, duplicates, names};

const USAGE: &str = "\
usage: escrowdb-benches measure [--records N] [--workload zipf|local] [--dir DIR] [--seed N]
                                [--only load|singles|queries|audit|erase|compact|evidence|details|rules|server]
       escrowdb-benches compare [--records N] [--workload zipf|local] [--dir DIR] [--seed N]
                                [--patience SECONDS] [--json]
       escrowdb-benches compare --words [--records N] [--workload zipf|local] [--dir DIR] [--keep]
                                [--seed N] [--only ROW,ROW] [--peers PEER,PEER] [--json]
       escrowdb-benches names [--people N] [--dir DIR] [--json]
       escrowdb-benches duplicates [--segments N] [--each RECORDS] [--dir DIR] [--json]

Loads N records (100,000) into a store in DIR (in the system's temporary folder; must not exist),
measures, prints a table and removes the store. `compare` does so with SQLite and redb beside it;
loading each of them in batches of 1,000 is timed for 60 seconds, the rest goes in faster. `--words`
(implied by --only and --peers) compares searching for words and everything beside it, with more peers
where the build has them (`--features peers`), without limit of time; with --keep what was loaded stays
in DIR for the next run. `names`
builds a key tree of N people (1,000,000), `duplicates` a store of many segments (150 of 65,536).";

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            let _ = writeln!(std::io::stderr().lock(), "{e}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Vec<String>) -> Result<()> {
    let (command, rest) = args.split_first().ok_or(USAGE)?;
    match (command.as_str(), rest) {
        ("measure", rest) => {
            let options = options(rest)?;
            let table = measure::run(&options)?;
            writeln!(std::io::stdout().lock(), "{table}")?;
            Ok(())
        }
        ("compare", rest) if rest.iter().any(|a| WORDS.contains(&a.as_str())) => {
            let text = compare::words::run(&words(rest)?)?;
            write!(std::io::stdout().lock(), "{text}")?;
            Ok(())
        }
        ("compare", rest) => {
            let text = compare::run(&comparison(rest)?)?;
            write!(std::io::stdout().lock(), "{text}")?;
            Ok(())
        }
        ("names", rest) => {
            let text = names::run(&people(rest)?)?;
            write!(std::io::stdout().lock(), "{text}")?;
            Ok(())
        }
        ("duplicates", rest) => {
            let text = duplicates::run(&segments(rest)?)?;
            write!(std::io::stdout().lock(), "{text}")?;
            Ok(())
        }
        // The process in which `compare --words` loads.
        ("load-words", [job]) => {
            writeln!(std::io::stdout().lock(), "{}", compare::words::child::run(job)?)?;
            Ok(())
        }
        // The process that `measure` starts and that ends without closing its store.
        ("fill-and-die", [dir, shape, planned, records]) => measure::opening::fill_and_die(
            dir.as_ref(),
            parse_shape(shape)?,
            planned.parse()?,
            records.parse()?,
        ),
        _ => Err(USAGE.into()),
    }
}

fn options(args: &[String]) -> Result<Options> {
    let mut options = Options { records: 100_000, shape: Shape::Local, dir: own_dir(), seed: 42, only: None };
    each(args, |name, value| {
        match name {
            "--records" => options.records = value.parse()?,
            "--workload" => options.shape = parse_shape(value)?,
            "--dir" => options.dir = PathBuf::from(value),
            "--seed" => options.seed = value.parse()?,
            "--only" => options.only = Some(value.to_owned()),
            _ => return Err(USAGE.into()),
        }
        Ok(())
    })?;
    Ok(options)
}

fn comparison(args: &[String]) -> Result<compare::Options> {
    let mut options = compare::Options {
        records: 100_000,
        shape: Shape::Local,
        dir: own_dir(),
        seed: 42,
        patience: Duration::from_secs(60),
        json: false,
    };
    each(args, |name, value| {
        match name {
            "--records" => options.records = value.parse()?,
            "--workload" => options.shape = parse_shape(value)?,
            "--dir" => options.dir = PathBuf::from(value),
            "--seed" => options.seed = value.parse()?,
            "--patience" => options.patience = Duration::from_secs(value.parse()?),
            JSON => options.json = true,
            _ => return Err(USAGE.into()),
        }
        Ok(())
    })?;
    Ok(options)
}

fn words(args: &[String]) -> Result<compare::words::Options> {
    let plan = Plan { shape: Shape::Local, records: 100_000, seed: 42, japanese: false };
    let mut options = compare::words::Options {
        plan,
        dir: own_dir(),
        keep: false,
        only: Vec::new(),
        peers: Vec::new(),
        json: false,
    };
    let list = |value: &str| value.split(',').map(str::to_owned).collect();
    each(args, |name, value| {
        match name {
            "--records" => options.plan.records = value.parse()?,
            "--workload" => options.plan.shape = parse_shape(value)?,
            "--dir" => options.dir = PathBuf::from(value),
            "--seed" => options.plan.seed = value.parse()?,
            "--only" => options.only = list(value),
            "--peers" => options.peers = list(value),
            "--words" => {}
            "--keep" => options.keep = true,
            JSON => options.json = true,
            _ => return Err(USAGE.into()),
        }
        Ok(())
    })?;
    Ok(options)
}

fn people(args: &[String]) -> Result<names::Options> {
    let mut options = names::Options { people: 1_000_000, dir: own_dir(), json: false };
    each(args, |name, value| {
        match name {
            "--people" => options.people = value.parse()?,
            "--dir" => options.dir = PathBuf::from(value),
            JSON => options.json = true,
            _ => return Err(USAGE.into()),
        }
        Ok(())
    })?;
    Ok(options)
}

fn segments(args: &[String]) -> Result<duplicates::Options> {
    let mut options = duplicates::Options { segments: 150, each: 65_536, dir: own_dir(), json: false };
    each(args, |name, value| {
        match name {
            "--segments" => options.segments = value.parse()?,
            "--each" => options.each = value.parse()?,
            "--dir" => options.dir = PathBuf::from(value),
            JSON => options.json = true,
            _ => return Err(USAGE.into()),
        }
        Ok(())
    })?;
    Ok(options)
}

const JSON: &str = "--json";
/// The options without a value.
const FLAGS: [&str; 3] = [JSON, "--words", "--keep"];
/// Those that mean the comparison of words.
const WORDS: [&str; 3] = ["--words", "--only", "--peers"];

/// Calls `set` with each option and its value.
fn each(args: &[String], mut set: impl FnMut(&str, &str) -> Result<()>) -> Result<()> {
    let mut args = args.iter();
    while let Some(name) = args.next() {
        let value = if FLAGS.contains(&name.as_str()) { "" } else { args.next().ok_or(USAGE)? };
        set(name, value)?;
    }
    Ok(())
}

/// A folder of this process in the system's temporary one.
fn own_dir() -> PathBuf {
    std::env::temp_dir().join(format!("escrowdb-benches-{}", std::process::id()))
}

fn parse_shape(name: &str) -> std::result::Result<Shape, Error> {
    match name {
        "zipf" => Ok(Shape::Zipf),
        "local" => Ok(Shape::Local),
        _ => Err(USAGE.into()),
    }
}
