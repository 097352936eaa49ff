//! Where a store says that it lives: a note signed by the log's key.
//!
//! ```text
//! escrowdb/residency/v1
//! escrowdb.local/3f...                       origin: which log
//! store 3f...
//! region eu                                  `region` alone if none was named
//! at 2026-01-31T12:00:00Z
//! log 1042 CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//! slot C                                     grade of the place of the root key
//! transfer 17 2026-01-30T12:00:00Z exported us GDPR 46 (2) (c)
//! It attests what ...
//!
//! — escrowdb.local/3f... Az3grlgt...
//! ```
//!
//! Whoever trusts the key knows from it that the holder of the key said so. Where disks stand no program
//! can know, and the note says that in words which are signed too.

use std::fmt;

use crate::error::{Error, Result};
use crate::id::{Micros, Seq};
use crate::merkle::checkpoint::{decode_hash, encode_hash, number};
use crate::merkle::hash::Hash;
use crate::merkle::note::Note;
use crate::merkle::signer::{KeyKind, VerifierKey};
use crate::record::time;
use crate::register::transfer::{Transfer, What};
use crate::state::State;

/// First line. It can't be the origin of a log.
const TYPE: &str = "escrowdb/residency/v1";
/// Last line.
const LIMITS: &str = "It attests what was said when the store was made and each time it was opened or exported \
    elsewhere with a basis. It does not prove where disks stand, who copied files, or what a program was told \
    of its own place.";

/// What a store says of its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Residency {
    /// Which log.
    pub origin: String,
    /// Random name of the store, in hexadecimal.
    pub store: String,
    /// Its region; empty if none was named.
    pub region: String,
    /// When it was said, as the clock told it.
    pub at: Micros,
    /// Leaves of the log.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
    /// Grade of the slot: how surely it forgets.
    pub grade: String,
    /// Transfers that the log tells of: position, when, what.
    pub transfers: Vec<(Seq, Micros, Transfer)>,
}

impl Residency {
    /// The text that is signed.
    fn to_text(&self) -> String {
        let Self { origin, store, region, size, grade, .. } = self;
        let region = if region.is_empty() { String::new() } else { format!(" {}", line(region)) };
        let (at, root) = (time::format(self.at), encode_hash(&self.root));
        let mut text = format!(
            "{TYPE}\n{origin}\nstore {store}\nregion{region}\nat {at}\nlog {size} {root}\nslot {grade}\n"
        );
        for (seq, at, of) in &self.transfers {
            let (at, what) = (time::format(*at), of.what.name());
            text.push_str(&format!("transfer {seq} {at} {what} {} {}\n", of.region, line(&of.basis)));
        }
        text.push_str(LIMITS);
        text.push('\n');
        text
    }

    fn from_text(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        if lines.next()? != TYPE {
            return None;
        }
        let mut this = Self {
            origin: lines.next()?.to_owned(),
            store: lines.next()?.strip_prefix("store ")?.to_owned(),
            region: lines.next()?.strip_prefix("region")?.trim_start().to_owned(),
            at: time::parse(lines.next()?.strip_prefix("at ")?).ok()?,
            size: 0,
            root: Hash::empty_root(),
            grade: String::new(),
            transfers: Vec::new(),
        };
        let (size, root) = lines.next()?.strip_prefix("log ")?.split_once(' ')?;
        (this.size, this.root) = (number(size)?, decode_hash(root)?);
        this.grade = lines.next()?.strip_prefix("slot ")?.to_owned();
        let mut limits = false;
        for line in lines {
            match line.strip_prefix("transfer ") {
                Some(of) if !limits => this.transfers.push(transfer(of)?),
                None if line == LIMITS && !limits => limits = true,
                _ => return None,
            }
        }
        // What was read prints the same, or something else was signed.
        (limits && this.to_text() == text).then_some(this)
    }
}

fn transfer(text: &str) -> Option<(Seq, Micros, Transfer)> {
    let mut parts = text.splitn(5, ' ');
    let (seq, at) = (number(parts.next()?)?, time::parse(parts.next()?).ok()?);
    let name = parts.next()?;
    let what = [What::Opened, What::Exported].into_iter().find(|what| what.name() == name)?;
    let (region, basis) = (parts.next()?.to_owned(), parts.next()?.to_owned());
    Some((Seq(seq), at, Transfer { what, region, basis }))
}

