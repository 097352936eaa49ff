//! Random queries over random records, against an evaluator that looks at one record at a time,
//! multiplies the query out into alternatives and knows nothing of masks, for it never sees what
//! they hide.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use crate::crypto::{Keys, OsEntropy};
use crate::id::{Micros, PersonNumber, Seq};
use crate::index::Part;
use crate::index::scope::{Mask, People};
use crate::query::asked::{Asked, Records};
use crate::query::ast::{Ast, Leaf};
use crate::query::cursor::Cursors;
use crate::query::exec::{Found, Order, Search};
use crate::query::facet::By;
use crate::query::tests::rows::{Row, Rows, Three, borrowed, key, words};
use crate::query::words::{Form, Words};
use crate::record::time::Period;
use crate::record::{Kind, Stored};

/// The evaluator the engine is compared with. An alternative is a list of conditions and whether
/// each must hold.
fn alternatives(ast: &Ast, wanted: bool) -> Vec<Vec<(&Leaf, bool)>> {
    match (ast, wanted) {
        (Ast::All, true) => vec![vec![]],
        (Ast::All, false) => vec![],
        (Ast::Leaf(leaf), _) => vec![vec![(leaf, wanted)]],
        (Ast::Not(of), _) => alternatives(of, !wanted),
        (Ast::And(of), true) | (Ast::Or(of), false) => of.iter().fold(vec![vec![]], |sum, ast| {
            let more = alternatives(ast, wanted);
            sum.iter().flat_map(|a| more.iter().map(|b| [&a[..], &b[..]].concat())).collect()
        }),
        (Ast::And(of), false) | (Ast::Or(of), true) => {
            of.iter().flat_map(|ast| alternatives(ast, wanted)).collect()
        }
    }
}

fn holds(leaf: &Leaf, r: &Stored, mask: &Mask) -> bool {
    let is = |n: PersonNumber, name: &str| !mask.hides(n) && Three.name(n).unwrap().as_deref() == Some(name);
    match leaf {
        Leaf::Tag(v) => r.tags.contains(v),
        Leaf::Author(v) => is(r.author, v),
        Leaf::Subject(v) => r.subjects.iter().any(|n| is(*n, v)),
        Leaf::Conversation(v) => r.conversation == *v,
        Leaf::Channel(v) => r.channel == *v,
        Leaf::Kind(v) => r.kind == *v,
        Leaf::Id(v) => r.id == *v,
        Leaf::After(at) => r.time >= *at,
        Leaf::Before(at) => r.time < *at,
        // Nothing is said later of these records.
        Leaf::Version(_) => true,
        Leaf::Words(sought) => {
            let (text, form) = (sought.text(), &sought.form());
            let (body, wanted): (Vec<&str>, Vec<&str>) = (words(r), text.split(' ').collect());
            let (last, before) = wanted.split_last().unwrap();
            body.windows(wanted.len()).any(|part| {
                let own = part[before.len()];
                part.starts_with(before)
                    && match form {
                        Form::Exact => own == *last,
                        Form::Prefix => own.starts_with(last),
                        Form::Near => near(own, last),
                    }
            })
        }
    }
}

/// One character more, less or other, tried one by one.
fn near(word: &str, wanted: &str) -> bool {
    let less = |of: &str, by: &str| (0..of.len()).any(|i| [&of[..i], &of[i + 1..]].concat() == by);
    let other =
        word.len() == wanted.len() && word.bytes().zip(wanted.bytes()).filter(|(a, b)| a != b).count() <= 1;
    other || less(word, wanted) || less(wanted, word)
}

