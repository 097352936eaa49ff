//! What an erasure would take, without taking anything. Mentions of a person's names in other
//! people's records can't be found by cryptography: the plan reads every body for them, before
//! the keys go.

use std::collections::BTreeMap;
use std::sync::Arc;

use roaring::RoaringBitmap;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::erase::alone;
use crate::erase::details;
use crate::erase::family;
use crate::erase::rules;
use crate::erase::target::{self, Selector};
use crate::error::{ErrorKind, Result};
use crate::id::{Micros, PersonNumber, Seq};
use crate::index::{Field, Part, People, Segment, SortKey, Term};
use crate::keyring::pending::{Kept, Target, Waiting};
use crate::query::exec::{Found, Search};
use crate::query::held::Keeps;
use crate::query::hit::{self, Hit};
use crate::query::reading::Reading;
use crate::receipts::Detail;
use crate::record::Kind;
use crate::text::{self, Analyser, Wording};
use crate::view::View;

/// Mentions listed at most; all are counted.
const MENTIONS_MAX: usize = 100;

/// What an erasure would take.
#[derive(Clone)]
#[non_exhaustive]
pub struct Plan {
    /// `person`, `conversation` or `record`.
    pub what: &'static str,
    /// Records that go, of whatever kind, but for details of acts.
    pub records: u64,
    /// How many of them each retention class has, by its code; those of none are not in it.
    pub classes: BTreeMap<String, u64>,
    /// How many of them each conversation has, as far as they can be read.
    pub conversations: BTreeMap<String, u64>,
    /// SHA-256 of their log positions, ascending, each as eight bytes, the high ones first: others have another.
    pub positions: [u8; 32],
    /// Details of acts that name what goes, this plan's own among them if it left some: they go too. The
    /// certificate counts both as records removed.
    pub details: u64,
    /// Segments that would be re-keyed.
    pub segments: u64,
    /// Whether a journal would be replaced.
    pub journal: bool,
    /// People who would be forgotten: the person, those linked to her, and whoever is known from what
    /// goes only.
    pub people: u64,
    /// Other people who are subjects of records that go.
    pub others_affected: u64,
    /// Records of others in which the person's names stand, newest first, at most 100: those that who plans may
    /// read. What is restricted, is in quarantine, or has no consent for the purpose is none.
    pub mentions: Vec<Hit>,
    /// How many such records there are.
    pub mention_total: u64,
    /// What rules keep of it; none of that is counted above.
    pub kept: Option<Kept>,
    /// Codes of the holds among these rules.
    pub holds: Vec<String>,
    /// On what ground nothing of it may go now, if so: `hold`, `lock`. That somebody must approve is not asked here.
    pub refused: Option<&'static str>,
}

/// What a plan is to leave behind.
pub struct Own<'a> {
    /// The details of its act.
    pub details: [Detail; 2],
    /// Who plans: the act tells of him, so the erasure won't forget him.
    pub actor: Option<&'a str>,
}

/// Plans the erasure of what `selector` names, and says how many details of `own`, if the plan is to leave
/// any, would go with it. Mentions are those that `reading` may read. An erasure waits while a plan reads; appends do
/// not.
pub fn plan(reading: &Reading<'_>, selector: &Selector, own: Option<Own<'_>>) -> Result<(Plan, u64)> {
    let state = reading.state();
    let now = rules::believed(state, &state.view.read().tree)?;
    let _no_erasure = state.pass();
    let actor = own.as_ref().and_then(|own| own.actor);
    let (mut waiting, asked) = {
        let view = state.view.read();
        ask(&view, selector, actor, now)?
    };
    let own_going = details::look_ahead(state, &mut waiting, own.map(|own| own.details))?;
    let (mut plan, mut mentions) = {
        let view = state.view.read();
        let mut hits = Vec::new();
        for part in view.parts() {
            hits.push(target::doomed_in(part, &waiting)?);
        }
        let mut names = Vec::new();
        for number in &asked.people {
            names.extend(view.identifiers(*number)?);
        }
        let mut mentions =
            Mentions { names: names_in(&names), newest: Vec::new(), total: 0, later: Vec::new() };
        let mask = reading.mask(&view)?;
        for (part, skip) in view.parts().into_iter().zip(&hits).skip(view.segments.len()) {
            mentions.read(part, &(skip | mask.docs_in(part)?), &view)?;
        }
        let plan = count(&view, selector, &waiting, asked, &hits)?;
        mentions.later = view.segments.iter().map(|s| s.part.clone()).zip(hits).collect();
        (plan, mentions)
    };
    // Segments stay as they are while no erasure runs, so their bodies are read without a lock.
    for (segment, mut skip) in std::mem::take(&mut mentions.later) {
        {
            let view = state.view.read();
            skip |= reading.mask(&view)?.docs_in(&*segment)?;
        }
        let found = mentions.find(&*segment, &skip)?;
        mentions.keep(&*segment, found, &state.view.read())?;
    }
    plan.mention_total = mentions.total;
    plan.mentions = mentions.newest.into_iter().map(|(_, hit)| hit).collect();
    Ok((plan, own_going))
}

