//! The canonical bytes of a record.
//!
//! One deterministic CBOR map (RFC 8949 section 4.2.1: shortest integers and lengths, definite
//! lengths, ascending keys). Merkle leaves commit to these bytes, so a record has exactly one
//! encoding: [`Stored::decode`] refuses every other.
//!
//! | key | field | value | left out if |
//! |---|---|---|---|
//! | 1 | kind | unsigned, 1 to 255 | 1 (message) |
//! | 2 | time | integer, microseconds since 1970-01-01T00:00:00Z | never |
//! | 3 | conversation | text | never |
//! | 4 | id | text | never |
//! | 5 | author | unsigned, number of a person; 0 is the store | never |
//! | 6 | subjects | array of unsigned, strictly ascending | empty |
//! | 7 | channel | text | empty |
//! | 8 | tags | array of text, in the order written | empty |
//! | 9 | body | text | empty |
//! | 10 | reply_to | text, id of the record answered | there is none |
//! | 11 | class | unsigned, retention class, 32 bits | 0 (keep) |
//! | 12 | policy | unsigned, several subjects, 8 bits | 0 (any erased kills the record) |
//! | 13 | person | map {1: number, unsigned; 2: handle, 16 bytes; 3: identifiers, array of text}, always all three | there is none |
//! | 14 | extra | array of arrays [name, JSON text], in the order written | empty |
//! | 16 | purpose | reserved | |
//! | 17 | target | text, id of the record it is about; of acts a map, see `receipts` | there is none |
//! | 18 | basis | reserved | |
//! | 19 | attachments | reserved | |
//! | 20 | notice | reserved | |
//!
//! Keys are unsigned integers. Keys 0 and 15 are refused. Keys from 16 that this version does not
//! know, the reserved ones among them, are kept as they are if their value is canonical CBOR of at
//! most 16 levels without floats, undefined and simple values other than false, true and null.

use std::borrow::Cow;
use std::convert::Infallible;

use minicbor::{Decoder, Encoder, encode};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::id::{Handle, Micros, PersonNumber};
use crate::record::cbor;
use crate::record::kind::Kind;
use crate::record::stored::{PersonFields, Stored, StoredRef};

impl Stored {
    /// Reads canonical bytes. Everything allocated is bounded by their length.
    ///
    /// # Errors
    /// `Corrupt` if the bytes are not the one canonical encoding of a record, `Unsupported` if
    /// the kind is unknown.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut entries = Entries(Decoder::new(bytes));
        let mut record = Self::default();
        let mut last_key = 0;
        for _ in 0..entries.map()? {
            let key = entries.unsigned()?;
            if key <= last_key {
                return Err(entries.bad("a map key that does not ascend"));
            }
            record.read_entry(key, &mut entries)?;
            last_key = key;
        }
        // One comparison refuses all that reads well but is not canonical: longer forms of
        // integers, defaults written out, missing entries, unsorted subjects, bytes at the end.
        if *Zeroizing::new(record.encode()) != *bytes {
            return Err(Error::corrupt("record: not in canonical form"));
        }
        Ok(record)
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        self.borrowed().encode()
    }

    fn read_entry(&mut self, key: u64, entries: &mut Entries) -> Result<()> {
        match key {
            KIND => self.kind = entries.kind()?,
            TIME => self.time = Micros(entries.signed()?),
            CONVERSATION => self.conversation = entries.text()?,
            ID => self.id = entries.text()?,
            AUTHOR => self.author = PersonNumber(entries.unsigned()?),
            SUBJECTS => self.subjects = entries.array(|e| Ok(PersonNumber(e.unsigned()?)))?,
            CHANNEL => self.channel = entries.text()?,
            TAGS => self.tags = entries.array(Entries::text)?,
            BODY => self.body = entries.text()?,
            REPLY_TO => self.reply_to = Some(entries.text()?),
            TARGET if entries.is_text() => self.target = Some(entries.text()?),
            CLASS => self.class = entries.narrow()?,
            POLICY => self.policy = entries.narrow()?,
            PERSON => self.person = Some(PersonFields::read(entries)?),
            EXTRA => self.extra = entries.array(Entries::pair)?,
            UNKNOWN_FROM.. => self.unknown.push((key, entries.raw()?)),
            _ => return Err(entries.bad("a map key that is not used")),
        }
        Ok(())
    }
}

