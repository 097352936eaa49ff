//! The store itself: its keys, counters and settings.

use crate::codec::Write;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{PersonNumber, SegmentId, Seq};
use crate::keyring::entry::{Entry, Secret, Value, done, put_text, secret, start, text, versioned};

/// A key of the store: name tags, or signatures.
pub struct StoreKey(pub Secret);

impl Entry for StoreKey {
    fn encode(&self) -> Result<Value> {
        let mut out = start();
        out.put_bytes(&self.0[..]);
        done(out)
    }

    fn decode(value: &[u8]) -> Result<Self> {
        let mut r = versioned(value, "store key")?;
        let this = Self(secret(&mut r)?);
        r.finish()?;
        Ok(this)
    }
}

/// Numbers given once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Next person.
    pub person: PersonNumber,
    /// Next segment.
    pub segment: SegmentId,
    /// Next log position at this commit.
    pub seq: Seq,
    /// Records removed by erasures so far.
    pub removed: u64,
}

impl Entry for Counters {
    fn encode(&self) -> Result<Value> {
        let mut out = start();
        for n in [self.person.0, self.segment.0, self.seq.0, self.removed] {
            out.put_u64(n);
        }
        done(out)
    }

    fn decode(value: &[u8]) -> Result<Self> {
        let mut r = versioned(value, "counters")?;
        let this = Self {
            person: PersonNumber(r.u64()?),
            segment: SegmentId(r.u64()?),
            seq: Seq(r.u64()?),
            removed: r.u64()?,
        };
        r.finish()?;
        Ok(this)
    }
}

/// Who the subject of a message is, where the record does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Preset {
    /// The customer; staff are only authors.
    Customer = 1,
    /// The author.
    #[default]
    Peer = 2,
    /// The author.
    Room = 3,
}

/// What a store was made with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Origin line of checkpoints.
    pub origin: String,
    /// Region, if any.
    pub region: String,
    /// Default subjects.
    pub preset: Preset,
}

impl Entry for Settings {
    fn encode(&self) -> Result<Value> {
        let mut out = start();
        put_text(&mut out, &self.origin)?;
        put_text(&mut out, &self.region)?;
        out.put_u8(self.preset as u8);
        done(out)
    }

    fn decode(value: &[u8]) -> Result<Self> {
        let mut r = versioned(value, "settings")?;
        let this = Self {
            origin: text(&mut r)?,
            region: text(&mut r)?,
            preset: match r.u8()? {
                1 => Preset::Customer,
                2 => Preset::Peer,
                3 => Preset::Room,
                n => return Err(Error::new(ErrorKind::Unsupported, format!("preset {n} is unknown"))),
            },
        };
        r.finish()?;
        Ok(this)
    }
}
