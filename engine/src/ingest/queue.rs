//! Group commit: callers queue their batches; one of them writes everything that waits as one
//! frame with one sync, hands the lead to the first of those who came meanwhile, and then wakes
//! those whose batches it wrote. A batch is in one frame, so it is whole or absent.
//!
//! What a batch is written as is known when it was drafted: with people who are unknown and joins it
//! can be many times what it says. A frame takes no more batches once it is long enough; the rest of
//! the group gets the next one, by the same lead. A batch that can't be drafted fails alone.
//!
//! Those who are written together sleep on one [`Bell`], which wakes them in one call; the lead of
//! those who came meanwhile is woken before them, so that the device has its next frame while they
//! come back with their next batches. Before he takes what waits he lets them come: a sync costs the
//! processor more than a batch does.

use std::borrow::Cow;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use zeroize::Zeroize;

use crate::error::{Error, ErrorKind, Result};
use crate::id::{PersonNumber, Seq};
use crate::index::Batch;
use crate::ingest::acts::Acts;
use crate::ingest::assemble::{Draft, Outcome};
use crate::ingest::bell::Bell;
use crate::ingest::change::Changes;
use crate::ingest::refused::{self, Refusal};
use crate::journal::FrameKind;
use crate::record::{Record, Stored};
use crate::state::{Durability, State, Writer, commit};
use crate::view::View;

/// Bytes of records that go into one frame together.
const FRAME_BYTES: usize = 8 << 20;

/// Steps that a lead takes behind others before it writes: more callers than that come with the
/// next frame.
const GATHER_STEPS_MAX: usize = 32;

/// Batches that wait to be written.
#[derive(Default)]
pub struct Queue {
    inner: Mutex<Inner>,
    /// Signalled when fewer bytes wait.
    room: Condvar,
    /// Refusals of records that are not on record yet.
    refusals: Mutex<Vec<Refusal>>,
}

#[derive(Default)]
struct Inner {
    /// Those who are written together next; the first of them leads.
    waiting: Vec<Arc<Ticket>>,
    /// What they sleep on.
    bell: Arc<Bell>,
    bytes: usize,
    /// Somebody leads: he writes, or was just told to.
    led: bool,
}

struct Ticket {
    input: Input<'static>,
    bytes: usize,
    turn: Mutex<Turn>,
}

/// What became of a batch that waits.
enum Turn {
    /// Nothing yet.
    Waits,
    /// Its caller writes the next frame; it is the first of its group.
    Leads,
    /// It was written, or could not be.
    Answered(Result<Vec<Outcome>>),
}

impl Ticket {
    /// Changes the turn without waking the caller.
    fn set(&self, turn: Turn) {
        *self.turn.lock() = turn;
    }

    fn take(&self) -> Turn {
        std::mem::replace(&mut *self.turn.lock(), Turn::Waits)
    }
}

/// The copy of a caller's records is wiped; his own is his.
impl Drop for Ticket {
    fn drop(&mut self) {
        match &mut self.input {
            Input::Records(Cow::Owned(records), _) => records.iter_mut().for_each(Zeroize::zeroize),
            Input::Records(Cow::Borrowed(_), _) => {}
            Input::Own(records) => records.iter_mut().for_each(Zeroize::zeroize),
            Input::Acts(acts) => acts.zeroize(),
            Input::Changes(changes) => changes.zeroize(),
            Input::Person(identifier) => identifier.zeroize(),
        }
    }
}

enum Input<'a> {
    /// And whether somebody says them who may see what they are about.
    Records(Cow<'a, [Record]>, bool),
    Own(Vec<Stored>),
    Acts(Acts),
    Changes(Changes),
    Person(String),
}

impl Input<'_> {
    fn into_owned(self) -> Input<'static> {
        match self {
            Self::Records(records, sees) => Input::Records(Cow::Owned(records.into_owned()), sees),
            Self::Own(records) => Input::Own(records),
            Self::Acts(acts) => Input::Acts(acts),
            Self::Changes(changes) => Input::Changes(changes),
            Self::Person(identifier) => Input::Person(identifier),
        }
    }
}

/// What to do when too many bytes wait.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// Wait.
    Wait,
    /// Answer *busy*.
    Refuse,
}

