//! What is kept of what, and what goes: the order is hold, lock, a person's request, the longest time.

use std::collections::BTreeSet;

use escrowdb::record::Kind;
use escrowdb::register::class::{Start, Then};
use escrowdb::register::request::{Kind as Asked, State as RequestState};
use escrowdb::register::settings::Deletion;

use super::model::{About, Asks, Class, DAY, Hold, Model, Pid, Row};

/// What becomes of an erasure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Refused,
    /// These go, and of her so many stay.
    Part(BTreeSet<u64>, u64),
    Whole(BTreeSet<u64>),
}

/// Counts of what is due: due, held, locked.
pub(super) type Counts = (u64, u64, u64);

/// What a run of retention does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// By class: its code, its records, what is due of it.
    pub(super) classes: Vec<(String, u64, Counts)>,
    pub(super) taken_back: Option<Counts>,
    pub(super) quarantine: Option<(u64, Counts)>,
    pub(super) erase: BTreeSet<u64>,
    /// Restrictions of what was kept of somebody, by code, and whose they are.
    pub(super) deferred: Vec<(String, Pid)>,
}

/// What is kept to a day is kept to its end.
const fn kept_until(start: i64, days: i64) -> i64 {
    let end = start + days * DAY;
    end - end.rem_euclid(DAY) + DAY
}

impl Model {
    pub(super) fn rules_now(&self) -> i64 {
        self.time.of_rules(self.now)
    }

    fn is_about(&self, hold: &Hold, row: &Row) -> bool {
        match &hold.about {
            About::Person(pid) => {
                let group = self.group(*pid);
                row.subjects.iter().any(|s| group.contains(s)) || !hold.hides && group.contains(&row.author)
            }
            About::Conversation(name) => row.conversation == *name,
            // As it was written, and as it is found now.
            About::Query(asks) => {
                let as_written = match asks {
                    Asks::Tag(tag) => row.kind.is_default() && row.tags.contains(tag),
                    Asks::Channel(channel) => row.kind.is_default() && row.channel == *channel,
                    _ => false,
                };
                as_written || self.is_version(row) && self.asks(asks, row)
            }
        }
    }

    /// Whether a rule is about a record: where it is about one wording it is about all.
    fn is_wholly(&self, row: &Row, is_about: &dyn Fn(&Row) -> bool) -> bool {
        let has_versions = row.kind.is_default() || row.kind == Kind::Edit;
        is_about(row) || has_versions && self.versions(self.head(row)).into_iter().any(is_about)
    }

    /// Whether a rule keeps a record: also if it speaks of what the rule is about.
    fn keeps(&self, row: &Row, is_about: &dyn Fn(&Row) -> bool) -> bool {
        let about = |row: &Row| self.is_wholly(row, is_about);
        about(row) || self.root(row).is_some_and(about) || self.target(row).is_some_and(about)
    }

    fn standing(&self, hides: bool) -> impl Iterator<Item = &Hold> {
        self.holds.values().filter(move |hold| hold.hides == hides && hold.released.is_none())
    }

    pub(super) fn is_held(&self, row: &Row) -> bool {
        self.standing(false).any(|hold| self.keeps(row, &|row| self.is_about(hold, row)))
    }

    /// Whether somebody had it restricted, and so asked that it stay.
    pub(super) fn is_asked_to_stay(&self, row: &Row) -> bool {
        self.standing(true).any(|hold| self.keeps(row, &|row| self.is_about(hold, row)))
    }

    /// Whether readers without a case don't see it.
    pub(super) fn is_restricted(&self, row: &Row) -> bool {
        self.standing(true).any(|hold| self.is_about(hold, row))
    }

    /// The same of what came before its record and goes with it.
    pub(super) fn is_covered(&self, row: &Row) -> bool {
        self.is_restricted(row) || self.came_before(row).is_some_and(|root| self.is_restricted(root))
    }

    /// Whether somebody may not change a record, since another had it restricted.
    pub(super) fn is_kept_from(&self, row: &Row, author: Option<Pid>) -> bool {
        let others = |root: &&Row| !root.subjects.iter().all(|pid| row.subjects.contains(pid));
        let root = self.root(row).filter(others);
        let owners = root.map_or(&row.subjects, |root| &root.subjects);
        let is_hers = |hold: &Hold| match &hold.about {
            About::Person(of) => author.is_some_and(|pid| self.group(*of).contains(&pid)),
            _ => author.is_some_and(|pid| owners.contains(&pid)),
        };
        let is_about =
            |hold: &Hold| self.is_about(hold, row) || root.is_some_and(|root| self.is_about(hold, root));
        self.standing(true).any(|hold| is_about(hold) && !is_hers(hold))
    }

