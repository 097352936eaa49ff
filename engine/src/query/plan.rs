//! A query made ready to run: people as numbers, negations at the leaves, time as ranges.
//!
//! One plan serves every part of the store.
//!
//! **Default kinds.** Think of the query as a list of alternatives without `OR` inside, each a
//! list of conditions that must all hold. An alternative without a positive `kind:` condition
//! finds default kinds only. For a record of a default kind that is plain logic; a record of any
//! other kind must be found by an alternative that asks for a kind. `Naming` tells where the
//! two differ, so that the usual query pays one intersection and no list of alternatives is made.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use parking_lot::Mutex;
use roaring::RoaringBitmap;

use crate::error::{Error, Result};
use crate::id::{Micros, PersonNumber};
use crate::index::overlay::Version;
use crate::index::part::{Asked, Conjunction};
use crate::index::phrase::too_many;
use crate::index::scope::{Mask, People};
use crate::index::{Field, Part, Pattern, Phrase, PhraseWord, Term, Wanted};
use crate::query::ast::{Ast, Leaf};
use crate::query::dates::END;
use crate::query::parse::place;
use crate::query::words::{Sought, Words};
use crate::text;

/// A query with its people resolved.
pub struct Plan {
    pub(crate) root: Node,
    /// Which versions of records it finds.
    pub(crate) version: Version,
    /// The same where it is nothing but terms and times that must all hold, one term not negated.
    pub(crate) conjunction: Option<Conjunction>,
    /// Whether it asks for words.
    pub(crate) asks_words: bool,
    /// Whether it asks for phrases, for which positions are read.
    pub(crate) asks_phrases: bool,
    /// Whether it asks for words like one, which are looked for in every dictionary.
    asks_like: bool,
}

/// Words like one, and how many there are in all parts that were asked.
pub(crate) struct Expansion {
    pub(crate) pattern: Pattern,
    /// The character of the query at which it stands, for messages.
    at: Option<usize>,
    seen: Mutex<HashSet<u64>>,
    hasher: RandomState,
}

/// Words that a prefix or a near word may stand for.
pub const EXPANSION_MAX: usize = 20_000;

impl Expansion {
    fn new(pattern: &Pattern, at: Option<usize>) -> Self {
        Self { pattern: pattern.clone(), at, seen: Mutex::default(), hasher: RandomState::new() }
    }

    /// The documents of a part. Its words are noted: of all parts together there may be so many only.
    pub(crate) fn docs(&self, part: &dyn Part) -> Result<RoaringBitmap> {
        let mut words = Vec::new();
        let limit = |n: usize| match self.at {
            _ if n <= EXPANSION_MAX => Ok(()),
            Some(at) => Err(too_many(EXPANSION_MAX).context(place(at))),
            None => Err(too_many(EXPANSION_MAX)),
        };
        let docs = part.like(&self.pattern, &mut |word| {
            words.push(self.hasher.hash_one(word));
            limit(words.len())
        })?;
        // Not held before: other parts are asked at the same time.
        let mut seen = self.seen.lock();
        seen.extend(words);
        limit(seen.len())?;
        Ok(docs)
    }
}

/// A condition, or a combination of them.
pub(crate) enum Node {
    All,
    Nothing,
    Term { term: Term, negated: bool },
    Id { id: String, negated: bool },
    Time(Range<Micros>),
    Like { words: Expansion, negated: bool },
    Phrase { phrase: Phrase, expansions: Vec<Expansion>, negated: bool },
    And(Vec<Node>),
    Or(Vec<Node>),
}

/// Whether the alternatives of a node ask for kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// None does: default kinds only.
    Never,
    /// Each does: plain logic.
    Always,
    /// Some do.
    Mixed,
}

impl Plan {
    /// Resolves the people of a query; who is unknown or masked has no records.
    pub fn new(ast: &Ast, people: &dyn People, mask: &Mask) -> Result<Self> {
        let mut version = None;
        let rest = without_version(ast, &mut version)?;
        let root = lower(&rest, false, &|name| number(name, people, mask))?;
        Ok(Self {
            version: version.unwrap_or_default(),
            conjunction: root.conjunction(),
            asks_words: root.any(&|node| match node {
                Node::Term { term, .. } => term.field == Field::Word,
                node => matches!(node, Node::Like { .. } | Node::Phrase { .. }),
            }),
            asks_phrases: root.any(&|node| matches!(node, Node::Phrase { .. })),
            asks_like: root.any(&|node| matches!(node, Node::Like { .. })),
            root,
        })
    }

    /// Whether a part takes long enough that a second thread is worth its start.
    pub(crate) fn takes_long(&self) -> bool {
        self.asks_phrases || self.asks_like
    }

    /// Times outside this range are matched by nothing.
    pub(crate) fn window(&self) -> Range<Micros> {
        self.root.window()
    }
}

impl Node {
    pub(crate) fn naming(&self) -> Naming {
        match self {
            Self::Term { term, negated: false } if term.field == Field::Kind => Naming::Always,
            Self::And(of) | Self::Or(of) => {
                let conjunction = matches!(self, Self::And(_));
                let (mut never, mut always, mut one) = (true, true, false);
                for naming in of.iter().map(Self::naming) {
                    never &= naming == Naming::Never;
                    always &= naming == Naming::Always;
                    one |= naming == Naming::Always;
                }
                match (never, always || conjunction && one) {
                    (true, _) => Naming::Never,
                    (false, true) => Naming::Always,
                    (false, false) => Naming::Mixed,
                }
            }
            _ => Naming::Never,
        }
    }

    /// Whether a condition is of a sort.
    fn any(&self, is: &dyn Fn(&Self) -> bool) -> bool {
        match self {
            Self::And(of) | Self::Or(of) => of.iter().any(|node| node.any(is)),
            node => is(node),
        }
    }

