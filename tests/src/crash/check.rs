//! Opens the store on any state of its disk and holds it against what had been promised.
//!
//! The checks carry the names of the protocol's invariants: S1 nothing erased can be opened, S2
//! the acknowledged is there exactly once and erasures are whole or not done, S3 it opens, S4 one
//! `erased` record for each erasure and none while its target is there, S6 numbers are used once,
//! S7 bare positions are the sum of what was removed.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use escrowdb::ErrorKind;
use escrowdb::id::RequestId;
use escrowdb::query::ast::{Ast, Leaf};
use escrowdb::query::words::{Form, Words};
use escrowdb::session::Session;
use escrowdb::store::{
    AuditRules, Certificate, EraseOptions, Hit, Level, Order, Outcome, SearchOptions, Store, VerifyOptions,
};
use escrowdb::vfs::Vfs;

use crate::crash::ledger::{Erasure, Ledger, Rec, Target, Tried};
use crate::crash::told;
use crate::crash::world::{SLOT, Setup, person, rec, record_id};
use crate::evidence::{Evidence, PAGE};
use crate::recording_vfs::{Op, RecordingVfs};
use crate::sealed::{Depth, hunt, windows};
use crate::words::has;

/// A broken promise: which check, and what was seen.
#[derive(Debug)]
pub struct Violation {
    /// Name of the check.
    pub check: &'static str,
    /// What was seen.
    pub what: String,
}

/// What a check answers.
pub type Checked<T = ()> = Result<T, Violation>;

/// A broken promise.
pub fn broken<T>(check: &'static str, what: impl Into<String>) -> Checked<T> {
    Err(Violation { check, what: what.into() })
}

/// A promise that must hold.
pub fn ensure(holds: bool, check: &'static str, what: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { broken(check, what()) }
}

/// Every record but acts.
const EVERYTHING: &str = "kind:message OR kind:person";

/// Opens the store on `disk`, checks it, uses it, opens it again and checks it again.
pub fn check(disk: &Arc<dyn Vfs>, setup: &Setup, ledger: &Ledger, salt: u64) -> Checked {
    guarded(|| {
        let store = open(disk, setup, salt)?;
        one_root(disk)?;
        whole(&store, ledger)?;
        let mut after = ledger.clone();
        use_it(&store, &mut after)?;
        drop(store);
        let store = open(disk, setup, !salt)?;
        whole(&store, &after)
    })
}

/// Opens the store and checks it, no more.
pub fn check_opening(disk: &Arc<dyn Vfs>, setup: &Setup, ledger: &Ledger, salt: u64) -> Checked {
    guarded(|| {
        let store = open(disk, setup, salt)?;
        one_root(disk)?;
        whole(&store, ledger)
    })
}

/// Runs a check; a panic is a violation too.
pub fn guarded(check: impl FnOnce() -> Checked) -> Checked {
    catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        broken("PANIC", text.unwrap_or_default())
    })
}

fn open(disk: &Arc<dyn Vfs>, setup: &Setup, salt: u64) -> Checked<Store> {
    let setup = Setup { background: false, ..*setup };
    setup
        .builder(Arc::clone(disk), salt)
        .open()
        .map_err(|e| Violation { check: "S3", what: format!("{:?}: {e}", e.kind()) })
}

/// An open store's slot holds one root, in both copies, and zeros: a crash may have come between
/// the commit and the destruction, and a torn record may hold a readable half of a root.
fn one_root(disk: &Arc<dyn Vfs>) -> Checked {
    let mut slot = vec![0; 4 * PAGE];
    let read = disk.open(Path::new(SLOT)).and_then(|f| f.read_exact_at(&mut slot, 0));
    read.map_err(|e| Violation { check: "S3", what: format!("the slot: {e}") })?;
    let (first, second) = slot.split_at(2 * PAGE);
    let empty = |record: &[u8]| record.iter().all(|b| *b == 0);
    let copies_agree = |record: &[u8]| record[..PAGE] == record[PAGE..] && !empty(record);
    let one = copies_agree(first) && empty(second) || empty(first) && copies_agree(second);
    ensure(one, "S1", || "the slot of an open store does not hold one root, twice, and nothing else".into())
}

/// Everything that the store answers with, against the ledger. Of a store that keeps acts none are kept
/// meanwhile: each of a few hundred questions would be one.
pub fn whole(store: &Store, ledger: &Ledger) -> Checked {
    let rules = store.audit_rules().map_err(|e| failed("rules of acts", e))?;
    let set = |rules| {
        store.set_audit_rules(&Session::new(), &rules).map_err(|e| failed("change the rules of acts", e))
    };
    if rules.level == Level::Off {
        return all_of_it(store, ledger);
    }
    let quiet = AuditRules::new(Level::Off).keep_acts(rules.keep_acts).keep_details(rules.keep_details);
    set(quiet)?;
    all_of_it(store, ledger)?;
    set(rules)
}

