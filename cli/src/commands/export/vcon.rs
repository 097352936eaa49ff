//! vCons, one a line: one for each conversation, by draft-ietf-vcon-vcon-core (syntax 0.4.0).
//!
//! What an access package says beside its records is a vCon of its own behind them, without dialogs: a report, an
//! *analysis* of the draft that was derived from no dialog, for each section; its party is the person.
//!
//! A record is a text dialog; what the draft has no parameter for stands in the parameter `escrowdb` of the
//! compatible extension of that name. Parties and uuid stand behind the dialogs, for only then they are known:
//! a conversation is written as it is read. `docs/schema/vcon.schema.json` is the profile.

use std::collections::HashMap;

use escrowdb::export::{FORM_SALT_LEN, Others, Package, Section, Statement};
use escrowdb::id::Micros;
use escrowdb::record::{Kind, time};
use sha2::{Digest as _, Sha256};

use crate::commands::export::form::{About, Form, extra};
use crate::commands::export::told;
use crate::engine::Hit;
use crate::json::{Object, array};

/// The syntax of the draft that is written.
const SYNTAX: &str = "0.4.0";
/// Name of the extension, and of its parameter.
const EXTENSION: &str = "escrowdb";
/// Who made a report, and what its statements are: `docs/schema/statement.schema.json`.
const VENDOR: &str = "EscrowDB";
const SCHEMA: &str = "urn:escrowdb:schema:statement:1";
/// Behind the last statement of a report, and before the next one.
const REPORT_END: &str = "]}";
const REPORT_NEXT: &str = "]},";
/// Before whatever a uuid is made of.
const UUID_OF: &[u8] = b"EscrowDB 2026-11-30 uuid of a vcon";

/// A file of vCons.
pub(crate) struct Vcon {
    at: Micros,
    salt: [u8; FORM_SALT_LEN],
    others: Option<Others>,
    open: Option<Open>,
    /// Name of the person, and the sections that were written.
    person: String,
    told: Option<Reports>,
}

/// What is said beside the records, while it is written.
struct Reports {
    next: usize,
    any: bool,
    hasher: Sha256,
}

/// The conversation that is being written.
struct Open {
    conversation: String,
    parties: Vec<Option<String>>,
    places: HashMap<Option<String>, usize>,
    dialogs: u64,
    hasher: Sha256,
}

impl Vcon {
    pub(crate) fn new(about: &About) -> Self {
        let others = about.package.as_ref().map(|package| package.others);
        let person = about.title.1.clone();
        Self { at: about.at, salt: about.salt, others, open: None, person, told: None }
    }

    /// The first members of a vCon, without its last brace.
    fn head(&self, subject: Option<&str>, own: &str) -> String {
        let mut head = Object::new();
        head.text("vcon", SYNTAX).texts("extensions", &[EXTENSION]);
        head.text("created_at", &time::format(self.at));
        if let Some(subject) = subject {
            head.text("subject", subject);
        }
        if let Some(others) = self.others.filter(|others| *others != Others::Included) {
            // Without a uuid: the fuller one was never made.
            head.raw("redacted", &Object::new().text("type", &format!("others {}", others.name())).finish());
        }
        let head = head.raw(EXTENSION, own).finish();
        head.strip_suffix('}').unwrap_or(&head).to_owned()
    }

    /// Begins the reports up to one, counted from 1; the conversation before them ends here. Answers what is to be
    /// written.
    fn report(&mut self, out: &mut String, up_to: usize) -> String {
        self.close(out);
        let mut text = String::new();
        if self.told.is_none() {
            text = self.head(None, &Object::new().text("about", "person").finish()) + ",\"analysis\":[";
            let hasher = Sha256::new_with_prefix(UUID_OF).chain_update(self.salt);
            self.told = Some(Reports { next: 0, any: false, hasher });
        }
        let Some(reports) = &mut self.told else { return text };
        while reports.next < up_to {
            let mut report = Object::new();
            report
                .text("type", "report")
                .text("vendor", VENDOR)
                .text("product", Section::ALL[reports.next].name());
            report.text("schema", SCHEMA).text("mediatype", "application/json").text("encoding", "json");
            let report = report.raw("body", "[").finish();
            text += if reports.next > 0 { REPORT_NEXT } else { "" };
            text += report.strip_suffix('}').unwrap_or(&report);
            (reports.next, reports.any) = (reports.next + 1, false);
        }
        text
    }

    fn close(&mut self, out: &mut String) {
        let Some(mut open) = self.open.take() else { return };
        let parties: Vec<String> = open.parties.iter().map(|name| party(name.as_deref())).collect();
        let rest = format!("],\"parties\":{}", array(&parties));
        open.hasher.update(rest.as_bytes());
        let uuid = uuid(self.at, &open.hasher.finalize());
        out.push_str(&format!("{rest},\"uuid\":\"{uuid}\"}}\n"));
    }
}

