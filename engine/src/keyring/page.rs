//! One sealed page of the keyring files.
//!
//! ```text
//!  0  magic "KP"   2  kind   3  version   4  algorithm   5  zero ×3     header, 8 bytes
//!  8  seal: 32 bytes of commitment, 16 of tag
//! 56  ciphertext, 4,040 bytes
//! ```
//!
//! Associated data: header ‖ store id ‖ page number, so a page moved to another place or store
//! is refused. A page key is random, stands only in the page's parent (the root page's key is
//! derived from the slot's root), and seals once.

use zeroize::Zeroizing;

use crate::crypto::{ALGORITHM, Label, OneTime, SEAL_LEN, Seal, derive};
use crate::error::{Error, Result};
use crate::id::{Epoch, StoreId};

/// Length of a page on disk.
pub(super) const PAGE_LEN: usize = 4096;
/// Length of a page's text.
pub(super) const BODY_LEN: usize = PAGE_LEN - BODY_AT;
/// Where the ciphertext starts.
pub(super) const BODY_AT: usize = HEADER_LEN + SEAL_LEN;
/// "No page" in a link.
pub(super) const NO_PAGE: u32 = u32::MAX;

const HEADER_LEN: usize = 8;
const MAGIC: [u8; 2] = *b"KP";
const VERSION: u8 = 1;
const KIND_NODE: u8 = 1;
const KIND_FREE: u8 = 2;

const _: () = assert!(BODY_LEN == 4040);

/// Key bytes, wiped on drop.
pub(super) use crate::crypto::Secret;

/// A page and the key that opens it.
pub(super) type Link = (u32, Secret);

/// What opens a page.
#[derive(Clone, Copy)]
pub(super) enum Lock<'a> {
    /// The root page: the slot's root, a fresh salt, the epoch.
    Root { root: &'a [u8; 32], salt: &'a [u8; 32], epoch: Epoch },
    /// A page below: the key in its parent.
    Node(&'a [u8; 32]),
    /// A page of the free list: the key in HEAD or in the page before.
    Free(&'a [u8; 32]),
}

impl Lock<'_> {
    const fn header(&self) -> [u8; HEADER_LEN] {
        [MAGIC[0], MAGIC[1], self.kind(), VERSION, ALGORITHM, 0, 0, 0]
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::Root { .. } | Self::Node(_) => KIND_NODE,
            Self::Free(_) => KIND_FREE,
        }
    }

    fn one_time(&self, header: &[u8; HEADER_LEN], store: StoreId, place: u32) -> OneTime {
        let mut aad = [0u8; HEADER_LEN + 16 + 4];
        aad[..HEADER_LEN].copy_from_slice(header);
        aad[HEADER_LEN..HEADER_LEN + 16].copy_from_slice(&store.0);
        aad[HEADER_LEN + 16..].copy_from_slice(&place.to_le_bytes());
        match self {
            Self::Root { root, salt, epoch } => {
                let mut fresh = [0u8; 40];
                fresh[..32].copy_from_slice(*salt);
                fresh[32..].copy_from_slice(&epoch.0.to_le_bytes());
                derive(Label::KeyringRoot, &[*root], &fresh, &aad)
            }
            Self::Node(key) => derive(Label::KeyringPage, &[*key], &[], &aad),
            Self::Free(key) => derive(Label::KeyringFree, &[*key], &[], &aad),
        }
    }
}

/// Seals a page in place: its text stands at `BODY_AT`.
pub(super) fn seal(page: &mut [u8], lock: Lock<'_>, store: StoreId, place: u32) -> Result<()> {
    let header = lock.header();
    let seal = lock.one_time(&header, store, place).seal(&mut page[BODY_AT..])?;
    page[..HEADER_LEN].copy_from_slice(&header);
    page[HEADER_LEN..BODY_AT].copy_from_slice(&seal);
    Ok(())
}

/// The text of a page.
pub(super) fn open(page: &[u8], lock: Lock<'_>, store: StoreId, place: u32) -> Result<Zeroizing<Vec<u8>>> {
    let (header, rest) =
        page.split_first_chunk::<HEADER_LEN>().ok_or_else(|| Error::corrupt("page too short"))?;
    let (seal, cipher): (&Seal, _) =
        rest.split_first_chunk().ok_or_else(|| Error::corrupt("page too short"))?;
    if header[..2] != MAGIC || header[2] != lock.kind() || header[5..] != [0; 3] {
        return Err(Error::corrupt("not the header of such a page"));
    }
    if header[3] != VERSION || header[4] != ALGORITHM {
        let (version, algorithm) = (header[3], header[4]);
        return Err(Error::newer(format!("page version {version} algorithm {algorithm} is unknown")));
    }
    let mut body = Zeroizing::new(cipher.to_vec());
    lock.one_time(header, store, place).open(seal, &mut body)?;
    Ok(body)
}

/// Turns the bit of a page that may make it open; whether it does, opening tells.
pub(super) fn turn_wrong_bit(page: &mut [u8], lock: Lock<'_>, store: StoreId, place: u32) -> bool {
    let header = lock.header();
    let Some((found, rest)) = page.split_first_chunk_mut::<HEADER_LEN>() else { return false };
    let Some((seal, text)) = rest.split_first_chunk::<SEAL_LEN>() else { return false };
    let one_time = lock.one_time(&header, store, place);
    match found.iter().zip(header).map(|(a, b)| (a ^ b).count_ones()).sum() {
        0_u32 => match one_time.wrong_bit(seal, text) {
            Some(bit) => rest[bit / 8] ^= 1 << (bit % 8),
            None => return false,
        },
        1 => *found = header,
        _ => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binds_place_store_kind_and_every_byte() {
        let store = StoreId([1; 16]);
        let key = [2u8; 32];
        let mut page = vec![7u8; PAGE_LEN];
        seal(&mut page, Lock::Node(&key), store, 9).unwrap();
        assert_eq!(*open(&page, Lock::Node(&key), store, 9).unwrap(), vec![7u8; BODY_LEN]);
        assert!(open(&page, Lock::Node(&key), store, 8).is_err());
        assert!(open(&page, Lock::Node(&key), StoreId([2; 16]), 9).is_err());
        assert!(open(&page, Lock::Free(&key), store, 9).is_err());
        for i in 0..PAGE_LEN {
            page[i] ^= 1;
            assert!(open(&page, Lock::Node(&key), store, 9).is_err());
            page[i] ^= 1;
        }
        assert!(open(&page[..100], Lock::Node(&key), store, 9).is_err());
    }

    #[test]
    fn root_page_key_changes_with_salt_and_epoch() {
        let store = StoreId([1; 16]);
        let (root, salt, other) = ([2u8; 32], [3u8; 32], [4u8; 32]);
        let lock = |salt, epoch| Lock::Root { root: &root, salt, epoch: Epoch(epoch) };
        let mut page = vec![0u8; PAGE_LEN];
        seal(&mut page, lock(&salt, 1), store, 0).unwrap();
        assert!(open(&page, lock(&salt, 1), store, 0).is_ok());
        assert!(open(&page, lock(&other, 1), store, 0).is_err());
        assert!(open(&page, lock(&salt, 2), store, 0).is_err());
    }
}