fn all_of_it(store: &Store, ledger: &Ledger) -> Checked {
    let reading = store.session(Session::new());
    let failed = |what: &str, e: escrowdb::Error| Violation { check: "S2", what: format!("{what}: {e}") };
    let all = SearchOptions::new().limit(100_000);
    let messages = reading.search("*", &all).map_err(|e| failed("search", e))?;
    let acts = reading.search("kind:erased", &all).map_err(|e| failed("search for acts", e))?;
    let mut found: BTreeMap<&str, &Hit> = BTreeMap::new();
    for hit in &messages {
        if found.insert(&hit.id, hit).is_some() {
            return broken("S2", format!("{} is there twice", hit.id));
        }
    }
    let expired = told::expired(store, ledger, &acts)?;
    let done = acts_once(ledger, &acts)?;
    told::told(store, ledger, &done, &expired)?;
    // Erasures that are half done: whole out of sight, and not on record.
    let hidden = |e: &&Erasure| {
        let mut taken = ledger.records.values().filter(|t| takes(e, t) == Some(true));
        ledger.running && !done.contains(&e.request) && taken.all(|t| !found.contains_key(t.rec.id.as_str()))
    };
    let hidden: Vec<&Erasure> = ledger.erasures.iter().filter(hidden).collect();

    for tried in ledger.records.values() {
        let hit = found.get(tried.rec.id.as_str()).copied();
        if hit.is_none() && hidden.iter().any(|e| takes(e, tried) != Some(false)) {
            continue;
        }
        record(store, ledger, &done, tried, hit)?;
    }
    for hit in &messages {
        ensure(ledger.records.contains_key(&hit.id), "S2", || format!("{} was never written", hit.id))?;
    }
    for batch in &ledger.batches {
        let there = |id: &&String| found.contains_key(id.as_str());
        let free = |id: &&String| ledger.erasures.iter().all(|e| !e.target.takes(&ledger.records[*id].rec));
        let ids: Vec<_> = batch.iter().filter(free).collect();
        let n = ids.iter().filter(|id| there(id)).count();
        ensure(n == 0 || n == ids.len(), "S2", || format!("{n} of {} of one batch", ids.len()))?;
    }
    asked_words(store, ledger, &messages)?;
    if hidden.is_empty() {
        numbers(store, ledger, &done)?;
        positions(store, ledger, &done, &expired)?;
    }
    let report = store.verify(&VerifyOptions::new().read_data(true)).map_err(|e| failed("verify", e))?;
    let mut damage = report.damage;
    // Bodies whose key died in the first pass of an erasure are there until its last.
    damage.retain(|d| hidden.is_empty() || !d.contains("a subject has no content key"));
    damage.retain(|d| ledger.damaged.as_ref().is_none_or(|known| !d.starts_with(known)));
    ensure(damage.is_empty(), "S7", || damage.join("; "))
}

/// Records whose words are asked for; each costs a few searches and a look at every text.
const ASKED_MAX: usize = 2;

/// Words, phrases, beginnings and near words find what a look at the texts finds that are there:
/// `there` is every record. Asked for are words of some that were ever written, dead or alive.
fn asked_words(store: &Store, ledger: &Ledger, there: &[Hit]) -> Checked {
    let failed = |what: &str, e: escrowdb::Error| Violation { check: "S2", what: format!("{what}: {e}") };
    let reading = store.session(Session::new());
    let step = ledger.records.len().div_ceil(ASKED_MAX).max(1);
    // Not the same ones each time.
    let from = there.len() % step;
    for tried in ledger.records.values().skip(from).step_by(step) {
        let Rec { id, conversation, .. } = &tried.rec;
        let short = id.trim_start_matches("id-of-").trim_end_matches('.');
        for (text, form) in [
            (short.to_owned(), Form::Exact),
            (tried.rec.word(), Form::Exact),
            (format!("we.said.canaryid.of.{}", &short[..1]), Form::Prefix),
            (format!("q{short}"), Form::Near),
            (format!("{conversation}.we"), Form::Exact),
        ] {
            let wanted = there.iter().filter(|hit| has(&hit.body, &text, form));
            let wanted: BTreeSet<&str> = wanted.map(|hit| hit.id.as_str()).collect();
            let query = Ast::Leaf(Leaf::Words(Words::new(text, form).unwrap())).to_string();
            let order = if from.is_multiple_of(2) { Order::Relevance } else { Order::Newest };
            let all = SearchOptions::new().limit(100_000).order(order).snippets(true);
            let found = reading.search(&query, &all).map_err(|e| failed(&query, e))?;
            let ids: BTreeSet<&str> = found.iter().map(|hit| hit.id.as_str()).collect();
            ensure(ids == wanted && found.len() == wanted.len(), "S2", || {
                format!("{query} finds {ids:?} and not {wanted:?}")
            })?;
            let n = reading.count(&query).map_err(|e| failed(&query, e))?;
            ensure(n == wanted.len() as u64, "S2", || format!("{query}: {n}, and not {}", wanted.len()))?;
        }
    }
    Ok(())
}

