//! Records and conversations, opened.

use crate::http::call::{Call, Reply};
use crate::problem::Problem;
use crate::shape::stored_json;

pub(super) fn get(call: Call) -> Result<Reply, Problem> {
    let hits = call.reading()?.get(call.named("id"), call.asked("conversation"))?;
    lines(hits.iter().map(stored_json).collect(), "no such record")
}

pub(super) fn conversation(call: Call) -> Result<Reply, Problem> {
    let hits = call.reading()?.conversation(call.named("name"))?;
    lines(hits.iter().map(stored_json).collect(), "no such conversation")
}

fn lines(found: Vec<String>, nothing: &'static str) -> Result<Reply, Problem> {
    if found.is_empty() {
        return Err(escrowdb::Error::not_found(nothing).into());
    }
    Ok(Reply::lines(found))
}
