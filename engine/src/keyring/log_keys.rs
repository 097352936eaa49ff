//! Keys of the log that came and went, the one that comes next, and the head that was signed last.
//! Both entries stand in stores of format 3 only.
//!
//! ```text
//! keys   = 1 ‖ varint generation ‖ varint number of losses when it began
//!        ‖ varint count, at most 16 ‖ { varint generation ‖ public 32 ‖ varint from size ‖ zigzag time } oldest first
//!        ‖ 0 | 1 ‖ next | 2 ‖ change                 what waits: nothing, the next key, the act of the last change
//! change = varint generation ‖ old public 32 ‖ new public 32 ‖ varint size ‖ root 32 ‖ signature of the old key 64 ‖ zigzag time
//! next   = seed 32 ‖ change
//! head   = 1 ‖ size u64 ‖ root 32 ‖ zigzag time
//! ```
//!
//! The seed of the next key stands here from the commit that wants it to the erasing commit that makes it
//! the key: so a crash between them loses nothing, and the old seed dies with the old root.

use zeroize::Zeroizing;

use crate::codec::{Reader, Write, unzigzag, zigzag};
use crate::crypto::Secret;
use crate::error::{Error, Result};
use crate::id::Micros;
use crate::keyring::entry::{Entry, Value};

const VERSION: u8 = 1;
/// Most keys that are remembered here; the acts of their changes stand in the log for ever.
const KEYS_MAX: usize = 16;

/// A key that signs or signed the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogKey {
    /// Of which history it is.
    pub generation: u64,
    /// The public key.
    pub public: [u8; 32],
    /// Leaves of the log when it began to sign.
    pub from: u64,
    /// When it began.
    pub since: Micros,
}

/// A change of the key, signed by the old one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Generation of the new key: names another history if it is not that of the old key.
    pub generation: u64,
    /// The old public key.
    pub old: [u8; 32],
    /// The new one.
    pub new: [u8; 32],
    /// Leaves of the log.
    pub size: u64,
    /// Root over them.
    pub root: [u8; 32],
    /// Signature of the old key.
    pub signature: [u8; 64],
    /// When it was asked for.
    pub at: Micros,
}

/// What waits.
#[derive(Clone, Default)]
pub enum Waits {
    /// Nothing.
    #[default]
    Nothing,
    /// The next erasing commit changes the key to the one of this seed.
    Next(Secret, Change),
    /// It is changed, and the act is to be written.
    Act(Change),
}

/// Keys of the log.
#[derive(Clone, Default)]
pub struct LogKeys {
    /// 0 for the history the store began with.
    pub generation: u64,
    /// How many losses of hashes were noted when it began.
    pub losses: u64,
    /// The keys, oldest first; the last one signs. Empty as long as the first one does.
    pub keys: Vec<LogKey>,
    /// What waits.
    pub waits: Waits,
}

impl LogKeys {
    /// Adds the key that signs from now on.
    pub fn push(&mut self, key: LogKey) {
        if self.keys.len() == KEYS_MAX {
            self.keys.remove(0);
        }
        self.keys.push(key);
    }
}

impl Change {
    fn put(&self, out: &mut Vec<u8>) {
        out.put_varint(self.generation);
        out.put_bytes(&self.old);
        out.put_bytes(&self.new);
        out.put_varint(self.size);
        out.put_bytes(&self.root);
        out.put_bytes(&self.signature);
        out.put_varint(zigzag(self.at.0));
    }

    fn get(r: &mut Reader<'_>) -> Result<Self> {
        Ok(Self {
            generation: r.varint()?,
            old: r.array()?,
            new: r.array()?,
            size: r.varint()?,
            root: r.array()?,
            signature: r.array()?,
            at: Micros(unzigzag(r.varint()?)),
        })
    }
}

