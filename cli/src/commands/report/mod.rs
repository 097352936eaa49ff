//! `report`: what a privacy officer owes to an authority, from what the store knows.

use clap::Subcommand;

use crate::args::Global;
use crate::exit::Failure;
use crate::out::Out;

mod breach;
mod page;
mod processing;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The record of processing activities (GDPR article 30): purposes, data and people, recipients, transfers,
    /// time limits and security, as the store is in fact set to.
    Processing(processing::Args),
    /// Whom a theft lays open (GDPR articles 33 and 34): people who can be read, given the files, keys and
    /// exports that are gone.
    Breach(breach::Args),
}

pub(crate) fn run(command: &Command, global: &Global, out: &mut Out) -> Result<(), Failure> {
    match command {
        Command::Processing(args) => processing::run(args, global, out),
        Command::Breach(args) => breach::run(args, global, out),
    }
}
