//! HEAD: two alternating records, each on two pages of 4 KiB. A commit stands or falls with it.
//!
//! ```text
//!   0  magic "ESCDHEAD"      8  version   9  algorithm   10  zero ×6
//!  16  store id             32  epoch    40  sequence    48  salt, 32 bytes
//!  80  seal, 48 bytes      128  ciphertext to the end of the page:
//!      root page u32 ‖ root salt 32 ‖ pages u32 ‖ free list page u32, key 32 ‖ log size u64, root 32
//!      ‖ needed u32 ‖ needed to write u32 ‖ zeros
//! ```
//!
//! What a later version writes that an earlier one would overlook, it announces by a bit of *needed*
//! or *needed to write*. This version knows [`WORDS`], [`EVIDENCE`] and [`RULES`], and reads to write: it refuses all others. A
//! bit that was set stays set in every later record.
//!
//! The first 80 bytes are the associated data; the key comes from the slot's root and the salt.

use zeroize::Zeroizing;

use crate::codec::{Reader, Write};
use crate::crypto::{ALGORITHM, Label, SEAL_LEN, Seal, derive};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{Epoch, StoreId};
use crate::keyring::entry::secret;
use crate::keyring::page::{Link, NO_PAGE, PAGE_LEN};

/// Name of the file in the store's folder.
pub const HEAD_FILE: &str = "HEAD";

/// Length of the file.
pub(super) const HEAD_LEN: usize = 4 * PAGE_LEN;

/// Bit of *needed*: indexes with words may stand in the store. It sets format 2 apart from format 1.
pub const WORDS: u32 = 1;

/// Bit of *needed*: what tells of evidence may stand in the store: keys of the log that came later, heads
/// that were signed, acts and the people of their periods. It sets format 3 apart from format 2.
pub const EVIDENCE: u32 = 2;

/// Version of the on-disk format that new stores have. Frozen: every later program reads it, and this
/// one reads those before it (`docs/FORMAT.md`, section 14).
pub const FORMAT_VERSION: u32 = 4;

/// Bit of *needed*: what tells of rules may stand in the store: records that name another as their target,
/// records of registers, retention classes in indexes. It sets format 4 apart from format 3.
pub const RULES: u32 = 4;

/// What a new store needs: all that this program knows.
pub const KNOWN: u32 = WORDS | EVIDENCE | RULES;

const MAGIC: [u8; 8] = *b"ESCDHEAD";
const VERSION: u8 = 1;
const CLEAR_LEN: usize = 80;
const TEXT_AT: usize = CLEAR_LEN + SEAL_LEN;
/// Zeros behind version and algorithm.
const UNUSED: std::ops::Range<usize> = 10..16;

/// Size and root hash of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogHead {
    /// Number of leaves.
    pub size: u64,
    /// Merkle root.
    pub root: [u8; 32],
}

/// What a HEAD record says that is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of the commit, one more each time.
    pub sequence: u64,
    /// Epoch of the root it is sealed under.
    pub epoch: Epoch,
    /// The log at this commit.
    pub log: LogHead,
    /// Pages of each page file.
    pub pages: u32,
    /// What a reader must know: [`WORDS`], [`EVIDENCE`] and [`RULES`], as far as they may stand there.
    pub needed: u32,
}

impl Head {
    /// Whether indexes with words may stand in the store, and new ones are to have words.
    pub const fn has_words(&self) -> bool {
        self.needed & WORDS != 0
    }

    /// Whether what tells of evidence may be written.
    pub const fn has_evidence(&self) -> bool {
        self.needed & EVIDENCE != 0
    }

    /// Whether what tells of rules may be written.
    pub const fn has_rules(&self) -> bool {
        self.needed & RULES != 0
    }
}

/// A HEAD record.
pub(super) struct Record {
    pub(super) head: Head,
    pub(super) root_page: u32,
    pub(super) root_salt: [u8; 32],
    /// First page of the free list and its key.
    pub(super) free: Option<Link>,
}

/// The record that counts, and how surely.
pub(super) struct Chosen {
    pub(super) record: Record,
    /// Which of the two records it is.
    pub(super) index: usize,
    pub(super) page: Vec<u8>,
    pub(super) proved_newest: bool,
}

