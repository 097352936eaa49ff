//! The gate: what is kept for a purpose that needs consent is taken only where there is one, and what is
//! said of a held record only where that leaves it as it is.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::id::{Micros, PersonNumber};
use crate::index::People;
use crate::ingest::about::About;
use crate::ingest::assemble::Draft;
use crate::ingest::refused::{self, Refusal};
use crate::policy::selector::RecordFacts;
use crate::policy::{self, Action, Facts, Ground, Held, Reach};
use crate::query::held::Keeps;
use crate::record::stored::{QUARANTINED, RELEASED, REMOVED};
use crate::record::{Kind, Record, Stored, StoredRef};
use crate::register::Registers;
use crate::register::hold::{Placed, Scope};
use crate::register::settings::Gate;
use crate::view::View;

/// Records of one batch, each about the next, that are asked about; of more any hold is taken to keep one.
const CHAIN_MAX: usize = 64;

impl Draft<'_, '_> {
    /// Asks whether a record may be kept: each of its subjects must have consented to every purpose that it
    /// is kept for and that needs it. Who is not known yet has not. Answers whether it goes into quarantine.
    ///
    /// What speaks of another record is asked what that one is asked too: a new wording of what needs consent needs it
    /// likewise, whatever channel it names. It is not put there apart: it would change how that one is found, or be
    /// found without it. Only to take something back needs no consent.
    ///
    /// # Errors
    /// *Refused*; the message names the purposes, and nobody.
    pub(super) fn pass_gate(
        &self,
        record: &Record,
        subjects: impl Iterator<Item = Option<PersonNumber>> + Clone,
    ) -> Result<bool> {
        let gate = self.rules.settings.gate;
        if gate == Gate::Open || record.kind == Kind::Delete {
            return Ok(false);
        }
        let now = self.env.clock.now();
        let mut missing = missing(self.view, &self.rules, &RecordFacts::from(record), subjects, now)?;
        self.add_missing_of_target(record, &mut missing, now)?;
        let facts = Facts { missing_consents: missing, ..Facts::default() };
        if gate == Gate::Quarantine && !record.kind.has_target() {
            let asked = policy::ask(Action::Append, &facts, now);
            if matches!(asked, Err(Ground::Consent { .. })) {
                return Ok(true);
            }
        }
        self.decide(Action::Append, &facts, now).map(|()| false)
    }

    /// Adds purposes that are missing for what a record speaks of, and for what that speaks of.
    fn add_missing_of_target(&self, record: &Record, missing: &mut Vec<String>, now: Micros) -> Result<()> {
        if !record.kind.has_target() || self.rules.settings.gate_rules.is_empty() {
            return Ok(());
        }
        let mut next = record.target.as_deref().map(|target| Zeroizing::new(target.to_owned()));
        for _ in 0..CHAIN_MAX {
            let Some(id) = next.take() else { return Ok(()) };
            let (more, target) = match self.about(&record.conversation, &id)? {
                About::Drafted(of) => {
                    (missing_of(self.view, &self.rules, &of, now)?, of.target.map(str::to_owned))
                }
                About::There(place) => {
                    let of = Zeroizing::new(place.part.record(place.doc)?);
                    (missing_of(self.view, &self.rules, &of.borrowed(), now)?, of.target.clone())
                }
                // What it will be kept for nobody knows yet.
                About::Unknown => return Ok(()),
            };
            for code in more {
                if !missing.contains(&code) {
                    missing.push(code);
                }
            }
            next = target.map(Zeroizing::new);
        }
        Ok(())
    }

