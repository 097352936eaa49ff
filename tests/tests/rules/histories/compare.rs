//! Everything that a store shows, held against the lists.

use std::collections::{BTreeMap, BTreeSet};

use escrowdb::ErrorKind;
use escrowdb::register::consent::State;
use escrowdb::register::hold::Scope;
use escrowdb::session::Session;
use escrowdb::store::{Hit, Order, SearchOptions, Store, Who};

use super::model::{About, Asks, DAY, Model, Row};
use super::{CONVERSATIONS, History, PEOPLE, PURPOSES};

/// Every record of a chat, and whatever speaks of one.
const EVERYTHING: &str =
    "version:all (kind:message OR kind:edit OR kind:delete OR kind:reaction OR kind:tag)";
const QUESTIONS: [&str; 11] = [
    "lamp",
    "card",
    "привет",
    "tag:topic:a",
    "tag:vip",
    "channel:web",
    "channel:mail",
    "conversation:c1",
    "author:anna",
    "subject:anna",
    "subject:ben",
];

fn hits(store: &Store, session: Session, query: &str) -> Vec<Hit> {
    let options = SearchOptions::new().limit(10_000).order(Order::Oldest);
    store.session(session).search(query, &options).unwrap()
}

/// A record as both sides tell it.
fn line(model: &Model, row: &Row) -> String {
    let mut subjects: Vec<_> = row.subjects.iter().filter_map(|pid| model.name(*pid)).collect();
    subjects.sort_unstable();
    let tags = if model.is_version(row) { model.tags(row) } else { BTreeSet::new() };
    format!(
        "{} {} by {:?} of {subjects:?} at {} in {}: {:?} {tags:?} {:?}",
        row.kind.name(),
        row.seq,
        model.name(row.author),
        row.time,
        row.conversation,
        row.body,
        row.target,
    )
}

impl Model {
    /// What somebody sees: in a case also what is restricted, for a purpose nobody who does not consent to it.
    fn sees(&self, row: &Row, has_case: bool, purpose: Option<&str>) -> bool {
        let before = self.came_before(row).is_none_or(|root| self.sees_alone(root, has_case, purpose));
        before && self.sees_alone(row, has_case, purpose)
    }

    fn sees_alone(&self, row: &Row, has_case: bool, purpose: Option<&str>) -> bool {
        let purpose = purpose.and_then(|code| self.purposes.get(code)).filter(|(p, _)| p.needs_consent);
        let is_allowed = |(purpose, _): &(escrowdb::register::purpose::Purpose, bool)| {
            row.subjects.iter().all(|pid| self.consents(*pid, &purpose.code))
        };
        !self.is_quarantined(row) && (has_case || !self.is_restricted(row)) && purpose.is_none_or(is_allowed)
    }

    fn seen(&self, of: impl Fn(&Row) -> bool) -> BTreeSet<u64> {
        self.rows.values().filter(|row| of(row)).map(|row| row.seq).collect()
    }
}

impl History {
    /// Looks at everything.
    pub(super) fn look(&mut self) {
        // First, for evidence may have died on its date, and a hold with it.
        self.look_at_registers();
        self.look_at_people();
        self.look_at_records();
        self.look_at_quarantine();
    }

