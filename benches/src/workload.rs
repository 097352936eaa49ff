//! Deterministic chat records, the same for the same arguments.
//!
//! *zipf*: authors by Zipf's law over a twentieth of the planned records; the author is the
//! subject; the most frequent one writes about a tenth of everything. *local*: customers with 15
//! to 25 messages within about three days, half of them by one of 200 agents; the customer is the
//! subject. Both: a year long, 3 to 6 tags by Zipf's law over 500, half of the records with a
//! `case:` tag of high cardinality, texts of 20 to 400 characters of 50,000 words by Zipf's law.
//! [`Workload::with_japanese`] makes every tenth text a Japanese one.

use escrowdb::id::Micros;
use escrowdb::store::{Preset, Record};

use crate::japanese::Japanese;

/// Distinct words.
pub const WORDS: usize = 50_000;
/// Distinct frequent tags.
pub const TAGS: usize = 500;
/// Agents of the shape *local*.
pub const AGENTS: u64 = 200;

const CHANNELS: [&str; 6] = ["chat", "email", "voice", "sms", "ticket", "web"];
const TAG_KEYS: [&str; 8] = ["dept", "lang", "purpose", "product", "region", "priority", "campaign", "label"];
/// 2025-01-01T00:00:00Z.
const START: i64 = 1_735_689_600_000_000;
const YEAR: i64 = 365 * 86_400 * 1_000_000;

/// How people are spread over the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Few people write much, many little.
    Zipf,
    /// Every customer writes about twenty messages within days.
    Local,
}

/// An endless stream of records.
pub struct Workload {
    shape: Shape,
    planned: u64,
    random: Random,
    words: Vec<String>,
    tags: Vec<String>,
    word: Zipf,
    tag: Zipf,
    author: Zipf,
    next: u64,
    time: i64,
    open: Vec<Customer>,
    customers: u64,
    japanese: Option<Japanese>,
}

struct Customer {
    number: u64,
    left: u64,
    agent: u64,
}

impl Workload {
    /// A stream of which about `planned` records will be taken.
    pub fn new(shape: Shape, planned: u64, seed: u64) -> Self {
        let people = (planned / 20).clamp(10_000, 100_000) as usize;
        Self {
            shape,
            planned,
            random: Random::new(seed),
            words: (0..WORDS).map(word).collect(),
            tags: (0..TAGS).map(tag).collect(),
            word: Zipf::new(WORDS),
            tag: Zipf::new(TAGS),
            author: Zipf::new(people),
            next: 0,
            time: START,
            open: Vec::new(),
            customers: 0,
            japanese: None,
        }
    }

    /// The same stream, but every tenth text is a Japanese one.
    #[must_use]
    pub fn with_japanese(mut self) -> Self {
        self.japanese = Some(Japanese::new());
        self
    }

    /// Whose records they are in a store of this shape.
    pub const fn preset(&self) -> Preset {
        match self.shape {
            Shape::Zipf => Preset::Peer,
            Shape::Local => Preset::Customer,
        }
    }

    /// The frequent tag of a rank.
    pub fn tag(&self, rank: usize) -> &str {
        self.tags.get(rank).map_or("", String::as_str)
    }

    /// The word of a rank.
    pub fn word(&self, rank: usize) -> &str {
        self.words.get(rank).map_or("", String::as_str)
    }

    /// Whoever wrote most.
    pub fn largest_author(&self) -> String {
        match self.shape {
            Shape::Zipf => person(0),
            Shape::Local => agent(0),
        }
    }

    /// Somebody with few records: a customer, or an author of the middle.
    pub fn small_subject(&self, nth: u64) -> String {
        match self.shape {
            Shape::Zipf => person(1_500 + nth),
            Shape::Local => customer(self.customers / 2 + nth),
        }
    }

    /// The conversation and id of a record given before.
    pub fn id_of(&self, n: u64) -> String {
        format!("m{n}")
    }

    /// First and end of a hundredth of the year, in its middle.
    pub const fn percent(&self) -> (Micros, Micros) {
        (Micros(START + YEAR / 2), Micros(START + YEAR / 2 + YEAR / 100))
    }

    /// The next `n` records.
    pub fn batch(&mut self, n: usize) -> Vec<Record> {
        (0..n).map(|_| self.record()).collect()
    }

    /// The next record.
    pub fn record(&mut self) -> Record {
        let n = self.next;
        self.next += 1;
        self.time += self.random.below(2 * (YEAR as u64 / self.planned.max(1)).max(1)) as i64;
        let (conversation, author, subject) = match self.shape {
            Shape::Zipf => {
                let conversation = self.random.below((self.planned / 12).max(1000));
                (format!("c{conversation}"), person(self.author.draw(&mut self.random) as u64), None)
            }
            Shape::Local => self.local(),
        };
        let body = match &self.japanese {
            Some(japanese) if n.is_multiple_of(10) => japanese.text(&mut self.random),
            _ => self.body(),
        };
        let mut record = Record::new(conversation, author, Micros(self.time), body)
            .id(format!("m{n}"))
            .channel(CHANNELS[self.random.below(6) as usize]);
        record.subjects.extend(subject);
        record.tags = self.some_tags();
        record
    }

