//! The tree as files that anybody may have: C2SP tiles, hashes and nothing else.

use crate::error::Result;
use crate::merkle::checkpoint::SignedCheckpoint;
use crate::merkle::tile::Tile;
use crate::state::State;

/// Tiles that are read at a time, 8 KiB each: rolls wait for so long.
const AT_A_TIME: usize = 64;

/// Hands out the tiles of a checkpoint that its first `from` leaves did not have.
pub(crate) fn tiles(
    state: &State,
    from: u64,
    to: &SignedCheckpoint,
    put: &mut dyn FnMut(Tile, &[u8]) -> Result<()>,
) -> Result<()> {
    to.verify(&state.log_trust()?)?;
    let head = to.unverified();
    state.tree_now()?.must_continue(head)?;
    // What stands in a tree of more leaves already is the same.
    let mut new =
        Tile::all(head.size).filter(|t| Tile::at(t.level, t.index, from.min(head.size)) != Some(*t));
    loop {
        let batch: Vec<Tile> = new.by_ref().take(AT_A_TIME).collect();
        if batch.is_empty() {
            return Ok(());
        }
        let mut read = Vec::with_capacity(batch.len());
        {
            let mut tree = state.tree_now()?;
            for tile in batch {
                read.push((tile, tree.tile(tile)?.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>()));
            }
        }
        read.iter().try_for_each(|(tile, bytes)| put(*tile, bytes))?;
    }
}
