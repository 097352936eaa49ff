//! What an erasure answers with. Unsigned for now, and it says so.

use crate::codec::{Reader, Write};
use crate::error::{Error, Result};
use crate::id::{Epoch, Handle, Micros, RequestId};
use crate::keyring::pending::Done;
use crate::record::jsonl::put_text;
use crate::record::{Kind, Stored, time};
use crate::view::View;

/// Version of the certificate's form.
const VERSION: u8 = 1;

/// Certificate of an erasure.
///
/// ```
/// # use std::sync::Arc;
/// # use escrowdb::{id::Micros, session::Session, store::*, vfs::MemoryVfs};
/// # let store = Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).create()?;
/// # store.append(&[Record::new("c1", "anna@example.org", Micros(0), "Hello").id("m1")])?;
/// let anna = Selector::Person("anna@example.org".into());
/// let certificate = store.erase(&anna, &EraseOptions::default())?;
/// // Her message, and the record that said who she is.
/// assert_eq!((certificate.what, certificate.records_removed), ("person", 2));
/// assert!(certificate.epoch_after > certificate.epoch_before);
/// // It names nobody: a random handle stands for her.
/// assert!(!certificate.to_json().contains("anna"));
/// # Ok::<(), escrowdb::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Certificate {
    /// Name of the request.
    pub request: RequestId,
    /// `person`, `conversation` or `record`.
    pub what: &'static str,
    /// Random handles of the people erased; empty for conversations and records.
    pub handles: Vec<Handle>,
    /// Positions of the log that are bare now.
    pub records_removed: u64,
    /// Records that were found lost on the way and left the store with it: of somebody else, or of
    /// the erased where nothing tells any more. Their places stand in the store's list of losses.
    pub records_lost: u64,
    /// Content keys destroyed.
    pub content_keys_destroyed: u64,
    /// People who were not asked for, and are forgotten because nothing but what went told of them.
    pub people_forgotten: u64,
    /// Index keys destroyed: as many segments were re-keyed.
    pub segments_rekeyed: u64,
    /// Journal keys destroyed.
    pub journal_keys_destroyed: u64,
    /// Epoch of the root that was destroyed.
    pub epoch_before: Epoch,
    /// Epoch of the root that replaced it.
    pub epoch_after: Epoch,
    /// When the new tree was committed.
    pub committed: Micros,
    /// When the old root was destroyed; after a crash, not later than this.
    pub destroyed: Micros,
    /// Whether `destroyed` is only an upper limit.
    pub destroyed_not_later_than: bool,
    /// Grade of the slot: `A`, `B` or `C`.
    pub slot_grade: &'static str,
    /// Name of the log.
    pub origin: String,
    /// Reason as the caller gave it in this call; the store does not keep it.
    pub reason: Option<String>,
}

impl Certificate {
    /// One line of JSON.
    ///
    /// It claims no more than the fields say: it is not signed, and it names what an erasure does
    /// not reach.
    pub fn to_json(&self) -> String {
        let mut s =
            String::from("{\"type\":\"escrowdb/erasure-certificate/v1\",\"signed\":false,\"origin\":");
        put_text(&mut s, &self.origin);
        s.push_str(&format!(",\"request\":\"{}\",\"erased\":\"{}\",\"handles\":[", self.request, self.what));
        for (i, handle) in self.handles.iter().enumerate() {
            s.push_str(&format!("{}\"{handle}\"", if i > 0 { "," } else { "" }));
        }
        s.push_str(&format!(
            "],\"records_removed\":{},\"records_lost\":{},\"people_forgotten\":{},\"keys_destroyed\":{{\"root\":1,\"content\":{},\"index\":{},\"journal\":{}}}",
            self.records_removed,
            self.records_lost,
            self.people_forgotten,
            self.content_keys_destroyed,
            self.segments_rekeyed,
            self.journal_keys_destroyed
        ));
        s.push_str(&format!(
            ",\"segments_rekeyed\":{},\"epoch\":{{\"before\":{},\"after\":{}}},\"committed\":\"{}\"",
            self.segments_rekeyed,
            self.epoch_before,
            self.epoch_after,
            time::format(self.committed)
        ));
        s.push_str(&format!(
            ",\"destroyed\":\"{}\",\"destroyed_not_later_than\":{},\"slot_grade\":\"{}\"",
            time::format(self.destroyed),
            self.destroyed_not_later_than,
            self.slot_grade
        ));
        s.push_str(",\"backups\":[],\"residual_until\":null,\"retained_as_evidence\":[],\"reason\":");
        match &self.reason {
            Some(reason) => put_text(&mut s, reason),
            None => s.push_str("null"),
        }
        s.push_str(
            ",\"does_not_prove\":[\"copies of the slot file made before the erasure\",\
             \"copies, exports and screenshots outside the store\",\
             \"names that others typed into their own messages\",\
             \"physical erasure of the slot's old sectors on flash or copy-on-write file systems (grade C)\"]}",
        );
        s
    }

