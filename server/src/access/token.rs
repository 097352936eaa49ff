//! Tokens: random, kept as a hash only, for one tenant, with roles and an end.
//!
//! A token is `esc_` + id (16 hexadecimal digits) + `_` + secret (64 of them). The file of tokens has one JSON object a
//! line, and is as secret as the list of who works there: no token can be made of it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use escrowdb::crypto::{Entropy as _, OsEntropy};
use escrowdb::id::Micros;
use escrowdb::record::time;
use escrowdb::{Error, Result};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::access::{Permission, Role, Roles};
use crate::durable;

const PREFIX: &str = "esc_";
const ID_DIGITS: usize = 16;
const SECRET_DIGITS: usize = 64;
/// Bytes of a line at most; of the file as many lines as there are.
const LINE_MAX: usize = 4096;

/// Who is calling: the bearer of a token that is good.
#[derive(Clone, Debug)]
pub struct Principal {
    /// Whose token it is: the actor of what he does.
    pub name: String,
    /// Where it counts.
    pub tenant: String,
    /// What he is.
    pub roles: Roles,
    /// Id of the token; no secret.
    pub token: String,
}

impl Principal {
    /// Whether he may do something there.
    pub fn may(&self, tenant: &str, what: Permission) -> bool {
        self.tenant == tenant && self.roles.may(what)
    }
}

/// A token as the file has it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    name: String,
    tenant: String,
    roles: Vec<String>,
    /// SHA-256 of the secret, lower-case hexadecimal: the secret has 256 bits, so nothing slower is needed.
    sha256: String,
    expires: String,
}

/// What a new token is for.
#[derive(Clone, Debug)]
pub struct New<'a> {
    /// Whose it is.
    pub name: &'a str,
    /// Where it counts.
    pub tenant: &'a str,
    /// What he is.
    pub roles: &'a [Role],
    /// When it ends.
    pub expires: Micros,
}

/// The tokens of a server.
pub struct Tokens {
    file: PathBuf,
    known: RwLock<Vec<(Entry, Micros)>>,
}

impl Tokens {
    /// Reads the file, which may not be there yet.
    ///
    /// # Errors
    /// A file that can't be read; *invalid*, with the line, for what is none.
    pub fn open(file: impl Into<PathBuf>) -> Result<Self> {
        let file = file.into();
        let known = RwLock::new(read(&file)?);
        Ok(Self { file, known })
    }

    /// Reads the file again. What was known stays if it can't be read.
    ///
    /// # Errors
    /// As of [`Tokens::open`].
    pub fn reload(&self) -> Result<()> {
        let now = read(&self.file)?;
        *self.known.write() = now;
        Ok(())
    }

    /// Makes a token and keeps its hash. The answer is the only place where it stands.
    ///
    /// # Errors
    /// *Invalid* for a name or tenant without or with odd characters; a file that can't be written.
    pub fn create(&self, new: &New<'_>) -> Result<String> {
        check_name("name", new.name)?;
        check_name("tenant", new.tenant)?;
        if new.roles.is_empty() {
            return Err(Error::invalid("a token needs a role"));
        }
        let (id, secret) = (hex(&random::<8>()?), hex(&random::<32>()?));
        let entry = Entry {
            id: id.clone(),
            name: new.name.to_owned(),
            tenant: new.tenant.to_owned(),
            roles: new.roles.iter().map(|role| role.name().to_owned()).collect(),
            sha256: hash_of(&secret),
            expires: time::format(new.expires),
        };
        let mut known = self.known.write();
        known.push((entry, new.expires));
        self.write(&known)?;
        Ok(format!("{PREFIX}{id}_{secret}"))
    }

    /// Takes a token back.
    ///
    /// # Errors
    /// *Not found*; a file that can't be written.
    pub fn revoke(&self, id: &str) -> Result<()> {
        let mut known = self.known.write();
        let before = known.len();
        known.retain(|(entry, _)| entry.id != id);
        if known.len() == before {
            return Err(Error::not_found("no such token"));
        }
        self.write(&known)
    }

    /// Whose token this is, if it is good. One that isn't takes as long, whatever is wrong with it.
    pub fn bearer(&self, token: &str, now: Micros) -> Option<Principal> {
        let (id, secret) = parts(token).unwrap_or((NOBODY, NOBODY));
        let given = hash_of(secret);
        let known = self.known.read();
        let found = known.iter().find(|(entry, _)| entry.id == id);
        let kept = found.map_or(NO_HASH, |(entry, _)| entry.sha256.as_str());
        let is_it = bool::from(given.as_bytes().ct_eq(kept.as_bytes()));
        let (entry, _) = found.filter(|(_, expires)| is_it && now < *expires)?;
        Some(Principal {
            name: entry.name.clone(),
            tenant: entry.tenant.clone(),
            roles: Roles::new(entry.roles.iter().filter_map(|name| Role::parse(name))),
            token: entry.id.clone(),
        })
    }

