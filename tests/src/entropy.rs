//! Seeded randomness for the engine: one seed replays a whole history.

use std::io;

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
