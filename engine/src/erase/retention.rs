//! Records whose longest time is over: counted, and erased by the way of every erasure.
//!
//! What is kept by whom is settled in this order: a hold, a lock, the longest time. Nothing goes early: the time
//! is what the store believes, which never runs ahead of a clock that was set forward for less than a day,
//! and never later than the clock.

pub mod starts;

use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::erase::retention::starts::Starts;
use crate::erase::{Certificate, certificate, pass, rules, target};
use crate::error::{ErrorKind, Result};
use crate::id::{Micros, PersonNumber, RequestId, Seq};
use crate::index::{Part, Term};
use crate::ingest::Queue;
use crate::keyring::pending::{Done, Target, Waiting};
use crate::keyring::{Changes, catalog};
use crate::policy::{self, Action, Basis, Facts};
use crate::query::held::Standing;
use crate::register::class::{Kept, Then};
use crate::register::hold::{Placed, Scope};
use crate::state::{State, beside_erasures, commit};
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
    /// Those whose longest time is over, and which nothing keeps.
    pub due: u64,
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
    /// One for what was due; before it, one for a run that had not come to its end. None of a dry run.
    pub certificates: Vec<Certificate>,
}

/// Records whose time is over, as far as nothing keeps them.
struct Due {
    classes: Vec<ClassReport>,
    /// Those that are to be erased, ascending.
    erase: Vec<Seq>,
}

/// Erases what is due of classes that are erased then; counts what is due of the others. A dry run answers
/// the same, but for the certificate, and erases nothing.
///
/// # Errors
/// *Corrupt* while a segment can't be read that nobody gave up, or a record of a register: what is held is
/// not known then. As of every erasure.
pub fn run(state: &Arc<State>, queue: &Queue, dry_run: bool) -> Result<RetentionReport> {
    state.check_writable()?;
    // Where the clock is behind, nothing goes before it is put right: one that was set back and then forward
    // again has the store believe in years that never were.
    let at = state.look_at_clock()?.believed.min(state.env.clock.now());
    let first = {
        let view = state.view.read();
        if !view.missing.is_empty() {
            return Err(pass::waits());
        }
        look(&view, at)?
    };
    let mut report = RetentionReport { at, classes: first.classes, certificates: Vec::new() };
    if dry_run {
        return Ok(report);
    }
    // One that waits already, for room or for a hold, is gone on with first.
    let waiting = catalog::waiting(&state.view.read().tree)?;
    for (request, _) in waiting.iter().filter(|(_, waiting)| is_of_class(waiting)) {
        match finish(state, queue, *request) {
            // It is completed when the hold is lifted, and keeps nothing else.
            Err(e) if e.kind() == ErrorKind::Refused => {}
            done => report.certificates.extend(done?),
        }
    }
    if let Some(request) = announce(state, at)? {
        report.certificates.extend(finish(state, queue, request)?);
    }
    Ok(report)
}

const fn is_of_class(waiting: &Waiting) -> bool {
    matches!(waiting.target, Target::Records { of: Target::CLASS, .. })
}

/// What is due goes into the key tree: from here on a crash does not lose it. `None` if nothing is.
fn announce(state: &Arc<State>, at: Micros) -> Result<Option<RequestId>> {
    let keyring = state.keyring.lock();
    let tree = keyring.tree();
    let erase = look(&state.view.read(), at)?.erase;
    if erase.is_empty() {
        return Ok(None);
    }
    let request = RequestId(state.env.random(b"request")?);
    let mut changes = Changes::new();
    let now = state.env.clock.now();
    let waiting = Waiting {
        progress: Done { basis: Basis::Retention as u8, ..Done::default() },
        ..Waiting::new(Target::Records { of: Target::CLASS, seqs: erase }, now)
    };
    // What holds, locks and restrictions keep was left out record by record.
    let facts = Facts { past_maximum: true, ..Facts::default() };
    let asked = policy::ask(Action::ExpireClass, &facts, now);
    let (permit, _) = asked.map_err(|ground| rules::refusal(&ground))?;
    rules::accept(permit, &mut changes, &tree, request, waiting)?;
    commit::commit_locked(state, &keyring, &changes, keyring.head().log, |_| {})?;
    Ok(Some(request))
}

