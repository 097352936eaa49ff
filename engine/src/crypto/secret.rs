//! A key by value.

use std::ops::Deref;

use zeroize::Zeroizing;

use crate::crypto::arena::KEY_LEN;

/// A key in a box that is wiped on drop. Moving it copies no byte of the key, so none stays on a
/// stack or in the old place of a vector that grew. Make it from bytes that stand in a buffer
/// that is wiped, or fill it in place.
pub struct Secret(Box<Zeroizing<[u8; KEY_LEN]>>);

impl Secret {
    /// A key that `fill` writes.
    pub fn filled(fill: impl FnOnce(&mut [u8; KEY_LEN])) -> Self {
        let mut key = Box::new(Zeroizing::new([0; KEY_LEN]));
        fill(&mut key);
        Self(key)
    }

    /// A key from its bytes.
    pub fn from_bytes(bytes: &[u8; KEY_LEN]) -> Self {
        Self::filled(|key| key.copy_from_slice(bytes))
    }
}

impl Clone for Secret {
    fn clone(&self) -> Self {
        Self::from_bytes(self)
    }
}

impl Deref for Secret {
    type Target = [u8; KEY_LEN];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_is_another_box_with_the_same_key() {
        let a = Secret::from_bytes(&[7; 32]);
        let b = a.clone();
        assert_eq!((*a, *b), ([7; 32], [7; 32]));
        assert_ne!(a.as_ptr(), b.as_ptr());
        assert_eq!(size_of::<Secret>(), size_of::<usize>());
    }
}
