//! What a session may not read: what is being erased, what is restricted, what is in quarantine, and for a purpose what
//! nobody consented to.

use std::borrow::Cow;
use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::error::Result;
use crate::id::{PersonNumber, Seq};
use crate::index::scope::Mask;
use crate::index::{Field, Term};
use crate::ingest::refused::{self, Refusal};
use crate::policy::{Action, Ground};
use crate::query::held::place;
use crate::query::reading::Reading;
use crate::record::Kind;
use crate::register::Registers;
use crate::register::hold::{Placed, Scope};
use crate::view::View;

/// What a session's case opens of what is restricted.
enum Case {
    /// Nothing: it names none that is open.
    None,
    /// What is of this person: it is her request.
    Person(PersonNumber),
    /// Everything: it is a matter of law, and what is needed for that is not told by the one hold.
    All,
}

impl Reading<'_> {
    /// The case that it is for: the code or matter of a hold or restriction that stands, or the code of a request that
    /// is open.
    fn case(&self, rules: &Registers) -> Case {
        let Some(case) = self.session().case_name() else { return Case::None };
        let standing = rules.holds.iter().filter(|placed| placed.released.is_none());
        let mut names = standing.flat_map(|placed| [&placed.hold.code, &placed.hold.matter]);
        if names.any(|name| name == case) {
            return Case::All;
        }
        let request = rules.requests.get(case).filter(|request| !request.state.is_answered());
        request.map_or(Case::None, |request| Case::Person(request.person))
    }

    /// Why nothing is read for its purpose, if that was given up. One that nobody defined is a reason in somebody's own
    /// words, which is on record and opens no less.
    fn given_up(&self, rules: &Registers) -> Option<Ground> {
        let code = self.session().purpose_name()?;
        let is_retired = rules.purposes.get(code).is_some() && rules.purposes.active(code).is_none();
        is_retired.then(|| Ground::Consent { missing: vec![code.to_owned()] })
    }

    /// Asks whether anything may be read for its purpose. A refusal is on record.
    ///
    /// # Errors
    /// *Refused* for a purpose that was retired: nothing is read for it any more.
    pub(crate) fn check_purpose(&self) -> Result<()> {
        let Some(ground) = self.given_up(&Arc::clone(self.state().view.read().rules())) else {
            return Ok(());
        };
        let refusal = Refusal { action: Action::Read, ground, records: 0, people: Vec::new() };
        if self.state().check_writable().is_ok() {
            refused::record(self.shared(), self.queue(), self.session().actor_name(), &refusal)?;
        }
        Err(refused::error(&refusal.ground))
    }

    /// What this reading doesn't see: what is being erased; what is restricted, unless it is for a case
    /// (GDPR article 18 (2)); and whose records it has no consent to read for its purpose (article 7 (3)).
    pub(crate) fn mask<'v>(&self, view: &'v View) -> Result<Cow<'v, Mask>> {
        self.mask_of(view, (true, true))
    }

    /// The same without what is in quarantine, and without what is restricted, each if it is not asked for.
    fn mask_of<'v>(
        &self,
        view: &'v View,
        (has_quarantine, has_restricted): (bool, bool),
    ) -> Result<Cow<'v, Mask>> {
        let rules = view.rules();
        let is_restricted = rules.holds.iter().any(Placed::restricts) || rules.classes.restrictions() > 0;
        let case = if is_restricted && has_restricted { self.case(rules) } else { Case::All };
        if let Some(ground) = self.given_up(rules) {
            return Err(refused::error(&ground));
        }
        let purpose = self.session().purpose_name().and_then(|code| rules.purposes.active(code));
        let purpose = purpose.filter(|purpose| purpose.needs_consent);
        let quarantine = has_quarantine && rules.settings.has_quarantine && has_quarantined(view)?;
        if matches!(case, Case::All) && purpose.is_none() && !quarantine {
            return Ok(Cow::Borrowed(&view.mask));
        }
        let mut mask = view.mask.clone();
        mask.quarantine = quarantine;
        if let Some(purpose) = purpose {
            mask.restricted = view.without_consent(&purpose.code, self.state().env.clock.now())?;
        }
        match case {
            Case::All => {
                cover_early(view, &mut mask)?;
                return Ok(Cow::Owned(mask));
            }
            Case::Person(number) => mask.opened = view.linked(number)?,
            Case::None => {}
        }
        mask.ended = view.ended()?;
        for placed in rules.holds.iter().filter(|placed| placed.restricts()) {
            match &placed.hold.scope {
                Scope::Person(number) => {
                    let people = view.linked(PersonNumber(*number))?;
                    mask.restricted.extend(people.into_iter().filter(|one| !mask.opened.contains(one)));
                }
                Scope::Conversation(name) => mask.restricted_conversations.push(name.clone()),
                Scope::Query { .. } => {}
            }
        }
        cover_early(view, &mut mask)?;
        Ok(Cow::Owned(mask))
    }

    /// The same of what is to be changed, or released from quarantine: what waits there is asked for by whoever does
    /// that.
    pub(crate) fn mask_beside_quarantine<'v>(&self, view: &'v View) -> Result<Cow<'v, Mask>> {
        self.mask_of(view, (false, true))
    }

    /// How many records by a person or about her, or by or about who is linked to her, are restricted, and kept from this
    /// session for that alone: a case would show them ([`crate::session::Session::case`]). Nothing is told of them but their number.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use escrowdb::{id::Micros, session::Session, store::*, vfs::MemoryVfs};
    /// # let store = Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).create()?;
    /// # store.append(&[Record::new("c1", "anna@example.org", Micros(0), "Hello").id("m1")])?;
    /// assert_eq!(store.session(Session::new()).restricted_of("anna@example.org")?, 0);
    /// # Ok::<(), escrowdb::Error>(())
    /// ```
    ///
    /// # Errors
    /// *Not found* if she is unknown; the erased are unknown.
    pub fn restricted_of(&self, identifier: &str) -> Result<u64> {
        let people = self.person(identifier)?.number;
        self.with_search(|view, search| {
            let people = view.linked(people)?;
            let open = self.mask_of(view, (true, false))?;
            let mut count = 0;
            for part in search.parts {
                let mut docs = RoaringBitmap::new();
                for (number, field) in people.iter().flat_map(|n| [(n, Field::Subject), (n, Field::Author)]) {
                    docs |= part.postings(&Term::person(field, *number))?;
                }
                for kind in Kind::ALL.into_iter().filter(|kind| kind.is_internal()) {
                    docs -= part.postings(&Term::kind(kind))?;
                }
                docs &= search.mask.docs_in(*part)?;
                count += (docs - open.docs_in(*part)?).len();
            }
            Ok(count)
        })
    }
}

/// Covers what speaks of something that is covered and came before it: that is of whom it names itself, and was asked
/// nothing of what it is about.
fn cover_early(view: &View, mask: &mut Mask) -> Result<()> {
    let early = view.early()?;
    if early.is_empty() || mask.is_empty() {
        return Ok(());
    }
    // Who left the quarantine is said later, so it is asked of what queries see.
    let shown = view.shown(None)?;
    let parts = shown.parts();
    let covered: Vec<RoaringBitmap> = parts.iter().map(|part| mask.docs_in(*part)).collect::<Result<_>>()?;
    for (event, of) in early {
        if let Some((nth, doc)) = place(&parts, of)?
            && covered.get(nth).is_some_and(|docs| docs.contains(doc))
        {
            mask.records.push(event);
        }
    }
    Ok(())
}

/// Whether a record may be named by who may not see what a mask covers.
pub(crate) fn is_seen(view: &View, mask: &Mask, seq: Seq) -> bool {
    !mask.covers(&view.parts(), seq)
}

/// Whether anything came into quarantine, as far as a part was not rewritten since.
fn has_quarantined(view: &View) -> Result<bool> {
    view.parts().into_iter().try_fold(false, |any, part| Ok(any || !part.quarantined()?.is_empty()))
}
