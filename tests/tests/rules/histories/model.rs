//! What a store holds, as plain lists: people, records, registers. Written from what docs/COMPLIANCE.md and
//! docs/ERASURE.md promise, not from the engine.

use std::collections::{BTreeMap, BTreeSet};

use escrowdb::id::{Handle, Micros};
use escrowdb::record::Kind;
use escrowdb::register::consent::Deed;
use escrowdb::register::notice::{State as NoticeState, Text};
use escrowdb::register::purpose::Purpose;
use escrowdb::register::request::{Kind as Asked, State as RequestState};
use escrowdb::register::settings::{Deletion, Gate};

pub(super) const DAY: i64 = Micros::DAY;
/// How far back a clock may go without being news.
const BACK: i64 = DAY / 24;
/// The tag by which a record leaves the quarantine.
pub(super) const RELEASED: &str = "escrow:released";

/// A place in [`Model::people`].
pub(super) type Pid = usize;

/// Somebody who was ever known. Who comes back after an erasure is another one.
#[derive(Clone, Default)]
pub(super) struct Person {
    pub(super) names: Vec<String>,
    pub(super) alive: bool,
    /// Acts for the store, and stays known by what he did.
    pub(super) staff: bool,
    pub(super) links: BTreeSet<Pid>,
    /// As the how manieth statement of all she said that.
    pub(super) nth: BTreeMap<String, u64>,
    /// As the store numbers her, once somebody asked.
    pub(super) number: Option<u64>,
    pub(super) handle: Option<Handle>,
    /// Whether there was ever evidence about her, which keeps her known.
    pub(super) has_evidence: bool,
    /// Records of evidence about her.
    pub(super) evidence: u64,
    pub(super) said: BTreeMap<String, Said>,
    /// When she was erased, in the time of the store.
    pub(super) erased: Option<i64>,
}

/// What somebody said of a purpose last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) deed: Deed,
    pub(super) at: i64,
    pub(super) notice: Option<(String, u32)>,
    pub(super) expires: Option<i64>,
}

/// A record of a chat, or one that speaks of another.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) seq: u64,
    /// Where it stood first.
    pub(super) place: u64,
    /// `None` where the store made one.
    pub(super) id: Option<String>,
    pub(super) conversation: String,
    pub(super) author: Pid,
    pub(super) subjects: Vec<Pid>,
    pub(super) time: i64,
    pub(super) kind: Kind,
    pub(super) channel: String,
    pub(super) target: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) removed: Vec<String>,
    pub(super) body: String,
    pub(super) class: u32,
    /// When it came into quarantine, if it did.
    pub(super) came: Option<i64>,
    /// When a deletion came that bears an earlier day.
    pub(super) late: Option<i64>,
}

/// What a hold or restriction is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum About {
    Person(Pid),
    Conversation(String),
    Query(Asks),
}

/// Queries that histories ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    Tag(String),
    Word(String),
    Author(String),
    Subject(String),
    Channel(String),
    Conversation(String),
}

impl Asks {
    pub(super) fn parse(text: &str) -> Self {
        let of = |value: &str| value.to_owned();
        match text.split_once(':') {
            Some(("tag", tag)) => Self::Tag(of(tag)),
            Some(("author", name)) => Self::Author(of(name)),
            Some(("subject", name)) => Self::Subject(of(name)),
            Some(("channel", name)) => Self::Channel(of(name)),
            Some(("conversation", name)) => Self::Conversation(of(name)),
            _ => Self::Word(of(text)),
        }
    }
}

/// A hold, or a restriction.
#[derive(Clone, Debug)]
pub(super) struct Hold {
    pub(super) hides: bool,
    pub(super) about: About,
    pub(super) matter: String,
    pub(super) review: Option<i64>,
    pub(super) at: i64,
    pub(super) released: Option<i64>,
    /// Of what an erasure left that was done in part: up to where in the log.
    pub(super) left: Option<u64>,
}

