//! What would be done for a request, in one form only, so that its hash says all of it: a JSON object whose
//! members are sorted by name, without blanks. Whoever approves, approves the hash; what is done has it too.
//!
//! What looking at a plan changes stands beside it and not in it: details of acts, which tell who looked, and
//! how many files would be written anew.

use std::collections::BTreeMap;

use escrowdb::record::time;
use escrowdb::register::request::{Kind, Request, Step};
use escrowdb::store::Who;
use sha2::{Digest as _, Sha256};

use crate::args::Global;
use crate::commands::register;
use crate::engine::{self, Hit, Plan, Selector, Store};
use crate::exit::Failure;
use crate::json::{Object, array};
use crate::out::{Out, clip};

/// A plan in its one form.
pub(super) struct Canonical {
    /// The JSON object.
    pub(super) text: String,
    /// SHA-256 of it, lower-case hexadecimal.
    pub(super) hash: String,
    /// Codes of holds that keep something of it.
    holds: Vec<String>,
    /// Of an erasure, what the engine planned.
    erasure: Option<Plan>,
}

/// Members of an object by name: they are printed sorted.
#[derive(Default)]
struct Sorted(BTreeMap<&'static str, String>);

impl Sorted {
    fn put(&mut self, name: &'static str, json: impl Into<String>) -> &mut Self {
        self.0.insert(name, json.into());
        self
    }

    fn text(&mut self, name: &'static str, text: &str) -> &mut Self {
        self.put(name, quote(text))
    }

    fn texts(&mut self, name: &'static str, texts: &[String]) -> &mut Self {
        self.put(name, array(&texts.iter().map(|text| quote(text)).collect::<Vec<_>>()))
    }

    fn number(&mut self, name: &'static str, number: u64) -> &mut Self {
        self.put(name, number.to_string())
    }

    fn finish(&self) -> String {
        let mut line = Object::new();
        for (name, json) in &self.0 {
            line.raw(name, json);
        }
        line.finish()
    }
}

fn quote(text: &str) -> String {
    let mut quoted = String::new();
    escrowdb::record::jsonl::put_text(&mut quoted, text);
    quoted
}

/// Makes the plan of a request, prints it, and registers its hash.
pub(super) fn run(code: &str, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    let request = super::known(&store, code)?;
    let plan = make(&store, global, code, &request)?;
    super::step(&store, global, code, Step::Plan { hash: plan.hash.clone() })?;
    store.close()?;
    print(&plan, out)
}

/// Makes the plan of a request, as it is now.
///
/// # Errors
/// *Not found* if the person is not known any more.
pub(super) fn make(
    store: &Store,
    global: &Global,
    code: &str,
    request: &Request,
) -> Result<Canonical, Failure> {
    let name = store.name_of(request.person)?.ok_or_else(|| Failure::not_found("no such person"))?;
    let mut plan = Sorted::default();
    plan.number("version", 2).text("request", code).text("type", request.kind.name());
    plan.number("person", request.person.0).text("does", does(request.kind));
    let (mut holds, mut erasure) = (Vec::new(), None);
    match request.kind {
        Kind::Erasure => {
            let planned = store.plan_as(&engine::as_named(global), &Selector::Person(name.clone()))?;
            holds.clone_from(&planned.holds);
            put_erasure(&mut plan, &planned);
            let published = store.registers();
            let tables: Vec<String> = published.aggregates.iter().map(|(of, ..)| of.name.clone()).collect();
            // Tables tell of nobody and stay; of backups this version makes and knows none.
            plan.texts("aggregates", &tables).texts("backups", &[]);
            plan.texts("disclosures", &disclosures(store, request.person.0));
            plan.put("evidence", evidence(store, &name, request)?);
            erasure = Some(planned);
        }
        Kind::Withdrawal => {
            plan.texts("purposes", &given(store, &name)?);
        }
        _ => {}
    }
    let text = plan.finish();
    let hash = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Canonical { text, hash, holds, erasure })
}

/// What a run does for a kind of request.
const fn does(kind: Kind) -> &'static str {
    match kind {
        Kind::Access | Kind::Portability => "export",
        Kind::Rectification => "correct",
        Kind::Erasure => "erase",
        Kind::Restriction | Kind::Objection => "restrict",
        Kind::Withdrawal => "withdraw",
    }
}

