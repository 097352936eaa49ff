//! `escrowd --demo`: a tenant with the sample, and a token for each role, in a folder that goes with the process.

use std::path::Path;

use escrowdb::id::Micros;
use escrowdb::record::jsonl;
use escrowdb::store::Preset;
use escrowdb::{Error, Result};

use crate::access::token::{New, now};
use crate::access::{Role, Tokens};
use crate::sample;
use crate::tenants::Tenants;

/// Name of its tenant.
pub const TENANT: &str = "demo";
/// Its tokens end so many microseconds after they were made: a day.
const LIFE: i64 = 86_400_000_000;

/// Fills an empty folder: the tenant, its chats, and a token of each role. Answers role and token.
///
/// # Errors
/// Trouble with files.
pub fn fill(tenants: &Tenants, tokens: &Tokens) -> Result<Vec<(Role, String)>> {
    tenants.create(TENANT, Preset::Peer)?;
    let records: Result<Vec<_>> =
        sample::lines().iter().map(|line| jsonl::parse(line.as_bytes(), false)).collect();
    tenants.store(TENANT)?.append(&records?)?;
    let expires = Micros(now().0.saturating_add(LIFE));
    let each = Role::ALL.into_iter().map(|role| {
        // Each is somebody else: what takes two people can be tried.
        let new = New { name: role.name(), tenant: TENANT, roles: &[role], expires };
        Ok((role, tokens.create(&new)?))
    });
    each.collect()
}

/// What somebody can try at once, as lines.
///
/// # Errors
/// *Invalid* if a role has no token.
pub fn first_steps(base: &str, given: &[(Role, String)], data: &Path) -> Result<Vec<String>> {
    let token = |role: Role| {
        let found = given.iter().find(|(of, _)| *of == role);
        found.map(|(_, token)| token.as_str()).ok_or_else(|| Error::invalid("a role has no token"))
    };
    let her = sample::CUSTOMERS[0].email;
    let base = format!("{base}/v1/{TENANT}");
    let bearer = |role: Role| Ok::<_, Error>(format!("curl -s -H 'Authorization: Bearer {}'", token(role)?));
    let (reads, handles) = (bearer(Role::Reviewer)?, bearer(Role::PrivacyOfficer)?);
    let mut lines = vec![
        format!("a shop's live chat, made up, in {}; it goes when this process ends", data.display()),
        "find, and open what is found:".to_owned(),
        format!("  {reads} '{base}/search?q=tag:dept:returns&limit=3'"),
        "what an erasure of one customer would take:".to_owned(),
        format!("  {handles} '{base}/people/{her}/erasure'"),
        "forget her, and look again:".to_owned(),
        format!("  {handles} -d '{{\"person\":\"{her}\"}}' '{base}/erasures'"),
        format!("  {handles} '{base}/people/{her}'"),
        "tokens of all roles, for a day:".to_owned(),
    ];
    lines.extend(given.iter().map(|(role, token)| format!("  {:15} {token}", role.name())));
    Ok(lines)
}