/// A text on one line.
fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// What a store says of its place, signed by the log's key. It counts only behind [`verify`](Self::verify).
///
/// ```
/// # use std::sync::Arc;
/// # use escrowdb::{id::Micros, store::*, vfs::MemoryVfs};
/// use escrowdb::verify::residency::SignedResidency;
/// # let store = Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).region("eu").create()?;
/// let (key, text) = (store.verifier_key()?, store.residency()?.to_string());
/// // Somebody else, who has the key only.
/// let report = SignedResidency::parse(text.as_bytes())?;
/// assert_eq!(report.verify(&key.parse()?)?.region, "eu");
/// assert!(text.contains("does not prove where disks stand"));
/// # Ok::<(), escrowdb::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedResidency {
    residency: Residency,
    note: Note,
}

impl SignedResidency {
    /// Reads one. Nothing is verified.
    ///
    /// # Errors
    /// *Corrupt* if it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let note = Note::parse(bytes)?;
        let residency = Residency::from_text(note.text());
        Ok(Self { residency: residency.ok_or_else(|| Error::corrupt("it is no report of residency"))?, note })
    }

    /// What it says, if the log's key signed it.
    ///
    /// # Errors
    /// *Corrupt* if not.
    pub fn verify(&self, key: &VerifierKey) -> Result<&Residency> {
        if key.kind() != KeyKind::Log || key.name() != self.residency.origin {
            return Err(Error::corrupt("it is the report of another log"));
        }
        self.note.verify(&[key])?;
        Ok(&self.residency)
    }

    /// What it does not prove, in words.
    pub const fn limits() -> &'static str {
        LIMITS
    }
}

/// The note.
impl fmt::Display for SignedResidency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

/// What the store says now.
///
/// # Errors
/// As of a checkpoint.
pub fn report(state: &State) -> Result<SignedResidency> {
    let rules = std::sync::Arc::clone(state.view.read().rules());
    let (head, signer) = {
        let tree = state.tree_to_sign()?;
        (tree.sign()?, tree.signer()?)
    };
    let head = head.unverified();
    let residency = Residency {
        origin: head.origin.clone(),
        store: state.env.store.to_string(),
        region: state.settings.region.clone(),
        at: state.env.clock.now(),
        size: head.size,
        root: head.root,
        grade: crate::keyring::Grade::name(state.slot.grade()).to_owned(),
        transfers: rules.transfers.iter().map(|made| (made.seq, made.at, made.transfer.clone())).collect(),
    };
    Ok(SignedResidency { note: signer.sign(&residency.to_text())?, residency })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::merkle::signer::Signer;

    fn of(region: &str, basis: &str) -> Residency {
        let transfer = Transfer { what: What::Exported, region: "us".into(), basis: basis.into() };
        Residency {
            origin: "log.example".into(),
            store: "3f".into(),
            region: region.into(),
            at: Micros(1_000_000),
            size: 7,
            root: Hash([9; 32]),
            grade: "C".into(),
            transfers: vec![(Seq(3), Micros(0), transfer.clone()), (Seq(5), Micros(1), transfer)],
        }
    }

    #[test]
    fn what_is_said_is_read_again() {
        for region in ["", "eu"] {
            let said = of(region, "GDPR 46 (2) (c)");
            assert_eq!(Residency::from_text(&said.to_text()), Some(said));
        }
        // Nobody adds a line by a basis.
        let text = of("eu", "x\ntransfer 9 1970-01-01T00:00:00Z opened eu y").to_text();
        assert_eq!(text.lines().filter(|line| line.starts_with("transfer ")).count(), 2);
        for (from, to) in [("slot C", "slot"), ("It attests", "It proves"), ("log 7", "log 07"), ("v1", "v2")]
        {
            assert_eq!(Residency::from_text(&of("eu", "b").to_text().replace(from, to)), None, "{from}");
        }
    }

    #[test]
    fn only_the_key_of_the_log_makes_one() {
        let [signer, other] = [7, 8].map(|seed| Signer::new("log.example", &[seed; 32]).unwrap());
        let note = signer.sign(&of("eu", "b").to_text()).unwrap();
        let read = SignedResidency::parse(note.to_string().as_bytes()).unwrap();
        assert_eq!(read.verify(&signer.verifier_key()).unwrap(), &of("eu", "b"));
        assert!(read.verify(&other.verifier_key()).is_err());
        let forged = note.to_string().replace("region eu", "region us");
        assert!(SignedResidency::parse(forged.as_bytes()).unwrap().verify(&signer.verifier_key()).is_err());
    }

    proptest! {
        #[test]
        fn nothing_from_outside_panics(bytes: Vec<u8>, text in "escrowdb/residency/v1\n.*\n.*\n.*\n") {
            let _ = SignedResidency::parse(&bytes);
            let _ = Residency::from_text(&text);
        }
    }
}
