//! A query that was asked once and whose text is kept: what it names, and whether its answer tells
//! something of certain records.
//!
//! An answer tells of a record that it found, and as much of one that it did not find for its words: who
//! knows that something was "yes" or "no" learns it from either. So words and tags are left open: a query
//! tells of whatever it could have found, had other words stood there.

use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};

use zeroize::{Zeroize, Zeroizing};

use crate::error::Result;
use crate::id::{Micros, PersonNumber, Seq};
use crate::query::ast::{Ast, Leaf};
use crate::query::parse::parse;
use crate::record::{Kind, Stored};

/// A query as it was understood when it was asked. Its values are wiped.
pub(crate) struct Asked(Ast);

impl Asked {
    /// Understands a query that was asked at a time; `None` if it is not well formed.
    pub(crate) fn parse(text: &str, at: Micros) -> Option<Self> {
        parse(text, at).ok().map(Self::from)
    }

    /// What conditions are about, in order, with a space between: names, tags, words. Not kinds and times.
    pub(crate) fn values(&self) -> Zeroizing<String> {
        let mut len = 0;
        each(&self.0, &mut |leaf| len += value(leaf).map_or(0, |value| value.len() + 1));
        let mut values = Zeroizing::new(String::with_capacity(len));
        each(&self.0, &mut |leaf| {
            if let Some(value) = value(leaf) {
                values.push_str(value);
                values.push(' ');
            }
        });
        values
    }

    /// Whether it asks for such an id.
    pub(crate) fn has_id(&self, is: &dyn Fn(&str) -> bool) -> bool {
        let mut has = false;
        each(&self.0, &mut |leaf| has |= matches!(leaf, Leaf::Id(id) if is(id)));
        has
    }

    /// Whether it asks for such a conversation.
    pub(crate) fn has_conversation(&self, is: &dyn Fn(&str) -> bool) -> bool {
        let mut has = false;
        each(&self.0, &mut |leaf| has |= matches!(leaf, Leaf::Conversation(name) if is(name)));
        has
    }

    /// Whether it asks for words.
    pub(crate) fn has_words(&self) -> bool {
        let mut has = false;
        each(&self.0, &mut |leaf| has |= matches!(leaf, Leaf::Words(_)));
        has
    }

    /// Whether what was answered at a position of the log may tell something of these records.
    pub(crate) fn tells_of(
        &self,
        records: &Records,
        asked: Seq,
        number: &mut dyn FnMut(&str) -> Result<Option<PersonNumber>>,
    ) -> Result<bool> {
        if records.unread.is_some_and(|came| came < asked) {
            return Ok(true);
        }
        let mut people = HashMap::new();
        let mut kinds = false;
        let mut failed = None;
        each(&self.0, &mut |leaf| match leaf {
            Leaf::Author(name) | Leaf::Subject(name) => match number(name) {
                Ok(number) => drop(people.insert(name.as_str(), number)),
                Err(e) => failed = Some(e),
            },
            Leaf::Kind(_) => kinds = true,
            _ => {}
        });
        if let Some(e) = failed {
            return Err(e);
        }
        let asks = Asks { people, kinds };
        let tells = |(shape, span): (&Shape, &Span)| {
            // Of other kinds a query finds what it names.
            span.came < asked
                && (shape.kind.is_default() || asks.kinds)
                && asks.fits(&self.0, shape, span) > Truth::No
        };
        // There may be as many queries as records, and most of them ask for something else.
        let mut conversation = None;
        for leaf in self.must() {
            match leaf {
                Leaf::Conversation(name) => conversation = Some(hash(name)),
                leaf if !asks.may_hold(leaf, records) => return Ok(false),
                _ => {}
            }
        }
        Ok(match conversation {
            Some(conversation) => records.alike.get(&conversation).into_iter().flatten().any(tells),
            None => records.alike.values().flatten().any(tells),
        })
    }

    /// Conditions that hold of whatever it finds.
    fn must(&self) -> impl Iterator<Item = &Leaf> {
        let members = match &self.0 {
            Ast::And(members) => members,
            one => std::slice::from_ref(one),
        };
        members.iter().filter_map(|member| if let Ast::Leaf(leaf) = member { Some(leaf) } else { None })
    }
}

impl From<Ast> for Asked {
    fn from(ast: Ast) -> Self {
        Self(ast)
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
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
}

struct Asks<'a> {
    people: HashMap<&'a str, Option<PersonNumber>>,
    kinds: bool,
}

