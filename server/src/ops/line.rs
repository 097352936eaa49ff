//! A line of the server's log for each call: JSON, with the route and never the path, for paths name people.

use std::io::{self, Write as _};
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use escrowdb::crypto::{Entropy as _, OsEntropy};
use escrowdb::record::time;

use crate::access::token::now;
use crate::shape::Object;

/// Digits of a trace (W3C Trace Context, `trace-id`).
const TRACE_DIGITS: usize = 32;

/// The name of a call in the log and in its answer: the trace that it belongs to, or a random one.
pub fn request_id(headers: &HeaderMap) -> String {
    traced(headers).unwrap_or_else(|| {
        let mut bytes = [0; TRACE_DIGITS / 2];
        // Without randomness the call still has an answer, and a line.
        let _ = OsEntropy.fill(&mut bytes);
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    })
}

/// `traceparent: 00-` trace `-` span `-` flags; anything else is none.
fn traced(headers: &HeaderMap) -> Option<String> {
    let mut parts = headers.get("traceparent")?.to_str().ok()?.split('-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let is_hex = trace.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let is_it =
        version.len() == 2 && trace.len() == TRACE_DIGITS && is_hex && trace.bytes().any(|b| b != b'0');
    is_it.then(|| trace.to_owned())
}

/// Writes the line of a call to standard error.
pub fn write(request: &str, (method, path): (&str, &str), status: StatusCode, took: Duration) {
    let mut line = Object::new();
    line.text("time", &time::format(now())).text("request", request);
    line.text("method", method).text("route", path).number("status", u64::from(status.as_u16()));
    line.number("micros", u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    let _ = writeln!(io::stderr().lock(), "{}", line.finish());
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails where it stands")]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_taken_and_nothing_else() {
        let with = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", value.parse().unwrap());
            request_id(&headers)
        };
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(with("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), trace);
        for wrong in [
            "",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-\"}-x-01",
            "anna",
            "00-00000000000000000000000000000000-1-1",
        ] {
            let id = with(wrong);
            assert!(id.len() == TRACE_DIGITS && id != trace && !id.contains('"'), "{wrong}: {id}");
        }
    }
}
