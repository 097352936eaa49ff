//! The choke point: what rules say of an erasure before it is accepted, and once more before it can't be
//! undone. Whoever accepts one needs a [`Permit`], and only [`policy::ask`] makes those.

use std::collections::BTreeSet;
use std::sync::Arc;

use roaring::RoaringBitmap;
use zeroize::Zeroizing;

use crate::erase::{family, retention, target};
use crate::error::{ErrorKind, Result};
use crate::id::{Micros, PersonNumber, RequestId, Seq};
use crate::index::{Field, Part, Term};
use crate::ingest::{Queue, register};
use crate::keyring::pending::{Kept, Pending, Target, Waiting};
use crate::keyring::{Changes, Tree, catalog};
use crate::policy::{self, Action, Approvals, Decision, Facts, Ground, Held, Lock, Permit, Reach};
use crate::query::held::{Found, Keeps};
use crate::receipts::when;
use crate::record::Kind;
use crate::register::hold::{self, Effect, Hold, Scope};
use crate::register::{Event, request};
use crate::session::Session;
use crate::state::State;
use crate::view::View;

/// What rules are asked of an erasure.
pub struct Ruled {
    /// What the decision rests on.
    pub facts: Facts,
    /// Log positions of the records that nothing keeps, ascending.
    pub rest: Vec<Seq>,
    /// What is kept.
    pub kept: Kept,
}

/// What the store believes of the time, and no later than the clock: one that was set forward ends no lock.
///
/// # Errors
/// An unreadable key tree.
pub fn believed(state: &State, tree: &Tree) -> Result<Micros> {
    let now = state.env.clock.now();
    Ok(when::look(catalog::seen(tree)?, now).believed.min(now))
}

/// The same before something is accepted: where something is locked, it is noted first how far the clock went on, for
/// what nobody notes is doubted for ever. Under the locks of who commits that is too late.
///
/// # Errors
/// As of a commit.
pub fn noted(state: &State) -> Result<Micros> {
    let has_locks = state.view.read().rules().classes.iter().any(|kept| kept.lock.is_some());
    if has_locks {
        state.look_at_clock()?;
    }
    believed(state, &state.view.read().tree)
}

/// Looks up what rules say of what an erasure takes; `hits` are its documents, part by part.
/// That somebody is known by a name is kept with whatever is kept of her.
///
/// # Errors
/// *Corrupt* where registers can't be read: what they hold is not known then.
pub fn look(view: &View, target: &Target, hits: &[RoaringBitmap], now: Micros) -> Result<Ruled> {
    view.check_rules()?;
    look_by(view, &Keeps::of(view, now)?, target, hits)
}

