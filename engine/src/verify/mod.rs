//! Does the store hold what it says it holds? Damage is reported by name, not by failing.

use std::sync::Arc;

use roaring::RoaringTreemap;

use crate::error::{ErrorKind, Result};
use crate::id::SegmentId;
use crate::index::scrub::Scrubbed;
use crate::index::{IndexBuilder, Part, Scrub, file};
use crate::keyring::losses::By;
use crate::keyring::{Report, catalog};
use crate::merkle::commitment::leaf;
use crate::parity::{Damage, Fate};
use crate::state::heal::{self, GiveUp};
use crate::state::tree_now::{History, TreeNow};
use crate::state::{State, commit};
use crate::view::Rolled;

pub mod against;
pub mod interval;
pub mod probe;
pub(crate) mod published;
pub mod residency;

pub use crate::index::Share;

/// What to look at.
///
/// ```
/// # use std::sync::Arc;
/// # use escrowdb::{id::Micros, session::Session, store::*, vfs::MemoryVfs};
/// # let store = Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).create()?;
/// # store.append(&[Record::new("c1", "anna@example.org", Micros(0), "Hello").id("m1")])?;
/// # store.roll()?;
/// let report = store.verify(&VerifyOptions::new().read_data(true))?;
/// assert!(report.damage.is_empty(), "{}", report.damage.join(", "));
/// # Ok::<(), escrowdb::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct VerifyOptions {
    /// Open every body and compare it with its leaf and with the index.
    pub read_data: bool,
    /// Which part of the pages and blocks of segments: with all shares of *m*, all are looked at.
    /// Bodies are compared with leaves and index only if this is everything.
    pub share: Share,
    /// Write back what rescue brings, and build anew what can be.
    pub repair: bool,
    /// With [`Self::repair`]: give up what nothing brings back. It leaves the store for good, and
    /// every later report names it.
    pub accept_losses: bool,
}

impl VerifyOptions {
    /// Everything but bodies.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bodies, leaves and index too, or not.
    #[must_use]
    pub const fn read_data(mut self, yes: bool) -> Self {
        self.read_data = yes;
        self
    }

    /// Look at one share only.
    #[must_use]
    pub const fn share(mut self, share: Share) -> Self {
        self.share = share;
        self
    }

    /// Give up what nothing brings back, or keep it for a backup that may still have it.
    #[must_use]
    pub const fn accept_losses(mut self, yes: bool) -> Self {
        self.accept_losses = yes;
        self
    }

    const fn give_up(&self) -> GiveUp {
        if self.accept_losses { GiveUp::Segments } else { GiveUp::Nothing }
    }

    /// Repair what can be, or not.
    #[must_use]
    pub const fn repair(mut self, yes: bool) -> Self {
        self.repair = yes;
        self
    }
}

/// What was looked at and what is damaged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Pages of the key tree, each in both copies.
    pub pages: u64,
    /// Segments.
    pub segments: u64,
    /// Records whose bodies were opened and compared.
    pub records: u64,
    /// Leaves of the log.
    pub leaves: u64,
    /// What is damaged: file, place, what was expected, and what can be done.
    pub damage: Vec<String>,
    /// How many of these places [`VerifyOptions::repair`] would set right.
    pub repairable: u64,
    /// What was damaged and is repaired.
    pub repaired: Vec<String>,
    /// What was ever given up: lost before, and out of the store since then. It is no damage any
    /// more, and is named for good.
    pub given_up: Vec<String>,
    /// How many records that were.
    pub records_lost: u64,
}

impl VerifyReport {
    fn add(&mut self, place: std::fmt::Arguments<'_>, Damage { what, fate }: Damage) {
        let list = if fate == Fate::Repaired { &mut self.repaired } else { &mut self.damage };
        list.push(format!("{place}{what}"));
        self.repairable += u64::from(fate == Fate::Rescued);
    }
}

/// How far a check came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyProgress {
    /// Records of the segments that were looked at.
    pub records: u64,
    /// Records of all segments.
    pub of: u64,
}

