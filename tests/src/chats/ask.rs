//! Random queries, what each means on a plain record, and every answer of a store to one.

use std::collections::BTreeMap;

use escrowdb::id::Micros;
use escrowdb::query::ast::{Ast, Leaf};
use escrowdb::query::words::{Form, Words as Sought};
use escrowdb::record::time::Period;
use escrowdb::record::{Kind, Record};
use escrowdb::store::{Hit, Order, Reading, SearchOptions};

use crate::rng::Rng;
use crate::words::{self, asked};

/// What of a record must agree: all but log position and cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of a hit")]
pub struct Plain {
    pub id: String,
    pub conversation: String,
    pub author: Option<String>,
    /// Ascending.
    pub subjects: Vec<String>,
    pub time: Micros,
    pub channel: String,
    pub kind: Kind,
    pub tags: Vec<String>,
    pub body: String,
    pub reply_to: Option<String>,
}

impl From<&Hit> for Plain {
    /// Ids of joins and of people's own records hold a person's number, which is a position like
    /// a log position: the name stands for it.
    fn from(hit: &Hit) -> Self {
        let mut subjects = hit.subjects.clone();
        subjects.sort();
        let id = match hit.kind {
            Kind::Join | Kind::Person if hit.id.contains('/') => own_id(hit.kind, &hit.author),
            _ => hit.id.clone(),
        };
        Self {
            id,
            conversation: hit.conversation.clone(),
            author: hit.author.clone(),
            subjects,
            time: hit.time,
            channel: hit.channel.clone(),
            kind: hit.kind,
            tags: hit.tags.clone(),
            body: hit.body.clone(),
            reply_to: hit.reply_to.clone(),
        }
    }
}

/// Stands for the id of a join or of a person's own record.
pub fn own_id(kind: Kind, name: &Option<String>) -> String {
    format!("{}/{}", kind.name(), name.as_deref().unwrap_or_default())
}

/// Every answer to one query.
#[derive(Debug, PartialEq, Eq)]
pub struct Answers {
    /// Number of hits.
    pub count: u64,
    /// By each field.
    pub facets: Vec<Vec<(String, u64)>>,
    /// Per each period.
    pub bars: Vec<Vec<(Micros, u64)>>,
    /// All hits, newest first.
    pub newest: Vec<Plain>,
    /// All hits, oldest first.
    pub oldest: Vec<Plain>,
}

/// Fields of facets.
pub const FIELDS: [&str; 7] = ["tag", "tag:topic", "author", "subject", "conversation", "channel", "kind"];
/// Periods of histograms.
pub const PERIODS: [Period; 5] = [Period::Hour, Period::Day, Period::Week, Period::Month, Period::Year];

impl Answers {
    /// What a store says; hits are fetched `page` at a time.
    pub fn of_store(reading: &Reading, query: &str, page: usize) -> Self {
        Self {
            count: reading.count(query).unwrap(),
            facets: FIELDS.iter().map(|by| reading.facet(query, by).unwrap()).collect(),
            bars: PERIODS.iter().map(|per| reading.histogram(query, *per).unwrap()).collect(),
            newest: all_hits(reading, query, Order::Newest, page).iter().map(Plain::from).collect(),
            oldest: all_hits(reading, query, Order::Oldest, page).iter().map(Plain::from).collect(),
        }
    }

    /// What a look at every record says; `rows` in order of log position.
    pub fn of_rows<'a>(rows: impl Iterator<Item = &'a Plain>, query: &Ast) -> Self {
        let mut oldest: Vec<Plain> = rows.filter(|row| finds(query, row)).cloned().collect();
        oldest.sort_by_key(|row| row.time);
        let newest: Vec<Plain> = oldest.iter().rev().cloned().collect();
        let bars = |per: Period| {
            let mut bars: BTreeMap<Micros, u64> = BTreeMap::new();
            oldest.iter().for_each(|row| *bars.entry(per.start_of(row.time)).or_default() += 1);
            bars.into_iter().collect()
        };
        Self {
            count: oldest.len() as u64,
            facets: FIELDS.iter().map(|by| facet(&oldest, by)).collect(),
            bars: PERIODS.into_iter().map(bars).collect(),
            newest,
            oldest,
        }
    }
}

