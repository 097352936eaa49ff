//! The record `erased`: a certificate as the log keeps it.
//!
//! ```text
//! 1 to 4 ‖ what u8 ‖ varint count ‖ handle 16 each ‖ eleven varints ‖ grade ‖ origin
//! 2 to 4: file system ‖ basis u8 ‖ varint count ‖ varint approver each
//!        ‖ varint count ‖ { handle 16 ‖ zigzag until } ‖ varint count ‖ { varint epoch ‖ zigzag until }
//! 3 only:  varint records kept ‖ held u8 ‖ has a date u8 ‖ zigzag until
//! 4, which has all of 2: varint position before ‖ has one after u8 ‖ varint position after ‖ varint spans
//! ```

use crate::codec::{Reader, Write, unzigzag, zigzag};
use crate::erase::certificate::{Certificate, Redaction};
use crate::error::{Error, Result};
use crate::id::{Epoch, Handle, Micros, PersonNumber, RequestId, Seq};
use crate::keyring::pending::{Kept, Target};
use crate::merkle::text::Opening;
use crate::policy::Basis;
use crate::record::{Kind, Stored};
use crate::view::View;

/// Version of the body in stores of the formats before evidence.
const BEFORE_EVIDENCE: u8 = 1;
/// Version of the body.
const VERSION: u8 = 2;
/// Version of one that says what rules keep: *format 4*.
const PARTIAL: u8 = 3;
/// Version of one that tells of a record which stays without a part of it: *format 4*.
const REDACTION: u8 = 4;
/// Code of what was erased then.
const OF_REDACTION: u8 = 9;
/// What it is called when an identifier was forgotten.
pub const IDENTIFIER: &str = "identifier";
/// What can be erased, as it stands in the body.
pub(super) const WHAT: [(u8, &str); 9] = [
    (1, "person"),
    (2, "conversation"),
    (3, "record"),
    (4, "acts"),
    (5, "details"),
    (6, "evidence"),
    (Target::CLASS, "class"),
    (OF_REDACTION, "redaction"),
    (Target::IDENTIFIER, IDENTIFIER),
];

const PREFIX: &str = "erased/";

impl Certificate {
    /// The act that goes into the log; with what tells of evidence only into stores that may hold it.
    pub fn to_record(&self, with_evidence: bool) -> Stored {
        Stored {
            id: record_id(self.request),
            kind: Kind::Erased,
            author: self.by,
            subjects: vec![PersonNumber::STORE],
            time: self.destroyed,
            body: hex(&self.body(with_evidence)),
            ..Stored::default()
        }
    }

    fn body(&self, with_evidence: bool) -> Vec<u8> {
        let mut body = Vec::new();
        body.put_u8(match (with_evidence, self.kept, self.redaction) {
            (false, ..) => BEFORE_EVIDENCE,
            (true, _, Some(_)) => REDACTION,
            (true, None, None) => VERSION,
            (true, Some(_), None) => PARTIAL,
        });
        body.put_u8(WHAT.iter().find(|(_, what)| *what == self.what).map_or(0, |(code, _)| *code));
        body.put_varint(self.handles.len() as u64);
        for handle in &self.handles {
            body.put_bytes(&handle.0);
        }
        for n in [
            self.records_removed,
            self.records_lost,
            self.content_keys_destroyed,
            self.people_forgotten,
            self.segments_rekeyed,
            self.journal_keys_destroyed,
            self.epoch_before.0,
            self.epoch_after.0,
            self.committed.0.cast_unsigned(),
            self.destroyed.0.cast_unsigned(),
            u64::from(self.destroyed_not_later_than),
        ] {
            body.put_varint(n);
        }
        body.put_slice(self.slot_grade.as_bytes());
        body.put_slice(self.origin.as_bytes());
        if !with_evidence {
            return body;
        }
        body.put_slice(self.slot_file_system.as_deref().unwrap_or_default().as_bytes());
        body.put_u8(self.basis.map_or(0, |basis| basis as u8));
        body.put_varint(self.approvers.len() as u64);
        self.approvers.iter().for_each(|number| body.put_varint(number.0));
        body.put_varint(self.retained.len() as u64);
        for (handle, until) in &self.retained {
            body.put_bytes(&handle.0);
            body.put_varint(zigzag(until.0));
        }
        body.put_varint(self.backups.len() as u64);
        for (epoch, until) in &self.backups {
            body.put_varint(epoch.0);
            body.put_varint(zigzag(until.0));
        }
        if let Some(redaction) = &self.redaction {
            redaction.put(&mut body);
        } else if let Some(kept) = &self.kept {
            body.put_varint(kept.records);
            body.put_u8(u8::from(kept.held));
            body.put_u8(u8::from(kept.until.is_some()));
            if let Some(until) = kept.until {
                body.put_varint(zigzag(until.0));
            }
        }
        body
    }