impl Asks<'_> {
    fn fits(&self, ast: &Ast, shape: &Shape, span: &Span) -> Truth {
        match ast {
            Ast::All => Truth::Yes,
            Ast::And(of) => of.iter().map(|a| self.fits(a, shape, span)).min().unwrap_or(Truth::Yes),
            Ast::Or(of) => of.iter().map(|a| self.fits(a, shape, span)).max().unwrap_or(Truth::No),
            Ast::Not(of) => match self.fits(of, shape, span) {
                Truth::No => Truth::Yes,
                Truth::Open => Truth::Open,
                Truth::Yes => Truth::No,
            },
            Ast::Leaf(leaf) => self.holds(leaf, shape, span),
        }
    }

    fn number(&self, name: &str) -> Option<PersonNumber> {
        self.people.get(name).copied().flatten()
    }

    /// Whether a condition may hold of any of these records.
    fn may_hold(&self, leaf: &Leaf, records: &Records) -> bool {
        match leaf {
            Leaf::Author(name) | Leaf::Subject(name) => {
                self.number(name).is_some_and(|number| records.people.contains(&number))
            }
            Leaf::Channel(name) => records.channels.contains(&hash(name)),
            Leaf::Id(id) => records.ids.contains(&hash(id)),
            _ => true,
        }
    }

    fn holds(&self, leaf: &Leaf, shape: &Shape, span: &Span) -> Truth {
        match leaf {
            Leaf::Tag(_) | Leaf::Words(_) => Truth::Open,
            Leaf::Author(name) => Truth::of(self.number(name).is_some_and(|n| n == shape.author)),
            Leaf::Subject(name) => Truth::of(self.number(name).is_some_and(|n| shape.subjects.contains(&n))),
            Leaf::Conversation(name) => Truth::of(hash(name) == shape.conversation),
            Leaf::Channel(name) => Truth::of(hash(name) == shape.channel),
            Leaf::Kind(kind) => Truth::of(*kind == shape.kind),
            Leaf::Id(id) if !span.ids.contains(&hash(id)) => Truth::No,
            Leaf::Id(_) if span.ids.len() > 1 => Truth::Open,
            Leaf::Id(_) => Truth::Yes,
            Leaf::After(at) if span.last < *at => Truth::No,
            Leaf::After(at) if span.first < *at => Truth::Open,
            Leaf::After(_) => Truth::Yes,
            Leaf::Before(at) if span.first >= *at => Truth::No,
            Leaf::Before(at) if span.last >= *at => Truth::Open,
            Leaf::Before(_) => Truth::Yes,
        }
    }
}

/// Records by what queries ask for, words and tags apart: those that are alike in it count as one, from the first
/// to the last of them. Names stand here as hashes.
#[derive(Default)]
pub(crate) struct Records {
    /// By conversation.
    alike: HashMap<u64, HashMap<Shape, Span>>,
    people: HashSet<PersonNumber>,
    channels: HashSet<u64>,
    ids: HashSet<u64>,
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

impl Records {
    /// Adds a record that stands at a position of the log.
    pub(crate) fn add(&mut self, record: &Stored, seq: Seq) {
        let shape = Shape {
            conversation: hash(&record.conversation),
            channel: hash(&record.channel),
            author: record.author,
            subjects: record.subjects.clone(),
            kind: record.kind,
        };
        let (time, id) = (record.time, hash(&record.id));
        self.people.insert(shape.author);
        self.people.extend(&shape.subjects);
        self.channels.insert(shape.channel);
        self.ids.insert(id);
        let of_conversation = self.alike.entry(shape.conversation).or_default();
        let new = || Span { first: time, last: time, came: seq, ids: HashSet::new() };
        let span = of_conversation.entry(shape).or_insert_with(new);
        span.first = span.first.min(time);
        span.last = span.last.max(time);
        span.came = span.came.min(seq);
        span.ids.insert(id);
    }

    /// Adds one that can't be read.
    pub(crate) fn add_unread(&mut self, seq: Seq) {
        self.unread = Some(self.unread.map_or(seq, |first| first.min(seq)));
    }

