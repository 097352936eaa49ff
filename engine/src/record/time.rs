//! Instants as text (RFC 3339) and the UTC periods of histograms.
//!
//! The arithmetic is our own because timestamps of the date library end a day before year 9999
//! does; tests compare it with the library's calendar.

use crate::error::{Error, Result};
use crate::id::Micros;

/// Reads an RFC 3339 instant. The zone is required, `:60` is refused, years are 0001 to 9999
/// in UTC, and digits beyond microseconds must be zeros.
///
/// ```
/// use escrowdb::id::Micros;
/// use escrowdb::record::time;
/// assert_eq!(time::parse("1970-01-01T01:00:00.5+01:00")?, Micros(500_000));
/// assert!(time::parse("2026-01-31T12:00:00").is_err());
/// # Ok::<(), escrowdb::Error>(())
/// ```
pub fn parse(text: &str) -> Result<Micros> {
    let (head, tail) = text.as_bytes().split_first_chunk::<19>().ok_or_else(not_rfc3339)?;
    let punctuation = [head[4], head[7], head[10].to_ascii_uppercase(), head[13], head[16]];
    if punctuation != *b"--T::" {
        return Err(not_rfc3339());
    }
    let year = number(&head[0..4])?;
    let (month, day) = (number(&head[5..7])?, number(&head[8..10])?);
    let (hour, minute, second) = (number(&head[11..13])?, number(&head[14..16])?, number(&head[17..19])?);
    if !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
        return Err(Error::invalid("no such day in the calendar"));
    }
    if second == 60 {
        return Err(Error::invalid("leap seconds (:60) are not accepted").hint("write :59 instead"));
    }
    if hour > 23 || minute > 59 || second > 59 {
        return Err(Error::invalid("no such time of day"));
    }
    let (fraction, zone) = parse_fraction(tail)?;
    let local = (days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second) * SECOND;
    let instant = Micros(local + fraction - parse_zone(zone)?);
    if instant < Micros::MIN || instant > Micros::MAX {
        return Err(outside_years());
    }
    Ok(instant)
}

/// Writes an instant in UTC, ending in `Z`, with 0, 3 or 6 digits of fraction: the inverse of
/// [`parse`]. Instants outside the years 0001 to 9999 are printed as the nearest end.
///
/// ```
/// use escrowdb::id::Micros;
/// use escrowdb::record::time;
/// assert_eq!(time::format(Micros(1_500)), "1970-01-01T00:00:00.001500Z");
/// ```
pub fn format(instant: Micros) -> String {
    let mut out = String::with_capacity(27);
    format_into(&mut out, instant);
    out
}

/// [`format()`], appended to `out`.
pub fn format_into(out: &mut String, instant: Micros) {
    let instant = clamp(instant).0;
    let (year, month, day) = civil_from_days(instant.div_euclid(Micros::DAY));
    let of_day = instant.rem_euclid(Micros::DAY);
    let (second, fraction) = (of_day / SECOND, of_day % SECOND);
    for (value, digits, before) in [
        (year, 4, None),
        (month, 2, Some('-')),
        (day, 2, Some('-')),
        (second / 3600, 2, Some('T')),
        (second / 60 % 60, 2, Some(':')),
        (second % 60, 2, Some(':')),
    ] {
        out.extend(before);
        put_digits(out, value, digits);
    }
    if fraction != 0 {
        out.push('.');
        if fraction % 1000 == 0 {
            put_digits(out, fraction / 1000, 3);
        } else {
            put_digits(out, fraction, 6);
        }
    }
    out.push('Z');
}

/// Start of the UTC day that holds `instant`.
pub fn day_start(instant: Micros) -> Micros {
    Period::Day.start_of(instant)
}

/// Periods of histograms, all in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Period {
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A week; it starts on Monday (ISO 8601).
    Week,
    /// A month of the calendar.
    Month,
    /// A year of the calendar.
    Year,
}

impl Period {
    /// The period with this lower-case name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Hour, Self::Day, Self::Week, Self::Month, Self::Year]
            .into_iter()
            .find(|period| period.name() == name)
    }

    /// The stable lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// Start of the period that holds `instant`. 0001-01-01 is a Monday, so no period of the
    /// years 0001 to 9999 starts before them; other instants count as the nearest end.
    ///
    /// ```
    /// use escrowdb::record::time::{self, Period};
    /// let sunday = time::parse("2026-03-01T10:00:00Z")?;
    /// assert_eq!(time::format(Period::Week.start_of(sunday)), "2026-02-23T00:00:00Z");
    /// # Ok::<(), escrowdb::Error>(())
    /// ```
    pub fn start_of(self, instant: Micros) -> Micros {
        let instant = clamp(instant).0;
        let days = instant.div_euclid(Micros::DAY);
        let start_day = match self {
            Self::Hour => return Micros(instant - instant.rem_euclid(3600 * SECOND)),
            Self::Day => days,
            // Day 0 is a Thursday, three days after its Monday.
            Self::Week => days - (days + 3).rem_euclid(7),
            Self::Month => {
                let (year, month, _) = civil_from_days(days);
                days_from_civil(year, month, 1)
            }
            Self::Year => days_from_civil(civil_from_days(days).0, 1, 1),
        };
        Micros(start_day * Micros::DAY)
    }
}

