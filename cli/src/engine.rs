//! The door to the engine: opening stores as the global flags say, paging, and the JSON and text
//! forms of hits.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use escrowdb::ErrorKind;
use escrowdb::clock::{Clock as _, SystemClock};
use escrowdb::id::RequestId;
use escrowdb::record::{Kind, time};
use escrowdb::session::Session;

// The store's verbs and answers, named here once for all commands.
pub(crate) use escrowdb::store::{
    ActOptions, ActView, Agreed, Around, AuditRules, Certificate, ClassReport, EraseOptions, Exported,
    ForReview, GivenUpBy, Hit, InQuarantine, Level, Loss, Order, Outcome, PersonView, Plan, Preset,
    Quarantined, Reading, Redaction, RedactionPlan, RequestPlan, RetentionReport, SealedObject,
    SearchOptions, Selector, Share, Store, TakenBack, Threaded, VerifyOptions,
};
use escrowdb::store::{Builder, Explain, KeyStatus, Snippet, VerifyReport};
use escrowdb::vfs::{MemoryVfs, UnmappedVfs};

use crate::args::Global;
use crate::exit::{Failure, set_unreadable};
use crate::json::{Field, Object, Value};
use crate::lent::Opened;
use crate::out::{clean, clip, note};
pub(crate) use escrowdb_server::shape::{
    hit_json, placed_json, plan_json, record_json, stats_fields, stored_json,
};

/// Opens the store the flags name; in a shell, which has it open, borrows it.
pub(crate) fn open(global: &Global) -> Result<Opened, Failure> {
    open_with(global, |global| open_by(global, builder(global)?))
}

fn open_with(
    global: &Global,
    open: impl FnOnce(&Global) -> Result<Store, Failure>,
) -> Result<Opened, Failure> {
    match global.lent.store() {
        Some(store) => {
            // What is lost may have been given up, or put right, by an earlier line.
            tell_unreadable(&store);
            Ok(Opened::Lent(store))
        }
        None => open(global).map(Opened::Own),
    }
}

/// The same for a command that damage must not stop: records in a frame of the journal that is damaged
/// beyond rescue are given up, and named on stderr.
pub(crate) fn open_past_damage(global: &Global) -> Result<Opened, Failure> {
    open_with(global, |global| open_and_tell(global, builder(global)?.accept_losses(true)))
}

/// The same for an erasure: if there is nothing to erase, nothing is given up.
pub(crate) fn open_to_erase(
    global: &Global,
    selector: &Selector,
    request: Option<RequestId>,
) -> Result<Opened, Failure> {
    open_with(global, |global| {
        open_and_tell(global, builder(global)?.accept_losses_to_erase(selector.clone(), request))
    })
}

fn open_and_tell(global: &Global, builder: Builder) -> Result<Store, Failure> {
    let before = SystemClock.now();
    let store = open_by(global, builder)?;
    let fresh = |loss: &Loss| loss.by == GivenUpBy::Opening && loss.at >= before;
    for loss in store.losses()?.iter().filter(|loss| fresh(loss)) {
        note(&format!("found lost on the way: {loss}"));
    }
    Ok(store)
}

fn open_by(global: &Global, builder: Builder) -> Result<Store, Failure> {
    let store = match builder.open() {
        Err(e) if e.kind() == ErrorKind::WrongKey => {
            let looked_at = slot(global, &folder(global)?)?;
            return Err(e.context(clean(&looked_at.display().to_string())).into());
        }
        opened => opened?,
    };
    tell_unreadable(&store);
    Ok(store)
}

/// Remembers what of the store can't be read.
fn tell_unreadable(store: &Store) {
    let what: Vec<String> = store.unreadable().into_iter().map(|segment| segment.what).collect();
    set_unreadable((!what.is_empty()).then(|| what.join("; ")));
}

/// Opens the store the flags name; if none is named, or there is no such folder, an empty one
/// that is nowhere.
pub(crate) fn open_or_imagine(global: &Global) -> Result<Opened, Failure> {
    let named = global.store.as_ref().filter(|folder| !folder.as_os_str().is_empty());
    if named.is_some_and(|folder| folder.symlink_metadata().is_ok()) {
        return open(global);
    }
    note("no store: the answer is that of a new one");
    Ok(Opened::Own(Store::builder("/new").vfs(Arc::new(MemoryVfs::new())).create()?))
}

/// Opens the store and reads from it as the actor the flags name.
pub(crate) fn session<'s>(store: &'s Store, global: &Global) -> Reading<'s> {
    let reading = store.session(as_named(global));
    // All that a command asks is one question to whoever typed it.
    match global.time_limit.and_then(|limit| Instant::now().checked_add(limit)) {
        Some(end) => reading.deadline(end),
        None => reading,
    }
}

