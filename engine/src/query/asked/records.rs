//! Records by what queries ask for, and whether a query could have found some of them.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;

use crate::error::Result;
use crate::id::{Micros, PersonNumber, Seq};
use crate::query::ast::{Ast, Leaf};
use crate::record::{Kind, Stored};

/// Records by what queries ask for, words and tags apart: those that are alike in it count as one, from the first
/// to the last of them. Names stand here as hashes that nobody can choose.
pub(crate) struct Records {
    hasher: RandomState,
    /// By conversation.
    alike: HashMap<u64, HashMap<Shape, Span>>,
    people: HashSet<PersonNumber>,
    channels: HashSet<u64>,
    kinds: HashSet<Kind>,
    /// Of all of them.
    whole: Span,
    /// The first that can't be read: whether a query found it nobody knows.
    unread: Option<Seq>,
}

#[derive(PartialEq, Eq, Hash)]
struct Shape {
    conversation: u64,
    channel: u64,
    author: PersonNumber,
    subjects: Vec<PersonNumber>,
    kind: Kind,
}

struct Span {
    first: Micros,
    last: Micros,
    /// Where the first of them stands in the log.
    came: Seq,
    ids: HashSet<u64>,
}

impl Span {
    fn none() -> Self {
        Self { first: Micros::MAX, last: Micros::MIN, came: Seq(u64::MAX), ids: HashSet::new() }
    }

    fn add(&mut self, time: Micros, came: Seq, id: u64) {
        self.first = self.first.min(time);
        self.last = self.last.max(time);
        self.came = self.came.min(came);
        self.ids.insert(id);
    }

    fn holds_after(&self, at: Micros) -> Truth {
        Truth::between(self.last >= at, self.first >= at)
    }

    fn holds_before(&self, at: Micros) -> Truth {
        Truth::between(self.first < at, self.last < at)
    }
}

/// A query with names looked up: people by number, all else by hash.
pub(super) enum Condition {
    All,
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    /// What is left open: a word or a tag.
    Open,
    Author(Option<PersonNumber>),
    Subject(Option<PersonNumber>),
    Conversation(u64),
    Channel(u64),
    Kind(Kind),
    Id(u64),
    After(Micros),
    Before(Micros),
}

/// Whether a condition holds of records that are alike.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Truth {
    /// Of none.
    No,
    /// Of some, or it depends on what is left open.
    Open,
    /// Of all.
    Yes,
}

impl Truth {
    const fn of(is: bool) -> Self {
        if is { Self::Yes } else { Self::No }
    }

    const fn between(of_some: bool, of_all: bool) -> Self {
        if of_all && of_some {
            Self::Yes
        } else if of_some {
            Self::Open
        } else {
            Self::No
        }
    }
}

impl Default for Records {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            alike: HashMap::new(),
            people: HashSet::new(),
            channels: HashSet::new(),
            kinds: HashSet::new(),
            whole: Span::none(),
            unread: None,
        }
    }
}

impl Records {
    /// Adds a record that stands at a position of the log.
    pub(crate) fn add(&mut self, record: &Stored, seq: Seq) {
        let shape = Shape {
            conversation: self.hash(&record.conversation),
            channel: self.hash(&record.channel),
            author: record.author,
            subjects: record.subjects.clone(),
            kind: record.kind,
        };
        let id = self.hash(&record.id);
        self.people.insert(shape.author);
        self.people.extend(&shape.subjects);
        self.channels.insert(shape.channel);
        self.kinds.insert(shape.kind);
        self.whole.add(record.time, seq, id);
        let of_conversation = self.alike.entry(shape.conversation).or_default();
        of_conversation.entry(shape).or_insert_with(Span::none).add(record.time, seq, id);
    }

    /// Adds one that can't be read; it stands at this position or behind it.
    pub(crate) fn add_unread(&mut self, seq: Seq) {
        self.unread = Some(self.unread.map_or(seq, |first| first.min(seq)));
    }

    /// Whether there was one before a position of the log.
    pub(crate) fn has_before(&self, seq: Seq) -> bool {
        self.unread.is_some_and(|came| came < seq) || self.whole.came < seq
    }

    fn hash(&self, name: &str) -> u64 {
        self.hasher.hash_one(name)
    }