    fn local(&mut self) -> (String, String, Option<String>) {
        let together = (self.planned / 20 * 3 / 365).max(1) as usize;
        while self.open.len() < together {
            let agent = self.random.below(AGENTS);
            let left = 15 + self.random.below(11);
            self.open.push(Customer { number: self.customers, left, agent });
            self.customers += 1;
        }
        let at = self.random.below(self.open.len() as u64) as usize;
        let one = &mut self.open[at];
        one.left -= 1;
        let who = customer(one.number);
        let author = if self.random.below(2) == 0 { who.clone() } else { agent(one.agent) };
        let conversation = format!("c{}", one.number);
        if one.left == 0 {
            self.open.swap_remove(at);
        }
        (conversation, author, Some(who))
    }

    fn some_tags(&mut self) -> Vec<String> {
        let n = 3 + self.random.below(4) as usize;
        let mut tags: Vec<String> = Vec::with_capacity(n);
        if self.random.below(2) == 0 {
            tags.push(format!("case:{}", self.random.below((self.planned / 20).max(100))));
        }
        while tags.len() < n {
            let tag = &self.tags[self.tag.draw(&mut self.random)];
            if !tags.contains(tag) {
                tags.push(tag.clone());
            }
        }
        tags
    }

    /// 20 to 400 characters, short ones more often.
    fn body(&mut self) -> String {
        let wanted = (20.0 * 20f64.powf(self.random.unit())) as usize;
        let mut body = String::with_capacity(wanted + 16);
        while body.len() < wanted {
            if !body.is_empty() {
                body.push(' ');
            }
            body.push_str(&self.words[self.word.draw(&mut self.random)]);
        }
        body
    }
}

fn person(rank: u64) -> String {
    // Scattered, so that the order of names says nothing about the rank.
    format!("p{:08x}@example.org", (rank as u32).wrapping_mul(0x9e37_79b1).rotate_left(13))
}

fn customer(number: u64) -> String {
    format!("customer{number}@example.org")
}

fn agent(number: u64) -> String {
    format!("agent{number}@example.org")
}

fn tag(rank: usize) -> String {
    format!("{}:{rank}", TAG_KEYS[rank % TAG_KEYS.len()])
}

/// A pronounceable word; frequent ones are short.
fn word(rank: usize) -> String {
    const HEADS: &[u8] = b"bdfghjklmnprstvz";
    const VOWELS: &[u8] = b"aeiou";
    let mut rest = rank;
    let mut word = String::new();
    loop {
        word.push(char::from(HEADS[rest % HEADS.len()]));
        rest /= HEADS.len();
        word.push(char::from(VOWELS[rest % VOWELS.len()]));
        rest /= VOWELS.len();
        if rest == 0 {
            return word;
        }
        rest -= 1;
    }
}

/// A small seeded generator (SplitMix64).
pub struct Random(u64);

impl Random {
    /// Starts at `seed`.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `n`, which is not 0.
    pub const fn below(&mut self, n: u64) -> u64 {
        ((self.next() as u128 * n as u128) >> 64) as u64
    }

    /// From 0 to 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Zipf's law with exponent 1 over `0..n`: cumulated weights and a guide to where to look.
pub(crate) struct Zipf {
    sums: Vec<f64>,
    guide: Vec<u32>,
}

const GUIDE: usize = 1 << 16;

impl Zipf {
    pub(crate) fn new(n: usize) -> Self {
        let mut sum = 0.0;
        let mut sums: Vec<f64> = (1..=n)
            .map(|rank| {
                sum += 1.0 / rank as f64;
                sum
            })
            .collect();
        for s in &mut sums {
            *s /= sum;
        }
        let start = |i| sums.partition_point(|s| *s < i as f64 / GUIDE as f64) as u32;
        let guide = (0..GUIDE).map(start).collect();
        Self { sums, guide }
    }

    pub(crate) fn draw(&self, random: &mut Random) -> usize {
        let u = random.unit();
        let from = self.guide[(u * GUIDE as f64) as usize] as usize;
        let more = self.sums[from..].iter().take_while(|s| **s < u).count();
        (from + more).min(self.sums.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_arguments_give_the_same_records() {
        for shape in [Shape::Zipf, Shape::Local] {
            let (mut a, mut b) = (Workload::new(shape, 1000, 7), Workload::new(shape, 1000, 7));
            assert!(a.batch(300) == b.batch(300));
            for record in a.batch(300) {
                record.validate().unwrap();
            }
            let mut with = Workload::new(shape, 1000, 7).with_japanese();
            assert!(with.batch(300) == Workload::new(shape, 1000, 7).with_japanese().batch(300));
            let (latin, foreign): (Vec<_>, Vec<_>) =
                with.batch(300).into_iter().partition(|r| r.body.is_ascii());
            assert_eq!((latin.len(), foreign.len()), (270, 30));
        }
    }

    #[test]
    fn people_are_spread_as_promised() {
        let mut zipf = Workload::new(Shape::Zipf, 100_000, 1);
        let largest = zipf.largest_author();
        let share = zipf.batch(20_000).iter().filter(|r| r.author == largest).count();
        assert!((1_500..2_500).contains(&share), "{share} of 20,000");
        let mut local = Workload::new(Shape::Local, 20_000, 1);
        let records = local.batch(20_000);
        let who = local.small_subject(0);
        let of_one = records.iter().filter(|r| r.subjects[0] == who).count();
        assert!((15..=25).contains(&of_one), "{of_one} of one customer");
    }
}
