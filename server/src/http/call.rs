//! A call as who answers it sees it: who calls, where, what for; and what he answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use escrowdb::Store;
use escrowdb::session::Session;
use escrowdb::store::Reading;
use tokio::runtime::Handle;
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;

use crate::access::{Permission, Principal};
use crate::problem::Problem;

/// How long who calls may take to read a piece of an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of an answer in lines that are gathered before they go out.
const CHUNK: usize = 64 * 1024;

/// A call that was let in.
pub struct Call {
    /// Who calls.
    pub principal: Principal,
    /// The tenant's store.
    pub store: Arc<Store>,
    /// What stands in the path, by name.
    pub path: BTreeMap<String, String>,
    /// What stands behind the question mark, by name.
    pub query: BTreeMap<String, String>,
    /// The headers.
    pub headers: HeaderMap,
    /// What was sent.
    pub body: Bytes,
}

impl Call {
    /// Who acts, for which purpose and case: the headers `Escrow-Purpose` and `Escrow-Case`.
    ///
    /// # Errors
    /// *Invalid* for headers that are no text.
    pub fn session(&self) -> Result<Session, Problem> {
        let mut session = Session::new().actor(&self.principal.name);
        if let Some(purpose) = self.header("escrow-purpose")? {
            session = session.purpose(purpose);
        }
        if let Some(case) = self.header("escrow-case")? {
            session = session.case(case);
        }
        Ok(session)
    }

    /// Reads as who calls.
    ///
    /// # Errors
    /// As of [`Call::session`].
    pub fn reading(&self) -> Result<Reading<'_>, Problem> {
        Ok(self.store.session(self.session()?))
    }

    /// Whether who calls may open what records say.
    pub fn may_read(&self) -> bool {
        self.principal.roles.may(Permission::Read)
    }

    /// A header that is text, if it is there.
    ///
    /// # Errors
    /// *Invalid* for one that isn't, or has characters of control: they would stand in what is on record.
    pub fn header(&self, name: &str) -> Result<Option<&str>, Problem> {
        let Some(value) = self.headers.get(name) else { return Ok(None) };
        let text = value.to_str().ok().filter(|text| !text.bytes().any(|b| b.is_ascii_control()));
        let text = text.ok_or_else(|| Problem::invalid(format!("{name}: is no text")))?;
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    /// What stands in the path under a name.
    pub fn named(&self, name: &str) -> &str {
        self.path.get(name).map_or("", String::as_str)
    }

    /// What stands behind the question mark under a name.
    pub fn asked(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// The same as a whole number.
    ///
    /// # Errors
    /// *Invalid* if it is none.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let number = self.asked(name).map(str::parse).transpose();
        number.map_err(|_| Problem::invalid(format!("{name}: must be a whole number")))
    }

    /// What was sent as JSON.
    ///
    /// # Errors
    /// *Invalid*, with the place, if it is none of this form.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_json::from_slice(&self.body).map_err(|e| {
            Problem::invalid(format!(
                "the body is not what is wanted: line {}, column {}",
                e.line(),
                e.column()
            ))
        })
    }
}

/// Puts the lines of an answer.
pub(super) type Put = Box<dyn FnOnce(&mut Lines) -> Result<(), Problem> + Send>;

/// What is answered.
pub enum Reply {
    /// One JSON object.
    Json(StatusCode, String),
    /// JSON objects, one a line, as they are found.
    Lines(Put),
    /// Text in a form of its own, for other programs.
    Text(&'static str, Vec<u8>),
}

impl Reply {
    /// One JSON object, and all is well.
    pub fn json(object: String) -> Self {
        Self::Json(StatusCode::OK, object)
    }

    /// These lines.
    pub fn lines(all: Vec<String>) -> Self {
        Self::Lines(Box::new(move |lines| {
            let _ = all.iter().all(|line| lines.put(line));
            Ok(())
        }))
    }
}

/// Where an answer in lines goes; who calls may have gone.
pub struct Lines {
    /// Pieces, and `None` behind the last: an answer without that is none.
    out: Sender<Option<Bytes>>,
    gathered: Vec<u8>,
    is_heard: bool,
}

impl Lines {
    pub(super) fn new(out: Sender<Option<Bytes>>) -> Self {
        Self { out, gathered: Vec::with_capacity(CHUNK), is_heard: true }
    }

    /// Puts a line. Whether anybody still listens.
    pub fn put(&mut self, line: &str) -> bool {
        self.gathered.extend_from_slice(line.as_bytes());
        self.gathered.push(b'\n');
        if self.gathered.len() >= CHUNK {
            self.flush();
        }
        self.is_heard
    }

    /// Lets `work` put all lines, and says that these were all.
    pub(super) fn fill(mut self, work: impl FnOnce(&mut Self) -> Result<(), Problem>) -> Result<(), Problem> {
        work(&mut self)?;
        if !self.gathered.is_empty() {
            self.flush();
        }
        if self.is_heard {
            self.send(None);
        }
        Ok(())
    }

    fn flush(&mut self) {
        let piece = std::mem::replace(&mut self.gathered, Vec::with_capacity(CHUNK));
        self.is_heard = self.is_heard && self.send(Some(Bytes::from(piece)));
    }

    /// Whether a piece was taken in time: who reads no answer doesn't keep his place either.
    fn send(&self, piece: Option<Bytes>) -> bool {
        let sent = Handle::current().block_on(timeout(PATIENCE, self.out.send(piece)));
        matches!(sent, Ok(Ok(())))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails where it stands")]
mod tests {
    use super::*;

    /// Whoever reads too slowly was given the beginning of an answer as if it were all of it.
    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_took_in_time_has_no_end() {
        let (out, mut pieces) = tokio::sync::mpsc::channel(1);
        let line = "x".repeat(CHUNK);
        let work = tokio::task::spawn_blocking(move || {
            Lines::new(out).fill(|lines| {
                while lines.put(&line) {}
                Ok(())
            })
        });
        while !work.is_finished() {
            tokio::time::advance(PATIENCE).await;
        }
        work.await.unwrap().unwrap();
        assert!(pieces.recv().await.unwrap().is_some());
        assert!(pieces.recv().await.is_none(), "cut");
        let (out, mut pieces) = tokio::sync::mpsc::channel(4);
        let fill = move || {
            Lines::new(out).fill(|lines| {
                assert!(lines.put("one"));
                Ok(())
            })
        };
        tokio::task::spawn_blocking(fill).await.unwrap().unwrap();
        assert_eq!(pieces.recv().await.unwrap().unwrap(), "one\n");
        assert_eq!(pieces.recv().await, Some(None), "whole");
    }
}