/// A retention class; times in days.
#[derive(Clone, Debug)]
pub(super) struct Class {
    pub(super) code: String,
    pub(super) number: u32,
    pub(super) start: escrowdb::register::class::Start,
    pub(super) lock: Option<i64>,
    pub(super) maximum: Option<i64>,
    pub(super) then: escrowdb::register::class::Then,
    pub(super) selector: String,
    pub(super) active: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) kind: Asked,
    pub(super) person: Pid,
    pub(super) received: i64,
    pub(super) state: RequestState,
    pub(super) requester: Pid,
    pub(super) plan: Option<String>,
    pub(super) approvers: BTreeSet<Pid>,
    pub(super) extended: bool,
    pub(super) outcome: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Disclosure {
    /// `None` is many.
    pub(super) person: Option<Pid>,
    pub(super) at: i64,
    pub(super) told: Option<i64>,
    pub(super) destroyed: Option<i64>,
}

#[derive(Clone, Debug)]
pub(super) struct Notice {
    pub(super) state: NoticeState,
    pub(super) texts: BTreeMap<String, Text>,
    pub(super) published: Option<i64>,
    pub(super) retired: Option<i64>,
}

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) gate: Gate,
    /// Condition and purposes.
    pub(super) gate_rules: Vec<(String, Vec<String>)>,
    pub(super) deletion: Deletion,
    pub(super) four_eyes: bool,
    pub(super) ends_four_eyes: Option<Pid>,
    pub(super) grace: Option<i64>,
    pub(super) quarantine: i64,
    pub(super) has_quarantine: bool,
    pub(super) keep_evidence: String,
}

/// Everything.
#[derive(Clone)]
pub(super) struct Model {
    pub(super) now: i64,
    pub(super) time: Time,
    pub(super) people: Vec<Person>,
    pub(super) rows: BTreeMap<u64, Row>,
    pub(super) statements: u64,
    pub(super) purposes: BTreeMap<String, (Purpose, bool)>,
    pub(super) notices: BTreeMap<(String, u32), Notice>,
    pub(super) classes: Vec<Class>,
    /// When the time of a conversation began in a class, by number and name.
    pub(super) begun: BTreeMap<(u32, String), i64>,
    pub(super) holds: BTreeMap<String, Hold>,
    pub(super) requests: BTreeMap<String, Request>,
    pub(super) disclosures: BTreeMap<String, Disclosure>,
    pub(super) settings: Settings,
}

/// What the store believes of the time: it goes on with the clock and never falls. A clock that went on by more
/// than 31 days is believed once it has stood by that for a day.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time {
    pub(super) believed: i64,
    clock: i64,
    leapt: i64,
    /// All three, as they were noted last.
    noted: (i64, i64, i64),
}

impl Time {
    pub(super) const fn new(now: i64) -> Self {
        Self { believed: now, clock: now, leapt: 0, noted: (now, now, 0) }
    }

    /// The store looks at its clock, and notes what is news: a day more, or less than before.
    pub(super) fn look(&mut self, now: i64) {
        let noted = self.noted;
        (self.believed, self.clock, self.leapt) = noted;
        self.believe(now);
        let (_, clock, leapt) = noted;
        if leapt != self.leapt || !(-BACK..DAY).contains(&(now - clock)) {
            self.noted = (self.believed, self.clock, self.leapt);
        }
    }

    fn believe(&mut self, now: i64) {
        let went = now - self.clock;
        if self.leapt > 0 && (0..DAY).contains(&went) {
            // Not long enough yet; it is measured from when the leap was seen.
            return;
        }
        self.clock = now;
        // What of a leap is proved, or left when the clock was put back.
        let mut gone = if went < 0 {
            (self.leapt + went).max(0)
        } else {
            self.believed += self.leapt;
            went
        };
        self.leapt = 0;
        if gone > 31 * DAY {
            // Where this time was before it need not go again.
            gone = gone.min((now - self.believed).max(0));
        }
        if gone > 31 * DAY {
            self.leapt = gone;
        } else {
            self.believed += gone;
        }
    }

