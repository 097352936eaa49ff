//! A part of a text around the words that a query asked for, and where they stand.

use std::collections::HashMap;
use std::ops::Range;

use crate::index::Wanted;
use crate::query::ast::{Ast, Leaf};
use crate::query::words::Sought;
use crate::text::Analyser;

/// Characters that a snippet has at most, unless it is one word.
pub const SNIPPET_MAX: usize = 160;

/// A part of a body. Places count characters (code points) of the body, from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snippet {
    /// The part, as it was written.
    pub text: String,
    /// Where it begins in the body.
    pub from: usize,
    /// Whether the body goes on behind it.
    pub goes_on: bool,
    /// Words of the query in it, by their places in the body, ascending.
    pub marks: Vec<Range<usize>>,
}

/// What to mark, each phrase once. A single word is a phrase of one.
#[derive(Default)]
pub struct Marker {
    wanted: Vec<Vec<(u32, Wanted)>>,
    /// Phrases by the word that they begin with.
    by_word: HashMap<Vec<u8>, Vec<usize>>,
    /// Phrases that begin with a word like one.
    by_like: Vec<usize>,
}

/// A word of a body.
struct Placed {
    value: Vec<u8>,
    position: u32,
    bytes: Range<usize>,
}

impl Marker {
    /// Marks the words that `query` asks for; those it excludes are left alone.
    pub fn new(query: &Ast) -> Self {
        let mut marker = Self::default();
        marker.collect(query, false);
        marker
    }

    /// The part of `body` in which the most words are marked, the first such part; the beginning of
    /// the body where there is none.
    pub fn snippet(&self, body: &str) -> Snippet {
        let marks = self.marks(body);
        let starts: Vec<usize> = body.char_indices().map(|(at, _)| at).chain([body.len()]).collect();
        let character = |byte: usize| starts.partition_point(|start| *start < byte);
        let marks: Vec<Range<usize>> =
            marks.into_iter().map(|m| character(m.start)..character(m.end)).collect();
        let count = starts.len() - 1;
        let window = best_window(&marks);
        // The words stand in the middle, as far as the body reaches.
        let room = SNIPPET_MAX.saturating_sub(window.len());
        let mut from = window.start.saturating_sub(room / 2);
        let to = count.min(from + SNIPPET_MAX.max(window.len()));
        from = from.min(to.saturating_sub(SNIPPET_MAX));
        let text = body.get(starts[from]..starts[to]).unwrap_or_default().to_owned();
        let marks = marks.into_iter().filter(|m| from <= m.start && m.end <= to).collect();
        Snippet { text, from, goes_on: to < count, marks }
    }

    /// Bytes of words that are asked for, ascending, each once.
    fn marks(&self, body: &str) -> Vec<Range<usize>> {
        if self.wanted.is_empty() {
            return Vec::new();
        }
        let mut words: Vec<Placed> = Vec::new();
        Analyser::new().words_with_places(body, |word, bytes| {
            words.push(Placed { value: word.value.to_vec(), position: word.position, bytes });
        });
        let mut marked = vec![false; words.len()];
        // A word that stands there often is compared with the beginnings once.
        let mut begun: HashMap<&[u8], Vec<usize>> = HashMap::new();
        let mut at = Vec::new();
        for (from, word) in words.iter().enumerate() {
            let phrases = begun.entry(&word.value).or_insert_with(|| self.begun_by(&word.value));
            for phrase in phrases.iter() {
                at.clear();
                if stands(&self.wanted[*phrase], &words, from, &mut at) {
                    at.iter().for_each(|n| marked[*n] = true);
                }
            }
        }
        drop(begun);
        let mut marks: Vec<Range<usize>> = Vec::new();
        for (word, marked) in words.into_iter().zip(marked) {
            // Words that came out of one character have one place.
            if marked && marks.last().is_none_or(|last| last.end <= word.bytes.start) {
                marks.push(word.bytes);
            }
        }
        marks
    }

    /// Phrases that may begin with a word.
    fn begun_by(&self, word: &[u8]) -> Vec<usize> {
        let mut phrases = self.by_word.get(word).cloned().unwrap_or_default();
        let begins =
            |phrase: &&usize| self.wanted[**phrase].first().is_some_and(|(_, first)| is(first, word));
        phrases.extend(self.by_like.iter().filter(begins));
        phrases
    }

    fn collect(&mut self, query: &Ast, negated: bool) {
        match query {
            Ast::Not(of) => self.collect(of, !negated),
            Ast::And(of) | Ast::Or(of) => of.iter().for_each(|of| self.collect(of, negated)),
            Ast::Leaf(Leaf::Words(words)) if !negated => self.add(match words.sought() {
                Sought::Word(term) => vec![(0, Wanted::Word(term.clone()))],
                Sought::Like(pattern) => vec![(0, Wanted::Like(pattern.clone()))],
                Sought::Phrase(phrase) => phrase.words.iter().map(|w| (w.offset, w.what.clone())).collect(),
            }),
            Ast::All | Ast::Leaf(_) => {}
        }
    }

