//! The record as it is sealed: people by number, everything else as written. Its bytes are in
//! [`canonical`](crate::record::canonical).

use std::fmt;

use zeroize::Zeroize;

use crate::id::{Handle, Micros, PersonNumber, Seq};
use crate::record::kind::Kind;

/// Bit of a record's class that says: it came in without a consent that it needed, and nobody finds it until it is
/// released.
pub const QUARANTINED: u32 = 1 << 31;

/// Tag that a record gets when it is released from quarantine. Only the gate gives it.
pub const RELEASED: &str = "escrow:released";

/// Key of the canonical map (a signed number): when a record in quarantine came in, in microseconds.
pub const CAME: u64 = 22;

/// Who a number is; stands in records of kind `person` only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PersonFields {
    /// The person's number.
    pub number: PersonNumber,
    /// The person's random handle.
    pub handle: Handle,
    /// Identifiers in NFC.
    pub identifiers: Vec<String>,
}

/// A record with people by number: what the canonical bytes say.
///
/// ```
/// use escrowdb::id::{Micros, PersonNumber};
/// use escrowdb::record::Stored;
/// let record = Stored {
///     id: "m1".into(),
///     conversation: "c1".into(),
///     author: PersonNumber(7),
///     subjects: vec![PersonNumber(7)],
///     time: Micros(0),
///     body: "Hello".into(),
///     ..Stored::default()
/// };
/// assert!(Stored::decode(&record.encode())? == record);
/// # Ok::<(), escrowdb::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// Id, unique in its conversation.
    pub id: String,
    /// Conversation.
    pub conversation: String,
    /// Number of the author.
    pub author: PersonNumber,
    /// Numbers of the subjects, ascending; their keys seal the record.
    pub subjects: Vec<PersonNumber>,
    /// When it happened.
    pub time: Micros,
    /// Channel; may be empty.
    pub channel: String,
    /// What it is.
    pub kind: Kind,
    /// Tags as written, in their order.
    pub tags: Vec<String>,
    /// Text; may be empty.
    pub body: String,
    /// Id of the record answered.
    pub reply_to: Option<String>,
    /// Id of the record that an edit, a deletion, a reaction or a tag is about; in the same conversation.
    pub target: Option<String>,
    /// Retention class; 0 keeps.
    pub class: u32,
    /// Reserved: what happens when one of several subjects is erased; 0 = the record dies.
    pub policy: u8,
    /// Who a number is, for kind `person`.
    pub person: Option<PersonFields>,
    /// Unknown JSON fields kept by lenient imports: name and JSON text.
    pub extra: Vec<(String, String)>,
    /// Map entries with keys this version does not know: key and raw CBOR value, as
    /// [`Stored::decode`] found them.
    pub unknown: Vec<(u64, Vec<u8>)>,
}

/// A [`Stored`] whose parts lie elsewhere: in the caller's record, say.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StoredRef<'a> {
    /// Id, unique in its conversation.
    pub id: &'a str,
    /// Conversation.
    pub conversation: &'a str,
    /// Number of the author.
    pub author: PersonNumber,
    /// Numbers of the subjects, ascending.
    pub subjects: &'a [PersonNumber],
    /// When it happened.
    pub time: Micros,
    /// Channel; may be empty.
    pub channel: &'a str,
    /// What it is.
    pub kind: Kind,
    /// Tags as written, in their order.
    pub tags: &'a [String],
    /// Text; may be empty.
    pub body: &'a str,
    /// Id of the record answered.
    pub reply_to: Option<&'a str>,
    /// Id of the record that it is about.
    pub target: Option<&'a str>,
    /// Retention class.
    pub class: u32,
    /// Reserved.
    pub policy: u8,
    /// Who a number is.
    pub person: Option<&'a PersonFields>,
    /// Unknown JSON fields.
    pub extra: &'a [(String, String)],
    /// Map entries with keys this version does not know.
    pub unknown: &'a [(u64, Vec<u8>)],
}

impl Stored {
    /// The same without owning anything.
    pub fn borrowed(&self) -> StoredRef<'_> {
        StoredRef {
            id: &self.id,
            conversation: &self.conversation,
            author: self.author,
            subjects: &self.subjects,
            time: self.time,
            channel: &self.channel,
            kind: self.kind,
            tags: &self.tags,
            body: &self.body,
            reply_to: self.reply_to.as_deref(),
            target: self.target.as_deref(),
            class: self.class,
            policy: self.policy,
            person: self.person.as_ref(),
            extra: &self.extra,
            unknown: &self.unknown,
        }
    }
}