impl Queue {
    /// Appends a batch of records.
    pub fn append(
        &self,
        state: &Arc<State>,
        records: &[Record],
        when_full: WhenFull,
    ) -> Result<Vec<Outcome>> {
        self.append_by(state, (records, false), when_full)
    }

    /// Appends what somebody says of a record whose session was asked whether it sees that.
    pub fn append_said(&self, state: &Arc<State>, record: &Record) -> Result<Vec<Outcome>> {
        self.append_by(state, (std::slice::from_ref(record), true), WhenFull::Wait)
    }

    fn append_by(
        &self,
        state: &Arc<State>,
        (records, sees): (&[Record], bool),
        when_full: WhenFull,
    ) -> Result<Vec<Outcome>> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let bytes = records.iter().map(size_of_record).sum();
        let outcomes = self.run(state, Input::Records(Cow::Borrowed(records), sees), bytes, when_full)?;
        let refusals = std::mem::take(&mut *self.refusals.lock());
        for (at, refusal) in refusals.iter().enumerate() {
            if refused::record(state, self, None, refusal).is_err() {
                // What was written is written: the next append tries again.
                let left = refusals.iter().skip(at).cloned();
                left.for_each(|refusal| refusal.join(&mut self.refusals.lock()));
                break;
            }
        }
        Ok(outcomes)
    }

    /// Appends records of the store's own.
    pub fn append_own(&self, state: &Arc<State>, records: Vec<Stored>) -> Result<Vec<Outcome>> {
        self.run(state, Input::Own(records), 0, WhenFull::Wait)
    }

    /// Appends acts. They are durable when it returns, also where appends are not synced; those of
    /// many callers share a frame and a sync. Answers how many records were written.
    pub fn append_acts(&self, state: &Arc<State>, acts: Acts) -> Result<usize> {
        let written = self.run(state, Input::Acts(acts), 0, WhenFull::Wait)?;
        if state.settings.durability != Durability::Synced {
            // A journal that was frozen meanwhile was synced then.
            state.writer.lock().active.sync().map_err(|e| state.poison(e))?;
        }
        Ok(written.len())
    }

    /// Makes somebody known of whom nothing else is known yet.
    pub fn append_person(&self, state: &Arc<State>, identifier: &str) -> Result<()> {
        self.run(state, Input::Person(identifier.to_owned()), 0, WhenFull::Wait).map(drop)
    }

    /// Appends changes of registers: all of them, or none. They are durable when it returns.
    pub fn append_changes(&self, state: &Arc<State>, changes: Changes) -> Result<Vec<Seq>> {
        let written = self.run(state, Input::Changes(changes), 0, WhenFull::Wait)?;
        if state.settings.durability != Durability::Synced {
            state.writer.lock().active.sync().map_err(|e| state.poison(e))?;
        }
        let seq = |outcome: &Outcome| match outcome {
            Outcome::Added(seq) | Outcome::Quarantined(seq) | Outcome::Duplicate(seq) => Some(*seq),
            Outcome::Rejected(_) => None,
        };
        Ok(written.iter().filter_map(seq).collect())
    }

    fn run(
        &self,
        state: &Arc<State>,
        input: Input<'_>,
        bytes: usize,
        when_full: WhenFull,
    ) -> Result<Vec<Outcome>> {
        state.check_writable()?;
        let mut inner = self.inner.lock();
        while inner.bytes > 0 && inner.bytes + bytes > state.settings.queue_bytes {
            if when_full == WhenFull::Refuse {
                return Err(Error::new(
                    ErrorKind::Busy,
                    format!(
                        "{} bytes wait to be written, the limit is {}",
                        inner.bytes, state.settings.queue_bytes
                    ),
                )
                .hint("append again in a moment"));
            }
            self.room.wait(&mut inner);
        }
        inner.bytes += bytes;
        if !inner.led {
            // Nobody to wait for: the caller's records are read where they lie.
            inner.led = true;
            drop(inner);
            let leader = Leader { queue: self, state, group: Vec::new(), bell: None, bytes };
            let (_, answer) = try_write(self, state, &[&input]);
            drop(leader);
            commit::roll_if_due(state);
            return answer.map(|mut answers| answers.pop().unwrap_or_default());
        }
        let ticket = Arc::new(Ticket { input: input.into_owned(), bytes, turn: Mutex::new(Turn::Waits) });
        let leads = inner.waiting.is_empty();
        inner.waiting.push(Arc::clone(&ticket));
        let bell = Arc::clone(&inner.bell);
        drop(inner);
        let answer = bell.sleep_until(leads, || match ticket.take() {
            Turn::Waits => None,
            Turn::Leads => Some(None),
            Turn::Answered(answer) => Some(Some(answer)),
        });
        if let Some(answer) = answer {
            return answer;
        }
        let group = self.gather();
        let bytes = group.iter().map(|t| t.bytes).sum();
        let mut leader = Leader { queue: self, state, group, bell: Some(bell), bytes };
        leader.write();
        drop(leader);
        commit::roll_if_due(state);
        // The lead is one of the group.
        match ticket.take() {
            Turn::Answered(answer) => answer,
            Turn::Waits | Turn::Leads => Err(Error::new(ErrorKind::Closed, "the batch was not written")),
        }
    }

    /// What the new lead writes. Those whose batches were just written are runnable and have not
    /// come back yet: the lead steps behind them as long as each step brings somebody, so that they
    /// share a sync. Where nobody is about to come, one step returns at once and nothing is lost.
    fn gather(&self) -> Vec<Arc<Ticket>> {
        let mut came = 0;
        for _ in 0..GATHER_STEPS_MAX {
            let waiting = self.inner.lock().waiting.len();
            if waiting <= came {
                break;
            }
            came = waiting;
            std::thread::yield_now();
        }
        let mut inner = self.inner.lock();
        inner.bell = Arc::default();
        std::mem::take(&mut inner.waiting)
    }
}