    /// Whether a hold is about somebody as a whole.
    pub(super) fn is_held_person(&self, pid: Pid) -> bool {
        let about = |hold: &Hold| matches!(hold.about, About::Person(of) if self.group(of).contains(&pid));
        self.standing(false).any(about)
    }

    /// From when the time of a record runs in its class.
    fn start(&self, class: &Class, row: &Row) -> Option<i64> {
        match class.start {
            Start::Time => Some(row.time),
            Start::ConversationEnd => {
                self.rows.values().filter(|of| of.conversation == row.conversation).map(|of| of.time).max()
            }
            Start::Event => {
                let begun = self.begun.get(&(class.number, row.conversation.clone()))?;
                Some(row.time.max(*begun))
            }
        }
    }

    fn class_of(&self, row: &Row) -> Option<&Class> {
        self.classes.iter().find(|class| class.number == row.class)
    }

    fn is_bound(&self, row: &Row, at: i64) -> bool {
        let Some(class) = self.class_of(row) else { return false };
        let Some(days) = class.lock else { return false };
        self.start(class, row).is_none_or(|start| kept_until(start, days) > at)
    }

    pub(super) fn is_locked(&self, row: &Row) -> bool {
        let at = self.rules_now();
        self.keeps(row, &|row| self.is_bound(row, at))
    }

    fn is_kept_for_others(&self, row: &Row) -> bool {
        self.is_held(row) || self.is_locked(row) || self.is_asked_to_stay(row)
    }

    fn is_kept_for_her(&self, row: &Row) -> bool {
        self.is_held(row) || self.is_locked(row)
    }

    fn seqs(&self, of: impl Fn(&Row) -> bool) -> BTreeSet<u64> {
        self.rows.values().filter(|row| of(row)).map(|row| row.seq).collect()
    }

    /// Whether somebody else agreed to an erasure of one of these.
    pub(super) fn is_approved(&self, code: Option<&str>, group: &BTreeSet<Pid>, kinds: &[Asked]) -> bool {
        if !self.settings.four_eyes {
            return true;
        }
        let Some(request) = code.and_then(|code| self.requests.get(code)) else { return false };
        matches!(request.state, RequestState::Approved | RequestState::Running | RequestState::Partly)
            && kinds.contains(&request.kind)
            && group.contains(&request.person)
            && request.approvers.iter().any(|pid| *pid != request.requester)
    }

    /// An erasure of a person and whoever is linked to her.
    pub(super) fn of_person(&self, group: &BTreeSet<Pid>, with_evidence: bool) -> Verdict {
        if group.iter().any(|pid| self.is_held_person(*pid)) {
            return Verdict::Refused;
        }
        let content = self.seqs(|row| row.subjects.iter().any(|pid| group.contains(pid)));
        let evidence: u64 =
            if with_evidence { group.iter().map(|pid| self.people[*pid].evidence).sum() } else { 0 };
        let rest: BTreeSet<u64> =
            content.iter().copied().filter(|seq| !self.is_kept_for_her(&self.rows[seq])).collect();
        let kept = (content.len() - rest.len()) as u64;
        // Whoever goes leaves what he wrote without an author: that changes it.
        let wrote = self.rows.values().any(|row| group.contains(&row.author) && self.is_kept_for_her(row));
        let all = content.len() as u64 + evidence;
        if all > 0 && kept == all || all == 0 && wrote {
            Verdict::Refused
        } else if kept > 0 || wrote {
            Verdict::Part(rest, kept)
        } else {
            Verdict::Whole(rest)
        }
    }

    pub(super) fn of_conversation(&self, name: &str) -> Option<Verdict> {
        let all = self.seqs(|row| row.conversation == name);
        if all.is_empty() {
            return None;
        }
        let rest: BTreeSet<u64> =
            all.iter().copied().filter(|seq| !self.is_kept_for_others(&self.rows[seq])).collect();
        let kept = (all.len() - rest.len()) as u64;
        Some(if self.settings.four_eyes || rest.is_empty() {
            Verdict::Refused
        } else if kept > 0 {
            Verdict::Part(rest, kept)
        } else {
            Verdict::Whole(rest)
        })
    }

    pub(super) fn of_record(&self, row: &Row) -> Verdict {
        if self.settings.four_eyes || self.is_kept_for_others(row) {
            Verdict::Refused
        } else {
            Verdict::Whole(BTreeSet::from([row.seq]))
        }
    }

    /// No plan of a history is that of a redaction, so where two must agree nobody agreed to one.
    pub(super) fn may_redact(&self, row: &Row) -> bool {
        !self.is_kept_for_others(row) && !self.settings.four_eyes
    }

    /// Whether somebody, or one linked to her, waits for the rest of her erasure.
    pub(super) fn waits(&self, pid: Pid) -> bool {
        let left = |hold: &&Hold| hold.left.is_some() && hold.released.is_none();
        let about = |hold: &Hold| matches!(hold.about, About::Person(of) if self.group(of).contains(&pid));
        self.holds.values().filter(left).any(about)
    }

