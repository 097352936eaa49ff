//! Erasure of people, conversations and records: one path, steps E0 to E9 (docs/ERASURE.md).
//!
//! ```text
//! E0 announce   ordinary commit adds `pending` with the selector
//! E1 mask       searches stop seeing it, appends for it answer busy, a roll in flight publishes
//! E2 build      new journal if one mentions it, canonical new indexes, re-formed blocks
//! E3 tree       new key tree under a new root; `pending` without selector and reason
//! E4 read back  all of it from the device; then no append is admitted; holds are asked again
//! E5 stage      the slot holds the new root: the commit point
//! E6 destroy    the slot forgets the old root: the destruction point
//! E7 wipe       arena, caches, views
//! E8 record     the `erased` record is appended
//! E9 answer     the certificate
//! ```

pub mod alone;
pub mod certificate;
pub mod details;
pub mod expire;
pub mod family;
pub mod finish;
pub mod keeper;
pub mod log_key;
pub mod pace;
pub mod pass;
pub mod plan;
pub mod redact;
pub mod retention;
pub mod rules;
pub mod target;

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::id::{PersonNumber, RequestId};
use crate::ingest::Queue;
use crate::ingest::refused::{self, Refusal};
use crate::keyring::Changes;
use crate::keyring::catalog;
use crate::keyring::losses::By;
use crate::keyring::pending::{Done, Pending, Target, Waiting};
use crate::merkle::checkpoint::SignedCheckpoint;
use crate::policy::{Basis, Ground};
use crate::session::Session;
use crate::state::{State, beside_erasures, commit, heal};
use crate::view::View;

pub use certificate::Certificate;
pub use plan::Plan;
pub use redact::Redaction;
pub use target::Selector;

/// Bytes of a reason at most.
pub const REASON_LEN_MAX: usize = 512;

/// How to erase.
#[derive(Clone, Default)]
pub struct EraseOptions {
    /// Why, for the certificate that this call answers with; at most 512 bytes. It stands in the
    /// key tree until the erasure, and dies with it.
    pub reason: Option<String>,
    /// On what law it rests. Only stores of format 3 keep it.
    pub basis: Option<Basis>,
    /// Who asks for it: stands in the record of a refusal.
    pub actor: Option<String>,
    /// For which purpose, and for which case: what its session may not read is neither redacted nor renamed.
    pub purpose: Option<String>,
    /// See `purpose`.
    pub case: Option<String>,
    /// Code of the request in the register that it answers, whose approvals count.
    pub approved: Option<String>,
    /// Whether evidence about a person goes with her: what she consented to, and what she asked for. Else
    /// it is kept as long as the store says, and the certificate names the date.
    pub with_evidence: bool,
    /// Name of the request, random if not given. A repeated one answers with the certificate of
    /// the first; its reason is the one given this time, for none is kept. One that selects something else, or
    /// somebody who came back, is *invalid*: whoever is there is not who was erased.
    pub request: Option<RequestId>,
}

impl EraseOptions {
    /// The session of who asks for it.
    pub(crate) fn session(&self) -> Session {
        let session = self.actor.iter().fold(Session::new(), Session::actor);
        let session = self.purpose.iter().fold(session, Session::purpose);
        self.case.iter().fold(session, Session::case)
    }
}

/// An erasure for which a store is opened past what is lost.
pub struct Asked {
    /// What it is to take.
    pub selector: Selector,
    /// Its name, if it was given one.
    pub request: Option<RequestId>,
}

/// Whether an erasure follows an opening that gives records up for it, as far as the view tells. A
/// request that was done is answered, and so the store is opened.
///
/// # Errors
/// As of the erasure itself, but for damage, which it may mend.
pub fn check_follows(view: &View, asked: &Asked) -> Result<()> {
    if let Some(request) = asked.request
        && !matches!(certificate::find(view, request), Ok(None))
    {
        return Ok(());
    }
    match target::resolve(view, &asked.selector) {
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Invalid) => {
            Err(e.context("in what can be read; records of the journal are lost, and nothing was given up"))
        }
        // The erasure may mend it.
        Err(e) if e.kind() != ErrorKind::Corrupt => Err(e),
        _ => Ok(()),
    }
}

