//! Records whose longest time is over: counted, and erased by the way of every erasure.
//!
//! What is kept by whom is settled in this order: a hold, a lock, the longest time. Nothing goes early: the time
//! is what the store believes, which never runs ahead of a clock that was set forward for less than a day,
//! and never later than the clock.

mod deferred;
pub mod deleted;
pub mod quarantine;
mod restrict;
pub mod review;

use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::erase::retention::deleted::TakenBack;
use crate::erase::retention::quarantine::InQuarantine;
use crate::erase::retention::restrict::Ending;
use crate::erase::{Certificate, finish_accepted, pass, rules};
use crate::error::{ErrorKind, Result};
use crate::id::{Micros, RequestId, Seq};
use crate::index::{Mask, Part, Term};
use crate::ingest::{Queue, refused};
use crate::keyring::pending::{Done, Target, Waiting};
use crate::keyring::{Changes, catalog};
use crate::policy::{self, Action, Basis, Facts};
use crate::query::held::{Keeps, Starts, leave_what_speaks_of_others};
use crate::record::Kind;
use crate::register::class::{Kept, Then};
use crate::state::{State, commit};
use crate::view::View;

/// What becomes of the records of a class.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassReport {
    /// Code of the class.
    pub code: String,
    /// Whether it takes new records.
    pub active: bool,
    /// What happens when the longest time is over.
    pub then: Then,
    /// Records of it.
    pub records: u64,
    /// Those whose longest time is over, and which nothing keeps; of a class that restricts then, those that are not
    /// restricted yet.
    pub due: u64,
    /// Those that are restricted since their longest time is over.
    pub restricted: u64,
    /// Those whose longest time is over, and which a hold or a restriction keeps.
    pub held: u64,
    /// Those whose longest time is over, and whose lock is not.
    pub locked: u64,
    /// When the time of the next is over, of those that are not due yet; `None` if none's ever is, as far as
    /// is known now.
    pub next: Option<Micros>,
}

/// What a run of retention does, or would do.
///
/// ```
/// # use std::sync::Arc;
/// # use escrowdb::{id::Micros, session::Session, store::*, vfs::MemoryVfs};
/// use escrowdb::register::{Event, class};
/// # let store = Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).create()?;
/// let chats = class::Class {
///     code: "chat".into(),
///     number: 1,
///     title: "Chats".into(),
///     start: class::Start::Time,
///     lock: None,
///     maximum: Some("180d".into()),
///     then: class::Then::Erase,
///     ground: "GDPR 5 (1) (e)".into(),
///     selector: "*".into(),
/// };
/// store.change(&Session::new().actor("dana"), Event::Class(class::Event::Define(chats)))?;
/// store.append(&[Record::new("c1", "anna@example.org", Micros(0), "Hello").id("m1")])?;
/// let would = store.retention(true)?;
/// assert_eq!((would.classes[0].due, would.certificates.len()), (1, 0));
/// let did = store.retention(false)?;
/// assert_eq!(did.classes, would.classes);
/// assert_eq!(did.certificates[0].what, "class");
/// assert_eq!(store.session(Session::new()).count("*")?, 0);
/// # Ok::<(), escrowdb::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetentionReport {
    /// The time that the store believes, or that of the clock where that is earlier.
    pub at: Micros,
    /// Every class in order, as it was before the run.
    pub classes: Vec<ClassReport>,
    /// What users took back, as it was before the run; `None` where deletions hide only.
    pub taken_back: Option<TakenBack>,
    /// What is in quarantine, likewise; `None` where nothing was ever put there.
    pub quarantine: Option<InQuarantine>,
    /// People whose erasure was done in part, and of whom nothing is kept any more: they go too.
    pub deferred: u64,
    /// Records that are restricted: those due of classes that restrict then.
    pub restricted: u64,
    /// One for what was due; before it, one for a run that had not come to its end; behind it, one for each
    /// erasure that is completed. None of a dry run.
    pub certificates: Vec<Certificate>,
}

/// How often a run chooses anew before it leaves the rest to the next.
const ATTEMPTS: u32 = 5;

/// Records whose time is over, as far as nothing keeps them.
struct Due {
    classes: Vec<ClassReport>,
    taken_back: Option<TakenBack>,
    quarantine: Option<InQuarantine>,
    /// Those that are to be erased, ascending.
    erase: Vec<Seq>,
    restrict: Vec<Ending>,
}

