//! Arguments that didn't parse, told without a word of what was typed.
//!
//! What is typed may be a name, an identifier or a piece of a query, in the wrong place, and error
//! texts end up in logs. So nothing of it is repeated: a message names the option or command it is
//! about and what is accepted there, all of which are the program's own words.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::exit::Failure;

/// The failure for arguments that didn't parse; help is one of them.
pub(crate) fn failure(error: &clap::Error) -> Failure {
    if error.kind() == ErrorKind::DisplayHelp {
        return Failure::help(error.render().to_string());
    }
    Failure::usage(message(error)).hint(hint(error))
}

fn message(error: &clap::Error) -> String {
    use ErrorKind as K;
    let about = own_words(error, ContextKind::InvalidArg).join(", ");
    match error.kind() {
        K::UnknownArgument if typed_option(error) => "unknown option".to_owned(),
        K::UnknownArgument => "an argument too many".to_owned(),
        K::InvalidSubcommand => "unknown command".to_owned(),
        K::MissingSubcommand | K::DisplayHelpOnMissingArgumentOrSubcommand => {
            "a command is missing".to_owned()
        }
        K::InvalidValue if first(error, ContextKind::InvalidValue).is_none_or(|v| v.is_empty()) => {
            format!("{about}: a value is missing")
        }
        K::InvalidValue => format!("{about}: not one of the values it takes"),
        K::ValueValidation => {
            // The reasons are those of the parsers in `commands`, which say what is accepted.
            let reason = std::error::Error::source(error).map(ToString::to_string);
            format!("{about}: {}", reason.as_deref().unwrap_or("not a value it takes"))
        }
        K::TooManyValues | K::WrongNumberOfValues | K::TooFewValues => {
            format!("{about}: too many or too few values")
        }
        K::ArgumentConflict => match own_words(error, ContextKind::PriorArg).join(", ") {
            other if other.is_empty() || other == about => format!("{about} is given more than once"),
            other => format!("{about} can't be used with {other}"),
        },
        K::MissingRequiredArgument => format!("missing: {about}"),
        K::InvalidUtf8 => "an argument is not UTF-8".to_owned(),
        _ => "the arguments could not be understood".to_owned(),
    }
}

fn hint(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let help = error.render().to_string();
        return help
            .find("Usage:")
            .map_or_else(|| SEE_HELP.to_owned(), |at| help[at..].trim_end().to_owned());
    }
    let mut lines = Vec::new();
    let similar = match error.kind() {
        ErrorKind::UnknownArgument if !typed_option(error) => Vec::new(),
        ErrorKind::UnknownArgument => own_words(error, ContextKind::SuggestedArg),
        ErrorKind::InvalidSubcommand => own_words(error, ContextKind::SuggestedSubcommand),
        _ => Vec::new(),
    };
    if !similar.is_empty() {
        lines.push(format!("perhaps {}", similar.join(" or ")));
    }
    let mut accepted = own_words(error, ContextKind::ValidValue);
    accepted.extend(own_words(error, ContextKind::ValidSubcommand));
    if !accepted.is_empty() {
        lines.push(format!("it takes {}", accepted.join(", ")));
    }
    if typed_option(error) {
        lines.push("what begins with - and is no option stands behind --".to_owned());
    }
    lines.extend(own_words(error, ContextKind::Usage).iter().map(|usage| usage.trim().to_owned()));
    lines.push(SEE_HELP.to_owned());
    lines.join("\n")
}

/// Whether what was not known looks like an option: a dash, and no value.
fn typed_option(error: &clap::Error) -> bool {
    error.kind() == ErrorKind::UnknownArgument
        && first(error, ContextKind::InvalidArg)
            .is_some_and(|typed| typed.starts_with('-') && !typed.contains('='))
}

/// Words of the program's own definitions. What was typed never is of these kinds, but for the
/// argument or command that isn't known.
fn own_words(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match (error.kind(), kind) {
        (ErrorKind::UnknownArgument, ContextKind::InvalidArg) => Vec::new(),
        _ => texts(error, kind),
    }
}

fn first(error: &clap::Error, kind: ContextKind) -> Option<String> {
    texts(error, kind).into_iter().next()
}

