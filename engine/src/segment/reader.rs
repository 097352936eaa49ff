//! Reads body blocks from a mapped file: copied once, and only the copy is opened and parsed.

use zeroize::Zeroizing;

use crate::crypto::{ALGORITHM, SEAL_LEN};
use crate::error::{Error, Result};
use crate::id::{FileId, StoreId};
use crate::segment::SubjectKeys;
use crate::segment::block::{self, BlockPlace, BlockRef, OpenBlock, RAW_MAX, VERSION};
use crate::segment::writer::{HEADER_LEN, MAGIC, file_name};
use crate::vfs::ReadAt;

/// A body file, open for reading.
pub struct BodyFile {
    file: Box<dyn ReadAt>,
    store: StoreId,
    id: FileId,
}

impl BodyFile {
    /// Checks the header of a body file.
    pub fn new(file: Box<dyn ReadAt>, store: StoreId, id: FileId) -> Result<Self> {
        let mut header = [0u8; HEADER_LEN];
        file.read_exact_at(&mut header, 0)
            .map_err(|e| read_error(e).context(format!("file {} header", file_name(id))))?;
        if header[..4] != MAGIC {
            return Err(Error::corrupt(format!("file {} does not begin as a body file", file_name(id))));
        }
        if header[4..] != [VERSION, ALGORITHM, 0, 0] {
            let (version, algorithm) = (header[4], header[5]);
            return Err(Error::newer(format!(
                "file {}: version {version} algorithm {algorithm} is unknown",
                file_name(id)
            )));
        }
        Ok(Self { file, store, id })
    }

    /// The file's name in the store.
    pub fn id(&self) -> FileId {
        self.id
    }

    /// Bytes of the file.
    pub fn len(&self) -> Result<u64> {
        self.file.len().map_err(|e| Error::io(format!("measure {}", file_name(self.id)), e))
    }

    /// Whether the file has no bytes at all.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Bytes of all sealed blocks, also of those that no table names any more: what stands between
    /// the header and the zeros behind the last block. A block is a multiple of 16 bytes long and
    /// does not end with 16 zeros, for it is ciphertext.
    pub fn blocks_len(&self) -> Result<u64> {
        const UNIT: usize = 16;
        let len = self.len()?.saturating_sub(HEADER_LEN as u64);
        let mut units = len.div_ceil(UNIT as u64);
        let mut unit = [0u8; UNIT];
        while units > 0 {
            let at = HEADER_LEN as u64 + (units - 1) * UNIT as u64;
            let n = self.file.read_at(&mut unit, at).map_err(read_error)?;
            if unit.iter().take(n).any(|b| *b != 0) {
                break;
            }
            units -= 1;
        }
        Ok(units * UNIT as u64)
    }

    /// Opens a block.
    pub fn open(&self, block: &BlockRef, keys: &dyn SubjectKeys) -> Result<OpenBlock> {
        self.open_inner(block, keys)
            .map_err(|e| e.context(format!("file {} block at {}", file_name(self.id), block.offset)))
    }

    fn open_inner(&self, block: &BlockRef, keys: &dyn SubjectKeys) -> Result<OpenBlock> {
        let len = block.len as usize;
        if len > RAW_MAX + SEAL_LEN + 64 {
            return Err(Error::corrupt("length of a body block is over its limit"));
        }
        let mut subject_keys = Vec::with_capacity(block.subjects.len());
        for person in &block.subjects {
            let key = keys.content_key(*person)?;
            subject_keys.push(key.ok_or_else(|| Error::corrupt("a subject has no content key"))?);
        }
        let secrets: Vec<&[u8; 32]> = subject_keys.iter().map(|k| &**k).collect();
        let mut bytes = Zeroizing::new(vec![0u8; len]);
        self.file.read_exact_at(&mut bytes, block.offset).map_err(read_error)?;
        let place = BlockPlace { store: self.store, file: self.id, offset: block.offset };
        OpenBlock::decode(block::open(place, &secrets, &block.r_block, &mut bytes)?)
    }
}

/// A file that ends too early is damaged; anything else is the operating system's.
fn read_error(e: std::io::Error) -> Error {
    match e.kind() {
        std::io::ErrorKind::UnexpectedEof => Error::corrupt("the file ends too early"),
        _ => Error::io("read", e),
    }
}