fn put_erasure(plan: &mut Sorted, planned: &Plan) {
    let mention = |hit: &Hit| {
        let mut line = Sorted::default();
        line.number("seq", hit.seq.0).text("id", &hit.id).text("conversation", &hit.conversation);
        line.text("snippet", &clip(&hit.body, SNIPPET_COLUMNS)).finish()
    };
    let mentions: Vec<String> = planned.mentions.iter().map(mention).collect();
    let counts = |of: &BTreeMap<String, u64>| {
        let mut line = String::from("{");
        for (nth, (name, count)) in of.iter().enumerate() {
            let comma = if nth > 0 { "," } else { "" };
            line += &format!("{comma}{}:{count}", quote(name));
        }
        line + "}"
    };
    let positions: String = planned.positions.iter().map(|byte| format!("{byte:02x}")).collect();
    plan.put("classes", counts(&planned.classes)).put("conversations", counts(&planned.conversations));
    plan.text("positions", &positions);
    plan.text("what", planned.what).number("records", planned.records).number("people", planned.people);
    plan.number("others_affected", planned.others_affected).number("mention_total", planned.mention_total);
    plan.put("mentions", array(&mentions)).texts("holds", &planned.holds);
    if let Some(kept) = &planned.kept {
        plan.number("kept", kept.records);
        if let Some(until) = kept.until {
            plan.text("kept_until", &time::format(until));
        }
    }
    if let Some(ground) = planned.refused {
        plan.text("refused", ground);
    }
}

/// Columns of text shown of a mention.
const SNIPPET_COLUMNS: usize = 96;

/// Codes of what was given away, may hold records of hers, and may still be there (article 19).
pub(super) fn disclosures(store: &Store, number: u64) -> Vec<String> {
    let (registers, now) = (store.registers(), register::now());
    let is_hers =
        |of: &&escrowdb::register::disclosure::Disclosure| of.is_out(now) && of.may_be_about(number);
    registers.disclosures.iter().filter(is_hers).map(|of| of.given.code.clone()).collect()
}

/// What of the evidence about her stays, and how long.
fn evidence(store: &Store, name: &str, request: &Request) -> Result<String, Failure> {
    let said = store.consents(&Who::Identifier(name.to_owned()))?;
    let registers = store.registers();
    let asked = registers.requests.iter().filter(|(_, of)| of.person == request.person).count();
    let mut line = Sorted::default();
    line.number("consents", said.history.len() as u64).number("requests", asked as u64);
    Ok(line.text("kept_for", &registers.settings.keep_evidence.to_string()).finish())
}

/// Purposes for which she has consented.
pub(super) fn given(store: &Store, name: &str) -> Result<Vec<String>, Failure> {
    use escrowdb::register::consent::Deed;
    let said = store.consents(&Who::Identifier(name.to_owned()))?;
    let given = said.consents.iter().filter(|(_, of)| of.deed == Deed::Give);
    Ok(given.map(|(code, _)| code.to_owned()).collect())
}

fn print(plan: &Canonical, out: &mut Out) -> Result<(), Failure> {
    let beside = plan.erasure.as_ref();
    if out.json() {
        let mut line = Object::new();
        line.raw("plan", &plan.text).text("sha256", &plan.hash);
        if let Some(planned) = beside {
            line.number("details", planned.details).number("segments", planned.segments);
            line.flag("journal", planned.journal);
        }
        return Ok(out.line(&line.finish())?);
    }
    out.line(&plan.text)?;
    if let Some(planned) = beside {
        let (details, segments) = (planned.details, planned.segments);
        out.line(&format!("beside it {details} details of acts would go; segments re-keyed: {segments}"))?;
    }
    if !plan.holds.is_empty() {
        out.line(&format!("held by {}: what that keeps stays", plan.holds.join(" ")))?;
    }
    Ok(out.line(&format!("SHA-256 {}", plan.hash))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_sorted_without_blanks() {
        let mut plan = Sorted::default();
        plan.text("b", "x y").number("a", 2).texts("c", &["\"".to_owned()]);
        assert_eq!(plan.finish(), r#"{"a":2,"b":"x y","c":["\""]}"#);
    }
}
