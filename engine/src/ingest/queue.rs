//! Group commit: callers queue their batches; one of them writes everything that waits as one
//! frame with one sync, hands the lead to the first of those who came meanwhile, and then wakes
//! those whose batches it wrote. A batch is in one frame, so it is whole or absent.
//!
//! What a batch is written as is known when it was drafted: with people who are unknown and joins it
//! can be many times what it says. A frame takes no more batches once it is long enough, and a batch
//! that can't be drafted fails alone; the others go back to the front of the queue.
//!
//! Each caller sleeps on a condition of his own: with one for all, every frame wakes every caller,
//! also those whose turn has not come. The lead goes on before anybody is woken, so that the
//! device has its next frame while they come back with their next batches. Before it takes what
//! waits it lets them come: a sync costs the processor more than a batch does.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use zeroize::Zeroize;

use crate::error::{Error, ErrorKind, Result};
use crate::id::{PersonNumber, Seq};
use crate::index::Batch;
use crate::ingest::assemble::{Draft, Outcome};
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
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Arc<Ticket>>,
    bytes: usize,
    /// Somebody leads: he writes, or was just told to.
    led: bool,
}

struct Ticket {
    input: Input<'static>,
    bytes: usize,
    turn: Mutex<Turn>,
    changed: Condvar,
}

/// What became of a batch that waits.
enum Turn {
    /// Nothing yet.
    Waits,
    /// Its caller writes the next frame; it is the first in the queue.
    Leads,
    /// It was written, or could not be.
    Answered(Result<Vec<Outcome>>),
}

impl Ticket {
    /// Changes the turn without waking the caller.
    fn set(&self, turn: Turn) {
        *self.turn.lock() = turn;
    }

    fn wake(&self) {
        self.changed.notify_one();
    }

    /// Sleeps until the batch is answered, or its caller leads, which answers `None`.
    fn wait(&self) -> Option<Result<Vec<Outcome>>> {
        let mut turn = self.turn.lock();
        loop {
            match std::mem::replace(&mut *turn, Turn::Waits) {
                Turn::Waits => self.changed.wait(&mut turn),
                Turn::Leads => return None,
                Turn::Answered(answer) => return Some(answer),
            }
        }
    }
}

/// The copy of a caller's records is wiped; his own is his.
impl Drop for Ticket {
    fn drop(&mut self) {
        match &mut self.input {
            Input::Records(Cow::Owned(records)) => records.iter_mut().for_each(Zeroize::zeroize),
            Input::Records(Cow::Borrowed(_)) => {}
            Input::Own(records) => records.iter_mut().for_each(Zeroize::zeroize),
        }
    }
}

enum Input<'a> {
    Records(Cow<'a, [Record]>),
    Own(Vec<Stored>),
}

impl Input<'_> {
    fn into_owned(self) -> Input<'static> {
        match self {
            Self::Records(records) => Input::Records(Cow::Owned(records.into_owned())),
            Self::Own(records) => Input::Own(records),
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
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let bytes = records.iter().map(size_of_record).sum();
        self.run(state, Input::Records(Cow::Borrowed(records)), bytes, when_full)
    }

    /// Appends records of the store's own.
    pub fn append_own(&self, state: &Arc<State>, records: Vec<Stored>) -> Result<Vec<Outcome>> {
        self.run(state, Input::Own(records), 0, WhenFull::Wait)
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
            let leader = Leader { queue: self, state, group: Vec::new(), bytes };
            let (_, answer) = try_write(state, &[&input]);
            drop(leader);
            commit::roll_if_due(state);
            return answer.map(|mut answers| answers.pop().unwrap_or_default());
        }
        let input = input.into_owned();
        let ticket =
            Arc::new(Ticket { input, bytes, turn: Mutex::new(Turn::Waits), changed: Condvar::new() });
        inner.waiting.push_back(Arc::clone(&ticket));
        drop(inner);
        if let Some(answer) = ticket.wait() {
            return answer;
        }
        let group = self.gather();
        let bytes = group.iter().map(|t| t.bytes).sum();
        let mut leader = Leader { queue: self, state, group, bytes };
        leader.write();
        drop(leader);
        commit::roll_if_due(state);
        // The first in the queue is in the group.
        ticket.wait().unwrap_or_else(|| Err(Error::new(ErrorKind::Closed, "the batch was not written")))
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
        take_group(&mut self.inner.lock().waiting)
    }
}

/// Whoever writes for all that wait. Hands the lead on when dropped, also by a panic: those who
/// wait for its group are answered, and the store is poisoned.
struct Leader<'a> {
    queue: &'a Queue,
    state: &'a Arc<State>,
    /// Those who wait for what is being written.
    group: Vec<Arc<Ticket>>,
    /// Bytes of what is being written.
    bytes: usize,
}

impl Leader<'_> {
    /// Writes the first batches of the group as one frame, answers these, and lets the rest wait on.
    fn write(&mut self) {
        let inputs: Vec<&Input<'_>> = self.group.iter().map(|t| &t.input).collect();
        let (count, answers) = try_write(self.state, &inputs);
        let later = self.group.split_off(count.min(self.group.len()));
        if !later.is_empty() {
            let mut inner = self.queue.inner.lock();
            for ticket in later.into_iter().rev() {
                self.bytes -= ticket.bytes;
                inner.waiting.push_front(ticket);
            }
        }
        match answers {
            Ok(answers) => {
                for (ticket, answer) in self.group.iter().zip(answers) {
                    ticket.set(Turn::Answered(Ok(answer)));
                }
            }
            Err(e) => answer_all(&self.group, &e),
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
        let next = inner.waiting.front().map(Arc::clone);
        inner.led = next.is_some();
        drop(inner);
        if let Some(next) = next {
            next.set(Turn::Leads);
            next.wake();
        }
        self.queue.room.notify_all();
        self.group.iter().for_each(|ticket| ticket.wake());
    }
}

/// Bytes that a record occupies while it waits, roughly.
fn size_of_record(record: &Record) -> usize {
    let lists = [&record.tags, &record.subjects, &record.participants];
    let lists = lists.into_iter().flatten().map(String::len).sum::<usize>();
    let extra = record.extra.iter().map(|(name, json)| name.len() + json.len()).sum::<usize>();
    let texts = [&record.id, &record.reply_to].into_iter().flatten().map(String::len).sum::<usize>();
    let names = record.conversation.len() + record.author.len() + record.channel.len();
    record.body.len() + names + texts + lists + extra + 256
}

fn take_group(waiting: &mut VecDeque<Arc<Ticket>>) -> Vec<Arc<Ticket>> {
    let mut group: Vec<Arc<Ticket>> = Vec::new();
    let mut bytes = 0;
    while let Some(next) = waiting.front() {
        if !group.is_empty() && bytes + next.bytes > FRAME_BYTES {
            break;
        }
        bytes += next.bytes;
        group.extend(waiting.pop_front());
    }
    group
}

fn answer_all(group: &[Arc<Ticket>], e: &Error) {
    for ticket in group {
        let copy = Error::new(e.kind(), e.to_string());
        let copy = match e.hint_text() {
            Some(hint) => copy.hint(hint),
            None => copy,
        };
        ticket.set(Turn::Answered(Err(copy)));
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
                Input::Records(records) => draft.add_all(records),
                Input::Own(records) => records.iter().map(|r| draft.add_own(r.clone())).collect(),
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
fn try_write(state: &Arc<State>, group: &[&Input<'_>]) -> (usize, Result<Vec<Vec<Outcome>>>) {
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
