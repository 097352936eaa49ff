//! Hits by how well they fit: BM25 (Robertson and Zaragoza, 2009, §3.1) with k1 = 1.2, b = 0.75.
//!
//! Every number that goes into a score is a sum over the records that live at this moment: how many
//! have words, how many words there are, how many have this word. Nothing of it is stored for the
//! whole store, so nothing is left of the erased, and a store that never held them answers the same,
//! bit for bit. A prefix or a near word counts as one word that a record has or has not.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use roaring::RoaringBitmap;

use crate::error::{Error, Result};
use crate::id::{Micros, Seq};
use crate::index::{Part, SortKey, Term, Wanted};
use crate::query::ast::Ast;
use crate::query::eval;
use crate::query::exec::{Found, Search};
use crate::query::plan::{Expansion, Node, Plan};

const K1: f64 = 1.2;
const B: f64 = 0.75;

/// What a query's words are worth.
pub(crate) struct Scorer<'p> {
    words: Vec<(Scored<'p>, f64)>,
    /// Words of a record on average.
    average: f64,
}

/// A word that records are scored by.
enum Scored<'p> {
    Word(&'p Term),
    /// With the documents of each part: to find them is to go through a dictionary.
    Like(&'p Expansion, Vec<RoaringBitmap>),
}

/// A hit of a part, the worst on top of a heap.
type Ranked = Reverse<(u64, Reverse<Seq>, usize, u32)>;

impl Search<'_> {
    /// The best `limit` hits behind `after`, the rank of an earlier hit: highest score first, equal
    /// ones by log position. The sort key of a hit is its rank; see [`rank`].
    ///
    /// # Errors
    /// *Invalid* for a query that asks for no word.
    pub fn relevant(&self, query: &Ast, limit: usize, after: Option<SortKey>) -> Result<Vec<Found>> {
        let plan = self.plan(query)?;
        let scorer = self.scorer(&plan)?;
        self.ranked(&plan, &scorer, limit, after)
    }

    /// The same of a plan, by the scores of `scorer`, which was made of it.
    pub(crate) fn ranked(
        &self,
        plan: &Plan,
        scorer: &Scorer<'_>,
        limit: usize,
        after: Option<SortKey>,
    ) -> Result<Vec<Found>> {
        let mut best: BinaryHeap<Ranked> = BinaryHeap::new();
        for (number, part) in self.parts.iter().enumerate() {
            self.in_time()?;
            let docs = eval::matches(plan, &**part, self.mask)?;
            if docs.is_empty() || limit == 0 {
                continue;
            }
            let docs: Vec<u32> = docs.iter().collect();
            for (doc, score) in docs.iter().zip(scorer.scores((number, &**part), &docs)?) {
                // Above the worst of a full page first: a log position costs a look.
                let bits = score.to_bits();
                let worst = best.peek().filter(|_| best.len() == limit);
                if worst.is_some_and(|Reverse((worst, ..))| *worst > bits) {
                    continue;
                }
                let seq = part.key(*doc)?.seq;
                if after.is_some_and(|after| !is_behind(rank(score, seq), after)) {
                    continue;
                }
                best.push(Reverse((bits, Reverse(seq), number, *doc)));
                if best.len() > limit {
                    best.pop();
                }
            }
        }
        let hits = best.into_sorted_vec().into_iter();
        Ok(hits
            .map(|Reverse((bits, Reverse(seq), part, doc))| Found {
                key: rank(f64::from_bits(bits), seq),
                part,
                doc,
            })
            .collect())
    }

    /// What scores are counted with at this moment.
    pub(crate) fn scorer<'p>(&self, plan: &'p Plan) -> Result<Scorer<'p>> {
        let mut words = Vec::new();
        collect(&plan.root, &mut words);
        if words.is_empty() {
            return Err(Error::invalid("a query without words has no order of relevance")
                .hint("order by newest or oldest, or ask for a word"));
        }
        let (mut with_words, mut all) = (0u64, 0u64);
        let mut having = vec![0u64; words.len()];
        for part in self.parts {
            self.in_time()?;
            // Every part goes into the scores, also one in which the query can find nothing.
            eval::check_words(plan, &**part)?;
            part.visit();
            let hidden = eval::unseen(&**part, self.mask, plan.version)?;
            let (docs, sum) = part.word_totals()?;
            let (mut hidden_docs, mut hidden_sum) = (0, 0);
            for doc in &hidden {
                let n = u64::from(part.words_in(doc)?);
                hidden_docs += u64::from(n > 0);
                hidden_sum += n;
            }
            with_words += docs.saturating_sub(hidden_docs);
            all += sum.saturating_sub(hidden_sum);
            for (word, having) in words.iter_mut().zip(&mut having) {
                *having += match word {
                    Scored::Word(term) if hidden.is_empty() => part.frequency(term)?,
                    Scored::Word(term) => part.postings(term)?.difference_len(&hidden),
                    Scored::Like(words, found) => {
                        let docs = words.docs(&**part)?;
                        let n = docs.difference_len(&hidden);
                        found.push(docs);
                        n
                    }
                };
            }
        }
        let worth = |having: u64| {
            let (n, having) = (with_words as f64, having as f64);
            (1.0 + (n - having + 0.5) / (having + 0.5)).ln()
        };
        let words = words.into_iter().zip(having).map(|(word, having)| (word, worth(having))).collect();
        Ok(Scorer { words, average: all as f64 / with_words.max(1) as f64 })
    }
}

