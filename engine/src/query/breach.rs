//! Whom a theft lays open (GDPR articles 33 and 34): given names of files that are gone, and whether the root
//! key is with them.
//!
//! A store without its root key tells of nobody. With it, and with HEAD and one of the two files of keys, every
//! identifier can be read; of the records those whose files are among the lost: an index tells words, tags and
//! times, and with a body file the texts that stand in it; a journal all of it. Files are known by their names. Those that no
//! store of today has may be of an older state, and what was in them is not known any more.

use std::collections::{BTreeMap, BTreeSet};

use roaring::RoaringBitmap;

use crate::error::{Error, Result};
use crate::id::{Handle, PersonNumber};
use crate::index::{Field, Part, Term, file as index_file};
use crate::keyring::catalog::{self, JournalRole};
use crate::keyring::entry::{EntryKind, key};
use crate::keyring::files::PAGE_FILES;
use crate::keyring::head::HEAD_FILE;
use crate::query::reading::Reading;
use crate::receipts::{Deed, Detail};
use crate::record::Kind;
use crate::register::disclosure::About;
use crate::segment::writer::file_name as body_name;
use crate::state::journal_name;
use crate::view::View;

/// What was lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Names of files, without their folders.
    pub files: BTreeSet<String>,
    /// Whether the root key is lost too: the slot.
    pub root_key: bool,
    /// Codes of disclosures: exports that were out, and were lost there.
    pub disclosures: BTreeSet<String>,
}

/// What of a person can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Readable {
    /// That she is known, by her identifiers.
    Name,
    /// Also words, tags, times and partners of her records.
    Index,
    /// Also the records.
    Records,
}

impl Readable {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Index => "index",
            Self::Records => "records",
        }
    }
}

/// Somebody of whom something can be read.
#[derive(Clone, PartialEq, Eq)]
pub struct Reached {
    /// Her number.
    pub number: PersonNumber,
    /// Her random handle; of the erased none is known.
    pub handle: Option<Handle>,
    /// Her identifiers.
    pub identifiers: Vec<String>,
    /// What of her.
    pub what: Readable,
    /// Records of which she is a subject and of which something can be read.
    pub records: u64,
    /// Those of them that can be read whole.
    pub whole: u64,
    /// Disclosures with records of hers, by code.
    pub disclosures: Vec<String>,
}

/// Whom a theft lays open.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Breach {
    /// By number.
    pub people: Vec<Reached>,
    /// Whether keys can be read: the root key, HEAD and a file of keys are lost together.
    pub keys_readable: bool,
    /// Records of registers in what can be read, of acts too: they may name the erased.
    pub register_records: u64,
    /// Whether all of this is *at most*: of two journals one is lost, and which of them holds which of the records that are
    /// not rolled is not asked. Else it is exact.
    pub at_most: bool,
    /// Files that this store does not have.
    pub unknown: Vec<String>,
    /// Lost disclosures of so many people that anybody may be among them.
    pub of_anybody: Vec<String>,
    /// Lost disclosures that are encrypted or not, but not known here.
    pub no_such_disclosure: Vec<String>,
    /// Files of segments that can't be read now: who stands in them is not known.
    pub unreadable: Vec<String>,
}

impl Reading<'_> {
    /// Whom the loss of files, keys and exports lays open, as the store is now.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use escrowdb::{id::Micros, session::Session, store::*, vfs::MemoryVfs};
    /// use escrowdb::query::breach::Lost;
    /// # let disk = Arc::new(MemoryVfs::new());
    /// # let store = Store::builder("/chats").vfs(disk.clone()).create()?;
    /// # store.append(&[Record::new("c1", "anna", Micros(0), "Hello")])?;
    /// let reading = store.session(Session::new().purpose("GDPR 33"));
    /// let files = disk.snapshot();
    /// let names = files.keys().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()));
    /// let mut lost = Lost { files: names.collect(), ..Lost::default() };
    /// assert_eq!(reading.breach(&lost)?.people.len(), 0);
    /// lost.root_key = true;
    /// assert_eq!(reading.breach(&lost)?.people.len(), 1);
    /// # Ok::<(), escrowdb::Error>(())
    /// ```
    ///
    /// # Errors
    /// Unreadable files, and whatever keeps the act from being written.
    pub fn breach(&self, lost: &Lost) -> Result<Breach> {
        self.shown(Deed::Person, Detail::new, || {
            let breach = assess(&self.state().view.read(), lost)?;
            let people = breach.people.iter().map(|of| of.number).collect();
            let count = breach.people.len() as u64;
            Ok((breach, count, people))
        })
    }
}

/// What can be read, while it is gathered: of whom what, of how many records, and of how many all.
#[derive(Default)]
struct Gathered {
    people: BTreeMap<PersonNumber, (Readable, u64, u64)>,
    register_records: u64,
}

/// Which bodies of a part can be read.
enum Bodies {
    None,
    Of(RoaringBitmap),
    All,
}

impl Gathered {
    fn add(&mut self, number: PersonNumber, what: Readable, (records, whole): (u64, u64)) {
        let of = self.people.entry(number).or_insert((what, 0, 0));
        *of = (of.0.max(what), of.1 + records, of.2 + whole);
    }

