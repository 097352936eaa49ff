//! What is said of a store, of a person and of what an erasure would take, as JSON lines.

use escrowdb::record::time;
use escrowdb::store::{PersonView, Plan, Stats};

use crate::shape::{Field, Object, Value, array, stored_json};

/// A person: how she is known, and how many records are hers.
pub fn person_json(person: &PersonView) -> String {
    Object::new()
        .number("number", person.number.0)
        .text("handle", &person.handle.to_string())
        .texts("identifiers", &person.identifiers)
        .texts("linked", &person.linked)
        .number("records", person.records)
        .maybe("first", person.first.map(time::format).as_deref())
        .maybe("last", person.last.map(time::format).as_deref())
        .finish()
}

/// What an erasure would take; where her name stands elsewhere only for who may read that.
pub fn plan_json(plan: &Plan, with_mentions: bool) -> String {
    let mentions: Vec<String> = plan.mentions.iter().filter(|_| with_mentions).map(stored_json).collect();
    let mut line = Object::new();
    line.text("what", plan.what)
        .number("records", plan.records)
        .number("details", plan.details)
        .number("segments", plan.segments)
        .flag("journal", plan.journal)
        .number("people", plan.people)
        .number("others_affected", plan.others_affected)
        .number("mention_total", plan.mention_total)
        .raw("mentions", &array(&mentions));
    if let Some(kept) = &plan.kept {
        line.number("records_kept", kept.records).texts("holds", &plan.holds);
        line.maybe("kept_until", kept.until.map(time::format).as_deref()).maybe("refused", plan.refused);
    }
    line.finish()
}

/// What `stats` shows.
pub fn stats_fields(stats: &Stats) -> Vec<Field> {
    vec![
        ("records", Value::Number(stats.records)),
        ("people", Value::Number(stats.people)),
        ("segments", Value::Number(stats.segments)),
        ("journal_records", Value::Number(stats.journal_records)),
        ("log_size", Value::Number(stats.log_size)),
        ("bytes", Value::Number(stats.bytes)),
        ("repaired", Value::Number(stats.repaired)),
        ("lost", Value::Number(stats.lost)),
        ("live", Value::Number(stats.space.live())),
        ("dead", Value::Number(stats.space.dead)),
        ("reclaimable", Value::Number(stats.space.reclaimable)),
        ("bodies", Value::Number(stats.space.bodies)),
        ("salts", Value::Number(stats.space.salts)),
        ("index", Value::Number(stats.space.index)),
        ("leaves", Value::Number(stats.space.leaves)),
        ("keys", Value::Number(stats.space.keys)),
        ("journals", Value::Number(stats.space.journals)),
        ("parity", Value::Number(stats.space.parity)),
        ("padding", Value::Number(stats.space.padding)),
        ("reserve", Value::Number(stats.space.reserve)),
        ("other", Value::Number(stats.space.other)),
    ]
}
