//! Acts as records: what is recorded, for how long, and the keys of the periods. Format 3.

use crate::codec::Write;
use crate::error::{Error, Result};
use crate::id::Micros;
use crate::keyring::entry::{Entry, Value, done, put_time, start, time, versioned};

/// How much of what is done with a store is recorded in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Level {
    /// Erasures only. For programs that keep a record of their own.
    #[default]
    Off = 0,
    /// Also what was opened, exported and imported, and changes of rules.
    Acts = 1,
    /// Also what was searched for and counted, and what was asked for and not there.
    All = 2,
}

impl Level {
    /// The stable lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Acts => "acts",
            Self::All => "all",
        }
    }

    /// The level with this number.
    pub fn of(number: u8) -> Result<Self> {
        match number {
            0 => Ok(Self::Off),
            1 => Ok(Self::Acts),
            2 => Ok(Self::All),
            n => Err(Error::newer(format!("audit level {n} is unknown"))),
        }
    }
}

/// What a store records of what is done with it, and how long it keeps that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditRules {
    /// How much.
    pub level: Level,
    /// Days that acts are kept for behind the end of their month.
    pub keep_acts: u32,
    /// The same of their details: queries, purposes, names.
    pub keep_details: u32,
}

impl AuditRules {
    /// Longest retention, days: a hundred years.
    pub const DAYS_MAX: u32 = 36_525;

    /// These days: three years of acts, 90 days of details.
    pub const fn new(level: Level) -> Self {
        Self { level, keep_acts: 1_096, keep_details: 90 }
    }

    /// Keeps acts for so many days.
    #[must_use]
    pub const fn keep_acts(mut self, days: u32) -> Self {
        self.keep_acts = days;
        self
    }

    /// Keeps details for so many days.
    #[must_use]
    pub const fn keep_details(mut self, days: u32) -> Self {
        self.keep_details = days;
        self
    }

    /// Days that a class is kept for.
    pub const fn days(&self, class: Class) -> u32 {
        match class {
            Class::Acts => self.keep_acts,
            Class::Details => self.keep_details,
            // Of evidence the registers say.
            Class::Evidence => 0,
        }
    }
}

/// What a store that says nothing of it records.
impl Default for AuditRules {
    fn default() -> Self {
        Self::new(Level::Off)
    }
}

impl Entry for AuditRules {
    fn encode(&self) -> Result<Value> {
        let mut out = start();
        out.put_u8(self.level as u8);
        out.put_varint(self.keep_acts.into());
        out.put_varint(self.keep_details.into());
        done(out)
    }

    fn decode(value: &[u8]) -> Result<Self> {
        let mut r = versioned(value, "audit")?;
        let level = Level::of(r.u8()?)?;
        let [keep_acts, keep_details] = [r.varint()?, r.varint()?].map(|days| {
            let days = u32::try_from(days).ok().filter(|days| *days <= Self::DAYS_MAX);
            days.ok_or_else(|| Error::corrupt("a retention of acts is over a hundred years"))
        });
        r.finish()?;
        Ok(Self { level, keep_acts: keep_acts?, keep_details: keep_details? })
    }
}

/// What dies together on a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Class {
    /// Acts: who, what, how many.
    Acts = 1,
    /// Their details: texts.
    Details = 2,
    /// Evidence about a person who was erased: *format 4*.
    Evidence = 3,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 3] = [Self::Acts, Self::Details, Self::Evidence];

    /// Those that have a period each month.
    pub const MONTHLY: [Self; 2] = [Self::Acts, Self::Details];

    /// The class with this number.
    pub fn of(number: u8) -> Result<Self> {
        match number {
            1 => Ok(Self::Acts),
            2 => Ok(Self::Details),
            3 => Ok(Self::Evidence),
            n => Err(Error::newer(format!("audit class {n} is unknown"))),
        }
    }
}

/// A period of acts or of details; the number of its person, whose key seals them, is in the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditPeriod {
    /// What it is of.
    pub class: Class,
    /// Its first instant, as the clock told it.
    pub from: Micros,
    /// When its key dies, in the time that the store believes.
    pub until: Micros,
}

impl Entry for AuditPeriod {
    fn encode(&self) -> Result<Value> {
        let mut out = start();
        out.put_u8(self.class as u8);
        put_time(&mut out, self.from);
        put_time(&mut out, self.until);
        done(out)
    }

    fn decode(value: &[u8]) -> Result<Self> {
        let mut r = versioned(value, "audit period")?;
        let this = Self { class: Class::of(r.u8()?)?, from: time(&mut r)?, until: time(&mut r)? };
        r.finish()?;
        Ok(this)
    }
}

/// What the store knows of the time: the highest that it believes, and what the clock said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Highest time believed. It never falls.
    pub believed: Micros,
    /// What the clock said at the last look.
    pub clock: Micros,
    /// How far the clock went on at once, microseconds, as long as that is not believed; else 0.
    pub doubted: i64,
}

impl Entry for Seen {
    fn encode(&self) -> Result<Value> {
        let mut out = start();
        put_time(&mut out, self.believed);
        put_time(&mut out, self.clock);
        put_time(&mut out, Micros(self.doubted));
        done(out)
    }

    fn decode(value: &[u8]) -> Result<Self> {
        let mut r = versioned(value, "time")?;
        let this = Self { believed: time(&mut r)?, clock: time(&mut r)?, doubted: time(&mut r)?.0 };
        r.finish()?;
        if this.doubted < 0 {
            return Err(Error::corrupt("a time went on by less than nothing"));
        }
        Ok(this)
    }
}
