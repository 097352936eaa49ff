//! People: keys, identifiers, and the evidence that may outlive them.

use zeroize::Zeroizing;

use crate::codec::Write;
use crate::error::{Error, Result};
use crate::id::{Handle, PersonNumber};
use crate::keyring::entry::{
    Entry, IDENTIFIERS_MAX, LINKED_MAX, Secret, Value, check, done, many, put_text, secret, start, text,
    versioned,
};

/// A person.
#[derive(Clone)]
pub struct Person {
    /// Random name in exports and certificates.
    pub handle: Handle,
    /// Key of everything said by or about the person.
    pub content: Secret,
    /// Key of what may outlive the chat.
    pub evidence: Secret,
    /// 0, [`Person::AUDIT`] or [`Person::EVIDENCE`].
    pub state: u8,
    /// How many identifiers stand beside, from 0.
    pub identifiers: u8,
    /// The same human being under other numbers.
    pub linked: Vec<PersonNumber>,
}

impl Person {
    /// State of one who stands for a period of acts: nobody, but a key that dies on its date.
    pub const AUDIT: u8 = 1;

    /// State of one who stands for the evidence about somebody, whose handle it has: nobody, but a key that
    /// may outlive her.
    pub const EVIDENCE: u8 = 2;

    /// Whether it stands for evidence about somebody.
    pub const fn is_evidence(&self) -> bool {
        self.state == Self::EVIDENCE
    }

    /// Whether it is nobody.
    pub const fn is_nobody(&self) -> bool {
        self.state != 0
    }
}

impl Entry for Person {
    fn encode(&self) -> Result<Value> {
        check(self.linked.len() <= LINKED_MAX, "too many linked people")?;
        check(self.identifiers <= IDENTIFIERS_MAX, "too many identifiers of one person")?;
        let mut out = start();
        out.put_bytes(&self.handle.0);
        out.put_bytes(&self.content[..]);
        out.put_bytes(&self.evidence[..]);
        out.put_u8(self.state);
        out.put_u8(self.identifiers);
        out.put_varint(self.linked.len() as u64);
        self.linked.iter().for_each(|p| out.put_varint(p.0));
        done(out)
    }

    fn decode(value: &[u8]) -> Result<Self> {
        let mut r = versioned(value, "person")?;
        let this = Self {
            handle: Handle(r.array()?),
            content: secret(&mut r)?,
            evidence: secret(&mut r)?,
            state: r.u8()?,
            identifiers: r.u8()?,
            linked: many(&mut r, LINKED_MAX, |r| Ok(PersonNumber(r.varint()?)))?,
        };
        r.finish()?;
        if this.state > Self::EVIDENCE {
            return Err(Error::newer("the state of a person is unknown"));
        }
        if this.identifiers > IDENTIFIERS_MAX {
            return Err(Error::corrupt("a person entry names more identifiers than there can be"));
        }
        Ok(this)
    }
}

/// An identifier of a person, as it was first seen.
pub struct Identifier(pub Zeroizing<String>);

impl Entry for Identifier {
    fn encode(&self) -> Result<Value> {
        let mut out = start();
        put_text(&mut out, &self.0)?;
        done(out)
    }

    fn decode(value: &[u8]) -> Result<Self> {
        let mut r = versioned(value, "identifier")?;
        let this = Self(Zeroizing::new(text(&mut r)?));
        r.finish()?;
        Ok(this)
    }
}

impl Entry for PersonNumber {
    fn encode(&self) -> Result<Value> {
        let mut out = start();
        out.put_u64(self.0);
        done(out)
    }

    fn decode(value: &[u8]) -> Result<Self> {
        let mut r = versioned(value, "name")?;
        let this = Self(r.u64()?);
        r.finish()?;
        Ok(this)
    }
}

/// That an erasure on its way forgets somebody; who it is stands in the key.
pub struct Forgotten;

impl Entry for Forgotten {
    fn encode(&self) -> Result<Value> {
        done(start())
    }

    fn decode(value: &[u8]) -> Result<Self> {
        versioned(value, "mark of a forgotten person")?.finish()?;
        Ok(Self)
    }
}

/// Where the evidence about somebody stands, by her handle, which is in the key: *format 4*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Number of the one who stands for it.
    pub number: PersonNumber,
}

impl Entry for Evidence {
    fn encode(&self) -> Result<Value> {
        let mut out = start();
        out.put_varint(self.number.0);
        done(out)
    }

    fn decode(value: &[u8]) -> Result<Self> {
        let mut r = versioned(value, "evidence")?;
        let this = Self { number: PersonNumber(r.varint()?) };
        r.finish()?;
        Ok(this)
    }
}
