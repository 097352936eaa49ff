//! Reading with a session: search, counts, facets, histograms, single records, people.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::id::{Micros, PersonNumber, Seq};
use crate::index::People;
use crate::ingest::Queue;
use crate::ingest::register::{self, Who};
use crate::merkle::checkpoint::SignedCheckpoint;
use crate::merkle::text::RecordProof;
use crate::query::acts;
use crate::query::around::{self, Around};
use crate::query::ast::{Ast, Leaf};
use crate::query::exec::{Order, Search};
use crate::query::facet::By;
use crate::query::hit::{Hit, PersonView, named};
use crate::query::options::{SearchOptions, all_in};
use crate::query::parse;
use crate::query::prove;
use crate::query::thread::{self, Threaded};
use crate::query::walk::Walk;
use crate::receipts::{Act, Deed, Detail, DetailField};
use crate::record::time::Period;
use crate::record::{Kind, Stored};
use crate::session::Session;
use crate::state::State;
use crate::text;
use crate::view::View;

/// Reads with a session, for as long as the store is open. Each call sees one moment of the store.
///
/// ```
/// # use std::sync::Arc;
/// # use escrowdb::{id::Micros, session::Session, store::*, vfs::MemoryVfs};
/// # let store = Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).create()?;
/// # store.append(&[Record::new("c1", "anna@example.org", Micros(0), "Hello").id("m1").tag("dept:sales")])?;
/// use escrowdb::record::time::Period;
///
/// let reading = store.session(Session::new().actor("dana").purpose("support"));
/// assert_eq!(reading.count("tag:dept:sales")?, 1);
/// assert_eq!(reading.facet("*", "author")?, [("anna@example.org".to_owned(), 1)]);
/// assert_eq!(reading.histogram("*", Period::Month)?, [(Micros(0), 1)]);
/// assert_eq!(reading.get("m1", Some("c1"))?[0].body, "Hello");
/// assert_eq!(reading.person("anna@example.org")?.records, 1);
/// # Ok::<(), escrowdb::Error>(())
/// ```
///
/// What it does is recorded first, as far as the store records acts ([`Builder::audit`]): if that can't
/// be written nothing is shown.
///
/// [`Builder::audit`]: crate::store::Builder::audit
pub struct Reading<'s> {
    state: &'s Arc<State>,
    queue: &'s Queue,
    session: Session,
    quiet: bool,
    /// When whatever is asked was typed, if not when it is asked.
    typed: Option<Micros>,
    /// Where exports go, and on which basis, if that was said.
    destination: Option<(String, Option<String>)>,
    time_limit: Option<Duration>,
    deadline: Option<Instant>,
}

impl<'s> Reading<'s> {
    /// Reads `state` with `session`.
    pub const fn new(state: &'s Arc<State>, queue: &'s Queue, session: Session) -> Self {
        Self {
            state,
            queue,
            session,
            quiet: false,
            typed: None,
            destination: None,
            time_limit: None,
            deadline: None,
        }
    }

    /// The same of which nothing is recorded: for what was recorded already, or doesn't leave.
    pub(crate) fn quietly(&self) -> Self {
        let (session, destination) = (self.session.clone(), self.destination.clone());
        Self { session, destination, quiet: true, ..*self }
    }

    /// The same for a query that was typed at a time, and is asked several times.
    pub(super) fn typing_at(self, at: Micros) -> Self {
        Self { typed: Some(at), ..self }
    }

    /// The same of which exports go to a region. Outside of the store's it needs a basis (GDPR articles 44
    /// to 49): one is enough for both that the store was opened elsewhere and that records go elsewhere.
    #[must_use]
    pub fn sending_to(mut self, region: impl Into<String>, basis: Option<&str>) -> Self {
        self.destination = Some((region.into(), basis.map(str::to_owned)));
        self
    }

    pub(super) fn destination(&self) -> Option<(&str, Option<&str>)> {
        self.destination.as_ref().map(|(region, basis)| (region.as_str(), basis.as_deref()))
    }

