//! What comes in, and what is said of it.

use escrowdb::ErrorKind;
use escrowdb::id::Micros;
use escrowdb::record::Kind;
use escrowdb::register::settings::Gate;
use escrowdb::store::{Outcome, Record};

use super::model::{DAY, Model, Pid, RELEASED, Row};
use super::{CONVERSATIONS, History};

const WORDS: [&str; 6] = ["lamp", "order", "card", "hello", "привет", "late"];
const TAGS: [&str; 3] = ["topic:a", "topic:b", "vip"];
const CHANNELS: [&str; 4] = ["", "web", "web", "mail"];

#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Added,
    Quarantined,
    Duplicate(u64),
    Rejected(ErrorKind),
}

impl Model {
    /// Purposes that a record is kept for and that one of its subjects does not allow. `None` is somebody unknown.
    fn lacks(&self, author: &str, row: &Row, subjects: &[Option<Pid>]) -> bool {
        let rules = self.settings.gate_rules.iter().filter(|(when, _)| Self::fits(when, author, row));
        rules.flat_map(|(_, purposes)| purposes).any(|code| {
            let Some((purpose, true)) = self.purposes.get(code) else { return true };
            let allows = |pid: &Option<Pid>| pid.is_some_and(|pid| self.consents(pid, code));
            purpose.needs_consent && !subjects.iter().all(allows)
        })
    }

    /// Whether purposes are missing for what a record speaks of, or for what that speaks of.
    fn target_lacks(&self, row: &Row) -> bool {
        let Some(of) = self.target(row) else { return false };
        let subjects: Vec<_> = of.subjects.iter().copied().map(Some).collect();
        let author = self.name(of.author).unwrap_or_default();
        self.lacks(author, of, &subjects) || self.target_lacks(of)
    }

    /// What speaks of nothing that is there is asked of whatever stands where it will.
    fn holds_any(&self, conversation: &str, author: Option<Pid>) -> bool {
        let here = |hold: &&super::model::Hold| match &hold.about {
            super::model::About::Conversation(name) => name == conversation,
            super::model::About::Person(of) => author.is_some_and(|pid| self.group(*of).contains(&pid)),
            super::model::About::Query(_) => false,
        };
        self.holds.values().filter(|hold| !hold.hides && hold.released.is_none()).any(|hold| here(&hold))
    }

    /// What becomes of a record that comes in.
    fn fate(&self, record: &Record) -> Fate {
        let mut row = row_of(record);
        if let Some(old) = record.id.as_deref().and_then(|id| self.find(&record.conversation, id)) {
            let people =
                |names: &[String]| names.iter().map(|name| self.person(name)).collect::<Option<Vec<_>>>();
            let author = self.person(&record.author);
            let mut subjects = match people(&record.subjects) {
                Some(named) if named.is_empty() && record.target.is_some() => old.subjects.clone(),
                Some(named) if named.is_empty() => author.into_iter().collect(),
                Some(named) => named,
                None => Vec::new(),
            };
            subjects.sort_unstable();
            subjects.dedup();
            let is_same = author == Some(old.author)
                && subjects == old.subjects
                && (row.time, row.kind, &row.channel, &row.target, &row.tags, &row.removed, &row.body)
                    == (old.time, old.kind, &old.channel, &old.target, &old.tags, &old.removed, &old.body);
            return if is_same { Fate::Duplicate(old.seq) } else { Fate::Rejected(ErrorKind::Invalid) };
        }
        let author = self.person(&record.author);
        let target = record.target.as_deref().map(|id| self.find(&record.conversation, id));
        let changes = match record.kind {
            Kind::Edit | Kind::Delete => true,
            Kind::Tag => !row.removed.is_empty(),
            _ => false,
        };
        match target {
            Some(Some(of)) if changes && (self.is_held(of) || self.is_kept_from(of, author)) => {
                return Fate::Rejected(ErrorKind::Refused);
            }
            Some(None) if changes && self.holds_any(&record.conversation, author) => {
                return Fate::Rejected(ErrorKind::Refused);
            }
            _ => {}
        }
        let named: Vec<Option<Pid>> = record.subjects.iter().map(|name| self.person(name)).collect();
        let subjects = match target {
            Some(Some(of)) if named.is_empty() => of.subjects.iter().copied().map(Some).collect(),
            _ if named.is_empty() => vec![author],
            _ => named,
        };
        row.tags.sort();
        let gate = self.settings.gate;
        // To take something back needs no consent.
        if gate == Gate::Open || record.kind == Kind::Delete {
            return Fate::Added;
        }
        if !self.lacks(&record.author, &row, &subjects) && !self.target_lacks(&row) {
            return Fate::Added;
        }
        if gate == Gate::Quarantine && record.target.is_none() {
            Fate::Quarantined
        } else {
            Fate::Rejected(ErrorKind::Refused)
        }
    }

