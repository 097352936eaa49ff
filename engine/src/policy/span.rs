//! Lengths of time as rules name them: days, months, years. All in UTC, with the microsecond of the
//! day kept.
//!
//! Months and years are those of the calendar. Where the day does not occur in the last month, the
//! period ends on that month's last day (Regulation (EEC, Euratom) 1182/71, article 3(2)(c)):
//! a month from 31 January ends on the last of February, a year from 29 February on the 28th.
//! What must be kept is kept to the end of that day ([`Span::kept_until`]), as the regulation has
//! it: never too short.

use std::fmt;

use crate::error::{Error, Result};
use crate::id::Micros;
use crate::record::time::{civil_from_days, days_from_civil, days_in_month};

/// Unit of a [`Span`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Days of 24 hours; UTC has no others.
    Days,
    /// Months of the calendar.
    Months,
    /// Years of the calendar.
    Years,
}

impl Unit {
    /// Every unit.
    pub const ALL: [Self; 3] = [Self::Days, Self::Months, Self::Years];

    const fn letter(self) -> char {
        match self {
            Self::Days => 'd',
            Self::Months => 'm',
            Self::Years => 'y',
        }
    }

    /// The most of it that the years 0001 to 9999 could hold.
    const fn most(self) -> u32 {
        match self {
            Self::Days => 3_652_059,
            Self::Months => 9_999 * 12,
            Self::Years => 9_999,
        }
    }
}

/// A length of time as rules name it: `180d`, `6m`, `3y`. Never empty.
///
/// ```
/// use escrowdb::policy::span::Span;
/// use escrowdb::record::time;
/// let three = Span::parse("3y")?;
/// let end = three.after(time::parse("2024-02-29T12:00:00Z")?);
/// assert_eq!(end.map(time::format).as_deref(), Some("2027-02-28T12:00:00Z"));
/// assert_eq!(three.to_string(), "3y");
/// # Ok::<(), escrowdb::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    count: u32,
    unit: Unit,
}

impl Span {
    /// So many of a unit.
    ///
    /// # Errors
    /// `Invalid` if it is none, or more than the years 0001 to 9999 could hold.
    pub fn new(count: u32, unit: Unit) -> Result<Self> {
        if count == 0 {
            return Err(Error::invalid("a length of time is one day at least"));
        }
        if count > unit.most() {
            return Err(Error::invalid(format!(
                "a length of time is {}{} at most",
                unit.most(),
                unit.letter()
            )));
        }
        Ok(Self { count, unit })
    }

    pub(super) const fn months(count: u32) -> Self {
        Self { count, unit: Unit::Months }
    }

    /// Reads what `Display` prints: a number without leading zeros and `d`, `m` or `y`.
    ///
    /// # Errors
    /// `Invalid` for everything else.
    pub fn parse(text: &str) -> Result<Self> {
        let not = || Error::invalid("not a length of time").hint("write it like 180d, 6m or 3y");
        let (letter, digits) = text.as_bytes().split_last().ok_or_else(not)?;
        let unit = Unit::ALL.into_iter().find(|unit| unit.letter() as u8 == *letter).ok_or_else(not)?;
        // Longer ones are more than any unit's most; ten digits could overflow.
        if !(1..=9).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
            return Err(not());
        }
        if digits[0] == b'0' && digits.len() > 1 {
            return Err(not());
        }
        Self::new(digits.iter().fold(0, |n, digit| n * 10 + u32::from(digit - b'0')), unit)
    }

    /// How many.
    pub const fn count(self) -> u32 {
        self.count
    }

    /// Of what.
    pub const fn unit(self) -> Unit {
        self.unit
    }

    /// When it is over that began at `start`; `None` if that is after the year 9999, which is
    /// never. A start before the year 0001 counts as its beginning, so nothing ends early.
    pub fn after(self, start: Micros) -> Option<Micros> {
        add(start, self.unit, i64::from(self.count))
    }

    /// Until when something is kept that must be kept so long: the end of the UTC day that
    /// [`after`](Self::after) falls on (Regulation 1182/71, article 3(2)(b) and (c)). `None` is
    /// for ever.
    pub fn kept_until(self, start: Micros) -> Option<Micros> {
        let end = self.after(start)?;
        let next = Micros(end.0 - end.0.rem_euclid(Micros::DAY) + Micros::DAY);
        (next <= Micros::MAX).then_some(next)
    }

    /// No start makes it shorter than so many days.
    pub const fn least_days(self) -> i64 {
        let (years, months) = self.years_and_months();
        match self.unit {
            Unit::Days => self.count as i64,
            // Eight years without a leap day were last from 1896 to 1904.
            Unit::Months | Unit::Years => years * 365 + LEAST_DAYS[months],
        }
    }

    /// No start makes it longer than so many days.
    pub const fn most_days(self) -> i64 {
        let (years, months) = self.years_and_months();
        match self.unit {
            Unit::Days => self.count as i64,
            Unit::Months | Unit::Years if years == 0 => MOST_DAYS[months],
            Unit::Months | Unit::Years => years * 365 + years / 4 + 1 + MOST_DAYS[months],
        }
    }

    /// Whether, whatever the start, it is surely over no earlier than the other: what a lock that
    /// may be lengthened and never shortened is asked. `30d` and `1m` are neither way.
    pub fn is_never_shorter_than(self, other: Self) -> bool {
        if (self.unit == Unit::Days) == (other.unit == Unit::Days) {
            return self.in_days_or_months() >= other.in_days_or_months();
        }
        self.least_days() >= other.most_days()
    }

    const fn in_days_or_months(self) -> u32 {
        if matches!(self.unit, Unit::Years) { self.count * 12 } else { self.count }
    }

    const fn years_and_months(self) -> (i64, usize) {
        let months = self.in_days_or_months();
        (months as i64 / 12, months as usize % 12)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.count, self.unit.letter())
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Fewest days of 0 to 11 months that follow each other; they begin with February.
const LEAST_DAYS: [i64; 12] = [0, 28, 59, 89, 120, 150, 181, 212, 242, 273, 303, 334];
/// Most days of them; they go round February.
const MOST_DAYS: [i64; 12] = [0, 31, 62, 92, 123, 153, 184, 215, 245, 276, 306, 337];

