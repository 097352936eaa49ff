//! Cursors: where a page of hits ended, as a sealed token.
//!
//! A token holds the sort key of one hit and is bound to the query's text and to the order. It
//! names no part, no document and no count, so appends, rolls and erasures between two pages
//! leave it valid, and what survives them is met exactly once.
//!
//! ```text
//! base64url, no padding:
//!   1 version | 1 algorithm | 16 salt | 16 ciphertext of (time, seq), big-endian | 48 seal
//! ```
//! In order of relevance the bits of the score stand in place of the time, and 8 more bytes of
//! ciphertext name the numbers that scores were counted with (`Scorer::mark`). Records that come or go
//! move every score, so a rank of before says nothing about the ranks of now: such a token is refused
//! once these numbers are others.
//!
//! Key = derive(cursor, store's cursor key, salt, associated data); associated data = version,
//! algorithm, order, BLAKE3 of the query's text.

use crate::crypto::{ALGORITHM, Entropy, Key, Label, OneTime, SEAL_LEN, derive, hedged};
use crate::error::{Error, Result};
use crate::id::{Micros, Seq};
use crate::index::SortKey;
use crate::query::exec::Order;

const VERSION: u8 = 1;
const SALT_LEN: usize = 16;
const KEY_LEN: usize = 16;
const HEAD_LEN: usize = 2;
/// Bytes of what scores were counted with.
const MARK_LEN: usize = 8;

/// Seals and opens the cursors of one query in one order.
pub struct Cursors<'a> {
    key: &'a Key,
    entropy: &'a dyn Entropy,
    aad: [u8; HEAD_LEN + 1 + 32],
    text_len: usize,
}

impl<'a> Cursors<'a> {
    /// Cursors of the query with this text. `key` must live as long as cursors shall stay valid,
    /// erasures included.
    pub fn new(key: &'a Key, entropy: &'a dyn Entropy, query: &str, order: Order) -> Self {
        let mut aad = [0; HEAD_LEN + 1 + 32];
        aad[0] = VERSION;
        aad[1] = ALGORITHM;
        aad[2] = match order {
            Order::Newest => 1,
            Order::Oldest => 2,
            Order::Relevance => 3,
        };
        aad[3..].copy_from_slice(blake3::hash(query.as_bytes()).as_bytes());
        let text_len = if order == Order::Relevance { KEY_LEN + MARK_LEN } else { KEY_LEN };
        Self { key, entropy, aad, text_len }
    }

    /// The token of a hit; `mark` names what its score was counted with, and is left out by time.
    pub fn seal(&self, at: SortKey, mark: u64) -> Result<String> {
        let mut text = [at.time.0.to_be_bytes(), at.seq.0.to_be_bytes(), mark.to_be_bytes()].concat();
        text.truncate(self.text_len);
        let salt: [u8; SALT_LEN] = self
            .key
            .with(|key| hedged(self.entropy, key, &text))?
            .map_err(|e| Error::io("random generator", e))?;
        let seal = self.one_time(&salt)?.seal(&mut text)?;
        let mut token = Vec::with_capacity(self.token_len());
        token.extend_from_slice(&[VERSION, ALGORITHM]);
        token.extend_from_slice(&salt);
        token.extend_from_slice(&text);
        token.extend_from_slice(&seal);
        Ok(to_base64url(&token))
    }

    /// The sort key in a token of this query and order, and the mark; 0 by time.
    pub fn open(&self, token: &str) -> Result<(SortKey, u64)> {
        let token = from_base64url(token, self.token_len()).ok_or_else(refused)?;
        let (head, rest) = token.split_at(HEAD_LEN);
        let (salt, rest) = rest.split_at(SALT_LEN);
        let (text, seal) = rest.split_at(self.text_len);
        if head != [VERSION, ALGORITHM] {
            return Err(refused());
        }
        let mut text = text.to_vec();
        let seal = <[u8; SEAL_LEN]>::try_from(seal).map_err(|_| refused())?;
        self.one_time(salt)?.open(&seal, &mut text).map_err(|_| refused())?;
        let mut numbers = text.chunks(8).map(|b| b.iter().fold(0, |n: u64, b| n << 8 | u64::from(*b)));
        let mut number = || numbers.next().unwrap_or_default();
        let key = SortKey { time: Micros(number().cast_signed()), seq: Seq(number()) };
        Ok((key, number()))
    }

