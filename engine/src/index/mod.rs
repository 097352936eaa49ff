//! The index: how records are found. One [`Part`] is one rolled segment or the live index.
//!
//! A segment's index is canonical: its plaintext is a function of the surviving records with
//! their log positions and of the places and secrets of the surviving blocks. So after an erasure
//! it equals, byte for byte, the index of a store that never held the erased records. It is
//! always written as a whole under a fresh key, every page anew: which pages changed would tell
//! the holder of an old copy where the erased words stood.
//!
//! ```text
//! lists.rs  term → documents      data.rs   an index as plain vectors     live.rs    unrolled records
//! batch.rs  records on their way into it
//! column.rs postings.rs dictionary.rs filter.rs   the sections' bytes     rewrite.rs erasure
//! thin.rs   sections without what goes, from their bytes
//! page.rs   sealed pages          file.rs   sections in an .idx file      sections.rs  opened at use
//! reader.rs a rolled segment, reader/ what is asked of it      check.rs  decode, rebuild and verify all of it
//! dense.rs  lists as bits         tier.rs   one filter over many segments  tables.rs  of blocks, documents
//! probe.rs  rare lists            known.rs  terms that were looked up last   opened.rs what is kept of all that
//! shared.rs pages by two threads      sketches.rs  near words without reading the others
//! overlay.rs  what later records say of earlier ones: versions, deletions, tags
//! values.rs a field's values         vocabulary.rs words with their documents  texts.rs short texts
//! words.rs   words of unrolled records      runs.rs    where words stand
//! ```

pub mod batch;
pub mod check;
pub mod column;
pub mod data;
pub mod dense;
pub mod dictionary;
pub mod file;
pub mod filter;
mod headless;
pub mod known;
pub mod lists;
pub mod live;
mod opened;
pub mod overlay;
pub mod page;
pub mod part;
pub mod phrase;
pub mod postings;
pub mod probe;
pub mod reader;
pub mod rewrite;
pub mod runs;
pub mod scope;
pub mod scrub;
pub mod sections;
mod shared;
pub mod sketches;
pub mod tables;
pub mod terms;
mod texts;
pub mod thin;
pub mod tier;
mod values;
mod vocabulary;
pub mod words;

pub use batch::{Batch, BatchEntry, Numbered, Source};
pub use data::{DocEntry, IndexBuilder, IndexData};
pub use file::{Written, write_index};
pub use filter::IdHash;
pub use live::{Entry, Held, LiveDoc, LiveIndex};
pub use part::{Field, IdQuery, Part, SortKey, Term};
pub use phrase::{Pattern, Phrase, PhraseWord, Wanted};
pub use reader::{OpenRecord, Segment, SegmentFiles};
pub use rewrite::{Removal, Rewritten, Target, rewrite};
pub use scope::{Mask, People};
pub use scrub::{Scrub, Share};
pub use shared::Hands;
pub(crate) use shared::share;
