//! `escrow`: the command line of EscrowDB. Parse, run, exit code; one file per command.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;
use zeroizing_alloc::ZeroAlloc;

mod args;
mod commands;
mod durable;
mod engine;
mod exit;
mod input;
mod json;
mod lent;
mod out;
mod outside;
mod progress;
mod usage;

use crate::args::Cli;
use crate::exit::Failure;
use crate::out::Out;

/// Every freed buffer of the process is wiped: decrypted text, keys and arguments alike.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<std::alloc::System> = ZeroAlloc(std::alloc::System);

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // Known before parsing, because parse errors have a JSON form too.
    let json = arguments.iter().skip(1).take_while(|a| *a != "--").any(|a| a == "--json");
    let result = Cli::try_parse_from(arguments).map_err(|e| usage::failure(&e)).and_then(run);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => ExitCode::from(failure.report(json)),
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let mut out = Out::new(cli.global.json);
    commands::run(cli, &mut out)?;
    out.flush()?;
    Ok(())
}