    fn write(&self, known: &[(Entry, Micros)]) -> Result<()> {
        let mut text = String::new();
        for (entry, _) in known {
            let line =
                serde_json::to_string(entry).map_err(|_| Error::invalid("a token can't be written"))?;
            text.push_str(&line);
            text.push('\n');
        }
        let folder = self.file.parent().unwrap_or(Path::new("."));
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        durable::write(folder, &name, text.as_bytes()).map_err(|e| Error::io("write the tokens", e))
    }
}

const NOBODY: &str = "";
const NO_HASH: &str = "";

fn read(file: &Path) -> Result<Vec<(Entry, Micros)>> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::io(format!("read {}", file.display()), e)),
    };
    let mut known = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let bad = |what: &str| Error::invalid(format!("{}: line {}: {what}", file.display(), n + 1));
        if line.len() > LINE_MAX {
            return Err(bad("is too long"));
        }
        let entry: Entry = serde_json::from_str(line).map_err(|_| bad("is no token"))?;
        let expires = time::parse(&entry.expires).map_err(|_| bad("expires is no time"))?;
        if let Some(role) = entry.roles.iter().find(|role| Role::parse(role).is_none()) {
            return Err(bad(&format!("there is no role {role:?}")));
        }
        known.push((entry, expires));
    }
    Ok(known)
}

fn parts(token: &str) -> Option<(&str, &str)> {
    let (id, secret) = token.strip_prefix(PREFIX)?.split_once('_')?;
    let is_hex = |text: &str, len| {
        text.len() == len && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    (is_hex(id, ID_DIGITS) && is_hex(secret, SECRET_DIGITS)).then_some((id, secret))
}

/// A name that may stand in paths and lines.
pub(crate) fn check_name(what: &str, name: &str) -> Result<()> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'@' | b'+');
    let is_good = !name.is_empty()
        && name.len() <= 128
        && name.bytes().all(is_plain)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if is_good {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{what}: must be 1 to 128 letters, digits or -_.@+, and begin with one of the former"
    )))
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    OsEntropy.fill(&mut bytes).map_err(|e| Error::io("draw random bytes", e))?;
    Ok(bytes)
}

fn hash_of(secret: &str) -> String {
    hex(&Sha256::digest(secret.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Now, of the machine's clock.
pub fn now() -> Micros {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails where it stands")]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_its_own_and_ends() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens");
        let tokens = Tokens::open(&file).unwrap();
        let new = New { name: "dana", tenant: "shop", roles: &[Role::Reviewer], expires: Micros(100) };
        let token = tokens.create(&new).unwrap();
        let dana = tokens.bearer(&token, Micros(99)).unwrap();
        assert_eq!((dana.name.as_str(), dana.tenant.as_str()), ("dana", "shop"));
        assert!(dana.may("shop", Permission::Read) && !dana.may("shop", Permission::Operate));
        assert!(!dana.may("other", Permission::Read));
        assert!(tokens.bearer(&token, Micros(100)).is_none(), "it has ended");
        let mut other = token.clone();
        let last = if other.pop() == Some('0') { '1' } else { '0' };
        other.push(last);
        for wrong in [other.as_str(), "", "esc_", &token[4..], &token.to_uppercase()] {
            assert!(tokens.bearer(wrong, Micros(1)).is_none(), "{wrong}");
        }
        // Neither stands in the file, and who starts again knows it still.
        let kept = fs::read_to_string(&file).unwrap();
        assert!(!kept.contains(token.rsplit('_').next().unwrap()));
        let again = Tokens::open(&file).unwrap();
        assert!(again.bearer(&token, Micros(1)).is_some());
        again.revoke(&dana.token).unwrap();
        assert!(again.bearer(&token, Micros(1)).is_none() && again.revoke(&dana.token).is_err());
        assert!(tokens.bearer(&token, Micros(1)).is_some());
        tokens.reload().unwrap();
        assert!(tokens.bearer(&token, Micros(1)).is_none());
    }

    #[test]
    fn odd_names_and_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = Tokens::open(folder.path().join("tokens")).unwrap();
        for (name, tenant) in [("", "t"), ("a\nb", "t"), ("a", "../t"), ("a", "."), ("a", "t/u")] {
            let new = New { name, tenant, roles: &[Role::Writer], expires: Micros(1) };
            assert!(tokens.create(&new).is_err(), "{name:?} {tenant:?}");
        }
        let file = folder.path().join("bad");
        for line in [
            "x",
            "{}",
            r#"{"id":"1","name":"a","tenant":"t","roles":["root"],"sha256":"","expires":"2026-01-01T00:00:00Z"}"#,
        ] {
            fs::write(&file, line).unwrap();
            let error = Tokens::open(&file).err().unwrap().to_string();
            assert!(error.contains("line 1"), "{error}");
        }
    }
}
