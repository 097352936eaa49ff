//! One moment of the store, for as long as an export takes.

use std::cell::RefCell;

use hashbrown::HashSet;

use crate::error::{Error, ErrorKind, Result};
use crate::export::about::{Whom, statements};
use crate::export::line::{Line, RecordLine};
use crate::export::manifest::Manifest;
use crate::export::prover::Prover;
use crate::export::statement::Statement;
use crate::id::{Micros, PersonNumber, Seq};
use crate::index::Mask;
use crate::merkle::checkpoint::SignedCheckpoint;
use crate::merkle::text::Opening;
use crate::query::exec::{Found, Order, Search};
use crate::query::hit::{Hit, as_written, hit};
use crate::query::options::SearchOptions;
use crate::query::reading::Reading;
use crate::query::walk::PAGE;
use crate::record::Stored;

/// The store as it was when a checkpoint was signed. Everything acknowledged before is in it, nothing
/// that came later. No lock is held between pages; an erasure that begins or ends meanwhile revokes it.
///
/// ```
/// # use std::sync::Arc;
/// # use escrowdb::{export::*, id::Micros, session::Session, store::*, vfs::MemoryVfs};
/// # let store = Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).create()?;
/// # store.append(&[Record::new("c1", "anna", Micros(0), "Hello").id("m1")])?;
/// let reading = store.session(Session::new());
/// let snapshot = Snapshot::take(&reading)?;
/// store.append(&[Record::new("c1", "anna", Micros(1), "Too late").id("m2")])?;
/// let mut found = Vec::new();
/// snapshot.each("*", |hit| {
///     found.push(hit.body);
///     true
/// })?;
/// assert_eq!(found, ["Hello"]);
/// store.erase(&Selector::Person("anna".into()), &EraseOptions::default())?;
/// assert!(snapshot.check().is_err());
/// # Ok::<(), escrowdb::Error>(())
/// ```
pub struct Snapshot<'s> {
    reading: &'s Reading<'s>,
    generation: u64,
    mask: Mask,
    /// The same with what this reading doesn't see.
    own: Mask,
    complete: bool,
    checkpoint: SignedCheckpoint,
    at: Micros,
    /// Whose records were handed out.
    people: RefCell<HashSet<PersonNumber>>,
}

/// A record of an export, with what its proof needs.
pub struct Exported {
    /// The record.
    pub hit: Hit,
    /// People who stand in a record for the first time: lines of the proof before it.
    pub(super) people: Vec<Line>,
    pub(super) opening: Opening,
    pub(super) stored: Stored,
}

impl<'s> Snapshot<'s> {
    /// The store now; a checkpoint of the log is signed.
    ///
    /// # Errors
    /// Those of [`Store::checkpoint`](crate::Store::checkpoint).
    pub fn take(reading: &'s Reading<'s>) -> Result<Self> {
        let state = reading.state();
        let (generation, mask, own, complete) = {
            let view = state.view.read();
            let own = reading.mask(&view)?.into_owned();
            (view.generation, view.mask.clone(), own, view.missing.is_empty())
        };
        let checkpoint = state.tree_to_sign()?.sign()?;
        let (at, people) = (state.env.clock.now(), RefCell::default());
        Ok(Self { reading, generation, mask, own, complete, checkpoint, at, people })
    }

