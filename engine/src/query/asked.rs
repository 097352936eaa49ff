//! A query that was asked once and whose text is kept: what it names.

use zeroize::{Zeroize, Zeroizing};

use crate::id::Micros;
use crate::query::ast::{Ast, Leaf};
use crate::query::parse::parse;

/// A query as it was understood when it was asked. Its values are wiped.
pub(crate) struct Asked(Ast);

impl Asked {
    /// Understands a query that was asked at a time; `None` if it is not well formed.
    pub(crate) fn parse(text: &str, at: Micros) -> Option<Self> {
        parse(text, at).ok().map(Self)
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
}

impl Drop for Asked {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

fn each(ast: &Ast, f: &mut dyn FnMut(&Leaf)) {
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
}
