//! Where the bytes of a store go, by part, and which of them are dead. Exact, as defined beside
//! each number, while nothing is rolled, compacted or erased; else files of that work may count
//! as nobody's.

use std::collections::HashSet;
use std::path::Path;

use crate::compact::policy::Policy;
use crate::compact::survey;
use crate::error::{Error, Result};
use crate::state::{RESERVE_FILE, State};
use crate::view::Rolled;

/// Bytes of a store's folder by part. Each byte counts once, [`Self::reclaimable`] apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Space {
    /// Sealed body blocks that a block table names, without the salts in them; the zeros that pad
    /// a block's text to 32 bytes count here.
    pub bodies: u64,
    /// Salts of the records' leaves in these blocks, 16 bytes each: they don't compress.
    pub salts: u64,
    /// Pages of indexes, without zeros and parity.
    pub index: u64,
    /// Hashes of the log.
    pub leaves: u64,
    /// Key tree, twice, and `HEAD`.
    pub keys: u64,
    /// Journals, with what is allocated ahead.
    pub journals: u64,
    /// Parity of segments, indexes, log and journals.
    pub parity: u64,
    /// Headers of body files, and zeros that fill the pages of indexes and body files.
    pub padding: u64,
    /// Room kept for erasures.
    pub reserve: u64,
    /// Sealed body blocks that no block table names, because their records were erased or moved;
    /// and whole files that the key tree doesn't name.
    pub dead: u64,
    /// Whatever else lies there.
    pub other: u64,
    /// Of the dead bytes, those that the next `compact` gives back: what stands in body files of
    /// which one 32nd or more is dead.
    pub reclaimable: u64,
}

impl Space {
    /// All of it but the dead.
    pub const fn live(&self) -> u64 {
        self.bodies
            + self.salts
            + self.index
            + self.leaves
            + self.keys
            + self.journals
            + self.parity
            + self.padding
            + self.reserve
            + self.other
    }

    /// All of it.
    pub const fn total(&self) -> u64 {
        self.live() + self.dead
    }
}

/// Measures the folder of an open store.
pub fn measure(state: &State) -> Result<Space> {
    let segments = state.view.read().segments.clone();
    let mut space = Space::default();
    let mut named: HashSet<String> = HashSet::new();
    for segment in &segments {
        named.extend(segment.entry.file_names().iter().map(|n| n.to_string_lossy().into_owned()));
        add_segment(&mut space, segment)?;
    }
    let io = |e| Error::io("measure the store's folder", e);
    let (vfs, dir) = (&state.env.vfs, &state.env.dir);
    for name in vfs.list(dir).map_err(io)? {
        if named.contains(&name) {
            continue;
        }
        let path = dir.join(&name);
        // A folder can't be mapped; the log's files lie in one.
        match vfs.map(&path).and_then(|f| f.len()) {
            Ok(len) => *part(&mut space, &name) += len,
            Err(_) if path.extension().is_none() => {
                for inner in vfs.list(&path).unwrap_or_default() {
                    let len = vfs.map(&path.join(&inner)).and_then(|f| f.len()).unwrap_or(0);
                    *part(&mut space, &inner) += len;
                }
            }
            Err(_) => {}
        }
    }
    Ok(space)
}

/// The part that a file which is no segment's counts to.
fn part<'a>(space: &'a mut Space, name: &str) -> &'a mut u64 {
    let kind = Path::new(name).extension().and_then(|e| e.to_str()).unwrap_or_default();
    match (name, kind) {
        (RESERVE_FILE, _) => &mut space.reserve,
        ("HEAD" | "keyring.a" | "keyring.b", _) => &mut space.keys,
        (_, "par") => &mut space.parity,
        (_, "jrn") => &mut space.journals,
        // Nobody's: the next opening removes it.
        (_, "idx" | "seg") => &mut space.dead,
        _ if name.starts_with("level-") => &mut space.leaves,
        _ if name.starts_with("parity-") => &mut space.parity,
        _ => &mut space.other,
    }
}

fn add_segment(space: &mut Space, segment: &Rolled) -> Result<()> {
    let (pages, zeros) = segment.part.index_room();
    space.index += pages - zeros;
    space.padding += zeros;
    space.parity += segment.part.index_len() - pages;
    let salts = 16 * u64::from(segment.entry.docs);
    space.salts += salts;
    for (file, body) in survey::bodies(segment)?.iter().enumerate() {
        let data = segment.part.body(file)?.data_len();
        space.bodies += body.live;
        space.dead += body.dead;
        space.parity += body.bytes - data;
        space.padding += data - body.live - body.dead;
        if Policy::THOROUGH.is_thin(body) {
            space.reclaimable += body.dead;
        }
    }
    space.bodies -= salts.min(space.bodies);
    Ok(())
}
