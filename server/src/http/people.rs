//! People, and erasures.

use escrowdb::id::RequestId;
use escrowdb::policy::Basis;
use escrowdb::store::{EraseOptions, Selector};
use serde::Deserialize;

use crate::http::call::{Call, Reply};
use crate::problem::Problem;
use crate::shape::{person_json, plan_json};

pub(super) fn show(call: Call) -> Result<Reply, Problem> {
    let (reading, name) = (call.reading()?, call.named("person"));
    let person = reading.person(name)?;
    // Her names are hers too: with all that she wrote they are seen for a case only.
    if person.records == 0 && reading.restricted_of(name)? > 0 {
        return Err(escrowdb::Error::not_found("no such person").into());
    }
    Ok(Reply::json(person_json(&person)))
}

pub(super) fn plan(call: Call) -> Result<Reply, Problem> {
    let selector = Selector::Person(call.named("person").to_owned());
    let plan = call.store.plan_as(&call.session()?, &selector)?;
    Ok(Reply::json(plan_json(&plan, call.may_read())))
}

/// What is to be erased: one of the three.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Erase {
    person: Option<String>,
    conversation: Option<String>,
    record: Option<String>,
    in_conversation: Option<String>,
    reason: Option<String>,
    basis: Option<String>,
    approved: Option<String>,
    /// Name of the erasure: who repeats it gets the certificate of the first.
    request: Option<String>,
    #[serde(default)]
    with_evidence: bool,
}

pub(super) fn erase(call: Call) -> Result<Reply, Problem> {
    let asked: Erase = call.json()?;
    let selector = match (asked.person, asked.conversation, asked.record) {
        (Some(person), None, None) => Selector::Person(person),
        (None, Some(name), None) => Selector::Conversation(name),
        (None, None, Some(id)) => Selector::Record { id, conversation: asked.in_conversation },
        _ => return Err(Problem::invalid("name one of person, conversation and record")),
    };
    let basis = asked.basis.as_deref().map(|name| {
        Basis::parse(name).ok_or_else(|| {
            let known: Vec<_> = Basis::ALL.into_iter().map(Basis::name).collect();
            Problem::invalid(format!("basis: must be one of {}", known.join(", ")))
        })
    });
    let request = asked.request.as_deref().map(|text| {
        RequestId::parse(text).ok_or_else(|| Problem::invalid("request: must be 32 hexadecimal digits"))
    });
    let session = call.session()?;
    let options = EraseOptions {
        reason: asked.reason,
        basis: basis.transpose()?,
        actor: Some(call.principal.name.clone()),
        purpose: session.purpose_name().map(str::to_owned),
        case: session.case_name().map(str::to_owned),
        approved: asked.approved,
        with_evidence: asked.with_evidence,
        request: request.transpose()?,
    };
    let certificate = call.store.erase(&selector, &options)?;
    Ok(Reply::json(certificate.to_json()))
}
