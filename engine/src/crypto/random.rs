//! Randomness, hedged: what the operating system gives is hashed with a secret and the content
//! it will protect, so a cloned machine with a repeated generator can't use one value for two
//! contents.

use std::io;

use zeroize::Zeroizing;

use crate::crypto::kdf::{Label, expand};
use crate::crypto::secret::Secret;

/// A source of random bytes.
pub trait Entropy: Send + Sync {
    /// Fills `out` with random bytes.
    fn fill(&self, out: &mut [u8]) -> io::Result<()>;
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&self, out: &mut [u8]) -> io::Result<()> {
        getrandom::fill(out).map_err(|e| io::Error::other(e.to_string()))
    }
}

/// `N` bytes that are random if either the source is, or `secret` is and `content` is new.
pub fn hedged<const N: usize>(entropy: &dyn Entropy, secret: &[u8], content: &[u8]) -> io::Result<[u8; N]> {
    let mut out = [0u8; N];
    fill(entropy, secret, content, &mut out)?;
    Ok(out)
}

/// A key that is random in the same way.
pub fn hedged_secret(entropy: &dyn Entropy, secret: &[u8], content: &[u8]) -> io::Result<Secret> {
    let mut result = Ok(());
    let key = Secret::filled(|key| result = fill(entropy, secret, content, key));
    result.map(|()| key)
}

fn fill(entropy: &dyn Entropy, secret: &[u8], content: &[u8], out: &mut [u8]) -> io::Result<()> {
    let mut fresh = Zeroizing::new([0u8; 32]);
    entropy.fill(&mut *fresh)?;
    expand(Label::Random, &[&*fresh, secret, content], out);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Stuck;
    impl Entropy for Stuck {
        fn fill(&self, out: &mut [u8]) -> io::Result<()> {
            out.fill(7);
            Ok(())
        }
    }

    #[test]
    fn a_repeated_generator_does_not_repeat_for_other_content() {
        let a: [u8; 16] = hedged(&Stuck, b"k", b"one").unwrap();
        let b: [u8; 16] = hedged(&Stuck, b"k", b"two").unwrap();
        assert_ne!(a, b);
    }

    #[test]
    fn the_system_does_not_repeat() {
        let a: [u8; 16] = hedged(&OsEntropy, b"k", b"one").unwrap();
        let b: [u8; 16] = hedged(&OsEntropy, b"k", b"one").unwrap();
        assert_ne!(a, b);
    }
}
