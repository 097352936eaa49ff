//! Completion: what may stand where the cursor is. Commands and options come from the definitions of
//! the command line, values from the definitions or from the store.

use std::rc::Rc;

use clap::{Arg, Command, CommandFactory as _};
use escrowdb::record::Kind;

use crate::args::Cli;
use crate::commands::shell::FOREIGN;
use crate::commands::shell::known::Known;
use crate::commands::shell::words::OWN;

/// Completes lines.
pub(super) struct Completion {
    escrow: Command,
    known: Rc<Known>,
}

impl Completion {
    pub(super) fn new(known: Rc<Known>) -> Self {
        let mut escrow = Cli::command();
        escrow.build();
        Self { escrow, known }
    }

    /// What may replace the end of `text`, the line up to the cursor, and where that begins.
    pub(super) fn of(&self, text: &str) -> (usize, Vec<String>) {
        let at = text
            .rfind(char::is_whitespace)
            .map_or(0, |i| i + text[i..].chars().next().map_or(1, char::len_utf8));
        let (before, word) = text.split_at(at);
        let mut typed = before.split_whitespace();
        let command = typed.find(|word| !word.starts_with("--"));
        let Some(name) = command else {
            let mut found = begin_so(self.verbs(), word);
            if before.trim().is_empty() {
                let (from, values) = self.query(word);
                if from > 0 || found.is_empty() {
                    return (at + from, values);
                }
                found.extend(values);
            }
            return (at, found);
        };
        if name == "help" {
            return (at, begin_so(self.verbs(), word));
        }
        if !is_native(name) {
            return (at, Vec::new());
        }
        let Some(verb) = self.escrow.find_subcommand(name) else {
            // A query.
            let (from, values) = self.query(word);
            return (at + from, values);
        };
        let last = before.split_whitespace().next_back().unwrap_or_default();
        let takes = verb.get_arguments().find(|arg| is_named(arg, last) && arg.get_action().takes_values());
        if let Some(option) = takes {
            return (at, begin_so(values_of(option), word));
        }
        if word.starts_with("--") {
            let options = verb.get_arguments().filter(|arg| !arg.is_hide_set());
            let names = options.filter_map(|arg| Some(format!("--{}", arg.get_long()?)));
            return (at, begin_so(names.filter(|name| !OURS.contains(&name.as_str())), word));
        }
        if verb.has_subcommands() {
            let below = verb.get_subcommands().map(|sub| sub.get_name().to_owned());
            let here = last == name;
            return (at, begin_so(below.filter(|_| here), word));
        }
        if verb.get_arguments().any(|arg| arg.get_id() == "query") {
            let (from, values) = self.query(word);
            return (at + from, values);
        }
        (at, Vec::new())
    }

    fn verbs(&self) -> impl Iterator<Item = String> {
        let theirs = self.escrow.get_subcommands().filter(|c| !c.is_hide_set()).map(Command::get_name);
        let ours = OWN.into_iter().map(|(name, _)| name);
        theirs.filter(|name| is_native(name) && *name != "help").chain(ours).map(str::to_owned)
    }

    /// Completes a condition of a query; its place is counted from the beginning of `word`.
    fn query(&self, word: &str) -> (usize, Vec<String>) {
        // Behind what opens a group, a quoted argument or a negation.
        let from = word.rfind(['(', '\'']).map_or(0, |i| i + 1);
        let from = from + word[from..].len() - word[from..].trim_start_matches(['-', '"']).len();
        let condition = &word[from..];
        if condition.contains('"') {
            return (from, Vec::new());
        }
        let Some((field, value)) = condition.split_once(':') else {
            return (from, begin_so(FIELDS.into_iter().map(|field| format!("{field}:")), condition));
        };
        let at = from + field.len() + 1;
        let values = match field {
            "kind" => begin_so(Kind::ALL.into_iter().map(|kind| kind.name().to_owned()), value),
            "after" | "before" => begin_so(["now", "today", "yesterday"].map(str::to_owned), value),
            "on" => begin_so(["today", "yesterday"].map(str::to_owned), value),
            field => self.known.values(field, value),
        };
        (at, values)
    }
}

fn is_native(name: &str) -> bool {
    !FOREIGN.contains(&name)
}

fn is_named(arg: &Arg, typed: &str) -> bool {
    typed.strip_prefix("--").is_some_and(|name| arg.get_long() == Some(name))
}

fn values_of(option: &Arg) -> Vec<String> {
    if option.get_id() == "by" {
        return BY.map(str::to_owned).to_vec();
    }
    option.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect()
}

fn begin_so(all: impl IntoIterator<Item = String>, beginning: &str) -> Vec<String> {
    all.into_iter().filter(|one| one.starts_with(beginning)).collect()
}

