//! Notices: what people were told before they were asked (GDPR articles 12 to 14). A version is drafted in
//! one language or several, frozen when it is published, superseded by the next one, or retired.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, ErrorKind, Result};
use crate::id::Micros;
use crate::register::form::{check_code, check_text, instant};

/// Longest text of a notice, bytes.
pub const NOTICE_LEN_MAX: usize = 64 << 10;

/// A version of a notice in one language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// Which notice.
    pub id: String,
    /// Its version, from 1.
    pub version: u32,
    /// Language of the text, as BCP 47 tags it.
    pub language: String,
    /// Heading.
    pub title: String,
    /// What people read.
    pub text: String,
    /// SHA-256 of the text, lower-case hexadecimal.
    pub hash: String,
    /// Codes of the purposes that it explains.
    pub purposes: Vec<String>,
    /// From when on it is shown.
    #[serde(with = "instant")]
    pub valid_from: Micros,
    /// Whether it changes what was consented to: who consented before is to be asked again.
    pub material: bool,
}

/// What happens to notices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// A text is written, or written anew while it is a draft.
    Draft(Text),
    /// Every language of a version is frozen.
    Publish {
        /// Which notice.
        id: String,
        /// Which version.
        version: u32,
    },
    /// A version is shown no more.
    Retire {
        /// Which notice.
        id: String,
        /// Which version.
        version: u32,
    },
}

/// State of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It can be changed, and nobody can consent under it.
    Draft,
    /// It is frozen, and shown once it is valid.
    Published,
    /// A later version is shown.
    Superseded,
    /// It was taken back.
    Retired,
}

/// A version of a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// What was done with it: drafted, published or retired. Whether a later one is shown says [`Notices::state`].
    pub state: State,
    /// Its texts by language.
    pub texts: BTreeMap<String, Text>,
    /// When it was published.
    pub published: Option<Micros>,
    /// When it was taken back.
    pub retired: Option<Micros>,
}

impl Version {
    /// Whether any of its texts changes what was consented to.
    pub fn is_material(&self) -> bool {
        self.texts.values().any(|text| text.material)
    }

    /// From when on it is the one that is shown: when it is published and its texts are valid in every language. None
    /// if it never will be: who is to be told of a change beforehand is told of one that comes.
    pub fn begins(&self) -> Option<Micros> {
        let valid_from = self.texts.values().map(|text| text.valid_from).max()?;
        let begins = self.published?.max(valid_from);
        self.retired.is_none_or(|at| at >= begins).then_some(begins)
    }

    fn has_begun(&self, now: Micros) -> bool {
        self.begins().is_some_and(|at| at <= now)
    }
}

/// All notices, by name and version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notices(BTreeMap<String, BTreeMap<u32, Version>>);

