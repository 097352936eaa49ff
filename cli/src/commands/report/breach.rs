//! `report breach`: whom a theft lays open.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use escrowdb::id::Micros;
use escrowdb::query::breach::{Breach, Lost, Reached, Readable};
use escrowdb::record::time;

use crate::args::Global;
use crate::commands::register;
use crate::engine;
use crate::exit::Failure;
use crate::json::Object;
use crate::out::{Out, clean};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// A file that is gone, by its path or its name; may be given again. A folder stands for all that is in it. They need
    /// not be there any more.
    #[arg(long, value_name = "FILE")]
    lost: Vec<PathBuf>,
    /// Whether the root key is gone too.
    #[arg(long, value_enum, default_value_t = Keys::None)]
    keys: Keys,
    /// The code of a disclosure that is gone where it was, in clear; may be given again.
    #[arg(long, value_name = "CODE")]
    lost_export: Vec<String>,
    /// When it became known: the authority is to be told within 72 hours of that. Default: now.
    #[arg(long, value_name = "T", value_parser = register::instant)]
    at: Option<Micros>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Keys {
    /// It is not.
    None,
    /// It is: the file of the slot, or what opens it.
    Slot,
}

/// Article 33 (1).
const DEADLINE: i64 = 72 * 3_600_000_000;

pub(crate) fn run(args: &Args, global: &Global, out: &mut Out) -> Result<(), Failure> {
    if args.lost.is_empty() && args.lost_export.is_empty() && args.keys == Keys::None {
        return Err(
            Failure::usage("nothing was lost").hint("name it: --lost FILE, --keys slot, --lost-export CODE")
        );
    }
    let slot = engine::slot(global, &engine::folder(global)?)?;
    let mut lost = Lost { root_key: args.keys == Keys::Slot, ..Lost::default() };
    for path in &args.lost {
        add(path, &mut lost.files);
    }
    // Who has that file has the root key.
    let slot = slot.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    lost.root_key |= lost.files.remove(&slot);
    lost.disclosures.extend(args.lost_export.iter().cloned());
    let store = engine::open(global)?;
    let breach = engine::session(&store, global).breach(&lost)?;
    if let Some(code) = breach.no_such_disclosure.first() {
        return Err(Failure::not_found(format!("no such disclosure: {}", clean(code))));
    }
    let known = args.at.unwrap_or_else(register::now);
    let deadline = Micros(known.0.saturating_add(DEADLINE));
    if out.json() {
        json(&breach, &lost, (known, deadline), out)
    } else {
        print(&breach, &lost, (known, deadline), out)
    }
}

/// Adds the name of a file, or of all files in a folder.
fn add(path: &Path, files: &mut BTreeSet<String>) {
    if path.is_dir() && !path.is_symlink() {
        for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
            add(&entry.path(), files);
        }
    } else if let Some(name) = path.file_name() {
        files.insert(name.to_string_lossy().into_owned());
    }
}

fn count(breach: &Breach, what: Readable) -> u64 {
    breach.people.iter().filter(|of| of.what == what).count() as u64
}

fn reason(breach: &Breach, lost: &Lost) -> &'static str {
    match (lost.root_key, breach.keys_readable) {
        (false, _) => {
            "without the root key no file of the store opens: it is noise, but for sizes and how many files there are"
        }
        (true, false) => {
            "the root key alone opens nothing: HEAD and a file of keys (keyring.a or keyring.b) are not among what was lost"
        }
        (true, true) => "the root key opens the files of keys, and they the rest of what was lost",
    }
}

