//! `shell`: one session on an open store, line after line.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::sync::Arc;

use crate::args::Global;
use crate::commands::lines::{Line, Lines};
use crate::engine;
use crate::exit::Failure;
use crate::input;
use crate::lent::Opened;
use crate::out::note;
use complete::Completion;
use history::HistoryFile;
use session::{Ended, Session};
use terminal::{Input, Terminal};

mod complete;
mod history;
mod known;
mod session;
mod terminal;
mod words;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Keep the lines typed on a terminal in this file, and read those of earlier sessions from it.
    ///
    /// Without it they stand in memory only and are wiped at the end. Queries are personal data: they
    /// name people, in clear. The file is readable by its owner only, and an erasure in the shell
    /// empties it; no other erasure reaches it.
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// Go on behind a line of a script that fails; errors stand on stderr, and the exit code is 0.
    #[arg(long)]
    keep_going: bool,
}

pub(crate) fn run(args: &Args, global: &Global) -> Result<(), Failure> {
    let terminal = io::stdin().is_terminal();
    if args.history.is_some() && !terminal {
        return Err(Failure::usage("--history is for a shell on a terminal"));
    }
    let history = args.history.as_deref().map(|path| HistoryFile::open(global, path)).transpose()?;
    let store = match engine::open(global)? {
        Opened::Own(store) => Arc::new(store),
        Opened::Lent(store) => store,
    };
    let session = Session::new(&store, global);
    if terminal {
        converse(session, history)?;
    } else {
        follow(session, args.keep_going, global.json)?;
    }
    // Whoever borrowed it is gone.
    Arc::into_inner(store).map_or(Ok(()), |store| Ok(store.close()?))
}

/// Answers lines of a script.
fn follow(mut session: Session, keep_going: bool, json: bool) -> Result<(), Failure> {
    let unread = |e| Failure::io("read stdin", e);
    let mut lines = Lines::new(input::stdin().map_err(unread)?);
    while let Some((number, line, _)) = lines.next().map_err(unread)? {
        let line = match line {
            Line::Whole(line) => String::from_utf8(line).ok(),
            Line::TooLong => None,
        };
        let Some(line) = line else {
            return Err(Failure::usage(format!("line {number} is no line of text")));
        };
        match session.line(&line) {
            Ended::Quit => break,
            Ended::Done => {}
            Ended::Failed(code) => {
                if !json {
                    note(&format!("in line {number}"));
                }
                if !keep_going {
                    return Err(Failure::reported(code));
                }
            }
        }
    }
    Ok(())
}

/// Answers lines that somebody types.
fn converse(mut session: Session, history: Option<(HistoryFile, Vec<String>)>) -> Result<(), Failure> {
    let (file, lines) = history.unzip();
    let editor = |session: &Session, lines| Terminal::new(Completion::new(session.known()), lines);
    let mut terminal = editor(&session, lines.unwrap_or_default())?;
    note("help says what can be typed; quit or Ctrl-D ends.");
    loop {
        let line = match terminal.read()? {
            Input::Line(line) => line,
            Input::Cancelled => continue,
            Input::End => break,
        };
        let ended = session.line(&line);
        // Before anything may end the session: an erasure is one also if nobody reads its certificate.
        if session.take_erased() {
            // What was typed before may name the erased: the file first, then what the editor keeps.
            file.iter().try_for_each(|file| file.keep(&[""; 0]))?;
            terminal = editor(&session, Vec::new())?;
        } else if ended != Ended::Quit && !erases(&line) {
            terminal.remember(&line)?;
        }
        if ended == Ended::Quit {
            break;
        }
    }
    file.map_or(Ok(()), |file| file.keep(&terminal.lines()))
}

/// Whether a line is one that erases. It is not remembered: a key pressed in haste must not bring it
/// back, and it names who is to be forgotten.
fn erases(line: &str) -> bool {
    let mut words = line.split_whitespace();
    words.clone().any(|word| word == "erase") && !words.any(|word| word == "--plan")
}

/// Commands that a shell has no use for: they make another store, read stdin, print for a shell, or are
/// for another machine.
const FOREIGN: [&str; 8] = ["demo", "init", "add", "shell", "upgrade", "completions", "man", "witness"];

/// What `help` says.
const HELP: &str = r#"A line is a command, as it stands behind `escrow` outside, or a query.

  search count facet histogram    find and count records
  get conversation subject        show them
  erase [--plan]  export  import FILE  compact  verify  stats  key
  checkpoint  proof  certificate  show what the log proves
  audit                           who opened, exported, erased, changed what
  verify-export  verify-certificate  verify-proof  verify-checkpoint  verify-key
                                  check such files, by a key alone
  more                            go on with the last search: 20 hits at a time
  help, help COMMAND              this text; what a command takes
  quit                            end, as Ctrl-D does. Ctrl-C drops the line

A line that begins with no command is searched for, exactly as it stands:
  tag:dept:sales author:"Anna B" after:-7d

Behind a command, words end at spaces. What stands between two ' or between two " is taken as it stands,
spaces and the other mark too. Nothing else is special, no \ and no $. So put a query between two ':
  count 'tag:dept:sales author:"Anna B"'
  search 'tag:dept:sales' --order oldest --limit 5

Tab completes commands, options, fields, kinds, tags and channels. Lines that begin with a space, and
those that erase, are not remembered; after an erasure none typed before is.
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_erase_are_known() {
        for (line, erased) in [
            ("erase --subject anna --yes", true),
            (" --json erase --subject anna", true),
            ("erase --subject anna --plan", false),
            ("search erased", false),
            ("kind:erased", false),
        ] {
            assert_eq!(erases(line), erased, "{line}");
        }
    }
}
