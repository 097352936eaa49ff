//! `retention`: what becomes of records whose time is over.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Subcommand;
use escrowdb::record::time;

use crate::args::Global;
use crate::commands::{class, register};
use crate::durable::DurableFile;
use crate::engine::{self, ClassReport, ForReview, InQuarantine, RetentionReport, TakenBack};
use crate::exit::Failure;
use crate::json::{Object, array};
use crate::out::{Out, clean, note};
use crate::outside::Outside;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Erase the records whose longest time is over, and which no hold and no lock keeps; restrict those whose class says
    /// so: they are seen with a case only.
    Run {
        /// Say what would go and what would be restricted, and change nothing.
        #[arg(long)]
        dry_run: bool,
        /// Write the certificate to this file.
        #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
        certificate: Option<PathBuf>,
    },
    /// Show for each class how many records are due, and when the next will be.
    Status,
    /// List the records that are due for review, without what they say: those of classes that end in `review`.
    ///
    /// Whoever looked erases each (`erase --record`), holds it until it is looked at again (`hold place --review`), or
    /// leaves it on the list. What a hold, a restriction or a lock keeps is not on it.
    Due {
        /// Of this class only.
        #[arg(long, value_name = "CODE")]
        class: Option<String>,
    },
}

impl Command {
    /// Whether it shows records.
    pub(crate) const fn reads(&self) -> bool {
        matches!(self, Self::Due { .. })
    }
}

pub(crate) fn run(command: &Command, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let (dry_run, certificate) = match command {
        Command::Run { dry_run, certificate } => (dry_run, certificate),
        Command::Status => return print(&engine::open(global)?.retention(true)?, out),
        Command::Due { class } => return due(class.as_deref(), global, out),
    };
    let place = certificate.as_deref().map(|file| Outside::of(global, file)).transpose()?;
    let store = engine::open(global)?;
    // Before anything is destroyed: is there a place for the certificate?
    let mut file = place.as_ref().map(DurableFile::create).transpose()?;
    let report = store.retention(*dry_run)?;
    for certificate in &report.certificates {
        if let Some(file) = &mut file {
            let written = writeln!(file, "{}", certificate.to_json());
            written.map_err(|e| Failure::io("write the certificate", e))?;
        }
        note(&format!("erased; certificate: escrow certificate {}", certificate.request));
    }
    file.map(DurableFile::commit).transpose()?;
    print(&report, out)?;
    Ok(store.close()?)
}

fn due(class: Option<&str>, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    let all = store.for_review(&engine::as_named(global), class)?;
    store.close()?;
    if out.json() {
        return all.iter().try_for_each(|one| Ok(out.line(&due_line(one))?));
    }
    let row = |one: &ForReview| {
        let [time, since] = [one.time, one.since].map(time::format);
        let (id, conversation) = (clean(&one.id), clean(&one.conversation));
        vec![one.class.clone(), id, conversation, one.kind.name().to_owned(), time, since]
    };
    register::table(
        out,
        &["class", "id", "conversation", "kind", "time", "since"],
        all.iter().map(row).collect(),
    )?;
    let mut counts: Vec<(&str, u64)> = Vec::new();
    for one in &all {
        match counts.last_mut() {
            Some((class, count)) if *class == one.class => *count += 1,
            _ => counts.push((&one.class, 1)),
        }
    }
    counts.iter().try_for_each(|(class, count)| Ok(out.line(&format!("{class}: {count} due for review"))?))
}

fn due_line(one: &ForReview) -> String {
    Object::new()
        .text("class", &one.class)
        .number("seq", one.seq.0)
        .text("id", &one.id)
        .text("conversation", &one.conversation)
        .text("kind", one.kind.name())
        .text("time", &time::format(one.time))
        .text("since", &time::format(one.since))
        .finish()
}

fn print(report: &RetentionReport, out: &mut Out) -> Result<(), Failure> {
    if out.json() {
        let classes: Vec<String> = report.classes.iter().map(line).collect();
        let requests: Vec<String> = report.certificates.iter().map(|one| one.request.to_string()).collect();
        let all = Object::new()
            .text("at", &time::format(report.at))
            .raw("classes", &array(&classes))
            .raw("taken_back", &report.taken_back.as_ref().map_or_else(|| "null".to_owned(), taken_back))
            .number("deferred", report.deferred)
            .number("restricted", report.restricted)
            .raw("quarantine", &report.quarantine.as_ref().map_or_else(|| "null".to_owned(), in_quarantine))
            .texts("requests", &requests)
            .finish();
        return Ok(out.line(&all)?);
    }
    if report.deferred > 0 {
        let people = report.deferred;
        out.line(&format!(
            "{people} erasures that were done in part are completed: nothing is kept any more"
        ))?;
    }
    if report.restricted > 0 {
        let records = report.restricted;
        out.line(&format!("{records} records whose time is over are restricted: seen with a case only"))?;
    }
    if let Some(of) = &report.taken_back {
        let next = of.next.map(|next| format!("; the grace of the next ends {}", time::format(next)));
        let (due, held, locked, next) = (of.due, of.held, of.locked, next.unwrap_or_default());
        out.line(&format!("taken back by users: {due} due, {held} held, {locked} locked{next}"))?;
    }
    if let Some(of) = &report.quarantine {
        let next = of.next.map(|next| format!("; the time of the next ends {}", time::format(next)));
        let (all, due, held, locked, next) =
            (of.records, of.due, of.held, of.locked, next.unwrap_or_default());
        out.line(&format!("in quarantine: {all}, {due} due, {held} held, {locked} locked{next}"))?;
    }
    if report.classes.is_empty() && (report.taken_back.is_some() || report.quarantine.is_some()) {
        return Ok(());
    }
    if report.classes.is_empty() {
        return Ok(out.line("no classes are defined: everything is kept")?);
    }
    let head = ["class", "records", "due", "then", "restricted", "held", "locked", "next due"]
        .map(str::to_owned)
        .to_vec();
    let row = |class: &ClassReport| {
        let next = class.next.map_or_else(|| "-".to_owned(), time::format);
        let number = |n: u64| n.to_string();
        vec![
            class.code.clone(),
            number(class.records),
            number(class.due),
            class::then_name(class.then).to_owned(),
            number(class.restricted),
            number(class.held),
            number(class.locked),
            next,
        ]
    };
    let rows: Vec<_> = std::iter::once(head).chain(report.classes.iter().map(row)).collect();
    Ok(out.table(&rows)?)
}

fn in_quarantine(of: &InQuarantine) -> String {
    Object::new()
        .number("records", of.records)
        .number("due", of.due)
        .number("held", of.held)
        .number("locked", of.locked)
        .maybe("next", of.next.map(time::format).as_deref())
        .finish()
}

fn taken_back(of: &TakenBack) -> String {
    Object::new()
        .number("due", of.due)
        .number("held", of.held)
        .number("locked", of.locked)
        .maybe("next", of.next.map(time::format).as_deref())
        .finish()
}

fn line(class: &ClassReport) -> String {
    Object::new()
        .text("class", &class.code)
        .flag("active", class.active)
        .text("then", class::then_name(class.then))
        .number("records", class.records)
        .number("due", class.due)
        .number("restricted", class.restricted)
        .number("held", class.held)
        .number("locked", class.locked)
        .maybe("next", class.next.map(time::format).as_deref())
        .finish()
}
