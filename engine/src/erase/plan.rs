//! What an erasure would take, without taking anything. Mentions of a person's names in other
//! people's records can't be found by cryptography: the plan reads every body for them, before
//! the keys go.

use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::erase::alone;
use crate::erase::target::{self, Selector};
use crate::error::Result;
use crate::id::PersonNumber;
use crate::index::{Field, Part, Segment, SortKey, Term};
use crate::keyring::pending::Target;
use crate::query::eval::hidden;
use crate::query::exec::{Found, Search};
use crate::query::hit::{self, Hit};
use crate::state::State;
use crate::view::View;

/// Mentions listed at most; all are counted.
const MENTIONS_MAX: usize = 100;

/// What an erasure would take.
#[derive(Clone)]
#[non_exhaustive]
pub struct Plan {
    /// `person`, `conversation` or `record`.
    pub what: &'static str,
    /// Records that go, of whatever kind.
    pub records: u64,
    /// Segments that would be re-keyed.
    pub segments: u64,
    /// Whether a journal would be replaced.
    pub journal: bool,
    /// People who would be forgotten: the person, those linked to her, and whoever is known from what
    /// goes only.
    pub people: u64,
    /// Other people who are subjects of records that go.
    pub others_affected: u64,
    /// Records of others in which the person's names stand, newest first, at most 100.
    pub mentions: Vec<Hit>,
    /// How many such records there are.
    pub mention_total: u64,
}

/// Plans the erasure of what `selector` names. An erasure waits while a plan reads; appends do not.
pub fn plan(state: &State, selector: &Selector) -> Result<Plan> {
    let _no_erasure = state.pass.lock();
    let (mut plan, mut mentions) = {
        let view = state.view.read();
        let target = target::resolve(&view, selector)?;
        let mut hits = target::matching(&view, &target)?;
        let people: Vec<PersonNumber> = match &target {
            Target::Persons(numbers) => numbers.clone(),
            _ => Vec::new(),
        };
        let alone = alone::left_alone(&view, &view.parts(), &hits.0, &people)?;
        let mut plan = count(&view, &target, &hits, &people)?;
        plan.people += alone.len() as u64;
        for (i, (part, docs)) in view.parts().into_iter().zip(&mut hits.0).enumerate() {
            let before = (docs.len(), docs.is_empty());
            *docs |= target::of_subjects(part, &alone)?;
            plan.records += docs.len() - before.0;
            let touched = before.1 && !docs.is_empty() && !target::mentions(part, &target)?;
            plan.segments += u64::from(touched && i < view.segments.len());
            plan.journal |= touched && i >= view.segments.len();
        }
        let mut names = Vec::new();
        for number in &people {
            names.extend(view.identifiers(*number)?);
        }
        let mut mentions =
            Mentions { words: name_words(&names), newest: Vec::new(), total: 0, later: Vec::new() };
        for (part, skip) in view.parts().into_iter().zip(&hits.0).skip(view.segments.len()) {
            mentions.read(part, skip, &view)?;
        }
        mentions.later = view.segments.iter().map(|s| s.part.clone()).zip(hits.0).collect();
        (plan, mentions)
    };
    // Segments stay as they are while no erasure runs, so their bodies are read without a lock.
    for (segment, mut skip) in std::mem::take(&mut mentions.later) {
        skip |= hidden(&*segment, &state.view.read().mask)?;
        let found = mentions.find(&*segment, &skip)?;
        mentions.keep(&*segment, found, &state.view.read())?;
    }
    plan.mention_total = mentions.total;
    plan.mentions = mentions.newest.into_iter().map(|(_, hit)| hit).collect();
    Ok(plan)
}

fn count(view: &View, target: &Target, hits: &target::Matching, people: &[PersonNumber]) -> Result<Plan> {
    let parts = view.parts();
    let (mut segments, mut journal) = (0, false);
    for (i, part) in parts.iter().enumerate() {
        let touched = target::mentions(*part, target)?;
        segments += u64::from(touched && i < view.segments.len());
        journal |= touched && i >= view.segments.len();
    }
    Ok(Plan {
        what: match target {
            Target::Persons(_) => "person",
            Target::Conversation(_) => "conversation",
            Target::Record { .. } => "record",
            Target::Audit { .. } => "acts",
        },
        records: hits.records(),
        segments,
        journal,
        people: people.len() as u64,
        others_affected: others(&parts, hits, people)?,
        mentions: Vec::new(),
        mention_total: 0,
    })
}

