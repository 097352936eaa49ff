//! `man`: manual pages, from the definitions of the command line.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;

use crate::args::{Cli, Global};
use crate::durable;
use crate::exit::Failure;
use crate::out::Out;
use crate::outside::Outside;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Write a page for the program and one for each command into this folder.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let mut command = Cli::command();
    command.build();
    let Some(dir) = &args.dir else {
        return Ok(out.bytes(&page(&command)?)?);
    };
    let mut files = Vec::new();
    pages(dir, global, &command, &mut files)?;
    fs::create_dir_all(dir).map_err(|e| Failure::io(format!("make {}", dir.display()), e))?;
    files.iter().try_for_each(|(place, text)| durable::write(place, text))
}

/// Adds the pages of a command and of those below it, and where they may stand.
fn pages(
    dir: &Path,
    global: &Global,
    command: &Command,
    files: &mut Vec<(Outside, Vec<u8>)>,
) -> Result<(), Failure> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    files.push((Outside::of(global, &dir.join(format!("{name}.1")))?, page(command)?));
    let mut shown = command.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help");
    shown.try_for_each(|sub| pages(dir, global, sub, files))
}

fn page(command: &Command) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    let man = Man::new(command.clone()).source(concat!("escrow ", env!("CARGO_PKG_VERSION")));
    man.render(&mut text).map_err(|e| Failure::io("write a manual page", e))?;
    Ok(text)
}
