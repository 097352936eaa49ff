//! From a frozen journal to a segment: bodies under two locks, an index under a fresh key, keys
//! for the people who were born in the journal. Publishing is the committer's job.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use roaring::RoaringBitmap;
use zeroize::Zeroizing;

use crate::crypto::Secret;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::id::{FileId, Micros, PersonNumber, SegmentId, Seq};
use crate::index::file::Encoded;
use crate::index::page::PageFile;
use crate::index::{self, DocEntry, Field, Hands, IndexData, LiveIndex, Part, Term};
use crate::keyring::Changes;
use crate::keyring::catalog::{self, Tagger};
use crate::keyring::entry::{Person, Segment as SegmentEntry};
use crate::log::{LOST, Log};
use crate::merkle::commitment::Committer;
use crate::merkle::hash::Hash;
use crate::record::Kind;
use crate::segment::{BodyPlace, BodyWriter, SubjectKeys};

/// Hash of an index's text.
pub type Digest = Zeroizing<[u8; 32]>;

/// What a roll made. Its files are synced; nothing names them yet.
pub struct Rolled {
    /// The segment, if a record survived.
    pub segment: Option<(SegmentId, SegmentEntry)>,
    /// Keys and names of people who were born in the journal.
    pub people: Changes,
    /// Hash of the text of the segment's index, to compare with what reads back.
    pub digest: Digest,
    /// Numbers of these people.
    pub minted: HashSet<PersonNumber>,
    /// Records that were left out.
    pub left_out: u64,
}

impl Rolled {
    /// Removes the files, if nothing is to name them.
    pub fn remove_files(&self, env: &Env) {
        for name in self.segment.iter().flat_map(|(_, segment)| segment.file_names()) {
            let _ = env.unlink(name);
        }
    }
}

/// What a roll works with.
pub struct Roll<'a> {
    /// Files and randomness.
    pub env: &'a Env,
    /// The frozen journal's records.
    pub frozen: &'a LiveIndex,
    /// Documents to leave out.
    pub skip: &'a RoaringBitmap,
    /// People who are being erased: they get no keys and no terms.
    pub dead: &'a [PersonNumber],
    /// Whether a person has keys in the tree.
    pub knows: &'a dyn Fn(PersonNumber) -> Result<bool>,
    /// Content keys of the people in the tree.
    pub keys: Arc<dyn SubjectKeys>,
    /// Computes keyed tags of names.
    pub tagger: &'a Tagger,
    /// Number of the new segment.
    pub id: SegmentId,
}

impl Roll<'_> {
    /// Builds the files.
    pub fn build(&self) -> Result<Rolled> {
        let order: Vec<u32> =
            self.frozen.in_order().into_iter().filter(|doc| !self.skip.contains(*doc)).collect();
        let (people, minted) = self.mint()?;
        let left_out = u64::from(self.frozen.doc_count()) - order.len() as u64;
        let minted_numbers = minted.keys.keys().copied().collect();
        let (mut segment, mut digest) = (None, Digest::default());
        if !order.is_empty() {
            let written = self.write(&order, &minted)?;
            segment = Some((self.id, written.0));
            digest = written.1;
        }
        Ok(Rolled { segment, people, digest, minted: minted_numbers, left_out })
    }

    /// Mints keys for the people whose records of kind `person` survive.
    fn mint(&self) -> Result<(Changes, Minted)> {
        let mut changes = Changes::new();
        let mut minted = Minted { keys: HashMap::new(), tree: Arc::clone(&self.keys) };
        let kind = Term::kind(Kind::Person);
        for doc in self.frozen.postings(&kind)? - self.skip {
            let Some(person) = self.frozen.record(doc)?.person else { continue };
            if self.dead.contains(&person.number) || (self.knows)(person.number)? {
                continue;
            }
            let entry = Person {
                handle: person.handle,
                content: self.env.random_key(&person.handle.0)?,
                evidence: self.env.random_key(&person.handle.0)?,
                state: 0,
                identifiers: u8::try_from(person.identifiers.len())
                    .map_err(|_| Error::invalid("too many identifiers of one person"))?,
                linked: Vec::new(),
            };
            minted.keys.insert(person.number, entry.content.clone());
            catalog::put_person(&mut changes, self.tagger, person.number, &entry, &person.identifiers)?;
        }
        Ok((changes, minted))
    }

    /// Writes bodies and index of the documents in `order`. Terms come from the live index, which
    /// has them already; nothing is decoded.
    fn write(&self, order: &[u32], keys: &Minted) -> Result<(SegmentEntry, Digest)> {
        let (body, index) = (self.env.file_id()?, self.env.file_id()?);
        let written = self.write_as(body, index, order, keys);
        if written.is_err() {
            // On a full disk every try would leave its part.
            let _ = self.env.unlink(crate::segment::writer::file_name(body));
            let _ = self.env.unlink(index::file::file_name(index));
        }
        written
    }

    fn write_as(
        &self,
        body: FileId,
        index: FileId,
        order: &[u32],
        keys: &Minted,
    ) -> Result<(SegmentEntry, Digest)> {
        let mut bodies = BodyWriter::new();
        let mut docs = Vec::with_capacity(order.len());
        let mut numbers = vec![None; self.frozen.doc_count() as usize];
        for doc in order.iter().copied() {
            let live = self.frozen.doc(doc).ok_or_else(|| Error::invalid("no such live document"))?;
            let at = bodies.add_to(live.subjects, live.class, live.key.seq, live.salt, live.canonical)?;
            if let Some(number) = numbers.get_mut(doc as usize) {
                *number = Some(docs.len() as u32);
            }
            docs.push(DocEntry {
                time: live.key.time,
                seq: live.key.seq,
                at,
                id_hash: live.identity.id,
                conv_hash: live.identity.conversation,
                words: self.frozen.lists().words_in(doc),
            });
        }
        let strangers = self.strangers(keys)?;
        let terms = self.frozen.lists().sorted(
            |doc| numbers.get(doc as usize).copied().flatten(),
            |field, value| field != Field::Author || !strangers.contains(value),
        )?;
        let with_words = self.frozen.lists().words().is_some();
        let place = BodyPlace { dir: &self.env.dir, store: self.env.store, file: body, index: 0 };
        let blocks = bodies.finish(&*self.env.vfs, place, keys, &*self.env.entropy)?;
        write_index(self.env, &IndexData { docs, terms, blocks, with_words }, index, vec![body], 0)
    }

    /// Author terms of people who have no keys, or no longer.
    fn strangers(&self, keys: &Minted) -> Result<HashSet<Vec<u8>>> {
        let mut strangers = HashSet::new();
        for (value, _) in self.frozen.terms(Field::Author)? {
            let number = value.as_array().map(|bytes| PersonNumber(u64::from_be_bytes(*bytes)));
            let number = number.ok_or_else(|| Error::corrupt("an author term is no number"))?;
            let has_key = keys.keys.contains_key(&number) || (self.knows)(number)?;
            if !has_key || self.dead.contains(&number) {
                strangers.insert(value);
            }
        }
        Ok(strangers)
    }
}

