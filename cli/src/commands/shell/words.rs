//! What a line of the shell is: a command, cut into words as a shell cuts them, or a query.

use clap::CommandFactory as _;

use crate::args::Cli;
use crate::exit::Failure;

/// A line, understood as far as its first word says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// Only spaces.
    Nothing,
    /// One of the shell's own words: they stand alone.
    Own(Own),
    /// Arguments of `escrow`.
    Command(Vec<String>),
    /// A query: the line as it stands.
    Query(String),
}

/// The shell's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    Help,
    More,
    Quit,
}

/// Names of the shell's own words, for people and for completion.
pub(super) const OWN: [(&str, Own); 4] =
    [("help", Own::Help), ("more", Own::More), ("quit", Own::Quit), ("exit", Own::Quit)];

impl Typed {
    /// Looks at a line.
    pub(super) fn of(line: &str) -> Result<Self, Failure> {
        let line = line.trim();
        let Some(first) = line.split_whitespace().next() else { return Ok(Self::Nothing) };
        if let Some((name, own)) = OWN.into_iter().find(|(name, _)| *name == first) {
            return match (own, line == name) {
                (own, true) => Ok(Self::Own(own)),
                // What `escrow help COMMAND` says.
                (Own::Help, false) => split(line).map(Self::Command),
                (..) => Err(Failure::usage(format!("{name} stands alone"))
                    .hint("to look for the word, write search before it")),
            };
        }
        if first.starts_with("--") || is_command(first) {
            return split(line).map(Self::Command);
        }
        Ok(Self::Query(line.to_owned()))
    }
}

/// Whether a word names something that `escrow` does, in a shell or not. Commands that no help names
/// are none of them: nobody can know that such a word is not searched for.
fn is_command(word: &str) -> bool {
    Cli::command().find_subcommand(word).is_some_and(|command| !command.is_hide_set())
}

/// Cuts a line at white space. What stands between two `'`, or between two `"`, is taken as it
/// stands; pieces without white space between them are one word. No other character is special.
pub(super) fn split(line: &str) -> Result<Vec<String>, Failure> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for c in line.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '\'' || c == '"' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    if let Some(open) = quote {
        return Err(Failure::usage(format!("a {open} is not closed"))
            .hint("one kind of quotation mark keeps the other: 'author:\"Anna B\"'"));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_as_a_shell_cuts_them() {
        for (line, words) in [
            ("", &[][..]),
            ("  a  b\tc ", &["a", "b", "c"]),
            ("a 'b c' d", &["a", "b c", "d"]),
            ("a \"b c\" d", &["a", "b c", "d"]),
            ("a 'b \"c\" d'", &["a", "b \"c\" d"]),
            ("a \"it's\"", &["a", "it's"]),
            ("a''b \"\" ''", &["ab", "", ""]),
            ("tag:\"x y\"z", &["tag:x yz"]),
            (r"a\ b 'c\'", &[r"a\", "b", r"c\"]),
            ("a\u{a0}b $x `y` * # ; | &", &["a", "b", "$x", "`y`", "*", "#", ";", "|", "&"]),
        ] {
            assert_eq!(split(line).unwrap(), words, "{line}");
        }
        for line in ["'", "a 'b", "a \"b' c", "''\""] {
            assert!(split(line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_first_word_decides() {
        let query = |line: &str| Typed::Query(line.to_owned());
        // `roll` is a command of which no help tells: the query ran it once, and found nothing.
        for line in
            ["tag:x author:\"Anna B\"", "-tag:x", "(tag:x)", "*", "\"help me\"", "it's", "counts", "roll"]
        {
            assert_eq!(Typed::of(&format!(" {line} ")).unwrap(), query(line));
        }
        let command = |words: &[&str]| Typed::Command(words.iter().map(|w| (*w).to_owned()).collect());
        assert_eq!(Typed::of("count 'tag:x'").unwrap(), command(&["count", "tag:x"]));
        assert_eq!(Typed::of("--json count *").unwrap(), command(&["--json", "count", "*"]));
        // Nothing that `escrow` knows is looked for by mistake, also what a shell doesn't do.
        assert_eq!(Typed::of("init").unwrap(), command(&["init"]));
        assert_eq!(Typed::of("help count").unwrap(), command(&["help", "count"]));
        for (line, own) in
            [(" help ", Own::Help), ("more", Own::More), ("quit", Own::Quit), ("exit", Own::Quit)]
        {
            assert_eq!(Typed::of(line).unwrap(), Typed::Own(own));
        }
        assert_eq!(Typed::of(" \t").unwrap(), Typed::Nothing);
        for line in ["more 5", "quit now", "count '*"] {
            assert!(Typed::of(line).is_err(), "{line}");
        }
    }
}
