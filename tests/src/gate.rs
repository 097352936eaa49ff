//! Holds a chosen call back until the test lets it go, so that one operation stands still in the
//! middle while another starts; and random yields that stir the order of threads.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::call::{Aim, Call, Class};
use crate::rng::Rng;

/// A barrier before the call it was aimed at. Dropping it lets the call go.
pub struct Gate(Arc<Inner>);

impl Gate {
    /// Waits until the call stands at the barrier; false if it did not come in time.
    #[must_use]
    pub fn reached(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        let mut state = self.0.state.lock();
        while !state.reached {
            if self.0.moved.wait_until(&mut state, end).timed_out() {
                return state.reached;
            }
        }
        true
    }

    /// Lets the call go.
    pub fn open(&self) {
        self.0.state.lock().open = true;
        self.0.moved.notify_all();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}

/// All barriers and the yields of one disk.
#[derive(Default)]
pub struct Gates {
    gates: Mutex<Vec<Arc<Inner>>>,
    yields: Mutex<Option<(Rng, u64)>>,
}

impl Gates {
    /// Puts a barrier before the call that is hit after `skip` others that are hit too.
    pub fn block(&self, aim: Aim, skip: u64) -> Gate {
        let inner = Arc::new(Inner {
            aim,
            state: Mutex::new(State { skip, reached: false, open: false }),
            moved: Condvar::new(),
        });
        self.gates.lock().push(Arc::clone(&inner));
        Gate(inner)
    }

    /// From now on the thread sleeps a little before `percent` of a hundred calls; 0 ends it.
    pub fn stir(&self, seed: u64, percent: u64) {
        *self.yields.lock() = (percent > 0).then(|| (Rng::new(seed), percent));
    }

    /// To be called before every call, without any lock held.
    pub fn pass(&self, class: Class, call: Call) {
        let pause = match &mut *self.yields.lock() {
            Some((rng, percent)) => rng.chance(*percent).then(|| rng.below(200) as u64),
            None => None,
        };
        match pause {
            Some(micros) if micros > 100 => std::thread::sleep(Duration::from_micros(micros)),
            Some(_) => std::thread::yield_now(),
            None => {}
        }
        let hit = {
            let mut gates = self.gates.lock();
            gates.retain(|g| !g.state.lock().open);
            gates.iter().find(|g| g.aim.hits(class, call) && g.state.lock().takes()).cloned()
        };
        if let Some(gate) = hit {
            gate.moved.notify_all();
            let mut state = gate.state.lock();
            while !state.open {
                gate.moved.wait(&mut state);
            }
        }
    }
}

struct Inner {
    aim: Aim,
    state: Mutex<State>,
    moved: Condvar,
}

struct State {
    skip: u64,
    reached: bool,
    open: bool,
}

impl State {
    fn takes(&mut self) -> bool {
        if self.reached || self.open {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.reached = true;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_the_chosen_call_only() {
        let gates = Arc::new(Gates::default());
        let gate = gates.block(Aim::at(Class::Index, Call::Sync), 1);
        gates.pass(Class::Index, Call::Sync);
        assert!(!gate.reached(Duration::from_millis(1)));
        let other = Arc::clone(&gates);
        let thread = std::thread::spawn(move || other.pass(Class::Index, Call::Sync));
        assert!(gate.reached(Duration::from_secs(10)));
        gates.pass(Class::Index, Call::Sync);
        gates.pass(Class::Head, Call::Sync);
        assert!(!thread.is_finished());
        gate.open();
        thread.join().unwrap();
    }
}