fn finish(state: &Arc<State>, queue: &Queue, request: RequestId) -> Result<Option<Certificate>> {
    pass::run_with_room(state, queue, request)?;
    let mut found = certificate::find(&state.view.read(), request)?;
    if let Some(certificate) = &mut found {
        // It is erased, whatever keeps the log from being signed.
        certificate.evidence = beside_erasures(|| certificate::sign(state, certificate, None)).ok();
    }
    Ok(found)
}

/// Every class, and what is due of it at an instant.
fn look(view: &View, at: Micros) -> Result<Due> {
    let registers = view.rules();
    rules::check_read(view)?;
    let parts = view.parts();
    let mut due = Due { classes: Vec::new(), erase: Vec::new() };
    let standing = Standing::of(view)?;
    let mut kept: Vec<Option<RoaringBitmap>> = vec![None; parts.len()];
    for class in registers.classes.iter() {
        let mut report = ClassReport {
            code: class.class.code.clone(),
            active: class.active,
            then: class.class.then,
            records: 0,
            due: 0,
            held: 0,
            locked: 0,
            next: None,
        };
        let mut of_class = Vec::with_capacity(parts.len());
        for part in &parts {
            let mut docs = part.class_docs(class.class.number)?;
            if !docs.is_empty() && !view.mask.is_empty() {
                docs -= view.mask.docs_in(*part)?;
            }
            report.records += docs.len();
            of_class.push(docs);
        }
        let starts = Starts::of(view, class, &parts, &of_class)?;
        for (((part, docs), kept), nth) in parts.iter().zip(&of_class).zip(&mut kept).zip(0..) {
            if docs.is_empty() || class.maximum.is_none() {
                continue;
            }
            let (over, next) = starts.over(*part, nth, docs, |start| is_past(class, start, at))?;
            let next = next.and_then(|start| class.maximum?.after(start));
            report.next = [report.next, next].into_iter().flatten().min();
            if over.is_empty() {
                continue;
            }
            let kept = match kept {
                Some(kept) => kept,
                None => kept.insert(kept_in(view, &standing, *part)?),
            };
            report.held += (&over & &*kept).len();
            let free = over - &*kept;
            let (unlocked, _) = starts.over(*part, nth, &free, |start| is_unlocked(class, start, at))?;
            report.locked += free.len() - unlocked.len();
            report.due += unlocked.len();
            if class.class.then == Then::Erase {
                due.erase.extend(part.seqs(&unlocked)?);
            }
        }
        due.classes.push(report);
    }
    due.erase.sort_unstable();
    Ok(due)
}

/// Documents of a part that stay, whatever their class: what is held, and what a person had restricted
/// (GDPR article 18 (2)).
fn kept_in(view: &View, standing: &Standing<'_>, part: &dyn Part) -> Result<RoaringBitmap> {
    let mut docs = standing.docs(part, &RoaringBitmap::new(), &mut Vec::new())?;
    let restricted = view.rules().holds.iter().filter(|placed| placed.restricts());
    for Placed { hold, .. } in restricted {
        match &hold.scope {
            Scope::Person(number) => {
                docs |= target::of_subjects(part, &target::linked(view, PersonNumber(*number))?)?;
            }
            Scope::Conversation(name) => docs |= part.postings(&Term::conversation(name))?,
            // Queries are held, not restricted.
            Scope::Query { .. } => {}
        }
    }
    Ok(docs)
}

/// Whether the longest time is over that began at `start`.
fn is_past(class: &Kept, start: Micros, at: Micros) -> bool {
    class.maximum.and_then(|maximum| maximum.after(start)).is_some_and(|end| end <= at)
}

/// Whether the shortest time is over. It is kept to the end of its day, so it may outlast a longest time that is as
/// long.
fn is_unlocked(class: &Kept, start: Micros, at: Micros) -> bool {
    class.lock.is_none_or(|lock| lock.kept_until(start).is_some_and(|end| end <= at))
}
