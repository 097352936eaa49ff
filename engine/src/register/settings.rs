//! What the store was told to do of itself: the gate of appends, what a user's deletion does, who must
//! agree, how long evidence is kept.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::id::PersonNumber;
use crate::policy::selector::Condition;
use crate::policy::span::Span;
use crate::register::form::check_code;
use crate::register::request::Same;

/// What becomes of a record whose person has not consented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// It is taken: nothing is asked.
    #[default]
    Open,
    /// It is refused.
    Refuse,
    /// It is taken, and nobody finds it until it is released, for which there must be a consent.
    Quarantine,
}

/// What a user's deletion does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deletion {
    /// It hides.
    #[default]
    Hide,
    /// It hides, and the next run of retention erases.
    Erase,
}

/// Which purposes a record is kept for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateRule {
    /// Which records: conditions as of a retention class; `*` is all.
    pub when: String,
    /// The purposes that they are kept for, all of which the person must allow.
    pub purposes: Vec<String>,
}

/// A change of settings. What is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// What becomes of what there is no consent for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// What is asked of which records, in the place of what was asked before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate_rules: Option<Vec<GateRule>>,
    /// What a user's deletion does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Deletion>,
    /// Whether somebody else than who asks must approve erasures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub four_eyes: Option<bool>,
    /// How long evidence outlives an erased person, as [`Span`] prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_evidence: Option<String>,
    /// How long behind the end of a hold what it kept is erased, and behind a deletion what it hid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<String>,
    /// How long records stay in quarantine at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<String>,
}

/// The settings of today.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What becomes of what there is no consent for.
    pub gate: Gate,
    /// What is asked of which records.
    pub gate_rules: Vec<(Condition, GateRule)>,
    /// What a user's deletion does.
    pub deletion: Deletion,
    /// Whether somebody else than who asks must approve erasures.
    pub four_eyes: bool,
    /// Who wants that to end. It takes somebody else who wants it too.
    pub ends_four_eyes: Option<PersonNumber>,
    /// How long evidence outlives an erased person.
    pub keep_evidence: Span,
    /// How long behind the end of a hold what it kept is erased by the next run of retention, and behind a deletion
    /// what it hid; at once if nothing is said.
    pub grace: Option<Span>,
    /// How long records stay in quarantine at most.
    pub quarantine: Span,
    /// Whether the gate ever put records in quarantine.
    pub has_quarantine: bool,
}

/// Three years: claims become barred then in many places, of German law by § 195 BGB; GDPR article 7 (1)
/// asks for the proof as long as it may be asked for.
const EVIDENCE: &str = "3y";

/// A month: as long as somebody who is asked has to answer, by the measure of GDPR article 12 (3); what nobody allows
/// until then is kept for nothing (article 5 (1) (e)).
const QUARANTINE: &str = "30d";

impl Default for Settings {
    fn default() -> Self {
        #[expect(clippy::expect_used, reason = "a constant that a test reads")]
        let [keep_evidence, quarantine] =
            [EVIDENCE, QUARANTINE].map(|text| Span::parse(text).expect("a span"));
        Self {
            gate: Gate::default(),
            gate_rules: Vec::new(),
            deletion: Deletion::default(),
            four_eyes: false,
            ends_four_eyes: None,
            keep_evidence,
            grace: None,
            quarantine,
            has_quarantine: false,
        }
    }
}

