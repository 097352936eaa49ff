//! Names of kinds in queries and facets. An adapter: it goes when `record::kind` names them.

use crate::record::Kind;

/// Kinds that a query finds without asking for them by name.
pub(crate) const DEFAULT: [Kind; 4] = [Kind::Message, Kind::Action, Kind::File, Kind::Call];

const ALL: [Kind; 18] = [
    Kind::Message,
    Kind::Action,
    Kind::Edit,
    Kind::Delete,
    Kind::Reaction,
    Kind::Join,
    Kind::Leave,
    Kind::File,
    Kind::Call,
    Kind::System,
    Kind::Person,
    Kind::Context,
    Kind::Erased,
    Kind::Opened,
    Kind::Searched,
    Kind::Exported,
    Kind::Rule,
    Kind::Import,
];

/// The lower-case word of a kind.
pub(crate) const fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Message => "message",
        Kind::Action => "action",
        Kind::Edit => "edit",
        Kind::Delete => "delete",
        Kind::Reaction => "reaction",
        Kind::Join => "join",
        Kind::Leave => "leave",
        Kind::File => "file",
        Kind::Call => "call",
        Kind::System => "system",
        Kind::Person => "person",
        Kind::Context => "context",
        Kind::Erased => "erased",
        Kind::Opened => "opened",
        Kind::Searched => "searched",
        Kind::Exported => "exported",
        Kind::Rule => "rule",
        Kind::Import => "import",
    }
}

/// The kind of a lower-case word.
pub(crate) fn by_name(word: &str) -> Option<Kind> {
    ALL.into_iter().find(|kind| name(*kind) == word)
}

/// The kind of a byte of the index.
pub(crate) fn by_byte(byte: u8) -> Option<Kind> {
    ALL.into_iter().find(|kind| *kind as u8 == byte)
}
