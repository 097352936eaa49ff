//! The choke point: what rules say of an erasure before it is accepted, and once more before it can't be
//! undone. Whoever accepts one needs a [`Permit`], and only [`policy::ask`] makes those.

use std::collections::BTreeSet;
use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::erase::{EraseOptions, Selector, certificate, family, target};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{Handle, Micros, PersonNumber, RequestId, Seq};
use crate::index::{Part, People, Term};
use crate::ingest::{Acts, Queue, register};
use crate::keyring::pending::{Kept, Pending, Target, Waiting};
use crate::keyring::{Changes, Tree, catalog};
use crate::policy::{self, Action, Approvals, Decision, Facts, Ground, Held, Lock, Permit, Reach};
use crate::query::held::Standing;
use crate::receipts::{Act, Deed};
use crate::record::{Kind, Stored};
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

/// Refuses where records of registers can't be read: what they say of holds is not known.
///
/// # Errors
/// *Corrupt* then.
pub fn check_read(view: &View) -> Result<()> {
    if view.rules().unread == 0 {
        return Ok(());
    }
    Err(Error::corrupt("records of registers can't be read, and may tell of holds").hint(
        "`escrow verify` names them; put the files back, or give them up with --repair --accept-losses",
    ))
}

/// Looks up what holds and locks say of what an erasure takes; `hits` are its documents, part by part.
/// That somebody is known by a name is kept with whatever is kept of her.
///
/// # Errors
/// *Corrupt* where registers can't be read: what they hold is not known then.
pub fn look(view: &View, target: &Target, hits: &[RoaringBitmap], now: Micros) -> Result<Ruled> {
    check_read(view)?;
    let standing = Standing::of(view)?;
    let mut codes = Vec::new();
    let mut whole = false;
    if let Target::Persons(numbers) = target {
        for code in numbers.iter().flat_map(|number| standing.on_person(*number)) {
            whole = true;
            codes.push(code.to_owned());
        }
    }
    let (mut held, mut locked, mut all) = (0, 0, 0);
    let mut until: Option<Micros> = None;
    let mut rest = Vec::new();
    for (part, hits) in view.parts().into_iter().zip(hits) {
        let content = hits - part.postings(&Term::kind(Kind::Person))?;
        all += content.len();
        let mut kept = RoaringBitmap::new();
        if !standing.is_empty() {
            kept = standing.docs(part, &content, &mut codes)? & &content;
            held += kept.len();
        }
        let locks = locked_in(view, part, &content, now, &mut until)?;
        locked += locks.len();
        kept |= locks;
        rest.extend(part.seqs(&(content - kept))?);
    }
    rest.sort_unstable();
    let reach = |some: u64| match some {
        0 => Reach::None,
        some if some < all => Reach::Part,
        _ => Reach::All,
    };
    // One record and the joins that it made are one thing.
    let one = matches!(target, Target::Record { .. });
    let held_reach = if whole || one && held > 0 { Reach::All } else { reach(held) };
    let kept = Kept {
        records: if whole { all } else { all - rest.len() as u64 },
        held: held_reach > Reach::None,
        until,
    };
    let locked = if one && locked > 0 { Reach::All } else { reach(locked) };
    let lock = until.map(|until| Lock { reach: locked, until });
    let mut facts = Facts { held: Held { reach: held_reach, codes }, lock, ..Facts::default() };
    if all > 0 && rest.is_empty() && held_reach == Reach::Part {
        // What the holds leave the locks keep: nothing is left to go.
        facts.held.reach = Reach::All;
    }
    Ok(Ruled { facts, rest, kept })
}

/// Documents whose shortest time is not over, and when the last of them is.
fn locked_in(
    view: &View,
    part: &dyn Part,
    among: &RoaringBitmap,
    now: Micros,
    until: &mut Option<Micros>,
) -> Result<RoaringBitmap> {
    let mut locked = RoaringBitmap::new();
    for kept in view.rules().classes.iter() {
        let Some(lock) = kept.lock else { continue };
        for doc in part.class_docs(kept.class.number)? & among {
            let end = lock.kept_until(part.key(doc)?.time).unwrap_or(Micros::MAX);
            if now < end {
                locked.insert(doc);
                *until = Some(until.unwrap_or(end).max(end));
            }
        }
    }
    Ok(locked)
}

/// Whether a standing hold keeps something of what waits. Dates that have come are asked too, but nothing
/// holds acts.
///
/// # Errors
/// Unreadable files.
pub fn is_held(view: &View, waiting: &Waiting) -> Result<bool> {
    is_held_by(view, &Standing::of(view)?, waiting)
}