    /// Asks whether a record that is said to be released from quarantine may be: as if it came in now, whatever the
    /// gate does with others.
    ///
    /// # Errors
    /// *Refused* as of [`Self::pass_gate`]; *invalid* if it is not there: whoever comes later is asked then.
    pub(super) fn ask_release(&self, record: &Record, of: Option<&StoredRef<'_>>) -> Result<()> {
        if record.kind != Kind::Tag || !record.tags.iter().any(|tag| tag == RELEASED) {
            return Ok(());
        }
        let Some(of) = of else {
            return Err(Error::invalid("only what came in is released from quarantine"));
        };
        if of.class & QUARANTINED == 0 {
            return Ok(());
        }
        let now = self.env.clock.now();
        let missing = missing_of(self.view, &self.rules, of, now)?;
        self.decide(Action::Append, &Facts { missing_consents: missing, ..Facts::default() }, now)
    }

    /// Asks about one record. A refusal is noted, to become a record itself.
    fn decide(&self, action: Action, facts: &Facts, now: Micros) -> Result<()> {
        let ground = match policy::ask(action, facts, now) {
            Ok(_) => return Ok(()),
            Err(ground) => ground,
        };
        let error = match &ground {
            Ground::Hold { .. } => refused::error(&ground)
                .hint("what is held is neither hidden nor changed; give it again once the hold is lifted"),
            other => refused::error(other),
        };
        let refusal = Refusal { action, ground, records: 1, people: Vec::new() };
        refusal.join(&mut self.refusals.borrow_mut());
        Err(error)
    }

    /// Asks whether what is said of a record may be: holds keep it from being hidden and from being changed, and so
    /// does its restriction, but for her who had it restricted (GDPR article 18 (2)).
    ///
    /// # Errors
    /// *Refused*; the message names the holds.
    pub(super) fn ask_holds(
        &self,
        record: &Record,
        author: Option<PersonNumber>,
        about: &About<'_>,
    ) -> Result<()> {
        let action = match record.kind {
            Kind::Edit => Action::UserEdit,
            Kind::Delete => Action::UserDelete,
            Kind::Tag if record.extra.iter().any(|(name, _)| name == REMOVED) => Action::Correct,
            // A reaction, or a tag more, changes nothing that is there.
            _ => return Ok(()),
        };
        let holds = &self.view.rules().holds;
        let mut facts = Facts::default();
        if holds.standing().next().is_some() {
            let codes = self.codes_on(record, author, about)?;
            let reach = if codes.is_empty() { Reach::None } else { Reach::All };
            facts.held = Held { reach, codes };
        }
        if !self.sees && holds.iter().any(Placed::restricts) {
            (facts.restricted, facts.asked_by_person) = self.restricted(author, about)?;
        }
        self.decide(action, &facts, self.env.clock.now())
    }

    /// Whether somebody had restricted what a record is about, and whether it is she who says it.
    fn restricted(&self, author: Option<PersonNumber>, about: &About<'_>) -> Result<(bool, bool)> {
        let (there, root);
        let (subjects, owners, conversation) = match about {
            About::There(place) => {
                there = Zeroizing::new(place.part.record(place.doc)?);
                let seq = self.view.roots(&[place.part.key(place.doc)?.seq])?.pop().flatten();
                root = seq.map(|root| self.view.record_at(root)).transpose()?.flatten();
                // One that came before its record is of whom it named itself; whose that record is counts too.
                let is_early =
                    |root: &&Zeroizing<Stored>| !root.subjects.iter().all(|one| there.subjects.contains(one));
                let owners = root.as_ref().filter(is_early).unwrap_or(&there);
                (&*there.subjects, &*owners.subjects, there.conversation.as_str())
            }
            About::Drafted(stored) => (stored.subjects, stored.subjects, stored.conversation),
            // Whose it will be nobody knows yet.
            About::Unknown => return Ok((false, false)),
        };
        let (mut restricted, mut by_her) = (false, true);
        for placed in self.view.rules().holds.iter().filter(|placed| placed.restricts()) {
            let linked;
            let of = match &placed.hold.scope {
                Scope::Person(number) => {
                    linked = self.view.linked(PersonNumber(*number))?;
                    if !subjects.iter().chain(owners).any(|subject| linked.contains(subject)) {
                        continue;
                    }
                    &*linked
                }
                Scope::Conversation(name) if name == conversation => owners,
                _ => continue,
            };
            restricted = true;
            by_her &= author.is_some_and(|author| of.contains(&author));
        }
        Ok((restricted, restricted && by_her))
    }