/// Every hit, by pages.
pub fn all_hits(reading: &Reading, query: &str, order: Order, page: usize) -> Vec<Hit> {
    let mut hits: Vec<Hit> = Vec::new();
    loop {
        let mut options = SearchOptions::new().order(order).limit(page);
        if let Some(last) = hits.last() {
            options = options.cursor(&last.cursor);
        }
        let more = reading.search(query, &options).unwrap();
        let full = more.len() == page;
        hits.extend(more);
        if !full {
            return hits;
        }
    }
}

fn facet(rows: &[Plain], by: &str) -> Vec<(String, u64)> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for row in rows {
        let values: Vec<String> = match by {
            "tag" => row.tags.clone(),
            "author" => row.author.iter().cloned().collect(),
            "subject" => row.subjects.clone(),
            "conversation" => Some(row.conversation.clone()).into_iter().filter(|c| !c.is_empty()).collect(),
            "channel" => Some(row.channel.clone()).into_iter().filter(|c| !c.is_empty()).collect(),
            "kind" => vec![row.kind.name().to_owned()],
            _ => {
                let key = format!("{}:", by.strip_prefix("tag:").unwrap());
                row.tags.iter().filter_map(|t| t.strip_prefix(&key)).map(str::to_owned).collect()
            }
        };
        values.into_iter().for_each(|value| *counts.entry(value).or_default() += 1);
    }
    let mut list: Vec<_> = counts.into_iter().collect();
    list.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    list
}

/// Whether a record is found, by the manual: some alternative matches, and one that asks for no
/// kind finds default kinds only.
pub fn finds(query: &Ast, row: &Plain) -> bool {
    let (matched, by_kind) = alternatives(query, row, false);
    by_kind || matched && row.kind.is_default()
}

/// Whether any alternative matches, and whether one does that asks for a kind.
fn alternatives(query: &Ast, row: &Plain, negated: bool) -> (bool, bool) {
    let (all, any): (bool, &[Ast]) = match query {
        Ast::All => return (!negated, false),
        Ast::Not(of) => return alternatives(of, row, !negated),
        Ast::Leaf(leaf) => {
            let matched = holds(leaf, row) != negated;
            return (matched, matched && !negated && matches!(leaf, Leaf::Kind(_)));
        }
        Ast::And(of) => (!negated, of),
        Ast::Or(of) => (negated, of),
    };
    let each: Vec<_> = any.iter().map(|child| alternatives(child, row, negated)).collect();
    let matched = if all { each.iter().all(|e| e.0) } else { each.iter().any(|e| e.0) };
    (matched, matched && each.iter().any(|e| e.1))
}

fn holds(leaf: &Leaf, row: &Plain) -> bool {
    match leaf {
        Leaf::Tag(v) => row.tags.contains(v),
        Leaf::Author(v) => row.author.as_ref() == Some(v),
        Leaf::Subject(v) => row.subjects.contains(v),
        Leaf::Conversation(v) => row.conversation == *v,
        Leaf::Channel(v) => row.channel == *v,
        Leaf::Kind(kind) => row.kind == *kind,
        Leaf::Id(v) => row.id == *v,
        Leaf::After(at) => row.time >= *at,
        Leaf::Before(at) => row.time < *at,
        // Chats of these tests have one version of each record.
        Leaf::Version(_) => true,
        Leaf::Words(sought) => words::has(&row.body, sought.text(), sought.form()),
    }
}

/// What queries ask for.
pub struct Words {
    tags: Vec<String>,
    people: Vec<String>,
    conversations: Vec<String>,
    channels: Vec<String>,
    ids: Vec<String>,
    times: Vec<Micros>,
    bodies: Vec<String>,
}

