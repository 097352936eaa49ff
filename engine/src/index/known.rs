//! Terms that a segment looked up last: what its dictionary says of them, and the rare lists that
//! conjunctions asked.
//!
//! A search in the dictionary touches some twenty places in memory; a term that is known costs one.
//! Places of one cache line in pairs, so a term has two places where it can stand; keys are compared
//! whole. All of it is bounded by the segment's documents and wiped when it is forgotten.

use std::hash::BuildHasher;
use std::sync::{Arc, LazyLock};

use hashbrown::DefaultHashBuilder;
use parking_lot::Mutex;
use zeroize::Zeroize;

use crate::error::Result;
use crate::index::dictionary::{Entry, ListPlace};
use crate::index::part::{Asked, Term};
use crate::index::probe::List;

/// Bytes of a term's value that fit a place; longer terms are looked up each time.
const VALUE_MAX: usize = 36;
/// Documents for each of the places.
const DOCS_A_PLACE: u32 = 256;
const PLACES_MIN: usize = 16;
const PLACES_MAX: usize = 256;
/// Bytes of lists for each document.
const LIST_BYTES: usize = 2;
/// … and for a segment of any size.
const LIST_BYTES_MIN: usize = 1 << 12;

/// The terms of one segment that were looked up last.
pub struct Known {
    docs: u32,
    table: Mutex<Table>,
}

/// The few terms that were looked up last where no more is remembered. An erasure asks every segment
/// for the same person several times, as author and as subject, and opens ten pages of each dictionary
/// for it.
#[derive(Default)]
pub struct Last(Mutex<(usize, [Place; LAST])>);

/// Terms that are remembered so.
const LAST: usize = 4;

/// A term of a conjunction, and what is known of it.
pub struct Looked<'t> {
    /// The term.
    pub asked: &'t Asked,
    /// What the dictionary says.
    pub entry: Entry,
    /// Its list, if it was asked before.
    pub list: Option<Arc<List>>,
}

/// One for all segments, so that a query hashes each of its terms once.
static HASHER: LazyLock<DefaultHashBuilder> = LazyLock::new(DefaultHashBuilder::default);

/// Hash of a term, good in this process only.
pub fn hash_of(term: &Term) -> u64 {
    HASHER.hash_one((term.field as u8, term.value.as_slice()))
}

#[derive(Default)]
struct Table {
    /// None as long as nothing was looked up; two for each remainder of the hash.
    places: Vec<Place>,
    list_bytes: usize,
    /// Where to make room for lists next.
    hand: usize,
}

/// A term and what was found; one cache line.
#[derive(Default)]
#[repr(align(64))]
struct Place {
    list: Option<Arc<List>>,
    frequency: u32,
    /// [`Entry::others`]; [`UNKNOWN`] for none.
    others: u32,
    from: u32,
    to: u32,
    what: What,
    field: u8,
    len: u8,
    /// Of a pair, the one that was taken last.
    is_newer: bool,
    value: Value,
}

struct Value([u8; VALUE_MAX]);

/// Stands for "not known": no segment has so many documents.
const UNKNOWN: u32 = u32::MAX;

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum What {
    /// Nothing stands here.
    #[default]
    Empty,
    /// The dictionary does not have the term.
    Absent,
    Inline,
    Apart,
}

impl Known {
    /// Of a segment with so many documents; nothing is known yet.
    pub fn new(docs: u32) -> Self {
        Self { docs, table: Mutex::default() }
    }

    /// What was found; `None` if that is not known any more.
    pub fn get(&self, term: &Term, hash: u64) -> Option<Option<Entry>> {
        self.table.lock().find(hash, term).map(|place| place.entry())
    }

