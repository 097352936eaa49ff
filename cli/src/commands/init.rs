//! `init`: a new store.

use clap::ValueEnum;
use escrowdb::store::Preset;

use crate::args::Global;
use crate::engine;
use crate::exit::Failure;
use crate::json::Object;
use crate::out::{Out, note};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Name of the log in checkpoints. Default: escrowdb.local/<store id>.
    #[arg(long, value_name = "NAME")]
    origin: Option<String>,
    /// Where the store stands, by law; stated in certificates.
    #[arg(long, value_name = "R")]
    region: Option<String>,
    /// Who the subjects of a record are if it names none.
    #[arg(long, value_enum, default_value_t = PresetName::Customer)]
    preset: PresetName,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PresetName {
    /// The customer is the subject of every record of the conversation.
    Customer,
    /// The author is the subject; two people talk.
    Peer,
    /// The author is the subject; many people talk.
    Room,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let folder = engine::folder(global)?;
    let slot = engine::slot(global, &folder)?;
    let mut builder = engine::builder(global)?.preset(match args.preset {
        PresetName::Customer => Preset::Customer,
        PresetName::Peer => Preset::Peer,
        PresetName::Room => Preset::Room,
    });
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
