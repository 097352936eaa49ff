//! The overlay of a view: looked at when somebody asks, and kept.
//!
//! Rolls, compactions, erasures and repairs put parts in the place of others. None of them says so here: who
//! asks compares the index files with those that were there the last time, and looks at what came. Of a
//! record it was told already it knows the log position, so it opens each once, whatever part that comes to
//! stand in. What an erasure takes leaves with [`View::settle_overlays`], in the moment the erasure leaves
//! nothing else in memory.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use zeroize::Zeroizing;

use crate::error::{ErrorKind, Result};
use crate::id::{FileId, Seq};
use crate::index::overlay::{Event, Ledger, Mark, Overlaid, Overlay, Spoken, TakenBack, Texts};
use crate::index::{IdHash, LiveIndex, Part, Term};
use crate::record::Stored;
use crate::view::{Gates, Place, View};

/// What is known of who speaks of whom.
#[derive(Default)]
pub(super) struct Overlays(Mutex<Known>);

#[derive(Default)]
struct Known {
    ledger: Ledger,
    /// Index files that were looked at.
    files: Vec<FileId>,
    /// Unrolled records were looked at up to here, this one left out.
    next: Seq,
    generation: u64,
    /// Which mask was looked at, by [`View::masks`]: a copy would keep the name of a conversation until the next look.
    masks: u64,
    kept: HashMap<Name, (Mark, Arc<Overlay>)>,
}

/// A part that keeps its documents' numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Name {
    File(FileId),
    /// A live index, by its first record; it keeps them when it is frozen.
    Live(Seq),
}

/// The parts of a view as queries see them, in the order of [`View::parts`].
pub struct Shown<'a> {
    parts: Vec<&'a dyn Part>,
    over: Vec<Option<Overlaid<'a>>>,
}

impl Shown<'_> {
    /// The parts.
    pub fn parts(&self) -> Vec<&dyn Part> {
        let shown = self.parts.iter().zip(&self.over);
        shown.map(|(part, over)| over.as_ref().map_or(*part, |over| over as &dyn Part)).collect()
    }
}

/// A part with what tells where its records stand.
struct Piece<'a> {
    part: &'a dyn Part,
    name: Name,
    span: (Seq, Seq),
}

