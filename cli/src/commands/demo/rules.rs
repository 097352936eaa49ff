//! What rules add to the life that the demo shows: a notice and a consent, a correction, a hold, counts that stay.

use escrowdb::ErrorKind;
use escrowdb::policy::aggregate::Rules;
use escrowdb::register::Event;
use escrowdb::register::consent::{self, Deed, Shown};
use escrowdb::register::hold::{self, Effect, Hold, Scope};
use escrowdb::register::notice::{self, Text, hash_of};
use escrowdb::register::purpose::{self, LawfulBasis, Purpose};
use escrowdb::session::Session;

use crate::commands::demo::{Demo, her};
use crate::commands::register;
use crate::engine::{self, EraseOptions, Selector};
use crate::exit::Failure;
use crate::out::clean;
use escrowdb_server::sample::{self as chat, AGENTS};

/// What people are told.
const NOTICE: &str = "We keep what you write to us. With your consent we send offers.";

/// A message of hers, a word that she takes back, and what stands there then.
const CORRECTED: (&str, &str, &str) =
    ("m-0003", "cadeau", "Merci. C'est une surprise pour l'anniversaire de ma fille.");

impl Demo<'_> {
    /// What she is told, and what she says to it.
    pub(super) fn consent(&mut self) -> Result<(), Failure> {
        let (session, hash) = (nora(), hash_of(NOTICE));
        let offers = Purpose {
            code: "offers".to_owned(),
            title: "Offers by mail".to_owned(),
            basis: LawfulBasis::Consent,
            class: None,
            needs_consent: true,
        };
        let text = Text {
            id: "privacy".to_owned(),
            version: 1,
            language: "fr".to_owned(),
            title: "Privacy".to_owned(),
            hash: hash.clone(),
            text: NOTICE.to_owned(),
            purposes: vec![offers.code.clone()],
            valid_from: register::now(),
            material: false,
        };
        let shown = Shown { id: text.id.clone(), version: 1, language: text.language.clone(), hash };
        let publish = notice::Event::Publish { id: text.id.clone(), version: 1 };
        let given = consent::Event {
            event: Deed::Give,
            person: her().email.to_owned(),
            purposes: vec![offers.code.clone()],
            notice: Some(shown),
            method: "click".to_owned(),
            channel: "web".to_owned(),
            expires: None,
        };
        for event in [
            Event::Purpose(purpose::Event::Define(offers)),
            Event::Notice(notice::Event::Draft(text)),
            Event::Notice(publish),
            Event::Consent(given),
        ] {
            self.store.change(&session, event)?;
        }
        self.step(2, "A notice, and a customer's consent")?;
        self.fact("escrow notice publish privacy --version 1")?;
        self.fact(&format!("escrow consent give {} --for offers …", her().email))
    }

    /// She asks for it; the old wording stays provable until she is erased.
    pub(super) fn correct(&mut self) -> Result<(), Failure> {
        let (id, word, new) = CORRECTED;
        let query = format!("conversation:{} {word}", chat::conversation(0));
        let before = engine::session(&self.store, &Default::default()).count(&query)?;
        self.store.correct(&nora(), id, None, new, Some("she asked for it"))?;
        let reading = engine::session(&self.store, &Default::default());
        let (after, all) = (reading.count(&query)?, reading.count(&format!("version:all {query}"))?);
        if (before, after, all) != (1, 0, 1) {
            return Err(Failure::failed("the old wording is found, or can't be proved any more"));
        }
        self.step(7, "Correct a message")?;
        self.fact(&format!("escrow correct {id} --body-file -"))?;
        self.fact(&format!("'{word}' is found no more; with version:all it is: both wordings are proved"))
    }

    /// Claims go before her wish, until they are settled.
    pub(super) fn hold(&mut self) -> Result<(), Failure> {
        let (code, selector) = ("claim-7".to_owned(), Selector::Person(her().email.to_owned()));
        let session = nora();
        let hold = Hold {
            code: code.clone(),
            effect: Effect::Hold,
            scope: Scope::Person(self.store.number_of(her().email)?.0),
            matter: "Claim 7".to_owned(),
            ground: "GDPR 17 (3) (e)".to_owned(),
            review: None,
        };
        self.store.change(&session, Event::Hold(hold::Event::Place(hold)))?;
        let refused = match self.store.erase(&selector, &EraseOptions::default()) {
            Err(e) if e.kind() == ErrorKind::Refused => e.to_string(),
            Err(e) => return Err(e.into()),
            Ok(_) => return Err(Failure::failed("she was erased in spite of a hold")),
        };
        let release = hold::Event::Release { code, reason: "settled".to_owned() };
        self.store.change(&session, Event::Hold(release))?;
        self.step(10, "A hold goes before it")?;
        self.fact(&format!("escrow hold place claim-7 --subject {} …", her().email))?;
        self.fact(&format!("her erasure is refused ({refused}), and that is on record; then it is released"))
    }

    /// A table that tells of nobody.
    pub(super) fn counts(&mut self) -> Result<(), Failure> {
        let session = nora();
        let rules = Rules::new(10, 5)?;
        let done = self.store.session(session).publish("march", "*", "tag:dept,month", rules)?;
        let shown = |count: Option<u64>| count.map_or_else(|| "·".to_owned(), |n| n.to_string());
        let rows = done.aggregate.rows.iter().filter(|row| !row.name.is_empty());
        let rows: Vec<_> = rows.map(|row| format!("{} {}", clean(&row.name), shown(row.total))).collect();
        self.step(14, "Counts that tell of nobody, and stay whoever is erased")?;
        self.fact("escrow aggregate publish march --by tag:dept,month --k 10 --round 5")?;
        self.fact(&format!("{}: to the nearest 5, of 10 people or more", rows.join(", ")))
    }
}

/// Who acts for the shop.
fn nora() -> Session {
    Session::new().actor(AGENTS[0].0)
}
