//! JSON objects with their fields in the order written. One object is one line. The server's answers are made of the same.

pub(crate) use escrowdb_server::shape::{Field, Object, Value, array, flat_json};
