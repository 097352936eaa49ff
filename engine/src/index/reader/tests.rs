//! Segment against the live index and against damage.
