//! `verify`: is everything there, and unchanged?

use std::path::PathBuf;

use escrowdb::ErrorKind;

use crate::args::Global;
use crate::commands::evidence;
use crate::engine::{self, Share, VerifyOptions};
use crate::exit::Failure;
use crate::json::Object;
use crate::out::Out;
use crate::progress::Progress;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Read and open every record too, not only the keys and indexes.
    #[arg(long)]
    read_data: bool,
    /// Look at the n-th of m shares of pages and blocks only; all m runs together look at all.
    #[arg(long, value_name = "n/m", value_parser = share)]
    subset: Option<Share>,
    /// Write back what parity, copies or one turned bit bring back; build anew what can be.
    #[arg(long)]
    repair: bool,
    /// With --repair: give up what nothing brings back. It leaves the store for good and is named by
    /// every later check.
    #[arg(long, requires = "repair")]
    accept_losses: bool,
    /// A checkpoint that was kept elsewhere: is all that it counts there, unchanged?
    #[arg(long, value_name = "CHECKPOINT")]
    against: Option<PathBuf>,
}

fn share(text: &str) -> Result<Share, String> {
    let parts = text.split_once('/').and_then(|(n, m)| Some((n.parse().ok()?, m.parse().ok()?)));
    let (n, m) = parts.ok_or_else(|| "a subset is n/m, for example 3/7".to_owned())?;
    Share::new(n, m).map_err(|e| e.to_string())
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let earlier = args.against.as_deref().map(evidence::checkpoint).transpose()?;
    let store = if args.accept_losses { engine::open_past_damage(global)? } else { engine::open(global)? };
    let mut options = VerifyOptions::default();
    options.read_data = args.read_data;
    options.repair = args.repair;
    options.accept_losses = args.accept_losses;
    options.share = args.subset.unwrap_or_default();
    let mut bar: Option<Progress> = None;
    let mut shown = 0;
    let report = store.verify_each(&options, |at| {
        bar.get_or_insert_with(|| Progress::records(at.of)).advance(at.records - shown);
        shown = at.records;
    });
    if let Some(bar) = &mut bar {
        bar.finish();
    }
    let mut report = report?;
    let against = match earlier.as_ref().map(|earlier| store.verify_against(earlier)).transpose() {
        // What keeps it from being compared is damage too; what else was found is told all the same.
        Err(e) if e.kind() == ErrorKind::Corrupt => {
            report.damage.push(format!("against the checkpoint: {e}"));
            None
        }
        against => against?,
    };
    report.damage.extend(against.iter().filter(|a| !a.holds()).map(ToString::to_string));
    let damaged = report.damage.len();
    if out.json() {
        let mut line = Object::new();
        line.flag("ok", damaged == 0);
        for (name, value) in engine::verify_fields(&report) {
            line.raw(name, &value.json());
        }
        line.texts("damage", &report.damage);
        line.number("repairable", report.repairable);
        line.texts("repaired", &report.repaired);
        line.texts("given_up", &report.given_up);
        if let Some(against) = &against {
            line.flag("continues", against.holds());
        }
        out.line(&line.finish())?;
    } else {
        out.fields(&engine::verify_fields(&report))?;
        for damage in &report.damage {
            out.line(&format!("damaged: {damage}"))?;
        }
        for repaired in &report.repaired {
            out.line(&format!("repaired: {repaired}"))?;
        }
        for given_up in &report.given_up {
            out.line(&format!("lost: {given_up}"))?;
        }
        if let Some(against) = against.iter().find(|a| a.holds()) {
            out.line(&against.to_string())?;
        }
    }
    out.flush()?;
    if damaged > 0 {
        return Err(escrowdb::Error::corrupt(format!("{damaged} places are damaged"))
            .hint(match (report.repairable, args.repair) {
                (0, _) => "keep the folder as it is and restore these parts from a backup",
                (_, true) => "what can be had back could not be written: see to the disk, and repeat",
                (_, false) => "repeat with --repair; what that can't repair must come from a backup",
            })
            .into());
    }
    Ok(())
}
