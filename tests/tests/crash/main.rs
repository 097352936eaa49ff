//! Power cuts, kills and failed calls, at every point of small histories.

mod enumeration;
mod io_errors;
mod registers;
mod workloads;
