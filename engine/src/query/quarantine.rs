//! What is in quarantine: told by its own verb, for no query finds it.

use zeroize::Zeroizing;

use crate::error::Result;
use crate::id::{Micros, Seq};
use crate::ingest::gate::missing_of;
use crate::query::reading::Reading;
use crate::receipts::{Deed, Detail};
use crate::record::{Kind, quarantine};

/// A record in quarantine, without what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quarantined {
    /// Log position.
    pub seq: Seq,
    /// Its id.
    pub id: String,
    /// Its conversation.
    pub conversation: String,
    /// When it happened.
    pub time: Micros,
    /// What it is.
    pub kind: Kind,
    /// Its channel.
    pub channel: String,
    /// Who wrote it, if he is known.
    pub author: Option<String>,
    /// Whose record it is.
    pub subjects: Vec<String>,
    /// When it came in.
    pub came: Option<Micros>,
    /// From when on a run of retention takes it, unless it is released.
    pub until: Option<Micros>,
    /// Purposes that it is kept for and that nobody allowed yet; with none it may be released.
    pub missing: Vec<String>,
}

impl Reading<'_> {
    /// Everything in quarantine, in the order of the log. Nothing of what it says is shown.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use escrowdb::{id::Micros, session::Session, store::*, vfs::MemoryVfs};
    /// use escrowdb::register::{Event, settings::{self, Gate, GateRule}};
    /// # let store = Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).create()?;
    /// # use escrowdb::register::purpose::{self, LawfulBasis, Purpose};
    /// # let (code, title) = ("offers".to_owned(), "Offers".to_owned());
    /// # let offers = Purpose { code, title, basis: LawfulBasis::Consent, class: None, needs_consent: true };
    /// # store.change(&Session::new(), Event::Purpose(purpose::Event::Define(offers)))?;
    /// let rule = GateRule { when: "*".into(), purposes: vec!["offers".into()] };
    /// let change = settings::Event { gate: Some(Gate::Quarantine), gate_rules: Some(vec![rule]), ..Default::default() };
    /// store.change(&Session::new(), Event::Settings(change))?;
    /// let outcome = store.append(&[Record::new("c1", "anna", Micros(0), "Hello").id("m1")])?.remove(0);
    /// assert!(matches!(outcome, Outcome::Quarantined(_)));
    /// let reading = store.session(Session::new().actor("dana"));
    /// assert_eq!(reading.count("*")?, 0);
    /// assert_eq!(reading.quarantined()?[0].missing, ["offers"]);
    /// assert!(store.release(&Session::new().actor("dana"), "m1", None).is_err());
    /// # Ok::<(), escrowdb::Error>(())
    /// ```
    ///
    /// # Errors
    /// Unreadable files, and whatever keeps the act from being written.
    pub fn quarantined(&self) -> Result<Vec<Quarantined>> {
        let ask = || {
            let (view, now) = (self.state().view.read(), self.state().env.clock.now());
            let (shown, rules) = (view.shown(None)?, view.rules());
            let (mut all, mut people) = (Vec::new(), Vec::new());
            for part in shown.parts() {
                let docs = part.quarantined()?;
                if docs.is_empty() {
                    continue;
                }
                for doc in docs - view.mask.docs_in(part)? {
                    let stored = Zeroizing::new(part.record(doc)?);
                    let mut subjects = Vec::new();
                    for number in &stored.subjects {
                        subjects.extend(view.shown_name(*number)?);
                    }
                    people.extend(stored.subjects.iter().copied());
                    let came = quarantine::came_at(&stored);
                    all.push(Quarantined {
                        seq: part.key(doc)?.seq,
                        id: stored.id.clone(),
                        conversation: stored.conversation.clone(),
                        time: stored.time,
                        kind: stored.kind,
                        channel: stored.channel.clone(),
                        author: view.shown_name(stored.author)?,
                        subjects,
                        came,
                        until: came.and_then(|came| rules.settings.quarantine.after(came)),
                        missing: missing_of(&view, rules, &stored.borrowed(), now)?,
                    });
                }
            }
            all.sort_unstable_by_key(|one| one.seq);
            let count = all.len() as u64;
            Ok((all, count, people))
        };
        self.shown(Deed::Record, Detail::new, ask)
    }
}
