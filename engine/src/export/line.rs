//! The lines of a proof beside an export.
//!
//! ```text
//! escrowdb/export-proof/v1
//! size N                                       leaves of the tree
//! p SEQ SALT CANONICAL                         a record that says who a number is
//! u NUMBER NAME                                a name without such a record: the signer's word
//! r SEQ SALT LEAF MARK AUTHOR SUBJECTS[ REST]  a record, as many as lines of the file, in their order
//! n HASH                                       a node, behind all others
//! ```
//!
//! A file that is not read line by line has a proof of the second sort, and so has one in which records
//! stand that can't be proved without telling of others:
//!
//! ```text
//! escrowdb/export-proof/v2
//! size N
//! form NAME VERSION[ SALT]                     see [`FormLine`](super::FormLine)
//! p, u, n                                      as above; r of a file with lines
//! o SEQ SALT CANONICAL                         a record that the file shows, of one without lines
//! x LINE                                       a record as JSON Lines show it: the signer's word
//! s LINE                                       a statement of an access package, behind all records: likewise
//! ```
//!
//! Text and no JSON: a fifth shorter, one form without a parser of its own, and nothing in it is for
//! people to read.

use std::fmt;

use base64ct::{Base64, Encoding};
use hashbrown::HashMap;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::id::{PersonNumber, Seq};
use crate::merkle::checkpoint::{decode_hash, encode_hash, number};
use crate::merkle::commitment::{SALT_LEN, leaf};
use crate::merkle::hash::Hash;
use crate::merkle::text::Opening;
use crate::record::jsonl::Shown;
use crate::record::{Kind, Stored};

/// First line of a proof.
pub const HEADER: &str = "escrowdb/export-proof/v1";
/// First line of a proof of the second sort.
pub const HEADER_OF_FORM: &str = "escrowdb/export-proof/v2";
/// Bytes of a mark.
pub(super) const MARK_LEN: usize = 6;

/// The first bytes of the SHA-256 of a line of the file, its end included: it says which line is meant
/// where lines were moved or taken out, and proves nothing.
pub(super) type Mark = [u8; MARK_LEN];

/// The mark of a line, its end included.
pub(super) fn mark(line: &[u8]) -> Mark {
    let mut mark = Mark::default();
    mark.copy_from_slice(&Sha256::digest(line)[..MARK_LEN]);
    mark
}

/// A line of a proof behind the first two.
pub enum Line {
    /// Who a number is.
    Person {
        /// Position of the record.
        seq: Seq,
        /// Its salt and bytes.
        opening: Opening,
    },
    /// Whom the store calls so, without a record that says it.
    Named {
        /// The number.
        number: PersonNumber,
        /// The identifier shown.
        name: String,
    },
    /// A record of the file.
    Record(Box<RecordLine>),
    /// A record that the file shows.
    Opened {
        /// Position.
        seq: Seq,
        /// Its salt and bytes.
        opening: Opening,
    },
    /// A record of the file without proof, as a line of JSON without its end.
    Shown(String),
    /// What the file says beside its records: a line of JSON without its end.
    Told(String),
    /// A node over records that are not in the export.
    Node(Hash),
}

/// What a line of the file doesn't show of its record.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordLine {
    /// Position.
    pub seq: Seq,
    /// Salt.
    pub salt: [u8; SALT_LEN],
    /// Leaf at that position.
    pub leaf: Hash,
    /// Which line.
    pub(super) mark: Mark,
    /// Number of the author.
    pub author: PersonNumber,
    /// Numbers of the subjects.
    pub subjects: Vec<PersonNumber>,
    /// What of the record no line shows, all else at its default: class, policy, person, entries with
    /// unknown keys; and further fields, if the line doesn't show them byte for byte.
    pub rest: Option<Stored>,
}

