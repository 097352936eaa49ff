//! What goes, and who is who.

use std::collections::BTreeSet;

use escrowdb::ErrorKind;
use escrowdb::id::RequestId;
use escrowdb::record::Kind;
use escrowdb::register::request::Kind as Asked;
use escrowdb::store::{EraseOptions, Redaction, Selector};

use super::keeps::{Due, Verdict};
use super::model::{About, Hold, Pid, Row};
use super::{CONVERSATIONS, History, PEOPLE};

impl History {
    fn options(&mut self) -> (RequestId, EraseOptions) {
        let request = RequestId(u128::from(self.rng.next()).to_be_bytes());
        let options =
            EraseOptions { request: Some(request), actor: Some("dana".into()), ..EraseOptions::default() };
        (request, options)
    }

    pub(super) fn erase_person(&mut self) {
        let name = self.who();
        let (request, mut options) = self.options();
        options.with_evidence = self.rng.chance(25);
        let codes: Vec<String> = self.model.requests.keys().cloned().collect();
        if !codes.is_empty() && self.rng.chance(60) {
            options.approved = Some(self.rng.pick(&codes).clone());
        }
        let Some(pid) = self.model.person(&name) else {
            let got = self.store().erase(&Selector::Person(name), &options);
            return self.same(&got, Err(ErrorKind::NotFound));
        };
        let group = self.model.group(pid);
        let mut verdict = self.model.of_person(&group, options.with_evidence);
        if !self.model.is_approved(options.approved.as_deref(), &group, &[Asked::Erasure]) {
            verdict = Verdict::Refused;
        }
        if let Some(code) = &options.approved {
            let of = &self.model.requests[code];
            let is_hers = of.kind == Asked::Erasure && group.contains(&of.person);
            let as_planned = is_hers && self.store().check_planned(&Self::session("dana"), code).is_ok();
            if !as_planned {
                verdict = Verdict::Refused;
            } else if verdict != Verdict::Refused {
                self.met.push("as planned");
            }
        }
        self.note(format!("erase {name}, with evidence {}: {verdict:?}", options.with_evidence));
        for pid in &group {
            let name = self.model.name(*pid).unwrap().to_owned();
            let person = self.store().session(Self::session("dana")).person(&name).unwrap();
            self.model.people[*pid].number = Some(person.number.0);
            self.model.people[*pid].handle = Some(person.handle);
        }
        let got = self.store().erase(&Selector::Person(name), &options);
        self.same(&got, if verdict == Verdict::Refused { Err(ErrorKind::Refused) } else { Ok(()) });
        let Ok(certificate) = got else { return };
        if options.with_evidence {
            self.model.take_evidence(&group);
            self.met.push("with evidence");
        }
        if certificate.people_forgotten > 0 {
            self.met.push("forgotten with what went");
        }
        match verdict {
            Verdict::Refused => {}
            Verdict::Whole(going) => {
                assert_eq!(certificate.kept, None, "seed {}", self.seed);
                self.met.push("whole person");
                self.model.take(going, &group, true);
            }
            Verdict::Part(going, kept) => {
                assert_eq!(certificate.kept.unwrap().records, kept, "seed {}", self.seed);
                self.model.take(going, &BTreeSet::new(), true);
                self.met.push("held in part");
                if kept > 0 {
                    self.keep_restricted(request, &group);
                }
            }
        }
    }

    /// What is kept of somebody who asked to be erased is restricted (GDPR article 18).
    fn keep_restricted(&mut self, request: RequestId, group: &BTreeSet<Pid>) {
        // Who is first of those who are linked stands for all.
        let first = |pid: &Pid| self.model.people[*pid].number;
        let pid = group.iter().copied().min_by_key(first).unwrap();
        let person = &mut self.model.people[pid];
        (person.has_evidence, person.evidence) = (true, person.evidence + 1);
        let hold = Hold {
            hides: true,
            about: About::Person(pid),
            matter: "erasure that was done in part".into(),
            review: None,
            at: self.model.now,
            released: None,
            left: self.model.rows.keys().last().copied().or(Some(0)),
        };
        self.model.holds.insert(format!("kept-{request}"), hold);
    }