impl StoredRef<'_> {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        // Room for all of it: a vector that grows leaves a copy of its plaintext behind.
        let mut bytes = Vec::with_capacity(self.encoded_len_max());
        self.encode_into(&mut bytes);
        bytes
    }

    /// Appends the canonical bytes; there must be room for [`Self::encoded_len_max`] of them, for
    /// a vector that grows leaves a copy of its plaintext behind.
    pub fn encode_into(&self, bytes: &mut Vec<u8>) {
        #[expect(clippy::expect_used, reason = "writing to a Vec is infallible")]
        self.write(&mut Encoder::new(bytes)).expect("writing to a Vec is infallible");
    }

    /// At least as long as the canonical bytes.
    pub fn encoded_len_max(&self) -> usize {
        // Nine bytes hold any head of an item, ten with its map key.
        let text = |t: &str| t.len() + 10;
        let names = self.person.iter().flat_map(|p| &p.identifiers);
        let texts = [self.id, self.conversation, self.channel, self.body];
        let lists = self.tags.iter().chain(names).map(String::as_str);
        128 + texts.into_iter().chain(self.reply_to).chain(self.target).chain(lists).map(text).sum::<usize>()
            + self.subjects.len() * 10
            + self.extra.iter().map(|(name, json)| text(name) + text(json) + 10).sum::<usize>()
            + self.unknown.iter().map(|(_, raw)| raw.len() + 20).sum::<usize>()
    }

    fn write(&self, e: &mut Encoder<&mut Vec<u8>>) -> Written {
        let subjects = self.ascending_subjects();
        let optional = [
            self.kind != Kind::default(),
            !subjects.is_empty(),
            !self.channel.is_empty(),
            !self.tags.is_empty(),
            !self.body.is_empty(),
            self.reply_to.is_some(),
            self.class != 0,
            self.policy != 0,
            self.person.is_some(),
            !self.extra.is_empty(),
            self.target.is_some(),
        ];
        let entries = ALWAYS + optional.iter().filter(|present| **present).count() + self.unknown.len();
        e.map(entries as u64)?;
        if self.kind != Kind::default() {
            e.u64(KIND)?.u8(self.kind as u8)?;
        }
        e.u64(TIME)?.i64(self.time.0)?;
        e.u64(CONVERSATION)?.str(self.conversation)?;
        e.u64(ID)?.str(self.id)?;
        e.u64(AUTHOR)?.u64(self.author.0)?;
        if !subjects.is_empty() {
            e.u64(SUBJECTS)?.array(subjects.len() as u64)?;
            for subject in subjects.iter() {
                e.u64(subject.0)?;
            }
        }
        if !self.channel.is_empty() {
            e.u64(CHANNEL)?.str(self.channel)?;
        }
        if !self.tags.is_empty() {
            e.u64(TAGS)?;
            write_texts(e, self.tags)?;
        }
        if !self.body.is_empty() {
            e.u64(BODY)?.str(self.body)?;
        }
        if let Some(reply_to) = self.reply_to {
            e.u64(REPLY_TO)?.str(reply_to)?;
        }
        if self.class != 0 {
            e.u64(CLASS)?.u32(self.class)?;
        }
        if self.policy != 0 {
            e.u64(POLICY)?.u8(self.policy)?;
        }
        if let Some(person) = self.person {
            e.u64(PERSON)?;
            person.write(e)?;
        }
        if !self.extra.is_empty() {
            e.u64(EXTRA)?.array(self.extra.len() as u64)?;
            for (name, json) in self.extra {
                e.array(2)?.str(name)?.str(json)?;
            }
        }
        debug_assert!(self.unknown.is_sorted_by(|a, b| UNKNOWN_FROM <= a.0 && a.0 < b.0));
        debug_assert!(self.target.is_none() || self.unknown.iter().all(|(key, _)| *key != TARGET));
        let (before, behind) = self.unknown.split_at(self.unknown.partition_point(|(key, _)| *key < TARGET));
        let write_all = |e: &mut Encoder<&mut Vec<u8>>, unknown: &[(u64, Vec<u8>)]| -> Written {
            for (key, value) in unknown {
                e.u64(*key)?.writer_mut().extend_from_slice(value);
            }
            e.ok()
        };
        write_all(e, before)?;
        if let Some(target) = self.target {
            e.u64(TARGET)?.str(target)?;
        }
        write_all(e, behind)
    }

    /// The subjects, put in order if a caller did not, so that what is sealed can be read.
    fn ascending_subjects(&self) -> Cow<'_, [PersonNumber]> {
        if self.subjects.is_sorted_by(|a, b| a < b) {
            return Cow::Borrowed(self.subjects);
        }
        let mut subjects = self.subjects.to_vec();
        subjects.sort_unstable();
        subjects.dedup();
        Cow::Owned(subjects)
    }
}