impl RecordLine {
    /// Whether `text` is the line of this record: with these people it is the one form of a record that
    /// has this leaf. `text` comes without its end.
    pub fn proves(&self, text: &[u8], names: &HashMap<PersonNumber, String>) -> bool {
        self.record(text, names).is_some_and(|record| {
            let canonical = Zeroizing::new(record.encode());
            leaf(&self.salt, &canonical) == self.leaf
        })
    }

    /// The record that the line shows, completed by numbers and the rest.
    fn record(&self, text: &[u8], names: &HashMap<PersonNumber, String>) -> Option<Stored> {
        let mut shown = Shown::read(text).ok()?;
        if let Some(rest) = &self.rest {
            let Stored { class, policy, person, unknown, extra, .. } = rest.clone();
            let fields = if extra.is_empty() { std::mem::take(&mut shown.record.extra) } else { extra };
            shown.record = Stored { class, policy, person, unknown, extra: fields, ..shown.record };
        }
        let subjects = self.subjects.iter().filter_map(|number| names.get(number));
        let fits = shown.author.as_ref() == names.get(&self.author)
            && subjects.eq(&shown.subjects)
            && shown.is_line_of(text);
        fits.then(|| Stored { author: self.author, subjects: self.subjects.clone(), ..shown.record })
    }

    /// What no line shows of a record; `None` if that is nothing.
    pub(super) fn rest_of(record: &Stored, with_extra: bool) -> Option<Stored> {
        let rest = Stored {
            class: record.class,
            policy: record.policy,
            person: record.person.clone(),
            unknown: record.unknown.clone(),
            extra: if with_extra { record.extra.clone() } else { Vec::new() },
            ..Stored::default()
        };
        (rest != Stored::default()).then_some(rest)
    }

    fn parse(fields: &str) -> Option<Self> {
        let mut fields = fields.split(' ');
        let mut next = || fields.next();
        let line = Self {
            seq: Seq(number(next()?)?),
            salt: bytes(next()?)?,
            leaf: decode_hash(next()?)?,
            mark: bytes(next()?)?,
            author: PersonNumber(number(next()?)?),
            subjects: match next()? {
                "-" => Vec::new(),
                list => list.split(',').map(|n| number(n).map(PersonNumber)).collect::<Option<_>>()?,
            },
            rest: match next() {
                None => None,
                Some(text) => Some(rest(&Zeroizing::new(Base64::decode_vec(text).ok()?))?),
            },
        };
        (next().is_none() && line.subjects.is_sorted_by(|a, b| a < b)).then_some(line)
    }
}

impl fmt::Display for RecordLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seq, salt, leaf, mark, author, subjects, rest } = self;
        let (salt, mark) = (Base64::encode_string(salt), Base64::encode_string(mark));
        write!(f, "r {seq} {salt} {} {mark} {} ", encode_hash(leaf), author.0)?;
        match subjects.split_first() {
            None => f.write_str("-")?,
            Some((first, others)) => {
                write!(f, "{}", first.0)?;
                others.iter().try_for_each(|number| write!(f, ",{}", number.0))?;
            }
        }
        rest.as_ref().map_or(Ok(()), |rest| write!(f, " {}", Base64::encode_string(&rest.encode())))
    }
}

