//! Registers as plain maps: what may happen to them, and what it does.

use escrowdb::ErrorKind;
use escrowdb::register::class::{self, Start};
use escrowdb::register::consent::{self, Deed, Shown};
use escrowdb::register::disclosure::{self, About as Whose};
use escrowdb::register::hold::{self, Effect, Scope};
use escrowdb::register::notice::{self, State as NoticeState};
use escrowdb::register::purpose::{self, LawfulBasis};
use escrowdb::register::request::{self, State, Step};
use escrowdb::register::{Event, settings};

use super::model::{About, Asks, Class, DAY, Disclosure, Hold, Model, Notice, Pid, Request, Said};

type Done = Result<(), ErrorKind>;

const REFUSED: Done = Err(ErrorKind::Refused);
const INVALID: Done = Err(ErrorKind::Invalid);
const UNKNOWN: Done = Err(ErrorKind::NotFound);

/// Days of a length of time; histories name it in days.
pub(super) fn days(text: &str) -> i64 {
    text.strip_suffix('d').and_then(|days| days.parse().ok()).expect("in days")
}

impl Model {
    /// Asks whether something may happen, and lets it.
    pub(super) fn change(&mut self, event: &Event, actor: Pid) -> Done {
        match event {
            Event::Notice(event) => self.notice(event),
            Event::Purpose(event) => self.purpose(event),
            Event::Consent(event) => self.consent(event),
            Event::Class(event) => self.class(event),
            Event::Hold(event) => self.hold(event),
            Event::Request(event) => self.request(event, actor),
            Event::Disclosure(event) => self.disclosure(event),
            Event::Settings(event) => self.setting(event, actor),
            other => panic!("histories say nothing of {other:?}"),
        }
    }

    fn is_in_use(&self, purpose: &str) -> bool {
        self.purposes.get(purpose).is_some_and(|(_, active)| *active)
    }

    fn purpose(&mut self, event: &purpose::Event) -> Done {
        match event {
            purpose::Event::Define(new) => {
                // What rests on consent stays on it (EDPB guidelines 05/2020, 121 to 123), what was retired on its ground.
                let swaps = |(old, active): &(purpose::Purpose, bool)| {
                    new.basis != old.basis && (!active || old.basis == LawfulBasis::Consent)
                };
                if self.purposes.get(&new.code).is_some_and(swaps) {
                    return REFUSED;
                }
                self.purposes.insert(new.code.clone(), (new.clone(), true));
            }
            purpose::Event::Retire { code } => match self.purposes.get_mut(code) {
                Some((_, active)) if *active => *active = false,
                _ => return UNKNOWN,
            },
        }
        Ok(())
    }

    fn notice(&mut self, event: &notice::Event) -> Done {
        let now = self.now;
        let of = |id: &str, version: u32| (id.to_owned(), version);
        match event {
            notice::Event::Draft(text) => {
                if !text.purposes.iter().all(|code| self.is_in_use(code)) {
                    return UNKNOWN;
                }
                let later = of(&text.id, text.version + 1)..of(&text.id, u32::MAX);
                let key = of(&text.id, text.version);
                let is_frozen = self.notices.get(&key).is_some_and(|v| v.state != NoticeState::Draft);
                if is_frozen || self.notices.range(later).next().is_some() {
                    return REFUSED;
                }
                let (state, published, retired) = (NoticeState::Draft, None, None);
                let new = || Notice { state, texts: Default::default(), published, retired };
                let version = self.notices.entry(key).or_insert_with(new);
                version.texts.insert(text.language.clone(), text.clone());
            }
            notice::Event::Publish { id, version } => {
                match self.notices.get(&of(id, *version)).map(|v| v.state) {
                    None => return UNKNOWN,
                    Some(NoticeState::Draft) => {}
                    Some(_) => return REFUSED,
                }
                if let Some(v) = self.notices.get_mut(&of(id, *version)) {
                    (v.state, v.published) = (NoticeState::Published, Some(now));
                }
            }
            notice::Event::Retire { id, version } => match self.notices.get_mut(&of(id, *version)) {
                None => return UNKNOWN,
                Some(v) if v.state == NoticeState::Retired => return REFUSED,
                Some(v) => (v.state, v.retired) = (NoticeState::Retired, Some(now)),
            },
        }
        Ok(())
    }