/// Who the flags say is asking, what for, in which case.
pub(crate) fn as_named(global: &Global) -> Session {
    let mut session = Session::new();
    if let Some(actor) = &global.actor {
        session = session.actor(actor);
    }
    if let Some(purpose) = &global.purpose {
        session = session.purpose(purpose);
    }
    if let Some(case) = &global.case {
        session = session.case(case);
    }
    session
}

/// A builder with folder and slot set.
pub(crate) fn builder(global: &Global) -> Result<Builder, Failure> {
    let folder = folder(global)?;
    // A command is over soon; what it began to compact would be thrown away.
    let builder = Store::builder(&folder).slot(slot(global, &folder)?).compaction(false).audit(Level::Acts);
    let builder = match global.region.as_deref().filter(|region| !region.is_empty()) {
        Some(region) => builder.here(region),
        None => builder,
    };
    let builder = match global.transfer_basis.as_deref().filter(|basis| !basis.trim().is_empty()) {
        Some(basis) => builder.transfer_basis(basis, &as_named(global)),
        None => builder,
    };
    Ok(if global.no_mmap { builder.vfs(Arc::new(UnmappedVfs)) } else { builder })
}

/// The folder the flags name.
pub(crate) fn folder(global: &Global) -> Result<PathBuf, Failure> {
    match &global.store {
        Some(folder) if !folder.as_os_str().is_empty() => Ok(folder.clone()),
        _ => Err(Failure::usage("no store named").hint("give --store DIR or set ESCROW_STORE")),
    }
}

/// The slot's file: as named, or `DIR.slot` beside the folder, never inside.
pub(crate) fn slot(global: &Global, folder: &Path) -> Result<PathBuf, Failure> {
    match global.slot.as_deref() {
        None => beside(folder),
        Some(named) => match named.strip_prefix("file:") {
            Some(path) if !path.is_empty() => Ok(PathBuf::from(path)),
            _ => Err(Failure::usage("--slot must be file:PATH")
                .hint("other kinds of slot (hardware, vaults) are not in this version")),
        },
    }
}

fn beside(folder: &Path) -> Result<PathBuf, Failure> {
    // `.` and `x/..` have no name of their own.
    let named = match folder.file_name() {
        Some(_) => folder.to_owned(),
        None => folder.canonicalize().map_err(|e| Failure::io("find the store's folder", e))?,
    };
    let mut name = named
        .file_name()
        .ok_or_else(|| {
            Failure::usage("the root folder has no place beside it").hint("give --slot file:PATH")
        })?
        .to_owned();
    name.push(".slot");
    Ok(named.with_file_name(name))
}

/// Calls `each` with the hits of a query, at most `limit` of them. Any number of hits needs bounded
/// memory. Returns the number of hits and whether more exist.
pub(crate) fn each_hit(
    reading: &Reading,
    query: &str,
    (options, limit): (SearchOptions, Option<u64>),
    each: impl FnMut(Hit) -> Result<(), Failure>,
) -> Result<(u64, bool), Failure> {
    // One more than needed tells whether more exist.
    let most = limit.and_then(|limit| usize::try_from(limit).ok()?.checked_add(1));
    let options = options.limit(most.unwrap_or(usize::MAX));
    walked(limit, each, |each| reading.search_with(query, &options, each))
}

/// Hands the hits of a walk to `each` until that fails or `limit` of them went by.
pub(crate) fn walked(
    limit: Option<u64>,
    mut each: impl FnMut(Hit) -> Result<(), Failure>,
    walk: impl FnOnce(&mut dyn FnMut(Hit) -> bool) -> Result<(), escrowdb::Error>,
) -> Result<(u64, bool), Failure> {
    let (mut done, mut more, mut failed) = (0u64, false, None);
    let ended = walk(&mut |hit| {
        if limit == Some(done) {
            more = true;
            return false;
        }
        done += 1;
        failed = each(hit).err();
        failed.is_none()
    });
    match failed {
        Some(failure) => Err(failure),
        None => Ok(ended.map(|()| (done, more))?),
    }
}

/// A snippet on one line, the words that were asked for between `»` and `«`.
fn snippet_text(snippet: &Snippet) -> String {
    let mut text = String::from(if snippet.from > 0 { "… " } else { "" });
    for (at, character) in (snippet.from..).zip(snippet.text.chars()) {
        text.extend(snippet.marks.iter().any(|m| m.start == at).then_some('»'));
        text.push(character);
        text.extend(snippet.marks.iter().any(|m| m.end == at + 1).then_some('«'));
    }
    text.push_str(if snippet.goes_on { " …" } else { "" });
    clean(&text)
}

