//! What a store believes of the time, for keys that die on a date.
//!
//! A clock can be wrong both ways. Set back, it must not keep for ever what is due; set forward, it
//! must not destroy what isn't. So the store has a time of its own that goes on with the clock and never
//! falls. Where the clock went on by more than [`LEAP_MAX`] since the last look, because nobody looked or
//! because somebody set it, that is believed only once the clock has stood by it for [`PROOF`]; a clock
//! that is put right before then has done nothing.

use crate::id::Micros;
use crate::keyring::entry::{AuditPeriod, AuditRules, Class, Seen};
use crate::record::time::Period;

/// What a clock may go on by between two looks and be believed at once: 31 days.
pub const LEAP_MAX: i64 = 31 * Micros::DAY;

/// How long a clock must stand by a longer leap: a day.
pub const PROOF: i64 = Micros::DAY;

/// What is known after a look at a clock that says `now`.
pub fn look(seen: Option<Seen>, now: Micros) -> Seen {
    let Some(seen) = seen else {
        return Seen { believed: now, clock: now, doubted: 0 };
    };
    let gone = now.0.saturating_sub(seen.clock.0);
    if seen.doubted > 0 && (0..PROOF).contains(&gone) {
        return seen;
    }
    let (base, gone) = if gone < 0 {
        // Set back: what is left of a leap that was not believed yet; else time goes on from here.
        (seen.believed.0, seen.doubted.saturating_add(gone).max(0))
    } else {
        (seen.believed.0.saturating_add(seen.doubted), gone)
    };
    // A clock that was set back and is put right leaps to where this store's time is already: of a leap only
    // what lies ahead of that is news.
    let gone = if gone > LEAP_MAX { gone.min(now.0.saturating_sub(base).max(0)) } else { gone };
    let (believed, doubted) = if gone <= LEAP_MAX { (base.saturating_add(gone), 0) } else { (base, gone) };
    Seen { believed: Micros(believed).min(Micros::MAX), clock: now, doubted }
}

/// What the clock says, if it is believed, in the time of the store: months are counted in it.
pub fn claimed(seen: &Seen, now: Micros) -> Micros {
    let gone = now.0.saturating_sub(seen.clock.0).max(0);
    let claimed = seen.believed.0.saturating_add(seen.doubted).saturating_add(gone);
    Micros(claimed).clamp(Micros::MIN, Micros::MAX)
}

/// The month of an instant: its first instant, and that of the next month.
pub fn month(at: Micros) -> (Micros, Micros) {
    let from = Period::Month.start_of(at);
    (from, Period::Month.start_of(Micros(from.0.saturating_add(LEAP_MAX + Micros::DAY / 2)).min(Micros::MAX)))
}

/// A period of acts that begins now.
pub fn period(seen: &Seen, now: Micros, class: Class, rules: &AuditRules) -> AuditPeriod {
    let claimed = claimed(seen, now);
    let (from, next) = month(claimed);
    let keep = i64::from(rules.days(class)) * Micros::DAY;
    // What is doubted may turn out wrong, and must not keep for longer then: it is added once believed.
    let until = next.0.saturating_sub(seen.doubted).saturating_add(keep);
    AuditPeriod { class, from, until: Micros(until).min(Micros::MAX) }
}

/// A period after a look that came to believe of what was doubted before: if it was begun meanwhile, its
/// end was reckoned without.
pub fn moved(period: &AuditPeriod, before: &Seen, after: &Seen) -> AuditPeriod {
    let begun_meanwhile = before.doubted > 0 && period.from >= month(claimed(before, before.clock)).0;
    if !begun_meanwhile {
        return *period;
    }
    let proved = after.believed.0.saturating_sub(before.believed.0).clamp(0, before.doubted);
    let until = period.until.0.saturating_add(proved);
    AuditPeriod { until: Micros(until).min(Micros::MAX), ..*period }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = Micros::DAY;
    const START: i64 = 1_767_225_600_000_000;

    fn after(looks: &[i64]) -> Seen {
        let seen = looks.iter().fold(None, |seen, at| Some(look(seen, Micros(START + at * DAY))));
        seen.unwrap()
    }

    fn believed(looks: &[i64]) -> i64 {
        (after(looks).believed.0 - START) / DAY
    }

    #[test]
    fn a_clock_that_goes_is_believed() {
        assert_eq!(believed(&[0, 1, 20, 51]), 51);
    }

    #[test]
    fn a_leap_is_believed_a_day_later() {
        assert_eq!(believed(&[0, 3_650]), 0);
        assert_eq!(believed(&[0, 3_650, 3_650]), 0);
        assert_eq!(believed(&[0, 3_650, 3_651]), 3_651);
        // Looked at each two months: it goes on, one look behind.
        assert_eq!(believed(&[0, 60, 120, 180]), 120);
    }

    #[test]
    fn a_clock_that_is_put_right_has_done_nothing() {
        assert_eq!(believed(&[0, 3_650, 1, 2, 3]), 3);
        // A correction by little is no reason to doubt again.
        assert_eq!(believed(&[0, 3_650, 3_649, 3_650]), 3_650);
    }

    #[test]
    fn a_clock_that_is_set_back_goes_on_from_there() {
        assert_eq!(believed(&[0, 10, -9_000, -8_990, -8_980]), 30);
    }

    /// Retention is never early: the ten years that such a clock leaps were not gone through twice.
    #[test]
    fn a_clock_that_was_set_back_and_is_put_right_leaps_to_where_it_was() {
        assert_eq!(believed(&[0, -3_650, 1, 2, 3]), 3);
        assert_eq!(believed(&[0, 20, -3_650, -3_640, 25, 26]), 31);
        // What lies ahead of it is doubted as ever.
        assert_eq!(believed(&[0, -3_650, 3_650]), 0);
        assert_eq!(believed(&[0, -3_650, 3_650, 3_651]), 3_651);
    }

    #[test]
    fn months_are_whole() {
        for day in 0..800 {
            let (from, next) = month(Micros(START + day * DAY));
            assert_eq!(Period::Month.start_of(next), next);
            assert!((28..=31).contains(&((next.0 - from.0) / DAY)));
        }
    }

    #[test]
    fn what_is_written_during_a_leap_lives_as_long_as_else() {
        let rules = AuditRules::new(crate::keyring::entry::Level::All);
        let leap = after(&[0, 3_650]);
        let now = Micros(START + 3_650 * DAY);
        let begun = period(&leap, now, Class::Details, &rules);
        // Believed: it lives for 90 days from the end of its month.
        let proved = look(Some(leap), Micros(now.0 + DAY));
        let kept = moved(&begun, &leap, &proved);
        assert!((kept.until.0 - now.0) / DAY >= 90 && (kept.until.0 - now.0) / DAY <= 121);
        // Put right: as long from the day on which it was written.
        let right = look(Some(leap), Micros(START + DAY));
        let kept = moved(&begun, &leap, &right);
        assert!((kept.until.0 - START) / DAY >= 90 && (kept.until.0 - START) / DAY <= 121);
    }
}
