//! What later records say of earlier ones: which wording is the newest, what its author took back, which
//! tags came or went.
//!
//! Nothing of it is stored. It is derived from the living records of the kinds *edit*, *delete* and *tag*,
//! in memory, and so is gone with them: after an erasure it is that of a store which never held what was
//! erased. [`Ledger`] knows which record speaks of which, by log position, whatever part they stand in;
//! an [`Overlay`] is what follows for the documents of one part; [`Overlaid`] is a part seen through it.
//!
//! **Which record is meant.** An edit of an edit is one of the record that the first is about, and what is
//! said of an edit is said of that record. So all that belongs to one record is a *family*: the record, its
//! edits (with it, its *versions*), its deletions and its tags. Whichever came last to the store holds,
//! whatever time it bears: clocks order nothing.

mod ledger;
mod overlaid;

use std::collections::{BTreeMap, HashMap};

use roaring::RoaringBitmap;
use zeroize::Zeroize;

use crate::error::{Error, Result};
use crate::index::part::{Field, Term};

pub use ledger::{Event, Ledger, Mark, Spoken, TakenBack, Texts};
pub use overlaid::Overlaid;

/// Which versions of records a query finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Version {
    /// The newest wording of each; nothing that was taken back.
    #[default]
    Newest,
    /// The first wording of each; nothing that was taken back.
    First,
    /// Every wording, also of what was taken back.
    All,
}

impl Version {
    /// Every one, in the order of this list.
    pub const ALL: [Self; 3] = [Self::Newest, Self::First, Self::All];

    /// Its name in the query language.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::First => "first",
            Self::All => "all",
        }
    }

    /// The one with a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.name() == name)
    }
}

/// What is known of one record.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// A newer version of it stands.
    pub superseded: bool,
    /// It was taken back, with all its versions.
    pub hidden: bool,
    /// It is an edit of a record of a default kind that is there.
    pub edit: bool,
    /// It is such an edit, and the newest version.
    pub current: bool,
    /// Terms that it has besides its own, or has no more.
    pub terms: Vec<(Term, bool)>,
}

impl Standing {
    fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// Tags leave no copy behind.
    fn wipe(&mut self) {
        self.terms.iter_mut().for_each(|(term, _)| term.value.zeroize());
    }

    /// Changes what a record says of its tags to what holds.
    fn retag(&self, tags: &mut Vec<String>) -> Result<()> {
        for (term, there) in self.terms.iter().filter(|(term, _)| term.field == Field::Tag) {
            let tag = text(term)?;
            match tags.iter().position(|one| one == tag) {
                Some(at) if !there => drop(tags.remove(at)),
                None if *there => tags.push(tag.to_owned()),
                _ => {}
            }
        }
        Ok(())
    }
}

/// What later records say of the documents of one part.
#[derive(Clone, Default)]
pub struct Overlay {
    superseded: RoaringBitmap,
    hidden: RoaringBitmap,
    edits: RoaringBitmap,
    current: RoaringBitmap,
    /// Documents that have a term besides their own, and such as have it no more.
    terms: BTreeMap<Term, [RoaringBitmap; 2]>,
    /// The same by document.
    docs: HashMap<u32, Standing>,
}

impl Overlay {
    /// Whether nothing is said of any.
    pub fn is_empty(&self) -> bool {
        self.docs.is_empty()
    }

    /// Notes what is said of a document now, in the place of what was.
    pub fn set(&mut self, doc: u32, standing: Standing) {
        let flags = [
            (&mut self.superseded, standing.superseded),
            (&mut self.hidden, standing.hidden),
            (&mut self.edits, standing.edit),
            (&mut self.current, standing.current),
        ];
        for (docs, is) in flags {
            if is {
                docs.insert(doc)
            } else {
                docs.remove(doc)
            };
        }
        if let Some(mut before) = self.docs.remove(&doc) {
            for (term, there) in &before.terms {
                self.take_back(term, *there, doc);
            }
            before.wipe();
        }
        for (term, there) in &standing.terms {
            self.terms.entry(term.clone()).or_default()[usize::from(!there)].insert(doc);
        }
        if !standing.is_plain() {
            self.docs.insert(doc, standing);
        }
    }

    fn take_back(&mut self, term: &Term, there: bool, doc: u32) {
        let Some(docs) = self.terms.get_mut(term) else { return };
        docs[usize::from(!there)].remove(doc);
        if docs.iter().all(RoaringBitmap::is_empty)
            && let Some((mut term, _)) = self.terms.remove_entry(term)
        {
            term.value.zeroize();
        }
    }

    /// Adds the documents that no query for these versions finds.
    pub fn add_unseen(&self, version: Version, docs: &mut RoaringBitmap) {
        match version {
            Version::Newest => {
                *docs |= &self.superseded;
                *docs |= &self.hidden;
            }
            Version::First => *docs |= &self.hidden,
            Version::All => {}
        }
    }

    /// Edits that a query for these versions finds unasked, as if they were of a default kind.
    pub fn found_unasked(&self, version: Version) -> Option<&RoaringBitmap> {
        match version {
            Version::Newest => Some(&self.current),
            Version::First => None,
            Version::All => Some(&self.edits),
        }
    }

    /// Changes what a document says of its tags to what holds.
    ///
    /// # Errors
    /// *Corrupt* for a tag that is no text.
    pub fn retag(&self, doc: u32, tags: &mut Vec<String>) -> Result<()> {
        self.docs.get(&doc).map_or(Ok(()), |standing| standing.retag(tags))
    }
}

/// Tags leave no copy behind.
impl Drop for Overlay {
    fn drop(&mut self) {
        while let Some((mut term, _)) = self.terms.pop_first() {
            term.value.zeroize();
        }
        self.docs.values_mut().for_each(Standing::wipe);
    }
}

fn text(term: &Term) -> Result<&str> {
    std::str::from_utf8(&term.value).map_err(|_| Error::corrupt("a tag is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(name: &str) -> Term {
        Term { field: Field::Tag, value: name.into() }
    }

    #[test]
    fn what_is_said_last_of_a_document_holds() {
        let mut overlay = Overlay::default();
        let said = |hidden, terms: &[(&str, bool)]| Standing {
            hidden,
            terms: terms.iter().map(|(name, there)| (tag(name), *there)).collect(),
            ..Standing::default()
        };
        overlay.set(3, said(true, &[("a", true), ("b", false)]));
        let mut tags = vec!["b".to_owned(), "c".to_owned()];
        overlay.retag(3, &mut tags).unwrap();
        assert_eq!(tags, ["c", "a"]);
        let mut unseen = RoaringBitmap::new();
        overlay.add_unseen(Version::First, &mut unseen);
        assert!(unseen.contains(3));
        overlay.set(3, said(false, &[("a", false)]));
        let mut tags = vec!["a".to_owned(), "b".to_owned()];
        overlay.retag(3, &mut tags).unwrap();
        assert_eq!(tags, ["b"]);
        overlay.set(3, Standing::default());
        assert!(overlay.is_empty() && overlay.terms.is_empty() && overlay.hidden.is_empty());
    }

    #[test]
    fn versions_have_names() {
        assert!(Version::ALL.into_iter().all(|version| Version::parse(version.name()) == Some(version)));
        assert_eq!(Version::parse("last"), None);
    }
}
