//! What a journal held, frame by frame, after any stop.

use std::fmt;
use std::path::Path;

use crate::crypto::Key;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{FileId, StoreId};
use crate::journal::parity::Closed;
use crate::journal::{Frame, FrameKind, Journal, Read};
use crate::vfs::Vfs;

/// What a journal held.
pub struct Replay {
    /// The journal, ready to append behind its last good frame.
    pub journal: Journal,
    /// Every frame that opened.
    pub frames: Vec<Frame>,
    /// Whether bytes stand behind the last good frame.
    pub torn: bool,
    /// Whether its parity says that it was closed, and where: nothing was written behind.
    pub at_rest: bool,
    /// Frames that were set right.
    pub repaired: u64,
    /// Frames that are lost and have batches behind them, whose positions tell how many records they
    /// held; and frames that have none.
    pub lost: (u64, u64),
}

impl Journal {
    /// Opens a journal and reads every frame. One wrong bit of a frame is set right.
    pub fn replay(vfs: &dyn Vfs, dir: &Path, store: StoreId, id: FileId, key: Key) -> Result<Replay> {
        Self::open(vfs, dir, store, id, key)?.read_all(vfs, dir, false)
    }

    /// The same past frames that are damaged beyond rescue, for a caller who gives them up.
    pub fn replay_what_is_left(
        vfs: &dyn Vfs,
        dir: &Path,
        store: StoreId,
        id: FileId,
        key: Key,
    ) -> Result<Replay> {
        Self::open(vfs, dir, store, id, key)?.read_all(vfs, dir, true)
    }

    pub(super) fn read_all(mut self, vfs: &dyn Vfs, dir: &Path, past_damage: bool) -> Result<Replay> {
        let mut closed = Closed::find(vfs, dir, self.id);
        let (mut frames, mut repaired, mut gaps, mut at_end) = (Vec::new(), 0, Vec::new(), 0);
        loop {
            let covered = closed.as_ref().filter(|closed| self.end < closed.len);
            if closed.is_some() && covered.is_none() {
                if !matches!(self.next(), Ok(Read::Frame { .. } | Read::Newer)) {
                    break;
                }
                // Of an earlier closing, put back by somebody: frames were written since.
                closed = None;
                continue;
            }
            let (read, was_rescued) = self.next_rescued(covered, past_damage)?;
            repaired += u64::from(was_rescued);
            // What can't be had is damage where a frame must stand; else the end, or a torn frame.
            let limit = match read {
                Read::Frame { frame, seal, end } => {
                    (self.frames, self.end, self.previous) = (self.frames + 1, end, seal);
                    frames.push(frame);
                    continue;
                }
                Read::Newer => {
                    return Err(Error::newer(format!(
                        "journal {}.jrn: frame {} is of an unknown sort",
                        self.id, self.frames
                    )));
                }
                Read::Nothing | Read::Broken => match covered {
                    Some(closed) if past_damage => closed.len,
                    Some(closed) => return Err(self.damage_in(closed)),
                    None if past_damage && self.has_damage()? => self.allocated,
                    None => break,
                },
            };
            match self.skip_damage(limit)? {
                Ok(skipped) => gaps.push((frames.len(), skipped)),
                Err(lost) => {
                    at_end = lost;
                    break;
                }
            }
        }
        let lost = lost_frames(&frames, &gaps, at_end);
        if closed.is_some() {
            // Nothing was written behind: what stands there is damage that costs nothing.
            let torn = self.bytes_behind().unwrap_or(true);
            return Ok(Replay { journal: self, frames, torn, at_rest: true, repaired, lost });
        }
        let torn = self.bytes_behind()?;
        if torn
            && lost.1 == 0
            && let Some(behind) = self.synced_frame_behind(self.end)?
        {
            return Err(self.damage(format_args!(
                "frame {} at offset {} is damaged and a frame follows it at {behind}",
                self.frames, self.end
            )));
        }
        Ok(Replay { journal: self, frames, torn, at_rest: false, repaired, lost })
    }

    /// The frame behind the last good one.
    fn next(&self) -> Result<Read> {
        self.read_frame(self.end, self.frames, &self.previous)
    }

    /// The same, with a damaged one set right if that can be, from parity if the frame is covered by it;
    /// and whether it was. What nothing sets right is [`Read::Nothing`] or [`Read::Broken`].
    fn next_rescued(&self, covered: Option<&Closed>, past_damage: bool) -> Result<(Read, bool)> {
        let found = match self.next() {
            Ok(read @ (Read::Frame { .. } | Read::Newer)) => return Ok((read, false)),
            Ok(Read::Nothing) if covered.is_none() => return Ok((Read::Nothing, false)),
            failed => failed,
        };
        let (end, number, previous) = (self.end, self.frames, self.previous);
        if let Some(closed) = covered
            && let Some(read) = self.rescue_by_parity(closed, end, number, &previous)?
        {
            return Ok((read, true));
        }
        match (self.rescue(end, number, &previous), covered) {
            (Ok(Some(read)), _) => Ok((read, true)),
            (Ok(None), None) => found.map(|read| (read, false)),
            (Err(e), None) => Err(e),
            // It must stand there, whatever kept it from being read.
            (_, Some(_)) => match found {
                Err(e) if e.kind() == ErrorKind::Unsupported && !past_damage => Err(e),
                _ => Ok((Read::Broken, false)),
            },
        }
    }

    fn damage_in(&self, closed: &Closed) -> Error {
        self.damage(format_args!(
            "frame {} of {} at offset {} is damaged, and neither parity nor one turned bit brings it back",
            self.frames, closed.frames, self.end
        ))
    }

    fn damage(&self, what: fmt::Arguments<'_>) -> Error {
        Error::corrupt(format!("journal {}.jrn: {what}", self.id)).hint(
            "restore the file from a backup, or give up what it held: `escrow verify --repair --accept-losses`; \
             nothing was changed",
        )
    }

    /// Whether a byte other than zero stands behind the last good frame.
    pub(super) fn bytes_behind(&self) -> Result<bool> {
        let mut buf = vec![0u8; 64 * 1024];
        let mut at = self.end;
        while at < self.allocated {
            let n = buf.len().min(usize::try_from(self.allocated - at).unwrap_or(usize::MAX));
            if !self.read(&mut buf[..n], at)? {
                break;
            }
            if buf[..n].iter().any(|b| *b != 0) {
                return Ok(true);
            }
            at += n as u64;
        }
        Ok(false)
    }
}

/// Of the frames that were passed over, before the frame of a number each: see [`Replay::lost`].
fn lost_frames(frames: &[Frame], gaps: &[(usize, u64)], at_end: u64) -> (u64, u64) {
    let last_batch = frames.iter().rposition(|frame| frame.kind == FrameKind::Batch);
    let mut lost = (0, at_end);
    for (before, number) in gaps {
        *(if last_batch.is_some_and(|last| last >= *before) { &mut lost.0 } else { &mut lost.1 }) += number;
    }
    lost
}