impl View {
    /// The parts as queries see them; what was said at `below` in the log or later is left out.
    ///
    /// # Errors
    /// An index that can't be read.
    pub fn shown<'a>(&'a self, below: Option<Seq>) -> Result<Shown<'a>> {
        let parts = self.parts();
        let mut known = self.overlays.0.lock();
        known.look(self)?;
        let over = if known.ledger.is_empty() {
            parts.iter().map(|_| None).collect()
        } else {
            let mut of = |piece: Option<Piece<'a>>| {
                let Some(piece) = piece else { return Ok(None) };
                let overlay = known.overlay(&piece, below)?;
                Ok((!overlay.is_empty()).then(|| Overlaid::new(piece.part, overlay)))
            };
            self.pieces().into_iter().map(&mut of).collect::<Result<_>>()?
        };
        Ok(Shown { parts, over })
    }

    /// The record that each of these edits, deletions and tags is about in the end, as far as that is there.
    ///
    /// # Errors
    /// An index that can't be read.
    pub fn roots(&self, events: &[Seq]) -> Result<Vec<Option<Seq>>> {
        let mut known = self.overlays.0.lock();
        known.look(self)?;
        Ok(events.iter().map(|event| known.ledger.root_of(*event)).collect())
    }

    /// Edits, deletions and tags that came before the record they are about, or speak of one that did, each with that
    /// record.
    ///
    /// # Errors
    /// An index that can't be read.
    pub fn early(&self) -> Result<Vec<(Seq, Seq)>> {
        let mut known = self.overlays.0.lock();
        known.look(self)?;
        Ok(known.ledger.early().collect())
    }

    /// What a record speaks of by its own words, if it does and that is there.
    ///
    /// # Errors
    /// *Corrupt* if the one or the other can't be read.
    pub fn spoken_of<'v>(
        &'v self,
        gates: &Gates<'v>,
        part: &dyn Part,
        doc: u32,
    ) -> Result<Option<(Place<'v>, Seq)>> {
        let stored = Zeroizing::new(part.record(doc)?);
        let Some(target) = &stored.target else { return Ok(None) };
        let identity = IdHash::of(target, &stored.conversation);
        let found = self.find_hashed(gates, &stored.conversation, target, identity)?;
        Ok(found.map(|(place, seq, found)| {
            drop(Zeroizing::new(found));
            (place, seq)
        }))
    }

    /// Whether the record at a log position is in quarantine.
    ///
    /// # Errors
    /// An index that can't be read.
    pub fn is_quarantined(&self, seq: Seq) -> Result<bool> {
        for part in self.shown(None)?.parts() {
            if let Some(doc) = part.doc_of(seq)? {
                return Ok(part.quarantined()?.contains(doc));
            }
        }
        Ok(false)
    }

    /// Records that users took back, ascending; also those that are being erased.
    ///
    /// # Errors
    /// An index that can't be read.
    pub fn taken_back(&self) -> Result<Vec<TakenBack>> {
        let mut known = self.overlays.0.lock();
        known.look(self)?;
        let mut all = known.ledger.taken_back();
        all.sort_unstable_by_key(|taken| taken.root);
        Ok(all)
    }

    /// Forgets what was said by, or of, records that are gone, and wipes it.
    pub fn settle_overlays(&self) {
        let mut known = self.overlays.0.lock();
        if !known.ledger.is_empty() && known.look(self).is_err() {
            // Whoever asks next looks anew.
            *known = Known::default();
        }
        known.kept.clear();
    }

    /// Every part, in the order of [`View::parts`]; `None` for one without records.
    fn pieces(&self) -> Vec<Option<Piece<'_>>> {
        let rolled = self.segments.iter().map(|segment| {
            let span = segment.part.seq_span()?;
            Some(Piece { part: &*segment.part, name: Name::File(segment.entry.index), span })
        });
        let unrolled = self.unrolled().map(|live| {
            let span = live.seq_span()?;
            Some(Piece { part: live, name: Name::Live(span.0), span })
        });
        rolled.chain(unrolled).collect()
    }

    fn unrolled(&self) -> impl Iterator<Item = &LiveIndex> {
        self.frozen.iter().map(|frozen| &**frozen).chain([&self.live])
    }

    /// Log positions of what is being erased, among those that `ledger` may know.
    fn masked(&self) -> Result<HashSet<Seq>> {
        let mut seqs = HashSet::new();
        if self.mask.is_empty() {
            return Ok(seqs);
        }
        for part in self.parts() {
            seqs.extend(part.seqs(&self.mask.docs_in(part)?)?);
        }
        Ok(seqs)
    }
}

impl Known {
    /// Looks at what came and went since the last time.
    fn look(&mut self, view: &View) -> Result<()> {
        let segments = || view.segments.iter().map(|segment| segment.entry.index);
        let others = !segments().eq(self.files.iter().copied());
        // What others wait for, or may.
        let mut arrived = Vec::new();
        if others {
            self.look_at_segments(view, &mut arrived)?;
        }
        self.look_at_unrolled(view, &mut arrived)?;
        if others || self.generation != view.generation {
            if !self.ledger.is_empty() {
                let parts = view.parts();
                let holds =
                    |seq| parts.iter().try_fold(false, |any, part| Ok(any || part.doc_of(seq)?.is_some()));
                self.ledger.retain(holds)?;
                arrived.extend(self.ledger.orphans());
            }
            let names: HashSet<Name> = view.pieces().into_iter().flatten().map(|piece| piece.name).collect();
            self.kept.retain(|name, _| names.contains(name));
            self.generation = view.generation;
        }
        self.settle(view, arrived)?;
        if self.masks != view.masks {
            self.ledger.set_absent(view.masked()?);
            self.masks = view.masks;
        }
        // Only what was looked at to its end counts as seen.
        self.files.clear();
        self.files.extend(segments());
        self.next = view
            .unrolled()
            .filter_map(LiveIndex::seq_span)
            .map(|(_, last)| Seq(last.0 + 1))
            .max()
            .map_or(self.next, |next| next.max(self.next));
        Ok(())
    }

