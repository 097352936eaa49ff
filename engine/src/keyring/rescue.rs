//! A page that opens in neither copy: put together of what is good in each, or with one bit turned.
//! Whatever is tried, the seal proves it: nothing else than the page that was written opens.

use crate::id::StoreId;
use crate::keyring::files::Opened;
use crate::keyring::page::{self, Lock, PAGE_LEN};

/// Disks lose whole sectors; where copies differ in many places, they are taken sector by sector.
const SECTOR_LEN: usize = 512;
/// Copies that differ in more pieces are not put together: each piece doubles the attempts.
const PIECES_MAX: usize = 8;

const _: () = assert!(PAGE_LEN / SECTOR_LEN <= PIECES_MAX);

/// The page, of its copies that could be read.
pub(super) fn rescue(copies: &[Vec<u8>], lock: Lock<'_>, store: StoreId, place: u32) -> Option<Opened> {
    let of_both = match copies {
        [a, b] => put_together(a, b, lock, store, place),
        _ => None,
    };
    of_both.or_else(|| {
        copies.iter().find_map(|copy| {
            let mut raw = copy.clone();
            page::turn_wrong_bit(&mut raw, lock, store, place).then_some(())?;
            opened(raw, lock, store, place)
        })
    })
}

fn opened(raw: Vec<u8>, lock: Lock<'_>, store: StoreId, place: u32) -> Option<Opened> {
    let body = page::open(&raw, lock, store, place).ok()?;
    Some(Opened { raw, body })
}

/// Where the copies differ, one of them may be right: each piece from either.
fn put_together(a: &[u8], b: &[u8], lock: Lock<'_>, store: StoreId, place: u32) -> Option<Opened> {
    let pieces =
        [1, SECTOR_LEN].into_iter().map(|len| differing(a, b, len)).find(|p| p.len() <= PIECES_MAX)?;
    // All from one copy is what was read, and did not open.
    (1..(1_usize << pieces.len()).saturating_sub(1)).find_map(|choice| {
        let mut raw = a.to_vec();
        for (_, piece) in pieces.iter().enumerate().filter(|(i, _)| choice >> i & 1 == 1) {
            raw[piece.clone()].copy_from_slice(&b[piece.clone()]);
        }
        opened(raw, lock, store, place)
    })
}

/// Pieces of `len` bytes in which the copies differ.
fn differing(a: &[u8], b: &[u8], len: usize) -> Vec<std::ops::Range<usize>> {
    let starts = (0..a.len().min(b.len())).step_by(len);
    starts.map(|at| at..(at + len).min(a.len())).filter(|r| a[r.clone()] != b[r.clone()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::page::BODY_AT;

    const STORE: StoreId = StoreId([1; 16]);
    const KEY: [u8; 32] = [2; 32];

    fn sealed() -> Vec<u8> {
        let mut page: Vec<u8> = (0..PAGE_LEN).map(|i| (i % 251) as u8).collect();
        page::seal(&mut page, Lock::Node(&KEY), STORE, 9).unwrap();
        page
    }

    fn rescued(a: &[u8], b: &[u8]) -> bool {
        let good = sealed();
        let found = rescue(&[a.to_vec(), b.to_vec()], Lock::Node(&KEY), STORE, 9);
        found.is_some_and(|o| o.raw == good && o.body[..] == page_text()[..])
    }

    fn page_text() -> Vec<u8> {
        page::open(&sealed(), Lock::Node(&KEY), STORE, 9).unwrap().to_vec()
    }

    fn flipped(bits: &[usize]) -> Vec<u8> {
        let mut page = sealed();
        bits.iter().for_each(|bit| page[bit / 8] ^= 1 << (bit % 8));
        page
    }

    #[test]
    fn another_wrong_bit_in_each_copy() {
        for bit in (0..PAGE_LEN * 8).step_by(977) {
            let other = (bit + 4099) % (PAGE_LEN * 8);
            assert!(rescued(&flipped(&[bit]), &flipped(&[other])), "{bit}");
            // In one byte: neither copy of it is right.
            assert!(rescued(&flipped(&[bit]), &flipped(&[bit ^ 1])), "{bit}");
        }
        assert!(rescued(&flipped(&[7232, 77, 9000]), &flipped(&[5, 20_000, 30_000])));
    }

    #[test]
    fn the_same_wrong_bit_in_both_copies() {
        for bit in [0, 17, 30, 63, 64, 300, BODY_AT * 8 - 1, BODY_AT * 8, PAGE_LEN * 8 - 1] {
            assert!(rescued(&flipped(&[bit]), &flipped(&[bit])), "{bit}");
            let alone = rescue(&[flipped(&[bit])], Lock::Node(&KEY), STORE, 9);
            assert!(alone.is_some_and(|o| o.raw == sealed()), "{bit}");
        }
    }

    #[test]
    fn other_sectors_of_each_copy() {
        let zeroed = |sectors: &[usize]| {
            let mut page = sealed();
            sectors.iter().for_each(|s| page[s * SECTOR_LEN..][..SECTOR_LEN].fill(0));
            page
        };
        assert!(rescued(&zeroed(&[0, 3, 4]), &zeroed(&[1, 7])));
        assert!(!rescued(&zeroed(&[3]), &zeroed(&[3, 5])));
    }

    #[test]
    fn nothing_else_comes_back() {
        let two = flipped(&[900, 20_000]);
        assert!(!rescued(&two, &two));
        let elsewhere = rescue(&[sealed(), flipped(&[9])], Lock::Node(&KEY), STORE, 8);
        assert!(elsewhere.is_none());
        assert!(rescue(&[vec![0; PAGE_LEN], vec![0; PAGE_LEN]], Lock::Node(&KEY), STORE, 9).is_none());
        assert!(rescue(&[], Lock::Node(&KEY), STORE, 9).is_none());
    }
}