impl Line {
    /// Reads one, without its end. There is one form: it prints as the same bytes.
    ///
    /// # Errors
    /// *Corrupt* if it is none.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(text).ok();
        text.and_then(Self::read).ok_or_else(|| Error::corrupt("it is no line of a proof"))
    }

    fn read(text: &str) -> Option<Self> {
        let (kind, fields) = text.split_once(' ')?;
        match kind {
            "r" => RecordLine::parse(fields).map(|line| Self::Record(Box::new(line))),
            "n" => decode_hash(fields).map(Self::Node),
            "u" => {
                let (of, name) = fields.split_once(' ')?;
                let name = String::from_utf8(Base64::decode_vec(name).ok()?).ok()?;
                Some(Self::Named { number: PersonNumber(number(of)?), name })
            }
            "p" => opened(fields).map(|(seq, opening)| Self::Person { seq, opening }),
            "o" => opened(fields).map(|(seq, opening)| Self::Opened { seq, opening }),
            "x" => String::from_utf8(Base64::decode_vec(fields).ok()?).ok().map(Self::Shown),
            "s" => String::from_utf8(Base64::decode_vec(fields).ok()?).ok().map(Self::Told),
            _ => None,
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person { seq, opening } | Self::Opened { seq, opening } => {
                let kind = if matches!(self, Self::Person { .. }) { 'p' } else { 'o' };
                let (salt, bytes) = (&*opening.salt, &*opening.canonical);
                write!(f, "{kind} {seq} {} {}", Base64::encode_string(salt), Base64::encode_string(bytes))
            }
            Self::Shown(text) => write!(f, "x {}", Base64::encode_string(text.as_bytes())),
            Self::Told(text) => write!(f, "s {}", Base64::encode_string(text.as_bytes())),
            Self::Named { number, name } => {
                write!(f, "u {} {}", number.0, Base64::encode_string(name.as_bytes()))
            }
            Self::Record(line) => line.fmt(f),
            Self::Node(hash) => write!(f, "n {}", encode_hash(hash)),
        }
    }
}

/// Position, salt and bytes of a record.
fn opened(fields: &str) -> Option<(Seq, Opening)> {
    let (seq, rest) = fields.split_once(' ')?;
    let (salt, canonical) = rest.split_once(' ')?;
    let canonical = Zeroizing::new(Base64::decode_vec(canonical).ok()?);
    Some((Seq(number(seq)?), Opening { salt: Zeroizing::new(bytes(salt)?), canonical }))
}

/// Who a line of a proof says that somebody is.
pub(super) fn names(line: &Line) -> Option<(PersonNumber, String)> {
    match line {
        Line::Person { opening, .. } => person(opening),
        Line::Named { number, name } => Some((*number, name.clone())),
        _ => None,
    }
}

/// Who a record of a person says that she is: number, and the identifier that lines show.
pub(super) fn person(opening: &Opening) -> Option<(PersonNumber, String)> {
    let record = Stored::decode(&opening.canonical).ok()?;
    let person = record.person.as_ref().filter(|_| record.kind == Kind::Person)?;
    Some((person.number, person.identifiers.first()?.clone()))
}

