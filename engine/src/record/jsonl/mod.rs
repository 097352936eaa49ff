//! Records as JSON Lines: one object per line.
//!
//! ```text
//! {"id":"m1","conversation":"c1","author":"anna@example.org","subjects":["anna@example.org"],
//!  "time":"2026-01-31T12:00:00Z","channel":"web","kind":"message",
//!  "tags":["dept:sales","lang:de"],"body":"…","reply_to":null}
//! ```
//!
//! (on one line). `conversation`, `author`, `time` and `body` are required. Every other field,
//! `participants` too, may be missing or null. Fields stand in any order, none twice.

mod back;
mod members;
mod parse;
mod print;

pub use back::Shown;
pub use parse::{is_field, is_one_line_value, parse};
pub use print::{View, print_hit, print_record, put_text};