impl Entry for LogKeys {
    fn encode(&self) -> Result<Value> {
        // Never grown: it holds a seed.
        let mut out = Zeroizing::new(Vec::with_capacity(1792));
        out.put_u8(VERSION);
        out.put_varint(self.generation);
        out.put_varint(self.losses);
        out.put_varint(self.keys.len() as u64);
        for key in &self.keys {
            out.put_varint(key.generation);
            out.put_bytes(&key.public);
            out.put_varint(key.from);
            out.put_varint(zigzag(key.since.0));
        }
        match &self.waits {
            Waits::Nothing => out.put_u8(0),
            Waits::Next(seed, change) => {
                out.put_u8(1);
                out.put_bytes(&**seed);
                change.put(&mut out);
            }
            Waits::Act(change) => {
                out.put_u8(2);
                change.put(&mut out);
            }
        }
        Ok(out)
    }

    fn decode(value: &[u8]) -> Result<Self> {
        let mut r = Reader::new(value);
        if r.u8()? != VERSION {
            return Err(Error::newer("the entry of the log's keys has an unknown version"));
        }
        let (generation, losses) = (r.varint()?, r.varint()?);
        let keys = (0..r.count(KEYS_MAX)?)
            .map(|_| {
                let (generation, public, from) = (r.varint()?, r.array()?, r.varint()?);
                Ok(LogKey { generation, public, from, since: Micros(unzigzag(r.varint()?)) })
            })
            .collect::<Result<_>>()?;
        let waits = match r.u8()? {
            0 => Waits::Nothing,
            1 => {
                let seed = r.bytes(32)?;
                let seed = Secret::filled(|key| key.copy_from_slice(seed));
                Waits::Next(seed, Change::get(&mut r)?)
            }
            2 => Waits::Act(Change::get(&mut r)?),
            _ => return Err(Error::newer("something unknown waits for the log's key")),
        };
        r.finish()?;
        Ok(Self { generation, losses, keys, waits })
    }
}

/// The head of the log that was signed last, of those that no roll had published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedHead {
    /// Leaves.
    pub size: u64,
    /// Root over them.
    pub root: [u8; 32],
    /// When.
    pub at: Micros,
}

impl Entry for SignedHead {
    fn encode(&self) -> Result<Value> {
        let mut out = Zeroizing::new(Vec::with_capacity(64));
        out.put_u8(VERSION);
        out.put_u64(self.size);
        out.put_bytes(&self.root);
        out.put_varint(zigzag(self.at.0));
        Ok(out)
    }

    fn decode(value: &[u8]) -> Result<Self> {
        let mut r = Reader::new(value);
        if r.u8()? != VERSION {
            return Err(Error::newer("the entry of the head that was signed last has an unknown version"));
        }
        let this = Self { size: r.u64()?, root: r.array()?, at: Micros(unzigzag(r.varint()?)) };
        r.finish()?;
        Ok(this)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same<T: Entry>(entry: &T) {
        let value = entry.encode().unwrap();
        assert_eq!(*T::decode(&value).unwrap().encode().unwrap(), *value);
        for len in 0..value.len() {
            assert!(T::decode(&value[..len]).is_err(), "{len}");
        }
        assert!(T::decode(&[&value[..], &[0]].concat()).is_err());
    }

    #[test]
    fn round_trips() {
        let change = Change {
            generation: 2,
            old: [1; 32],
            new: [2; 32],
            size: 300,
            root: [3; 32],
            signature: [4; 64],
            at: Micros(-5),
        };
        let seed = Secret::from_bytes(&[7; 32]);
        for waits in [Waits::Nothing, Waits::Next(seed, change.clone()), Waits::Act(change)] {
            let mut all = LogKeys { generation: 1, losses: 1, keys: Vec::new(), waits };
            for n in 0..20 {
                same(&all);
                all.push(LogKey {
                    generation: u64::from(n),
                    public: [n; 32],
                    from: u64::from(n) << 40,
                    since: Micros(i64::from(n)),
                });
            }
            assert_eq!((all.keys.len(), all.keys[15].public), (KEYS_MAX, [19; 32]));
            assert!(all.encode().unwrap().len() < 1200);
        }
        same(&SignedHead { size: 9, root: [1; 32], at: Micros(-1) });
    }
}
