//! Answers as JSON: the server's, and those of `escrow --json`. They are the same lines, made in one place.

mod hit;
mod object;
mod register;
mod report;

pub use hit::{hit_json, placed_json, record_json, stored_json};
pub use object::{Field, Object, Value, array, flat_json};
pub use register::{act_json, consents_json, hold_json, request_json};
pub use report::{person_json, plan_json, stats_fields};
