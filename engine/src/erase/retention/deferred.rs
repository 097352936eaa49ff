//! What rules kept of people who asked to be erased goes once no rule keeps it any more: behind the grace that the
//! store was told after a hold was lifted, or when the last lock is over.
//!
//! What goes is what was kept then: what came in later stays, and she lives on with it. Whom she is linked to doesn't
//! change meanwhile (`ingest/link.rs`).

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::erase::{Certificate, certificate, finish_accepted, rules, target};
use crate::error::{ErrorKind, Result};
use crate::id::{Micros, PersonNumber, RequestId, Seq};
use crate::index::Term;
use crate::ingest::{Queue, register};
use crate::keyring::Changes;
use crate::keyring::pending::{Done, Target, Waiting};
use crate::policy::{Action, Permit};
use crate::query::held::Keeps;
use crate::record::Kind;
use crate::register::Event;
use crate::register::hold::{self, Scope};
use crate::session::Session;
use crate::state::{State, commit};
use crate::view::View;

/// Somebody of whom a part was kept.
pub(super) struct Deferred {
    /// Code of the restriction of that part.
    code: String,
    person: PersonNumber,
    /// Of the erasure that left it.
    first: RequestId,
    /// Where the restriction stands in the log: what came later was not kept by that erasure.
    kept_at: Seq,
}

/// Those of whom nothing is kept any more at an instant.
///
/// # Errors
/// Unreadable files.
pub(super) fn due(view: &View, at: Micros) -> Result<Vec<Deferred>> {
    let rules = view.rules();
    let (mut all, mut kept) = (Vec::new(), None);
    for placed in rules.holds.iter().filter(|placed| placed.restricts()) {
        let Some(first) = rules::restriction_of(&placed.hold.code) else { continue };
        let Scope::Person(number) = placed.hold.scope else { continue };
        let person = PersonNumber(number);
        if view.handle(person)?.is_none() {
            continue;
        }
        let deferred = Deferred { code: placed.hold.code.clone(), person, first, kept_at: placed.seq };
        if free(view, &deferred, at)?.is_none() {
            continue;
        }
        let kept: &Keeps<'_> = match &kept {
            Some(kept) => kept,
            None => kept.insert(Keeps::lifted(view)?),
        };
        let lifted = lifted(view, kept, &deferred, placed.at)?;
        let after = |lifted: Micros| rules.settings.grace.map_or(Some(lifted), |grace| grace.after(lifted));
        if lifted.is_none_or(|lifted| after(lifted).is_some_and(|end| end <= at)) {
            all.push(deferred);
        }
    }
    Ok(all)
}

/// When the last of the holds was lifted that kept something of somebody, of those lifted since an instant.
fn lifted(view: &View, kept: &Keeps<'_>, of: &Deferred, since: Micros) -> Result<Option<Micros>> {
    let target = what_was_kept(view, of)?;
    let hits = target::matching(view, &target)?;
    let codes = rules::look_by(view, kept, &target, &hits.0)?.facts.held.codes;
    let lifted = codes.iter().filter_map(|code| view.rules().holds.get(code)?.released);
    Ok(lifted.filter(|at| *at >= since).max())
}

/// All of somebody, unless records of hers came in since: then those that were there.
fn what_was_kept(view: &View, of: &Deferred) -> Result<Target> {
    let whole = Target::Persons(view.linked(of.person)?);
    let (mut kept, mut has_later) = (Vec::new(), false);
    for part in view.parts() {
        let own = part.postings(&Term::kind(Kind::Person))?;
        for doc in target::matching_in(part, &whole)? - own {
            let seq = part.key(doc)?.seq;
            // What was redacted since stands elsewhere, and is the same record.
            let was = if seq <= of.kept_at {
                seq
            } else {
                Zeroizing::new(part.record(doc)?).place().unwrap_or(seq)
            };
            if was <= of.kept_at { kept.push(seq) } else { has_later = true }
        }
    }
    kept.sort_unstable();
    Ok(if has_later { rules::part_of(&whole, kept) } else { whole })
}

/// The right to erase what was kept of somebody, if no rule keeps anything of it.
fn free(view: &View, of: &Deferred, at: Micros) -> Result<Option<(Permit, Target)>> {
    let target = what_was_kept(view, of)?;
    let hits = target::matching(view, &target)?;
    let ruled = rules::look(view, &target, &hits.0, at)?;
    Ok(match rules::settle(Action::ErasePerson, target, ruled, at) {
        Ok((permit, target, None)) => Some((permit, target)),
        Ok((_, _, Some(_))) | Err(_) => None,
    })
}

/// Erases what was kept of somebody; who approved it first, and on what law it rests, is said again.
///
/// # Errors
/// As of every erasure.
pub(super) fn complete(
    state: &Arc<State>,
    queue: &Queue,
    deferred: &Deferred,
    at: Micros,
) -> Result<Option<Certificate>> {
    let request = RequestId(state.env.random(b"request")?);
    {
        let keyring = state.keyring.lock();
        let tree = keyring.tree();
        let view = state.view.read();
        // She may have gone with somebody before her, or twice in part.
        if view.mask.hides(deferred.person) || view.handle(deferred.person)?.is_none() {
            return Ok(None);
        }
        let Some((permit, target)) = free(&view, deferred, at)? else { return Ok(None) };
        if matches!(&target, Target::Records { seqs, .. } if seqs.is_empty()) {
            // It went otherwise, and she lives on.
            drop(view);
            drop(keyring);
            release(state, queue, deferred.code.clone())?;
            return Ok(None);
        }
        let first = certificate::find(&view, deferred.first)?;
        let progress = Done {
            basis: first.as_ref().and_then(|first| first.basis).map_or(0, |basis| basis as u8),
            approvers: first.map(|first| first.approvers).unwrap_or_default(),
            ..Done::default()
        };
        drop(view);
        let waiting = Waiting { progress, ..Waiting::new(target, state.env.clock.now()) };
        let mut changes = Changes::new();
        rules::accept(permit, &mut changes, &tree, request, waiting)?;
        commit::commit_locked(state, &keyring, &changes, keyring.head().log, |_| {})?;
    }
    let certificate = match finish_accepted(state, queue, request) {
        // A hold came in between: it is asked again the next time.
        Err(e) if e.kind() == ErrorKind::Refused => return Ok(None),
        done => done?,
    };
    release(state, queue, deferred.code.clone())?;
    Ok(certificate)
}

/// Lifts the restrictions of whoever is gone by now: a crash may have come between the one and the other.
///
/// # Errors
/// Trouble with the store.
pub(super) fn release_of_the_gone(state: &Arc<State>, queue: &Queue) -> Result<()> {
    let mut codes = Vec::new();
    {
        let view = state.view.read();
        for placed in view.rules().holds.iter().filter(|placed| placed.restricts()) {
            if rules::restriction_of(&placed.hold.code).is_some()
                && let Scope::Person(number) = placed.hold.scope
                && view.handle(PersonNumber(number))?.is_none()
            {
                codes.push(placed.hold.code.clone());
            }
        }
    }
    codes.into_iter().try_for_each(|code| release(state, queue, code))
}

fn release(state: &Arc<State>, queue: &Queue, code: String) -> Result<()> {
    let reason = hold::COMPLETED.to_owned();
    let release = Event::Hold(hold::Event::Release { code, reason });
    match register::change(state, queue, &Session::new(), vec![release]) {
        // What told of the restriction is gone with her.
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Refused) => Ok(()),
        done => done.map(drop),
    }
}