    fn conjunction(&self) -> Option<Conjunction> {
        let of = match self {
            Self::And(of) => of.as_slice(),
            node => std::slice::from_ref(node),
        };
        let mut terms = Vec::with_capacity(of.len());
        for node in of {
            match node {
                Self::Term { term, negated } => {
                    terms.push(Asked::new(term, !negated));
                }
                Self::Time(_) => {}
                _ => return None,
            }
        }
        let (default_only, time) = (self.naming() == Naming::Never, self.window());
        terms.iter().any(|asked| asked.wanted).then_some(Conjunction { terms, default_only, time })
    }

    fn window(&self) -> Range<Micros> {
        match self {
            Self::Nothing => END..END,
            Self::Time(range) => range.clone(),
            Self::And(of) => of
                .iter()
                .map(Self::window)
                .fold(Micros(i64::MIN)..END, |a, b| a.start.max(b.start)..a.end.min(b.end)),
            Self::Or(of) => of
                .iter()
                .map(Self::window)
                .filter(|w| !w.is_empty())
                .reduce(|a, b| a.start.min(b.start)..a.end.max(b.end))
                .unwrap_or(END..END),
            Self::All | Self::Term { .. } | Self::Id { .. } => Micros(i64::MIN)..END,
            Self::Like { .. } | Self::Phrase { .. } => Micros(i64::MIN)..END,
        }
    }
}

/// A query without the versions that it asks for.
fn without_version<'a>(ast: &'a Ast, version: &mut Option<Version>) -> Result<Cow<'a, Ast>> {
    Ok(match ast {
        Ast::Leaf(Leaf::Version(of)) => match version.replace(*of) {
            None => Cow::Owned(Ast::All),
            Some(_) => return Err(Error::invalid("a query asks for one version")),
        },
        Ast::And(of) if of.iter().any(asks_for_version) => {
            let mut rest = Vec::with_capacity(of.len());
            for one in of {
                match without_version(one, version)? {
                    Cow::Owned(Ast::All) if matches!(one, Ast::Leaf(Leaf::Version(_))) => {}
                    left => rest.push(left.into_owned()),
                }
            }
            Cow::Owned(match (rest.pop(), rest.is_empty()) {
                (Some(one), true) => one,
                (Some(last), false) => {
                    rest.push(last);
                    Ast::And(rest)
                }
                (None, _) => Ast::All,
            })
        }
        ast => Cow::Borrowed(ast),
    })
}

fn asks_for_version(ast: &Ast) -> bool {
    match ast {
        Ast::Leaf(Leaf::Version(_)) => true,
        Ast::And(of) => of.iter().any(asks_for_version),
        _ => false,
    }
}

fn number(name: &str, people: &dyn People, mask: &Mask) -> Result<Option<PersonNumber>> {
    Ok(people.number(&text::nfc(name))?.filter(|number| !mask.hides(*number)))
}

fn lower(ast: &Ast, negated: bool, number: &dyn Fn(&str) -> Result<Option<PersonNumber>>) -> Result<Node> {
    let all = |of: &[Ast]| of.iter().map(|child| lower(child, negated, number)).collect::<Result<Vec<_>>>();
    let term = |field, value: &str| Node::Term { term: Term { field, value: value.into() }, negated };
    let person = |field, name: &str| {
        Ok(match (number(name)?, negated) {
            (Some(number), _) => Node::Term { term: Term::person(field, number), negated },
            (None, false) => Node::Nothing,
            (None, true) => Node::All,
        })
    };
    Ok(match ast {
        Ast::All if negated => Node::Nothing,
        Ast::All => Node::All,
        Ast::Not(of) => lower(of, !negated, number)?,
        // De Morgan: negated members are joined the other way.
        Ast::And(of) if negated => Node::Or(all(of)?),
        Ast::Or(of) if negated => Node::And(all(of)?),
        Ast::And(of) => Node::And(all(of)?),
        Ast::Or(of) => Node::Or(all(of)?),
        Ast::Leaf(leaf) => match leaf {
            Leaf::Tag(v) => term(Field::Tag, v),
            Leaf::Conversation(v) => term(Field::Conversation, v),
            Leaf::Channel(v) => term(Field::Channel, v),
            Leaf::Author(v) => person(Field::Author, v)?,
            Leaf::Subject(v) => person(Field::Subject, v)?,
            Leaf::Kind(kind) => Node::Term { term: Term::kind(*kind), negated },
            Leaf::Id(id) => Node::Id { id: id.clone(), negated },
            Leaf::After(at) if !negated => Node::Time(*at..END),
            Leaf::Before(at) if negated => Node::Time(*at..END),
            Leaf::After(at) | Leaf::Before(at) => Node::Time(Micros(i64::MIN)..*at),
            Leaf::Version(_) => {
                return Err(Error::invalid(
                    "which versions are found is said once, beside all other conditions",
                ));
            }
            Leaf::Words(words) => words_of(words, negated),
        },
    })
}

fn words_of(words: &Words, negated: bool) -> Node {
    let like = |pattern: &Pattern| Expansion::new(pattern, words.place());
    match words.sought() {
        Sought::Word(term) => Node::Term { term: term.clone(), negated },
        Sought::Like(pattern) => Node::Like { words: like(pattern), negated },
        Sought::Phrase(phrase) => {
            let expansion = |word: &PhraseWord| match &word.what {
                Wanted::Like(pattern) => Some(like(pattern)),
                Wanted::Word(_) => None,
            };
            let expansions = phrase.words.iter().filter_map(expansion).collect();
            Node::Phrase { expansions, phrase: phrase.clone(), negated }
        }
    }
}