    fn consent(&mut self, event: &consent::Event) -> Done {
        let (now, is_given) = (self.now, event.event == Deed::Give);
        let withdraws = event.event == Deed::Withdraw;
        let knows =
            |code: &String| if withdraws { self.purposes.contains_key(code) } else { self.is_in_use(code) };
        if !event.purposes.iter().all(knows) {
            return UNKNOWN;
        }
        if event.expires.is_some_and(|until| !is_given || until.0 <= now) {
            return INVALID;
        }
        match &event.notice {
            Some(shown) => self.shown(shown, event)?,
            None if withdraws => {}
            None => return INVALID,
        }
        if withdraws {
            let pid = self.person(&event.person);
            let gave = |code: &String| {
                pid.and_then(|pid| self.said_as_one(pid, code)).is_some_and(|said| said.deed == Deed::Give)
            };
            if !event.purposes.iter().all(gave) {
                return REFUSED;
            }
        }
        let pid = self.person_or_new(&event.person);
        let person = &mut self.people[pid];
        (person.has_evidence, person.evidence) = (true, person.evidence + 1);
        self.statements += 1;
        for code in &event.purposes {
            // Who said yes and is asked again has said yes until she answers.
            let said_yes = person.said.get(code).is_some_and(|said| said.deed == Deed::Give);
            if event.event == Deed::Ask && said_yes {
                continue;
            }
            let notice = event.notice.as_ref().map(|shown| (shown.id.clone(), shown.version));
            let expires = event.expires.map(|until| until.0);
            person.nth.insert(code.clone(), self.statements);
            person.said.insert(code.clone(), Said { deed: event.event, at: now, notice, expires });
        }
        Ok(())
    }

    fn shown(&self, shown: &Shown, event: &consent::Event) -> Done {
        let Some(version) = self.notices.get(&(shown.id.clone(), shown.version)) else { return UNKNOWN };
        let Some(text) = version.texts.get(&shown.language) else { return UNKNOWN };
        if text.hash != shown.hash {
            return INVALID;
        }
        if event.event == Deed::Withdraw {
            return Ok(());
        }
        let mut later = self.behind(&shown.id, shown.version);
        let is_shown = version.state == NoticeState::Published && self.has_begun(version);
        if !is_shown || later.any(|v| self.has_begun(v)) {
            return REFUSED;
        }
        if event.purposes.iter().all(|code| text.purposes.contains(code)) { Ok(()) } else { INVALID }
    }

    fn behind<'m>(&'m self, id: &'m str, version: u32) -> impl Iterator<Item = &'m Notice> {
        let later = self.notices.iter().filter(move |((name, number), _)| name == id && *number > version);
        later.map(|(_, notice)| notice)
    }

    /// Whether a version was ever shown, up to now: published, every language of it valid, and not taken back before.
    fn has_begun(&self, notice: &Notice) -> bool {
        let valid = notice.texts.values().map(|text| text.valid_from.0).max().unwrap_or(i64::MAX);
        notice
            .published
            .map(|at| at.max(valid))
            .is_some_and(|begins| begins <= self.now && notice.retired.is_none_or(|at| at >= begins))
    }

    /// Where a consent stands: asked, given, refused, withdrawn, expired, due again.
    pub(super) fn consent_state(&self, said: &Said) -> consent::State {
        let later_is_material = |(id, version): &(String, u32)| {
            let mut later = self.behind(id, *version).filter(|v| self.has_begun(v));
            later.any(|v| v.texts.values().any(|text| text.material))
        };
        match said.deed {
            Deed::Ask => consent::State::Asked,
            Deed::Refuse => consent::State::Refused,
            Deed::Withdraw => consent::State::Withdrawn,
            Deed::Give if said.expires.is_some_and(|until| until <= self.now) => consent::State::Expired,
            Deed::Give if said.notice.as_ref().is_some_and(later_is_material) => consent::State::ReconsentDue,
            Deed::Give => consent::State::Given,
        }
    }

    /// Whether somebody consents to a purpose now.
    pub(super) fn consents(&self, pid: Pid, purpose: &str) -> bool {
        let said = self.said_as_one(pid, purpose).filter(|_| self.people[pid].alive);
        said.is_some_and(|said| self.consent_state(said) == consent::State::Given)
    }

    /// What somebody, or whoever is linked to her, said of a purpose last; a question is no answer.
    fn said_as_one(&self, pid: Pid, purpose: &str) -> Option<&Said> {
        let people = self.group(pid).into_iter().map(|one| &self.people[one]).filter(|person| person.alive);
        let said = people.filter_map(|person| Some((person.said.get(purpose)?, person.nth.get(purpose)?)));
        said.max_by_key(|(said, nth)| (said.deed != Deed::Ask, **nth)).map(|(said, _)| said)
    }

