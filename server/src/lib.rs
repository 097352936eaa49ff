//! The network server over [`escrowdb`]. It holds no routes yet: the engine and the command
//! line come first, and the server will call the same verbs through the same policy.

pub use escrowdb;