/// Runs queries; says on standard error what they cost if that is asked for.
pub(crate) fn explained<R>(
    explain: bool,
    json: bool,
    reading: &Reading,
    run: impl FnOnce(&Reading) -> Result<R, Failure>,
) -> Result<R, Failure> {
    if !explain {
        return run(reading);
    }
    let (answer, cost) = reading.explained(|reading| Ok(run(reading)))?;
    let Explain { segments, visited, pages_opened, elapsed, .. } = cost;
    let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
    note(&if json {
        let mut cost = Object::new();
        cost.number("segments", segments).number("visited", visited);
        cost.number("pages_opened", pages_opened).number("micros", micros);
        let mut line = Object::new();
        line.raw("explain", &cost.finish());
        line.finish()
    } else {
        format!("explain: {visited} of {segments} segments visited, {pages_opened} pages opened, {micros} µs")
    });
    answer
}

/// A hit as two lines for people: where and who, then the beginning of the text.
pub(crate) fn hit_text(hit: &Hit) -> String {
    let body = hit.snippet.as_ref().map_or_else(|| clip(&hit.body, BODY_COLUMNS), snippet_text);
    format!("{}\n    {body}", head(hit))
}

/// A whole record for people: where and who, what else is known of it, then every line of the text.
/// These stand further to the right, so that no text can pass for what stands before it.
pub(crate) fn hit_full(hit: &Hit) -> String {
    let mut text = head(hit);
    let mut put = |name: &str, value: &str| text.push_str(&format!("\n  {}: {}", clean(name), clean(value)));
    // Of most records the author is the one subject.
    if hit.author.as_slice() != hit.subjects {
        put(
            "subjects",
            if hit.subjects.is_empty() { "(unknown)".to_owned() } else { hit.subjects.join(", ") }.as_str(),
        );
    }
    if !hit.channel.is_empty() {
        put("channel", &hit.channel);
    }
    if let Some(id) = &hit.reply_to {
        put("answers", &format!("#{id}"));
    }
    if let Some(id) = &hit.target {
        put("about", &format!("#{id}"));
    }
    hit.extra.iter().for_each(|(name, json)| put(name, json));
    for line in hit.body.lines() {
        text.push_str("\n    ");
        text.push_str(&clean(line));
    }
    text
}

fn head(hit: &Hit) -> String {
    let author = hit.author.as_deref().unwrap_or("(unknown)");
    let mut head = format!("{}  {}  {}", time::format(hit.time), clean(&hit.conversation), clean(author));
    if hit.kind != Kind::Message {
        head.push_str(&format!("  ({})", hit.kind.name()));
    }
    if !hit.tags.is_empty() {
        head.push_str(&format!("  [{}]", clean(&hit.tags.join(" "))));
    }
    format!("{head}  #{}", clean(&hit.id))
}

/// What `key status` shows.
pub(crate) fn key_fields(status: &KeyStatus) -> Vec<Field> {
    vec![
        ("slot", Value::Text(status.slot.to_string())),
        ("grade", Value::Text(status.grade.to_string())),
        ("epoch", Value::Number(status.epoch.0)),
    ]
}

/// What `verify` counted.
pub(crate) fn verify_fields(report: &VerifyReport) -> Vec<Field> {
    vec![
        ("pages", Value::Number(report.pages)),
        ("segments", Value::Number(report.segments)),
        ("records", Value::Number(report.records)),
        ("leaves", Value::Number(report.leaves)),
        ("records_lost", Value::Number(report.records_lost)),
    ]
}

/// Columns of text shown of a body.
const BODY_COLUMNS: usize = 96;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_slot_stands_beside() {
        let global = Global::default();
        assert_eq!(slot(&global, Path::new("/a/store")).unwrap(), PathBuf::from("/a/store.slot"));
        assert_eq!(slot(&global, Path::new("store/")).unwrap(), PathBuf::from("store.slot"));
        let here = std::env::current_dir().unwrap();
        let expected = format!("{}.slot", here.display());
        assert_eq!(slot(&global, Path::new(".")).unwrap(), PathBuf::from(expected));
    }

    #[test]
    fn only_files_are_slots() {
        let mut global = Global::default();
        for (named, good) in [("file:/a/b", true), ("file:", false), ("/a/b", false), ("tpm:0", false)] {
            global.slot = Some(named.to_owned());
            assert_eq!(slot(&global, Path::new("/a/store")).is_ok(), good, "{named}");
        }
    }
}
