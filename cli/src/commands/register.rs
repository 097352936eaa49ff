//! What the verbs of registers share: instants as they are typed, changes as somebody, and what is said of
//! them.

use escrowdb::clock::{Clock as _, SystemClock};
use escrowdb::id::{Micros, PersonNumber, Seq};
use escrowdb::record::time;
use escrowdb::register::Event;

use crate::args::Global;
use crate::engine::{self, Store};
use crate::exit::Failure;
use crate::json::Object;
use crate::out::{Out, clean};

/// Reads a date or an instant.
pub(crate) fn instant(text: &str) -> Result<Micros, String> {
    let whole = if text.len() == "2026-01-31".len() { format!("{text}T00:00:00Z") } else { text.to_owned() };
    time::parse(&whole).map_err(|_| "must be a date such as 2026-01-31, or an instant of RFC 3339".to_owned())
}

/// Now.
pub(crate) fn now() -> Micros {
    SystemClock.now()
}

/// Changes a register of a store that is open.
pub(crate) fn change(store: &Store, global: &Global, event: Event) -> Result<Seq, Failure> {
    Ok(store.change(&engine::as_named(global), event)?)
}

/// Opens the store, changes a register, and says so.
pub(crate) fn alone(global: &Global, out: &mut Out, done: &str, event: Event) -> Result<(), Failure> {
    let store = engine::open(global)?;
    let seq = change(&store, global, event)?;
    store.close()?;
    say(out, done, seq)
}

/// Says what was done, and where in the log that stands.
pub(crate) fn say(out: &mut Out, done: &str, seq: Seq) -> Result<(), Failure> {
    let line = if out.json() {
        Object::new().text("done", done).number("seq", seq.0).finish()
    } else {
        format!("{done}, at position {}", seq.0)
    };
    Ok(out.line(&line)?)
}

/// A person as people read it: the identifier, or the number of somebody who is erased.
pub(crate) fn name(store: &Store, number: PersonNumber) -> Result<String, Failure> {
    if number == PersonNumber::STORE {
        return Ok("-".to_owned());
    }
    Ok(store.name_of(number)?.map_or_else(|| format!("person {number}"), |name| clean(&name)))
}

/// An instant, or `-`.
pub(crate) fn when(at: Option<Micros>) -> String {
    at.map_or_else(|| "-".to_owned(), time::format)
}

/// Puts an instant, or null.
pub(crate) fn put_when(line: &mut Object, name: &str, at: Option<Micros>) {
    line.maybe(name, at.map(time::format).as_deref());
}

/// Prints the rows of a table under their headings; nothing of no rows.
pub(crate) fn table(out: &mut Out, headings: &[&str], rows: Vec<Vec<String>>) -> Result<(), Failure> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut all = vec![headings.iter().map(|heading| (*heading).to_owned()).collect()];
    all.extend(rows);
    Ok(out.table(&all)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_instants() {
        assert_eq!(instant("2026-01-31").map(time::format).as_deref(), Ok("2026-01-31T00:00:00Z"));
        assert_eq!(instant("2026-01-31T12:00:00Z").map(time::format).as_deref(), Ok("2026-01-31T12:00:00Z"));
        assert!(instant("tomorrow").is_err() && instant("2026-02-30").is_err());
    }
}