/// SHA-256 of the text of a notice, as consents quote it.
pub fn hash_of(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Notices {
    /// Every version of every notice.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u32, &Version)> {
        self.0.iter().flat_map(|(id, of)| of.iter().map(move |(number, v)| (id.as_str(), *number, v)))
    }

    /// A version.
    pub fn version(&self, id: &str, version: u32) -> Option<&Version> {
        self.0.get(id)?.get(&version)
    }

    /// The version that is shown at a time: the last that is valid then, if that was not taken back.
    pub fn shown(&self, id: &str, now: Micros) -> Option<(u32, &Version)> {
        let (number, last) = self.0.get(id)?.iter().rev().find(|(_, v)| v.has_begun(now))?;
        (last.state != State::Retired).then_some((*number, last))
    }

    /// Where a version stands at a time.
    pub fn state(&self, id: &str, version: u32, now: Micros) -> Option<State> {
        let of = self.0.get(id)?;
        let state = of.get(&version)?.state;
        let mut later = of.range(version.saturating_add(1)..);
        let is_superseded = state == State::Published && later.any(|(_, v)| v.has_begun(now));
        Some(if is_superseded { State::Superseded } else { state })
    }

    /// When versions begin to be shown, past and to come.
    pub fn turns(&self) -> impl Iterator<Item = Micros> {
        self.iter().filter_map(|(.., version)| version.begins())
    }

    /// The text that a person is shown, or was shown.
    pub fn text(&self, id: &str, version: u32, language: &str) -> Option<&Text> {
        self.version(id, version)?.texts.get(language)
    }

    /// Whether a material version behind one is valid at a time.
    pub fn is_changed_since(&self, id: &str, version: u32, now: Micros) -> bool {
        self.changes_behind(id, version).is_some_and(|at| at <= now)
    }

    /// From when on a material version behind one is valid, the first of them; past or to come.
    pub fn changes_behind(&self, id: &str, version: u32) -> Option<Micros> {
        let of = self.0.get(id).into_iter().flat_map(|of| of.range(version.saturating_add(1)..));
        of.filter(|(_, v)| v.is_material()).filter_map(|(_, v)| v.begins()).min()
    }

    /// Whether an event may happen. `has_purpose` says which purposes there are.
    ///
    /// # Errors
    /// *Invalid* or *not found*; *refused* for a version that is frozen.
    pub fn check(&self, event: &Event, has_purpose: impl Fn(&str) -> bool) -> Result<()> {
        match event {
            Event::Draft(text) => {
                check_code("notice", &text.id)?;
                check_text("title", &text.title)?;
                check_language(&text.language)?;
                if text.version == 0 {
                    return Err(Error::invalid("version: counts from 1"));
                }
                if text.text.trim().is_empty() || text.text.len() > NOTICE_LEN_MAX {
                    return Err(Error::invalid(format!("text: must have 1 to {NOTICE_LEN_MAX} bytes")));
                }
                if text.hash != hash_of(&text.text) {
                    return Err(Error::invalid("hash: is not the SHA-256 of the text"));
                }
                if text.purposes.is_empty() {
                    return Err(Error::invalid("purposes: a notice explains one at least"));
                }
                if !text.purposes.iter().all(|code| has_purpose(code)) {
                    return Err(Error::not_found("no such purpose").hint("`escrow purpose define` makes one"));
                }
                let newest = self.0.get(&text.id).and_then(|of| of.keys().next_back()).copied();
                if newest.is_some_and(|newest| text.version < newest) {
                    return Err(frozen("a later version of this notice exists"));
                }
                match self.version(&text.id, text.version) {
                    Some(v) if v.state != State::Draft => Err(frozen("this version is published and frozen")),
                    _ => Ok(()),
                }
            }
            Event::Publish { id, version } => match self.version(id, *version) {
                None => Err(Error::not_found("no such version of a notice")),
                Some(v) if v.state == State::Draft => Ok(()),
                Some(_) => Err(frozen("this version was published before")),
            },
            Event::Retire { id, version } => match self.version(id, *version) {
                None => Err(Error::not_found("no such version of a notice")),
                Some(v) if v.state == State::Retired => Err(frozen("this version is retired")),
                Some(_) => Ok(()),
            },
        }
    }

    /// What an event does. One that could not happen does nothing.
    pub fn apply(&mut self, event: Event, at: Micros) {
        match event {
            Event::Draft(text) => {
                let of = self.0.entry(text.id.clone()).or_default();
                let version = of.entry(text.version).or_insert_with(|| Version {
                    state: State::Draft,
                    texts: BTreeMap::new(),
                    published: None,
                    retired: None,
                });
                if version.state == State::Draft {
                    version.texts.insert(text.language.clone(), text);
                }
            }
            Event::Publish { id, version } => {
                let draft = self.0.get_mut(&id).and_then(|of| of.get_mut(&version));
                if let Some(v) = draft.filter(|v| v.state == State::Draft) {
                    (v.state, v.published) = (State::Published, Some(at));
                }
            }
            Event::Retire { id, version } => {
                if let Some(v) = self.0.get_mut(&id).and_then(|of| of.get_mut(&version)) {
                    (v.state, v.retired) = (State::Retired, Some(v.retired.unwrap_or(at)));
                }
            }
        }
    }
}

fn check_language(language: &str) -> Result<()> {
    let is_tag =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    if language.len() <= 35 && language.split('-').all(is_tag) {
        return Ok(());
    }
    Err(Error::invalid("language: must be a tag like de or pt-BR (BCP 47)"))
}

