//! `pending`: an erasure that was accepted and is not answered yet.
//!
//! It stands in the key tree from E0 to after E9 (there is no file of intents). While it waits it
//! holds the selector and the reason; once its keys are destroyed it holds neither, only what the
//! `erased` record will say.

use crate::codec::{Reader, Write, unzigzag, zigzag};
use crate::error::{Error, Result};
use crate::id::{Epoch, Handle, Micros, PersonNumber, Seq};
use crate::keyring::entry::{Class, Entry, Value};
use zeroize::Zeroizing;

mod redacted;

pub use redacted::{Redacted, SPANS_MAX, Span};

/// Version of one that says nothing of a legal ground.
const VERSION: u8 = 1;
/// Version of one that does: *format 3*.
const WITH_BASIS: u8 = 2;
/// Version of one that says what rules made of it: *format 4*.
const WITH_RULES: u8 = 3;
/// Version of one that overwrote a part of a record: *format 4*.
const WITH_REDACTION: u8 = 4;
/// Most people who approve one request.
const APPROVERS_MAX: usize = 16;
/// Handles of one request at most: as many as people can be linked.
const HANDLES_MAX: usize = 16;
/// Joins that go with one record at most, so that an entry holds them: more than one can name.
pub const JOINS_MAX: usize = 100;

/// Whom or what an erasure takes, by number where there is one.
#[derive(Clone, PartialEq, Eq)]
pub enum Target {
    /// A person and those linked to her, ascending.
    Persons(Vec<PersonNumber>),
    /// Every record of a conversation.
    Conversation(String),
    /// One record.
    Record {
        /// Its conversation.
        conversation: String,
        /// Its id.
        id: String,
        /// Its log position.
        seq: Seq,
        /// Positions of joins that were made from the participants it named.
        joins: Vec<Seq>,
    },
    /// Periods of acts or of details whose date has come.
    Audit {
        /// Which of both.
        class: Class,
        /// Numbers of their persons, ascending.
        numbers: Vec<PersonNumber>,
    },
    /// Records that were chosen one by one: what rules leave of something to go, or a class whose time is
    /// over.
    Records {
        /// Code of what they are a part of, see [`Target::what`].
        of: u8,
        /// Their log positions, ascending. They stand in entries of their own, see
        /// [`catalog`](crate::keyring::catalog::waiting).
        seqs: Vec<Seq>,
    },
    /// A part of one record, which stays without it at a new position.
    Redact {
        /// Which record, and who wants it.
        of: Box<Redacted>,
        /// What of its body goes: in characters, ascending, apart from each other.
        spans: Vec<Span>,
    },
    /// An identifier of a person. What says who she is stays without it at a new position.
    Rename {
        /// The record that says it, and who wants it.
        of: Box<Redacted>,
        /// Who she is.
        person: PersonNumber,
        /// Which of her identifiers stay, by where they stand, in the order in which they are to stand.
        stays: Vec<u8>,
    },
}

/// What rules keep of what an erasure was asked to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// How many records.
    pub records: u64,
    /// Whether a hold keeps some of them; else a lock does.
    pub held: bool,
    /// When the last lock on them is over, if there is one.
    pub until: Option<Micros>,
}

/// What an erasure did so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Code of the target's kind.
    pub what: u8,
    /// Handles of the people erased.
    pub handles: Vec<Handle>,
    /// Records removed.
    pub removed: u64,
    /// Content keys destroyed.
    pub content_keys: u64,
    /// People forgotten because nothing but what went told of them.
    pub forgotten: u64,
    /// Segments re-keyed.
    pub segments: u64,
    /// Journal keys destroyed.
    pub journals: u64,
    /// Epoch before the first pass.
    pub epoch_before: Epoch,
    /// Epoch after the last pass.
    pub epoch_after: Epoch,
    /// When the last pass was committed.
    pub committed: Micros,
    /// Number of the legal ground; 0 for none.
    pub basis: u8,
    /// Evidence that outlives the erased: handle, and when its key dies.
    pub retained: Vec<(Handle, Micros)>,
    /// Who asked for it; 0 if nobody is named.
    pub by: PersonNumber,
    /// Who approved it.
    pub approvers: Vec<PersonNumber>,
    /// What rules keep of it.
    pub kept: Option<Kept>,
    /// Who is to be restricted for what they keep of her.
    pub restricts: Option<PersonNumber>,
    /// The record of which it took a part only.
    pub redacted: Option<Redacted>,
}

