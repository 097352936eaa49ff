//! Words one behind the other, and words that are like one.

use zeroize::{Zeroize, Zeroizing};

use crate::error::{Error, ErrorKind, Result};
use crate::index::part::Term;
use crate::index::terms::grow;

/// Words at given distances.
#[derive(Clone, PartialEq, Eq)]
pub struct Phrase {
    /// In order; the first has offset 0.
    pub words: Vec<PhraseWord>,
}

/// A word of a phrase.
#[derive(Clone, PartialEq, Eq)]
pub struct PhraseWord {
    /// How many places behind the first.
    pub offset: u32,
    /// Which words may stand there.
    pub what: Wanted,
}

/// Words that are looked for at one place.
#[derive(Clone, PartialEq, Eq)]
pub enum Wanted {
    /// This one.
    Word(Term),
    /// All that are like it.
    Like(Pattern),
}

/// Words like a given one.
#[derive(Clone, PartialEq, Eq)]
pub enum Pattern {
    /// Those that begin so.
    Prefix(Vec<u8>),
    /// Those that differ by one character at most: one more, one less, or another one.
    Near(Vec<char>),
}

impl Pattern {
    /// Words near `word`, which is one word as the analyser emits it.
    pub fn near(word: &str) -> Self {
        Self::Near(word.chars().collect())
    }

    /// Wipes what they are like.
    pub(crate) fn wipe(&mut self) {
        match self {
            Self::Prefix(stem) => stem.zeroize(),
            Self::Near(wanted) => wanted.zeroize(),
        }
    }

    /// What all of them begin with.
    pub fn stem(&self) -> &[u8] {
        match self {
            Self::Prefix(stem) => stem,
            Self::Near(_) => &[],
        }
    }

    /// Whether a word that begins so may be one of them; `start` may end inside a character.
    pub fn may_begin(&self, start: &[u8]) -> bool {
        match self {
            Self::Prefix(stem) => start.starts_with(stem) || stem.starts_with(start),
            Self::Near(wanted) => {
                let start = match std::str::from_utf8(start) {
                    Ok(start) => start,
                    Err(e) => std::str::from_utf8(&start[..e.valid_up_to()]).unwrap_or_default(),
                };
                may_begin_near(wanted, start)
            }
        }
    }

    /// Whether a word is one of them.
    pub fn matches(&self, word: &[u8]) -> bool {
        match self {
            Self::Prefix(stem) => word.starts_with(stem),
            Self::Near(wanted) => {
                // A cheap no: a character has one to four bytes.
                let (least, most) = (wanted.len().saturating_sub(1), 4 * (wanted.len() + 1));
                (least..=most).contains(&word.len())
                    && std::str::from_utf8(word).is_ok_and(|word| is_near(wanted, word))
            }
        }
    }
}

fn is_near(wanted: &[char], word: &str) -> bool {
    let mut rest = word.chars();
    let mut left = wanted;
    loop {
        let before = rest.clone();
        match (left.split_first(), rest.next()) {
            (None, None) => return true,
            (None, Some(_)) => return rest.next().is_none(),
            (Some((_, behind)), None) => return behind.is_empty(),
            (Some((a, behind)), Some(b)) if *a == b => left = behind,
            (Some((_, behind)), Some(_)) => {
                // Another one, one less, or one more than was wanted; then all is equal.
                return is_same(behind, rest.clone()) || is_same(behind, before) || is_same(left, rest);
            }
        }
    }
}

/// Whether anything that begins with `start` is near; the first character that differs is where the
/// one change would be.
fn may_begin_near(wanted: &[char], start: &str) -> bool {
    let mut rest = start.chars();
    let mut left = wanted;
    loop {
        let before = rest.clone();
        match (left.split_first(), rest.next()) {
            (_, None) => return true,
            (None, Some(_)) => return rest.next().is_none(),
            (Some((a, behind)), Some(b)) if *a == b => left = behind,
            (Some((_, behind)), Some(_)) => {
                let begins = |wanted: &[char], start: std::str::Chars<'_>| {
                    let mut wanted = wanted.iter();
                    start.into_iter().all(|c| wanted.next() == Some(&c))
                };
                return begins(behind, rest.clone()) || begins(behind, before) || begins(left, rest);
            }
        }
    }
}