/// At most one act for each request, and one for each that was accepted. Answers the requests
/// that are done.
fn acts_once(ledger: &Ledger, acts: &[Hit]) -> Checked<BTreeSet<RequestId>> {
    let mut done = BTreeSet::new();
    for act in acts {
        let request = act.id.strip_prefix("erased/").and_then(RequestId::parse);
        // What expired by itself was looked at apart.
        let known = request.filter(|r| ledger.erasures.iter().any(|e| e.request == *r));
        let Some(request) = known else { continue };
        ensure(done.insert(request), "S4", || format!("two erased records of {request}"))?;
    }
    for e in &ledger.erasures {
        let there = done.contains(&e.request);
        ensure(there || e.erased.is_none(), "S4", || format!("no erased record of {:?}", e.target))?;
        ensure(there || e.accepted.is_none(), "S4", || format!("the request for {:?} was lost", e.target))?;
    }
    Ok(done)
}

/// Whether an erasure takes a record: `None` if they ran side by side.
pub fn takes(e: &Erasure, tried: &Tried) -> Option<bool> {
    if !e.target.takes(&tried.rec) {
        return Some(false);
    }
    match (tried.acked, e.erased) {
        (Some(acked), _) if acked < e.asked => Some(true),
        (_, Some(erased)) if tried.tried > erased => Some(false),
        _ => None,
    }
}

fn record(
    store: &Store,
    ledger: &Ledger,
    done: &BTreeSet<RequestId>,
    tried: &Tried,
    hit: Option<&Hit>,
) -> Checked {
    let id = &tried.rec.id;
    let by = |answer: Option<bool>| {
        ledger.erasures.iter().filter(|e| done.contains(&e.request)).any(|e| takes(e, tried) == answer)
    };
    let (gone, unsure) = (by(Some(true)), by(None));
    if gone {
        ensure(hit.is_none(), "S4", || format!("{id} is readable and its erasure is on record"))?;
        return unknown(store, tried);
    }
    let Some(hit) = hit else {
        return ensure(tried.acked.is_none() || unsure, "S2", || {
            format!("{id} was acknowledged and is lost")
        });
    };
    let record = tried.rec.record();
    let same = hit.body == record.body && hit.tags == record.tags && hit.conversation == record.conversation;
    ensure(same, "S2", || format!("{id} has another content"))?;
    // An author who was erased is blank; any other stands.
    let blank = |answer: Option<bool>| {
        ledger.erasures.iter().filter(|e| done.contains(&e.request)).any(|e| {
            let as_author = Tried {
                rec: Rec { subject: tried.rec.author.clone(), ..tried.rec.clone() },
                ..tried.clone()
            };
            matches!(e.target, Target::Person(_)) && takes(e, &as_author) == answer
        })
    };
    match &hit.author {
        Some(author) => ensure(*author == tried.rec.author && !blank(Some(true)), "S1", || {
            format!("{id} has an author who was erased, or another one")
        }),
        None => ensure(blank(Some(true)) || blank(None), "S2", || format!("{id} lost its author")),
    }
}

/// No query finds what was erased.
fn unknown(store: &Store, tried: &Tried) -> Checked {
    let reading = store.session(Session::new());
    for query in [format!("tag:of:{}", tried.rec.id), format!("id:{}", tried.rec.id)] {
        let n = reading.count(&query).map_err(|e| Violation { check: "S1", what: e.to_string() })?;
        ensure(n == 0, "S1", || format!("{n} hits for {query} after its erasure"))?;
    }
    match reading.get(&tried.rec.id, None) {
        Ok(hits) if hits.is_empty() => Ok(()),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        Err(e) => broken("S1", format!("get of the erased {}: {:?}: {e}", tried.rec.id, e.kind())),
        Ok(hits) => broken("S1", format!("get finds {} of {} after its erasure", hits.len(), tried.rec.id)),
    }
}