/// An erasure that waits for its pass, or for its next one.
#[derive(Clone, PartialEq, Eq)]
pub struct Waiting {
    /// What it takes.
    pub target: Target,
    /// Why, as the caller said.
    pub reason: Option<String>,
    /// When it was accepted.
    pub asked: Micros,
    /// What earlier passes did.
    pub progress: Done,
    /// People who are forgotten with it: nothing but what goes tells of them. They stand in entries
    /// of their own, see [`catalog`](crate::keyring::catalog::waiting).
    pub forgotten: Vec<PersonNumber>,
    /// Records that go besides what was asked for: details of acts that name it, or could tell of it;
    /// ascending. They stand in entries of their own between two passes, and with them the family.
    pub further: Vec<Seq>,
    /// Records that go because they speak of what goes: edits, deletions, reactions, tags; ascending.
    pub family: Vec<Seq>,
}

/// State of an erasure.
#[derive(Clone, PartialEq, Eq)]
pub enum Pending {
    /// It waits.
    Waiting(Waiting),
    /// Its keys are destroyed; the answer is due.
    Done(Done),
}

impl Waiting {
    /// One that was just accepted: nothing of it is done yet, and nothing else was found to go with it.
    pub fn new(target: Target, asked: Micros) -> Self {
        let (progress, forgotten, further, family) = Default::default();
        Self { target, reason: None, asked, progress, forgotten, further, family }
    }

    /// Whether somebody asked for it. A date that has come is nobody.
    pub const fn was_asked_for(&self) -> bool {
        !matches!(self.target, Target::Audit { .. }) && !self.is_of_class()
    }

    /// Whether its records go because their time is over, or because they were taken back.
    pub const fn is_of_class(&self) -> bool {
        matches!(self.target, Target::Records { of: Target::CLASS, .. })
    }
}

impl Target {
    /// Code of a person.
    pub const PERSON: u8 = 1;
    /// Code of an identifier.
    pub const IDENTIFIER: u8 = 10;
    /// Code of a retention class whose time is over.
    pub const CLASS: u8 = 8;

    /// Code of what the certificate calls it: that of the whole where rules leave a part of it to go.
    pub const fn what(&self) -> u8 {
        match self {
            Self::Records { of, .. } => *of,
            other => other.code(),
        }
    }

    /// 1 person, 2 conversation, 3 record, 4 acts, 5 details, 6 evidence, 7 chosen records, 9 a part of a
    /// record, 10 an identifier. What 8 is says [`Self::CLASS`].
    pub const fn code(&self) -> u8 {
        match self {
            Self::Persons(_) => Self::PERSON,
            Self::Conversation(_) => 2,
            Self::Record { .. } => 3,
            Self::Audit { class: Class::Acts, .. } => 4,
            Self::Audit { class: Class::Details, .. } => 5,
            Self::Audit { class: Class::Evidence, .. } => 6,
            Self::Records { .. } => 7,
            Self::Redact { .. } => 9,
            Self::Rename { .. } => Self::IDENTIFIER,
        }
    }