/// Whoever writes for all that wait. Hands the lead on when dropped, also by a panic: those who
/// wait for its group are answered, and the store is poisoned.
struct Leader<'a> {
    queue: &'a Queue,
    state: &'a Arc<State>,
    /// Those who wait for what is being written.
    group: Vec<Arc<Ticket>>,
    /// What they sleep on; a caller who met nobody has none.
    bell: Option<Arc<Bell>>,
    /// Bytes of what is being written.
    bytes: usize,
}

impl Leader<'_> {
    /// Writes the group, as one frame unless it is too long for one, and notes what became of it.
    fn write(&mut self) {
        let mut rest = &*self.group;
        while !rest.is_empty() {
            let inputs: Vec<&Input<'_>> = one_frame(rest).iter().map(|t| &t.input).collect();
            let (count, answers) = try_write(self.queue, self.state, &inputs);
            let (written, later) = rest.split_at(count.min(rest.len()));
            match answers {
                Ok(answers) => {
                    for (ticket, answer) in written.iter().zip(answers) {
                        ticket.set(Turn::Answered(Ok(answer)));
                    }
                }
                Err(e) => answer_all(written, &e),
            }
            rest = later;
            if !rest.is_empty() {
                // Those who are answered need not wait for the others.
                self.bell.iter().for_each(|bell| bell.ring());
                commit::roll_if_due(self.state);
            }
        }
    }
}

impl Drop for Leader<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let e = Error::new(ErrorKind::Poisoned, "the write was broken off").hint("reopen the store");
            let e = self.state.poison(e);
            answer_all(&self.group, &e);
        }
        let mut inner = self.queue.inner.lock();
        // The group is answered: its bytes wait no longer.
        inner.bytes -= self.bytes;
        let next = inner.waiting.first().map(|next| (Arc::clone(next), Arc::clone(&inner.bell)));
        inner.led = next.is_some();
        drop(inner);
        if let Some((next, bell)) = next {
            next.set(Turn::Leads);
            bell.ring_for_lead();
        }
        self.queue.room.notify_all();
        // Each caller wipes and frees his own batch, beside the next frame and where it was made.
        self.group.clear();
        self.bell.iter().for_each(|bell| bell.ring());
    }
}

/// Bytes that a record occupies while it waits, roughly.
fn size_of_record(record: &Record) -> usize {
    let lists = [&record.tags, &record.subjects, &record.participants];
    let lists = lists.into_iter().flatten().map(String::len).sum::<usize>();
    let extra = record.extra.iter().map(|(name, json)| name.len() + json.len()).sum::<usize>();
    let texts =
        [&record.id, &record.reply_to, &record.target].into_iter().flatten().map(String::len).sum::<usize>();
    let names = record.conversation.len() + record.author.len() + record.channel.len();
    record.body.len() + names + texts + lists + extra + 256
}

