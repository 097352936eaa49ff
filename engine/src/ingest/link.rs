//! Two identifiers of one person: of two people who are erased together, or of one who has both.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::id::PersonNumber;
use crate::index::People;
use crate::ingest::Queue;
use crate::ingest::refused::{self, Refusal};
use crate::keyring::catalog;
use crate::keyring::entry::Person;
use crate::keyring::pending::Target;
use crate::keyring::{Changes, Keyring, Tree};
use crate::policy::{self, Action, Facts, Ground, Held, Permit, Reach};
use crate::query::held::Standing;
use crate::record::input::check_identifier;
use crate::register::hold::Scope;
use crate::state::{State, commit};
use crate::text;
use crate::view::View;

/// Linked people at most, so that one erasure can name all of them.
pub(crate) const LINKED_MAX: usize = 16;
/// Identifiers of a person at most.
const IDENTIFIERS_MAX: usize = 254;

/// Who wants it, and where a refusal is written.
#[derive(Clone, Copy)]
pub struct By<'a> {
    /// Where a refusal is written.
    pub queue: &'a Queue,
    /// Who it is, if he is named.
    pub actor: Option<&'a str>,
}

/// Links the people with these identifiers.
///
/// # Errors
/// *Not found* if one of them is unknown, *busy* while one is being erased, *refused* while a hold is about one
/// as a person: who goes with whom changes what it keeps; and while one waits for the rest of an erasure.
pub fn link(state: &Arc<State>, by: By<'_>, a: &str, b: &str) -> Result<()> {
    let names = [text::nfc(a), text::nfc(b)];
    let names = names.each_ref().map(|name| &**name);
    with_rolled(state, (Action::Link, by), names, |keyring, [a, b]| {
        if a == b {
            // Nobody is linked to herself.
            return Ok(());
        }
        let group: BTreeSet<PersonNumber> = {
            let view = state.view.read();
            view.linked(a)?.into_iter().chain(view.linked(b)?).collect()
        };
        if group.len() > LINKED_MAX {
            return Err(Error::invalid(format!("at most {LINKED_MAX} people can be linked")));
        }
        set_links(state, keyring, [a, b], |linked, other| {
            if !linked.contains(&other) {
                linked.push(other);
                linked.sort_unstable();
            }
        })
    })
}

/// Takes the link between two people back. Others to whom both are linked still hold them together. That they
/// were linked stays readable in old pages until the next erasure.
///
/// # Errors
/// As of [`link`]; *invalid* if they are not linked.
pub fn unlink(state: &Arc<State>, by: By<'_>, a: &str, b: &str) -> Result<()> {
    let names = [text::nfc(a), text::nfc(b)];
    let names = names.each_ref().map(|name| &**name);
    with_rolled(state, (Action::Unlink, by), names, |keyring, [a, b]| {
        if !catalog::links(&keyring.tree(), a)?.contains(&b) {
            return Err(Error::invalid("these people are not linked to each other"));
        }
        set_links(state, keyring, [a, b], |linked, other| linked.retain(|one| *one != other))
    })
}

/// Gives a person another identifier: whoever names her so from now on means her. Her first one is shown.
///
/// # Errors
/// *Not found* if she is unknown, *busy* while she is being erased, *invalid* if the identifier is somebody's, or
/// if she has too many; *refused* while a hold is about her.
pub fn add_identifier(state: &Arc<State>, by: By<'_>, of: &str, identifier: &str) -> Result<()> {
    let (of, identifier) = (text::nfc(of), text::nfc(identifier));
    check_identifier("identifier", &identifier)?;
    with_rolled(state, (Action::AddIdentifier, by), [&of, &of], |keyring, [number, _]| {
        let view = state.view.read();
        if view.is_leaving(&identifier) {
            return Err(being_erased());
        }
        match view.number_of(&identifier)? {
            Some(other) if other == number => return Ok(()),
            Some(_) => {
                return Err(Error::invalid("the identifier is somebody else's")
                    .hint("`escrow subject link` says that two people are one"));
            }
            None => {}
        }
        let tree = keyring.tree();
        let mut person = rolled(&tree, number)?;
        let mut identifiers = catalog::identifiers(&tree, number)?;
        identifiers.push(identifier.to_string());
        if identifiers.len() > IDENTIFIERS_MAX {
            return Err(Error::invalid(format!("a person has at most {IDENTIFIERS_MAX} identifiers")));
        }
        person.identifiers = identifiers.len() as u8;
        let mut changes = Changes::new();
        catalog::put_person(&mut changes, view.tagger(), number, &person, &identifiers)?;
        drop(view);
        let log = keyring.head().log;
        commit::commit_locked(state, keyring, &changes, log, |_| {})
    })
}

