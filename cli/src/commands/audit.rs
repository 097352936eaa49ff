//! `audit`: what was done with the store, by whom; and what of it is recorded, for how long.

use clap::{Subcommand, ValueEnum};
use escrowdb::record::time;
use escrowdb_server::shape::act_json;

use crate::args::Global;
use crate::engine::{self, ActOptions, ActView, AuditRules, Level, Order, Store};
use crate::exit::Failure;
use crate::json::Object;
use crate::out::{Out, clean, note};

#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_precedence_over_arg = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Which acts: author: (who did it), kind: (opened, searched, exported, erased, rule, import), after:,
    /// before:, id:; `*` finds all. With --details also words.
    #[arg(allow_hyphen_values = true, required = true)]
    query: Option<String>,
    /// At most so many. Default: 50 for people, all with --json.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// By time.
    #[arg(long, value_enum, default_value_t = ByTime::Newest)]
    order: ByTime,
    /// With what was typed: queries, names, purposes, as long as they are kept. Needs --purpose.
    #[arg(long)]
    details: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ByTime {
    /// Newest first.
    Newest,
    /// Oldest first.
    Oldest,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show, or change, what is recorded and for how long.
    Level(LevelArgs),
    /// Destroy the keys of acts and details whose date has come, as every opening does.
    Expire,
}

#[derive(clap::Args, Debug)]
struct LevelArgs {
    /// What is recorded from now on.
    #[arg(value_enum)]
    level: Option<LevelName>,
    /// Keep acts for so many days behind the end of their month.
    #[arg(long, value_name = "DAYS")]
    keep_acts: Option<u32>,
    /// The same for their details: queries, names, purposes.
    #[arg(long, value_name = "DAYS")]
    keep_details: Option<u32>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LevelName {
    /// What is opened, exported, erased and imported, and changes of rules.
    Acts,
    /// Also what is searched for and counted, and what was asked for and isn't there.
    All,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    match &args.command {
        Some(Command::Level(wanted)) => level(&store, wanted, global, out),
        Some(Command::Expire) => expire(&store, out),
        None => search(&store, args, global, out),
    }
}

fn level(store: &Store, wanted: &LevelArgs, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let mut rules = store.audit_rules()?;
    let before = rules;
    if let Some(level) = wanted.level {
        rules.level = match level {
            LevelName::Acts => Level::Acts,
            LevelName::All => Level::All,
        };
    }
    rules.keep_acts = wanted.keep_acts.unwrap_or(rules.keep_acts);
    rules.keep_details = wanted.keep_details.unwrap_or(rules.keep_details);
    if rules != before {
        store.set_audit_rules(&engine::as_named(global), &rules)?;
    }
    let AuditRules { level, keep_acts, keep_details, .. } = store.audit_rules()?;
    let line = if out.json() {
        Object::new()
            .text("level", level.name())
            .number("keep_acts", keep_acts.into())
            .number("keep_details", keep_details.into())
            .finish()
    } else {
        format!("{}: acts are kept for {keep_acts} days, details for {keep_details}", level.name())
    };
    Ok(out.line(&line)?)
}

fn expire(store: &Store, out: &mut Out) -> Result<(), Failure> {
    let gone = store.expire_acts()?;
    for certificate in &gone {
        let removed = certificate.records_removed;
        let request = certificate.request.to_string();
        out.line(&if out.json() {
            Object::new()
                .text("erased", certificate.what)
                .number("records", removed)
                .text("request", &request)
                .finish()
        } else {
            format!(
                "{removed} records of {} gone; certificate: escrow certificate {request}",
                certificate.what
            )
        })?;
    }
    if gone.is_empty() {
        note("nothing is due");
    }
    Ok(())
}

fn search(store: &Store, args: &Args, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let query = args.query.as_deref().unwrap_or("*");
    let limit = args.limit.unwrap_or(if out.json() { usize::MAX } else { LIMIT_TEXT });
    let order = match args.order {
        ByTime::Newest => Order::Newest,
        ByTime::Oldest => Order::Oldest,
    };
    let options = ActOptions::new().limit(limit).order(order).details(args.details);
    let found = engine::session(store, global).acts(query, &options)?;
    for act in &found {
        out.line(&if out.json() { act_json(act, args.details) } else { to_text(act) })?;
    }
    if found.is_empty() && !out.json() {
        note("nothing found");
    }
    Ok(())
}

fn to_text(view: &ActView) -> String {
    let who = match (&view.actor_name, view.actor.0) {
        (Some(name), _) => clean(name),
        (None, 0) => "(nobody named)".to_owned(),
        (None, number) => format!("(person {number})"),
    };
    let mut line = format!("{}  {who}  {}", time::format(view.time), view.kind.name());
    match &view.act {
        None => line.push_str(&format!("  #{}", clean(&view.id))),
        Some(act) => {
            let deed = act.deed.map_or("(unknown)", |deed| deed.name());
            if deed != view.kind.name() {
                line.push_str(&format!(" {deed}"));
            }
            match (act.rules, act.left_out) {
                (Some(rules), _) => line.push_str(&format!(
                    ": {}, acts {} days, details {}",
                    rules.level.name(),
                    rules.keep_acts,
                    rules.keep_details
                )),
                (_, Some((duplicates, rejected))) => line.push_str(&format!(
                    ": {} imported, {duplicates} duplicates, {rejected} rejected",
                    act.count
                )),
                _ => line.push_str(&format!(": {}", act.count)),
            }
        }
    }
    if !view.people.is_empty() {
        let people = view.people.iter().map(|(number, name)| match name {
            Some(name) => clean(name),
            None => format!("(person {number})"),
        });
        line.push_str(&format!("  of {}", people.collect::<Vec<_>>().join(", ")));
    }
    for (field, text) in view.detail.iter().flat_map(|detail| detail.fields()) {
        line.push_str(&format!("\n    {}: {}", field.name(), clean(text)));
    }
    line
}

/// Acts shown to people who don't say how many.
const LIMIT_TEXT: usize = 50;
