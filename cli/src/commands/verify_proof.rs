//! `verify-proof`: a proof of a record, checked without a store.

use std::path::PathBuf;

use escrowdb::merkle::policy::Policy;
use escrowdb::record::{Stored, time};
use escrowdb::store::RecordProof;

use crate::commands::evidence::{self, Trust};
use crate::exit::Failure;
use crate::json::{Object, array};
use crate::out::{Out, clean};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The proof.
    file: PathBuf,
    #[command(flatten)]
    trust: Trust,
}

pub(crate) fn run(args: &Args, out: &mut Out) -> Result<(), Failure> {
    let named = |e| evidence::named(&args.file, e);
    let proof = RecordProof::parse(&evidence::read(&args.file)?).map_err(named)?;
    let policy = args.trust.policy()?;
    let head = proof.verify(&policy).map_err(named)?;
    // What the log's key signed: that it is a record is no question of trust any more.
    let record = Stored::decode(&proof.opening.canonical).map_err(named)?;
    if out.json() {
        return Ok(out.line(&json(&proof, &policy, &record)?)?);
    }
    out.line(&format!(
        "proved: it stands at position {} of the log {}, signed at {} positions",
        proof.inclusion.index, head.origin, head.size
    ))?;
    out.line(&format!(
        "{}  {}  author {}  ({})  #{}",
        time::format(record.time),
        clean(&record.conversation),
        record.author,
        record.kind.name(),
        clean(&record.id)
    ))?;
    for line in record.body.lines() {
        out.line(&format!("    {}", clean(line)))?;
    }
    match evidence::witnessed(&policy, &proof.checkpoint)? {
        Some(by) => {
            out.line(&by)?;
            out.line("not proved: who the numbers are (their own records say that)")?;
        }
        None => out.line(
            "not proved: who the numbers are (their own records say that), and that others see the same log",
        )?,
    }
    Ok(out.line(
        "not proved: that it was said, and said then: time and text are the word of whoever added the record",
    )?)
}

/// People stand in records by number.
fn json(proof: &RecordProof, policy: &Policy, record: &Stored) -> Result<String, Failure> {
    let head = proof.checkpoint.unverified();
    let subjects: Vec<String> = record.subjects.iter().map(|n| n.0.to_string()).collect();
    let mut inner = Object::new();
    inner.text("id", &record.id).text("conversation", &record.conversation).number("author", record.author.0);
    inner.raw("subjects", &array(&subjects)).text("time", &time::format(record.time));
    inner.text("channel", &record.channel).text("kind", record.kind.name()).texts("tags", &record.tags);
    inner.text("body", &record.body).maybe("reply_to", record.reply_to.as_deref());
    if let Some(person) = &record.person {
        let mut who = Object::new();
        who.number("number", person.number.0).text("handle", &person.handle.to_string());
        who.texts("identifiers", &person.identifiers);
        inner.raw("person", &who.finish());
    }
    let mut line = Object::new();
    line.flag("ok", true).text("origin", &head.origin).number("size", head.size);
    line.text("root", &head.root.to_string()).number("seq", proof.inclusion.index.0);
    line.raw("cosigned", &evidence::witnesses(policy, &proof.checkpoint)?);
    line.text("leaf", &proof.opening.leaf().to_string()).raw("record", &inner.finish());
    Ok(line.finish())
}
