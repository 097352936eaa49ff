//! Details of acts that name what is erased: they go with it, the acts stay.
//!
//! An act says who did what, by numbers; what was typed stands in its detail. Before anything goes
//! every living detail is read: of a person her identifiers are looked for in it, and the part before the
//! `@`; of a conversation its name, of a record its id. Names are compared in the form in which look-ups
//! find them ([`crate::text::Wording`]): whatever finds her is found here.
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
use crate::id::{RequestId, Seq};
use crate::index::{IdQuery, Part, Term};
use crate::keyring::pending::{Target, Waiting};
use crate::receipts::{Detail, DetailField};
use crate::record::Kind;
use crate::view::View;

mod names;
mod typed;

use names::Names;
use typed::Typed;

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
        let mut gone = Gone { view, docs: Vec::new(), known: HashMap::new() };
        for part in &parts {
            gone.docs.push(target::doomed_in(*part, waiting)?);
        }
        let names = names_of(view, waiting, &gone.docs)?;
        let mut further = Vec::new();
        for (part, docs) in parts.iter().zip(gone.docs.clone()) {
            for doc in part.postings(&kind)? - &docs {
                let takes = match part.record(doc).map(Zeroizing::new) {
                    Ok(stored) => {
                        let typed = Typed::of(Detail::parse(&stored.body), part.key(doc)?.seq, stored.time);
                        names.stand_in(&typed) || gone.is_named_by(&typed.detail)?
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

/// Names of whatever goes.
fn names_of(view: &View, waiting: &Waiting, gone: &[RoaringBitmap]) -> Result<Names> {
    let mut names = Names::default();
    let mut people = waiting.forgotten.clone();
    match &waiting.target {
        Target::Persons(numbers) => people.extend(numbers),
        Target::Conversation(name) => names.add_conversation(name, first(view, gone)?),
        Target::Record { id, conversation, seq, .. } => names.add_record(id, conversation, *seq),
        Target::Audit { .. } => {}
    }
    for number in people {
        for identifier in view.identifiers(number)? {
            names.add_identifier(&Zeroizing::new(identifier));
        }
    }
    Ok(names)
}

/// Where the first of what goes stands in the log.
fn first(view: &View, gone: &[RoaringBitmap]) -> Result<Seq> {
    let mut first = Seq(u64::MAX);
    for (part, docs) in view.parts().into_iter().zip(gone) {
        first = part.seqs(docs)?.into_iter().min().unwrap_or(first).min(first);
    }
    Ok(first)
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