    /// What was found of each term of a conjunction, at once: the absent, which nobody wants, are
    /// left out. `None` if a term is not known any more; `Some(false)` if one that is wanted is
    /// absent.
    pub fn look<'t>(&self, terms: &'t [Asked], found: &mut Vec<Looked<'t>>) -> Option<bool> {
        let mut table = self.table.lock();
        for asked in terms {
            let place = table.find(asked.hash, &asked.term)?;
            match place.entry() {
                Some(entry) => found.push(Looked { asked, entry, list: place.list.clone() }),
                None if asked.wanted => return Some(false),
                None => {}
            }
        }
        Some(true)
    }

    /// Remembers what was found.
    pub fn put(&self, term: &Term, hash: u64, found: Option<&Entry>) {
        let mut table = self.table.lock();
        if table.places.is_empty() {
            table.places.resize_with(self.places(), Place::default);
        }
        if table.find(hash, term).is_none() {
            table.insert(hash, term, found);
        }
    }

    /// The list of a term, made at first use and kept as long as there is room.
    pub fn list(&self, term: &Term, hash: u64, make: impl FnOnce() -> Result<List>) -> Result<Arc<List>> {
        if let Some(list) = self.table.lock().find(hash, term).and_then(|place| place.list.clone()) {
            return Ok(list);
        }
        let list = Arc::new(make()?);
        self.table.lock().keep(hash, term, &list, self.list_bytes_max());
        Ok(list)
    }

    /// Bytes that it takes at most.
    pub fn memory_max(&self) -> usize {
        self.places() * size_of::<Place>() + self.list_bytes_max()
    }

    fn places(&self) -> usize {
        let places = (self.docs / DOCS_A_PLACE).next_power_of_two() as usize;
        places.clamp(PLACES_MIN, PLACES_MAX)
    }

    fn list_bytes_max(&self) -> usize {
        LIST_BYTES_MIN.max(LIST_BYTES * self.docs as usize)
    }

    /// Forgets, and thereby wipes, all of it.
    pub fn clear(&self) {
        *self.table.lock() = Table::default();
    }

    /// Bytes of lists that are kept.
    pub fn list_bytes(&self) -> usize {
        self.table.lock().list_bytes
    }

    /// How many terms are known.
    pub fn len(&self) -> usize {
        self.table.lock().places.iter().filter(|place| place.what != What::Empty).count()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Last {
    /// What was found; `None` if others were looked up since.
    pub fn get(&self, term: &Term) -> Option<Option<Entry>> {
        self.0.lock().1.iter().find(|place| place.is(term)).map(Place::entry)
    }

    /// Remembers what was found; the oldest goes.
    pub fn put(&self, term: &Term, found: Option<&Entry>) {
        let (oldest, places) = &mut *self.0.lock();
        if places.iter().any(|place| place.is(term)) {
            return;
        }
        if let Some(place) = places.get_mut(*oldest % LAST)
            && place.set(term, found)
        {
            *oldest = (*oldest + 1) % LAST;
        }
    }

    /// Forgets, and thereby wipes them.
    pub fn clear(&self) {
        self.0.lock().1.iter_mut().for_each(Place::empty);
    }
}

impl Table {
    fn pair(&mut self, hash: u64) -> &mut [Place] {
        // A power of two.
        let pairs = self.places.len() / 2;
        let at = (hash as usize & pairs.saturating_sub(1)) * 2;
        self.places.get_mut(at..at + 2).unwrap_or_default()
    }

    fn find(&mut self, hash: u64, term: &Term) -> Option<&mut Place> {
        self.pair(hash).iter_mut().find(|place| place.is(term))
    }

    /// Of the two places the one that was taken first is taken.
    fn insert(&mut self, hash: u64, term: &Term, found: Option<&Entry>) {
        let [first, second] = self.pair(hash) else { return };
        let (older, newer) = if first.is_newer { (second, first) } else { (first, second) };
        let gone = older.list_bytes();
        if older.set(term, found) {
            (older.is_newer, newer.is_newer) = (true, false);
            self.list_bytes -= gone;
        }
    }

    fn keep(&mut self, hash: u64, term: &Term, list: &Arc<List>, most: usize) {
        let len = list.bytes_len();
        if len > most || self.find(hash, term).is_none_or(|place| place.list.is_some()) {
            return;
        }
        while self.list_bytes + len > most && self.list_bytes > 0 {
            self.hand = (self.hand + 1) % self.places.len().max(1);
            let Some(place) = self.places.get_mut(self.hand) else { return };
            let freed = place.list_bytes();
            place.list = None;
            self.list_bytes -= freed;
        }
        if let Some(place) = self.find(hash, term) {
            place.list = Some(Arc::clone(list));
            self.list_bytes += len;
        }
    }
}

impl Place {
    /// Takes what was found of a term instead of what it had; false, and nothing done, where that does
    /// not fit. Written where it stands: what is moved leaves a copy on the stack.
    fn set(&mut self, term: &Term, found: Option<&Entry>) -> bool {
        let (what, from, to) = match found.map(|entry| &entry.list) {
            None => (What::Absent, 0, 0),
            Some(ListPlace::Inline(range)) => (What::Inline, range.start as u64, range.end as u64),
            Some(ListPlace::Apart(range)) => (What::Apart, range.start, range.end),
        };
        let (Ok(from), Ok(to), Ok(len)) =
            (u32::try_from(from), u32::try_from(to), u8::try_from(term.value.len()))
        else {
            return false;
        };
        if usize::from(len) > VALUE_MAX {
            return false;
        }
        self.empty();
        if let Some(value) = self.value.0.get_mut(..term.value.len()) {
            value.copy_from_slice(&term.value);
        }
        (self.what, self.field, self.len, self.from, self.to) = (what, term.field as u8, len, from, to);
        if let Some(entry) = found {
            (self.frequency, self.others) = (entry.frequency, entry.others.unwrap_or(UNKNOWN));
        }
        true
    }

    /// Wipes it where it stands.
    fn empty(&mut self) {
        (self.list, self.what) = (None, What::Empty);
        self.value.0.zeroize();
        self.frequency.zeroize();
        self.others.zeroize();
        self.from.zeroize();
        self.to.zeroize();
        self.len.zeroize();
    }

    fn is(&self, term: &Term) -> bool {
        self.what != What::Empty
            && self.field == term.field as u8
            && self.value.0.get(..usize::from(self.len)) == Some(term.value.as_slice())
    }

    fn entry(&self) -> Option<Entry> {
        let list = match self.what {
            What::Empty | What::Absent => return None,
            What::Inline => ListPlace::Inline(self.from as usize..self.to as usize),
            What::Apart => ListPlace::Apart(u64::from(self.from)..u64::from(self.to)),
        };
        let others = Some(self.others).filter(|others| *others != UNKNOWN);
        Some(Entry { frequency: self.frequency, others, list })
    }

    fn list_bytes(&self) -> usize {
        self.list.as_ref().map_or(0, |list| list.bytes_len())
    }
}

impl Default for Value {
    fn default() -> Self {
        Self([0; VALUE_MAX])
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.empty();
    }
}

const _: () = assert!(size_of::<Place>() == 64);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::part::Field;
    use proptest::prelude::*;

    fn term(n: usize) -> Term {
        Term { field: if n.is_multiple_of(2) { Field::Tag } else { Field::Subject }, value: vec![7; n / 2] }
    }

    fn entry(n: usize) -> Option<Entry> {
        let list = match n % 3 {
            0 => return None,
            1 => ListPlace::Inline(n..n + 9),
            _ => ListPlace::Apart(n as u64..n as u64 + 99),
        };
        Some(Entry { frequency: n as u32, others: (!n.is_multiple_of(4)).then_some(n as u32 / 4), list })
    }

    fn list(n: usize) -> List {
        List::new(&vec![0; n], n as u32, 1_000).unwrap()
    }

    proptest! {
        #[test]
        fn knows_the_truth_or_nothing(asked in proptest::collection::vec((0usize..200, any::<bool>()), 0..400), docs in 0u32..200_000) {
            let known = Known::new(docs);
            let most = LIST_BYTES_MIN.max(LIST_BYTES * docs as usize);
            for (n, with_list) in asked {
                if let Some(found) = known.get(&term(n), hash_of(&term(n))) {
                    prop_assert_eq!(found, entry(n));
                } else {
                    known.put(&term(n), hash_of(&term(n)), entry(n).as_ref());
                    prop_assert_eq!(known.get(&term(n), hash_of(&term(n))).is_some(), n / 2 <= VALUE_MAX);
                }
                if with_list {
                    let got = known.list(&term(n), hash_of(&term(n)), || Ok(list(n))).unwrap();
                    prop_assert_eq!(got.bytes_len(), list(n).bytes_len());
                }
                prop_assert!(known.len() <= PLACES_MAX && known.list_bytes() <= most);
            }
            let sum: usize = known.table.lock().places.iter().map(Place::list_bytes).sum();
            prop_assert_eq!(sum, known.list_bytes());
            known.clear();
            prop_assert!(known.is_empty() && known.list_bytes() == 0);
        }
    }

    #[test]
    fn the_last_terms_are_known_until_others_come() {
        let last = Last::default();
        let asked = [1, 2, 3, 6, 199, 7, 8, 2];
        for (nth, n) in asked.into_iter().enumerate() {
            last.put(&term(n), entry(n).as_ref());
            last.put(&term(n), entry(n).as_ref());
            let fits: Vec<_> = asked[..=nth].iter().copied().filter(|n| n / 2 <= VALUE_MAX).collect();
            let (gone, known) = fits.split_at(fits.len().saturating_sub(LAST));
            assert!(known.iter().all(|n| last.get(&term(*n)) == Some(entry(*n))));
            assert!(gone.iter().all(|n| known.contains(n) || last.get(&term(*n)).is_none()));
        }
        last.clear();
        assert!(asked.iter().all(|n| last.get(&term(*n)).is_none()));
    }

    #[test]
    fn what_is_forgotten_is_wiped() {
        let known = Known::new(1_000);
        known.put(&term(2), hash_of(&term(2)), entry(2).as_ref());
        let held = known.list(&term(2), hash_of(&term(2)), || Ok(list(2))).unwrap();
        let again = known.list(&term(2), hash_of(&term(2)), || unreachable!("it was kept")).unwrap();
        assert!(Arc::ptr_eq(&held, &again));
        let weak = Arc::downgrade(&held);
        drop((held, again));
        assert!(weak.upgrade().is_some());
        known.clear();
        assert!(weak.upgrade().is_none(), "nobody holds it any more");
    }
}
