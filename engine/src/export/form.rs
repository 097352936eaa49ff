//! Which form the file beside a proof has.

use std::fmt;

use base64ct::{Base64, Encoding};

use crate::merkle::checkpoint::number;

/// Bytes of an export's own salt.
pub const FORM_SALT_LEN: usize = 16;

/// The form of a file, so far as whoever makes it again from the records must know it: the third line of a
/// proof of the second sort.
///
/// ```
/// use escrowdb::export::FormLine;
/// let form = FormLine { name: "csv".into(), version: 1, salt: None };
/// assert_eq!(form.to_string(), "form csv 1");
/// assert_eq!(FormLine::parse("form csv 1"), Some(form));
/// assert_eq!(FormLine::parse("form csv 01"), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormLine {
    /// Its name, as in the manifest: small letters.
    pub name: String,
    /// Which rendering of it: another one makes another file of the same records.
    pub version: u64,
    /// Random bytes that went into the file, of a form that needs some.
    pub salt: Option<[u8; FORM_SALT_LEN]>,
}

impl FormLine {
    /// Reads one, without its end. There is one form: it prints as the same bytes.
    pub fn parse(line: &str) -> Option<Self> {
        let mut fields = line.strip_prefix("form ")?.split(' ');
        let name = fields.next()?.to_owned();
        let version = number(fields.next()?)?;
        let salt = match fields.next() {
            None => None,
            Some(text) => {
                let mut salt = [0; FORM_SALT_LEN];
                let len = Base64::decode(text, &mut salt).ok()?.len();
                Some((len == FORM_SALT_LEN).then_some(salt)?)
            }
        };
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase());
        (is_name && fields.next().is_none()).then_some(Self { name, version, salt })
    }
}

impl fmt::Display for FormLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "form {} {}", self.name, self.version)?;
        self.salt.map_or(Ok(()), |salt| write!(f, " {}", Base64::encode_string(&salt)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_salt_is_whole() {
        let form = FormLine { name: "vcon".into(), version: 12, salt: Some([7; FORM_SALT_LEN]) };
        let text = form.to_string();
        assert_eq!(FormLine::parse(&text), Some(form));
        for cut in "form vcon 12".len() + 1..text.len() {
            assert_eq!(FormLine::parse(&text[..cut]), None, "{cut} bytes");
        }
        for bad in ["form  1", "form Csv 1", "form csv", "form csv 1 ", "form csv x", "csv 1"] {
            assert_eq!(FormLine::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn anything_reads_and_prints_the_same_or_is_refused(text in "(form )?[a-z]{0,4} ?[0-9]{0,3}( [A-Za-z0-9+/]{22}==)?") {
            if let Some(read) = FormLine::parse(&text) {
                prop_assert_eq!(read.to_string(), text);
            }
        }
    }
}