    /// Whether there was one before a position of the log.
    pub(crate) fn has_before(&self, seq: Seq) -> bool {
        let mut alike = self.alike.values().flat_map(HashMap::values);
        self.unread.is_some_and(|came| came < seq) || alike.any(|span| span.came < seq)
    }
}

/// Hash of a name.
fn hash(name: &str) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

fn each<'a>(ast: &'a Ast, f: &mut dyn FnMut(&'a Leaf)) {
    match ast {
        Ast::All => {}
        Ast::Leaf(leaf) => f(leaf),
        Ast::And(of) | Ast::Or(of) => of.iter().for_each(|child| each(child, f)),
        Ast::Not(of) => each(of, f),
    }
}

fn value(leaf: &Leaf) -> Option<&str> {
    match leaf {
        Leaf::Tag(value)
        | Leaf::Author(value)
        | Leaf::Subject(value)
        | Leaf::Conversation(value)
        | Leaf::Channel(value)
        | Leaf::Id(value) => Some(value),
        Leaf::Words(words) => Some(words.text()),
        Leaf::Kind(_) | Leaf::After(_) | Leaf::Before(_) => None,
    }
}

fn wipe(ast: &mut Ast) {
    match ast {
        Ast::All | Ast::Leaf(Leaf::Kind(_) | Leaf::After(_) | Leaf::Before(_)) => {}
        Ast::Leaf(
            Leaf::Tag(value)
            | Leaf::Author(value)
            | Leaf::Subject(value)
            | Leaf::Conversation(value)
            | Leaf::Channel(value)
            | Leaf::Id(value),
        ) => value.zeroize(),
        Ast::Leaf(Leaf::Words(words)) => words.wipe(),
        Ast::And(of) | Ast::Or(of) => of.iter_mut().for_each(wipe),
        Ast::Not(of) => wipe(of),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_stands_in_conditions() {
        let query = "author:\"Anna \\\"B\\\"\" (lamp OR kind:join) -id:m1 conversation:c1 after:2026 pre*";
        let asked = Asked::parse(query, Micros(0)).unwrap();
        assert_eq!(*asked.values(), "Anna \"B\" lamp m1 c1 pre ");
        assert!(asked.has_id(&|id| id == "m1") && !asked.has_id(&|id| id == "c1"));
        assert!(asked.has_conversation(&|name| name == "c1"));
        assert!(Asked::parse("id:", Micros(0)).is_none());
    }

    #[test]
    fn an_answer_tells_of_what_it_could_have_found() {
        let record = |id: &str, time| Stored {
            id: id.into(),
            conversation: "c1".into(),
            channel: "web".into(),
            author: PersonNumber(1),
            subjects: vec![PersonNumber(1), PersonNumber(2)],
            time: Micros(time),
            body: "yes".into(),
            ..Stored::default()
        };
        let mut records = Records::default();
        records.add(&record("m1", 1_000_000), Seq(5));
        records.add(&record("m2", 3_000_000), Seq(6));
        let person = Stored { kind: Kind::Person, conversation: String::new(), ..record("p", 0) };
        records.add(&person, Seq(4));
        let mut number = |name: &str| {
            Ok(["anna", "bert"].iter().zip(1..).find(|(n, _)| **n == name).map(|(_, n)| PersonNumber(n)))
        };
        let mut tells = |query: &str, asked| {
            Asked::parse(query, Micros(0)).unwrap().tells_of(&records, Seq(asked), &mut number).unwrap()
        };
        // Whatever the words are.
        for query in
            ["*", "yes", "no", "-no", "conversation:c1 maybe*", "tag:x OR tag:y", "conversation:c1 yes~1"]
        {
            assert!(tells(query, 9) && !tells(query, 3), "{query}");
        }
        for query in
            ["author:anna no", "subject:bert", "-author:karl no", "id:m2", "-id:m1", "-author:bert x"]
        {
            assert!(tells(query, 9), "{query}");
        }
        assert!(tells("after:1970-01-01T00:00:02Z x", 9) && tells("before:1970-01-01T00:00:02Z", 9));
        for query in [
            "conversation:c2 yes",
            "author:bert no",
            "subject:karl",
            "-channel:web yes",
            "id:m3 yes",
            "kind:join",
            "after:1970-01-01T00:00:04Z yes",
            "before:1970-01-01T00:00:01Z yes",
            "-conversation:c1 (yes OR no)",
        ] {
            assert!(!tells(query, 9), "{query}");
        }
        assert!(tells("kind:person", 9) && !tells("* kind:person", 4));
        records.add_unread(Seq(7));
        assert!(records.has_before(Seq(8)) && !records.has_before(Seq(4)));
        let mut nobody = |_: &str| Ok(None);
        let all = Asked::parse("conversation:c2", Micros(0)).unwrap();
        assert!(all.tells_of(&records, Seq(8), &mut nobody).unwrap());
        assert!(!all.tells_of(&records, Seq(7), &mut nobody).unwrap());
    }
}