    /// The same with a limit to each question: a call that takes longer fails, and is never answered
    /// in part. The clock is asked between the parts of a store and before each record that is opened,
    /// so it may take a few milliseconds more. A walk over hits has it for all of them, what the caller
    /// does with each among it, and ends with the error in the middle.
    #[must_use]
    pub const fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// The same with an end for all questions together: none is answered behind this instant.
    #[must_use]
    pub const fn deadline(mut self, at: Instant) -> Self {
        self.deadline = Some(at);
        self
    }

    pub(super) fn until(&self) -> Option<Instant> {
        let limit = self.time_limit.and_then(|limit| Instant::now().checked_add(limit));
        limit.into_iter().chain(self.deadline).min()
    }

    /// Who reads, and why.
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// The open store.
    pub(crate) fn state(&self) -> &State {
        self.state
    }

    pub(super) const fn shared(&self) -> &Arc<State> {
        self.state
    }

    pub(super) const fn queue(&self) -> &Queue {
        self.queue
    }

    pub(super) const fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// A page of hits, at most `options.limit`. Behind the last one goes on who passes its cursor
    /// with the same query and order.
    ///
    /// # Errors
    /// *Invalid* for a query that is not well formed, for a cursor of another one, and for a cursor by
    /// relevance once records came or went: then every score is another.
    pub fn search(&self, query: &str, options: &SearchOptions) -> Result<Vec<Hit>> {
        let at = self.now();
        self.shown(
            Deed::Search,
            || typed(query, at),
            || {
                let hits = self.walk_at(query, at, options)?.page(options.limit)?;
                let count = hits.len() as u64;
                Ok((hits, count, Vec::new()))
            },
        )
    }

    /// Calls `each` with the hits of a search in order, at most `options.limit` of them, until it
    /// answers false. They are those of [`Self::search`], but no more than a few hundred are held at
    /// once, 32 bytes more for each of 262,144 hits ahead, by relevance for each of all. The query is
    /// planned once, and by relevance ranked once. No lock is held while `each` runs. Records appended
    /// meanwhile may or may not come.
    ///
    /// # Errors
    /// Those of [`Self::search`]; *revoked* if an erasure ends meanwhile.
    pub fn search_with(
        &self,
        query: &str,
        options: &SearchOptions,
        each: impl FnMut(Hit) -> bool,
    ) -> Result<()> {
        let at = self.now();
        let walk = self.walk_at(query, at, options)?;
        self.announce(Deed::Search, walk.ast(), options.limit, || typed(query, at))?;
        walk.each(each)
    }

    /// Calls `each` with every hit in order until it answers false, as [`Self::search_with`] does.
    /// These hits carry no cursor: to go on later, or across an erasure, page with [`Self::search`].
    ///
    /// # Errors
    /// *Invalid* for a query that is not well formed, *revoked* if an erasure ends meanwhile.
    pub fn search_each(&self, query: &str, order: Order, each: impl FnMut(Hit) -> bool) -> Result<()> {
        self.search_with(query, &all_in(order), each)
    }

    /// Log positions of every match, in order. No record is opened unless the query asks for an
    /// `id:`, so this is far quicker than a walk over hits, and it answers for one moment. It takes up to 40 bytes of memory a match
    /// while it runs. A position names a record for as long as that lives; what is erased leaves no other
    /// record with its number.
    ///
    /// # Errors
    /// *Invalid* for a query that is not well formed.
    pub fn seqs(&self, query: &str, order: Order) -> Result<Vec<Seq>> {
        let at = self.now();
        let ast = self.parse(query, at)?;
        self.found(Deed::Positions, || typed(query, at), |search| search.seqs(&ast, order), Vec::len)
    }

    /// How many records match.
    pub fn count(&self, query: &str) -> Result<u64> {
        let at = self.now();
        let ast = self.parse(query, at)?;
        self.found(Deed::Count, || typed(query, at), |search| search.count(&ast), |count| *count as usize)
    }

