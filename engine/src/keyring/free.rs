//! Which pages may be written: never one of the current tree, of the tree before it (which the
//! other HEAD record names), or of a snapshot that still lives.
//!
//! The list stands sealed in pages of its own, chained from HEAD and written anew at each commit:
//!
//! ```text
//! next page u32 (all ones: none) ‖ next key 32 ‖ length u16 ‖ part of the list
//! list: count ‖ gaps of the free pages ‖ count ‖ gaps of the pages freed by this commit   (varints)
//! ```

use crate::codec::{Reader, Write};
use crate::error::{Error, Result};
use crate::keyring::entry::secret;
use crate::keyring::page::{BODY_LEN, Link, NO_PAGE};

/// Room for the list in one page.
pub(super) const CHUNK_LEN: usize = BODY_LEN - CHUNK_AT;
const CHUNK_AT: usize = 4 + 32 + 2;

/// The allocator's state between commits.
#[derive(Default)]
pub(super) struct Space {
    pub(super) pages: u32,
    free: Vec<u32>,
    retired: Vec<Retired>,
}

/// Pages that a commit left behind.
struct Retired {
    /// The last commit whose tree has them.
    last: u64,
    places: Vec<u32>,
    /// The prepared commit that wrote them and may yet be published.
    draft: Option<u64>,
}

/// Taking pages for one commit; the state changes only when it is settled.
pub(super) struct Draft {
    free: Vec<u32>,
    taken: usize,
    pages: u32,
}

impl Space {
    /// State after opening commit `sequence`.
    pub(super) fn new(pages: u32, free: Vec<u32>, freed: Vec<u32>, sequence: u64) -> Self {
        let last = sequence.saturating_sub(1);
        Self { pages, free, retired: vec![Retired { last, places: freed, draft: None }] }
    }

    /// Pages for the commit after `current`; `oldest` is the oldest living snapshot.
    pub(super) fn draft(&mut self, current: u64, oldest: u64) -> Draft {
        // The trees of `current` and of the commit before it stand in HEAD.
        let usable = |r: &Retired| r.last.saturating_add(2) <= current && r.last < oldest;
        let mut more = false;
        for r in self.retired.extract_if(.., |r| usable(r)) {
            self.free.extend(r.places);
            more = true;
        }
        if more {
            self.free.sort_unstable();
        }
        Draft { free: self.free.clone(), taken: 0, pages: self.pages }
    }

    /// Pages that the record of the commit after `current` lists as free and as freed by it.
    pub(super) fn lists(&self, draft: &Draft, freed: &[u32], current: u64) -> (Vec<u32>, Vec<u32>) {
        let mut free = draft.free[draft.taken..].to_vec();
        let mut left = freed.to_vec();
        for r in &self.retired {
            if r.last < current { &mut free } else { &mut left }.extend_from_slice(&r.places);
        }
        free.sort_unstable();
        left.sort_unstable();
        (free, left)
    }

    /// After HEAD names the pages of a prepared commit: they are kept until the next HEAD write.
    pub(super) fn settle(&mut self, draft: Draft, written: Vec<u32>, current: u64, id: u64) {
        self.pages = draft.pages;
        self.free = draft.free;
        self.free.drain(..draft.taken.min(self.free.len()));
        self.retired.push(Retired { last: current, places: written, draft: Some(id) });
    }

    /// The prepared commit became the current one. `false` if it is unknown.
    pub(super) fn publish(&mut self, id: u64, freed: Vec<u32>, before: u64) -> bool {
        let Some(at) = self.retired.iter().position(|r| r.draft == Some(id)) else { return false };
        self.retired.swap_remove(at);
        self.retired.push(Retired { last: before, places: freed, draft: None });
        true
    }
}

impl Draft {
    /// The next page; numbers ascend.
    pub(super) fn take(&mut self) -> Result<u32> {
        if let Some(place) = self.free.get(self.taken) {
            self.taken += 1;
            return Ok(*place);
        }
        if self.pages == NO_PAGE {
            return Err(Error::invalid("the keyring is at its largest size"));
        }
        self.pages += 1;
        Ok(self.pages - 1)
    }

    pub(super) const fn pages(&self) -> u32 {
        self.pages
    }
}