/// What is asked for, and what rules say of it.
struct Asked {
    /// Whom it names.
    people: Vec<PersonNumber>,
    /// How many others it concerns.
    others: u64,
    kept: Option<Kept>,
    holds: Vec<String>,
    refused: Option<&'static str>,
}

/// What an erasure would note of what is asked for, in the way of a pass: what rules leave of it.
fn ask(view: &View, selector: &Selector, actor: Option<&str>, now: Micros) -> Result<(Waiting, Asked)> {
    let parts = view.parts();
    let target = target::resolve(view, selector)?;
    let people = match &target {
        Target::Persons(numbers) => numbers.clone(),
        _ => Vec::new(),
    };
    let ruled = rules::look(view, &target, &target::matching(view, &target)?.0, now)?;
    let (holds, all) = (ruled.facts.held.codes.clone(), ruled.kept);
    let nothing = rules::part_of(&target, Vec::new());
    let (target, kept, refused) = match rules::settle(target::action(&target), target, ruled, now) {
        Ok((_, target, kept)) => (target, kept, None),
        Err(ground) => (nothing, Some(all), Some(ground.name())),
    };
    let mut waiting = Waiting::new(target, Micros(0));
    let (mut forgotten, mut hits) = (Vec::new(), Vec::new());
    if refused.is_none() {
        let keeps = Keeps::of(view, now)?;
        waiting.family = family::find(view, &waiting, &keeps)?;
        hits = parts.iter().map(|part| target::doomed_in(*part, &waiting)).collect::<Result<Vec<_>>>()?;
        let actor = actor.map(|name| view.number(&text::nfc(name))).transpose()?.flatten();
        let stay: Vec<_> = people.iter().copied().chain(actor).chain(keeps.people()).collect();
        forgotten = alone::left_alone(view, &parts, &hits, &stay)?;
    }
    waiting.forgotten = forgotten;
    let others = others(&parts, &hits, &people)?;
    Ok((waiting, Asked { people, others, kept, holds, refused }))
}

/// Counts as a pass does, so that the certificate says the same; `hits` are the documents of each part that go.
fn count(
    view: &View,
    selector: &Selector,
    waiting: &Waiting,
    asked: Asked,
    hits: &[RoaringBitmap],
) -> Result<Plan> {
    let going: u64 = hits.iter().map(RoaringBitmap::len).sum();
    let whole = match &waiting.target {
        Target::Persons(numbers) => numbers.len(),
        _ => 0,
    };
    let mut plan = Plan {
        what: selector.what(),
        records: going.saturating_sub(waiting.further.len() as u64),
        classes: BTreeMap::new(),
        conversations: BTreeMap::new(),
        positions: [0; 32],
        details: waiting.further.len() as u64,
        segments: 0,
        journal: false,
        people: (whole + waiting.forgotten.len()) as u64,
        others_affected: asked.others,
        mentions: Vec::new(),
        mention_total: 0,
        kept: asked.kept,
        holds: asked.holds,
        refused: asked.refused,
    };
    for (i, part) in view.parts().into_iter().enumerate() {
        let touched = target::touches(part, waiting)?;
        plan.segments += u64::from(touched && i < view.segments.len());
        plan.journal |= touched && i >= view.segments.len();
    }
    name_what_goes(view, waiting, hits, &mut plan)?;
    Ok(plan)
}

