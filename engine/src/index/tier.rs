//! One filter of ids over many segments, so that a record is asked of sixteen at once whether it
//! stands there already.
//!
//! A tier derives from content and spans segments: it stands in memory only, at two bytes a
//! record, held by its segments and by nothing else. An erasure opens every segment anew under the
//! new tree, so all tiers end with it and are wiped as they are dropped; they are made again later.

use std::sync::Arc;

use crate::index::filter::IdFilter;
use crate::index::reader::Segment;

/// Segments of a tier.
pub const TIER: usize = 16;

/// Makes a tier of these segments and gives it to each. A segment whose ids can't be read stays
/// by itself.
pub fn build(segments: &[Arc<Segment>]) {
    let mut tables = Vec::with_capacity(segments.len());
    for segment in segments {
        match segment.sections.load_ids() {
            Ok(ids) => tables.push((segment, ids)),
            Err(_) => segment.set_tier(None),
        }
    }
    let count = tables.iter().map(|(segment, _)| segment.sections.docs() as usize).sum();
    let pairs = tables.iter().flat_map(|(_, ids)| ids.iter().map(|(id, conversation, _)| (id, conversation)));
    let tier = Arc::new(IdFilter::build(count, pairs));
    for (segment, _) in &tables {
        segment.set_tier(Some(Arc::clone(&tier)));
    }
}
