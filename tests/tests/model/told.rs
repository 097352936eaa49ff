//! Half of the histories are of stores that keep acts: whatever is asked there leaves one, with what was
//! typed. The list of them is held against the store's, with erasures and their dates.

use std::collections::BTreeSet;

use escrowdb::id::Micros;
use escrowdb::merkle::cosign::Cosigner;
use escrowdb::session::Session;
use escrowdb::store::{
    ActOptions, Against, AuditRules, Certificate, Deed, DetailField, Exported, Level, Order, Plan, Selector,
};
use escrowdb_tests::chats::ask::{Answers, FIELDS, PERIODS, Plain};
use escrowdb_tests::chats::told::{KEEP, Typed};

use super::History;

/// Who asks: nobody, somebody who says nothing in the chats, somebody who does.
const ACTORS: [Option<&str>; 3] = [None, Some("dana"), Some("agent 7")];

/// In whose name something is asked.
#[derive(Clone)]
pub(crate) struct Asker {
    actor: Option<&'static str>,
    purpose: Option<&'static str>,
}

impl Asker {
    pub(crate) fn session(&self) -> Session {
        let session = self.actor.into_iter().fold(Session::new(), Session::actor);
        self.purpose.into_iter().fold(session, Session::purpose)
    }
}

pub(crate) fn query(text: impl ToString) -> Typed {
    vec![(DetailField::Query, text.to_string())]
}

impl History {
    /// Somebody who asks; in a store that keeps nothing of it nobody.
    pub(crate) fn asker(&mut self) -> Asker {
        if !self.keeps_acts {
            return Asker { actor: None, purpose: None };
        }
        let purpose = *self.rng.pick(&[None, Some("quarterly review"), Some("Beschwerde 17")]);
        Asker { actor: *self.rng.pick(&ACTORS), purpose }
    }

    /// Notes what `who` did.
    pub(crate) fn told(&mut self, who: &Asker, deed: Deed, count: usize, mut typed: Typed) {
        if self.keeps_acts {
            typed.extend(who.purpose.map(|purpose| (DetailField::Purpose, purpose.to_owned())));
            self.model.tell(who.actor, deed, count as u64, typed);
        }
    }

    /// Acts live for two months and details for one, so that a history sees them go.
    pub(crate) fn set_rules(&mut self) {
        if self.keeps_acts {
            let [acts, details] = KEEP.map(|days| days as u32);
            let who = self.asker();
            let rules = AuditRules::new(Level::All).keep_acts(acts).keep_details(details);
            self.store().set_audit_rules(&who.session(), &rules).unwrap();
            self.told(&who, Deed::AuditRules, 0, Vec::new());
        }
    }

    /// What all the questions of [`Answers::of_store`] leave.
    pub(crate) fn told_answers(&mut self, who: &Asker, text: &str, page: usize, answers: &Answers) {
        self.told(who, Deed::Count, answers.count as usize, query(text));
        for (by, facet) in FIELDS.iter().zip(&answers.facets) {
            let typed = vec![(DetailField::Query, text.to_owned()), (DetailField::By, (*by).to_owned())];
            self.told(who, Deed::Facet, facet.len(), typed);
        }
        for (per, bars) in PERIODS.iter().zip(&answers.bars) {
            let typed = vec![(DetailField::Query, text.to_owned()), (DetailField::By, per.name().to_owned())];
            self.told(who, Deed::Histogram, bars.len(), typed);
        }
        for hits in [&answers.newest, &answers.oldest] {
            let full = hits.len() / page;
            let pages = std::iter::repeat_n(page, full).chain([hits.len() % page]);
            pages.for_each(|n| self.told(who, Deed::Search, n, query(text)));
        }
    }

    pub(crate) fn plan(&mut self, selector: &Selector) -> escrowdb::Result<Plan> {
        let mut who = self.asker();
        // Whom nobody knew is known once he asked for himself.
        if matches!(selector, Selector::Person(name) if who.actor == Some(name)) {
            who.actor = None;
        }
        let typed = match selector {
            Selector::Person(name) => vec![(DetailField::Person, name.clone())],
            Selector::Conversation(name) => vec![(DetailField::Conversation, name.clone())],
            Selector::Record { id, conversation } => {
                let of = conversation.iter().map(|name| (DetailField::Conversation, name.clone()));
                of.chain([(DetailField::Record, id.clone())]).collect()
            }
            _ => Vec::new(),
        };
        let planned = self.store().plan_as(&who.session(), selector);
        match &planned {
            Ok(plan) => self.told(&who, Deed::Plan, plan.records as usize, typed),
            Err(e) if e.kind() == escrowdb::ErrorKind::NotFound => self.told(&who, Deed::Plan, 0, typed),
            Err(_) => {}
        }
        planned
    }

