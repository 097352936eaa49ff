//! What is recorded of acts in this store, and under whose keys: a number a month and class, which
//! dies on its date.

use std::sync::atomic::{AtomicU8, Ordering};

use parking_lot::Mutex;

use crate::error::Result;
use crate::id::{Handle, Micros, PersonNumber};
use crate::keyring::entry::{AuditPeriod, AuditRules, Class, Level, Person, Seen};
use crate::keyring::{Changes, catalog};
use crate::receipts::when;
use crate::state::{State, commit};

/// How far the clock goes on before it is looked at again.
const LOOK_EVERY: i64 = Micros::DAY;

/// How far it may fall behind the last look without a note.
const BACK_MAX: i64 = Micros::DAY / 24;

/// What is recorded, and the periods of this month.
#[derive(Default)]
pub struct Audit {
    level: AtomicU8,
    /// Taken before every other lock.
    current: Mutex<Option<Current>>,
}

/// Whose keys seal what is written now.
#[derive(Clone, Copy)]
pub struct Current {
    /// Of acts.
    pub acts: PersonNumber,
    /// Of details.
    pub details: PersonNumber,
    from: Micros,
    before: Micros,
}

impl State {
    /// How much is recorded. At least what the opener asked for; nothing in a store of an older format.
    pub fn audit_level(&self) -> Level {
        Level::of(self.audit.level.load(Ordering::Acquire)).unwrap_or_default()
    }

    /// Reads how much is recorded from the key tree.
    pub fn settle_audit(&self) -> Result<()> {
        let tree = self.view.read().tree.clone();
        let level = if tree.head().has_evidence() {
            catalog::audit_rules(&tree)?.unwrap_or_default().level.max(self.settings.audit)
        } else {
            Level::Off
        };
        self.audit.level.store(level as u8, Ordering::Release);
        self.audit.current.lock().take();
        Ok(())
    }

    /// What is recorded and for how long.
    pub fn audit_rules(&self) -> Result<AuditRules> {
        let kept = catalog::audit_rules(&self.view.read().tree)?.unwrap_or_default();
        Ok(AuditRules { level: self.audit_level(), ..kept })
    }

    /// Whose keys seal acts and details of now. The first of a month makes them, by an ordinary
    /// commit.
    pub fn audit_persons(&self) -> Result<Current> {
        let now = self.env.clock.now();
        let mut current = self.audit.current.lock();
        if let Some(current) = *current
            && (current.from..current.before).contains(&now)
        {
            return Ok(current);
        }
        let found = self.begin_periods(now)?;
        *current = Some(found);
        Ok(found)
    }

    /// Looks at the clock, and notes what it says if that is news. Answers what is believed now.
    pub fn look_at_clock(&self) -> Result<Seen> {
        let _current = self.audit.current.lock();
        let keyring = self.keyring.lock();
        let mut changes = Changes::new();
        let (seen, _) = self.look(&keyring.tree(), self.env.clock.now(), &mut changes)?;
        if !changes.is_empty() {
            commit::commit_locked(self, &keyring, &changes, keyring.head().log, |_| {})?;
        }
        Ok(seen)
    }

    /// What is believed, and the periods as they end then.
    fn look(
        &self,
        tree: &crate::keyring::Tree,
        now: Micros,
        changes: &mut Changes,
    ) -> Result<(Seen, Vec<(PersonNumber, AuditPeriod)>)> {
        let before = catalog::seen(tree)?;
        let after = when::look(before, now);
        let mut periods = catalog::audit_periods(tree)?;
        let Some(before) = before else {
            catalog::put_seen(changes, &after)?;
            return Ok((after, periods));
        };
        let gone = after.clock.0.saturating_sub(before.clock.0);
        if after.doubted == before.doubted && (-BACK_MAX..LOOK_EVERY).contains(&gone) {
            return Ok((after, periods));
        }
        catalog::put_seen(changes, &after)?;
        for (number, period) in &mut periods {
            let moved = when::moved(period, &before, &after);
            if moved != *period {
                *period = moved;
                catalog::put_audit_period(changes, *number, period)?;
            }
        }
        Ok((after, periods))
    }

    fn begin_periods(&self, now: Micros) -> Result<Current> {
        let keyring = self.keyring.lock();
        let tree = keyring.tree();
        let rules = catalog::audit_rules(&tree)?.unwrap_or_default();
        let mut changes = Changes::new();
        let (seen, periods) = self.look(&tree, now, &mut changes)?;
        let claimed = when::claimed(&seen, now);
        let mut numbers = [PersonNumber::STORE; 2];
        for (class, number) in Class::MONTHLY.into_iter().zip(&mut numbers) {
            let is_now = |period: &AuditPeriod| {
                period.class == class && (period.from..when::month(period.from).1).contains(&claimed)
            };
            *number = match periods.iter().find(|(_, period)| is_now(period)) {
                Some((number, _)) => *number,
                None => self.begin_period(&mut changes, &when::period(&seen, now, class, &rules))?,
            };
        }
        if !changes.is_empty() {
            let mut counters = catalog::counters(&tree)?;
            counters.person = self.writer.lock().next_person;
            catalog::put_counters(&mut changes, &counters)?;
            commit::commit_locked(self, &keyring, &changes, keyring.head().log, |_| {})?;
        }
        let [acts, details] = numbers;
        let left = when::month(claimed).1.0.saturating_sub(claimed.0).min(LOOK_EVERY);
        let before = Micros(now.0.saturating_add(left));
        Ok(Current { acts, details, from: Micros(now.0 - BACK_MAX), before })
    }

    /// A number of its own, nobody's, with keys.
    fn begin_period(&self, changes: &mut Changes, period: &AuditPeriod) -> Result<PersonNumber> {
        let number = self.next_number()?;
        let handle = Handle(self.env.random(b"handle of a period of acts")?);
        let entry = Person {
            handle,
            content: self.env.random_key(&handle.0)?,
            evidence: self.env.random_key(&handle.0)?,
            state: Person::AUDIT,
            identifiers: 0,
            linked: Vec::new(),
        };
        let tagger = self.view.read().tagger().clone();
        catalog::put_person(changes, &tagger, number, &entry, &[])?;
        catalog::put_audit_period(changes, number, period)?;
        Ok(number)
    }

    /// Forgets whose keys seal what is written now: they are looked up again.
    pub fn forget_audit_persons(&self) {
        self.audit.current.lock().take();
    }

    /// Changes what is recorded and for how long. Periods that live end as much later or earlier.
    pub fn set_audit_rules(&self, rules: &AuditRules) -> Result<()> {
        {
            let keyring = self.keyring.lock();
            let tree = keyring.tree();
            let old = catalog::audit_rules(&tree)?.unwrap_or_default();
            let mut changes = Changes::new();
            catalog::put_audit_rules(&mut changes, rules)?;
            for (number, mut period) in catalog::audit_periods(&tree)? {
                let more = i64::from(rules.days(period.class)) - i64::from(old.days(period.class));
                let until = period.until.0.saturating_add(more.saturating_mul(Micros::DAY));
                period.until = Micros(until).clamp(Micros::MIN, Micros::MAX);
                catalog::put_audit_period(&mut changes, number, &period)?;
            }
            commit::commit_locked(self, &keyring, &changes, keyring.head().log, |_| {})?;
        }
        self.settle_audit()
    }
}
