//! Files and what opens them: segments and journals.

use std::path::PathBuf;

use crate::codec::Write;
use crate::error::Result;
use crate::id::{FileId, Micros, Seq};
use crate::keyring::entry::{
    BODIES_MAX, Entry, Secret, Value, check, done, many, put_time, secret, start, time, versioned,
};

/// A segment and what opens its index.
#[derive(Clone)]
pub struct Segment {
    /// K_index.
    pub key: Secret,
    /// The index file.
    pub index: FileId,
    /// Its length in pages.
    pub index_pages: u32,
    /// Body files.
    pub bodies: Vec<FileId>,
    /// Living documents.
    pub docs: u32,
    /// One more each time the index is written anew.
    pub generation: u32,
    /// Earliest time.
    pub first: Micros,
    /// Latest time.
    pub last: Micros,
    /// Lowest log position.
    pub min_seq: Seq,
    /// Highest log position.
    pub max_seq: Seq,
}

impl Segment {
    /// Names of its files.
    pub fn file_names(&self) -> Vec<PathBuf> {
        let mut names = self.body_names();
        names.push(PathBuf::from(format!("{}.idx", self.index)));
        names
    }

    /// Names of its body files.
    pub fn body_names(&self) -> Vec<PathBuf> {
        self.bodies.iter().map(|b| PathBuf::from(format!("{b}.seg"))).collect()
    }
}

impl Entry for Segment {
    fn encode(&self) -> Result<Value> {
        check(self.bodies.len() <= BODIES_MAX, "too many body files of one segment")?;
        let mut out = start();
        out.put_bytes(&self.key[..]);
        out.put_bytes(&self.index.0);
        out.put_u32(self.index_pages);
        out.put_u32(self.docs);
        out.put_u32(self.generation);
        put_time(&mut out, self.first);
        put_time(&mut out, self.last);
        out.put_u64(self.min_seq.0);
        out.put_u64(self.max_seq.0);
        out.put_varint(self.bodies.len() as u64);
        self.bodies.iter().for_each(|f| out.put_bytes(&f.0));
        done(out)
    }

    fn decode(value: &[u8]) -> Result<Self> {
        let mut r = versioned(value, "segment")?;
        let this = Self {
            key: secret(&mut r)?,
            index: FileId(r.array()?),
            index_pages: r.u32()?,
            docs: r.u32()?,
            generation: r.u32()?,
            first: time(&mut r)?,
            last: time(&mut r)?,
            min_seq: Seq(r.u64()?),
            max_seq: Seq(r.u64()?),
            bodies: many(&mut r, BODIES_MAX, |r| Ok(FileId(r.array()?)))?,
        };
        r.finish()?;
        Ok(this)
    }
}

/// A journal and its key.
pub struct Journal {
    /// Its file.
    pub file: FileId,
    /// Its key.
    pub key: Secret,
}

impl Entry for Journal {
    fn encode(&self) -> Result<Value> {
        let mut out = start();
        out.put_bytes(&self.file.0);
        out.put_bytes(&self.key[..]);
        done(out)
    }

    fn decode(value: &[u8]) -> Result<Self> {
        let mut r = versioned(value, "journal")?;
        let this = Self { file: FileId(r.array()?), key: secret(&mut r)? };
        r.finish()?;
        Ok(this)
    }
}