impl Record {
    /// The page of this record.
    pub(super) fn seal(&self, store: StoreId, root: &[u8; 32], salt: &[u8; 32]) -> Result<Vec<u8>> {
        let mut page = Vec::with_capacity(PAGE_LEN);
        page.put_bytes(&MAGIC);
        page.put_bytes(&[VERSION, ALGORITHM, 0, 0, 0, 0, 0, 0]);
        page.put_bytes(&store.0);
        page.put_u64(self.head.epoch.0);
        page.put_u64(self.head.sequence);
        page.put_bytes(salt);
        page.resize(TEXT_AT, 0);
        page.put_u32(self.root_page);
        page.put_bytes(&self.root_salt);
        page.put_u32(self.head.pages);
        page.put_u32(self.free.as_ref().map_or(NO_PAGE, |f| f.0));
        page.put_bytes(self.free.as_ref().map_or(&[0; 32], |f| &*f.1));
        page.put_u64(self.head.log.size);
        page.put_bytes(&self.head.log.root);
        page.put_u32(self.head.needed);
        page.resize(PAGE_LEN, 0);
        let (clear, text) = page.split_at_mut(TEXT_AT);
        let seal = derive(Label::Head, &[root], salt, &clear[..CLEAR_LEN]).seal(text)?;
        clear[CLEAR_LEN..].copy_from_slice(&seal);
        Ok(page)
    }

    pub(super) fn open(page: &[u8], store: StoreId, root: &[u8; 32], epoch: Epoch) -> Result<Self> {
        let claim = Claim::read(page).ok_or_else(|| Error::corrupt("no HEAD record"))?;
        if !claim.known() {
            return Err(claim.newer());
        }
        if claim.store != store || claim.epoch != epoch {
            return Err(Error::new(ErrorKind::WrongKey, "the slot's key is of another store or epoch"));
        }
        let mut r = Reader::new(&page[CLEAR_LEN..]);
        let seal: Seal = r.array()?;
        let mut text = Zeroizing::new(r.tail().to_vec());
        derive(Label::Head, &[root], &claim.salt, &page[..CLEAR_LEN])
            .open(&seal, &mut text)
            .map_err(|e| Error::new(ErrorKind::WrongKey, e.to_string()))?;
        let mut r = Reader::new(&text);
        let root_page = r.u32()?;
        let root_salt = r.array()?;
        let pages = r.u32()?;
        let free_page = r.u32()?;
        let free_key = secret(&mut r)?;
        let log = LogHead { size: r.u64()?, root: r.array()? };
        let needed = r.u32()?;
        let clear = &page[UNUSED];
        let unknown = [clear, r.tail()].into_iter().flatten().any(|byte| *byte != 0);
        if unknown || needed & !KNOWN != 0 {
            return Err(Error::newer("the store needs what this program doesn't know"));
        }
        Ok(Self {
            head: Head { sequence: claim.sequence, epoch: claim.epoch, log, pages, needed },
            root_page,
            root_salt,
            free: (free_page != NO_PAGE).then_some((free_page, free_key)),
        })
    }
}

/// The clear part of a record.
struct Claim {
    version: u8,
    algorithm: u8,
    store: StoreId,
    epoch: Epoch,
    sequence: u64,
    salt: [u8; 32],
}

impl Claim {
    fn read(page: &[u8]) -> Option<Self> {
        let mut r = Reader::new(page);
        if page.len() != PAGE_LEN || r.array().ok()? != MAGIC {
            return None;
        }
        let [version, algorithm, ..] = r.array::<8>().ok()?;
        Some(Self {
            version,
            algorithm,
            store: StoreId(r.array().ok()?),
            epoch: Epoch(r.u64().ok()?),
            sequence: r.u64().ok()?,
            salt: r.array().ok()?,
        })
    }

    const fn known(&self) -> bool {
        self.version == VERSION && self.algorithm == ALGORITHM
    }

    fn newer(&self) -> Error {
        let Self { version, algorithm, .. } = self;
        Error::newer(format!("HEAD version {version} algorithm {algorithm} is unknown"))
    }
}

