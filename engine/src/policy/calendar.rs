//! When a request is due, and when something is looked at again. All in UTC.
//!
//! Regulation (EEC, Euratom) 1182/71 ends a period with the last hour of its last day, and moves an
//! end on a weekend or holiday to the next working day (article 3(2)(c) and (4)). Both only give
//! more time. A request is due at the hour of its receipt, weekend or not: never later than the law
//! says.

use crate::error::{Error, ErrorKind, Result};
use crate::id::Micros;
use crate::policy::span::{Span, Unit, add};

/// Time to answer a request: GDPR article 12(3), first sentence.
pub const ANSWER: Span = Span::months(1);
/// What an extension adds to it, once: GDPR article 12(3), second sentence.
pub const EXTENSION: Span = Span::months(2);

/// When a request is due that was received at this time.
///
/// ```
/// use escrowdb::policy::calendar::due;
/// use escrowdb::record::time;
/// let received = time::parse("2027-01-31T09:30:00Z")?;
/// assert_eq!(time::format(due(received)), "2027-02-28T09:30:00Z");
/// # Ok::<(), escrowdb::Error>(())
/// ```
pub fn due(received: Micros) -> Micros {
    ANSWER.after(received).unwrap_or(Micros::MAX)
}

/// When it is due once it was extended: two months after the first due date. Counted from receipt
/// as one period it could be up to three days later; the earlier reading is never wrong.
pub fn due_extended(received: Micros) -> Micros {
    EXTENSION.after(due(received)).unwrap_or(Micros::MAX)
}

/// Extends a request and tells the new due date. The person must be told of the extension within
/// the first month (GDPR article 12(3), third sentence), so it is asked for before that is over.
///
/// # Errors
/// `Refused` if it was extended before, or the first due date has come.
pub fn extend(received: Micros, extended: bool, now: Micros) -> Result<Micros> {
    let refused = |what| Error::new(ErrorKind::Refused, what);
    if extended {
        return Err(refused("the request was extended before").hint("a request is extended once"));
    }
    if now >= due(received) {
        return Err(refused("the first due date has come")
            .hint("an extension is asked for, and told to the person, before it"));
    }
    Ok(due_extended(received))
}

/// Whether a request that is still open should have been answered.
pub fn is_overdue(received: Micros, extended: bool, now: Micros) -> bool {
    now >= if extended { due_extended(received) } else { due(received) }
}