/// Writes an index under a fresh key and describes the segment.
pub fn write_index(
    env: &Env,
    data: &IndexData,
    file: FileId,
    bodies: Vec<FileId>,
    generation: u32,
) -> Result<(SegmentEntry, Digest)> {
    let text = index::file::encode(data)?;
    write_encoded(env, (&data.docs, &text), (file, data.with_words), bodies, generation, Hands::One)
}

/// The same for an index that was encoded already, sealed by so many threads.
pub fn write_encoded(
    env: &Env,
    (docs, text): (&[DocEntry], &Encoded),
    (file, with_words): (FileId, bool),
    bodies: Vec<FileId>,
    generation: u32,
    hands: Hands,
) -> Result<(SegmentEntry, Digest)> {
    let (vfs, entropy) = (&*env.vfs, &*env.entropy);
    let of = PageFile { store: env.store, file, version: index::file::version(with_words) };
    let written = index::file::write_encoded(vfs, &env.dir, of, text, entropy, hands)?;
    let times = docs.iter().map(|d| d.time);
    let seqs = docs.iter().map(|d| d.seq);
    let entry = SegmentEntry {
        key: written.key,
        index: file,
        index_pages: written.pages,
        bodies,
        docs: docs.len() as u32,
        generation,
        first: times.clone().min().unwrap_or(Micros(0)),
        last: times.max().unwrap_or(Micros(0)),
        min_seq: seqs.clone().min().unwrap_or(Seq(0)),
        max_seq: seqs.max().unwrap_or(Seq(0)),
    };
    Ok((entry, written.digest))
}

/// Leaves of every record of a frozen journal in their order, also of those left out of the segment: the
/// log never shrinks.
pub fn leaves(frozen: &LiveIndex) -> Vec<(Seq, Hash)> {
    let mut leaves = Vec::with_capacity(frozen.doc_count() as usize);
    let mut committer = Committer::new();
    for doc in 0..frozen.doc_count() {
        if let Some(live) = frozen.doc(doc) {
            leaves.push((live.key.seq, committer.leaf(live.salt, live.canonical)));
        }
    }
    leaves.sort_unstable();
    leaves
}

/// Writes leaves at their positions.
pub fn write_leaves(log: &mut Log, leaves: Vec<(Seq, Hash)>) -> Result<()> {
    // A roll that failed after this point is done again: the same leaves at the same places.
    if let Some((first, _)) = leaves.first()
        && first.0 < log.frontier().size()
    {
        log.truncate_memory_to(first.0)?;
    }
    // A position that a damaged frame held has no record.
    let mut all: Vec<Hash> = Vec::with_capacity(leaves.len());
    let before = log.frontier().size();
    for (seq, leaf) in leaves {
        all.resize(seq.0.saturating_sub(before) as usize, LOST);
        all.push(leaf);
    }
    log.append(&all)?;
    log.sync()
}

/// Content keys of people who are not in the tree yet, before those who are.
struct Minted {
    keys: HashMap<PersonNumber, Secret>,
    tree: Arc<dyn SubjectKeys>,
}

impl SubjectKeys for Minted {
    fn content_key(&self, person: PersonNumber) -> Result<Option<Secret>> {
        match self.keys.get(&person) {
            Some(key) => Ok(Some(key.clone())),
            None => self.tree.content_key(person),
        }
    }
}
