//! What happens to registers.

use escrowdb::id::{Micros, PersonNumber};
use escrowdb::register::class::{self, Class, Start, Then};
use escrowdb::register::consent::{self, Deed, Shown};
use escrowdb::register::disclosure::{self, About, Given};
use escrowdb::register::hold::{self, Effect, Hold, Scope};
use escrowdb::register::notice::{self, Text, hash_of};
use escrowdb::register::purpose::{self, LawfulBasis, Purpose};
use escrowdb::register::request::{self, Kind as Asked, Step};
use escrowdb::register::settings::{Deletion, Gate, GateRule};
use escrowdb::register::{Event, settings};

use super::model::DAY;
use super::{CONVERSATIONS, History, PURPOSES, Theme};

const CONDITIONS: [&str; 6] =
    ["*", "channel:web", "conversation:c1", "tag:topic:a", "author:anna", "kind:message"];
const QUERIES: [&str; 6] =
    ["lamp", "tag:topic:b", "author:anna", "channel:mail", "conversation:c2", "tag:vip"];
const SPANS: [&str; 5] = ["2d", "10d", "30d", "60d", "400d"];

fn text_of(version: u32, language: &str) -> String {
    format!("We keep what you write ({version}, {language}).")
}

impl History {
    /// Changes a register, in the store and in the lists.
    pub(super) fn change_as(&mut self, actor: &str, event: Event) {
        let pid = self.pid_of(actor);
        let got = self.store().change(&Self::session(actor), event.clone());
        let want = self.model.change(&event, pid);
        self.note(format!("{actor}: {event:?}: {want:?}"));
        self.same(&got, want);
    }

    fn change(&mut self, event: Event) {
        let actor = self.actor();
        self.change_as(actor, event);
    }

    fn later(&mut self) -> Micros {
        Micros(self.model.now + *self.rng.pick(&[-DAY, DAY, 7 * DAY, 400 * DAY]))
    }

    fn some_purposes(&mut self) -> Vec<String> {
        let first = self.rng.below(3);
        let second = self.rng.below(3);
        let mut all = vec![PURPOSES[first].to_owned()];
        if second != first && self.rng.chance(40) {
            all.push(PURPOSES[second].to_owned());
        }
        all
    }

    fn text(&mut self, version: u32) -> notice::Event {
        let language = (*self.rng.pick(&["en", "de"])).to_owned();
        let text = text_of(version, &language);
        let mut purposes: Vec<String> = PURPOSES.iter().map(|code| (*code).to_owned()).collect();
        purposes.truncate(2 + self.rng.below(2));
        notice::Event::Draft(Text {
            id: "privacy".into(),
            version,
            language,
            title: "Privacy".into(),
            hash: hash_of(&text),
            text,
            purposes,
            valid_from: Micros(self.model.now + *self.rng.pick(&[0, 0, -DAY, DAY])),
            material: self.rng.chance(40),
        })
    }

    /// What a history begins with.
    pub(super) fn begin_theme(&mut self) {
        if self.rng.chance(85) {
            let draft = self.text(1);
            self.change(Event::Notice(draft));
            self.change(Event::Notice(notice::Event::Publish { id: "privacy".into(), version: 1 }));
        }
        let mut event = settings::Event::default();
        match self.theme {
            Theme::Quarantine => {
                let when = (*self.rng.pick(&CONDITIONS)).to_owned();
                let purposes = vec![(*self.rng.pick(&PURPOSES)).to_owned()];
                (event.gate, event.gate_rules) =
                    (Some(Gate::Quarantine), Some(vec![GateRule { when, purposes }]));
                event.quarantine = Some((*self.rng.pick(&SPANS[..3])).into());
            }
            Theme::Deletions => {
                event.deletion = Some(Deletion::Erase);
                event.grace = self.rng.chance(50).then(|| "2d".to_owned());
            }
            Theme::Retention => {
                self.class();
                self.class();
            }
            Theme::All | Theme::Holds => {}
        }
        if event != settings::Event::default() {
            self.change(Event::Settings(event));
        }
    }

    pub(super) fn notice(&mut self) {
        let version = 1 + self.rng.below(4) as u32;
        let id = "privacy".to_owned();
        let event = match self.rng.below(10) {
            0..5 => self.text(version),
            5..9 => notice::Event::Publish { id, version },
            _ => notice::Event::Retire { id, version },
        };
        self.change(Event::Notice(event));
    }

    pub(super) fn purpose(&mut self) {
        let code = (*self.rng.pick(&PURPOSES)).to_owned();
        let event = if self.rng.chance(25) {
            purpose::Event::Retire { code }
        } else {
            let needs_consent = self.rng.chance(70);
            let basis = match needs_consent {
                true => *self.rng.pick(&[LawfulBasis::Consent, LawfulBasis::Consent, LawfulBasis::Contract]),
                false => LawfulBasis::LegitimateInterests,
            };
            purpose::Event::Define(Purpose { title: code.clone(), code, basis, class: None, needs_consent })
        };
        self.change(Event::Purpose(event));
    }

