//! Canonical bytes are canonical: what decodes encodes to the same bytes.
#![no_main]

use escrowdb::record::Stored;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(record) = Stored::decode(bytes) {
        assert_eq!(record.encode(), bytes);
    }
});