/// Erases what `selector` names and returns when nothing can bring it back.
///
/// # Errors
/// *Not found* if it is unknown (the erased are unknown), *busy* while it is being erased by
/// somebody else, *refused* by a rule.
pub fn erase(
    state: &Arc<State>,
    queue: &Queue,
    selector: &Selector,
    options: &EraseOptions,
) -> Result<Certificate> {
    state.check_writable()?;
    check_reason(options)?;
    if options.basis.is_some() && !state.view.read().tree.head().has_evidence() {
        return Err(Error::newer("a store of this format keeps no legal ground").hint("`escrow upgrade`"));
    }
    let request = match options.request {
        Some(id) => id,
        None => RequestId(state.env.random(b"request")?),
    };
    let find = || {
        let view = state.view.read();
        match certificate::find(&view, request)? {
            Some(done) if done.what == selector.what() && !is_alive(&view, selector)? => Ok(Some(done)),
            Some(_) => Err(other_request()),
            None => Ok(None),
        }
    };
    let known = match find() {
        Err(e) if e.kind() == ErrorKind::Corrupt && !state.is_poisoned() && heal_all(state, request)? > 0 => {
            find()?
        }
        found => found?,
    };
    if let Some(done) = known {
        // The act says on what law it rested; this call can't say it anew.
        if options.basis.is_some() && options.basis != done.basis {
            return Err(other_request());
        }
        return Ok(signed(state, done, options));
    }
    let announce = || {
        let by = asking(state, queue, selector, options)?;
        announce(state, queue, selector, (options, by), request)
    };
    run_to_the_end(state, queue, (request, options), announce)?;
    let certificate = certificate::find(&state.view.read(), request)?.ok_or_else(waits)?;
    Ok(signed(state, certificate, options))
}

/// The number of who asks, who gets one like an author does. Nobody gets one by asking for what is unknown.
fn asking(
    state: &Arc<State>,
    queue: &Queue,
    selector: &Selector,
    options: &EraseOptions,
) -> Result<PersonNumber> {
    let view = state.view.read();
    let unknown = target::resolve(&view, selector).is_err_and(|e| e.kind() == ErrorKind::NotFound);
    let has_rules = view.tree.head().has_rules();
    drop(view);
    if unknown || !has_rules {
        return Ok(PersonNumber::STORE);
    }
    redact::actor(state, queue, options.actor.as_deref())
}

fn check_reason(options: &EraseOptions) -> Result<()> {
    if options.reason.as_ref().is_some_and(|r| r.len() > REASON_LEN_MAX) {
        return Err(Error::invalid(format!("a reason has at most {REASON_LEN_MAX} bytes")));
    }
    Ok(())
}

fn waits() -> Error {
    Error::new(ErrorKind::Busy, "the erasure is waiting").hint("repeat with the same request id")
}

/// Announces a request and runs passes until it is answered, with the room that is kept for erasures. Damage that
/// can be mended is.
fn run_to_the_end(
    state: &Arc<State>,
    queue: &Queue,
    (request, options): (RequestId, &EraseOptions),
    announce: impl Fn() -> Result<()>,
) -> Result<()> {
    let try_erase = || {
        state.reserve.retry(
            &state.env,
            || !state.is_poisoned(),
            || {
                announce()?;
                let done = pass::run_until_done(state, queue, request);
                if done.as_ref().is_err_and(|e| e.kind() == ErrorKind::Refused) && !state.is_poisoned() {
                    record_late(state, queue, options.actor.as_deref(), request)?;
                }
                done
            },
        )
    };
    let mut erased = try_erase();
    if erased.as_ref().is_err_and(|e| e.kind() == ErrorKind::Corrupt)
        && !state.is_poisoned()
        && heal_all(state, request)? > 0
    {
        erased = try_erase();
    }
    state.keep_reserve();
    erased
}

/// A refusal of what was accepted before, and waits: a hold came in between.
fn record_late(state: &Arc<State>, queue: &Queue, actor: Option<&str>, request: RequestId) -> Result<()> {
    let waiting = catalog::waiting(&state.view.read().tree)?.into_iter().find(|(id, _)| *id == request);
    let Some((_, Waiting { target, .. })) = waiting else { return Ok(()) };
    let people = match &target {
        Target::Persons(numbers) => numbers.as_slice(),
        Target::Rename { person, .. } => std::slice::from_ref(person),
        _ => &[],
    };
    let ground = Ground::Hold { codes: Vec::new() };
    let refusal = Refusal { action: target::action(&target), ground, records: 0, people: people.to_vec() };
    refused::record(state, queue, actor, &refusal)
}

/// Does what was accepted of the store's own accord, and answers with its certificate.
fn finish_accepted(state: &Arc<State>, queue: &Queue, request: RequestId) -> Result<Option<Certificate>> {
    pass::run_with_room(state, queue, request)?;
    let found = certificate::find(&state.view.read(), request)?;
    Ok(found.map(|certificate| signed(state, certificate, &EraseOptions::default())))
}

/// The certificate as this call is answered. It is erased, whatever keeps the log from being signed: then
/// the certificate says that it is not signed.
fn signed(state: &State, mut certificate: Certificate, options: &EraseOptions) -> Certificate {
    certificate.reason.clone_from(&options.reason);
    certificate.evidence = beside_erasures(|| certificate::sign(state, &certificate, None)).ok();
    certificate
}

/// The certificate of a request that was done, without a reason: the store keeps none. `at` may name a
/// later checkpoint to prove it in.
///
/// # Errors
/// *Not found* if no such request was done; else as of [`certificate::sign`].
pub fn certificate_of(
    state: &State,
    request: RequestId,
    at: Option<&SignedCheckpoint>,
) -> Result<Certificate> {
    let found = certificate::find(&state.view.read(), request)?;
    let mut certificate = found.ok_or_else(|| {
        Error::not_found("no erasure of this request id is done")
            .hint("`escrow search kind:erased` lists them")
    })?;
    certificate.evidence = Some(certificate::sign(state, &certificate, at)?);
    Ok(certificate)
}