/// A person keeps her number until she is erased; a number is given once.
fn numbers(store: &Store, ledger: &Ledger, done: &BTreeSet<RequestId>) -> Checked {
    let reading = store.session(Session::new());
    let mut owners: BTreeMap<u64, (&str, usize)> = BTreeMap::new();
    for (who, number, at) in &ledger.numbers {
        let erased_between = |from: usize| {
            ledger.erasures.iter().any(|e| {
                e.target == Target::Person(who.clone()) && e.erased.is_some_and(|d| from < d && d < *at)
            })
        };
        if let Some((owner, from)) = owners.insert(*number, (who, *at)) {
            ensure(owner == who && !erased_between(from), "S6", || {
                format!("number {number} was given twice")
            })?;
        }
    }
    let people: BTreeSet<&str> = ledger.numbers.iter().map(|(who, ..)| who.as_str()).collect();
    for who in people {
        let last = ledger.numbers.iter().rev().find(|(w, ..)| w == who);
        let Some((_, number, at)) = last else { continue };
        let of_her = |e: &&Erasure| e.target == Target::Person(who.to_owned());
        let mut erasures = ledger.erasures.iter().filter(of_her).filter(|e| done.contains(&e.request));
        let gone = erasures.clone().any(|e| *at < e.asked);
        let unsure = erasures.any(|e| e.erased.is_none_or(|d| *at < d));
        // With the last record that tells of her she is forgotten, too.
        let named = |rec: &Rec| rec.subject == who || rec.author == who;
        let taken = |e: &Erasure| ledger.records.values().any(|t| named(&t.rec) && e.target.takes(&t.rec));
        if ledger.erasures.iter().any(|e| done.contains(&e.request) && !of_her(&e) && taken(e)) {
            continue;
        }
        match reading.person(who) {
            Ok(person) if gone => {
                ensure(person.number.0 != *number, "S6", || format!("{who} has her old number again"))?
            }
            Ok(person) => ensure(person.number.0 == *number, "S6", || format!("{who} has another number"))?,
            Err(e) if e.kind() == ErrorKind::NotFound => {
                ensure(gone || unsure, "S2", || format!("{who} is not known"))?
            }
            Err(e) => return broken("S2", e.to_string()),
        }
    }
    Ok(())
}

/// Positions without a record are as many as the certificates say.
fn positions(store: &Store, ledger: &Ledger, done: &BTreeSet<RequestId>, expired: &[Certificate]) -> Checked {
    let failed = |e: escrowdb::Error| Violation { check: "S7", what: e.to_string() };
    let mut removed = expired.iter().map(|certificate| certificate.records_removed).sum::<u64>();
    for e in ledger.erasures.iter().filter(|e| done.contains(&e.request)) {
        let options = EraseOptions { reason: None, request: Some(e.request), ..EraseOptions::default() };
        // Who came back is not who was erased: the unknown ask.
        removed += store.erase(&e.target.unknown(), &options).map_err(failed)?.records_removed;
    }
    let size = store.stats().map_err(failed)?.log_size;
    // What looking leaves behind stands behind that.
    let mut there = store.session(Session::new()).count(EVERYTHING).map_err(failed)?;
    for act in told::acts(store)?.iter().filter(|act| act.seq.0 < size) {
        there += 1 + told::details(act).into_iter().map(u64::from).sum::<u64>();
    }
    ensure(size - there == removed, "S7", || {
        format!("{} bare positions, {removed} are certified", size - there)
    })
}

/// An append, an erasure of whoever is left, somebody who returns, somebody new, a roll.
fn use_it(store: &Store, ledger: &mut Ledger) -> Checked {
    let mut after = After { store, ledger, place: usize::MAX / 2 };
    after.append("later0 Y")?;
    after.append("later1 New c9")?;
    after.erase(250, Target::Person(person("X")))?;
    after.erase(251, Target::Record(record_id("later0")))?;
    after.append("back X")?;
    after.append("newer Newer")?;
    store.roll().map_err(|e| failed("roll", e))?;
    whole(store, ledger)
}

/// Goes on with a store after a crash; what it does stands behind everything in the ledger.
struct After<'a> {
    store: &'a Store,
    ledger: &'a mut Ledger,
    place: usize,
}

fn failed(what: &str, e: escrowdb::Error) -> Violation {
    Violation { check: "S3", what: format!("{what}: {e}") }
}