impl StoredRef<'_> {
    /// The same with everything its own.
    pub fn to_stored(&self) -> Stored {
        let text = |text: Option<&str>| text.map(str::to_owned);
        Stored {
            id: self.id.to_owned(),
            conversation: self.conversation.to_owned(),
            author: self.author,
            subjects: self.subjects.to_vec(),
            time: self.time,
            channel: self.channel.to_owned(),
            kind: self.kind,
            tags: self.tags.to_vec(),
            body: self.body.to_owned(),
            reply_to: text(self.reply_to),
            target: text(self.target),
            class: self.class,
            policy: self.policy,
            person: self.person.cloned(),
            extra: self.extra.to_vec(),
            unknown: self.unknown.to_vec(),
        }
    }
}

impl StoredRef<'_> {
    /// As [`Stored::place`].
    pub fn place(&self) -> Option<Seq> {
        place_in(self.unknown)
    }
}

fn place_in(unknown: &[(u64, Vec<u8>)]) -> Option<Seq> {
    let (_, raw) = unknown.iter().find(|(key, _)| *key == PLACE)?;
    minicbor::Decoder::new(raw).u64().ok().map(Seq)
}

/// Says what it is, never what it holds.
impl fmt::Debug for StoredRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredRef").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Overwrites every text; numbers stay. Wrap in `Zeroizing` what is decoded and dropped again.
/// Further field of a record of kind *tag*: an array of the tags that another loses.
pub const REMOVED: &str = "removed";
/// Further field of a record of kind *edit*: a text that says why a record was corrected.
pub const REASON: &str = "reason";
/// Key of the canonical map (an unsigned number): the log position where a record stood before a part of it was
/// overwritten, the first of several. In whatever order records were written, that is its place.
pub const PLACE: u64 = 21;

impl Stored {
    /// Tags that a record of kind *tag* takes from another.
    pub fn removed_tags(&self) -> Vec<String> {
        let json = self.extra.iter().find(|(name, _)| name == REMOVED).map(|(_, json)| json);
        json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
    }
}

impl Stored {
    /// Where it stood before parts of it were overwritten; `None` if none ever was.
    pub fn place(&self) -> Option<Seq> {
        place_in(&self.unknown)
    }

    /// Says where it stood.
    pub fn set_place(&mut self, place: Seq) {
        let mut raw = Vec::new();
        // Writing to a vector does not fail.
        let written = minicbor::Encoder::new(&mut raw).u64(place.0).is_ok();
        debug_assert!(written);
        self.unknown.retain(|(key, _)| *key != PLACE);
        let at = self.unknown.partition_point(|(key, _)| *key < PLACE);
        self.unknown.insert(at, (PLACE, raw));
    }
}

impl Zeroize for Stored {
    fn zeroize(&mut self) {
        let names = self.person.iter_mut().flat_map(|p| &mut p.identifiers);
        let texts = [&mut self.id, &mut self.conversation, &mut self.channel, &mut self.body];
        texts
            .into_iter()
            .chain(&mut self.tags)
            .chain(&mut self.reply_to)
            .chain(&mut self.target)
            .chain(names)
            .chain(self.extra.iter_mut().flat_map(|(name, json)| [name, json]))
            .for_each(Zeroize::zeroize);
        self.unknown.iter_mut().for_each(|(_, raw)| raw.zeroize());
    }
}

/// Says what it is, never what it holds.
impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Says what it is, never what it holds.
impl fmt::Debug for PersonFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PersonFields").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_kept_and_replaced() {
        let mut placed = Stored { unknown: vec![(20, vec![1]), (22, vec![2])], ..Stored::default() };
        assert_eq!(placed.place(), None);
        placed.set_place(Seq(3));
        placed.set_place(Seq(300));
        let read = Stored::decode(&placed.encode()).unwrap();
        assert!(read == placed && read.place() == Some(Seq(300)) && read.unknown.len() == 3);
    }

    #[test]
    fn debug_shows_no_content() {
        let person = PersonFields { identifiers: vec!["anna".into()], ..PersonFields::default() };
        assert_eq!(format!("{person:?}"), "PersonFields { .. }");
        let record = Stored { body: "Hello".into(), person: Some(person), ..Stored::default() };
        assert_eq!(format!("{record:?}"), "Stored { kind: Message, .. }");
    }
}