/// Damage doesn't keep anybody's data: every index that can't be read is built anew from bodies, for the
/// erasure to go on. Answers how many were.
pub fn heal_all(state: &Arc<State>, request: RequestId) -> Result<u64> {
    let _no_compaction = state.forbid_compactions();
    let _no_erasure = state.pass();
    state.wait_for_roll();
    heal::all(state, By::Erasure(request))
}

/// One request, one erasure: a caller who names another thing would take the answer for its own.
/// What was erased is not kept, but it is not alive: who names something that is means another.
fn other_request() -> Error {
    Error::invalid("the request id stands for another erasure").hint("give each request an id of its own")
}

/// Whether a selector names somebody or something that is not erased.
fn is_alive(view: &View, selector: &Selector) -> Result<bool> {
    match target::resolve(view, selector) {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        // Several records have the id.
        Err(e) if e.kind() == ErrorKind::Invalid => Ok(true),
        Err(e) => Err(e),
    }
}

/// E0: the request is in the key tree from here on; a crash does not lose it. One that is there
/// already goes on.
fn announce(
    state: &Arc<State>,
    queue: &Queue,
    selector: &Selector,
    (options, by): (&EraseOptions, PersonNumber),
    request: RequestId,
) -> Result<()> {
    let now = rules::noted(state)?;
    let keyring = state.keyring.lock();
    let tree = keyring.tree();
    let accepted = catalog::pending(&tree)?.into_iter().find(|(id, _)| *id == request);
    let (settled, action, approvers, (records, people)) = {
        let view = state.view.read();
        let mut target = target::resolve(&view, selector);
        if let (true, Ok(Target::Persons(numbers))) = (options.with_evidence, &mut target) {
            for number in numbers.clone() {
                numbers.extend(view.evidence_number(number)?);
            }
            numbers.sort_unstable();
        }
        if let Some((_, pending)) = accepted {
            let same = match pending {
                // Of what an earlier pass has met nothing may be left that answers to a name.
                Pending::Waiting(waiting) => {
                    let begun = waiting.progress.epoch_after.0 > 0;
                    waiting.target.what() == selector.code()
                        && match target {
                            // Of what a rule left a part of, the part is what is gone on with.
                            Ok(target) if matches!(waiting.target, Target::Records { .. }) => {
                                begun || rules::is_part_of(&view, &tree, request, &target)?
                            }
                            Ok(target) => target::is_same(&target, &waiting.target),
                            Err(e) if e.kind() == ErrorKind::NotFound => begun,
                            Err(e) if e.kind() == ErrorKind::Invalid => false,
                            Err(e) => return Err(e),
                        }
                }
                Pending::Done(done) => done.what == selector.code() && !is_alive(&view, selector)?,
            };
            return if same { Ok(()) } else { Err(other_request()) };
        }
        let target = target?;
        let hits = target::matching(&view, &target)?;
        let people = match &target {
            Target::Persons(numbers) => numbers.clone(),
            _ => Vec::new(),
        };
        if target::is_masked(&view, &target, &hits)? {
            return Err(Error::new(ErrorKind::Busy, "it is being erased already, or is part of what is")
                .hint("repeat when that erasure has ended"));
        }
        let mut ruled = rules::look(&view, &target, &hits.0, now)?;
        let (approvals, approvers) = rules::approvals(&view, options.approved.as_deref(), &target)?;
        ruled.facts.approvals = approvals;
        let action = target::action(&target);
        (rules::settle(action, target, ruled, now), action, approvers, (hits.records(), people))
    };
    let (permit, target, kept) = match settled {
        Ok(settled) => settled,
        Err(ground) => {
            drop(keyring);
            let actor = options.actor.as_deref();
            let refusal = Refusal { action, ground, records, people };
            refused::record(state, queue, actor, &refusal)?;
            return Err(refused::error(&refusal.ground));
        }
    };
    let mut changes = Changes::new();
    // An entry has room for long texts or for many joins.
    let crowded = matches!(&target, Target::Record { joins, .. } if joins.len() > 16);
    let restricts = people.first().copied().filter(|_| kept.is_some_and(|kept| kept.records > 0));
    // Who is forgotten with it is found when nobody can be named any more, see `alone`.
    let waiting = Waiting {
        reason: options.reason.clone().filter(|_| !crowded),
        progress: Done {
            // Who erases herself is nobody's number afterwards.
            by: if people.contains(&by) { PersonNumber::STORE } else { by },
            basis: options.basis.map_or(0, |basis| basis as u8),
            approvers,
            kept,
            restricts,
            ..Done::default()
        },
        ..Waiting::new(target, state.env.clock.now())
    };
    rules::accept(permit, &mut changes, &tree, request, waiting)?;
    let log = keyring.head().log;
    commit::commit_locked(state, &keyring, &changes, log, |_| {})
}
