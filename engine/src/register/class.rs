//! Retention classes: what is kept how long, and what happens then (GDPR article 5 (1) (e)). The first
//! class that fits a record is fixed when it comes in; a lock can be lengthened, never shortened.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::id::{Handle, Micros};
use crate::policy::selector::{Condition, RecordFacts};
use crate::policy::span::Span;
use crate::register::form::{check_code, check_text, instant};

/// From when the time of a record runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// Its own time.
    Time,
    /// The last record of its conversation.
    ConversationEnd,
    /// When somebody says that it begins (`class event`).
    Event,
}

/// What happens when the longest time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Then {
    /// It is erased.
    Erase,
    /// It is restricted.
    Restrict,
    /// Somebody looks at it.
    Review,
}

/// A class as it was defined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// Its code.
    pub code: String,
    /// The number that records carry, from 1.
    pub number: u32,
    /// What people read.
    pub title: String,
    /// From when the time runs.
    pub start: Start,
    /// The shortest time, as [`Span`] prints it: a lock.
    pub lock: Option<String>,
    /// The longest time.
    pub maximum: Option<String>,
    /// What happens then.
    pub then: Then,
    /// The law or the reason it rests on.
    pub ground: String,
    /// Which records it takes: conditions on kind, channel, tags, conversation and author.
    pub selector: String,
}

/// What happens to classes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// One is made, behind those that there are.
    Define(Class),
    /// The lock of one is made longer; of what is locked too.
    Lengthen {
        /// Which.
        code: String,
        /// The new shortest time.
        lock: String,
    },
    /// One takes no more records. Those that it took it keeps.
    Retire {
        /// Which.
        code: String,
    },
    /// A run of retention restricts what is over (GDPR article 18).
    Restrict {
        /// Of which.
        code: String,
        /// Which records.
        over: Vec<Over>,
    },
    /// The time of a conversation's records begins, in a class that waits for that.
    Begin {
        /// Which.
        code: String,
        /// In which conversation, by the store's keyed mark of its name.
        mark: String,
        /// When, in the time that the store believes. A clock that was set back begins nothing early.
        #[serde(with = "instant")]
        at: Micros,
    },
}

/// Records of a class that are restricted since their longest time is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Over {
    /// Those of a conversation, by the store's keyed mark of its name; left out where time runs from each record's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
    /// Those of before this time.
    #[serde(with = "instant")]
    pub before: Micros,
}

/// All that is restricted of a class: it only ever becomes more, whatever the clock says later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restricted {
    /// Those of before this time, wherever they stand.
    pub everywhere: Option<Micros>,
    /// Those of before a time, by the mark of their conversation.
    pub conversations: BTreeMap<Handle, Micros>,
}

impl Restricted {
    /// Adds more.
    pub fn add(&mut self, over: &Over) {
        let Some(mark) = &over.mark else {
            self.everywhere = self.everywhere.max(Some(over.before));
            return;
        };
        if let Some(mark) = Handle::parse(mark) {
            self.conversations
                .entry(mark)
                .and_modify(|before| *before = over.before.max(*before))
                .or_insert(over.before);
        }
    }
}

/// A class in use.
#[derive(Clone, Debug)]
pub struct Kept {
    /// As it was defined, with its lock of today.
    pub class: Class,
    /// Whether it takes records.
    pub active: bool,
    /// Its condition, read once.
    pub condition: Condition,
    /// Its shortest time.
    pub lock: Option<Span>,
    /// Its longest time.
    pub maximum: Option<Span>,
}

impl Kept {
    /// Until when a record is kept at least whose time began at `start`. [`Micros::MAX`] is for ever, and
    /// where its time has not begun.
    pub fn lock_until(&self, start: Micros) -> Micros {
        match self.lock {
            None => Micros::MIN,
            Some(_) if start == Micros::MAX => Micros::MAX,
            Some(lock) => lock.kept_until(start).unwrap_or(Micros::MAX),
        }
    }
}

/// All classes in their order.
#[derive(Clone, Debug, Default)]
pub struct Classes {
    all: Vec<Kept>,
    begun: BTreeMap<(u32, String), Micros>,
    restricted: BTreeMap<u32, Restricted>,
    restrictions: u64,
}