fn frozen(what: &str) -> Error {
    Error::new(ErrorKind::Refused, what).hint("draft a new version")
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn text(version: u32, language: &str, material: bool) -> Text {
        let body = format!("We keep chats ({version}, {language}).");
        Text {
            id: "privacy".into(),
            version,
            language: language.into(),
            title: "Privacy".into(),
            hash: hash_of(&body),
            text: body,
            purposes: vec!["support".into()],
            valid_from: Micros(0),
            material,
        }
    }

    fn play(notices: &mut Notices, event: Event) -> Result<()> {
        notices.check(&event, |code| code == "support")?;
        notices.apply(event, Micros(7));
        Ok(())
    }

    const NOW: Micros = Micros(7);

    #[test]
    fn a_version_is_frozen_when_it_is_published_and_superseded_by_the_next() {
        let mut notices = Notices::default();
        let publish = |version| Event::Publish { id: "privacy".into(), version };
        assert_eq!(play(&mut notices, publish(1)).unwrap_err().kind(), ErrorKind::NotFound);
        play(&mut notices, Event::Draft(text(1, "en", false))).unwrap();
        play(&mut notices, Event::Draft(text(1, "de", false))).unwrap();
        assert!(notices.shown("privacy", NOW).is_none());
        play(&mut notices, publish(1)).unwrap();
        assert_eq!(notices.shown("privacy", NOW).map(|(number, v)| (number, v.texts.len())), Some((1, 2)));
        let again = play(&mut notices, Event::Draft(text(1, "fr", false)));
        assert_eq!(again.unwrap_err().kind(), ErrorKind::Refused);
        play(&mut notices, Event::Draft(text(2, "en", true))).unwrap();
        assert!(!notices.is_changed_since("privacy", 1, NOW));
        play(&mut notices, publish(2)).unwrap();
        assert!(notices.is_changed_since("privacy", 1, NOW) && !notices.is_changed_since("privacy", 2, NOW));
        assert_eq!(notices.state("privacy", 1, NOW), Some(State::Superseded));
        play(&mut notices, Event::Retire { id: "privacy".into(), version: 2 }).unwrap();
        assert!(notices.shown("privacy", NOW).is_none());
        assert!(play(&mut notices, publish(2)).is_err());
    }

    /// A notice that is to come superseded the one that is shown: nobody could consent until then.
    #[test]
    fn a_version_takes_over_when_it_is_valid() {
        let mut notices = Notices::default();
        let publish = |version| Event::Publish { id: "privacy".into(), version };
        play(&mut notices, Event::Draft(text(1, "en", false))).unwrap();
        play(&mut notices, publish(1)).unwrap();
        play(&mut notices, Event::Draft(text(2, "en", true))).unwrap();
        let later = Text { valid_from: Micros(50), ..text(2, "de", false) };
        play(&mut notices, Event::Draft(later)).unwrap();
        play(&mut notices, publish(2)).unwrap();
        let shown = |notices: &Notices, at| notices.shown("privacy", Micros(at)).map(|(number, _)| number);
        let look = |at| {
            (
                shown(&notices, at),
                notices.state("privacy", 1, Micros(at)),
                notices.is_changed_since("privacy", 1, Micros(at)),
            )
        };
        assert_eq!(look(49), (Some(1), Some(State::Published), false));
        assert_eq!(look(50), (Some(2), Some(State::Superseded), true));
        assert_eq!(notices.turns().collect::<Vec<_>>(), [Micros(7), Micros(50)]);
        // Taken back before that, it never was shown.
        play(&mut notices, Event::Retire { id: "privacy".into(), version: 2 }).unwrap();
        assert_eq!(
            (shown(&notices, 60), notices.is_changed_since("privacy", 1, Micros(60))),
            (Some(1), false)
        );
    }

    #[test]
    fn wrong_texts_are_refused() {
        let notices = Notices::default();
        let wrong = |change: &dyn Fn(&mut Text)| {
            let mut text = text(1, "en", false);
            change(&mut text);
            notices.check(&Event::Draft(text), |code| code == "support").unwrap_err().to_string()
        };
        assert!(wrong(&|t| t.hash = "00".into()).starts_with("hash"));
        assert!(wrong(&|t| t.language = "german_ ".into()).starts_with("language"));
        assert!(wrong(&|t| t.version = 0).starts_with("version"));
        assert!(wrong(&|t| t.purposes = vec!["ads".into()]).contains("no such purpose"));
        assert!(wrong(&|t| t.purposes.clear()).starts_with("purposes"));
        assert!(wrong(&|t| t.text.clear()).starts_with("text"));
        assert!(wrong(&|t| t.id = "a b".into()).starts_with("notice"));
    }
}
