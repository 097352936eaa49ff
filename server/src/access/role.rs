//! Roles, and what each of them permits. Nothing is permitted that does not stand here.

use std::fmt;

/// What somebody does by a call. Every route declares one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Append records, notes of consent among them.
    Ingest,
    /// Find records and count them; what they say stays closed.
    Search,
    /// Open what records say, for a case.
    Read,
    /// Take copies out.
    Export,
    /// Ask for what the law gives a person, plan it and run what was approved.
    Handle,
    /// Agree to what somebody else planned.
    Approve,
    /// Write notices, purposes, classes, holds and settings.
    Govern,
    /// Look at what was done, and at what proves it.
    Audit,
    /// Look at sizes and states, verify, compact. Never at what anybody wrote.
    Operate,
    /// Give and take tokens, end tenants.
    Administer,
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 10] = [
        Self::Ingest,
        Self::Search,
        Self::Read,
        Self::Export,
        Self::Handle,
        Self::Approve,
        Self::Govern,
        Self::Audit,
        Self::Operate,
        Self::Administer,
    ];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Search => "search",
            Self::Read => "read",
            Self::Export => "export",
            Self::Handle => "handle",
            Self::Approve => "approve",
            Self::Govern => "govern",
            Self::Audit => "audit",
            Self::Operate => "operate",
            Self::Administer => "administer",
        }
    }
}

/// What somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// A chat product: it appends, and reads nothing.
    Writer,
    /// Finds and counts.
    Searcher,
    /// Finds, and opens what is in a case.
    Reviewer,
    /// Takes copies out.
    Exporter,
    /// Agrees to what others planned.
    Approver,
    /// Answers people: requests, consents, holds, erasures.
    PrivacyOfficer,
    /// Keeps what must be kept: holds, classes, keys of the log.
    Custodian,
    /// Looks at what was done.
    Auditor,
    /// Runs the machine, and never reads.
    Operator,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 9] = [
        Self::Writer,
        Self::Searcher,
        Self::Reviewer,
        Self::Exporter,
        Self::Approver,
        Self::PrivacyOfficer,
        Self::Custodian,
        Self::Auditor,
        Self::Operator,
    ];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Writer => "writer",
            Self::Searcher => "searcher",
            Self::Reviewer => "reviewer",
            Self::Exporter => "exporter",
            Self::Approver => "approver",
            Self::PrivacyOfficer => "privacy-officer",
            Self::Custodian => "custodian",
            Self::Auditor => "auditor",
            Self::Operator => "operator",
        }
    }

    /// The role with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Whether it permits something.
    pub const fn may(self, what: Permission) -> bool {
        use Permission as P;
        match self {
            Self::Writer => matches!(what, P::Ingest),
            Self::Searcher => matches!(what, P::Search),
            Self::Reviewer => matches!(what, P::Search | P::Read),
            Self::Exporter => matches!(what, P::Search | P::Export),
            Self::Approver => matches!(what, P::Approve),
            Self::PrivacyOfficer => {
                matches!(what, P::Search | P::Read | P::Export | P::Handle | P::Govern | P::Approve)
            }
            Self::Custodian => matches!(what, P::Govern | P::Audit),
            Self::Auditor => matches!(what, P::Audit),
            Self::Operator => matches!(what, P::Operate | P::Administer),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Several roles of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles(Vec<Role>);

impl Roles {
    /// These, each once.
    pub fn new(roles: impl IntoIterator<Item = Role>) -> Self {
        let mut roles: Vec<_> = roles.into_iter().collect();
        roles.sort_unstable();
        roles.dedup();
        Self(roles)
    }

    /// Whether one of them permits something.
    pub fn may(&self, what: Permission) -> bool {
        self.0.iter().any(|role| role.may(what))
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = Role> {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_operates_never_reads_and_who_writes_only_writes() {
        let of = |role: Role| -> Vec<_> { Permission::ALL.into_iter().filter(|p| role.may(*p)).collect() };
        for closed in [Permission::Search, Permission::Read, Permission::Export, Permission::Audit] {
            assert!(!Role::Operator.may(closed), "{closed:?}");
        }
        assert_eq!(of(Role::Writer), [Permission::Ingest]);
        assert_eq!(of(Role::Searcher), [Permission::Search]);
        // Every permission is somebody's, and nobody has all.
        for what in Permission::ALL {
            assert!(Role::ALL.into_iter().any(|role| role.may(what)), "{what:?}");
        }
        assert!(Role::ALL.into_iter().all(|role| of(role).len() < Permission::ALL.len()));
    }

    /// The page that tells roles says what the code permits.
    #[test]
    fn the_page_says_what_roles_permit() {
        let page = include_str!("../../../docs/API.md");
        for role in Role::ALL {
            let begins = format!("| {role} | ");
            let row = page.lines().find_map(|line| line.strip_prefix(&begins)).unwrap_or_default();
            let said: Vec<_> =
                row.trim_end_matches(" |").split(';').next().unwrap_or_default().split(", ").collect();
            let permitted = Permission::ALL.into_iter().filter(|what| role.may(*what));
            let mut permitted: Vec<_> = permitted.map(Permission::name).collect();
            let mut said = said;
            permitted.sort_unstable();
            said.sort_unstable();
            assert_eq!(said, permitted, "{role}");
        }
    }

    #[test]
    fn names_are_read_back() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.name()), Some(role));
        }
        assert_eq!(Role::parse("root"), None);
    }
}
