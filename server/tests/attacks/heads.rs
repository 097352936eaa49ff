//! Heads: too long, too many, ambiguous, slow.

use crate::wire::Attacked;

#[test]
fn heads_have_a_length() {
    let attacked = Attacked::start(&[]);
    let long = "x".repeat(70 * 1024);
    let many: String = (0..2000).map(|n| format!("X-{n}: y\r\n")).collect();
    let get = attacked.head("GET", "shop/count?q=*", &attacked.reviewer);
    let refused = |what: &str, head: &str| {
        let answer = attacked.sent(head).answer();
        assert!(answer.as_ref().is_none_or(|a| [400, 414, 431].contains(&a.status)), "{what}: {answer:?}");
        attacked.is_well();
    };
    refused("a long value", &format!("{get}X-Long: {long}\r\n\r\n"));
    refused("a long name", &format!("{get}{long}: y\r\n\r\n"));
    refused("a long path", &format!("GET /v1/{long} HTTP/1.1\r\nHost: x\r\n\r\n"));
    refused("a long method", &format!("{long} / HTTP/1.1\r\nHost: x\r\n\r\n"));
    refused("many of them", &format!("{get}{many}\r\n"));
    // A value of which the end doesn't come is not waited for.
    refused("no end", &format!("{get}X-Long: {long}"));
    // Within the bounds they are taken.
    let within = format!("{get}X-Long: {}\r\n\r\n", "x".repeat(30 * 1024));
    assert_eq!(attacked.sent(within).answer().unwrap().status, 200);
}

/// What could be one call to a proxy and two to the server, or the other way round: the call that is hidden in the first is
/// no call. It would be answered 404, which nothing else here is.
#[test]
fn no_call_hides_in_another() {
    let attacked = Attacked::start(&["--head-timeout", "1"]);
    let post = attacked.head("POST", "shop/records", &attacked.writer);
    let hidden = attacked.head("GET", "shop/hidden", &attacked.writer) + "\r\n";
    let length = hidden.len() + 5;
    let both = [
        format!("{post}Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{post}Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n\r\n0\r\n\r\n{hidden}"),
        format!(
            "{post}Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n{hidden}"
        ),
    ];
    for bytes in both {
        // The one of the two that counts is chunked; behind it the connection ends (RFC 9112, 6.3).
        assert!(!attacked.sent(&bytes).statuses().contains(&404), "{bytes}");
    }
    let wrong = [
        "Content-Length: 0\r\nContent-Length: 400",
        "Content-Length: 400\r\nContent-Length: 0",
        "Content-Length: 0, 400",
        "Content-Length: +0",
        "Content-Length: -1",
        "Content-Length: 0x0",
        "Content-Length : 0",
        "Content-Length:\r\n 0",
        "Content-Length: 0\r\n 400",
        "X: y\r\n Content-Length: 400",
        "Transfer-Encoding: chunked, x",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: \x0bchunked",
        "Transfer-Encoding : chunked",
        "X: a\rContent-Length: 400",
        "X: a\0b",
    ];
    for framing in wrong {
        let statuses = attacked.sent(format!("{post}{framing}\r\n\r\n{hidden}")).statuses();
        assert!(!statuses.contains(&404) && statuses.iter().all(|s| *s == 400), "{framing:?}: {statuses:?}");
    }
    let chunks = [
        "0\n\n",
        "0;x\ny\r\n\r\n",
        "0 x\r\n\r\n",
        "-1\r\n\r\n",
        "0x0\r\n\r\n",
        "1\r\n\n0\r\n\r\n",
        "1\r\n\nx0\r\n\r\n",
        "10000000000000000\r\n\r\n",
        "0\r\nX: a\n\n",
    ];
    for chunk in chunks {
        let statuses =
            attacked.sent(format!("{post}Transfer-Encoding: chunked\r\n\r\n{chunk}{hidden}")).statuses();
        assert!(!statuses.contains(&404), "{chunk:?}: {statuses:?}");
    }
    attacked.is_well();
}