/// The same of rules that were gathered before.
///
/// # Errors
/// Unreadable files.
pub(crate) fn look_by(
    view: &View,
    keeps: &Keeps<'_>,
    target: &Target,
    hits: &[RoaringBitmap],
) -> Result<Ruled> {
    let parts = view.parts();
    let mut content = Vec::with_capacity(parts.len());
    for (part, hits) in parts.iter().zip(hits) {
        content.push(hits - part.postings(&Term::kind(Kind::Person))?);
    }
    let found = keeps.among(&content)?;
    let may_take_restricted = takes_restricted(target);
    let mut codes = found.holds.clone();
    if !may_take_restricted {
        codes.extend(found.restrictions.iter().cloned());
    }
    let mut whole = false;
    let mut written = Found::default();
    let people = people(target);
    if !people.is_empty() {
        let mut on_person: Vec<_> = people.iter().flat_map(|number| keeps.on_person(*number)).collect();
        on_person.extend(naming(view, keeps, target)?);
        whole = !on_person.is_empty();
        // Whoever goes leaves the records that he wrote without an author: that changes them. Another name
        // changes those too that are about her.
        if !keeps.is_idle() {
            written = keeps.among(&naming_docs(&parts, target)?)?;
        }
        for code in on_person.into_iter().map(str::to_owned).chain(written.holds.iter().cloned()) {
            if !codes.contains(&code) {
                codes.push(code);
            }
        }
    }
    let (mut held, mut locked, mut all) = (0, 0, 0);
    let mut rest = Vec::new();
    for (nth, (part, content)) in parts.iter().zip(&content).enumerate() {
        let [in_holds, in_restrictions, in_locks] = found.parted(nth);
        let in_holds = if may_take_restricted { in_holds } else { in_holds | in_restrictions };
        all += content.len();
        held += in_holds.len();
        locked += in_locks.len();
        rest.extend(part.seqs(&(content - (in_holds | in_locks)))?);
    }
    rest.sort_unstable();
    let reach = |some: u64, of_written: bool| match some {
        // Nothing of his own goes, but then nothing may.
        0 if of_written && all == 0 => Reach::All,
        0 if of_written => Reach::Part,
        0 => Reach::None,
        some if some < all => Reach::Part,
        _ => Reach::All,
    };
    // One record and the joins that it made are one thing.
    let one = matches!(target, Target::Record { .. });
    let held_reach = if whole || one && held > 0 { Reach::All } else { reach(held, written.holds_some()) };
    let until = found.until.max(written.until);
    let kept = Kept {
        records: if whole { all } else { all - rest.len() as u64 },
        held: held_reach > Reach::None,
        until: until.filter(|until| *until < Micros::MAX),
    };
    let locked = if one && locked > 0 { Reach::All } else { reach(locked, written.until.is_some()) };
    let lock = until.map(|until| Lock { reach: locked, until });
    let asked_by_person = matches!(target, Target::Persons(_));
    let mut facts =
        Facts { held: Held { reach: held_reach, codes }, lock, asked_by_person, ..Facts::default() };
    if all > 0 && rest.is_empty() && held_reach == Reach::Part {
        // What the holds leave the locks keep: nothing is left to go.
        facts.held.reach = Reach::All;
    }
    Ok(Ruled { facts, rest, kept })
}

/// Whether what somebody had restricted may go: where she asks for it herself (GDPR article 18 (2)). Who is
/// erased asks, and so does whoever asks for a part of her.
pub(super) const fn takes_restricted(target: &Target) -> bool {
    matches!(target, Target::Persons(_) | Target::Records { of: Target::PERSON, .. })
}

/// Whose names a target takes.
fn people(target: &Target) -> &[PersonNumber] {
    match target {
        Target::Persons(numbers) => numbers,
        Target::Rename { person, .. } => std::slice::from_ref(person),
        _ => &[],
    }
}

/// Codes of holds whose query names who loses that name.
fn naming<'v>(view: &View, keeps: &Keeps<'v>, target: &Target) -> Result<Vec<&'v str>> {
    let mut codes = Vec::new();
    if let Target::Rename { person, stays, .. } = target {
        for (at, name) in view.identifiers(*person)?.into_iter().map(Zeroizing::new).enumerate() {
            if !stays.iter().any(|stays| usize::from(*stays) == at) {
                codes.extend(keeps.standing().naming(&name)?);
            }
        }
    }
    Ok(codes)
}

/// Documents that people wrote who are not called so any more; and those about somebody who has another name.
fn naming_docs(parts: &[&dyn Part], target: &Target) -> Result<Vec<RoaringBitmap>> {
    let mut all = Vec::with_capacity(parts.len());
    let is_rename = matches!(target, Target::Rename { .. });
    for part in parts {
        let mut docs = RoaringBitmap::new();
        for number in people(target) {
            docs |= part.postings(&Term::person(Field::Author, *number))?;
            if is_rename {
                docs |= part.postings(&Term::person(Field::Subject, *number))?;
            }
        }
        docs -= part.postings(&Term::kind(Kind::Person))?;
        all.push(docs);
    }
    Ok(all)
}

