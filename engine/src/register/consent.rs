//! Consents after ISO/IEC TS 27560: who was asked what under which text, and what became of it. They are
//! sealed under a key of their own for each person, and outlive her chats as long as the store says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::id::{Micros, Seq};
use crate::register::form::{check_code, check_text, instant_if_any};
use crate::register::notice::Notices;
use crate::register::purpose::Purposes;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// The person was asked.
    Ask,
    /// She said yes (GDPR article 7).
    Give,
    /// She said no.
    Refuse,
    /// She took her yes back (article 7 (3)).
    Withdraw,
}

impl Deed {
    /// Every deed.
    pub const ALL: [Self; 4] = [Self::Ask, Self::Give, Self::Refuse, Self::Withdraw];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Give => "give",
            Self::Refuse => "refuse",
            Self::Withdraw => "withdraw",
        }
    }

    /// The deed with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|deed| deed.name() == name)
    }

    /// Whether it changes where somebody stands who did another thing last. Who has consented and is asked again has
    /// consented until she answers.
    pub fn counts_behind(self, last: Option<Self>) -> bool {
        self != Self::Ask || last != Some(Self::Give)
    }

    /// Until when there is a consent by it, this instant left out, by these notices; [`Micros::MIN`] if it gives none.
    pub fn stands_until(
        self,
        notice: Option<(&str, u32)>,
        expires: Option<Micros>,
        notices: &Notices,
    ) -> Micros {
        if self != Self::Give {
            return Micros::MIN;
        }
        let changed = notice.and_then(|(id, version)| notices.changes_behind(id, version));
        [expires, changed].into_iter().flatten().min().unwrap_or(Micros::MAX)
    }
}

/// A consent event, as its record says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// What was done.
    pub event: Deed,
    /// Identifier of the person, as it was then: this outlives what it stands in elsewhere.
    pub person: String,
    /// Purposes it is about.
    pub purposes: Vec<String>,
    /// The notice that was shown, its version, language and hash; of a withdrawal those of what is
    /// withdrawn may be left out.
    pub notice: Option<Shown>,
    /// How it was said: `click`, `spoken`, `written`, …
    pub method: String,
    /// Where: `web`, `phone`, …
    pub channel: String,
    /// Until when it holds, if that is limited.
    #[serde(with = "instant_if_any")]
    pub expires: Option<Micros>,
}

/// What a person was shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// Which notice.
    pub id: String,
    /// Its version.
    pub version: u32,
    /// The language of the text.
    pub language: String,
    /// SHA-256 of the text.
    pub hash: String,
}

/// Where a consent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The person was asked and has not answered.
    Asked,
    /// It was given, and holds.
    Given,
    /// It was refused.
    Refused,
    /// It was withdrawn.
    Withdrawn,
    /// Its time is over.
    Expired,
    /// A later text changes what was consented to.
    ReconsentDue,
}

impl State {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Given => "given",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
            Self::ReconsentDue => "re-consent-due",
        }
    }
}

/// What one person said about one purpose last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// What was done.
    pub deed: Deed,
    /// When.
    pub at: Micros,
    /// Where it stands in the log.
    pub seq: Seq,
    /// The notice that was shown.
    pub notice: Option<(String, u32)>,
    /// Until when it holds.
    pub expires: Option<Micros>,
}

impl Said {
    /// Where that stands at a time. A new text asks for a new consent only where it is material.
    pub fn state(&self, notices: &Notices, now: Micros) -> State {
        match self.deed {
            Deed::Ask => State::Asked,
            Deed::Refuse => State::Refused,
            Deed::Withdraw => State::Withdrawn,
            Deed::Give if self.expires.is_some_and(|until| until <= now) => State::Expired,
            Deed::Give => match &self.notice {
                Some((id, version)) if notices.is_changed_since(id, *version, now) => State::ReconsentDue,
                _ => State::Given,
            },
        }
    }
}

/// All that one person said, by purpose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consents(BTreeMap<String, Said>);

