//! `upgrade`: brings a store to the format of this program.
//!
//! There is one format so far, so there is nothing to bring anywhere. The verb stands already: a
//! script that calls it after each installation of a new program stays right. What a later format
//! will do here is stated in `docs/FORMAT.md`, section 14.

use crate::args::Global;
use crate::engine;
use crate::exit::Failure;
use crate::json::Object;
use crate::out::Out;

pub(crate) fn run(global: &Global, out: &mut Out) -> Result<(), Failure> {
    // Opening refuses what a newer program wrote, by every file that carries a version.
    engine::open(global)?.close()?;
    let format = escrowdb::FORMAT_VERSION;
    let line = if out.json() {
        Object::new().number("format", format.into()).flag("upgraded", false).finish()
    } else {
        format!("format {format}: nothing to do")
    };
    Ok(out.line(&line)?)
}
