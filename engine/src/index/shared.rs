//! Work that is shared between two threads, because somebody waits for all of it: pages that an
//! erasure seals and opens, parts of the store that a long query asks. What runs in the background
//! takes one.
//!
//! Jobs are handed out under a lock, in order. So whoever reads or writes files while he makes the
//! next job does so in the same order each time, whichever thread asks for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use parking_lot::Mutex;

use crate::crypto::stack::burn_long_hash;
use crate::error::{Error, Result};

/// How many threads share the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hands {
    /// The one that asks: appends and searches go on beside it.
    One,
    /// Another one too, for somebody waits.
    Two,
}

/// Pages of a job.
pub(super) const PAGES: usize = 24;

/// Runs `work` for each job, here and on one more thread if it is wanted and the system gives one;
/// until all are done, or until one failed. What the other thread leaves on its stack is wiped: the
/// system gives the same memory to the next one.
///
/// # Errors
/// The first of `jobs` and `work` on this thread, else on the other.
pub(crate) fn share<J>(
    hands: Hands,
    jobs: impl Iterator<Item = Result<J>> + Send,
    work: impl Fn(J) -> Result<()> + Sync,
) -> Result<()> {
    let (jobs, failed) = (Mutex::new(jobs.fuse()), AtomicBool::new(false));
    let run = || -> Result<()> {
        while !failed.load(Ordering::Relaxed) {
            let Some(job) = jobs.lock().next() else { break };
            job.and_then(&work).inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
        }
        Ok(())
    };
    if hands == Hands::One {
        return run();
    }
    thread::scope(|scope| {
        let aside = || {
            let done = run();
            burn_long_hash();
            done
        };
        let other = thread::Builder::new().name("escrowdb-shared".into()).spawn_scoped(scope, aside);
        let own = run();
        let other = other.map_or(Ok(()), |other| other.join().unwrap_or_else(|_| Err(panicked())));
        own.and(other)
    })
}

pub(super) fn panicked() -> Error {
    Error::io("share work", std::io::Error::other("the other thread panicked"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn every_job_is_done_once_and_made_in_order() {
        let (sum, mut made) = (AtomicU64::new(0), Vec::new());
        let jobs = (0..1000u64).map(|n| {
            made.push(n);
            Ok(n)
        });
        share(Hands::Two, jobs, |n| {
            sum.fetch_add(n, Ordering::Relaxed);
            Ok(())
        })
        .unwrap();
        assert_eq!(sum.into_inner(), 499_500);
        assert!(made.is_sorted() && made.len() == 1000);
    }

    #[test]
    fn an_error_of_either_is_told() {
        let fail = |at: u64| move |n: u64| if n == at { Err(Error::corrupt("no")) } else { Ok(()) };
        for hands in [Hands::One, Hands::Two] {
            for at in 0..50 {
                assert!(share(hands, (0..50).map(Ok), fail(at)).is_err());
                assert!(share(hands, (0..50).map(|n| fail(at)(n).map(|()| n)), |_| Ok(())).is_err());
            }
            assert!(share(hands, (0..50).map(Ok), fail(50)).is_ok());
        }
    }
}
