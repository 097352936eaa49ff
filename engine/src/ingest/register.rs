//! What somebody does to a register, from names to numbers, and on its way into the log.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::id::{Handle, Micros, PersonNumber, Seq};
use crate::index::People;
use crate::ingest::Queue;
use crate::ingest::change::{About, Changes};
use crate::keyring::catalog;
use crate::record::Kind;
use crate::record::input::check_identifier;
use crate::register::consent::{self, Consents};
use crate::register::{Event, Stamp, disclosure, hold, request};
use crate::session::Session;
use crate::state::State;
use crate::text;
use crate::view::View;

/// Whom a question about evidence names.
#[derive(Clone, PartialEq, Eq)]
pub enum Who {
    /// Somebody who is known, by an identifier.
    Identifier(String),
    /// Anybody, living or erased, by the random handle that receipts and certificates show.
    Handle(Handle),
}

/// What somebody said of purposes, and how it came to that.
#[derive(Clone)]
pub struct Said {
    /// The person's random handle.
    pub handle: Handle,
    /// What she said of each purpose last.
    pub consents: Consents,
    /// All events in the order of the log: position, id of the record, when, what.
    pub history: Vec<(Seq, String, Micros, consent::Event)>,
}

impl Said {
    /// Purposes for which she has consented.
    pub fn given(&self) -> impl Iterator<Item = &str> {
        let given = self.consents.iter().filter(|(_, said)| said.deed == consent::Deed::Give);
        given.map(|(code, _)| code)
    }
}

/// Changes registers, all of `events` or none. Answers where they stand in the log.
///
/// # Errors
/// Those of the register; *not found* for somebody who is unknown.
pub fn change(state: &Arc<State>, queue: &Queue, session: &Session, events: Vec<Event>) -> Result<Vec<Seq>> {
    state.check_writable()?;
    check_format(state)?;
    if events.iter().any(|event| matches!(event, Event::Class(_))) {
        // From now on it is known how far the clock went on.
        state.look_at_clock()?;
    }
    foresee(state, session.actor_name(), &events)?;
    let mut people = Vec::new();
    for event in &events {
        people.push(match event {
            Event::Consent(event) => Some(known_or_born(state, queue, &event.person)?),
            event => number_in(event),
        });
    }
    let named: Vec<PersonNumber> = people.iter().flatten().copied().collect();
    let mut evidence = state.evidence_numbers(&named)?.into_iter();
    let events = events.into_iter().zip(people).map(|(event, person)| About {
        event,
        person: person.and_then(|number| Some((number, evidence.next()?))),
    });
    let actor = session.actor_name().map(str::to_owned);
    queue.append_changes(state, Changes { actor, events: events.collect() })
}

/// Asks before anybody becomes known by it, or gets a number for the evidence: what is refused leaves nothing. It is
/// asked again, for good, under the lock of who writes frames.
fn foresee(state: &State, actor: Option<&str>, events: &[Event]) -> Result<()> {
    let view = state.view.read();
    let now = state.env.clock.now();
    let author = match actor {
        // Whoever is not known yet did nothing before.
        Some(name) => view.number(&text::nfc(name))?.unwrap_or(PersonNumber(u64::MAX)),
        None => PersonNumber::STORE,
    };
    let same = |number| view.linked(number);
    let mut rules = Cow::Borrowed(&**view.rules());
    let mut said: HashMap<String, Consents> = HashMap::new();
    for (n, event) in events.iter().enumerate() {
        if let Event::Consent(consent) = event {
            check_identifier("person", &consent.person)?;
            let name = text::nfc(&consent.person).into_owned();
            if !said.contains_key(&name) {
                let known =
                    view.number(&name)?.map(|number| view.consents_as_one(number)).transpose()?.flatten();
                said.insert(name.clone(), known.unwrap_or_default());
            }
            let own = said.entry(name).or_default();
            rules.check(event, own, (author, &same), now)?;
            own.apply(consent, now, Seq(0));
            continue;
        }
        if let Some(number) = number_in(event)
            && view.handle(number)?.is_none()
        {
            return Err(Error::not_found("no such person"));
        }
        rules.check(event, &Consents::default(), (author, &same), now)?;
        // What is changed with it may allow the next.
        if n + 1 < events.len() {
            rules.to_mut().apply(event.clone(), Stamp { seq: Seq(0), at: now, author });
        }
    }
    Ok(())
}

fn check_format(state: &State) -> Result<()> {
    if state.view.read().tree.head().has_rules() {
        return Ok(());
    }
    Err(Error::newer("a store of this format has no registers")
        .hint("`escrow upgrade` brings it to that of today"))
}

/// Whom an event is about, by number.
fn number_in(event: &Event) -> Option<PersonNumber> {
    match event {
        Event::Hold(hold::Event::Place(hold)) => match hold.scope {
            hold::Scope::Person(number) => Some(PersonNumber(number)),
            _ => None,
        },
        Event::Request(request::Event { event: request::Step::Receive { person, .. }, .. }) => Some(*person),
        Event::Disclosure(disclosure::Event::Give(given)) => match given.about {
            disclosure::About::Person(number) => Some(PersonNumber(number)),
            _ => None,
        },
        _ => None,
    }
}

/// Who says something may be known from nothing else.
fn known_or_born(state: &Arc<State>, queue: &Queue, identifier: &str) -> Result<PersonNumber> {
    check_identifier("person", identifier)?;
    let identifier = text::nfc(identifier);
    let number = |view: &View| view.number(&identifier);
    if let Some(number) = number(&state.view.read())? {
        return Ok(number);
    }
    queue.append_person(state, &identifier)?;
    number(&state.view.read())?.ok_or_else(|| Error::not_found("no such person"))
}

/// What somebody said, and when.
///
/// # Errors
/// *Not found* for who is unknown, and for a handle about which there is no evidence any more.
pub fn said(state: &State, who: &Who) -> Result<Said> {
    let view = state.view.read();
    let (handle, evidence) = match who {
        Who::Identifier(identifier) => {
            let number = view.number(&text::nfc(identifier))?;
            let number = number.filter(|n| *n != PersonNumber::STORE && !view.mask.hides(*n));
            let number = number.ok_or_else(|| Error::not_found("no such person"))?;
            let handle = view.handle(number)?.ok_or_else(|| Error::not_found("no such person"))?;
            (handle, catalog::evidence(&view.tree, handle)?)
        }
        Who::Handle(handle) => {
            let evidence = catalog::evidence(&view.tree, *handle)?;
            (
                *handle,
                Some(evidence.ok_or_else(|| Error::not_found("no evidence is kept under this handle"))?),
            )
        }
    };
    let mut said = Said { handle, consents: Consents::default(), history: Vec::new() };
    let Some(evidence) = evidence else { return Ok(said) };
    for (seq, stored) in view.evidence(evidence, Kind::Consent)? {
        if let Some(Event::Consent(event)) = Event::parse(stored.kind, &stored.body)? {
            said.consents.apply(&event, stored.time, seq);
            said.history.push((seq, stored.id.clone(), stored.time, event));
        }
    }
    Ok(said)
}
