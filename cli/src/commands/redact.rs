//! `redact`: a part of a record, for good; the record stays.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::args::Global;
use crate::commands::certified::{self, Certified};
use crate::commands::lines::LINE_LEN_MAX;
use crate::engine::{self, Redaction, RedactionPlan};
use crate::exit::Failure;
use crate::input;
use crate::json::Object;
use crate::out::{Out, clean, note};

#[derive(clap::Args, Debug)]
#[command(group = clap::ArgGroup::new("part").required(true).multiple(true))]
pub(crate) struct Args {
    /// Id of the record, or of an edit of it: each wording is redacted by its own id.
    id: String,
    /// Characters of the body that go, counted from 0: from A up to B, which stays. May be given several times.
    ///
    /// A character is a Unicode scalar value, so an emoji may be several. Each span leaves one `█`, which tells
    /// nothing of its length; what overlaps or touches is one span.
    #[arg(long, group = "part", value_name = "A..B", value_parser = span)]
    span: Vec<(u32, u32)>,
    /// Every place where these characters stand in the body, capitals told apart. May be given several times.
    ///
    /// What is typed so stays in the shell's history, and others of this machine see it while it runs: what is not to be
    /// kept is better read from --words-file.
    #[arg(long, group = "part", value_name = "W")]
    word: Vec<String>,
    /// The same read from a file, `-` is stdin: a word or a phrase on each line, as it stands there.
    #[arg(long, group = "part", value_name = "FILE")]
    words_file: Option<PathBuf>,
    /// The conversation it stands in, if the id is used in several.
    #[arg(long, value_name = "C")]
    conversation: Option<String>,
    /// Say what would go and where else it stands, and change nothing. With --approved CODE it becomes the plan of that
    /// request, whose hash somebody else approves (`escrow request approve`).
    #[arg(long, conflicts_with = "certificate")]
    plan: bool,
    #[command(flatten)]
    certified: Certified,
}

impl Args {
    /// Whether nothing is to be changed.
    pub(crate) const fn plan(&self) -> bool {
        self.plan
    }

    fn redaction(&self) -> Result<Redaction, Failure> {
        let mut redaction = Redaction::new(&self.id);
        redaction.conversation.clone_from(&self.conversation);
        for (from, to) in &self.span {
            redaction = redaction.span(*from, *to);
        }
        let listed = self.words_file.as_deref().map(words).transpose()?.unwrap_or_default();
        Ok(self.word.iter().chain(&listed).fold(redaction, |redaction, word| redaction.word(word)))
    }
}

/// Reads a word a line; empty lines are none.
fn words(file: &Path) -> Result<Vec<String>, Failure> {
    let (mut bytes, limit) = (Vec::new(), LINE_LEN_MAX as u64 + 1);
    let read = if file == Path::new("-") {
        input::stdin().and_then(|stdin| stdin.take(limit).read_to_end(&mut bytes))
    } else {
        File::open(file).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    read.map_err(|e| Failure::io("read the words", e))?;
    if bytes.len() > LINE_LEN_MAX {
        return Err(Failure::rejected("the file of words is longer than 8 MiB"));
    }
    let text = String::from_utf8(bytes).map_err(|_| Failure::rejected("the file of words is not UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let words: Vec<String> = text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if words.is_empty() {
        return Err(Failure::rejected("the file names no word"));
    }
    Ok(words)
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let asks = !args.plan && args.certified.asks("redacting", certified::PLAN_FIRST)?;
    let place = args.certified.place(global)?;
    let redaction = args.redaction()?;
    let store = engine::open(global)?;
    let before = certified::done_before(&store, args.certified.request_id)?;
    let plan = || store.plan_redaction(&engine::as_named(global), &redaction);
    if args.plan
        && let Some(code) = &args.certified.approved
    {
        let agreed = store.plan_redaction_for(&engine::as_named(global), code, &redaction)?;
        store.close()?;
        return certified::print_agreed(&agreed, out);
    }
    if args.plan {
        return print_plan(&plan()?, out);
    }
    if before.is_none() && asks {
        plan_rows(&plan()?).iter().for_each(|row| note(&row.join("  ")));
        certified::confirm_name(&args.id)?;
    } else if before.is_none()
        && let Ok(plan) = plan()
    {
        // One that went on already may find no record; what is wrong says the redaction itself.
        tell_others(&plan);
    }
    // Before anything is destroyed: is there a place for the certificate?
    let file = certified::file(place.as_ref())?;
    let certificate = store.redact(&redaction, &args.certified.options(global, false))?;
    certified::say_again(before);
    certified::answer(store, &certificate, file, out)
}

/// The same words in other wordings stay, so it is said.
fn tell_others(plan: &RedactionPlan) {
    if !plan.also_in.is_empty() {
        note(&format!("the same words stand in other versions, and stay there: {}", ids(plan)));
    }
}

fn ids(plan: &RedactionPlan) -> String {
    clean(&plan.also_in.join(" "))
}

fn print_plan(plan: &RedactionPlan, out: &mut Out) -> Result<(), Failure> {
    if out.json() {
        let line = Object::new()
            .number("spans", plan.spans as u64)
            .number("characters", plan.characters)
            .flag("newest", plan.newest)
            .texts("also_in", &plan.also_in)
            .finish();
        return Ok(out.line(&line)?);
    }
    out.table(&plan_rows(plan))?;
    Ok(out.line("Nothing was changed.")?)
}

fn plan_rows(plan: &RedactionPlan) -> Vec<Vec<String>> {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let also = if plan.also_in.is_empty() { "-".to_owned() } else { ids(plan) };
    vec![
        row("spans", plan.spans.to_string()),
        row("characters", plan.characters.to_string()),
        row("newest wording", if plan.newest { "yes" } else { "no" }.to_owned()),
        row("the same words in versions", also),
    ]
}

/// Reads `A..B`.
fn span(text: &str) -> Result<(u32, u32), String> {
    let wrong = || {
        "must be two numbers of characters, like 3..8: the first that goes, and the first that stays"
            .to_owned()
    };
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let number = |text: &str| -> Option<u32> {
        let is_plain = text.bytes().all(|digit| digit.is_ascii_digit());
        text.parse().ok().filter(|_| is_plain)
    };
    match (number(from), number(to)) {
        (Some(from), Some(to)) if from < to => Ok((from, to)),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn spans_are_two_numbers() {
        assert_eq!(span("3..8"), Ok((3, 8)));
        for wrong in
            ["", "3", "3..", "..8", "8..3", "3..3", "+3..8", "-1..8", "3...8", "3..99999999999", "a..b"]
        {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }
}