/// The bytes of both lists: places of pages that are free, and of pages that the last commit freed,
/// each ascending.
pub fn encode(free: &[u32], freed: &[u32]) -> Vec<u8> {
    let mut out = Vec::with_capacity(free.len() + freed.len() + 16);
    for list in [free, freed] {
        out.put_varint(list.len() as u64);
        let mut next = 0;
        for place in list {
            out.put_varint(u64::from(*place) - next);
            next = u64::from(*place) + 1;
        }
    }
    out
}

/// Both lists of a tree of `pages` pages.
///
/// # Errors
///
/// Corrupt if a place lies outside the tree, or bytes are missing or left.
pub fn decode(bytes: &[u8], pages: u32) -> Result<(Vec<u32>, Vec<u32>)> {
    let mut r = Reader::new(bytes);
    let lists = (decode_list(&mut r, pages)?, decode_list(&mut r, pages)?);
    r.finish()?;
    Ok(lists)
}

fn decode_list(r: &mut Reader<'_>, pages: u32) -> Result<Vec<u32>> {
    let count = r.count(r.remaining())?;
    let mut out = Vec::with_capacity(count);
    let mut next = 0u64;
    for _ in 0..count {
        let place = r.varint()?.checked_add(next).filter(|p| *p < u64::from(pages));
        let place = place.ok_or_else(|| Error::corrupt("free page outside the file"))?;
        next = place + 1;
        out.push(place as u32);
    }
    Ok(out)
}

/// One page of the chain.
pub(super) fn encode_chunk(body: &mut [u8], next: Option<&Link>, part: &[u8]) {
    body[..4].copy_from_slice(&next.map_or(NO_PAGE, |n| n.0).to_le_bytes());
    if let Some((_, key)) = next {
        body[4..36].copy_from_slice(&key[..]);
    }
    body[36..38].copy_from_slice(&(part.len() as u16).to_le_bytes());
    body[CHUNK_AT..CHUNK_AT + part.len()].copy_from_slice(part);
}

pub(super) fn decode_chunk(body: &[u8]) -> Result<(Option<Link>, &[u8])> {
    let mut r = Reader::new(body);
    let place = r.u32()?;
    let key = secret(&mut r)?;
    let len = usize::from(r.u16()?);
    let part = r.bytes(len)?;
    Ok(((place != NO_PAGE).then_some((place, key)), part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_page_waits_for_head_and_snapshots() {
        let mut s = Space::new(10, vec![1], vec![2], 5);
        let mut d = s.draft(5, 5);
        assert_eq!([d.take().unwrap(), d.take().unwrap()], [1, 10]);
        s.settle(d, vec![1, 10], 5, 1);
        // Discarded: HEAD still names 1 and 10.
        let mut d = s.draft(5, 5);
        assert_eq!(d.take().unwrap(), 11);
        assert_eq!(s.lists(&d, &[3], 5), (vec![2], vec![1, 3, 10]));
        s.settle(d, vec![11], 5, 2);
        assert!(s.publish(2, vec![3], 5) && !s.publish(2, vec![], 5));
        let mut d = s.draft(6, 6);
        assert_eq!([d.take().unwrap(), d.take().unwrap()], [2, 12]);
        let mut pinned = s.draft(7, 4);
        assert_eq!(pinned.take().unwrap(), 2);
        assert_eq!(pinned.take().unwrap(), 12);
        let mut d = s.draft(7, 7);
        let _ = d.take();
        assert_eq!([d.take().unwrap(), d.take().unwrap(), d.take().unwrap()], [2, 3, 10]);
    }

    proptest! {
        #[test]
        fn list_round_trip(a in proptest::collection::btree_set(0u32..100_000, 0..500),
                           b in proptest::collection::btree_set(0u32..100_000, 0..50)) {
            let (a, b): (Vec<_>, Vec<_>) = (a.into_iter().collect(), b.into_iter().collect());
            prop_assert_eq!(decode(&encode(&a, &b), 100_000).unwrap(), (a, b));
        }

        #[test]
        fn decode_never_panics(bytes: Vec<u8>) {
            let _ = decode(&bytes, 50);
            let _ = decode_chunk(&bytes);
        }
    }
}