impl Settings {
    /// Whether a change may happen. `has_purpose` says which purposes there are.
    ///
    /// # Errors
    /// *Invalid* and *not found*.
    pub fn check(
        &self,
        event: &Event,
        (author, same): (PersonNumber, Same<'_>),
        has_purpose: impl Fn(&str) -> bool,
    ) -> Result<()> {
        if self.four_eyes && event.four_eyes == Some(false) {
            if author == PersonNumber::STORE {
                return Err(Error::invalid("nobody is named who ends the four eyes")
                    .hint("name who acts: `--as ACTOR`"));
            }
            if self.ends_four_eyes.map(same).transpose()?.is_some_and(|one| one.contains(&author)) {
                return Err(Error::new(ErrorKind::Refused, "somebody else must say so too")
                    .hint("what two must agree to takes two to be switched off"));
            }
        }
        for rule in event.gate_rules.iter().flatten() {
            Condition::parse(&rule.when).map_err(|e| e.context("when"))?;
            if rule.purposes.is_empty() {
                return Err(Error::invalid("purposes: one at least must be named"));
            }
            for code in &rule.purposes {
                check_code("purpose", code)?;
                if !has_purpose(code) {
                    return Err(Error::not_found("no such purpose is in use"));
                }
            }
        }
        let spans = [
            ("keep_evidence", &event.keep_evidence),
            ("grace", &event.grace),
            ("quarantine", &event.quarantine),
        ];
        for (field, span) in spans {
            span.as_deref().map(Span::parse).transpose().map_err(|e| e.context(field))?;
        }
        if *event == Event::default() {
            return Err(Error::invalid("nothing is to be changed"));
        }
        Ok(())
    }

    /// What a change does. Four eyes end when a second person says so.
    pub fn apply(&mut self, event: Event, author: PersonNumber) {
        self.gate = event.gate.unwrap_or(self.gate);
        self.deletion = event.deletion.unwrap_or(self.deletion);
        match event.four_eyes {
            Some(true) => (self.four_eyes, self.ends_four_eyes) = (true, None),
            Some(false) if self.four_eyes && self.ends_four_eyes.is_none_or(|one| one == author) => {
                self.ends_four_eyes = Some(author);
            }
            Some(false) => (self.four_eyes, self.ends_four_eyes) = (false, None),
            None => {}
        }
        if let Some(rules) = event.gate_rules {
            let read = |rule: GateRule| Some((Condition::parse(&rule.when).ok()?, rule));
            self.gate_rules = rules.into_iter().filter_map(read).collect();
        }
        let span = |text: Option<String>| text.and_then(|text| Span::parse(&text).ok());
        self.keep_evidence = span(event.keep_evidence).unwrap_or(self.keep_evidence);
        self.grace = span(event.grace).or(self.grace);
        self.quarantine = span(event.quarantine).unwrap_or(self.quarantine);
        self.has_quarantine |= self.gate == Gate::Quarantine;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DANA: PersonNumber = PersonNumber(7);

    fn alone(number: PersonNumber) -> Result<Vec<PersonNumber>> {
        Ok(vec![number])
    }

    #[test]
    fn what_is_left_out_stays() {
        let mut settings = Settings::default();
        assert_eq!(settings.keep_evidence.to_string(), EVIDENCE);
        let has = |code: &str| code == "support";
        let rule = |when: &str, purpose: &str| GateRule { when: when.into(), purposes: vec![purpose.into()] };
        let event = Event {
            gate: Some(Gate::Refuse),
            gate_rules: Some(vec![rule("kind:message", "support")]),
            ..Event::default()
        };
        settings.check(&event, (DANA, &alone), has).unwrap();
        settings.apply(event, DANA);
        settings.apply(Event { four_eyes: Some(true), ..Event::default() }, DANA);
        assert_eq!((settings.gate, settings.gate_rules.len(), settings.four_eyes), (Gate::Refuse, 1, true));
        for wrong in [
            Event::default(),
            Event { gate_rules: Some(vec![rule("hello", "support")]), ..Event::default() },
            Event { gate_rules: Some(vec![rule("*", "ads")]), ..Event::default() },
            Event { grace: Some("a week".into()), ..Event::default() },
        ] {
            assert!(settings.check(&wrong, (DANA, &alone), has).is_err());
        }
    }

    #[test]
    fn four_eyes_are_ended_by_two() {
        let mut settings = Settings::default();
        let switch = |on: bool| Event { four_eyes: Some(on), ..Event::default() };
        let has = |_: &str| false;
        settings.apply(switch(true), DANA);
        assert_eq!(
            settings.check(&switch(false), (PersonNumber::STORE, &alone), has).unwrap_err().kind(),
            ErrorKind::Invalid
        );
        settings.check(&switch(false), (DANA, &alone), has).unwrap();
        settings.apply(switch(false), DANA);
        assert_eq!((settings.four_eyes, settings.ends_four_eyes), (true, Some(DANA)));
        assert_eq!(
            settings.check(&switch(false), (DANA, &alone), has).unwrap_err().kind(),
            ErrorKind::Refused
        );
        settings.apply(switch(false), DANA);
        assert!(settings.four_eyes, "one is one");
        settings.apply(switch(false), PersonNumber(8));
        assert_eq!((settings.four_eyes, settings.ends_four_eyes), (false, None));
    }
}
