//! The clock, injected so that tests can turn it. Clocks never decide ordering or recovery. They stamp
//! acts, and let the keys of acts die on their date, as far as they are believed (`receipts::when`).

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::id::Micros;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Micros;
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Micros {
        let now = SystemTime::now();
        let micros = match now.duration_since(UNIX_EPOCH) {
            Ok(d) => i64::try_from(d.as_micros()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |m| -m),
        };
        Micros(micros.clamp(Micros::MIN.0, Micros::MAX.0))
    }
}

/// Another clock, kept within the years that a record can have: what it says is printed in
/// certificates, and a record stamped with more could never be read back.
pub struct Bounded(pub Arc<dyn Clock>);

impl Clock for Bounded {
    fn now(&self) -> Micros {
        self.0.now().clamp(Micros::MIN, Micros::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_is_in_range() {
        let now = SystemClock.now();
        assert!(now > Micros(1_700_000_000_000_000) && now < Micros::MAX);
    }
}