const SECOND: i64 = 1_000_000;

/// Microseconds of an optional `.digits`, and what follows.
fn parse_fraction(text: &[u8]) -> Result<(i64, &[u8])> {
    let Some((b'.', rest)) = text.split_first() else {
        return Ok((0, text));
    };
    let len = rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, zone) = rest.split_at(len);
    if digits.is_empty() {
        return Err(not_rfc3339());
    }
    let (micros, finer) = digits.split_at(len.min(6));
    if finer.iter().any(|b| *b != b'0') {
        return Err(Error::invalid("finer than microseconds").hint("write at most six digits of fraction"));
    }
    let unit = 10i64.pow(6 - micros.len() as u32);
    Ok((number(micros)? * unit, zone))
}

/// Offset from UTC in microseconds.
fn parse_zone(text: &[u8]) -> Result<i64> {
    match *text {
        [b'Z' | b'z'] => Ok(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (number(&[h1, h2])?, number(&[m1, m2])?);
            if hours > 23 || minutes > 59 {
                return Err(Error::invalid("no such zone offset"));
            }
            let offset = (hours * 60 + minutes) * 60 * SECOND;
            Ok(if sign == b'-' { -offset } else { offset })
        }
        [] => Err(Error::invalid("the zone is missing").hint("end the time in Z or an offset like +01:00")),
        _ => Err(not_rfc3339()),
    }
}

fn number(digits: &[u8]) -> Result<i64> {
    digits.iter().try_fold(0, |sum, b| match b {
        b'0'..=b'9' => Ok(sum * 10 + i64::from(b - b'0')),
        _ => Err(not_rfc3339()),
    })
}

fn put_digits(out: &mut String, value: i64, digits: u32) {
    for place in (0..digits).rev() {
        out.push(char::from(b'0' + (value / 10i64.pow(place) % 10) as u8));
    }
}

fn clamp(instant: Micros) -> Micros {
    instant.clamp(Micros::MIN, Micros::MAX)
}

fn not_rfc3339() -> Error {
    Error::invalid("not an RFC 3339 time").hint("write it like 2026-01-31T12:00:00Z")
}

fn outside_years() -> Error {
    Error::invalid("outside the years 0001 to 9999")
}

