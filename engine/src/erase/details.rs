//! Details of acts that name what is erased: they go with it, the acts stay.
//!
//! An act says who did what, by numbers; what was typed stands in its detail. Before anything goes
//! every living detail is read: of a person her identifiers are looked for in it, as words one behind
//! the other, with those of the part before the `@`; of a conversation its name, of a record its id.
//! A detail of what was opened by name goes too if nothing of that name is left. Somebody whose name
//! is a word of every day takes details of others along: their acts stay, and a detail lives for
//! weeks only.
//!
//! A detail that can't be read goes with every erasure: it may name whoever goes, and its file may come
//! back. Damage keeps nothing here that is to be forgotten, and no store from opening: an erasure that
//! waits is gone on with by every opening.

use std::collections::HashMap;

use roaring::RoaringBitmap;
use zeroize::{Zeroize, Zeroizing};

use crate::erase::target;
use crate::error::{ErrorKind, Result};
use crate::id::RequestId;
use crate::index::{IdQuery, Part, Term};
use crate::keyring::pending::{Target, Waiting};
use crate::receipts::{Detail, DetailField};
use crate::record::Kind;
use crate::view::View;

/// Notes for each erasure which details go with it.
pub fn find(view: &View, batch: &mut [(RequestId, Waiting)]) -> Result<()> {
    let parts = view.parts();
    let kind = Term::kind(Kind::Detail);
    let mut some = false;
    for part in &parts {
        some |= part.frequency(&kind)? > 0;
    }
    if !some {
        return Ok(());
    }
    for (_, waiting) in batch {
        // Of periods all goes; of what an earlier pass has met the names are gone, and what they
        // found was noted.
        if matches!(waiting.target, Target::Audit { .. }) || waiting.progress.epoch_after.0 > 0 {
            continue;
        }
        let names = Names::of(view, waiting)?;
        let mut gone = Gone { view, docs: Vec::new(), known: HashMap::new() };
        for part in &parts {
            gone.docs.push(target::doomed_in(*part, waiting)?);
        }
        let mut further = Vec::new();
        for (part, docs) in parts.iter().zip(gone.docs.clone()) {
            for doc in part.postings(&kind)? - &docs {
                let takes = match part.record(doc).map(Zeroizing::new) {
                    Ok(stored) => {
                        let detail = Detail::parse(&stored.body);
                        names.stand_in(&detail) || gone.is_named_by(&detail)?
                    }
                    Err(e) if e.kind() == ErrorKind::Corrupt => true,
                    Err(e) => return Err(e),
                };
                if takes {
                    further.push(part.key(doc)?.seq);
                }
            }
        }
        further.sort_unstable();
        further.dedup();
        waiting.further = further;
    }
    Ok(())
}

/// Words to look for.
struct Names(Vec<Vec<String>>);

impl Names {
    fn of(view: &View, waiting: &Waiting) -> Result<Self> {
        let mut names = Self(Vec::new());
        let mut people = waiting.forgotten.clone();
        match &waiting.target {
            Target::Persons(numbers) => people.extend(numbers),
            Target::Conversation(name) => names.add(name),
            Target::Record { id, .. } => names.add(id),
            Target::Audit { .. } => {}
        }
        for number in people {
            for identifier in view.identifiers(number)? {
                let identifier = Zeroizing::new(identifier);
                names.add(&identifier);
                if let Some((local, _)) = identifier.split_once('@') {
                    names.add(local);
                }
            }
        }
        Ok(names)
    }

    fn add(&mut self, name: &str) {
        let words = words(name);
        if words.len() == 2 {
            // The other way round: family name first.
            self.0.push(words.iter().rev().cloned().collect());
        }
        if !words.is_empty() {
            self.0.push(words);
        }
    }

    fn stand_in(&self, detail: &Detail) -> bool {
        detail.fields().iter().any(|(_, text)| {
            let text = Zeroizing::new(words(text));
            self.0.iter().any(|name| text.windows(name.len()).any(|part| part == &**name))
        })
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(Zeroize::zeroize);
    }
}

/// Runs of letters and digits, in lower case.
fn words(text: &str) -> Vec<String> {
    let lower = Zeroizing::new(text.to_lowercase());
    lower.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

/// What goes, and whether anything of a name is left.
struct Gone<'a> {
    view: &'a View,
    docs: Vec<RoaringBitmap>,
    known: HashMap<(Option<String>, Option<String>), bool>,
}

impl Gone<'_> {
    /// Whether a detail names a record or a conversation of which all that is there goes.
    fn is_named_by(&mut self, detail: &Detail) -> Result<bool> {
        let conversation = detail.get(DetailField::Conversation);
        let record = detail.get(DetailField::Record);
        if conversation.is_none() && record.is_none() {
            return Ok(false);
        }
        let key = (conversation.map(str::to_owned), record.map(str::to_owned));
        if let Some(known) = self.known.get(&key) {
            return Ok(*known);
        }
        let mut all_go = false;
        for (part, gone) in self.view.parts().into_iter().zip(&self.docs) {
            let docs = match (record, conversation) {
                (Some(id), conversation) => with_id(part, id, conversation, gone)?,
                (None, Some(name)) => part.postings(&Term::conversation(name))?,
                (None, None) => continue,
            };
            if !docs.is_subset(gone) {
                all_go = false;
                break;
            }
            all_go |= !docs.is_empty();
        }
        self.known.insert(key, all_go);
        Ok(all_go)
    }
}

/// Names are wiped.
impl Drop for Gone<'_> {
    fn drop(&mut self) {
        for ((conversation, record), _) in self.known.drain() {
            [conversation, record].into_iter().flatten().for_each(|mut name| name.zeroize());
        }
    }
}

/// Documents with an id. Of what can't be read those count that are `gone`: they may have it.
fn with_id(
    part: &dyn Part,
    id: &str,
    conversation: Option<&str>,
    gone: &RoaringBitmap,
) -> Result<RoaringBitmap> {
    let mut docs = RoaringBitmap::new();
    for doc in part.id_candidates(&IdQuery::new(id, conversation))? {
        let fits = match part.record(doc).map(Zeroizing::new) {
            Ok(stored) => stored.id == id && conversation.is_none_or(|c| c == stored.conversation),
            Err(e) if e.kind() == ErrorKind::Corrupt => gone.contains(doc),
            Err(e) => return Err(e),
        };
        if fits {
            docs.insert(doc);
        }
    }
    Ok(docs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(all: &[&str]) -> Names {
        let mut names = Names(Vec::new());
        all.iter().for_each(|name| names.add(name));
        names
    }

    #[test]
    fn a_name_is_found_in_whatever_way_it_is_typed() {
        let anna = names(&["anna.meyer@example.org", "anna.meyer"]);
        let found = |query: &str| anna.stand_in(&Detail::new().with(DetailField::Query, query));
        assert!(found("author:\"Anna.Meyer@Example.org\" lamp"));
        assert!(found("(anna   meyer)") && found("\"Meyer, Anna\""));
        assert!(!found("anna") && !found("savanna.meyers") && !found("meyer lamp anna"));
    }
}
