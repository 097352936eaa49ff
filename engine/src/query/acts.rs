//! The choke point of reading: what leaves is recorded first, and the search among acts.

use std::time::Instant;

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::id::{Handle, Micros, PersonNumber, Seq};
use crate::ingest::refused::{self, Refusal};
use crate::ingest::{Acts, register};
use crate::keyring::entry::Level;
use crate::policy::{self, Action, Facts};
use crate::query::ast::{Ast, Leaf};
use crate::query::exec::{Order, Search, in_time};
use crate::query::options::LIMIT_DEFAULT;
use crate::query::parse::parse;
use crate::query::reading::{Reading, typed};
use crate::query::words::Form;
use crate::receipts::{Act, Deed, Detail, DetailField};
use crate::record::{Kind, Stored};
use crate::register::Event;
use crate::register::transfer::{self, Transfer, What};
use crate::state::beside_erasures;
use crate::text::Wording;
use crate::view::View;

/// Beginning of the ids of acts, of the details of what was asked, and of those of what for. What stands
/// behind it is the same for all three.
const ACT: &str = "act/";
const DETAIL: &str = "detail/";
const PURPOSE: &str = "purpose/";

/// Acts that are opened under one lock of readers.
const PIECE: usize = 1_000;

/// How often a question is asked again, an erasure having ended meanwhile.
const ATTEMPTS: usize = 4;

/// How to search among acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActOptions {
    /// At most this many.
    pub limit: usize,
    /// Order by time.
    pub order: Order,
    /// With what was typed, as long as that is kept. The session must name a purpose.
    pub details: bool,
}

impl Default for ActOptions {
    fn default() -> Self {
        Self { limit: LIMIT_DEFAULT, order: Order::Newest, details: false }
    }
}

impl ActOptions {
    /// The newest 20, without details.
    pub fn new() -> Self {
        Self::default()
    }

    /// At most `limit`.
    #[must_use]
    pub const fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// In this order.
    #[must_use]
    pub const fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// With details.
    #[must_use]
    pub const fn details(mut self, yes: bool) -> Self {
        self.details = yes;
        self
    }
}

/// An act as the log tells it.
#[derive(Clone)]
#[non_exhaustive]
pub struct ActView {
    /// Log position.
    pub seq: Seq,
    /// Id of its record.
    pub id: String,
    /// When it was done, as the clock told it.
    pub time: Micros,
    /// Kind of its record.
    pub kind: Kind,
    /// Number of the actor; 0 if nobody was named.
    pub actor: PersonNumber,
    /// Who that is, if he lives.
    pub actor_name: Option<String>,
    /// What was done; of erasures nothing, for their records say it themselves.
    pub act: Option<Act>,
    /// The people whom it names, with their first identifier if they live.
    pub people: Vec<(PersonNumber, Option<String>)>,
    /// What was typed, if it was asked for and is still kept.
    pub detail: Option<Detail>,
}

