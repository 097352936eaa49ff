//! Blocks that are open while records are gathered from them, bounded in bytes of memory.
//!
//! What stands in the file says little of that: a block of it may be 250 times as long when it is
//! open. Who takes records in order of their groups finds most blocks open that he needs again.

use std::hash::Hash;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::error::Result;
use crate::segment::block::{OpenBlock, RAW_MAX};

/// Bytes that are open at most, but for one block, which may be as long.
pub const OPEN_MAX: usize = RAW_MAX;

/// Open blocks by whatever names them; wiped when they go.
pub struct Gathered<K> {
    blocks: HashMap<K, Arc<OpenBlock>>,
    bytes: usize,
}

impl<K: Hash + Eq> Gathered<K> {
    /// None yet.
    pub fn new() -> Self {
        Self { blocks: HashMap::new(), bytes: 0 }
    }

    /// A block that is open, or the one that `open` opens; where it finds no room, all others go.
    pub fn get(&mut self, name: K, open: impl FnOnce() -> Result<OpenBlock>) -> Result<Arc<OpenBlock>> {
        if let Some(block) = self.blocks.get(&name) {
            return Ok(Arc::clone(block));
        }
        let block = Arc::new(open()?);
        if self.bytes + block.memory() > OPEN_MAX {
            self.clear();
        }
        self.bytes += block.memory();
        self.blocks.insert(name, Arc::clone(&block));
        Ok(block)
    }

    /// Lets go of all.
    pub fn clear(&mut self) {
        self.blocks.clear();
        self.bytes = 0;
    }
}

impl<K: Hash + Eq> Default for Gathered<K> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::id::Seq;
    use crate::segment::block::{BlockBuilder, Compressor};

    #[test]
    fn counts_what_is_open_not_what_is_sealed() {
        let mut builder = BlockBuilder::new();
        builder.add(Seq(1), &[0; 16], &vec![7; OPEN_MAX / 4]).unwrap();
        let text = Compressor::default().text(&builder.finish()).unwrap();
        assert!(text.len() * 100 < OPEN_MAX / 4, "it shrinks");
        let open = || OpenBlock::decode(&text);
        let mut gathered = Gathered::new();
        let mut seen = Vec::new();
        for number in 0..20 {
            seen.push(Arc::downgrade(&gathered.get(number, open).unwrap()));
            let alive: usize = seen.iter().filter_map(|block| Some(block.upgrade()?.memory())).sum();
            assert!(alive <= OPEN_MAX, "{alive} bytes are open");
        }
        assert!(seen.iter().filter(|block| block.strong_count() > 0).count() > 1);
        gathered.get(19, || Err(Error::corrupt("it is open"))).unwrap();
        gathered.clear();
        assert!(seen.iter().all(|block| block.strong_count() == 0), "and so wiped");
    }
}
