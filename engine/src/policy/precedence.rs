//! What may be done, by one order: hold > lock > a person's request > the longest time of retention.
//!
//! - **Hold**: what is needed for legal claims stays, also against the person's own request (GDPR
//!   article 17(3)(e)), and nothing of it is removed, hidden or changed.
//! - **Lock**: what a law demands to be kept stays until its date (article 17(3)(b); SEC rule
//!   17a-4, MiFID II article 16(7)). Newer versions may be added to it: a correction takes nothing
//!   away.
//! - **Person's request**: her erasure goes before any time of retention that the controller set
//!   (article 17(1)), and her restriction keeps records that this time would have let go (article
//!   18(1)(b) and (c)).
//! - **Longest time**: what is left goes when its time is over (article 5(1)(e)), not before.
//!
//! What a hold or lock keeps of an erasure that a person asked for is restricted until it may go
//! (article 18): kept, but for others than holders of a case as if it were gone.
//!
//! Facts are plain; who gathers them sees to it that they are about all records of the action.
//! [`decide`] looks at nothing else, so the same facts are always decided alike.

use crate::id::Micros;

mod table;

pub use table::{Effect, Restriction};

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// Erase a person.
    ErasePerson,
    /// Erase a conversation.
    EraseConversation,
    /// Erase one record.
    EraseRecord,
    /// Let records of a class go whose longest time is over.
    ExpireClass,
    /// Let acts go, or their details, whose date has come.
    ExpireActs,
    /// Overwrite a part of a record, for ever.
    Redact,
    /// Add a corrected version of a record (article 16).
    Correct,
    /// A user took back a record; it is hidden.
    UserDelete,
    /// A user took back a record; the store is set to erase then.
    UserErase,
    /// A user wrote a record anew.
    UserEdit,
    /// Hide records from all but holders of a case (article 18).
    Restrict,
    /// Show restricted records again.
    Unrestrict,
    /// Lift a hold.
    Release,
    /// Move records together and leave out what need not be kept. Facts are about what is left out.
    Compact,
    /// Say that two people are one.
    Link,
    /// Say that they are two.
    Unlink,
    /// Give a person another identifier.
    AddIdentifier,
    /// Take an identifier from a person, or put another in its place.
    Rename,
    /// Add records.
    Append,
    /// Open records.
    Read,
    /// Let records leave the store.
    Export,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 21] = [
        Self::ErasePerson,
        Self::EraseConversation,
        Self::EraseRecord,
        Self::ExpireClass,
        Self::ExpireActs,
        Self::Redact,
        Self::Correct,
        Self::UserDelete,
        Self::UserErase,
        Self::UserEdit,
        Self::Restrict,
        Self::Unrestrict,
        Self::Release,
        Self::Compact,
        Self::Link,
        Self::Unlink,
        Self::AddIdentifier,
        Self::Rename,
        Self::Append,
        Self::Read,
        Self::Export,
    ];

    /// The stable name, as refusals tell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ErasePerson => "erase-person",
            Self::EraseConversation => "erase-conversation",
            Self::EraseRecord => "erase-record",
            Self::ExpireClass => "expire-class",
            Self::ExpireActs => "expire-acts",
            Self::Redact => "redact",
            Self::Correct => "correct",
            Self::UserDelete => "delete",
            Self::UserErase => "delete-for-good",
            Self::UserEdit => "edit",
            Self::Restrict => "restrict",
            Self::Unrestrict => "unrestrict",
            Self::Release => "release",
            Self::Compact => "compact",
            Self::Link => "link",
            Self::Unlink => "unlink",
            Self::AddIdentifier => "add-identifier",
            Self::Rename => "rename",
            Self::Append => "append",
            Self::Read => "read",
            Self::Export => "export",
        }
    }
}

/// How many of an action's records something is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// None of them.
    #[default]
    None,
    /// Some, not all.
    Part,
    /// All.
    All,
}

/// Holds on an action's records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// How many are held.
    pub reach: Reach,
    /// Codes of the holds, for the answer.
    pub codes: Vec<String>,
}

/// A shortest time of retention on an action's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// How many are locked.
    pub reach: Reach,
    /// From this instant on they are not. Of several, the last.
    pub until: Micros,
}

/// Who agreed to an action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Approvals {
    /// How many people must agree.
    pub needed: u32,
    /// How many people did; the same one twice is one.
    pub given: u32,
    /// Whether the one who asks is among them: he does not count (four eyes).
    pub by_requester: bool,
}

impl Approvals {
    /// How many are still missing.
    pub const fn missing(self) -> u32 {
        self.needed.saturating_sub(self.given.saturating_sub(self.by_requester as u32))
    }
}

/// What a decision rests on. The default is a record that no rule speaks of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Holds.
    pub held: Held,
    /// The lock, if there is one; one that is over counts as none.
    pub lock: Option<Lock>,
    /// Whether any of the records is restricted at a person's request (article 18(1)).
    pub restricted: bool,
    /// Whether who reads is holder of a case that restricted records are needed for.
    pub has_case: bool,
    /// Whether the person herself asks for it (articles 16 to 21).
    pub asked_by_person: bool,
    /// Whether the longest time of retention of all records is over.
    pub past_maximum: bool,
    /// Purposes that need consent and have none.
    pub missing_consents: Vec<String>,
    /// Who must agree, and did.
    pub approvals: Approvals,
    /// Whether it happens in another region than the store's, without a named basis (article 44).
    pub elsewhere: bool,
}

