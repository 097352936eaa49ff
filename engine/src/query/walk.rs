//! A walk over the hits of one query, a page at a time.
//!
//! The query is parsed and planned once, `now` is one instant, and what limits a question (its time,
//! the words that a beginning stands for) limits all pages together. Between two pages no lock is held:
//! the store may roll, compact and take in records. Where hits stand is therefore noted ahead for many
//! of them and looked at again; what they say is read page by page.

use std::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::id::Seq;
use crate::index::SortKey;
use crate::index::scope::Mask;
use crate::query::ast::Ast;
use crate::query::cursor::Cursors;
use crate::query::exec::{Found, Order, Search, in_time};
use crate::query::hit::{Hit, hit};
use crate::query::options::SearchOptions;
use crate::query::plan::Plan;
use crate::query::reading::Reading;
use crate::query::relevance;
use crate::query::snippet::Marker;

/// Most hits whose places are noted ahead, in order of time. By relevance it is all of them: to rank
/// one is to rank all.
const AHEAD_MAX: usize = 1 << 18;

/// Hits of a query from some place on.
pub(crate) struct Walk<'r> {
    reading: &'r Reading<'r>,
    /// Text that cursors are bound to; without, hits carry none.
    text: Option<&'r str>,
    ast: Ast,
    order: Order,
    marker: Option<Marker>,
    until: Option<Instant>,
    /// How many hits may still come.
    left: usize,
    /// What was said at this place in the log or later is left out.
    below: Option<Seq>,
    /// Behind this hit, and what its score was counted with.
    after: Option<(SortKey, u64)>,
    moment: Option<Moment>,
    /// Hits found and not yet opened, the next one last.
    ahead: Vec<Found>,
    step: usize,
}

/// What the walk knows of the store.
struct Moment {
    generation: u64,
    mask: Mask,
    plan: Plan,
    /// What scores were counted with.
    mark: u64,
}

impl<'r> Walk<'r> {
    /// What is looked for.
    pub(super) const fn ast(&self) -> &Ast {
        &self.ast
    }

    /// Begins where `options` say. `text` is what `ast` was parsed from, if hits shall carry cursors.
    pub(super) fn new(
        reading: &'r Reading<'r>,
        ast: Ast,
        text: Option<&'r str>,
        options: &SearchOptions,
    ) -> Result<Self> {
        let after = match (&options.cursor, text) {
            (Some(cursor), Some(text)) => Some(cursors(reading, text, options.order, |of| of.open(cursor))?),
            _ => None,
        };
        Ok(Self {
            marker: options.snippets.then(|| Marker::new(&ast)),
            text,
            ast,
            order: options.order,
            until: reading.until(),
            left: options.limit,
            below: None,
            after,
            moment: None,
            ahead: Vec::new(),
            step: 0,
            reading,
        })
    }

    /// The same as of a place in the log: what was said of a record there or later doesn't count.
    pub(crate) fn below(self, seq: Seq) -> Self {
        Self { below: Some(seq), ..self }
    }

    /// The next `n` hits; fewer at the end.
    ///
    /// # Errors
    /// *Invalid* for a cursor by relevance whose scores are no longer true, *revoked* behind an erasure.
    pub(super) fn page(&mut self, n: usize) -> Result<Vec<Hit>> {
        let page = self.page_of(n, hit)?;
        self.dress(page)
    }

