//! A record, what it answers, and what answers it, as it all reads now.
//!
//! Who answers whom is said by `reply_to`, in either version of a record. No index holds it, so the
//! records of the conversation are opened, each once.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::error::Result;
use crate::id::Seq;
use crate::index::overlay::Version;
use crate::query::ast::{Ast, Leaf};
use crate::query::exec::{Order, Search};
use crate::query::hit::{Hit, as_written, hit};
use crate::record::Kind;

/// A record of a thread.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Threaded {
    /// Its newest version.
    pub hit: Hit,
    /// The id under which it came: that of its first version.
    pub first_id: String,
    /// How many records stand above it in the thread.
    pub depth: u32,
    /// Whether it is the one that was asked for.
    pub is_here: bool,
    /// Reactions to it with their number, most first.
    pub reactions: Vec<(String, u64)>,
}

/// One record of a conversation with all its versions.
#[derive(Default)]
struct Whole {
    first_id: String,
    answers: Option<String>,
    newest: Option<Hit>,
    reactions: BTreeMap<String, u64>,
}

/// The threads of every record with an id, in one conversation or in any: what it answers first, then the
/// record, then whatever answers it, each behind what it answers, by time. What was taken back is left out, not
/// what answers that.
pub(super) fn threads(
    search: &Search<'_>,
    id: &str,
    conversation: Option<&str>,
) -> Result<Vec<Vec<Threaded>>> {
    let mut all = Vec::new();
    for (_, stored) in search.by_id(id, conversation)? {
        if !stored.conversation.is_empty() {
            all.push(thread(search, id, &stored.conversation)?);
        }
    }
    Ok(all)
}

fn thread(search: &Search<'_>, id: &str, conversation: &str) -> Result<Vec<Threaded>> {
    let talk = || Ast::Leaf(Leaf::Conversation(conversation.to_owned()));
    let reactions = Ast::And(vec![talk(), Ast::Leaf(Leaf::Kind(Kind::Reaction))]);
    let every = Ast::And(vec![talk(), Ast::Leaf(Leaf::Version(Version::All))]);
    let shown = search.search(&talk(), Order::Oldest, usize::MAX, None)?;
    let shown: HashSet<Seq> = shown.into_iter().map(|found| found.key.seq).collect();

    let open = |query: &Ast| -> Result<Vec<Hit>> {
        let found = search.search(query, Order::Oldest, usize::MAX, None)?;
        found.into_iter().map(|found| search.in_time().and_then(|()| hit(search, found))).collect()
    };
    let versions = open(&every)?;
    let targets: HashMap<String, String> = versions
        .iter()
        .filter(|hit| hit.kind == Kind::Edit)
        .filter_map(|hit| Some((hit.id.clone(), hit.target.clone()?)))
        .collect();
    // No circle is longer than there are edits.
    let first = |id: &str| {
        let mut at = id;
        for _ in 0..targets.len() {
            let Some(target) = targets.get(at) else { break };
            at = target;
        }
        at.to_owned()
    };
    let mut wholes: HashMap<String, Whole> = HashMap::new();
    let mut order = Vec::new();
    for version in versions {
        let first_id = first(&version.id);
        let whole = wholes.entry(first_id.clone()).or_insert_with(|| {
            order.push(first_id.clone());
            Whole { first_id: first_id.clone(), ..Whole::default() }
        });
        // What the newest version says it answers holds, if it says so.
        let says = version.reply_to.as_deref().map(first);
        if shown.contains(&version.seq) {
            whole.answers = says.or(whole.answers.take());
            whole.newest = Some(version);
        } else if whole.answers.is_none() {
            whole.answers = says;
        }
    }
    for reaction in open(&reactions)? {
        if let Some(whole) = reaction.target.as_deref().and_then(|target| wholes.get_mut(&first(target))) {
            *whole.reactions.entry(reaction.body).or_default() += 1;
        }
    }

    let here = first(id);
    let mut above = Vec::new();
    let mut at = here.clone();
    while let Some(answers) = wholes.get(&at).and_then(|whole| whole.answers.clone()) {
        if answers == here || above.contains(&answers) {
            break;
        }
        at.clone_from(&answers);
        above.push(answers);
    }
    let mut answering: HashMap<String, Vec<String>> = HashMap::new();
    for id in order.iter().rev() {
        if let Some(answers) = wholes.get(id).and_then(|whole| whole.answers.clone()) {
            answering.entry(answers).or_default().push(id.clone());
        }
    }
    let mut thread = Vec::new();
    let mut add = |id: &str, depth: u32| {
        let Some(mut whole) = wholes.remove(id) else { return false };
        if let Some(hit) = whole.newest.take() {
            let mut reactions: Vec<_> = std::mem::take(&mut whole.reactions).into_iter().collect();
            reactions.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
            thread.push(Threaded { hit, first_id: whole.first_id, depth, is_here: id == here, reactions });
        }
        true
    };
    let mut depth = 0;
    for id in above.iter().rev() {
        add(id, depth);
        depth += 1;
    }
    let mut next = vec![(here.clone(), depth)];
    while let Some((id, depth)) = next.pop() {
        if add(&id, depth) {
            next.extend(answering.remove(&id).into_iter().flatten().map(|id| (id, depth + 1)));
        }
    }
    Ok(thread)
}

/// What was said later of the records with an id, and of what was said, as it was written.
pub(super) fn said_of(search: &Search<'_>, id: &str, conversation: Option<&str>) -> Result<Vec<Hit>> {
    let mut said = Vec::new();
    for (_, stored) in search.by_id(id, conversation)? {
        if stored.conversation.is_empty() {
            continue;
        }
        let kinds = Kind::ALL.into_iter().filter(|kind| kind.has_target());
        let query = Ast::And(vec![
            Ast::Leaf(Leaf::Conversation(stored.conversation.clone())),
            Ast::Leaf(Leaf::Version(Version::All)),
            Ast::Or(kinds.map(|kind| Ast::Leaf(Leaf::Kind(kind))).collect()),
        ]);
        let mut left = Vec::new();
        for found in search.search(&query, Order::Oldest, usize::MAX, None)? {
            search.in_time()?;
            let stored = search.parts[found.part].record(found.doc)?;
            left.push(as_written(search, found, stored)?);
        }
        left.sort_unstable_by_key(|hit| hit.seq);
        let mut ids: HashSet<String> = [id.to_owned()].into();
        // Some came before what they speak of.
        loop {
            let (more, others): (Vec<_>, Vec<_>) = left
                .into_iter()
                .partition(|hit| hit.target.as_ref().is_some_and(|target| ids.contains(target)));
            left = others;
            if more.is_empty() {
                break;
            }
            ids.extend(more.iter().map(|hit| hit.id.clone()));
            said.extend(more);
        }
    }
    said.sort_unstable_by_key(|hit| hit.seq);
    Ok(said)
}