    fn look_at_segments(&mut self, view: &View, arrived: &mut Vec<IdHash>) -> Result<()> {
        let seen: HashSet<FileId> = self.files.iter().copied().collect();
        for segment in view.segments.iter().filter(|segment| !seen.contains(&segment.entry.index)) {
            for kind in Spoken::KINDS {
                let term = Term::kind(kind);
                if segment.part.frequency(&term)? > 0 {
                    for doc in segment.part.postings(&term)? {
                        self.learn(&*segment.part, doc, arrived)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Looks at unrolled records that came.
    fn look_at_unrolled(&mut self, view: &View, arrived: &mut Vec<IdHash>) -> Result<()> {
        for live in view.unrolled() {
            let from = live.docs_before(self.next);
            if from == live.doc_count() {
                continue;
            }
            for kind in Spoken::KINDS {
                let docs = live.lists().get(&Term::kind(kind));
                let docs = docs.get(docs.partition_point(|doc| *doc < from)..).unwrap_or_default().to_vec();
                docs.into_iter().try_for_each(|doc| self.learn(live, doc, arrived))?;
            }
        }
        if self.ledger.has_orphans() {
            for live in view.unrolled() {
                let came = live.from_seq(self.next).map(|doc| doc.identity);
                arrived.extend(came.filter(|identity| self.ledger.waits_for(*identity)));
            }
        }
        Ok(())
    }

    /// Opens a record that speaks of another. One that can't be read says nothing.
    fn learn(&mut self, part: &dyn Part, doc: u32, arrived: &mut Vec<IdHash>) -> Result<()> {
        let seq = part.key(doc)?.seq;
        if self.ledger.knows(seq) {
            return Ok(());
        }
        let stored = match part.record(doc) {
            Ok(stored) => Zeroizing::new(stored),
            Err(e) if e.kind() == ErrorKind::Corrupt => return Ok(()),
            Err(e) => return Err(e),
        };
        if let (Some(spoken), Some(target)) = (Spoken::of(stored.kind), &stored.target) {
            let target = IdHash::of(target, &stored.conversation);
            self.ledger.learn(seq, Event::new(spoken, target, Texts::of(&stored)).placed(stored.place()));
            arrived.push(target);
        }
        Ok(())
    }

    /// Finds what events are about that wait for these identities.
    fn settle(&mut self, view: &View, arrived: Vec<IdHash>) -> Result<()> {
        let arrived: HashSet<IdHash> = arrived.into_iter().collect();
        let gates = view.gates();
        for identity in arrived {
            let is_unrolled = view.unrolled().any(|live| !live.with_identity(identity).is_empty());
            if !is_unrolled && !gates.may_hold(&identity.probe()) {
                continue;
            }
            for event in self.ledger.orphans_of(identity) {
                let Some(stored) = view.record_at(event)? else { continue };
                let Some(target) = &stored.target else { continue };
                match view.find_hashed(&gates, &stored.conversation, target, identity) {
                    Ok(Some((_, parent, found))) if parent != event => {
                        self.ledger.settle(event, parent, &Zeroizing::new(found));
                    }
                    Ok(_) => {}
                    Err(e) if e.kind() == ErrorKind::Corrupt => {}
                    Err(e) => return Err(e),
                }
            }
        }
        Ok(())
    }

    /// What is said of the documents of a part.
    fn overlay(&mut self, piece: &Piece<'_>, below: Option<Seq>) -> Result<Arc<Overlay>> {
        let Self { ledger, kept, .. } = self;
        let doc_of = |seq| piece.part.doc_of(seq);
        let below = below.filter(|below| ledger.last().is_some_and(|last| last >= *below));
        if below.is_some() {
            let mut overlay = Overlay::default();
            ledger.show(&mut overlay, None, below, piece.span, doc_of)?;
            return Ok(Arc::new(overlay));
        }
        let (mark, overlay) = kept.entry(piece.name).or_default();
        let is_new = ledger.is_old(*mark) || *mark == Mark::default();
        if is_new {
            *overlay = Arc::default();
        }
        if is_new || *mark != ledger.mark() {
            let since = (!is_new).then_some(*mark);
            ledger.show(Arc::make_mut(overlay), since, None, piece.span, doc_of)?;
            *mark = ledger.mark();
        }
        Ok(Arc::clone(overlay))
    }
}

impl View {
    /// The record at a log position; `None` if it is not there or can't be read.
    ///
    /// # Errors
    /// Unreadable files.
    pub fn record_at(&self, seq: Seq) -> Result<Option<Zeroizing<Stored>>> {
        for part in self.parts() {
            let Some(doc) = part.doc_of(seq)? else { continue };
            return match part.record(doc) {
                Ok(stored) => Ok(Some(Zeroizing::new(stored))),
                Err(e) if e.kind() == ErrorKind::Corrupt => Ok(None),
                Err(e) => Err(e),
            };
        }
        Ok(None)
    }
}