/// Mentions found so far: the newest of them, and how many there are.
struct Mentions {
    words: Vec<String>,
    newest: Vec<(SortKey, Hit)>,
    total: u64,
    later: Vec<(Arc<Segment>, RoaringBitmap)>,
}

impl Mentions {
    /// Reads a part of the view.
    fn read(&mut self, part: &dyn Part, skip: &RoaringBitmap, view: &View) -> Result<()> {
        let found = self.find(part, skip)?;
        self.keep(part, found, view)
    }

    /// Documents that mention the names, newest first.
    fn find(&mut self, part: &dyn Part, skip: &RoaringBitmap) -> Result<Vec<(SortKey, u32)>> {
        let mut found = Vec::new();
        if self.words.is_empty() {
            return Ok(found);
        }
        for doc in (0..part.doc_count()).filter(|doc| !skip.contains(*doc)) {
            let stored = part.record(doc)?;
            if stored.kind.is_default() && mentions(&stored.body, &self.words) {
                found.push((part.key(doc)?, doc));
            }
        }
        self.total += found.len() as u64;
        found.sort_unstable_by_key(|(key, _)| std::cmp::Reverse(*key));
        found.truncate(MENTIONS_MAX);
        Ok(found)
    }

    fn keep(&mut self, part: &dyn Part, found: Vec<(SortKey, u32)>, view: &View) -> Result<()> {
        let search = Search { parts: &[part], people: view, mask: &view.mask, until: None };
        for (key, doc) in found {
            self.newest.push((key, hit::hit(&search, Found { key, part: 0, doc })?));
        }
        self.newest.sort_by_key(|(key, _)| std::cmp::Reverse(*key));
        self.newest.truncate(MENTIONS_MAX);
        Ok(())
    }
}

/// Other subjects of the records that go.
fn others(parts: &[&dyn Part], hits: &target::Matching, people: &[PersonNumber]) -> Result<u64> {
    let mut others = std::collections::BTreeSet::new();
    for (part, docs) in parts.iter().zip(&hits.0) {
        if docs.is_empty() {
            continue;
        }
        for (value, _) in part.terms(Field::Subject)? {
            let Ok(bytes) = <[u8; 8]>::try_from(value.as_slice()) else { continue };
            let number = PersonNumber(u64::from_be_bytes(bytes));
            if people.contains(&number) || number == PersonNumber::STORE || others.contains(&number) {
                continue;
            }
            if !(part.postings(&Term::person(Field::Subject, number))? & docs).is_empty() {
                others.insert(number);
            }
        }
    }
    Ok(others.len() as u64)
}

/// What to look for: identifiers, and for e-mail addresses the words of the local part; three
/// characters at least, lower case.
fn name_words(identifiers: &[String]) -> Vec<String> {
    let mut words = Vec::new();
    for identifier in identifiers {
        let lower = identifier.to_lowercase();
        let local = lower.split('@').next().unwrap_or_default();
        words.extend(local.split(|c: char| !c.is_alphanumeric()).map(str::to_owned));
        words.extend(lower.split_whitespace().map(str::to_owned));
        words.push(lower);
    }
    words.retain(|w| w.chars().count() >= 3);
    words.sort();
    words.dedup();
    words
}

/// Whether a text holds one of the words, not inside a longer word.
fn mentions(text: &str, words: &[String]) -> bool {
    let text = text.to_lowercase();
    words.iter().any(|word| {
        text.match_indices(word.as_str()).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let after = text[at + word.len()..].chars().next();
            !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_are_mentions() {
        let words = name_words(&["Anna.Meyer@example.org".into()]);
        assert!(words.contains(&"anna".to_owned()) && words.contains(&"meyer".to_owned()));
        assert!(mentions("Hello ANNA, welcome", &words));
        assert!(mentions("mail anna.meyer@example.org", &words));
        assert!(!mentions("savannah", &words));
    }
}