impl Words {
    /// The values of these records, and one of each field that stands nowhere.
    pub fn of(records: &[Record]) -> Self {
        let values = |of: &dyn Fn(&Record) -> Vec<String>| {
            let mut all: Vec<String> = records.iter().flat_map(of).collect();
            all.push("none".to_owned());
            all.sort();
            all.dedup();
            all
        };
        let mut times: Vec<Micros> = records.iter().map(|r| r.time).collect();
        times.push(Micros(0));
        Self {
            tags: values(&|r| r.tags.clone()),
            people: values(&|r| {
                [std::slice::from_ref(&r.author), &r.subjects[..], &r.participants[..]].concat()
            }),
            conversations: values(&|r| vec![r.conversation.clone()]),
            channels: values(&|r| vec![r.channel.clone()].into_iter().filter(|c| !c.is_empty()).collect()),
            ids: values(&|r| r.id.iter().cloned().collect()),
            times,
            bodies: records.iter().map(|r| r.body.clone()).filter(|body| !body.is_empty()).collect(),
        }
    }

    /// A random query.
    pub fn query(&self, rng: &mut Rng) -> Ast {
        let depth = *rng.pick(&[0, 1, 1, 2, 3]);
        self.node(depth, rng)
    }

    fn node(&self, depth: usize, rng: &mut Rng) -> Ast {
        if depth == 0 || rng.chance(25) {
            return self.leaf(rng);
        }
        let several = |rng: &mut Rng| (0..2 + rng.below(2)).map(|_| self.node(depth - 1, rng)).collect();
        match rng.below(3) {
            0 => Ast::Not(Box::new(self.node(depth - 1, rng))),
            1 => Ast::And(several(rng)),
            _ => Ast::Or(several(rng)),
        }
    }

    fn leaf(&self, rng: &mut Rng) -> Ast {
        let time = |rng: &mut Rng| Micros(rng.pick(&self.times).0 + *rng.pick(&[-1, 0, 0, 1]));
        Ast::Leaf(match rng.below(17) {
            0 => return Ast::All,
            1..=3 => Leaf::Tag(rng.pick(&self.tags).clone()),
            4 => Leaf::Author(rng.pick(&self.people).clone()),
            5 => Leaf::Subject(rng.pick(&self.people).clone()),
            6 => Leaf::Conversation(rng.pick(&self.conversations).clone()),
            7 => Leaf::Channel(rng.pick(&self.channels).clone()),
            8 => Leaf::Id(rng.pick(&self.ids).clone()),
            9 => Leaf::After(time(rng)),
            10 => Leaf::Before(time(rng)),
            12.. => {
                let (text, form) = match self.bodies.len() {
                    0 => ("none".to_owned(), Form::Exact),
                    _ => asked::words(rng.pick::<String>(&self.bodies), rng),
                };
                Leaf::Words(Sought::new(text, form).unwrap())
            }
            _ => Leaf::Kind(*rng.pick(&[
                Kind::Message,
                Kind::Action,
                Kind::System,
                Kind::Join,
                Kind::Person,
                Kind::File,
            ])),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_kinds_hold_for_each_alternative() {
        let row = |kind| Plain {
            id: "m".into(),
            conversation: "c".into(),
            author: None,
            subjects: vec![],
            time: Micros(5),
            channel: String::new(),
            kind,
            tags: vec!["x".into()],
            body: String::new(),
            reply_to: None,
        };
        let (join, message) = (row(Kind::Join), row(Kind::Message));
        for (text, finds_message, finds_join) in [
            ("*", true, false),
            ("tag:x kind:join", false, true),
            ("tag:x OR kind:join", true, true),
            ("-kind:message", false, false),
            ("tag:x (kind:join OR tag:x)", true, true),
            ("-(-kind:join)", false, true),
        ] {
            let query = escrowdb::query::parse::parse(text, Micros(0)).unwrap();
            assert_eq!(
                (finds(&query, &message), finds(&query, &join)),
                (finds_message, finds_join),
                "{text}"
            );
        }
    }
}