impl Consents {
    /// What was said about each purpose last.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Said)> {
        self.0.iter().map(|(code, said)| (code.as_str(), said))
    }

    /// What was said about a purpose last.
    pub fn of(&self, purpose: &str) -> Option<&Said> {
        self.0.get(purpose)
    }

    /// Whether there is a consent for a purpose that holds at a time.
    pub fn holds(&self, purpose: &str, notices: &Notices, now: Micros) -> bool {
        self.of(purpose).is_some_and(|said| said.state(notices, now) == State::Given)
    }

    /// Adds what somebody said who is the same person: of each purpose the newest counts. Who is only asked has not
    /// said anything yet.
    pub fn join(&mut self, other: &Self) {
        let rank = |said: &Said| (said.deed != Deed::Ask, said.seq);
        for (code, said) in &other.0 {
            if self.0.get(code).is_none_or(|own| rank(own) < rank(said)) {
                self.0.insert(code.clone(), said.clone());
            }
        }
    }

    /// Until when there is a consent for a purpose that holds, this instant left out, by these notices;
    /// [`Micros::MIN`] if there is none.
    pub fn until(&self, purpose: &str, notices: &Notices) -> Micros {
        let Some(said) = self.of(purpose) else { return Micros::MIN };
        let notice = said.notice.as_ref().map(|(id, version)| (id.as_str(), *version));
        said.deed.stands_until(notice, said.expires, notices)
    }

    /// Whether an event may happen.
    ///
    /// # Errors
    /// *Invalid* and *not found* for what it names; *refused* for what can't be said now.
    pub fn check(&self, event: &Event, notices: &Notices, purposes: &Purposes, now: Micros) -> Result<()> {
        check_text("person", &event.person)?;
        check_code("method", &event.method)?;
        check_code("channel", &event.channel)?;
        if event.purposes.is_empty() {
            return Err(Error::invalid("purposes: one at least must be named"));
        }
        for code in &event.purposes {
            let known =
                if event.event == Deed::Withdraw { purposes.get(code) } else { purposes.active(code) };
            known.ok_or_else(|| Error::not_found("no such purpose is in use"))?;
        }
        if event.expires.is_some_and(|until| event.event != Deed::Give || until <= now) {
            return Err(Error::invalid("expires: must lie ahead, and belongs to what is given"));
        }
        match (&event.notice, event.event) {
            (None, Deed::Withdraw) => {}
            (None, _) => return Err(Error::invalid("notice: consent is asked for and given under a notice")),
            (Some(shown), deed) => self.check_shown(shown, event, deed, notices, now)?,
        }
        if event.event == Deed::Withdraw {
            let given = |code: &String| self.of(code).is_some_and(|said| said.deed == Deed::Give);
            if !event.purposes.iter().all(given) {
                return Err(Error::new(ErrorKind::Refused, "no consent was given that could be withdrawn"));
            }
        }
        Ok(())
    }

    fn check_shown(
        &self,
        shown: &Shown,
        event: &Event,
        deed: Deed,
        notices: &Notices,
        now: Micros,
    ) -> Result<()> {
        let version = notices.version(&shown.id, shown.version);
        let version = version.ok_or_else(|| Error::not_found("no such version of a notice"))?;
        let text = version.texts.get(&shown.language);
        let text = text.ok_or_else(|| Error::not_found("the notice has no text in this language"))?;
        if shown.hash != text.hash {
            return Err(Error::invalid("hash: is not that of the text of the notice"));
        }
        if deed == Deed::Withdraw {
            return Ok(());
        }
        let is_shown = notices.shown(&shown.id, now).is_some_and(|(number, _)| number == shown.version);
        if !is_shown || text.valid_from > now {
            return Err(Error::new(
                ErrorKind::Refused,
                "this version of the notice is not the one that is shown",
            ));
        }
        if event.purposes.iter().all(|code| text.purposes.contains(code)) {
            return Ok(());
        }
        Err(Error::invalid("purposes: the notice does not explain all of them"))
    }

    /// What an event does.
    pub fn apply(&mut self, event: &Event, at: Micros, seq: Seq) {
        for code in &event.purposes {
            if !event.event.counts_behind(self.of(code).map(|said| said.deed)) {
                continue;
            }
            let notice = event.notice.as_ref().map(|shown| (shown.id.clone(), shown.version));
            let said = Said { deed: event.event, at, seq, notice, expires: event.expires };
            self.0.insert(code.clone(), said);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register::notice;
    use crate::register::purpose::{self, LawfulBasis, Purpose};

    fn world() -> (Notices, Purposes) {
        let mut purposes = Purposes::default();
        for code in ["support", "ads"] {
            let (code, title) = (code.to_owned(), code.to_owned());
            let basis = LawfulBasis::Consent;
            purposes.apply(purpose::Event::Define(Purpose {
                code,
                title,
                basis,
                class: None,
                needs_consent: true,
            }));
        }
        let mut notices = Notices::default();
        draft(&mut notices, 1, false);
        (notices, purposes)
    }

    fn draft(notices: &mut Notices, version: u32, material: bool) {
        draft_from(notices, version, material, Micros(0));
    }

    fn draft_from(notices: &mut Notices, version: u32, material: bool, valid_from: Micros) {
        let text = format!("text {version}");
        notices.apply(
            notice::Event::Draft(notice::Text {
                id: "n".into(),
                version,
                language: "en".into(),
                title: "t".into(),
                hash: notice::hash_of(&text),
                text,
                purposes: vec!["support".into()],
                valid_from,
                material,
            }),
            Micros(0),
        );
        notices.apply(notice::Event::Publish { id: "n".into(), version }, Micros(0));
    }

    fn event(deed: Deed, version: u32) -> Event {
        Event {
            event: deed,
            person: "anna".into(),
            purposes: vec!["support".into()],
            notice: Some(Shown {
                id: "n".into(),
                version,
                language: "en".into(),
                hash: notice::hash_of(&format!("text {version}")),
            }),
            method: "click".into(),
            channel: "web".into(),
            expires: None,
        }
    }

    #[test]
    fn a_consent_lives_and_ends() {
        let (mut notices, purposes) = world();
        let mut said = Consents::default();
        let mut play = |event: &Event, notices: &Notices, at| -> Result<State> {
            said.check(event, notices, &purposes, Micros(at))?;
            said.apply(event, Micros(at), Seq(at.cast_unsigned()));
            Ok(said.of("support").unwrap().state(notices, Micros(at)))
        };
        let withdrawal = play(&event(Deed::Withdraw, 1), &notices, 1);
        assert_eq!(withdrawal.unwrap_err().kind(), ErrorKind::Refused);
        assert_eq!(play(&event(Deed::Ask, 1), &notices, 2).unwrap(), State::Asked);
        assert_eq!(play(&event(Deed::Refuse, 1), &notices, 3).unwrap(), State::Refused);
        let limited = Event { expires: Some(Micros(100)), ..event(Deed::Give, 1) };
        assert_eq!(play(&limited, &notices, 4).unwrap(), State::Given);
        // Asked again: what she said holds until she answers.
        assert_eq!(play(&event(Deed::Ask, 1), &notices, 5).unwrap(), State::Given);
        assert_eq!(play(&event(Deed::Withdraw, 1), &notices, 6).unwrap(), State::Withdrawn);
        assert!(play(&event(Deed::Withdraw, 1), &notices, 7).is_err());
        assert_eq!(play(&limited, &notices, 8).unwrap(), State::Given);
        draft(&mut notices, 2, true);
        assert_eq!(said.of("support").unwrap().state(&notices, Micros(9)), State::ReconsentDue);
        assert_eq!(said.of("support").unwrap().state(&notices, Micros(100)), State::Expired);
        assert!(!said.holds("support", &notices, Micros(9)) && !said.holds("ads", &notices, Micros(9)));
    }

    #[test]
    fn of_two_who_are_one_the_newest_counts() {
        let (notices, _) = world();
        let said = |deeds: &[(Deed, u64)]| {
            let mut said = Consents::default();
            deeds.iter().for_each(|(deed, seq)| said.apply(&event(*deed, 1), Micros(1), Seq(*seq)));
            said
        };
        for (one, other, holds) in [
            (said(&[(Deed::Give, 1)]), said(&[(Deed::Withdraw, 2)]), false),
            (said(&[(Deed::Give, 3)]), said(&[(Deed::Refuse, 2)]), true),
            (said(&[(Deed::Give, 1)]), said(&[(Deed::Ask, 2)]), true),
            (said(&[(Deed::Give, 1)]), said(&[(Deed::Refuse, 2), (Deed::Ask, 3), (Deed::Give, 4)]), true),
            (said(&[(Deed::Give, 1)]), Consents::default(), true),
        ] {
            for (mut all, more) in [(one.clone(), &other), (other.clone(), &one)] {
                all.join(more);
                assert_eq!(all.holds("support", &notices, Micros(5)), holds, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn until_when_a_consent_stands_says_when_it_holds() {
        let (notices, _) = world();
        let [mut changed, mut to_change] = [world().0, world().0];
        draft(&mut changed, 2, true);
        draft_from(&mut to_change, 2, true, Micros(60));
        for deed in [Deed::Ask, Deed::Give, Deed::Refuse, Deed::Withdraw] {
            for expires in [None, Some(Micros(100))] {
                let mut said = Consents::default();
                said.apply(&Event { expires, ..event(deed, 1) }, Micros(4), Seq(4));
                let asked = [&notices, &changed, &to_change];
                let asked = asked.into_iter().flat_map(|n| [9, 59, 60, 99, 100, 101].map(|at| (n, at)));
                for (notices, at) in asked {
                    for purpose in ["support", "ads"] {
                        let holds = said.holds(purpose, notices, Micros(at));
                        assert_eq!(Micros(at) < said.until(purpose, notices), holds, "{deed:?} {at}");
                    }
                }
            }
        }
    }

    #[test]
    fn nobody_consents_to_what_she_was_not_shown() {
        let (mut notices, purposes) = world();
        let said = Consents::default();
        let refuse = |change: &dyn Fn(&mut Event), notices: &Notices| {
            let mut event = event(Deed::Give, 1);
            change(&mut event);
            said.check(&event, notices, &purposes, Micros(5)).unwrap_err()
        };
        assert!(refuse(&|e| e.notice = None, &notices).to_string().starts_with("notice"));
        assert!(refuse(&|e| e.purposes.push("ads".into()), &notices).to_string().starts_with("purposes"));
        assert!(refuse(&|e| e.expires = Some(Micros(5)), &notices).to_string().starts_with("expires"));
        let other = |e: &mut Event| e.notice.as_mut().unwrap().hash = "00".into();
        assert!(refuse(&other, &notices).to_string().starts_with("hash"));
        draft(&mut notices, 2, false);
        assert_eq!(refuse(&|_| (), &notices).kind(), ErrorKind::Refused);
    }
}