    /// Values of a field among the matches with their number, most frequent first.
    pub fn facet(&self, query: &str, by: &str) -> Result<Vec<(String, u64)>> {
        let at = self.now();
        let (ast, of) = (self.parse(query, at)?, By::parse(by)?);
        let detail = || typed(query, at).with(DetailField::By, by);
        self.found(Deed::Facet, detail, |search| search.facet(&ast, &of), Vec::len)
    }

    /// Matches a period, ascending; empty periods are left out.
    pub fn histogram(&self, query: &str, per: Period) -> Result<Vec<(Micros, u64)>> {
        let at = self.now();
        let ast = self.parse(query, at)?;
        let detail = || typed(query, at).with(DetailField::By, per.name());
        self.found(Deed::Histogram, detail, |search| search.histogram(&ast, per), Vec::len)
    }

    /// Records with an id, in one conversation or in all, oldest first. Empty if there is none:
    /// the erased are not there.
    pub fn get(&self, id: &str, conversation: Option<&str>) -> Result<Vec<Hit>> {
        let ask = |search: &Search<'_>| {
            let mut found = search.by_id(id, conversation)?;
            // Acts and people's own records are the store's; they have no conversation.
            found.retain(|(_, stored)| !stored.conversation.is_empty());
            search.in_time()?;
            let people = found.iter().flat_map(|(_, stored)| stored.subjects.clone()).collect();
            let hits = found.into_iter().map(|(f, stored)| named(search, f, stored));
            let hits = hits.collect::<Result<Vec<_>>>()?;
            let count = hits.len() as u64;
            Ok((hits, count, people))
        };
        self.shown(Deed::Record, || by_id(id, conversation), || self.with_search(|_, search| ask(search)))
    }

    /// Records with an id, in one conversation or in all, each with the `n` records of the default
    /// kinds before it in its conversation and the `n` behind it. Empty where [`Self::get`] is.
    ///
    /// Bodies are opened for what is returned only: a conversation of any length costs its lists in
    /// the index, not its records.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use escrowdb::{id::Micros, session::Session, store::*, vfs::MemoryVfs};
    /// # let store = Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).create()?;
    /// let talk = ["Hello", "My lamp flickers", "Since when?", "Since Monday"].into_iter().zip(0..);
    /// let record = |(text, n)| Record::new("c1", "anna", Micros(n), text).id(format!("m{n}"));
    /// store.append(&talk.map(record).collect::<Vec<_>>())?;
    /// let reading = store.session(Session::new());
    /// let found = &reading.around("m1", Some("c1"), 1)?[0];
    /// let texts: Vec<_> = found.all().map(|hit| (&*hit.body, found.is_here(hit))).collect();
    /// assert_eq!(texts, [("Hello", false), ("My lamp flickers", true), ("Since when?", false)]);
    /// # Ok::<(), escrowdb::Error>(())
    /// ```
    pub fn around(&self, id: &str, conversation: Option<&str>, n: usize) -> Result<Vec<Around>> {
        let count = |found: &Vec<Around>| found.iter().map(|around| around.all().count()).sum();
        let ask = |search: &Search<'_>| around::around(search, id, conversation, n);
        self.found(Deed::Around, || by_id(id, conversation), ask, count)
    }

    /// Records with an id, in one conversation or in any, each in its thread: what it answers, from the top,
    /// the record, and what answers it, all in their newest versions. Opens every record of the conversation.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use escrowdb::{id::Micros, session::Session, store::*, vfs::MemoryVfs};
    /// # let store = Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).create()?;
    /// let record = |n: i64, text| Record::new("c1", "anna", Micros(n), text).id(format!("m{n}"));
    /// store.append(&[record(0, "Tea?"), record(1, "No").reply_to("m0"), record(2, "Why?").reply_to("m1")])?;
    /// store.correct(&Session::new().actor("anna"), "m1", None, "Yes", None)?;
    /// let threads = store.session(Session::new()).threads("m1", None)?;
    /// let texts: Vec<_> = threads[0].iter().map(|one| (one.depth, &*one.hit.body, one.is_here)).collect();
    /// assert_eq!(texts, [(0, "Tea?", false), (1, "Yes", true), (2, "Why?", false)]);
    /// # Ok::<(), escrowdb::Error>(())
    /// ```
    pub fn threads(&self, id: &str, conversation: Option<&str>) -> Result<Vec<Vec<Threaded>>> {
        let count = |threads: &Vec<Vec<Threaded>>| threads.iter().map(Vec::len).sum();
        let ask = |search: &Search<'_>| thread::threads(search, id, conversation);
        self.found(Deed::Around, || by_id(id, conversation), ask, count)
    }

    /// What was said later of a record with an id, in one conversation or in any: its edits, deletions, reactions
    /// and tags, and what was said of those, in the order in which it came.
    pub fn said_of(&self, id: &str, conversation: Option<&str>) -> Result<Vec<Hit>> {
        let count = |hits: &Vec<Hit>| hits.len();
        let ask = |search: &Search<'_>| thread::said_of(search, id, conversation);
        self.found(Deed::Around, || by_id(id, conversation), ask, count)
    }

    /// Proofs that the records with an id stand in the log, in one conversation or in all, oldest
    /// first; of acts and people's own records too. Empty where there is none: the erased are not
    /// there. They are proved in the tree of `at`, a checkpoint of this log that was signed before, or
    /// in that of a new one. A proof holds its record, in clear, and outlives the record's erasure in
    /// whatever hands it is.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use escrowdb::{id::Micros, merkle::signer::VerifierKey, session::Session, store::*, vfs::MemoryVfs};
    /// # let store = Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).create()?;
    /// # store.append(&[Record::new("c1", "anna@example.org", Micros(0), "Hello").id("m1")])?;
    /// let key: VerifierKey = store.verifier_key()?.parse()?;
    /// let proof = store.session(Session::new()).prove("m1", Some("c1"), None)?.remove(0).to_text();
    /// // Somebody else, who has the key only.
    /// let head = RecordProof::parse(proof.as_bytes())?.verify(&key)?.size;
    /// assert_eq!(head, 2);
    /// # Ok::<(), escrowdb::Error>(())
    /// ```
    ///
    /// # Errors
    /// *Corrupt* if `at` is of another log, or of another history of this one, and if a record is not
    /// the one in the log; *invalid* if a record came after `at`; *revoked* if an erasure ended meanwhile.
    pub fn prove(
        &self,
        id: &str,
        conversation: Option<&str>,
        at: Option<&SignedCheckpoint>,
    ) -> Result<Vec<RecordProof>> {
        // Details are opened as such, or not at all; evidence by whom it is about.
        self.prove_if(id, conversation, at, |stored| !stored.kind.has_verbs_of_its_own())
    }

    /// The proof of what a person said of a purpose, by the id of its record: the receipt that she gets. Of
    /// the erased it is found by handle.
    ///
    /// # Errors
    /// As of [`Reading::prove`]; *not found* if she said no such thing.
    pub fn prove_said(&self, who: &Who, id: &str) -> Result<RecordProof> {
        let said = register::said(self.state, who)?;
        let seq = said.history.iter().find(|(_, of, ..)| of == id).map(|(seq, ..)| *seq);
        let proofs = self.prove_if(id, Some(""), None, |stored| stored.kind == Kind::Consent)?;
        let of = |proof: &RecordProof| Some(proof.inclusion.index) == seq;
        proofs.into_iter().find(of).ok_or_else(|| Error::not_found("the person said nothing of this"))
    }

    fn prove_if(
        &self,
        id: &str,
        conversation: Option<&str>,
        at: Option<&SignedCheckpoint>,
        keep: impl Fn(&Stored) -> bool,
    ) -> Result<Vec<RecordProof>> {
        let find = |search: &Search<'_>| {
            let mut found = search.by_id(id, conversation)?;
            found.retain(|(_, stored)| keep(stored));
            let people = found.iter().flat_map(|(_, stored)| stored.subjects.clone()).collect();
            let openings =
                found.into_iter().map(|(f, _)| Ok((f.key.seq, search.parts[f.part].opening(f.doc)?)));
            Ok((openings.collect::<Result<Vec<_>>>()?, people))
        };
        let ask = || {
            let (found, people) = self.with_search(|_, search| find(search))?;
            let proofs = prove::prove(self.state, found, at)?;
            let count = proofs.len() as u64;
            Ok((proofs, count, people))
        };
        self.shown(Deed::Proof, || by_id(id, conversation), ask)
    }

    /// Every record of the default kinds of a conversation, oldest first. Empty if there is none.
    pub fn conversation(&self, name: &str) -> Result<Vec<Hit>> {
        let mut hits = Vec::new();
        self.conversation_each(name, |hit| {
            hits.push(hit);
            true
        })?;
        Ok(hits)
    }

    /// Calls `each` with every record of the default kinds of a conversation, oldest first, until it
    /// answers false; likewise for one of any length.
    ///
    /// # Errors
    /// *Revoked* if an erasure ends meanwhile.
    pub fn conversation_each(&self, name: &str, each: impl FnMut(Hit) -> bool) -> Result<()> {
        let ast = Ast::Leaf(Leaf::Conversation(name.to_owned()));
        let detail = || Detail::new().with(DetailField::Conversation, name);
        self.announce(Deed::Conversation, &ast, usize::MAX, detail)?;
        self.all(ast, each)
    }

    /// Every record of the default kinds of which a person is a subject, oldest first.
    ///
    /// # Errors
    /// *Not found* if she is unknown; the erased are unknown.
    pub fn records_of(&self, identifier: &str) -> Result<Vec<Hit>> {
        let detail = || Detail::new().with(DetailField::Person, identifier);
        let ask = || {
            let number = match self.look_up(identifier) {
                Ok(person) => person.number,
                Err(e) => return unknown(e),
            };
            let mut hits = Vec::new();
            self.all(Ast::Leaf(Leaf::Subject(text::nfc(identifier).into_owned())), |hit| {
                hits.push(hit);
                true
            })?;
            let count = hits.len() as u64;
            Ok((Ok(hits), count, vec![number]))
        };
        self.shown(Deed::PersonRecords, detail, ask)?
    }

    /// A person by any identifier.
    ///
    /// # Errors
    /// *Not found* if she is unknown; the erased are unknown.
    pub fn person(&self, identifier: &str) -> Result<PersonView> {
        let detail = || Detail::new().with(DetailField::Person, identifier);
        let ask = || match self.look_up(identifier) {
            Ok(person) => {
                let number = person.number;
                Ok((Ok(person), 1, vec![number]))
            }
            Err(e) => unknown(e),
        };
        self.shown(Deed::Person, detail, ask)?
    }

    fn look_up(&self, identifier: &str) -> Result<PersonView> {
        let identifier = text::nfc(identifier);
        let subject = Ast::Leaf(Leaf::Subject(identifier.to_string()));
        self.with_search(|view, search| {
            let number = view
                .number(&identifier)?
                .filter(|n| !view.mask.hides(*n) && *n != PersonNumber::STORE)
                .ok_or_else(|| Error::not_found("no such person"))?;
            let mut linked = Vec::new();
            for other in crate::keyring::catalog::links(&view.tree, number)? {
                linked.extend(search.name(other)?);
            }
            linked.sort();
            let time = |order| {
                let found = search.search(&subject, order, 1, None)?;
                Ok::<_, Error>(found.first().map(|f| f.key.time))
            };
            Ok(PersonView {
                number,
                handle: view.handle(number)?.ok_or_else(|| Error::not_found("no such person"))?,
                identifiers: view.identifiers(number)?,
                linked,
                records: search.count(&subject)?,
                first: time(Order::Oldest)?,
                last: time(Order::Newest)?,
            })
        })
    }

    fn all(&self, ast: Ast, each: impl FnMut(Hit) -> bool) -> Result<()> {
        Walk::new(self, ast, None, &all_in(Order::Oldest))?.each(each)
    }

    /// A walk over the hits of a query.
    pub(crate) fn walk<'r>(&'r self, query: &'r str, options: &SearchOptions) -> Result<Walk<'r>> {
        self.walk_at(query, self.now(), options)
    }

    /// The same of a query that was typed at a time.
    fn walk_at<'r>(&'r self, query: &'r str, at: Micros, options: &SearchOptions) -> Result<Walk<'r>> {
        let text = (options.cursors || options.cursor.is_some()).then_some(query);
        Walk::new(self, self.parse(query, at)?, text, options)
    }

    /// When a query is typed that is asked now.
    pub(super) fn now(&self) -> Micros {
        self.typed.unwrap_or_else(|| self.state.env.clock.now())
    }

    pub(super) fn parse(&self, query: &str, at: Micros) -> Result<Ast> {
        let ast = parse::parse(query, at)?;
        let own = Kind::ALL.into_iter().filter(|kind| kind.has_verbs_of_its_own());
        let hidden: Vec<_> = own.filter(|kind| acts::asks_for_kind(&ast, *kind)).collect();
        if hidden.is_empty() {
            return Ok(ast);
        }
        let hide = |kind| Ast::Not(Box::new(Ast::Leaf(Leaf::Kind(kind))));
        Ok(Ast::And([ast].into_iter().chain(hidden.into_iter().map(hide)).collect()))
    }

    /// Shows what a search finds; `count` says how much that is.
    fn found<T>(
        &self,
        deed: Deed,
        detail: impl Fn() -> Detail,
        ask: impl Fn(&Search<'_>) -> Result<T>,
        count: impl Fn(&T) -> usize,
    ) -> Result<T> {
        self.shown(deed, detail, || {
            let found = self.with_search(|_, search| ask(search))?;
            let count = count(&found) as u64;
            Ok((found, count, Vec::new()))
        })
    }

    /// Records a walk before its first hit leaves, with how many there are then.
    fn announce(&self, deed: Deed, ast: &Ast, limit: usize, detail: impl FnOnce() -> Detail) -> Result<()> {
        self.check_purpose()?;
        if self.level() < deed.level(1) {
            return Ok(());
        }
        let generation = self.generation();
        let count = self.with_search(|_, search| search.count(ast))?.min(limit as u64);
        self.tell(generation, &Act::new(deed, count), detail)
    }

    pub(super) fn with_search<R>(&self, f: impl FnOnce(&View, &Search<'_>) -> Result<R>) -> Result<R> {
        self.search_until(self.until(), f)
    }

    /// The same, which ends at a time.
    pub(super) fn search_until<R>(
        &self,
        until: Option<Instant>,
        f: impl FnOnce(&View, &Search<'_>) -> Result<R>,
    ) -> Result<R> {
        let view = self.state.view.read();
        let shown = view.shown(None)?;
        let parts = shown.parts();
        let mask = self.mask(&view)?;
        f(&view, &Search { parts: &parts, people: &*view, mask: &mask, until })
    }
}

/// Who asks for somebody unknown leaves the same act.
fn unknown<T>(e: Error) -> Result<(Result<T>, u64, Vec<PersonNumber>)> {
    if e.kind() == ErrorKind::NotFound { Ok((Err(e), 0, Vec::new())) } else { Err(e) }
}

/// What was typed at a time.
pub(super) fn typed(query: &str, at: Micros) -> Detail {
    Detail::new().with(DetailField::Query, query).typed_at(at)
}

fn by_id(id: &str, conversation: Option<&str>) -> Detail {
    Detail::new().with(DetailField::Record, id).with_some(DetailField::Conversation, conversation)
}
