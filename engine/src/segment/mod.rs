//! Bodies: records grouped by who can open them, sealed in blocks, in immutable `.seg` files.
//!
//! A block opens only with both locks: the content key of every subject (dies with a person) and
//! the block's own random secret, which stands in the sealed index alone (dies when the index is
//! rewritten without it). A dead block stays in its file as bytes that nothing opens.
//!
//! ```text
//! NNN.seg   header 8 B │ block │ block │ … │ zeros to a whole page │ parity pages
//!           blocks in random order: neighbours say nothing
//! block     seal 48 B ‖ ciphertext of a padded, compressed group of records
//! ```
//!
//! Nothing in the file says where a block begins: the table of blocks stands in the index.

pub mod block;
pub mod budget;
pub mod gather;
pub mod opened;
pub mod reader;
mod rescue;
pub mod writer;

use std::sync::Arc;

use crate::crypto::Secret;

use crate::error::Result;
use crate::id::PersonNumber;

pub use block::{BlockRef, OpenBlock};
pub use budget::Budget;
pub use gather::Gathered;
pub use opened::OpenBlocks;
pub use reader::BodyFile;
pub use writer::{BodyPlace, BodyWriter, Location};

/// Where the content keys of people come from.
pub trait SubjectKeys: Send + Sync {
    /// The content key of a person; `None` if the person is unknown.
    fn content_key(&self, person: PersonNumber) -> Result<Option<Secret>>;

    /// Where blocks stay that were opened with these keys; nowhere by default.
    fn opened(&self) -> Option<&OpenBlocks> {
        None
    }

    /// What the indexes that are read with these keys count on, all together; one each by default.
    fn budget(&self) -> Arc<Budget> {
        Arc::default()
    }
}
