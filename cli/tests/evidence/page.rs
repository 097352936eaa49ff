//! What docs/EVIDENCE.md shows is what the program prints.

use crate::support::page;

#[test]
fn the_page_shows_what_is_printed() {
    page::check("EVIDENCE.md", 16);
}

#[test]
fn shown_lines_fit_what_they_say_and_nothing_else() {
    for (line, shown, is) in [
        ("abc", "abc", true),
        ("abc", "a…", true),
        ("abc", "…c", true),
        ("abc", "a…c", true),
        ("abc", "a…d", false),
        ("abc", "ab", false),
        ("abc", "a…b", false),
        ("", "…", true),
        ("a1b2c", "a…b…c", true),
        ("a1b2d", "a…b…c", false),
    ] {
        assert_eq!(page::fits(line, shown), is, "{line} {shown}");
    }
}