fn texts(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        Some(ContextValue::StyledStr(text)) => vec![text.to_string()],
        Some(ContextValue::StyledStrs(texts)) => texts.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    }
}

const SEE_HELP: &str = "see `escrow help COMMAND`";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Cli;
    use clap::{Command, CommandFactory as _, Parser as _};

    /// Typed everywhere; no answer may show a piece of it.
    const SECRETS: [&str; 5] =
        ["anna@geheim7.example", "--geheim7", "--limit=geheim7", "--geheim7=anna", "-geheim7"];

    /// Every command with every option of its own, with a secret in each place.
    fn wrong_calls(command: &Command, path: &[String], found: &mut Vec<Vec<String>>) {
        for secret in SECRETS {
            let mut call = |words: &[&str]| {
                found.push(
                    path.iter().map(String::as_str).chain(words.iter().copied()).map(str::to_owned).collect(),
                );
            };
            call(&[secret]);
            call(&[secret; 5]);
            call(&["--", secret, secret, secret, secret]);
            for option in command.get_arguments().filter_map(|a| a.get_long()) {
                call(&[&format!("--{option}"), secret]);
                call(&[&format!("--{option}={secret}")]);
                call(&[&format!("--{option}={secret}"), &format!("--{option}={secret}")]);
                call(&[&format!("--{option}s"), secret]);
                call(&[&format!("--{option}s={secret}")]);
            }
        }
        for sub in command.get_subcommands() {
            wrong_calls(sub, &[path, &[sub.get_name().to_owned()]].concat(), found);
        }
    }

    #[test]
    fn nothing_that_was_typed_is_repeated() {
        let mut command = Cli::command();
        command.build();
        let mut calls = Vec::new();
        wrong_calls(&command, &["escrow".to_owned()], &mut calls);
        let mut kinds = std::collections::BTreeSet::new();
        for call in calls {
            let Err(error) = Cli::try_parse_from(&call) else { continue };
            kinds.insert(format!("{:?}", error.kind()));
            let (message, hint) = (message(&error), hint(&error));
            for text in [message, hint] {
                assert!(!text.contains("geheim7") && !text.contains("anna"), "{call:?}: {text}");
                assert!(!text.is_empty(), "{call:?}");
            }
        }
        for kind in
            ["UnknownArgument", "InvalidSubcommand", "InvalidValue", "ValueValidation", "TooManyValues"]
        {
            assert!(kinds.contains(kind), "{kind} not met: {kinds:?}");
        }
    }

    fn told(line: &str) -> (String, String) {
        let error = Cli::try_parse_from(line.split(' ')).unwrap_err();
        (message(&error), hint(&error))
    }

    #[test]
    fn messages_say_what_is_accepted() {
        for (line, said, hinted) in [
            ("escrow erase anna", "an argument too many", "--record"),
            ("escrow search x --limitt 4", "unknown option", "perhaps --limit\n"),
            ("escrow search x --limitt=anna", "unknown option", "perhaps --limit\n"),
            ("escrow serch x", "unknown command", "perhaps search\n"),
            (
                "escrow search x --limit anna",
                "--limit <N>: must be a whole number, 1 or more",
                "see `escrow help",
            ),
            (
                "escrow search x --order anna",
                "--order <ORDER>: not one of",
                "it takes newest, oldest, relevance",
            ),
            ("escrow search x --order", "--order <ORDER>: a value is missing", "it takes newest"),
            ("escrow search x --json=anna", "--json: too many", "see `escrow help"),
            (
                "escrow search x --limit 1 --limit 2",
                "--limit <N> is given more than once",
                "see `escrow help",
            ),
            ("escrow verify --subset anna", "--subset <n/m>: a subset is n/m", "see `escrow help"),
            ("escrow erase --yes", "missing: <--subject", "--record"),
            ("escrow erase --subject a --record b", "--subject <X> can't be used with --record", "Usage"),
            ("escrow key", "a command is missing", "public"),
            ("escrow key anna", "unknown command", "Usage: escrow key"),
            ("escrow help anna", "unknown command", "Usage: escrow"),
        ] {
            let (message, hint) = told(line);
            assert!(message.starts_with(said), "{line}: {message}");
            assert!(hint.contains(hinted), "{line}: {hint}");
        }
    }
}
