//! A query that was asked once and whose text is kept: what it names, and whether its answer tells
//! something of certain records.
//!
//! An answer tells of a record that it found, and as much of one that it did not find for its words: who
//! knows that something was "yes" or "no" learns it from either. So words and tags are left open: a query
//! tells of whatever it could have found, had other words stood there.

use zeroize::{Zeroize, Zeroizing};

use crate::error::Result;
use crate::id::{Micros, PersonNumber, Seq};
use crate::query::ast::{Ast, Leaf};
use crate::query::parse::parse;

mod records;

pub(crate) use records::Records;

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

    /// Whether it asks for a kind of acts.
    pub(crate) fn has_acts(&self) -> bool {
        let mut has = false;
        each(&self.0, &mut |leaf| has |= matches!(leaf, Leaf::Kind(kind) if kind.is_act()));
        has
    }

    /// Whether what was answered at a position of the log may tell something of these records.
    pub(crate) fn tells_of(
        &self,
        records: &Records,
        asked: Seq,
        number: &mut dyn FnMut(&str) -> Result<Option<PersonNumber>>,
    ) -> Result<bool> {
        if !records.has_before(asked) {
            return Ok(false);
        }
        let mut kinds = false;
        each(&self.0, &mut |leaf| kinds |= matches!(leaf, Leaf::Kind(_)));
        Ok(records.may_be_told(&records.condition(&self.0, number)?, kinds, asked))
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
        Leaf::Kind(_) | Leaf::After(_) | Leaf::Before(_) | Leaf::Version(_) => None,
    }
}

fn wipe(ast: &mut Ast) {
    match ast {
        Ast::All | Ast::Leaf(Leaf::Kind(_) | Leaf::After(_) | Leaf::Before(_) | Leaf::Version(_)) => {}
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
    use crate::record::{Kind, Stored};

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
