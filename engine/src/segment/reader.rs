//! Reads body blocks from a mapped file: copied once, and only the copy is opened and parsed.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::crypto::{SEAL_LEN, Secret};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{FileId, StoreId};
use crate::parity::{PAGE_LEN, ParityFile, Repairs};
use crate::segment::SubjectKeys;
use crate::segment::block::{self, BlockPlace, BlockRef, OpenBlock, RAW_MAX};
use crate::segment::rescue;
use crate::segment::writer::{HEADER_LEN, file_name, header};
use crate::vfs::ReadAt;

/// A body file, open for reading.
pub struct BodyFile {
    file: ParityFile,
    store: StoreId,
    id: FileId,
    repairs: Arc<Repairs>,
}

impl BodyFile {
    /// Checks the header of a body file; one that was cut short is taken as it is.
    pub fn new(file: Arc<dyn ReadAt>, store: StoreId, id: FileId, repairs: Arc<Repairs>) -> Result<Self> {
        let name = file_name(id);
        let bytes = Arc::clone(&file);
        let file = ParityFile::new(file).map_err(|e| Error::io(format!("measure {name}"), e))?;
        // Of one that was cut short the blocks before the end are still there.
        let file = file.unwrap_or_else(|len| ParityFile::cut(bytes, len.div_ceil(PAGE_LEN as u64)));
        let this = Self { file, store, id, repairs };
        this.check_header()?;
        Ok(this)
    }

    /// A body file that is not there: no block of it opens.
    pub fn lost(store: StoreId, id: FileId, repairs: Arc<Repairs>) -> Self {
        Self { file: ParityFile::cut(Arc::new(Nothing), 0), store, id, repairs }
    }

    /// The file's name in the store.
    pub fn id(&self) -> FileId {
        self.id
    }

    /// The file with its parity.
    pub(crate) fn file(&self) -> &ParityFile {
        &self.file
    }

    /// Bytes of the file, parity included.
    pub fn len(&self) -> u64 {
        self.file.len()
    }

    /// Bytes before the parity: header, blocks, zeros to the end of a page.
    pub fn data_len(&self) -> u64 {
        self.file.data_len()
    }

    /// Whether the file has no bytes at all, which no body file is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of all sealed blocks, also of those that no table names any more: what stands between
    /// the header and the zeros behind the last block. A block is a multiple of 16 bytes long and
    /// does not end with 16 zeros, for it is ciphertext.
    pub fn blocks_len(&self) -> Result<u64> {
        const UNIT: usize = 16;
        let mut units = self.file.data_len().saturating_sub(HEADER_LEN as u64) / UNIT as u64;
        let mut unit = [0u8; UNIT];
        while units > 0 {
            // A page that can't be read counts as written: a number must not fail for what every
            // other question gets back from parity.
            let read = self.file.read(&mut unit, HEADER_LEN as u64 + (units - 1) * UNIT as u64);
            if read.is_err() || unit.iter().any(|b| *b != 0) {
                break;
            }
            units -= 1;
        }
        Ok(units * UNIT as u64)
    }

    /// Opens a block; one with lost pages or a wrong bit is set right in memory and counted.
    pub fn open(&self, block: &BlockRef, keys: &dyn SubjectKeys) -> Result<OpenBlock> {
        let opened = self.open_or_rescue(block, keys);
        opened.map_err(|e| e.context(format!("file {} block at {}", file_name(self.id), block.offset)))
    }

    /// Opens a block as it stands in the file.
    pub fn open_as_it_is(&self, block: &BlockRef, keys: &dyn SubjectKeys) -> Result<OpenBlock> {
        let opened = self.secrets(block, keys).and_then(|secrets| self.read_and_open(block, &secrets));
        opened.map_err(|e| e.context(format!("file {} block at {}", file_name(self.id), block.offset)))
    }

    /// The sealed bytes of a block that doesn't open, as they were, if that can be found out.
    pub(crate) fn rescue(&self, block: &BlockRef, keys: &dyn SubjectKeys) -> Result<Option<Vec<u8>>> {
        let secrets = self.secrets(block, keys)?;
        Ok(rescue::block(&self.file, self.place(block), block, &secrets))
    }

