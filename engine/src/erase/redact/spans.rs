//! Which characters go, and the text without them. Pure.

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::keyring::pending::{SPANS_MAX, Span};

/// What stands in the place of each span: it tells nothing of how long that was.
pub const MARK: char = '█';

/// A part of a body.
#[derive(Clone, PartialEq, Eq)]
pub enum Words {
    /// From the first character, counted from 0, up to one that stays. A character is a Unicode scalar value.
    Span(u32, u32),
    /// Every place where these characters stand.
    Every(String),
}

/// The characters of a body that go: ascending, and what overlaps or touches is one.
///
/// # Errors
/// *Invalid* for a span that is empty or lies outside, for characters that stand nowhere, and for too many spans.
pub(super) fn resolve(words: &[Words], body: &str) -> Result<Vec<Span>> {
    let length = body.chars().count() as u32;
    let mut all: Vec<Span> = Vec::new();
    for one in words {
        match one {
            Words::Span(from, to) if from >= to => {
                return Err(Error::invalid("a span is empty")
                    .hint("`--span 3..5` are the fourth and the fifth character"));
            }
            Words::Span(_, to) if *to > length => {
                return Err(Error::invalid(format!(
                    "a span ends behind the body, which has {length} characters"
                )));
            }
            Words::Span(from, to) => all.push((*from, *to)),
            Words::Every(word) => {
                let before = all.len();
                places(word, body, &mut all);
                if all.len() == before {
                    return Err(Error::invalid("a word that is to go stands nowhere in the body")
                        .hint("characters are compared one by one, capitals too"));
                }
            }
        }
    }
    all.sort_unstable();
    let mut merged: Vec<Span> = Vec::with_capacity(all.len());
    for (from, to) in all {
        match merged.last_mut() {
            Some((_, end)) if from <= *end => *end = to.max(*end),
            _ => merged.push((from, to)),
        }
    }
    if merged.is_empty() {
        return Err(Error::invalid("nothing is named that is to go"));
    }
    if merged.len() > SPANS_MAX {
        return Err(Error::invalid(format!("at most {SPANS_MAX} spans of a record go at once"))
            .hint("the others by a second redaction"));
    }
    Ok(merged)
}

/// Every place of a word, also of those that overlap.
fn places(word: &str, body: &str, all: &mut Vec<Span>) {
    let length = word.chars().count() as u32;
    if length == 0 {
        return;
    }
    for (nth, (at, _)) in (0u32..).zip(body.char_indices()) {
        if body.get(at..).is_some_and(|rest| rest.starts_with(word)) {
            all.push((nth, nth + length));
        }
    }
}

/// The text with a mark in the place of each span.
pub(super) fn cut(body: &str, spans: &[Span]) -> String {
    // Never longer than this, so that no piece of it is left behind where it grew.
    let mut left = String::with_capacity(body.len() + spans.len() * MARK.len_utf8());
    let mut spans = spans.iter().peekable();
    for (nth, c) in (0u32..).zip(body.chars()) {
        while spans.next_if(|(_, to)| *to <= nth).is_some() {}
        match spans.peek() {
            Some((from, _)) if *from == nth => left.push(MARK),
            Some((from, _)) if *from < nth => {}
            _ => left.push(c),
        }
    }
    left
}

/// The texts that go.
pub(super) fn pieces(body: &str, spans: &[Span]) -> Vec<Zeroizing<String>> {
    let piece = |(from, to): &Span| {
        let characters = body.chars().skip(*from as usize).take(to.saturating_sub(*from) as usize);
        Zeroizing::new(characters.collect::<String>())
    };
    spans.iter().map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(words: &[Words], body: &str) -> Option<String> {
        resolve(words, body).ok().map(|spans| cut(body, &spans))
    }

    fn every(word: &str) -> Words {
        Words::Every(word.into())
    }

    #[test]
    fn characters_are_counted_not_bytes() {
        assert_eq!(redacted(&[Words::Span(1, 3)], "日本語です").unwrap(), "日█です");
        assert_eq!(redacted(&[Words::Span(0, 5)], "日本語です").unwrap(), "█");
        assert_eq!(redacted(&[Words::Span(0, 6)], "日本語です"), None);
        assert_eq!(redacted(&[Words::Span(2, 2)], "abc"), None);
        assert_eq!(redacted(&[], "abc"), None);
    }

    #[test]
    fn what_overlaps_or_touches_is_one_mark() {
        let body = "0123456789";
        let spans = |spans: &[Span]| {
            let words: Vec<_> = spans.iter().map(|(from, to)| Words::Span(*from, *to)).collect();
            redacted(&words, body).unwrap()
        };
        assert_eq!(spans(&[(5, 7), (2, 6)]), "01█789");
        assert_eq!(spans(&[(2, 4), (4, 6)]), "01█6789");
        assert_eq!(spans(&[(0, 1), (9, 10), (4, 5)]), "█123█5678█");
        assert_eq!(spans(&[(1, 9), (3, 4)]), "0█9");
    }

    #[test]
    fn every_place_of_a_word_goes() {
        assert_eq!(redacted(&[every("ana")], "banana Ana ana").unwrap(), "b█ Ana █");
        assert_eq!(redacted(&[every("é")], "café né").unwrap(), "caf█ n█");
        assert_eq!(redacted(&[every("nobody")], "banana"), None);
        assert_eq!(redacted(&[every("")], "banana"), None);
    }

    #[test]
    fn too_many_spans_are_refused() {
        let body = "ab".repeat(SPANS_MAX + 1);
        assert_eq!(redacted(&[every("a")], &body), None);
        assert!(redacted(&[every("a")], &body[2..]).is_some());
    }
}
