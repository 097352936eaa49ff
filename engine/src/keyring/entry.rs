//! What stands in the keyring: kinds of entries, their keys, their values.
//!
//! A key is a kind byte and the bytes below; a value starts with a version byte (mostly 1). Unknown
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
//! 7 store     1 tag key, 2 signing key, 3 counters, 4 settings, 5 progress of an import, 6 time seen, 7 losses,
//!             8 keys of the log, 9 head signed last, 10 audit rules; 11 ‖ number u64 BE: AuditPeriod
//! 8 forgotten request id 16 ‖ number u64 BE    nothing
//! 9 further   request id 16 ‖ seq u64 BE       Further
//! 10 chosen   request id 16 ‖ seq u64 BE       Further
//! ```

use std::borrow::Cow;

use zeroize::{Zeroize, Zeroizing};

use crate::codec::{Reader, Write, unzigzag, zigzag};
use crate::crypto::Label;
use crate::crypto::kdf::expand;
use crate::error::{Error, Result};
use crate::id::Micros;
use crate::keyring::node::ENTRY_LEN_MAX;
use crate::text::nfc;

mod audit;
mod file;
mod further;
pub mod key;
mod person;
mod store;

pub use audit::{AuditPeriod, AuditRules, Class, Level, Seen};
pub use file::{Journal, Segment};
pub use further::Further;
pub use person::{Evidence, Forgotten, Identifier, Person};
pub use store::{Counters, Preset, Settings, StoreKey};

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
    /// Evidence about a person, which may outlive her.
    Evidence = 3,
    /// A segment.
    Segment = 4,
    /// A journal.
    Journal = 5,
    /// An erasure on its way.
    Pending = 6,
    /// Of the store itself.
    Store = 7,
    /// A person whom an erasure of several passes forgets with what told of her.
    Forgotten = 8,
    /// A record that an erasure of several passes takes besides what it was asked for.
    Further = 9,
    /// A record that an erasure on its way was asked for, of those that are chosen one by one: *format 4*.
    Chosen = 10,
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

/// Keyed tag of an identifier: equal for identifiers that are equal after NFC.
pub fn name_tag(tag_key: &[u8; 32], identifier: &str) -> [u8; 16] {
    let mut normal = nfc(identifier);
    let mut tag = [0; 16];
    expand(Label::NameTag, &[tag_key, normal.as_bytes()], &mut tag);
    if let Cow::Owned(normal) = &mut normal {
        normal.zeroize();
    }
    tag
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
        v => Err(Error::newer(format!("version {v} of a {what} entry is unknown"))),
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
    use crate::error::ErrorKind;
    use crate::id::{FileId, Handle, PersonNumber, RequestId, SegmentId, Seq};
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
        same(&Evidence { number: PersonNumber(300) });
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
        same(&AuditRules::new(Level::All).keep_acts(400));
        same(&AuditPeriod { class: Class::Details, from: Micros(-1), until: Micros(300) });
        same(&Seen { believed: Micros(4), clock: Micros(-3), doubted: 9 });
    }

    #[test]
    fn limits_are_kept() {
        assert!(Identifier(Zeroizing::new("x".repeat(TEXT_LEN_MAX + 1))).encode().is_err());
    }

    /// The fuzzer made a person of 255 identifiers, which was read although nobody can write it.
    #[test]
    fn a_person_of_too_many_identifiers_is_not_read() {
        let mut person = Person {
            handle: Handle([1; 16]),
            content: secret_of(2),
            evidence: secret_of(3),
            state: 0,
            identifiers: IDENTIFIERS_MAX,
            linked: vec![],
        };
        let value = person.encode().unwrap();
        assert_eq!(Person::decode(&value).unwrap().identifiers, IDENTIFIERS_MAX);
        person.identifiers += 1;
        assert!(person.encode().is_err());
        let count = 1 + 16 + 32 + 32 + 1;
        let mut many = value.to_vec();
        many[count] = IDENTIFIERS_MAX + 1;
        assert_eq!(Person::decode(&many).err().unwrap().kind(), ErrorKind::Corrupt);
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
