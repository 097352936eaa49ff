//! The hunt for keys: what opens among all sealed objects ever written, given some secrets.
//!
//! An attacker keeps every byte ever written and then gets the slot. [`hunt`] opens whatever the
//! slot's bytes open, takes every key out of it, and goes on until nothing more opens. It knows
//! the formats from `docs/FORMAT.md` but calls no decoder of the engine except the AEAD itself,
//! so a decoder that skips something hides nothing here. Every candidate key is tried on every
//! object under every label, by its commitment. [`world`] makes stores with words that are known to be
//! in them, [`verdict`] says what an erasure left.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use escrowdb::crypto::{Label, SEAL_LEN, Seal, derive};

use crate::evidence::{Evidence, Kind, PAGE};
use crate::layout::{Block, blocks_of, slice, unpack, words_of};

mod candidates;
pub mod verdict;
pub mod world;

pub use candidates::windows;
use candidates::{Context, commitment, committed, expand};

/// Where K_content stands in the entry of a person: behind a version byte and the handle.
const K_CONTENT: std::ops::Range<usize> = 17..49;

/// A candidate key.
pub type Secret = [u8; 32];

/// How hard to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Keys where the formats put them: links of inner pages, every window of leaf values.
    Formats,
    /// Every 32-byte window of every opened plaintext; for small stores.
    Windows,
}

/// An object that opened.
pub struct Opened {
    /// What it is.
    pub kind: Kind,
    /// Its file.
    pub file: String,
    /// Where it begins in the file.
    pub offset: u64,
    /// Epoch, of a HEAD record.
    pub epoch: u64,
    /// A key that opened it; of bodies that of the first subject.
    pub key: Secret,
    /// What it says; bodies decompressed.
    pub text: Vec<u8>,
}

/// A body block: file, offset, length with its seal.
pub type Place = (String, u64, u32);

/// What a hunt found.
#[derive(Default)]
pub struct Hunt {
    /// Every object that opened, bodies included.
    pub opened: Vec<Opened>,
    /// Objects (bodies not counted) that did not.
    pub unopened: Vec<(Kind, String, u64)>,
    /// Body blocks that opened.
    pub bodies: BTreeSet<Place>,
    /// Every candidate key that opened something.
    pub keys: BTreeSet<Secret>,
    /// Keys that encrypted more than once, each with a place where it did.
    pub reused: Vec<(Kind, String, u64)>,
    /// Numbers of the people whose keys stand in opened leaves.
    pub people: BTreeSet<u64>,
    /// The second locks that stand in opened block tables, by place.
    pub locks: BTreeMap<Place, [u8; 16]>,
    /// Keys of name tags, and the tags that stand in opened leaves.
    tags: HashSet<[u8; 16]>,
    candidates: HashSet<Secret>,
}

impl Hunt {
    /// The opened objects that hold `needle`.
    pub fn find(&self, needle: &[u8]) -> Vec<&Opened> {
        self.opened.iter().filter(|o| contains(&o.text, needle)).collect()
    }

    /// The words in the dictionaries of all indexes that opened, each with a file in which it stands.
    pub fn words(&self) -> BTreeMap<Vec<u8>, &str> {
        let mut files: BTreeMap<&str, BTreeMap<u64, &[u8]>> = BTreeMap::new();
        for page in self.opened.iter().filter(|o| o.kind == Kind::IndexPage) {
            files.entry(&page.file).or_default().insert(page.offset / PAGE as u64, &page.text);
        }
        let words = |(file, pages)| words_of(&pages).into_iter().map(move |word| (word, file));
        files.into_iter().flat_map(words).collect()
    }

    /// Whether an opened page of the keyring holds the name tag of `identifier` under any known key.
    pub fn has_tag(&self, identifier: &str) -> bool {
        self.candidates.iter().any(|key| {
            let mut tag = [0; 16];
            expand(Label::NameTag, &[key, identifier.as_bytes()], &mut tag);
            self.tags.contains(&tag)
        })
    }