    pub(super) fn consent(&mut self) {
        if !self.model.notices.values().any(|v| v.published.is_some()) && self.rng.chance(80) {
            return self.notice();
        }
        let event =
            *self.rng.pick(&[Deed::Ask, Deed::Give, Deed::Give, Deed::Give, Deed::Refuse, Deed::Withdraw]);
        let published: Vec<(u32, String)> = self
            .model
            .notices
            .iter()
            .filter(|(_, v)| v.state == notice::State::Published)
            .flat_map(|((_, version), v)| v.texts.keys().map(|language| (*version, language.clone())))
            .collect();
        let (version, language) = match published.is_empty() || self.rng.chance(15) {
            true => (1 + self.rng.below(4) as u32, "en".to_owned()),
            false => self.rng.pick(&published).clone(),
        };
        let hash = hash_of(&text_of(version, if self.rng.chance(3) { "fr" } else { &language }));
        let shown = Shown { id: "privacy".into(), version, language, hash };
        let expires = self.rng.chance(20).then(|| self.later());
        let event = consent::Event {
            event,
            person: self.who(),
            purposes: self.some_purposes(),
            notice: (event != Deed::Withdraw || self.rng.chance(30)).then_some(shown),
            method: "click".into(),
            channel: "web".into(),
            expires,
        };
        self.change(Event::Consent(event));
    }

    pub(super) fn class(&mut self) {
        let known: Vec<String> = self.model.classes.iter().map(|class| class.code.clone()).collect();
        let code = format!("class{}", self.rng.below(4));
        let event = match self.rng.below(10) {
            0..6 => {
                let next = known.len() as u32 + 1;
                let number = if self.rng.chance(95) { next } else { 1 };
                let (lock, maximum) = match self.rng.below(3) {
                    0 => (None, Some(*self.rng.pick(&SPANS))),
                    1 => (Some(*self.rng.pick(&SPANS)), None),
                    _ => (Some(*self.rng.pick(&SPANS[..3])), Some(*self.rng.pick(&SPANS[1..]))),
                };
                class::Event::Define(Class {
                    title: "Kept".into(),
                    number,
                    start: *self.rng.pick(&[Start::Time, Start::Time, Start::ConversationEnd, Start::Event]),
                    lock: lock.map(str::to_owned),
                    maximum: maximum.map(str::to_owned),
                    then: *self.rng.pick(&[Then::Erase, Then::Erase, Then::Erase, Then::Review]),
                    ground: "a law".into(),
                    selector: (*self.rng.pick(&CONDITIONS)).into(),
                    code,
                })
            }
            6..9 => class::Event::Lengthen { code, lock: (*self.rng.pick(&SPANS)).into() },
            _ => class::Event::Retire { code },
        };
        self.change(Event::Class(event));
    }

    pub(super) fn begin(&mut self) {
        let waits = |class: &&super::model::Class| class.start == Start::Event || class.code == "class0";
        let codes: Vec<String> = self.model.classes.iter().filter(waits).map(|c| c.code.clone()).collect();
        let code = if codes.is_empty() { "class9".to_owned() } else { self.rng.pick(&codes).clone() };
        let (actor, name) = (self.actor(), *self.rng.pick(&CONVERSATIONS));
        let got = self.store().begin_class(&Self::session(actor), &code, name);
        let want = self.model.begin(&code, name);
        self.note(format!("begins {code} in {name}: {want:?}"));
        self.same(&got, want);
    }

    fn place(&mut self, effect: Effect, scope: Scope) {
        let code = format!("h{}", self.rng.below(40));
        let review = self.rng.chance(20).then(|| self.later());
        let (matter, ground) = ("Meyer v. Shop".to_owned(), "a claim".to_owned());
        self.change(Event::Hold(hold::Event::Place(Hold { code, effect, scope, matter, ground, review })));
    }

    pub(super) fn hold(&mut self) {
        let scope = match self.rng.below(4) {
            0 => {
                let name = self.who();
                match self.number_of(&name) {
                    Some(number) => Scope::Person(number),
                    None => return,
                }
            }
            1 => Scope::Conversation((*self.rng.pick(&CONVERSATIONS)).into()),
            _ => Scope::Query { text: (*self.rng.pick(&QUERIES)).into(), at: Micros(self.model.now) },
        };
        let effect = if self.rng.chance(97) { Effect::Hold } else { Effect::Restrict };
        self.place(effect, scope);
    }

    pub(super) fn restrict(&mut self) {
        let scope = if self.rng.chance(70) {
            let name = self.who();
            match self.number_of(&name) {
                Some(number) => Scope::Person(number),
                None => return,
            }
        } else {
            Scope::Conversation((*self.rng.pick(&CONVERSATIONS)).into())
        };
        self.place(Effect::Restrict, scope);
    }

