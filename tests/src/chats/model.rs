//! A store as a plain list: the truth that a real one is compared with.

use std::collections::{BTreeMap, BTreeSet};

use escrowdb::ErrorKind;
use escrowdb::id::Micros;
use escrowdb::record::{Kind, Record};
use escrowdb::store::{Deed, DetailField, Preset, Selector};

use crate::chats::ask::{Plain, own_id};
use crate::chats::told::{Acts, Told, Typed};

/// The plain list.
#[derive(Clone)]
pub struct Model {
    preset: Preset,
    rows: Vec<Row>,
    /// The next log position.
    pub seq: u64,
    number: u64,
    people: BTreeMap<String, u64>,
    links: BTreeMap<u64, BTreeSet<u64>>,
    /// What the clock shows.
    pub now: Micros,
    /// What was done, as far as that is kept. Erasures are among them in a store that keeps acts.
    pub acts: Acts,
}

/// What becomes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "as the outcomes of an append")]
pub enum Fate {
    Added(u64),
    Duplicate(u64),
    Rejected,
}

/// A person as a plain list knows her.
#[derive(Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "as the view of a person")]
pub struct Known {
    pub linked: Vec<String>,
    pub records: u64,
    pub first: Option<Micros>,
    pub last: Option<Micros>,
}

#[derive(Clone)]
struct Row {
    seq: u64,
    author: u64,
    subjects: BTreeSet<u64>,
    plain: Plain,
}

impl Row {
    /// Whether the store made it from a participant; its id is not that of a record.
    fn is_made_join(&self) -> bool {
        self.plain.kind == Kind::Join && self.plain.id.is_empty()
    }
}

impl Model {
    /// Nothing and nobody.
    pub fn new(preset: Preset, now: Micros) -> Self {
        Self {
            preset,
            rows: Vec::new(),
            seq: 0,
            number: 1,
            people: BTreeMap::new(),
            links: BTreeMap::new(),
            now,
            acts: Acts::default(),
        }
    }

    /// Log position and content of every record, ascending.
    pub fn rows(&self) -> Vec<(u64, Plain)> {
        self.rows.iter().map(|row| (row.seq, self.shown(row))).collect()
    }

    /// Everybody who is known.
    pub fn people(&self) -> Vec<String> {
        self.people.keys().cloned().collect()
    }

    /// Appends a record, which has an id.
    pub fn append(&mut self, record: &Record) -> Fate {
        let id = record.id.clone().unwrap();
        let implied = self.implied(record);
        if let Some(old) = self.find(&record.conversation, &id) {
            let subjects: Option<BTreeSet<u64>> = match (&implied, record.subjects.is_empty()) {
                // Who names no subject takes what the record has.
                (Some(_), true) => Some(old.subjects.clone()),
                (None, true) => self.people.get(&record.author).map(|n| [*n].into()),
                _ => record.subjects.iter().map(|s| self.people.get(s).copied()).collect(),
            };
            let mut new = plain_of(record);
            new.id = old.plain.id.clone();
            // An erased author is unknown, and so is who can't be told from him.
            let erased = !self.people.values().any(|n| *n == old.author);
            let same = new == old.plain
                && match self.people.get(&record.author) {
                    Some(author) => *author == old.author,
                    None => erased,
                }
                && subjects.as_ref() == Some(&old.subjects);
            return if same { Fate::Duplicate(old.seq) } else { Fate::Rejected };
        }
        let author = self.number_of(&record.author);
        let subjects = match implied {
            Some(subjects) if record.subjects.is_empty() => subjects,
            _ if record.subjects.is_empty() => [author].into(),
            _ => record.subjects.iter().map(|s| self.number_of(s)).collect(),
        };
        for participant in &record.participants {
            let number = self.number_of(participant);
            let mut whose = subjects.clone();
            whose.insert(number);
            let joined = |row: &Row| {
                row.is_made_join()
                    && row.author == number
                    && row.subjects == whose
                    && row.plain.conversation == record.conversation
            };
            if !self.rows.iter().any(joined) {
                let mut join = plain_of(&Record::new(&record.conversation, participant, record.time, ""));
                join.kind = Kind::Join;
                join.channel.clone_from(&record.channel);
                self.push(number, whose, join);
            }
        }
        Fate::Added(self.push(author, subjects, plain_of(record)))
    }