fn is_same(wanted: &[char], word: std::str::Chars<'_>) -> bool {
    wanted.iter().copied().eq(word)
}

/// Positions at which an element of a phrase stands, for each of some documents; wiped on drop.
#[derive(Default)]
pub struct Places {
    /// One document after the other.
    at: Zeroizing<Vec<u32>>,
    ends: Vec<usize>,
}

impl Places {
    /// Adds the positions of the next document.
    pub fn push(&mut self, positions: impl ExactSizeIterator<Item = u32>) {
        grow(&mut self.at, positions.len());
        self.at.extend(positions);
        self.ends.push(self.at.len());
    }

    /// Positions of a document.
    pub fn get(&self, n: usize) -> &[u32] {
        let end = |n: usize| self.ends.get(n).copied();
        let from = n.checked_sub(1).map_or(Some(0), end);
        from.zip(end(n)).and_then(|(from, end)| self.at.get(from..end)).unwrap_or_default()
    }
}

/// Leaves in `starts`, where a phrase may begin, those `offset` places behind which one of the positions
/// `at` stands. Both ascend.
pub fn keep_starts(starts: &mut Vec<u32>, offset: u32, at: &[u32]) {
    let mut rest = at;
    starts.retain(|start| {
        let Some(wanted) = start.checked_add(offset) else { return false };
        while let Some((first, behind)) = rest.split_first()
            && *first < wanted
        {
            rest = behind;
        }
        rest.first() == Some(&wanted)
    });
}

/// That many words are like the one asked for.
pub fn too_many(most: usize) -> Error {
    Error::invalid(format!("more than {most} words are like this one"))
        .hint("write more letters of the word, or the whole word")
}

/// The error of who asks an index without words for words.
pub fn no_words() -> Error {
    Error::new(ErrorKind::Unsupported, "this store was made without an index of words")
        .hint("run `escrow upgrade` to have one")
}

/// What a word of an expansion is told to.
pub type EachWord<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The textbook's table.
    fn distance(a: &[char], b: &[char]) -> usize {
        let mut row: Vec<usize> = (0..=b.len()).collect();
        for (i, x) in a.iter().enumerate() {
            let mut before = std::mem::replace(&mut row[0], i + 1);
            for (j, y) in b.iter().enumerate() {
                let kept = row[j + 1];
                row[j + 1] = (before + usize::from(x != y)).min(row[j] + 1).min(kept + 1);
                before = kept;
            }
        }
        row[b.len()]
    }

    proptest! {
        #[test]
        fn near_is_a_distance_of_one(a in "[abé東]{0,5}", b in "[abé東]{0,6}") {
            let chars = |s: &str| s.chars().collect::<Vec<_>>();
            let wanted = distance(&chars(&a), &chars(&b)) <= 1;
            prop_assert_eq!(Pattern::near(&a).matches(b.as_bytes()), wanted);
        }

        #[test]
        fn what_is_near_may_begin_so(a in "[abé]{0,5}", b in "[abé]{0,6}", cut in 0usize..9) {
            let pattern = Pattern::near(&a);
            if pattern.matches(b.as_bytes()) {
                prop_assert!(pattern.may_begin(&b.as_bytes()[..cut.min(b.len())]));
            }
            let chars = |s: &str| s.chars().collect::<Vec<_>>();
            let (a, b) = (chars(&a), chars(&b));
            let near = (0..=a.len()).any(|n| distance(&a[..n], &b) <= 1);
            prop_assert_eq!(pattern.may_begin(b.iter().collect::<String>().as_bytes()), near);
        }

        #[test]
        fn starts_are_kept_as_by_hand(
            starts in proptest::collection::btree_set(0u32..60, 0..20),
            at in proptest::collection::btree_set(0u32..60, 0..20),
            offset in 0u32..9,
        ) {
            let at: Vec<u32> = at.into_iter().collect();
            let mut kept: Vec<u32> = starts.iter().copied().collect();
            keep_starts(&mut kept, offset, &at);
            let wanted: Vec<u32> = starts.into_iter().filter(|s| at.contains(&(s + offset))).collect();
            prop_assert_eq!(kept, wanted);
        }
    }
}
