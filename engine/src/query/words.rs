//! Text of a query → words to look for.

use zeroize::Zeroize;

use crate::error::{Error, Result};
use crate::index::{Pattern, Phrase, PhraseWord, Term, Wanted};
use crate::text::Analyser;

/// Words of the body, one behind the other, understood once for all that look at a query.
#[derive(Clone)]
pub struct Words {
    text: String,
    form: Form,
    sought: Sought,
    at: Option<usize>,
}

impl Words {
    /// Words as they were typed.
    ///
    /// # Errors
    /// *Invalid* if there is none, or the form doesn't fit them; without the text.
    pub fn new(text: impl Into<String>, form: Form) -> Result<Self> {
        let text = text.into();
        Ok(Self { sought: sought(&text, form)?, text, form, at: None })
    }

    /// The same with the character of the query at which they stand, counted from 1.
    #[must_use]
    pub(crate) const fn at(mut self, character: usize) -> Self {
        self.at = Some(character);
        self
    }

    /// As they were typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Wipes what they say.
    pub(crate) fn wipe(&mut self) {
        self.text.zeroize();
        match &mut self.sought {
            Sought::Word(term) => term.value.zeroize(),
            Sought::Phrase(phrase) => phrase.words.iter_mut().for_each(|word| match &mut word.what {
                Wanted::Word(term) => term.value.zeroize(),
                Wanted::Like(pattern) => pattern.wipe(),
            }),
            Sought::Like(pattern) => pattern.wipe(),
        }
    }

    /// How they are meant.
    pub const fn form(&self) -> Form {
        self.form
    }

    /// Where they stand in the query, for messages.
    pub(crate) const fn place(&self) -> Option<usize> {
        self.at
    }

    /// What to look for.
    pub(crate) const fn sought(&self) -> &Sought {
        &self.sought
    }

    /// How many there are; at least 1.
    pub(crate) const fn count(&self) -> usize {
        match &self.sought {
            Sought::Word(_) | Sought::Like(_) => 1,
            Sought::Phrase(phrase) => phrase.words.len(),
        }
    }
}

/// Where they stand makes no difference.
impl PartialEq for Words {
    fn eq(&self, other: &Self) -> bool {
        self.form == other.form && self.text == other.text
    }
}

impl Eq for Words {}

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
#[derive(Clone)]
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
fn sought(text: &str, form: Form) -> Result<Sought> {
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