    fn class(&mut self, event: &class::Event) -> Done {
        match event {
            class::Event::Define(new) => {
                let next = self.classes.iter().map(|c| c.number).max().unwrap_or(0) + 1;
                if new.number != next || self.classes.iter().any(|c| c.code == new.code) {
                    return REFUSED;
                }
                let (lock, maximum) = (new.lock.as_deref().map(days), new.maximum.as_deref().map(days));
                if lock.zip(maximum).is_some_and(|(lock, maximum)| maximum < lock) {
                    return INVALID;
                }
                self.classes.push(Class {
                    code: new.code.clone(),
                    number: new.number,
                    start: new.start,
                    lock,
                    maximum,
                    then: new.then,
                    selector: new.selector.clone(),
                    active: true,
                });
            }
            class::Event::Lengthen { code, lock } => {
                let Some(class) = self.classes.iter_mut().find(|c| c.code == *code) else { return UNKNOWN };
                let lock = days(lock);
                if class.lock.is_some_and(|old| lock < old) {
                    return REFUSED;
                }
                if class.maximum.is_some_and(|maximum| maximum < lock) {
                    return INVALID;
                }
                class.lock = Some(lock);
            }
            class::Event::Retire { code } => match self.classes.iter_mut().find(|c| c.code == *code) {
                Some(class) if class.active => class.active = false,
                _ => return UNKNOWN,
            },
            class::Event::Begin { .. } => panic!("histories begin classes by conversation"),
            class::Event::Restrict { .. } => panic!("runs restrict"),
        }
        Ok(())
    }

    /// Begins the time of a conversation in a class.
    pub(super) fn begin(&mut self, code: &str, conversation: &str) -> Done {
        let Some(class) = self.classes.iter().find(|class| class.code == code) else { return UNKNOWN };
        if class.start != Start::Event {
            return INVALID;
        }
        let key = (class.number, conversation.to_owned());
        if self.begun.contains_key(&key) {
            return REFUSED;
        }
        // A clock that was set back begins nothing early.
        let at = self.time.claimed(self.now).max(self.now);
        self.begun.insert(key, at);
        Ok(())
    }

    fn hold(&mut self, event: &hold::Event) -> Done {
        let now = self.now;
        match event {
            hold::Event::Place(new) => {
                let about = match &new.scope {
                    Scope::Person(number) => match self.by_number(*number) {
                        Some(pid) if self.people[pid].alive => About::Person(pid),
                        _ => return UNKNOWN,
                    },
                    Scope::Conversation(name) => About::Conversation(name.clone()),
                    Scope::Query { text, .. } => About::Query(Asks::parse(text)),
                };
                let hides = new.effect == Effect::Restrict;
                if hides && matches!(about, About::Query(_)) || new.review.is_some_and(|at| at.0 <= now) {
                    return INVALID;
                }
                if self.holds.contains_key(&new.code) {
                    return REFUSED;
                }
                if let About::Person(pid) = about {
                    (self.people[pid].has_evidence, self.people[pid].evidence) =
                        (true, self.people[pid].evidence + 1);
                }
                let (matter, review) = (new.matter.clone(), new.review.map(|at| at.0));
                let hold = Hold { hides, about, matter, review, at: now, released: None, left: None };
                self.holds.insert(new.code.clone(), hold);
            }
            hold::Event::Review { code, next } => {
                let hold = self.standing_as(code)?;
                if next.0 <= now {
                    return INVALID;
                }
                hold.review = Some(next.0);
            }
            hold::Event::Release { code, .. } => self.standing_as(code)?.released = Some(now),
        }
        Ok(())
    }

    fn standing_as(&mut self, code: &str) -> Result<&mut Hold, ErrorKind> {
        match self.holds.get_mut(code) {
            Some(hold) if hold.released.is_none() => Ok(hold),
            Some(_) => Err(ErrorKind::Refused),
            None => Err(ErrorKind::NotFound),
        }
    }