    /// Adds a record that came in.
    fn add(&mut self, record: &Record, seq: u64, is_quarantined: bool) {
        let mut row = row_of(record);
        let of_target = record.target.as_deref().and_then(|id| self.find(&record.conversation, id));
        let of_target = of_target.map(|of| (of.subjects.clone(), of.class));
        row.author = self.person_or_new(&record.author);
        row.subjects = match &of_target {
            Some((subjects, _)) if record.subjects.is_empty() => subjects.clone(),
            _ if record.subjects.is_empty() => vec![row.author],
            _ => record.subjects.iter().map(|name| self.person_or_new(name)).collect(),
        };
        row.subjects.sort_unstable();
        row.subjects.dedup();
        row.class = match of_target {
            Some((_, class)) => class,
            None => {
                let fits = |class: &&super::model::Class| {
                    class.active && Self::fits(&class.selector, &record.author, &row)
                };
                self.classes.iter().find(fits).map_or(0, |class| class.number)
            }
        };
        row.came = is_quarantined.then_some(self.now);
        row.late = (row.kind == Kind::Delete && row.time + DAY < self.now).then_some(self.now);
        (row.seq, row.place) = (seq, seq);
        self.rows.insert(seq, row);
    }
}

fn row_of(record: &Record) -> Row {
    let removed = record.extra.iter().find(|(name, _)| name == "removed");
    let removed = removed.map(|(_, json)| serde_json::from_str(json).unwrap()).unwrap_or_default();
    Row {
        seq: 0,
        place: 0,
        id: record.id.clone(),
        conversation: record.conversation.clone(),
        author: 0,
        subjects: Vec::new(),
        time: record.time.0,
        kind: record.kind,
        channel: record.channel.clone(),
        target: record.target.clone(),
        tags: record.tags.clone(),
        removed,
        body: record.body.clone(),
        class: 0,
        came: None,
        late: None,
    }
}

impl History {
    fn words(&mut self) -> String {
        let count = 1 + self.rng.below(3);
        let words: Vec<&str> = (0..count).map(|_| *self.rng.pick(&WORDS)).collect();
        words.join(" ")
    }

    fn some_tags(&mut self) -> Vec<String> {
        let tag = (*self.rng.pick(&TAGS)).to_owned();
        if self.rng.chance(50) { vec![tag] } else { Vec::new() }
    }

    fn moment(&mut self) -> Micros {
        let back = *self.rng.pick(&[0, 1, 5, 29, 31, 100, 500]) * DAY + self.rng.below(1000) as i64;
        Micros(self.model.now - back)
    }

    pub(super) fn append(&mut self) {
        if !self.sent.is_empty() && self.rng.chance(12) {
            // Given again, or another under its name.
            let mut record = self.rng.pick(&self.sent).clone();
            let is_staff = |name: &String| super::STAFF.contains(&name.as_str());
            if record.subjects.iter().any(is_staff) {
                return;
            }
            // Who was erased can't be told from who is unknown.
            let old = record.id.as_deref().and_then(|id| self.model.find(&record.conversation, id));
            if old.is_some_and(|old| !self.model.people[old.author].alive) {
                return;
            }
            if self.rng.chance(25) {
                record.body.push_str(" again");
            }
            return self.give(vec![record]);
        }
        let count = *self.rng.pick(&[1, 1, 2, 4]);
        let mut batch = Vec::new();
        for _ in 0..count {
            self.ids += 1;
            let (author, body, time) = (self.who(), self.words(), self.moment());
            let (mut conversation, mut id) = (*self.rng.pick(&CONVERSATIONS), format!("m{}", self.ids));
            // What others spoke of before.
            if let Some((of, name)) = self.awaited().filter(|_| self.rng.chance(15)) {
                (conversation, id) = (of, name);
                self.met.push("came after what speaks of it");
            }
            let mut record =
                Record::new(conversation, author, time, body).id(id).channel(*self.rng.pick(&CHANNELS));
            for tag in self.some_tags() {
                record = record.tag(tag);
            }
            if self.rng.chance(35) {
                record = record.subject(self.who());
            }
            batch.push(record);
        }
        self.give(batch);
    }

