//! What people ask for under the law, and who agrees to what is planned for it.

use escrowdb::id::Micros;
use escrowdb::record::time;
use escrowdb::register::Event;
use escrowdb::register::request::{self, Kind, Step};
use serde::Deserialize;

use crate::access::token::now;
use crate::http::call::{Call, Reply};
use crate::problem::Problem;
use crate::shape::Object;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Receive {
    #[serde(rename = "type")]
    kind: String,
    person: String,
    channel: Option<String>,
    received: Option<String>,
}

pub(super) fn receive(call: Call) -> Result<Reply, Problem> {
    let asked: Receive = call.json()?;
    let kind = Kind::parse(&asked.kind).ok_or_else(|| {
        let known: Vec<_> = Kind::ALL.into_iter().map(Kind::name).collect();
        Problem::invalid(format!("type: must be one of {}", known.join(", ")))
    })?;
    let received = asked.received.as_deref().map(time::parse).transpose()?;
    let step = Step::Receive {
        kind,
        person: call.store.number_of(&asked.person)?,
        received: received.unwrap_or_else(|| Micros(now().0)),
        channel: asked.channel.unwrap_or_else(|| "mail".to_owned()),
    };
    take(&call, step)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Identify {
    method: String,
}

pub(super) fn identify(call: Call) -> Result<Reply, Problem> {
    let asked: Identify = call.json()?;
    take(&call, Step::Identify { method: asked.method })
}

pub(super) fn plan(call: Call) -> Result<Reply, Problem> {
    let plan = call.store.plan_request(&call.session()?, call.named("code"))?;
    let mut object = Object::new();
    Ok(Reply::json(object.raw("plan", &plan.agreed.plan).text("sha256", &plan.agreed.hash).finish()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Approve {
    sha256: String,
}

pub(super) fn approve(call: Call) -> Result<Reply, Problem> {
    let asked: Approve = call.json()?;
    take(&call, Step::Approve { hash: asked.sha256 })
}

fn take(call: &Call, step: Step) -> Result<Reply, Problem> {
    let event = Event::Request(request::Event { request: call.named("code").to_owned(), event: step });
    let seq = call.store.change(&call.session()?, event)?;
    Ok(Reply::json(Object::new().text("request", call.named("code")).number("seq", seq.0).finish()))
}
