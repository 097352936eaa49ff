//! A record as a search shows it, and a person.

use crate::error::Result;
use crate::id::{Handle, Micros, PersonNumber, Seq};
use crate::query::exec::{Found, Search};
use crate::query::snippet::Snippet;
use crate::record::{Kind, Stored, jsonl};

/// A record that was found, with people by name.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Hit {
    /// Log position.
    pub seq: Seq,
    /// Id.
    pub id: String,
    /// Conversation.
    pub conversation: String,
    /// Author; `None` if unknown, as the erased are.
    pub author: Option<String>,
    /// Subjects.
    pub subjects: Vec<String>,
    /// When it happened.
    pub time: Micros,
    /// Channel.
    pub channel: String,
    /// Kind.
    pub kind: Kind,
    /// Tags.
    pub tags: Vec<String>,
    /// Text.
    pub body: String,
    /// Id of the record answered.
    pub reply_to: Option<String>,
    /// Id of the record that it is about.
    pub target: Option<String>,
    /// How well it fits, of a search by relevance.
    pub score: Option<f64>,
    /// The part of the body around the words of the query, if it was asked for.
    pub snippet: Option<Snippet>,
    /// Unknown JSON fields that a lenient import kept.
    pub extra: Vec<(String, String)>,
    /// Continues a search behind this hit; empty where no search made it, or none was asked for.
    pub cursor: String,
}

impl Hit {
    /// Hands it to whoever prints it as a line of JSON ([`print_record`](crate::record::jsonl::print_record)).
    pub fn with_view<R>(&self, print: impl FnOnce(&jsonl::View) -> R) -> R {
        let subjects: Vec<&str> = self.subjects.iter().map(String::as_str).collect();
        print(&jsonl::View {
            id: &self.id,
            conversation: &self.conversation,
            author: self.author.as_deref(),
            subjects: &subjects,
            time: self.time,
            channel: &self.channel,
            kind: self.kind,
            tags: &self.tags,
            body: &self.body,
            reply_to: self.reply_to.as_deref(),
            target: self.target.as_deref(),
            extra: &self.extra,
        })
    }
}

/// A person as the store knows her.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PersonView {
    /// Number.
    pub number: PersonNumber,
    /// Random handle.
    pub handle: Handle,
    /// Identifiers.
    pub identifiers: Vec<String>,
    /// First identifiers of the people linked to her.
    pub linked: Vec<String>,
    /// Records of the default kinds of which she is a subject.
    pub records: u64,
    /// Time of the first of these.
    pub first: Option<Micros>,
    /// Time of the last of these.
    pub last: Option<Micros>,
}

/// Opens a record that was found and names its people.
pub(crate) fn hit(search: &Search<'_>, found: Found) -> Result<Hit> {
    let stored = search.parts[found.part].record(found.doc)?;
    named(search, found, stored)
}

/// Names the people of a record, and shows the tags that it has now.
pub(crate) fn named(search: &Search<'_>, found: Found, mut stored: Stored) -> Result<Hit> {
    if let Some(overlay) = search.parts[found.part].overlay() {
        overlay.retag(found.doc, &mut stored.tags)?;
    }
    as_written(search, found, stored)
}

/// Names the people of a record and changes nothing of what it says: that is what its leaf commits to.
pub(crate) fn as_written(search: &Search<'_>, found: Found, stored: Stored) -> Result<Hit> {
    let mut subjects = Vec::with_capacity(stored.subjects.len());
    for number in &stored.subjects {
        subjects.extend(search.name(*number)?);
    }
    Ok(Hit {
        seq: found.key.seq,
        author: search.name(stored.author)?,
        subjects,
        id: stored.id,
        conversation: stored.conversation,
        time: stored.time,
        channel: stored.channel,
        kind: stored.kind,
        tags: stored.tags,
        body: stored.body,
        reply_to: stored.reply_to,
        target: stored.target,
        score: None,
        snippet: None,
        extra: stored.extra,
        cursor: String::new(),
    })
}