    /// The checkpoint that it is.
    pub const fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }

    /// When it was taken.
    pub const fn at(&self) -> Micros {
        self.at
    }

    /// Whether every part of the store can be read.
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    pub(super) const fn reading(&self) -> &'s Reading<'s> {
        self.reading
    }

    /// Calls `each` with what a query finds, oldest first, until it answers false.
    ///
    /// # Errors
    /// *Invalid* for a query that is not well formed, *revoked* if an erasure begins or ends meanwhile.
    pub fn each(&self, query: &str, each: impl FnMut(Hit) -> bool) -> Result<()> {
        self.walk(query, hit, each)
    }

    /// The same, with what the proof of each record needs.
    ///
    /// # Errors
    /// The same.
    pub fn each_proved(&self, query: &str, each: impl FnMut(Exported) -> bool) -> Result<()> {
        self.walk(query, |search, found| self.exported(search, found), each)
    }

    /// Calls `each` with what is said about a person beside her records, as of this moment.
    ///
    /// # Errors
    /// As of [`statements`]; *revoked* if an erasure begins or ends meanwhile.
    pub fn statements<E: From<Error>>(
        &self,
        whom: &Whom<'_>,
        mut each: impl FnMut(Statement) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let below = Some(Seq(self.checkpoint.unverified().size));
        statements(self.reading, below, whom, |statement| {
            self.check()?;
            each(statement)
        })?;
        Ok(self.check()?)
    }

    /// What makes the proof of records that are handed out.
    pub fn prover(&self) -> Prover<'_> {
        Prover::new(self)
    }

    /// The manifest and its signature, as the file holds them.
    ///
    /// # Errors
    /// *Revoked* if an erasure began or ended since the snapshot was taken; *invalid* if what was asked is
    /// longer than a signed note may be.
    pub fn sign(&self, manifest: &Manifest) -> Result<String> {
        self.check()?;
        let note = self.reading.state().sign_statement(&manifest.to_statement())?;
        // The key that signed the checkpoint: another one came with an erasing commit.
        self.check()?;
        Ok(manifest.with_signature(&note))
    }

    /// Whether it still is what the store may show.
    ///
    /// # Errors
    /// *Revoked* if not.
    pub fn check(&self) -> Result<()> {
        let view = self.reading.state().view.read();
        if view.generation == self.generation && view.mask == self.mask { Ok(()) } else { Err(revoked()) }
    }

    fn walk<T>(
        &self,
        query: &str,
        mut open: impl FnMut(&Search<'_>, Found) -> Result<T>,
        mut each: impl FnMut(T) -> bool,
    ) -> Result<()> {
        let options = SearchOptions::new().order(Order::Oldest).limit(usize::MAX).cursors(false);
        let size = self.checkpoint.unverified().size;
        self.reading.export_begins(query)?;
        let mut walk = self.reading.walk(query, &options)?.below(Seq(size));
        while !walk.is_over() {
            let page = walk.page_of(PAGE, |search, found| {
                if *search.mask != self.own {
                    return Err(revoked());
                }
                (found.key.seq.0 < size).then(|| open(search, found)).transpose()
            })?;
            for item in page.into_iter().filter_map(|(_, item)| item) {
                self.check()?;
                if !each(item) {
                    return Ok(());
                }
            }
        }
        self.check()
    }

    fn exported(&self, search: &Search<'_>, found: Found) -> Result<Exported> {
        let opening = search.parts[found.part].opening(found.doc)?;
        let stored = Stored::decode(&opening.canonical)?;
        let mut people = Vec::new();
        for number in stored.subjects.iter().chain([&stored.author]) {
            if self.people.borrow().contains(number) {
                continue;
            }
            people.extend(who(search, *number)?);
            self.people.borrow_mut().insert(*number);
        }
        Ok(Exported { hit: as_written(search, found, stored.clone())?, people, opening, stored })
    }
}

impl Exported {
    /// What the line doesn't show of it.
    pub(super) fn rest(&self, with_extra: bool) -> Option<Stored> {
        RecordLine::rest_of(&self.stored, with_extra)
    }
}

/// Who a number is; `None` if nobody knows, as of the erased.
fn who(search: &Search<'_>, number: PersonNumber) -> Result<Option<Line>> {
    let Some(name) = search.name(number)? else { return Ok(None) };
    let of = search.by_id(&format!("person/{number}"), Some(""))?;
    for (found, record) in of {
        let says = record
            .person
            .as_ref()
            .is_some_and(|p| p.number == number && p.identifiers.first() == Some(&name));
        if says {
            let opening = search.parts[found.part].opening(found.doc)?;
            return Ok(Some(Line::Person { seq: found.key.seq, opening }));
        }
    }
    // Her record is lost; the key tree still knows the name.
    Ok(Some(Line::Named { number, name }))
}

fn revoked() -> Error {
    Error::new(ErrorKind::Revoked, "an erasure ended this export, and nothing of it is kept")
        .hint("export again: what was erased is not in it")
}
