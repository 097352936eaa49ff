//! One step: build the outputs, read them back, publish them in one commit, unlink the old files.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use roaring::RoaringBitmap;

use crate::compact::bodies::Inputs;
use crate::compact::merge::Order;
use crate::compact::policy::{Facts, Limits, Policy};
use crate::env::Env;
use crate::error::{Error, ErrorKind, Result};
use crate::id::SegmentId;
use crate::index::file::file_name as index_file_name;
use crate::index::{IndexData, Part};
use crate::keyring::Changes;
use crate::keyring::catalog;
use crate::keyring::entry::Segment as SegmentEntry;
use crate::roll::{self, Digest};
use crate::segment::BodyPlace;
use crate::segment::writer::file_name as body_file_name;
use crate::state::compacting::Compacting;
use crate::state::rest::Rests;
use crate::state::{State, commit};
use crate::vfs::PacedVfs;
use crate::view::Rolled;

/// Bytes that a step leaves to appends and rolls.
const ROOM_LEFT: u64 = 16 << 20;

/// A segment that was written and is named nowhere yet.
struct Output {
    entry: SegmentEntry,
    digest: Digest,
    /// Whether its last body file is new.
    has_new: bool,
}

/// Runs a step over these segments. Answers the bytes that were written; `None`, and nothing is
/// changed, if more than `outputs_max` segments would come out.
pub fn run(
    right: &Compacting,
    facts: &[&Facts],
    outputs_max: usize,
    limits: &Limits,
    policy: &Policy,
) -> Result<Option<u64>> {
    let state = right.state();
    let mut files = NewFiles { env: &state.env, names: Vec::new() };
    // A caller who waits is in a hurry.
    let rests = right.is_own_accord().then(|| Arc::new(Rests::short(state)));
    let paced = paced(right, rests.clone());
    let write_failed = paced.failed();
    let env = Env { vfs: Arc::new(paced), ..state.env.clone() };
    let go_on = || {
        if let Some(rests) = &rests {
            rests.rest(0);
        }
        right.go_on()
    };
    let result = check_room(state, facts).and_then(|()| {
        build_and_publish(right, (&env, &go_on), facts, outputs_max, (limits, policy), &mut files)
    });
    match result {
        Ok(written) => Ok(written),
        // Nobody depends on the new files, but a disk that failed to write once is not trusted.
        Err(e) if write_failed.load(Ordering::Acquire) => Err(state.poison(e)),
        Err(e) => {
            // After a failed commit nobody knows what HEAD says: the next opening does.
            if !state.is_poisoned() {
                files.remove();
            }
            if right.is_cancelled() && !state.is_poisoned() {
                // Whatever it failed with, it failed because it was told to.
                right.go_on()?;
            }
            Err(e)
        }
    }
}

fn build_and_publish(
    right: &Compacting,
    (env, go_on): (&Env, &dyn Fn() -> Result<()>),
    facts: &[&Facts],
    outputs_max: usize,
    (limits, policy): (&Limits, &Policy),
    files: &mut NewFiles<'_>,
) -> Result<Option<u64>> {
    let state = right.state();
    let segments = inputs(state, facts)?;
    let data = decode(&segments, go_on)?;
    if data.iter().any(|some| some.with_words != facts.iter().all(|f| f.has_words)) {
        return Err(Error::corrupt("a merge takes segments with words and without"));
    }
    let order = Order::of(&data);
    let cuts = order.cuts(&data, limits);
    if cuts.len() > outputs_max {
        return Ok(None);
    }
    let inputs = Inputs { segments: &segments, data: &data, facts, order: &order };
    let outputs = build(state, (env, go_on), &inputs, cuts, policy, files)?;
    let docs: u64 = outputs.iter().map(|o| u64::from(o.entry.docs)).sum();
    if docs != segments.iter().map(|s| u64::from(s.entry.docs)).sum::<u64>() {
        return Err(Error::corrupt("a merge holds another number of records than it should"));
    }
    for output in &outputs {
        read_back(right, output)?;
    }
    let written = files.bytes()?;
    publish(right, &segments, &outputs)?;
    for name in old_files(&segments, &outputs) {
        // One that stays is a stranger to the next opening, which removes it.
        let _ = state.env.unlink(name);
    }
    state.keep_reserve();
    Ok(Some(written))
}

/// A step needs room for what it writes before it gives any back. Where the room is known it is
/// asked for before; the reserve of erasures is an allocated file and is never part of it.
fn check_room(state: &State, facts: &[&Facts]) -> Result<()> {
    let free = state.env.vfs.free_space(&state.env.dir).map_err(|e| Error::io("measure free space", e))?;
    let index: u64 = facts.iter().map(|f| f.index_bytes).sum();
    let bodies: u64 = facts.iter().flat_map(|f| &f.bodies).map(|b| b.live).sum();
    // The reserve grows with the longest index.
    let needed = bodies + index + 2 * index + ROOM_LEFT;
    if free.is_some_and(|free| free < needed) {
        return Err(Error::new(ErrorKind::NoSpace, "too little room on the disk for a compaction")
            .hint("free space on the disk and compact again; nothing was changed"));
    }
    Ok(())
}

/// The open segments of these facts, in their order.
fn inputs(state: &State, facts: &[&Facts]) -> Result<Vec<Rolled>> {
    let view = state.view.read();
    let find = |f: &&Facts| view.segments.iter().find(|s| s.id == f.id && s.entry.index == f.index).cloned();
    facts.iter().map(|f| find(f).ok_or_else(|| Error::new(ErrorKind::Busy, "a segment changed"))).collect()
}