/// Days of a month of the proleptic Gregorian calendar.
pub(crate) fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01, proleptic Gregorian. Years start in March here, so that the leap day
/// comes last; an era is 400 years of 146,097 days (Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms").
pub(crate) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day: the inverse of [`days_from_civil`].
pub(crate) fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::Date;
    use proptest::prelude::*;

    const PERIODS: [Period; 5] = [Period::Hour, Period::Day, Period::Week, Period::Month, Period::Year];

    fn start(period: Period, text: &str) -> String {
        format(period.start_of(parse(text).unwrap()))
    }

    #[test]
    fn reads_and_prints() {
        for (text, printed) in [
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
            ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
            ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
            ("2026-01-31t12:00:00z", "2026-01-31T12:00:00Z"),
            ("2026-01-31T12:00:00.000Z", "2026-01-31T12:00:00Z"),
            ("2026-01-31T12:00:00.12Z", "2026-01-31T12:00:00.120Z"),
            ("2026-01-31T12:00:00.123456000Z", "2026-01-31T12:00:00.123456Z"),
            ("2026-01-31T12:00:00.1234-00:00", "2026-01-31T12:00:00.123400Z"),
            ("2026-03-01T00:30:00+01:00", "2026-02-28T23:30:00Z"),
            ("2024-02-29T23:30:00-05:45", "2024-03-01T05:15:00Z"),
            ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(format(parse(text).unwrap()), printed);
        }
        assert_eq!(parse("0001-01-01T00:00:00Z").unwrap(), Micros::MIN);
        assert_eq!(parse("9999-12-31T23:59:59.999999Z").unwrap(), Micros::MAX);
    }

    #[test]
    fn refuses_and_says_why() {
        for (text, why) in [
            ("", "not an RFC 3339 time"),
            ("2026-01-31", "not an RFC 3339 time"),
            ("2026-01-31 12:00:00Z", "not an RFC 3339 time"),
            ("2026-01-31T12:00Z", "not an RFC 3339 time"),
            ("+026-01-31T12:00:00Z", "not an RFC 3339 time"),
            ("2026-01-31T12:00:00.Z", "not an RFC 3339 time"),
            ("2026-01-31T12:00:00,5Z", "not an RFC 3339 time"),
            ("2026-01-31T12:00:00Z ", "not an RFC 3339 time"),
            ("2026-01-31T12:00:00+0100", "not an RFC 3339 time"),
            ("2026-01-31T12:00:00+01", "not an RFC 3339 time"),
            ("２026-01-31T12:00:00Z", "not an RFC 3339 time"),
            ("2026-01-31T12:00:00", "the zone is missing"),
            ("2026-01-31T12:00:00.5", "the zone is missing"),
            ("2026-01-31T12:00:00+24:00", "no such zone offset"),
            ("2016-12-31T23:59:60Z", "leap seconds (:60) are not accepted"),
            ("2026-01-31T23:59:61Z", "no such time of day"),
            ("2026-01-31T24:00:00Z", "no such time of day"),
            ("2026-02-29T12:00:00Z", "no such day in the calendar"),
            ("1900-02-29T12:00:00Z", "no such day in the calendar"),
            ("2026-13-01T12:00:00Z", "no such day in the calendar"),
            ("2026-00-10T12:00:00Z", "no such day in the calendar"),
            ("2026-04-00T12:00:00Z", "no such day in the calendar"),
            ("2026-01-31T12:00:00.1234567Z", "finer than microseconds"),
            ("0000-06-01T00:00:00Z", "outside the years 0001 to 9999"),
            ("0001-01-01T00:00:00+00:01", "outside the years 0001 to 9999"),
            ("9999-12-31T23:59:59-00:01", "outside the years 0001 to 9999"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), why, "{text}");
        }
    }

    #[test]
    fn every_day_of_the_calendar() {
        let (first, last) = (days_from_civil(1, 1, 1), days_from_civil(9999, 12, 31));
        let mut date = Date::new(1, 1, 1).unwrap();
        for days in first..=last {
            let (year, month, day) = civil_from_days(days);
            assert_eq!((date.year().into(), date.month().into(), date.day().into()), (year, month, day));
            assert_eq!(days_from_civil(year, month, day), days);
            if days < last {
                date = date.tomorrow().unwrap();
            }
        }
    }

    /// The first hours of the year 1 were refused where they are written in the zone's year 0.
    #[test]
    fn years_are_counted_in_utc() {
        assert_eq!(parse("0000-12-31T23:00:00-01:00").unwrap(), parse("0001-01-01T00:00:00Z").unwrap());
        assert!(parse("0000-12-31T22:59:59-01:00").is_err());
    }

    #[test]
    fn periods_start() {
        let text = "2024-12-31T23:59:59.999999Z";
        assert_eq!(start(Period::Hour, text), "2024-12-31T23:00:00Z");
        assert_eq!(start(Period::Day, text), "2024-12-31T00:00:00Z");
        assert_eq!(start(Period::Week, text), "2024-12-30T00:00:00Z");
        assert_eq!(start(Period::Month, text), "2024-12-01T00:00:00Z");
        assert_eq!(start(Period::Year, text), "2024-01-01T00:00:00Z");
        assert_eq!(start(Period::Week, "2025-01-05T23:59:59Z"), "2024-12-30T00:00:00Z");
        assert_eq!(start(Period::Week, "2025-01-06T00:00:00Z"), "2025-01-06T00:00:00Z");
        assert_eq!(start(Period::Month, "2024-02-29T12:00:00Z"), "2024-02-01T00:00:00Z");
        assert_eq!(start(Period::Hour, "1969-12-31T23:59:59Z"), "1969-12-31T23:00:00Z");
        assert_eq!(start(Period::Year, "1969-12-31T23:59:59Z"), "1969-01-01T00:00:00Z");
        for period in PERIODS {
            assert_eq!(Period::parse(period.name()), Some(period));
            assert_eq!(period.start_of(Micros::MIN), Micros::MIN);
            assert_eq!(period.start_of(Micros(i64::MIN)), Micros::MIN);
            assert!(period.start_of(Micros(i64::MAX)) < Micros::MAX);
        }
    }

    proptest! {
        #[test]
        fn printed_times_read_back(micros in Micros::MIN.0..=Micros::MAX.0) {
            prop_assert_eq!(parse(&format(Micros(micros))).unwrap(), Micros(micros));
        }

        #[test]
        fn a_start_is_its_own_start(micros in Micros::MIN.0..=Micros::MAX.0) {
            for period in PERIODS {
                let start = period.start_of(Micros(micros));
                prop_assert!(start <= Micros(micros));
                prop_assert_eq!(period.start_of(start), start);
                if start > Micros::MIN {
                    prop_assert!(period.start_of(Micros(start.0 - 1)) < start);
                }
            }
        }

        #[test]
        fn never_panics(text in "[0-9TZtz:.+-]{0,40}", any: String, micros: i64) {
            let _ = (parse(&text), parse(&any), format(Micros(micros)), day_start(Micros(micros)));
        }
    }
}
