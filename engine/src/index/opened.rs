//! What was opened of one index: its sections, and what queries made of them. Each is made at first
//! use and kept until it is cleared, or until other indexes of the store need the room.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use parking_lot::RwLock;
use zeroize::Zeroizing;

use crate::error::Result;
use crate::index::dense::Spread;
use crate::index::dictionary::Dictionary;
use crate::index::known::{Known, Last};
use crate::index::sections::{IdTable, Lengths, Places, SortKeys};
use crate::index::sketches::Sketches;
use crate::segment::BlockRef;
use crate::segment::budget::{Account, Budget, Holder};

/// Of one index file under one key.
pub(crate) struct Opened {
    pub(super) blocks: Lazy<Vec<BlockRef>>,
    /// Their classes alone: a sixteenth of it, and nothing is made of the rest.
    pub(super) classes: Lazy<Zeroizing<Vec<u32>>>,
    pub(super) dictionary: Lazy<Dictionary>,
    pub(super) postings: Lazy<Zeroizing<Vec<u8>>>,
    pub(super) keys: Lazy<SortKeys>,
    pub(super) places: Lazy<Places>,
    pub(super) ids: Lazy<IdTable>,
    pub(super) lengths: Lazy<Lengths>,
    pub(super) positions: Lazy<Zeroizing<Vec<u8>>>,
    /// Made of the dictionary.
    pub(super) sketches: Lazy<Sketches>,
    /// How often ids were sought without it.
    pub(super) sought: AtomicU32,
    /// How often terms were sought without the dictionary, and lists read without the postings.
    pub(super) terms_sought: AtomicU32,
    pub(super) lists_sought: AtomicU32,
    /// How often positions were read without all of them.
    pub(super) runs_sought: AtomicU32,
    pub(super) by_seq: Lazy<Zeroizing<Vec<u32>>>,
    /// The documents of default kinds.
    pub(super) default_bits: Lazy<Zeroizing<Vec<u8>>>,
    /// Found in the dictionary, so counted with it: as much as it can take.
    pub(super) known: Known,
    pub(super) asked_last: Last,
    /// Made of the postings and kept with them only, so counted with them.
    pub(super) spread: Spread,
    used: AtomicBool,
    account: Account,
    budget: Arc<Budget>,
}

/// Made at first use, and again after it was cleared.
pub(super) struct Lazy<T> {
    place: RwLock<Option<Arc<T>>>,
    /// Bytes that come with it.
    aside: usize,
}

/// Says how many bytes it takes in memory, about.
pub(super) trait Memory {
    /// Bytes.
    fn memory(&self) -> usize;
}

impl Opened {
    /// Nothing yet, of an index with so many documents.
    pub(super) fn new(docs: u32, budget: Arc<Budget>) -> Self {
        let known = Known::new(docs);
        Self {
            blocks: Lazy::new(0),
            classes: Lazy::new(0),
            dictionary: Lazy::new(known.memory_max()),
            postings: Lazy::new(Spread::memory_max(docs)),
            keys: Lazy::new(0),
            places: Lazy::new(0),
            ids: Lazy::new(0),
            lengths: Lazy::new(0),
            positions: Lazy::new(0),
            sketches: Lazy::new(0),
            sought: AtomicU32::new(0),
            terms_sought: AtomicU32::new(0),
            lists_sought: AtomicU32::new(0),
            runs_sought: AtomicU32::new(0),
            by_seq: Lazy::new(0),
            default_bits: Lazy::new(0),
            known,
            asked_last: Last::default(),
            spread: Spread::default(),
            used: AtomicBool::new(false),
            account: Account::default(),
            budget,
        }
    }

