//! What a query cost.

use std::time::{Duration, Instant};

use crate::error::Result;
use crate::id::SegmentId;
use crate::query::reading::Reading;

/// What queries cost: parts they looked at, pages they opened, time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explain {
    /// Segments of the store.
    pub segments: u64,
    /// Segments that a query looked at; the others were passed over by time.
    pub visited: u64,
    /// Pages of 4,096 bytes of their indexes that were read from files and opened; what was open
    /// before is not counted.
    pub pages_opened: u64,
    /// How long it took.
    pub elapsed: Duration,
}

impl Reading<'_> {
    /// Runs queries and says what they cost. What others ask of the store meanwhile is counted too.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use escrowdb::{id::Micros, session::Session, store::*, vfs::MemoryVfs};
    /// # let store = Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).create()?;
    /// # store.append(&[Record::new("c1", "anna", Micros(0), "Hello")])?;
    /// # store.roll()?;
    /// let reading = store.session(Session::new());
    /// let (count, cost) = reading.explained(|reading| reading.count("hello"))?;
    /// assert_eq!((count, cost.segments, cost.visited), (1, 1, 1));
    /// # Ok::<(), escrowdb::Error>(())
    /// ```
    pub fn explained<R>(&self, run: impl FnOnce(&Self) -> Result<R>) -> Result<(R, Explain)> {
        let used = || -> Vec<(SegmentId, (u64, u64))> {
            let view = self.state().view.read();
            view.segments.iter().map(|segment| (segment.id, segment.part.used())).collect()
        };
        let (before, begun) = (used(), Instant::now());
        let answer = run(self)?;
        let elapsed = begun.elapsed();
        let mut cost = Explain { elapsed, ..Explain::default() };
        for (id, (visits, pages)) in used() {
            // Segments that came meanwhile are left out, by a roll or in the place of others.
            let Some(&(_, (visits_before, pages_before))) = before.iter().find(|(of, _)| *of == id) else {
                continue;
            };
            cost.segments += 1;
            cost.visited += u64::from(visits > visits_before);
            cost.pages_opened += pages.saturating_sub(pages_before);
        }
        Ok((answer, cost))
    }
}
