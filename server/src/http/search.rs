//! Queries: hits, counts, facets, histograms.

use escrowdb::record::time;
use escrowdb::store::{Hit, Order, Period, SearchOptions};

use crate::http::call::{Call, Reply};
use crate::problem::Problem;
use crate::shape::{Object, hit_json};

/// Hits of an answer, if nobody says how many.
const LIMIT: u64 = 50;
/// Hits of an answer at most; behind them one goes on with the cursor of the last.
const LIMIT_MAX: u64 = 10_000;

/// The hits of `q`, one a line. Without the permission to read, a hit tells where it stands and not what it says.
pub(super) fn search(call: Call) -> Result<Reply, Problem> {
    let query = query(&call)?;
    let limit = call.number("limit")?.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    let order = match call.asked("order").unwrap_or("newest") {
        "newest" => Order::Newest,
        "oldest" => Order::Oldest,
        "relevance" => Order::Relevance,
        _ => return Err(Problem::invalid("order: must be newest, oldest or relevance")),
    };
    let may_read = call.may_read();
    let snippets = may_read && call.asked("snippet").is_some_and(|value| value != "false");
    let mut options = SearchOptions::new().order(order).snippets(snippets).limit(limit as usize);
    options.cursor = call.asked("cursor").map(str::to_owned);
    // Before the first line goes out: what is wrong with the query is an answer of its own.
    call.store.check_query(&query)?;
    let session = call.session()?;
    Ok(Reply::Lines(Box::new(move |lines| {
        let reading = call.store.session(session);
        reading.search_with(&query, &options, |hit| {
            lines.put(&if may_read { hit_json(&hit) } else { place_json(&hit) })
        })?;
        Ok(())
    })))
}

pub(super) fn count(call: Call) -> Result<Reply, Problem> {
    let count = call.reading()?.count(&query(&call)?)?;
    Ok(Reply::json(Object::new().number("count", count).finish()))
}

pub(super) fn facet(call: Call) -> Result<Reply, Problem> {
    let by = call.asked("by").ok_or_else(|| Problem::invalid("by: names the field that is counted"))?;
    let found = call.reading()?.facet(&query(&call)?, by)?;
    Ok(Reply::Lines(Box::new(move |lines| {
        for (value, count) in &found {
            if !lines.put(&Object::new().text("value", value).number("count", *count).finish()) {
                break;
            }
        }
        Ok(())
    })))
}

pub(super) fn histogram(call: Call) -> Result<Reply, Problem> {
    let name = call.asked("per").unwrap_or("day");
    let per = Period::parse(name).ok_or_else(|| Problem::invalid("per: must be hour, day, week or month"))?;
    let found = call.reading()?.histogram(&query(&call)?, per)?;
    Ok(Reply::Lines(Box::new(move |lines| {
        for (start, count) in &found {
            if !lines
                .put(&Object::new().text("start", &time::format(*start)).number("count", *count).finish())
            {
                break;
            }
        }
        Ok(())
    })))
}

fn query(call: &Call) -> Result<String, Problem> {
    let query = call.asked("q").ok_or_else(|| Problem::invalid("q: is the query; `*` finds everything"))?;
    Ok(query.to_owned())
}

/// Where a hit stands, for who may not open it.
fn place_json(hit: &Hit) -> String {
    let mut object = Object::new();
    object.number("seq", hit.seq.0).text("cursor", &hit.cursor).text("id", &hit.id);
    object.text("conversation", &hit.conversation).text("time", &time::format(hit.time));
    object.text("kind", hit.kind.name()).text("channel", &hit.channel).texts("tags", &hit.tags);
    object.finish()
}