    /// Codes of holds on what a record is about.
    fn codes_on(
        &self,
        record: &Record,
        author: Option<PersonNumber>,
        about: &About<'_>,
    ) -> Result<Vec<String>> {
        let keeps = match self.keeps.get() {
            Some(keeps) => keeps,
            None => {
                let keeps = Keeps::holding(self.view)?;
                self.keeps.get_or_init(|| keeps)
            }
        };
        let mut codes: Vec<String> = Vec::new();
        let mut drafted = match about {
            About::There(place) => return keeps.on(place.part, place.doc),
            About::Drafted(stored) => *stored,
            // It may come yet. What its words will be nobody knows, but where it will stand, and whose it is.
            About::Unknown => {
                let people: Vec<_> = author.into_iter().collect();
                codes.extend(keeps.standing().on_any(&record.conversation, &people).map(str::to_owned));
                return Ok(codes);
            }
        };
        // What is on its way with it may be about another in its turn.
        for _ in 0..CHAIN_MAX {
            codes.extend(keeps.standing().on_record(&drafted)?.into_iter().map(str::to_owned));
            let Some(target) = drafted.target else { return Ok(codes) };
            match self.about(drafted.conversation, target)? {
                About::Drafted(next) => drafted = next,
                About::There(place) => {
                    codes.extend(keeps.on(place.part, place.doc)?);
                    return Ok(codes);
                }
                About::Unknown => return Ok(codes),
            }
        }
        codes.extend(keeps.standing().codes().map(str::to_owned));
        Ok(codes)
    }
}

/// Purposes that a record in the store is kept for and that one of its subjects doesn't allow.
///
/// # Errors
/// Unreadable files.
pub(crate) fn missing_of(
    view: &View,
    rules: &Arc<Registers>,
    of: &StoredRef<'_>,
    now: Micros,
) -> Result<Vec<String>> {
    let author = Zeroizing::new(view.name(of.author)?.unwrap_or_default());
    let (kind, conversation, channel, tags) = (of.kind, of.conversation, of.channel, of.tags);
    let facts = RecordFacts { kind, conversation, author: &author, channel, tags };
    missing(view, rules, &facts, of.subjects.iter().copied().map(Some), now)
}

/// Purposes that a record is kept for and that one of its subjects doesn't allow.
///
/// # Errors
/// Unreadable files.
fn missing(
    view: &View,
    rules: &Arc<Registers>,
    facts: &RecordFacts<'_>,
    subjects: impl Iterator<Item = Option<PersonNumber>> + Clone,
    now: Micros,
) -> Result<Vec<String>> {
    let mut missing: Vec<String> = Vec::new();
    for (_, rule) in rules.settings.gate_rules.iter().filter(|(condition, _)| condition.holds(facts)) {
        for code in &rule.purposes {
            if missing.contains(code) {
                continue;
            }
            // A purpose that was given up is none to keep anything for.
            let is_allowed = match rules.purposes.active(code).map(|purpose| purpose.needs_consent) {
                None => false,
                Some(false) => true,
                Some(true) => all_consent(view, rules, subjects.clone(), (code, now))?,
            };
            if !is_allowed {
                missing.push(code.clone());
            }
        }
    }
    Ok(missing)
}

fn all_consent(
    view: &View,
    rules: &Arc<Registers>,
    subjects: impl Iterator<Item = Option<PersonNumber>>,
    (purpose, now): (&str, Micros),
) -> Result<bool> {
    for subject in subjects {
        let Some(number) = subject else { return Ok(false) };
        if !view.allows(rules, number, purpose, now)? {
            return Ok(false);
        }
    }
    Ok(true)
}
