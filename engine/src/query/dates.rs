//! Instants and calendar periods of queries, all in UTC.
//!
//! A small adapter over the calendar library; what `record::time` offers can replace its parts
//! one by one. Nothing here panics or overflows: results outside the years 0001 to 9999 are
//! `None`, or stop at the end of the range where the doc says so.

use jiff::SignedDuration;
use jiff::civil::Date;

use crate::id::Micros;

/// The instant after the last one a record can have.
pub const END: Micros = Micros(Micros::MAX.0 + 1);

const EPOCH: Date = Date::constant(1970, 1, 1);
const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3600 * SECOND;

/// Length of the bars of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Period {
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A week from Monday.
    Week,
    /// A calendar month.
    Month,
    /// A calendar year.
    Year,
}

impl Period {
    /// Reads `hour`, `day`, `week`, `month` or `year`.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "hour" => Self::Hour,
            "day" => Self::Day,
            "week" => Self::Week,
            "month" => Self::Month,
            "year" => Self::Year,
            _ => return None,
        })
    }

    /// First instant of the period that holds `at`; an instant out of range is taken as the
    /// nearest one in range.
    pub fn start_of(self, at: Micros) -> Micros {
        let at = clamp(at);
        let floor = |unit: i64, phase: i64| clamp(Micros(at.0 - (at.0 - phase).rem_euclid(unit)));
        match self {
            Self::Hour => floor(HOUR, 0),
            Self::Day => floor(Micros::DAY, 0),
            // 1970-01-05 was a Monday.
            Self::Week => floor(7 * Micros::DAY, 4 * Micros::DAY),
            Self::Month => {
                let date = date_of(at);
                midnight(date.year(), date.month(), 1).unwrap_or(Micros::MIN)
            }
            Self::Year => midnight(date_of(at).year(), 1, 1).unwrap_or(Micros::MIN),
        }
    }

    /// First instant after the period that holds `at`; [`END`] after the last period.
    pub fn end_of(self, at: Micros) -> Micros {
        let start = self.start_of(at);
        let end = match self {
            Self::Hour => Micros(start.0 + HOUR),
            Self::Day => Micros(start.0 + Micros::DAY),
            Self::Week => Micros(start.0 + 7 * Micros::DAY),
            Self::Month => {
                let date = date_of(start);
                match date.month() {
                    12 => midnight(date.year() + 1, 1, 1).unwrap_or(END),
                    month => midnight(date.year(), month + 1, 1).unwrap_or(END),
                }
            }
            Self::Year => midnight(date_of(start).year() + 1, 1, 1).unwrap_or(END),
        };
        end.min(END)
    }

    /// No period is shorter than this many microseconds.
    pub(crate) const fn shortest(self) -> i64 {
        match self {
            Self::Hour => HOUR,
            Self::Day => Micros::DAY,
            Self::Week => 7 * Micros::DAY,
            Self::Month => 28 * Micros::DAY,
            Self::Year => 365 * Micros::DAY,
        }
    }
}

/// Reads an instant: RFC 3339, `2026-01-31`, `2026-01`, `2026`, `-7d`, `today`, `yesterday`, `now`.
pub(crate) fn instant(text: &str, now: Micros) -> Option<Micros> {
    if let Some((start, _)) = span(text, now) {
        return Some(start);
    }
    match text {
        "now" => Some(clamp(now)),
        _ if text.starts_with('-') => ago(text, now),
        _ => rfc3339(text),
    }
}

/// Reads a stretch of time: `2026-01-31`, `2026-01`, `2026`, `today`, `yesterday`. The end is
/// not part of it.
pub(crate) fn span(text: &str, now: Micros) -> Option<(Micros, Micros)> {
    let period = |period: Period, at: Micros| Some((at, period.end_of(at)));
    match text {
        "today" => return period(Period::Day, Period::Day.start_of(now)),
        "yesterday" => return period(Period::Day, Period::Day.start_of(Micros(clamp(now).0 - Micros::DAY))),
        _ => {}
    }
    let b = text.as_bytes();
    let year = i16::try_from(digits(b.get(..4)?)?).ok()?;
    match b.len() {
        4 => period(Period::Year, midnight(year, 1, 1)?),
        7 if b[4] == b'-' => period(Period::Month, midnight(year, two(&b[5..7])?, 1)?),
        10 if b[4] == b'-' && b[7] == b'-' => {
            period(Period::Day, midnight(year, two(&b[5..7])?, two(&b[8..10])?)?)
        }
        _ => None,
    }
}