impl PersonFields {
    fn read(entries: &mut Entries) -> Result<Self> {
        let mut person = Self::default();
        for _ in 0..entries.map()? {
            match entries.unsigned()? {
                PERSON_NUMBER => person.number = PersonNumber(entries.unsigned()?),
                PERSON_HANDLE => person.handle = Handle(entries.bytes16()?),
                PERSON_IDENTIFIERS => person.identifiers = entries.array(Entries::text)?,
                _ => return Err(Error::newer("a field of a person is unknown")),
            }
        }
        Ok(person)
    }

    fn write(&self, e: &mut Encoder<&mut Vec<u8>>) -> Written {
        e.map(3)?.u64(PERSON_NUMBER)?.u64(self.number.0)?;
        e.u64(PERSON_HANDLE)?.bytes(&self.handle.0)?;
        e.u64(PERSON_IDENTIFIERS)?;
        write_texts(e, &self.identifiers)
    }
}

type Written = std::result::Result<(), encode::Error<Infallible>>;

fn write_texts(e: &mut Encoder<&mut Vec<u8>>, texts: &[String]) -> Written {
    e.array(texts.len() as u64)?;
    for text in texts {
        e.str(text)?;
    }
    e.ok()
}

/// Reads values; errors say where and what was expected, never what stands there.
struct Entries<'b>(Decoder<'b>);

impl Entries<'_> {
    fn map(&mut self) -> Result<u64> {
        self.0.map().ok().flatten().ok_or_else(|| self.bad("no map of definite length"))
    }

    fn unsigned(&mut self) -> Result<u64> {
        self.0.u64().map_err(|_| self.bad("no unsigned integer"))
    }

    fn narrow<T: TryFrom<u64>>(&mut self) -> Result<T> {
        T::try_from(self.unsigned()?).map_err(|_| self.bad("an integer over its range"))
    }

    fn kind(&mut self) -> Result<Kind> {
        let number = self.unsigned()?;
        let known = u8::try_from(number).ok().map(Kind::try_from);
        known.unwrap_or_else(|| Err(Error::newer(format!("record kind {number} is unknown"))))
    }

    fn signed(&mut self) -> Result<i64> {
        self.0.i64().map_err(|_| self.bad("no integer of 64 bits"))
    }

    fn text(&mut self) -> Result<String> {
        self.0.str().map(str::to_owned).map_err(|_| self.bad("no text of definite length"))
    }

    fn is_text(&self) -> bool {
        self.0.datatype().is_ok_and(|of| of == minicbor::data::Type::String)
    }

    fn bytes16(&mut self) -> Result<[u8; 16]> {
        let bytes = self.0.bytes().ok().and_then(|bytes| bytes.try_into().ok());
        bytes.ok_or_else(|| self.bad("no 16 bytes"))
    }

    fn array<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let count = self.0.array().ok().flatten().ok_or_else(|| self.bad("no array of definite length"))?;
        // Every item is at least a byte, so a false count ends with the input. The vector grows
        // by what was read: a count alone allocates nothing.
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn pair(&mut self) -> Result<(String, String)> {
        match self.0.array() {
            Ok(Some(2)) => Ok((self.text()?, self.text()?)),
            _ => Err(self.bad("no array of two")),
        }
    }

    fn raw(&mut self) -> Result<Vec<u8>> {
        let start = self.0.position();
        let rest = self.0.input().get(start..).unwrap_or_default();
        let len = cbor::value_len(rest).ok_or_else(|| self.bad("no canonical value"))?;
        self.0.set_position(start + len);
        Ok(rest[..len].to_vec())
    }

    fn bad(&self, what: &str) -> Error {
        Error::corrupt(format!("record: {what} before offset {}", self.0.position()))
    }
}