    /// What `open` makes of each of the next `n` hits, under one lock; fewer at the end.
    ///
    /// # Errors
    /// Those of [`Self::page`], and of `open`.
    pub(crate) fn page_of<T>(
        &mut self,
        n: usize,
        mut open: impl FnMut(&Search<'_>, Found) -> Result<T>,
    ) -> Result<Vec<(SortKey, T)>> {
        let n = n.min(self.left);
        let mut page: Vec<(SortKey, T)> = Vec::new();
        {
            let view = self.reading.state().view.read();
            let shown = view.shown(self.below)?;
            let parts = shown.parts();
            let mask = self.reading.mask(&view)?;
            let search = Search { parts: &parts, people: &*view, mask: &mask, until: self.until };
            let mut is_fresh = self.begin(&search, view.generation)?;
            while page.len() < n {
                if self.ahead.is_empty() {
                    self.look_ahead(&search, n - page.len())?;
                    is_fresh = true;
                }
                let Some(found) = self.ahead.pop() else { break };
                search.in_time()?;
                self.after = Some((found.key, self.mark()));
                if let Some(found) = if is_fresh { Some(found) } else { place(&search, found)? } {
                    page.push((found.key, open(&search, found)?));
                }
            }
        }
        self.left = if page.len() < n { 0 } else { self.left - n };
        Ok(page)
    }

    /// Whether nothing is left.
    pub(crate) fn is_over(&self) -> bool {
        self.left == 0
    }

    /// What a hit is given on its way, without a lock on the store.
    fn dress(&self, page: Vec<(SortKey, Hit)>) -> Result<Vec<Hit>> {
        let mut hits = Vec::with_capacity(page.len());
        for (key, mut hit) in page {
            in_time(self.until)?;
            hit.score = (self.order == Order::Relevance).then(|| relevance::score_of(key));
            hit.snippet = self.marker.as_ref().map(|marker| marker.snippet(&hit.body));
            if let Some(text) = self.text {
                hit.cursor = cursors(self.reading, text, self.order, |of| of.seal(key, self.mark()))?;
            }
            hits.push(hit);
        }
        Ok(hits)
    }

    /// Makes the plan, or sees that it still holds; true if it was made.
    fn begin(&mut self, search: &Search<'_>, generation: u64) -> Result<bool> {
        match &self.moment {
            Some(moment) if moment.generation != generation => return Err(revoked()),
            Some(moment) if moment.mask == *search.mask => return Ok(false),
            // An erasure has begun: who is in it is unknown from now on, and scores are others.
            Some(_) if self.order == Order::Relevance => return Err(revoked()),
            _ => {}
        }
        self.ahead.clear();
        let (plan, mask) = (search.plan(&self.ast)?, search.mask.clone());
        let moment = self.moment.insert(Moment { generation, mask, plan, mark: 0 });
        if self.order == Order::Relevance {
            let scorer = search.scorer(&moment.plan)?;
            moment.mark = scorer.mark();
            if self.after.is_some_and(|(_, mark)| mark != moment.mark) {
                return Err(moved());
            }
            let after = self.after.map(|(key, _)| key);
            self.ahead = search.ranked(&moment.plan, &scorer, self.left, after)?;
            self.ahead.reverse();
        }
        Ok(true)
    }

    /// Notes where the next hits stand: `n` at first, then ever more, for each look costs the whole
    /// question again.
    fn look_ahead(&mut self, search: &Search<'_>, n: usize) -> Result<()> {
        let Some(moment) = self.moment.as_ref().filter(|_| self.order != Order::Relevance) else {
            return Ok(());
        };
        self.step = self.step.saturating_mul(8).clamp(n, AHEAD_MAX.max(n)).min(self.left);
        let after = self.after.map(|(key, _)| key);
        self.ahead = search.sorted(&moment.plan, self.order, self.step, after)?;
        self.ahead.reverse();
        Ok(())
    }

    fn mark(&self) -> u64 {
        self.moment.as_ref().map_or(0, |moment| moment.mark)
    }

    /// Calls `each` with every hit until it answers false.
    pub(super) fn each(mut self, mut each: impl FnMut(Hit) -> bool) -> Result<()> {
        while self.left > 0 {
            for hit in self.page(PAGE)? {
                let generation = self.reading.state().view.read().generation;
                if self.moment.as_ref().is_some_and(|moment| moment.generation != generation) {
                    return Err(revoked());
                }
                if !each(hit) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// Hits that a walk opens at once.
pub(crate) const PAGE: usize = 500;

/// Where a hit stands now that was found some time ago; `None` if it is gone.
fn place(search: &Search<'_>, found: Found) -> Result<Option<Found>> {
    if let Some(part) = search.parts.get(found.part)
        && found.doc < part.doc_count()
        && part.key(found.doc)?.seq == found.key.seq
    {
        return Ok(Some(found));
    }
    for (part, of) in search.parts.iter().enumerate() {
        if let Some(doc) = of.doc_of(found.key.seq)? {
            return Ok(Some(Found { part, doc, ..found }));
        }
    }
    Ok(None)
}

fn cursors<R>(
    reading: &Reading<'_>,
    text: &str,
    order: Order,
    run: impl FnOnce(&Cursors<'_>) -> Result<R>,
) -> Result<R> {
    let state = reading.state();
    run(&Cursors::new(&state.cursor_key.read(), &*state.env.entropy, text, order))
}

fn moved() -> Error {
    Error::invalid("this cursor is out of date: records came or went, and every score is another")
        .hint("search again, or page by time: such cursors stay good")
}

fn revoked() -> Error {
    Error::new(ErrorKind::Revoked, "an erasure ended this walk over hits")
        .hint("begin again, or page with cursors by time, which stay good across erasures")
}
