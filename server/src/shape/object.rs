//! JSON objects with their fields in the order written. One object is one line.

use escrowdb::record::jsonl::put_text;

/// A named value of a flat report.
pub type Field = (&'static str, Value);

/// A value of a flat report.
#[derive(Debug)]
pub enum Value {
    /// A string.
    Text(String),
    /// A whole number.
    Number(u64),
}

impl Value {
    /// As JSON.
    pub fn json(&self) -> String {
        match self {
            Self::Text(text) => quote(text),
            Self::Number(number) => number.to_string(),
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
        }
    }
}

/// An object under construction.
///
/// `Object::new().text("a", "x").number("b", 1)` finishes as `{"a":"x","b":1}`.
pub struct Object(String);

impl Default for Object {
    fn default() -> Self {
        Self::new()
    }
}

impl Object {
    /// Without fields.
    pub fn new() -> Self {
        Self(String::from("{"))
    }

    /// A string.
    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.raw(name, &quote(value))
    }

    /// A string or null.
    pub fn maybe(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        self.raw(name, &value.map_or_else(|| "null".to_owned(), quote))
    }

    /// A whole number.
    pub fn number(&mut self, name: &str, value: u64) -> &mut Self {
        self.raw(name, &value.to_string())
    }

    /// True or false.
    pub fn flag(&mut self, name: &str, value: bool) -> &mut Self {
        self.raw(name, if value { "true" } else { "false" })
    }

    /// An array of strings.
    pub fn texts<S: AsRef<str>>(&mut self, name: &str, values: &[S]) -> &mut Self {
        let items: Vec<String> = values.iter().map(|v| quote(v.as_ref())).collect();
        self.raw(name, &array(&items))
    }

    /// A value that is JSON already.
    pub fn raw(&mut self, name: &str, json: &str) -> &mut Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push_str(&quote(name));
        self.0.push(':');
        self.0.push_str(json);
        self
    }

    /// The object's text.
    pub fn finish(&mut self) -> String {
        self.0.push('}');
        std::mem::take(&mut self.0)
    }
}

/// A flat report as one object.
pub fn flat_json(fields: &[Field]) -> String {
    let mut line = Object::new();
    for (name, value) in fields {
        line.raw(name, &value.json());
    }
    line.finish()
}

/// An array of JSON values.
pub fn array(items: &[String]) -> String {
    format!("[{}]", items.join(","))
}

fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    put_text(&mut quoted, text);
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_order() {
        let line = Object::new()
            .text("z", "a\"\n")
            .number("a", 7)
            .maybe("n", None)
            .flag("f", true)
            .texts("t", &["x", "y"])
            .raw("o", "{}")
            .finish();
        assert_eq!(line, r#"{"z":"a\"\n","a":7,"n":null,"f":true,"t":["x","y"],"o":{}}"#);
        assert_eq!(Object::new().finish(), "{}");
    }
}
