//! Body blocks that were opened, of all segments of a store, bounded in bytes; second chance for
//! blocks used again.
//!
//! They are plaintext. A segment takes its own away when it is cleared and when it is dropped, so
//! none outlives the index that led to it.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::id::FileId;
use crate::segment::block::OpenBlock;

/// Bytes kept at most.
const LIMIT: usize = 16 << 20;

/// An index file, which never comes back under its name, and a block of its table.
type Name = (FileId, u32);

/// Opened blocks.
#[derive(Default)]
pub struct OpenBlocks(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    bytes: usize,
    blocks: HashMap<Name, (Arc<OpenBlock>, bool)>,
    order: VecDeque<Name>,
}

impl OpenBlocks {
    /// A block that is kept.
    pub fn get(&self, index: FileId, number: u32) -> Option<Arc<OpenBlock>> {
        let mut kept = self.0.lock();
        let (block, used) = kept.blocks.get_mut(&(index, number))?;
        *used = true;
        Some(Arc::clone(block))
    }

    /// Keeps a block; others go for it.
    pub fn put(&self, index: FileId, number: u32, block: Arc<OpenBlock>) {
        let name = (index, number);
        let mut kept = self.0.lock();
        if block.memory() > LIMIT || kept.blocks.contains_key(&name) {
            return;
        }
        kept.bytes += block.memory();
        kept.blocks.insert(name, (block, false));
        kept.order.push_back(name);
        while kept.bytes > LIMIT {
            let Some(oldest) = kept.order.pop_front() else { return };
            match kept.blocks.get_mut(&oldest) {
                Some((_, used)) if *used => {
                    *used = false;
                    kept.order.push_back(oldest);
                }
                _ => kept.remove(&oldest),
            }
        }
    }

    /// Forgets, and thereby wipes, the blocks of an index file.
    pub fn forget(&self, index: FileId) {
        let mut kept = self.0.lock();
        if kept.blocks.is_empty() {
            return;
        }
        let Kept { bytes, blocks, order } = &mut *kept;
        blocks.retain(|name, (block, _)| {
            let stays = name.0 != index;
            *bytes -= if stays { 0 } else { block.memory() };
            stays
        });
        order.retain(|name| name.0 != index);
    }
}

impl Kept {
    fn remove(&mut self, name: &Name) {
        if let Some((block, _)) = self.blocks.remove(name) {
            self.bytes -= block.memory();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Seq;
    use crate::segment::block::{BlockBuilder, Compressor};

    fn block(len: usize) -> Arc<OpenBlock> {
        let mut builder = BlockBuilder::new();
        builder.add(Seq(1), &[0; 16], &vec![7; len]).unwrap();
        let text = Compressor::default().text(&builder.finish()).unwrap();
        Arc::new(OpenBlock::decode(&text).unwrap())
    }

    #[test]
    fn keeps_no_more_than_its_bytes_and_what_is_used_longest() {
        let kept = OpenBlocks::default();
        let (a, large) = (FileId([1; 16]), block(LIMIT / 10));
        for number in 0..30 {
            kept.put(a, number, Arc::clone(&large));
            assert!(kept.get(a, 0).is_some(), "block 0 is used again and again");
        }
        assert!(kept.0.lock().bytes <= LIMIT);
        assert!(kept.get(a, 1).is_none());
        kept.put(a, 99, block(LIMIT - 100));
        assert!(kept.get(a, 99).is_none());
    }

    #[test]
    fn an_index_takes_its_blocks_along() {
        let kept = OpenBlocks::default();
        let (a, b) = (FileId([1; 16]), FileId([2; 16]));
        kept.put(a, 0, block(10));
        kept.put(b, 0, block(10));
        kept.forget(a);
        assert!(kept.get(a, 0).is_none() && kept.get(b, 0).is_some());
        kept.forget(b);
        let kept = kept.0.lock();
        assert!(kept.bytes == 0 && kept.order.is_empty());
    }
}
