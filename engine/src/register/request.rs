//! Requests of people (GDPR articles 15 to 22): when they came, who they are from, what was planned, who
//! approved it, what became of it. The date by which they must be answered is computed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::id::{Micros, PersonNumber, Seq};
use crate::policy::calendar;
use crate::register::form::{check_code, check_text, instant, person};

/// People who approve one plan at most.
pub const APPROVERS_MAX: usize = 16;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Article 15.
    Access,
    /// Article 20.
    Portability,
    /// Article 16.
    Rectification,
    /// Article 17.
    Erasure,
    /// Article 18.
    Restriction,
    /// Article 21.
    Objection,
    /// Article 7 (3).
    Withdrawal,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Access,
        Self::Portability,
        Self::Rectification,
        Self::Erasure,
        Self::Restriction,
        Self::Objection,
        Self::Withdrawal,
    ];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Portability => "portability",
            Self::Rectification => "rectification",
            Self::Erasure => "erasure",
            Self::Restriction => "restriction",
            Self::Objection => "objection",
            Self::Withdrawal => "withdrawal",
        }
    }

    /// The kind with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What happens to requests. Each names the request by its code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Code of the request.
    pub request: String,
    /// What happens.
    pub event: Step,
}

/// A step of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Step {
    /// It came in.
    Receive {
        /// What is asked for.
        kind: Kind,
        /// Whom it is about.
        #[serde(with = "person")]
        person: PersonNumber,
        /// When it came, which is when the time for the answer begins.
        #[serde(with = "instant")]
        received: Micros,
        /// Where it came: `mail`, `phone`, …
        channel: String,
    },
    /// It is known that it is she who asks (article 12 (6)).
    Identify {
        /// How that is known.
        method: String,
    },
    /// A plan of what would be done, by its hash.
    Plan {
        /// SHA-256 of the canonical plan, lower-case hexadecimal.
        hash: String,
    },
    /// Somebody agrees to the plan.
    Approve {
        /// The hash of what is agreed to.
        hash: String,
    },
    /// It is being done.
    Run,
    /// The time for the answer is made longer by two months (article 12 (3)).
    Extend {
        /// Why; she is told.
        reason: String,
    },
    /// It is done.
    Fulfil {
        /// Whether something stays to be done later, and why: a hold, a lock.
        partly: Option<String>,
        /// What proves it: the request id of an erasure, the digest of an export.
        reference: String,
    },
    /// It is refused (article 12 (4) and (5)).
    Refuse {
        /// On what ground; she is told.
        ground: String,
    },
}

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It came in.
    Received,
    /// It is known who asks.
    Identified,
    /// There is a plan.
    Planned,
    /// The plan was agreed to.
    Approved,
    /// It is being done.
    Running,
    /// All is done.
    Fulfilled,
    /// Something stays to be done.
    Partly,
    /// It was refused.
    Refused,
}

impl State {
    /// Whether nothing more is due to the person.
    pub const fn is_answered(self) -> bool {
        matches!(self, Self::Fulfilled | Self::Partly | Self::Refused)
    }

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Identified => "identified",
            Self::Planned => "planned",
            Self::Approved => "approved",
            Self::Running => "running",
            Self::Fulfilled => "fulfilled",
            Self::Partly => "partly",
            Self::Refused => "refused",
        }
    }
}

/// A request in its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked for.
    pub kind: Kind,
    /// Whom it is about.
    pub person: PersonNumber,
    /// When it came.
    pub received: Micros,
    /// Where.
    pub channel: String,
    /// Where it stands.
    pub state: State,
    /// Who took it in.
    pub requester: PersonNumber,
    /// Hash of the plan.
    pub plan: Option<String>,
    /// Who agreed to it.
    pub approvers: BTreeSet<PersonNumber>,
    /// Whether its time was made longer.
    pub extended: bool,
    /// What proves that it is done, or why not.
    pub outcome: Option<String>,
    /// Where it stands in the log.
    pub seq: Seq,
}

