//! What proves what was done, and sizes.

use escrowdb::id::RequestId;

use crate::http::call::{Call, Reply};
use crate::problem::Problem;
use crate::shape::{flat_json, stats_fields};

pub(super) fn checkpoint(call: Call) -> Result<Reply, Problem> {
    let head = call.store.checkpoint()?;
    Ok(Reply::Text("text/plain; charset=utf-8", head.to_string().into_bytes()))
}

pub(super) fn certificate(call: Call) -> Result<Reply, Problem> {
    let request = RequestId::parse(call.named("request"))
        .ok_or_else(|| Problem::invalid("the name of an erasure is 32 hexadecimal digits"))?;
    Ok(Reply::json(call.store.certificate(request, None)?.to_json()))
}

pub(super) fn stats(call: Call) -> Result<Reply, Problem> {
    Ok(Reply::json(flat_json(&stats_fields(&call.store.stats()?))))
}
