//! A HEAD file whose first record, in both its copies, begins with these bytes.
#![no_main]

#[path = "../../tests/tests/corpora/checks.rs"]
#[allow(dead_code, reason = "one check of many")]
mod checks;
#[path = "../../tests/tests/corpora/printed.rs"]
mod printed;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    checks::head_record(bytes);
});
