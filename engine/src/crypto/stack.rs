//! What ciphers and hashes leave on the stack, and texts in memory. Key schedules, hash states and
//! message blocks are moved and spilled below the frames that own them; wiping the owners does not
//! reach the copies.

use std::hint::black_box;

use zeroize::Zeroizing;

/// Bytes below a frame that the AEAD uses at most: 8.3 KiB were measured.
pub(super) const CIPHER: usize = 16 * 1024;
/// Bytes below a frame that the hash uses at most.
pub(super) const HASH: usize = 4 * 1024;

/// Overwrites `N` bytes of the stack below the caller's frame. Call it where a function that
/// handled keys and was not inlined has returned.
#[inline(never)]
pub(super) fn burn<const N: usize>() {
    let mut room = [0u8; N];
    black_box(&mut room);
}

/// Overwrites what a hash left below the caller's frame.
pub(crate) fn burn_hash() {
    burn::<HASH>();
}

/// Bytes below a frame that the hash of a long text uses at most: it halves the text, and keeps the
/// hashes of the parts.
const LONG_HASH: usize = 32 * 1024;

/// The same of a hash of a long text.
pub(crate) fn burn_long_hash() {
    burn::<LONG_HASH>();
}

/// Bytes below a frame that a thread's whole work uses, with room to spare: sorting terms, merging segments.
const WORK: usize = 256 * 1024;

/// The same of a thread's work: names and words that it compared. To be called before others may go on who rely on
/// nothing being left, and at the end of a thread, whose stack the system gives to the next one.
pub(crate) fn burn_work() {
    burn::<WORK>();
}

/// Wipes a large text at once. [`Zeroizing`] does so byte by byte, and twice: of megabytes that is
/// felt by who waits for an erasure. It finds nothing left.
pub(crate) fn wipe(text: &mut Zeroizing<Vec<u8>>) {
    let mut text = std::mem::take(&mut **text);
    text.clear();
    text.resize(text.capacity(), 0);
    black_box(text.as_mut_slice());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_a_text_is_taken() {
        let mut text = Zeroizing::new(Vec::with_capacity(10_000));
        text.extend_from_slice(&[7; 5000]);
        text.truncate(3);
        wipe(&mut text);
        assert_eq!((text.len(), text.capacity()), (0, 0));
    }
}