    /// What an erasure left of somebody and is there, if more came in since; `None` if that is all of her.
    fn left_of(&self, hold: &Hold, pid: Pid) -> Option<BTreeSet<u64>> {
        let group = self.group(pid);
        let is_hers = |row: &Row| row.subjects.iter().any(|one| group.contains(one));
        let was_there = |row: &Row| hold.left.is_some_and(|left| row.place.min(row.seq) <= left);
        let has_later = self.rows.values().any(|row| is_hers(row) && !was_there(row));
        has_later.then(|| self.seqs(|row| is_hers(row) && was_there(row)))
    }

    /// Whether no rule keeps what an erasure left of somebody.
    fn is_left_free(&self, hold: &Hold, pid: Pid) -> bool {
        match self.left_of(hold, pid) {
            Some(left) => !left.iter().any(|seq| self.is_kept_for_her(&self.rows[seq])),
            None => self.is_free(pid),
        }
    }

    /// Takes records, with whatever speaks of them as far as no rule keeps that, and who is known from nothing
    /// else. Those of `dead` go by name. `for_her` is of an erasure that a person asked for.
    pub(super) fn take(&mut self, mut going: BTreeSet<u64>, dead: &BTreeSet<Pid>, for_her: bool) {
        loop {
            let more = self.seqs(|row| {
                !going.contains(&row.seq)
                    && self.target(row).is_some_and(|target| going.contains(&target.seq))
                    && !(if for_her { self.is_kept_for_her(row) } else { self.is_kept_for_others(row) })
            });
            if more.is_empty() {
                break;
            }
            going.extend(more);
        }
        let held: BTreeSet<Pid> = (0..self.people.len()).filter(|pid| self.is_held_person(*pid)).collect();
        let mut met: BTreeSet<Pid> = BTreeSet::new();
        for seq in going {
            if let Some(row) = self.rows.remove(&seq) {
                met.extend(row.subjects.iter().copied().chain([row.author]));
            }
        }
        let is_elsewhere =
            |pid: Pid| self.rows.values().any(|row| row.author == pid || row.subjects.contains(&pid));
        let alone: Vec<Pid> = met
            .into_iter()
            .filter(|pid| {
                let person = &self.people[*pid];
                let stays = person.staff || person.has_evidence || !person.links.is_empty();
                person.alive && !stays && !held.contains(pid) && !is_elsewhere(*pid)
            })
            .collect();
        for pid in dead.iter().copied().chain(alone) {
            let person = &mut self.people[pid];
            if person.alive {
                (person.alive, person.erased) = (false, Some(self.time.believed.max(self.now)));
                person.links.clear();
            }
        }
    }

    /// What is left of her in registers goes too.
    pub(super) fn take_evidence(&mut self, group: &BTreeSet<Pid>) {
        for pid in group {
            self.people[*pid].said.clear();
            self.people[*pid].evidence = 0;
        }
        self.requests.retain(|_, request| !group.contains(&request.person));
        self.holds.retain(|_, hold| !matches!(hold.about, About::Person(pid) if group.contains(&pid)));
        self.disclosures.retain(|_, given| given.person.is_none_or(|pid| !group.contains(&pid)));
    }

    /// Counts what is over by what keeps it. Of what a lock keeps and somebody had restricted classes tell the
    /// restriction, and what is asked for record by record the lock, which goes before it.
    fn count(&self, over: &BTreeSet<u64>, is_one_by_one: bool) -> (Counts, BTreeSet<u64>) {
        let (mut counts, mut free) = ((0, 0, 0), BTreeSet::new());
        for seq in over {
            let row = &self.rows[seq];
            let (is_locked, is_asked_to_stay) = (self.is_locked(row), self.is_asked_to_stay(row));
            if self.is_held(row) || is_asked_to_stay && !(is_one_by_one && is_locked) {
                counts.1 += 1;
            } else if is_locked {
                counts.2 += 1;
            } else {
                counts.0 += 1;
                free.insert(*seq);
            }
        }
        (counts, free)
    }

