//! The record as it is sealed: people by number, everything else as written.

use crate::id::{Handle, Micros, PersonNumber};
use crate::record::kind::Kind;

/// Who a number is; stands in records of kind `person` only.
#[derive(Clone, PartialEq, Eq)]
pub struct PersonFields {
    /// The person's number.
    pub number: PersonNumber,
    /// The person's random handle.
    pub handle: Handle,
    /// Identifiers in NFC.
    pub identifiers: Vec<String>,
}

/// A record with people by number: what the canonical bytes say.
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
    /// Retention class; 0 keeps.
    pub class: u32,
    /// Reserved: what happens when one of several subjects is erased; 0 = the record dies.
    pub policy: u8,
    /// Who a number is, for kind `person`.
    pub person: Option<PersonFields>,
    /// Unknown JSON fields kept by lenient imports: name and JSON text.
    pub extra: Vec<(String, String)>,
    /// Map entries with keys this version does not know: key and raw CBOR value.
    pub unknown: Vec<(u64, Vec<u8>)>,
}