    /// Whether the file begins as it should.
    pub(crate) fn has_header(&self) -> bool {
        let mut found = [0u8; HEADER_LEN];
        self.file.read(&mut found, 0).is_ok() && found == header()
    }

    fn open_or_rescue(&self, block: &BlockRef, keys: &dyn SubjectKeys) -> Result<OpenBlock> {
        let secrets = self.secrets(block, keys)?;
        let damage = match self.read_and_open(block, &secrets) {
            Err(e) if matches!(e.kind(), ErrorKind::Corrupt | ErrorKind::Io) => e,
            opened => return opened,
        };
        let rescued = rescue::block(&self.file, self.place(block), block, &secrets);
        let lost = || Error::corrupt(damage.to_string()).hint("run `escrow verify --read-data --repair`");
        let mut bytes = Zeroizing::new(rescued.ok_or_else(lost)?);
        let open = self.decode(block, &secrets, &mut bytes)?;
        self.repairs.count();
        Ok(open)
    }

    fn read_and_open(&self, block: &BlockRef, secrets: &[Secret]) -> Result<OpenBlock> {
        let mut bytes = Zeroizing::new(vec![0u8; block.len as usize]);
        self.file.read(&mut bytes, block.offset).map_err(read_error)?;
        self.decode(block, secrets, &mut bytes)
    }

    fn decode(&self, block: &BlockRef, secrets: &[Secret], bytes: &mut [u8]) -> Result<OpenBlock> {
        let secrets: Vec<&[u8; 32]> = secrets.iter().map(|k| &**k).collect();
        OpenBlock::decode(block::open(self.place(block), &secrets, &block.r_block, bytes)?)
    }

    fn secrets(&self, block: &BlockRef, keys: &dyn SubjectKeys) -> Result<Vec<Secret>> {
        if block.len as usize > RAW_MAX + SEAL_LEN + 64 {
            return Err(Error::corrupt("length of a body block is over its limit"));
        }
        let mut secrets = Vec::with_capacity(block.subjects.len());
        for person in &block.subjects {
            let key = keys.content_key(*person)?;
            secrets.push(key.ok_or_else(|| Error::corrupt("a subject has no content key"))?);
        }
        Ok(secrets)
    }

    fn place(&self, block: &BlockRef) -> BlockPlace {
        BlockPlace { store: self.store, file: self.id, offset: block.offset }
    }

    /// A header of another version is refused. One that is lost is no reason to refuse the blocks,
    /// which prove themselves.
    fn check_header(&self) -> Result<()> {
        if self.has_header() {
            return Ok(());
        }
        if self.file.reconstruct(0).is_ok_and(|page| page[..HEADER_LEN] == header()) {
            self.repairs.count();
            return Ok(());
        }
        let mut found = [0u8; HEADER_LEN];
        let _ = self.file.read(&mut found, 0);
        let wrong: u32 = found.iter().zip(header()).map(|(a, b)| (a ^ b).count_ones()).sum();
        if wrong > 1 && found[..4] == header()[..4] && found[6..] == [0, 0] {
            let (version, algorithm) = (found[4], found[5]);
            return Err(Error::newer(format!(
                "file {}: version {version} algorithm {algorithm} is unknown",
                file_name(self.id)
            )));
        }
        Ok(())
    }
}

/// The bytes of a file that is not there.
struct Nothing;

impl ReadAt for Nothing {
    fn read_at(&self, _buf: &mut [u8], _offset: u64) -> std::io::Result<usize> {
        Ok(0)
    }

    fn len(&self) -> std::io::Result<u64> {
        Ok(0)
    }
}

/// Pages in which a block lies.
pub(crate) fn pages_of(block: &BlockRef) -> std::ops::Range<u64> {
    let end = block.offset + u64::from(block.len);
    block.offset / PAGE_LEN as u64..end.div_ceil(PAGE_LEN as u64)
}

/// A file that ends too early is damaged; anything else is the operating system's.
fn read_error(e: std::io::Error) -> Error {
    match e.kind() {
        std::io::ErrorKind::UnexpectedEof => Error::corrupt("the file ends too early"),
        _ => Error::io("read", e),
    }
}
