//! Random words to ask for, out of a text, and random texts.

use escrowdb::query::words::Form;

use crate::rng::Rng;
use crate::words::table::ALPHABET;
use crate::words::{Placed, scan};

/// What may stand in a query without quotation marks.
fn is_bare(text: &str) -> bool {
    let operator = matches!(text, "AND" | "OR" | "NOT");
    !operator
        && !text.starts_with('-')
        && !text.contains(|c: char| c.is_whitespace() || "()\"*:~".contains(c))
}

/// Words of `body`, or nearly: a stretch of it, one word, the beginning of one, or one with a fault.
pub fn words(body: &str, rng: &mut Rng) -> (String, Form) {
    let chars: Vec<char> = body.chars().collect();
    let words: Vec<Placed> = scan(body);
    for _ in 0..20 {
        if words.is_empty() {
            break;
        }
        let word = &rng.pick(&words).word;
        let letters: Vec<char> = word.chars().collect();
        let (text, form): (String, Form) = match rng.below(6) {
            0 => (word.clone(), Form::Exact),
            1 | 2 => {
                let most = *rng.pick(&[3, 12, 40]);
                let (from, len) = (rng.below(chars.len()), 1 + rng.below(most));
                (chars[from..chars.len().min(from + len)].iter().collect(), Form::Exact)
            }
            3 => (letters[..1 + rng.below(letters.len())].iter().collect(), Form::Prefix),
            4 => {
                // Words and the beginning of one behind them.
                let from = rng.below(chars.len());
                let to = chars.len().min(from + 2 + rng.below(12));
                (chars[from..to].iter().collect(), Form::Prefix)
            }
            _ => (faulty(&letters, rng), Form::Near),
        };
        if is_asked(&text, form) {
            return (text, form);
        }
    }
    ("none".to_owned(), Form::Exact)
}

/// Whether the engine takes it for words of this form.
fn is_asked(text: &str, form: Form) -> bool {
    let found = scan(text);
    let Some(last) = found.last() else { return false };
    match form {
        Form::Exact => true,
        // A letter behind it belongs to the last word, or there is a separator at the end.
        Form::Prefix => {
            let ends = text.chars().next_back().is_some_and(|c| c.is_alphanumeric());
            ends && is_bare(text) && last.word.len() <= 200 && found.len() <= 6
        }
        Form::Near => is_bare(text) && found.len() == 1 && last.word.len() <= 200,
    }
}

fn faulty(letters: &[char], rng: &mut Rng) -> String {
    let mut word = letters.to_vec();
    let (at, other) = (rng.below(word.len()), *rng.pick(&['a', 'e', 'и', '東', 'ي']));
    match rng.below(5) {
        0 => word[at] = other,
        1 => word.insert(at, other),
        2 => drop(word.remove(at)),
        // Two changes are too many.
        3 => word.insert(at, 'q'),
        _ => {}
    }
    if rng.chance(15) {
        word.push('q');
    }
    word.into_iter().collect()
}

/// A text of several scripts; often of words that others have too.
pub fn text(rng: &mut Rng) -> String {
    let mut text = String::new();
    for _ in 0..*rng.pick(&[0, 1, 2, 4, 8, 8, 25]) {
        let letters: Vec<char> = rng.pick(&ALPHABET).chars().collect();
        // Few words of each script, so that they meet again.
        let mut own = if rng.chance(70) { Rng::new(rng.below(6) as u64) } else { Rng::new(rng.next()) };
        let len = match rng.below(40) {
            0 => 300,
            1..5 => 12,
            _ => 3,
        };
        for _ in 0..1 + own.below(len) {
            text.push(*own.pick(&letters));
        }
        text.push_str(rng.pick::<&str>(&[" ", " ", " ", "", ", ", "\n", "-", "。"]));
    }
    if rng.chance(2) {
        let marks = ['\u{300}', '\u{316}', '\u{327}', '\u{5b0}', '\u{64e}'];
        (0..400).for_each(|_| text.push(*rng.pick(&marks)));
    }
    text
}
