//! Who reads, and why. Every read carries a session: what is done is recorded with it, as far as the
//! store records acts. The policy doesn't look at it yet.

/// Who reads, for which purpose, in which case.
///
/// ```
/// use escrowdb::session::Session;
/// let s = Session::new().actor("dana").purpose("access request").case("2026-17");
/// assert_eq!(s.actor_name(), Some("dana"));
/// ```
#[derive(Clone, Default)]
pub struct Session {
    actor: Option<String>,
    purpose: Option<String>,
    case: Option<String>,
}

impl Session {
    /// A session that names nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the actor.
    #[must_use]
    pub fn actor(mut self, actor: impl Into<String>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    /// Names the purpose.
    #[must_use]
    pub fn purpose(mut self, purpose: impl Into<String>) -> Self {
        self.purpose = Some(purpose.into());
        self
    }

    /// Names the case.
    #[must_use]
    pub fn case(mut self, case: impl Into<String>) -> Self {
        self.case = Some(case.into());
        self
    }

    /// The actor, if named.
    pub fn actor_name(&self) -> Option<&str> {
        self.actor.as_deref()
    }

    /// The purpose, if named.
    pub fn purpose_name(&self) -> Option<&str> {
        self.purpose.as_deref()
    }

    /// The case, if named.
    pub fn case_name(&self) -> Option<&str> {
        self.case.as_deref()
    }
}