/// The rest of a record, if that is all there is in it.
fn rest(bytes: &[u8]) -> Option<Stored> {
    let record = Stored::decode(bytes).ok()?;
    (RecordLine::rest_of(&record, true).as_ref() == Some(&record)).then_some(record)
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let decoded = Base64::decode(text, &mut bytes).ok()?.len();
    (decoded == N).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::Micros;

    fn record(extra: &str) -> Stored {
        Stored {
            id: "m1".into(),
            conversation: "c1".into(),
            author: PersonNumber(7),
            subjects: vec![PersonNumber(7), PersonNumber(9)],
            time: Micros(5),
            body: "yes\n".into(),
            extra: vec![("mood".into(), extra.into())],
            ..Stored::default()
        }
    }

    fn line(record: &Stored, with_extra: bool) -> RecordLine {
        let (seq, salt) = (Seq(3), [4; SALT_LEN]);
        RecordLine {
            seq,
            salt,
            leaf: leaf(&salt, &record.encode()),
            mark: [1; MARK_LEN],
            author: record.author,
            subjects: record.subjects.clone(),
            rest: RecordLine::rest_of(record, with_extra),
        }
    }

    fn names() -> HashMap<PersonNumber, String> {
        HashMap::from_iter([(PersonNumber(7), "anna".to_owned())])
    }

    const TEXT: &str = r#"{"id":"m1","conversation":"c1","author":"anna","subjects":["anna"],"time":"1970-01-01T00:00:00.000005Z","channel":"","kind":"message","tags":[],"body":"yes\n","reply_to":null,"mood":1}"#;

    #[test]
    fn only_the_one_form_of_the_record_fits() {
        let good = line(&record("1"), false);
        assert!(good.proves(TEXT.as_bytes(), &names()));
        for bit in 0..TEXT.len() * 8 {
            let mut text = TEXT.as_bytes().to_vec();
            text[bit / 8] ^= 1 << (bit % 8);
            assert!(!good.proves(&text, &names()), "bit {bit}");
        }
        // Another form of the same JSON, other people, and a rest that is not the record's.
        assert!(!good.proves(TEXT.replace(":1}", ": 1}").as_bytes(), &names()));
        assert!(!good.proves(TEXT.as_bytes(), &HashMap::new()));
        let renamed = HashMap::from_iter([(PersonNumber(7), "ben".to_owned())]);
        assert!(!good.proves(TEXT.replace("anna", "ben").as_bytes(), &HashMap::new()));
        assert!(good.proves(TEXT.replace("anna", "ben").as_bytes(), &renamed), "who 7 is the proof says");
        let classed = RecordLine { rest: Some(Stored { class: 2, ..Stored::default() }), ..good.clone() };
        assert!(!classed.proves(TEXT.as_bytes(), &names()));
    }

    /// A program may have kept a field with blanks around its value; the line shows it, and JSON read from
    /// the line has them no more.
    #[test]
    fn blanks_around_a_kept_value() {
        let text = TEXT.replace(":1}", ": 1 }");
        let record = record(" 1 ");
        assert!(!line(&record, false).proves(text.as_bytes(), &names()));
        assert!(line(&record, true).proves(text.as_bytes(), &names()));
        assert!(!line(&record, true).proves(TEXT.as_bytes(), &names()));
    }

    #[test]
    fn lines_read_as_they_were_printed() {
        let opening =
            || Opening { salt: Zeroizing::new([3; SALT_LEN]), canonical: Zeroizing::new(vec![1, 2]) };
        let erased = Stored { author: PersonNumber(0), subjects: Vec::new(), ..record("1") };
        for of in [
            Line::Person { seq: Seq(0), opening: opening() },
            Line::Opened { seq: Seq(8), opening: opening() },
            Line::Shown(TEXT.into()),
            Line::Told(TEXT.into()),
            Line::Named { number: PersonNumber(3), name: "Zoë \n".into() },
            Line::Record(Box::new(line(&record("1"), false))),
            Line::Record(Box::new(line(&record("1"), true))),
            Line::Record(Box::new(line(&erased, false))),
            Line::Node(Hash([9; 32])),
        ] {
            let text = of.to_string();
            assert_eq!(Line::parse(text.as_bytes()).unwrap().to_string(), text);
            for cut in 0..text.len() {
                if let Ok(read) = Line::parse(&text.as_bytes()[..cut]) {
                    assert_eq!(read.to_string(), text[..cut]);
                }
            }
            assert!(Line::parse(format!("{text} ").as_bytes()).is_err());
        }
    }

    #[test]
    fn a_rest_holds_nothing_that_lines_show() {
        let good = line(&Stored { class: 1, ..record("1") }, false).to_string();
        assert!(Line::parse(good.as_bytes()).is_ok());
        let (head, _) = good.rsplit_once(' ').unwrap();
        for bad in
            [record("1"), Stored::default(), Stored { class: 1, body: "x".into(), ..Stored::default() }]
        {
            let text = format!("{head} {}", Base64::encode_string(&bad.encode()));
            assert!(Line::parse(text.as_bytes()).is_err());
        }
    }

    proptest! {
        #[test]
        fn anything_reads_and_prints_the_same_or_is_refused(
            text in "([rpunoxs] )?(0?[0-9]{1,3} )?([A-Za-z0-9+/]{22}== )?([A-Za-z0-9+/]{43}= ?)?([A-Za-z0-9+/]{8} )?([0-9,-]{0,5} ?){0,2}([A-Za-z0-9+/]{4})?"
        ) {
            if let Ok(read) = Line::parse(text.as_bytes()) {
                prop_assert_eq!(read.to_string(), text);
            }
        }
    }
}