    /// The condition that a query sets.
    pub(super) fn condition(
        &self,
        ast: &Ast,
        number: &mut dyn FnMut(&str) -> Result<Option<PersonNumber>>,
    ) -> Result<Condition> {
        let mut all = |of: &[Ast]| of.iter().map(|one| self.condition(one, number)).collect::<Result<_>>();
        Ok(match ast {
            Ast::All => Condition::All,
            Ast::And(of) => Condition::And(all(of)?),
            Ast::Or(of) => Condition::Or(all(of)?),
            Ast::Not(of) => Condition::Not(Box::new(self.condition(of, number)?)),
            Ast::Leaf(leaf) => match leaf {
                Leaf::Tag(_) | Leaf::Words(_) => Condition::Open,
                Leaf::Author(name) => Condition::Author(number(name)?),
                Leaf::Subject(name) => Condition::Subject(number(name)?),
                Leaf::Conversation(name) => Condition::Conversation(self.hash(name)),
                Leaf::Channel(name) => Condition::Channel(self.hash(name)),
                Leaf::Kind(kind) => Condition::Kind(*kind),
                Leaf::Id(id) => Condition::Id(self.hash(id)),
                Leaf::After(at) => Condition::After(*at),
                Leaf::Before(at) => Condition::Before(*at),
                // Whatever it found of one version it may have found of another.
                Leaf::Version(_) => Condition::All,
            },
        })
    }

    /// Whether who asked for this at a position of the log could have found some. Of other kinds than the default
    /// ones a query finds what it names: `kinds` says whether it names any.
    pub(super) fn may_be_told(&self, condition: &Condition, kinds: bool, asked: Seq) -> bool {
        if self.unread.is_some_and(|came| came < asked) {
            return true;
        }
        // There may be as many queries as records, and most of them ask for something else.
        if !self.may_hold(condition) {
            return false;
        }
        let tells = |(shape, span): (&Shape, &Span)| {
            span.came < asked
                && (shape.kind.is_default() || shape.kind == Kind::Edit || kinds)
                && condition.holds(shape, span) > Truth::No
        };
        match condition.conversation() {
            Some(conversation) => self.alike.get(&conversation).into_iter().flatten().any(tells),
            None => self.alike.values().flatten().any(tells),
        }
    }

    /// Whether a condition may hold of any of them, by what all of them have.
    fn may_hold(&self, condition: &Condition) -> bool {
        match condition {
            Condition::All | Condition::Open | Condition::Not(_) => true,
            Condition::And(of) => of.iter().all(|one| self.may_hold(one)),
            Condition::Or(of) => of.iter().any(|one| self.may_hold(one)),
            Condition::Author(number) | Condition::Subject(number) => {
                number.is_some_and(|number| self.people.contains(&number))
            }
            Condition::Conversation(name) => self.alike.contains_key(name),
            Condition::Channel(name) => self.channels.contains(name),
            Condition::Kind(kind) => self.kinds.contains(kind),
            Condition::Id(id) => self.whole.ids.contains(id),
            Condition::After(at) => self.whole.holds_after(*at) > Truth::No,
            Condition::Before(at) => self.whole.holds_before(*at) > Truth::No,
        }
    }
}

impl Condition {
    /// The conversation of whatever it finds, if it asks for one.
    fn conversation(&self) -> Option<u64> {
        let members = if let Self::And(members) = self { members } else { std::slice::from_ref(self) };
        members.iter().find_map(|member| match member {
            Self::Conversation(name) => Some(*name),
            _ => None,
        })
    }

    fn holds(&self, shape: &Shape, span: &Span) -> Truth {
        match self {
            Self::All => Truth::Yes,
            Self::Open => Truth::Open,
            Self::And(of) => of.iter().map(|one| one.holds(shape, span)).min().unwrap_or(Truth::Yes),
            Self::Or(of) => of.iter().map(|one| one.holds(shape, span)).max().unwrap_or(Truth::No),
            Self::Not(of) => match of.holds(shape, span) {
                Truth::No => Truth::Yes,
                Truth::Open => Truth::Open,
                Truth::Yes => Truth::No,
            },
            Self::Author(number) => Truth::of(*number == Some(shape.author)),
            Self::Subject(number) => Truth::of(number.is_some_and(|n| shape.subjects.contains(&n))),
            Self::Conversation(name) => Truth::of(*name == shape.conversation),
            Self::Channel(name) => Truth::of(*name == shape.channel),
            Self::Kind(kind) => Truth::of(*kind == shape.kind),
            Self::Id(id) => Truth::between(span.ids.contains(id), span.ids.len() == 1),
            Self::After(at) => span.holds_after(*at),
            Self::Before(at) => span.holds_before(*at),
        }
    }
}