    /// What stands at a place, or what `load` makes; kept if there is room for it at all.
    pub(super) fn get<T: Memory>(
        self: &Arc<Self>,
        place: impl FnOnce(&Self) -> &Lazy<T>,
        load: impl FnOnce() -> Result<T>,
    ) -> Result<Arc<T>> {
        let Lazy { place, aside } = place(self);
        self.touch();
        if let Some(value) = &*place.read() {
            return Ok(Arc::clone(value));
        }
        // Loaded under the lock: who clears waits for it, and finds it.
        let mut place = place.write();
        if let Some(value) = &*place {
            return Ok(Arc::clone(value));
        }
        let value = Arc::new(load()?);
        let bytes = value.memory() + aside;
        if self.budget.takes(bytes) {
            *place = Some(Arc::clone(&value));
            self.budget.charge(self, bytes);
        }
        Ok(value)
    }

    /// Notes that it is used: others go before it.
    pub(super) fn touch(&self) {
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    /// Forgets, and thereby wipes, everything that was opened. It waits for sections that are being opened;
    /// a list that a query makes of them meanwhile is put down behind it, see [`Self::forget_lists`].
    pub(super) fn clear(&self) {
        self.each(|lazy| {
            let bytes = lazy.take(true);
            self.budget.release(&self.account, bytes);
        });
        self.forget_lists();
    }

    /// Bytes that are counted.
    pub(super) fn bytes(&self) -> usize {
        self.account.bytes()
    }

    /// Forgets, and thereby wipes, what was looked up last, and lists made of it. It waits for nobody: who
    /// must be sure of all keeps queries away, or calls it once more when none that began before is left.
    pub(super) fn forget_lists(&self) {
        self.known.clear();
        self.asked_last.clear();
        self.spread.clear();
        for sought in [&self.sought, &self.terms_sought, &self.lists_sought, &self.runs_sought] {
            sought.store(0, Ordering::Relaxed);
        }
    }

    fn each(&self, mut f: impl FnMut(&dyn Place)) {
        let Self { blocks, dictionary, postings, keys, places, ids, by_seq, default_bits, .. } = self;
        let Self { classes, lengths, positions, sketches, .. } = self;
        let all: [&dyn Place; 12] = [
            blocks,
            classes,
            dictionary,
            postings,
            keys,
            places,
            ids,
            by_seq,
            default_bits,
            lengths,
            positions,
            sketches,
        ];
        all.into_iter().for_each(&mut f);
    }
}

impl Holder for Opened {
    fn was_used(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }

    fn let_go(&self) -> usize {
        let mut bytes = 0;
        self.each(|lazy| bytes += lazy.take(false));
        self.forget_lists();
        bytes
    }

    fn account(&self) -> &Account {
        &self.account
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.budget.leave(&self.account);
    }
}

/// A [`Lazy`] of whatever type.
trait Place {
    /// Forgets what was made and answers how many bytes that were; what is being made is waited
    /// for or left.
    fn take(&self, wait: bool) -> usize;
}

impl<T: Memory> Place for Lazy<T> {
    fn take(&self, wait: bool) -> usize {
        let place = if wait { Some(self.place.write()) } else { self.place.try_write() };
        let gone = place.and_then(|mut place| place.take());
        gone.map_or(0, |value| value.memory() + self.aside)
    }
}

impl<T> Lazy<T> {
    fn new(aside: usize) -> Self {
        Self { place: RwLock::new(None), aside }
    }

    /// Whether it was made.
    pub(super) fn is_made(&self) -> bool {
        self.place.read().is_some()
    }

    /// What was made.
    pub(super) fn peek(&self) -> Option<Arc<T>> {
        self.place.read().clone()
    }
}

impl Memory for Vec<BlockRef> {
    fn memory(&self) -> usize {
        self.iter().map(|block| size_of::<BlockRef>() + size_of_val(block.subjects.as_slice())).sum()
    }
}

impl Memory for Dictionary {
    fn memory(&self) -> usize {
        self.bytes_len()
    }
}

impl Memory for Zeroizing<Vec<u8>> {
    fn memory(&self) -> usize {
        self.len()
    }
}

impl Memory for Zeroizing<Vec<u32>> {
    fn memory(&self) -> usize {
        size_of_val(self.as_slice())
    }
}