    /// Positions of the records that go with a selector.
    pub fn doomed(&self, selector: &Selector) -> Result<BTreeSet<u64>, ErrorKind> {
        let mut gone = self.taken(selector)?;
        let named = |row: &Row, number: u64| row.author == number || row.subjects.contains(&number);
        for number in self.people.values() {
            let here = |row: &&Row| named(row, *number) && gone.contains(&row.seq);
            let elsewhere =
                |row: &Row| named(row, *number) && !gone.contains(&row.seq) && row.plain.kind != Kind::Person;
            let linked = self.links.get(number).is_some_and(|with| !with.is_empty());
            let told = self.acts.has_author(*number);
            if !linked && !told && self.rows.iter().any(|row| here(&row)) && !self.rows.iter().any(elsewhere)
            {
                let own = self.rows.iter().filter(|r| r.plain.kind == Kind::Person && r.author == *number);
                gone.extend(own.map(|row| row.seq).collect::<Vec<_>>());
            }
        }
        Ok(gone)
    }

    /// Positions of the records that a selector names.
    fn taken(&self, selector: &Selector) -> Result<BTreeSet<u64>, ErrorKind> {
        let go = |test: &dyn Fn(&Row) -> bool| self.rows.iter().filter(|r| test(r)).map(|r| r.seq).collect();
        match selector {
            Selector::Person(name) => {
                let group = self.group(*self.people.get(name).ok_or(ErrorKind::NotFound)?);
                Ok(go(&|row| !row.subjects.is_disjoint(&group)))
            }
            Selector::Conversation(name) => {
                let gone: BTreeSet<u64> = go(&|row| row.plain.conversation == *name);
                if gone.is_empty() { Err(ErrorKind::NotFound) } else { Ok(gone) }
            }
            Selector::Record { id, conversation } => {
                let gone: BTreeSet<u64> = go(&|row| {
                    row.plain.id == *id
                        && !row.plain.conversation.is_empty()
                        && conversation.as_ref().is_none_or(|c| *c == row.plain.conversation)
                });
                match gone.len() {
                    0 => Err(ErrorKind::NotFound),
                    1 => Ok(go(&|row| gone.contains(&row.seq) || self.is_join_of(row, &gone))),
                    _ => Err(ErrorKind::Invalid),
                }
            }
            _ => Err(ErrorKind::Invalid),
        }
    }

    /// Whether a join can't be told from one that a record of `seqs` made.
    fn is_join_of(&self, join: &Row, seqs: &BTreeSet<u64>) -> bool {
        let made = |row: &Row| {
            let mut whose = row.subjects.clone();
            whose.insert(join.author);
            row.plain.kind != Kind::Join
                && (&row.plain.conversation, row.plain.time) == (&join.plain.conversation, join.plain.time)
                && whose == join.subjects
        };
        join.is_made_join() && self.rows.iter().any(|row| seqs.contains(&row.seq) && made(row))
    }

    /// Erases, and takes the position of the act. Answers how many records went.
    pub fn erase(&mut self, selector: &Selector) -> Result<u64, ErrorKind> {
        let doomed = self.doomed(selector)?;
        self.remove(&doomed);
        Ok(doomed.len() as u64)
    }

    /// Takes rows away, and the next position for the record that tells of it.
    fn remove(&mut self, doomed: &BTreeSet<u64>) {
        // Who is known has a record that says so.
        let own = self.rows.iter().filter(|r| r.plain.kind == Kind::Person && doomed.contains(&r.seq));
        let unknown: BTreeSet<u64> = own.map(|row| row.author).collect();
        self.people.retain(|_, number| !unknown.contains(number));
        self.links.retain(|number, _| !unknown.contains(number));
        self.rows.retain(|row| !doomed.contains(&row.seq));
        let told = Told::new(self.seq, self.now, Typed::new());
        self.seq = self.acts.add(told);
    }

    /// Something was done that the store tells of.
    pub fn tell(&mut self, actor: Option<&str>, deed: Deed, count: u64, mut typed: Typed) {
        let author = actor.map(|name| self.number_of(name));
        typed.sort_by_key(|(field, _)| DetailField::ALL.iter().position(|f| f == field));
        let told = Told { deed: Some(deed), count, author, ..Told::new(self.seq, self.now, typed) };
        self.seq = self.acts.add(told);
    }

    /// The log's key was changed: an act that stays.
    pub fn rotated(&mut self) {
        let told = Told::new(self.seq, self.now, Typed::new());
        self.seq = self.acts.add(told);
    }

