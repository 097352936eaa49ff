//! What ciphers and hashes leave on the stack. Key schedules, hash states and message blocks are
//! moved and spilled below the frames that own them; wiping the owners does not reach the copies.

use std::hint::black_box;

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