    /// A record that something is said of already: where, and its id.
    fn awaited(&self) -> Option<(&'static str, String)> {
        let is_awaited = |row: &&Row| row.target.is_some() && self.model.target(row).is_none();
        let row = self.model.rows.values().find(is_awaited)?;
        let conversation = CONVERSATIONS.into_iter().find(|name| *name == row.conversation)?;
        Some((conversation, row.target.clone()?))
    }

    /// An edit, a deletion or a reaction, of something that is there or of nothing.
    pub(super) fn speak(&mut self) {
        let rows = self.can_be_meant();
        let kind = *self.rng.pick(&[Kind::Edit, Kind::Edit, Kind::Delete, Kind::Reaction, Kind::Reaction]);
        self.ids += 1;
        let (author, time, body) = (self.who(), self.moment(), self.words());
        let (conversation, target, of) = match rows.is_empty() || self.rng.chance(4) {
            true => ((*self.rng.pick(&CONVERSATIONS)).to_owned(), format!("none{}", self.ids), None),
            false => {
                let row = self.rng.pick(&rows).clone();
                (row.conversation, row.id.unwrap(), Some(row.subjects))
            }
        };
        let mut record =
            Record::new(conversation, author, time, if kind == Kind::Delete { String::new() } else { body })
                .id(format!("s{}", self.ids))
                .kind(kind)
                .target(target);
        if kind == Kind::Edit && self.rng.chance(20) {
            record = record.channel("mail");
        }
        if kind == Kind::Edit {
            for tag in self.some_tags() {
                record = record.tag(tag);
            }
        }
        // Of more people than what it speaks of.
        if let Some(of) = of.filter(|_| self.rng.chance(25)) {
            let names: Option<Vec<String>> =
                of.iter().map(|pid| self.model.name(*pid).map(str::to_owned)).collect();
            if let Some(names) = names {
                let more = self.who();
                for name in names.into_iter().chain([more]) {
                    if !record.subjects.contains(&name) {
                        record = record.subject(name);
                    }
                }
            }
        }
        self.give(vec![record]);
    }

    fn give(&mut self, batch: Vec<Record>) {
        let outcomes = self.store().append(&batch).unwrap();
        for (record, outcome) in batch.into_iter().zip(outcomes) {
            let want = self.model.fate(&record);
            self.note(format!(
                "{} {:?} in {} of {:?} by {} about {:?}, {} {:?} {:?} {}: {want:?}",
                record.kind.name(),
                record.id,
                record.conversation,
                record.subjects,
                record.author,
                record.target,
                (record.time.0 - super::START) / DAY,
                record.channel,
                record.tags,
                record.body
            ));
            let got = match &outcome {
                Outcome::Added(_) => Fate::Added,
                Outcome::Quarantined(_) => Fate::Quarantined,
                Outcome::Duplicate(seq) => Fate::Duplicate(seq.0),
                Outcome::Rejected(e) => Fate::Rejected(e.kind()),
            };
            assert_eq!(got, want, "seed {}: {outcome:?}", self.seed);
            self.refused |= want == Fate::Rejected(ErrorKind::Refused);
            self.met.extend((want == Fate::Quarantined).then_some("in quarantine"));
            match outcome {
                Outcome::Added(seq) => self.model.add(&record, seq.0, false),
                Outcome::Quarantined(seq) => self.model.add(&record, seq.0, true),
                Outcome::Duplicate(_) | Outcome::Rejected(_) => {}
            }
            self.sent.push(record);
        }
    }