    /// The record of which a part goes, and which stays at a new position.
    pub const fn redacted(&self) -> Option<&Redacted> {
        match self {
            Self::Redact { of, .. } | Self::Rename { of, .. } => Some(of),
            _ => None,
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.put_u8(self.code());
        match self {
            Self::Persons(numbers) | Self::Audit { numbers, .. } => {
                out.put_varint(numbers.len() as u64);
                numbers.iter().for_each(|n| out.put_varint(n.0));
            }
            Self::Conversation(name) => out.put_slice(name.as_bytes()),
            Self::Records { of, .. } => out.put_u8(*of),
            Self::Redact { of, spans } => {
                of.put(out);
                redacted::put_spans(out, spans);
            }
            Self::Rename { of, person, stays } => {
                of.put(out);
                out.put_varint(person.0);
                out.put_slice(stays);
            }
            Self::Record { conversation, id, seq, joins } => {
                out.put_slice(conversation.as_bytes());
                out.put_slice(id.as_bytes());
                out.put_varint(seq.0);
                out.put_varint(joins.len() as u64);
                joins.iter().for_each(|seq| out.put_varint(seq.0));
            }
        }
    }

    fn get(r: &mut Reader<'_>) -> Result<Self> {
        match r.u8()? {
            1 => Ok(Self::Persons(numbers(r)?)),
            2 => Ok(Self::Conversation(text(r)?)),
            3 => {
                let (conversation, id, seq) = (text(r)?, text(r)?, Seq(r.varint()?));
                let n = r.count(JOINS_MAX)?;
                let joins = (0..n).map(|_| Ok(Seq(r.varint()?))).collect::<Result<_>>()?;
                Ok(Self::Record { conversation, id, seq, joins })
            }
            4 => Ok(Self::Audit { class: Class::Acts, numbers: numbers(r)? }),
            5 => Ok(Self::Audit { class: Class::Details, numbers: numbers(r)? }),
            6 => Ok(Self::Audit { class: Class::Evidence, numbers: numbers(r)? }),
            7 => Ok(Self::Records { of: r.u8()?, seqs: Vec::new() }),
            9 => Ok(Self::Redact { of: Box::new(Redacted::get(r)?), spans: redacted::spans(r)? }),
            Self::IDENTIFIER => Ok(Self::Rename {
                of: Box::new(Redacted::get(r)?),
                person: PersonNumber(r.varint()?),
                stays: r.slice()?.to_vec(),
            }),
            _ => Err(unknown("target")),
        }
    }
}

impl Done {
    fn put(&self, out: &mut Vec<u8>) {
        out.put_u8(self.what);
        out.put_varint(self.handles.len() as u64);
        self.handles.iter().for_each(|h| out.put_bytes(&h.0));
        for n in [
            self.removed,
            self.content_keys,
            self.forgotten,
            self.segments,
            self.journals,
            self.epoch_before.0,
            self.epoch_after.0,
            zigzag(self.committed.0),
        ] {
            out.put_varint(n);
        }
        match self.version() {
            VERSION => {}
            WITH_BASIS => out.put_u8(self.basis),
            _ => self.put_rules(out),
        }
        if let Some(redacted) = &self.redacted {
            redacted.put(out);
        }
    }

    const fn version(&self) -> u8 {
        if self.redacted.is_some() {
            WITH_REDACTION
        } else if !self.retained.is_empty()
            || !self.approvers.is_empty()
            || self.kept.is_some()
            || self.by.0 != 0
        {
            WITH_RULES
        } else if self.basis != 0 {
            WITH_BASIS
        } else {
            VERSION
        }
    }

    fn put_rules(&self, out: &mut Vec<u8>) {
        out.put_u8(self.basis);
        out.put_varint(self.retained.len() as u64);
        for (handle, until) in &self.retained {
            out.put_bytes(&handle.0);
            out.put_varint(zigzag(until.0));
        }
        out.put_varint(self.approvers.len() as u64);
        self.approvers.iter().for_each(|number| out.put_varint(number.0));
        out.put_u8(u8::from(self.kept.is_some()));
        if let Some(kept) = &self.kept {
            out.put_varint(kept.records);
            out.put_u8(u8::from(kept.held));
            out.put_u8(u8::from(kept.until.is_some()));
            if let Some(until) = kept.until {
                out.put_varint(zigzag(until.0));
            }
            out.put_varint(self.restricts.map_or(0, |number| number.0));
        }
        out.put_varint(self.by.0);
    }

