//! Keys are gone from memory when they are dropped: the AEAD's key schedule and the keys derived
//! for one nonce, the engine's one-time keys, the keys in the arena. With default features of the
//! cryptographic crates most of them stay; so this fails if a feature is lost on the way.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use aes_gcm_siv::aes::Aes256;
use aes_gcm_siv::aes::cipher::{BlockCipherEncrypt, KeyInit};
use escrowdb::crypto::Label;
use escrowdb::crypto::kdf::expand;
use escrowdb_tests::child::{KEYS, secret};
use escrowdb_tests::memory::{Found, Needles, Subject};

/// The system's allocator, so that nothing but the engine and its crates wipes.
const PROGRAM: &str = env!("CARGO_BIN_EXE_plain_memory");

#[test]
fn no_key_outlives_its_owner() {
    if !schedules_begin_with_the_key() {
        eprintln!("left out: without AES instructions a key schedule does not show its key");
        return;
    }
    let mut subject = Subject::start(PROGRAM);
    let needles = needles();
    assert_eq!(subject.search(&needles), Found::new(), "before there was a key");

    for (order, kind) in [("ciphers", "cipher"), ("one-times", "one-time"), ("keys", "arena")] {
        subject.tell(order);
        let alive = subject.search(&needles);
        let held = alive.keys().filter(|name| name.starts_with(kind)).count();
        assert_eq!(held as u64, KEYS, "the search does not find living keys of kind {kind}");
        if order != "keys" {
            subject.tell("drop");
            let mut left = subject.search(&needles);
            if order == "ciphers" {
                // The engine burns the stack behind the AEAD; who calls the AEAD itself has to.
                left.retain(|_, places| places.iter().any(|(place, _)| place != "[stack]"));
            }
            assert_eq!(left, Found::new(), "after {order} were dropped");
        }
    }
    subject.tell("wipe");
    assert_eq!(subject.search(&needles), Found::new(), "after the arena was wiped");
    subject.tell("keys");
    subject.tell("drop");
    assert_eq!(subject.search(&needles), Found::new(), "after keys of the arena were dropped");
}

fn needles() -> Needles {
    let mut needles = Needles::default();
    for i in 0..KEYS {
        let key = secret(1, i);
        needles.add(format!("cipher {i}"), key.to_vec());
        needles.add(format!("derived by cipher {i}"), derived(&*key, &[0; 12]));
        let mut out = [0; 76];
        expand(Label::Body, &[&*secret(2, i), b"salt", b"place"], &mut out);
        needles.add(format!("one-time {i}"), &out[..32]);
        needles.add(format!("secret of one-time {i}"), secret(2, i).to_vec());
        needles.add(format!("derived by one-time {i}"), derived(&out[..32], &out[32..44]));
        needles.add(format!("arena {i}"), secret(3, i).to_vec());
    }
    needles
}

/// The message-encryption key of RFC 8452 section 4.
fn derived(key: &[u8], nonce: &[u8]) -> Vec<u8> {
    let generator = Aes256::new_from_slice(key).unwrap();
    let mut material = Vec::new();
    for i in 2u32..6 {
        let mut block = [0; 16];
        block[..4].copy_from_slice(&i.to_le_bytes());
        block[4..].copy_from_slice(nonce);
        let mut block = block.into();
        generator.encrypt_block(&mut block);
        material.extend_from_slice(&block[..8]);
    }
    material
}

#[cfg(target_arch = "x86_64")]
fn schedules_begin_with_the_key() -> bool {
    std::arch::is_x86_feature_detected!("aes")
}

#[cfg(target_arch = "aarch64")]
fn schedules_begin_with_the_key() -> bool {
    std::arch::is_aarch64_feature_detected!("aes")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn schedules_begin_with_the_key() -> bool {
    false
}