impl Request {
    /// By when it must be answered.
    pub fn due(&self) -> Micros {
        if self.extended { calendar::due_extended(self.received) } else { calendar::due(self.received) }
    }

    /// Whether it should have been answered.
    pub fn is_overdue(&self, now: Micros) -> bool {
        !self.state.is_answered() && calendar::is_overdue(self.received, self.extended, now)
    }

    /// Who agreed besides the one who took it in: `requester` are all who are one with him.
    pub fn other_approvers(&self, requester: &[PersonNumber]) -> impl Iterator<Item = PersonNumber> {
        let is_other = |number: &PersonNumber| *number != self.requester && !requester.contains(number);
        // Who was not named may be anybody, and so may be the one who agrees.
        let named = self.requester != PersonNumber::STORE;
        self.approvers.iter().copied().filter(move |number| named && is_other(number))
    }
}

/// Everybody who is one with a person: she, and who is linked to her.
pub type Same<'a> = &'a dyn Fn(PersonNumber) -> Result<Vec<PersonNumber>>;

/// All requests by code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests(BTreeMap<String, Request>);

impl Requests {
    /// Every request.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Request)> {
        self.0.iter().map(|(code, request)| (code.as_str(), request))
    }

    /// One by its code.
    pub fn get(&self, code: &str) -> Option<&Request> {
        self.0.get(code)
    }

    /// What an erasure left is gone too: whoever asked for it has her answer whole.
    pub fn complete(&mut self, erasure: &str) {
        let left = self.0.values_mut().filter(|of| of.kind == Kind::Erasure && of.state == State::Partly);
        for request in left.filter(|of| of.outcome.as_deref() == Some(erasure)) {
            request.state = State::Fulfilled;
        }
    }

    /// Whether an event may happen. `author` does it; 0 is nobody who was named.
    ///
    /// # Errors
    /// *Invalid* and *not found*; *refused* out of turn, by the wrong person, or for a plan that is another.
    pub fn check(
        &self,
        event: &Event,
        (author, same): (PersonNumber, Same<'_>),
        four_eyes: bool,
        now: Micros,
    ) -> Result<()> {
        check_code("request", &event.request)?;
        if four_eyes && author == PersonNumber::STORE {
            // Who is not named may be the one who approves.
            return Err(Error::invalid("where two must agree, who acts on a request must be named")
                .hint("--as ACTOR"));
        }
        let known = self.get(&event.request);
        if let Step::Receive { received, channel, .. } = &event.event {
            check_code("channel", channel)?;
            if *received > now {
                return Err(Error::invalid("received: must not lie ahead"));
            }
            return match known {
                Some(_) => Err(refused("this code was used before")),
                None => Ok(()),
            };
        }
        let request = known.ok_or_else(|| Error::not_found("no such request"))?;
        if request.state.is_answered()
            && !(request.state == State::Partly && matches!(event.event, Step::Fulfil { .. }))
        {
            return Err(refused("the request is answered"));
        }
        match &event.event {
            Step::Receive { .. } => Ok(()),
            Step::Identify { method } => {
                check_text("method", method)?;
                if request.state == State::Received { Ok(()) } else { Err(refused("it is known who asks")) }
            }
            Step::Plan { hash } => {
                check_hash(hash)?;
                if request.state == State::Received {
                    return Err(refused("it is not known yet that it is she who asks")
                        .hint("`escrow request identify` says how that is known"));
                }
                if request.state == State::Running { Err(refused("it is being done")) } else { Ok(()) }
            }
            Step::Approve { hash } => {
                let Some(plan) = &request.plan else { return Err(refused("nothing is planned yet")) };
                if plan != hash {
                    return Err(refused("the plan is another than the one that is approved"));
                }
                if author == PersonNumber::STORE {
                    return Err(Error::invalid("who approves must be named").hint("--as ACTOR"));
                }
                if request.approvers.len() >= APPROVERS_MAX && !request.approvers.contains(&author) {
                    return Err(refused("as many have approved it as can"));
                }
                if four_eyes && request.requester == PersonNumber::STORE {
                    return Err(refused(
                        "nobody is named who took the request in, so it may be who approves",
                    ));
                }
                if author == request.requester || same(author)?.contains(&request.requester) {
                    return Err(refused("who took a request in can't approve it too"));
                }
                Ok(())
            }
            Step::Run => {
                let one = same(request.requester)?;
                let approved = !four_eyes || request.other_approvers(&one).next().is_some();
                if request.plan.is_none() {
                    return Err(refused("nothing is planned yet"));
                }
                if approved { Ok(()) } else { Err(refused("somebody else must approve the plan first")) }
            }
            Step::Extend { reason } => {
                check_text("reason", reason)?;
                calendar::extend(request.received, request.extended, now).map(drop)
            }
            Step::Fulfil { reference, partly } => {
                check_text("reference", reference)?;
                partly.as_ref().map_or(Ok(()), |why| check_text("partly", why))
            }
            Step::Refuse { ground } => check_text("ground", ground),
        }
    }

    /// What an event does.
    pub fn apply(&mut self, event: Event, author: PersonNumber, seq: Seq) {
        if let Step::Receive { kind, person, received, channel } = event.event {
            self.0.entry(event.request).or_insert(Request {
                kind,
                person,
                received,
                channel,
                state: State::Received,
                requester: author,
                plan: None,
                approvers: BTreeSet::new(),
                extended: false,
                outcome: None,
                seq,
            });
            return;
        }
        let Some(request) = self.0.get_mut(&event.request) else { return };
        match event.event {
            Step::Receive { .. } => {}
            Step::Identify { .. } => request.state = State::Identified,
            Step::Plan { hash } => {
                // What was agreed to was another plan.
                if request.plan.as_ref() != Some(&hash) {
                    request.approvers.clear();
                }
                (request.plan, request.state) = (Some(hash), State::Planned);
                if !request.approvers.is_empty() {
                    request.state = State::Approved;
                }
            }
            Step::Approve { .. } => {
                request.approvers.insert(author);
                request.state = State::Approved;
            }
            Step::Run => request.state = State::Running,
            Step::Extend { .. } => request.extended = true,
            Step::Fulfil { partly, reference } => {
                request.state = if partly.is_some() { State::Partly } else { State::Fulfilled };
                request.outcome = Some(reference);
            }
            Step::Refuse { ground } => {
                (request.state, request.outcome) = (State::Refused, Some(ground));
            }
        }
    }
}

