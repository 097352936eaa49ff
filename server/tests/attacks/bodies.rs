//! Bodies: before it is known who sends them, too long, packed.

use crate::wire::Attacked;

const BATCH: usize = 8 << 20;

#[test]
fn who_is_unknown_is_told_before_a_byte_of_his_body() {
    let attacked = Attacked::start(&[]);
    let wrong = "esc_0123456789abcdef_".to_owned() + &"0".repeat(64);
    for token in ["", "Authorization: Bearer x\r\n", &format!("Authorization: Bearer {wrong}\r\n")] {
        for framing in ["Content-Length: 99999999999", "Content-Length: 10", "Transfer-Encoding: chunked"] {
            let mut wire = attacked
                .sent(format!("POST /v1/shop/records HTTP/1.1\r\nHost: x\r\n{token}{framing}\r\n\r\n"));
            assert_eq!(wire.answer().unwrap().status, 401, "{token}{framing}");
        }
        // Nor is he asked to send it.
        let mut wire = attacked.sent(format!(
            "POST /v1/shop/records HTTP/1.1\r\nHost: x\r\n{token}Content-Length: 9\r\nExpect: 100-continue\r\n\r\n"
        ));
        assert_eq!(wire.answer().unwrap().status, 401, "{token}");
    }
    // Who is known and may not: neither.
    let head = attacked.head("POST", "shop/records", &attacked.reviewer);
    let mut wire = attacked.sent(format!("{head}Content-Length: 10\r\n\r\n"));
    assert_eq!(wire.answer().unwrap().status, 403);
    attacked.is_well();
}

#[test]
fn a_body_that_is_too_long_is_refused_and_not_kept() {
    let attacked = Attacked::start(&[]);
    let head = attacked.head("POST", "shop/records", &attacked.writer);
    // Of a length that is one too many, and of one that is far more: what is behind the bound is not waited for.
    for length in [BATCH as u64 + 1, 99_999_999_999] {
        let mut wire = attacked.sent(format!("{head}Content-Length: {length}\r\n\r\n"));
        assert!(wire.send(vec![b' '; BATCH + 1]));
        assert_eq!(wire.answer().unwrap().status, 413, "{length}");
    }
    let mut wire = attacked.sent(format!("{head}Content-Length: 18446744073709551616\r\n\r\n"));
    assert_eq!(wire.answer().unwrap().status, 400);
    // Without a length.
    let mut wire = attacked.sent(format!("{head}Transfer-Encoding: chunked\r\n\r\n"));
    let piece = [b"10000\r\n".as_slice(), &vec![b' '; 0x10000], b"\r\n"].concat();
    (0..BATCH / 0x10000).for_each(|_| assert!(wire.send(&piece)));
    wire.send("1\r\n \r\n");
    assert_eq!(wire.answer().unwrap().status, 413);
    // A chunk that says it is endless.
    let mut wire = attacked.sent(format!("{head}Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\nx"));
    assert!(wire.answer().is_none_or(|answer| answer.status == 400));
    // A call without a body takes none.
    let head = attacked.head("GET", "shop/count?q=*", &attacked.reviewer);
    let mut wire = attacked.sent(format!("{head}Content-Length: 1\r\n\r\nx"));
    assert_eq!(wire.answer().unwrap().status, 413);
    attacked.is_well();
}

#[test]
fn what_is_packed_is_not_unpacked() {
    let attacked = Attacked::start(&[]);
    let head = attacked.head("POST", "shop/records", &attacked.writer);
    for coding in ["gzip", "deflate", "br", "zstd", "gzip, gzip", "GZIP", "identity, gzip", "x"] {
        let mut wire =
            attacked.sent(format!("{head}Content-Encoding: {coding}\r\nContent-Length: 1000\r\n\r\n"));
        assert_eq!(wire.answer().unwrap().status, 415, "{coding}");
    }
    let mut wire = attacked.sent(format!(
        "{head}Content-Encoding: identity\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\n"
    ));
    assert_eq!(wire.answer().unwrap().status, 415);
    let mut wire = attacked.sent(format!("{head}Content-Encoding: identity\r\nContent-Length: 1\r\n\r\n\n"));
    assert_eq!(wire.answer().unwrap().status, 200);
    // As a coding of the transfer neither.
    for coding in ["gzip, chunked", "gzip\r\nTransfer-Encoding: chunked"] {
        let mut wire = attacked.sent(format!("{head}Transfer-Encoding: {coding}\r\n\r\n"));
        assert_eq!(wire.answer().unwrap().status, 415, "{coding}");
    }
    attacked.is_well();
}
