//! Records that were found, as JSON lines.

use escrowdb::record::jsonl;
use escrowdb::store::{Hit, Snippet};

use crate::shape::Object;

/// A hit as the JSON line of a search, with its cursor.
pub fn hit_json(hit: &Hit) -> String {
    let mut line = String::new();
    hit.with_view(|view| jsonl::print_hit(&mut line, hit.seq, &hit.cursor, view));
    let mut more = String::new();
    if let Some(score) = hit.score {
        more.push_str(&format!(",\"score\":{score}"));
    }
    if let Some(snippet) = &hit.snippet {
        more.push_str(&format!(",\"snippet\":{}", snippet_json(snippet)));
    }
    if !hit.extra.is_empty() {
        // Apart from ours: nobody can forge a position or a cursor.
        let mut extra = Object::new();
        for (name, json) in &hit.extra {
            extra.raw(name, json);
        }
        more.push_str(&format!(",\"extra\":{}", extra.finish()));
    }
    line.insert_str(line.len().saturating_sub(1), &more);
    line
}

/// Places count characters (code points) of the body.
fn snippet_json(snippet: &Snippet) -> String {
    let marks: Vec<String> = snippet.marks.iter().map(|m| format!("[{},{}]", m.start, m.end)).collect();
    let mut object = Object::new();
    object.text("text", &snippet.text).number("from", snippet.from as u64);
    object.raw("marks", &format!("[{}]", marks.join(",")));
    object.finish()
}

/// A record as the JSON line of an export: an import reads it again.
pub fn record_json(hit: &Hit) -> String {
    let mut line = String::new();
    hit.with_view(|view| jsonl::print_record(&mut line, view));
    line
}

/// A record with its position in the log before the fields of an export. Fields that an import kept
/// under a name of ours stand in an object `extra`: nobody can forge a position.
pub fn stored_json(hit: &Hit) -> String {
    placed_json(hit, false)
}

/// The same for one among its neighbours; `here` marks the one that was asked for.
pub fn placed_json(hit: &Hit, here: bool) -> String {
    let is_ours = |(name, _): &&(String, String)| OWN_NAMES.contains(&name.as_str());
    let mut hit = hit.clone();
    let mut ours = Object::new();
    let set_aside: Vec<_> = hit.extra.iter().filter(is_ours).cloned().collect();
    for (name, json) in &set_aside {
        ours.raw(name, json);
    }
    hit.extra.retain(|field| !is_ours(&field));
    if !set_aside.is_empty() {
        hit.extra.push(("extra".to_owned(), ours.finish()));
    }
    let mark = if here { "\"here\":true," } else { "" };
    format!("{{\"seq\":{},{mark}{}", hit.seq, record_json(&hit).trim_start_matches('{'))
}

/// Names that answers carry beside the fields of a record, and the one that keeps them apart.
const OWN_NAMES: [&str; 4] = ["seq", "here", "cursor", "extra"];