impl Scored<'_> {
    /// How often each document of a part has it.
    fn occurrences(&self, (number, part): (usize, &dyn Part), docs: &[u32]) -> Result<Vec<u32>> {
        match self {
            Self::Word(term) => part.occurrences(term, docs),
            Self::Like(_, found) => {
                let has = |doc: &u32| found.get(number).is_some_and(|having| having.contains(*doc));
                Ok(docs.iter().map(|doc| u32::from(has(doc))).collect())
            }
        }
    }
}

impl Scorer<'_> {
    /// Names the numbers that go into every score: where they are the same, every record that stays
    /// has the score it had.
    pub(crate) fn mark(&self) -> u64 {
        let mut numbers = blake3::Hasher::new();
        numbers.update(&self.average.to_bits().to_be_bytes());
        for (_, worth) in &self.words {
            numbers.update(&worth.to_bits().to_be_bytes());
        }
        numbers.finalize().as_bytes().iter().take(8).fold(0, |mark, byte| mark << 8 | u64::from(*byte))
    }

    /// The score of each document; never negative.
    fn scores(&self, (number, part): (usize, &dyn Part), docs: &[u32]) -> Result<Vec<f64>> {
        let mut lengths = Vec::with_capacity(docs.len());
        for doc in docs {
            let length = f64::from(part.words_in(*doc)?) / self.average.max(f64::MIN_POSITIVE);
            lengths.push(K1 * (1.0 - B + B * length));
        }
        let mut scores = vec![0.0; docs.len()];
        for (word, worth) in &self.words {
            let counts = word.occurrences((number, part), docs)?;
            for ((score, count), length) in scores.iter_mut().zip(counts).zip(&lengths) {
                let count = f64::from(count);
                *score += worth * count * (K1 + 1.0) / (count + length);
            }
        }
        Ok(scores)
    }
}

/// Words of a query that a record should have, each once and in order.
fn collect<'p>(node: &'p Node, words: &mut Vec<Scored<'p>>) {
    let mut add = |wanted: Scored<'p>| {
        let same = |other: &Scored<'_>| match (other, &wanted) {
            (Scored::Word(a), Scored::Word(b)) => a == b,
            (Scored::Like(a, _), Scored::Like(b, _)) => a.pattern == b.pattern,
            _ => false,
        };
        if !words.iter().any(same) {
            words.push(wanted);
        }
    };
    match node {
        Node::Term { term, negated: false } if term.field.has_positions() => add(Scored::Word(term)),
        Node::Like { words: like, negated: false } => add(Scored::Like(like, Vec::new())),
        Node::Phrase { phrase, expansions, negated: false } => {
            for word in &phrase.words {
                if let Wanted::Word(term) = &word.what {
                    add(Scored::Word(term));
                }
            }
            expansions.iter().for_each(|like| add(Scored::Like(like, Vec::new())));
        }
        Node::And(of) | Node::Or(of) => of.iter().for_each(|node| collect(node, words)),
        _ => {}
    }
}

/// Score and log position as a sort key: the bits of a number that is not negative are in its order,
/// so they stand where an event's time stands otherwise.
pub fn rank(score: f64, seq: Seq) -> SortKey {
    SortKey { time: Micros(score.to_bits().cast_signed()), seq }
}

/// The score in a rank.
pub fn score_of(rank: SortKey) -> f64 {
    f64::from_bits(rank.time.0.cast_unsigned())
}

fn is_behind(rank: SortKey, after: SortKey) -> bool {
    rank.time < after.time || rank.time == after.time && rank.seq > after.seq
}
