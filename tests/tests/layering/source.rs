//! Rust source as far as the house rules look at it: words and signs, without comments and
//! literals. Not a parser: it knows blocks, inline modules and `#[cfg(test)]`.

/// A word or sign of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// An identifier or number, `::`, or one other character.
    pub(crate) text: &'a str,
    /// Line, from 1.
    pub(crate) line: usize,
    /// Inside of an item under `#[cfg(test)]`.
    pub(crate) in_test: bool,
    /// Inline modules around it.
    pub(crate) inline_mods: usize,
}

/// The tokens of `source`.
pub(crate) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut tokens = words(source);
    mark(&mut tokens);
    tokens
}

fn words(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some(first) = source[at..].chars().next() {
        let rest = &source[at..];
        let skipped = blank_len(rest);
        let len = match skipped {
            0 if first.is_alphanumeric() || first == '_' => {
                rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
            }
            0 if rest.starts_with("::") => 2,
            0 => first.len_utf8(),
            n => n,
        };
        if skipped == 0 && !first.is_whitespace() {
            tokens.push(Token { text: &rest[..len], line, in_test: false, inline_mods: 0 });
        }
        line += rest[..len].matches('\n').count();
        at += len;
    }
    tokens
}

/// Bytes of the comment or literal that `rest` starts with; 0 if it starts with neither.
fn blank_len(rest: &str) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return comment_len(rest);
    }
    let prefix = ["br", "cr", "b", "c", "r"].into_iter().find(|p| {
        rest.strip_prefix(p).is_some_and(|r| r.starts_with('"') || p.ends_with('r') && r.starts_with('#'))
    });
    let body = &rest[prefix.map_or(0, str::len)..];
    if prefix.is_some_and(|p| p.ends_with('r')) {
        let hashes = body.len() - body.trim_start_matches('#').len();
        if !body[hashes..].starts_with('"') {
            return 0; // A raw identifier.
        }
        let end = format!("\"{}", "#".repeat(hashes));
        let open = rest.len() - body.len() + hashes + 1;
        return rest[open..].find(&end).map_or(rest.len(), |n| open + n + end.len());
    }
    if body.starts_with('"') {
        return rest.len() - body.len() + quoted_len(body, '"');
    }
    let mut chars = rest.chars();
    match (chars.next(), chars.next(), chars.next()) {
        (Some('\''), Some('\\'), _) | (Some('\''), Some(_), Some('\'')) => quoted_len(rest, '\''),
        _ => 0, // Anything else, lifetimes included.
    }
}

fn comment_len(rest: &str) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn quoted_len(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    rest.len()
}

/// Says of each token whether it is under test and how many inline modules are around it.
fn mark(tokens: &mut [Token<'_>]) {
    struct Block {
        test: bool,
        module: bool,
    }
    let mut blocks: Vec<Block> = Vec::new();
    // An item under `#[cfg(test)]` has begun; its block or its `;` will end it.
    let mut pending = false;
    let mut brackets = 0usize;
    for i in 0..tokens.len() {
        let text = |at: usize| tokens.get(at).map_or("", |t| t.text);
        pending |= text(i) == "#" && text(i + 1) == "[" && text(i + 2) == "cfg" && is_test(&tokens[i + 3..]);
        let module = i >= 2 && text(i - 2) == "mod";
        match text(i) {
            "(" | "[" => brackets += 1,
            ")" | "]" => brackets = brackets.saturating_sub(1),
            _ => {}
        }
        let around = blocks.iter().any(|b| b.test);
        let ends = text(i) == "}" || text(i) == ";" && brackets == 0;
        let opens = text(i) == "{";
        tokens[i].in_test = around || pending;
        tokens[i].inline_mods = blocks.iter().filter(|b| b.module).count();
        if opens {
            blocks.push(Block { test: pending, module });
            pending = false;
        } else if ends {
            if tokens[i].text == "}" {
                blocks.pop();
            }
            pending = false;
        }
    }
}

/// Whether the condition in parentheses at the start of `tokens` demands `test`.
fn is_test(tokens: &[Token<'_>]) -> bool {
    let words: Vec<_> = tokens.iter().take_while(|t| t.text != "]").map(|t| t.text).collect();
    words.contains(&"test") && !words.contains(&"not") && !words.contains(&"any")
}