impl After<'_> {
    fn append(&mut self, text: &str) -> Checked {
        let one = rec(text);
        let reading = self.store.session(Session::new());
        let known = reading.person(&one.subject).is_ok();
        let outcomes = self.store.append(&[one.record()]).map_err(|e| failed("append", e))?;
        ensure(matches!(outcomes[..], [Outcome::Added(_)]), "S2", || format!("{text}: {outcomes:?}"))?;
        self.place += 10;
        self.ledger.batches.push(vec![one.id.clone()]);
        let tried = Tried { rec: one.clone(), tried: self.place, acked: Some(self.place + 1) };
        self.ledger.records.insert(one.id.clone(), tried);
        let number = reading.person(&one.subject).map_err(|e| failed("look up a person", e))?.number.0;
        let fresh = self.ledger.numbers.iter().all(|(_, n, _)| *n < number);
        ensure(known || fresh, "S6", || format!("{text} got a number that was given before"))?;
        self.ledger.numbers.push((one.subject, number, self.place + 2));
        Ok(())
    }

    fn erase(&mut self, name: u8, target: Target) -> Checked {
        let request = RequestId([name; 16]);
        let options = EraseOptions { reason: None, request: Some(request), ..EraseOptions::default() };
        match self.store.erase(&target.selector(), &options) {
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(failed("erase again", e)),
        }
        self.place += 10;
        let (asked, erased) = (self.place, Some(self.place + 1));
        self.ledger.erasures.push(Erasure { request, target, asked, accepted: Some(asked), erased });
        Ok(())
    }
}

/// S1: with every byte ever written and the slot as it is on `disk` after the store was opened,
/// nothing opens that holds a word of what was erased, nor a name of the erased.
/// What ran beside the erasure is left out.
///
/// `before` are the operations up to the crash, `disk` the recorded disk on which the store was
/// opened (and closed) since.
pub fn nothing_opens(
    before: &[Op],
    disk: &RecordingVfs,
    ledger: &Ledger,
    done: &BTreeSet<RequestId>,
) -> Checked {
    let shift = before.iter().filter(|op| matches!(op, Op::Create { .. })).count();
    let ops: Vec<Op> =
        before.iter().cloned().chain(disk.log().into_iter().map(|op| renumbered(op, shift))).collect();
    let files = disk.snapshot();
    let secrets: Vec<_> = windows(&files[Path::new(SLOT)]).collect();
    let found = hunt(&Evidence::of_log(&ops), &secrets, &BTreeSet::new(), Depth::Formats);
    for e in ledger.erasures.iter().filter(|e| done.contains(&e.request)) {
        for tried in ledger.records.values().filter(|t| takes(e, t) == Some(true)) {
            let word = tried.rec.word();
            let hits = found.find(word.as_bytes());
            if let Some(hit) = hits.first() {
                return broken(
                    "S1",
                    format!("{word} opens in {:?} {} at {}", hit.kind, hit.file, hit.offset),
                );
            }
        }
    }
    // The control: what lives opens.
    for tried in ledger.records.values().filter(|t| t.acked.is_some()) {
        let taken = |e: &Erasure| done.contains(&e.request) && takes(e, tried) != Some(false);
        if !ledger.erasures.iter().any(taken) {
            let word = tried.rec.word();
            ensure(!found.find(word.as_bytes()).is_empty(), "CONTROL", || format!("{word} does not open"))?;
        }
    }
    Ok(())
}

/// The requests whose acts stand in the store.
pub fn done(store: &Store) -> BTreeSet<RequestId> {
    let all = SearchOptions::new().limit(100_000);
    let acts = store.session(Session::new()).search("kind:erased", &all).unwrap_or_default();
    acts.iter().filter_map(|a| a.id.strip_prefix("erased/").and_then(RequestId::parse)).collect()
}

fn renumbered(op: Op, shift: usize) -> Op {
    match op {
        Op::Create { inode, path } => Op::Create { inode: inode + shift, path },
        Op::Remove { inode, path } => Op::Remove { inode: inode + shift, path },
        Op::Rename { inode, from, to } => Op::Rename { inode: inode + shift, from, to },
        Op::Write { inode, offset, bytes } => Op::Write { inode: inode + shift, offset, bytes },
        Op::SetLen { inode, len } => Op::SetLen { inode: inode + shift, len },
        Op::Allocate { inode, len } => Op::Allocate { inode: inode + shift, len },
        Op::Sync { inode } => Op::Sync { inode: inode + shift },
        Op::SyncFailed { inode } => Op::SyncFailed { inode: inode + shift },
        other @ (Op::MakeDir { .. } | Op::SyncDir { .. } | Op::Mark { .. }) => other,
    }
}