const KIND: u64 = 1;
const TIME: u64 = 2;
const CONVERSATION: u64 = 3;
const ID: u64 = 4;
const AUTHOR: u64 = 5;
const SUBJECTS: u64 = 6;
const CHANNEL: u64 = 7;
const TAGS: u64 = 8;
const BODY: u64 = 9;
const REPLY_TO: u64 = 10;
const CLASS: u64 = 11;
const POLICY: u64 = 12;
const PERSON: u64 = 13;
const EXTRA: u64 = 14;
/// Reserved from here, but for the target: purpose 16, basis 18, attachments 19, notice 20.
const UNKNOWN_FROM: u64 = 16;
const TARGET: u64 = 17;
/// How many entries are never left out.
const ALWAYS: usize = 4;

const PERSON_NUMBER: u64 = 1;
const PERSON_HANDLE: u64 = 2;
const PERSON_IDENTIFIERS: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use proptest::collection::vec;
    use proptest::option::of;
    use proptest::prelude::*;

    fn sample() -> Stored {
        Stored {
            id: "m1".into(),
            conversation: "c1".into(),
            author: PersonNumber(300),
            subjects: vec![PersonNumber(1), PersonNumber(2)],
            time: Micros(-1),
            tags: vec!["a:b".into()],
            body: "東".into(),
            ..Stored::default()
        }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    fn fault(bytes: &[u8]) -> String {
        Stored::decode(bytes).unwrap_err().to_string()
    }

    #[test]
    fn bytes_are_as_documented() {
        let expected = "a7 0220 03626331 04626d31 0519012c 06820102 088163613a62 0963e69db1";
        assert_eq!(hex(&sample().encode()), expected.replace(' ', ""));
        assert_eq!(hex(&Stored::default().encode()), "a40200036004600500");
    }

    #[test]
    fn every_field_comes_back() {
        let person = PersonFields {
            number: PersonNumber(9),
            handle: Handle(*b"0123456789abcdef"),
            identifiers: vec!["anna".into(), "anna@example.org".into()],
        };
        let record = Stored {
            kind: Kind::Person,
            channel: "web".into(),
            reply_to: Some(String::new()),
            class: u32::MAX,
            policy: 255,
            person: Some(person),
            extra: vec![("z".into(), "1".into()), ("a".into(), "[]".into())],
            unknown: vec![(16, vec![0x61, b'p']), (u64::MAX, vec![0xa1, 0x01, 0x80])],
            ..sample()
        };
        assert!(Stored::decode(&record.encode()).unwrap() == record);
    }

    #[test]
    fn reserved_keys_are_kept() {
        let bytes = b"\xa6\x02\x00\x03\x60\x04\x60\x05\x00\x10\x65audit\x14\xa1\x01\xf5";
        let record = Stored::decode(bytes).unwrap();
        assert_eq!(record.unknown, [(16, b"\x65audit".to_vec()), (20, b"\xa1\x01\xf5".to_vec())]);
        assert_eq!(record.encode(), bytes);
    }

    #[test]
    fn refuses_every_other_encoding() {
        for (name, bytes) in [
            ("time not shortest", &b"\xa4\x02\x18\x00\x03\x60\x04\x60\x05\x00"[..]),
            ("key not shortest", b"\xa4\x18\x02\x00\x03\x60\x04\x60\x05\x00"),
            ("map length not shortest", b"\xb8\x04\x02\x00\x03\x60\x04\x60\x05\x00"),
            ("default written out", b"\xa5\x02\x00\x03\x60\x04\x60\x05\x00\x07\x60"),
            ("default kind written out", b"\xa5\x01\x01\x02\x00\x03\x60\x04\x60\x05\x00"),
            ("author missing", b"\xa3\x02\x00\x03\x60\x04\x60"),
            ("empty map", b"\xa0"),
            ("subjects descending", b"\xa5\x02\x00\x03\x60\x04\x60\x05\x00\x06\x82\x02\x01"),
            ("doubled subject", b"\xa5\x02\x00\x03\x60\x04\x60\x05\x00\x06\x82\x01\x01"),
            ("bytes at the end", b"\xa4\x02\x00\x03\x60\x04\x60\x05\x00\x00"),
        ] {
            assert_eq!(fault(bytes), "record: not in canonical form", "{name}");
        }
        for (bytes, message) in [
            (&b""[..], "record: no map of definite length before offset 0"),
            (b"\xbf\xff", "record: no map of definite length before offset 1"),
            (b"\xa1\x00\x00", "record: a map key that does not ascend before offset 2"),
            (b"\xa1\x0f\x00", "record: a map key that is not used before offset 2"),
            (b"\xa2\x02\x00\x02\x00", "record: a map key that does not ascend before offset 4"),
            (b"\xa1\x20\x00", "record: no unsigned integer before offset"),
            (b"\xa1\x01\x19\x01\x00", "newer format: record kind 256 is unknown"),
            (b"\xa1\x03\x7f\x60\xff", "record: no text of definite length before offset 3"),
            (b"\xa1\x10\xf9\x00\x00", "record: no canonical value before offset 2"),
            (b"\xa1\x10", "record: no canonical value before offset 2"),
        ] {
            assert!(fault(bytes).starts_with(message), "{} for {bytes:x?}", fault(bytes));
        }
    }

    #[test]
    fn an_unknown_kind_is_unsupported() {
        let error = Stored::decode(b"\xa5\x01\x18\xc8\x02\x00\x03\x60\x04\x60\x05\x00").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn a_false_count_allocates_nothing() {
        for key in [TAGS, SUBJECTS, EXTRA] {
            let bytes = [&[0xa1, key as u8, 0x9b], &[0xff; 8][..]].concat();
            assert!(Stored::decode(&bytes).is_err());
        }
        assert!(Stored::decode(&[&[0xbb], &[0xff; 8][..]].concat()).is_err());
    }

    #[test]
    fn subjects_out_of_order_are_put_in_order() {
        let mixed = Stored { subjects: [2, 1, 2].map(PersonNumber).to_vec(), ..sample() };
        assert!(Stored::decode(&mixed.encode()).unwrap() == sample());
    }

    proptest! {
        #[test]
        fn round_trip(
            (id, conversation, channel, body) in any::<(String, String, String, String)>(),
            (author, time, class, policy) in any::<(u64, i64, u32, u8)>(),
            subjects in proptest::collection::btree_set(any::<u64>(), 0..4),
            kind in 0..Kind::ALL.len(),
            tags in vec(any::<String>(), 0..4),
            reply_to in of(any::<String>()),
            person in of((any::<u64>(), any::<[u8; 16]>(), vec(any::<String>(), 0..3))),
            extra in vec(any::<(String, String)>(), 0..3),
            unknown in proptest::collection::btree_map(16u64.., any::<u32>(), 0..3),
            target in of(any::<String>()),
        ) {
            // Key 17 is the target's.
            let target = target.filter(|_| !unknown.contains_key(&17));
            let record = Stored {
                id, conversation, channel, body, class, policy, tags, reply_to, target, extra,
                author: PersonNumber(author),
                subjects: subjects.into_iter().map(PersonNumber).collect(),
                time: Micros(time),
                kind: Kind::ALL[kind],
                person: person.map(|(number, handle, identifiers)| {
                    PersonFields { number: PersonNumber(number), handle: Handle(handle), identifiers }
                }),
                unknown: unknown.into_iter().map(|(k, v)| (k, minicbor::to_vec(v).unwrap())).collect(),
            };
            let bytes = record.encode();
            prop_assert_eq!(cbor::value_len(&bytes), Some(bytes.len()));
            prop_assert!(Stored::decode(&bytes).unwrap() == record);
        }

        #[test]
        fn what_decodes_has_one_encoding(bytes: Vec<u8>, at: proptest::sample::Index, byte: u8) {
            let mut flipped = sample().encode();
            let at = at.index(flipped.len());
            flipped[at] = byte;
            for bytes in [bytes, flipped] {
                if let Ok(record) = Stored::decode(&bytes) {
                    prop_assert_eq!(record.encode(), bytes);
                }
            }
        }
    }
}
