//! Exports with proof: what is handed to somebody who doesn't have the store and need not trust
//! whoever brings it.
//!
//! ```text
//! FILE                  records, one a line as JSON (`jsonl`), or as a page, a table or vCons
//! FILE.proof            per record its position, salt, leaf and people by number, or all of its bytes
//!                       where the file has no lines; the records that say who these are; the nodes that
//!                       lead from all of them to one root
//! FILE.manifest.json    what was asked, by whom, when; hashes of both; the checkpoint with that root; and
//!                       the signature of the log's key over all of it
//! ```
//!
//! [`Snapshot`] reads for one moment of the store, the checkpoint it begins with: what came later is not
//! in it, and an erasure that begins or ends on the way revokes it. [`Prover`] makes the lines of the
//! proof ([`Line`]), [`Manifest`] the statement. [`check`] needs no store.
//!
//! Salts open what they belong to, so those of exported records are disclosed, those of the records of
//! the people who stand in them, and no other. Leaves and nodes of others are hashes over salts that
//! nobody outside knows: nothing can be guessed from them. `docs/FORMAT.md` §11 draws the three files.

mod about;
mod align;
mod check;
mod form;
mod line;
mod lines;
mod manifest;
mod members;
mod prover;
mod shown;
mod snapshot;
mod statement;
mod terms;

pub use about::{Whom, statements};
pub use check::{Fault, Report, Source, What, check};
pub use form::{FORM_SALT_LEN, FormLine};
pub use line::{HEADER, HEADER_OF_FORM, Line, RecordLine};
pub use manifest::{Asked, Digest, Manifest, ProofFile, STATEMENT, SignedManifest};
pub use prover::{Counted, Prover};
pub use shown::{Part, shown};
pub use snapshot::{Exported, Snapshot};
pub use statement::{Asking, Consent, Look, Recipient, Section, Statement, Step, Told};
pub use terms::{Others, Package, Terms, WHY_UNPROVED};
