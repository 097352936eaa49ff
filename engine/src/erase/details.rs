//! Details of acts that name what is erased: they go with it, the acts stay.
//!
//! An act says who did what, by numbers; what was typed stands in its detail. Before anything goes
//! every living detail is read: of a person her identifiers are looked for in it, and the part before the
//! `@`; of a conversation its name, of a record its id. Names are compared in the form in which look-ups
//! find them ([`crate::text::Wording`]): whatever finds her is found here.
//! A detail of what was opened by name goes too if nothing of that name is left. Somebody whose name
//! is a word of every day takes details of others along: their acts stay, and a detail lives for
//! weeks only.
//!
//! The count of a search outlives it in the act, and with the query it would tell what something said that
//! is gone: of a "yes" that was found, and of a "no" that was not. So a query goes with whatever it could
//! have found when it was asked, had other words stood there (`query/asked.rs`).
//!
//! A detail that can't be read goes with every erasure: it may name whoever goes, and its file may come
//! back. Damage keeps nothing here that is to be forgotten, and no store from opening: an erasure that
//! waits is gone on with by every opening.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use roaring::RoaringBitmap;
use zeroize::{Zeroize, Zeroizing};

use crate::erase::target;
use crate::error::{ErrorKind, Result};
use crate::id::{Micros, PersonNumber, RequestId, Seq};
use crate::index::{IdQuery, Part, Segment, Term};
use crate::keyring::catalog;
use crate::keyring::pending::{Target, Waiting};
use crate::query::asked::Records;
use crate::receipts::{Detail, DetailField};
use crate::record::Kind;
use crate::state::State;
use crate::text;
use crate::view::View;

mod names;
mod typed;

use names::Names;
use typed::{Desk, Question, Typed};

/// How often a plan looks for details beside rolls and compactions.
const LOOKS_AHEAD: usize = 3;

/// Notes for each erasure which details go with it; `grown` are those that forget more people than their earlier
/// passes did. The mask stands, and no frame is on its way: from
/// then on no detail is drafted until the mask is gone, and nothing is rolled, merged or rewritten. So
/// every detail that can name what goes is there, and stays in its place, without a lock; only what
/// stands in memory is read under that of readers. Appends and searches go on.
pub fn find(
    state: &State,
    batch: &mut [(RequestId, Waiting)],
    grown: &BTreeMap<RequestId, Vec<PersonNumber>>,
) -> Result<()> {
    let segments = segments(state);
    if !are_there(state, &segments)? {
        return Ok(());
    }
    let mut seekers = Vec::new();
    for (request, waiting) in batch {
        // Of periods all goes; of what an earlier pass has met the names are gone, and what they
        // found was noted.
        let is_new = waiting.progress.epoch_after.0 == 0 || grown.contains_key(request);
        if waiting.was_asked_for() && is_new {
            seekers.push(Seeker::new(state, &segments, waiting)?);
        }
    }
    if !seekers.is_empty() {
        look_at_all(state, &segments, &mut seekers)?;
    }
    seekers.into_iter().for_each(Seeker::note);
    Ok(())
}

/// Notes likewise for what only a plan is made of; says how many of `own`, which are written later, go too.
/// Nothing is masked, so appends, rolls and compactions go on: if parts took another place meanwhile it is
/// looked again, a few times.
pub fn look_ahead(state: &State, waiting: &mut Waiting, own: Option<[Detail; 2]>) -> Result<u64> {
    let parts_now = || {
        let view = state.view.read();
        (view.segments.iter().map(|s| s.entry.index).collect::<Vec<_>>(), view.frozen.is_some())
    };
    let now = state.env.clock.now();
    let own = own.into_iter().flatten().filter(|own| !own.is_empty());
    let mut desk = Desk::new();
    let own: Vec<_> = own.map(|own| desk.typed(own, now)).collect();
    let mut own_going = 0;
    for _ in 0..LOOKS_AHEAD {
        let before = parts_now();
        let segments = segments(state);
        let some = are_there(state, &segments)?;
        if !some && own.is_empty() {
            return Ok(0);
        }
        // What an earlier look found is found again.
        waiting.further.clear();
        let mut seekers = [Seeker::new(state, &segments, waiting)?];
        if some {
            look_at_all(state, &segments, &mut seekers)?;
        }
        let [mut seeker] = seekers;
        own_going = 0;
        for own in &own {
            own_going += u64::from(seeker.takes(own, Seq(u64::MAX), now)?);
        }
        seeker.note();
        if before == parts_now() {
            break;
        }
    }
    Ok(own_going)
}

