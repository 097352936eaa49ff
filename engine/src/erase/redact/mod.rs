//! Redaction: a part of a record is overwritten for ever, and the record stays.
//!
//! A leaf of the log can't change, so the record gets a new position, in all else its old place: time, id,
//! conversation, people, tags, class, and what was said of it. The old one goes by the way of every erasure
//! (docs/ERASURE.md); its leaf is bare from then on. The new form is written in E4, when nothing but the slot is
//! left to be written, and is seen in the moment the old one is gone. A crash in between leaves both in the
//! folder: the next opening takes the old one, and writes no second new one.

mod agreed;
mod plan;
mod rename;
mod spans;

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::erase::{self, Certificate, EraseOptions, certificate, finish, rules, target};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{PersonNumber, RequestId, Seq};
use crate::index::{IdQuery, Mask, People};
use crate::ingest::Queue;
use crate::ingest::refused::{self, Refusal};
use crate::keyring::Changes;
use crate::keyring::catalog;
use crate::keyring::pending::{Done, Pending, Redacted, Span, Target, Waiting};
use crate::policy::Action;
use crate::query::masked::is_seen;
use crate::query::reading::Reading;
use crate::record::Stored;
use crate::record::input::check_identifier;
use crate::record::stored::QUARANTINED;
use crate::state::{State, commit};
use crate::text;
use crate::view::View;

pub use agreed::Agreed;
pub use plan::{Plan, plan};
pub use rename::rename;
pub use rename::to_approve as name_to_approve;
pub use spans::{MARK, Words};

/// Which part of which record is to be overwritten.
///
/// ```
/// # use std::sync::Arc;
/// # use escrowdb::{id::Micros, session::Session, store::*, vfs::MemoryVfs};
/// # let store = Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).create()?;
/// # store.append(&[Record::new("c1", "anna@example.org", Micros(0), "My card: 4111 1111").id("m1")])?;
/// let card = Redaction::new("m1").span(9, 18);
/// let certificate = store.redact(&card, &EraseOptions::default())?;
/// assert_eq!((certificate.what, certificate.records_removed), ("redaction", 1));
/// let reading = store.session(Session::new());
/// assert_eq!(reading.get("m1", None)?[0].body, "My card: █");
/// assert_eq!((reading.count("4111")?, reading.count("card")?), (0, 1));
/// # Ok::<(), escrowdb::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Redaction {
    /// Id of the record, or of an edit of it: each is redacted by its own.
    pub id: String,
    /// Its conversation; may be left out if the id is unique.
    pub conversation: Option<String>,
    /// What goes.
    pub words: Vec<Words>,
}

impl Redaction {
    /// Of the record with an id, nothing yet.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), conversation: None, words: Vec::new() }
    }

    /// The record in this conversation.
    #[must_use]
    pub fn conversation(mut self, conversation: impl Into<String>) -> Self {
        self.conversation = Some(conversation.into());
        self
    }

    /// Also these characters of the body: from the first, counted from 0, up to one that stays.
    #[must_use]
    pub fn span(mut self, from: u32, to: u32) -> Self {
        self.words.push(Words::Span(from, to));
        self
    }

    /// Also every place of the body where these characters stand one behind the other.
    #[must_use]
    pub fn word(mut self, word: impl Into<String>) -> Self {
        self.words.push(Words::Every(word.into()));
        self
    }
}

/// Overwrites a part of a record, and returns when nothing can bring it back.
///
/// # Errors
/// As of [`erase::erase`]; *invalid* for what lies outside of the body, or stands nowhere in it.
pub fn redact(
    state: &Arc<State>,
    queue: &Queue,
    redaction: &Redaction,
    options: &EraseOptions,
) -> Result<Certificate> {
    state.check_writable()?;
    erase::check_reason(options)?;
    if !state.view.read().tree.head().has_rules() {
        return Err(Error::newer("a store of this format redacts no records").hint("`escrow upgrade`"));
    }
    let request = match options.request {
        Some(id) => id,
        None => RequestId(state.env.random(b"request")?),
    };
    if let Some(done) = done_before(state, redaction, request)? {
        return Ok(erase::signed(state, done, options));
    }
    let by = actor(state, queue, options.actor.as_deref())?;
    let announce = || announce(state, queue, (redaction, by), options, request);
    erase::run_to_the_end(state, queue, (request, options), announce)?;
    let certificate = certificate::find(&state.view.read(), request)?.ok_or_else(erase::waits)?;
    Ok(erase::signed(state, certificate, options))
}

