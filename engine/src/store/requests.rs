//! What would be done for a request, in one form only, so that its hash says all of it: a JSON object whose
//! members are sorted by name, without blanks. Whoever approves, approves the hash; what is done has it too.
//!
//! What looking at a plan changes stands beside it and not in it: details of acts, which tell who looked, and
//! how many files would be written anew.

use std::collections::BTreeMap;

use crate::erase::certificate;
use crate::erase::redact::Agreed;
use crate::erase::{rules, target};
use crate::error::{Error, ErrorKind, Result};
use crate::id::PersonNumber;
use crate::ingest::register::Who;
use crate::keyring::catalog;
use crate::keyring::pending::Target;
use crate::record::{jsonl, time};
use crate::register;
use crate::register::request::{Event, Kind, Request, Step};
use crate::session::Session;
use crate::store::{EraseOptions, Hit, Plan, Selector, Store};

/// Characters shown of a mention in a plan.
const SNIPPET_CHARS: usize = 96;

/// What would be done for a request.
#[derive(Clone)]
#[non_exhaustive]
pub struct RequestPlan {
    /// The plan, and the hash that approvers agree to.
    pub agreed: Agreed,
    /// Of an erasure, what it would take.
    pub erasure: Option<Plan>,
}

impl Store {
    /// Makes the plan of a request as it is now, and registers its hash: that is what is approved. A plan of an
    /// erasure shows records, so it is recorded like what is opened.
    ///
    /// # Errors
    /// *Not found* if there is no such request, or its person is not known any more; as of [`Store::change`].
    pub fn plan_request(&self, session: &Session, code: &str) -> Result<RequestPlan> {
        let plan = self.planned(session, code)?;
        self.plan_for(session, code, &plan.agreed)?;
        Ok(plan)
    }

    /// Whether what would be done for a request now is what was planned. Somebody's erasure that names a request asks
    /// this itself.
    ///
    /// # Errors
    /// *Refused* if nothing is planned, or it is another by now; *not found* as of [`Store::plan_request`].
    pub fn check_planned(&self, session: &Session, code: &str) -> Result<()> {
        let Some(agreed) = self.request(code)?.plan else {
            return Err(Error::new(ErrorKind::Refused, "nothing is planned for this request yet")
                .hint("`escrow request plan` makes a plan"));
        };
        if self.planned(session, code)?.agreed.hash != agreed {
            return Err(Error::new(
                ErrorKind::Refused,
                "what would be done is not what was planned any more",
            )
            .hint("plan anew, and have that approved: `escrow request plan`"));
        }
        Ok(())
    }

    /// Codes of what was given away, may hold records of somebody, and may still be there (GDPR article 19).
    ///
    /// # Errors
    /// An unreadable key tree.
    pub fn disclosures_about(&self, number: PersonNumber) -> Result<Vec<String>> {
        let view = self.state.view.read();
        let now = rules::believed(&self.state, &view.tree)?;
        let given = view.rules().disclosures.iter();
        let hers = given.filter(|of| of.is_out(now) && of.may_be_about(number.0));
        Ok(hers.map(|of| of.given.code.clone()).collect())
    }

    /// Makes something the plan of a request.
    pub(super) fn plan_for(&self, session: &Session, code: &str, agreed: &Agreed) -> Result<()> {
        let event = Step::Plan { hash: agreed.hash.clone() };
        self.change(session, register::Event::Request(Event { request: code.to_owned(), event }))?;
        Ok(())
    }

    /// An erasure of somebody that names a request takes what was planned for it, and nothing else. One that was
    /// accepted before goes on.
    pub(super) fn check_erasure(&self, selector: &Selector, options: &EraseOptions) -> Result<()> {
        let (Selector::Person(_), Some(code)) = (selector, &options.approved) else { return Ok(()) };
        let target = {
            let view = self.state.view.read();
            if let Some(request) = options.request
                && (catalog::has_pending(&view.tree, request)?
                    || certificate::find(&view, request)?.is_some())
            {
                return Ok(());
            }
            target::resolve(&view, selector)?
        };
        let request = self.request(code)?;
        let is_hers = matches!(target, Target::Persons(numbers) if numbers.contains(&request.person));
        if request.kind != Kind::Erasure || !is_hers {
            return Err(Error::new(ErrorKind::Refused, "the request asks for something else"));
        }
        self.check_planned(&options.session(), code)
    }

    fn request(&self, code: &str) -> Result<Request> {
        let known = self.registers().requests.get(code).cloned();
        known.ok_or_else(|| Error::not_found("no such request"))
    }

