//! `residency`: what the store says of the place where it lives, signed by the log's key.

use std::path::PathBuf;

use clap::Subcommand;
use escrowdb::record::time;
use escrowdb::verify::residency::{Residency, SignedResidency};

use crate::args::Global;
use crate::commands::register;
use crate::durable;
use crate::engine;
use crate::exit::Failure;
use crate::json::{Object, array};
use crate::out::{Out, clean};
use crate::outside::Outside;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sign what the store says: its region, its log, and what happened elsewhere, on which basis.
    ///
    /// It attests what was said, and proves no place: where disks stand no program knows.
    Report {
        /// The file; `escrow verify-residency` checks it.
        #[arg(long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Show what happened outside of the store's region.
    List,
}

pub(crate) fn run(command: &Command, global: &Global, out: &mut Out) -> Result<(), Failure> {
    match command {
        Command::Report { output } => report(output, global, out),
        Command::List => list(global, out),
    }
}

fn report(output: &std::path::Path, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let place = Outside::of(global, output)?;
    let store = engine::open(global)?;
    let report = store.residency()?.to_string();
    let key = store.verifier_key()?;
    durable::write(&place, report.as_bytes())?;
    if out.json() {
        let line =
            Object::new().text("region", store.region()).text("key", &key).text("report", &report).finish();
        return Ok(out.line(&line)?);
    }
    out.line(&format!("signed by {key}, in {}", place.path().display()))?;
    Ok(out.line(&format!("not proved: {}", SignedResidency::limits()))?)
}

fn list(global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    let mut rows = Vec::new();
    for made in store.registers().transfers.iter() {
        let of = &made.transfer;
        let by = register::name(&store, made.by)?;
        if out.json() {
            let mut line = Object::new();
            line.text("what", of.what.name()).text("region", &of.region).text("basis", &of.basis);
            register::put_when(&mut line, "at", Some(made.at));
            out.line(&line.text("by", &by).number("seq", made.seq.0).finish())?;
            continue;
        }
        let (at, basis) = (register::when(Some(made.at)), clean(&of.basis));
        rows.push(vec![at, of.what.name().to_owned(), of.region.clone(), basis, by]);
    }
    register::table(out, &["at", "what", "region", "basis", "by"], rows)
}

/// What a verified report says.
pub(super) fn show(of: &Residency, out: &mut Out) -> Result<(), Failure> {
    if out.json() {
        let transfers: Vec<String> = of
            .transfers
            .iter()
            .map(|(seq, at, transfer)| {
                let mut line = Object::new();
                line.number("seq", seq.0).text("at", &time::format(*at)).text("what", transfer.what.name());
                line.text("region", &transfer.region).text("basis", &transfer.basis).finish()
            })
            .collect();
        let mut line = Object::new();
        line.flag("ok", true).text("origin", &of.origin).text("store", &of.store).text("region", &of.region);
        line.text("at", &time::format(of.at)).number("size", of.size).text("root", &of.root.to_string());
        line.text("slot_grade", &of.grade).raw("transfers", &array(&transfers));
        line.text("does_not_prove", SignedResidency::limits());
        return Ok(out.line(&line.finish())?);
    }
    out.line(&format!(
        "proved: the log {} said at {}, signed by its key:",
        clean(&of.origin),
        time::format(of.at)
    ))?;
    out.line(&match of.region.as_str() {
        "" => "  no region was named".to_owned(),
        region => format!("  its region is {}", clean(region)),
    })?;
    out.line(&format!(
        "  store {}, {} positions of the log, slot of grade {}",
        clean(&of.store),
        of.size,
        clean(&of.grade)
    ))?;
    for (seq, at, transfer) in &of.transfers {
        let (what, region, basis) = (transfer.what.name(), clean(&transfer.region), clean(&transfer.basis));
        out.line(&format!(
            "  {what} in {region} at {}, position {seq}, on the basis of {basis}",
            time::format(*at)
        ))?;
    }
    Ok(out.line(&format!("not proved: {}", SignedResidency::limits()))?)
}
