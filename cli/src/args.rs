//! Arguments. Global flags work before and after the command; environment variables stand
//! behind them.

use std::path::PathBuf;

use clap::{Args, Parser};

use crate::commands::Command;
use crate::lent::Lent;

/// An encrypted, searchable archive of chat records that can really forget.
#[derive(Debug, Parser)]
#[command(name = "escrow", disable_version_flag = true, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 store locked, \
    5 wrong or missing key, 6 damaged or not verified, 7 refused by a rule.\n\
    Start with `escrow demo`.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,

    /// Print the version of the program and of the store format.
    #[arg(long, short = 'V')]
    pub(crate) version: bool,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What every command understands.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Global {
    /// Folder of the store.
    #[arg(long, global = true, env = "ESCROW_STORE", hide_env_values = true, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,

    /// Where the root key is kept: file:PATH. Default: DIR.slot beside the store's folder.
    #[arg(long, global = true, env = "ESCROW_SLOT", hide_env_values = true, value_name = "file:PATH")]
    pub(crate) slot: Option<String>,

    /// Print JSON Lines, errors too.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Read files by calls instead of mapping them: a broken disk or a file cut short is an error
    /// then and doesn't end the process. A little slower.
    #[arg(long, global = true)]
    pub(crate) no_mmap: bool,

    /// Who is asking: the store records it with what was done, see `escrow audit`.
    #[arg(long = "as", global = true, env = "ESCROW_AS", hide_env_values = true, value_name = "ACTOR")]
    pub(crate) actor: Option<String>,

    /// What for. Recorded too.
    #[arg(long, global = true, env = "ESCROW_PURPOSE", hide_env_values = true, value_name = "P")]
    pub(crate) purpose: Option<String>,

    /// The case it belongs to. Recorded too.
    #[arg(long, global = true, env = "ESCROW_CASE", hide_env_values = true, value_name = "C")]
    pub(crate) case: Option<String>,

    /// Give a question up after so many seconds, with an error; a search may have printed records by then.
    /// It is for what reads records: search, count, facet, histogram, get, conversation, export.
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) time_limit: Option<std::time::Duration>,

    /// Where this program runs, by law: eu, de, eu-central-1. A store of another region is opened only with a
    /// basis for that; `init` gives it to the new store. Default: wherever the store's region is.
    #[arg(long, global = true, env = "ESCROW_REGION", hide_env_values = true, value_name = "R")]
    pub(crate) region: Option<String>,

    /// The basis on which a store is opened, or records are exported, outside of its region: "GDPR 46 (2) (c)".
    /// Each time is a record of the log.
    #[arg(long, global = true, env = "ESCROW_TRANSFER_BASIS", hide_env_values = true, value_name = "BASIS")]
    pub(crate) transfer_basis: Option<String>,

    /// The store that a shell has open and lends to the commands of its lines.
    #[arg(skip)]
    pub(crate) lent: Lent,
}

fn seconds(text: &str) -> Result<std::time::Duration, String> {
    let seconds = text.parse().ok().and_then(|s| std::time::Duration::try_from_secs_f64(s).ok());
    seconds.ok_or_else(|| "must be a number of seconds, such as 2 or 0.5".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_flags_stand_before_or_after() {
        for line in [
            "escrow --store s --json count *",
            "escrow count --json --store s *",
            "escrow count * --store s --json",
        ] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert!(cli.global.json, "{line}");
            assert_eq!(cli.global.store, Some(PathBuf::from("s")), "{line}");
        }
    }
}
