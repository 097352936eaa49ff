//! The free pages of the key tree behind the number of its pages, four bytes.
#![no_main]

#[path = "../../tests/tests/corpora/checks.rs"]
#[allow(dead_code, reason = "one check of many")]
mod checks;
#[path = "../../tests/tests/corpora/printed.rs"]
mod printed;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    checks::free_list(bytes);
});
