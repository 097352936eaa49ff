//! Queries over all parts: counts and pages of hits. Facets and histograms stand in
//! [`crate::query::facet`].

use std::ops::Range;
use std::time::Instant;

use roaring::RoaringBitmap;

use crate::error::{Error, Result};
use crate::id::{PersonNumber, Seq};
use crate::index::scope::{Mask, People};
use crate::index::{Hands, IdQuery, Part, SortKey, share};
use crate::query::ast::Ast;
use crate::query::eval;
use crate::query::plan::Plan;
use crate::record::Stored;

/// Order of hits: by event time, ties by log position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// Newest first.
    #[default]
    Newest,
    /// Oldest first.
    Oldest,
    /// Best first, by the words of the query; equal ones by log position.
    Relevance,
}

/// A hit: where its record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Place in the order; by relevance, the rank.
    pub key: SortKey,
    /// Index of the part.
    pub part: usize,
    /// Document in the part.
    pub doc: u32,
}

/// Documents of all parts from which on two threads look for phrases and near words.
const SHARED_MIN: u64 = 50_000;
/// Documents of a part that are looked through for a phrase at first.
const STEP: u32 = 4096;

/// Matches of one part.
enum Hits {
    /// Where their sort keys stand among those of all parts.
    Keys(Range<usize>),
    /// Where their documents, in order of time, stand among those of all parts.
    Listed(Range<usize>),
    /// Their documents.
    Map(RoaringBitmap),
}

impl Hits {
    fn len(&self) -> usize {
        match self {
            Self::Keys(range) | Self::Listed(range) => range.len(),
            Self::Map(docs) => docs.len() as usize,
        }
    }
}

/// Runs queries over the parts of a store. The parts hold every record once; their borders
/// change no answer.
#[derive(Clone, Copy)]
pub struct Search<'a> {
    /// The parts, in any order.
    pub parts: &'a [&'a dyn Part],
    /// Who is who.
    pub people: &'a dyn People,
    /// What is being erased.
    pub mask: &'a Mask,
    /// When it gives up, asked between parts.
    pub until: Option<Instant>,
}

