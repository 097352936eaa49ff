//! Loads in processes of their own: the peak of memory is that of one system, and the processors can be chosen.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Result;
use crate::compare::words::peer::{Plan, System};
use crate::compare::words::systems;
use crate::meter;
use crate::workload::Shape;

const BATCH: u64 = 1_000;
/// Memory of other processes is looked at each so many batches.
const LOOK: u64 = 50;

/// What a load took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Loaded {
    /// Sum of the time until each batch was acknowledged.
    pub acknowledged: Duration,
    /// The same and until nothing runs behind any more.
    pub settled: Duration,
    /// Processor time of the whole process, without that of making records.
    pub cpu: Duration,
    /// Most memory held at once, pages of mapped files among it, in bytes.
    pub peak: u64,
    /// Most memory of its own, in bytes.
    pub own: u64,
}

/// How to load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As it is made: a batch is generated, then timed.
    Streamed,
    /// Everything is in memory before the first batch, and the clock doesn't stop between them; on so many
    /// processors.
    Ready {
        /// 0 are all.
        cores: usize,
    },
}

/// Loads in a process of its own.
pub fn load(system: &System, dir: &Path, plan: &Plan, way: Way) -> Result<Loaded> {
    let cores = match way {
        Way::Streamed => None,
        Way::Ready { cores } => Some(cores),
    };
    let job = json!({
        "system": system.key,
        "dir": dir,
        "zipf": plan.shape == Shape::Zipf,
        "records": plan.records,
        "seed": plan.seed,
        "japanese": plan.japanese,
        "cores": cores,
    });
    let output = Command::new(std::env::current_exe()?)
        .arg("load-words")
        .arg(job.to_string())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("loading {} failed", system.name).into());
    }
    Loaded::from_json(&serde_json::from_slice(&output.stdout)?)
}

/// Loads here, as the job says; answers what is to be printed.
pub fn run(job: &str) -> Result<String> {
    end_with_parent()?;
    let job: Value = serde_json::from_str(job)?;
    let number = |key: &str| job[key].as_u64().ok_or("a job without a number");
    let plan = Plan {
        shape: if job["zipf"] == true { Shape::Zipf } else { Shape::Local },
        records: number("records")?,
        seed: number("seed")?,
        japanese: job["japanese"] == true,
    };
    let way = match job["cores"].as_u64() {
        None => Way::Streamed,
        Some(cores) => Way::Ready { cores: cores as usize },
    };
    let key = job["system"].as_str().unwrap_or_default();
    let system = systems::all().into_iter().find(|s| s.key == key).ok_or("no such system")?;
    let dir = job["dir"].as_str().ok_or("a job without a folder")?;
    fs::create_dir_all(dir)?;
    let loaded = match way {
        Way::Streamed => {
            let (loaded, own) = meter::own_peak(|| streamed(&system, dir.as_ref(), &plan));
            let mut loaded = loaded?;
            loaded.own += own;
            loaded
        }
        Way::Ready { cores } => ready(&system, dir.as_ref(), &plan, cores)?,
    };
    Ok(loaded.to_json().to_string())
}

fn streamed(system: &System, dir: &Path, plan: &Plan) -> Result<Loaded> {
    let mut workload = plan.workload();
    let mut peer = (system.open)(dir, plan)?;
    let (mut acknowledged, mut making, mut elsewhere) = (Duration::ZERO, Duration::ZERO, 0);
    let (before, mut added) = (meter::process_cpu(), 0);
    while added < plan.records {
        let used = meter::thread_cpu();
        let batch = workload.batch(BATCH.min(plan.records - added) as usize);
        making += meter::thread_cpu() - used;
        let start = Instant::now();
        peer.append(&batch)?;
        acknowledged += start.elapsed();
        added += batch.len() as u64;
        if (added / BATCH).is_multiple_of(LOOK) {
            elsewhere = elsewhere.max(peer.memory_elsewhere());
        }
    }
    let start = Instant::now();
    peer.settle()?;
    let settled = acknowledged + start.elapsed();
    elsewhere = elsewhere.max(peer.memory_elsewhere());
    let cpu = (meter::process_cpu() - before).saturating_sub(making);
    Ok(Loaded { acknowledged, settled, cpu, peak: meter::peak() + elsewhere, own: elsewhere })
}

fn ready(system: &System, dir: &Path, plan: &Plan, cores: usize) -> Result<Loaded> {
    let mut workload = plan.workload();
    let records = workload.batch(plan.records as usize);
    if cores > 0 {
        keep_to(cores)?;
    }
    let mut peer = (system.open)(dir, plan)?;
    let (start, before) = (Instant::now(), meter::process_cpu());
    for batch in records.chunks(BATCH as usize) {
        peer.append(batch)?;
    }
    let acknowledged = start.elapsed();
    peer.settle()?;
    let settled = start.elapsed();
    let cpu = meter::process_cpu() - before;
    Ok(Loaded { acknowledged, settled, cpu, peak: meter::peak(), own: 0 })
}

/// Keeps this thread, and all that it starts, to the first `cores` processors it may use.
#[cfg(target_os = "linux")]
fn keep_to(cores: usize) -> Result<()> {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let all = sched_getaffinity(None)?;
    let mut few = CpuSet::new();
    for cpu in (0..CpuSet::MAX_CPU).filter(|cpu| all.is_set(*cpu)).take(cores) {
        few.set(cpu);
    }
    Ok(sched_setaffinity(None, &few)?)
}

#[cfg(not(target_os = "linux"))]
fn keep_to(_: usize) -> Result<()> {
    Err("processors can't be chosen on this system".into())
}

/// Lets this process end with the one that started it, so that no load goes on behind a run that was stopped.
fn end_with_parent() -> Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    Ok(())
}

impl Loaded {
    /// As it is kept beside a load.
    pub fn to_json(self) -> Value {
        json!({
            "acknowledged": self.acknowledged.as_secs_f64(),
            "settled": self.settled.as_secs_f64(),
            "cpu": self.cpu.as_secs_f64(),
            "peak": self.peak,
            "own": self.own,
        })
    }

    /// Reads that.
    pub fn from_json(value: &Value) -> Result<Self> {
        let time =
            |key: &str| value[key].as_f64().map(Duration::from_secs_f64).ok_or("a load without its time");
        let bytes = |key: &str| value[key].as_u64().unwrap_or_default();
        Ok(Self {
            acknowledged: time("acknowledged")?,
            settled: time("settled")?,
            cpu: time("cpu")?,
            peak: bytes("peak"),
            own: bytes("own"),
        })
    }
}
