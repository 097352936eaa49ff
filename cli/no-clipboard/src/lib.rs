//! A clipboard that can't be read: what a line editor needs of one to be built.

use std::fmt;

/// Why it can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode;

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the clipboard is not read")
    }
}

impl std::error::Error for ErrorCode {}

/// The text in the clipboard: never.
///
/// # Errors
/// Always.
pub fn get_clipboard_string() -> Result<String, ErrorCode> {
    Err(ErrorCode)
}
