//! Text of a query → words to look for.

use crate::error::{Error, Result};
use crate::index::{Pattern, Phrase, PhraseWord, Term, Wanted};
use crate::text::Analyser;

/// How words are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As they stand, one behind the other.
    Exact,
    /// The last of them may go on: `pre*`.
    Prefix,
    /// One word, or one that differs by a character at most: `word~1`.
    Near,
}

/// What to look for.
pub(crate) enum Sought {
    /// One word.
    Word(Term),
    /// Words like one.
    Like(Pattern),
    /// Several words.
    Phrase(Phrase),
}

/// Longest word of which a beginning can be sought, in bytes: longer ones are indexed by a hash.
const STEM_MAX: usize = 200;

/// Splits `text` into the words to look for. Errors say what is wrong without the text.
pub(crate) fn sought(text: &str, form: Form) -> Result<Sought> {
    let mut words: Vec<(Vec<u8>, u32)> = Vec::new();
    let mut end = 0;
    Analyser::new().words_with_places(text, |word, place| {
        words.push((word.value.to_vec(), word.position));
        end = end.max(place.end);
    });
    let Some((last, before)) = words.split_last() else {
        return Err(Error::invalid("there is no word in this")
            .hint("words are made of letters, digits, _ and emoji; nothing else is searched for"));
    };
    if form == Form::Prefix && end < text.len() {
        return Err(Error::invalid("a star stands directly behind the beginning of a word"));
    }
    if form != Form::Exact && last.0.len() > STEM_MAX {
        return Err(Error::invalid(format!("a beginning is longer than {STEM_MAX} bytes")));
    }
    let wanted = match form {
        Form::Exact => Wanted::Word(Term::word(&last.0)),
        Form::Prefix => Wanted::Like(Pattern::Prefix(last.0.clone())),
        Form::Near if !before.is_empty() => {
            return Err(Error::invalid("~1 stands behind one word").hint("near words are sought one by one"));
        }
        Form::Near => {
            let word = std::str::from_utf8(&last.0);
            Wanted::Like(Pattern::near(word.map_err(|_| Error::invalid("a word is too long"))?))
        }
    };
    if before.is_empty() {
        return Ok(match wanted {
            Wanted::Word(term) => Sought::Word(term),
            Wanted::Like(pattern) => Sought::Like(pattern),
        });
    }
    let of = |(value, offset): &(Vec<u8>, u32)| PhraseWord {
        offset: *offset,
        what: Wanted::Word(Term::word(value)),
    };
    let mut phrase: Vec<PhraseWord> = before.iter().map(of).collect();
    phrase.push(PhraseWord { offset: last.1, what: wanted });
    Ok(Sought::Phrase(Phrase { words: phrase }))
}

/// How many words there are in `text`; at least 1.
pub(crate) fn count(text: &str) -> usize {
    let mut n = 0;
    Analyser::new().words(text, |_| n += 1);
    n.max(1)
}