    pub(super) fn lift_hold(&mut self) {
        let standing = |(_, hold): &(&String, &super::model::Hold)| hold.released.is_none();
        let codes: Vec<String> =
            self.model.holds.iter().filter(standing).map(|(code, _)| code.clone()).collect();
        let code = match codes.is_empty() || self.rng.chance(5) {
            true => format!("h{}", self.rng.below(40)),
            false => self.rng.pick(&codes).clone(),
        };
        let event = if self.rng.chance(20) {
            hold::Event::Review { code, next: self.later() }
        } else {
            hold::Event::Release { code, reason: "settled".into() }
        };
        self.change(Event::Hold(event));
    }

    pub(super) fn request(&mut self) {
        let code = format!("r{}", self.rng.below(6));
        let hash = |n: usize| format!("{n}").repeat(64);
        let age = self.model.requests.get(&code).map(|request| self.model.now - request.received);
        let step = match self.rng.below(20) {
            0..6 => {
                let name = self.who();
                let Some(number) = self.number_of(&name) else { return };
                let kind =
                    *self.rng.pick(&[Asked::Erasure, Asked::Erasure, Asked::Access, Asked::Rectification]);
                let received =
                    Micros(self.model.now + *self.rng.pick(&[0, -DAY, -20 * DAY, -100 * DAY, DAY]));
                Step::Receive { kind, person: PersonNumber(number), received, channel: "mail".into() }
            }
            6..9 => Step::Identify { method: "call back".into() },
            9..12 => {
                // What would really be done, which is registered twice then, or the hash of something else.
                let real =
                    self.rng.chance(70).then(|| self.store().plan_request(&Self::session("dana"), &code));
                match real {
                    Some(Ok(plan)) => Step::Plan { hash: plan.agreed.hash },
                    _ => Step::Plan { hash: hash(self.rng.below(2)) },
                }
            }
            12..15 => {
                let planned = self.model.requests.get(&code).and_then(|request| request.plan.clone());
                let other = hash(self.rng.below(2));
                Step::Approve { hash: planned.filter(|_| self.rng.chance(80)).unwrap_or(other) }
            }
            15 => Step::Run,
            // A month is 28 to 31 days.
            16 if age.is_some_and(|age| (27 * DAY..32 * DAY).contains(&age)) => return,
            16 => Step::Extend { reason: "there is much of it".into() },
            17 => Step::Fulfil { partly: None, reference: "1".repeat(64) },
            18 => Step::Fulfil { partly: Some("a hold".into()), reference: "2".repeat(64) },
            _ => Step::Refuse { ground: "unfounded".into() },
        };
        // What comes in must be known, or nothing would be done with it.
        let is_new = !matches!(step, Step::Receive { .. }) && age.is_none();
        if is_new && self.rng.chance(80) {
            return;
        }
        self.change(Event::Request(request::Event { request: code, event: step }));
    }

    pub(super) fn disclose(&mut self) {
        let code = format!("d{}", self.rng.below(6));
        let event = match self.rng.below(4) {
            0..2 => {
                let name = self.who();
                let number = self.number_of(&name);
                let about = match number.filter(|_| self.rng.chance(60)) {
                    Some(number) => About::Person(number),
                    None => About::Many,
                };
                disclosure::Event::Give(Given {
                    code,
                    about,
                    records: 3,
                    format: "jsonl".into(),
                    digest: "00".into(),
                    recipient: "a law firm".into(),
                    expires: self.rng.chance(30).then(|| self.later()),
                })
            }
            2 => disclosure::Event::Tell { code, method: "mail".into() },
            _ => disclosure::Event::Destroyed { code, at: Micros(self.model.now) },
        };
        self.change(Event::Disclosure(event));
    }

    pub(super) fn settings(&mut self) {
        let mut event = settings::Event::default();
        match self.rng.below(12) {
            0..4 => {
                event.gate =
                    Some(*self.rng.pick(&[Gate::Open, Gate::Refuse, Gate::Quarantine, Gate::Quarantine]));
                let (when, purposes) = ((*self.rng.pick(&CONDITIONS)).to_owned(), self.some_purposes());
                event.gate_rules = Some(vec![GateRule { when, purposes }]);
            }
            4 => event.gate = Some(Gate::Open),
            5..7 => {
                event.deletion = Some(*self.rng.pick(&[Deletion::Hide, Deletion::Erase, Deletion::Erase]))
            }
            7..9 => event.grace = Some((*self.rng.pick(&SPANS[..3])).into()),
            9 => event.quarantine = Some((*self.rng.pick(&SPANS[..4])).into()),
            10 => event.keep_evidence = Some((*self.rng.pick(&["3y", "5y"])).into()),
            _ => event.four_eyes = Some(!self.model.settings.four_eyes),
        }
        let ends = event.four_eyes == Some(false);
        self.change(Event::Settings(event));
        if ends && self.model.settings.four_eyes {
            // It takes two; else nothing would be erased any more.
            for actor in super::STAFF {
                let event = settings::Event { four_eyes: Some(false), ..settings::Event::default() };
                self.change_as(actor, Event::Settings(event));
            }
        }
    }
}
