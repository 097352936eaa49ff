//! `notice`: what people are told before they are asked.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use escrowdb::id::Micros;
use escrowdb::register::Event;
use escrowdb::register::notice::{self, NOTICE_LEN_MAX, Notices, State, Text, Version, hash_of};

use crate::args::Global;
use crate::commands::register;
use crate::engine;
use crate::exit::Failure;
use crate::input;
use crate::json::Object;
use crate::out::{Out, clean};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a text of a version, or write it anew while that is a draft.
    Draft(Draft),
    /// Freeze a version in all its languages: it is what people are shown, once its texts are valid.
    Publish(Which),
    /// Take a version back: nobody can consent under it any more.
    Retire(Which),
    /// Show every version.
    List,
    /// Show a text with its hash, which consents quote.
    Show(Show),
}

impl Command {
    /// Whether nothing is changed.
    pub(crate) const fn reads(&self) -> bool {
        matches!(self, Self::List | Self::Show(_))
    }
}

#[derive(clap::Args, Debug)]
pub(crate) struct Draft {
    /// Name of the notice.
    id: String,
    /// Its version, from 1.
    #[arg(long, value_name = "N")]
    version: u32,
    /// Language of the text, as BCP 47 tags it: de, en-GB.
    #[arg(long, value_name = "L")]
    language: String,
    /// Heading.
    #[arg(long, value_name = "T")]
    title: String,
    /// File with the text, as people read it; - is stdin.
    #[arg(long, value_name = "FILE")]
    text_file: PathBuf,
    /// A purpose that it explains; may be given again.
    #[arg(long = "for", value_name = "PURPOSE", required = true)]
    purposes: Vec<String>,
    /// From when on it is shown. Default: now.
    #[arg(long, value_name = "T", value_parser = register::instant)]
    valid_from: Option<Micros>,
    /// It changes what was consented to: who has consented is to be asked again.
    #[arg(long)]
    material: bool,
}

#[derive(clap::Args, Debug)]
pub(crate) struct Which {
    /// Name of the notice.
    id: String,
    /// Its version.
    #[arg(long, value_name = "N")]
    version: u32,
}

#[derive(clap::Args, Debug)]
pub(crate) struct Show {
    /// Name of the notice.
    id: String,
    /// Its version. Default: the one that is published.
    #[arg(long, value_name = "N")]
    version: Option<u32>,
    /// Only the text in this language.
    #[arg(long, value_name = "L")]
    language: Option<String>,
}

pub(crate) fn run(command: &Command, global: &Global, out: &mut Out) -> Result<(), Failure> {
    match command {
        Command::Draft(args) => draft(args, global, out),
        Command::Publish(Which { id, version }) => {
            let event = notice::Event::Publish { id: id.clone(), version: *version };
            register::alone(global, out, "published", Event::Notice(event))
        }
        Command::Retire(Which { id, version }) => {
            let event = notice::Event::Retire { id: id.clone(), version: *version };
            register::alone(global, out, "retired", Event::Notice(event))
        }
        Command::List => list(global, out),
        Command::Show(args) => show(args, global, out),
    }
}

fn draft(args: &Draft, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let text = read(&args.text_file)?;
    let event = notice::Event::Draft(Text {
        id: args.id.clone(),
        version: args.version,
        language: args.language.clone(),
        title: args.title.clone(),
        hash: hash_of(&text),
        text,
        purposes: args.purposes.clone(),
        valid_from: args.valid_from.unwrap_or_else(register::now),
        material: args.material,
    });
    register::alone(global, out, "drafted", Event::Notice(event))
}

/// Reads a text, no more of it than a notice may have.
fn read(file: &Path) -> Result<String, Failure> {
    let (mut text, most) = (String::new(), NOTICE_LEN_MAX as u64 + 1);
    let read = if file == Path::new("-") {
        input::stdin().and_then(|stdin| stdin.take(most).read_to_string(&mut text))
    } else {
        std::fs::File::open(file).and_then(|file| file.take(most).read_to_string(&mut text))
    };
    read.map_err(|e| Failure::io("read the text", e))?;
    Ok(text)
}

fn list(global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    let registers = store.registers();
    let mut rows = Vec::new();
    for (id, number, version) in registers.notices.iter() {
        let languages: Vec<&str> = version.texts.keys().map(String::as_str).collect();
        if out.json() {
            let mut line = Object::new();
            line.text("id", id)
                .number("version", number.into())
                .text("state", state(&registers.notices, id, number));
            line.texts("languages", &languages).texts("purposes", &purposes(version));
            line.flag("material", version.is_material());
            register::put_when(&mut line, "published", version.published);
            out.line(&line.finish())?;
            continue;
        }
        rows.push(vec![
            id.to_owned(),
            number.to_string(),
            state(&registers.notices, id, number).to_owned(),
            languages.join(" "),
            purposes(version).join(" "),
            if version.is_material() { "material" } else { "-" }.to_owned(),
            register::when(version.published),
        ]);
    }
    let headings = ["notice", "version", "state", "languages", "purposes", "change", "published"];
    register::table(out, &headings, rows)
}

fn show(args: &Show, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    let registers = store.registers();
    let found = match args.version {
        Some(number) => registers.notices.version(&args.id, number).map(|version| (number, version)),
        None => registers.notices.shown(&args.id, register::now()),
    };
    let (number, version) = found.ok_or_else(|| Failure::not_found("no such version of a notice"))?;
    let wanted = |text: &&Text| args.language.as_ref().is_none_or(|language| *language == text.language);
    let texts: Vec<&Text> = version.texts.values().filter(wanted).collect();
    if texts.is_empty() {
        return Err(Failure::not_found("the notice has no text in this language"));
    }
    let state = state(&registers.notices, &args.id, number);
    for text in texts {
        if out.json() {
            let mut line = Object::new();
            line.text("id", &text.id).number("version", number.into()).text("state", state);
            line.text("language", &text.language).text("title", &text.title).text("text", &text.text);
            line.text("sha256", &text.hash).texts("purposes", &text.purposes);
            register::put_when(&mut line, "valid_from", Some(text.valid_from));
            line.flag("material", text.material);
            out.line(&line.finish())?;
            continue;
        }
        let title = clean(&text.title);
        out.line(&format!("{} version {number} ({}), {state}: {title}", text.id, text.language))?;
        out.line(&format!("SHA-256 {}", text.hash))?;
        for line in text.text.lines() {
            out.line(&format!("    {}", clean(line)))?;
        }
    }
    Ok(())
}

fn purposes(version: &Version) -> Vec<&str> {
    let mut all: Vec<&str> =
        version.texts.values().flat_map(|text| text.purposes.iter().map(String::as_str)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn state(notices: &Notices, id: &str, version: u32) -> &'static str {
    match notices.state(id, version, register::now()) {
        Some(State::Published) => "published",
        Some(State::Superseded) => "superseded",
        Some(State::Retired) => "retired",
        Some(State::Draft) | None => "draft",
    }
}