/// Runs `change` with the numbers of two people who stand in the key tree, under the committer's lock, unless a
/// hold forbids it. No frame is written meanwhile: nobody is born, and no hold is placed.
fn with_rolled(
    state: &Arc<State>,
    (action, by): (Action, By<'_>),
    names: [&str; 2],
    change: impl FnOnce(&Keyring, [PersonNumber; 2]) -> Result<()>,
) -> Result<()> {
    let numbers = || -> Result<([PersonNumber; 2], bool)> {
        let view = state.view.read();
        let [a, b] = names.map(|name| number(&view, name));
        let (a, b) = (a?, b?);
        Ok(([a, b], view.is_born(a) || view.is_born(b)))
    };
    if numbers()?.1 {
        // People get their keys, and so their place for links, when the journal is rolled.
        commit::roll_now(state)?;
    }
    let keyring = state.keyring.lock();
    let (found, _) = numbers()?;
    let [a, b] = found;
    if a == b && names[0] != names[1] {
        return Ok(());
    }
    for (_, waiting) in catalog::waiting(&keyring.tree())? {
        // Accepted, though its pass has not begun: the one would go and the other stay.
        if let Target::Persons(numbers) = &waiting.target
            && (numbers.contains(&a) || numbers.contains(&b))
        {
            return Err(being_erased());
        }
        if let Target::Rename { person, .. } = waiting.target
            && (person == a || person == b)
        {
            return Err(
                Error::new(ErrorKind::Busy, "a name of the person is being taken away").hint("repeat")
            );
        }
    }
    let ground = {
        let _no_frame = state.writer.lock();
        match ask(state, action, found)? {
            Ok(_permit) => return change(&keyring, found),
            Err(ground) => ground,
        }
    };
    drop(keyring);
    let refused =
        refused::error(&ground).hint("who is held stays who she is; repeat once the hold is lifted");
    let people = found.to_vec();
    refused::record(state, by.queue, by.actor, &Refusal { action, ground, records: 0, people })?;
    Err(refused)
}

/// Asks what holds say of a change to two people.
fn ask(
    state: &State,
    action: Action,
    people: [PersonNumber; 2],
) -> Result<std::result::Result<Permit, Ground>> {
    let view = state.view.read();
    view.check_rules()?;
    let standing = Standing::of(&view)?;
    let mut codes: Vec<String> = Vec::new();
    for code in people.iter().flat_map(|number| standing.on_person(*number)) {
        if !codes.iter().any(|known| known == code) {
            codes.push(code.to_owned());
        }
    }
    if matches!(action, Action::Link | Action::Unlink) {
        // Who waits for the rest of an erasure goes with those who were linked then, and with nobody else.
        for placed in view.rules().holds.iter().filter(|placed| placed.waits()) {
            if let Scope::Person(number) = placed.hold.scope
                && view.linked(PersonNumber(number))?.iter().any(|one| people.contains(one))
            {
                codes.push(placed.hold.code.clone());
            }
        }
    }
    let reach = if codes.is_empty() { Reach::None } else { Reach::All };
    let facts = Facts { held: Held { reach, codes }, ..Facts::default() };
    Ok(policy::ask(action, &facts, state.env.clock.now()).map(|(permit, _)| permit))
}

fn number(view: &View, name: &str) -> Result<PersonNumber> {
    let number = view.number(name)?.ok_or_else(|| Error::not_found("no such person"))?;
    if view.mask.hides(number) { Err(being_erased()) } else { Ok(number) }
}

fn being_erased() -> Error {
    Error::new(ErrorKind::Busy, "the person is being erased")
}

fn rolled(tree: &Tree, number: PersonNumber) -> Result<Person> {
    catalog::person(tree, number)?
        .ok_or_else(|| Error::new(ErrorKind::Busy, "the person is not rolled yet").hint("repeat"))
}

fn set_links(
    state: &Arc<State>,
    keyring: &Keyring,
    [a, b]: [PersonNumber; 2],
    set: impl Fn(&mut Vec<PersonNumber>, PersonNumber),
) -> Result<()> {
    let tagger = state.view.read().tagger().clone();
    let tree = keyring.tree();
    let mut changes = Changes::new();
    for (one, other) in [(a, b), (b, a)] {
        let mut person = rolled(&tree, one)?;
        set(&mut person.linked, other);
        catalog::put_person(&mut changes, &tagger, one, &person, &[])?;
    }
    let log = keyring.head().log;
    commit::commit_locked(state, keyring, &changes, log, View::note_links)
}