impl Search<'_> {
    /// How many records match.
    pub fn count(&self, query: &Ast) -> Result<u64> {
        let plan = self.plan(query)?;
        let count = |part: &dyn Part, docs: &mut Vec<u32>| eval::count(&plan, part, self.mask, docs);
        if let Some(counts) = self.shared(&plan, |part| count(part, &mut Vec::new()))? {
            return Ok(counts.into_iter().sum());
        }
        let (mut sum, mut docs) = (0, Vec::new());
        for part in self.parts {
            self.in_time()?;
            sum += count(&**part, &mut docs)?;
        }
        Ok(sum)
    }

    /// The first `limit` hits in `order` that come after `after`, the key of an earlier hit.
    pub fn search(
        &self,
        query: &Ast,
        order: Order,
        limit: usize,
        after: Option<SortKey>,
    ) -> Result<Vec<Found>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        if order == Order::Relevance {
            return self.relevant(query, limit, after);
        }
        let plan = self.plan(query)?;
        let mut hits: Vec<Found> = Vec::new();
        for part in self.by_reach(order) {
            self.in_time()?;
            let Some((first, last)) = self.parts[part].time_span() else { continue };
            let (near, far) = if order == Order::Newest { (last, first) } else { (first, last) };
            // All of this part, and of the parts behind it, comes later than a full page.
            if hits.len() == limit && hits.last().is_some_and(|worst| before(order, worst.key.time, near)) {
                break;
            }
            // All of this part stood on earlier pages.
            if after.is_some_and(|after| before(order, far, after.time)) {
                continue;
            }
            let of = self.parts[part];
            let more = self.first(&plan, of, order, limit, after)?;
            hits.extend(more.into_iter().map(|(key, doc)| Found { key, part, doc }));
            hits.sort_unstable_by_key(|hit| hit.key);
            if order == Order::Newest {
                hits.reverse();
            }
            hits.truncate(limit);
        }
        Ok(hits)
    }

    /// The first matches of a part, found out step by step from the end where it begins: what takes
    /// long grows with the documents that are looked at.
    fn first(
        &self,
        plan: &Plan,
        part: &dyn Part,
        order: Order,
        limit: usize,
        after: Option<SortKey>,
    ) -> Result<Vec<(SortKey, u32)>> {
        let take = |docs: &RoaringBitmap| match order {
            Order::Newest => part.newest(docs, limit, after),
            _ => part.oldest(docs, limit, after),
        };
        let all = part.doc_count();
        if !part.is_in_order() || !plan.asks_phrases && plan.conjunction.is_none() {
            return take(&eval::matches(plan, part, self.mask)?);
        }
        let (mut found, mut docs, mut done, mut step) = (Vec::new(), Vec::new(), 0, STEP);
        loop {
            let next = all.min(done + step);
            let range = if order == Order::Newest { all - next..all - done } else { done..next };
            if eval::list(plan, part, self.mask, range.clone(), &mut docs)? {
                let all = docs.iter().copied();
                first_of(part, order, (limit, after), all.clone().rev(), all, &mut found)?;
            } else {
                let all = eval::matches_in(plan, part, self.mask, range)?;
                first_of(part, order, (limit, after), all.iter().rev(), all.iter(), &mut found)?;
            }
            if found.len() >= limit || next == all {
                return Ok(found);
            }
            (done, step) = (next, step.saturating_mul(4));
        }
    }

    /// Log positions of every match in `order`. No record is opened.
    pub fn seqs(&self, query: &Ast, order: Order) -> Result<Vec<Seq>> {
        if order == Order::Relevance {
            let hits = self.relevant(query, usize::MAX, None)?;
            return Ok(hits.into_iter().map(|hit| hit.key.seq).collect());
        }
        let plan = self.plan(query)?;
        let mut found = Vec::new();
        let (mut few, mut listed, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        let mut matches = self.matches_shared(&plan)?;
        for part in self.parts {
            self.in_time()?;
            let all = 0..part.doc_count();
            if matches.is_none() && eval::list(&plan, &**part, self.mask, all, &mut few)? {
                let ([low, ..], [.., high]) = (few.as_slice(), few.as_slice()) else { continue };
                if part.is_in_order() {
                    let (first, last) = (part.key(*low)?, part.key(*high)?);
                    let from = listed.len();
                    listed.append(&mut few);
                    found.push((first, last, part, Hits::Listed(from..listed.len())));
                    continue;
                }
                let from = keys.len();
                part.keys(&few, &mut keys)?;
                if let ([first, ..], [.., last]) = (&keys[from..], &keys[from..]) {
                    found.push((*first, *last, part, Hits::Keys(from..keys.len())));
                }
                continue;
            }
            let docs = match &mut matches {
                Some(matches) => matches.next().unwrap_or_default(),
                None => eval::matches(&plan, &**part, self.mask)?,
            };
            if let Some((first, _)) = part.oldest(&docs, 1, None)?.first()
                && let Some((last, _)) = part.newest(&docs, 1, None)?.first()
            {
                found.push((*first, *last, part, Hits::Map(docs)));
            }
        }
        found.sort_unstable_by_key(|(first, ..)| *first);
        // What a part holds may overlap with another where the matches don't: who is born in a
        // segment is born today, whenever her records were written.
        let apart = found.windows(2).all(|w| matches!(w, [(_, end, ..), (start, ..)] if end < start));
        let mut seqs = Vec::with_capacity(found.iter().map(|(.., hits)| hits.len()).sum());
        if apart {
            for (.., part, hits) in found {
                match hits {
                    Hits::Keys(range) => seqs.extend(keys[range].iter().map(|key| key.seq)),
                    Hits::Listed(range) => part.seqs_of(&listed[range], &mut seqs)?,
                    Hits::Map(docs) => seqs.extend(part.seqs(&docs)?),
                }
            }
        } else {
            for (.., part, hits) in found {
                match hits {
                    Hits::Keys(_) => {}
                    Hits::Listed(range) => part.keys(&listed[range], &mut keys)?,
                    Hits::Map(docs) => {
                        keys.extend(part.oldest(&docs, usize::MAX, None)?.into_iter().map(|(key, _)| key));
                    }
                }
            }
            // Runs of parts that overlap in time: a stable sort merges them.
            keys.sort();
            seqs.extend(keys.into_iter().map(|key| key.seq));
        }
        if order == Order::Newest {
            seqs.reverse();
        }
        Ok(seqs)
    }

    /// Every record with an id, in one conversation or in any, of whatever kind; oldest first.
    pub fn by_id(&self, id: &str, conversation: Option<&str>) -> Result<Vec<(Found, Stored)>> {
        let wanted = IdQuery::new(id, conversation);
        let mut hits = Vec::new();
        for (index, part) in self.parts.iter().enumerate() {
            let docs = part.id_candidates(&wanted)?;
            if docs.is_empty() {
                continue;
            }
            let hidden = eval::hidden(&**part, self.mask)?;
            for doc in docs {
                if let Some(record) = eval::with_id(&**part, doc, &wanted, &hidden)? {
                    hits.push((Found { key: part.key(doc)?, part: index, doc }, record));
                }
            }
        }
        hits.sort_unstable_by_key(|(hit, _)| hit.key);
        Ok(hits)
    }

    /// Identifier to show for a person; `None` for the unknown and for those being erased.
    pub fn name(&self, person: PersonNumber) -> Result<Option<String>> {
        if self.mask.hides(person) { Ok(None) } else { self.people.name(person) }
    }

    /// Fails when there is no time left: a part of an answer would be a wrong one.
    pub(crate) fn in_time(&self) -> Result<()> {
        in_time(self.until)
    }

    pub(crate) fn plan(&self, query: &Ast) -> Result<Plan> {
        Plan::new(query, self.people, self.mask)
    }

    /// Calls `each` with every part that holds matches, and these.
    pub(crate) fn each(
        &self,
        plan: &Plan,
        mut each: impl FnMut(&dyn Part, RoaringBitmap) -> Result<()>,
    ) -> Result<()> {
        let mut matches = self.matches_shared(plan)?;
        for part in self.parts {
            self.in_time()?;
            let docs = match &mut matches {
                Some(matches) => matches.next().unwrap_or_default(),
                None => eval::matches(plan, &**part, self.mask)?,
            };
            if !docs.is_empty() {
                each(&**part, docs)?;
            }
        }
        Ok(())
    }

    /// The matches of every part, in order, where two threads find them.
    fn matches_shared(&self, plan: &Plan) -> Result<Option<std::vec::IntoIter<RoaringBitmap>>> {
        let found = self.shared(plan, |part| eval::matches(plan, part, self.mask))?;
        Ok(found.map(Vec::into_iter))
    }

    /// What `ask` answers of every part, in order, asked by two threads; `None` where one is as quick.
    fn shared<R: Send + Default>(
        &self,
        plan: &Plan,
        ask: impl Fn(&dyn Part) -> Result<R> + Sync,
    ) -> Result<Option<Vec<R>>> {
        let docs: u64 = self.parts.iter().map(|part| u64::from(part.doc_count())).sum();
        if !plan.takes_long() || self.parts.len() < 2 || docs < SHARED_MIN {
            return Ok(None);
        }
        let mut answers: Vec<R> = Vec::new();
        answers.resize_with(self.parts.len(), R::default);
        let until = self.until;
        let jobs = self.parts.iter().zip(&mut answers).map(|job| in_time(until).map(|()| job));
        share(Hands::Two, jobs, |(part, answer)| {
            *answer = ask(&**part)?;
            Ok(())
        })?;
        Ok(Some(answers))
    }

    /// Parts by their first time in `order`.
    fn by_reach(&self, order: Order) -> Vec<usize> {
        let mut parts: Vec<_> = self
            .parts
            .iter()
            .enumerate()
            .filter_map(|(i, part)| {
                let (first, last) = part.time_span()?;
                Some((if order == Order::Newest { last } else { first }, i))
            })
            .collect();
        parts.sort_unstable();
        if order == Order::Newest {
            parts.reverse();
        }
        parts.into_iter().map(|(_, i)| i).collect()
    }
}

