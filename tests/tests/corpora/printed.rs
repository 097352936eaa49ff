//! A line as the engine prints it after reading it.

use escrowdb::record::jsonl::{View, parse, print_record};

/// The export form of what `line` says; `None` if it is refused.
pub(crate) fn printed(line: &[u8]) -> Option<String> {
    let record = parse(line, true).ok()?;
    let subjects: Vec<_> = record.subjects.iter().map(String::as_str).collect();
    let mut out = String::new();
    print_record(
        &mut out,
        &View {
            id: record.id.as_deref().unwrap_or("made"),
            conversation: &record.conversation,
            author: Some(&record.author),
            subjects: &subjects,
            time: record.time,
            channel: &record.channel,
            kind: record.kind,
            tags: &record.tags,
            body: &record.body,
            reply_to: record.reply_to.as_deref(),
            target: record.target.as_deref(),
            extra: &record.extra,
        },
    );
    Some(out)
}