    /// Number of opened objects of a kind.
    pub fn count(&self, kind: Kind) -> usize {
        self.opened.iter().filter(|o| o.kind == kind).count()
    }
}

/// Opens whatever `secrets` open, and whatever that opens. `places` are body blocks known from
/// elsewhere (from a hunt before the erasure): their keys are tried with every `r_block` found.
pub fn hunt(evidence: &Evidence, secrets: &[Secret], places: &BTreeSet<Place>, depth: Depth) -> Hunt {
    hunt_with(evidence, secrets, &[], places, depth)
}

/// The same with second locks known from elsewhere.
pub fn hunt_with(
    evidence: &Evidence,
    secrets: &[Secret],
    r_blocks: &[[u8; 16]],
    places: &BTreeSet<Place>,
    depth: Depth,
) -> Hunt {
    let mut run = Run::new(evidence, depth);
    for secret in secrets {
        run.offer(*secret);
    }
    while let Some(secret) = run.queue.pop() {
        run.try_secret(secret);
    }
    run.open_bodies(places, r_blocks);
    run.finish()
}

/// A key of which one use is allowed: as it is (pages of the keyring), or in one context.
type Use = (Secret, Option<Context>);

struct Run<'a> {
    evidence: &'a Evidence,
    depth: Depth,
    /// Objects by derivation context and commitment.
    contexts: HashMap<Context, HashMap<[u8; 32], Vec<usize>>>,
    /// Salts of root pages, from opened HEAD records, with the root that opened them.
    root_salts: HashSet<(Secret, Vec<u8>)>,
    seen: HashSet<Secret>,
    queue: Vec<Secret>,
    done: BTreeMap<usize, (Secret, Vec<u8>)>,
    bodies: BTreeMap<Place, (Secret, Vec<u8>)>,
    locks: BTreeMap<Place, [u8; 16]>,
    /// What each use of a key encrypted: one thing, if all is well.
    uses: HashMap<Use, BTreeSet<usize>>,
    keys: BTreeSet<Secret>,
    tags: HashSet<[u8; 16]>,
    /// K_content by number.
    persons: BTreeMap<u64, BTreeSet<Secret>>,
}

impl<'a> Run<'a> {
    fn new(evidence: &'a Evidence, depth: Depth) -> Self {
        let mut contexts: HashMap<Context, HashMap<[u8; 32], Vec<usize>>> = HashMap::new();
        for (i, object) in evidence.objects.iter().enumerate() {
            for label in object.kind.labels() {
                contexts
                    .entry((*label, object.salt.clone(), object.aad.clone()))
                    .or_default()
                    .entry(commitment(&object.seal))
                    .or_default()
                    .push(i);
            }
        }
        Self {
            evidence,
            depth,
            contexts,
            root_salts: HashSet::new(),
            seen: HashSet::new(),
            queue: Vec::new(),
            done: BTreeMap::new(),
            bodies: BTreeMap::new(),
            locks: BTreeMap::new(),
            uses: HashMap::new(),
            keys: BTreeSet::new(),
            tags: HashSet::new(),
            persons: BTreeMap::new(),
        }
    }

    fn offer(&mut self, secret: Secret) {
        if self.seen.insert(secret) {
            self.queue.push(secret);
        }
    }

    fn try_secret(&mut self, secret: Secret) {
        let mut hits = Vec::new();
        for (context, by_commitment) in &self.contexts {
            if let Some(objects) = by_commitment.get(&committed(context, &[&secret])) {
                hits.push((context.clone(), objects.clone()));
            }
        }
        for (context, objects) in hits {
            self.open(secret, &context, &objects);
        }
    }

