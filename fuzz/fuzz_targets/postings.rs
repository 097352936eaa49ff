//! A list of documents behind its frequency and the number of documents, two bytes each.
#![no_main]

#[path = "../../tests/tests/corpora/checks.rs"]
#[allow(dead_code, reason = "one check of many")]
mod checks;
#[path = "../../tests/tests/corpora/printed.rs"]
mod printed;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    checks::posting_list(bytes);
});