/// The record of the highest sequence that opens. It is proved newest if the other record is its
/// direct predecessor: it opens, or it stands under a root that is gone and its clear part says so.
/// Copies that agree prove nothing: a newer record may be lost in both of its own.
pub(super) fn choose(file: &[u8], store: StoreId, root: &[u8; 32], epoch: Epoch) -> Result<Chosen> {
    let pages: Vec<&[u8]> = file.chunks(PAGE_LEN).take(4).collect();
    let claims: Vec<Option<Claim>> = pages.iter().map(|p| Claim::read(p)).collect();
    for pair in claims.chunks(2) {
        // One flipped byte must not lock a store, so a newer version counts if both copies say so.
        if let [Some(a), Some(b)] = pair
            && !a.known()
            && (a.version, a.algorithm) == (b.version, b.algorithm)
        {
            return Err(a.newer());
        }
    }
    let mut opened: Vec<(usize, Record)> = Vec::new();
    for (i, page) in pages.iter().enumerate() {
        match Record::open(page, store, root, epoch) {
            Ok(record) => opened.push((i, record)),
            // It opens, so what it says was written: an older record would be a step back.
            Err(e) if e.kind() == ErrorKind::Unsupported && claims[i].as_ref().is_some_and(Claim::known) => {
                return Err(e);
            }
            Err(_) => {}
        }
    }
    let Some(newest) = opened.iter().map(|(_, r)| r.head.sequence).max() else {
        let claims: Vec<&Claim> = claims.iter().flatten().filter(|c| c.known()).collect();
        return Err(none_opens(&claims, store, epoch));
    };
    let Some(at) = opened.iter().position(|(_, r)| r.head.sequence == newest) else {
        return Err(Error::corrupt("HEAD: no record"));
    };
    let (place, record) = opened.swap_remove(at);
    let index = place / 2;
    let is_before = |sequence: u64| sequence.checked_add(1) == Some(newest);
    let others = claims.iter().enumerate().filter(|(i, _)| i / 2 != index).filter_map(|(_, c)| c.as_ref());
    let mut others = others.filter(|c| c.store == store);
    let claimed_newer = others.clone().any(|c| c.sequence > newest);
    let proved_newest = opened.iter().any(|(_, r)| is_before(r.head.sequence))
        || !claimed_newer && others.any(|c| c.epoch < epoch && is_before(c.sequence));
    Ok(Chosen { record, index, page: pages[place].to_vec(), proved_newest })
}

