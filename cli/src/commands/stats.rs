//! `stats`: sizes and counts.

use crate::args::Global;
use crate::engine;
use crate::exit::Failure;
use crate::out::Out;

pub(crate) fn run(global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    Ok(out.fields(&engine::stats_fields(&store.stats()?))?)
}
