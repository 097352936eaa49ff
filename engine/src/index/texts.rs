//! Short texts behind one another, in pieces that never move: a vector that grows leaves its plaintext
//! behind.

use zeroize::Zeroizing;

/// Texts, wiped on drop.
#[derive(Default)]
pub(super) struct Texts(Vec<Zeroizing<Vec<u8>>>);

/// Where a text stands.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) piece: u32,
    pub(super) at: u32,
    pub(super) len: u32,
}

/// The first piece; each is twice as long as the one before it, up to [`PIECE_MAX`].
const PIECE_MIN: usize = 1 << 10;
const PIECE_MAX: usize = 1 << 16;

impl Texts {
    /// Adds a text.
    pub(super) fn add(&mut self, value: &[u8]) -> Place {
        let room = |piece: &Zeroizing<Vec<u8>>| piece.capacity() - piece.len();
        if self.0.last().is_none_or(|last| room(last) < value.len()) {
            let next = self.0.last().map_or(PIECE_MIN, |last| (last.capacity() * 2).min(PIECE_MAX));
            self.0.push(Zeroizing::new(Vec::with_capacity(next.max(value.len()))));
        }
        let piece = self.0.len() - 1;
        let text = &mut self.0[piece];
        let at = text.len();
        text.extend_from_slice(value);
        Place { piece: piece as u32, at: at as u32, len: value.len() as u32 }
    }

    /// A text by its place.
    pub(super) fn get(&self, place: Place) -> &[u8] {
        let piece = self.0.get(place.piece as usize).map_or(&[][..], |p| p.as_slice());
        piece.get(place.at as usize..(place.at + place.len) as usize).unwrap_or_default()
    }
}
