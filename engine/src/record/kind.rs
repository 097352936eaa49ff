//! What a record is. The number stands in the canonical bytes and in the index.

use crate::error::{Error, Result};

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
    /// Tags that an earlier record got later, or lost.
    Tag = 13,
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
    /// Texts of an act: query, purpose, names. Short-lived, and found by nothing but `audit`.
    Detail = 38,
    /// Act: something was refused by a rule.
    Refused = 39,
    /// Register of notices: what people were told.
    Notice = 40,
    /// Register of purposes.
    Purpose = 41,
    /// Register of consents.
    Consent = 42,
    /// Register of retention classes.
    Class = 43,
    /// Register of holds and restrictions.
    Hold = 44,
    /// Register of requests and their plans.
    Request = 45,
    /// A published aggregate.
    Aggregate = 46,
    /// Register of the store's own settings.
    Policy = 47,
    /// Register of what was given to others.
    Disclosure = 48,
    /// Something happened outside of the store's region.
    Transfer = 49,
}

impl Kind {
    /// Every kind, ascending by number.
    pub const ALL: [Self; 31] = [
        Self::Message,
        Self::Action,
        Self::Edit,
        Self::Delete,
        Self::Reaction,
        Self::Join,
        Self::Leave,
        Self::File,
        Self::Call,
        Self::System,
        Self::Person,
        Self::Context,
        Self::Tag,
        Self::Erased,
        Self::Opened,
        Self::Searched,
        Self::Exported,
        Self::Rule,
        Self::Import,
        Self::Detail,
        Self::Refused,
        Self::Notice,
        Self::Purpose,
        Self::Consent,
        Self::Class,
        Self::Hold,
        Self::Request,
        Self::Aggregate,
        Self::Policy,
        Self::Disclosure,
        Self::Transfer,
    ];

    /// The kind with this lower-case name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The stable lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Action => "action",
            Self::Edit => "edit",
            Self::Delete => "delete",
            Self::Reaction => "reaction",
            Self::Join => "join",
            Self::Leave => "leave",
            Self::File => "file",
            Self::Call => "call",
            Self::System => "system",
            Self::Person => "person",
            Self::Context => "context",
            Self::Tag => "tag",
            Self::Erased => "erased",
            Self::Opened => "opened",
            Self::Searched => "searched",
            Self::Exported => "exported",
            Self::Rule => "rule",
            Self::Import => "import",
            Self::Detail => "detail",
            Self::Refused => "refused",
            Self::Notice => "notice",
            Self::Purpose => "purpose",
            Self::Consent => "consent",
            Self::Class => "class",
            Self::Hold => "hold",
            Self::Request => "request",
            Self::Aggregate => "aggregate",
            Self::Policy => "policy",
            Self::Disclosure => "disclosure",
            Self::Transfer => "transfer",
        }
    }

    /// Whether searches and counts include it without being asked for it by `kind:`.
    pub const fn is_default(self) -> bool {
        matches!(self, Self::Message | Self::Action | Self::File | Self::Call)
    }

    /// Whether it is an act of the store itself.
    pub const fn is_act(self) -> bool {
        self as u8 >= 32
    }

    /// Whether it is about another record, which it names as its target.
    pub const fn has_target(self) -> bool {
        matches!(self, Self::Edit | Self::Delete | Self::Reaction | Self::Tag)
    }

    /// Whether searches, counts and facets never show it: details of acts, and evidence about people, which
    /// may outlive them. Verbs of its own do.
    pub const fn has_verbs_of_its_own(self) -> bool {
        matches!(self, Self::Detail | Self::Consent | Self::Hold | Self::Request | Self::Disclosure)
    }

    /// Whether the state of a register is made of such records.
    pub const fn is_register(self) -> bool {
        self as u8 >= Self::Notice as u8
    }

    /// Whether only the store writes it: acts, and who a person's number is.
    pub const fn is_internal(self) -> bool {
        self.is_act() || matches!(self, Self::Person)
    }
}

impl TryFrom<u8> for Kind {
    type Error = Error;

    fn try_from(number: u8) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| *kind as u8 == number)
            .ok_or_else(|| Error::newer(format!("record kind {number} is unknown")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn numbers_and_names_go_both_ways() {
        let known: Vec<Kind> = (0..=255).filter_map(|number| Kind::try_from(number).ok()).collect();
        assert_eq!(known, Kind::ALL);
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.name()), Some(kind));
        }
        assert_eq!(Kind::parse("Message"), None);
        assert_eq!(Kind::parse(""), None);
    }

    #[test]
    fn an_unknown_number_is_unsupported() {
        assert_eq!(Kind::try_from(14).unwrap_err().kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn default_and_internal_kinds() {
        let names = |test: fn(Kind) -> bool| -> Vec<&str> {
            Kind::ALL.into_iter().filter(|kind| test(*kind)).map(Kind::name).collect()
        };
        assert_eq!(names(Kind::is_default), ["message", "action", "file", "call"]);
        assert_eq!(
            names(Kind::is_act),
            [
                "erased",
                "opened",
                "searched",
                "exported",
                "rule",
                "import",
                "detail",
                "refused",
                "notice",
                "purpose",
                "consent",
                "class",
                "hold",
                "request",
                "aggregate",
                "policy",
                "disclosure",
                "transfer"
            ]
        );
        assert_eq!(names(Kind::is_internal).len(), 19);
        assert_eq!(names(Kind::has_target), ["edit", "delete", "reaction", "tag"]);
        assert_eq!(names(Kind::is_register).len(), 10);
    }
}