    /// Reads [`Certificate::to_record`].
    ///
    /// # Errors
    /// *Corrupt* if it is none, *unsupported* if a newer program wrote it.
    pub fn from_record(stored: &Stored) -> Result<Self> {
        let body = unhex(&stored.body).ok_or_else(|| Error::corrupt("an `erased` record is not readable"))?;
        let request = stored
            .id
            .strip_prefix(PREFIX)
            .and_then(RequestId::parse)
            .ok_or_else(|| Error::corrupt("an `erased` record names no request"))?;
        let mut r = Reader::new(&body);
        let version = r.u8()?;
        let with_evidence = match version {
            BEFORE_EVIDENCE => false,
            VERSION | PARTIAL | REDACTION => true,
            _ => return Err(Error::newer("an `erased` record has an unknown version")),
        };
        let code = r.u8()?;
        let what = WHAT.iter().find(|(known, _)| *known == code).map(|(_, what)| *what);
        let what = what.ok_or_else(|| Error::newer("something unknown was erased"))?;
        // Of an identifier the record may be lost that told it.
        let may_be = match version {
            REDACTION => matches!(code, OF_REDACTION | Target::IDENTIFIER),
            _ => code != OF_REDACTION,
        };
        if !may_be {
            return Err(Error::corrupt("an `erased` record says in no known form what was erased"));
        }
        let handles = many(&mut r, 16, |r| Ok(Handle(r.array()?)))?;
        let mut numbers = [0u64; 11];
        for n in &mut numbers {
            *n = r.varint()?;
        }
        let [removed, lost, content, forgotten, index, journal, before, after, committed, destroyed, late] =
            numbers;
        let slot_grade = match r.slice()? {
            b"A" => "A",
            b"B" => "B",
            b"C" => "C",
            _ => return Err(Error::newer("the slot had an unknown grade")),
        };
        let origin = text(&mut r)?;
        let mut this = Self {
            request,
            what,
            handles,
            records_removed: removed,
            records_lost: lost,
            content_keys_destroyed: content,
            people_forgotten: forgotten,
            segments_rekeyed: index,
            journal_keys_destroyed: journal,
            epoch_before: Epoch(before),
            epoch_after: Epoch(after),
            committed: Micros(committed.cast_signed()),
            destroyed: Micros(destroyed.cast_signed()),
            destroyed_not_later_than: late != 0,
            slot_grade,
            slot_file_system: None,
            origin,
            basis: None,
            approvers: Vec::new(),
            retained: Vec::new(),
            kept: None,
            redaction: None,
            by: stored.author,
            backups: Vec::new(),
            reason: None,
            evidence: None,
        };
        if with_evidence {
            this.slot_file_system = Some(text(&mut r)?).filter(|name| !name.is_empty());
            this.basis = match r.u8()? {
                0 => None,
                code => Some(Basis::from_code(code).ok_or_else(|| Error::newer("an unknown legal ground"))?),
            };
            this.approvers = many(&mut r, 1, |r| Ok(PersonNumber(r.varint()?)))?;
            this.retained = many(&mut r, 17, |r| Ok((Handle(r.array()?), time(r)?)))?;
            this.backups = many(&mut r, 2, |r| Ok((Epoch(r.varint()?), time(r)?)))?;
        }
        if version == REDACTION {
            this.redaction = Some(Redaction::get(&mut r, stored.author)?);
        }
        if version == PARTIAL {
            let (records, held, has_date) = (r.varint()?, r.u8()? != 0, r.u8()? != 0);
            let until = if has_date { Some(time(&mut r)?) } else { None };
            this.kept = Some(Kept { records, held, until });
        }
        r.finish()?;
        Ok(this)
    }
}

/// Id of the act of a request.
pub fn record_id(request: RequestId) -> String {
    format!("{PREFIX}{request}")
}