    /// Behind an erasure of so many records, `rows` of them and the names of `people`: what was planned of
    /// details went, and no other tells of them.
    pub(crate) fn hold_details(
        &mut self,
        certificate: &Certificate,
        removed: u64,
        details: u64,
        rows: &[(u64, Plain)],
        people: &BTreeSet<String>,
    ) {
        let gone = self.look_at_acts();
        assert_eq!(gone, details, "seed {}: details that went, and that were planned", self.seed);
        assert_eq!(certificate.records_removed, removed + details, "seed {}", self.seed);
        self.model.acts.tell_nothing_of(rows, people);
    }

    /// Every act, by one who is nobody, for no purpose that is written. Answers how many details are gone
    /// that were there.
    fn look_at_acts(&mut self) -> u64 {
        let who = Asker { actor: None, purpose: Some("comparison") };
        let all = ActOptions::new().limit(usize::MAX).order(Order::Oldest).details(true);
        let found = self.store().session(who.session()).acts("*", &all).unwrap();
        let names = self.model.clone();
        let gone = self.model.acts.compare(&found, |number| names.name(number));
        self.told(&who, Deed::Details, found.len(), vec![(DetailField::Acts, "*".to_owned())]);
        gone
    }

    /// Acts by some of what they can be found by.
    pub(crate) fn look_among_acts(&mut self) {
        if !self.keeps_acts {
            return;
        }
        assert_eq!(self.look_at_acts(), 0, "seed {}: a detail went by itself", self.seed);
        let who = self.asker();
        let by = *self.rng.pick(&["dana", "agent 7", "nobody"]);
        let text = format!("author:\"{by}\" kind:searched");
        let options = ActOptions::new().limit(7);
        let found = self.store().session(who.session()).acts(&text, &options).unwrap();
        let number = self.model.number(by);
        let is_found = |told: &&escrowdb_tests::chats::told::Told| {
            number.is_some()
                && told.author == number
                && told.deed.is_some_and(|deed| deed.kind() == escrowdb::record::Kind::Searched)
        };
        let wanted = self.model.acts.list.iter().rev().filter(is_found).take(7).map(|told| told.seq);
        assert_eq!(
            found.iter().map(|act| act.seq.0).collect::<Vec<_>>(),
            wanted.collect::<Vec<_>>(),
            "seed {}: {text}",
            self.seed
        );
        self.told(&who, Deed::Acts, found.len(), vec![(DetailField::Acts, text)]);
    }

    /// What is handed out is told of once, and what is read for it no more.
    pub(crate) fn export(&mut self) {
        let asked = self.question().to_string();
        let who = self.asker();
        let store = self.store.take().unwrap();
        let reading = store.session(who.session());
        let quiet = reading.exporting(Exported::Query, &asked).unwrap();
        let mut found = 0;
        quiet
            .search_each(&asked, Order::Oldest, |_| {
                found += 1;
                true
            })
            .unwrap();
        self.store = Some(store);
        self.told(&who, Deed::ExportQuery, found, query(asked));
    }

    /// Time goes on; what is due goes.
    pub(crate) fn advance(&mut self, micros: i64) {
        self.clock.advance(micros);
        self.model.now = Micros(self.model.now.0 + micros);
        if !self.keeps_acts {
            return;
        }
        let certificates = self.store().expire_acts().unwrap();
        let mut wanted = Vec::new();
        for (class, what) in ["acts", "details"].into_iter().enumerate() {
            wanted.extend(self.model.expire(class).map(|removed| (what, removed)));
        }
        let found: Vec<_> = certificates.iter().map(|c| (c.what, c.records_removed)).collect();
        assert_eq!(found, wanted, "seed {}: what expired", self.seed);
        // Somebody looks at the clock at least once a month.
        let who = self.asker();
        let found = self.store().session(who.session()).count("tag:vip").unwrap();
        self.told(&who, Deed::Count, found as usize, query("tag:vip"));
    }

    /// Signs a head, which continues the one before; a witness's word is kept, and the key is changed.
    pub(crate) fn sign(&mut self) {
        let head = self.store().checkpoint().unwrap();
        assert_eq!(head.unverified().size, self.model.seq, "seed {}", self.seed);
        if let Some(kept) = &self.head {
            let to = self.model.seq;
            let from = kept.unverified().size;
            let against = self.store().verify_against(kept).unwrap();
            assert_eq!(against, Against::Continues { from, to }, "seed {}", self.seed);
        }
        let line = Cosigner::new("w.example", &[1; 32]).unwrap().cosign(&head, 1_800_000_000).unwrap();
        self.store().keep_cosigned(&head.with(&[line]).unwrap()).unwrap();
        self.head = Some(head);
        if self.rng.chance(20) {
            self.store().rotate_log_key().unwrap();
            self.model.rotated();
        }
    }
}
