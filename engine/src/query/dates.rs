//! Times of queries: instants and stretches, all in UTC, on top of [`crate::record::time`].
//!
//! Nothing here panics or overflows: a time that can't be read is `None`, one before the year
//! 0001 is its beginning.

use crate::id::Micros;
use crate::record::time::{self, Period};

/// The instant after the last one a record can have.
pub(crate) const END: Micros = Micros(Micros::MAX.0 + 1);

const HOUR: i64 = 3_600_000_000;

/// First instant after the period that holds `at`; [`END`] after the last period.
pub(crate) fn end_of(period: Period, at: Micros) -> Micros {
    let start = period.start_of(at);
    // No period is longer than this, and none so short that the step skips one.
    let longest = match period {
        Period::Hour => HOUR,
        Period::Day => Micros::DAY,
        Period::Week => 7 * Micros::DAY,
        Period::Month => 31 * Micros::DAY,
        Period::Year => 366 * Micros::DAY,
    };
    let within_next = Micros(start.0 + longest);
    if within_next > Micros::MAX { END } else { period.start_of(within_next) }
}

/// No period is shorter than this many microseconds.
pub(crate) const fn shortest(period: Period) -> i64 {
    match period {
        Period::Hour => HOUR,
        Period::Day => Micros::DAY,
        Period::Week => 7 * Micros::DAY,
        Period::Month => 28 * Micros::DAY,
        Period::Year => 365 * Micros::DAY,
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
        _ => time::parse(text).ok(),
    }
}

/// Reads a stretch of time: `2026-01-31`, `2026-01`, `2026`, `today`, `yesterday`. The end is
/// not part of it.
pub(crate) fn span(text: &str, now: Micros) -> Option<(Micros, Micros)> {
    let (period, start) = match (text, text.len()) {
        ("today", _) => (Period::Day, Period::Day.start_of(now)),
        ("yesterday", _) => (Period::Day, Period::Day.start_of(Micros(clamp(now).0 - Micros::DAY))),
        (_, 4) => (Period::Year, midnight(&format!("{text}-01-01"))?),
        (_, 7) => (Period::Month, midnight(&format!("{text}-01"))?),
        (_, 10) => (Period::Day, midnight(text)?),
        _ => return None,
    };
    Some((start, end_of(period, start)))
}

/// `-7d`, `-12h`, `-2w`, `-3m`, `-1y`; stops at the year 0001. Months keep the day of the month
/// where it exists, else take the month's last.
fn ago(text: &str, now: Micros) -> Option<Micros> {
    let now = clamp(now);
    let (unit, digits) = text.strip_prefix('-')?.as_bytes().split_last()?;
    if digits.is_empty() || digits.len() > 6 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let n = digits.iter().fold(0, |n, digit| n * 10 + i64::from(digit - b'0'));
    let back = |unit: i64| clamp(Micros(now.0.saturating_sub(n.saturating_mul(unit))));
    Some(match unit {
        b'h' => back(HOUR),
        b'd' => back(Micros::DAY),
        b'w' => back(7 * Micros::DAY),
        b'm' => months_ago(n, now),
        b'y' => months_ago(n * 12, now),
        _ => return None,
    })
}

fn months_ago(n: i64, now: Micros) -> Micros {
    let printed = time::format(now);
    let number = |range| printed.get(range).and_then(|digits: &str| digits.parse::<i64>().ok());
    let Some((year, month)) = number(0..4).zip(number(5..7)) else { return Micros::MIN };
    let months = year * 12 + month - 1 - n;
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
    if year < 1 {
        return Micros::MIN;
    }
    let Some(first) = midnight(&format!("{year:04}-{month:02}-01")) else { return Micros::MIN };
    let since_first = now.0 - Period::Month.start_of(now).0;
    let last_day = end_of(Period::Month, first).0 - first.0 - Micros::DAY;
    let day = (since_first - since_first % Micros::DAY).min(last_day);
    Micros(first.0 + day + since_first % Micros::DAY)
}

fn midnight(date: &str) -> Option<Micros> {
    time::parse(&format!("{date}T00:00:00Z")).ok()
}

fn clamp(at: Micros) -> Micros {
    at.clamp(Micros::MIN, Micros::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Micros {
        time::parse(text).unwrap()
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
            assert_eq!(time::format(instant(text, now).unwrap()), expected, "{text}");
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
            assert_eq!(time::format(period.start_of(at(NOW))), start);
            assert_eq!(time::format(end_of(period, at(NOW))), end);
            assert!(period.start_of(Micros::MIN) == Micros::MIN);
            assert!(end_of(period, Micros::MAX) == END);
            assert!(period.start_of(Micros(i64::MAX)) <= Micros::MAX);
        }
        assert_eq!(span("9999", Micros(0)), Some((at("9999-01-01T00:00:00Z"), END)));
        assert_eq!(time::format(Micros::MAX), "9999-12-31T23:59:59.999999Z");
        assert_eq!(time::format(Micros::MIN), "0001-01-01T00:00:00Z");
        assert_eq!(time::format(Period::Day.start_of(Micros(-1))), "1969-12-31T00:00:00Z");
    }
}