/// The certificate of a request whose act is in the log.
pub fn find(view: &View, request: RequestId) -> Result<Option<Certificate>> {
    match view.find("", &record_id(request))? {
        Some((_, _, stored)) => Certificate::from_record(&stored).map(Some),
        None => Ok(None),
    }
}

/// Where the act of a request stands, and what its leaf commits to.
pub(super) fn opening(view: &View, request: RequestId) -> Result<Option<(Seq, Opening)>> {
    match view.find("", &record_id(request))? {
        Some((place, seq, _)) => Ok(Some((seq, place.part.opening(place.doc)?))),
        None => Ok(None),
    }
}

/// A list of entries of `least` bytes each or more.
fn many<T>(r: &mut Reader<'_>, least: usize, each: impl Fn(&mut Reader<'_>) -> Result<T>) -> Result<Vec<T>> {
    (0..r.count(r.remaining() / least)?).map(|_| each(r)).collect()
}

fn time(r: &mut Reader<'_>) -> Result<Micros> {
    Ok(Micros(unzigzag(r.varint()?)))
}

fn text(r: &mut Reader<'_>) -> Result<String> {
    let bytes = r.slice()?.to_vec();
    String::from_utf8(bytes).map_err(|_| Error::corrupt("a text of an `erased` record is not UTF-8"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Reads [`hex`], and nothing that it doesn't print.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    if rest.is_empty() { bytes.collect() } else { None }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(in crate::erase::certificate) fn sample() -> Certificate {
        Certificate {
            request: RequestId([7; 16]),
            what: "person",
            handles: vec![Handle([1; 16]), Handle([2; 16])],
            records_removed: 41,
            records_lost: 3,
            content_keys_destroyed: 2,
            people_forgotten: 5,
            segments_rekeyed: 3,
            journal_keys_destroyed: 1,
            epoch_before: Epoch(4),
            epoch_after: Epoch(5),
            committed: Micros(-5),
            destroyed: Micros(1_800_000_000_000_000),
            destroyed_not_later_than: true,
            slot_grade: "C",
            slot_file_system: Some("btrfs".into()),
            origin: "o".into(),
            basis: Some(Basis::ConsentWithdrawn),
            approvers: vec![PersonNumber(3), PersonNumber(300)],
            retained: vec![(Handle([1; 16]), Micros(-1))],
            kept: None,
            redaction: None,
            by: PersonNumber(0),
            backups: vec![(Epoch(3), Micros(1_900_000_000_000_000))],
            reason: None,
            evidence: None,
        }
    }

    #[test]
    fn the_act_tells_the_whole_certificate() {
        let whole = sample();
        assert_eq!(Certificate::from_record(&whole.to_record(true)).unwrap(), whole);
        let before = Certificate {
            slot_file_system: None,
            basis: None,
            approvers: vec![],
            retained: vec![],
            backups: vec![],
            ..whole.clone()
        };
        assert_eq!(Certificate::from_record(&whole.to_record(false)).unwrap(), before);
        for after in [None, Some(Seq(0)), Some(Seq(300))] {
            let redaction = Redaction { by: PersonNumber(4), before: Seq(200), after, spans: 2 };
            let by = redaction.by;
            let redacted = Certificate { what: "redaction", redaction: Some(redaction), by, ..whole.clone() };
            assert_eq!(Certificate::from_record(&redacted.to_record(true)).unwrap(), redacted);
        }
        // What it is and how it is said belong together.
        let wordless = Certificate { what: "redaction", ..whole };
        assert!(Certificate::from_record(&wordless.to_record(true)).is_err());
    }

    #[test]
    fn no_other_bytes_are_an_act() {
        for with_evidence in [false, true] {
            let act = sample().to_record(with_evidence);
            for len in 0..act.body.len() {
                let cut = Stored { body: act.body[..len].to_owned(), ..act.clone() };
                assert!(Certificate::from_record(&cut).is_err(), "{len}");
            }
            for longer in ["00", "0", "+1", " 1", "AA"] {
                let longer = Stored { body: act.body.clone() + longer, ..act.clone() };
                assert!(Certificate::from_record(&longer).is_err());
            }
        }
    }

    proptest! {
        #[test]
        fn any_body_is_refused_or_read(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut act = sample().to_record(true);
            act.body = hex(&body);
            if let Ok(read) = Certificate::from_record(&act) {
                prop_assert_eq!(Certificate::from_record(&read.to_record(true)).unwrap(), read);
            }
        }
    }
}
