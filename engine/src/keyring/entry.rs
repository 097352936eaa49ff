//! What stands in the keyring: kinds of entries, their keys, their values.
//!
//! A key is a kind byte and the bytes below; a value starts with a version byte (1). Unknown
//! versions are refused, unknown kinds left alone.
//!
//! ```text
//! 1 person    number u64 BE ‖ 0      Person
//!             number u64 BE ‖ 1 + i  identifier i, UTF-8
//! 2 name      tag 16                 PersonNumber
//! 3 evidence  handle 16              Evidence
//! 4 segment   id u64 BE              Segment
//! 5 journal   0 current, 1 next      Journal
//! 6 pending   request id 16          Pending
//! 7 store     1 tag key, 2 signing key, 3 counters, 4 settings, 5 progress of an import, 6 high-water time
//! ```

use std::path::PathBuf;

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::codec::{Reader, Write, unzigzag, zigzag};
use crate::crypto::Label;
use crate::crypto::kdf::expand;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{FileId, Handle, Micros, PersonNumber, RequestId, SegmentId, Seq};
use crate::keyring::node::ENTRY_LEN_MAX;

/// 32 secret bytes, wiped on drop.
pub use crate::crypto::Secret;
/// The value of an entry.
pub type Value = Zeroizing<Vec<u8>>;

/// Longest identifier, name or text in an entry.
pub const TEXT_LEN_MAX: usize = 512;
/// Most identifiers of one person.
pub const IDENTIFIERS_MAX: u8 = 254;
/// Most people linked to one.
pub const LINKED_MAX: usize = 128;
/// Most body files of one segment.
pub const BODIES_MAX: usize = 64;

const VERSION: u8 = 1;

/// Kind byte of an entry's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum EntryKind {
    /// A person and his identifiers.
    Person = 1,
    /// Tag of an identifier to person number.
    Name = 2,
    /// Key of evidence that outlives a person.
    Evidence = 3,
    /// A segment.
    Segment = 4,
    /// A journal.
    Journal = 5,
    /// An erasure on its way.
    Pending = 6,
    /// Of the store itself.
    Store = 7,
}

impl EntryKind {
    /// Prefix of every key of this kind, for scans.
    pub const fn prefix(self) -> [u8; 1] {
        [self as u8]
    }
}

/// A value that stands in the keyring.
pub trait Entry: Sized {
    /// The bytes, or `Invalid` if a limit is passed.
    fn encode(&self) -> Result<Value>;
    /// The inverse; refuses unknown versions and anything not canonical.
    fn decode(value: &[u8]) -> Result<Self>;
}

/// Where the parts of an entry stand.
pub mod key {
    use super::{EntryKind, Handle, PersonNumber, RequestId, SegmentId};

    fn of(kind: EntryKind, rest: &[u8]) -> Vec<u8> {
        [&[kind as u8], rest].concat()
    }

    /// A person.
    pub fn person(number: PersonNumber) -> Vec<u8> {
        identifier_at(number, 0)
    }

    /// Identifier `i` of a person (from 0).
    pub fn identifier(number: PersonNumber, i: u8) -> Vec<u8> {
        identifier_at(number, i.saturating_add(1))
    }

    /// Prefix of a person's entry and of all his identifiers.
    pub fn person_prefix(number: PersonNumber) -> Vec<u8> {
        of(EntryKind::Person, &number.0.to_be_bytes())
    }

    fn identifier_at(number: PersonNumber, at: u8) -> Vec<u8> {
        let mut key = person_prefix(number);
        key.push(at);
        key
    }

    /// The number in a key of kind person, and which identifier it is (`None`: the person).
    pub fn parse_person(key: &[u8]) -> Option<(PersonNumber, Option<u8>)> {
        let (number, at) = key.strip_prefix(&[EntryKind::Person as u8])?.split_first_chunk::<8>()?;
        let [at] = at else { return None };
        Some((PersonNumber(u64::from_be_bytes(*number)), at.checked_sub(1)))
    }

    /// A name, by its tag.
    pub fn name(tag: &[u8; 16]) -> Vec<u8> {
        of(EntryKind::Name, tag)
    }

    /// Evidence of an erased person.
    pub fn evidence(handle: Handle) -> Vec<u8> {
        of(EntryKind::Evidence, &handle.0)
    }

    /// A segment.
    pub fn segment(id: SegmentId) -> Vec<u8> {
        of(EntryKind::Segment, &id.0.to_be_bytes())
    }

    /// The number in a key of kind segment.
    pub fn parse_segment(key: &[u8]) -> Option<SegmentId> {
        let id = key.strip_prefix(&[EntryKind::Segment as u8])?;
        Some(SegmentId(u64::from_be_bytes(id.try_into().ok()?)))
    }