/// What to do, as the articles say.
fn duties(breach: &Breach, (known, deadline): (Micros, Micros)) -> Vec<String> {
    let mut all = Vec::new();
    if breach.people.is_empty()
        && breach.of_anybody.is_empty()
        && breach.unknown.is_empty()
        && breach.unreadable.is_empty()
    {
        all.push("article 33 (1): unlikely to result in a risk, as far as the files named go: document it (33 (5)), and why".to_owned());
        return all;
    }
    all.push(format!(
        "article 33 (1): tell the supervisory authority by {}, 72 hours after it became known at {}; later with reasons",
        time::format(deadline),
        time::format(known)
    ));
    all.push("article 33 (3): nature of the breach, categories and numbers of people and records as above, contact, likely consequences, measures".to_owned());
    all.push("article 34: tell the people named without undue delay, in plain language, if the risk to them is high; records in clear mostly are".to_owned());
    all.push("article 33 (5): document it, with this report".to_owned());
    if breach.keys_readable {
        all.push("the thief's copy stays open whatever is done here; an erasing commit (`escrow key rotate`, any erasure) makes a new root for what is written from then on".to_owned());
    }
    all
}

fn json(breach: &Breach, lost: &Lost, times: (Micros, Micros), out: &mut Out) -> Result<(), Failure> {
    let mut line = Object::new();
    line.number("people", breach.people.len() as u64);
    for what in [Readable::Records, Readable::Index, Readable::Name] {
        line.number(what.name(), count(breach, what));
    }
    line.number("records_of_registers", breach.register_records);
    line.flag("at_most", breach.at_most);
    line.flag("root_key", lost.root_key).flag("keys_readable", breach.keys_readable);
    line.text("why", reason(breach, lost)).texts("unknown_files", &breach.unknown);
    line.texts("unreadable_files", &breach.unreadable).texts("of_anybody", &breach.of_anybody);
    line.text("known", &time::format(times.0)).text("deadline", &time::format(times.1));
    line.texts("duties", &duties(breach, times));
    out.line(&line.finish())?;
    for of in &breach.people {
        let mut line = Object::new();
        line.maybe("handle", of.handle.map(|handle| handle.to_string()).as_deref());
        line.number("number", of.number.0)
            .texts("identifiers", &of.identifiers)
            .text("readable", of.what.name());
        line.number("records", of.records).number("whole", of.whole);
        out.line(&line.texts("disclosures", &of.disclosures).finish())?;
    }
    Ok(())
}

fn print(breach: &Breach, lost: &Lost, times: (Micros, Micros), out: &mut Out) -> Result<(), Failure> {
    out.line(&format!(
        "{} people: of {} records can be read, of {} words, tags and times, of {} that they are known",
        breach.people.len(),
        count(breach, Readable::Records),
        count(breach, Readable::Index),
        count(breach, Readable::Name)
    ))?;
    if lost.root_key || !lost.files.is_empty() {
        out.line(&format!("why: {}", reason(breach, lost)))?;
    }
    if breach.register_records > 0 {
        out.line(&format!(
            "{} records of registers and acts can be read too; they may name the erased",
            breach.register_records
        ))?;
    }
    if breach.at_most {
        out.line("these numbers are at most: one of two journals is lost, and both are counted for it")?;
    }
    let list = |names: &[String]| clean(&names.join(", "));
    for (names, what) in [
        (
            &breach.unknown,
            "not of this store today (of an older state what was in them is not known; older keys open older states): ",
        ),
        (&breach.unreadable, "can't be read here, so who stands in them is not known: "),
        (&breach.of_anybody, "exports of so many that anybody may be among them: "),
    ] {
        if !names.is_empty() {
            out.line(&format!("{what}{}", list(names)))?;
        }
    }
    for duty in duties(breach, times) {
        out.line(&duty)?;
    }
    let mut rows = Vec::new();
    for Reached { number, handle, identifiers, what, records, whole, disclosures } in &breach.people {
        let who =
            if identifiers.is_empty() { format!("person {number}") } else { clean(&identifiers.join(", ")) };
        let handle = handle.map_or_else(|| "-".to_owned(), |handle| handle.to_string());
        let exports = if disclosures.is_empty() { "-".to_owned() } else { list(disclosures) };
        rows.push(vec![who, what.name().to_owned(), records.to_string(), whole.to_string(), exports, handle]);
    }
    register::table(out, &["person", "readable", "records", "whole", "exports", "handle"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_days_are_left() {
        let known = register::instant("2026-02-27").unwrap_or_default();
        assert_eq!(time::format(Micros(known.0 + DEADLINE)), "2026-03-02T00:00:00Z");
    }
}
