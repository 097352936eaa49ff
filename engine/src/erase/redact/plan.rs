//! What a redaction would overwrite, and where else the same words stand of what was said there.

use std::collections::BTreeSet;

use zeroize::Zeroizing;

use crate::erase::redact::{Redaction, find, spans};
use crate::error::{ErrorKind, Result};
use crate::id::Seq;
use crate::index::{Mask, Term};
use crate::query::masked::is_seen;
use crate::record::{Kind, Stored};
use crate::view::View;

/// What a redaction would do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// How many spans go: each leaves one mark.
    pub spans: usize,
    /// How many characters go.
    pub characters: u64,
    /// Whether it is the wording that queries find now.
    pub newest: bool,
    /// Ids of other versions of the record, its first wording and its edits, in which some of the words that go
    /// stand too. Each is redacted by its own id.
    pub also_in: Vec<String>,
}

/// A version of a record.
struct Version {
    seq: Seq,
    id: String,
    target: Option<String>,
    place: Seq,
    stored: Zeroizing<Stored>,
}

/// Plans a redaction by who may not read what `mask` covers.
///
/// # Errors
/// *Not found*; *invalid* as of [`redact`](super::redact).
pub fn plan(view: &View, redaction: &Redaction, mask: &Mask) -> Result<Plan> {
    let (seq, stored) = find(view, redaction, mask)?;
    let spans = spans::resolve(&redaction.words, &stored.body)?;
    let pieces = spans::pieces(&stored.body, &spans);
    let mut others = others(view, &stored)?;
    others.retain(|other| is_seen(view, mask, other.seq));
    let place = stored.place().unwrap_or(seq);
    let root = stored.kind != Kind::Edit;
    let newest = !others.iter().any(|other| root || other.place > place);
    let holds = |version: &&Version| {
        let is_told = |piece: &&Zeroizing<String>| !piece.trim().is_empty();
        pieces.iter().filter(is_told).any(|piece| version.stored.body.contains(piece.trim()))
    };
    Ok(Plan {
        spans: spans.len(),
        characters: spans.iter().map(|(from, to)| u64::from(to - from)).sum(),
        newest,
        also_in: others.iter().filter(holds).map(|version| version.id.clone()).collect(),
    })
}

/// The other versions of a record, in the order in which they were written.
fn others(view: &View, stored: &Stored) -> Result<Vec<Version>> {
    let mut all = edits_in(view, &stored.conversation)?;
    // From the version that is named to the record that all of them are about.
    let mut root = stored.id.clone();
    let mut target = stored.target.clone().filter(|_| stored.kind == Kind::Edit);
    let mut seen = BTreeSet::from([root.clone()]);
    while let Some(id) = target.take().filter(|id| seen.insert(id.clone())) {
        target = all.iter().find(|edit| edit.id == id).and_then(|edit| edit.target.clone());
        root = id;
    }
    let mut family = BTreeSet::from([root.clone()]);
    loop {
        let before = family.len();
        for edit in &all {
            if edit.target.as_ref().is_some_and(|of| family.contains(of)) {
                family.insert(edit.id.clone());
            }
        }
        if family.len() == before {
            break;
        }
    }
    if root != stored.id && !all.iter().any(|edit| edit.id == root) {
        match view.named(&root, Some(&stored.conversation), |stored, seq| !view.hides(stored, seq)) {
            Ok((seq, first)) => all.push(version(seq, first)),
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    all.retain(|version| family.contains(&version.id) && version.id != stored.id);
    all.sort_by_key(|version| version.place);
    Ok(all)
}

fn version(seq: Seq, stored: Zeroizing<Stored>) -> Version {
    let place = stored.place().unwrap_or(seq);
    Version { seq, id: stored.id.clone(), target: stored.target.clone(), place, stored }
}

/// Every edit in a conversation.
fn edits_in(view: &View, conversation: &str) -> Result<Vec<Version>> {
    let mut all = Vec::new();
    for part in view.parts() {
        if part.frequency(&Term::kind(Kind::Edit))? == 0 {
            continue;
        }
        let docs =
            part.postings(&Term::conversation(conversation))? & part.postings(&Term::kind(Kind::Edit))?;
        for doc in docs {
            let seq = part.key(doc)?.seq;
            let stored = Zeroizing::new(part.record(doc)?);
            if !view.hides(&stored, seq) {
                all.push(version(seq, stored));
            }
        }
    }
    Ok(all)
}
