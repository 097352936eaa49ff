//! The field of POLYVAL (RFC 8452 section 3): GF(2^128) modulo x^128 + x^127 + x^126 + x^121 + 1.
//! Bit `i` of a number is the coefficient of x^i; blocks are read little-endian.

/// x^128, reduced.
const X_128: u128 = 1 << 127 | 1 << 126 | 1 << 121 | 1;
/// x^-128.
const X_MINUS_128: u128 = 1 << 127 | 1 << 124 | 1 << 121 | 1 << 114 | 1;

/// `dot` of the RFC: a · b · x^-128. Its unit is x^128.
pub(crate) fn dot(a: u128, b: u128) -> u128 {
    product(product(a, b), X_MINUS_128)
}

/// The inverse under [`dot`].
pub(crate) fn inverse(a: u128) -> u128 {
    // a^(2^128 - 2), the product of a^2, a^4, ..., a^(2^127).
    let mut square = a;
    let mut inverse = X_128;
    for _ in 1..128 {
        square = dot(square, square);
        inverse = dot(inverse, square);
    }
    inverse
}

/// POLYVAL as the RFC defines it.
pub(crate) fn polyval(key: u128, blocks: impl IntoIterator<Item = u128>) -> u128 {
    blocks.into_iter().fold(0, |sum, block| dot(sum ^ block, key))
}

fn product(a: u128, b: u128) -> u128 {
    let mut shifted = a;
    let mut product = 0;
    for i in 0..128 {
        if b >> i & 1 == 1 {
            product ^= shifted;
        }
        let carry = shifted >> 127 == 1;
        shifted = shifted << 1 ^ if carry { X_128 } else { 0 };
    }
    product
}
