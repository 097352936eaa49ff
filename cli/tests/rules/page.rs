//! What docs/COMPLIANCE.md shows is what the program prints.

use crate::support::page;

#[test]
fn the_page_shows_what_is_printed() {
    page::check("COMPLIANCE.md", 60);
}