    /// The current journal.
    pub fn journal_current() -> Vec<u8> {
        of(EntryKind::Journal, &[0])
    }

    /// The journal born ahead.
    pub fn journal_next() -> Vec<u8> {
        of(EntryKind::Journal, &[1])
    }

    /// An erasure on its way.
    pub fn pending(request: RequestId) -> Vec<u8> {
        of(EntryKind::Pending, &request.0)
    }

    /// The request in a key of kind pending.
    pub fn parse_pending(key: &[u8]) -> Option<RequestId> {
        Some(RequestId(key.strip_prefix(&[EntryKind::Pending as u8])?.try_into().ok()?))
    }

    /// Key of name tags.
    pub fn tag_key() -> Vec<u8> {
        of(EntryKind::Store, &[1])
    }

    /// Signing key of the log.
    pub fn signing_key() -> Vec<u8> {
        of(EntryKind::Store, &[2])
    }

    /// Counters.
    pub fn counters() -> Vec<u8> {
        of(EntryKind::Store, &[3])
    }

    /// Settings.
    pub fn settings() -> Vec<u8> {
        of(EntryKind::Store, &[4])
    }

    /// Progress of an import.
    pub fn import_progress() -> Vec<u8> {
        of(EntryKind::Store, &[5])
    }

    /// Highest time seen.
    pub fn high_water() -> Vec<u8> {
        of(EntryKind::Store, &[6])
    }
}

/// Keyed tag of an identifier: equal for identifiers that are equal after NFC.
pub fn name_tag(tag_key: &[u8; 32], identifier: &str) -> [u8; 16] {
    let normal = Zeroizing::new(identifier.nfc().collect::<String>());
    let mut tag = [0; 16];
    expand(Label::NameTag, &[tag_key, normal.as_bytes()], &mut tag);
    tag
}

/// A person.
#[derive(Clone)]
pub struct Person {
    /// Random name in exports and certificates.
    pub handle: Handle,
    /// Key of everything said by or about the person.
    pub content: Secret,
    /// Key of what may outlive the chat.
    pub evidence: Secret,
    /// Reserved: 0.
    pub state: u8,
    /// How many identifiers stand beside, from 0.
    pub identifiers: u8,
    /// The same human being under other numbers.
    pub linked: Vec<PersonNumber>,
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

/// Key of evidence that outlives an erased person. Reserved.
pub struct Evidence {
    /// The person's K_evidence.
    pub key: Secret,
    /// When it dies.
    pub expiry: Micros,
}

impl Entry for Evidence {
    fn encode(&self) -> Result<Value> {
        let mut out = start();
        out.put_bytes(&self.key[..]);
        put_time(&mut out, self.expiry);
        done(out)
    }

    fn decode(value: &[u8]) -> Result<Self> {
        let mut r = versioned(value, "evidence")?;
        let this = Self { key: secret(&mut r)?, expiry: time(&mut r)? };
        r.finish()?;
        Ok(this)
    }
}

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

/// Highest time seen.
impl Entry for Micros {
    fn encode(&self) -> Result<Value> {
        let mut out = start();
        put_time(&mut out, *self);
        done(out)
    }

    fn decode(value: &[u8]) -> Result<Self> {
        let mut r = versioned(value, "time")?;
        let this = time(&mut r)?;
        r.finish()?;
        Ok(this)
    }
}

/// A buffer that holds any entry without growing, for growing would leave a copy behind.
fn start() -> Value {
    let mut out = Vec::with_capacity(2 * ENTRY_LEN_MAX);
    out.put_u8(VERSION);
    Zeroizing::new(out)
}

fn done(out: Value) -> Result<Value> {
    check(out.len() <= ENTRY_LEN_MAX - 32, "an entry of the keyring is too long")?;
    // A copy of the right size; the large buffer is wiped.
    Ok(Zeroizing::new(out.to_vec()))
}

fn check(ok: bool, what: &str) -> Result<()> {
    if ok { Ok(()) } else { Err(Error::invalid(what)) }
}

fn versioned<'a>(value: &'a [u8], what: &str) -> Result<Reader<'a>> {
    let mut r = Reader::new(value);
    match r.u8()? {
        VERSION => Ok(r),
        v => Err(Error::new(ErrorKind::Unsupported, format!("version {v} of a {what} entry is unknown"))
            .hint("use the newer version of the program")),
    }
}

/// Reads a key from a buffer that is wiped.
pub(super) fn secret(r: &mut Reader<'_>) -> Result<Secret> {
    let bytes = r.bytes(32)?;
    Ok(Secret::filled(|key| key.copy_from_slice(bytes)))
}

