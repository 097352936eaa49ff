//! `verify`: is everything there, and unchanged?

use crate::args::Global;
use crate::engine::{self, VerifyOptions};
use crate::exit::Failure;
use crate::json::Object;
use crate::out::Out;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Read and open every record too, not only the keys and indexes.
    #[arg(long)]
    read_data: bool,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    let mut options = VerifyOptions::default();
    options.read_data = args.read_data;
    let report = store.verify(&options)?;
    let damaged = report.damage.len();
    if out.json() {
        let mut line = Object::new();
        line.flag("ok", damaged == 0);
        for (name, value) in engine::verify_fields(&report) {
            line.raw(name, &value.json());
        }
        line.texts("damage", &report.damage);
        out.line(&line.finish())?;
    } else {
        out.fields(&engine::verify_fields(&report))?;
        for damage in &report.damage {
            out.line(&format!("damaged: {damage}"))?;
        }
    }
    out.flush()?;
    if damaged > 0 {
        return Err(escrowdb::Error::corrupt(format!("{damaged} places are damaged"))
            .hint("keep the folder as it is and restore these parts from a backup")
            .into());
    }
    Ok(())
}
