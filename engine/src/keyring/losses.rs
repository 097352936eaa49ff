//! What was given up: records that nothing brought back and that left the store, and hashes of the
//! log that nothing gives any more. It stands in the key tree from the commit that gave them up on,
//! so that every later check still names it.
//!
//! ```text
//! version │ varint count │ { what u8 │ by u8 │ request 16, if by an erasure │ zigzag time
//! │ varint segment + 1, 0 for none │ varint number │ varint first │ varint last │ root 32, of hashes } …
//! ```
//!
//! Bounded: of more than [`LOSSES_MAX`] the two oldest become one.

use std::fmt;

use zeroize::Zeroizing;

use crate::codec::{Reader, Write, unzigzag, zigzag};
use crate::error::{Error, Result};
use crate::id::{Micros, RequestId, SegmentId, Seq};
use crate::keyring::entry::{Entry, Value};
use crate::record::time;

const VERSION: u8 = 1;
/// Most losses that are told apart.
pub const LOSSES_MAX: usize = 16;

/// What was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Records: their bodies, or the frame they stood in.
    Records,
    /// Hashes of the log, of records that are no longer there to give them again. Zeros stand in
    /// their place.
    Leaves {
        /// Root of the log before, over the hashes that are lost.
        root: [u8; 32],
    },
}

/// What gave it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// An opening, or the roll behind it: what was lost had to leave before anything could be
    /// written.
    Opening,
    /// A check that was told to repair.
    Repair,
    /// An erasure, which damage doesn't stop.
    Erasure(RequestId),
    /// Several, of which this is the sum.
    Several,
}

/// One loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// What was lost.
    pub what: What,
    /// What gave it up.
    pub by: By,
    /// When.
    pub at: Micros,
    /// In which segment; `None` of a journal, the log, or several.
    pub segment: Option<SegmentId>,
    /// How many.
    pub number: u64,
    /// The lowest log position among them, or below them.
    pub first: Seq,
    /// The highest log position among them, or above them.
    pub last: Seq,
}

impl Loss {
    /// Whether hashes of the log were lost, not records.
    pub fn is_of_hashes(&self) -> bool {
        self.what != What::Records
    }

    /// Whether the log has other leaves since: a frame of the journal that is lost takes its leaves along, a
    /// body that is lost does not.
    pub fn changed_leaves(&self) -> bool {
        self.segment.is_none() || self.is_of_hashes()
    }
}

/// Everything that was given up, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses(Vec<Loss>);

impl Losses {
    /// Each, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Loss> {
        self.0.iter()
    }

    /// Whether nothing was ever lost.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many records were lost.
    pub fn records(&self) -> u64 {
        self.of_records().map(|loss| loss.number).sum()
    }

    /// How many records a request gave up.
    pub fn records_of(&self, request: RequestId) -> u64 {
        let own = self.of_records().filter(|loss| loss.by == By::Erasure(request));
        own.map(|loss| loss.number).sum()
    }

    fn of_records(&self) -> impl Iterator<Item = &Loss> {
        self.0.iter().filter(|loss| !loss.is_of_hashes())
    }

    /// Notes one more.
    pub fn add(&mut self, loss: Loss) {
        self.0.push(loss);
        while self.0.len() > LOSSES_MAX {
            // The two oldest of one sort; of three there are two.
            let same = |a: &Loss, b: &Loss| a.is_of_hashes() == b.is_of_hashes();
            let pair = (0..3).flat_map(|a| (a + 1..3).map(move |b| (a, b)));
            let Some((a, b)) = pair.into_iter().find(|(a, b)| same(&self.0[*a], &self.0[*b])) else { return };
            let later = self.0.remove(b);
            self.0[a] = self.0[a].with(&later);
        }
    }

    fn check(&self) -> Result<()> {
        let whole = |loss: &Loss| loss.number > 0 && loss.first <= loss.last;
        if self.0.len() > LOSSES_MAX || !self.0.iter().all(whole) {
            return Err(Error::corrupt("the entry of losses is malformed"));
        }
        Ok(())
    }
}

