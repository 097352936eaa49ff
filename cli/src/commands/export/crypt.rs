//! Files of an export that only their recipients can read: age (age-encryption.org/v1, C2SP), which other
//! programs open too. What is written is sealed as it comes; nothing of it is in clear on the disk.

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use age::stream::StreamWriter;
use age::x25519::Recipient;
use age::{DecryptError, Decryptor, Encryptor, Identity, IdentityFile};
use escrowdb::{Error, ErrorKind};

use crate::commands::evidence;
use crate::durable::{DurableFile, Written};
use crate::exit::Failure;

/// What encrypted files are called behind their name.
pub(crate) const ENDING: &str = ".age";
/// What they begin with.
pub(crate) const HEADER: &[u8] = b"age-encryption.org/v1\n";
/// Bytes of a file of recipients or identities at most.
const KEYS_MAX: u64 = 1 << 20;

/// To whom files are encrypted; none: not at all.
#[derive(Default)]
pub(crate) struct Recipients(Vec<Recipient>);

impl Recipients {
    /// Recipients as they were given, and those of files: one a line, with comments behind `#`.
    pub(crate) fn read(given: &[String], files: &[PathBuf]) -> Result<Self, Failure> {
        let mut all = Self::default();
        for text in given {
            all.add(text, "--to")?;
        }
        for file in files {
            let bytes = evidence::read_at_most(file, KEYS_MAX)?;
            let before = all.0.len();
            for line in String::from_utf8_lossy(&bytes).lines().map(str::trim) {
                if !line.is_empty() && !line.starts_with('#') {
                    all.add(line, &file.display().to_string())?;
                }
            }
            if all.0.len() == before {
                return Err(Failure::usage(format!("{} names no recipient", file.display())));
            }
        }
        Ok(all)
    }

    fn add(&mut self, text: &str, of: &str) -> Result<(), Failure> {
        // Not repeated: somebody may have taken the secret key for the public one.
        let recipient = text.parse().map_err(|_| {
            Failure::usage(format!("{of}: it is no recipient that this version encrypts to"))
                .hint("give a public key of age, age1…, as `age-keygen -y` prints it")
        })?;
        if !self.0.contains(&recipient) {
            self.0.push(recipient);
        }
        Ok(())
    }

    /// Whether nothing is encrypted.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their public keys.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }

    /// Begins a file for them.
    pub(crate) fn seal(&self, file: DurableFile) -> io::Result<Sink> {
        if self.is_empty() {
            return Ok(Sink::Clear(file));
        }
        let to = self.0.iter().map(|recipient| recipient as &dyn age::Recipient);
        let sealing = Encryptor::with_recipients(to).map_err(io::Error::other)?;
        sealing.wrap_output(file).map(|stream| Sink::Sealed(Box::new(stream)))
    }
}

/// A file that is written, in clear or for its recipients only.
pub(crate) enum Sink {
    Clear(DurableFile),
    Sealed(Box<StreamWriter<DurableFile>>),
}

impl Sink {
    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Clear(file) => file.write_all(bytes),
            Self::Sealed(stream) => stream.write_all(bytes),
        }
    }

    /// Ends the file and makes it durable under its temporary name.
    pub(crate) fn sync(self, name: &Path) -> Result<Written, Failure> {
        match self {
            Self::Clear(file) => file.sync(),
            Self::Sealed(stream) => {
                let file =
                    stream.finish().map_err(|e| Failure::io(format!("write {}", name.display()), e))?;
                file.sync()
            }
        }
    }
}

/// Secret keys that open files.
pub(crate) struct Identities(Vec<Box<dyn Identity + Send + Sync>>);

impl Identities {
    /// Those of a file as `age-keygen` writes it.
    pub(crate) fn read(file: &Path) -> Result<Self, Failure> {
        let bytes = evidence::read_at_most(file, KEYS_MAX)?;
        let wrong = || {
            Failure::usage(format!("{} is no file of identities of age", file.display()))
                .hint("give the file that `age-keygen` wrote")
        };
        let read = IdentityFile::from_buffer(&bytes[..]).map_err(|_| wrong())?;
        let identities = read.into_identities().map_err(|_| wrong())?;
        if identities.is_empty() { Err(wrong()) } else { Ok(Self(identities)) }
    }

    /// What a file holds in clear.
    pub(crate) fn open(&self, file: impl BufRead + 'static, name: &Path) -> Result<Box<dyn BufRead>, Error> {
        let named = |e: Error| e.context(name.display().to_string());
        let opened = Decryptor::new_buffered(file)
            .and_then(|file| file.decrypt(self.0.iter().map(|key| key.as_ref() as &dyn Identity)));
        match opened {
            Ok(stream) => Ok(Box::new(BufReader::with_capacity(1 << 16, stream))),
            Err(DecryptError::NoMatchingKeys) => {
                Err(named(Error::new(ErrorKind::WrongKey, "it is encrypted to others than these identities")))
            }
            Err(DecryptError::Io(e)) if e.kind() != io::ErrorKind::InvalidData => {
                Err(Error::io(format!("read {}", name.display()), e))
            }
            Err(_) => Err(named(Error::corrupt("it is damaged, or not a file of age"))),
        }
    }
}

/// Whether a file is one of age.
pub(crate) fn is_sealed(bytes: &[u8]) -> bool {
    bytes.starts_with(HEADER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_keys_are_recipients_and_each_once() {
        let key = age::x25519::Identity::generate();
        let public = key.to_public().to_string();
        let two = Recipients::read(&[public.clone(), public.clone()], &[]).unwrap();
        assert_eq!(two.names().join(" "), public);
        assert!(Recipients::read(&[], &[]).unwrap().is_empty());
        let mut cut = public;
        cut.pop();
        for bad in
            [String::new(), "age1".into(), "AGE-SECRET-KEY-1QQQQ".into(), cut, "ssh-ed25519 AAAA".into()]
        {
            let refused =
                Recipients::read(std::slice::from_ref(&bad), &[]).err().map(|e| format!("{e:?}")).unwrap();
            assert!(bad.is_empty() || bad == "age1" || !refused.contains(&bad), "{refused}");
        }
    }
}
