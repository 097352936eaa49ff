//! How far an import came, so that a repeated one goes on where the first was cut.
//!
//! It stands in the key tree and not in the log: the digest is one of the file's whole content,
//! so it must die with anybody whose words stood in the file. Every erasing commit leaves it out.

use zeroize::Zeroizing;

use crate::codec::{Reader, Write};
use crate::error::{Error, Result};
use crate::keyring::entry::{Entry, Value};

const VERSION: u8 = 1;

/// How far the import of a file came.
#[derive(Clone, PartialEq, Eq)]
pub struct ImportProgress {
    /// Digest of the whole file.
    pub digest: [u8; 32],
    /// Every line before this byte is in the store.
    pub offset: u64,
    /// How many lines these are.
    pub lines: u64,
    /// How many records of the default kinds.
    pub records: u64,
}

impl Entry for ImportProgress {
    fn encode(&self) -> Result<Value> {
        let mut out = Zeroizing::new(Vec::with_capacity(64));
        out.put_u8(VERSION);
        out.put_bytes(&self.digest);
        for n in [self.offset, self.lines, self.records] {
            out.put_u64(n);
        }
        Ok(out)
    }

    fn decode(value: &[u8]) -> Result<Self> {
        let mut r = Reader::new(value);
        if r.u8()? != VERSION {
            return Err(Error::newer("progress of an import has an unknown version"));
        }
        let this = Self { digest: r.array()?, offset: r.u64()?, lines: r.u64()?, records: r.u64()? };
        r.finish()?;
        Ok(this)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        let p = ImportProgress { digest: [7; 32], offset: 1, lines: 2, records: 3 };
        let bytes = p.encode().unwrap();
        assert!(ImportProgress::decode(&bytes).unwrap() == p);
        assert!(ImportProgress::decode(&bytes[..56]).is_err());
        assert!(ImportProgress::decode(&[&bytes[..], &[0]].concat()).is_err());
    }
}
