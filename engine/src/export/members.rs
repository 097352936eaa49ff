//! Members of the JSON objects of a manifest.

use std::fmt;

use serde_json::{Map, Value};

use crate::export::manifest::Digest;
use crate::record::jsonl::put_text;

/// Members of an object, in the order written.
pub(super) struct Members(String);

impl Members {
    pub(super) fn new() -> Self {
        Self(String::from("{"))
    }

    /// Without its last brace.
    pub(super) fn open(self) -> String {
        self.0
    }

    pub(super) fn finish(self) -> String {
        self.0 + "}"
    }

    pub(super) fn raw(&mut self, name: &str, value: impl fmt::Display) -> &mut Self {
        let comma = if self.0.len() > 1 { "," } else { "" };
        self.0.push_str(&format!("{comma}\"{name}\":{value}"));
        self
    }

    pub(super) fn text(&mut self, name: &str, value: &str) -> &mut Self {
        let mut quoted = String::new();
        put_text(&mut quoted, value);
        self.raw(name, quoted)
    }

    pub(super) fn maybe(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.text(name, value),
            None => self.raw(name, "null"),
        }
    }

    pub(super) fn texts(&mut self, name: &str, values: &[String]) -> &mut Self {
        let mut list = String::from("[");
        for (i, value) in values.iter().enumerate() {
            if i > 0 {
                list.push(',');
            }
            put_text(&mut list, value);
        }
        self.raw(name, list + "]")
    }

    pub(super) fn digest(&mut self, of: &Digest) -> &mut Self {
        let hex: String = of.sha256.iter().map(|b| format!("{b:02x}")).collect();
        self.raw("bytes", of.bytes).text("sha256", &hex)
    }
}

pub(super) fn text(of: &Map<String, Value>, name: &str) -> Option<String> {
    of.get(name)?.as_str().map(str::to_owned)
}

/// A text or null.
pub(super) fn maybe(of: &Map<String, Value>, name: &str) -> Option<Option<String>> {
    match of.get(name)? {
        Value::Null => Some(None),
        Value::String(text) => Some(Some(text.clone())),
        _ => None,
    }
}

pub(super) fn digest(of: &Map<String, Value>) -> Option<Digest> {
    let hex = text(of, "sha256")?;
    let mut sha256 = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (i, byte) in sha256.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(Digest { bytes: of.get("bytes")?.as_u64()?, sha256 })
}

pub(super) fn texts(of: &Map<String, Value>, name: &str) -> Option<Vec<String>> {
    of.get(name)?.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
}