/// Checks the store. `each` is called before the first segment and behind each.
pub fn verify(
    state: &Arc<State>,
    options: &VerifyOptions,
    each: &mut dyn FnMut(VerifyProgress),
) -> Result<VerifyReport> {
    // One roll or erasure less to meet halfway.
    state.wait_for_roll();
    // A segment that a compaction took away meanwhile would be looked at by nobody.
    let _no_compaction = state.forbid_compactions();
    let mut report = VerifyReport::default();
    {
        let keyring = state.keyring.lock();
        let mut pages = Report::default();
        keyring.verify(options.repair, &mut pages)?;
        report.pages = pages.pages;
        if pages.repaired > 0 {
            report
                .repaired
                .push(format!("{} copies of pages of HEAD and the key tree; repaired", pages.repaired));
        }
        report.damage.extend(pages.damage);
        report.repairable += pages.repairable;
    }
    {
        // First, for bodies are compared with leaves.
        let _no_erasure = state.pass();
        if options.repair && options.accept_losses && commit::give_up_leaves(state, By::Repair)? {
            report.repaired.push("hashes of the log that are lost were given up".into());
        }
        let mut found = state.log.lock().scrub(options.repair);
        if options.repair
            && found.iter().any(|damage| damage.fate == Fate::Lost)
            && heal::log(state, options.accept_losses)?
        {
            report.repaired.push("hashes of the log: computed again from the records that live".into());
            found = state.log.lock().scrub(true);
        }
        for damage in found {
            report.add(format_args!(""), damage);
        }
    }
    verify_missing(state, options, &mut report)?;
    let ids: Vec<(SegmentId, u32)> =
        state.view.read().segments.iter().map(|s| (s.id, s.entry.docs)).collect();
    let of = ids.iter().map(|(_, docs)| u64::from(*docs)).sum();
    let mut progress = VerifyProgress { records: 0, of };
    let mut held = RoaringTreemap::new();
    each(progress);
    for (id, docs) in ids {
        // A segment stays as it is while no erasure runs; between two segments one may.
        let _no_erasure = state.pass();
        let found = state.view.read().segments.iter().find(|s| s.id == id).cloned();
        if let Some(segment) = found {
            report.segments += 1;
            verify_segment(state, &segment, options, &mut held, &mut report)?;
        }
        progress.records += u64::from(docs);
        each(progress);
    }
    let _no_erasure = state.pass();
    compare_log(state, &mut report)?;
    compare_signed(state, &mut report)?;
    Ok(report)
}

/// Segments that can't be read: looked for once more, and given up if that was asked for.
fn verify_missing(state: &State, options: &VerifyOptions, report: &mut VerifyReport) -> Result<()> {
    let _no_erasure = state.pass();
    let before = state.view.read().missing.len();
    if before > 0 && options.repair {
        heal::missing(state, options.give_up(), By::Repair)?;
    }
    let view = state.view.read();
    let done = before - view.missing.len();
    if done > 0 {
        report.repaired.push(format!("{done} segments that could not be read are back, or given up"));
    }
    let named = view.missing.iter().map(|missing| {
        format!("{missing}; put the file back from a backup, or give it up with --repair --accept-losses")
    });
    report.damage.extend(named);
    Ok(())
}

fn verify_segment(
    state: &State,
    segment: &Rolled,
    options: &VerifyOptions,
    held: &mut RoaringTreemap,
    report: &mut VerifyReport,
) -> Result<()> {
    // What is half erased has no keys any more: its bodies can't be read, and need not be.
    let half_erased = state.view.read().mask.docs_in(&*segment.part)?;
    let read_data = options.read_data && half_erased.is_empty();
    let (id, share) = (segment.id, options.share);
    let (vfs, dir) = (&*state.env.vfs, &*state.env.dir);
    let scrub = Scrub { vfs, dir, share, read_data, repair: options.repair };
    let mut found = segment.part.scrub(&scrub);
    let done = |found: &mut Scrubbed| {
        found.index.retain(|damage| damage.fate == Fate::Repaired);
        found.bodies.retain(|damage| damage.fate == Fate::Repaired);
    };
    let beyond = |found: &[Damage]| found.iter().any(|d| d.fate == Fate::Lost);
    let lost = beyond(&found.index) || beyond(&found.bodies);
    if beyond(&found.index) && !segment.part.verify(false)?.is_empty() {
        // Postings can be had from bodies.
        if options.repair {
            match heal::one(state, segment, options.give_up(), By::Repair) {
                Ok(gone) => {
                    done(&mut found);
                    report.repaired.push(format!("segment {id}: the index was built anew from its bodies"));
                    report.repaired.extend(gone.into_iter().map(|g| format!("segment {id}: given up: {g}")));
                }
                Err(e) => report.damage.push(format!("segment {id}: {e}; restore the index from a backup")),
            }
        } else if segment
            .part
            .rebuild_readable(&|_| Ok(false), &|_| Ok(false), false)
            .is_ok_and(|r| r.lost.is_empty() && r.gone.is_empty())
        {
            report.repairable += 1;
        }
    } else if beyond(&found.bodies) && options.repair && options.accept_losses {
        match heal::without_lost_bodies(state, segment, By::Repair) {
            Ok(gone) => {
                done(&mut found);
                report.repaired.push(format!(
                    "segment {id}: given up: {gone} records whose bodies are lost; all others were sealed anew"
                ));
            }
            Err(e) => report.damage.push(format!("segment {id}: {e}")),
        }
    }
    for damage in found.index.into_iter().chain(found.bodies) {
        report.add(format_args!("segment {id}: "), damage);
    }
    if lost || !share.is_all() {
        return Ok(());
    }
    let named = |d: String| format!("segment {id}: {d}");
    report.damage.extend(segment.part.verify(read_data)?.into_iter().map(named));
    if read_data && let Err(e) = compare_segment(state, segment, held, report) {
        report.damage.push(format!("segment {}: {e}", segment.id));
    }
    Ok(())
}

