//! What is restricted since its longest time is over (`then: restrict`): documents of each part, as the register of
//! classes says, and what speaks of them.
//!
//! The register says it by class, conversation and time, so nothing of it is kept here that could go stale: it is
//! found anew when more is restricted or when parts change, for unrolled records when some came. No clock is asked.

use std::collections::HashMap;
use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::crypto::kdf::Label;
use crate::error::{ErrorKind, Result};
use crate::id::{FileId, Handle, Micros, Seq};
use crate::index::overlay::Spoken;
use crate::index::scope::Ended;
use crate::index::{Field, LiveIndex, Part, Term};
use crate::record::Kind;
use crate::register::class::Restricted;
use crate::view::View;

/// What was found the last time.
#[derive(Default)]
pub(super) struct Found {
    rolled: Option<Rolled>,
    all: Option<(Unrolled, Arc<Ended>)>,
}

/// Of the rolled segments.
struct Rolled {
    /// How many times something was restricted, how many erasures there were, and of which files.
    of: (u64, u64, Vec<FileId>),
    docs: HashMap<Seq, Arc<RoaringBitmap>>,
    /// Those that speak of what isn't there, or not rolled yet.
    open: Vec<Speaking>,
    /// Where the last of them stands in the log, and reactions of other classes that came behind that.
    last: Option<Seq>,
    behind: Vec<Speaking>,
}

/// A record that speaks of another: in which part, and where.
#[derive(Clone, Copy)]
struct Speaking {
    part: Seq,
    doc: u32,
    seq: Seq,
    /// A reaction of a class that restricts nothing: only one that came before its record is about another class's.
    is_foreign: bool,
}

impl Speaking {
    /// Whether it may be about a record that stands at this position at the latest.
    fn may_be_about(&self, last: Option<Seq>) -> bool {
        !self.is_foreign || last.is_some_and(|last| self.seq < last)
    }
}

/// The first log position of each unrolled part, and how many records it has.
type Unrolled = Vec<(Seq, u32)>;

/// A part by its first log position.
type Named<'a> = (Seq, &'a dyn Part);

impl View {
    /// Documents that are restricted since their time is over; `None` where nothing is.
    ///
    /// # Errors
    /// Unreadable files.
    pub fn ended(&self) -> Result<Option<Arc<Ended>>> {
        let stamp = self.rules.classes.restrictions();
        if stamp == 0 {
            return Ok(None);
        }
        let mut found = self.ended.lock();
        let files = self.segments.iter().map(|segment| segment.entry.index).collect();
        let of = (stamp, self.generation, files);
        if found.rolled.as_ref().is_none_or(|rolled| rolled.of != of) {
            *found = Found::default();
            found.rolled = Some(self.ended_of_segments(of)?);
        }
        let unrolled = || self.frozen.iter().map(|frozen| &**frozen).chain([&self.live]);
        let now: Unrolled =
            unrolled().filter_map(|live| Some((live.first_seq()?, live.doc_count()))).collect();
        if let Some((_, all)) = found.all.as_ref().filter(|(then, _)| *then == now) {
            return Ok(Some(Arc::clone(all)));
        }
        let Some(rolled) = &found.rolled else { return Ok(None) };
        let mut docs = rolled.docs.clone();
        let (mut speaking, mut last) = (Vec::new(), rolled.last);
        for (first, live) in unrolled().filter_map(|live: &LiveIndex| Some((live.first_seq()?, live))) {
            let of_live = self.ended_in((first, live), &mut speaking)?;
            last = last.max(live.seqs(&of_live)?.into_iter().max());
            docs.insert(first, Arc::new(of_live));
        }
        speaking.extend(&rolled.open);
        if last > rolled.last {
            speaking.extend(&rolled.behind);
        }
        speaking.retain(|one| one.may_be_about(last));
        let parts = self.parts();
        let named: Vec<Named<'_>> =
            parts.iter().filter_map(|part| Some((part.first_seq()?, *part))).collect();
        self.add_speaking(&named, speaking, &mut docs)?;
        let all = Arc::new(Ended { stamp, docs });
        found.all = Some((now, Arc::clone(&all)));
        Ok(Some(all))
    }

