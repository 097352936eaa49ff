//! One case: damage, open, ask, verify, erase, ask again. What must never be is an answer that is
//! wrong and does not say so, and somebody who comes back.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use escrowdb::ErrorKind;
use escrowdb::store::{Store, VerifyOptions};
use escrowdb::vfs::{MemoryVfs, Vfs};

use crate::evidence::Evidence;
use crate::recording_vfs::RecordingVfs;
use crate::rot::answers::{self, Answers, DETAILS, ask, errors, other_answers};
use crate::rot::damage::{Damage, Harm, disk};
use crate::rot::small::{DOOMED_IDS, ERASED_IDS, Files, SLOT, builder, files, word};
use crate::sealed::{Depth, hunt, windows};

/// The store, and what it answers when nothing is damaged.
pub struct Truth {
    /// Its files.
    pub files: Files,
    /// Before the second erasure.
    pub before: Answers,
    /// After it.
    pub after: Answers,
}

/// What became of a case. The order is that of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// All answers are the same; `verify` was not asked.
    Same,
    /// All answers are the same, and `verify` finds nothing wrong.
    Whole,
    /// All answers are the same; `verify` names the damage.
    Named,
    /// Some questions are answered with an error, `verify` names the damage, all other answers
    /// are the same.
    Lost,
    /// The store does not open and says why; with the damage undone all is as it was.
    Stopped,
}

/// What became of the erasure after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Erasure {
    /// Not tried.
    Untried,
    /// Done, and nothing of the person answers any more.
    Done,
    /// Refused with an error.
    Blocked,
}

/// What became of a case.
#[derive(Clone, Copy, Debug)]
pub struct Judged {
    /// The answers.
    pub outcome: Outcome,
    /// The erasure.
    pub erasure: Erasure,
}

/// How far to go.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Ask `verify` too, even if every question was answered.
    pub verify: bool,
    /// Erase after the damage, ask again, open again and ask again.
    pub erase: bool,
    /// And search every byte written for what was erased.
    pub hunt: bool,
}

impl Truth {
    /// Makes the store and asks it.
    ///
    /// # Panics
    /// If an undamaged store answers with an error.
    pub fn new() -> Self {
        let files = files();
        let store = builder(Arc::new(MemoryVfs::from_files(files.clone())), 2).open().unwrap();
        let before = ask(&store);
        answers::erase(&store).unwrap();
        let after = ask(&store);
        for answers in [&before, &after] {
            assert_eq!(errors(answers), []);
            let told = format!("{answers:?}");
            assert!(ERASED_IDS.iter().all(|id| !told.contains(&word(id))));
        }
        let told = |answers: &Answers| DOOMED_IDS.iter().any(|id| format!("{answers:?}").contains(&word(id)));
        assert!(told(&before) && !told(&after));
        Self { files, before, after }
    }

