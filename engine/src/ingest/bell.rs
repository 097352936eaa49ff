//! What those who are written together sleep on: one call to the system wakes them all.
//!
//! A condition each costs the waker a call for everybody; one with a lock of `parking_lot` wakes the
//! first, who wakes the second. These are the standard library's, which wake all at once.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Wakes a group, and before it the one who leads it.
#[derive(Default)]
pub struct Bell {
    door: Mutex<()>,
    rung: Condvar,
    rung_for_lead: Condvar,
}

impl Bell {
    /// Sleeps until `answer` has one. It is asked at each ring of the bell, by the lead at those
    /// for the lead only.
    pub fn sleep_until<T>(&self, leads: bool, mut answer: impl FnMut() -> Option<T>) -> T {
        let rung = if leads { &self.rung_for_lead } else { &self.rung };
        let mut door = self.door();
        loop {
            if let Some(answer) = answer() {
                return answer;
            }
            door = rung.wait(door).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Wakes everybody but the lead. What they are to find was put there before.
    pub fn ring(&self) {
        // Whoever looked before it was there sleeps by now.
        drop(self.door());
        self.rung.notify_all();
    }

    /// Wakes the lead.
    pub fn ring_for_lead(&self) {
        drop(self.door());
        self.rung_for_lead.notify_one();
    }

    /// Nothing is behind the door that a panic could leave half done.
    fn door(&self) -> MutexGuard<'_, ()> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::thread::{self, ScopedJoinHandle};
    use std::time::{Duration, Instant};

    use super::*;

    fn until(is: impl Fn() -> bool) -> bool {
        let start = Instant::now();
        while !is() && start.elapsed() < Duration::from_secs(10) {
            thread::yield_now();
        }
        is()
    }

    /// Whether all wake by themselves; if not they are woken, so that the test ends.
    fn woke<T>(bell: &Bell, sleepers: &[ScopedJoinHandle<'_, T>]) -> bool {
        let all = || sleepers.iter().all(|sleeper| sleeper.is_finished());
        let woke = until(all);
        while !all() {
            bell.ring();
            bell.ring_for_lead();
        }
        woke
    }

    #[test]
    fn one_ring_is_heard_by_all_but_the_lead() {
        let (bell, answered, asked) = (Bell::default(), AtomicBool::new(false), AtomicUsize::new(0));
        let answer = || {
            asked.fetch_add(1, Ordering::SeqCst);
            answered.load(Ordering::SeqCst).then_some(())
        };
        thread::scope(|scope| {
            let lead = [scope.spawn(|| bell.sleep_until(true, answer))];
            let others: Vec<_> = (0..8).map(|_| scope.spawn(|| bell.sleep_until(false, answer))).collect();
            assert!(until(|| asked.load(Ordering::SeqCst) == 9));
            answered.store(true, Ordering::SeqCst);
            bell.ring();
            assert!(woke(&bell, &others));
            assert_eq!(asked.load(Ordering::SeqCst), 9 + 8);
            bell.ring_for_lead();
            assert!(woke(&bell, &lead));
        });
    }

    #[test]
    fn a_ring_while_somebody_looks_is_not_missed() {
        for leads in [false, true] {
            let (bell, looked) = (Bell::default(), AtomicBool::new(false));
            thread::scope(|scope| {
                let sleeper = [scope.spawn(|| {
                    bell.sleep_until(leads, || {
                        let again = looked.swap(true, Ordering::SeqCst);
                        thread::sleep(Duration::from_millis(50));
                        again.then_some(())
                    })
                })];
                assert!(until(|| looked.load(Ordering::SeqCst)));
                if leads {
                    bell.ring_for_lead()
                } else {
                    bell.ring()
                }
                assert!(woke(&bell, &sleeper));
            });
        }
    }
}
