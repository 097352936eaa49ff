//! Facets and histograms: how the matches of a query spread over values and over time.

use std::collections::BTreeMap;

use roaring::RoaringBitmap;

use crate::error::{Error, Result};
use crate::id::{Micros, PersonNumber};
use crate::index::{Field, Part, Term};
use crate::query::ast::Ast;
use crate::query::dates;
use crate::query::exec::Search;
use crate::record::Kind;
use crate::record::time::Period;

/// What a facet counts by.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum By {
    /// Whole tags.
    Tag,
    /// Values of the tags with this key.
    TagKey(String),
    /// Identifiers of authors.
    Author,
    /// Identifiers of subjects.
    Subject,
    /// Conversations.
    Conversation,
    /// Channels.
    Channel,
    /// Kinds.
    Kind,
}

impl By {
    /// Reads `tag`, `tag:KEY`, `author`, `subject`, `conversation`, `channel` or `kind`.
    pub fn parse(text: &str) -> Result<Self> {
        Ok(match text {
            "tag" => Self::Tag,
            "author" => Self::Author,
            "subject" => Self::Subject,
            "conversation" => Self::Conversation,
            "channel" => Self::Channel,
            "kind" => Self::Kind,
            _ => match text.strip_prefix("tag:") {
                Some(key) if !key.is_empty() && !key.contains(':') => Self::TagKey(key.into()),
                _ => {
                    return Err(Error::invalid("no facet of this name")
                        .hint("facets are tag, tag:KEY, author, subject, conversation, channel and kind"));
                }
            },
        })
    }

    /// Its field in the index.
    pub(super) const fn field(&self) -> Field {
        match self {
            Self::Tag | Self::TagKey(_) => Field::Tag,
            Self::Author => Field::Author,
            Self::Subject => Field::Subject,
            Self::Conversation => Field::Conversation,
            Self::Channel => Field::Channel,
            Self::Kind => Field::Kind,
        }
    }

    /// What its values begin with.
    pub(super) fn prefix(&self) -> Vec<u8> {
        match self {
            Self::TagKey(key) => format!("{key}:").into_bytes(),
            _ => Vec::new(),
        }
    }

    /// Whether a record has one value at most, so that counts add up to no more than the matches.
    const fn is_single(&self) -> bool {
        !matches!(self, Self::Tag | Self::TagKey(_) | Self::Subject)
    }
}

impl Search<'_> {
    /// Number of matches per value, most first, ties by value. People who are unknown or being
    /// erased are left out.
    pub fn facet(&self, query: &Ast, by: &By) -> Result<Vec<(String, u64)>> {
        let plan = self.plan(query)?;
        let mut counts: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        self.each(&plan, |part, docs| {
            for (value, n) in values(part, &docs, by)? {
                *counts.entry(value).or_default() += n;
            }
            Ok(())
        })?;
        let mut named: BTreeMap<String, u64> = BTreeMap::new();
        for (value, n) in counts {
            if let Some(value) = self.shown(value, by)? {
                *named.entry(value).or_default() += n;
            }
        }
        let mut list: Vec<_> = named.into_iter().collect();
        list.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        Ok(list)
    }

    /// Number of matches per period that has any, by its first instant, ascending.
    pub fn histogram(&self, query: &Ast, period: Period) -> Result<Vec<(Micros, u64)>> {
        let plan = self.plan(query)?;
        let mut bars: BTreeMap<Micros, u64> = BTreeMap::new();
        self.each(&plan, |part, docs| spread(part, &docs, period, &mut bars))?;
        Ok(bars.into_iter().collect())
    }

    /// A value of the index as people read it; `None` leaves it out.
    pub(super) fn shown(&self, value: Vec<u8>, by: &By) -> Result<Option<String>> {
        match by {
            By::Author | By::Subject => {
                let number = <[u8; 8]>::try_from(value).map_err(|_| bad_value())?;
                self.name(PersonNumber(u64::from_be_bytes(number)))
            }
            By::Kind => match *value {
                [byte] => Kind::try_from(byte).map(|kind| Some(kind.name().to_owned())),
                _ => Err(bad_value()),
            },
            // People's own records and acts are in no conversation.
            By::Conversation if value.is_empty() => Ok(None),
            By::Tag | By::TagKey(_) | By::Conversation | By::Channel => {
                String::from_utf8(value).map(Some).map_err(|_| bad_value())
            }
        }
    }
}

/// Values of a facet among `docs`; of a tag with a key only what follows the first colon.
fn values(part: &dyn Part, docs: &RoaringBitmap, by: &By) -> Result<Vec<(Vec<u8>, u64)>> {
    let field = by.field();
    let prefix = by.prefix();
    let whole = docs.len() == u64::from(part.doc_count());
    let mut rest = docs.len();
    let mut list = Vec::new();
    for (value, n) in part.terms(field)? {
        let Some(tail) = value.strip_prefix(&prefix[..]) else { continue };
        let tail = tail.to_vec();
        let n =
            if whole { u64::from(n) } else { part.postings(&Term { field, value })?.intersection_len(docs) };
        if n > 0 {
            list.push((tail, n));
        }
        if by.is_single() {
            rest = rest.saturating_sub(n);
            if rest == 0 {
                break;
            }
        }
    }
    Ok(list)
}

/// Adds `docs` to the bars of their periods: by range where there are many documents to a period,
/// else one by one.
fn spread(
    part: &dyn Part,
    docs: &RoaringBitmap,
    period: Period,
    bars: &mut BTreeMap<Micros, u64>,
) -> Result<()> {
    let Some((first, last)) = part.time_span() else { return Ok(()) };
    let periods = (last.0 - first.0) / dates::shortest(period) + 2;
    // Where documents don't stand in order of time, each range costs a look at all of them.
    let is_cheap = u64::try_from(periods).is_ok_and(|n| n < docs.len() / 16)
        && part.time_range(first, Micros(last.0.saturating_add(1)))?.is_some();
    if is_cheap {
        let mut start = period.start_of(first);
        while start <= last {
            let end = dates::end_of(period, start);
            let n = part.in_time(start, end)?.intersection_len(docs);
            if n > 0 {
                *bars.entry(start).or_default() += n;
            }
            start = end;
        }
        return Ok(());
    }
    let mut bar = Micros(0)..Micros(0);
    let mut n = 0;
    for doc in docs {
        let at = part.key(doc)?.time;
        if !bar.contains(&at) {
            if n > 0 {
                *bars.entry(bar.start).or_default() += n;
            }
            bar = period.start_of(at)..dates::end_of(period, at);
            n = 0;
        }
        n += 1;
    }
    if n > 0 {
        *bars.entry(bar.start).or_default() += n;
    }
    Ok(())
}

fn bad_value() -> Error {
    Error::corrupt("index: a term's value does not fit its field")
}
