//! What went wrong, as RFC 9457 has it: `application/problem+json`.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Response, StatusCode};
use escrowdb::record::jsonl::put_text;
use escrowdb::{Error, ErrorKind};

/// An answer that says why there is none.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    /// A stable word: what a program decides by.
    kind: &'static str,
    detail: String,
    hint: Option<String>,
    retry_after: Option<u32>,
}

impl Problem {
    /// One of these kinds.
    pub fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { status, kind, detail: detail.into(), hint: None, retry_after: None }
    }

    /// Nobody who is known calls.
    pub fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "a good token is needed")
    }

    /// He may not, or there is no such tenant: it is not told which.
    pub fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "this token doesn't permit that here")
    }

    /// The call itself is wrong.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", detail)
    }

    /// A body of more bytes than its call takes.
    pub fn too_large(most: usize) -> Self {
        let detail = format!("the body of this call has at most {most} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
    }

    /// A body that would have to be unpacked.
    pub fn packed() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "packed",
            "bodies are taken as they are, without Content-Encoding",
        )
    }

    /// So much is being done that this would have to wait.
    pub fn busy() -> Self {
        Self {
            retry_after: Some(1),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", "too many calls at once")
        }
    }

    /// The server's own trouble, which is none of the caller's business.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server can't answer")
    }

    /// Its status.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable word.
    pub const fn kind(&self) -> &'static str {
        self.kind
    }

    /// The JSON object.
    pub fn to_json(&self) -> String {
        let mut text = String::from("{\"type\":\"about:blank\",\"title\":");
        put_text(&mut text, self.status.canonical_reason().unwrap_or("error"));
        _ = write!(text, ",\"status\":{},\"kind\":\"{}\",\"detail\":", self.status.as_u16(), self.kind);
        put_text(&mut text, &self.detail);
        if let Some(hint) = &self.hint {
            text.push_str(",\"hint\":");
            put_text(&mut text, hint);
        }
        text.push('}');
        text
    }

    /// The answer.
    pub fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.to_json()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// By what a caller can do about it. Errors of the engine name no content and nobody.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let (status, kind) = match error.kind() {
            ErrorKind::Invalid => (StatusCode::BAD_REQUEST, "invalid"),
            ErrorKind::NotFound => (StatusCode::NOT_FOUND, "not-found"),
            ErrorKind::Refused => (StatusCode::CONFLICT, "refused"),
            ErrorKind::Busy | ErrorKind::Locked => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            ErrorKind::NoSpace => (StatusCode::INSUFFICIENT_STORAGE, "no-space"),
            ErrorKind::Revoked => (StatusCode::CONFLICT, "revoked"),
            ErrorKind::Unsupported => (StatusCode::NOT_IMPLEMENTED, "unsupported"),
            // Files, keys and paths are the operator's.
            _ => return Self::internal(),
        };
        let retry_after = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(1);
        Self {
            hint: error.hint_text().map(str::to_owned),
            retry_after,
            ..Self::new(status, kind, error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_keys_are_told_to_nobody() {
        for error in [
            Error::io("open /srv/secret", std::io::Error::other("no")),
            Error::corrupt("page 7 of x.idx"),
            Error::new(ErrorKind::WrongKey, "the slot of /srv/secret"),
        ] {
            let problem = Problem::from(error);
            assert_eq!(problem.status(), StatusCode::INTERNAL_SERVER_ERROR);
            assert!(!problem.to_json().contains("secret") && !problem.to_json().contains("page"));
        }
        let held = Problem::from(Error::new(ErrorKind::Refused, "held: \"h1\"").hint("lift it"));
        assert_eq!(
            held.to_json(),
            r#"{"type":"about:blank","title":"Conflict","status":409,"kind":"refused","detail":"held: \"h1\"","hint":"lift it"}"#
        );
    }
}