    fn ended_of_segments(&self, of: (u64, u64, Vec<FileId>)) -> Result<Rolled> {
        let (mut docs, mut speaking, mut named) = (HashMap::new(), Vec::new(), Vec::<Named<'_>>::new());
        let mut last = None;
        for segment in &self.segments {
            let Some(first) = segment.part.first_seq() else { continue };
            let part = (first, &*segment.part as &dyn Part);
            let of_segment = self.ended_in(part, &mut speaking)?;
            last = last.max(part.1.seqs(&of_segment)?.into_iter().max());
            docs.insert(first, Arc::new(of_segment));
            named.push(part);
        }
        let (near, behind) = speaking.into_iter().partition(|one: &Speaking| one.may_be_about(last));
        let open = self.add_speaking(&named, near, &mut docs)?;
        Ok(Rolled { of, docs, open, last, behind })
    }

    /// Those of a part by their own time or that of their conversation. Of others that speak of a record it is told: one
    /// that came before its record may be of another class.
    fn ended_in(&self, (first, part): Named<'_>, speaking: &mut Vec<Speaking>) -> Result<RoaringBitmap> {
        let (mut all, mut of_classes) = (RoaringBitmap::new(), RoaringBitmap::new());
        for class in self.rules.classes.iter() {
            let Some(of) = self.rules.classes.restricted(class.class.number) else { continue };
            let of_class = part.class_docs(class.class.number)?;
            all |= self.ended_of(part, &of_class, of)?;
            of_classes |= of_class;
        }
        let mut speak = RoaringBitmap::new();
        for kind in Spoken::KINDS {
            speak |= part.postings(&Term::kind(kind))?;
        }
        // Of reactions there are many, and each is opened: those of the class of what they are a reaction to, and of
        // others those that came before something that is restricted.
        let reactions = part.postings(&Term::kind(Kind::Reaction))?;
        let foreign = &reactions - of_classes;
        for doc in (speak | reactions) - &all {
            let (seq, is_foreign) = (part.key(doc)?.seq, foreign.contains(doc));
            speaking.push(Speaking { part: first, doc, seq, is_foreign });
        }
        Ok(all)
    }

    /// Those of a part's documents `of_class` that a class has restricted.
    ///
    /// # Errors
    /// Unreadable files.
    pub fn ended_of(
        &self,
        part: &dyn Part,
        of_class: &RoaringBitmap,
        of: &Restricted,
    ) -> Result<RoaringBitmap> {
        let mut docs = RoaringBitmap::new();
        if of_class.is_empty() {
            return Ok(docs);
        }
        if let Some(before) = of.everywhere {
            docs |= of_class & part.in_time(Micros(i64::MIN), before)?;
        }
        if of.conversations.is_empty() {
            return Ok(docs);
        }
        for (name, _) in part.terms(Field::Conversation)? {
            let mark = Handle(self.tagger.mark(Label::ConversationMark, &[&name]));
            if let Some(before) = of.conversations.get(&mark) {
                let there = part.postings(&Term { field: Field::Conversation, value: name })? & of_class;
                docs |= there & part.in_time(Micros(i64::MIN), *before)?;
            }
        }
        Ok(docs)
    }

    /// The record that a reaction is about, in the end; none if that is not there, or can't be read.
    fn reacted_to(&self, parts: &[Named<'_>], one: &Speaking) -> Result<Option<Seq>> {
        let Some((_, part)) = parts.iter().find(|(first, _)| *first == one.part) else { return Ok(None) };
        let seq = match self.spoken_of(&self.gates(), *part, one.doc) {
            Ok(Some((_, seq))) => seq,
            Ok(None) => return Ok(None),
            Err(e) if e.kind() == ErrorKind::Corrupt => return Ok(None),
            Err(e) => return Err(e),
        };
        Ok(self.roots(&[seq])?.pop().flatten().or(Some(seq)))
    }

    /// Adds those that speak of what is restricted: its later wordings are that record. Answers those whose record is
    /// in none of these parts.
    fn add_speaking(
        &self,
        parts: &[Named<'_>],
        speaking: Vec<Speaking>,
        docs: &mut HashMap<Seq, Arc<RoaringBitmap>>,
    ) -> Result<Vec<Speaking>> {
        if speaking.is_empty() {
            return Ok(speaking);
        }
        let seqs: Vec<Seq> = speaking.iter().map(|one| one.seq).collect();
        let (mut open, mut more) = (Vec::new(), Vec::new());
        'each: for (one, root) in speaking.into_iter().zip(self.roots(&seqs)?) {
            let root = match root {
                None => self.reacted_to(parts, &one)?,
                root => root,
            };
            let Some(root) = root else {
                open.push(one);
                continue;
            };
            for (first, part) in parts {
                if let Some(doc) = part.doc_of(root)? {
                    if docs.get(first).is_some_and(|docs| docs.contains(doc)) {
                        more.push((one.part, one.doc));
                    }
                    continue 'each;
                }
            }
            open.push(one);
        }
        for (part, doc) in more {
            docs.entry(part).and_modify(|docs| _ = Arc::make_mut(docs).insert(doc));
        }
        Ok(open)
    }
}