    /// The number of somebody.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.people.get(name).copied()
    }

    /// Acts (0) or details (1) go whose date has come, and who is known from them only. Answers how many
    /// records went; none if nothing was due.
    pub fn expire(&mut self, class: usize) -> Option<u64> {
        let authors: BTreeSet<u64> = self.acts.list.iter().filter_map(|told| told.author).collect();
        let gone = self.acts.expire(class, self.now)?;
        let told_of_elsewhere = |number: u64| {
            let named = |row: &Row| {
                row.plain.kind != Kind::Person && (row.author == number || row.subjects.contains(&number))
            };
            self.links.get(&number).is_some_and(|with| !with.is_empty())
                || self.acts.has_author(number)
                || self.rows.iter().any(named)
        };
        let forgotten: BTreeSet<u64> = authors.into_iter().filter(|n| !told_of_elsewhere(*n)).collect();
        let own = self.rows.iter().filter(|r| r.plain.kind == Kind::Person && forgotten.contains(&r.author));
        let own: BTreeSet<u64> = own.map(|row| row.seq).collect();
        self.remove(&own);
        Some(gone + own.len() as u64)
    }

    /// Links two people.
    pub fn link(&mut self, a: &str, b: &str) -> Result<(), ErrorKind> {
        let number = |name: &str| self.people.get(name).copied().ok_or(ErrorKind::NotFound);
        let (a, b) = (number(a)?, number(b)?);
        if a != b {
            self.links.entry(a).or_default().insert(b);
            self.links.entry(b).or_default().insert(a);
        }
        Ok(())
    }

    /// A person.
    pub fn person(&self, name: &str) -> Option<Known> {
        let number = *self.people.get(name)?;
        let mut linked: Vec<String> =
            self.links.get(&number).into_iter().flatten().filter_map(|n| self.name(*n)).collect();
        linked.sort();
        let own = self.rows.iter().filter(|r| r.subjects.contains(&number) && r.plain.kind.is_default());
        let times: Vec<Micros> = own.map(|r| r.plain.time).collect();
        Some(Known {
            linked,
            records: times.len() as u64,
            first: times.iter().min().copied(),
            last: times.iter().max().copied(),
        })
    }

    /// Linked people.
    fn group(&self, number: u64) -> BTreeSet<u64> {
        let mut group: BTreeSet<u64> = [number].into();
        loop {
            let more: BTreeSet<u64> =
                group.iter().filter_map(|n| self.links.get(n)).flatten().copied().collect();
            if more.is_subset(&group) {
                return group;
            }
            group.extend(more);
        }
    }

    /// Subjects of a record that names none, by the preset: those of the conversation's oldest.
    fn implied(&self, record: &Record) -> Option<BTreeSet<u64>> {
        if self.preset != Preset::Customer {
            return None;
        }
        let in_it = self.rows.iter().filter(|row| {
            row.plain.conversation == record.conversation
                && !matches!(row.plain.kind, Kind::Join | Kind::Leave)
        });
        in_it.min_by_key(|row| (row.plain.time, row.seq)).map(|row| row.subjects.clone())
    }

    fn find(&self, conversation: &str, id: &str) -> Option<&Row> {
        self.rows.iter().find(|r| r.plain.conversation == conversation && r.plain.id == id)
    }

    fn number_of(&mut self, name: &str) -> u64 {
        if let Some(number) = self.people.get(name) {
            return *number;
        }
        let number = self.number;
        self.number += 1;
        let mut plain = plain_of(&Record::new("", name, self.now, ""));
        plain.kind = Kind::Person;
        self.push(number, [number].into(), plain);
        self.people.insert(name.to_owned(), number);
        number
    }

    fn push(&mut self, author: u64, subjects: BTreeSet<u64>, plain: Plain) -> u64 {
        let seq = self.seq;
        self.seq += 1;
        self.rows.push(Row { seq, author, subjects, plain });
        seq
    }

    /// Who has a number.
    pub fn name(&self, number: u64) -> Option<String> {
        self.people.iter().find(|(_, n)| **n == number).map(|(name, _)| name.clone())
    }

    fn shown(&self, row: &Row) -> Plain {
        let mut plain = row.plain.clone();
        plain.author = self.name(row.author);
        plain.subjects = row.subjects.iter().filter_map(|n| self.name(*n)).collect();
        plain.subjects.sort();
        if matches!(plain.kind, Kind::Join | Kind::Person) && plain.id.is_empty() {
            plain.id = own_id(plain.kind, &plain.author);
        }
        plain
    }
}

/// Content of a record without its people.
fn plain_of(record: &Record) -> Plain {
    Plain {
        id: record.id.clone().unwrap_or_default(),
        conversation: record.conversation.clone(),
        author: None,
        subjects: Vec::new(),
        time: record.time,
        channel: record.channel.clone(),
        kind: record.kind,
        tags: record.tags.clone(),
        body: record.body.clone(),
        reply_to: record.reply_to.clone(),
    }
}