/// Says what it is that goes, so that a plan of something else is another plan though it counts the same. Details of
/// acts are none of it: to look at a plan makes some.
fn name_what_goes(view: &View, waiting: &Waiting, hits: &[RoaringBitmap], plan: &mut Plan) -> Result<()> {
    let mut positions: Vec<Seq> = Vec::new();
    for (part, docs) in view.parts().into_iter().zip(hits) {
        let mut docs = docs.clone();
        for seq in &waiting.further {
            if let Some(doc) = part.doc_of(*seq)? {
                docs.remove(doc);
            }
        }
        positions.extend(part.seqs(&docs)?);
        for class in view.rules().classes.iter() {
            let count = part.class_docs(class.class.number)?.intersection_len(&docs);
            if count > 0 {
                *plan.classes.entry(class.class.code.clone()).or_default() += count;
            }
        }
        for doc in &docs {
            let stored = match part.record(doc) {
                Ok(stored) => Zeroizing::new(stored),
                // It goes too, and nothing tells where it stood.
                Err(e) if e.kind() == ErrorKind::Corrupt => continue,
                Err(e) => return Err(e),
            };
            if !stored.conversation.is_empty() {
                *plan.conversations.entry(stored.conversation.clone()).or_default() += 1;
            }
        }
    }
    positions.sort_unstable();
    let mut digest = Sha256::new();
    positions.iter().for_each(|seq| digest.update(seq.0.to_be_bytes()));
    plan.positions = digest.finalize().into();
    Ok(())
}

/// Mentions found so far: the newest of them, and how many there are.
struct Mentions {
    names: Vec<Wording>,
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
        if self.names.is_empty() {
            return Ok(found);
        }
        let mut analyser = Analyser::new();
        for doc in (0..part.doc_count()).filter(|doc| !skip.contains(*doc)) {
            let stored = part.record(doc)?;
            if is_told(stored.kind) && mentions(&mut analyser, &stored.body, &self.names) {
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

/// Whether people read such records as chat: edits are what a record says now.
fn is_told(kind: Kind) -> bool {
    kind.is_default() || kind == Kind::Edit
}

/// Other subjects of the records that go.
fn others(parts: &[&dyn Part], hits: &[RoaringBitmap], people: &[PersonNumber]) -> Result<u64> {
    let mut others = std::collections::BTreeSet::new();
    for (part, docs) in parts.iter().zip(hits) {
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

/// What to look for: identifiers, what stands between spaces in them, and for e-mail addresses the words
/// of the local part; three characters at least.
fn names_in(identifiers: &[String]) -> Vec<Wording> {
    let mut names: Vec<Zeroizing<String>> = Vec::new();
    let mut add = |name: &str| {
        if name.chars().count() >= 3 && !names.iter().any(|known| **known == name) {
            names.push(Zeroizing::new(name.to_owned()));
        }
    };
    for identifier in identifiers {
        // Letters and their marks are one character each where there is one.
        let identifier = text::nfc(identifier);
        let local = identifier.split('@').next().unwrap_or_default();
        local.split(|c: char| !c.is_alphanumeric()).for_each(&mut add);
        identifier.split_whitespace().for_each(&mut add);
        add(&identifier);
    }
    names.iter().map(|name| Wording::of(name)).filter(|name| !name.is_empty()).collect()
}

/// Whether a text holds one of the names, not inside a longer word, in whatever form.
fn mentions(analyser: &mut Analyser, text: &str, names: &[Wording]) -> bool {
    let text = Wording::by(analyser, text);
    names.iter().any(|name| text.holds(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_are_mentions() {
        let names = names_in(&["Anna.Meyer@example.org".into(), "山田太郎".into(), "Jo\u{308}rg".into()]);
        let mentions = |text: &str| mentions(&mut Analyser::new(), text, &names);
        assert!(mentions("Hello ANNA, welcome") && mentions("ask Meyer"));
        assert!(mentions("mail anna.meyer@example.org"));
        assert!(mentions("山田太郎さんの苦情") && mentions("JÖRG?") && mentions("jorg"));
        assert!(!mentions("savannah") && !mentions("山田さん") && !mentions("example org"));
    }
}