    pub(super) fn erase_conversation(&mut self) {
        let name = (*self.rng.pick(&CONVERSATIONS)).to_owned();
        let (_, options) = self.options();
        let verdict = self.model.of_conversation(&name);
        self.note(format!("erase conversation {name}: {verdict:?}"));
        let got = self.store().erase(&Selector::Conversation(name), &options);
        let want = match &verdict {
            None => Err(ErrorKind::NotFound),
            Some(Verdict::Refused) => Err(ErrorKind::Refused),
            Some(_) => Ok(()),
        };
        self.same(&got, want);
        let (Ok(certificate), Some(verdict)) = (got, verdict) else { return };
        match verdict {
            Verdict::Refused => {}
            Verdict::Whole(going) => {
                assert_eq!(certificate.kept, None);
                self.met.push("whole conversation");
                self.model.take(going, &BTreeSet::new(), false);
            }
            Verdict::Part(going, kept) => {
                assert_eq!(certificate.kept.unwrap().records, kept);
                self.met.push("conversation in part");
                self.model.take(going, &BTreeSet::new(), false);
            }
        }
    }

    fn meant(&mut self) -> Option<Row> {
        let rows: Vec<Row> = self.model.rows.values().filter(|row| row.id.is_some()).cloned().collect();
        if rows.is_empty() { None } else { Some(self.rng.pick(&rows).clone()) }
    }

    pub(super) fn erase_record(&mut self) {
        let Some(row) = self.meant() else { return };
        let (_, options) = self.options();
        let verdict = self.model.of_record(&row);
        self.note(format!("erase record {:?} in {}: {verdict:?}", row.id, row.conversation));
        let selector = Selector::Record { id: row.id.unwrap(), conversation: Some(row.conversation) };
        let got = self.store().erase(&selector, &options);
        self.same(&got, if verdict == Verdict::Refused { Err(ErrorKind::Refused) } else { Ok(()) });
        if let (Ok(_), Verdict::Whole(going)) = (got, verdict) {
            self.model.take(going, &BTreeSet::new(), false);
        }
    }

    pub(super) fn redact(&mut self) {
        let rows = self.model.rows.values();
        let has_words = |row: &&Row| row.id.is_some() && matches!(row.kind, Kind::Message | Kind::Edit);
        let rows: Vec<Row> = rows.filter(has_words).cloned().collect();
        if rows.is_empty() {
            return;
        }
        let row = self.rng.pick(&rows).clone();
        let (_, mut options) = self.options();
        let codes: Vec<String> = self.model.requests.keys().cloned().collect();
        if !codes.is_empty() {
            options.approved = Some(self.rng.pick(&codes).clone());
        }
        let words: Vec<&str> = row.body.split_whitespace().filter(|word| *word != "█").collect();
        let word = if words.is_empty() || self.rng.chance(5) { "nowhere" } else { *self.rng.pick(&words) };
        let want = if self.model.is_quarantined(&row) || self.model.is_covered(&row) {
            Err(ErrorKind::NotFound)
        } else if !row.body.contains(word) {
            Err(ErrorKind::Invalid)
        } else if self.model.may_redact(&row) {
            Ok(())
        } else {
            Err(ErrorKind::Refused)
        };
        let id = row.id.clone().unwrap();
        self.note(format!("redact {word} of {id}: {want:?}"));
        let redaction = Redaction::new(id).conversation(row.conversation.clone()).word(word);
        let got = self.store().redact(&redaction, &options);
        self.same(&got, want);
        let Ok(certificate) = got else { return };
        let told = certificate.redaction.unwrap();
        assert_eq!(told.before.0, row.seq, "seed {}", self.seed);
        let seq = told.after.unwrap().0;
        let body = row.body.replace(word, "█");
        self.model.rows.remove(&row.seq);
        self.model.rows.insert(seq, Row { seq, body, ..row });
    }

    /// A run does what a dry run says, and that is what the lists say.
    pub(super) fn retention(&mut self) {
        let would = self.store().retention(true).unwrap();
        let due = self.model.due();
        self.note(format!("retention: {due:?}"));
        let classes = would.classes.iter();
        let got = Due {
            classes: classes.map(|c| (c.code.clone(), c.records, (c.due, c.held, c.locked))).collect(),
            taken_back: would.taken_back.map(|t| (t.due, t.held, t.locked)),
            quarantine: would.quarantine.map(|q| (q.records, (q.due, q.held, q.locked))),
            ..Due::default()
        };
        let told = Due { erase: BTreeSet::new(), deferred: Vec::new(), ..due.clone() };
        assert_eq!((got, would.deferred), (told, due.deferred.len() as u64), "seed {}", self.seed);
        for (what, is_met) in [
            ("due of a class", due.classes.iter().any(|(_, _, (due, _, _))| *due > 0)),
            ("taken back and due", due.taken_back.is_some_and(|(due, _, _)| due > 0)),
            ("over in quarantine", due.quarantine.is_some_and(|(_, (due, _, _))| due > 0)),
            ("completed later", !due.deferred.is_empty()),
        ] {
            self.met.extend(is_met.then_some(what));
        }
        let did = self.store().retention(false).unwrap();
        let certificates = self.model.run();
        assert_eq!(did.certificates.len(), certificates, "seed {}", self.seed);
    }

