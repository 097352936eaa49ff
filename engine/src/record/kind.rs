//! What a record is. The number stands in the canonical bytes and in the index.

/// Kind of a record. Acts (32 and above) are the store's own and outside default queries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Kind {
    /// Something that was said.
    #[default]
    Message = 1,
    /// A deed in chat (IRC `/me`, a step of an agent's tool).
    Action = 2,
    /// A new version of an earlier record.
    Edit = 3,
    /// A user took back an earlier record.
    Delete = 4,
    /// A reaction to an earlier record.
    Reaction = 5,
    /// A person entered a conversation.
    Join = 6,
    /// A person left a conversation.
    Leave = 7,
    /// A reference to a file.
    File = 8,
    /// A call.
    Call = 9,
    /// A line of the chat product itself.
    System = 10,
    /// Who a person's number is.
    Person = 11,
    /// Context of a person (address, device), short-lived.
    Context = 12,
    /// Act: an erasure.
    Erased = 32,
    /// Act: content was opened.
    Opened = 33,
    /// Act: a search.
    Searched = 34,
    /// Act: an export.
    Exported = 35,
    /// Act: a rule was changed.
    Rule = 36,
    /// Act: progress of an import.
    Import = 37,
}
