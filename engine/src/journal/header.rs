//! The sixteen bytes before a frame's salt: they say that it is one, and how long.

use crate::codec::Reader;
use crate::crypto::ALGORITHM;
use crate::error::{Error, Result};
use crate::journal::{PAD, TEXT_LEN_MAX};

/// First bytes of a frame.
const MAGIC: [u8; 4] = *b"EJF1";
/// Version of the frame format.
const VERSION: u8 = 1;
/// Length of a header.
pub(super) const HEADER_LEN: usize = 16;
/// Flag: the frames before may not have been synced when this one was written.
pub(super) const FLAG_AFTER_UNSYNCED: u8 = 1;

/// The header of a frame.
pub(super) fn header(text_len: u32, after_unsynced: bool) -> [u8; HEADER_LEN] {
    let mut h = [0; HEADER_LEN];
    h[..4].copy_from_slice(&MAGIC);
    h[4] = VERSION;
    h[5] = ALGORITHM;
    h[6] = if after_unsynced { FLAG_AFTER_UNSYNCED } else { 0 };
    h[8..12].copy_from_slice(&text_len.to_le_bytes());
    h
}

/// Length of the text, `None` if this is no header. A newer version is an error of its own.
pub(super) fn text_len(bytes: &[u8]) -> Result<Option<usize>> {
    let mut r = Reader::new(bytes);
    let magic: [u8; 4] = r.array()?;
    let (version, algorithm) = (r.u8()?, r.u8()?);
    // Flags are under the seal: what is unknown of them is told of a frame that opens.
    let _flags = r.u16()?;
    let len = r.u32()? as usize;
    if magic != MAGIC || version == 0 {
        return Ok(None);
    }
    if version > VERSION || algorithm != ALGORITHM {
        return Err(Error::newer(format!(
            "journal frame version {version} algorithm {algorithm} is unknown"
        )));
    }
    let fits = len > 0 && len <= TEXT_LEN_MAX && len.is_multiple_of(PAD);
    Ok(fits.then_some(len))
}

/// Whether this version knows all that a header says besides.
pub(super) fn has_known_flags(header: &[u8]) -> bool {
    header[6] <= FLAG_AFTER_UNSYNCED && header[7] == 0 && header[12..].iter().all(|b| *b == 0)
}

/// Whether bytes are the header of a frame of this version.
pub(super) fn is_header(bytes: &[u8]) -> bool {
    text_len(bytes).is_ok_and(|len| len.is_some())
}