/// Every body against its leaf, its position against those that other segments hold, and the index against one that is built anew from the bodies.
fn compare_segment(
    state: &State,
    segment: &Rolled,
    held: &mut RoaringTreemap,
    report: &mut VerifyReport,
) -> Result<()> {
    let data = segment.part.decode_all()?;
    let mut authors = std::collections::HashMap::new();
    let mut opened = Vec::with_capacity(data.docs.len());
    for doc in 0..segment.part.doc_count() {
        let record = segment.part.stored_with_salt(doc)?;
        if state.log.lock().leaf(record.seq)? != leaf(&record.salt, &record.canonical) {
            report
                .damage
                .push(format!("segment {}: the record at {} has another leaf", segment.id, record.seq));
        }
        if !held.insert(record.seq.0) {
            report.damage.push(format!(
                "segment {}: the record at {} stands in another one too",
                segment.id, record.seq
            ));
        }
        report.records += 1;
        let author = record.stored.author;
        if let std::collections::hash_map::Entry::Vacant(unseen) = authors.entry(author) {
            unseen.insert(state.view.read().knows(author)?);
        }
        opened.push((record.stored, record.seq));
    }
    let known = |n| Ok(authors.get(&n).copied().unwrap_or(false));
    let mut builder = IndexBuilder::new(&known, data.with_words);
    for ((stored, seq), entry) in opened.iter().zip(&data.docs) {
        builder.add(stored, *seq, entry.at)?;
    }
    let rebuilt = builder.finish(data.blocks.clone())?;
    if file::encode(&rebuilt)? != file::encode(&data)? {
        report.damage.push(format!("segment {}: the index is not that of its records", segment.id));
    }
    Ok(())
}

/// What the log's key signed against what is there.
fn compare_signed(state: &State, report: &mut VerifyReport) -> Result<()> {
    // Hashes that are lost are named already.
    let Ok(mut tree) = state.tree_now() else { return Ok(()) };
    let Some(signed) = catalog::signed_head(tree.keys())? else { return Ok(()) };
    let now = tree.frontier().size();
    if signed.size > now {
        report.damage.push(format!(
            "log: positions {now} to {} were signed and are not there: the end of a journal was cut; put the \
             folder back from a backup that has them, or begin a new history by `escrow key rotate`",
            signed.size - 1
        ));
        return Ok(());
    }
    let history = match tree.history() {
        // Hashes that are damaged are named already.
        Err(e) if e.kind() == ErrorKind::Corrupt => return Ok(()),
        history => history?,
    };
    if history == History::Broken && !is_explained(&tree, signed.size)? {
        report.damage.push(format!(
            "log: the first {} positions were signed and are others now; put the folder back from a backup, or \
             begin a new history by `escrow key rotate`",
            signed.size
        ));
    }
    Ok(())
}

/// Whether a loss that was given up, and is named for good, is why the log is another than was signed.
fn is_explained(tree: &TreeNow<'_>, signed: u64) -> Result<bool> {
    Ok(catalog::losses(tree.keys())?.iter().any(|loss| loss.changed_leaves() && loss.first.0 < signed))
}

/// The number of bare leaves against the sum of what was removed.
fn compare_log(state: &State, report: &mut VerifyReport) -> Result<()> {
    let (tree, held) = {
        let view = state.view.read();
        let entries = view.segments.iter().map(|s| &s.entry).chain(view.missing.iter().map(|m| &m.entry));
        let held: u64 = entries.map(|entry| u64::from(entry.docs)).sum();
        (view.tree.clone(), held)
    };
    let counters = catalog::counters(&tree)?;
    report.leaves = counters.seq.0;
    // More stand there while a roll is being published.
    let stored = state.log.lock().frontier().size();
    if stored < report.leaves {
        report.damage.push(format!("the log has {stored} leaves, the key tree says {}", report.leaves));
    }
    let losses = catalog::losses(&tree)?;
    report.given_up = losses.iter().map(ToString::to_string).collect();
    report.records_lost = losses.records();
    let bare = report.leaves.checked_sub(held);
    if bare != counters.removed.checked_add(report.records_lost) {
        report.damage.push(format!(
            "{} leaves less {held} records in segments should be {} removed and {} lost records",
            report.leaves, counters.removed, report.records_lost
        ));
    }
    Ok(())
}