/// The certificate of a request that was done before.
fn done_before(state: &State, redaction: &Redaction, request: RequestId) -> Result<Option<Certificate>> {
    let view = state.view.read();
    let Some(done) = certificate::find(&view, request)? else { return Ok(None) };
    let now = match find(&view, redaction, &Mask::default()) {
        Ok((seq, _)) => Some(seq),
        Err(e) if e.kind() == ErrorKind::NotFound => None,
        Err(e) => return Err(e),
    };
    match done.redaction {
        Some(was) if now.is_none() || was.after == now => Ok(Some(done)),
        _ => Err(erase::other_request()),
    }
}

/// The number of who does it, who gets one like an author does.
pub(super) fn actor(state: &Arc<State>, queue: &Queue, name: Option<&str>) -> Result<PersonNumber> {
    let Some(name) = name else { return Ok(PersonNumber::STORE) };
    check_identifier("actor", name)?;
    let name = text::nfc(name);
    if state.view.read().number(&name)?.is_none() {
        queue.append_person(state, &name)?;
    }
    state.view.read().number(&name)?.ok_or_else(|| Error::not_found("no such person"))
}

/// The record that is meant. Of two with one name, which a crash left, the new form is out of sight. What is in
/// quarantine is found by nobody, and what `mask` covers not by who asks: else what words it holds could be asked.
fn find(view: &View, redaction: &Redaction, mask: &Mask) -> Result<(Seq, Zeroizing<Stored>)> {
    let may_be = |stored: &Stored, seq| !view.hides(stored, seq) && is_seen(view, mask, seq);
    let (seq, stored) = view.named(&redaction.id, redaction.conversation.as_deref(), may_be)?;
    if stored.class & QUARANTINED > 0 && view.is_quarantined(seq)? {
        return Err(Error::not_found("no such record"));
    }
    Ok((seq, stored))
}

/// E0, see [`erase::erase`].
fn announce(
    state: &Arc<State>,
    queue: &Queue,
    (redaction, by): (&Redaction, PersonNumber),
    options: &EraseOptions,
    request: RequestId,
) -> Result<()> {
    let now = rules::noted(state)?;
    let keyring = state.keyring.lock();
    let tree = keyring.tree();
    let (settled, approvers, subjects) = {
        let view = state.view.read();
        let pending = catalog::pending(&tree)?;
        if let Some((_, accepted)) = pending.iter().find(|(id, _)| *id == request) {
            let is_same = of_pending(accepted).is_some_and(|of| is_of(of, redaction));
            return if is_same { Ok(()) } else { Err(erase::other_request()) };
        }
        let busy = || {
            Error::new(ErrorKind::Busy, "it is being redacted or erased already, or is part of what is")
                .hint("repeat when that has ended")
        };
        // Between two answers the record would have two new forms, or an answer the wrong one.
        if pending.iter().filter_map(|(_, one)| of_pending(one)).any(|of| is_of(of, redaction)) {
            return Err(busy());
        }
        let reading = Reading::new(state, queue, options.session());
        let mask = reading.mask_beside_quarantine(&view)?;
        let (seq, stored) = match find(&view, redaction, &mask) {
            // What is being erased is not unknown yet, but for who may not read it.
            Err(e) if e.kind() == ErrorKind::NotFound => {
                let own = Mask {
                    persons: Vec::new(),
                    conversations: Zeroizing::default(),
                    records: Vec::new(),
                    ..(*mask).clone()
                };
                let is_hidden = |stored: &Stored, seq| view.hides(stored, seq) && is_seen(&view, &own, seq);
                let hidden = view.named(&redaction.id, redaction.conversation.as_deref(), is_hidden);
                return Err(if hidden.is_ok() { busy() } else { e });
            }
            found => found?,
        };
        let spans = spans::resolve(&redaction.words, &stored.body)?;
        let of = Redacted {
            by,
            conversation: stored.conversation.clone(),
            id: stored.id.clone(),
            seq,
            spans: spans.len() as u32,
        };
        let code = options.approved.as_deref();
        let agreed = code.map(|code| Agreed::of_redaction(&view, code, &of, &spans)).transpose()?;
        let target = Target::Redact { of: Box::new(of), spans };
        let hits = target::matching(&view, &target)?;
        let mut ruled = rules::look(&view, &target, &hits.0, now)?;
        let (approvals, approvers) =
            rules::approvals_by(&view, code, &stored.subjects, agreed.map(|agreed| agreed.hash))?;
        ruled.facts.approvals = approvals;
        (rules::settle(Action::Redact, target, ruled, now), approvers, stored.subjects.clone())
    };
    let (permit, target, _) = match settled {
        Ok(settled) => settled,
        Err(ground) => {
            drop(keyring);
            let actor = options.actor.as_deref();
            let refusal = Refusal { action: Action::Redact, ground, records: 1, people: subjects };
            refused::record(state, queue, actor, &refusal)?;
            return Err(refused::error(&refusal.ground));
        }
    };
    let mut changes = Changes::new();
    let waiting = Waiting {
        progress: Done { basis: options.basis.map_or(0, |basis| basis as u8), approvers, ..Done::default() },
        ..Waiting::new(target, state.env.clock.now())
    };
    rules::accept(permit, &mut changes, &tree, request, waiting)?;
    let log = keyring.head().log;
    commit::commit_locked(state, &keyring, &changes, log, |_| {})
}

