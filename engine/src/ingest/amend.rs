//! What is said of a record after it was written: tags that come or go, another wording. Each is a record of
//! its own, by whoever says it, with the subjects of what it is about; the record itself stays as it is.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::id::Seq;
use crate::ingest::{Outcome, Queue};
use crate::query::masked::is_seen;
use crate::query::reading::Reading;
use crate::record::stored::{QUARANTINED, REASON, RELEASED, REMOVED};
use crate::record::{Kind, Record, Stored};
use crate::session::Session;
use crate::state::State;

/// Characters of a reason at most.
const REASON_MAX: usize = 512;

/// A record by its id, in one conversation or in any.
#[derive(Clone, Copy)]
pub struct Named<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its conversation; may be left out if the id is unique.
    pub conversation: Option<&'a str>,
}

/// Gives a record tags and takes others.
///
/// # Errors
/// *Not found*, also for what the session may not read; *invalid* without tags, without somebody who acts, or for a tag that both comes and goes; *busy*
/// while it is being erased.
pub fn tag(
    state: &Arc<State>,
    queue: &Queue,
    session: &Session,
    of: Named<'_>,
    add: &[String],
    remove: &[String],
) -> Result<Seq> {
    if add.is_empty() && remove.is_empty() {
        return Err(Error::invalid("no tag is named"));
    }
    if add.iter().any(|tag| remove.contains(tag)) {
        return Err(Error::invalid("a tag can't come and go at once"));
    }
    say(state, queue, session, of, Kind::Tag, |mut record| {
        record.tags = add.to_vec();
        match serde_json::to_string(remove) {
            Ok(json) if !remove.is_empty() => record.extra(REMOVED, json),
            _ => record,
        }
    })
}

/// Releases a record from quarantine: the gate is asked again, as if it came in now.
///
/// # Errors
/// *Not found* if none is there; *refused* while there is no consent.
pub fn release(state: &Arc<State>, queue: &Queue, session: &Session, of: Named<'_>) -> Result<Seq> {
    say(state, queue, session, of, Kind::Tag, |mut record| {
        record.tags = vec![RELEASED.to_owned()];
        record
    })
}

/// Puts another wording in the place of a record's: the old one is found no more unless somebody asks for it.
///
/// # Errors
/// As of [`tag`]; *invalid* for what no query finds unasked, and for a reason that is too long.
pub fn correct(
    state: &Arc<State>,
    queue: &Queue,
    session: &Session,
    of: Named<'_>,
    body: &str,
    reason: Option<&str>,
) -> Result<Seq> {
    if reason.is_some_and(|reason| reason.chars().count() > REASON_MAX) {
        return Err(Error::invalid(format!("the reason is longer than {REASON_MAX} characters")));
    }
    say(state, queue, session, of, Kind::Edit, |mut record| {
        body.clone_into(&mut record.body);
        match reason.map(serde_json::to_string) {
            Some(Ok(json)) => record.extra(REASON, json),
            _ => record,
        }
    })
}

/// Appends a record about another. No erasure comes in between, so what it is about is there.
fn say(
    state: &Arc<State>,
    queue: &Queue,
    session: &Session,
    of: Named<'_>,
    kind: Kind,
    fill: impl FnOnce(Record) -> Record,
) -> Result<Seq> {
    let actor = session
        .actor_name()
        .ok_or_else(|| Error::invalid("nobody is named who says this").hint("name who acts: `--as ACTOR`"))?;
    let _no_erasure = state.pass();
    let record = Record::new("", actor, state.env.clock.now(), "").kind(kind).target(of.id);
    let mut record = Zeroizing::new(fill(record));
    let about = {
        let view = state.view.read();
        // Who may not read it doesn't change it either, and is told nothing of it (GDPR article 18 (2)).
        let reading = Reading::new(state, queue, session.clone());
        let mask = reading.mask_beside_quarantine(&view)?;
        let may_be = |stored: &Stored, seq| !view.hides(stored, seq) && is_seen(&view, &mask, seq);
        let (seq, about) = view.named(of.id, of.conversation, may_be)?;
        // What is in quarantine is released, and else nobody finds it.
        let releases = record.tags.iter().any(|tag| tag == RELEASED);
        if (about.class & QUARANTINED > 0 && view.is_quarantined(seq)?) != releases {
            return Err(Error::not_found(if releases {
                "no such record is in quarantine"
            } else {
                "no such record"
            }));
        }
        about
    };
    if kind == Kind::Edit && !about.kind.is_default() && about.kind != Kind::Edit {
        return Err(Error::invalid("only messages, actions, files and calls are corrected"));
    }
    record.conversation.clone_from(&about.conversation);
    match queue.append_said(state, &record)?.pop() {
        Some(Outcome::Added(seq) | Outcome::Quarantined(seq) | Outcome::Duplicate(seq)) => Ok(seq),
        Some(Outcome::Rejected(error)) => Err(error),
        None => Err(Error::new(ErrorKind::Busy, "the store gave no answer for the record")),
    }
}
