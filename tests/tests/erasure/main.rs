//! What an erasure says beforehand, what it leaves to guess, and what its commit alone forgets.

mod guess;
mod keyring_forgets;
mod plan;
