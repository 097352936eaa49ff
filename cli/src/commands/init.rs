//! `init`: a new store.

use clap::ValueEnum;
use escrowdb::merkle::signer::is_name;
use escrowdb::register::class::{self, Class, Start, Then};
use escrowdb::register::{Event, settings};
use escrowdb::session::Session;

use crate::args::Global;
use crate::engine::{self, Preset, Store};
use crate::exit::Failure;
use crate::json::Object;
use crate::out::{Out, note};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Name of the log in checkpoints. Default: `escrowdb.local/<store id>`.
    #[arg(long, value_name = "NAME")]
    origin: Option<String>,
    /// Whose a record is if it names no subjects. Default: peer.
    #[arg(long, value_enum)]
    preset: Option<PresetName>,
    /// How long records are kept. Default: for ever, unless `class define` says something else.
    #[arg(long, value_enum)]
    retention: Option<RetentionName>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RetentionName {
    /// Chats for 180 days, context such as addresses and devices for 30 days, evidence of consents for three
    /// years behind an erasure, acts for six years.
    Minimal,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PresetName {
    /// The customer's: the subject of the conversation's first record.
    Customer,
    /// The author's; two people talk.
    Peer,
    /// The author's; many people talk.
    Room,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let folder = engine::folder(global)?;
    let slot = engine::slot(global, &folder)?;
    if args.origin.as_deref().is_some_and(|name| !is_name(name)) {
        return Err(escrowdb::Error::invalid("the origin is not the name of a key")
            .hint(
                "one or more characters without white space, control characters and +: log.example.org/chats",
            )
            .into());
    }
    let mut builder = engine::builder(global)?;
    if let Some(preset) = args.preset {
        builder = builder.preset(match preset {
            PresetName::Customer => Preset::Customer,
            PresetName::Peer => Preset::Peer,
            PresetName::Room => Preset::Room,
        });
    }
    if let Some(origin) = &args.origin {
        builder = builder.origin(origin);
    }
    if let Some(region) = global.region.as_deref().filter(|region| !region.is_empty()) {
        builder = builder.region(region);
    }
    let store = builder.create()?;
    if let Some(RetentionName::Minimal) = args.retention {
        keep_little(&store, &engine::as_named(global))?;
    }
    store.close()?;
    let (folder, slot) = (folder.display().to_string(), slot.display().to_string());
    if out.json() {
        out.line(&Object::new().text("store", &folder).text("slot", &format!("file:{slot}")).finish())?;
    } else {
        out.line(&format!("new store in {folder}"))?;
        note(&format!(
            "its key is in {slot}: without that file nothing can be read; never keep both in one backup"
        ));
    }
    Ok(())
}

/// Classes and settings of `--retention minimal`.
fn keep_little(store: &Store, session: &Session) -> Result<(), Failure> {
    let class = |code: &str, number, title: &str, selector: &str, maximum: &str| {
        Event::Class(class::Event::Define(Class {
            code: code.to_owned(),
            number,
            title: title.to_owned(),
            start: Start::Time,
            lock: None,
            maximum: Some(maximum.to_owned()),
            then: Then::Erase,
            // No longer than is needed.
            ground: "GDPR 5 (1) (e)".to_owned(),
            selector: selector.to_owned(),
        }))
    };
    let evidence = settings::Event { keep_evidence: Some("3y".to_owned()), ..settings::Event::default() };
    let events = vec![
        class("context", 1, "Addresses and devices", "kind:context", "30d"),
        class("chat", 2, "Chats", "*", "180d"),
        Event::Settings(evidence),
    ];
    store.change_all(session, events)?;
    let rules = store.audit_rules()?;
    Ok(store.set_audit_rules(session, &rules.keep_acts(ACTS_DAYS))?)
}

/// Six years, two of them leap years at most.
const ACTS_DAYS: u32 = 2_192;