/// Erases what is due of classes that are erased then, restricts what is due of those that are restricted; counts what
/// is due of the others. A dry run answers the same, but for the certificate, and changes nothing.
///
/// # Errors
/// *Corrupt* while a segment can't be read that nobody gave up, or a record of a register: what is held is
/// not known then. As of every erasure.
pub fn run(state: &Arc<State>, queue: &Queue, dry_run: bool) -> Result<RetentionReport> {
    state.check_writable()?;
    // Where the clock is behind, nothing goes before it is put right: one that was set back and then forward
    // again has the store believe in years that never were.
    state.look_at_clock()?;
    let at = rules::believed(state, &state.view.read().tree)?;
    let (first, deferred) = {
        let view = state.view.read();
        if !view.missing.is_empty() {
            return Err(pass::waits());
        }
        (look(&view, &Keeps::of(&view, at)?, at, &view.mask)?, deferred::due(&view, at)?)
    };
    let Due { classes, taken_back, quarantine, restrict, .. } = first;
    let deferred_count = deferred.len() as u64;
    let restricts = classes.iter().filter(|class| class.then == Then::Restrict);
    let mut report = RetentionReport {
        at,
        restricted: restricts.map(|class| class.due).sum(),
        classes,
        taken_back,
        quarantine,
        deferred: deferred_count,
        certificates: Vec::new(),
    };
    if dry_run {
        return Ok(report);
    }
    restrict::apply(state, queue, restrict, at)?;
    // One that has begun is gone on with first. One that has not, for want of room or since a rule kept
    // some of it, is chosen anew.
    let waiting = catalog::waiting(&state.view.read().tree)?;
    for (request, _) in waiting.iter().filter(|(_, waiting)| waiting.is_of_class() && has_begun(waiting)) {
        report.certificates.extend(finish_accepted(state, queue, *request)?);
    }
    // A hold that is placed meanwhile ends a pass; what it leaves is chosen then.
    for attempt in 1.. {
        let Some(request) = announce(state, at)? else { break };
        match finish_accepted(state, queue, request) {
            Err(e) if e.kind() == ErrorKind::Refused && attempt < ATTEMPTS => {}
            done => {
                report.certificates.extend(done?);
                break;
            }
        }
    }
    for deferred in &deferred {
        report.certificates.extend(deferred::complete(state, queue, deferred, at)?);
    }
    deferred::release_of_the_gone(state, queue)?;
    Ok(report)
}

const fn has_begun(waiting: &Waiting) -> bool {
    waiting.progress.epoch_after.0 > 0
}

/// What is due goes into the key tree, in the place of what was chosen before: from here on a crash does not
/// lose it. `None` if nothing is.
fn announce(state: &Arc<State>, at: Micros) -> Result<Option<RequestId>> {
    let _no_pass = state.pass();
    let keyring = state.keyring.lock();
    let tree = keyring.tree();
    let mut changes = Changes::new();
    for (request, waiting) in catalog::waiting(&tree)? {
        if waiting.is_of_class() && !has_begun(&waiting) {
            catalog::remove_pending(&mut changes, request);
            catalog::put_chosen(&mut changes, &tree, request, &[])?;
        }
    }
    let erase = {
        let view = state.view.read();
        look(&view, &Keeps::of(&view, at)?, at, &view.mask)?.erase
    };
    if erase.is_empty() {
        if !changes.is_empty() {
            commit::commit_locked(state, &keyring, &changes, keyring.head().log, |_| {})?;
        }
        return Ok(None);
    }
    let request = RequestId(state.env.random(b"request")?);
    let now = state.env.clock.now();
    let waiting = Waiting {
        progress: Done { basis: Basis::Retention as u8, ..Done::default() },
        ..Waiting::new(Target::Records { of: Target::CLASS, seqs: erase }, now)
    };
    // What holds, locks and restrictions keep was left out record by record.
    let facts = Facts { past_maximum: true, ..Facts::default() };
    let asked = policy::ask(Action::ExpireClass, &facts, now);
    let (permit, _) = asked.map_err(|ground| refused::error(&ground))?;
    rules::accept(permit, &mut changes, &tree, request, waiting)?;
    commit::commit_locked(state, &keyring, &changes, keyring.head().log, |_| {})?;
    Ok(Some(request))
}