    fn planned(&self, session: &Session, code: &str) -> Result<RequestPlan> {
        let request = self.request(code)?;
        let name = self.name_of(request.person)?.ok_or_else(|| Error::not_found("no such person"))?;
        let mut plan = Members::default();
        plan.number("version", 2).text("request", code).text("type", request.kind.name());
        plan.number("person", request.person.0).text("does", does(request.kind));
        let mut erasure = None;
        match request.kind {
            Kind::Erasure => {
                let planned = self.plan_as(session, &Selector::Person(name.clone()))?;
                put_erasure(&mut plan, &planned);
                let published = self.registers();
                // Tables tell of nobody and stay; of backups this version makes and knows none.
                plan.texts("aggregates", published.aggregates.iter().map(|(of, ..)| &of.name));
                plan.texts("backups", &[]);
                plan.texts("disclosures", &self.disclosures_about(request.person)?);
                plan.put("evidence", self.evidence_kept(name, &request)?);
                erasure = Some(planned);
            }
            Kind::Withdrawal => {
                let said = self.consents(&Who::Identifier(name))?;
                let given: Vec<_> = said.given().map(str::to_owned).collect();
                plan.texts("purposes", &given);
            }
            _ => {}
        }
        Ok(RequestPlan { agreed: Agreed::new(plan.finish()), erasure })
    }

    /// What of the evidence about somebody stays, and how long.
    fn evidence_kept(&self, name: String, request: &Request) -> Result<String> {
        let said = self.consents(&Who::Identifier(name))?;
        let registers = self.registers();
        let asked = registers.requests.iter().filter(|(_, of)| of.person == request.person).count();
        let mut line = Members::default();
        line.number("consents", said.history.len() as u64).number("requests", asked as u64);
        line.text("kept_for", &registers.settings.keep_evidence.to_string());
        Ok(line.finish())
    }
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

fn put_erasure(plan: &mut Members, planned: &Plan) {
    let mentions: Vec<_> = planned.mentions.iter().map(mention).collect();
    plan.put("classes", counts(&planned.classes)).put("conversations", counts(&planned.conversations));
    let positions: String = planned.positions.iter().map(|byte| format!("{byte:02x}")).collect();
    plan.text("positions", &positions);
    plan.text("what", planned.what).number("records", planned.records).number("people", planned.people);
    plan.number("others_affected", planned.others_affected).number("mention_total", planned.mention_total);
    plan.put("mentions", format!("[{}]", mentions.join(","))).texts("holds", &planned.holds);
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

fn mention(hit: &Hit) -> String {
    let mut snippet: String = hit.body.chars().take(SNIPPET_CHARS).collect();
    if snippet.len() < hit.body.len() {
        snippet.push('…');
    }
    let mut line = Members::default();
    line.number("seq", hit.seq.0).text("id", &hit.id).text("conversation", &hit.conversation);
    line.text("snippet", &snippet).finish()
}

fn counts(of: &BTreeMap<String, u64>) -> String {
    let counts: Vec<_> = of.iter().map(|(name, count)| format!("{}:{count}", quote(name))).collect();
    format!("{{{}}}", counts.join(","))
}

fn quote(text: &str) -> String {
    let mut quoted = String::new();
    jsonl::put_text(&mut quoted, text);
    quoted
}

/// Members of an object by name, each as JSON: they are printed sorted.
#[derive(Default)]
struct Members(BTreeMap<&'static str, String>);

impl Members {
    fn put(&mut self, name: &'static str, json: String) -> &mut Self {
        self.0.insert(name, json);
        self
    }

    fn text(&mut self, name: &'static str, text: &str) -> &mut Self {
        self.put(name, quote(text))
    }

    fn texts<'t>(&mut self, name: &'static str, texts: impl IntoIterator<Item = &'t String>) -> &mut Self {
        let texts: Vec<_> = texts.into_iter().map(|text| quote(text)).collect();
        self.put(name, format!("[{}]", texts.join(",")))
    }

    fn number(&mut self, name: &'static str, number: u64) -> &mut Self {
        self.put(name, number.to_string())
    }

    fn finish(&self) -> String {
        let members: Vec<_> = self.0.iter().map(|(name, json)| format!("\"{name}\":{json}")).collect();
        format!("{{{}}}", members.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_sorted_without_blanks() {
        let mut plan = Members::default();
        plan.text("b", "x y").number("a", 2).texts("c", &["\"".to_owned()]);
        assert_eq!(plan.finish(), r#"{"a":2,"b":"x y","c":["\""]}"#);
    }
}