fn is_held_by(view: &View, standing: &Standing<'_>, waiting: &Waiting) -> Result<bool> {
    if matches!(waiting.target, Target::Audit { .. }) {
        return Ok(false);
    }
    if view.rules().unread > 0 {
        // What they said of holds is not known.
        return Ok(true);
    }
    if standing.is_empty() {
        return Ok(false);
    }
    if let Target::Persons(numbers) = &waiting.target
        && numbers.iter().any(|number| standing.on_person(*number).next().is_some())
    {
        return Ok(true);
    }
    for part in view.parts() {
        let docs = target::doomed_in(part, waiting)?;
        if !docs.is_empty() && !standing.docs(part, &docs, &mut Vec::new())?.is_disjoint(&docs) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Those of what waits that no hold keeps. One that went on already is not held any more: what a hold
/// could keep of it is gone.
///
/// # Errors
/// Unreadable files.
pub fn unheld(view: &View, waiting: Vec<(RequestId, Waiting)>) -> Result<Vec<(RequestId, Waiting)>> {
    let standing = Standing::of(view)?;
    if view.rules().unread == 0 && standing.is_empty() {
        return Ok(waiting);
    }
    let mut left = Vec::with_capacity(waiting.len());
    for (request, waiting) in waiting {
        let is_held = waiting.progress.epoch_after.0 == 0 && {
            // Who speaks of what goes is asked about too, as at the last look: else that would end every pass.
            let asked = Waiting { family: family::find(view, &waiting)?, ..waiting.clone() };
            is_held_by(view, &standing, &asked)?
        };
        if !is_held {
            left.push((request, waiting));
        }
    }
    Ok(left)
}

/// Who agreed to the erasure of a request of the register, and who must.
/// It counts for the person whom the request is about, as long as it is not answered for good.
pub fn approvals(view: &View, request: Option<&str>, target: &Target) -> (Approvals, Vec<PersonNumber>) {
    let rules = view.rules();
    let of = request.and_then(|code| rules.requests.get(code));
    let of = of.filter(|of| {
        let is_open =
            matches!(of.state, request::State::Approved | request::State::Running | request::State::Partly);
        let is_hers = matches!(target, Target::Persons(numbers) if numbers.contains(&of.person));
        of.kind == request::Kind::Erasure && is_open && is_hers
    });
    let approvers: Vec<_> = of.iter().flat_map(|of| of.other_approvers()).collect();
    let needed = u32::from(rules.settings.four_eyes);
    let given = u32::try_from(approvers.len()).unwrap_or(u32::MAX);
    (Approvals { needed, given, by_requester: false }, approvers)
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

/// The refusal as its caller gets it.
pub fn refusal(ground: &Ground) -> Error {
    let refused = |message: String| Error::new(ErrorKind::Refused, message);
    match ground {
        Ground::Hold { codes } => refused(format!("held: {}", codes.join(", ")))
            .hint("`escrow hold list` says what for; it can go once the hold is lifted"),
        Ground::Lock { until } => {
            refused(format!("kept by law until {}", crate::record::time::format(*until)))
        }
        Ground::Approval { .. } => refused("somebody else must approve it".to_owned())
            .hint("`escrow request` plans it and has it approved"),
        other => refused(format!("a rule forbids it: {}", other.name())),
    }
}

/// Every refusal is a record: who wanted what, of whom, and why not.
///
/// # Errors
/// Trouble with the store.
pub fn record_refusal(
    state: &Arc<State>,
    queue: &Queue,
    actor: Option<&str>,
    refused: (Action, &Ground),
    (records, people): (u64, &[PersonNumber]),
) -> Result<()> {
    if !state.view.read().tree.head().has_rules() {
        return Ok(());
    }
    let (action, ground) = refused;
    let body = serde_json::json!({
        "action": action.name(),
        "ground": ground.name(),
        "holds": match ground {
            Ground::Hold { codes } => codes.clone(),
            _ => Vec::new(),
        },
    });
    let persons = state.audit_persons()?;
    let mark = Handle(state.env.random(b"refusal")?);
    let act = Act::new(Deed::Refused, records).of(people.iter().copied());
    let record = Stored {
        subjects: vec![persons.acts],
        body: body.to_string(),
        ..act.to_record(format!("refused/{mark}"), state.env.clock.now())
    };
    let generation = state.view.read().generation;
    let actor = actor.map(str::to_owned);
    queue.append_acts(state, Acts { actor, generation, records: vec![record] }).map(drop)
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

/// What rules keep of a person whose erasure was asked for is restricted until it may go (GDPR article 18):
/// seen by who holds a case, and by nobody else. A repeated request finds that it is.
///
/// # Errors
/// Trouble with the store.
pub fn restrict_what_is_kept(
    state: &Arc<State>,
    queue: &Queue,
    selector: &Selector,
    (options, request): (&EraseOptions, RequestId),
) -> Result<()> {
    let number = {
        let view = state.view.read();
        let kept = certificate::find(&view, request)?.is_some_and(|certificate| certificate.kept.is_some());
        match selector {
            Selector::Person(identifier) if kept => view.number(&crate::text::nfc(identifier))?,
            _ => None,
        }
    };
    let Some(number) = number else { return Ok(()) };
    let hold = Hold {
        code: format!("kept-{request}"),
        effect: Effect::Restrict,
        scope: Scope::Person(number.0),
        matter: "erasure that was done in part".into(),
        ground: "GDPR 18 (1) (c)".into(),
        review: None,
    };
    if state.view.read().rules().holds.get(&hold.code).is_some() {
        return Ok(());
    }
    let session = options.actor.iter().fold(Session::new(), |session, actor| session.actor(actor));
    register::change(state, queue, &session, vec![Event::Hold(hold::Event::Place(hold))]).map(drop)
}
