//! Sealed pages of an index file.
//!
//! ```text
//! page 4096 B   magic 4 │ version │ algorithm │ 0 │ 0 │ seal 48 │ ciphertext 4040
//! ```
//!
//! Header, store, file and page number are bound as associated data; K_index is fresh for every
//! file, so each page has a key of its own that seals once.

use zeroize::Zeroizing;

use crate::codec::Write;
use crate::crypto::{ALGORITHM, Label, OneTime, SEAL_LEN, derive};
use crate::error::{Error, Result};
use crate::id::{FileId, StoreId};

/// Bytes of a page on disk.
pub const PAGE_LEN: usize = 4096;
/// Bytes of a page's text.
pub const TEXT_LEN: usize = PAGE_LEN - HEADER_LEN - SEAL_LEN;
/// Version of an index with words.
pub const VERSION: u8 = 2;
/// Version of an index without words.
pub const WORDLESS: u8 = 1;

const HEADER_LEN: usize = 8;
const MAGIC: [u8; 4] = *b"EDIX";

const _: () = assert!(TEXT_LEN == 4040);

/// Which file a page belongs to.
#[derive(Clone, Copy)]
pub struct PageFile {
    /// The store.
    pub store: StoreId,
    /// The index file.
    pub file: FileId,
    /// Version of all its pages: [`VERSION`] or [`WORDLESS`].
    pub version: u8,
}

impl PageFile {
    const fn header(self) -> [u8; HEADER_LEN] {
        let [a, b, c, d] = MAGIC;
        [a, b, c, d, self.version, ALGORITHM, 0, 0]
    }
}

/// The version that a page claims, if it is one of an index that this program knows.
pub fn version_of(page: &[u8]) -> Option<u8> {
    let version = *page.get(4)?;
    (page.starts_with(&MAGIC) && matches!(version, WORDLESS | VERSION)).then_some(version)
}

/// Makes of a page that holds its text, see [`text_mut`], page `number`.
pub fn seal_in_place(of: PageFile, key: &[u8; 32], number: u32, page: &mut [u8; PAGE_LEN]) -> Result<()> {
    let wrong = || Error::invalid("a page is shorter than its header");
    let (header, rest) = page.split_first_chunk_mut::<HEADER_LEN>().ok_or_else(wrong)?;
    let (seal, text) = rest.split_first_chunk_mut::<SEAL_LEN>().ok_or_else(wrong)?;
    *header = of.header();
    *seal = one_time(of, key, number).seal(text)?;
    Ok(())
}

/// Where the text of a page stands: [`TEXT_LEN`] bytes.
pub fn text_mut(page: &mut [u8; PAGE_LEN]) -> &mut [u8] {
    &mut page[HEADER_LEN + SEAL_LEN..]
}

/// Opens a page in place and answers its text.
pub fn open<'a>(of: PageFile, key: &[u8; 32], number: u32, page: &'a mut [u8]) -> Result<&'a [u8]> {
    let wrong = || Error::corrupt("a page is shorter than its header");
    let (header, rest) = page.split_first_chunk_mut::<HEADER_LEN>().ok_or_else(wrong)?;
    let (seal, text) = rest.split_first_chunk_mut::<SEAL_LEN>().ok_or_else(wrong)?;
    if header[..4] != MAGIC {
        return Err(Error::corrupt("a page does not begin as an index page"));
    }
    if *header != of.header() {
        if version_of(&*header).is_some_and(|version| version != of.version) {
            return Err(Error::corrupt("a page is of another version than its file"));
        }
        let (version, algorithm) = (header[4], header[5]);
        return Err(Error::newer(format!("index page version {version} algorithm {algorithm} is unknown")));
    }
    one_time(of, key, number).open(seal, text)?;
    Ok(text)
}

/// The text of a page that was opened in place.
pub fn text(page: &[u8; PAGE_LEN]) -> &[u8] {
    &page[HEADER_LEN + SEAL_LEN..]
}

/// Sets the one wrong bit of a page right, if that makes it open.
pub fn set_bit_right(of: PageFile, key: &[u8; 32], number: u32, page: &mut [u8; PAGE_LEN]) -> bool {
    let (header, rest) = page.split_at_mut(HEADER_LEN);
    let wrong: u32 = header.iter().zip(of.header()).map(|(a, b)| (a ^ b).count_ones()).sum();
    let Some((seal, text)) = rest.split_first_chunk_mut::<SEAL_LEN>() else { return false };
    let one_time = one_time(of, key, number);
    if wrong == 1 {
        header.copy_from_slice(&of.header());
        return one_time.open(seal, &mut Zeroizing::new(text.to_vec())).is_ok();
    }
    match one_time.wrong_bit(seal, text) {
        Some(bit) if wrong == 0 => {
            rest[bit / 8] ^= 1 << (bit % 8);
            true
        }
        _ => false,
    }
}

fn one_time(of: PageFile, key: &[u8; 32], number: u32) -> OneTime {
    let mut aad = Vec::with_capacity(HEADER_LEN + 16 + 16 + 4);
    aad.put_bytes(&of.header());
    aad.put_bytes(&of.store.0);
    aad.put_bytes(&of.file.0);
    aad.put_u32(number);
    derive(Label::IndexPage, &[key], &[], &aad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    const OF: PageFile = PageFile { store: StoreId([1; 16]), file: FileId([2; 16]), version: VERSION };

    #[test]
    fn a_page_opens_at_its_place_only() {
        let mut page = [0; PAGE_LEN];
        text_mut(&mut page).fill(9);
        seal_in_place(OF, &[3; 32], 7, &mut page).unwrap();
        let mut page = page.to_vec();
        assert_eq!(open(OF, &[3; 32], 7, &mut page.clone()).unwrap(), [9; TEXT_LEN]);
        assert!(open(OF, &[3; 32], 8, &mut page.clone()).is_err());
        assert!(open(OF, &[4; 32], 7, &mut page.clone()).is_err());
        let other = PageFile { file: FileId([3; 16]), ..OF };
        assert!(open(other, &[3; 32], 7, &mut page.clone()).is_err());
        for bit in (0..PAGE_LEN * 8).step_by(37) {
            let mut flipped = page.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(open(OF, &[3; 32], 7, &mut flipped).is_err());
        }
        page[4] = WORDLESS;
        assert_eq!(open(OF, &[3; 32], 7, &mut page.clone()).unwrap_err().kind(), ErrorKind::Corrupt);
        page[4] = 3;
        assert_eq!(open(OF, &[3; 32], 7, &mut page).unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
