//! What each action does to records, as data. A new action doesn't build without its line.

use crate::policy::precedence::Action;

/// What lifts a person's restriction for an action (GDPR article 18(2)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restriction {
    /// It doesn't bow to one.
    #[default]
    Free,
    /// That she asks for it herself.
    Asked,
    /// That, or a case of who does it.
    AskedOrCase,
    /// Nothing.
    Never,
}

/// What rules have to know of an action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// Removes, hides or changes something: a hold forbids it.
    pub bows_to_hold: bool,
    /// Takes something away for ever: a lock forbids it.
    pub bows_to_lock: bool,
    /// How far a person's restriction forbids it.
    pub restriction: Restriction,
    /// Done because a time is over.
    pub is_expiry: bool,
    /// Can be done to some records and left undone to others.
    pub is_divisible: bool,
    /// An erasure as of article 17: what stays of it is restricted where a person asked.
    pub may_restrict: bool,
    /// Is for a purpose, which may need consent.
    pub needs_consent: bool,
    /// Shows or moves records to where somebody is.
    pub crosses_borders: bool,
}

impl Action {
    /// What it does.
    pub const fn effect(self) -> Effect {
        match self {
            Self::ErasePerson | Self::EraseConversation | Self::EraseRecord => {
                Effect { may_restrict: true, is_divisible: true, restriction: Restriction::Asked, ..REMOVES }
            }
            Self::ExpireClass => {
                Effect { is_expiry: true, is_divisible: true, restriction: Restriction::Never, ..REMOVES }
            }
            // Acts are about the controller's own deeds; nobody restricts them.
            Self::ExpireActs => Effect { is_expiry: true, is_divisible: true, ..REMOVES },
            Self::Redact | Self::Rename | Self::UserErase | Self::Compact => REMOVES,
            Self::Correct | Self::UserDelete | Self::UserEdit => {
                Effect { restriction: Restriction::AskedOrCase, ..CHANGES }
            }
            Self::Link | Self::Unlink | Self::AddIdentifier => CHANGES,
            // Hides from most, but keeps, and shows it to those who hold: what a held record needs.
            Self::Restrict | Self::Unrestrict | Self::Release => NOTHING,
            Self::Append => Effect { needs_consent: true, crosses_borders: true, ..NOTHING },
            Self::Read | Self::Export => Effect {
                needs_consent: true,
                crosses_borders: true,
                restriction: Restriction::AskedOrCase,
                ..NOTHING
            },
        }
    }

    /// Whether a hold forbids it.
    pub const fn bows_to_hold(self) -> bool {
        self.effect().bows_to_hold
    }
}

const NOTHING: Effect = Effect {
    bows_to_hold: false,
    bows_to_lock: false,
    restriction: Restriction::Free,
    is_expiry: false,
    is_divisible: false,
    may_restrict: false,
    needs_consent: false,
    crosses_borders: false,
};
const CHANGES: Effect = Effect { bows_to_hold: true, ..NOTHING };
const REMOVES: Effect = Effect { bows_to_hold: true, bows_to_lock: true, ..NOTHING };