impl Classes {
    /// Every class in order.
    pub fn iter(&self) -> impl Iterator<Item = &Kept> {
        self.all.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// One by code.
    pub fn by_code(&self, code: &str) -> Option<&Kept> {
        self.all.iter().find(|kept| kept.class.code == code)
    }

    /// One by the number that records carry.
    pub fn by_number(&self, number: u32) -> Option<&Kept> {
        self.all.iter().find(|kept| kept.class.number == number)
    }

    /// The number of the class that takes a record that comes in: the first that fits. 0 if none does.
    pub fn of(&self, record: &RecordFacts<'_>) -> u32 {
        let fits = |kept: &&Kept| kept.active && kept.condition.holds(record);
        self.all.iter().find(fits).map_or(0, |kept| kept.class.number)
    }

    /// When the time of a conversation began in a class.
    pub fn begun(&self, number: u32, mark: &str) -> Option<Micros> {
        self.begun.get(&(number, mark.to_owned())).copied()
    }

    /// What is restricted of a class, if anything is.
    pub fn restricted(&self, number: u32) -> Option<&Restricted> {
        self.restricted.get(&number)
    }

    /// How many times something was restricted: one more whenever more is.
    pub const fn restrictions(&self) -> u64 {
        self.restrictions
    }

    /// The number that the next class gets.
    pub fn next_number(&self) -> u32 {
        self.all.iter().map(|kept| kept.class.number).max().unwrap_or(0) + 1
    }

    /// Whether an event may happen.
    ///
    /// # Errors
    /// *Invalid* and *not found*; *refused* for a lock that would be shorter.
    pub fn check(&self, event: &Event) -> Result<()> {
        match event {
            Event::Define(class) => {
                check_code("code", &class.code)?;
                check_text("title", &class.title)?;
                check_text("ground", &class.ground)?;
                if self.by_code(&class.code).is_some() || class.number != self.next_number() {
                    return Err(Error::new(ErrorKind::Refused, "a class with this code exists")
                        .hint("a class is not changed once records carry it: retire it and define another"));
                }
                let kept = read(class.clone())?;
                if let (Some(lock), Some(maximum)) = (kept.lock, kept.maximum)
                    && !maximum.is_never_shorter_than(lock)
                {
                    return Err(Error::invalid("maximum: is shorter than the lock"));
                }
                if class.maximum.is_none() && class.lock.is_none() && class.then != Then::Review {
                    return Err(Error::invalid("a class needs a lock, a maximum or both"));
                }
                Ok(())
            }
            Event::Lengthen { code, lock } => {
                let kept = self.by_code(code).ok_or_else(no_such)?;
                let lock = Span::parse(lock).map_err(|e| e.context("lock"))?;
                if kept.lock.is_some_and(|old| !lock.is_never_shorter_than(old)) {
                    return Err(Error::new(ErrorKind::Refused, "a lock is lengthened, never shortened"));
                }
                if kept.maximum.is_some_and(|maximum| !maximum.is_never_shorter_than(lock)) {
                    return Err(Error::invalid("lock: is longer than the maximum of the class"));
                }
                Ok(())
            }
            Event::Retire { code } => match self.by_code(code) {
                Some(kept) if kept.active => Ok(()),
                _ => Err(no_such()),
            },
            Event::Restrict { code, over } => {
                let kept = self.by_code(code).ok_or_else(no_such)?;
                if kept.class.then != Then::Restrict || kept.maximum.is_none() {
                    return Err(Error::invalid("records of this class are never restricted"));
                }
                let by_conversation = kept.class.start != Start::Time;
                let fits = |over: &Over| match &over.mark {
                    Some(mark) => by_conversation && Handle::parse(mark).is_some(),
                    None => !by_conversation,
                };
                if over.is_empty() || !over.iter().all(fits) {
                    return Err(Error::invalid("over: names no records of this class"));
                }
                Ok(())
            }
            Event::Begin { code, mark, .. } => match self.by_code(code) {
                None => Err(no_such()),
                Some(kept) if kept.class.start != Start::Event => {
                    Err(Error::invalid("the time of this class begins with no event"))
                }
                Some(kept) if self.begun(kept.class.number, mark).is_some() => {
                    Err(Error::new(ErrorKind::Refused, "its time has begun in this conversation"))
                }
                Some(_) => Ok(()),
            },
        }
    }

    /// What an event does.
    pub fn apply(&mut self, event: Event, at: Micros) {
        match event {
            Event::Define(class) => {
                if self.by_number(class.number).is_none() {
                    self.all.extend(read(class));
                }
            }
            Event::Lengthen { code, lock } => {
                if let (Some(kept), Ok(span)) = (self.named(&code), Span::parse(&lock)) {
                    (kept.lock, kept.class.lock) = (Some(span), Some(lock));
                }
            }
            Event::Retire { code } => {
                if let Some(kept) = self.named(&code) {
                    kept.active = false;
                }
            }
            Event::Restrict { code, over } => {
                if let Some(number) = self.by_code(&code).map(|kept| kept.class.number) {
                    let of = self.restricted.entry(number).or_default();
                    over.iter().for_each(|over| of.add(over));
                    self.restrictions += 1;
                }
            }
            Event::Begin { code, mark, at: begun } => {
                if let Some(number) = self.by_code(&code).map(|kept| kept.class.number) {
                    self.begun.entry((number, mark)).or_insert(begun.max(at));
                }
            }
        }
    }

    fn named(&mut self, code: &str) -> Option<&mut Kept> {
        self.all.iter_mut().find(|kept| kept.class.code == code)
    }
}

fn read(class: Class) -> Result<Kept> {
    let span = |field: &str, text: &Option<String>| {
        text.as_deref().map(Span::parse).transpose().map_err(|e| e.context(field))
    };
    Ok(Kept {
        lock: span("lock", &class.lock)?,
        maximum: span("maximum", &class.maximum)?,
        condition: Condition::parse(&class.selector).map_err(|e| e.context("selector"))?,
        active: true,
        class,
    })
}

fn no_such() -> Error {
    Error::not_found("no such retention class")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(code: &str, number: u32, lock: Option<&str>, maximum: Option<&str>) -> Class {
        Class {
            code: code.into(),
            number,
            title: "Chats".into(),
            start: Start::Time,
            lock: lock.map(str::to_owned),
            maximum: maximum.map(str::to_owned),
            then: Then::Erase,
            ground: "GDPR 5 (1) (e)".into(),
            selector: "kind:message".into(),
        }
    }

    #[test]
    fn a_lock_is_lengthened_never_shortened() {
        let mut classes = Classes::default();
        let define = |class: Class, classes: &mut Classes| {
            let event = Event::Define(class);
            classes.check(&event)?;
            classes.apply(event, Micros(0));
            Ok::<_, Error>(())
        };
        define(class("a", 1, Some("1y"), Some("3y")), &mut classes).unwrap();
        define(class("b", 2, None, Some("30d")), &mut classes).unwrap();
        assert_eq!(
            define(class("b", 3, None, Some("30d")), &mut classes).unwrap_err().kind(),
            ErrorKind::Refused
        );
        assert!(define(class("c", 3, Some("3y"), Some("1y")), &mut classes).is_err());
        assert!(define(class("c", 3, None, None), &mut classes).is_err());
        assert!(define(class("c", 3, Some("3 years"), None), &mut classes).is_err());
        let lengthen = |lock: &str| Event::Lengthen { code: "a".into(), lock: lock.into() };
        assert_eq!(classes.check(&lengthen("364d")).unwrap_err().kind(), ErrorKind::Refused);
        assert!(classes.check(&lengthen("4y")).is_err());
        classes.check(&lengthen("2y")).unwrap();
        classes.apply(lengthen("2y"), Micros(0));
        assert!(classes.check(&lengthen("18m")).is_err());
        classes.apply(Event::Retire { code: "a".into() }, Micros(0));
        assert!(!classes.by_code("a").unwrap().active && classes.by_number(2).is_some());
    }

    #[test]
    fn what_is_restricted_only_becomes_more() {
        let mut classes = Classes::default();
        let restrict = Class { then: Then::Restrict, ..class("a", 1, None, Some("30d")) };
        let ended = Class { start: Start::ConversationEnd, ..restrict.clone() };
        for event in [
            Event::Define(restrict),
            Event::Define(Class { code: "b".into(), number: 2, ..ended }),
            Event::Define(class("c", 3, None, Some("30d"))),
        ] {
            classes.check(&event).unwrap();
            classes.apply(event, Micros(0));
        }
        let mark = |n: u8| Some(Handle([n; 16]).to_string());
        let over = |code: &str, mark, before| Event::Restrict {
            code: code.into(),
            over: vec![Over { mark, before: Micros(before) }],
        };
        for wrong in [
            over("a", mark(1), 5),
            over("b", None, 5),
            over("b", Some("x".into()), 5),
            over("c", None, 5),
            over("d", None, 5),
            Event::Restrict { code: "a".into(), over: Vec::new() },
        ] {
            assert!(classes.check(&wrong).is_err(), "{wrong:?}");
        }
        for event in [over("a", None, 50), over("a", None, 40), over("b", mark(1), 7), over("b", mark(2), 9)]
        {
            classes.check(&event).unwrap();
            classes.apply(event, Micros(0));
        }
        classes.apply(over("b", mark(1), 6), Micros(0));
        assert_eq!(classes.restricted(1).unwrap().everywhere, Some(Micros(50)));
        let conversations = &classes.restricted(2).unwrap().conversations;
        assert_eq!(conversations.values().copied().collect::<Vec<_>>(), [Micros(7), Micros(9)]);
        assert_eq!((classes.restricted(3), classes.restrictions()), (None, 5));
    }
}