/// The first date after `now` of a series that begins at `start` and repeats `every` so often;
/// `None` if none comes before the year 10000. Dates are counted from the start, so a series that
/// begins on the 31st comes back to it after a shorter month.
///
/// ```
/// use escrowdb::policy::{calendar::next_review, span::Span};
/// use escrowdb::record::time;
/// let (start, now) = (time::parse("2026-01-31T00:00:00Z")?, time::parse("2026-03-01T00:00:00Z")?);
/// let next = next_review(start, Span::parse("1m")?, now).map(time::format);
/// assert_eq!(next.as_deref(), Some("2026-03-31T00:00:00Z"));
/// # Ok::<(), escrowdb::Error>(())
/// ```
pub fn next_review(start: Micros, every: Span, now: Micros) -> Option<Micros> {
    let passed = now.0.clamp(Micros::MIN.0, Micros::MAX.0).saturating_sub(start.0.max(Micros::MIN.0));
    // None of these dates is later than `now`: no unit is longer than what is divided by.
    let longest = match every.unit() {
        Unit::Days => 1,
        Unit::Months => 31,
        Unit::Years => 366,
    };
    let sure = (passed / (longest * Micros::DAY) / i64::from(every.count())).max(1);
    // Seldom more than a few steps: the guess is too low by days in a month at most.
    (sure..)
        .map_while(|n| add(start, every.unit(), n.checked_mul(i64::from(every.count()))?))
        .find(|date| *date > now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::time;
    use proptest::prelude::*;

    fn at(text: &str) -> Micros {
        time::parse(text).unwrap()
    }

    fn span(text: &str) -> Span {
        Span::parse(text).unwrap()
    }

    #[test]
    fn a_request_is_due_in_a_calendar_month() {
        for (received, due_at, extended) in [
            ("2027-01-31T09:30:00.000001Z", "2027-02-28T09:30:00.000001Z", "2027-04-28T09:30:00.000001Z"),
            ("2028-01-31T00:00:00Z", "2028-02-29T00:00:00Z", "2028-04-29T00:00:00Z"),
            ("2027-01-28T23:59:59Z", "2027-02-28T23:59:59Z", "2027-04-28T23:59:59Z"),
            ("2028-02-29T12:00:00Z", "2028-03-29T12:00:00Z", "2028-05-29T12:00:00Z"),
            ("2026-12-31T12:00:00Z", "2027-01-31T12:00:00Z", "2027-03-31T12:00:00Z"),
            ("2026-08-31T12:00:00Z", "2026-09-30T12:00:00Z", "2026-11-30T12:00:00Z"),
            ("2026-03-05T12:00:00Z", "2026-04-05T12:00:00Z", "2026-06-05T12:00:00Z"),
            ("2100-01-30T12:00:00Z", "2100-02-28T12:00:00Z", "2100-04-28T12:00:00Z"),
        ] {
            assert_eq!(time::format(due(at(received))), due_at);
            assert_eq!(time::format(due_extended(at(received))), extended);
        }
        assert_eq!(due(Micros::MAX), Micros::MAX);
        assert_eq!(due_extended(Micros(i64::MAX)), Micros::MAX);
    }

    #[test]
    fn overdue_on_days_29_30_and_31() {
        let received = at("2026-04-15T12:00:00Z");
        let on_day = |n: i64| Micros(received.0 + n * Micros::DAY);
        let overdue: Vec<bool> = (28..=31).map(|n| is_overdue(received, false, on_day(n))).collect();
        assert_eq!(overdue, [false, false, true, true]);
        assert!(!is_overdue(received, false, Micros(on_day(30).0 - 1)));
        assert!(!is_overdue(received, true, Micros(at("2026-07-15T12:00:00Z").0 - 1)));
        assert!(is_overdue(received, true, at("2026-07-15T12:00:00Z")));
    }

    #[test]
    fn an_extension_comes_once_and_in_time() {
        let received = at("2027-01-31T12:00:00Z");
        let first = due(received);
        assert_eq!(extend(received, false, Micros(first.0 - 1)).unwrap(), due_extended(received));
        for (extended, now) in [(false, first), (false, Micros(first.0 + 1)), (true, received)] {
            assert_eq!(extend(received, extended, now).unwrap_err().kind(), ErrorKind::Refused);
        }
    }

    #[test]
    fn reviews_come_back_to_their_day() {
        let start = at("2026-01-31T12:00:00Z");
        let next = |every: &str, now: &str| next_review(start, span(every), at(now)).map(time::format);
        for (every, now, expected) in [
            ("1m", "2020-01-01T00:00:00Z", "2026-02-28T12:00:00Z"),
            ("1m", "2026-02-28T11:59:59Z", "2026-02-28T12:00:00Z"),
            ("1m", "2026-02-28T12:00:00Z", "2026-03-31T12:00:00Z"),
            ("7d", "2026-02-08T00:00:00Z", "2026-02-14T12:00:00Z"),
            ("2y", "2031-01-31T12:00:00Z", "2032-01-31T12:00:00Z"),
        ] {
            assert_eq!(next(every, now).as_deref(), Some(expected));
        }
        assert_eq!(next("9999y", "2026-02-01T00:00:00Z"), None);
        assert_eq!(next_review(Micros::MIN, span("1d"), Micros(i64::MAX)), None);
    }

    proptest! {
        #[test]
        fn nothing_panics_at_any_time(start: i64, now: i64, count in 1u32..9999, unit in 0usize..3) {
            let (start, now) = (Micros(start), Micros(now));
            let _ = next_review(start, Span::new(count, Unit::ALL[unit]).unwrap(), now);
            prop_assert!(due(start) <= due_extended(start));
            prop_assert!(!is_overdue(start, true, now) || is_overdue(start, false, now));
        }

        #[test]
        fn a_review_is_the_first_after_now(
            start in 0i64..40_000, later in -100i64..40_000, every in 1u32..40, unit in 0usize..3,
        ) {
            let every = Span::new(every, Unit::ALL[unit]).unwrap();
            let (start, now) = (Micros(start * Micros::DAY), Micros((start + later) * Micros::DAY));
            let by_steps = (1..).map_while(|n| add(start, every.unit(), n * i64::from(every.count()))).find(|d| *d > now);
            prop_assert_eq!(next_review(start, every, now), by_steps);
        }
    }
}
