//! Names that go: one of a person's identifiers is forgotten, and another may take its place (GDPR article 16).
//!
//! Two places tell a name: the key tree, and the record that made her known. The record goes the way of one that
//! is redacted, and gets a new form with the names that stay; the identifier leaves the tree with the same
//! erasing commit. The new name is hers from E0 on, so that nobody else gets it in between.

use std::sync::Arc;

use crate::erase::redact::{Agreed, actor, is_due};
use crate::erase::{self, Certificate, EraseOptions, certificate, rules, target};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{PersonNumber, RequestId};
use crate::index::People;
use crate::ingest::Queue;
use crate::ingest::refused::{self, Refusal};
use crate::keyring::pending::{Done, Pending, Redacted, Target, Waiting};
use crate::keyring::{Changes, Tree, catalog};
use crate::policy::Action;
use crate::record::Stored;
use crate::record::input::check_identifier;
use crate::state::{State, commit};
use crate::text;
use crate::view::View;

/// Takes an identifier from who has it, and returns when nothing can bring it back; `to` takes its place.
///
/// # Errors
/// As of [`erase::erase`]; *invalid* for the only name of somebody, and for one that is somebody else's.
pub fn rename(
    state: &Arc<State>,
    queue: &Queue,
    (from, to): (&str, Option<&str>),
    options: &EraseOptions,
) -> Result<Certificate> {
    state.check_writable()?;
    erase::check_reason(options)?;
    if !state.view.read().tree.head().has_rules() {
        return Err(Error::newer("a store of this format takes no name away").hint("`escrow upgrade`"));
    }
    let (from, to) = (text::nfc(from), to.map(text::nfc));
    if let Some(to) = &to {
        check_identifier("identifier", to)?;
    }
    let request = match options.request {
        Some(id) => id,
        None => RequestId(state.env.random(b"request")?),
    };
    if let Some(done) = done_before(state, &from, request)? {
        return Ok(erase::signed(state, done, options));
    }
    // Who is unknown has no name to lose: nobody becomes known by asking.
    number(&state.view.read(), &from)?;
    let by = actor(state, queue, options.actor.as_deref())?;
    let announce = || announce(state, queue, (&from, to.as_deref(), by), options, request);
    erase::run_to_the_end(state, queue, (request, options), announce)?;
    let certificate = certificate::find(&state.view.read(), request)?.ok_or_else(erase::waits)?;
    Ok(erase::signed(state, certificate, options))
}

/// The certificate of a request that was done before: then the name is nobody's.
fn done_before(state: &State, from: &str, request: RequestId) -> Result<Option<Certificate>> {
    let view = state.view.read();
    match certificate::find(&view, request)? {
        Some(done) if done.what == certificate::IDENTIFIER && view.number(from)?.is_none() => Ok(Some(done)),
        Some(_) => Err(erase::other_request()),
        None => Ok(None),
    }
}

/// E0, see [`erase::erase`].
fn announce(
    state: &Arc<State>,
    queue: &Queue,
    (from, to, by): (&str, Option<&str>, PersonNumber),
    options: &EraseOptions,
    request: RequestId,
) -> Result<()> {
    roll_born(state, from)?;
    let now = rules::noted(state)?;
    let keyring = state.keyring.lock();
    let tree = keyring.tree();
    let pending = catalog::pending(&tree)?;
    if let Some((_, accepted)) = pending.iter().find(|(id, _)| *id == request) {
        return goes_on(&state.view.read(), accepted, from);
    }
    let refusal = {
        // Nobody is born meanwhile, and no hold is placed.
        let _no_frame = state.writer.lock();
        let view = state.view.read();
        let person = number(&view, from)?;
        if is_born(&view, from)? || pending.iter().any(|(_, one)| is_due(one, &of_person(person), "")) {
            return Err(busy());
        }
        let names = Names::new(&view, &tree, person, (from, to))?;
        let seq = view.person_record(person)?.map_or(Redacted::LOST, |(seq, _)| seq);
        let of = Redacted { by, conversation: String::new(), id: of_person(person), seq, spans: 0 };
        // Where the record is lost that tells her names, nothing says what was agreed to.
        let code = options.approved.as_deref().filter(|_| seq != Redacted::LOST);
        let agreed =
            code.map(|code| Agreed::of_name(&view, code, (person, seq), (names.at, to))).transpose()?;
        let target = Target::Rename { of: Box::new(of), person, stays: names.stays.clone() };
        let hits = target::matching(&view, &target)?;
        if target::is_masked(&view, &target, &hits)? {
            return Err(busy());
        }
        let mut ruled = rules::look(&view, &target, &hits.0, now)?;
        let (approvals, approvers) =
            rules::approvals_by(&view, code, &[person], agreed.map(|agreed| agreed.hash))?;
        ruled.facts.approvals = approvals;
        match rules::settle(Action::Rename, target, ruled, now) {
            Ok((permit, target, _)) => {
                let mut changes = Changes::new();
                names.put(&mut changes, &view, &tree, person)?;
                let basis = options.basis.map_or(0, |basis| basis as u8);
                let waiting = Waiting {
                    progress: Done { basis, approvers, ..Done::default() },
                    ..Waiting::new(target, state.env.clock.now())
                };
                rules::accept(permit, &mut changes, &tree, request, waiting)?;
                drop(view);
                let log = keyring.head().log;
                return commit::commit_locked(state, &keyring, &changes, log, |_| {});
            }
            Err(ground) => Refusal { action: Action::Rename, ground, records: 0, people: vec![person] },
        }
    };
    drop(keyring);
    refused::record(state, queue, options.actor.as_deref(), &refusal)?;
    Err(refused::error(&refusal.ground)
        .hint("`escrow subject add-identifier` puts the new name beside the old one meanwhile"))
}