fn many<T>(r: &mut Reader<'_>, max: usize, f: impl Fn(&mut Reader<'_>) -> Result<T>) -> Result<Vec<T>> {
    (0..r.count(max)?).map(|_| f(r)).collect()
}

fn put_time(out: &mut Vec<u8>, t: Micros) {
    out.put_varint(zigzag(t.0));
}

fn time(r: &mut Reader<'_>) -> Result<Micros> {
    Ok(Micros(unzigzag(r.varint()?)))
}

fn put_text(out: &mut Vec<u8>, text: &str) -> Result<()> {
    check(text.len() <= TEXT_LEN_MAX, "a text in the keyring is over 512 bytes")?;
    out.put_slice(text.as_bytes());
    Ok(())
}

fn text(r: &mut Reader<'_>) -> Result<String> {
    let bytes = r.slice()?;
    if bytes.len() > TEXT_LEN_MAX {
        return Err(Error::corrupt("a text in the keyring is over 512 bytes"));
    }
    String::from_utf8(bytes.to_vec()).map_err(|_| Error::corrupt("a text in the keyring is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn same<T: Entry>(entry: &T) {
        let value = entry.encode().unwrap();
        assert_eq!(*T::decode(&value).unwrap().encode().unwrap(), *value);
        assert!(T::decode(&value[..value.len() - 1]).is_err());
        assert!(T::decode(&[&value[..], &[0]].concat()).is_err());
        let mut newer = value.to_vec();
        newer[0] = 2;
        assert_eq!(T::decode(&newer).err().unwrap().kind(), ErrorKind::Unsupported);
    }

    fn secret_of(b: u8) -> Secret {
        Secret::from_bytes(&[b; 32])
    }

    #[test]
    fn every_entry_round_trips_and_refuses_other_versions() {
        same(&Person {
            handle: Handle([1; 16]),
            content: secret_of(2),
            evidence: secret_of(3),
            state: 0,
            identifiers: 2,
            linked: vec![PersonNumber(7), PersonNumber(u64::MAX)],
        });
        same(&Identifier(Zeroizing::new("anna@example.org".into())));
        same(&PersonNumber(9));
        same(&Evidence { key: secret_of(1), expiry: Micros(-5) });
        same(&Segment {
            key: secret_of(1),
            index: FileId([2; 16]),
            index_pages: 3,
            bodies: vec![FileId([4; 16]); BODIES_MAX],
            docs: 5,
            generation: 6,
            first: Micros::MIN,
            last: Micros::MAX,
            min_seq: Seq(7),
            max_seq: Seq(8),
        });
        same(&Journal { file: FileId([1; 16]), key: secret_of(2) });
        same(&StoreKey(secret_of(1)));
        same(&Counters { person: PersonNumber(1), segment: SegmentId(2), seq: Seq(3), removed: 4 });
        same(&Settings { origin: "o".into(), region: String::new(), preset: Preset::Room });
        same(&Micros(-1));
    }

    #[test]
    fn limits_are_kept() {
        assert!(Identifier(Zeroizing::new("x".repeat(TEXT_LEN_MAX + 1))).encode().is_err());
    }

    #[test]
    fn keys_are_apart_and_parse() {
        let n = PersonNumber(300);
        assert_eq!(key::parse_person(&key::person(n)), Some((n, None)));
        assert_eq!(key::parse_person(&key::identifier(n, 4)), Some((n, Some(4))));
        assert!(
            key::person(n) < key::identifier(n, 0) && key::identifier(n, 0) < key::person(PersonNumber(301))
        );
        assert_eq!(key::parse_segment(&key::segment(SegmentId(5))), Some(SegmentId(5)));
        assert_eq!(key::parse_pending(&key::pending(RequestId([9; 16]))), Some(RequestId([9; 16])));
        assert_eq!(key::parse_segment(&key::person(n)), None);
    }

    #[test]
    fn a_name_is_equal_after_nfc() {
        let k = [1; 32];
        assert_eq!(name_tag(&k, "Zoe\u{308}"), name_tag(&k, "Zo\u{eb}"));
        assert_ne!(name_tag(&k, "anna"), name_tag(&k, "Anna"));
        assert_ne!(name_tag(&k, "anna"), name_tag(&[2; 32], "anna"));
    }

    proptest! {
        #[test]
        fn decode_never_panics(mut b in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some(first) = b.first_mut() { *first = VERSION; }
            let _ = Person::decode(&b).is_ok();
            let _ = Segment::decode(&b).is_ok();
            let _ = Settings::decode(&b).is_ok();
        }
    }
}