    /// Runs a case.
    ///
    /// # Errors
    /// What must never be, in words.
    pub fn judge(&self, damages: &[Damage], effort: Effort, salt: u64) -> Result<Judged, String> {
        let judged = catch_unwind(AssertUnwindSafe(|| self.run(damages, effort, salt)));
        judged.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            Err(format!("panic: {}", text.unwrap_or_default()))
        })
    }

    fn run(&self, damages: &[Damage], effort: Effort, salt: u64) -> Result<Judged, String> {
        let (vfs, under) = disk(&self.files, damages);
        if effort.hunt && damages.iter().all(|d| !matches!(d.harm, Harm::Unreadable(_))) {
            return self.hunted(under.snapshot(), damages, salt);
        }
        self.live(&vfs, &|| under.snapshot(), damages, effort, salt)
    }

    /// The same on a recorded disk, of which every byte ever written is searched afterwards.
    fn hunted(&self, files: Files, damages: &[Damage], salt: u64) -> Result<Judged, String> {
        let recorder = RecordingVfs::from_files(files);
        let vfs: Arc<dyn Vfs> = Arc::new(recorder.clone());
        let effort = Effort { verify: true, erase: true, hunt: true };
        let judged = self.live(&vfs, &|| recorder.snapshot(), damages, effort, salt)?;
        let slot = recorder.snapshot().remove(&PathBuf::from(SLOT)).unwrap_or_default();
        let secrets: Vec<_> = windows(&slot).collect();
        let found = hunt(&Evidence::of_log(&recorder.log()), &secrets, &Default::default(), Depth::Formats);
        let gone: &[&str] = if judged.erasure == Erasure::Done { &DOOMED_IDS } else { &[] };
        for id in ERASED_IDS.iter().chain(gone) {
            if let Some(hit) = found.find(word(id).as_bytes()).first() {
                return Err(format!("{id} opens in {:?} {} at {}", hit.kind, hit.file, hit.offset));
            }
        }
        Ok(judged)
    }

    fn live(
        &self,
        vfs: &Arc<dyn Vfs>,
        snapshot: &dyn Fn() -> Files,
        damages: &[Damage],
        effort: Effort,
        salt: u64,
    ) -> Result<Judged, String> {
        let store = match builder(Arc::clone(vfs), salt).open() {
            Ok(store) => store,
            Err(e) => {
                if !matches!(
                    e.kind(),
                    ErrorKind::Corrupt | ErrorKind::Io | ErrorKind::WrongKey | ErrorKind::Unsupported
                ) {
                    return Err(format!("opening ended with {:?}: {e}", e.kind()));
                }
                self.undone(snapshot(), damages, salt)?;
                return Ok(Judged { outcome: Outcome::Stopped, erasure: Erasure::Blocked });
            }
        };
        let several = damages.len() > 1;
        let outcome = self.asked(&store, &self.before, "", effort.verify, false)?;
        if !effort.erase {
            return Ok(Judged { outcome, erasure: Erasure::Untried });
        }
        if let Err(e) = answers::erase(&store) {
            allowed("the erasure", e.kind())?;
            // What was asked for is out of sight, and everything else is as it was.
            return Ok(Judged { outcome, erasure: Erasure::Blocked });
        }
        self.asked(&store, &self.after, "after the erasure, ", true, several)?;
        drop(store);
        match builder(Arc::clone(vfs), !salt).open() {
            Ok(store) => {
                let when = "after the erasure and another opening, ";
                self.asked(&store, &self.after, when, true, several)?;
            }
            Err(e) => allowed("opening after the erasure", e.kind())?,
        }
        Ok(Judged { outcome, erasure: Erasure::Done })
    }

    /// Asks everything, and `verify` if it is wanted or an answer is missing. More details than those that
    /// name somebody may have gone if `fewer` is true.
    fn asked(
        &self,
        store: &Store,
        wanted: &Answers,
        when: &str,
        verify: bool,
        fewer: bool,
    ) -> Result<Outcome, String> {
        let answers = ask(store);
        for what in other_answers(&answers, wanted) {
            let of = |all: &Answers| {
                let answer = all.iter().find(|(w, _)| w == what).and_then(|(_, a)| a.clone().ok());
                answer.unwrap_or_default().lines().map(str::to_owned).collect::<BTreeSet<_>>()
            };
            let (is, was) = (of(&answers), of(wanted));
            let (more, less): (Vec<_>, Vec<_>) =
                (is.difference(&was).collect(), was.difference(&is).collect());
            if fewer && what == DETAILS && more.is_empty() {
                continue;
            }
            return Err(format!(
                "{when}another answer to `{what}` and no error: now {more:?}, before {less:?}"
            ));
        }
        let errors = errors(&answers);
        for (what, kind) in &errors {
            allowed(&format!("{when}`{what}`"), *kind)?;
        }
        if errors.is_empty() && !verify {
            return Ok(Outcome::Same);
        }
        let named = match store.verify(&VerifyOptions::new().read_data(true)) {
            Ok(report) => !report.damage.is_empty(),
            Err(e) => {
                allowed(&format!("{when}verify"), e.kind())?;
                true
            }
        };
        match (errors.is_empty(), named) {
            (true, false) => Ok(Outcome::Whole),
            (true, true) => Ok(Outcome::Named),
            (false, true) => Ok(Outcome::Lost),
            (false, false) => Err(format!("{when}`{}` is lost and verify names nothing", errors[0].0)),
        }
    }

    /// An opening that stops has destroyed nothing: with the damaged bytes put back all is there.
    fn undone(&self, mut files: Files, damages: &[Damage], salt: u64) -> Result<(), String> {
        for damage in damages {
            let good = &self.files[&damage.path];
            let range = damage.harm.range(good.len());
            match files.get_mut(&damage.path) {
                Some(bytes) if bytes.len() >= range.end => bytes[range.clone()].copy_from_slice(&good[range]),
                _ => return Err("opening stopped, and took away the damaged file".into()),
            }
        }
        let disk: Arc<dyn Vfs> = Arc::new(MemoryVfs::from_files(files));
        let store = builder(disk, salt ^ 1).open().map_err(|e| format!("with the damage undone: {e}"))?;
        match self.asked(&store, &self.before, "with the damage undone, ", true, false)? {
            Outcome::Whole => Ok(()),
            other => Err(format!("with the damage undone: {other:?}")),
        }
    }
}

impl Default for Truth {
    fn default() -> Self {
        Self::new()
    }
}

fn allowed(what: &str, kind: ErrorKind) -> Result<(), String> {
    match kind {
        ErrorKind::Corrupt | ErrorKind::Io | ErrorKind::WrongKey | ErrorKind::Unsupported => Ok(()),
        _ => Err(format!("{what} ended with {kind:?}")),
    }
}
