//! Openings behind crashes and losses.

mod faults;
mod init;
mod lost_pages;