/// Whether a rule keeps something of any of what waits: asked last before it can't be undone.
///
/// # Errors
/// Unreadable files.
pub fn are_any_kept<'a>(state: &State, batch: impl Iterator<Item = &'a Waiting>) -> Result<bool> {
    let view = state.view.read();
    let now = believed(state, &view.tree)?;
    let keeps = Keeps::of(&view, now)?;
    for waiting in batch {
        if is_kept_by(&view, &keeps, waiting, now)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Dates of acts that have come are asked too, but nothing keeps acts.
fn is_kept_by(view: &View, keeps: &Keeps<'_>, waiting: &Waiting, now: Micros) -> Result<bool> {
    if matches!(waiting.target, Target::Audit { .. }) {
        return Ok(false);
    }
    if view.rules().unread > 0 {
        // What they said of holds is not known.
        return Ok(true);
    }
    let parts = view.parts();
    if let Target::Records { of: Target::CLASS, seqs } = &waiting.target
        && !retention::are_due(view, keeps, seqs, now)?
    {
        return Ok(true);
    }
    if keeps.is_idle() {
        return Ok(false);
    }
    let people = people(&waiting.target);
    if !people.is_empty() {
        let is_held = people.iter().any(|number| keeps.on_person(*number).next().is_some())
            || !naming(view, keeps, &waiting.target)?.is_empty();
        if is_held || !keeps.among(&naming_docs(&parts, &waiting.target)?)?.is_empty(true) {
            return Ok(true);
        }
    }
    if matches!(waiting.target, Target::Rename { .. }) {
        // The record that tells her names is kept by what is kept of her, and by nothing else.
        return Ok(false);
    }
    let doomed: Vec<_> = parts.iter().map(|part| target::doomed_in(*part, waiting)).collect::<Result<_>>()?;
    Ok(!keeps.among(&doomed)?.is_empty(takes_restricted(&waiting.target)))
}

/// Those of what waits that no rule keeps. One that went on already is not kept any more: what a hold
/// could keep of it is gone.
///
/// # Errors
/// Unreadable files.
pub fn free(
    state: &State,
    view: &View,
    waiting: Vec<(RequestId, Waiting)>,
) -> Result<Vec<(RequestId, Waiting)>> {
    if waiting.is_empty() {
        return Ok(waiting);
    }
    let now = believed(state, &view.tree)?;
    let keeps = Keeps::of(view, now)?;
    let is_chosen = |waiting: &Waiting| matches!(waiting.target, Target::Records { of: Target::CLASS, .. });
    if keeps.is_idle() && view.rules().unread == 0 && !waiting.iter().any(|(_, waiting)| is_chosen(waiting)) {
        // Indexes are opened for nothing less.
        return Ok(waiting);
    }
    let mut left = Vec::with_capacity(waiting.len());
    for (request, waiting) in waiting {
        let is_kept = waiting.progress.epoch_after.0 == 0 && {
            // Who speaks of what goes is asked about too, as at the last look: else that would end every pass.
            let family = family::find(view, &waiting, &keeps)?;
            is_kept_by(view, &keeps, &Waiting { family, ..waiting.clone() }, now)?
        };
        if !is_kept {
            left.push((request, waiting));
        }
    }
    Ok(left)
}

/// Who agreed to the erasure of a request of the register, and who must.
/// It counts for the person whom the request is about, as long as it is not answered for good.
///
/// # Errors
/// An unreadable key tree.
pub fn approvals(
    view: &View,
    request: Option<&str>,
    target: &Target,
) -> Result<(Approvals, Vec<PersonNumber>)> {
    approvals_of(view, request, |of| {
        let is_hers = matches!(target, Target::Persons(numbers) if numbers.contains(&of.person));
        of.kind == request::Kind::Erasure && is_hers
    })
}

fn approvals_of(
    view: &View,
    request: Option<&str>,
    counts: impl Fn(&request::Request) -> bool,
) -> Result<(Approvals, Vec<PersonNumber>)> {
    let rules = view.rules();
    let of = request.and_then(|code| rules.requests.get(code));
    let of = of.filter(|of| {
        let is_open =
            matches!(of.state, request::State::Approved | request::State::Running | request::State::Partly);
        is_open && counts(of)
    });
    // Linked people are one, and one agrees with himself.
    let requester = of.map(|of| view.linked(of.requester)).transpose()?.unwrap_or_default();
    let approvers: Vec<_> = of.iter().flat_map(|of| of.other_approvers(&requester)).collect();
    let needed = u32::from(rules.settings.four_eyes);
    let given = u32::try_from(approvers.len()).unwrap_or(u32::MAX);
    Ok((Approvals { needed, given, by_requester: false }, approvers))
}

/// The same of a change to a record about these people: of a request for rectification or erasure whose plan is this
/// very change, by its hash.
///
/// # Errors
/// An unreadable key tree.
pub fn approvals_by(
    view: &View,
    request: Option<&str>,
    subjects: &[PersonNumber],
    agreed: Option<String>,
) -> Result<(Approvals, Vec<PersonNumber>)> {
    let kinds = [request::Kind::Erasure, request::Kind::Rectification];
    approvals_of(view, request, |of| {
        let is_it = agreed.is_some() && of.plan == agreed;
        is_it && kinds.contains(&of.kind) && subjects.contains(&of.person)
    })
}

/// Accepts an erasure: from here on it stands in the key tree, and goes on after a crash. There is no other
/// way into it.
///
/// # Errors
/// A selector that is too long.
pub fn accept(
    _permit: Permit,
    changes: &mut Changes,
    tree: &Tree,
    request: RequestId,
    waiting: Waiting,
) -> Result<()> {
    if let Target::Records { seqs, .. } = &waiting.target {
        catalog::put_chosen(changes, tree, request, seqs)?;
    }
    catalog::put_pending(changes, request, &Pending::Waiting(waiting))
}

/// What the target is once a rule has left a part of it.
pub fn part_of(target: &Target, rest: Vec<Seq>) -> Target {
    Target::Records { of: target.what(), seqs: rest }
}

/// Whether the records that a request waits for are some of what a target takes.
///
/// # Errors
/// Unreadable files.
pub fn is_part_of(view: &View, tree: &Tree, request: RequestId, target: &Target) -> Result<bool> {
    let waiting = catalog::waiting(tree)?.into_iter().find(|(id, _)| *id == request);
    let Some((_, Waiting { target: Target::Records { seqs, .. }, .. })) = waiting else { return Ok(false) };
    let mut left: BTreeSet<Seq> = seqs.into_iter().collect();
    let any = !left.is_empty();
    for (part, docs) in view.parts().into_iter().zip(target::matching(view, target)?.0) {
        for seq in part.seqs(&docs)? {
            left.remove(&seq);
        }
    }
    Ok(any && left.is_empty())
}

/// What a decision leaves of a target, with the right to take it.
///
/// # Errors
/// The ground on which nothing of it may go.
pub fn settle(
    action: Action,
    target: Target,
    ruled: Ruled,
    now: Micros,
) -> std::result::Result<(Permit, Target, Option<Kept>), Ground> {
    match policy::ask(action, &ruled.facts, now)? {
        (permit, Decision::Part { .. }) => Ok((permit, part_of(&target, ruled.rest), Some(ruled.kept))),
        (permit, _) => Ok((permit, target, None)),
    }
}

/// Whether only an erasure that is done in part places a hold of this code: by that it is completed later, whoever is
/// restricted by it.
pub fn is_own_code(code: &str) -> bool {
    code.starts_with(hold::KEPT)
}

/// The erasure that left a restriction, by the code of that.
pub fn restriction_of(code: &str) -> Option<RequestId> {
    code.strip_prefix(hold::KEPT).and_then(RequestId::parse)
}

/// What rules keep of a person whose erasure was asked for is restricted until it may go (GDPR article 18):
/// seen by who holds a case, and by nobody else. Where it is so already nothing is done.
///
/// # Errors
/// Trouble with the store.
pub fn restrict(state: &Arc<State>, queue: &Queue, number: PersonNumber, request: RequestId) -> Result<()> {
    let hold = Hold {
        code: format!("{}{request}", hold::KEPT),
        effect: Effect::Restrict,
        scope: Scope::Person(number.0),
        matter: "erasure that was done in part".into(),
        ground: "GDPR 18 (1) (c)".into(),
        review: None,
    };
    if state.view.read().rules().holds.get(&hold.code).is_some() {
        return Ok(());
    }
    match register::change(state, queue, &Session::new(), vec![Event::Hold(hold::Event::Place(hold))]) {
        // She is erased since.
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        done => done.map(drop),
    }
}