    fn two(&mut self) -> [String; 2] {
        [self.who(), self.who()]
    }

    /// What is asked before two people become one, or two again.
    fn of_two(&self, [a, b]: &[String; 2]) -> Result<[Pid; 2], ErrorKind> {
        let both = [self.model.person(a), self.model.person(b)];
        let [Some(a), Some(b)] = both else { return Err(ErrorKind::NotFound) };
        if [a, b].into_iter().any(|pid| self.model.is_held_person(pid)) {
            return Err(ErrorKind::Refused);
        }
        Ok([a, b])
    }

    /// The same of a link: who waits for the rest of an erasure goes with those who were linked then.
    fn of_linked(&self, names: &[String; 2]) -> Result<[Pid; 2], ErrorKind> {
        let two = self.of_two(names)?;
        if two.into_iter().any(|pid| self.model.waits(pid)) { Err(ErrorKind::Refused) } else { Ok(two) }
    }

    pub(super) fn link(&mut self) {
        let names = self.two();
        let got = self.store().link_as(&Self::session("dana"), &names[0], &names[1]);
        let is_one = self.model.person(&names[0]).is_some_and(|a| self.model.person(&names[1]) == Some(a));
        let want = if is_one && names[0] != names[1] { Ok([0, 0]) } else { self.of_linked(&names) };
        self.note(format!("link {names:?}: {want:?}"));
        self.same(&got, want.map(drop));
        if let Ok([a, b]) = want
            && a != b
        {
            self.model.people[a].links.insert(b);
            self.model.people[b].links.insert(a);
        }
    }

    pub(super) fn unlink(&mut self) {
        let mut names = self.two();
        let linked = |(_, p): &(usize, &super::model::Person)| p.alive && !p.links.is_empty();
        let known: Vec<Pid> =
            self.model.people.iter().enumerate().filter(linked).map(|(pid, _)| pid).collect();
        if !known.is_empty() {
            let one = *self.rng.pick(&known);
            let others: Vec<Pid> = self.model.people[one].links.iter().copied().collect();
            let other = *self.rng.pick(&others);
            names = [one, other].map(|pid| self.model.name(pid).unwrap().to_owned());
        }
        let got = self.store().unlink_as(&Self::session("dana"), &names[0], &names[1]);
        let is_one = self.model.person(&names[0]).is_some_and(|a| self.model.person(&names[1]) == Some(a));
        let want = match self.of_linked(&names) {
            _ if is_one && names[0] != names[1] => Ok(None),
            Ok([a, b]) if self.model.people[a].links.contains(&b) => Ok(Some([a, b])),
            Ok(_) => Err(ErrorKind::Invalid),
            Err(kind) => Err(kind),
        };
        self.note(format!("unlink {names:?}: {want:?}"));
        self.same(&got, want.map(drop));
        if let Ok(Some([a, b])) = want {
            self.model.people[a].links.remove(&b);
            self.model.people[b].links.remove(&a);
        }
    }

    pub(super) fn identifier(&mut self) {
        let of = self.who();
        let new = match self.rng.below(3) {
            0 => (*self.rng.pick(&PEOPLE)).to_owned(),
            _ => format!("+49 30 {}", self.rng.below(6)),
        };
        let got = self.store().add_identifier_as(&Self::session("dana"), &of, &new);
        let want = match self.of_two(&[of.clone(), of.clone()]) {
            Ok([pid, _]) => match self.model.person(&new) {
                Some(other) if other != pid => Err(ErrorKind::Invalid),
                known => Ok((pid, known.is_none())),
            },
            Err(kind) => Err(kind),
        };
        self.note(format!("{of} is {new} too: {want:?}"));
        self.same(&got, want.map(drop));
        if let Ok((pid, true)) = want {
            self.model.people[pid].names.push(new);
        }
    }
}