fn naive<'r>(rows: &'r [Row], ast: &Ast, mask: &Mask) -> Vec<&'r Row> {
    let alternatives = alternatives(ast, true);
    let survives = |(seq, r): &Row| {
        !mask.records.contains(seq)
            && !mask.conversations.contains(&r.conversation)
            && !r.subjects.iter().any(|n| mask.hides(*n))
    };
    let mut hits: Vec<_> = rows
        .iter()
        .filter(|row| survives(row))
        .filter(|(_, r)| {
            alternatives.iter().any(|of| {
                let asks = of.iter().any(|(leaf, wanted)| *wanted && matches!(leaf, Leaf::Kind(_)));
                (asks || r.kind.is_default())
                    && of.iter().all(|(leaf, wanted)| holds(leaf, r, mask) == *wanted)
            })
        })
        .collect();
    hits.sort_by_key(|row| key(row));
    hits
}

fn tallied(hits: &[&Row], of: impl Fn(&Stored) -> Vec<String>) -> Vec<(String, u64)> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for (_, record) in hits {
        for value in of(record).into_iter().collect::<BTreeSet<_>>() {
            *counts.entry(value).or_default() += 1;
        }
    }
    let mut list: Vec<_> = counts.into_iter().collect();
    list.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    list
}

const STEP: i64 = 5 * 3600 * 1_000_000;

fn records() -> impl Strategy<Value = World> {
    let kind = prop_oneof![
        6 => Just(Kind::Message), 1 => Just(Kind::File), 1 => Just(Kind::Join), 1 => Just(Kind::Erased)
    ];
    let record = (
        (prop::sample::select(vec!["i1", "i2", "long"]), prop::sample::select(vec!["c1", "c2", "c3"])),
        (1..=4u64, prop::collection::btree_set(1..=4u64, 1..3)),
        (-12..12i64, prop::sample::select(vec!["", "web"]), kind),
        (
            prop::collection::vec(prop::sample::select(vec!["a", "b", "k:x", "k:y:z", "kk:x"]), 0..4),
            prop::collection::vec(prop::sample::select(vec!["no", "not", "note", "now", "on"]), 0..6),
        ),
    );
    prop::collection::vec(record, 0..24).prop_map(|list| {
        let rows = (10..)
            .zip(list)
            .map(|(seq, ((id, conversation), (author, subjects), (time, channel, kind), (tags, words)))| {
                let record = Stored {
                    id: id.into(),
                    conversation: conversation.into(),
                    author: PersonNumber(author),
                    subjects: subjects.into_iter().map(PersonNumber).collect(),
                    time: Micros(time * STEP),
                    channel: channel.into(),
                    kind,
                    tags: tags.into_iter().map(Into::into).collect(),
                    body: words.join(" "),
                    ..Stored::default()
                };
                (Seq(seq), record)
            })
            .collect();
        World { rows, mask: Mask::default(), homes: Vec::new() }
    })
}

/// Records, what is masked, and which part each record stands in.
#[derive(Clone)]
struct World {
    rows: Vec<Row>,
    mask: Mask,
    homes: Vec<usize>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (seq, r) in &self.rows {
            let people: Vec<_> = r.subjects.iter().map(|n| n.0).collect();
            writeln!(
                f,
                "{seq} {} {} by {} of {people:?} at {} {:?} {:?} {:?}",
                r.id,
                r.conversation,
                r.author,
                r.time.0 / STEP,
                r.channel,
                r.kind,
                r.tags
            )?;
        }
        write!(f, "mask {:?} {:?} {:?}", self.mask.persons, self.mask.conversations, self.mask.records)
    }
}

fn worlds() -> impl Strategy<Value = World> {
    let person = prop::collection::vec((1..=4u64).prop_map(PersonNumber), 0..2);
    let record = prop::collection::vec((8..30u64).prop_map(Seq), 0..3);
    let mask = (any::<bool>(), person, any::<bool>(), record);
    let homes = prop::collection::vec(0..4usize, 24);
    (records(), mask, homes).prop_map(|(world, (masked, persons, conversation, records), homes)| {
        let conversations = if conversation { vec!["c3".to_owned()] } else { Vec::new() };
        let mask = if masked {
            Mask { persons, conversations: conversations.into(), records, ..Mask::default() }
        } else {
            Mask::default()
        };
        World { mask, homes, ..world }
    })
}