fn decode(segments: &[Rolled], go_on: &dyn Fn() -> Result<()>) -> Result<Vec<IndexData>> {
    let decode = |segment: &Rolled| {
        go_on()?;
        segment.part.decode_all().map_err(|e| e.context(format!("segment {}", segment.id)))
    };
    segments.iter().map(decode).collect()
}

fn build(
    state: &State,
    (env, go_on): (&Env, &dyn Fn() -> Result<()>),
    inputs: &Inputs<'_>,
    cuts: Vec<Range<u32>>,
    policy: &Policy,
    files: &mut NewFiles<'_>,
) -> Result<Vec<Output>> {
    let generation = inputs.segments.iter().map(|s| s.entry.generation).max().unwrap_or(0) + 1;
    let mut outputs = Vec::with_capacity(cuts.len());
    for cut in cuts {
        let body = env.file_id()?;
        let place = BodyPlace { dir: &env.dir, store: env.store, file: body, index: 0 };
        // Named before they are written: a part of a file is removed too.
        files.names.push(body_file_name(body).into());
        let bodies = inputs.build(env, &*state.subjects, place, &cut, policy, go_on)?;
        let terms = inputs.order.terms(inputs.data, &cut, go_on)?;
        // Numbers blocks by their first documents.
        let with_words = inputs.data.iter().all(|data| data.with_words);
        let fresh = IndexData { docs: bodies.docs, terms, blocks: bodies.blocks, with_words };
        let fresh = fresh.without(&RoaringBitmap::new(), &[])?;
        go_on()?;
        let index = env.file_id()?;
        files.names.push(index_file_name(index).into());
        let (entry, digest) = roll::write_index(env, &fresh, index, bodies.files, generation)?;
        outputs.push(Output { entry, digest, has_new: bodies.has_new });
    }
    Ok(outputs)
}

/// The store's files, written in pieces between which the step may end.
fn paced(right: &Compacting, rests: Option<Arc<Rests>>) -> PacedVfs {
    let flag = right.flag();
    let go_on = move |len: usize| {
        if let Some(rests) = &rests {
            rests.rest(len);
        }
        match flag.is_cancelled() {
            true => Err(std::io::Error::other("the compaction gave way")),
            false => Ok(()),
        }
    };
    PacedVfs::new(Arc::clone(&right.state().env.vfs), Arc::new(go_on))
}

/// What was written opens from the device: the inputs are unlinked soon.
fn read_back(right: &Compacting, output: &Output) -> Result<()> {
    right.go_on()?;
    let state = right.state();
    let env = &state.env;
    let mut new = vec![index_file_name(output.entry.index)];
    if output.has_new {
        new.extend(output.entry.bodies.last().map(|b| body_file_name(*b)));
    }
    for name in new {
        env.evict(&name)?;
    }
    let open = commit::open_segment(state, SegmentId(0), &output.entry, &state.keys.read().clone())?;
    right.go_on()?;
    let newest = u8::try_from(output.entry.bodies.len().saturating_sub(1)).unwrap_or(u8::MAX);
    open.part.read_back_while(&output.digest, output.has_new.then_some(newest), &|| right.go_on())?;
    if open.part.doc_count() != output.entry.docs {
        return Err(Error::corrupt("a merged segment reads back with another count"));
    }
    right.go_on()
}

/// Inputs leave and outputs come in one commit, and in one moment for readers.
fn publish(right: &Compacting, inputs: &[Rolled], outputs: &[Output]) -> Result<()> {
    let state = right.state();
    state.env.sync_dir().map_err(|e| state.poison(e))?;
    // From here on no roll counts segments, and an erasure waits.
    let _no_roll = right.publishing()?;
    let keyring = state.keyring.lock();
    let mut changes = Changes::new();
    let tree = keyring.tree();
    let mut counters = catalog::counters(&tree)?;
    let living = catalog::segments(&tree)?;
    for input in inputs {
        // An erasure that wrote an input anew would be undone. None can have run; look all the same.
        if !living.iter().any(|(id, entry)| *id == input.id && entry.index == input.entry.index) {
            return Err(Error::new(ErrorKind::Busy, "a segment changed while it was compacted"));
        }
        catalog::remove_segment(&mut changes, input.id);
    }
    let mut opened = Vec::with_capacity(outputs.len());
    for output in outputs {
        let id = counters.segment;
        counters.segment = SegmentId(id.0 + 1);
        catalog::put_segment(&mut changes, id, &output.entry)?;
        opened.push(commit::open_segment(state, id, &output.entry, &state.keys.read().clone())?);
    }
    catalog::put_counters(&mut changes, &counters)?;
    let log = keyring.head().log;
    commit::commit_locked(state, &keyring, &changes, log, |view| {
        view.segments.retain(|s| inputs.iter().all(|i| i.id != s.id));
        view.segments.extend(opened);
    })
}

/// Files of the inputs that no output names.
fn old_files(inputs: &[Rolled], outputs: &[Output]) -> Vec<PathBuf> {
    let kept: Vec<PathBuf> = outputs.iter().flat_map(|o| o.entry.file_names()).collect();
    let old = inputs.iter().flat_map(|i| i.entry.file_names());
    old.filter(|name| !kept.contains(name)).collect()
}

/// Files that a step made.
struct NewFiles<'a> {
    env: &'a Env,
    names: Vec<PathBuf>,
}

impl NewFiles<'_> {
    fn bytes(&self) -> Result<u64> {
        let mut sum = 0;
        for name in &self.names {
            let path = self.env.path(name);
            let io = |e| Error::io("measure a new file", e);
            if self.env.vfs.exists(&path).map_err(io)? {
                sum += self.env.vfs.map(&path).and_then(|f| f.len()).map_err(io)?;
            }
        }
        Ok(sum)
    }

    fn remove(&self) {
        for name in &self.names {
            let _ = self.env.unlink(name);
        }
    }
}
