//! `verify-residency`: what a store said of its place, checked without a store.

use std::path::PathBuf;

use escrowdb::merkle::signer::VerifierKey;
use escrowdb::verify::residency::SignedResidency;

use crate::commands::{evidence, residency};
use crate::exit::Failure;
use crate::out::Out;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The report, as `escrow residency report` wrote it.
    file: PathBuf,
    /// The key of the log.
    #[arg(long, value_name = "K", value_parser = evidence::log_key)]
    key: VerifierKey,
}

pub(crate) fn run(args: &Args, out: &mut Out) -> Result<(), Failure> {
    let named = |e| evidence::named(&args.file, e);
    let report = SignedResidency::parse(&evidence::read(&args.file)?).map_err(named)?;
    residency::show(report.verify(&args.key).map_err(named)?, out)
}
