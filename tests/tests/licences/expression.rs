//! SPDX licence expressions: `AND` binds tighter than `OR`, `WITH` tightest; `/` is an old `OR`.
//!
//! ```text
//! any  = all  (("OR" | "/") all)*
//! all  = one  ("AND" one)*
//! one  = "(" any ")" | name ["WITH" exception]
//! ```

/// Whether `expression` can be met with `allowed` licences alone; an exception must be allowed
/// together with its licence. What is not well-formed is not met.
pub(crate) fn satisfied(expression: &str, allowed: &[&str]) -> bool {
    let spaced =
        ["(", ")", "/"].iter().fold(expression.to_owned(), |e, sign| e.replace(sign, &format!(" {sign} ")));
    let mut words = Words { words: spaced.split_whitespace().collect(), at: 0, allowed };
    words.any() == Some(true) && words.at == words.words.len()
}

struct Words<'a> {
    words: Vec<&'a str>,
    at: usize,
    allowed: &'a [&'a str],
}

impl Words<'_> {
    fn any(&mut self) -> Option<bool> {
        let mut met = self.all()?;
        while self.take("OR") || self.take("/") {
            met |= self.all()?;
        }
        Some(met)
    }

    fn all(&mut self) -> Option<bool> {
        let mut met = self.one()?;
        while self.take("AND") {
            met &= self.one()?;
        }
        Some(met)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let met = self.any()?;
            return self.take(")").then_some(met);
        }
        let mut name = self.name()?;
        if self.take("WITH") {
            name = format!("{name} WITH {}", self.name()?);
        }
        Some(self.allowed.contains(&name.as_str()))
    }

    fn name(&mut self) -> Option<String> {
        let word = *self.words.get(self.at)?;
        let is_name = !["AND", "OR", "WITH", "(", ")", "/"].contains(&word);
        self.at += usize::from(is_name);
        is_name.then(|| word.to_owned())
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.words.get(self.at) == Some(&word);
        self.at += usize::from(found);
        found
    }
}

#[test]
fn operators_bind_as_written() {
    let met = |expression| satisfied(expression, &["a", "b", "c WITH x"]);
    for good in [
        "a",
        "z OR a",
        "z/a",
        "a AND b",
        "z AND z OR a",
        "a OR z AND z",
        "(z OR a) AND b",
        "((a))",
        "c WITH x",
    ] {
        assert!(met(good), "{good}");
    }
    for bad in ["z", "a AND z", "(a OR z) AND z", "c", "a WITH x", "c WITH y", "z AND (a OR b)"] {
        assert!(!met(bad), "{bad}");
    }
}

#[test]
fn malformed_is_not_met() {
    for bad in ["", "a OR", "OR a", "(a", "a)", "a b", "a WITH", "()", "a AND OR b", "a//b", "a or b"] {
        assert!(!satisfied(bad, &["a", "b"]), "{bad}");
    }
}
