//! Acts of a store that keeps them: each that was acknowledged is there once, and what was typed with it until
//! its date or until somebody goes of whom it tells; heads that were signed are continued.

use std::collections::{BTreeMap, BTreeSet};

use escrowdb::id::RequestId;
use escrowdb::merkle::checkpoint::SignedCheckpoint;
use escrowdb::session::Session;
use escrowdb::store::{ActOptions, ActView, Against, Certificate, DetailField, Hit, Store};

use crate::crash::check::{Checked, Violation, broken, ensure, takes};
use crate::crash::ledger::Ledger;

/// Who looks in workloads.
pub const AUDITOR: &str = "auditor@office.example";

/// A look at the store for a purpose, which is its name.
#[derive(Clone, Debug)]
pub struct Look {
    /// Its purpose.
    pub purpose: String,
    /// The record whose word was asked for; none if the question tells of no record.
    pub about: Option<String>,
    /// Place in the log where it was acknowledged.
    pub told: Option<usize>,
}

/// A head that was signed and kept with a witness's word.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The head.
    pub head: SignedCheckpoint,
    /// Whether that it is kept was acknowledged.
    pub kept: bool,
}

/// Every act with its detail, oldest first.
pub fn acts(store: &Store) -> Checked<Vec<ActView>> {
    let all = ActOptions::new().limit(usize::MAX).details(true);
    let found = store.session(Session::new().purpose("check")).acts("*", &all);
    found.map_err(|e| Violation { check: "S2", what: format!("acts: {e}") })
}

/// What is left of the details of an act, a record each: what was asked for, and what for.
pub fn details(act: &ActView) -> [bool; 2] {
    let fields = || act.detail.iter().flat_map(|detail| detail.fields());
    [false, true].map(|what_for| fields().any(|(field, _)| field.is_what_for() == what_for))
}

/// What expired by itself: the certificates of acts that no request of the ledger made.
pub fn expired(store: &Store, ledger: &Ledger, acts: &[Hit]) -> Checked<Vec<Certificate>> {
    let mut found = Vec::new();
    for act in acts {
        let request = act.id.strip_prefix("erased/").and_then(RequestId::parse);
        let Some(request) = request.filter(|r| ledger.erasures.iter().all(|e| e.request != *r)) else {
            continue;
        };
        let failed = |e: escrowdb::Error| Violation { check: "S4", what: format!("a certificate: {e}") };
        match store.erasure(request).map_err(failed)? {
            Some(certificate) if ["acts", "details"].contains(&certificate.what) => found.push(certificate),
            _ => return broken("S4", "an erased record of no request"),
        }
    }
    Ok(found)
}

/// Holds acts, keys and heads of the log against the ledger.
pub fn told(store: &Store, ledger: &Ledger, done: &BTreeSet<RequestId>, expired: &[Certificate]) -> Checked {
    let failed = |what: &str, e: escrowdb::Error| Violation { check: "S2", what: format!("{what}: {e}") };
    for Signed { head, kept } in &ledger.signed {
        let against = store.verify_against(head).map_err(|e| failed("against a head", e))?;
        ensure(matches!(against, Against::Continues { .. }), "S2", || format!("a head: {against:?}"))?;
        let there = store.cosigned().map_err(|e| failed("cosigned", e))?;
        let there = there.iter().any(|c| c.unverified() == head.unverified());
        ensure(there || !kept, "S2", || "a witness's word was lost".into())?;
    }
    let [asked, changed] = ledger.rotations;
    if asked > 0 {
        let keys = store.log_keys().map_err(|e| failed("keys of the log", e))?.len();
        ensure((changed + 1..=asked + 1).contains(&keys), "S2", || format!("{keys} keys of the log"))?;
    }
    if ledger.looks.is_empty() {
        return Ok(());
    }
    let acts = acts(store)?;
    let by_auditor = acts.iter().filter(|act| act.actor_name.as_deref() == Some(AUDITOR)).count();
    let least = ledger.looks.iter().filter(|look| look.told.is_some()).count();
    ensure((least..=ledger.looks.len()).contains(&by_auditor), "S2", || {
        format!("{by_auditor} acts of the auditor, and {least} were acknowledged")
    })?;
    let mut purposes: BTreeMap<&str, (usize, bool)> = BTreeMap::new();
    for act in &acts {
        let purpose = act.detail.as_ref().and_then(|detail| detail.get(DetailField::Purpose));
        let (n, is_asked) = purposes.entry(purpose.unwrap_or_default()).or_default();
        *n += 1;
        *is_asked |= details(act)[0];
    }
    for look in &ledger.looks {
        let (n, is_asked) = purposes.get(&*look.purpose).copied().unwrap_or_default();
        ensure(n < 2, "S2", || format!("{} is told of twice", look.purpose))?;
        let record = look.about.as_ref().map(|id| &ledger.records[id]);
        let gone = record.is_some_and(|tried| {
            let taken = |e: &_| takes(e, tried) == Some(true);
            ledger.erasures.iter().any(|e| {
                done.contains(&e.request) && taken(e) && look.told.is_some_and(|told| told < e.asked)
            })
        });
        ensure(!is_asked || !gone, "S1", || format!("{} tells of who was erased", look.purpose))?;
        let stays = record.is_none() || ledger.erasures.is_empty();
        let due = expired.iter().any(|c| c.what == "details");
        ensure(n == 1 || due || !stays || look.told.is_none(), "S2", || format!("{} is lost", look.purpose))?;
    }
    Ok(())
}