    fn open(&mut self, secret: Secret, context: &Context, objects: &[usize]) {
        for i in objects {
            let object = &self.evidence.objects[*i];
            let mut text = object.cipher.to_vec();
            // A commitment that fits beside a text that does not open is a torn or mixed page.
            if derive(context.0, &[&secret], &context.1, &context.2).open(&object.seal, &mut text).is_err() {
                continue;
            }
            self.keys.insert(secret);
            let once = matches!(context.0, Label::KeyringPage | Label::KeyringFree);
            self.uses.entry((secret, (!once).then(|| context.clone()))).or_default().insert(*i);
            if self.done.contains_key(i) {
                continue;
            }
            self.done.insert(*i, (secret, text.clone()));
            match object.kind {
                Kind::Head => self.head(secret, object.epoch, &text),
                Kind::Node => self.node(&text),
                Kind::Free => text.get(4..36).into_iter().for_each(|k| self.offer(k.try_into().unwrap())),
                Kind::Frame | Kind::IndexPage | Kind::Body => {}
            }
            if self.depth == Depth::Windows {
                windows(&text).for_each(|w| self.offer(w));
            }
        }
    }

    /// root page u32, root salt 32, pages u32, free page u32, free key 32.
    fn head(&mut self, root: Secret, epoch: u64, text: &[u8]) {
        let salt = [&text[4..36], &epoch.to_le_bytes()].concat();
        self.offer(text[44..76].try_into().unwrap());
        if !self.root_salts.insert((root, salt.clone())) {
            return;
        }
        let aads: BTreeSet<&Vec<u8>> =
            self.evidence.objects.iter().filter(|o| o.kind == Kind::Node).map(|o| &o.aad).collect();
        for aad in aads {
            let context = (Label::KeyringRoot, salt.clone(), aad.clone());
            let commit = committed(&context, &[&root]);
            let same = (Label::KeyringPage, Vec::new(), aad.clone());
            if let Some(objects) = self.contexts.get(&same).and_then(|c| c.get(&commit)).cloned() {
                self.open(root, &context, &objects);
            }
        }
    }

    /// level u8, count u16, then keys and values behind their lengths.
    fn node(&mut self, text: &[u8]) {
        let mut rest = &text[3..];
        for _ in 0..u16::from_le_bytes([text[1], text[2]]) {
            let (Some(key), Some(value)) = (slice(&mut rest), slice(&mut rest)) else { break };
            if let (Some(2), Some(tag)) = (key.first(), key.get(1..17)) {
                self.tags.insert(tag.try_into().unwrap());
            }
            if text[0] > 0 {
                value.get(4..36).into_iter().for_each(|k| self.offer(k.try_into().unwrap()));
                continue;
            }
            windows(value).for_each(|w| self.offer(w));
            if let (Some(1), Some(number), Some(k_content)) =
                (key.first(), key.get(1..9), value.get(K_CONTENT))
            {
                let number = u64::from_be_bytes(number.try_into().unwrap());
                self.persons.entry(number).or_default().insert(k_content.try_into().unwrap());
            }
        }
    }

    fn open_bodies(&mut self, places: &BTreeSet<Place>, more: &[[u8; 16]]) {
        let tables = self.block_tables();
        // Each block by its own table entry, in whichever file it lies.
        for block in &tables {
            let keys = self.combinations(&block.subjects);
            for file in self.evidence.bodies.keys() {
                self.try_body(&(file.clone(), block.offset, block.len), &[block.r_block], &keys);
            }
        }
        // Known places with every key and every second lock there is.
        let r_blocks: Vec<_> = tables
            .iter()
            .map(|b| b.r_block)
            .chain(more.iter().copied())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let keys: Vec<Vec<Secret>> = match self.depth {
            Depth::Formats => self.persons.values().flatten().map(|k| vec![*k]).collect(),
            Depth::Windows => self.seen.iter().map(|k| vec![*k]).collect(),
        };
        for place in places {
            self.try_body(place, &r_blocks, &keys);
        }
    }

    /// Every way to take one key of each subject.
    fn combinations(&self, subjects: &[u64]) -> Vec<Vec<Secret>> {
        let mut out: Vec<Vec<Secret>> = vec![Vec::new()];
        for number in subjects {
            let keys = self.persons.get(number).cloned().unwrap_or_default();
            out = out.iter().flat_map(|o| keys.iter().map(|k| [&o[..], &[*k]].concat())).collect();
        }
        out
    }