    /// The act that goes into the log.
    pub fn to_record(&self) -> Stored {
        let mut body = Vec::new();
        body.put_u8(VERSION);
        body.put_u8(match self.what {
            "person" => 1,
            "conversation" => 2,
            _ => 3,
        });
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
        Stored {
            id: record_id(self.request),
            kind: Kind::Erased,
            subjects: vec![crate::id::PersonNumber::STORE],
            time: self.destroyed,
            body: hex(&body),
            ..Stored::default()
        }
    }

    /// Reads [`Certificate::to_record`].
    pub fn from_record(stored: &Stored) -> Result<Self> {
        let body = unhex(&stored.body).ok_or_else(|| Error::corrupt("an `erased` record is not readable"))?;
        let request = stored
            .id
            .strip_prefix(PREFIX)
            .and_then(RequestId::parse)
            .ok_or_else(|| Error::corrupt("an `erased` record names no request"))?;
        let mut r = Reader::new(&body);
        if r.u8()? != VERSION {
            return Err(Error::newer("an `erased` record has an unknown version"));
        }
        let what = match r.u8()? {
            1 => "person",
            2 => "conversation",
            3 => "record",
            _ => return Err(Error::newer("something unknown was erased")),
        };
        let n = r.count(body.len() / 16)?;
        let handles = (0..n).map(|_| Ok(Handle(r.array()?))).collect::<Result<_>>()?;
        let mut numbers = [0u64; 11];
        for n in &mut numbers {
            *n = r.varint()?;
        }
        let [removed, lost, content, forgotten, index, journal, before, after, committed, destroyed, late] =
            numbers;
        let grade = match r.slice()? {
            b"A" => "A",
            b"B" => "B",
            b"C" => "C",
            _ => return Err(Error::newer("the slot had an unknown grade")),
        };
        let origin = String::from_utf8_lossy(r.slice()?).into_owned();
        r.finish()?;
        Ok(Self {
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
            slot_grade: grade,
            origin,
            reason: None,
        })
    }
}

const PREFIX: &str = "erased/";

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

/// The certificate that `pending` tells of.
pub fn from_done(
    request: RequestId,
    done: &Done,
    lost: u64,
    destroyed: Micros,
    not_later_than: bool,
    slot_grade: &'static str,
    origin: &str,
) -> Certificate {
    Certificate {
        request,
        what: match done.what {
            1 => "person",
            2 => "conversation",
            _ => "record",
        },
        handles: done.handles.clone(),
        records_removed: done.removed,
        records_lost: lost,
        content_keys_destroyed: done.content_keys,
        people_forgotten: done.forgotten,
        segments_rekeyed: done.segments,
        journal_keys_destroyed: done.journals,
        epoch_before: done.epoch_before,
        epoch_after: done.epoch_after,
        committed: done.committed,
        destroyed,
        destroyed_not_later_than: not_later_than,
        slot_grade,
        origin: origin.to_owned(),
        reason: None,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits
        .chunks_exact(2)
        .map(|pair| {
            let pair = std::str::from_utf8(pair).ok()?;
            u8::from_str_radix(pair, 16).ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_act_tells_the_whole_certificate() {
        let c = Certificate {
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
            origin: "o".into(),
            reason: None,
        };
        assert_eq!(Certificate::from_record(&c.to_record()).unwrap(), c);
        let json: serde_json::Value = serde_json::from_str(&c.to_json()).unwrap();
        assert_eq!(json["records_removed"], 41);
        assert_eq!(json["signed"], false);
    }
}