    fn request(&mut self, event: &request::Event, actor: Pid) -> Done {
        let (now, four_eyes) = (self.now, self.settings.four_eyes);
        if let Step::Receive { kind, person, received, .. } = &event.event {
            let pid = match self.by_number(person.0) {
                Some(pid) if self.people[pid].alive => pid,
                _ => return UNKNOWN,
            };
            if received.0 > now {
                return INVALID;
            }
            if self.requests.contains_key(&event.request) {
                return REFUSED;
            }
            (self.people[pid].has_evidence, self.people[pid].evidence) =
                (true, self.people[pid].evidence + 1);
            self.requests.insert(
                event.request.clone(),
                Request {
                    kind: *kind,
                    person: pid,
                    received: received.0,
                    state: State::Received,
                    requester: actor,
                    plan: None,
                    approvers: Default::default(),
                    extended: false,
                    outcome: None,
                },
            );
            return Ok(());
        }
        let Some(request) = self.requests.get_mut(&event.request) else { return UNKNOWN };
        let is_answered = matches!(request.state, State::Fulfilled | State::Partly | State::Refused);
        let completes = request.state == State::Partly && matches!(event.event, Step::Fulfil { .. });
        if is_answered && !completes {
            return REFUSED;
        }
        match &event.event {
            Step::Receive { .. } => {}
            Step::Identify { .. } if request.state == State::Received => request.state = State::Identified,
            Step::Identify { .. } => return REFUSED,
            Step::Plan { .. } if matches!(request.state, State::Received | State::Running) => return REFUSED,
            Step::Plan { hash } => {
                if request.plan.as_ref() != Some(hash) {
                    request.approvers.clear();
                }
                request.plan = Some(hash.clone());
                request.state = if request.approvers.is_empty() { State::Planned } else { State::Approved };
            }
            Step::Approve { hash } => {
                if request.plan.as_ref() != Some(hash) || actor == request.requester {
                    return REFUSED;
                }
                request.approvers.insert(actor);
                request.state = State::Approved;
            }
            Step::Run => {
                let is_approved = request.approvers.iter().any(|pid| *pid != request.requester);
                if request.plan.is_none() || four_eyes && !is_approved {
                    return REFUSED;
                }
                request.state = State::Running;
            }
            Step::Extend { .. } => {
                // Histories ask within three weeks of its coming, or three months behind it.
                if request.extended || now - request.received > 28 * DAY {
                    return REFUSED;
                }
                request.extended = true;
            }
            Step::Fulfil { partly, reference } => {
                request.state = if partly.is_some() { State::Partly } else { State::Fulfilled };
                request.outcome = Some(reference.clone());
            }
            Step::Refuse { ground } => {
                (request.state, request.outcome) = (State::Refused, Some(ground.clone()));
            }
        }
        Ok(())
    }

    fn disclosure(&mut self, event: &disclosure::Event) -> Done {
        let now = self.now;
        match event {
            disclosure::Event::Give(given) => {
                let person = match given.about {
                    Whose::Person(number) => match self.by_number(number) {
                        Some(pid) if self.people[pid].alive => Some(pid),
                        _ => return UNKNOWN,
                    },
                    _ => None,
                };
                if given.expires.is_some_and(|until| until.0 <= now) {
                    return INVALID;
                }
                if self.disclosures.contains_key(&given.code) {
                    return REFUSED;
                }
                if let Some(pid) = person {
                    (self.people[pid].has_evidence, self.people[pid].evidence) =
                        (true, self.people[pid].evidence + 1);
                }
                let new = Disclosure { person, at: now, told: None, destroyed: None };
                self.disclosures.insert(given.code.clone(), new);
            }
            disclosure::Event::Tell { code, .. } => match self.disclosures.get_mut(code) {
                Some(of) => of.told = Some(now),
                None => return UNKNOWN,
            },
            disclosure::Event::Destroyed { code, at } => match self.disclosures.get_mut(code) {
                Some(of) => of.destroyed = Some(at.0),
                None => return UNKNOWN,
            },
        }
        Ok(())
    }

    fn setting(&mut self, event: &settings::Event, actor: Pid) -> Done {
        let ends = event.four_eyes == Some(false) && self.settings.four_eyes;
        if ends && self.settings.ends_four_eyes == Some(actor) {
            return REFUSED;
        }
        let named = event.gate_rules.iter().flatten().flat_map(|rule| &rule.purposes);
        if !named.into_iter().all(|code| self.is_in_use(code)) {
            return UNKNOWN;
        }
        let settings = &mut self.settings;
        match event.four_eyes {
            Some(true) => (settings.four_eyes, settings.ends_four_eyes) = (true, None),
            Some(false) if ends && settings.ends_four_eyes.is_none() => settings.ends_four_eyes = Some(actor),
            Some(false) => (settings.four_eyes, settings.ends_four_eyes) = (false, None),
            None => {}
        }
        settings.gate = event.gate.unwrap_or(settings.gate);
        settings.deletion = event.deletion.unwrap_or(settings.deletion);
        if let Some(rules) = &event.gate_rules {
            settings.gate_rules = rules.iter().map(|r| (r.when.clone(), r.purposes.clone())).collect();
        }
        settings.grace = event.grace.as_deref().map(days).or(settings.grace);
        settings.quarantine = event.quarantine.as_deref().map_or(settings.quarantine, days);
        settings.keep_evidence =
            event.keep_evidence.clone().unwrap_or_else(|| settings.keep_evidence.clone());
        settings.has_quarantine |= settings.gate == settings::Gate::Quarantine;
        Ok(())
    }
}
