//! Numbers that must not mix, as types. Imports nothing.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl $name {
            /// The number after this one; `None` where the range ends.
            pub const fn next(self) -> Option<Self> {
                match self.0.checked_add(1) {
                    Some(n) => Some(Self(n)),
                    None => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// Position in the log = index of the Merkle leaf. Given once, never reused.
    Seq
}
number! {
    /// Number of a person. Given once, never reused; 0 is the store itself.
    PersonNumber
}
number! {
    /// Number of a segment. Given once, never reused.
    SegmentId
}
number! {
    /// Epoch of the slot's root key; one more at every erasing commit.
    Epoch
}

impl PersonNumber {
    /// The store itself: author and subject of its own acts.
    pub const STORE: Self = Self(0);
}

/// Microseconds since 1970-01-01T00:00:00Z (years 0001 to 9999).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub i64);

impl Micros {
    /// 0001-01-01T00:00:00Z.
    pub const MIN: Self = Self(-62_135_596_800_000_000);
    /// 9999-12-31T23:59:59.999999Z.
    pub const MAX: Self = Self(253_402_300_799_999_999);
    /// Microseconds of a day.
    pub const DAY: i64 = 86_400_000_000;
}

macro_rules! token {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                for b in self.0 {
                    write!(f, "{b:02x}")?;
                }
                Ok(())
            }
        }

        impl $name {
            /// Reads what `Display` prints: 32 lower-case hexadecimal digits.
            pub fn parse(text: &str) -> Option<Self> {
                let text = text.as_bytes();
                if text.len() != 32 {
                    return None;
                }
                let digit = |b: u8| match b {
                    b'0'..=b'9' => Some(b - b'0'),
                    b'a'..=b'f' => Some(b - b'a' + 10),
                    _ => None,
                };
                let mut out = [0u8; 16];
                for (o, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
                    *o = digit(pair[0])? << 4 | digit(pair[1])?;
                }
                Some(Self(out))
            }
        }
    };
}

token! {
    /// Random name of a store.
    StoreId
}
token! {
    /// Random name of a file of a store; the file's name is its hexadecimal form.
    FileId
}
token! {
    /// Random handle of a person: stands in exports and certificates, links to nothing else.
    Handle
}
token! {
    /// Name of an erasure request; repeating a request repeats its answer.
    RequestId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_prints_and_parses() {
        let id = FileId(*b"0123456789abcdef");
        assert_eq!(FileId::parse(&id.to_string()), Some(id));
        assert_eq!(FileId::parse("00"), None);
        assert_eq!(FileId::parse(&"g".repeat(32)), None);
        assert_eq!(FileId::parse(&"A".repeat(32)), None);
    }

    #[test]
    fn numbers_end() {
        assert_eq!(Seq(1).next(), Some(Seq(2)));
        assert_eq!(Seq(u64::MAX).next(), None);
    }
}