    fn add(&mut self, phrase: Vec<(u32, Wanted)>) {
        let n = self.wanted.len();
        let same = |other: &usize| self.wanted[*other] == phrase;
        match phrase.first() {
            Some((_, Wanted::Word(term))) => {
                let of = self.by_word.entry(term.value.clone()).or_default();
                if of.iter().any(same) {
                    return;
                }
                of.push(n);
            }
            _ if self.by_like.iter().any(same) => return,
            _ => self.by_like.push(n),
        }
        self.wanted.push(phrase);
    }
}

/// Whether a phrase stands where its first word stands as the `from`th; tells where its words do.
fn stands(phrase: &[(u32, Wanted)], words: &[Placed], from: usize, at: &mut Vec<usize>) -> bool {
    let Some(here) = words.get(from) else { return false };
    phrase.iter().all(|(offset, wanted)| {
        let Some(position) = here.position.checked_add(*offset) else { return false };
        // Positions ascend by one at least: it stands no further behind than its offset says.
        let end = words.len().min(from.saturating_add(*offset as usize).saturating_add(1));
        let found = words[from..end].binary_search_by_key(&position, |word| word.position);
        let Some(n) = found.ok().map(|n| from + n) else { return false };
        at.push(n);
        is(wanted, &words[n].value)
    })
}

/// From the first to the last of the most marks that fit; the beginning where there is none.
fn best_window(marks: &[Range<usize>]) -> Range<usize> {
    let (mut best, mut most, mut end) = (0..0, 0, 0);
    for (first, mark) in marks.iter().enumerate() {
        end = end.max(first + 1);
        while marks.get(end).is_some_and(|m| m.end - mark.start <= SNIPPET_MAX) {
            end += 1;
        }
        if end - first > most {
            let to = marks.get(end - 1).map_or(mark.end, |last| last.end);
            (best, most) = (mark.start..to, end - first);
        }
    }
    best
}

fn is(wanted: &Wanted, word: &[u8]) -> bool {
    match wanted {
        Wanted::Word(term) => term.value == word,
        Wanted::Like(pattern) => pattern.matches(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Micros;
    use crate::query::parse::parse;

    fn snippet(query: &str, body: &str) -> Snippet {
        Marker::new(&parse(query, Micros(0)).unwrap()).snippet(body)
    }

    fn marked(query: &str, body: &str) -> Vec<String> {
        let chars: Vec<char> = body.chars().collect();
        snippet(query, body).marks.iter().map(|m| chars[m.clone()].iter().collect()).collect()
    }

    #[test]
    fn what_was_asked_for_is_marked_as_it_was_written() {
        let body = "Größe: ÉTÉ à Zürich, 東京都 und „Zurich“ — etetera";
        assert_eq!(marked("ete zurich", body), ["ÉTÉ", "Zürich", "Zurich"]);
        assert_eq!(marked("ete*", body), ["ÉTÉ", "etetera"]);
        assert_eq!(marked("京都", body), ["京", "都"]);
        assert_eq!(marked("zurik~1", body), Vec::<String>::new());
        assert_eq!(marked("zurih~1 -und", body), ["Zürich", "Zurich"]);
        assert_eq!(marked("\"a zurich\"", body), ["à", "Zürich"]);
        assert_eq!(marked("*", body), Vec::<String>::new());
    }

    /// Every word of a body was compared with every phrase of the query, under the lock of the store: a
    /// query of many words and a long body took seconds for one hit.
    #[test]
    fn many_words_in_a_long_body_are_marked_in_no_time() {
        let query: String = (0..1000).map(|n| format!("w{n} OR ")).collect::<String>() + "\"x w7\"";
        let body = "y x w7 ".repeat(70_000);
        let begun = std::time::Instant::now();
        let found = snippet(&query, &body);
        assert!(begun.elapsed() < std::time::Duration::from_secs(2), "{:?}", begun.elapsed());
        assert!(found.marks.len() > 40);
        assert_eq!(marked("\"x w7\" OR \"x w7\" OR x", "x w7 x"), ["x", "w7", "x"]);
        assert_eq!(marked("a.be* OR bq~1", "a bee c, a d c be"), ["a", "bee", "be"]);
    }

    #[test]
    fn the_fullest_part_is_shown() {
        let far = "x ".repeat(300);
        let body = format!("one {far} one two one {far}");
        let found = snippet("one two", &body);
        assert_eq!(found.marks.len(), 3);
        assert!(found.text.chars().count() <= SNIPPET_MAX && found.goes_on && found.from > 0);
        let at = found.marks[0].start - found.from;
        assert_eq!(found.text.chars().skip(at).take(3).collect::<String>(), "one");
        let whole = snippet("one", "one");
        assert_eq!((whole.text.as_str(), whole.from, whole.goes_on), ("one", 0, false));
        assert_eq!(snippet("one", "").text, "");
        assert_eq!(snippet("x*", &"x".repeat(900)).text.len(), 900);
    }
}