fn check_hash(hash: &str) -> Result<()> {
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if hash.len() == 64 && hash.bytes().all(is_hex) {
        return Ok(());
    }
    Err(Error::invalid("hash: must be 64 lower-case hexadecimal digits"))
}

fn refused(what: &str) -> Error {
    Error::new(ErrorKind::Refused, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::time;

    const DANA: PersonNumber = PersonNumber(5);
    const KIM: PersonNumber = PersonNumber(6);

    fn received() -> Micros {
        time::parse("2026-01-31T10:00:00Z").unwrap()
    }

    fn step(requests: &mut Requests, step: Step, author: PersonNumber, now: Micros) -> Result<State> {
        let event = Event { request: "r1".into(), event: step };
        requests.check(&event, (author, &|number| Ok(vec![number])), true, now)?;
        requests.apply(event, author, Seq(1));
        Ok(requests.get("r1").unwrap().state)
    }

    #[test]
    fn who_asks_does_not_approve_and_drift_undoes_an_approval() {
        let mut requests = Requests::default();
        let mut play = |of, author| step(&mut requests, of, author, received());
        let (kind, channel) = (Kind::Erasure, "mail".to_owned());
        let receive = Step::Receive { kind, person: PersonNumber(9), received: received(), channel };
        assert_eq!(play(receive, DANA).unwrap(), State::Received);
        let (one, two) = ("1".repeat(64), "2".repeat(64));
        assert!(play(Step::Plan { hash: one.clone() }, DANA).is_err(), "nobody knows who asks");
        play(Step::Identify { method: "passport".into() }, DANA).unwrap();
        assert!(play(Step::Run, DANA).is_err());
        assert_eq!(play(Step::Plan { hash: one.clone() }, DANA).unwrap(), State::Planned);
        assert_eq!(play(Step::Approve { hash: one.clone() }, DANA).unwrap_err().kind(), ErrorKind::Refused);
        assert!(play(Step::Approve { hash: two.clone() }, KIM).is_err(), "another plan");
        assert!(play(Step::Approve { hash: one.clone() }, PersonNumber::STORE).is_err());
        assert!(play(Step::Run, DANA).is_err(), "nobody approved");
        assert_eq!(play(Step::Approve { hash: one.clone() }, KIM).unwrap(), State::Approved);
        assert_eq!(play(Step::Plan { hash: one }, DANA).unwrap(), State::Approved);
        assert_eq!(play(Step::Plan { hash: two.clone() }, DANA).unwrap(), State::Planned);
        assert!(play(Step::Run, DANA).is_err());
        play(Step::Approve { hash: two }, KIM).unwrap();
        assert_eq!(play(Step::Run, DANA).unwrap(), State::Running);
        let done =
            |partly: Option<&str>| Step::Fulfil { partly: partly.map(str::to_owned), reference: "x".into() };
        assert_eq!(play(done(Some("hold m1")), DANA).unwrap(), State::Partly);
        assert_eq!(play(done(None), DANA).unwrap(), State::Fulfilled);
        assert!(play(done(None), DANA).is_err());
    }

    /// An entry of the key tree names so many approvers; one that named more could not be read again.
    #[test]
    fn no_more_approve_than_an_erasure_can_name() {
        let mut requests = Requests::default();
        let mut play = |of, author| step(&mut requests, of, author, received());
        let (kind, channel) = (Kind::Erasure, "mail".to_owned());
        let receive = Step::Receive { kind, person: PersonNumber(9), received: received(), channel };
        play(receive, DANA).unwrap();
        play(Step::Identify { method: "passport".into() }, DANA).unwrap();
        let hash = "1".repeat(64);
        play(Step::Plan { hash: hash.clone() }, DANA).unwrap();
        for number in 100..116 {
            play(Step::Approve { hash: hash.clone() }, PersonNumber(number)).unwrap();
        }
        let one_more = play(Step::Approve { hash: hash.clone() }, PersonNumber(116));
        assert_eq!(one_more.unwrap_err().kind(), ErrorKind::Refused);
        play(Step::Approve { hash }, PersonNumber(100)).unwrap();
    }

    #[test]
    fn an_answer_is_due_a_month_on_and_three_once_it_is_extended() {
        let mut requests = Requests::default();
        let (kind, channel) = (Kind::Access, "mail".to_owned());
        let receive = Step::Receive { kind, person: PersonNumber(9), received: received(), channel };
        step(&mut requests, receive, DANA, received()).unwrap();
        let due = |requests: &Requests| time::format(requests.get("r1").unwrap().due());
        assert!(due(&requests).starts_with("2026-02-28") || due(&requests).starts_with("2026-03-01"));
        let late = time::parse("2026-03-05T00:00:00Z").unwrap();
        assert!(requests.get("r1").unwrap().is_overdue(late));
        let extend = || Step::Extend { reason: "many".into() };
        assert!(step(&mut requests, extend(), DANA, late).is_err());
        step(&mut requests, extend(), DANA, received()).unwrap();
        assert!(!requests.get("r1").unwrap().is_overdue(late));
        assert!(step(&mut requests, extend(), DANA, received()).is_err());
    }
}