/// The first of a group, as many as go into one frame.
fn one_frame(group: &[Arc<Ticket>]) -> &[Arc<Ticket>] {
    let mut bytes = 0;
    let fit = group.iter().take_while(|ticket| {
        bytes += ticket.bytes;
        bytes <= FRAME_BYTES
    });
    let count = fit.count().max(1);
    group.get(..count).unwrap_or(group)
}

/// Answers with an error whoever was not answered before: what was written stays so.
fn answer_all(group: &[Arc<Ticket>], e: &Error) {
    for ticket in group {
        let copy = Error::new(e.kind(), e.to_string());
        let copy = match e.hint_text() {
            Some(hint) => copy.hint(hint),
            None => copy,
        };
        let mut turn = ticket.turn.lock();
        if matches!(*turn, Turn::Waits) {
            *turn = Turn::Answered(Err(copy));
        }
    }
}

/// Drafts batches of a group, from the first on, until a frame is long enough. Of a batch that can't
/// be drafted nothing is kept: those before it go without it, and the first fails alone.
fn draft<'a, 'r>(
    state: &'a State,
    view: &'a View,
    writer: &Writer,
    mut group: &[&'r Input<'_>],
) -> Result<(Draft<'a, 'r>, Vec<Vec<Outcome>>)> {
    'again: loop {
        let preset = state.settings.preset;
        let mut draft = Draft::new(&state.env, view, preset, writer.next_seq, writer.next_person);
        let mut answers = Vec::with_capacity(group.len());
        for (i, input) in group.iter().enumerate() {
            if draft.bytes() > FRAME_BYTES {
                break;
            }
            let outcomes: Result<Vec<Outcome>> = match input {
                Input::Records(records, sees) => {
                    draft.sees = *sees;
                    draft.add_all(records)
                }
                Input::Own(records) => records.iter().map(|r| draft.add_own(r.clone())).collect(),
                Input::Acts(acts) => draft.add_acts(acts),
                Input::Changes(changes) => draft.add_changes(changes),
                Input::Person(identifier) => draft.add_person(identifier),
            };
            match outcomes {
                Ok(outcomes) => answers.push(outcomes),
                Err(e) if i == 0 => return Err(e),
                Err(_) => {
                    group = group.get(..i).unwrap_or_default();
                    continue 'again;
                }
            }
        }
        return Ok((draft, answers));
    }
}

/// Writes the first batches of a group as one frame. Answers how many batches this answers, and what.
fn try_write(queue: &Queue, state: &Arc<State>, group: &[&Input<'_>]) -> (usize, Result<Vec<Vec<Outcome>>>) {
    let all = group.len();
    if let Err(e) = commit::wait_for_room(state) {
        return (all, Err(e));
    }
    let mut writer = state.writer.lock();
    if let Err(e) = state.check_writable() {
        return (all, Err(e));
    }
    let view = state.view.read();
    let (draft, answers) = match draft(state, &view, &writer, group) {
        Ok(drafted) => drafted,
        Err(e) => return (1, Err(e)),
    };
    let count = answers.len();
    for refusal in draft.refusals.take() {
        refusal.join(&mut queue.refusals.lock());
    }
    let batch = draft.finish();
    drop(view);
    let written = batch.and_then(|(batch, seq, person)| write_frame(state, &mut writer, batch, seq, person));
    (count, written.map(|()| answers))
}

/// Writes a frame. Its records are found from now on.
fn write_frame(
    state: &State,
    writer: &mut Writer,
    batch: Batch<'_>,
    next_seq: Seq,
    next_person: PersonNumber,
) -> Result<()> {
    if batch.entries.is_empty() {
        return Ok(());
    }
    let written = writer
        .ensure_opened(&state.env)
        .and_then(|()| writer.active.append(&*state.env.entropy, FrameKind::Batch, &batch.payload))
        .and_then(|()| match state.settings.durability {
            Durability::Synced => writer.active.sync(),
            Durability::Written => Ok(()),
        });
    written.map_err(|e| if writer.survives(&e) { e } else { state.poison(e) })?;
    writer.next_seq = next_seq;
    writer.next_person = next_person;
    state.reserve.note_journal(writer.active.len());
    // The frame is durable: a record that the index lacks would be left out by the next roll.
    state.view.write().add_batch(batch).map_err(|e| state.poison(e))
}
