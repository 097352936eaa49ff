//! `verify-certificate`: a certificate of an erasure, checked without a store.

use std::path::PathBuf;

use escrowdb::erase::certificate::{self, Certificate};
use escrowdb::record::time;

use crate::commands::evidence::{self, Trust};
use crate::exit::Failure;
use crate::json::Object;
use crate::out::{Out, clean};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The certificate, as `escrow erase` printed it.
    file: PathBuf,
    #[command(flatten)]
    trust: Trust,
}

/// Bytes of a certificate at most; it has some thousand.
const CERTIFICATE_MAX: u64 = 2 << 20;

pub(crate) fn run(args: &Args, out: &mut Out) -> Result<(), Failure> {
    let bytes = evidence::read_at_most(&args.file, CERTIFICATE_MAX)?;
    let policy = args.trust.policy()?;
    let named = |e| evidence::named(&args.file, e);
    let certificate = certificate::verify(&bytes, &policy).map_err(named)?;
    let proof = certificate.proof().map_err(named)?;
    let (head, log) = (&proof.checkpoint, &proof.checkpoint.unverified().origin);
    if out.json() {
        return Ok(out.line(&json(&certificate, log, &evidence::witnesses(&policy, head)?))?);
    }
    for line in proved(&certificate, log) {
        out.line(&line)?;
    }
    let witnessed = evidence::witnessed(&policy, head)?;
    if let Some(by) = &witnessed {
        out.line(&format!("  in a head of the log {by}"))?;
    }
    for what in certificate.does_not_prove() {
        out.line(&format!("not proved: {what}"))?;
    }
    out.line(&match certificate.handles.as_slice() {
        [] => format!("not proved: which {} it was; the certificate names none", certificate.what),
        _ => "not proved: who the handle stood for (exports and proofs made before the erasure say that)"
            .to_owned(),
    })?;
    if witnessed.is_none() {
        out.line("not proved: that others see the same log (compare checkpoints, or ask witnesses)")?;
    }
    Ok(())
}

/// What is proved, in words.
fn proved(c: &Certificate, log: &str) -> Vec<String> {
    let mut lines = vec![format!("proved: the log {} says, signed by its key:", clean(log))];
    let handles: Vec<String> = c.handles.iter().map(ToString::to_string).collect();
    lines.push(match c.handles.as_slice() {
        [] => format!("  a {} was erased", c.what),
        _ => format!("  a {} was erased, known as {}", c.what, handles.join(", ")),
    });
    lines.push(format!("  request {}", c.request));
    lines.push(format!(
        "  keys destroyed: the root of epoch {}, {} of content, {} of indexes, {} of journals; epoch now {}",
        c.epoch_before, c.content_keys_destroyed, c.segments_rekeyed, c.journal_keys_destroyed, c.epoch_after
    ));
    lines.push(format!("  {} positions of the log are bare: their records are gone", c.records_removed));
    if c.records_lost > 0 {
        lines.push(format!("  {} records were found lost on the way", c.records_lost));
    }
    if let Some(kept) = &c.kept {
        let until = kept.until.map_or_else(String::new, |until| format!(" until {}", time::format(until)));
        let by = if kept.held { "a hold keeps some of them" } else { "a law keeps them" };
        lines.push(format!("  in part: {} records stay, restricted; {by}{until}", kept.records));
    }
    if c.by.0 != 0 {
        lines.push(format!("  asked for by the person of number {}", c.by));
    }
    if c.people_forgotten > 0 {
        lines
            .push(format!("  {} people of whom nothing else told are forgotten with it", c.people_forgotten));
    }
    let when = if c.destroyed_not_later_than { "not later than" } else { "at" };
    lines.push(format!(
        "  committed at {}; root destroyed {when} {}",
        time::format(c.committed),
        time::format(c.destroyed)
    ));
    let on = c.slot_file_system.as_deref().map(|name| format!(", on {}", clean(name)));
    lines.push(format!("  slot of grade {}{}", c.slot_grade, on.unwrap_or_default()));
    if let Some(basis) = c.basis {
        lines.push(format!("  legal ground: {}", basis.name()));
    }
    if !c.approvers.is_empty() {
        let numbers: Vec<String> = c.approvers.iter().map(|n| n.0.to_string()).collect();
        lines.push(format!("  approved by the people of numbers {}", numbers.join(", ")));
    }
    lines.push(match c.residual_until() {
        Some(until) => format!("  backups can read it until {}", time::format(until)),
        None => "  the store knows of no backup that can read it".to_owned(),
    });
    for (handle, until) in &c.retained {
        lines.push(format!("  kept as evidence under {handle} until {}", time::format(*until)));
    }
    if let Some(reason) = &c.reason {
        lines.push(format!("  reason, as given with this print and kept nowhere: {}", clean(reason)));
    }
    lines
}

fn json(c: &Certificate, log: &str, cosigned: &str) -> String {
    let handles: Vec<String> = c.handles.iter().map(ToString::to_string).collect();
    let mut line = Object::new();
    line.flag("ok", true).text("origin", log).text("request", &c.request.to_string()).text("erased", c.what);
    line.texts("handles", &handles).number("records_removed", c.records_removed);
    line.number("records_lost", c.records_lost).number("people_forgotten", c.people_forgotten);
    line.text("committed", &time::format(c.committed));
    line.text("destroyed", &time::format(c.destroyed));
    if let Some(kept) = &c.kept {
        let until = kept.until.map(time::format);
        let mut partial = Object::new();
        partial.number("records_kept", kept.records).flag("held", kept.held).maybe("until", until.as_deref());
        line.raw("partial", &partial.finish());
    }
    if c.by.0 != 0 {
        line.number("by", c.by.0);
    }
    line.raw("cosigned", cosigned);
    line.maybe("residual_until", c.residual_until().map(time::format).as_deref());
    line.texts("does_not_prove", &c.does_not_prove());
    line.finish()
}
