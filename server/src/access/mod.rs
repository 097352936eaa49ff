//! Who may what: roles and what they permit, tokens, and who is calling.

pub mod role;
pub mod token;

pub use role::{Permission, Role, Roles};
pub use token::{Principal, Tokens};
