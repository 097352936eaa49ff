//! E3 and E4: what the new key tree holds, and that all of it opens from the device.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::crypto::Keys;
use crate::erase::log_key;
use crate::erase::pass::{Pass, Reopened};
use crate::error::{Error, Result};
use crate::id::{Epoch, Handle, Micros, PersonNumber, RequestId};
use crate::index::Part;
use crate::keyring::catalog::{self, JournalRole};
use crate::keyring::entry::{AuditPeriod, Class, Journal as JournalEntry, Segment as SegmentEntry};
use crate::keyring::pending::{Pending, Target, Waiting};
use crate::keyring::{Changes, Keyring, LogHead, Prepared, Tree};
use crate::log::Log;
use crate::merkle::hash::Hash;
use crate::receipts::when;
use crate::state::keys::ContentKeys;
use crate::state::{State, commit, journal_name};
use crate::view::Rolled;

impl Pass<'_> {
    /// E3: what the new tree holds and what it doesn't.
    pub(super) fn changes(&mut self, keyring: &Keyring, epoch: Epoch) -> Result<(Changes, LogHead)> {
        let state = self.state;
        let tree = &keyring.tree();
        let tagger = state.view.read().tagger().clone();
        let mut changes = Changes::new();
        // A digest of a whole file is one of everybody's words in it.
        catalog::remove_import_progress(&mut changes, tree)?;
        let mut handles = Vec::new();
        let mut retained = BTreeMap::new();
        for number in &self.dead {
            if let Some(person) = catalog::person(tree, *number)? {
                if person.is_nobody() {
                    catalog::remove_audit_period(&mut changes, *number);
                } else {
                    self.keep_evidence(&mut changes, tree, (*number, person.handle), &mut retained)?;
                }
                if person.is_evidence() {
                    catalog::remove_evidence(&mut changes, person.handle);
                }
                handles.push((*number, person.handle, true));
                catalog::remove_person(&mut changes, tree, &tagger, *number)?;
            } else if let Some(handle) = self.handle_in_journal(*number) {
                self.keep_evidence(&mut changes, tree, (*number, handle), &mut retained)?;
                handles.push((*number, handle, false));
            }
        }
        for (id, fresh) in &self.rewritten {
            match fresh {
                Some(segment) => catalog::put_segment(&mut changes, *id, segment)?,
                None => catalog::remove_segment(&mut changes, *id),
            }
        }
        let mut lost = self.lost.clone();
        if self.roll.is_some() {
            lost.extend(commit::lost_leaves(state, self.by()));
        }
        catalog::add_losses(&mut changes, tree, &lost)?;
        let mut log = keyring.head().log;
        if let Some(switched) = &self.roll {
            changes.extend(switched.built.people.clone());
            let mut counters = catalog::counters(tree)?;
            let id = counters.segment;
            if let Some((id, segment)) = &switched.built.segment {
                catalog::put_segment(&mut changes, *id, segment)?;
            }
            let retired = commit::put_journals(&mut changes, tree, &switched.spare_entry)?;
            self.old_files.push(journal_name(retired.file));
            counters = commit::rolled_counters(state, tree, id)?;
            counters.removed += self.removed;
            catalog::put_counters(&mut changes, &counters)?;
            log = commit::log_head(&state.log.lock());
        } else {
            let mut counters = catalog::counters(tree)?;
            counters.person = state.writer.lock().next_person;
            counters.removed += self.removed;
            catalog::put_counters(&mut changes, &counters)?;
        }
        log_key::change(&mut changes, tree)?;
        for (_, waiting) in self.batch.iter().filter(|_| !self.more) {
            if let Target::Rename { person, stays, .. } = &waiting.target
                && !self.dead.contains(person)
            {
                catalog::keep_identifiers(&mut changes, tree, &tagger, *person, stays)?;
            }
        }
        let committed = state.env.clock.now();
        for (request, waiting) in &mut self.batch {
            if !self.more {
                waiting.progress.redacted = Pass::redacted(&self.named, *request, waiting);
            }
            let progress = &mut waiting.progress;
            if let Target::Persons(numbers) = &waiting.target {
                for (_, handle, keyed) in handles.iter().filter(|h| numbers.contains(&h.0)) {
                    // Whoever stands for evidence has the handle of whom it is about.
                    if !progress.handles.contains(handle) {
                        progress.handles.push(*handle);
                    }
                    progress.content_keys += u64::from(*keyed);
                }
            }
            if let Target::Audit { numbers, .. } = &waiting.target {
                // Nobody: of a period the answer says how many records and keys went with it.
                let keys = handles.iter().filter(|h| numbers.contains(&h.0));
                progress.content_keys += keys.count() as u64;
            }
            for (_, _, keyed) in handles.iter().filter(|h| waiting.forgotten.contains(&h.0)) {
                progress.forgotten += 1;
                progress.content_keys += u64::from(*keyed);
            }
            let forgotten = if self.more { &*waiting.forgotten } else { &[] };
            catalog::put_forgotten(&mut changes, tree, *request, forgotten)?;
            let mut further = if self.more { waiting.further.clone() } else { Vec::new() };
            if self.more {
                further.extend(&waiting.family);
                further.sort_unstable();
                further.dedup();
            }
            catalog::put_further(&mut changes, tree, *request, &further)?;
            if let Target::Records { seqs, .. } = &waiting.target {
                let chosen = if self.more { &**seqs } else { &[] };
                catalog::put_chosen(&mut changes, tree, *request, chosen)?;
            }
            if let Some(retained) = retained.remove(request) {
                progress.retained.extend(retained);
            }
            progress.what = waiting.target.what();
            if progress.epoch_after.0 == 0 {
                progress.epoch_before = epoch;
            }
            progress.epoch_after = Epoch(epoch.0 + 1);
            progress.committed = committed;
            let pending = if self.more {
                // More segments wait: the selector must stay until the last pass, the names and
                // the reason need not.
                Pending::Waiting(Waiting { reason: None, ..waiting.clone() })
            } else {
                Pending::Done(progress.clone())
            };
            catalog::put_pending(&mut changes, *request, &pending)?;
        }
        Ok((changes, log))
    }

    /// The key of evidence about somebody who goes gets the date on which it dies, unless it goes too.
    fn keep_evidence(
        &self,
        changes: &mut Changes,
        tree: &Tree,
        (number, handle): (PersonNumber, Handle),
        retained: &mut BTreeMap<RequestId, Vec<(Handle, Micros)>>,
    ) -> Result<()> {
        let Some(evidence) = catalog::evidence(tree, handle)? else { return Ok(()) };
        if self.dead.contains(&evidence) {
            return Ok(());
        }
        let now = self.state.env.clock.now();
        let seen = when::look(catalog::seen(tree)?, now);
        let from = when::claimed(&seen, now);
        let keep = self.state.view.read().rules().settings.keep_evidence;
        // What is doubted is added once it is believed, as of every period.
        let until = keep.kept_until(from).unwrap_or(Micros::MAX);
        let until = Micros(until.0.saturating_sub(seen.doubted)).min(Micros::MAX);
        let period = AuditPeriod { class: Class::Evidence, from, until };
        catalog::put_audit_period(changes, evidence, &period)?;
        let of = self.batch.iter().find(|(_, waiting)| match &waiting.target {
            Target::Persons(numbers) => numbers.contains(&number) || waiting.forgotten.contains(&number),
            _ => waiting.forgotten.contains(&number),
        });
        if let Some((request, _)) = of {
            retained.entry(*request).or_default().push((handle, until));
        }
        Ok(())
    }

    pub(super) fn handle_in_journal(&self, number: PersonNumber) -> Option<Handle> {
        let view = self.state.view.read();
        let frozen = view.frozen.as_ref()?;
        (0..frozen.doc_count()).find_map(|d| {
            let person = frozen.record(d).ok()?.person?;
            (person.number == number).then_some(person.handle)
        })
    }

    /// E4: everything that the new root must open is read from the device and opened with it.
    pub(super) fn read_back(&self, keyring: &Keyring, prepared: &Prepared) -> Result<Reopened> {
        let state = self.state;
        let before = state.view.read().segments.clone();
        let tree = keyring.read_back(prepared)?;
        let arena = Keys::new();
        let subjects = ContentKeys::new(tree.clone(), state.settings.index_bytes);
        let mut docs = 0;
        let mut segments = Vec::new();
        for (id, segment) in catalog::segments(&tree)? {
            docs += u64::from(segment.docs);
            let rewritten = self.rewritten.iter().any(|(r, _)| *r == id);
            let is_new = self.roll.as_ref().and_then(|s| s.built.segment.as_ref()).is_some_and(|s| s.0 == id);
            if rewritten || is_new {
                for name in segment.file_names() {
                    if self.new_files.contains(&name) {
                        state.env.evict(&name)?;
                    }
                }
                let check = commit::open_segment_in(&state.env, id, &segment, &arena, subjects.clone())?;
                let newest = u8::try_from(segment.bodies.len().saturating_sub(1)).unwrap_or(u8::MAX);
                let fresh_body = (is_new || self.fresh_bodies.contains(&id)).then_some(newest);
                let digest = match &self.roll {
                    Some(switched) if is_new => Some(&switched.built.digest),
                    _ => self.digests.get(&id),
                };
                digest
                    .ok_or_else(|| Error::corrupt("nobody wrote it"))
                    .and_then(|digest| check.part.read_back(digest, fresh_body))
                    .map_err(|e| e.context(format!("segment {id} does not read back")))?;
                if check.part.doc_count() != segment.docs {
                    return Err(Error::corrupt(format!("segment {id} reads back with another count")));
                }
                segments.push(rekeyed(&check, segment, &arena, state)?);
                continue;
            }
            // Its files did not change: only page 0 is opened with what the new tree holds.
            let same = before
                .iter()
                .find(|s| s.id == id && s.entry.index == segment.index && s.entry.bodies == segment.bodies);
            segments.push(match same {
                Some(same) => rekeyed(same, segment, &arena, state)?,
                None => commit::open_segment_in(&state.env, id, &segment, &arena, state.subjects.clone())?,
            });
        }
        if docs != self.before - self.removed_from_segments() + self.rolled {
            return Err(Error::corrupt("the new tree holds another number of records than it should"));
        }
        if self.roll.is_some() {
            let head = commit::log_head(&state.log.lock());
            // A page of it that was lost since comes back from parity: no reason not to erase.
            Log::open_to(Arc::clone(&state.env.vfs), &state.env.dir, head.size, Hash(head.root))?;
        }
        Ok(Reopened {
            active: insert(&arena, &catalog::journal(&tree, JournalRole::Current)?)?,
            spare: insert(&arena, &catalog::journal(&tree, JournalRole::Next)?)?,
            cursor: arena.insert(&*catalog::tag_key(&tree)?)?,
            arena,
            segments,
        })
    }

    /// Of the records that go, lost ones included, those that stood in segments.
    pub(super) fn removed_from_segments(&self) -> u64 {
        let lost: u64 = self.lost.iter().map(|loss| loss.number).sum();
        self.removed + lost - self.roll.as_ref().map_or(0, |s| s.built.left_out)
    }
}

/// The files of an open segment under the key that `entry` holds for them.
fn rekeyed(open: &Rolled, entry: SegmentEntry, arena: &Keys, state: &State) -> Result<Rolled> {
    let part = open
        .part
        .under(arena.insert(&entry.key)?, state.subjects.clone())
        .map_err(|e| e.context(format!("segment {}", open.id)))?;
    Ok(Rolled { id: open.id, entry: Arc::new(entry), part: Arc::new(part) })
}

fn insert(arena: &Keys, journal: &JournalEntry) -> Result<crate::crypto::Key> {
    arena.insert(&journal.key)
}
