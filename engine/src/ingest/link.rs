//! Two identifiers of one person: they are erased together.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::id::PersonNumber;
use crate::index::People;
use crate::keyring::Changes;
use crate::keyring::catalog;
use crate::keyring::pending::Target;
use crate::state::{State, commit};
use crate::text;

/// Linked people at most, so that one erasure can name all of them.
const LINKED_MAX: usize = 16;

/// Links the people with these identifiers.
///
/// # Errors
/// *Not found* if one of them is unknown, *busy* while one is being erased.
pub fn link(state: &Arc<State>, a: &str, b: &str) -> Result<()> {
    let (a, b) = (text::nfc(a), text::nfc(b));
    let numbers = |state: &State| -> Result<(PersonNumber, PersonNumber, bool)> {
        let view = state.view.read();
        let number = |name: &str| {
            let number = view.number(name)?.ok_or_else(|| Error::not_found("no such person"))?;
            if view.mask.hides(number) {
                return Err(Error::new(ErrorKind::Busy, "the person is being erased"));
            }
            Ok(number)
        };
        let (a, b) = (number(&a)?, number(&b)?);
        Ok((a, b, view.is_born(a) || view.is_born(b)))
    };
    let (_, _, in_journal) = numbers(state)?;
    if in_journal {
        // People get their keys, and so their place for links, when the journal is rolled.
        commit::roll_now(state)?;
    }
    let keyring = state.keyring.lock();
    let (a, b, _) = numbers(state)?;
    if a == b {
        return Ok(());
    }
    let tree = keyring.tree();
    for (_, waiting) in catalog::waiting(&tree)? {
        // Accepted, though its pass has not begun: the one would go and the other stay.
        if let Target::Persons(numbers) = waiting.target
            && (numbers.contains(&a) || numbers.contains(&b))
        {
            return Err(Error::new(ErrorKind::Busy, "the person is being erased"));
        }
    }
    let mut group = vec![a, b];
    let mut next = 0;
    while let Some(n) = group.get(next).copied() {
        next += 1;
        for other in catalog::links(&tree, n)? {
            if !group.contains(&other) {
                group.push(other);
            }
        }
    }
    if group.len() > LINKED_MAX {
        return Err(Error::invalid(format!("at most {LINKED_MAX} people can be linked")));
    }
    let tagger = state.view.read().tagger().clone();
    let mut changes = Changes::new();
    for (one, other) in [(a, b), (b, a)] {
        let mut person = catalog::person(&tree, one)?
            .ok_or_else(|| Error::new(ErrorKind::Busy, "the person is not rolled yet").hint("repeat"))?;
        if !person.linked.contains(&other) {
            person.linked.push(other);
            person.linked.sort_unstable();
        }
        catalog::put_person(&mut changes, &tagger, one, &person, &[])?;
    }
    let log = keyring.head().log;
    commit::commit_locked(state, &keyring, &changes, log, |_| {})
}