    const fn token_len(&self) -> usize {
        HEAD_LEN + SALT_LEN + self.text_len + SEAL_LEN
    }

    fn one_time(&self, salt: &[u8]) -> Result<OneTime> {
        self.key.with(|key| derive(Label::Cursor, &[key], salt, &self.aad))
    }
}

fn refused() -> Error {
    Error::invalid("this cursor was altered, or belongs to another query, order or store")
        .hint("repeat the search without a cursor")
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn to_base64url(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0, |n, i| n << 8 | usize::from(chunk.get(i).copied().unwrap_or(0)));
        for i in 0..=chunk.len() {
            out.push(char::from(DIGITS[bits >> (18 - 6 * i) & 63]));
        }
    }
    out
}

/// `None` if there are not `len` bytes, a character is foreign or the form is not the one
/// [`to_base64url`] prints.
fn from_base64url(text: &str, len: usize) -> Option<Vec<u8>> {
    if text.len() != len.div_ceil(3) * 4 - (3 - len % 3) % 3 {
        return None;
    }
    let mut out = Vec::with_capacity(len);
    for chunk in text.as_bytes().chunks(4) {
        let mut bits = 0;
        for i in 0..4 {
            let digit = match chunk.get(i) {
                Some(c) => DIGITS.iter().position(|d| d == c)?,
                None => 0,
            };
            bits = bits << 6 | digit;
        }
        for i in 0..chunk.len() - 1 {
            out.push((bits >> (16 - 8 * i) & 255) as u8);
        }
    }
    (to_base64url(&out) == text).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{Keys, OsEntropy};
    use crate::error::ErrorKind;

    const AT: SortKey = SortKey { time: Micros(-5), seq: Seq(77) };

    #[test]
    fn opens_for_its_query_and_order_only() {
        let keys = Keys::new();
        let (key, other) = (keys.insert(&[7; 32]).unwrap(), keys.insert(&[8; 32]).unwrap());
        let cursors = |key, query, order| Cursors::new(key, &OsEntropy, query, order);
        let token = cursors(&key, "tag:a", Order::Newest).seal(AT, 9).unwrap();
        assert_eq!(cursors(&key, "tag:a", Order::Newest).open(&token).unwrap(), (AT, 0));
        let by_score = cursors(&key, "tag:a", Order::Relevance).seal(AT, 9).unwrap();
        assert_eq!(cursors(&key, "tag:a", Order::Relevance).open(&by_score).unwrap(), (AT, 9));
        for cursors in [
            cursors(&key, "tag:b", Order::Newest),
            cursors(&key, "tag:a", Order::Oldest),
            cursors(&key, "tag:a", Order::Relevance),
            cursors(&other, "tag:a", Order::Newest),
        ] {
            assert_eq!(cursors.open(&token).unwrap_err().kind(), ErrorKind::Invalid);
        }
        let again = cursors(&key, "tag:a", Order::Newest).seal(AT, 0).unwrap();
        assert_ne!(token, again);
    }

    #[test]
    fn every_altered_character_is_refused() {
        let keys = Keys::new();
        let key = keys.insert(&[7; 32]).unwrap();
        for order in [Order::Oldest, Order::Relevance] {
            let cursors = Cursors::new(&key, &OsEntropy, "*", order);
            let token = cursors.seal(AT, 7).unwrap();
            for i in 0..token.len() {
                for digit in [b'A', b'_', b'=', b' '] {
                    let mut bytes = token.clone().into_bytes();
                    if bytes[i] == digit {
                        continue;
                    }
                    bytes[i] = digit;
                    let text = String::from_utf8(bytes).unwrap();
                    assert_eq!(cursors.open(&text).unwrap_err().kind(), ErrorKind::Invalid);
                }
                assert!(cursors.open(&token[..i]).is_err());
            }
            assert!(cursors.open(&format!("{token}A")).is_err());
            assert!(cursors.open("é").is_err());
        }
    }
}
