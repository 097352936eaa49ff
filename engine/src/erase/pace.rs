//! How a pass gives way that nobody asked for. A date that has come can wait a little; who appends can't.
//!
//! While appends run it builds with one thread, and rests as long as it worked. An erasure that somebody asks for
//! meanwhile waits for it, as does whoever needs the right to roll: from then on it hurries. So it does from E3 on, where
//! it holds the committer's lock: nothing rests there.

use std::sync::Arc;

use crate::env::Env;
use crate::index::Hands;
use crate::keyring::pending::Waiting;
use crate::state::State;
use crate::state::rest::Rests;
use crate::vfs::PacedVfs;

/// The pace of one pass.
pub struct Pace {
    rests: Option<Arc<Rests>>,
    env: Env,
}

impl Pace {
    /// That of a pass for all of these; one for none of them makes a new key of the log, and somebody asked for that.
    pub fn of<'w>(state: &Arc<State>, batch: impl Iterator<Item = &'w Waiting>) -> Self {
        let mut batch = batch.peekable();
        if batch.peek().is_none() || batch.any(Waiting::was_asked_for) {
            return Self { rests: None, env: state.env.clone() };
        }
        let rests = Arc::new(Rests::whole(state));
        let paced = {
            let rests = Arc::clone(&rests);
            PacedVfs::new(
                Arc::clone(&state.env.vfs),
                Arc::new(move |len| {
                    rests.rest(len);
                    Ok(())
                }),
            )
        };
        Self { rests: Some(rests), env: Env { vfs: Arc::new(paced), ..state.env.clone() } }
    }

    /// What files are written through.
    pub const fn env(&self) -> &Env {
        &self.env
    }

    /// Called between two pieces of work.
    pub fn rest(&self) {
        if let Some(rests) = &self.rests {
            rests.rest(0);
        }
    }

    /// How many threads work.
    pub fn hands(&self) -> Hands {
        match &self.rests {
            Some(rests) if rests.gives_way() => Hands::One,
            _ => Hands::Two,
        }
    }
}
