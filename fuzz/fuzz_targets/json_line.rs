//! What a line says is what is printed: print, parse and print again give the same bytes.
#![no_main]

#[path = "../../tests/tests/corpora/printed.rs"]
mod printed;

libfuzzer_sys::fuzz_target!(|line: &[u8]| {
    if let Some(once) = printed::printed(line) {
        assert_eq!(printed::printed(once.as_bytes()), Some(once));
    }
});
