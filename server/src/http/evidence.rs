//! What proves what was done, and sizes.

use escrowdb::id::RequestId;

use crate::http::call::{Call, Reply};
use crate::problem::Problem;
use crate::shape::{flat_json, stats_fields};

pub(super) fn checkpoint(call: Call) -> Result<Reply, Problem> {
    let head = call.store.checkpoint()?;
    Ok(Reply::Text("text/plain; charset=utf-8", head.to_string().into_bytes()))
}

pub(super) fn key(call: Call) -> Result<Reply, Problem> {
    let mut key = call.store.verifier_key()?;
    key.push('\n');
    Ok(Reply::Text("text/plain; charset=utf-8", key.into_bytes()))
}

/// That a record stands in the log: its opening, so that is a reading of it.
pub(super) fn proof(call: Call) -> Result<Reply, Problem> {
    let proofs = call.reading()?.prove(call.named("id"), call.asked("conversation"), None)?;
    match proofs.as_slice() {
        [] => Err(escrowdb::Error::not_found("no such record").into()),
        [one] => Ok(Reply::Text("text/plain; charset=utf-8", one.to_text().as_bytes().to_vec())),
        _ => Err(Problem::invalid("the id is used in several conversations: name one by `conversation`")),
    }
}

pub(super) fn certificate(call: Call) -> Result<Reply, Problem> {
    let request = RequestId::parse(call.named("request"))
        .ok_or_else(|| Problem::invalid("the name of an erasure is 32 hexadecimal digits"))?;
    Ok(Reply::json(call.store.certificate(request, None)?.to_json()))
}

pub(super) fn stats(call: Call) -> Result<Reply, Problem> {
    Ok(Reply::json(flat_json(&stats_fields(&call.store.stats()?))))
}