/// Prints an instant as RFC 3339 in UTC with 0, 3 or 6 digits of fraction.
pub(crate) fn format(at: Micros) -> String {
    let at = clamp(at);
    let date = date_of(at);
    let of_day = at.0.rem_euclid(Micros::DAY);
    let (seconds, fraction) = (of_day / SECOND, of_day % SECOND);
    let mut out = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        date.year(),
        date.month(),
        date.day(),
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    if fraction % 1000 != 0 {
        out.push_str(&format!(".{fraction:06}"));
    } else if fraction != 0 {
        out.push_str(&format!(".{:03}", fraction / 1000));
    }
    out.push('Z');
    out
}

/// `YYYY-MM-DDTHH:MM:SS[.ffffff](Z|±HH:MM)`; no leap second, at most six digits of fraction.
fn rfc3339(text: &str) -> Option<Micros> {
    let b = text.as_bytes();
    let (head, mut rest) = b.split_at_checked(19)?;
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if marks.iter().any(|&(i, mark)| head[i] != mark) {
        return None;
    }
    let year = i16::try_from(digits(&head[..4])?).ok()?;
    let day = midnight(year, two(&head[5..7])?, two(&head[8..10])?)?;
    let (hour, minute, second) = (digits(&head[11..13])?, digits(&head[14..16])?, digits(&head[17..19])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut fraction = 0;
    if let Some(tail) = rest.strip_prefix(b".") {
        let len = tail.iter().take_while(|c| c.is_ascii_digit()).count();
        if len == 0 || len > 6 {
            return None;
        }
        fraction = digits(&tail[..len])? * 10_i64.pow(6 - u32::try_from(len).ok()?);
        rest = &tail[len..];
    }
    let offset = match *rest {
        [b'Z'] => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (digits(&[h1, h2])?, digits(&[m1, m2])?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if sign == b'-' { -60 } else { 60 }
        }
        _ => return None,
    };
    let at = Micros(day.0 + (hour * 3600 + minute * 60 + second - offset) * SECOND + fraction);
    (Micros::MIN..=Micros::MAX).contains(&at).then_some(at)
}

/// `-7d`, `-12h`, `-2w`, `-3m`, `-1y`; stops at the year 0001. Months keep the day of the month
/// where it exists, else take the month's last.
fn ago(text: &str, now: Micros) -> Option<Micros> {
    let now = clamp(now);
    let body = text.strip_prefix('-')?.as_bytes();
    let (unit, number) = body.split_last()?;
    if number.is_empty() || number.len() > 6 {
        return None;
    }
    let n = digits(number)?;
    let back = |unit: i64| clamp(Micros(now.0.saturating_sub(n.saturating_mul(unit))));
    let months = |n: i64| {
        let date = date_of(now);
        let month = i64::from(date.year()) * 12 + i64::from(date.month()) - 1 - n;
        let first = i16::try_from(month.div_euclid(12)).ok().zip(i8::try_from(month.rem_euclid(12) + 1).ok());
        let first = first.filter(|(year, _)| *year >= 1).and_then(|(y, m)| Date::new(y, m, 1).ok());
        let Some(first) = first else { return Micros::MIN };
        let day = date.day().min(first.days_in_month());
        match midnight(first.year(), first.month(), day) {
            Some(start) => Micros(start.0 + now.0.rem_euclid(Micros::DAY)),
            None => Micros::MIN,
        }
    };
    Some(match unit {
        b'h' => back(HOUR),
        b'd' => back(Micros::DAY),
        b'w' => back(7 * Micros::DAY),
        b'm' => months(n),
        b'y' => months(n * 12),
        _ => return None,
    })
}

fn clamp(at: Micros) -> Micros {
    at.clamp(Micros::MIN, Micros::MAX)
}

// The library's `Timestamp` ends a day before the year 9999 does, its `Date` does not.
fn date_of(at: Micros) -> Date {
    let days = at.0.div_euclid(Micros::DAY);
    EPOCH.checked_add(SignedDuration::from_hours(days * 24)).unwrap_or(EPOCH)
}

fn midnight(year: i16, month: i8, day: i8) -> Option<Micros> {
    if !(1..=9999).contains(&year) {
        return None;
    }
    let days = Date::new(year, month, day).ok()?.duration_since(EPOCH).as_hours() / 24;
    Some(Micros(days * Micros::DAY))
}

fn two(b: &[u8]) -> Option<i8> {
    i8::try_from(digits(b)?).ok()
}

/// Digits only; callers pass at most six.
fn digits(b: &[u8]) -> Option<i64> {
    b.iter().try_fold(0, |n, c| c.is_ascii_digit().then(|| n * 10 + i64::from(c - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Micros {
        rfc3339(text).unwrap()
    }

    const NOW: &str = "2026-03-31T15:30:45.000250Z";

    #[test]
    fn instants() {
        let now = at(NOW);
        let cases = [
            ("2026", "2026-01-01T00:00:00Z"),
            ("2026-02", "2026-02-01T00:00:00Z"),
            ("2026-02-28", "2026-02-28T00:00:00Z"),
            ("today", "2026-03-31T00:00:00Z"),
            ("yesterday", "2026-03-30T00:00:00Z"),
            ("now", NOW),
            ("-7d", "2026-03-24T15:30:45.000250Z"),
            ("-16h", "2026-03-30T23:30:45.000250Z"),
            ("-2w", "2026-03-17T15:30:45.000250Z"),
            ("-1m", "2026-02-28T15:30:45.000250Z"),
            ("-3m", "2025-12-31T15:30:45.000250Z"),
            ("-1y", "2025-03-31T15:30:45.000250Z"),
            ("-9999y", "0001-01-01T00:00:00Z"),
            ("-999999d", "0001-01-01T00:00:00Z"),
            ("2026-01-31T13:00:00.5+01:00", "2026-01-31T12:00:00.500Z"),
        ];
        for (text, expected) in cases {
            assert_eq!(format(instant(text, now).unwrap()), expected, "{text}");
        }
        let bad = [
            "",
            "-",
            "-d",
            "-7",
            "-7s",
            "-1000000d",
            "20",
            "0000",
            "2026-13",
            "2026-02-29",
            "2026-1-1",
            "2026-01-31T12:00:00",
            "2026-01-31T12:00:60Z",
            "2026-01-31T24:00:00Z",
            "2026-01-31 12:00:00Z",
            "2026-01-31T12:00:00.Z",
            "2026-01-31T12:00:00.1234567Z",
            "2026-01-31T12:00:00+1:00",
            "0001-01-01T00:00:00+00:01",
            "+7d",
            "heute",
            "２０２６",
        ];
        for text in bad {
            assert!(instant(text, now).is_none(), "{text}");
        }
    }

    #[test]
    fn periods_start_and_end() {
        let cases = [
            (Period::Hour, "2026-03-31T15:00:00Z", "2026-03-31T16:00:00Z"),
            (Period::Day, "2026-03-31T00:00:00Z", "2026-04-01T00:00:00Z"),
            (Period::Week, "2026-03-30T00:00:00Z", "2026-04-06T00:00:00Z"),
            (Period::Month, "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"),
            (Period::Year, "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ];
        for (period, start, end) in cases {
            assert_eq!(format(period.start_of(at(NOW))), start);
            assert_eq!(format(period.end_of(at(NOW))), end);
            assert!(period.start_of(Micros::MIN) == Micros::MIN);
            assert!(period.end_of(Micros::MAX) == END);
            assert!(period.start_of(Micros(i64::MAX)) <= Micros::MAX);
        }
        assert_eq!(span("9999", Micros(0)), Some((at("9999-01-01T00:00:00Z"), END)));
        assert_eq!(format(Micros::MAX), "9999-12-31T23:59:59.999999Z");
        assert_eq!(format(Micros::MIN), "0001-01-01T00:00:00Z");
        assert_eq!(format(Period::Day.start_of(Micros(-1))), "1969-12-31T00:00:00Z");
    }
}
