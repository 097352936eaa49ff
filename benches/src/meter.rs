//! Clocks, memory and percentiles.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::Result;

/// Processor time of all threads so far.
pub fn process_cpu() -> Duration {
    clock(ClockId::ProcessCPUTime)
}

/// Processor time of this thread so far.
pub fn thread_cpu() -> Duration {
    clock(ClockId::ThreadCPUTime)
}

fn clock(id: ClockId) -> Duration {
    let now = clock_gettime(id);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Starts the peak of memory anew; where the system can't, the peak is that of the whole run.
pub fn reset_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// Most memory held at once since [`reset_peak`], in bytes. Pages of mapped files count too.
pub fn peak() -> u64 {
    status("VmHWM:")
}

/// A line of the process's status, in bytes; 0 where the system doesn't tell.
fn status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix(name));
    let kib = line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// Runs `f`; answers what it answers and the most memory of its own that the process held
/// meanwhile, in bytes, seen every 2 ms. Pages of mapped files, which the system takes back when
/// it needs them, are not the process's own.
pub fn own_peak<T>(f: impl FnOnce() -> T) -> (T, u64) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut most = status("RssAnon:");
            while !done.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(2));
                most = most.max(status("RssAnon:"));
            }
            most
        });
        let result = f();
        done.store(true, Ordering::Release);
        (result, watch.join().unwrap_or_default())
    })
}

/// The sample below which `share` of all samples lie.
pub fn percentile(samples: &mut [Duration], share: f64) -> Duration {
    samples.sort_unstable();
    let at = (samples.len() as f64 * share) as usize;
    samples.get(at.min(samples.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// The middle sample.
pub fn median(samples: &mut [Duration]) -> Duration {
    percentile(samples, 0.5)
}

/// Bytes of a store's files by kind.
pub fn bytes_by_kind(dir: &Path) -> Result<Vec<(&'static str, u64)>> {
    let mut sums: Vec<(&'static str, u64)> = Vec::new();
    add_folder(dir, &mut sums)?;
    Ok(sums)
}

fn add_folder(dir: &Path, sums: &mut Vec<(&'static str, u64)>) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.metadata()?.is_dir() {
            add_folder(&entry.path(), sums)?;
            continue;
        }
        let kind = kind_of(&entry.path());
        let bytes = entry.metadata()?.len();
        match sums.iter_mut().find(|(k, _)| *k == kind) {
            Some((_, sum)) => *sum += bytes,
            None => sums.push((kind, bytes)),
        }
    }
    Ok(())
}

/// What a file of a store is.
pub fn kind_of(path: &Path) -> &'static str {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    match path.extension().and_then(|e| e.to_str()).unwrap_or_default() {
        "seg" => "bodies",
        "idx" => "indexes",
        "jrn" => "journals",
        "slot" => "slot",
        _ if name.starts_with("keyring") => "keyring",
        _ if name == "HEAD" => "HEAD",
        _ if path.parent().is_some_and(|p| p.ends_with("log")) => "log",
        _ => "others",
    }
}
