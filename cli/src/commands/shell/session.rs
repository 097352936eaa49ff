//! What a shell carries from line to line, and the answer to one line. Commands are parsed and run by
//! what parses and runs them outside.

use std::rc::Rc;
use std::sync::Arc;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _};

use crate::args::{Cli, Global};
use crate::commands::shell::known::Known;
use crate::commands::shell::words::{Own, Typed, split};
use crate::commands::shell::{FOREIGN, HELP};
use crate::commands::{self, Answer, Command, search};
use crate::engine::Store;
use crate::exit::Failure;
use crate::lent::Lent;
use crate::out::{Out, note};
use crate::usage;

/// How a line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Well.
    Done,
    /// With an error, which was reported.
    Failed(u8),
    /// The session ends with it.
    Quit,
}

/// A session on an open store.
pub(super) struct Session {
    store: Arc<Store>,
    /// As the command line of the shell says, with the store to lend.
    global: Global,
    known: Rc<Known>,
    /// The last search, and whether it goes on.
    page: Option<Page>,
    erased: bool,
}

struct Page {
    args: search::Args,
    global: Global,
    cursor: Option<String>,
}

impl Session {
    pub(super) fn new(store: &Arc<Store>, global: &Global) -> Self {
        let mut global = global.clone();
        global.lent = Lent::new(Arc::clone(store));
        let known = Rc::new(Known::new(store, &global));
        Self { store: Arc::clone(store), global, known, page: None, erased: false }
    }

    /// What completion may know of the store.
    pub(super) fn known(&self) -> Rc<Known> {
        Rc::clone(&self.known)
    }

    /// Whether something was erased since this was asked last: then what was typed before goes too.
    pub(super) fn take_erased(&mut self) -> bool {
        std::mem::take(&mut self.erased)
    }

    /// Answers a line; errors are reported, and nothing ends but by [`Ended::Quit`].
    pub(super) fn line(&mut self, line: &str) -> Ended {
        let failure = match self.answer(line) {
            Ok(ended) => return ended,
            Err(failure) if failure.nobody_reads() => return Ended::Quit,
            Err(failure) => failure,
        };
        let typed = split(line).unwrap_or_default();
        let json = self.global.json || typed.iter().take_while(|w| *w != "--").any(|w| w == "--json");
        match failure.report(json) {
            0 => Ended::Done,
            code => Ended::Failed(code),
        }
    }

    fn answer(&mut self, line: &str) -> Result<Ended, Failure> {
        match Typed::of(line)? {
            Typed::Nothing => {}
            Typed::Own(Own::Quit) => return Ok(Ended::Quit),
            Typed::Own(Own::Help) => return Err(Failure::help(HELP.to_owned())),
            Typed::Own(Own::More) => self.more()?,
            Typed::Command(words) => self.command(words)?,
            Typed::Query(query) => self.command(vec!["search".to_owned(), "--".to_owned(), query])?,
        }
        Ok(Ended::Done)
    }

    fn command(&mut self, words: Vec<String>) -> Result<(), Failure> {
        let words = std::iter::once("escrow".to_owned()).chain(words);
        let parsed = Cli::command().try_get_matches_from(words);
        let matches = parsed.map_err(|e| usage::failure(&e))?;
        let cli = Cli::from_arg_matches(&matches).map_err(|e| usage::failure(&e))?;
        let global = self.global_of(&matches, &cli.global)?;
        let mut out = Out::new(global.json);
        let mut reads = true;
        if let (Some(name), Some(command)) = (matches.subcommand_name(), &cli.command) {
            fits(name, command)?;
            reads = matches!(commands::kind_of(command), Answer::Data | Answer::Report);
        }
        let before = self.store.key_status().epoch;
        let result = match cli.command {
            Some(Command::Search(args)) if !cli.version => self.search(args, global, &mut out),
            command => commands::run(Cli { global, command, ..cli }, &mut out),
        };
        let result = result.and_then(|()| Ok(out.flush()?));
        let erased = self.store.key_status().epoch != before;
        if erased {
            // Nothing that was shown or typed before an erasure stays.
            self.page = None;
            self.erased = true;
        }
        if erased || !reads {
            self.known.forget();
        }
        result
    }

    /// The flags of a line before those of the shell; the store is that of the shell.
    fn global_of(&self, matches: &ArgMatches, line: &Global) -> Result<Global, Failure> {
        let typed = |flag| matches.value_source(flag) == Some(ValueSource::CommandLine);
        if ["store", "slot", "no_mmap", "region"].into_iter().any(typed) {
            return Err(Failure::usage("the shell has its store open")
                .hint("--store, --slot, --no-mmap and --region stand behind `escrow shell`"));
        }
        let mut global = self.global.clone();
        global.json |= line.json;
        global.time_limit = line.time_limit.or(global.time_limit);
        for (flag, ours, theirs) in [
            ("actor", &mut global.actor, &line.actor),
            ("purpose", &mut global.purpose, &line.purpose),
            ("case", &mut global.case, &line.case),
            ("transfer_basis", &mut global.transfer_basis, &line.transfer_basis),
        ] {
            if typed(flag) {
                ours.clone_from(theirs);
            }
        }
        Ok(global)
    }

    fn search(&mut self, args: search::Args, global: Global, out: &mut Out) -> Result<(), Failure> {
        self.page = None;
        let (mut last, mut more) = (None, None);
        let result = commands::answered(Answer::Data, out, |out| {
            more = Some(search::page(&args, LIMIT_TEXT, &global, out, &mut last)?);
            Ok(())
        });
        let cursor = match more {
            Some(true) => last,
            Some(false) => None,
            // It failed: it goes on behind what was shown, else where it began.
            None => last.or_else(|| args.cursor().cloned()),
        };
        let (goes_on, json) = (more == Some(true), global.json);
        // Of a search that failed before it showed anything there is nothing to go on with.
        self.page = (more.is_some() || cursor.is_some()).then_some(Page { args, global, cursor });
        out.flush()?;
        if goes_on && !json {
            note("more: type more");
        }
        result
    }

    /// Goes on with the last search.
    fn more(&mut self) -> Result<(), Failure> {
        match self.page.take() {
            None => Err(Failure::usage("no search to go on with").hint("search first")),
            Some(Page { args, global, cursor: Some(cursor) }) => {
                let mut out = Out::new(global.json);
                self.search(args.behind(cursor), global, &mut out)
            }
            Some(page) => {
                self.page = Some(page);
                note("nothing more");
                Ok(())
            }
        }
    }
}

/// Refuses what makes no sense on a store that is open, or with stdin in other hands.
fn fits(name: &str, command: &Command) -> Result<(), Failure> {
    let reads_stdin = matches!(command, Command::Import(args) if args.reads_stdin());
    if !reads_stdin && !FOREIGN.contains(&name) {
        return Ok(());
    }
    let name = if reads_stdin { "import from stdin" } else { name };
    Err(Failure::usage(format!("not in a shell: {name}")).hint("leave it by quit, and call escrow"))
}

/// Hits shown at once to people who don't say how many.
const LIMIT_TEXT: u64 = 20;