fn segments(state: &State) -> Vec<Arc<Segment>> {
    state.view.read().segments.iter().map(|s| s.part.clone()).collect()
}

/// Whether there are any details.
fn are_there(state: &State, segments: &[Arc<Segment>]) -> Result<bool> {
    let mut some = false;
    for segment in segments {
        some |= segment.frequency(&Term::kind(Kind::Detail))? > 0;
    }
    for part in state.view.read().parts().into_iter().skip(segments.len()) {
        some |= part.frequency(&Term::kind(Kind::Detail))? > 0;
    }
    Ok(some)
}

/// Shows every detail to everybody who looks for some.
fn look_at_all(state: &State, segments: &[Arc<Segment>], seekers: &mut [Seeker<'_>]) -> Result<()> {
    let mut desk = Desk::new();
    for (part, segment) in segments.iter().enumerate() {
        each_detail(&**segment, |kept| look(seekers, &mut desk, part, kept))?;
    }
    let mut unrolled = Vec::new();
    {
        let view = state.view.read();
        for (part, index) in view.parts().into_iter().enumerate().skip(segments.len()) {
            each_detail(index, |kept| {
                unrolled.push((part, kept));
                Ok(())
            })?;
        }
    }
    unrolled.into_iter().try_for_each(|(part, kept)| look(seekers, &mut desk, part, kept))
}

/// A living detail, where it stands.
struct Kept {
    doc: u32,
    seq: Seq,
    /// What it says and when it was written; `None` if it can't be read.
    detail: Option<(Detail, Micros)>,
}

/// Opens the details of a part.
fn each_detail(part: &dyn Part, mut each: impl FnMut(Kept) -> Result<()>) -> Result<()> {
    for doc in part.postings(&Term::kind(Kind::Detail))? {
        let detail = match part.record(doc).map(Zeroizing::new) {
            Ok(stored) => Some((Detail::parse(&stored.body), stored.time)),
            Err(e) if e.kind() == ErrorKind::Corrupt => None,
            Err(e) => return Err(e),
        };
        each(Kept { doc, seq: part.key(doc)?.seq, detail })?;
    }
    Ok(())
}

/// Shows a detail of a part to everybody who looks for some.
fn look(seekers: &mut [Seeker<'_>], desk: &mut Desk, part: usize, kept: Kept) -> Result<()> {
    let Kept { doc, seq, detail } = kept;
    let typed = detail.map(|(detail, time)| (desk.typed(detail, time), time));
    seekers.iter_mut().filter(|seeker| !seeker.gone.holds(part, doc)).try_for_each(|seeker| {
        if match &typed {
            Some((typed, time)) => seeker.takes(typed, seq, *time)?,
            None => true,
        } {
            seeker.further.push(seq);
        } else if typed.as_ref().is_some_and(|(typed, _)| typed.looks_in_details()) {
            seeker.in_details.push(seq);
        }
        Ok(())
    })
}

/// Looks for what one erasure takes.
struct Seeker<'a> {
    waiting: &'a mut Waiting,
    names: Names,
    gone: Gone<'a>,
    segments: &'a [Arc<Segment>],
    /// What goes, once a query was found.
    records: Option<Records>,
    further: Vec<Seq>,
    /// Queries that looked for words in details, and stay unless one of those goes.
    in_details: Vec<Seq>,
}

impl<'a> Seeker<'a> {
    fn new(state: &'a State, segments: &'a [Arc<Segment>], waiting: &'a mut Waiting) -> Result<Self> {
        let mut docs = Vec::new();
        for segment in segments {
            docs.push(target::doomed_in(&**segment, waiting)?);
        }
        let view = state.view.read();
        for part in view.parts().into_iter().skip(segments.len()) {
            docs.push(target::doomed_in(part, waiting)?);
        }
        let names = names_of(&view, waiting, &docs)?;
        let gone = Gone { state, docs, known: HashMap::new(), losses: None, numbers: HashMap::new() };
        Ok(Self {
            waiting,
            names,
            gone,
            segments,
            records: None,
            further: Vec::new(),
            in_details: Vec::new(),
        })
    }

    /// Whether what was typed at a time, and stands at a position of the log, goes too.
    fn takes(&mut self, typed: &Typed, seq: Seq, time: Micros) -> Result<bool> {
        if self.names.stand_in(typed, seq) {
            return Ok(true);
        }
        let lost = self.gone.lost_something_between(seq, time)?;
        match self.gone.left_of_what_it_names(&typed.detail)? {
            Left::Goes => return Ok(true),
            Left::Nothing if lost => return Ok(true),
            Left::Nothing | Left::Lives => {}
        }
        let query = match typed.question() {
            Question::None => return Ok(false),
            _ if lost => return Ok(true),
            Question::Chats(query) => Some(query),
            Question::Unknown => None,
        };
        let records = match &mut self.records {
            Some(records) => records,
            none => none.insert(self.gone.records(self.segments)?),
        };
        match query {
            Some(query) => query.tells_of(records, seq, &mut |name| self.gone.number(name)),
            // Whatever was there it may have found.
            None => Ok(records.has_before(seq)),
        }
    }

    fn note(mut self) {
        // Whoever found words in a detail knows what it said, as its count does that goes on.
        if let Some(first) = self.further.iter().min().copied() {
            self.further.extend(self.in_details.iter().filter(|seq| **seq > first));
        }
        self.waiting.further.append(&mut self.further);
        self.waiting.further.sort_unstable();
        self.waiting.further.dedup();
    }
}

/// Names of whatever goes.
fn names_of(view: &View, waiting: &Waiting, gone: &[RoaringBitmap]) -> Result<Names> {
    let mut names = Names::default();
    let mut people = waiting.forgotten.clone();
    match &waiting.target {
        Target::Persons(numbers) => people.extend(numbers),
        Target::Conversation(name) => names.add_conversation(name, first(view, gone)?),
        Target::Record { id, conversation, seq, .. } => names.add_record(id, conversation, *seq),
        Target::Rename { person, stays, .. } => {
            for (at, identifier) in view.identifiers(*person)?.into_iter().enumerate() {
                let identifier = Zeroizing::new(identifier);
                if !stays.iter().any(|stays| usize::from(*stays) == at) {
                    names.add_identifier(&identifier);
                }
            }
        }
        Target::Records { .. } | Target::Audit { .. } | Target::Redact { .. } => {}
    }
    for number in people {
        for identifier in view.identifiers(number)? {
            names.add_identifier(&Zeroizing::new(identifier));
        }
    }
    Ok(names)
}

/// Where the first of what goes stands in the log.
fn first(view: &View, gone: &[RoaringBitmap]) -> Result<Seq> {
    let mut first = Seq(u64::MAX);
    for (part, docs) in view.parts().into_iter().zip(gone) {
        first = part.seqs(docs)?.into_iter().min().unwrap_or(first).min(first);
    }
    Ok(first)
}

/// What goes, and whether anything of a name is left.
struct Gone<'a> {
    state: &'a State,
    docs: Vec<RoaringBitmap>,
    known: HashMap<Named, Left>,
    /// Where records were lost, and until when they may have been found.
    losses: Option<Vec<(Seq, Micros)>>,
    /// People who stand in queries, by their name's hash.
    numbers: HashMap<[u8; 32], Option<PersonNumber>>,
}

