//! `report processing`: the record of processing activities.

use std::path::PathBuf;

use clap::ValueEnum;
use escrowdb::record::{Kind, time};
use escrowdb::register::Registers;

use crate::args::Global;
use crate::commands::report::page::{Page, Section};
use crate::commands::{class, gate, register};
use crate::durable;
use crate::engine::{self, Store};
use crate::exit::Failure;
use crate::json::{Object, Value};
use crate::out::Out;
use crate::outside::Outside;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Name and address of the controller.
    #[arg(long, value_name = "NAME", env = "ESCROW_CONTROLLER", hide_env_values = true)]
    controller: String,
    /// How the controller, or who answers for it, is reached.
    #[arg(long, value_name = "CONTACT", env = "ESCROW_CONTACT", hide_env_values = true)]
    contact: String,
    /// The data protection officer, if there is one.
    #[arg(long, value_name = "NAME")]
    officer: Option<String>,
    /// A joint controller or a representative, if there is one.
    #[arg(long, value_name = "NAME")]
    representative: Option<String>,
    /// Form of the report.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write it to this file.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Html,
    Json,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let place = args.output.as_deref().map(|file| Outside::of(global, file)).transpose()?;
    let page = page(args, global)?;
    let format = if out.json() && place.is_none() { Format::Json } else { args.format };
    let mut text = match format {
        Format::Text => page.text(),
        Format::Html => page.html(),
        Format::Json => page.json(),
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let Some(place) = place else { return Ok(out.bytes(text.as_bytes())?) };
    durable::write(&place, text.as_bytes())?;
    let file = place.path().display().to_string();
    if out.json() {
        return Ok(out.line(&Object::new().text("file", &file).finish())?);
    }
    Ok(out.line(&format!("written to {file}"))?)
}

fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

fn page(args: &Args, global: &Global) -> Result<Page, Failure> {
    let store = engine::open(global)?;
    let rules = store.registers();
    let given = |name: &str, value: &Option<String>| {
        value.as_ref().map(|value| vec![text(name), text(value.clone())])
    };
    let mut who = vec![
        vec![text("controller"), text(args.controller.clone())],
        vec![text("contact"), text(args.contact.clone())],
    ];
    who.extend(given("data protection officer", &args.officer));
    who.extend(given("representative", &args.representative));
    who.push(vec![text("store"), text(store.id().to_string())]);
    who.push(vec![text("as of"), text(time::format(register::now()))]);
    Ok(Page {
        title: "Record of processing activities (GDPR article 30 (1))",
        sections: vec![
            Section { name: "controller", title: "Controller: (a)", columns: &["what", "value"], rows: who },
            purposes(&rules),
            people(&store)?,
            data(&store, global)?,
            recipients(&rules),
            transfers(&rules),
            limits(&store, &rules)?,
            measures(&store, &rules)?,
        ],
    })
}

fn purposes(rules: &Registers) -> Section {
    let rows = rules.purposes.iter().map(|(purpose, active)| {
        vec![
            text(purpose.code.clone()),
            text(purpose.title.clone()),
            text(purpose.basis.name()),
            text(if purpose.needs_consent { "yes" } else { "no" }),
            text(if active { "yes" } else { "no" }),
        ]
    });
    Section {
        name: "purposes",
        title: "Purposes and their lawful basis: (b), article 6",
        columns: &["code", "purpose", "basis", "needs_consent", "in_use"],
        rows: rows.collect(),
    }
}

fn people(store: &Store) -> Result<Section, Failure> {
    let stats = store.stats()?;
    Ok(Section {
        name: "people",
        title: "People: (c)",
        columns: &["category", "people"],
        rows: vec![vec![text("people who write, or are written about"), Value::Number(stats.people)]],
    })
}

fn data(store: &Store, global: &Global) -> Result<Section, Failure> {
    let kinds: Vec<String> = (Kind::ALL.into_iter().filter(|kind| !kind.is_internal()))
        .map(|kind| format!("kind:{}", kind.name()))
        .collect();
    let counts = engine::session(store, global).facet(&kinds.join(" OR "), "kind")?;
    Ok(Section {
        name: "data",
        title: "Personal data, by kind: (c)",
        columns: &["kind", "records"],
        rows: counts.into_iter().map(|(kind, n)| vec![text(kind), Value::Number(n)]).collect(),
    })
}