    fn get_rules(&mut self, r: &mut Reader<'_>) -> Result<()> {
        self.basis = r.u8()?;
        for _ in 0..r.count(HANDLES_MAX)? {
            self.retained.push((Handle(r.array()?), Micros(unzigzag(r.varint()?))));
        }
        for _ in 0..r.count(APPROVERS_MAX)? {
            self.approvers.push(PersonNumber(r.varint()?));
        }
        if flag(r)? {
            let (records, held) = (r.varint()?, flag(r)?);
            let until = if flag(r)? { Some(Micros(unzigzag(r.varint()?))) } else { None };
            self.kept = Some(Kept { records, held, until });
            self.restricts = Some(PersonNumber(r.varint()?)).filter(|number| *number != PersonNumber::STORE);
        }
        self.by = PersonNumber(r.varint()?);
        Ok(())
    }

    fn get(r: &mut Reader<'_>, version: u8) -> Result<Self> {
        let what = r.u8()?;
        let n = r.count(HANDLES_MAX)?;
        let handles = (0..n).map(|_| Ok(Handle(r.array()?))).collect::<Result<_>>()?;
        let mut this = Self {
            what,
            handles,
            removed: r.varint()?,
            content_keys: r.varint()?,
            forgotten: r.varint()?,
            segments: r.varint()?,
            journals: r.varint()?,
            epoch_before: Epoch(r.varint()?),
            epoch_after: Epoch(r.varint()?),
            committed: Micros(unzigzag(r.varint()?)),
            basis: if version == WITH_BASIS { basis(r)? } else { 0 },
            ..Self::default()
        };
        if version >= WITH_RULES {
            this.get_rules(r)?;
        }
        if version == WITH_REDACTION {
            this.redacted = Some(Redacted::get(r)?);
        }
        if this.version() == version { Ok(this) } else { Err(unknown("form")) }
    }
}

impl Entry for Pending {
    fn encode(&self) -> Result<Value> {
        let mut out = Zeroizing::new(Vec::with_capacity(2048));
        let (Self::Waiting(Waiting { progress: done, .. }) | Self::Done(done)) = self;
        out.put_u8(done.version());
        match self {
            Self::Waiting(w) => {
                out.put_u8(1);
                w.target.put(&mut out);
                out.put_u8(u8::from(w.reason.is_some()));
                if let Some(reason) = &w.reason {
                    out.put_slice(reason.as_bytes());
                }
                out.put_varint(zigzag(w.asked.0));
                w.progress.put(&mut out);
            }
            Self::Done(d) => {
                out.put_u8(2);
                d.put(&mut out);
            }
        }
        Ok(out)
    }

    fn decode(value: &[u8]) -> Result<Self> {
        let mut r = Reader::new(value);
        let version = r.u8()?;
        if !(VERSION..=WITH_REDACTION).contains(&version) {
            return Err(unknown("version"));
        }
        let this = match r.u8()? {
            1 => {
                let target = Target::get(&mut r)?;
                let reason = match r.u8()? {
                    0 => None,
                    1 => Some(text(&mut r)?),
                    _ => return Err(unknown("mark")),
                };
                let asked = Micros(unzigzag(r.varint()?));
                let progress = Done::get(&mut r, version)?;
                Self::Waiting(Waiting { reason, progress, ..Waiting::new(target, asked) })
            }
            2 => Self::Done(Done::get(&mut r, version)?),
            _ => return Err(unknown("state")),
        };
        r.finish()?;
        Ok(this)
    }
}

fn numbers(r: &mut Reader<'_>) -> Result<Vec<PersonNumber>> {
    let n = r.count(r.remaining())?;
    (0..n).map(|_| Ok(PersonNumber(r.varint()?))).collect()
}

fn text(r: &mut Reader<'_>) -> Result<String> {
    String::from_utf8(r.slice()?.to_vec()).map_err(|_| Error::corrupt("a text of an erasure is not UTF-8"))
}

fn flag(r: &mut Reader<'_>) -> Result<bool> {
    match r.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(unknown("mark")),
    }
}

fn basis(r: &mut Reader<'_>) -> Result<u8> {
    match r.u8()? {
        0 => Err(unknown("legal ground")),
        basis => Ok(basis),
    }
}

fn unknown(what: &str) -> Error {
    Error::newer(format!("an accepted erasure has an unknown {what}"))
}

#[cfg(test)]
mod tests;
