//! Publishing tables of counts: what is asked for, what is counted, what stands in the log.

use crate::error::{Error, ErrorKind, Result};
use crate::id::Seq;
use crate::index::People;
use crate::ingest::register;
use crate::keyring::catalog;
use crate::policy::aggregate::{self, Rules};
use crate::query::acts::asks_for_kind;
use crate::query::ast::{Ast, Leaf};
use crate::query::reading::{Reading, typed};
use crate::query::tally::{Division, Tally};
use crate::receipts::DetailField;
use crate::record::Kind;
use crate::register::Event;
use crate::register::aggregate::Aggregate;
use crate::text;

/// What was published.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// The table.
    pub aggregate: Aggregate,
    /// Where it stands in the log.
    pub seq: Seq,
    /// Whether a period was left out because it is not over.
    pub goes_on: bool,
    /// Rows of crowds that were left out because their names are identifiers of people; sums count them.
    pub named: u64,
}

impl Reading<'_> {
    /// Counts what a query finds, and publishes that as a table that tells of nobody: see
    /// [`policy::aggregate`](crate::policy::aggregate). It is a record of the log from then on, and stays as it is
    /// when people who were counted are erased. `by` is a field and a period, `tag:dept,month`, or a period
    /// alone. Counted is what this reading sees; behind a cell stand the subjects of its records.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use escrowdb::{id::Micros, policy::aggregate::Rules, session::Session, store::*, vfs::MemoryVfs};
    /// # let store = Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).create()?;
    /// let chat = |n: i64| Record::new("c", format!("p{n}"), Micros(n), "Hello").tag("dept:sales");
    /// store.append(&(0..23).map(chat).collect::<Vec<_>>())?;
    /// let dana = store.session(Session::new().actor("dana"));
    /// let published = dana.publish("chats-1970", "*", "tag:dept,month", Rules::new(10, 5)?)?;
    /// let row = &published.aggregate.rows[0];
    /// assert_eq!((&*row.name, &*row.cells), ("sales", &[Some(25)][..]));
    /// // The same again, or anything else of that time, could be subtracted from it.
    /// assert!(dana.publish("again", "hello", "year", Rules::new(10, 5)?).is_err());
    /// # Ok::<(), escrowdb::Error>(())
    /// ```
    ///
    /// # Errors
    /// *Invalid* for a query or a division that is not well formed, and for more than
    /// [`CELLS_MAX`](crate::policy::aggregate::CELLS_MAX) cells. *Refused* if the name or the query would
    /// name a person, a conversation or a record; if a period was counted in public before, or the name was used;
    /// if nothing can be shown. *Corrupt* while a part of the store can't be read.
    pub fn publish(&self, name: &str, query: &str, by: &str, rules: Rules) -> Result<Published> {
        let at = self.now();
        let (ast, division) = (self.parse(query, at)?, Division::parse(by)?);
        let own = Kind::ALL.into_iter().filter(|kind| kind.is_internal());
        if own.into_iter().any(|kind| asks_for_kind(&ast, kind)) {
            return Err(Error::invalid("chats are counted in public, not the store's own records"));
        }
        let now = self.state().env.clock.now();
        let count = || {
            self.with_search(|view, search| {
                if let Some(missing) = view.missing.first() {
                    // It would be wrong for ever.
                    return Err(Error::corrupt(missing.to_string())
                        .context("nothing is published while a part of the store can't be read"));
                }
                unnamed(&ast, search.people)?;
                check_text(name, search.people, "the name of the aggregate")?;
                if let Some(key) = division.key() {
                    check_text(key, search.people, "what the aggregate is counted by")?;
                }
                let linked = |person| catalog::links(&view.tree, person);
                let Tally { counts, time, goes_on } =
                    search.tally(&ast, &division, (rules.k(), now), linked)?;
                if time.is_empty() {
                    return Err(nothing_to_show(goes_on));
                }
                let mut table = aggregate::publish(&counts, rules, now)?;
                let (mut rows, mut named) = (Vec::new(), 0);
                for row in std::mem::take(&mut table.rows) {
                    match names_a_person(&row.name, search.people)? {
                        true => named += 1,
                        false => rows.push(row),
                    }
                }
                if rows.is_empty() {
                    return Err(nothing_to_show(goes_on));
                }
                table.rows = rows;
                Ok((Aggregate::new(name, division.names().to_vec(), time, table), goes_on, named))
            })
        };
        let detail = || typed(query, at).with(DetailField::By, by);
        let (aggregate, goes_on, named) = self.counted_in_public(detail, count)?;
        let event = Event::Aggregate(Box::new(aggregate.clone()));
        let written = register::change(self.shared(), self.queue(), self.session(), vec![event])?;
        let seq = written.first().copied().ok_or_else(|| Error::corrupt("an aggregate was not written"))?;
        Ok(Published { aggregate, seq, goes_on, named })
    }
}

fn nothing_to_show(goes_on: bool) -> Error {
    let hint = if goes_on {
        "periods that are not over are not counted"
    } else {
        "ask for longer periods, or for fewer values"
    };
    Error::new(
        ErrorKind::Refused,
        "nothing can be shown: behind no cell of a period that is over are enough people",
    )
    .hint(hint)
}

/// Refuses a query that names somebody, or something that is one person's.
fn unnamed(ast: &Ast, people: &dyn People) -> Result<()> {
    match ast {
        Ast::All => Ok(()),
        Ast::And(of) | Ast::Or(of) => of.iter().try_for_each(|of| unnamed(of, people)),
        Ast::Not(of) => unnamed(of, people),
        Ast::Leaf(leaf) => match leaf {
            Leaf::Author(_) | Leaf::Subject(_) | Leaf::Conversation(_) | Leaf::Id(_) => {
                Err(names_somebody("the query"))
            }
            Leaf::Tag(text) | Leaf::Channel(text) => check_text(text, people, "the query"),
            Leaf::Words(words) => check_text(words.text(), people, "the query"),
            Leaf::Kind(_) | Leaf::After(_) | Leaf::Before(_) | Leaf::Version(_) => Ok(()),
        },
    }
}

/// Refuses a text that names somebody.
fn check_text(text: &str, people: &dyn People, what: &str) -> Result<()> {
    if names_a_person(text, people)? { Err(names_somebody(what)) } else { Ok(()) }
}

/// Whether a text is somebody's identifier, or has one behind a colon or between blanks.
fn names_a_person(text: &str, people: &dyn People) -> Result<bool> {
    let behind = text.match_indices(':').map(|(at, _)| &text[at + 1..]);
    for part in
        [text].into_iter().chain(behind).chain(text.split_whitespace()).filter(|part| !part.is_empty())
    {
        if people.number(&text::nfc(part))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn names_somebody(what: &str) -> Error {
    Error::new(ErrorKind::Refused, format!("{what} names a person, a conversation or a record"))
        .hint("an aggregate tells of nobody and stays when they are erased: ask by tags, channels, kinds, times or words")
}