    /// What is due now.
    pub(super) fn due(&self) -> Due {
        let (at, mut due) = (self.rules_now(), Due::default());
        for class in &self.classes {
            let of_class = self.seqs(|row| row.class == class.number);
            let is_over = |row: &Row| {
                let end = class.maximum.and_then(|days| Some(self.start(class, row)? + days * DAY));
                end.is_some_and(|end| end <= at)
            };
            let over: BTreeSet<u64> =
                of_class.iter().copied().filter(|seq| is_over(&self.rows[seq])).collect();
            // What speaks of a record stays as long as that.
            let stays = |row: &Row| {
                let root = self.root(row).map(|root| root.seq).filter(|seq| *seq != row.seq);
                let of = self.target(row).filter(|_| row.kind == Kind::Reaction).map(|of| of.seq);
                root.into_iter().chain(of).any(|of| !over.contains(&of))
            };
            let over = over.iter().copied().filter(|seq| !stays(&self.rows[seq])).collect();
            let (counts, free) = self.count(&over, false);
            if class.then == Then::Erase {
                due.erase.extend(free);
            }
            due.classes.push((class.code.clone(), of_class.len() as u64, counts));
        }
        if self.settings.deletion == Deletion::Erase {
            let over = self.seqs(|row| {
                let is_own = |pid: &Pid| row.author == *pid || row.subjects.contains(pid);
                let by_own = |of: &&Row| of.kind == Kind::Delete && self.group(of.author).iter().any(is_own);
                let last = self.members(row).filter(by_own).map(|of| of.late.unwrap_or(of.time)).max();
                let end = last.map(|last| self.settings.grace.map_or(at, |days| last + days * DAY));
                // What is an edit of nothing that is there waits for it.
                row.kind != Kind::Edit && end.is_some_and(|end| end <= at)
            });
            let (counts, free) = self.count(&over, true);
            due.taken_back = Some(counts);
            due.erase.extend(free);
        }
        if self.settings.has_quarantine {
            let all = self.seqs(|row| self.is_quarantined(row));
            let is_over =
                |row: &Row| row.came.is_some_and(|came| came + self.settings.quarantine * DAY <= at);
            let over = all.iter().copied().filter(|seq| is_over(&self.rows[seq])).collect();
            let (counts, free) = self.count(&over, true);
            due.erase.extend(free);
            due.quarantine = Some((all.len() as u64, counts));
        }
        for (code, hold) in self.holds.iter().filter(|(_, hold)| hold.hides && hold.released.is_none()) {
            let About::Person(pid) = hold.about else { continue };
            let waits = hold.left.is_some() && self.people[pid].alive;
            if waits && self.is_over(hold, pid, at) && self.is_left_free(hold, pid) {
                due.deferred.push((code.clone(), pid));
            }
        }
        due
    }

    /// Whether the grace behind the last hold is over that kept something of her and was lifted since.
    fn is_over(&self, restriction: &Hold, pid: Pid, at: i64) -> bool {
        let group = self.group(pid);
        let left = self.left_of(restriction, pid);
        let is_hers = |row: &&Row| match &left {
            Some(left) => left.contains(&row.seq),
            None => row.subjects.iter().chain([&row.author]).any(|one| group.contains(one)),
        };
        let kept_her = |hold: &Hold| match &hold.about {
            About::Person(_) if left.as_ref().is_some_and(BTreeSet::is_empty) => false,
            About::Person(of) if self.group(*of).iter().any(|one| group.contains(one)) => true,
            _ => {
                self.rows.values().filter(is_hers).any(|row| self.keeps(row, &|row| self.is_about(hold, row)))
            }
        };
        let since =
            |hold: &&Hold| !hold.hides && hold.released.is_some_and(|lifted| lifted >= restriction.at);
        let lifted =
            self.holds.values().filter(since).filter(|hold| kept_her(hold)).filter_map(|of| of.released);
        lifted.max().is_none_or(|lifted| lifted + self.settings.grace.unwrap_or(0) * DAY <= at)
    }

    fn is_free(&self, pid: Pid) -> bool {
        self.people[pid].alive && matches!(self.of_person(&self.group(pid), false), Verdict::Whole(_))
    }

    /// What a run does; how many certificates it answers with.
    pub(super) fn run(&mut self) -> usize {
        let due = self.due();
        let mut certificates = usize::from(!due.erase.is_empty());
        if !due.erase.is_empty() {
            self.take(due.erase, &BTreeSet::new(), false);
        }
        for (code, pid) in due.deferred {
            if !self.people[pid].alive {
                continue;
            }
            let hold = self.holds[&code].clone();
            if let Some(left) = self.left_of(&hold, pid) {
                if !self.is_left_free(&hold, pid) {
                    continue;
                }
                certificates += usize::from(!left.is_empty());
                self.take(left, &BTreeSet::new(), true);
                self.holds.entry(code).and_modify(|hold| hold.released = Some(self.now));
                continue;
            }
            if !self.people[pid].alive || !self.is_free(pid) {
                continue;
            }
            let group = self.group(pid);
            let Verdict::Whole(going) = self.of_person(&group, false) else { continue };
            self.take(going, &group, true);
            certificates += 1;
        }
        // Nobody is restricted any more of whom nothing is there.
        for (code, hold) in &mut self.holds {
            if let About::Person(pid) = hold.about
                && code.starts_with("kept-")
                && !self.people[pid].alive
            {
                hold.released.get_or_insert(self.now);
            }
        }
        certificates
    }
}
