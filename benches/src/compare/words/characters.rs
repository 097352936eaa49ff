//! A tokenizer for tantivy: words where there are spaces, single characters where there are none, so that a
//! part of a Japanese text is a phrase of its characters.

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

/// The tokenizer.
#[derive(Clone, Default)]
pub struct Characters {
    token: Token,
}

/// Its tokens.
pub struct Tokens<'a> {
    text: &'a str,
    at: usize,
    token: &'a mut Token,
}

impl Tokenizer for Characters {
    type TokenStream<'a> = Tokens<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Tokens<'a> {
        self.token.reset();
        Tokens { text, at: 0, token: &mut self.token }
    }
}

impl TokenStream for Tokens<'_> {
    fn advance(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let skipped = rest.find(char::is_alphanumeric).unwrap_or(rest.len());
        let start = self.at + skipped;
        let Some(first) = self.text[start..].chars().next() else { return false };
        let length = if first.is_ascii() {
            let word = &self.text[start..];
            word.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(word.len())
        } else {
            first.len_utf8()
        };
        // What stands between characters leaves a gap: no part of a text reaches over it.
        let gap = usize::from(skipped > 0 && !first.is_ascii());
        self.token.position = self.token.position.wrapping_add(1 + gap);
        self.token.offset_from = start;
        self.token.offset_to = start + length;
        self.token.text.clear();
        self.token.text.push_str(&self.text[start..start + length]);
        self.at = start + length;
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_stand_apart_and_words_whole() {
        let mut tokenizer = Characters::default();
        let mut stream = tokenizer.token_stream("東京。都 two words");
        let mut found = Vec::new();
        while stream.advance() {
            found.push((stream.token().text.clone(), stream.token().position));
        }
        let expected = [("東", 0), ("京", 1), ("都", 3), ("two", 4), ("words", 5)];
        assert_eq!(found, expected.map(|(text, at)| (text.to_owned(), at)));
    }
}