    fn look_at_records(&self) {
        let (store, model, seed) = (self.store(), &self.model, self.seed);
        let plain = || Session::new().actor("dana");
        // Whoever holds a case sees what is restricted.
        let case = model.holds.iter().find(|(_, hold)| hold.released.is_none());
        let session = case.map_or_else(plain, |(code, _)| plain().case(code.clone()));
        let got: BTreeMap<u64, String> = hits(store, session, EVERYTHING)
            .into_iter()
            .map(|hit| {
                let row = &model.rows.get(&hit.seq.0);
                let is_version = row.is_some_and(|row| model.is_version(row));
                let tags: BTreeSet<_> =
                    if is_version { hit.tags.into_iter().collect() } else { BTreeSet::new() };
                let mut subjects = hit.subjects;
                subjects.sort_unstable();
                let text = format!(
                    "{} {} by {:?} of {subjects:?} at {} in {}: {:?} {tags:?} {:?}",
                    hit.kind.name(),
                    hit.seq.0,
                    hit.author,
                    hit.time.0,
                    hit.conversation,
                    hit.body,
                    hit.target,
                );
                (hit.seq.0, text)
            })
            .collect();
        let want: BTreeMap<u64, String> = model
            .rows
            .values()
            .filter(|row| model.sees(row, case.is_some(), None))
            .map(|row| (row.seq, line(model, row)))
            .collect();
        assert_eq!(got, want, "seed {seed}");

        let case_name = case.map(|(code, _)| code.clone());
        let purposes = [None].into_iter().chain(PURPOSES.map(Some));
        for (purpose, case) in purposes.flat_map(|purpose| [(purpose, None), (purpose, case_name.clone())]) {
            let mut session = plain();
            session = purpose.into_iter().fold(session, |session, code| session.purpose(code));
            session = case.iter().fold(session, |session, code| session.case(code.clone()));
            let sees = |row: &Row| model.sees(row, case.is_some(), purpose);
            let seqs = |query: &str| -> BTreeSet<u64> {
                let found = store.session(session.clone()).seqs(query, Order::Oldest).unwrap();
                found.into_iter().map(|seq| seq.0).collect()
            };
            let told = format!("seed {seed}, for {purpose:?}, case {case:?}");
            if purpose.is_some_and(|code| model.purposes.get(code).is_some_and(|(_, active)| !active)) {
                let refused = store.session(session.clone()).count("*").map_err(|e| e.kind());
                assert_eq!(refused, Err(ErrorKind::Refused), "{told}");
                continue;
            }
            assert_eq!(seqs("*"), model.seen(|row| model.is_newest(row) && sees(row)), "{told}");
            assert_eq!(seqs(EVERYTHING), model.seen(sees), "{told}");
        }
        for question in QUESTIONS {
            let asks = Asks::parse(question);
            let want = model
                .seen(|row| model.is_newest(row) && model.sees(row, false, None) && model.asks(&asks, row));
            let got = store.session(plain()).count(question).unwrap();
            assert_eq!(got, want.len() as u64, "seed {seed}, {question}: {want:?}");
        }
        for name in CONVERSATIONS {
            let want = model
                .seen(|row| row.conversation == name && model.is_newest(row) && model.sees(row, false, None));
            let got = store.session(plain()).conversation(name).unwrap();
            assert_eq!(got.into_iter().map(|hit| hit.seq.0).collect::<BTreeSet<_>>(), want, "seed {seed}");
        }
    }

    fn look_at_people(&self) {
        for name in PEOPLE {
            let told = format!("seed {}: {name}", self.seed);
            let Some(pid) = self.model.person(name) else {
                let unknown = self.store().number_of(name).map_err(|e| e.kind());
                assert_eq!(unknown.map(|n| n.0), Err(ErrorKind::NotFound), "{told}");
                continue;
            };
            let person = &self.model.people[pid];
            let got = self.store().session(Session::new()).person(name).unwrap();
            assert_eq!(got.identifiers, person.names, "{told}");
            let mut linked: Vec<_> = person.links.iter().filter_map(|pid| self.model.name(*pid)).collect();
            linked.sort_unstable();
            assert_eq!(got.linked, linked, "{told}");
            self.look_at_consents(&Who::Identifier(name.into()), pid, &told);
        }
        for (pid, person) in self.model.people.iter().enumerate().filter(|(_, p)| !p.alive) {
            let (Some(handle), Some(erased)) = (person.handle, person.erased) else { continue };
            // Evidence is kept for years at least; when exactly it dies is tried elsewhere.
            let is_kept = self.model.time.believed.max(self.model.now) < erased + 2 * 365 * DAY;
            if is_kept && person.evidence > 0 {
                self.look_at_consents(&Who::Handle(handle), pid, &format!("seed {}: {handle}", self.seed));
            }
        }
    }

