//! Words that must vanish, in the forms in which a leak may show them.

/// Forms of a word: as it is, upper and lower case, UTF-16 in both orders, hexadecimal, and
/// base64 at each of three alignments (without the characters that mix with neighbours).
pub fn forms(word: &str) -> Vec<Vec<u8>> {
    let utf16: Vec<u16> = word.encode_utf16().collect();
    let hex: String = word.bytes().map(|b| format!("{b:02x}")).collect();
    let mut out = vec![
        word.as_bytes().to_vec(),
        word.to_lowercase().into_bytes(),
        word.to_uppercase().into_bytes(),
        utf16.iter().flat_map(|u| u.to_le_bytes()).collect(),
        utf16.iter().flat_map(|u| u.to_be_bytes()).collect(),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
    ];
    out.extend((0..3).map(|shift| base64_inside(word.as_bytes(), shift)));
    out.retain(|form| form.len() >= 4);
    out.sort();
    out.dedup();
    out
}

/// The first of `needles` that stands in `bytes`, with its place.
pub fn find<'a>(bytes: &[u8], needles: &'a [Vec<u8>]) -> Option<(usize, &'a [u8])> {
    // By first two bytes, so that many needles cost little more than one.
    let mut first = vec![Vec::new(); 65536];
    for needle in needles.iter().filter(|n| n.len() >= 2) {
        first[usize::from(needle[0]) << 8 | usize::from(needle[1])].push(needle);
    }
    for (at, pair) in bytes.windows(2).enumerate() {
        for needle in &first[usize::from(pair[0]) << 8 | usize::from(pair[1])] {
            if bytes[at..].starts_with(needle) {
                return Some((at, needle));
            }
        }
    }
    None
}

/// Base64 of `bytes` behind `shift` unknown bytes: only characters that depend on `bytes` alone.
fn base64_inside(bytes: &[u8], shift: usize) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bit = |i: usize| bytes[i / 8] >> (7 - i % 8) & 1;
    let skip = (6 - shift * 8 % 6) % 6;
    let bits: Vec<u8> = (skip..bytes.len() * 8).map(bit).collect();
    bits.chunks_exact(6).map(|c| ALPHABET[usize::from(c.iter().fold(0, |v, b| v << 1 | b))]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_form() {
        let forms = forms("Kanari7");
        // "xxKanari7yy" and its shifts in base64, written down from another tool.
        for text in [
            "S2FuYXJpNw==",
            "eEthbmFyaTc=",
            "eHhLYW5hcmk3",
            "zzKANARI7",
            "4b616e61726937",
            "K\0a\0n\0a\0r\0i\x007\0",
        ] {
            assert!(find(text.as_bytes(), &forms).is_some(), "{text:?}");
        }
        assert_eq!(find(b"Kanar i7", &forms), None);
    }
}
