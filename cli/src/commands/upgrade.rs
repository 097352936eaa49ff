//! `upgrade`: brings a store to the format of this program.
//!
//! From format 1 every index is written anew with words; from 2 to 3 nothing is. Where there is nothing to do it says so:
//! a script that calls it after each installation of a new program stays right. What a format promises
//! is stated in `docs/FORMAT.md`, section 14.

use escrowdb::Error;
use escrowdb::store::UpgradeReport;

use crate::args::Global;
use crate::engine;
use crate::exit::Failure;
use crate::json::Object;
use crate::out::Out;
use crate::progress::Line;

pub(crate) fn run(global: &Global, out: &mut Out) -> Result<(), Failure> {
    // Opening refuses what a newer program wrote, by every file that carries a version.
    let store = engine::open(global)?;
    let mut progress = Line::new();
    let done = store.upgrade(|report| {
        progress.show(&format!("{} indexes written, {} left", report.rebuilt, report.left))
    });
    progress.finish();
    let report = done?;
    store.close()?;
    let line = if out.json() {
        Object::new()
            .number("format", report.to.into())
            .flag("upgraded", report.from != report.to || report.rebuilt > 0)
            .number("from", report.from.into())
            .number("indexes", report.rebuilt)
            .number("damaged", report.damaged)
            .finish()
    } else {
        shown(&report)
    };
    out.line(&line)?;
    if report.damaged > 0 {
        out.flush()?;
        let what = format!("{} segments can't be read whole and have no words yet", report.damaged);
        return Err(Error::corrupt(what)
            .hint("`escrow verify --repair`, then `escrow upgrade` again")
            .into());
    }
    Ok(())
}

fn shown(report: &UpgradeReport) -> String {
    let UpgradeReport { from, to, rebuilt, .. } = report;
    match (from == to, rebuilt) {
        (true, 0) => format!("format {to}: nothing to do"),
        (true, _) => format!("format {to}: {rebuilt} indexes that were left got words"),
        (false, 0) => format!("format {to}, was {from}"),
        (false, _) => format!("format {to}, was {from}: {rebuilt} indexes got words"),
    }
}
