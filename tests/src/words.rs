//! What a query for words finds, by a look at the whole text: nothing of this comes from the analyser
//! or from an index, and the tables of characters are our own.
//!
//! The tables know the characters of [`table::ALPHABET`] and few more; at another one a test fails
//! instead of guessing.

use escrowdb::query::words::Form;

pub mod asked;
pub mod ranking;
pub mod table;

use table::{Class, class, normal};

/// A word of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Folded.
    pub word: String,
    /// Place among the words; a gap beside a sign takes one too.
    pub position: u32,
}

/// Words longer than this are known by their hash.
const WHOLE: usize = 255;

/// The words of a text.
pub fn scan(text: &str) -> Vec<Placed> {
    let folded = fold(text);
    let mut words: Vec<Placed> = Vec::new();
    let mut rest = &folded[..];
    let (mut gap, mut sign_before) = (false, false);
    while let Some((first, _)) = rest.split_first() {
        let len = match class(*first) {
            Class::Separator | Class::Joiner => 0,
            Class::Letter | Class::Latin | Class::Mark => rest
                .iter()
                .take_while(|c| matches!(class(**c), Class::Letter | Class::Latin | Class::Mark))
                .count(),
            Class::Sign | Class::SignMark => 1 + marks(&rest[1..]),
            Class::Tone => 1 + joining(&rest[1..]),
            Class::Flag => {
                let pair = 1 + usize::from(rest.get(1).is_some_and(|c| class(*c) == Class::Flag));
                pair + joining(&rest[pair..])
            }
            Class::Picture => picture(rest),
        };
        if len == 0 {
            gap = true;
            rest = &rest[1..];
            continue;
        }
        let sign = matches!(class(*first), Class::Sign | Class::SignMark);
        let step = if gap && (sign || sign_before) { 2 } else { 1 };
        let position = words.last().map_or(0, |last| last.position + step);
        words.push(Placed { word: rest[..len].iter().collect(), position });
        (gap, sign_before) = (false, sign);
        rest = &rest[len..];
    }
    words
}

fn is_mark(c: char) -> bool {
    matches!(class(c), Class::Mark | Class::SignMark)
}

fn marks(text: &[char]) -> usize {
    text.iter().take_while(|c| is_mark(**c)).count()
}

/// What an emoji takes of joiners, skin tones and marks.
fn joining(text: &[char]) -> usize {
    text.iter().take_while(|c| is_mark(**c) || matches!(class(**c), Class::Joiner | Class::Tone)).count()
}

/// A picture, and each that a joiner hangs on it.
fn picture(text: &[char]) -> usize {
    let mut len = 1;
    loop {
        let more = joining(&text[len..]);
        let between = &text[len..len + more];
        len += more;
        // One joiner, directly before the next picture, and no mark with a width of its own.
        let joined = between.iter().filter(|c| **c == table::ZWJ).count() == 1
            && between.last() == Some(&table::ZWJ)
            && !between.iter().any(|c| table::is_spacing(*c));
        if !joined || text.get(len).is_none_or(|c| class(*c) != Class::Picture) {
            return len;
        }
        len += 1;
    }
}

/// The whole text folded; marks behind Latin letters are gone.
fn fold(text: &str) -> Vec<char> {
    let mut folded = Vec::new();
    let mut behind_latin = false;
    for c in normal(text) {
        if class(c) == Class::Latin {
            behind_latin = true;
        } else if behind_latin && is_mark(c) {
            continue;
        } else {
            behind_latin = false;
        }
        folded.push(c);
    }
    folded
}

/// Whether a body has the words of a condition.
pub fn has(body: &str, text: &str, form: Form) -> bool {
    let wanted = scan(text);
    let words = scan(body);
    let (Some(first), Some(last)) = (wanted.first(), wanted.last()) else { return false };
    let fits = |wanted: &Placed, word: &str| match form {
        Form::Prefix if wanted == last => word.starts_with(&wanted.word),
        Form::Near => word.len() <= WHOLE && is_near(&wanted.word, word),
        _ => word == wanted.word,
    };
    words.iter().filter(|start| fits(first, &start.word)).any(|start| {
        wanted.iter().all(|wanted| {
            let at = start.position + (wanted.position - first.position);
            words.iter().any(|word| word.position == at && fits(wanted, &word.word))
        })
    })
}

/// Whether one change of a character at most makes one word of the other: all such changes are tried.
pub fn is_near(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let without = |word: &[char], at: usize| [&word[..at], &word[at + 1..]].concat();
    a == b
        || a.len() == b.len() && a.iter().zip(&b).filter(|(x, y)| x != y).count() == 1
        || (0..a.len()).any(|at| without(&a, at) == b)
        || (0..b.len()).any(|at| without(&b, at) == a)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let words: Vec<_> = scan(text).iter().map(|w| format!("{}:{}", w.word, w.position)).collect();
        words.join(" ")
    }

    #[test]
    fn the_examples_of_the_page() {
        assert_eq!(shown("GRÖSSE Größe"), "grosse:0 grosse:1");
        assert_eq!(shown("Ｗｉｄｅ x² café é"), "wide:0 x2:1 cafe:2 e:3");
        assert_eq!(shown("ø ł đ ı İ й и"), "ø:0 ł:1 đ:2 ı:3 i:4 й:5 и:6");
        assert_eq!(shown("it's anna.b@example.org"), "it:0 s:1 anna:2 b:3 example:4 org:5");
        assert_eq!(shown("東京 東 京a b"), "東:0 京:1 東:3 京:5 a:6 b:7");
        assert_eq!(shown("❤\u{fe0f} ❤ 👍🏽👍 👩\u{200d}👧"), "❤:0 ❤:1 👍🏽:2 👍:3 👩\u{200d}👧:4");
        assert_eq!(shown("🇩🇪🇫🇷🇩 ГОД"), "🇩🇪:0 🇫🇷:1 🇩:2 год:3");
        assert_eq!(shown("น้ำ ΟΔΟΣ"), "น\u{e49}\u{e4d}:0 า:1 οδοσ:3");
    }

    #[test]
    fn phrases_prefixes_and_near_words() {
        assert!(has("a b c", "b c", Form::Exact) && !has("a b c", "a c", Form::Exact));
        assert!(has("a bcd", "a bc", Form::Prefix) && !has("ab bcd", "a bc", Form::Prefix));
        assert!(has("kitten", "kiten", Form::Near) && !has("kitten", "kten", Form::Near));
        assert!(has("東京都", "京都", Form::Exact) && !has("東 京", "東京", Form::Exact));
    }
}