/// Who stands in a journal only gets her place in the key tree.
fn roll_born(state: &Arc<State>, name: &str) -> Result<()> {
    if is_born(&state.view.read(), name)? {
        commit::roll_now(state)?;
    }
    Ok(())
}

fn is_born(view: &View, name: &str) -> Result<bool> {
    Ok(view.number_of(name)?.is_some_and(|of| view.is_born(of)))
}

/// What somebody else must approve, for the request with this code, before a name goes.
///
/// # Errors
/// As of [`rename`].
pub fn to_approve(state: &Arc<State>, (from, to): (&str, Option<&str>), code: &str) -> Result<Agreed> {
    let (from, to) = (text::nfc(from), to.map(text::nfc));
    if let Some(to) = &to {
        check_identifier("identifier", to)?;
    }
    roll_born(state, &from)?;
    let view = state.view.read();
    let person = number(&view, &from)?;
    let names = Names::new(&view, &view.tree, person, (&from, to.as_deref()))?;
    let seq = view.person_record(person)?.map_or(Redacted::LOST, |(seq, _)| seq);
    Agreed::of_name(&view, code, (person, seq), (names.at, to.as_deref()))
}

/// A request that waits is gone on with, if it is the same.
fn goes_on(view: &View, accepted: &Pending, from: &str) -> Result<()> {
    match accepted {
        Pending::Done(done) if done.what == Target::IDENTIFIER => Ok(()),
        Pending::Waiting(Waiting { target: Target::Rename { person, .. }, .. })
            if view.number_of(from)? == Some(*person) =>
        {
            Ok(())
        }
        _ => Err(erase::other_request()),
    }
}

fn number(view: &View, name: &str) -> Result<PersonNumber> {
    let number = view.number_of(name)?.filter(|number| *number != PersonNumber::STORE);
    let number = number.ok_or_else(|| Error::not_found("no such person"))?;
    if view.mask.hides(number) { Err(busy()) } else { Ok(number) }
}

fn busy() -> Error {
    Error::new(ErrorKind::Busy, "the person is being erased, or another name of hers changes")
        .hint("repeat when that has ended")
}

/// Id of the record that says who somebody is.
fn of_person(person: PersonNumber) -> String {
    format!("person/{person}")
}

/// Names of a person: those of today and one that is to come, and which of them stay.
struct Names {
    all: Vec<String>,
    at: usize,
    comes: bool,
    stays: Vec<u8>,
}

impl Names {
    fn new(view: &View, tree: &Tree, person: PersonNumber, (from, to): (&str, Option<&str>)) -> Result<Self> {
        let mut all = catalog::identifiers(tree, person)?;
        let at = all.iter().position(|name| name == from);
        let at = at.ok_or_else(|| Error::not_found("no such person"))?;
        let (mut instead, mut comes) = (None, false);
        if let Some(to) = to {
            if view.is_leaving(to) {
                return Err(busy());
            }
            instead = match view.number_of(to)? {
                Some(_) if to == from => {
                    return Err(Error::invalid("the new name is the old one"));
                }
                Some(other) if other == person => all.iter().position(|name| name == to),
                Some(_) => {
                    return Err(Error::invalid("the new name is somebody else's")
                        .hint("`escrow subject link` says that two people are one"));
                }
                None => {
                    all.push(to.to_owned());
                    comes = true;
                    Some(all.len() - 1)
                }
            };
        } else if all.len() == 1 {
            return Err(Error::invalid("it is the only name of the person")
                .hint("`escrow subject rename` puts another in its place"));
        }
        let stays = order(all.len(), at, instead);
        Ok(Self { all, at, comes, stays })
    }

    /// The one that comes is hers from now on.
    fn put(&self, changes: &mut Changes, view: &View, tree: &Tree, person: PersonNumber) -> Result<()> {
        if !self.comes {
            return Ok(());
        }
        let mut entry = catalog::person(tree, person)?.ok_or_else(busy)?;
        entry.identifiers = u8::try_from(self.all.len()).map_err(|_| Error::invalid("too many names"))?;
        catalog::put_person(changes, view.tagger(), person, &entry, &self.all)
    }
}

/// Places of the names that stay when the one at `at` goes and the one at `instead` takes its place.
fn order(count: usize, at: usize, instead: Option<usize>) -> Vec<u8> {
    let here = |place| if place == at { instead } else { Some(place).filter(|_| instead != Some(place)) };
    (0..count).filter_map(here).filter_map(|place| u8::try_from(place).ok()).collect()
}

/// What says who somebody is, with the names that stay.
pub(super) fn renamed(view: &View, mut stored: Stored, person: PersonNumber, stays: &[u8]) -> Result<Stored> {
    if let Some(fields) = &mut stored.person {
        let left = catalog::staying(&catalog::identifiers(&view.tree, person)?, stays);
        let before = std::mem::replace(&mut fields.identifiers, left);
        drop(zeroize::Zeroizing::new(before));
    }
    Ok(stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_name_stands_where_the_old_one_stood() {
        assert_eq!(order(3, 0, Some(2)), [2, 1]);
        assert_eq!(order(3, 2, Some(0)), [1, 0]);
        assert_eq!(order(3, 1, None), [0, 2]);
        assert_eq!(order(2, 0, Some(1)), [1]);
    }
}