    fn look_at_consents(&self, who: &Who, pid: usize, told: &str) {
        let said = self.store().consents(who).unwrap();
        let rules = self.store().registers();
        let now = escrowdb::id::Micros(self.model.now);
        type Told = (super::model::Said, State);
        let got: BTreeMap<String, Told> = said
            .consents
            .iter()
            .map(|(code, said)| {
                let state = said.state(&rules.notices, now);
                let said = super::model::Said {
                    deed: said.deed,
                    at: said.at.0,
                    notice: said.notice.clone(),
                    expires: said.expires.map(|until| until.0),
                };
                (code.to_owned(), (said, state))
            })
            .collect();
        let of = |(code, said): (&String, &super::model::Said)| {
            (code.clone(), (said.clone(), self.model.consent_state(said)))
        };
        assert_eq!(got, self.model.people[pid].said.iter().map(of).collect(), "{told}");
    }

    fn look_at_quarantine(&self) {
        let all = self.store().session(Session::new().actor("dana")).quarantined().unwrap();
        let got: Vec<_> = all.iter().map(|one| (one.seq.0, one.came.map(|at| at.0))).collect();
        let rows = self.model.rows.values().filter(|row| self.model.is_quarantined(row));
        assert_eq!(got, rows.map(|row| (row.seq, row.came)).collect::<Vec<_>>(), "seed {}", self.seed);
    }

    /// Of who is erased there is what is kept as evidence, until its date.
    fn may_be_gone(&self, pid: usize) -> bool {
        let person = &self.model.people[pid];
        let late = |erased: i64| self.model.time.believed.max(self.model.now) >= erased + 2 * 365 * DAY;
        !person.alive && person.erased.is_some_and(late)
    }

    fn look_at_registers(&mut self) {
        let rules = self.store().registers();
        let (gone, seed) = (|pid: usize| self.may_be_gone(pid), self.seed);
        let mut lost: BTreeSet<String> = BTreeSet::new();
        for (code, hold) in &self.model.holds {
            if matches!(hold.about, About::Person(pid) if gone(pid)) && rules.holds.get(code).is_none() {
                lost.insert(code.clone());
            }
        }
        for (code, request) in &self.model.requests {
            if gone(request.person) && rules.requests.get(code).is_none() {
                lost.insert(code.clone());
            }
        }
        for (code, given) in &self.model.disclosures {
            if given.person.is_some_and(gone) && rules.disclosures.get(code).is_none() {
                lost.insert(code.clone());
            }
        }
        self.model.holds.retain(|code, _| !lost.contains(code));
        self.model.requests.retain(|code, _| !lost.contains(code));
        self.model.disclosures.retain(|code, _| !lost.contains(code));
        assert_eq!(told_by_store(&rules), self.told_by_lists(), "seed {seed}");
    }

    fn told_by_lists(&self) -> Vec<String> {
        let model = &self.model;
        let number = |pid: usize| model.people[pid].number;
        let mut all = Vec::new();
        for (code, (purpose, active)) in &model.purposes {
            all.push(format!("purpose {code} {:?} {} {active}", purpose.basis, purpose.needs_consent));
        }
        for ((id, version), v) in &model.notices {
            let texts: Vec<_> = v.texts.values().map(|t| (&t.language, t.material, t.valid_from.0)).collect();
            all.push(format!("notice {id} {version} {:?} {:?} {texts:?}", v.state, v.published));
        }
        for c in &model.classes {
            let spans = [c.lock, c.maximum].map(|days| days.map(|days| format!("{days}d")));
            all.push(format!(
                "class {} {} {spans:?} {:?} {:?} {}",
                c.code, c.number, c.then, c.start, c.active
            ));
        }
        for (code, h) in &model.holds {
            let about = match &h.about {
                About::Person(pid) => format!("person {:?}", number(*pid)),
                About::Conversation(name) => format!("conversation {name}"),
                About::Query(asks) => format!("{asks:?}"),
            };
            all.push(format!(
                "hold {code} {} {about} {} {:?} {} {:?}",
                h.hides, h.matter, h.review, h.at, h.released
            ));
        }
        for (code, r) in &model.requests {
            all.push(format!(
                "request {code} {:?} {:?} {} {:?} {:?} {} {} {:?}",
                r.kind,
                number(r.person),
                r.received,
                r.state,
                r.plan,
                r.approvers.len(),
                r.extended,
                r.outcome
            ));
        }
        for (code, d) in &model.disclosures {
            let of = d.person.map(&number);
            all.push(format!("disclosure {code} {of:?} {} {:?} {:?}", d.at, d.told, d.destroyed));
        }
        let s = &model.settings;
        all.push(format!(
            "settings {:?} {:?} {:?} {} {} {:?} {}d {}",
            s.gate,
            s.gate_rules,
            s.deletion,
            s.four_eyes,
            s.ends_four_eyes.is_some(),
            s.grace.map(|days| format!("{days}d")),
            s.quarantine,
            s.keep_evidence
        ));
        all
    }
}

