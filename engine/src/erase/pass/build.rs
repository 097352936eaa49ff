//! E2: a new journal if a frame mentions the erased, canonical new indexes, re-formed blocks.

use roaring::RoaringBitmap;

use crate::erase::pass::{BODIES_GATHERED, Pass, Switched};
use crate::erase::target;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{RequestId, SegmentId, Seq};
use crate::index::file::file_name as index_file_name;
use crate::index::rewrite::{self, Removal, Rewritten};
use crate::index::{Part, Segment};
use crate::keyring::catalog;
use crate::keyring::entry::Segment as SegmentEntry;
use crate::keyring::losses::{By, Loss, What};
use crate::roll;
use crate::segment::BodyPlace;
use crate::state::{commit, journal_name};
use crate::view::Rolled;

impl Pass<'_> {
    /// E2, first half: if a frame mentions the erased, the journal that holds it must die. A
    /// journal whose roll or pass failed before is taken along.
    pub(super) fn switch_journal(&mut self) -> Result<()> {
        let state = self.state;
        let (live_touched, waits) = {
            let view = state.view.read();
            let mut touched = false;
            for (_, waiting) in &self.batch {
                touched |= target::touches(&view.live, waiting)?;
            }
            (touched, view.frozen.is_some())
        };
        if !live_touched && !waits {
            return Ok(());
        }
        if live_touched {
            commit::roll_frozen(state)?;
            if !commit::freeze(state)? {
                return Err(Error::new(ErrorKind::Busy, "the next journal is still in use"));
            }
        }
        let frozen = state.view.read().frozen.clone().unwrap_or_default();
        let skip = self.take_matching(&*frozen)?;
        let id = catalog::counters(&state.view.read().tree)?.segment;
        let built = commit::build_roll(state, &frozen, &skip, &self.dead, id)?;
        if let Some((_, segment)) = &built.segment {
            self.new_files.extend(segment.file_names());
            self.rolled = u64::from(segment.docs);
        }
        commit::write_leaves(state, &frozen)?;
        let (spare, spare_entry) = commit::new_journal(&state.env, &state.keys.read())?;
        self.new_files.push(journal_name(spare_entry.file));
        for (_, waiting) in &mut self.batch {
            waiting.progress.journals += 1;
        }
        self.roll = Some(Switched { built, spare: Some(spare), spare_entry });
        Ok(())
    }

    /// Documents of a part that go. Each counts for the first request that names it.
    pub(super) fn take_matching(&mut self, part: &dyn Part) -> Result<RoaringBitmap> {
        let mut all = RoaringBitmap::new();
        for (_, waiting) in &mut self.batch {
            let docs = target::doomed_in(part, waiting)?;
            waiting.progress.removed += (&docs - &all).len();
            all |= docs;
        }
        self.removed += all.len();
        Ok(all)
    }

    /// E2, second half: canonical new indexes, re-formed blocks.
    pub(super) fn rewrite_segments(&mut self) -> Result<()> {
        let state = self.state;
        let segments = state.view.read().segments.clone();
        self.before = segments.iter().map(|s| u64::from(s.entry.docs)).sum();
        self.give_up_missing();
        let pass_bytes = state.reserve.pass_bytes(state.settings.pass_bytes);
        let mut bytes = 0u64;
        for segment in segments {
            let touched = self.touches(&segment.part)?;
            self.more = touched && bytes >= pass_bytes;
            if touched && !self.more {
                let fresh = self.rewrite_one(&segment)?;
                bytes += fresh.as_ref().map_or(0, |f| u64::from(f.index_pages) * 4096);
                self.rewritten.push((segment.id, fresh));
            }
            // Every pass asks every segment. What was opened for that, here and in E1, is of little
            // use to anybody: E7 puts another segment in this one's place.
            segment.part.clear();
            self.pace.rest();
            if self.more {
                break;
            }
        }
        Ok(())
    }

    fn touches(&self, part: &Segment) -> Result<bool> {
        for (_, waiting) in &self.batch {
            if target::touches(part, waiting)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn rewrite_one(&mut self, segment: &Rolled) -> Result<Option<SegmentEntry>> {
        for (_, waiting) in &mut self.batch {
            if target::touches(&*segment.part, waiting)? {
                waiting.progress.segments += 1;
            }
        }
        let docs = self.take_matching(&*segment.part)?;
        self.rewrite(segment, &docs)
    }

    /// Whom a segment names that can't be read is not known, so its key dies with every erasure: its
    /// file may come back, and must not speak of anybody then.
    fn give_up_missing(&mut self) {
        let all = self.state.view.read().missing.clone();
        for missing in all {
            let entry = &missing.entry;
            self.before += u64::from(entry.docs);
            self.rewritten.push((missing.id, None));
            self.old_files.extend(entry.file_names());
            if let Some((_, waiting)) = self.batch.first_mut() {
                waiting.progress.segments += 1;
            }
            self.lost.push(self.loss(missing.id, u64::from(entry.docs), entry.min_seq, entry.max_seq));
        }
    }

    /// Notes records that left a segment because they were lost before. They are not among those
    /// that somebody asked to remove.
    fn lose(&mut self, segment: SegmentId, seqs: &[Seq]) {
        let (Some(first), Some(last)) = (seqs.iter().min(), seqs.iter().max()) else { return };
        self.lost.push(self.loss(segment, seqs.len() as u64, *first, *last));
    }

    /// The first erasure that somebody asked for: a date that has come is none.
    fn asked(&self) -> Option<RequestId> {
        let mut asked = self.batch.iter().filter(|(_, waiting)| waiting.was_asked_for());
        asked.next().map(|(request, _)| *request)
    }

    /// What several requests of one pass give up is told by the first.
    pub(super) fn by(&self) -> By {
        self.asked().map_or(By::Several, By::Erasure)
    }

    fn loss(&self, segment: SegmentId, number: u64, first: Seq, last: Seq) -> Loss {
        let by = self.by();
        let (at, segment) = (self.state.env.clock.now(), Some(segment));
        Loss { what: What::Records, by, at, segment, number, first, last }
    }

    pub(super) fn rewrite(&mut self, segment: &Rolled, docs: &RoaringBitmap) -> Result<Option<SegmentEntry>> {
        let (env, hands) = (self.pace.env().clone(), self.pace.hands());
        let old = &segment.entry;
        self.old_files.push(index_file_name(old.index).into());
        if docs.len() == u64::from(old.docs) {
            self.old_files.extend(old.body_names());
            return Ok(None);
        }
        let body = env.file_id()?;
        // A segment names at most BODIES_MAX body files: gather them in one when they get many. What can't be
        // read is given up with that, so only where somebody asked for an erasure.
        let gather = old.bodies.len() >= BODIES_GATHERED && self.asked().is_some();
        let removal = Removal { docs, people: &self.dead, reform_all: gather };
        let mut bodies = if gather { Vec::new() } else { old.bodies.clone() };
        let index = u8::try_from(bodies.len()).map_err(|_| Error::corrupt("too many body files"))?;
        let place = BodyPlace { dir: &env.dir, store: env.store, file: body, index };
        let to = rewrite::Target {
            vfs: &*env.vfs,
            body: place,
            keys: &*self.state.subjects,
            entropy: &*env.entropy,
            hands,
        };
        // Named before they are written: a part of a file is removed too.
        self.new_files.push(crate::segment::writer::file_name(body).into());
        let reformed = rewrite::rewrite(&segment.part, &removal, &to)?;
        if gather {
            self.old_files.extend(old.body_names());
        }
        self.lose(segment.id, &reformed.lost);
        if reformed.data.docs.is_empty() {
            // What should have survived stood in blocks that don't open.
            if !gather {
                self.old_files.extend(old.body_names());
            }
            self.old_files.push(crate::segment::writer::file_name(body).into());
            return Ok(None);
        }
        if reformed.body_written {
            bodies.push(body);
            self.fresh_bodies.insert(segment.id);
        }
        let index = env.file_id()?;
        self.new_files.push(index_file_name(index).into());
        let Rewritten { data, text, .. } = &reformed;
        let (entry, digest) = roll::write_encoded(
            &env,
            (&data.docs, text),
            (index, data.with_words),
            bodies,
            old.generation + 1,
            hands,
        )?;
        self.digests.insert(segment.id, digest);
        Ok(Some(entry))
    }
}