/// What is to be exported.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exported<'a> {
    /// Everything of a person.
    Person(&'a str),
    /// A conversation.
    Conversation(&'a str),
    /// What a query finds.
    Query,
}

impl<'s> Reading<'s> {
    /// How much is recorded of what this reading does.
    pub(super) fn level(&self) -> Level {
        if self.is_quiet() { Level::Off } else { self.state().audit_level() }
    }

    /// One more at every erasure; asked before anything is looked up.
    pub(crate) fn generation(&self) -> u64 {
        self.state().view.read().generation
    }

    /// Records an act. It is durable when this returns, and only then may leave what it tells of.
    ///
    /// # Errors
    /// Whatever keeps it from being written: nothing may leave then.
    pub(super) fn tell(&self, generation: u64, act: &Act, detail: impl FnOnce() -> Detail) -> Result<()> {
        if act.deed.is_none_or(|deed| !self.tells(deed, act.count)) {
            return Ok(());
        }
        self.leave(generation, act, detail()).map(drop)
    }

    /// Whether such a deed is recorded.
    pub(crate) fn tells(&self, deed: Deed, count: u64) -> bool {
        self.level() >= deed.level(count)
    }

    /// Records an act before something is shown. Answers whether a detail was written too: none is while an
    /// erasure runs, or once one has ended since `generation`.
    fn leave(&self, generation: u64, act: &Act, detail: Detail) -> Result<bool> {
        self.record(generation, act, detail).map_err(|e| {
            let hint = e.hint_text().map_or_else(|| CURE.to_owned(), str::to_owned);
            e.context("nothing is shown, for the act could not be recorded").hint(hint)
        })
    }

    /// What `ask` finds, with how much that is and whom it names: it is recorded, and leaves then. What was
    /// opened before an erasure ended is not given to anybody behind it, however long the record took: it is
    /// asked for again.
    ///
    /// # Errors
    /// Those of `ask`, and whatever keeps the act from being written; *revoked* if one erasure ends after the
    /// other.
    pub(crate) fn shown<T>(
        &self,
        deed: Deed,
        detail: impl Fn() -> Detail,
        ask: impl Fn() -> Result<(T, u64, Vec<PersonNumber>)>,
    ) -> Result<T> {
        self.shown_and_left(deed, detail, ask).map(|(answer, _)| answer)
    }

    /// The same, and whether the act left a detail behind.
    ///
    /// # Errors
    /// As of [`shown`](Self::shown).
    pub(crate) fn shown_and_left<T>(
        &self,
        deed: Deed,
        detail: impl Fn() -> Detail,
        ask: impl Fn() -> Result<(T, u64, Vec<PersonNumber>)>,
    ) -> Result<(T, bool)> {
        self.check_purpose()?;
        for _ in 0..ATTEMPTS {
            let generation = self.generation();
            let (answer, count, people) = beside_erasures(&ask)?;
            if !self.tells(deed, count) {
                // It waited for nothing: as good as shown in the moment that it is of.
                return Ok((answer, false));
            }
            let left = self.leave(generation, &Act::new(deed, count).of(people), detail())?;
            if self.generation() == generation {
                return Ok((answer, left));
            }
        }
        Err(revoked())
    }

    /// What is counted for the world: that it was asked, and how, is recorded wherever acts are, for what it
    /// answers leaves for good.
    ///
    /// # Errors
    /// Those of `ask`, and whatever keeps the act from being written; *revoked* if one erasure ends after the
    /// other.
    pub(super) fn counted_in_public<T>(
        &self,
        detail: impl Fn() -> Detail,
        ask: impl Fn() -> Result<T>,
    ) -> Result<T> {
        for _ in 0..ATTEMPTS {
            let generation = self.generation();
            let answer = beside_erasures(&ask)?;
            if self.level() < Level::Acts {
                return Ok(answer);
            }
            self.leave(generation, &Act::new(Deed::Facet, 1), detail())?;
            if self.generation() == generation {
                return Ok(answer);
            }
        }
        Err(revoked())
    }

    fn record(&self, generation: u64, act: &Act, detail: Detail) -> Result<bool> {
        let state = self.shared();
        let now = state.env.clock.now();
        let persons = state.audit_persons()?;
        let mark = Handle(state.env.random(b"act")?);
        let mut record = act.to_record(format!("{ACT}{mark}"), now);
        record.subjects = vec![persons.acts];
        let mut records = vec![record];
        for (prefix, detail) in [DETAIL, PURPOSE].into_iter().zip(self.details(detail)) {
            if !detail.is_empty() {
                records.push(Stored {
                    id: format!("{prefix}{mark}"),
                    kind: Kind::Detail,
                    subjects: vec![persons.details],
                    time: detail.typed().unwrap_or(now),
                    body: detail.to_body(),
                    ..Stored::default()
                });
            }
        }
        let actor = self.session().actor_name().map(str::to_owned);
        let given = records.len();
        let written = self.queue().append_acts(state, Acts { actor, generation, records })?;
        Ok(given > 1 && written == given)
    }

    /// The details of an act as they are written: what was asked, and what for. They are two, so that
    /// purpose and case stay where only a query must go.
    pub(crate) fn details(&self, asked: Detail) -> [Detail; 2] {
        let session = self.session();
        let what_for = Detail::new()
            .with_some(DetailField::Purpose, session.purpose_name())
            .with_some(DetailField::Case, session.case_name());
        [asked, what_for]
    }

    /// Records that something is exported, and answers a reading to do that with, of which nothing more
    /// is recorded. `query` is what finds it. What is written before this returns was not exported.
    ///
    /// # Errors
    /// *Not found* for a person who is unknown, *invalid* for a query that is not well formed, and
    /// whatever keeps the act from being written.
    pub fn exporting(&self, what: Exported<'_>, query: &str) -> Result<Self> {
        let at = self.now();
        let quiet = self.quietly().typing_at(at);
        quiet.parse(query, at)?;
        self.check_transfer()?;
        let generation = self.generation();
        let (deed, detail) = match what {
            Exported::Person(identifier) => {
                (Deed::ExportPerson, Detail::new().with(DetailField::Person, identifier))
            }
            Exported::Conversation(name) => {
                (Deed::ExportConversation, Detail::new().with(DetailField::Conversation, name))
            }
            Exported::Query => (Deed::ExportQuery, typed(query, at)),
        };
        let (people, unknown) = match what {
            Exported::Person(identifier) => match quiet.person(identifier) {
                Ok(person) => (vec![person.number], None),
                // Who asks for somebody unknown leaves the same act.
                Err(e) if e.kind() == ErrorKind::NotFound => (Vec::new(), Some(e)),
                Err(e) => return Err(e),
            },
            _ => (Vec::new(), None),
        };
        if self.tells(deed, 1) {
            let count = if unknown.is_some() { 0 } else { quiet.count(query)? };
            self.tell(generation, &Act::new(deed, count).of(people), || detail)?;
        }
        unknown.map_or(Ok(quiet), Err)
    }

    /// Refuses an export that leaves the store's region without a basis; one that has one is a record.
    fn check_transfer(&self) -> Result<()> {
        let (state, settings) = (self.shared(), &self.state().settings);
        let here = (settings.here.as_deref().unwrap_or(&settings.region), None);
        let (place, basis) = self.destination().unwrap_or(here);
        if !transfer::is_elsewhere(&settings.region, place) {
            return Ok(());
        }
        transfer::check_region(place)?;
        let Some(basis) = basis.or(settings.basis.as_deref()) else {
            let facts = Facts { elsewhere: true, ..Facts::default() };
            let now = state.env.clock.now();
            if let Some(ground) = policy::decide(Action::Export, &facts, now).ground() {
                let (action, ground) = (Action::Export, ground.clone());
                let refusal = Refusal { action, ground, records: 0, people: Vec::new() };
                refused::record(state, self.queue(), self.session().actor_name(), &refusal)?;
            }
            return Err(Error::new(ErrorKind::Refused, "records would leave the store's region")
                .hint("name the basis of the transfer (GDPR articles 44 to 49): --transfer-basis"));
        };
        let transfer = Transfer { what: What::Exported, region: place.to_owned(), basis: basis.to_owned() };
        let events = vec![Event::Transfer(transfer)];
        register::change(state, self.queue(), self.session(), events).map(drop)
    }

    /// Records that what a query finds is exported, unless that was recorded before.
    pub(crate) fn export_begins(&self, query: &str) -> Result<()> {
        match self.level() {
            _ if self.is_quiet() => Ok(()),
            Level::Off => self.check_transfer(),
            _ => self.exporting(Exported::Query, query).map(drop),
        }
    }

    /// Records what an import did.
    ///
    /// # Errors
    /// Whatever keeps the act from being written; what was imported is there all the same.
    pub fn imported(&self, imported: u64, duplicates: u64, rejected: u64) -> Result<()> {
        let act = Act { left_out: Some((duplicates, rejected)), ..Act::new(Deed::Import, imported) };
        if self.level() < Level::Acts {
            return Ok(());
        }
        self.record(self.generation(), &act, Detail::new())
            .map(drop)
            .map_err(|e| e.context("the records are in, but the act could not be recorded"))
    }

    /// Records a change of rules.
    pub fn changed(&self, act: &Act) -> Result<()> {
        self.record(self.generation(), act, Detail::new()).map(drop)
    }

    /// Acts that a query finds, by `author:` (who did it), `kind:` (`opened`, `searched`, `exported`,
    /// `erased`, `rule`, `import`), `id:`, `after:` and `before:`. With details also by words, each of
    /// which must stand in what was typed. People are named as long as they live.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use escrowdb::{id::Micros, session::Session, store::*, vfs::MemoryVfs};
    /// # let store = Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).audit(Level::All).create()?;
    /// # store.append(&[Record::new("c1", "anna", Micros(0), "Hello").id("m1")])?;
    /// let dana = store.session(Session::new().actor("dana").purpose("complaint"));
    /// dana.get("m1", Some("c1"))?;
    /// dana.count("hello")?;
    /// let acts = dana.acts("author:dana", &ActOptions::new().order(Order::Oldest))?;
    /// let kinds: Vec<_> = acts.iter().map(|act| act.kind.name()).collect();
    /// assert_eq!(kinds, ["opened", "searched"]);
    /// assert!(acts[0].detail.is_none());
    /// // What was typed is asked for apart.
    /// let typed = dana.acts("complaint kind:searched", &ActOptions::new().details(true))?;
    /// let query = typed.iter().filter_map(|act| act.detail.as_ref()?.get(DetailField::Query));
    /// assert_eq!(query.collect::<Vec<_>>(), ["hello"]);
    /// # Ok::<(), escrowdb::Error>(())
    /// ```
    ///
    /// # Errors
    /// *Invalid* for a query that is not well formed, for words without details, and for details
    /// without a purpose; with details *busy* if one erasure follows the other, or one was left in the middle, and
    /// *revoked* if they end while it looks.
    pub fn acts(&self, query: &str, options: &ActOptions) -> Result<Vec<ActView>> {
        let purpose = self.session().purpose_name().filter(|purpose| !purpose.trim().is_empty());
        if options.details && purpose.is_none() {
            return Err(Error::invalid("details of acts are opened for a purpose, and none was named")
                .hint("name it: --purpose P"));
        }
        let at = self.now();
        let (ast, words) = taken_apart(parse(query, at)?, options.details)?;
        let until = self.until();
        let find = || {
            let (mut acts, mut after, mut moment) = (Vec::new(), None, None);
            // Piece by piece, for appends wait behind each.
            loop {
                let left = options.limit - acts.len();
                let most = if words.is_empty() { left.min(PIECE) } else { PIECE };
                let mut more = false;
                self.search_until(until, |view, search| {
                    if options.details && view.mask.details {
                        return Err(Error::new(ErrorKind::Busy, "an erasure looks through details")
                            .hint("ask again when it has ended; if it was left in the middle, repeat it"));
                    }
                    // What an earlier piece opened must not leave behind an erasure.
                    if *moment.get_or_insert(view.generation) != view.generation {
                        return Err(revoked());
                    }
                    let found = search.search(&ast, options.order, most, after)?;
                    more = found.len() == most;
                    after = found.last().map(|found| found.key);
                    for found in found {
                        search.in_time()?;
                        let act = opened(search, search.parts[found.part].record(found.doc)?, found.key.seq)?;
                        let detail = if options.details { detail_of(view, &act.id)? } else { None };
                        if detail.as_ref().map_or(words.is_empty(), |detail| hold(detail, &words)) {
                            acts.push(ActView { detail, ..act });
                        }
                    }
                    Ok(())
                })?;
                if !more || acts.len() >= options.limit {
                    break;
                }
            }
            acts.truncate(options.limit);
            let count = acts.len() as u64;
            Ok((acts, count, Vec::new()))
        };
        let deed = if options.details { Deed::Details } else { Deed::Acts };
        let typed = || Detail::new().with(DetailField::Acts, query).typed_at(at);
        self.shown(deed, typed, || self.once_details_are_shown(until, find))
    }

    /// What `ask` answers while no erasure looks through details; for whose end it waits, until a time at most.
    fn once_details_are_shown<T>(&self, until: Option<Instant>, ask: impl Fn() -> Result<T>) -> Result<T> {
        for _ in 1..ATTEMPTS {
            match ask() {
                Err(e) if e.kind() == ErrorKind::Busy => {}
                other => return other,
            }
            match until {
                Some(end) => {
                    drop(self.state().pass_until(end));
                    in_time(Some(end))?;
                }
                None => drop(self.state().pass()),
            }
        }
        ask()
    }
}

fn revoked() -> Error {
    Error::new(ErrorKind::Revoked, "an erasure ended meanwhile").hint("ask again")
}

const CURE: &str = "acts are recorded before anything is shown: see that the store's disk has room and can be written, then ask again";

/// The query for acts among what `ast` finds, and the words that details must hold.
fn taken_apart(ast: Ast, details: bool) -> Result<(Ast, Vec<Wording>)> {
    let mut words = Vec::new();
    let members = match ast {
        Ast::And(members) => members,
        one => vec![one],
    };
    let mut left = Vec::new();
    for member in members {
        match member {
            Ast::Leaf(Leaf::Words(of)) if details && of.form() == Form::Exact => {
                words.push(Wording::of(of.text()));
            }
            other => left.push(other),
        }
    }
    if left.iter().any(asks_for_words) {
        return Err(if details {
            Error::invalid("among details each word must stand in what was typed: no OR, NOT or * with words")
        } else {
            Error::invalid("acts hold no words; what was typed stands in their details")
                .hint("ask with --details and --purpose P")
        });
    }
    let acts = Kind::ALL.into_iter().filter(|kind| kind.is_act() && *kind != Kind::Detail);
    left.push(Ast::Or(acts.map(|kind| Ast::Leaf(Leaf::Kind(kind))).collect()));
    let ast = if left.len() == 1 { left.swap_remove(0) } else { Ast::And(left) };
    Ok((ast, words))
}

fn asks_for_words(ast: &Ast) -> bool {
    match ast {
        Ast::All => false,
        Ast::Leaf(leaf) => matches!(leaf, Leaf::Words(_)),
        Ast::And(of) | Ast::Or(of) => of.iter().any(asks_for_words),
        Ast::Not(of) => asks_for_words(of),
    }
}

/// Whether a query names a kind.
pub(crate) fn asks_for_kind(ast: &Ast, kind: Kind) -> bool {
    match ast {
        Ast::All => false,
        Ast::Leaf(leaf) => *leaf == Leaf::Kind(kind),
        Ast::And(of) | Ast::Or(of) => of.iter().any(|of| asks_for_kind(of, kind)),
        Ast::Not(of) => asks_for_kind(of, kind),
    }
}

/// Whether each of these stands in a text of a detail, one word behind the other, in whatever form they were
/// typed.
fn hold(detail: &Detail, wanted: &[Wording]) -> bool {
    if wanted.is_empty() {
        return true;
    }
    let texts: Vec<_> = detail.fields().iter().map(|(_, text)| Wording::of(text)).collect();
    wanted.iter().all(|words| words.is_empty() || texts.iter().any(|text| text.holds(words)))
}

fn opened(search: &Search<'_>, stored: Stored, seq: Seq) -> Result<ActView> {
    let act = Act::from_record(&stored)?;
    let mut people = Vec::new();
    for number in act.iter().flat_map(|act| &act.people) {
        people.push((*number, search.name(*number)?));
    }
    Ok(ActView {
        seq,
        actor: stored.author,
        actor_name: search.name(stored.author)?,
        id: stored.id,
        time: stored.time,
        kind: stored.kind,
        act,
        people,
        detail: None,
    })
}

fn detail_of(view: &View, act: &str) -> Result<Option<Detail>> {
    let Some(mark) = act.strip_prefix(ACT) else { return Ok(None) };
    let mut all = Detail::new();
    for prefix in [DETAIL, PURPOSE] {
        let Some((_, seq, stored)) = view.find("", &format!("{prefix}{mark}"))? else { continue };
        let stored = Zeroizing::new(stored);
        if !view.hides(&stored, seq) {
            let detail = Detail::parse(&stored.body);
            all = detail.fields().iter().fold(all, |all, (field, text)| all.with(*field, text));
        }
    }
    Ok(Some(all).filter(|all| !all.is_empty()))
}