impl Form for Vcon {
    fn name(&self) -> &'static str {
        "vcon"
    }

    fn salt(&self) -> Option<[u8; FORM_SALT_LEN]> {
        Some(self.salt)
    }

    fn record(&mut self, out: &mut String, hit: &Hit) {
        if self.open.as_ref().is_none_or(|open| open.conversation != hit.conversation) {
            self.close(out);
            let subject = Some(&*hit.conversation).filter(|name| !name.is_empty());
            let head = self.head(subject, &Object::new().text("conversation", &hit.conversation).finish());
            let head = format!("{head},\"analysis\":[],\"attachments\":[],\"dialog\":[");
            out.push_str(&head);
            let hasher = Sha256::new_with_prefix(UUID_OF).chain_update(self.salt).chain_update(&head);
            let (parties, places) = (Vec::new(), HashMap::new());
            self.open =
                Some(Open { conversation: hit.conversation.clone(), parties, places, dialogs: 0, hasher });
        }
        let Some(open) = &mut self.open else { return };
        let mut text = String::from(if open.dialogs > 0 { "," } else { "" });
        open.dialogs += 1;
        text.push_str(&open.dialog(hit));
        open.hasher.update(text.as_bytes());
        out.push_str(&text);
    }

    fn told(&mut self, out: &mut String, statement: &Statement) {
        let mut text = self.report(out, statement.section() as usize + 1);
        let Some(reports) = &mut self.told else { return };
        if std::mem::replace(&mut reports.any, true) {
            text.push(',');
        }
        text += &told::line(statement);
        reports.hasher.update(text.as_bytes());
        out.push_str(&text);
    }

    fn end(&mut self, out: &mut String, package: Option<&Package>) {
        self.close(out);
        if package.is_none_or(|package| package.told.is_none()) {
            return;
        }
        let mut rest = self.report(out, Section::ALL.len());
        let Some(mut reports) = self.told.take() else { return };
        rest += &format!(
            "{REPORT_END}],\"attachments\":[],\"dialog\":[],\"parties\":{}",
            array(&[party(Some(&self.person))])
        );
        reports.hasher.update(rest.as_bytes());
        let uuid = uuid(self.at, &reports.hasher.finalize());
        out.push_str(&format!("{rest},\"uuid\":\"{uuid}\"}}\n"));
    }
}

impl Open {
    /// Where somebody stands among the parties.
    fn party(&mut self, name: Option<&str>) -> u64 {
        let key = name.map(str::to_owned);
        let next = self.parties.len();
        let place = *self.places.entry(key.clone()).or_insert(next);
        if place == next {
            self.parties.push(key);
        }
        place as u64
    }

    fn dialog(&mut self, hit: &Hit) -> String {
        let author = self.party(hit.author.as_deref());
        let subjects: Vec<String> = hit.subjects.iter().map(|s| self.party(Some(s)).to_string()).collect();
        let at = time::format(hit.time);
        let mut dialog = Object::new();
        dialog.text("type", "text").text("start", &at).number("parties", author);
        dialog.text("mediatype", "text/plain").text("body", &hit.body).text("encoding", "none");
        if !hit.channel.is_empty() {
            dialog.text("application", &hit.channel);
        }
        dialog.text("message_id", &hit.id);
        let event = match hit.kind {
            Kind::Join => Some("join"),
            Kind::Leave => Some("drop"),
            _ => None,
        };
        if let Some(event) = event {
            let mut history = Object::new();
            history.number("party", author).text("time", &at).text("event", event);
            dialog.raw("party_history", &array(&[history.finish()]));
        }
        let mut own = Object::new();
        own.text("kind", hit.kind.name()).raw("subjects", &array(&subjects)).texts("tags", &hit.tags);
        own.maybe("reply_to", hit.reply_to.as_deref());
        if let Some(target) = &hit.target {
            own.text("target", target);
        }
        if !hit.extra.is_empty() {
            own.raw("extra", &extra(hit));
        }
        dialog.raw(EXTENSION, &own.finish());
        dialog.finish()
    }
}

/// A party; of one who is unknown the placeholder that the draft has for what was taken out.
fn party(name: Option<&str>) -> String {
    let mut party = Object::new();
    if let Some(name) = name {
        party.text("name", name).text("validation", "none");
        // An address names itself; nothing else that an identifier may be is guessed.
        if is_address(name) {
            party.text("mailto", name);
        }
    }
    party.finish()
}

/// Whether an identifier is plainly an e-mail address.
fn is_address(name: &str) -> bool {
    let is_plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(&b))
    };
    name.split_once('@').is_some_and(|(user, host)| is_plain(user) && is_plain(host) && host.contains('.'))
}

/// A UUID of version 8 (RFC 9562 §5.8), laid out as the draft has it: the millisecond, and bits of a hash in
/// the place of those of a host's name, which a store doesn't have.
fn uuid(at: Micros, hash: &[u8]) -> String {
    let milliseconds = at.0.div_euclid(1_000).cast_unsigned();
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&milliseconds.to_be_bytes()[2..]);
    for (byte, of) in bytes[6..].iter_mut().zip(hash) {
        *byte = *of;
    }
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_says_when_and_of_which_sort_it_is() {
        assert_eq!(uuid(Micros(0), &[0xff; 32]), "00000000-0000-8fff-bfff-ffffffffffff");
        assert_eq!(uuid(Micros(1_764_460_800_123_456), &[0; 32]), "019ad20f-287b-8000-8000-000000000000");
        assert_eq!(&uuid(Micros(-1), &[0; 32])[..13], "ffffffff-ffff");
    }

    #[test]
    fn addresses_are_not_guessed() {
        for (name, is) in [
            ("anna@example.org", true),
            ("a.b+c@mail.example.org", true),
            ("anna", false),
            ("anna@home", false),
            ("@example.org", false),
            ("a b@example.org", false),
            ("a@b@example.org", false),
        ] {
            assert_eq!(is_address(name), is, "{name}");
        }
        assert_eq!(party(None), "{}");
        assert_eq!(party(Some("eve")), r#"{"name":"eve","validation":"none"}"#);
    }
}
