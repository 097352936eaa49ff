//! Rules from the command line: notices and consents, holds, requests, disclosures, and the page that leads
//! through them.

#[path = "../support/mod.rs"]
mod support;

mod aggregates;
mod consents;
mod disclosures;
mod doors;
mod holds;
mod page;
mod quarantine;
mod reports;
mod requests;
mod residency;
mod retention;