impl Gone<'_> {
    /// Whether a document of a part goes anyway.
    fn holds(&self, part: usize, doc: u32) -> bool {
        self.docs.get(part).is_some_and(|docs| docs.contains(doc))
    }

    /// The number of somebody who stands in a query.
    fn number(&mut self, name: &str) -> Result<Option<PersonNumber>> {
        let name = Zeroizing::new(text::nfc(name).into_owned());
        let key = *blake3::hash(name.as_bytes()).as_bytes();
        if let Some(known) = self.numbers.get(&key) {
            return Ok(*known);
        }
        let number = self.state.view.read().number_of(&name)?;
        self.numbers.insert(key, number);
        Ok(number)
    }

    /// Whether a record may have been lost that stood before a position of the log, and was there at a time.
    /// Whose it was nobody knows: a segment that can't be read goes as a whole, and from others went what had to
    /// be given up.
    fn lost_something_between(&mut self, seq: Seq, time: Micros) -> Result<bool> {
        if self.losses.is_none() {
            let view = self.state.view.read();
            let missing = view.missing.iter().map(|missing| (missing.entry.min_seq, Micros::MAX));
            let noted = catalog::losses(&view.tree)?;
            let noted = noted.iter().filter(|loss| !loss.is_of_hashes()).map(|loss| (loss.first, loss.at));
            self.losses = Some(missing.chain(noted).collect());
        }
        let mut losses = self.losses.iter().flatten();
        Ok(losses.any(|(first, until)| *first < seq && time <= *until))
    }

    /// What queries could have found of it.
    fn records(&self, segments: &[Arc<Segment>]) -> Result<Records> {
        let mut records = Records::default();
        let mut add = |part: &dyn Part, docs: &RoaringBitmap| -> Result<()> {
            for doc in docs {
                match part.record(doc).map(Zeroizing::new) {
                    Ok(stored) => records.add(&stored, part.key(doc)?.seq),
                    Err(e) if e.kind() == ErrorKind::Corrupt => records.add_unread(part.key(doc)?.seq),
                    Err(e) => return Err(e),
                }
            }
            Ok(())
        };
        let (rolled, unrolled) = self.docs.split_at(segments.len().min(self.docs.len()));
        segments.iter().zip(rolled).try_for_each(|(segment, docs)| add(&**segment, docs))?;
        let view = self.state.view.read();
        let parts = view.parts().into_iter().skip(segments.len());
        parts.zip(unrolled).try_for_each(|(part, docs)| add(part, docs))?;
        Ok(records)
    }

    /// What is left of the record or the conversation that a detail names.
    fn left_of_what_it_names(&mut self, detail: &Detail) -> Result<Left> {
        let conversation = detail.get(DetailField::Conversation);
        let record = detail.get(DetailField::Record);
        if conversation.is_none() && record.is_none() {
            return Ok(Left::Lives);
        }
        let key = Named([conversation, record].map(|name| name.map(str::to_owned)));
        if let Some(known) = self.known.get(&key) {
            return Ok(*known);
        }
        let mut left = Left::Nothing;
        let view = self.state.view.read();
        for (part, gone) in view.parts().into_iter().zip(&self.docs) {
            let docs = match (record, conversation) {
                (Some(id), conversation) => with_id(part, id, conversation, gone)?,
                (None, Some(name)) => part.postings(&Term::conversation(name))?,
                (None, None) => continue,
            };
            if !docs.is_subset(gone) {
                left = Left::Lives;
                break;
            }
            if !docs.is_empty() {
                left = Left::Goes;
            }
        }
        drop(view);
        self.known.insert(key, left);
        Ok(left)
    }
}

/// What is left of something that was opened by name.
#[derive(Clone, Copy)]
enum Left {
    /// Some of it lives on; or nothing was opened by name.
    Lives,
    /// All that is there goes.
    Goes,
    /// Nothing is there.
    Nothing,
}

/// Conversation and record that a detail names. Wiped.
#[derive(PartialEq, Eq, Hash)]
struct Named([Option<String>; 2]);

impl Drop for Named {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Documents with an id. Of what can't be read those count that are `gone`: they may have it.
fn with_id(
    part: &dyn Part,
    id: &str,
    conversation: Option<&str>,
    gone: &RoaringBitmap,
) -> Result<RoaringBitmap> {
    let mut docs = RoaringBitmap::new();
    for doc in part.id_candidates(&IdQuery::new(id, conversation))? {
        let fits = match part.record(doc).map(Zeroizing::new) {
            Ok(stored) => stored.id == id && conversation.is_none_or(|c| c == stored.conversation),
            Err(e) if e.kind() == ErrorKind::Corrupt => gone.contains(doc),
            Err(e) => return Err(e),
        };
        if fits {
            docs.insert(doc);
        }
    }
    Ok(docs)
}
