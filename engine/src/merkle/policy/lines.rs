//! Reading of a policy, line by line.

use crate::error::{Error, Result};
use crate::merkle::checkpoint::number;
use crate::merkle::policy::{Named, Policy, What, printable};
use crate::merkle::signer::{KeyKind, VerifierKey};

/// Bytes of a policy at most.
const BYTES_MAX: usize = 256 * 1024;
/// Logs, and names, at most. C2SP wants 32 of each.
const NAMES_MAX: usize = 1024;

/// Reads a policy.
pub(super) fn parse(bytes: &[u8]) -> Result<Policy> {
    let wrong = |what: &str| Error::invalid(format!("it is no policy: {what}"));
    if bytes.len() > BYTES_MAX {
        return Err(wrong("it is too long"));
    }
    if bytes.iter().any(|b| matches!(b, 0..=8 | 11..=31 | 127)) {
        return Err(wrong("it holds control characters"));
    }
    let text = match bytes.strip_suffix(b"\n") {
        Some(text) => text,
        // A cut one may end in a shorter name.
        None => return Err(wrong("its last line does not end")),
    };
    let mut draft = Draft::default();
    for (line, at) in text.split(|b| *b == b'\n').zip(1..) {
        let words: Vec<&[u8]> = line.split(|b| matches!(b, b' ' | b'\t')).filter(|w| !w.is_empty()).collect();
        draft.line(&words).map_err(|what| {
            Error::invalid(format!("line {at} of the policy: {what}"))
                .hint("log KEY | witness NAME KEY | group NAME all|any|K NAME... | quorum NAME|none")
        })?;
    }
    let quorum =
        draft.quorum.ok_or_else(|| wrong("it has no quorum").hint("`quorum none` wants no witness"))?;
    let own = |key: &VerifierKey| draft.logs.iter().any(|log| log.public() == key.public());
    let policy = Policy { logs: draft.logs.clone(), named: draft.named, quorum };
    if policy.witnesses().any(own) {
        return Err(wrong("a log stands as its own witness"));
    }
    Ok(policy)
}

#[derive(Default)]
struct Draft {
    logs: Vec<VerifierKey>,
    named: Vec<Named>,
    /// Which names are members of a group.
    taken: Vec<usize>,
    quorum: Option<Option<usize>>,
}

impl Draft {
    /// One line in words. What is wrong is said without the words: a secret key may stand in them.
    fn line(&mut self, words: &[&[u8]]) -> std::result::Result<(), String> {
        match words {
            [] => Ok(()),
            [first, ..] if first.starts_with(b"#") => Ok(()),
            [b"log", key] | [b"log", key, _] => {
                let key = self::key(key, KeyKind::Log)?;
                if self.logs.iter().any(|log| log.public() == key.public()) {
                    return Err("the key stands twice".into());
                }
                if self.logs.len() == NAMES_MAX {
                    return Err("it is one log too many".into());
                }
                self.logs.push(key);
                Ok(())
            }
            [b"witness", name, key] | [b"witness", name, key, _] => {
                let key = self::key(key, KeyKind::Witness)?;
                let same =
                    |named: &Named| matches!(&named.what, What::Witness(k) if k.public() == key.public());
                if self.named.iter().any(same) {
                    return Err("the key stands twice".into());
                }
                self.name(name, What::Witness(key))
            }
            [b"group", name, needed, members @ ..] if !members.is_empty() => {
                let needed = match *needed {
                    b"all" => Some(members.len()),
                    b"any" => Some(1),
                    k => std::str::from_utf8(k).ok().and_then(number).and_then(|k| usize::try_from(k).ok()),
                };
                let needed = needed
                    .filter(|k| (1..=members.len()).contains(k))
                    .ok_or("it wants `all`, `any`, or a number from 1 to that of its members")?;
                let mut found = Vec::with_capacity(members.len());
                for member in members {
                    let at = self.find(member)?;
                    if self.taken.contains(&at) {
                        return Err(format!("{} is a member twice", printable(member)));
                    }
                    self.taken.push(at);
                    found.push(at);
                }
                self.name(name, What::Group { needed, members: found })
            }
            [b"quorum", name] => {
                if self.quorum.is_some() {
                    return Err("it is the second quorum".into());
                }
                self.quorum = Some(if *name == b"none" { None } else { Some(self.find(name)?) });
                Ok(())
            }
            _ => Err("it is none of the four kinds".into()),
        }
    }

    fn name(&mut self, name: &[u8], what: What) -> std::result::Result<(), String> {
        if name == b"none" || self.named.iter().any(|named| named.name == name) {
            return Err(format!("the name {} is taken", printable(name)));
        }
        if self.named.len() == NAMES_MAX {
            return Err("it is one name too many".into());
        }
        self.named.push(Named { name: name.to_vec(), what });
        Ok(())
    }

    fn find(&self, name: &[u8]) -> std::result::Result<usize, String> {
        let found = self.named.iter().position(|named| named.name == name);
        found.ok_or_else(|| format!("no line before it names {}", printable(name)))
    }
}

fn key(word: &[u8], kind: KeyKind) -> std::result::Result<VerifierKey, String> {
    let key = std::str::from_utf8(word).ok().and_then(|word| word.parse::<VerifierKey>().ok());
    let key = key.ok_or("it is no key: name+id+base64, of Ed25519")?;
    match (key.kind() == kind, kind) {
        (true, _) => Ok(key),
        (false, KeyKind::Log) => Err("it is the key of a witness, not of a log".into()),
        (false, KeyKind::Witness) => Err("it is the key of a log, not of a witness".into()),
    }
}
