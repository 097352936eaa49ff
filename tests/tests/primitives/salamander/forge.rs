//! One ciphertext and one tag that AES-256-GCM-SIV accepts under two keys.
//!
//! Choose any tag. Decrypted as a block under a key it says what POLYVAL has to give under that
//! key, and as a counter it fixes the key stream; so for each key the ciphertext must fulfil one
//! equation that is linear over GF(2^128). Two keys are two equations: two blocks of the
//! ciphertext are solved for, all others are free, each readable under a key of our choice.

use aes_gcm_siv::aes::Aes256;
use aes_gcm_siv::aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};

use crate::salamander::field::{dot, inverse, polyval};

/// A block of the AES.
pub(crate) const BLOCK: usize = 16;

/// What an AEAD needs beside the text.
#[derive(Clone, Copy)]
pub(crate) struct Lock {
    pub(crate) key: [u8; 32],
    pub(crate) nonce: [u8; 12],
}

/// A ciphertext of `blocks` blocks and its tag. Under `locks[i]` it starts at block `at[i]` with
/// `texts[i]`; the last two blocks are nobody's.
pub(crate) fn forge(
    locks: &[Lock; 2],
    aad: &[u8],
    blocks: usize,
    texts: [&[u8]; 2],
    at: [usize; 2],
) -> (Vec<u8>, [u8; BLOCK]) {
    let derived = locks.map(Derived::from);
    for trial in 0u64.. {
        let mut tag = [0x42; BLOCK];
        tag[..8].copy_from_slice(&trial.to_le_bytes());
        // The RFC clears the highest bit before it encrypts, so one tag in four fits both.
        let wanted = derived.each_ref().map(|d| d.decrypt(tag));
        if wanted.iter().any(|w| w >> 127 == 1) {
            continue;
        }
        let streams = derived.each_ref().map(|d| d.key_stream(tag, blocks));
        let mut cipher = vec![0u128; blocks];
        for i in 0..2 {
            for (j, text) in texts[i].chunks(BLOCK).enumerate() {
                assert!(at[i] + j < blocks - 2, "no room for the text");
                let mut block = [b' '; BLOCK];
                block[..text.len()].copy_from_slice(text);
                cipher[at[i] + j] = number(&block) ^ streams[i][at[i] + j];
            }
        }
        // With zeros for the unknown blocks: what POLYVAL lacks.
        let mut lack = [0; 2];
        let mut weights = [(0, 0); 2];
        for i in 0..2 {
            let mut solved = streams[i].clone();
            solved.iter_mut().zip(&cipher).for_each(|(s, c)| *s ^= c);
            let sum = polyval(derived[i].hash_key, input(aad, &solved));
            lack[i] = wanted[i] ^ nonce_block(&locks[i]) ^ sum;
            // Behind the last block comes the block of lengths, so it counts with the key squared.
            let h = derived[i].hash_key;
            weights[i] = (dot(dot(h, h), h), dot(h, h));
        }
        let [(a, b), (c, d)] = weights;
        let over = inverse(dot(a, d) ^ dot(b, c));
        cipher[blocks - 2] = dot(over, dot(lack[0], d) ^ dot(lack[1], b));
        cipher[blocks - 1] = dot(over, dot(a, lack[1]) ^ dot(c, lack[0]));
        return (cipher.iter().flat_map(|b| b.to_le_bytes()).collect(), tag);
    }
    unreachable!("one tag in four fits")
}

/// The keys that RFC 8452 section 4 derives.
struct Derived {
    hash_key: u128,
    cipher: Aes256,
}

impl From<Lock> for Derived {
    fn from(lock: Lock) -> Self {
        let generator = Aes256::new(&lock.key.into());
        let mut material = Vec::new();
        for i in 0u32..6 {
            let mut block = [0; BLOCK];
            block[..4].copy_from_slice(&i.to_le_bytes());
            block[4..].copy_from_slice(&lock.nonce);
            let mut block = block.into();
            generator.encrypt_block(&mut block);
            material.extend_from_slice(&block[..8]);
        }
        let (hash_key, key) = material.split_at(BLOCK);
        Self { hash_key: number(hash_key), cipher: Aes256::new_from_slice(key).unwrap() }
    }
}

impl Derived {
    fn decrypt(&self, tag: [u8; BLOCK]) -> u128 {
        let mut block = tag.into();
        self.cipher.decrypt_block(&mut block);
        number(&block)
    }

    fn key_stream(&self, tag: [u8; BLOCK], blocks: usize) -> Vec<u128> {
        let first = u32::from_le_bytes([tag[0], tag[1], tag[2], tag[3]]);
        let one = |i| {
            let mut counter = tag;
            counter[15] |= 0x80;
            counter[..4].copy_from_slice(&first.wrapping_add(i).to_le_bytes());
            let mut block = counter.into();
            self.cipher.encrypt_block(&mut block);
            number(&block)
        };
        (0..blocks as u32).map(one).collect()
    }
}

/// Associated data, text, and the lengths of both in bits.
fn input(aad: &[u8], text: &[u128]) -> Vec<u128> {
    let mut blocks: Vec<u128> = aad.chunks(BLOCK).map(padded).collect();
    blocks.extend(text);
    blocks.push(u128::from(bits(aad.len())) | u128::from(bits(text.len() * BLOCK)) << 64);
    blocks
}

fn nonce_block(lock: &Lock) -> u128 {
    padded(&lock.nonce)
}

fn padded(bytes: &[u8]) -> u128 {
    let mut block = [0; BLOCK];
    block[..bytes.len()].copy_from_slice(bytes);
    number(&block)
}

fn number(block: &[u8]) -> u128 {
    u128::from_le_bytes(block.try_into().unwrap())
}

fn bits(bytes: usize) -> u64 {
    bytes as u64 * 8
}
