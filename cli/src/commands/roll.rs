//! `roll`: maintenance, moves the journal into a segment now.

use crate::args::Global;
use crate::engine;
use crate::exit::Failure;

pub(crate) fn run(global: &Global) -> Result<(), Failure> {
    let store = engine::open(global)?;
    store.roll()?;
    Ok(store.close()?)
}
