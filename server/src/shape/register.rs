//! What registers and acts say, as JSON lines.

use escrowdb::id::{Micros, PersonNumber};
use escrowdb::record::time;
use escrowdb::register::Registers;
use escrowdb::register::consent::Shown;
use escrowdb::register::hold::{Placed, Scope};
use escrowdb::register::request::Request;
use escrowdb::store::{ActView, Said};
use escrowdb::{Result, Store};

use crate::shape::{Object, array};

/// A hold or a restriction as it stands at an instant.
///
/// # Errors
/// An unreadable key tree.
pub fn hold_json(store: &Store, placed: &Placed, now: Micros) -> Result<String> {
    let hold = &placed.hold;
    let (kind, what) = match &hold.scope {
        Scope::Person(number) => ("person", name(store, PersonNumber(*number))?),
        Scope::Conversation(name) => ("conversation", name.clone()),
        Scope::Query { text, .. } => ("query", text.clone()),
    };
    let mut line = Object::new();
    line.text("code", &hold.code).text("scope", kind).text("what", &what);
    line.text("matter", &hold.matter).text("ground", &hold.ground);
    put_when(&mut line, "placed", Some(placed.at));
    line.number("seq", placed.seq.0);
    put_when(&mut line, "review", hold.review);
    line.flag("review_due", placed.is_review_due(now));
    put_when(&mut line, "released", placed.released);
    Ok(line.finish())
}

/// A request as it stands at an instant.
///
/// # Errors
/// An unreadable key tree.
pub fn request_json(store: &Store, code: &str, request: &Request, now: Micros) -> Result<String> {
    let mut approvers = Vec::new();
    for approver in &request.approvers {
        approvers.push(name(store, *approver)?);
    }
    let mut line = Object::new();
    line.text("code", code).text("type", request.kind.name());
    line.number("number", request.person.0).maybe("person", store.name_of(request.person)?.as_deref());
    line.text("state", request.state.name());
    put_when(&mut line, "received", Some(request.received));
    put_when(&mut line, "due", Some(request.due()));
    line.flag("overdue", request.is_overdue(now)).flag("extended", request.extended);
    line.text("channel", &request.channel).text("requester", &name(store, request.requester)?);
    line.maybe("plan", request.plan.as_deref()).texts("approvers", &approvers);
    line.maybe("outcome", request.outcome.as_deref()).number("seq", request.seq.0);
    Ok(line.finish())
}

/// What somebody said of purposes, and where that stands at an instant.
pub fn consents_json(said: &Said, registers: &Registers, now: Micros) -> String {
    let purposes = said.consents.iter().map(|(code, of)| {
        let mut line = Object::new();
        line.text("purpose", code).text("state", of.state(&registers.notices, now).name());
        line.text("since", &time::format(of.at)).number("seq", of.seq.0);
        line.maybe("notice", of.notice.as_ref().map(|(id, _)| id.as_str()));
        match &of.notice {
            Some((_, version)) => line.number("version", (*version).into()),
            None => line.raw("version", "null"),
        };
        put_when(&mut line, "expires", of.expires);
        line.finish()
    });
    let history = said.history.iter().map(|(seq, id, at, event)| {
        let mut line = Object::new();
        line.number("seq", seq.0).text("id", id).text("time", &time::format(*at));
        line.text("event", event.event.name()).text("person", &event.person);
        line.texts("purposes", &event.purposes);
        line.raw("notice", &event.notice.as_ref().map_or_else(|| "null".to_owned(), shown_json));
        line.text("method", &event.method).text("channel", &event.channel);
        put_when(&mut line, "expires", event.expires);
        line.finish()
    });
    let mut line = Object::new();
    line.text("handle", &said.handle.to_string());
    line.raw("purposes", &array(&purposes.collect::<Vec<_>>()));
    line.raw("history", &array(&history.collect::<Vec<_>>()));
    line.finish()
}

fn shown_json(shown: &Shown) -> String {
    let mut line = Object::new();
    line.text("id", &shown.id).number("version", shown.version.into());
    line.text("language", &shown.language).text("sha256", &shown.hash);
    line.finish()
}

/// An act; `details` also what was typed.
pub fn act_json(view: &ActView, details: bool) -> String {
    let mut line = Object::new();
    line.number("seq", view.seq.0).text("id", &view.id).text("time", &time::format(view.time));
    line.text("kind", view.kind.name());
    let deed = view.act.as_ref().and_then(|act| act.deed);
    line.maybe("what", deed.map(|deed| deed.name()));
    let named = view.actor.0 > 0;
    line.raw("actor_number", &if named { view.actor.to_string() } else { "null".to_owned() });
    line.maybe("actor", view.actor_name.as_deref());
    if let Some(act) = &view.act {
        line.number("count", act.count);
        if let Some((duplicates, rejected)) = act.left_out {
            line.number("duplicates", duplicates).number("rejected", rejected);
        }
        if let Some(rules) = act.rules {
            line.text("level", rules.level.name());
            line.number("keep_acts", rules.keep_acts.into())
                .number("keep_details", rules.keep_details.into());
        }
        let people: Vec<String> = view
            .people
            .iter()
            .map(|(number, name)| {
                Object::new().number("number", number.0).maybe("name", name.as_deref()).finish()
            })
            .collect();
        line.raw("people", &array(&people));
    }
    if details {
        let texts = view.detail.as_ref().map(|detail| {
            let mut texts = Object::new();
            for (field, text) in detail.fields() {
                texts.text(field.name(), text);
            }
            texts.finish()
        });
        line.raw("detail", texts.as_deref().unwrap_or("null"));
    }
    line.finish()
}

fn put_when(line: &mut Object, name: &str, at: Option<Micros>) {
    line.maybe(name, at.map(time::format).as_deref());
}

/// Who somebody is: the identifier, or the number of who is erased; `-` is nobody who was named.
fn name(store: &Store, number: PersonNumber) -> Result<String> {
    if number == PersonNumber::STORE {
        return Ok("-".to_owned());
    }
    Ok(store.name_of(number)?.unwrap_or_else(|| format!("person {number}")))
}