/// Fields of the query language.
const FIELDS: [&str; 11] =
    ["tag", "author", "subject", "conversation", "channel", "kind", "id", "version", "after", "before", "on"];
/// Fields that a facet takes.
const BY: [&str; 6] = ["tag", "author", "subject", "conversation", "channel", "kind"];
/// Options that stand behind `escrow shell` only.
const OURS: [&str; 3] = ["--store", "--slot", "--no-mmap"];

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use escrowdb::id::Micros;
    use escrowdb::store::{Record, Store};
    use escrowdb::vfs::MemoryVfs;

    use super::*;
    use crate::args::Global;

    fn completion() -> (Arc<Store>, Completion) {
        let store = Arc::new(Store::builder("/s").vfs(Arc::new(MemoryVfs::new())).create().unwrap());
        let record = |n| Record::new("c1", "anna@example.org", Micros(n), "text").channel("web");
        let record = |n, tag: &str| record(n).tag(tag);
        let tags = ["dept:sales", "dept:billing", "dept:field sales", "a\"b", "it's", "\u{202e}x"];
        let records: Vec<_> = (0..).zip(tags).map(|(n, tag)| record(n, tag)).collect();
        store.append(&records).unwrap();
        let known = Rc::new(Known::new(&store, &Global::default()));
        (store, Completion::new(known))
    }

    /// The whole line with each candidate in its place.
    fn lines(completion: &Completion, text: &str) -> Vec<String> {
        let (at, found) = completion.of(text);
        found.iter().map(|one| format!("{}{one}", &text[..at])).collect()
    }

    #[test]
    fn each_place_has_its_own() {
        let (_store, completion) = completion();
        for (text, expected) in [
            ("sea", &["search"][..]),
            ("hi", &["histogram"]),
            ("qu", &["quit"]),
            ("co", &["count", "conversation", "correct", "compact", "consent", "conversation:"]),
            ("tag:dept:", &["tag:dept:billing", "tag:dept:sales"]),
            ("(-tag:dept:s", &["(-tag:dept:sales"]),
            ("tag:x cha", &["tag:x channel:"]),
            ("tag:x channel:", &["tag:x channel:web"]),
            ("count 'tag:x -kind:me", &["count 'tag:x -kind:message"]),
            ("search \"ki", &["search \"kind:"]),
            ("search 'author:\"ki", &[]),
            ("search * --or", &["search * --order"]),
            ("search * --order n", &["search * --order newest"]),
            ("histogram * --per we", &["histogram * --per week"]),
            ("facet * --by cha", &["facet * --by channel"]),
            ("erase --pl", &["erase --plan"]),
            ("erase --su", &["erase --subject"]),
            ("erase --subject ta", &[]),
            ("search * --sl", &[]),
            (
                "subject ",
                &[
                    "subject show",
                    "subject link",
                    "subject unlink",
                    "subject add-identifier",
                    "subject rename",
                    "subject remove-identifier",
                    "subject help",
                ],
            ),
            ("subject show ta", &[]),
            ("help sea", &["help search"]),
            ("--json cou", &["--json count"]),
            ("in", &[]),
            ("init --o", &[]),
            ("author:a", &[]),
            ("on:to", &["on:today"]),
            ("東京 ta", &["東京 tag:"]),
            ("東京\u{3000}ta", &["東京\u{3000}tag:"]),
        ] {
            assert_eq!(lines(&completion, text), expected, "{text}");
        }
        // Any text at all.
        for text in ["", " ", "'", "-", "\"", ":", "tag:\"", "kind", "::", "(((", "search ", "ü:", "-ü"] {
            completion.of(text);
        }
    }

    #[test]
    fn every_field_of_the_language_is_offered() {
        let (store, completion) = completion();
        for field in FIELDS {
            let query = format!("{field}:2026");
            let known = match field {
                "kind" => "kind:message",
                "version" => "version:all",
                _ => &*query,
            };
            store.check_query(known).unwrap();
            assert!(lines(&completion, field).iter().any(|line| *line == format!("{field}:")));
        }
        let reading = store.session(escrowdb::session::Session::new());
        BY.iter().for_each(|by| drop(reading.facet("*", by).unwrap()));
    }

    /// What was offered once was asked for once; what is erased is offered no more.
    #[test]
    fn values_are_asked_again_when_something_changed() {
        let (store, completion) = completion();
        assert_eq!(lines(&completion, "tag:new").len(), 0);
        store.append(&[Record::new("c2", "bob", Micros(9), "").tag("new")]).unwrap();
        assert_eq!(lines(&completion, "tag:new").len(), 0);
        completion.known.forget();
        assert_eq!(lines(&completion, "tag:new"), ["tag:new"]);
    }
}
