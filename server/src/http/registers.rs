//! Consents, holds, requests and acts, as registers keep them.

use escrowdb::record::time;
use escrowdb::register::consent::{self, Deed, Shown};
use escrowdb::register::hold::{self, Effect, Hold, Scope};
use escrowdb::register::{Event, Registers};
use escrowdb::store::{ActOptions, Who};
use serde::Deserialize;

use crate::access::token::now;
use crate::http::call::{Call, Reply};
use crate::problem::Problem;
use crate::shape::{Object, act_json, consents_json, hold_json, request_json};

/// Acts of an answer, if nobody says how many.
const LIMIT: u64 = 50;
/// At most.
const LIMIT_MAX: u64 = 10_000;

/// What somebody said of purposes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    event: String,
    person: String,
    purposes: Vec<String>,
    /// The notice that she was shown; its text in `language`, the published version if none is named.
    notice: Option<String>,
    version: Option<u32>,
    language: Option<String>,
    method: Option<String>,
    channel: Option<String>,
    expires: Option<String>,
}

pub(super) fn consent(call: Call) -> Result<Reply, Problem> {
    let said: Said = call.json()?;
    let deed = Deed::parse(&said.event)
        .ok_or_else(|| Problem::invalid("event: must be ask, give, refuse or withdraw"))?;
    let notice = match &said.notice {
        // What is withdrawn was given under a text; that it is withdrawn needs none.
        None if deed == Deed::Withdraw => None,
        None => return Err(Problem::invalid("notice: names what she was shown")),
        Some(id) => Some(shown(&call.store.registers(), id, &said)?),
    };
    let expires = said.expires.as_deref().map(time::parse).transpose()?;
    let event = consent::Event {
        event: deed,
        person: said.person,
        purposes: said.purposes,
        notice,
        method: said.method.unwrap_or_else(|| "click".to_owned()),
        channel: said.channel.unwrap_or_else(|| "web".to_owned()),
        expires,
    };
    change(&call, Event::Consent(event))
}

fn shown(registers: &Registers, id: &str, said: &Said) -> Result<Shown, Problem> {
    let found = match said.version {
        Some(number) => registers.notices.version(id, number).map(|version| (number, version)),
        None => registers.notices.shown(id, now()),
    };
    let missing = |what| Problem::from(escrowdb::Error::not_found(what));
    let (version, of) = found.ok_or_else(|| missing("no such version of a notice"))?;
    let text = match &said.language {
        Some(language) => of.texts.get(language),
        None if of.texts.len() > 1 => return Err(Problem::invalid("language: the notice has several")),
        None => of.texts.values().next(),
    };
    let text = text.ok_or_else(|| missing("the notice has no text in this language"))?;
    Ok(Shown { id: id.to_owned(), version, language: text.language.clone(), hash: text.hash.clone() })
}

pub(super) fn consents(call: Call) -> Result<Reply, Problem> {
    let said = call.store.consents(&Who::Identifier(call.named("person").to_owned()))?;
    Ok(Reply::json(consents_json(&said, &call.store.registers(), now())))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    person: Option<String>,
    conversation: Option<String>,
    query: Option<String>,
    matter: String,
    ground: String,
    review: Option<String>,
}

pub(super) fn place(call: Call) -> Result<Reply, Problem> {
    let asked: Place = call.json()?;
    let scope = match (asked.person, asked.conversation, asked.query) {
        (Some(person), None, None) => Scope::Person(call.store.number_of(&person)?.0),
        (None, Some(name), None) => Scope::Conversation(name),
        (None, None, Some(text)) => {
            // What can't be asked can't be held.
            call.store.check_query(&text)?;
            Scope::Query { text, at: now() }
        }
        _ => return Err(Problem::invalid("name one of person, conversation and query")),
    };
    let hold = Hold {
        code: call.named("code").to_owned(),
        effect: Effect::Hold,
        scope,
        matter: asked.matter,
        ground: asked.ground,
        review: asked.review.as_deref().map(time::parse).transpose()?,
    };
    change(&call, Event::Hold(hold::Event::Place(hold)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Release {
    reason: String,
}

pub(super) fn release(call: Call) -> Result<Reply, Problem> {
    let asked: Release = call.json()?;
    let code = call.named("code").to_owned();
    let registers = call.store.registers();
    if registers.holds.get(&code).is_none_or(|placed| placed.hold.effect != Effect::Hold) {
        return Err(escrowdb::Error::not_found("no such hold").into());
    }
    change(&call, Event::Hold(hold::Event::Release { code, reason: asked.reason }))
}

pub(super) fn holds(call: Call) -> Result<Reply, Problem> {
    let (registers, all, now) = (call.store.registers(), call.asked("all").is_some(), now());
    let wanted = registers.holds.iter().filter(|placed| placed.hold.effect == Effect::Hold);
    let wanted = wanted.filter(|placed| all || placed.released.is_none());
    let lines: Result<Vec<_>, _> = wanted.map(|placed| hold_json(&call.store, placed, now)).collect();
    Ok(Reply::lines(lines?))
}

pub(super) fn requests(call: Call) -> Result<Reply, Problem> {
    let (registers, now) = (call.store.registers(), now());
    let overdue = call.asked("overdue").is_some();
    let wanted = registers.requests.iter().filter(|(_, of)| !overdue || of.is_overdue(now));
    let lines: Result<Vec<_>, _> =
        wanted.map(|(code, of)| request_json(&call.store, code, of, now)).collect();
    Ok(Reply::lines(lines?))
}

pub(super) fn acts(call: Call) -> Result<Reply, Problem> {
    let limit = call.number("limit")?.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    let details = call.asked("details").is_some();
    let options = ActOptions::new().limit(limit as usize).details(details);
    let found = call.reading()?.acts(call.asked("q").unwrap_or("*"), &options)?;
    Ok(Reply::lines(found.iter().map(|act| act_json(act, details)).collect()))
}

fn change(call: &Call, event: Event) -> Result<Reply, Problem> {
    let seq = call.store.change(&call.session()?, event)?;
    Ok(Reply::json(Object::new().number("seq", seq.0).finish()))
}