    /// What rules go by.
    pub(super) fn of_rules(&self, now: i64) -> i64 {
        self.believed.min(now)
    }

    /// What a class that begins with an event is told.
    pub(super) fn claimed(&self, now: i64) -> i64 {
        self.believed + self.leapt + (now - self.clock).max(0)
    }
}

impl Model {
    pub(super) fn new(now: i64) -> Self {
        Self {
            now,
            time: Time::new(now),
            people: Vec::new(),
            rows: BTreeMap::new(),
            statements: 0,
            purposes: BTreeMap::new(),
            notices: BTreeMap::new(),
            classes: Vec::new(),
            begun: BTreeMap::new(),
            holds: BTreeMap::new(),
            requests: BTreeMap::new(),
            disclosures: BTreeMap::new(),
            settings: Settings {
                gate: Gate::Open,
                gate_rules: Vec::new(),
                deletion: Deletion::Hide,
                four_eyes: false,
                ends_four_eyes: None,
                grace: None,
                quarantine: 30,
                has_quarantine: false,
                keep_evidence: "3y".into(),
            },
        }
    }

    /// Who is known by a name.
    pub(super) fn person(&self, name: &str) -> Option<Pid> {
        self.people.iter().position(|p| p.alive && p.names.iter().any(|known| known == name))
    }

    pub(super) fn person_or_new(&mut self, name: &str) -> Pid {
        self.person(name).unwrap_or_else(|| {
            self.people.push(Person { names: vec![name.to_owned()], alive: true, ..Person::default() });
            self.people.len() - 1
        })
    }

    /// The name that is shown; `None` for the erased.
    pub(super) fn name(&self, pid: Pid) -> Option<&str> {
        let person = &self.people[pid];
        person.alive.then(|| person.names[0].as_str())
    }

    pub(super) fn by_number(&self, number: u64) -> Option<Pid> {
        self.people.iter().position(|p| p.number == Some(number))
    }

    /// A person and everybody linked to her.
    pub(super) fn group(&self, pid: Pid) -> BTreeSet<Pid> {
        let (mut all, mut next) = (BTreeSet::from([pid]), vec![pid]);
        while let Some(one) = next.pop() {
            next.extend(self.people[one].links.iter().copied().filter(|other| all.insert(*other)));
        }
        all
    }

    pub(super) fn find(&self, conversation: &str, id: &str) -> Option<&Row> {
        self.rows.values().find(|row| row.conversation == conversation && row.id.as_deref() == Some(id))
    }

    /// What a record speaks of, if that is there.
    pub(super) fn target(&self, row: &Row) -> Option<&Row> {
        self.find(&row.conversation, row.target.as_deref()?)
    }

    /// The record that all of it is about: what is said of an edit is said of what it is an edit of.
    pub(super) fn root(&self, row: &Row) -> Option<&Row> {
        let target = self.target(row)?;
        if target.kind == Kind::Edit { self.root(target).or(Some(target)) } else { Some(target) }
    }

    /// The record that an edit, deletion or tag is about which came before it, or speaks of one that did.
    pub(super) fn came_before(&self, row: &Row) -> Option<&Row> {
        let root = self.root(row).filter(|_| row.kind != Kind::Reaction)?;
        let is_early =
            row.seq < root.seq || self.target(row).is_some_and(|of| self.came_before(of).is_some());
        is_early.then_some(root)
    }

    /// A record and its edits, in the order in which they came.
    pub(super) fn versions<'m>(&'m self, root: &'m Row) -> Vec<&'m Row> {
        let mut edits: Vec<_> = self.members(root).filter(|row| row.kind == Kind::Edit).collect();
        edits.sort_by_key(|row| (row.place, row.seq));
        std::iter::once(root).chain(edits).collect()
    }