impl Loss {
    /// Both as one. Of two roots the older one stays: it is the one over hashes that all were there.
    fn with(&self, later: &Self) -> Self {
        Self {
            what: self.what,
            by: if self.by == later.by { self.by } else { By::Several },
            at: later.at,
            segment: self.segment.filter(|own| later.segment == Some(*own)),
            number: self.number.saturating_add(later.number),
            first: self.first.min(later.first),
            last: self.last.max(later.last),
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.put_u8(match self.what {
            What::Records => 1,
            What::Leaves { .. } => 2,
        });
        out.put_u8(match self.by {
            By::Opening => 1,
            By::Repair => 2,
            By::Erasure(_) => 3,
            By::Several => 4,
        });
        if let By::Erasure(request) = self.by {
            out.put_bytes(&request.0);
        }
        let segment = self.segment.map_or(0, |id| id.0.saturating_add(1));
        for n in [zigzag(self.at.0), segment, self.number, self.first.0, self.last.0] {
            out.put_varint(n);
        }
        if let What::Leaves { root } = self.what {
            out.put_bytes(&root);
        }
    }

    fn get(r: &mut Reader<'_>) -> Result<Self> {
        let what = r.u8()?;
        let by = match r.u8()? {
            1 => By::Opening,
            2 => By::Repair,
            3 => By::Erasure(RequestId(r.array()?)),
            4 => By::Several,
            _ => return Err(Error::newer("a loss was given up by something unknown")),
        };
        let at = Micros(unzigzag(r.varint()?));
        let segment = r.varint()?.checked_sub(1).map(SegmentId);
        let (number, first, last) = (r.varint()?, Seq(r.varint()?), Seq(r.varint()?));
        let what = match what {
            1 => What::Records,
            2 => What::Leaves { root: r.array()? },
            _ => return Err(Error::newer("something unknown was lost")),
        };
        Ok(Self { what, by, at, segment, number, first, last })
    }
}

/// In words, for people.
impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            // A frame of the journal may have held more than its place tells.
            What::Records if self.segment.is_none() => write!(f, "at least {} records", self.number)?,
            What::Records => write!(f, "{} records", self.number)?,
            What::Leaves { .. } => write!(f, "{} hashes of the log", self.number)?,
        }
        write!(f, " between positions {} and {}", self.first, self.last)?;
        if let Some(segment) = self.segment {
            write!(f, " of segment {segment}")?;
        }
        write!(f, ", given up {} ", time::format(self.at))?;
        match self.by {
            By::Opening => f.write_str("when the store was opened"),
            By::Repair => f.write_str("by a repair"),
            By::Erasure(request) => write!(f, "by erasure {request}"),
            By::Several => f.write_str("or before"),
        }
    }
}

impl Entry for Losses {
    fn encode(&self) -> Result<Value> {
        self.check()?;
        let mut out = Zeroizing::new(Vec::with_capacity(2048));
        out.put_u8(VERSION);
        out.put_varint(self.0.len() as u64);
        self.0.iter().for_each(|loss| loss.put(&mut out));
        Ok(out)
    }

    fn decode(value: &[u8]) -> Result<Self> {
        let mut r = Reader::new(value);
        if r.u8()? != VERSION {
            return Err(Error::newer("the entry of losses has an unknown version"));
        }
        let count = r.count(LOSSES_MAX)?;
        let this = Self((0..count).map(|_| Loss::get(&mut r)).collect::<Result<_>>()?);
        r.finish()?;
        this.check()?;
        Ok(this)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::node::ENTRY_LEN_MAX;

    fn loss(n: u64) -> Loss {
        Loss {
            what: What::Records,
            by: By::Erasure(RequestId([n as u8; 16])),
            at: Micros(n as i64),
            segment: Some(SegmentId(n)),
            number: n,
            first: Seq(n * 10),
            last: Seq(n * 10 + n),
        }
    }

    #[test]
    fn round_trip() {
        let mut losses = Losses::default();
        for by in [By::Opening, By::Repair, By::Erasure(RequestId([7; 16])), By::Several] {
            losses.add(Loss { by, segment: None, ..loss(3) });
        }
        losses.add(Loss { what: What::Leaves { root: [9; 32] }, ..loss(4) });
        let bytes = losses.encode().unwrap();
        assert_eq!(Losses::decode(&bytes).unwrap(), losses);
        assert!(Losses::decode(&bytes[..bytes.len() - 1]).is_err());
        assert!(Losses::decode(&[&bytes[..], &[0]].concat()).is_err());
        assert_eq!((losses.records(), losses.records_of(RequestId([7; 16]))), (12, 3));
        assert!(Losses(vec![Loss { number: 0, ..loss(1) }]).encode().is_err());
    }

    #[test]
    fn however_many_there_are_nothing_is_forgotten_and_it_fits() {
        let mut losses = Losses::default();
        let far = u64::MAX / 1000;
        for n in 1..=100 {
            let what = if n % 10 == 0 { What::Leaves { root: [1; 32] } } else { What::Records };
            let last = Seq(far + n);
            losses.add(Loss { what, at: Micros(i64::MAX), number: far, last, ..loss(n) });
            assert!(losses.encode().unwrap().len() + 2 <= ENTRY_LEN_MAX - 32);
        }
        assert_eq!(losses.0.len(), LOSSES_MAX);
        assert_eq!(losses.records(), far * 90);
        let oldest = losses.of_records().next().unwrap();
        assert_eq!((oldest.first, oldest.by, oldest.segment), (Seq(10), By::Several, None));
        assert_eq!(losses.0.last().unwrap().segment, Some(SegmentId(100)), "the newest stand apart");
    }
}