/// What may be done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// Do it.
    Allow,
    /// Do it to the rest. What a hold or lock covers is kept, for this reason.
    Part {
        /// Why the other part is kept: the higher reason, if there are two.
        ground: Ground,
        /// Whether the kept part is restricted: where a person asked for her erasure.
        restrict: bool,
    },
    /// Hide the records, but keep them.
    Restrict(Ground),
    /// Don't, for this reason.
    Refuse(Ground),
}

impl Decision {
    /// Whether anything is done to records as it was asked.
    pub const fn is_allowed(&self) -> bool {
        matches!(self, Self::Allow | Self::Part { .. })
    }

    /// Why not everything is done that was asked.
    pub const fn ground(&self) -> Option<&Ground> {
        match self {
            Self::Allow => None,
            Self::Part { ground, .. } | Self::Restrict(ground) | Self::Refuse(ground) => Some(ground),
        }
    }
}

/// Why something is refused. In this order: of several reasons the first is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ground {
    /// It would happen in another region.
    Region,
    /// Legal holds.
    Hold {
        /// Their codes.
        codes: Vec<String>,
    },
    /// A shortest time of retention.
    Lock {
        /// When it is over.
        until: Micros,
    },
    /// Purposes without the consent they need.
    Consent {
        /// Their codes.
        missing: Vec<String>,
    },
    /// A person had the records restricted.
    Restriction,
    /// The longest time of retention is not over.
    Early,
    /// People who must agree have not.
    Approval {
        /// How many are missing.
        missing: u32,
    },
}

impl Ground {
    /// The stable name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Region => "region",
            Self::Hold { .. } => "hold",
            Self::Lock { .. } => "lock",
            Self::Consent { .. } => "consent",
            Self::Restriction => "restriction",
            Self::Early => "early",
            Self::Approval { .. } => "approval",
        }
    }
}

/// Decides about an action.
///
/// More holds and longer locks never allow more, a later time never less.
///
/// ```
/// use escrowdb::id::Micros;
/// use escrowdb::policy::precedence::{Action, Decision, Facts, Ground, Held, Reach, decide};
/// let held = Held { reach: Reach::Part, codes: vec!["tax-2026".into()] };
/// let facts = Facts { held, asked_by_person: true, ..Facts::default() };
/// let ground = Ground::Hold { codes: vec!["tax-2026".into()] };
/// assert_eq!(decide(Action::ErasePerson, &facts, Micros(0)), Decision::Part { ground, restrict: true });
/// ```
pub fn decide(action: Action, facts: &Facts, now: Micros) -> Decision {
    let effect = action.effect();
    if effect.crosses_borders && facts.elsewhere {
        return Decision::Refuse(Ground::Region);
    }
    let (kept, ground) = kept(effect, facts, now);
    let missing = facts.approvals.missing();
    let refused = if effect.needs_consent && !facts.missing_consents.is_empty() {
        Some(Ground::Consent { missing: facts.missing_consents.clone() })
    } else if is_restricted(effect, facts) {
        Some(Ground::Restriction)
    } else if effect.is_expiry && !facts.past_maximum {
        Some(Ground::Early)
    } else if missing > 0 {
        Some(Ground::Approval { missing })
    } else {
        None
    };
    let restrict = effect.may_restrict && facts.asked_by_person;
    match (ground, refused) {
        (None, None) => Decision::Allow,
        (None, Some(ground)) => Decision::Refuse(ground),
        // A part can be left out of what is about many records, not out of one change.
        (Some(ground), None) if kept == Reach::Part && effect.is_divisible => {
            Decision::Part { ground, restrict }
        }
        (Some(ground), None) if restrict => Decision::Restrict(ground),
        // What nobody may do at all is refused for the higher reason.
        (Some(ground), Some(_)) if kept == Reach::All || !effect.is_divisible => Decision::Refuse(ground),
        (Some(_), Some(other)) => Decision::Refuse(other),
        (Some(ground), None) => Decision::Refuse(ground),
    }
}

fn is_restricted(effect: Effect, facts: &Facts) -> bool {
    let lifted = match effect.restriction {
        Restriction::Free => true,
        Restriction::Asked => facts.asked_by_person,
        Restriction::AskedOrCase => facts.asked_by_person || facts.has_case,
        Restriction::Never => false,
    };
    facts.restricted && !lifted
}

/// How much holds and locks keep, and the higher reason of the two. Two parts together are a part:
/// which records are left to go is settled record by record.
fn kept(effect: Effect, facts: &Facts, now: Micros) -> (Reach, Option<Ground>) {
    let held = if effect.bows_to_hold { facts.held.reach } else { Reach::None };
    let lock = facts.lock.filter(|lock| effect.bows_to_lock && lock.reach > Reach::None && now < lock.until);
    let kept = held.max(lock.map_or(Reach::None, |lock| lock.reach));
    let ground = if held > Reach::None {
        Some(Ground::Hold { codes: facts.held.codes.clone() })
    } else {
        lock.map(|lock| Ground::Lock { until: lock.until })
    };
    (kept, ground)
}

#[cfg(test)]
mod tests;