fn told_by_store(rules: &escrowdb::register::Registers) -> Vec<String> {
    let mut all = Vec::new();
    for (purpose, active) in rules.purposes.iter() {
        all.push(format!("purpose {} {:?} {} {active}", purpose.code, purpose.basis, purpose.needs_consent));
    }
    for (id, version, v) in rules.notices.iter() {
        let texts: Vec<_> = v.texts.values().map(|t| (&t.language, t.material, t.valid_from.0)).collect();
        let published = v.published.map(|at| at.0);
        all.push(format!("notice {id} {version} {:?} {published:?} {texts:?}", v.state));
    }
    for kept in rules.classes.iter() {
        let c = &kept.class;
        let spans = [kept.lock, kept.maximum].map(|span| span.map(|span| span.to_string()));
        let (then, start, active) = (c.then, c.start, kept.active);
        all.push(format!("class {} {} {spans:?} {then:?} {start:?} {active}", c.code, c.number));
    }
    for placed in rules.holds.iter() {
        let hold = &placed.hold;
        let about = match &hold.scope {
            Scope::Person(number) => format!("person {:?}", Some(*number)),
            Scope::Conversation(name) => format!("conversation {name}"),
            Scope::Query { text, .. } => format!("{:?}", Asks::parse(text)),
        };
        let hides = hold.effect == escrowdb::register::hold::Effect::Restrict;
        let [review, released] = [hold.review, placed.released].map(|at| at.map(|at| at.0));
        let (code, matter, at) = (&hold.code, &hold.matter, placed.at.0);
        all.push(format!("hold {code} {hides} {about} {matter} {review:?} {at} {released:?}"));
    }
    for (code, r) in rules.requests.iter() {
        all.push(format!(
            "request {code} {:?} {:?} {} {:?} {:?} {} {} {:?}",
            r.kind,
            Some(r.person.0),
            r.received.0,
            r.state,
            r.plan,
            r.approvers.len(),
            r.extended,
            r.outcome
        ));
    }
    for d in rules.disclosures.iter() {
        let of = match d.given.about {
            escrowdb::register::disclosure::About::Person(number) => Some(Some(number)),
            _ => None,
        };
        let [told, destroyed] = [d.told, d.destroyed].map(|at| at.map(|at| at.0));
        all.push(format!("disclosure {} {of:?} {} {told:?} {destroyed:?}", d.given.code, d.at.0));
    }
    let s = &rules.settings;
    let gate_rules: Vec<_> =
        s.gate_rules.iter().map(|(_, rule)| (rule.when.clone(), rule.purposes.clone())).collect();
    all.push(format!(
        "settings {:?} {gate_rules:?} {:?} {} {} {:?} {} {}",
        s.gate,
        s.deletion,
        s.four_eyes,
        s.ends_four_eyes.is_some(),
        s.grace.map(|span| span.to_string()),
        s.quarantine,
        s.keep_evidence
    ));
    all
}
