//! Names of what goes, looked for in what was typed.

use zeroize::Zeroizing;

use crate::erase::details::typed::Typed;
use crate::text::{self, Wording};

/// Names to look for. They are compared as look-ups compare words, however they are divided into words.
#[derive(Default)]
pub(super) struct Names {
    spelled: Vec<Wording>,
    /// Those without a word, folded.
    whole: Vec<Zeroizing<String>>,
}

impl Names {
    /// Looks for a person's identifier and, of an address, for the part before the `@`.
    pub(super) fn add_identifier(&mut self, identifier: &str) {
        self.add(identifier);
        if let Some((local, _)) = identifier.split_once('@')
            && !Wording::of(local).is_empty()
        {
            self.add(local);
        }
    }

    /// Looks for a name; for one of two words also the other way round: family name first.
    pub(super) fn add(&mut self, name: &str) {
        let words = Wording::of(name);
        if words.is_empty() {
            if !name.is_empty() {
                self.whole.push(folded(name));
            }
            return;
        }
        let mut parts = name.split_whitespace();
        if words.len() == 2 {
            self.spelled.push(words.reversed());
        } else if let (Some(first), Some(second), None) = (parts.next(), parts.next(), parts.next()) {
            // Where a character is a word, a name has more than two.
            let turned = Zeroizing::new(format!("{second} {first}"));
            self.spelled.push(Wording::of(&turned));
        }
        self.spelled.push(words);
    }

    /// Whether one stands in what was typed.
    pub(super) fn stand_in(&self, typed: &Typed) -> bool {
        typed.texts().iter().any(|text| {
            self.spelled
                .iter()
                .any(|name| text.words.spells(name) || text.is_cut && text.words.breaks_off_in(name))
                || !self.whole.is_empty() && {
                    let text = folded(&text.text);
                    self.whole.iter().any(|name| stands_apart(&text, name))
                }
        })
    }
}

/// A text in one form of its characters, without capitals.
pub(super) fn folded(text: &str) -> Zeroizing<String> {
    let normal = Zeroizing::new(text::nfc(text).into_owned());
    Zeroizing::new(normal.to_lowercase())
}

/// Whether a name stands in a text between spaces, or what the query language sets around values.
fn stands_apart(text: &str, name: &str) -> bool {
    let apart = |c: Option<char>| c.is_none_or(|c| c.is_whitespace() || "\"():,;".contains(c));
    text.match_indices(name)
        .any(|(at, _)| apart(text[..at].chars().next_back()) && apart(text[at + name.len()..].chars().next()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receipts::{Detail, DetailField};

    fn found(identifier: &str, query: &str) -> bool {
        let mut names = Names::default();
        names.add_identifier(identifier);
        names.stand_in(&Typed::of(Detail::new().with(DetailField::Query, query)))
    }

    #[test]
    fn a_name_is_found_in_whatever_way_it_is_typed() {
        let anna = |query: &str| found("anna.meyer@example.org", query);
        assert!(anna("author:\"Anna.Meyer@Example.org\" lamp"));
        assert!(anna("(anna   meyer)") && anna("\"Meyer, Anna\"") && anna("annameyer"));
        assert!(!anna("anna") && !anna("savanna.meyers") && !anna("meyer lamp anna"));
        assert!(found("太郎 山田", "山田太郎さん") && found("_anna_", "anna lamp"));
    }

    #[test]
    fn a_name_without_a_word_is_found_as_a_whole() {
        assert!(found(":-)", "author:\":-)\" lamp") && found("#1!?", "(#1!?)"));
        assert!(!found("-", "-tag:x pre-fix") && !found("!!", "what!!!"));
        // The part before the @ is none by itself.
        assert!(!found("--@example.org", "a -- b"));
    }

    #[test]
    fn a_name_at_which_a_text_was_cut_is_found() {
        let long =
            |end: &str| format!("{}{end}", "lamp ".repeat(2_000))[10_000 - 4_096 + end.len()..].to_owned();
        assert_eq!(long("anna.m").len(), 4_096);
        assert!(found("anna.meyer@example.org", &long("anna.m")));
        assert!(!found("anna.meyer@example.org", &long("lime")));
        assert!(!found("anna.meyer@example.org", "lamp anna.m"));
    }
}
