//! How events of registers are written: one JSON object, members in the order of their types, so that a
//! record that is exported with its proof can be read by people. What this version does not know is
//! refused.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// Longest body of an event, bytes: a notice of 64 KiB and what stands around it.
pub const BODY_LEN_MAX: usize = 96 << 10;

/// The body of an event.
///
/// # Errors
/// *Invalid* if it is too long.
pub fn print<T: Serialize>(event: &T) -> Result<String> {
    let body = serde_json::to_string(event).map_err(|_| Error::invalid("an event can't be written"))?;
    if body.len() > BODY_LEN_MAX {
        return Err(Error::invalid(format!("what is to be kept in a register is over {BODY_LEN_MAX} bytes")));
    }
    Ok(body)
}

/// Reads the body of an event.
///
/// # Errors
/// *Unsupported* for what this version does not know. The message says nothing of it.
pub fn parse<T: DeserializeOwned>(body: &str) -> Result<T> {
    serde_json::from_str(body).map_err(|_| Error::newer("an event of a register has an unknown form"))
}

/// Instants as RFC 3339.
pub mod instant {
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    use crate::id::Micros;
    use crate::record::time;

    /// Writes one.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn serialize<S: Serializer>(at: &Micros, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&time::format(*at))
    }

    /// Reads one.
    ///
    /// # Errors
    /// Text that is none.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Micros, D::Error> {
        time::parse(&String::deserialize(from)?).map_err(|_| de::Error::custom("no instant"))
    }
}

/// Instants that may be missing.
pub mod instant_if_any {
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    use crate::id::Micros;
    use crate::record::time;

    /// Writes one.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn serialize<S: Serializer>(at: &Option<Micros>, to: S) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => to.serialize_str(&time::format(*at)),
            None => to.serialize_none(),
        }
    }

    /// Reads one.
    ///
    /// # Errors
    /// Text that is none.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Micros>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| time::parse(&text)).transpose().map_err(|_| de::Error::custom("no instant"))
    }
}

/// Numbers of people.
pub mod person {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::id::PersonNumber;

    /// Writes one.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn serialize<S: Serializer>(number: &PersonNumber, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(number.0)
    }

    /// Reads one.
    ///
    /// # Errors
    /// Whatever is no number.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PersonNumber, D::Error> {
        u64::deserialize(from).map(PersonNumber)
    }
}

/// Longest code of whatever has one, bytes.
pub const CODE_LEN_MAX: usize = 64;
/// Longest title, ground or reason, bytes.
pub const TEXT_LEN_MAX: usize = 512;

/// Checks a code: letters, digits, `-`, `_` and `.`, so that it needs no quoting anywhere.
///
/// # Errors
/// *Invalid*, which names the field.
pub fn check_code(field: &str, code: &str) -> Result<()> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if code.is_empty() || code.len() > CODE_LEN_MAX || !code.bytes().all(is_plain) {
        return Err(Error::invalid(format!(
            "{field}: must be 1 to {CODE_LEN_MAX} of the characters a-z, A-Z, 0-9, - _ ."
        )));
    }
    Ok(())
}

/// Checks a text that people write.
///
/// # Errors
/// *Invalid*, which names the field.
pub fn check_text(field: &str, text: &str) -> Result<()> {
    if text.trim().is_empty() {
        return Err(Error::invalid(format!("{field}: must not be empty")));
    }
    if text.len() > TEXT_LEN_MAX {
        return Err(Error::invalid(format!("{field}: longer than {TEXT_LEN_MAX} bytes")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_texts_have_limits() {
        for code in ["chat", "A-1_b.c", &"x".repeat(64)] {
            check_code("code", code).unwrap();
        }
        for code in ["", "a b", "ä", "a/b", &"x".repeat(65)] {
            assert!(check_code("code", code).is_err());
        }
        check_text("title", "Über uns").unwrap();
        assert!(check_text("title", " \n").is_err() && check_text("title", &"x".repeat(513)).is_err());
    }
}
