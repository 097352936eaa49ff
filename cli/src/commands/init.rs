//! `init`: a new store.

use clap::ValueEnum;
use escrowdb::merkle::signer::is_name;

use crate::args::Global;
use crate::engine::{self, Preset};
use crate::exit::Failure;
use crate::json::Object;
use crate::out::{Out, note};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Name of the log in checkpoints. Default: `escrowdb.local/<store id>`.
    #[arg(long, value_name = "NAME")]
    origin: Option<String>,
    /// Where the store stands, by law; kept in the store.
    #[arg(long, value_name = "R")]
    region: Option<String>,
    /// Whose a record is if it names no subjects. Default: peer.
    #[arg(long, value_enum)]
    preset: Option<PresetName>,
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
    if let Some(region) = &args.region {
        builder = builder.region(region);
    }
    builder.create()?.close()?;
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
