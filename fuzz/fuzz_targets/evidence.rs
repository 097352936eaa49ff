//! A key, note, checkpoint, proof or continuation; what is read prints as the same bytes.
#![no_main]

#[path = "../../tests/tests/corpora/checks.rs"]
#[allow(dead_code, reason = "one check of many")]
mod checks;
#[path = "../../tests/tests/corpora/printed.rs"]
mod printed;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    checks::evidence(bytes);
});