    /// Everybody who stands in a part whose index can be read.
    fn add_part(&mut self, part: &dyn Part, bodies: &Bodies) -> Result<()> {
        let readable = |term: &Term, all: u64| match bodies {
            Bodies::None => Ok(0),
            Bodies::Of(docs) => Ok((part.postings(term)? & docs).len()),
            Bodies::All => Ok::<_, Error>(all),
        };
        for field in [Field::Subject, Field::Author] {
            for (value, records) in part.terms(field)? {
                let Ok(number) = <[u8; 8]>::try_from(value.as_slice()) else { continue };
                let records = u64::from(records);
                let whole = readable(&Term { field, value }, records)?;
                let what = if whole > 0 { Readable::Records } else { Readable::Index };
                let counts = if field == Field::Subject { (records, whole) } else { (0, 0) };
                self.add(PersonNumber(u64::from_be_bytes(number)), what, counts);
            }
        }
        for kind in Kind::ALL.into_iter().filter(|kind| kind.is_register()) {
            let term = Term::kind(kind);
            let all = part.frequency(&term)?;
            self.register_records += match bodies {
                Bodies::Of(_) => readable(&term, all)?,
                Bodies::None | Bodies::All => all,
            };
        }
        Ok(())
    }
}

fn assess(view: &View, lost: &Lost) -> Result<Breach> {
    let has = |name: &str| lost.files.contains(name);
    let keys_readable = lost.root_key && has(HEAD_FILE) && PAGE_FILES.iter().any(|name| has(name));
    let mut known: BTreeSet<String> = [HEAD_FILE].into_iter().chain(PAGE_FILES).map(str::to_owned).collect();
    let (mut gathered, mut unreadable) = (Gathered::default(), Vec::new());
    for segment in &view.segments {
        let index = index_file::file_name(segment.entry.index);
        let bodies: Vec<String> = segment.entry.bodies.iter().map(|file| body_name(*file)).collect();
        if keys_readable && has(&index) {
            let lost: Vec<bool> = bodies.iter().map(|name| has(name)).collect();
            let bodies = match lost.iter().filter(|lost| **lost).count() {
                0 => Bodies::None,
                n if n == lost.len() => Bodies::All,
                _ => Bodies::Of(segment.part.docs_in_files(&lost)?),
            };
            gathered.add_part(&*segment.part, &bodies)?;
        }
        known.extend(bodies.into_iter().chain([index]));
    }
    for missing in &view.missing {
        let bodies = missing.entry.bodies.iter().map(|file| body_name(*file));
        let files = bodies.chain([index_file::file_name(missing.entry.index)]);
        let lost_here: Vec<String> = files.clone().filter(|name| has(name)).collect();
        unreadable.extend(lost_here.into_iter().filter(|_| keys_readable));
        known.extend(files);
    }
    let mut journals = 0;
    for role in [JournalRole::Current, JournalRole::Next] {
        let name = journal_name(catalog::journal(&view.tree, role)?.file);
        // Parity of one page is that page.
        let names = [name.with_extension("par"), name].map(|name| name.display().to_string());
        journals += usize::from(names.iter().any(|name| has(name)));
        known.extend(names);
    }
    if keys_readable {
        if journals > 0 {
            for live in view.frozen.iter().map(|frozen| &**frozen).chain([&view.live]) {
                gathered.add_part(live, &Bodies::All)?;
            }
        }
        for (entry, _) in view.tree.scan(&EntryKind::Person.prefix())? {
            if let Some((number, None)) = key::parse_person(&entry) {
                gathered.add(number, Readable::Name, (0, 0));
            }
        }
    }
    let mut by_disclosure: BTreeMap<PersonNumber, Vec<String>> = BTreeMap::new();
    let (mut of_anybody, mut no_such_disclosure) = (Vec::new(), Vec::new());
    for code in &lost.disclosures {
        let numbers = match view.rules().disclosures.get(code).map(|of| &of.given.about) {
            Some(About::Person(number)) => std::slice::from_ref(number),
            Some(About::People(numbers)) => numbers,
            Some(About::Many) => {
                of_anybody.push(code.clone());
                continue;
            }
            None => {
                no_such_disclosure.push(code.clone());
                continue;
            }
        };
        for number in numbers {
            gathered.add(PersonNumber(*number), Readable::Records, (0, 0));
            by_disclosure.entry(PersonNumber(*number)).or_default().push(code.clone());
        }
    }
    let mut people = Vec::new();
    for (number, (what, records, whole)) in gathered.people {
        let disclosures = by_disclosure.remove(&number).unwrap_or_default();
        // Numbers of the store itself, of periods of acts and of evidence are nobody's.
        let handle = view.handle(number)?.filter(|_| !view.mask.hides(number));
        if number == PersonNumber::STORE || handle.is_none() && disclosures.is_empty() {
            continue;
        }
        let identifiers = if handle.is_some() { view.identifiers(number)? } else { Vec::new() };
        people.push(Reached { number, handle, identifiers, what, records, whole, disclosures });
    }
    let is_known = |name: &String| known.contains(name) || is_without_records(name);
    Ok(Breach {
        people,
        keys_readable,
        register_records: gathered.register_records,
        at_most: keys_readable && journals == 1 && view.journal_len() > 0,
        unknown: lost.files.iter().filter(|name| !is_known(name)).cloned().collect(),
        of_anybody,
        no_such_disclosure,
        unreadable,
    })
}

/// Files of a store that hold hashes, marks or random bytes.
fn is_without_records(name: &str) -> bool {
    matches!(name, "LOCK" | "INIT" | "RESERVE") || name.starts_with("level-") || name.starts_with("parity-")
}