fn queries() -> impl Strategy<Value = Ast> {
    let pick = |of: &[&str]| prop::sample::select(of.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
    let time = || (-13..13i64).prop_map(|t| Micros(t * STEP));
    let leaf = prop_oneof![
        3 => pick(&["a", "b", "k:x", "none"]).prop_map(Leaf::Tag),
        2 => pick(&["p1", "p2", "p4", "nobody"]).prop_map(Leaf::Author),
        2 => pick(&["p1", "p3", "nobody"]).prop_map(Leaf::Subject),
        1 => pick(&["c1", "c3"]).prop_map(Leaf::Conversation),
        1 => pick(&["web"]).prop_map(Leaf::Channel),
        2 => prop::sample::select(vec![Kind::Message, Kind::Join, Kind::Erased]).prop_map(Leaf::Kind),
        1 => pick(&["i1", "i2", "i3"]).prop_map(Leaf::Id),
        2 => pick(&["no", "note", "on", "no not", "now on no", "xyz"]).prop_map(|t| spoken(t, Form::Exact)),
        1 => pick(&["no", "not", "on no", "x"]).prop_map(|t| spoken(t, Form::Prefix)),
        1 => pick(&["no", "note", "in"]).prop_map(|t| spoken(t, Form::Near)),
        2 => time().prop_map(Leaf::After),
        2 => time().prop_map(Leaf::Before),
    ];
    let leaf = prop_oneof![9 => leaf.prop_map(Ast::Leaf), 1 => Just(Ast::All)];
    leaf.prop_recursive(3, 10, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Ast::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Ast::Or),
            inner.prop_map(|a| Ast::Not(Box::new(a))),
        ]
    })
}

fn spoken(text: String, form: Form) -> Leaf {
    Leaf::Words(Words::new(text, form).unwrap())
}

