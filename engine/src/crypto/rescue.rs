//! One wrong bit of a sealed object: found by trying, proved by the seal.

use zeroize::Zeroizing;

use crate::crypto::seal::{COMMITMENT_LEN, OneTime, SEAL_LEN, Seal};
use crate::crypto::stack::{self, burn};

/// A run of zeros of this length stands in no ciphertext: the bytes were lost, not flipped.
const ZERO_RUN: usize = 32;
/// Texts over this length are not tried bit by bit: each bit costs a pass over the text.
const TEXT_LEN_MAX: usize = 32 * 1024;

impl OneTime {
    /// Which bit of `seal ‖ text` must be turned for the object to open; `None` if no single one.
    pub fn wrong_bit(&self, seal: &Seal, text: &[u8]) -> Option<usize> {
        let found = self.search(seal, text);
        burn::<{ stack::CIPHER }>();
        found
    }

    #[inline(never)]
    fn search(&self, seal: &Seal, text: &[u8]) -> Option<usize> {
        let commitment = seal.iter().zip(self.commitment()).map(|(a, b)| a ^ b);
        let mut wrong = commitment.enumerate().filter(|(_, bits)| *bits != 0);
        if let Some((byte, bits)) = wrong.next() {
            // The commitment is known, so nothing needs to be tried.
            let one = bits.is_power_of_two() && wrong.next().is_none();
            return (one && self.opens(seal, text)).then(|| byte * 8 + bits.trailing_zeros() as usize);
        }
        if text.len() > TEXT_LEN_MAX || text.chunks(ZERO_RUN).any(|run| run.iter().all(|b| *b == 0)) {
            return None;
        }
        for bit in COMMITMENT_LEN * 8..SEAL_LEN * 8 {
            let mut tried = *seal;
            tried[bit / 8] ^= 1 << (bit % 8);
            if self.opens(&tried, text) {
                return Some(bit);
            }
        }
        let mut tried = Zeroizing::new(text.to_vec());
        for bit in 0..text.len() * 8 {
            tried.copy_from_slice(text);
            tried[bit / 8] ^= 1 << (bit % 8);
            if self.decrypt(&tag_of(seal), &mut tried).is_ok() {
                return Some(SEAL_LEN * 8 + bit);
            }
        }
        None
    }

    /// Whether tag and text fit, whatever the commitment says.
    fn opens(&self, seal: &Seal, text: &[u8]) -> bool {
        let mut tried = Zeroizing::new(text.to_vec());
        self.decrypt(&tag_of(seal), &mut tried).is_ok()
    }
}

fn tag_of(seal: &Seal) -> [u8; SEAL_LEN - COMMITMENT_LEN] {
    let mut tag = [0; SEAL_LEN - COMMITMENT_LEN];
    tag.copy_from_slice(&seal[COMMITMENT_LEN..]);
    tag
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{Label, derive};

    fn key() -> OneTime {
        derive(Label::Body, &[b"k"], &[], b"place")
    }

    #[test]
    fn every_single_bit_is_found_and_no_two() {
        let mut text: Vec<u8> = (0..100).collect();
        let seal = key().seal(&mut text).unwrap();
        let bytes = [&seal[..], &text].concat();
        let find = |bytes: &[u8]| {
            let (seal, text) = bytes.split_first_chunk().unwrap();
            key().wrong_bit(seal, text)
        };
        for bit in 0..bytes.len() * 8 {
            let mut wrong = bytes.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(find(&wrong), Some(bit));
            if bit % 41 == 0 {
                let other = (bit + 77) % (bytes.len() * 8);
                wrong[other / 8] ^= 1 << (other % 8);
                assert_eq!(find(&wrong), None);
            }
        }
        let mut lost = bytes;
        lost[60..].fill(0);
        assert_eq!(find(&lost), None);
    }
}