    /// A record that the store makes about another, by one of the staff.
    fn said(&self, actor: &str, of: &Row, kind: Kind, body: &str) -> Record {
        let id = of.id.clone().unwrap();
        Record::new(of.conversation.clone(), actor, Micros(self.model.now), body).kind(kind).target(id)
    }

    /// What becomes of such a record; where it stands is answered.
    fn hold_said(
        &mut self,
        record: &Record,
        is_there: bool,
        removed: Vec<String>,
        got: Result<escrowdb::id::Seq, escrowdb::Error>,
    ) {
        let mut asked = record.clone();
        if !removed.is_empty() {
            asked = asked.extra("removed", serde_json::to_string(&removed).unwrap());
        }
        let want = match self.model.fate(&asked) {
            _ if !is_there => Err(ErrorKind::NotFound),
            Fate::Rejected(kind) => Err(kind),
            _ => Ok(()),
        };
        self.note(format!("{:?} {removed:?} of {:?}: {want:?}", record.tags, record.target));
        self.same(&got, want);
        if let Ok(seq) = got {
            self.model.add(&asked, seq.0, false);
        }
    }

    /// Records that something is said of. What edits an edit of nothing that is there waits with it.
    fn can_be_meant(&self) -> Vec<Row> {
        let waits = |row: &Row| self.model.root(row).is_some_and(|root| root.kind == Kind::Edit);
        let is_meant =
            |row: &&Row| row.id.is_some() && matches!(row.kind, Kind::Message | Kind::Edit) && !waits(row);
        self.model.rows.values().filter(is_meant).cloned().collect()
    }

    fn any_row(&mut self) -> Option<Row> {
        let rows = self.can_be_meant();
        if rows.is_empty() { None } else { Some(self.rng.pick(&rows).clone()) }
    }

    pub(super) fn tag(&mut self) {
        let Some(row) = self.any_row() else { return };
        let (actor, one, other) = (self.actor(), self.rng.below(3), self.rng.below(3));
        let add = if self.rng.chance(70) { vec![TAGS[one].to_owned()] } else { Vec::new() };
        let mut remove = Vec::new();
        if add.is_empty() || other != one && self.rng.chance(40) {
            remove.push(TAGS[other].to_owned());
        }
        let (id, name) = (row.id.clone().unwrap(), row.conversation.clone());
        let got = self.store().tag(&Self::session(actor), &id, Some(&name), &add, &remove);
        let mut record = self.said(actor, &row, Kind::Tag, "");
        record.tags = add;
        let is_there = !self.model.is_quarantined(&row) && !self.model.is_covered(&row);
        self.hold_said(&record, is_there, remove, got);
    }

    pub(super) fn correct(&mut self) {
        let Some(row) = self.any_row() else { return };
        let (actor, body) = (self.actor(), self.words());
        let (id, name) = (row.id.clone().unwrap(), row.conversation.clone());
        let got = self.store().correct(&Self::session(actor), &id, Some(&name), &body, None);
        let record = self.said(actor, &row, Kind::Edit, &body);
        let is_there = !self.model.is_quarantined(&row) && !self.model.is_covered(&row);
        self.hold_said(&record, is_there, Vec::new(), got);
    }

    pub(super) fn release(&mut self) {
        let rows: Vec<Row> = self.model.rows.values().filter(|row| row.came.is_some()).cloned().collect();
        if rows.is_empty() {
            return;
        }
        let row = self.rng.pick(&rows).clone();
        let actor = self.actor();
        let (id, name) = (row.id.clone().unwrap(), row.conversation.clone());
        let got = self.store().release(&Self::session(actor), &id, Some(&name));
        let mut record = self.said(actor, &row, Kind::Tag, "");
        record.tags = vec![RELEASED.to_owned()];
        let author = self.model.name(row.author).unwrap_or_default().to_owned();
        let subjects: Vec<_> = row.subjects.iter().copied().map(Some).collect();
        let is_there = self.model.is_quarantined(&row) && !self.model.is_covered(&row);
        if is_there && self.model.lacks(&author, &row, &subjects) {
            self.note(format!("released {id}: refused"));
            return self.same(&got, Err(ErrorKind::Refused));
        }
        self.met.extend(got.is_ok().then_some("released"));
        self.hold_said(&record, is_there, Vec::new(), got);
    }
}