    fn try_body(&mut self, place: &Place, r_blocks: &[[u8; 16]], keys: &[Vec<Secret>]) {
        let Some(content) = self.evidence.bodies.get(&place.0) else { return };
        let (from, to) = (place.1 as usize, place.1 as usize + place.2 as usize);
        let Some((seal, cipher)) = content.get(from..to).and_then(|b| b.split_first_chunk::<SEAL_LEN>())
        else {
            return;
        };
        if self.bodies.contains_key(place) {
            return;
        }
        let context = (Label::Body, Vec::new(), self.evidence.body_aad(&place.0, place.1, cipher.len()));
        let commit = commitment(seal);
        for r in r_blocks {
            for tuple in keys {
                let mut secrets: Vec<&[u8]> = tuple.iter().map(|k| k.as_slice()).collect();
                secrets.push(r);
                let mut text = cipher.to_vec();
                if committed(&context, &secrets) == commit
                    && derive(Label::Body, &secrets, &[], &context.2).open(seal, &mut text).is_ok()
                {
                    self.keys.extend(tuple);
                    self.locks.insert(place.clone(), *r);
                    let first = tuple.first().copied().unwrap_or_default();
                    self.bodies.insert(place.clone(), (first, unpack(&text)));
                    return;
                }
            }
        }
    }

    /// All block tables of opened index files.
    fn block_tables(&self) -> Vec<Block> {
        let mut files: BTreeMap<&str, BTreeMap<u64, &[u8]>> = BTreeMap::new();
        for (i, (_, text)) in &self.done {
            let object = &self.evidence.objects[*i];
            if object.kind == Kind::IndexPage {
                files.entry(&object.file).or_default().insert(object.offset / PAGE as u64, text);
            }
        }
        files.values().flat_map(blocks_of).collect()
    }

    /// Different ciphertexts among objects; equal ones are copies.
    fn seals(&self, objects: &BTreeSet<usize>) -> usize {
        objects.iter().map(|i| self.evidence.objects[*i].seal).collect::<HashSet<_>>().len()
    }

    fn finish(self) -> Hunt {
        let reused = self.uses.values().filter(|all| self.seals(all) > 1).flatten();
        let place = |i: &usize| {
            let object = &self.evidence.objects[*i];
            (object.kind, object.file.clone(), object.offset)
        };
        let mut hunt = Hunt {
            reused: reused.map(place).collect(),
            people: self.persons.keys().copied().collect(),
            locks: self.locks,
            keys: self.keys,
            tags: self.tags,
            candidates: self.seen,
            ..Hunt::default()
        };
        // A frame with two possible predecessors is two objects, of which one opens.
        let opened: HashSet<&Seal> = self.done.keys().map(|i| &self.evidence.objects[*i].seal).collect();
        for (i, object) in self.evidence.objects.iter().enumerate() {
            let (kind, file, offset) = (object.kind, object.file.clone(), object.offset);
            match self.done.get(&i) {
                Some((key, text)) => {
                    let (epoch, key, text) = (object.epoch, *key, text.clone());
                    hunt.opened.push(Opened { kind, file, offset, epoch, key, text });
                }
                None if opened.contains(&object.seal) => {}
                None => hunt.unopened.push((kind, file, offset)),
            }
        }
        for (place, (key, text)) in self.bodies {
            let (file, offset) = (place.0.clone(), place.1);
            hunt.opened.push(Opened { kind: Kind::Body, file, offset, epoch: 0, key, text });
            hunt.bodies.insert(place);
        }
        hunt
    }
}

fn contains(text: &[u8], needle: &[u8]) -> bool {
    !needle.is_empty() && text.windows(needle.len()).any(|w| w == needle)
}

#[cfg(test)]
mod closure_tests;
