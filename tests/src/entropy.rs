//! Seeded randomness for the engine: one seed replays a whole history.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use escrowdb::crypto::Entropy;
use parking_lot::Mutex;

/// The output stream of BLAKE3 over a seed.
pub struct SeededEntropy(Mutex<blake3::OutputReader>);

impl SeededEntropy {
    /// A source that always gives the same bytes for one seed.
    pub fn new(seed: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"escrowdb tests entropy").update(&seed.to_le_bytes());
        Self(Mutex::new(hasher.finalize_xof()))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, out: &mut [u8]) -> io::Result<()> {
        self.0.lock().fill(out);
        Ok(())
    }
}

/// A source that gives the same bytes again and again, like a cloned machine.
pub struct StuckEntropy(pub u8);

impl Entropy for StuckEntropy {
    fn fill(&self, out: &mut [u8]) -> io::Result<()> {
        out.fill(self.0);
        Ok(())
    }
}

/// A source that begins again after so many calls.
pub struct LoopedEntropy {
    /// Calls after which it begins again.
    pub period: u64,
    seed: u64,
    calls: Mutex<u64>,
}

impl LoopedEntropy {
    /// Gives what a seeded source gives, over and over.
    pub fn new(seed: u64, period: u64) -> Self {
        Self { period, seed, calls: Mutex::new(0) }
    }
}

impl Entropy for LoopedEntropy {
    fn fill(&self, out: &mut [u8]) -> io::Result<()> {
        let mut calls = self.calls.lock();
        let turn = *calls % self.period;
        *calls += 1;
        SeededEntropy::new(self.seed ^ turn.rotate_left(32)).fill(out)
    }
}

/// A source that fails at one call, or from it on.
pub struct FailingEntropy {
    /// The source.
    pub source: SeededEntropy,
    /// The call that fails, counted from 0.
    pub nth: u64,
    /// Whether all later ones fail too.
    pub sticky: bool,
    calls: AtomicU64,
}

impl FailingEntropy {
    /// Fails at call `nth` of a seeded source.
    pub fn new(seed: u64, nth: u64, sticky: bool) -> Self {
        Self { source: SeededEntropy::new(seed), nth, sticky, calls: AtomicU64::new(0) }
    }

    /// Calls so far.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

impl Entropy for FailingEntropy {
    fn fill(&self, out: &mut [u8]) -> io::Result<()> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        if call == self.nth || self.sticky && call > self.nth {
            return Err(io::Error::other("no randomness"));
        }
        self.source.fill(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_for_a_seed_and_never_within_one() {
        let draw = |e: &SeededEntropy| {
            let mut b = [0; 16];
            e.fill(&mut b).unwrap();
            b
        };
        let (a, b, c) = (SeededEntropy::new(1), SeededEntropy::new(1), SeededEntropy::new(2));
        let first = draw(&a);
        assert_eq!(first, draw(&b));
        assert_ne!(first, draw(&a));
        assert_ne!(first, draw(&c));
    }
}