/// What somebody else must approve, for the request with this code, before this is done by who may not read what `mask`
/// covers.
///
/// # Errors
/// As of [`redact`].
pub fn to_approve(view: &View, redaction: &Redaction, code: &str, mask: &Mask) -> Result<Agreed> {
    let (seq, stored) = find(view, redaction, mask)?;
    let spans = spans::resolve(&redaction.words, &stored.body)?;
    let (conversation, id) = (stored.conversation.clone(), stored.id.clone());
    let of = Redacted { by: PersonNumber::STORE, conversation, id, seq, spans: spans.len() as u32 };
    Agreed::of_redaction(view, code, &of, &spans)
}

/// The redaction that waits, or whose answer is due.
const fn of_pending(pending: &Pending) -> Option<&Redacted> {
    match pending {
        Pending::Waiting(waiting) => waiting.target.redacted(),
        Pending::Done(done) => done.redacted.as_ref(),
    }
}

/// Whether a request for a part of this record waits, or its answer is due.
fn is_due(pending: &Pending, id: &str, conversation: &str) -> bool {
    of_pending(pending).is_some_and(|of| of.id == id && of.conversation == conversation)
}

fn is_of(of: &Redacted, redaction: &Redaction) -> bool {
    of.id == redaction.id && redaction.conversation.as_ref().is_none_or(|name| *name == of.conversation)
}

/// A record without what is to go of it, as it stands in the place of the old one.
///
/// # Errors
/// An unreadable key tree.
pub fn new_form(view: &View, stored: Stored, seq: Seq, target: &Target) -> Result<Zeroizing<Stored>> {
    let mut new = Zeroizing::new(match target {
        Target::Rename { person, stays, .. } => rename::renamed(view, stored, *person, stays)?,
        Target::Redact { spans, .. } => without(stored, spans),
        _ => stored,
    });
    let place = new.place().unwrap_or(seq);
    new.set_place(place);
    Ok(new)
}

fn without(mut stored: Stored, spans: &[Span]) -> Stored {
    let left = spans::cut(&stored.body, spans);
    drop(Zeroizing::new(std::mem::replace(&mut stored.body, left)));
    stored
}

/// Where the new form of a record stands, if it has one.
///
/// # Errors
/// Unreadable files.
pub fn copy_of(view: &View, of: &Redacted) -> Result<Option<Seq>> {
    let wanted = IdQuery::new(&of.id, Some(&of.conversation));
    for part in view.parts() {
        for doc in part.id_candidates(&wanted)? {
            let seq = part.key(doc)?.seq;
            if seq <= of.seq {
                continue;
            }
            let stored = match part.record(doc) {
                Ok(stored) => Zeroizing::new(stored),
                // One that is lost is none.
                Err(e) if e.kind() == ErrorKind::Corrupt => continue,
                Err(e) => return Err(e),
            };
            if stored.id == of.id && stored.conversation == of.conversation {
                return Ok(Some(seq));
            }
        }
    }
    Ok(None)
}

/// Answers what is due before anything else goes: an answer finds its record by name, which must not stay in the
/// key tree when that record goes.
///
/// # Errors
/// As of [`finish::record_and_clear`].
pub fn answer_due(state: &Arc<State>, queue: &Queue) -> Result<()> {
    let is_due = catalog::done(&state.view.read().tree)?.iter().any(|(_, done)| done.redacted.is_some());
    if is_due { finish::record_and_clear(state, queue, None) } else { Ok(()) }
}

/// As long as both forms stand, which a crash may leave, the new one is out of sight.
///
/// # Errors
/// Unreadable files.
pub fn mask_copy(view: &View, waiting: &Waiting, mask: &mut Mask) -> Result<()> {
    let Some(of) = waiting.target.redacted() else { return Ok(()) };
    for part in view.parts() {
        if part.doc_of(of.seq)?.is_some() {
            mask.records.extend(copy_of(view, of)?);
            break;
        }
    }
    Ok(())
}