/// Opens what [`are_due`] looks at in rolled segments, if that will be asked of any: it is asked while others wait. What
/// can't be read is told there.
pub(crate) fn open_if_asked(state: &State, batch: &[(RequestId, Waiting)]) {
    if !batch.iter().any(|(_, waiting)| waiting.is_of_class()) {
        return;
    }
    let (segments, classes) = {
        let view = state.view.read();
        let numbers: Vec<u32> = view.rules().classes.iter().map(|class| class.class.number).collect();
        (view.segments.clone(), numbers)
    };
    for segment in &segments {
        for class in &classes {
            let _ = segment.part.class_docs(*class);
        }
        let _ = segment.part.in_time(Micros::MIN, Micros::MAX);
        for kind in Kind::ALL.into_iter().filter(|kind| kind.has_target()) {
            let _ = segment.part.frequency(&Term::kind(kind));
        }
    }
}

/// Whether records that were chosen are due: a conversation may have gone on since.
///
/// # Errors
/// Unreadable files.
pub(crate) fn are_due(view: &View, keeps: &Keeps<'_>, seqs: &[Seq], at: Micros) -> Result<bool> {
    let due = look(view, keeps, at, &Mask::default())?.erase;
    Ok(seqs.iter().all(|seq| due.binary_search(seq).is_ok()))
}

/// Every class, and what is due of it at an instant, but for what `mask` hides.
fn look(view: &View, keeps: &Keeps<'_>, at: Micros, mask: &Mask) -> Result<Due> {
    let registers = view.rules();
    view.check_rules()?;
    let parts = view.parts();
    let (classes, erase, restrict) = (Vec::new(), Vec::new(), Vec::new());
    let mut due = Due { classes, taken_back: None, quarantine: None, erase, restrict };
    for class in registers.classes.iter() {
        let mut report = ClassReport {
            code: class.class.code.clone(),
            active: class.active,
            then: class.class.then,
            records: 0,
            due: 0,
            restricted: 0,
            held: 0,
            locked: 0,
            next: None,
        };
        let mut of_class = Vec::with_capacity(parts.len());
        for part in &parts {
            let mut docs = part.class_docs(class.class.number)?;
            if !docs.is_empty() && !mask.is_empty() {
                docs -= mask.docs_in(*part)?;
            }
            report.records += docs.len();
            of_class.push(docs);
        }
        if class.maximum.is_some() && class.class.then == Then::Restrict {
            due.restrict.extend(restrict::look(view, class, (&parts, &of_class), at, &mut report)?);
        } else if class.maximum.is_some() {
            let over = over(view, class, (&parts, &of_class), at, &mut report)?;
            let found = keeps.among(&over)?;
            for (nth, (part, over)) in parts.iter().zip(over).enumerate() {
                let [held, restricted, locked] = found.parted(nth);
                let held = held | restricted;
                report.held += held.len();
                report.locked += (&locked - &held).len();
                let free = over - held - locked;
                report.due += free.len();
                if class.class.then == Then::Erase {
                    due.erase.extend(part.seqs(&free)?);
                }
            }
        }
        due.classes.push(report);
    }
    if let Some((found, seqs)) = deleted::look(view, keeps, at, mask)? {
        due.taken_back = Some(found);
        due.erase.extend(seqs);
    }
    if let Some((found, seqs)) = quarantine::look(view, keeps, at, mask)? {
        due.quarantine = Some(found);
        due.erase.extend(seqs);
    }
    due.erase.sort_unstable();
    // What was taken back may be over too.
    due.erase.dedup();
    Ok(due)
}

/// Those documents of a class whose longest time is over, part by part.
fn over(
    view: &View,
    class: &Kept,
    (parts, of_class): (&[&dyn Part], &[RoaringBitmap]),
    at: Micros,
    report: &mut ClassReport,
) -> Result<Vec<RoaringBitmap>> {
    let starts = Starts::of(view, class, parts, of_class)?;
    let mut all = Vec::with_capacity(parts.len());
    for (nth, (part, docs)) in parts.iter().zip(of_class).enumerate() {
        let (over, next) = starts.over(*part, nth, docs, |start| is_past(class, start, at))?;
        let next = next.and_then(|start| class.maximum?.after(start));
        report.next = [report.next, next].into_iter().flatten().min();
        all.push(over);
    }
    leave_what_speaks_of_others(view, parts, &mut all)?;
    Ok(all)
}

/// Whether the longest time is over that began at `start`.
fn is_past(class: &Kept, start: Micros, at: Micros) -> bool {
    class.maximum.and_then(|maximum| maximum.after(start)).is_some_and(|end| end <= at)
}
