//! The terminal of a shell: line editor, history, completion.
//!
//! What is typed stands in memory that is wiped as it is freed: the line, the history, what was cut
//! with a key. Not ours to wipe: what the terminal shows and keeps, and what the line editor has on
//! its stack.

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{Behavior, CompletionType, Config, Context, Editor, Helper};

use crate::commands::shell::complete::Completion;
use crate::commands::shell::history::ENTRIES_MAX;
use crate::exit::Failure;

/// What came from the terminal.
pub(super) enum Input {
    Line(String),
    /// Ctrl-C.
    Cancelled,
    /// Ctrl-D, or the terminal is gone.
    End,
}

/// A terminal.
pub(super) struct Terminal(Editor<Completes, MemHistory>);

impl Terminal {
    /// A terminal that completes so and remembers these lines.
    pub(super) fn new(completion: Completion, lines: Vec<String>) -> Result<Self, Failure> {
        let config = Config::builder()
            // Stdout is for data: it may be a file.
            .behavior(Behavior::PreferTerm)
            .completion_type(CompletionType::List)
            .max_history_size(ENTRIES_MAX)
            .and_then(|config| config.history_ignore_dups(true))
            .map_err(failure)?
            .history_ignore_space(true)
            .build();
        let history = MemHistory::with_config(&config);
        let mut editor = Editor::with_history(config, history).map_err(failure)?;
        editor.set_helper(Some(Completes(completion)));
        let mut terminal = Self(editor);
        lines.iter().try_for_each(|line| terminal.remember(line))?;
        Ok(terminal)
    }

    /// Waits for a line.
    pub(super) fn read(&mut self) -> Result<Input, Failure> {
        match self.0.readline(PROMPT) {
            Ok(line) => Ok(Input::Line(line)),
            Err(ReadlineError::Interrupted) => Ok(Input::Cancelled),
            Err(ReadlineError::Eof) => Ok(Input::End),
            Err(error) => Err(failure(error)),
        }
    }

    /// Puts a line into the history, unless it begins with a space or is the last one again.
    pub(super) fn remember(&mut self, line: &str) -> Result<(), Failure> {
        self.0.add_history_entry(line).map(drop).map_err(failure)
    }

    /// The lines remembered, oldest first.
    pub(super) fn lines(&self) -> Vec<&str> {
        self.0.history().into_iter().map(String::as_str).collect()
    }
}

struct Completes(Completion);

impl Completer for Completes {
    type Candidate = String;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(self.0.of(line.get(..pos).unwrap_or_default()))
    }
}

impl Helper for Completes {}
impl Highlighter for Completes {}
impl Hinter for Completes {
    type Hint = String;
}
impl Validator for Completes {}

fn failure(error: ReadlineError) -> Failure {
    match error {
        ReadlineError::Io(error) => Failure::io("read the terminal", error),
        error => Failure::failed(format!("the terminal can't be read: {error}")),
    }
}

const PROMPT: &str = "escrow> ";