    /// What belongs to a record besides reactions.
    pub(super) fn members<'m>(&'m self, root: &'m Row) -> impl Iterator<Item = &'m Row> {
        let speaks = |row: &&Row| matches!(row.kind, Kind::Edit | Kind::Delete | Kind::Tag);
        self.rows.values().filter(speaks).filter(|row| self.root(row).is_some_and(|of| of.seq == root.seq))
    }

    /// The family's head: itself, if it is no version of another.
    pub(super) fn head<'m>(&'m self, row: &'m Row) -> &'m Row {
        if row.kind == Kind::Edit { self.root(row).unwrap_or(row) } else { row }
    }

    pub(super) fn is_taken_back(&self, row: &Row) -> bool {
        self.members(self.head(row)).any(|of| of.kind == Kind::Delete)
    }

    /// Tags as queries see them.
    pub(super) fn tags(&self, row: &Row) -> BTreeSet<String> {
        let head = self.head(row);
        let mut tags: BTreeSet<String> = BTreeSet::new();
        for version in self.versions(head) {
            if !version.tags.is_empty() {
                tags = version.tags.iter().cloned().collect();
            }
            if version.seq == row.seq {
                break;
            }
        }
        let mut later: Vec<_> = self.members(head).filter(|of| of.kind == Kind::Tag).collect();
        later.sort_by_key(|of| (of.place, of.seq));
        for of in later {
            tags.extend(of.tags.iter().cloned());
            of.removed.iter().for_each(|tag| _ = tags.remove(tag));
        }
        tags
    }

    /// The channel as queries see it.
    pub(super) fn channel(&self, row: &Row) -> String {
        let mut channel = "";
        for version in self.versions(self.head(row)) {
            if !version.channel.is_empty() {
                channel = &version.channel;
            }
            if version.seq == row.seq {
                break;
            }
        }
        channel.to_owned()
    }

    pub(super) fn is_quarantined(&self, row: &Row) -> bool {
        row.came.is_some() && !self.tags(row).contains(RELEASED)
    }

    /// Whether queries count it: a chat record, or an edit of one.
    pub(super) fn is_version(&self, row: &Row) -> bool {
        row.kind.is_default()
            || row.kind == Kind::Edit && self.root(row).is_some_and(|root| root.kind.is_default())
    }

    /// Whether it is the newest wording of something that was not taken back.
    pub(super) fn is_newest(&self, row: &Row) -> bool {
        self.is_version(row)
            && !self.is_taken_back(row)
            && self.versions(self.head(row)).last().is_some_and(|last| last.seq == row.seq)
    }

    /// Whether a question is about a record as it is shown.
    pub(super) fn asks(&self, asks: &Asks, row: &Row) -> bool {
        let is = |name: &str, pid: Pid| self.person(name) == Some(pid);
        match asks {
            Asks::Tag(tag) => self.tags(row).contains(tag),
            Asks::Word(word) => row.body.split_whitespace().any(|one| one == word),
            Asks::Author(name) => is(name, row.author),
            Asks::Subject(name) => row.subjects.iter().any(|pid| is(name, *pid)),
            Asks::Channel(channel) => self.channel(row) == *channel,
            Asks::Conversation(name) => row.conversation == *name,
        }
    }

    /// Whether a condition of a class or of the gate takes a record that comes in.
    pub(super) fn fits(condition: &str, author: &str, row: &Row) -> bool {
        match condition.split_once(':') {
            Some(("tag", tag)) => row.tags.iter().any(|one| one == tag),
            Some(("channel", channel)) => row.channel == channel,
            Some(("conversation", name)) => row.conversation == name,
            Some(("author", name)) => author == name,
            Some(("kind", kind)) => row.kind.name() == kind,
            _ => row.kind.is_default(),
        }
    }
}