/// Why no record opens, as far as their clear parts tell. These aren't authenticated: they choose
/// the words, nothing else.
fn none_opens(claims: &[&Claim], store: StoreId, epoch: Epoch) -> Error {
    if claims.is_empty() {
        return Error::corrupt("HEAD: all four pages are damaged").hint("restore from a backup");
    }
    let ours = claims.iter().filter(|c| c.store == store).map(|c| c.epoch).max();
    let (message, hint) = match ours {
        None => ("the slot is of another store", "use the slot that belongs to this store"),
        Some(head) if epoch < head => (
            "the slot is older than the store: an erasure came after this copy of it",
            "use the slot as it is since the last erasure; older copies open nothing any more",
        ),
        Some(head) if epoch > head => (
            "the slot is newer than the folder: an erasure came after this copy of the folder",
            "use the folder as it is since the last erasure; older copies open with nothing any more",
        ),
        Some(_) => (
            "no record of HEAD opens with the slot's key, though store and epoch agree",
            "HEAD is damaged, or the slot belongs to a copy of the store that went its own way",
        ),
    };
    Error::new(ErrorKind::WrongKey, message).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: StoreId = StoreId([5; 16]);
    const ROOT: [u8; 32] = [6; 32];

    fn page(sequence: u64, epoch: u64, root: &[u8; 32]) -> Vec<u8> {
        let log = LogHead { size: 9, root: [1; 32] };
        let head = Head { sequence, epoch: Epoch(epoch), log, pages: 7, needed: WORDS };
        let free = Some((3, crate::crypto::Secret::from_bytes(&[8; 32])));
        Record { head, root_page: 2, root_salt: [4; 32], free }
            .seal(STORE, root, &[sequence as u8; 32])
            .unwrap()
    }

    fn file(a: &[u8], b: &[u8]) -> Vec<u8> {
        [a, a, b, b].concat()
    }

    fn chosen(file: &[u8]) -> Result<(u64, bool)> {
        choose(file, STORE, &ROOT, Epoch(1)).map(|c| (c.record.head.sequence, c.proved_newest))
    }

    #[test]
    fn round_trip() {
        let r = Record::open(&page(4, 1, &ROOT), STORE, &ROOT, Epoch(1)).unwrap();
        assert_eq!((r.head.sequence, r.head.pages, r.root_page, r.root_salt), (4, 7, 2, [4; 32]));
        assert_eq!(r.head.log, LogHead { size: 9, root: [1; 32] });
        assert!(r.head.has_words());
        let (place, key) = r.free.unwrap();
        assert_eq!((place, *key), (3, [8; 32]));
    }

    #[test]
    fn the_highest_that_opens_counts() {
        let (p4, p5, empty) = (page(4, 1, &ROOT), page(5, 1, &ROOT), vec![0; PAGE_LEN]);
        assert_eq!(chosen(&file(&p4, &p5)).unwrap(), (5, true));
        assert_eq!(chosen(&file(&p5, &p4)).unwrap(), (5, true));
        // A sixth may be lost in both copies.
        assert_eq!(chosen(&file(&p5, &empty)).unwrap(), (5, false));
        assert_eq!(chosen(&file(&p5, &page(3, 1, &ROOT))).unwrap(), (5, false));
        let torn = [&p5[..], &empty, &p4, &p4].concat();
        assert_eq!(chosen(&torn).unwrap(), (5, true));
        let alone = [&p5[..], &empty, &empty, &empty].concat();
        assert_eq!(chosen(&alone).unwrap(), (5, false));
    }

    #[test]
    fn a_damaged_newer_record_leaves_doubt() {
        let (p4, mut p5) = (page(4, 1, &ROOT), page(5, 1, &ROOT));
        p5[2000] ^= 1;
        assert_eq!(chosen(&file(&p4, &p5)).unwrap(), (4, false));
        // Under an older root: no doubt.
        assert_eq!(chosen(&file(&page(3, 0, &[1; 32]), &p4)).unwrap(), (4, true));
    }

    #[test]
    fn refusals_have_their_kinds() {
        let p4 = page(4, 1, &ROOT);
        let kind = |file: &[u8], store, root, epoch| choose(file, store, root, epoch).err().unwrap().kind();
        let f = file(&p4, &p4);
        assert_eq!(kind(&f, STORE, &[0; 32], Epoch(1)), ErrorKind::WrongKey);
        assert_eq!(kind(&f, STORE, &ROOT, Epoch(2)), ErrorKind::WrongKey);
        assert_eq!(kind(&f, StoreId([0; 16]), &ROOT, Epoch(1)), ErrorKind::WrongKey);
        assert_eq!(kind(&[0; HEAD_LEN], STORE, &ROOT, Epoch(1)), ErrorKind::Corrupt);
        assert_eq!(kind(&[], STORE, &ROOT, Epoch(1)), ErrorKind::Corrupt);
        let mut newer = p4.clone();
        newer[8] = 2;
        assert_eq!(kind(&file(&p4, &newer), STORE, &ROOT, Epoch(1)), ErrorKind::Unsupported);
    }

    /// A record sealed with these bytes of its page set.
    fn with(sequence: u64, bytes: &[(usize, u8)]) -> Vec<u8> {
        let (mut page, salt) = (page(sequence, 1, &ROOT), [sequence as u8; 32]);
        let key = |clear: &[u8]| derive(Label::Head, &[&ROOT], &salt, clear);
        let (clear, text) = page.split_at_mut(TEXT_AT);
        let (clear, seal) = clear.split_at_mut(CLEAR_LEN);
        key(clear).open(&(&*seal).try_into().unwrap(), text).unwrap();
        for (at, byte) in bytes {
            if *at < CLEAR_LEN { clear[*at] = *byte } else { text[at - TEXT_AT] = *byte }
        }
        let fresh = key(clear).seal(text).unwrap();
        seal.copy_from_slice(&fresh);
        page
    }

    #[test]
    fn what_a_later_version_needs_is_refused_and_not_overlooked() {
        let p4 = page(4, 1, &ROOT);
        assert_eq!(chosen(&file(&p4, &with(5, &[]))).unwrap(), (5, true));
        // One that needs nothing is of a store of format 1.
        assert_eq!(chosen(&file(&p4, &with(5, &[(TEXT_AT + 116, 0)]))).unwrap(), (5, true));
        let bits = (3..8).map(|bit| (TEXT_AT + 116, 1 << bit));
        // needed, needed to write, the end of the text, the clear zeros
        let bytes = [TEXT_AT + 117, TEXT_AT + 119, TEXT_AT + 120, TEXT_AT + 123, PAGE_LEN - 1, 10, 15];
        for (at, byte) in bits.chain(bytes.map(|at| (at, 1))) {
            let newer = with(5, &[(at, byte)]);
            let refused = choose(&file(&p4, &newer), STORE, &ROOT, Epoch(1)).err().unwrap();
            assert_eq!(refused.kind(), ErrorKind::Unsupported, "{at}");
            // A record that was replaced needs nothing any more; it can't stand beside a newer one.
            let lost = [&p4[..], &p4, &newer, &[0; PAGE_LEN]].concat();
            assert_eq!(choose(&lost, STORE, &ROOT, Epoch(1)).err().unwrap().kind(), ErrorKind::Unsupported);
        }
    }

    #[test]
    fn any_one_flipped_byte_is_survived() {
        let f = file(&page(4, 1, &ROOT), &page(5, 1, &ROOT));
        for i in 0..f.len() {
            let mut f = f.clone();
            f[i] ^= 0x41;
            assert_eq!(chosen(&f).unwrap().0, 5, "byte {i}");
        }
    }
}