fn recipients(rules: &Registers) -> Section {
    let now = register::now();
    let rows = rules.disclosures.iter().map(|of| {
        vec![
            text(of.given.recipient.clone()),
            text(of.given.code.clone()),
            Value::Number(of.given.records),
            text(of.given.format.clone()),
            text(register::when(Some(of.at))),
            text(register::when(of.given.expires)),
            text(if of.is_out(now) { "out" } else { "gone" }),
        ]
    });
    Section {
        name: "recipients",
        title: "Recipients: (d)",
        columns: &["recipient", "disclosure", "records", "format", "given", "expires", "state"],
        rows: rows.collect(),
    }
}

fn transfers(rules: &Registers) -> Section {
    let rows = rules.transfers.iter().map(|made| {
        let of = &made.transfer;
        let at = text(register::when(Some(made.at)));
        vec![at, text(of.what.name()), text(of.region.clone()), text(of.basis.clone())]
    });
    Section {
        name: "transfers",
        title: "Transfers: (e), articles 44 to 49",
        columns: &["at", "what", "region", "basis"],
        rows: rows.collect(),
    }
}

fn limits(store: &Store, rules: &Registers) -> Result<Section, Failure> {
    let mut rows = Vec::new();
    let span = |span: &Option<String>| text(span.clone().unwrap_or_else(|| "-".to_owned()));
    for kept in rules.classes.iter() {
        let of = &kept.class;
        rows.push(vec![
            text(of.code.clone()),
            text(of.title.clone()),
            Value::Number(store.records_of_class(of.number)?),
            span(&of.lock),
            span(&of.maximum),
            text(class::then_name(of.then)),
            text(of.ground.clone()),
        ]);
    }
    let number = store.records_of_class(0)?;
    rows.push(vec![
        text("-"),
        text("of no class, the store's own records among them"),
        Value::Number(number),
        text("-"),
        text("none"),
        text("keep"),
        text("-"),
    ]);
    let audit = store.audit_rules()?;
    for (code, title, days) in [
        ("acts", "what was done, by whom", audit.keep_acts),
        ("details", "what was typed for it", audit.keep_details),
    ] {
        let maximum = text(format!("{days}d"));
        rows.push(vec![text(code), text(title), text("-"), text("-"), maximum, text("erase"), text("-")]);
    }
    let evidence = text(rules.settings.keep_evidence.to_string());
    let title = text("consents and requests of the erased");
    rows.push(vec![text("evidence"), title, text("-"), text("-"), evidence, text("erase"), text("-")]);
    Ok(Section {
        name: "time_limits",
        title: "Time limits: (f)",
        columns: &["class", "what", "records", "shortest", "longest", "then", "ground"],
        rows,
    })
}

/// What the store is in fact set to.
fn measures(store: &Store, rules: &Registers) -> Result<Section, Failure> {
    let (key, audit, settings) = (store.key_status(), store.audit_rules()?, &rules.settings);
    let standing = rules.holds.iter().filter(|placed| placed.released.is_none()).count();
    let switch = |on: bool| if on { "on" } else { "off" }.to_owned();
    let region = store.region();
    let rows = [
        (
            "encryption at rest",
            "all content, AES-256-GCM-SIV, a key a person; no content or name in clear".to_owned(),
        ),
        (
            "root key",
            format!("outside of the store's folder, slot of grade {}, epoch {}", key.grade, key.epoch),
        ),
        ("erasure", "destroys keys; each is certified and can be checked without the store".to_owned()),
        ("tamper evidence", "all records and acts in one Merkle log with signed heads".to_owned()),
        ("acts recorded", audit.level.name().to_owned()),
        ("four eyes for erasures", switch(settings.four_eyes)),
        ("consent asked when records come in", gate::mode(settings.gate).to_owned()),
        ("holds and restrictions that stand", standing.to_string()),
        ("region", if region.is_empty() { "none named".to_owned() } else { region.to_owned() }),
        ("format of the store", store.format().to_string()),
    ];
    Ok(Section {
        name: "measures",
        title: "Security: (g), article 32",
        columns: &["measure", "setting"],
        rows: rows.into_iter().map(|(name, value)| vec![text(name), text(value)]).collect(),
    })
}
