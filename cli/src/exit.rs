//! How a command fails: the one place that turns errors into exit codes and error output.
//!
//! The kinds are a closed list, those of [`ErrorKind`] and three of the command line's own;
//! `docs/ERRORS.md` has them with their exit codes, and a test below compares.

use std::io::{self, Write as _};
use std::sync::{Mutex, PoisonError};

use escrowdb::{Error, ErrorKind};

use crate::json::Object;

/// What can't be read of the store that the command works on, in words.
static UNREADABLE: Mutex<Option<String>> = Mutex::new(None);

/// Remembers for the end of the command what of the store can't be read; `None` of a sound one.
pub(crate) fn set_unreadable(what: Option<String>) {
    *UNREADABLE.lock().unwrap_or_else(PoisonError::into_inner) = what;
}

/// What can't be read of the store; `None` of a sound one.
pub(crate) fn unreadable() -> Option<String> {
    UNREADABLE.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// What a command that reads answers if a part of the store can't be read: never silently less.
pub(crate) fn incomplete(result: Result<(), Failure>) -> Result<(), Failure> {
    let Some(what) = unreadable() else { return result };
    let hint =
        "put the file back from a backup; `escrow verify --repair --accept-losses` gives up what it holds";
    match result {
        Ok(()) => Err(Error::corrupt(format!("the answer is incomplete: {what}")).hint(hint).into()),
        Err(failure) if failure.code == code(ErrorKind::NotFound) => {
            let message = format!("{}, as far as the store can be read: {what}", failure.message);
            Err(Error::corrupt(message).hint(hint).into())
        }
        Err(failure) => Err(failure),
    }
}

/// Why a command ends without success.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: &'static str,
    code: u8,
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// The command was called wrongly.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { kind: "usage", code: 2, message: message.into(), hint: None }
    }

    /// Something asked for isn't there; erased and unknown look the same.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Error::not_found(message).into()
    }

    /// Records were not accepted.
    pub(crate) fn rejected(message: impl Into<String>) -> Self {
        Self { kind: "rejected", code: 1, message: message.into(), hint: None }
    }

    /// The work could not be done, for a reason outside the store.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { kind: "failed", code: 1, message: message.into(), hint: None }
    }

    /// A failure of the operating system while doing `what`.
    pub(crate) fn io(what: impl std::fmt::Display, error: io::Error) -> Self {
        Error::io(what, error).into()
    }

    /// Help was asked for: it is the data, and no failure.
    pub(crate) fn help(text: String) -> Self {
        Self { kind: HELP, code: 0, message: text, hint: None }
    }

    /// It was reported already; what is left of it is the exit code.
    pub(crate) fn reported(code: u8) -> Self {
        Self { kind: QUIET, code, message: String::new(), hint: None }
    }

    /// The reader of stdout went away: nothing that is printed gets anywhere.
    pub(crate) fn nobody_reads(&self) -> bool {
        self.kind == QUIET && self.code == 0
    }

    /// Adds what to do next.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Prints the error on stderr and gives the exit code.
    pub(crate) fn report(self, json: bool) -> u8 {
        let text = match (self.kind, json) {
            (QUIET, _) => String::new(),
            (HELP, _) => {
                let mut out = io::stdout();
                let printed = out.write_all(self.message.as_bytes()).and_then(|()| out.flush());
                return match printed {
                    Ok(()) => 0,
                    Err(e) => Self::from(e).report(json),
                };
            }
            (_, true) => self.to_json() + "\n",
            (_, false) => self.to_text(),
        };
        // Nobody is left to tell if stderr is closed.
        let _ = io::stderr().write_all(text.as_bytes());
        self.code
    }

    fn to_json(&self) -> String {
        let mut error = Object::new();
        error.text("kind", self.kind).text("message", &self.message).maybe("hint", self.hint.as_deref());
        let mut line = Object::new();
        line.raw("error", &error.finish());
        line.finish()
    }

    fn to_text(&self) -> String {
        let mut text = format!("error: {}\n", self.message);
        if let Some(hint) = &self.hint {
            text.push_str(&format!("hint: {hint}\n"));
        }
        text
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            kind: error.kind().name(),
            code: code(error.kind()),
            message: error.to_string(),
            hint: error.hint_text().map(str::to_owned),
        }
    }
}

impl From<io::Error> for Failure {
    /// Errors of stdout; files go through [`Failure::io`], which says which one.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { kind: QUIET, code: 0, message: String::new(), hint: None };
        }
        Self::io("write output", error)
    }
}

fn code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Invalid => 2,
        ErrorKind::NotFound => 3,
        ErrorKind::Locked => 4,
        ErrorKind::WrongKey => 5,
        ErrorKind::Corrupt => 6,
        ErrorKind::Refused => 7,
        _ => 1,
    }
}

/// Nothing to say: the reader of stdout went away, which is no error, or it was said.
const QUIET: &str = "quiet";
/// Help was asked for.
const HELP: &str = "help";

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the documentation: kinds and exit codes.
    fn documented() -> Vec<(String, u8)> {
        let (_, section) = include_str!("../../docs/ERRORS.md").split_once("## Kinds").unwrap();
        let table = section.split("\n## ").next().unwrap();
        let rows = table.lines().filter_map(|l| l.strip_prefix("| `"));
        rows.filter_map(|row| {
            let (kind, rest) = row.split_once("` | ")?;
            Some((kind.to_owned(), rest.split(' ').next()?.parse().ok()?))
        })
        .collect()
    }

    #[test]
    fn the_documented_kinds_are_all_there_are() {
        let own = [Failure::usage("x"), Failure::failed("x"), Failure::rejected("x")];
        let engine = ErrorKind::ALL.map(|kind| Failure::from(Error::new(kind, "x")));
        let all: Vec<(String, u8)> = own.iter().chain(&engine).map(|f| (f.kind.to_owned(), f.code)).collect();
        assert_eq!(documented(), all);
    }

    #[test]
    fn json_form_has_all_three_fields() {
        let line = Failure::usage("no \"store\"").to_json();
        assert_eq!(line, r#"{"error":{"kind":"usage","message":"no \"store\"","hint":null}}"#);
        let text = Failure::usage("no store").hint("--store DIR").to_text();
        assert_eq!(text, "error: no store\nhint: --store DIR\n");
    }

    #[test]
    fn closed_pipe_is_no_error() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(failure.code, 0);
    }
}