fn in_time(until: Option<Instant>) -> Result<()> {
    match until {
        Some(until) if Instant::now() > until => {
            Err(Error::invalid("the query took longer than its time limit")
                .hint("ask for a shorter time, for rarer or longer words, or allow more"))
        }
        _ => Ok(()),
    }
}

/// Adds to `found`, until there are `limit` of them, the documents behind `after`: of a part in
/// order, from its end backwards or from its beginning.
fn first_of(
    part: &dyn Part,
    order: Order,
    (limit, after): (usize, Option<SortKey>),
    backwards: impl Iterator<Item = u32>,
    forwards: impl Iterator<Item = u32>,
    found: &mut Vec<(SortKey, u32)>,
) -> Result<()> {
    let mut add = |doc: u32| -> Result<bool> {
        let key = part.key(doc)?;
        if after.is_none_or(|after| before(order, after, key)) {
            found.push((key, doc));
        }
        Ok(found.len() < limit)
    };
    if order == Order::Newest {
        for doc in backwards {
            if !add(doc)? {
                break;
            }
        }
    } else {
        for doc in forwards {
            if !add(doc)? {
                break;
            }
        }
    }
    Ok(())
}

/// Whether `a` stands strictly before `b` in `order`.
fn before<T: Ord>(order: Order, a: T, b: T) -> bool {
    if order == Order::Newest { a > b } else { a < b }
}