/// `count` units after `start`, `None` if that is after the year 9999.
pub(super) fn add(start: Micros, unit: Unit, count: i64) -> Option<Micros> {
    let start = start.max(Micros::MIN);
    if start > Micros::MAX {
        return None;
    }
    let end = match unit {
        Unit::Days => start.0.checked_add(count.checked_mul(Micros::DAY)?)?,
        Unit::Months | Unit::Years => {
            let (year, month, day) = civil_from_days(start.0.div_euclid(Micros::DAY));
            let step = if unit == Unit::Years { count.checked_mul(12)? } else { count };
            let months = (year * 12 + month - 1).checked_add(step)?;
            let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
            if year > 9999 {
                return None;
            }
            let days = days_from_civil(year, month, day.min(days_in_month(year, month)));
            days * Micros::DAY + start.0.rem_euclid(Micros::DAY)
        }
    };
    (end <= Micros::MAX.0).then_some(Micros(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::record::time;
    use jiff::ToSpan;
    use jiff::civil::Date;
    use proptest::prelude::*;

    fn at(text: &str) -> Micros {
        time::parse(text).unwrap()
    }

    fn span(text: &str) -> Span {
        Span::parse(text).unwrap()
    }

    #[test]
    fn spans_end_on_days_that_exist() {
        for (start, length, end) in [
            ("2024-02-29T12:00:00Z", "1y", "2025-02-28T12:00:00Z"),
            ("2024-02-29T12:00:00Z", "4y", "2028-02-29T12:00:00Z"),
            ("2096-02-29T12:00:00Z", "4y", "2100-02-28T12:00:00Z"),
            ("2026-08-31T00:00:00Z", "6m", "2027-02-28T00:00:00Z"),
            ("2026-01-01T00:00:00Z", "180d", "2026-06-30T00:00:00Z"),
            ("1969-12-31T23:59:59.999999Z", "1m", "1970-01-31T23:59:59.999999Z"),
            ("0001-01-31T00:00:00Z", "1m", "0001-02-28T00:00:00Z"),
        ] {
            assert_eq!(span(length).after(at(start)).map(time::format).as_deref(), Some(end), "{length}");
        }
        assert_eq!(span("1y").after(at("9999-01-01T00:00:00Z")), None);
        assert_eq!(span("1d").after(at("9999-12-31T00:00:00Z")), None);
        assert_eq!(span("1d").after(Micros(i64::MAX)), None);
        assert_eq!(span("1d").after(Micros(i64::MIN)), Some(Micros(Micros::MIN.0 + Micros::DAY)));
        assert_eq!(span("9999y").after(Micros::MIN), None);
        assert_eq!(span("9998y").after(Micros::MIN), Some(at("9999-01-01T00:00:00Z")));
    }

    #[test]
    fn what_is_kept_is_kept_to_the_end_of_the_day() {
        for (start, length, end) in [
            ("2024-02-29T12:00:00Z", "1y", Some("2025-03-01T00:00:00Z")),
            ("2026-01-01T00:00:00Z", "30d", Some("2026-02-01T00:00:00Z")),
            ("1950-01-01T00:00:00.000001Z", "1d", Some("1950-01-03T00:00:00Z")),
            ("9999-12-30T12:00:00Z", "1d", None),
        ] {
            assert_eq!(span(length).kept_until(at(start)).map(time::format).as_deref(), end);
        }
    }

    #[test]
    fn reads_one_form_only() {
        for text in
            ["", "d", "3", "03y", "3Y", "3 y", "-3y", "+3y", "3w", "1.5y", "3yy", "３y", "99999999999d"]
        {
            assert_eq!(Span::parse(text).unwrap_err().to_string(), "not a length of time", "{text}");
        }
        for text in ["0d", "0y", "3652060d", "119989m", "10000y", "999999999y"] {
            assert_eq!(Span::parse(text).unwrap_err().kind(), ErrorKind::Invalid, "{text}");
        }
        for text in ["1d", "30d", "180d", "6m", "12m", "10y", "3652059d", "119988m", "9999y"] {
            assert_eq!(span(text).to_string(), text);
        }
    }

    /// Over two leap days and a century without one, from every day.
    #[test]
    fn fewest_and_most_days_are_met_and_kept_to() {
        let first = days_from_civil(1895, 1, 1);
        let days = |n: u32, start: i64| {
            let end = add(Micros(start * Micros::DAY), Unit::Months, i64::from(n)).unwrap();
            end.0 / Micros::DAY - start
        };
        for n in 1..=36 {
            let of = Span::new(n, Unit::Months).unwrap();
            let all = || (first..first + 4000).map(|start| days(n, start));
            assert_eq!(all().min(), Some(of.least_days()), "{n} months");
            assert!(all().max().unwrap() <= of.most_days(), "{n} months");
            if n < 12 {
                assert_eq!(all().max(), Some(of.most_days()), "{n} months");
            }
        }
    }

    #[test]
    fn locks_are_compared_whatever_the_start() {
        for (new, old, never) in [
            ("3y", "36m", true),
            ("36m", "3y", true),
            ("35m", "3y", false),
            ("1m", "28d", true),
            ("1m", "29d", false),
            ("31d", "1m", true),
            ("30d", "1m", false),
            ("366d", "1y", true),
            ("365d", "1y", false),
            ("1y", "365d", true),
            ("5d", "5d", true),
            ("4d", "5d", false),
        ] {
            assert_eq!(span(new).is_never_shorter_than(span(old)), never, "{new} {old}");
        }
    }

    fn any_span() -> impl Strategy<Value = Span> {
        (0usize..3, 1u32..5000).prop_map(|(unit, n)| {
            let unit = Unit::ALL[unit];
            Span::new(n, unit).unwrap()
        })
    }

    proptest! {
        #[test]
        fn prints_what_it_reads(span in any_span()) {
            prop_assert_eq!(Span::parse(&span.to_string()).unwrap(), span);
        }

        #[test]
        fn nothing_panics_on_any_text_or_time(text in ".{0,12}", start: i64, span in any_span()) {
            let _ = Span::parse(&text);
            let _ = (span.after(Micros(start)), span.kept_until(Micros(start)));
        }

        /// Retention is never early, and not late by more than the calendar allows.
        #[test]
        fn ends_within_its_days(start in Micros::MIN.0..=Micros::MAX.0, span in any_span()) {
            if let Some(end) = span.after(Micros(start)) {
                prop_assert!(end.0 - start >= span.least_days() * Micros::DAY);
                prop_assert!(end.0 - start <= span.most_days() * Micros::DAY);
                prop_assert_eq!(end.0.rem_euclid(Micros::DAY), start.rem_euclid(Micros::DAY));
                prop_assert!(span.kept_until(Micros(start)).is_none_or(|kept| kept > end));
            }
        }

        #[test]
        fn agrees_with_the_library(days in days_from_civil(2, 1, 1)..days_from_civil(9000, 1, 1), months in 1i64..1200) {
            let (y, m, d) = civil_from_days(days);
            let date = Date::new(y as i16, m as i8, d as i8).unwrap();
            let end = civil_from_days(add(Micros(days * Micros::DAY), Unit::Months, months).unwrap().0 / Micros::DAY);
            // Division towards zero is the same for midnights.
            let expected = date.checked_add(months.months()).unwrap();
            prop_assert_eq!(end, (expected.year().into(), expected.month().into(), expected.day().into()));
        }

        /// A later start ends no earlier; a longer lock neither.
        #[test]
        fn order_is_kept(
            a in Micros::MIN.0..=Micros::MAX.0, later in 0i64..400 * Micros::DAY, one in any_span(), two in any_span(),
        ) {
            let ends = |span: Span, start: i64| span.after(Micros(start)).unwrap_or(Micros::MAX);
            prop_assert!(ends(one, a) <= ends(one, a.saturating_add(later)));
            if one.is_never_shorter_than(two) {
                prop_assert!(ends(one, a) >= ends(two, a));
            }
        }
    }
}
