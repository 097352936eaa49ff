//! An index whose page 0 is lost beyond parity. What page 0 says of the sections is not needed for
//! the two block tables: they begin on page 1, stand one behind the other, each from the beginning
//! of a page, and end where they say. With them and the bodies the rest can be built anew.

use zeroize::Zeroizing;

use crate::codec::Reader;
use crate::index::page::TEXT_LEN;
use crate::index::tables::read_blocks;

/// The text of a page, if it opens.
pub(super) type Text = Option<Zeroizing<Vec<u8>>>;

/// Length of the block table, from the pages behind page 0; `None` if no length fits.
pub(super) fn block_table_len(pages: &[Text]) -> Option<usize> {
    let whole = pages.iter().take_while(|page| page.is_some()).count();
    if let Some(len) = ends_in(pages, 0, whole) {
        return Some(len);
    }
    // A page of the first table is lost: the second has it, so many pages behind as the table takes.
    (1..=pages.len() / 2).filter(|taken| stands_twice(pages, *taken)).find_map(|taken| {
        let len = ends_in(pages, taken, taken)?;
        (len.div_ceil(TEXT_LEN) == taken).then_some(len)
    })
}

/// Whether a table of so many pages may stand there twice: each page is the same both times, as far as
/// both open. Mostly the first that is looked at is another, so that looking at every number of pages
/// doesn't cost its square.
fn stands_twice(pages: &[Text], taken: usize) -> bool {
    let both = pages.iter().zip(pages.get(taken..).unwrap_or_default()).take(taken);
    both.filter_map(|(first, second)| first.as_ref().zip(second.as_ref())).all(|(a, b)| a == b)
}

/// Length of the table in the first `taken` pages, each of which may stand `behind` pages later too.
fn ends_in(pages: &[Text], behind: usize, taken: usize) -> Option<usize> {
    let mut text = Zeroizing::new(Vec::with_capacity(taken * TEXT_LEN));
    for number in 0..taken {
        let first = pages.get(number)?.as_ref();
        text.extend_from_slice(first.or_else(|| pages.get(number + behind)?.as_ref())?);
    }
    let mut r = Reader::new(&text);
    read_blocks(&mut r).ok()?;
    let len = r.position();
    let padding = text.get(len..len.next_multiple_of(TEXT_LEN))?;
    padding.iter().all(|byte| *byte == 0).then_some(len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::PersonNumber;
    use crate::index::tables::encode_blocks;
    use crate::segment::BlockRef;

    #[test]
    fn the_table_is_found_as_long_as_each_page_stands_once() {
        for count in [0, 1, 50, 700] {
            let block = |i: u64| BlockRef {
                file: 0,
                offset: 8 + i * 500,
                len: 480,
                r_block: Zeroizing::new([i as u8; 16]),
                subjects: vec![PersonNumber(i)],
                class: 0,
                expiry: 0,
            };
            let table = encode_blocks(&(0..count).map(block).collect::<Vec<_>>());
            let mut bytes = table.to_vec();
            bytes.resize(table.len().next_multiple_of(TEXT_LEN), 0);
            let taken = bytes.len() / TEXT_LEN;
            let text = [&bytes[..], &bytes, &[7; 3 * TEXT_LEN]].concat();
            let pages: Vec<Text> =
                text.chunks(TEXT_LEN).map(|page| Some(Zeroizing::new(page.to_vec()))).collect();
            assert_eq!(block_table_len(&pages), Some(table.len()));
            for lost in 0..taken {
                let mut one = pages.clone();
                one[lost] = None;
                assert_eq!(block_table_len(&one), Some(table.len()), "{count} blocks, page {lost}");
                one[lost + taken] = None;
                assert_eq!(block_table_len(&one), None, "{count} blocks, page {lost} twice");
            }
        }
        assert_eq!(block_table_len(&[]), None);
    }

    /// A large index without a block table that opens: each number of pages was gathered and read, which
    /// took minutes.
    #[test]
    fn a_table_that_is_not_there_is_not_sought_for_minutes() {
        let page = |n: usize| Some(Zeroizing::new(n.to_le_bytes().repeat(TEXT_LEN / 8)));
        let mut pages: Vec<Text> = (1..20_000).map(page).collect();
        for lost in [0, 0, 9_998] {
            pages[lost] = None;
            assert_eq!(block_table_len(&pages), None);
        }
    }
}