fn split(rows: &[Row], homes: &[usize], n: usize) -> Vec<Arc<dyn Part>> {
    (0..n)
        .map(|home| {
            let mine = rows.iter().zip(homes).filter(|(_, h)| **h % n == home).map(|(row, _)| row.clone());
            Arc::new(Rows::new(mine.collect())) as Arc<dyn Part>
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// What is found of a record with some words and tags is told of it by the query, whatever they are.
    #[test]
    fn a_query_tells_of_whatever_it_could_have_found(world in records(), query in queries(), other in records()) {
        let mut number = |name: &str| Three.number(name);
        let asked = Asked::from(query.clone());
        // Together they tell of as much as each of them.
        let mut all = Records::default();
        world.rows.iter().for_each(|(seq, record)| all.add(record, *seq));
        let all_tell = asked.tells_of(&all, Seq(u64::MAX), &mut number).unwrap();
        for (seq, record) in world.rows {
            let mut one = Records::default();
            one.add(&record, seq);
            let tells = asked.tells_of(&one, Seq(seq.0 + 1), &mut number).unwrap();
            prop_assert!(all_tell || !tells, "{:?} {}", record.kind, record.id);
            for (_, said) in &other.rows {
                let said = Stored { tags: said.tags.clone(), body: said.body.clone(), ..record.clone() };
                let found = !naive(&[(seq, said)], &query, &Mask::default()).is_empty();
                prop_assert!(tells || !found, "{:?} {}", record.kind, record.id);
            }
        }
    }

    #[test]
    fn answers_equal_the_naive_ones(world in worlds(), query in queries(), n in 1..4usize, limit in 1..5usize) {
        let World { rows, mask, homes } = &world;
        let parts = split(rows, homes, n);
        let search = Search { parts: &borrowed(&parts), people: &Three, mask, until: None };
        let expected = naive(rows, &query, mask);
        let seqs: Vec<_> = expected.iter().map(|row| row.0).collect();
        prop_assert_eq!(search.count(&query).unwrap(), seqs.len() as u64);

        let all = |order, limit| {
            let mut seen = Vec::new();
            let mut after = None;
            loop {
                let page = search.search(&query, order, limit, after).unwrap();
                seen.extend(page.iter().map(|hit| hit.key.seq));
                match page.last() {
                    Some(last) if page.len() == limit => after = Some(last.key),
                    _ => return seen,
                }
            }
        };
        prop_assert_eq!(all(Order::Oldest, limit), seqs.clone());
        prop_assert_eq!(all(Order::Oldest, 100), seqs.clone());
        let newest: Vec<_> = seqs.into_iter().rev().collect();
        prop_assert_eq!(all(Order::Newest, limit), newest.clone());
        prop_assert_eq!(all(Order::Newest, usize::MAX), newest.clone());
        prop_assert_eq!(search.seqs(&query, Order::Newest).unwrap(), newest.clone());
        prop_assert!(search.seqs(&query, Order::Oldest).unwrap().into_iter().eq(newest.into_iter().rev()));

        let name = |n: PersonNumber| search.name(n).unwrap();
        let facet = |by| search.facet(&query, &By::parse(by).unwrap()).unwrap();
        prop_assert_eq!(facet("tag"), tallied(&expected, |r| r.tags.clone()));
        prop_assert_eq!(facet("tag:k"), tallied(&expected, |r| {
            r.tags.iter().filter_map(|t| t.strip_prefix("k:")).map(Into::into).collect()
        }));
        prop_assert_eq!(facet("author"), tallied(&expected, |r| name(r.author).into_iter().collect()));
        prop_assert_eq!(facet("subject"), tallied(&expected, |r| r.subjects.iter().filter_map(|n| name(*n)).collect()));
        prop_assert_eq!(facet("conversation"), tallied(&expected, |r| vec![r.conversation.clone()]));
        prop_assert_eq!(facet("kind"), tallied(&expected, |r| vec![r.kind.name().into()]));

        for period in [Period::Hour, Period::Day, Period::Week, Period::Month, Period::Year] {
            let mut bars: BTreeMap<Micros, u64> = BTreeMap::new();
            for (_, record) in &expected {
                *bars.entry(period.start_of(record.time)).or_default() += 1;
            }
            prop_assert_eq!(search.histogram(&query, period).unwrap(), bars.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn cursors_meet_every_survivor_once(
        world in worlds(), query in queries(), n in 1..4usize, newest in any::<bool>(), turn in 1..4usize,
        appended in 0..8usize,
    ) {
        let keys = Keys::new();
        let cursor_key = keys.insert(&[9; 32]).unwrap();
        let order = if newest { Order::Newest } else { Order::Oldest };
        let text = query.to_string();
        let cursors = Cursors::new(&cursor_key, &OsEntropy, &text, order);
        let (before, after) = (Mask::default(), &world.mask);
        let first = &world.rows[..world.rows.len().saturating_sub(appended)];
        let (mut seen, mut cursor, mut pages) = (Vec::new(), None::<String>, 0);
        loop {
            // Between two pages records are appended and masked, and the parts are cut anew.
            let changed = pages >= turn;
            let rows = if changed { &world.rows[..] } else { first };
            let parts = split(rows, &world.homes, if changed { n } else { 4 });
            let mask = if changed { after } else { &before };
            let search = Search { parts: &borrowed(&parts), people: &Three, mask, until: None };
            let at = cursor.map(|token| cursors.open(&token).unwrap().0);
            let page: Vec<Found> = search.search(&query, order, 2, at).unwrap();
            seen.extend(page.iter().map(|hit| hit.key));
            let Some(last) = page.last() else { break };
            cursor = Some(cursors.seal(last.key, 0).unwrap());
            pages += 1;
        }
        let once: BTreeSet<_> = seen.iter().copied().collect();
        prop_assert_eq!(once.len(), seen.len());
        // A mask that changes what the query means (a person in it becomes unknown) may change
        // which survivors match; those that match both before and after must all be met.
        let then: BTreeSet<_> = naive(first, &query, &before).into_iter().map(key).collect();
        for row in naive(&world.rows, &query, after) {
            prop_assert!(!then.contains(&key(row)) || once.contains(&key(row)));
        }
    }
}
