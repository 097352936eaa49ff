//! Recognises canonical CBOR values (RFC 8949 section 4.2.1) without knowing what they mean, so
//! that entries of a later version can be kept as they are and still have one encoding only.

/// Deepest nesting of a value.
const DEPTH_MAX: u32 = 16;

/// Length of the canonical CBOR value at the start of `bytes`. `None` if there is none: cut
/// short, not in shortest form, of indefinite length, with map keys not ascending, nested too
/// deep, or holding a float or a simple value other than false, true and null, which records
/// don't use.
pub(super) fn value_len(bytes: &[u8]) -> Option<usize> {
    nested_len(bytes, DEPTH_MAX)
}

fn nested_len(bytes: &[u8], depth: u32) -> Option<usize> {
    let depth = depth.checked_sub(1)?;
    let (major, argument, head) = head(bytes)?;
    match major {
        UNSIGNED | NEGATIVE => Some(head),
        BYTES | TEXT => {
            let end = head.checked_add(usize::try_from(argument).ok()?)?;
            let content = bytes.get(head..end)?;
            (major == BYTES || std::str::from_utf8(content).is_ok()).then_some(end)
        }
        ARRAY => (0..argument).try_fold(head, |at, _| Some(at + nested_len(&bytes[at..], depth)?)),
        MAP => {
            let (mut at, mut last): (usize, &[u8]) = (head, &[]);
            for _ in 0..argument {
                let key = &bytes[at..][..nested_len(&bytes[at..], depth)?];
                if key <= last {
                    return None;
                }
                at += key.len();
                at += nested_len(&bytes[at..], depth)?;
                last = key;
            }
            Some(at)
        }
        TAG => Some(head + nested_len(&bytes[head..], depth)?),
        _ => (20..=22).contains(&argument).then_some(head),
    }
}

/// Major type, argument and length of a head in its shortest form.
fn head(bytes: &[u8]) -> Option<(u8, u64, usize)> {
    let (first, rest) = bytes.split_first()?;
    let (major, info) = (first >> 5, first & 0x1f);
    let (argument, least, len) = match info {
        0..=23 => (u64::from(info), 0, 1),
        24 => (u64::from(*rest.first()?), 24, 2),
        25 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), 1 << 8, 3),
        26 => (u64::from(u32::from_be_bytes(*rest.first_chunk()?)), 1 << 16, 5),
        27 => (u64::from_be_bytes(*rest.first_chunk()?), 1 << 32, 9),
        _ => return None,
    };
    // What follows info 24 to 27 of major type 7 is a simple value or a float, no number.
    let accepted = argument >= least && (major != SIMPLE || len == 1);
    accepted.then_some((major, argument, len))
}

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const SIMPLE: u8 = 7;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn measures_canonical_values() {
        for value in [
            &b"\x00"[..],
            b"\x18\x18",
            b"\x1b\x00\x00\x00\x01\x00\x00\x00\x00",
            b"\x39\x01\x00",
            b"\x43abc",
            b"\x63\xe6\x9d\xb1",
            b"\x82\x01\x80",
            b"\xa2\x01\x02\x03\x04",
            b"\xa2\x01\xf4\x61a\xf6",
            b"\xc1\x01",
        ] {
            let mut longer = value.to_vec();
            longer.push(0);
            assert_eq!(value_len(&longer), Some(value.len()), "{value:?}");
            assert_eq!(value_len(&value[..value.len() - 1]), None, "{value:?}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        for (fault, value) in [
            ("byte where a bit field would do", &b"\x18\x17"[..]),
            ("two bytes where one would do", b"\x19\x00\xff"),
            ("four bytes where two would do", b"\x1a\x00\x00\xff\xff"),
            ("eight bytes where four would do", b"\x1b\x00\x00\x00\x00\xff\xff\xff\xff"),
            ("length not shortest", b"\x58\x01a"),
            ("indefinite array", b"\x9f\xff"),
            ("indefinite text", b"\x7f\x61a\xff"),
            ("bad UTF-8", b"\x61\xff"),
            ("doubled map key", b"\xa2\x01\x02\x01\x02"),
            ("map keys descending", b"\xa2\x03\x02\x01\x02"),
            ("reserved info", b"\x1c"),
            ("float", b"\xf9\x00\x00"),
            ("undefined", b"\xf7"),
            ("simple value", b"\xf8\xff"),
            ("length over the end", b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff"),
            ("count over the end", b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff"),
        ] {
            assert_eq!(value_len(value), None, "{fault}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| [vec![0x81; depth], vec![0]].concat();
        assert_eq!(value_len(&nested(15)), Some(16));
        assert_eq!(value_len(&nested(16)), None);
        assert_eq!(value_len(&nested(1 << 20)), None);
    }

    proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>) {
            if let Some(len) = value_len(&bytes) {
                prop_assert!(len <= bytes.len());
            }
        }
    }
}
