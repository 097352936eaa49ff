//! Many cases on all cores, and the table of what became of them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::rot::damage::Damage;
use crate::rot::verdict::{Effort, Erasure, Outcome, Truth};

/// Threads that run cases.
const THREADS: usize = 2;

/// What became of the cases of one kind of file and damage.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// How many of each outcome.
    pub outcomes: BTreeMap<Outcome, usize>,
    /// How many of each end of the erasure.
    pub erasures: BTreeMap<Erasure, usize>,
    /// One that cost something.
    pub example: Option<String>,
}

/// What was seen.
#[derive(Debug, Default)]
pub struct Table {
    /// By kind of file and damage.
    pub rows: BTreeMap<(String, String), Row>,
    /// What must never be: at most some of each kind.
    pub broken: Vec<String>,
    /// How many of them there are.
    pub broken_count: usize,
    /// The longest case, and which it was.
    pub longest: (Duration, String),
}

impl Table {
    /// Runs `cases`. `verify` looks at every `verify`-th; every `erase`-th is followed by an
    /// erasure, every `hunt`-th of those by a search of every byte.
    pub fn run(truth: &Truth, cases: &[Vec<Damage>], verify: usize, erase: usize, hunt: usize) -> Self {
        let next = AtomicUsize::new(0);
        let table = Mutex::new(Self::default());
        std::thread::scope(|s| {
            for _ in 0..THREADS {
                s.spawn(|| {
                    loop {
                        let i = next.fetch_add(1, Ordering::Relaxed);
                        let Some(case) = cases.get(i) else { break };
                        let effort = Effort {
                            verify: i.is_multiple_of(verify),
                            erase: i.is_multiple_of(erase),
                            hunt: i.is_multiple_of(erase * hunt),
                        };
                        let start = Instant::now();
                        let judged = truth.judge(case, effort, 1000 + i as u64);
                        table.lock().note(case, judged, start.elapsed());
                    }
                });
            }
        });
        table.into_inner()
    }

    fn note(&mut self, case: &[Damage], judged: Result<super::verdict::Judged, String>, took: Duration) {
        let told = case.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
        let join = |f: &dyn Fn(&Damage) -> &'static str| {
            let mut names: Vec<_> = case.iter().map(f).collect();
            names.sort_unstable();
            names.join(" + ")
        };
        let row = self.rows.entry((join(&Damage::kind), join(&|d| d.harm.name()))).or_default();
        if took > self.longest.0 {
            self.longest = (took, told.clone());
        }
        match judged {
            Ok(judged) => {
                *row.outcomes.entry(judged.outcome).or_default() += 1;
                *row.erasures.entry(judged.erasure).or_default() += 1;
                if judged.outcome > Outcome::Named || judged.erasure == Erasure::Blocked {
                    row.example.get_or_insert_with(|| format!("{told}: {judged:?}"));
                }
            }
            Err(what) => {
                self.broken_count += 1;
                let of_kind = self.broken.iter().filter(|b| b.starts_with(case[0].kind())).count();
                if of_kind < 5 {
                    self.broken.push(format!("{told}: {what}"));
                }
            }
        }
    }

    /// Cases in all.
    pub fn cases(&self) -> usize {
        self.rows.values().flat_map(|r| r.outcomes.values()).sum::<usize>() + self.broken_count
    }

    /// The rows of files of which nothing may be lost, where something was.
    pub fn cost<'a>(&'a self, free: &'a [&str]) -> impl Iterator<Item = String> + 'a {
        let rows = self.rows.iter().filter(|((kind, _), _)| free.contains(&kind.as_str()));
        rows.filter_map(|(_, row)| row.example.clone())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| file | damage | cases | same answers | same, `verify` clean | same, named | lost, named | does not open | erased / blocked |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|---|")?;
        for ((kind, harm), row) in &self.rows {
            let of = |o| row.outcomes.get(&o).copied().unwrap_or(0);
            let erased = |e| row.erasures.get(&e).copied().unwrap_or(0);
            let all: usize = row.outcomes.values().sum();
            let (same, whole, named) = (of(Outcome::Same), of(Outcome::Whole), of(Outcome::Named));
            let lost = of(Outcome::Lost);
            let (stopped, done) = (of(Outcome::Stopped), erased(Erasure::Done));
            let blocked = erased(Erasure::Blocked);
            writeln!(
                f,
                "| {kind} | {harm} | {all} | {same} | {whole} | {named} | {lost} | {stopped} | {done} / {blocked} |"
            )?;
        }
        write!(
            f,
            "{} cases, {} wrong; the longest took {:?} ({})",
            self.cases(),
            self.broken_count,
            self.longest.0,
            self.longest.1
        )
    }
}
