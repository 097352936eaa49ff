//! Keys and commitments, derived without the engine.

use std::collections::HashMap;

use escrowdb::crypto::{Label, Seal};

use crate::sealed::Secret;

/// What a derivation binds: label, salt, associated data.
pub(super) type Context = (Label, Vec<u8>, Vec<u8>);

/// Every window of `bytes` that may be a key: 32 random bytes have many values among them.
pub fn windows(bytes: &[u8]) -> impl Iterator<Item = Secret> + '_ {
    bytes.windows(32).filter(|w| looks_random(w)).map(|w| w.try_into().unwrap())
}

pub(super) fn commitment(seal: &Seal) -> [u8; 32] {
    *seal.first_chunk().unwrap()
}

/// The commitment that a key makes in a context.
pub(super) fn committed((label, salt, aad): &Context, secrets: &[&[u8]]) -> [u8; 32] {
    let mut parts = secrets.to_vec();
    parts.push(salt);
    parts.push(aad);
    let mut out = [0u8; 76];
    expand(*label, &parts, &mut out);
    *out.last_chunk().unwrap()
}

/// The engine's key derivation, written anew: each part behind its length.
pub(super) fn expand(label: Label, parts: &[&[u8]], out: &mut [u8]) {
    thread_local! {
        static BASES: std::cell::RefCell<HashMap<Label, blake3::Hasher>> = Default::default();
    }
    let mut hasher = BASES.with_borrow_mut(|bases| {
        bases.entry(label).or_insert_with(|| blake3::Hasher::new_derive_key(label.context())).clone()
    });
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    hasher.finalize_xof().fill(out);
}

fn looks_random(bytes: &[u8]) -> bool {
    let mut seen = [0u64; 4];
    for b in bytes {
        seen[usize::from(b >> 6)] |= 1 << (b & 63);
    }
    // Of 32 random bytes fewer than 20 values come once in 10^9 keys.
    seen.iter().map(|s| s.count_ones()).sum::<u32>() >= 20
}

#[cfg(test)]
mod tests {
    use escrowdb::crypto::derive;

    use super::*;

    #[test]
    fn derives_like_the_engine() {
        let context = (Label::Body, b"salt".to_vec(), b"aad".to_vec());
        let seal = derive(Label::Body, &[b"a", b"bc"], b"salt", b"aad").seal(&mut [0; 5]).unwrap();
        assert_eq!(committed(&context, &[b"a", b"bc"]), commitment(&seal));
    }

    #[test]
    fn random_bytes_pass_and_texts_do_not() {
        let mut rng = crate::rng::Rng::new(1);
        for _ in 0..100_000 {
            let bytes: Vec<u8> = (0..32).map(|_| rng.next() as u8).collect();
            assert!(looks_random(&bytes));
        }
        assert!(!looks_random(&[0; 32]));
        assert!(!looks_random(b"the the the order arrived late pl"));
    }
}
