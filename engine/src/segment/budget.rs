//! A bound on what is kept open of all segments of a store together; second chance for what was
//! used again.
//!
//! It keeps nothing itself, only counts: plaintext stays with its holder, one for each index, and
//! dies with that. So whatever this forgets to count, nothing outlives the index it came from.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

/// What keeps something open, and lets go of it when others need the room.
pub trait Holder: Send + Sync {
    /// Whether it was used since this was asked last.
    fn was_used(&self) -> bool;

    /// Forgets, and thereby wipes, what it keeps, and answers how many bytes that were. What
    /// somebody is making at this moment stays: this never waits, and calls no budget.
    fn let_go(&self) -> usize;

    /// Its account.
    fn account(&self) -> &Account;
}

/// What one holder is charged with; changed by its budget only.
#[derive(Default)]
pub struct Account {
    bytes: AtomicUsize,
    /// Whether it stands in the order.
    listed: AtomicBool,
}

impl Account {
    /// Bytes that are kept.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// Bytes that holders keep, all together.
pub struct Budget {
    limit: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    bytes: usize,
    /// The most that there were.
    peak: usize,
    /// Each holder that was charged once; some keep nothing any more, or are gone.
    order: VecDeque<Weak<dyn Holder>>,
    /// How many of these are gone.
    gone: usize,
}

/// So many that are gone are put up with in any case.
const GONE_MAX: usize = 64;

/// Bytes kept at most where nobody chose.
pub const LIMIT: usize = 256 << 20;

impl Default for Budget {
    fn default() -> Self {
        Self::new(LIMIT)
    }
}

impl Budget {
    /// At most so many bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, kept: Mutex::default() }
    }

    /// Whether something so large may be kept at all.
    pub fn takes(&self, bytes: usize) -> bool {
        bytes <= self.limit
    }

    /// Bytes that are kept.
    pub fn bytes(&self) -> usize {
        self.kept.lock().bytes
    }

    /// The most bytes that were kept at one moment, since this was asked last.
    pub fn peak(&self) -> usize {
        let mut kept = self.kept.lock();
        let now = kept.bytes;
        std::mem::replace(&mut kept.peak, now)
    }

    /// Counts what a holder keeps from now on; others go for it. The caller has what it charges
    /// for locked, so that nobody lets go of it before it was counted.
    pub fn charge<H: Holder + 'static>(&self, holder: &Arc<H>, bytes: usize) {
        let asked = {
            let mut kept = self.kept.lock();
            kept.bytes += bytes;
            let account = holder.account();
            account.bytes.fetch_add(bytes, Ordering::Relaxed);
            if !account.listed.swap(true, Ordering::Relaxed) {
                let own: Weak<H> = Arc::downgrade(holder);
                kept.order.push_back(own);
            }
            let asked = kept.make_room(self.limit);
            kept.peak = kept.peak.max(kept.bytes);
            asked
        };
        // A holder whose last owner this is leaves when it is dropped: not under the lock.
        drop(asked);
    }

    /// Counts no longer what a holder has let go of.
    pub fn release(&self, account: &Account, bytes: usize) {
        self.kept.lock().settle(account, bytes);
    }

    /// A holder is gone, and with it all that it kept.
    pub fn leave(&self, account: &Account) {
        let mut kept = self.kept.lock();
        kept.settle(account, account.bytes());
        kept.gone += usize::from(account.listed.swap(false, Ordering::Relaxed));
        // A weak handle keeps the memory in which its holder stood.
        if kept.gone > kept.order.len() / 2 + GONE_MAX {
            kept.order.retain(|holder| holder.strong_count() > 0);
            kept.gone = 0;
        }
    }
}

impl Kept {
    fn settle(&mut self, account: &Account, bytes: usize) {
        self.bytes -= bytes;
        account.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Answers those whom it asked, for the caller to drop.
    fn make_room(&mut self, limit: usize) -> Vec<Arc<dyn Holder>> {
        let mut asked = Vec::new();
        // Once for the second chance, once to go; what is in use when its turn comes stays.
        for _ in 0..2 * self.order.len() {
            if self.bytes <= limit {
                break;
            }
            let Some(next) = self.order.pop_front() else { break };
            let Some(holder) = next.upgrade() else {
                self.gone = self.gone.saturating_sub(1);
                continue;
            };
            if !holder.was_used() {
                let bytes = holder.let_go();
                self.settle(holder.account(), bytes);
            }
            if holder.account().bytes() > 0 {
                self.order.push_back(next);
            } else {
                holder.account().listed.store(false, Ordering::Relaxed);
            }
            asked.push(holder);
        }
        asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps so many bytes, all or nothing.
    struct Jar {
        budget: Arc<Budget>,
        account: Account,
        used: AtomicBool,
        full: Mutex<usize>,
    }

    impl Jar {
        fn filled(budget: &Arc<Budget>, bytes: usize) -> Arc<Self> {
            let (budget, used) = (Arc::clone(budget), AtomicBool::new(false));
            let jar = Arc::new(Self { budget, account: Account::default(), used, full: Mutex::default() });
            jar.fill(bytes);
            jar
        }

        fn fill(self: &Arc<Self>, bytes: usize) {
            let mut full = self.full.lock();
            *full += bytes;
            self.budget.charge(self, bytes);
        }
    }

    impl Holder for Jar {
        fn was_used(&self) -> bool {
            self.used.swap(false, Ordering::Relaxed)
        }

        fn let_go(&self) -> usize {
            self.full.try_lock().map_or(0, |mut full| std::mem::take(&mut *full))
        }

        fn account(&self) -> &Account {
            &self.account
        }
    }

    impl Drop for Jar {
        fn drop(&mut self) {
            self.budget.leave(&self.account);
        }
    }

    #[test]
    fn no_more_is_kept_than_its_bytes_and_what_is_used_longest() {
        let budget = Arc::new(Budget::new(100));
        let used = Jar::filled(&budget, 10);
        let mut others = Vec::new();
        for _ in 0..50 {
            used.used.store(true, Ordering::Relaxed);
            others.push(Jar::filled(&budget, 10));
            assert!(budget.bytes() <= 100);
        }
        assert_eq!(*used.full.lock(), 10, "it is used again and again");
        let left: usize = others.iter().chain([&used]).map(|jar| *jar.full.lock()).sum();
        assert_eq!(budget.bytes(), left);
        assert_eq!(budget.bytes(), 100, "no more goes than must");
    }

    #[test]
    fn what_is_being_made_is_not_taken_away() {
        let budget = Arc::new(Budget::new(100));
        let large = Jar::filled(&budget, 300);
        assert_eq!(budget.bytes(), 300, "it was locked while it was charged");
        let _next = Jar::filled(&budget, 1);
        assert_eq!((*large.full.lock(), budget.bytes()), (0, 1));
    }

    #[test]
    fn the_gone_take_their_bytes_along_and_no_room() {
        let budget = Arc::new(Budget::new(1000));
        let lasting = Jar::filled(&budget, 1);
        for _ in 0..10_000 {
            let _gone = Jar::filled(&budget, 1);
            let bytes = lasting.let_go();
            budget.release(&lasting.account, bytes);
            lasting.fill(1);
        }
        let kept = budget.kept.lock();
        assert_eq!(kept.bytes, 1);
        assert!(kept.order.len() < 4 * GONE_MAX, "{} places", kept.order.len());
    }
}
