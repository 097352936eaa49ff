//! A report as one value: sections of rows, printed as text, as HTML or as JSON.

use crate::commands::export::put_text;
use crate::json::{Object, Value, array};
use crate::out::clean;

/// Rows under a heading.
pub(super) struct Section {
    /// Its name in JSON.
    pub(super) name: &'static str,
    /// Its heading.
    pub(super) title: &'static str,
    /// Columns: names in JSON, and headings.
    pub(super) columns: &'static [&'static str],
    pub(super) rows: Vec<Vec<Value>>,
}

/// A report.
pub(super) struct Page {
    pub(super) title: &'static str,
    pub(super) sections: Vec<Section>,
}

impl Page {
    /// One JSON object: an array of objects a section.
    pub(super) fn json(&self) -> String {
        let mut all = Object::new();
        all.text("report", self.title);
        for section in &self.sections {
            let rows: Vec<String> = section.rows.iter().map(|row| object(section.columns, row)).collect();
            all.raw(section.name, &array(&rows));
        }
        all.finish()
    }

    /// Headings and aligned columns.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{}\n", self.title);
        for section in &self.sections {
            text.push_str(&format!("\n{}\n", section.title));
            if section.rows.is_empty() {
                text.push_str("  none\n");
                continue;
            }
            let heading: Vec<String> = section.columns.iter().map(|name| name.replace('_', " ")).collect();
            let rows = section.rows.iter().map(|row| row.iter().map(|cell| clean(&cell.text())).collect());
            let table: Vec<Vec<String>> = std::iter::once(heading).chain(rows).collect();
            let width =
                |at: usize| table.iter().filter_map(|row| row.get(at)).map(|c| c.chars().count()).max();
            for row in &table {
                let mut line = String::from("  ");
                for (at, cell) in row.iter().enumerate() {
                    let last = at + 1 == row.len();
                    let pad = width(at).unwrap_or_default().saturating_sub(cell.chars().count());
                    line.push_str(cell);
                    line.push_str(&" ".repeat(if last { 0 } else { pad + 2 }));
                }
                text.push_str(line.trim_end());
                text.push('\n');
            }
        }
        text
    }

    /// A page without scripts, styles and anything from elsewhere.
    pub(super) fn html(&self) -> String {
        let mut page =
            String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        page.push_str(
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'\">\n<title>",
        );
        put_text(&mut page, self.title);
        page.push_str("</title>\n</head>\n<body>\n<h1>");
        put_text(&mut page, self.title);
        page.push_str("</h1>\n");
        for section in &self.sections {
            page.push_str("<h2>");
            put_text(&mut page, section.title);
            page.push_str("</h2>\n");
            if section.rows.is_empty() {
                page.push_str("<p>none</p>\n");
                continue;
            }
            page.push_str("<table>\n<tr>");
            for name in section.columns {
                put_cell(&mut page, "th", &name.replace('_', " "));
            }
            page.push_str("</tr>\n");
            for row in &section.rows {
                page.push_str("<tr>");
                row.iter().for_each(|cell| put_cell(&mut page, "td", &cell.text()));
                page.push_str("</tr>\n");
            }
            page.push_str("</table>\n");
        }
        page.push_str("</body>\n</html>\n");
        page
    }
}

fn put_cell(page: &mut String, element: &str, text: &str) {
    page.push_str(&format!("<{element} dir=\"auto\">"));
    put_text(page, text);
    page.push_str(&format!("</{element}>"));
}

fn object(columns: &[&str], row: &[Value]) -> String {
    let mut line = Object::new();
    for (name, cell) in columns.iter().zip(row) {
        line.raw(name, &cell.json());
    }
    line.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_text_html_and_json() {
        let text = |text: &str| Value::Text(text.to_owned());
        let some = Section {
            name: "data",
            title: "Data",
            columns: &["kind", "in_use"],
            rows: vec![vec![text("a<b>"), Value::Number(3)], vec![text("message"), Value::Number(12)]],
        };
        let none = Section { name: "none", title: "None", columns: &["x"], rows: Vec::new() };
        let page = Page { title: "R", sections: vec![some, none] };
        assert_eq!(
            page.json(),
            r#"{"report":"R","data":[{"kind":"a<b>","in_use":3},{"kind":"message","in_use":12}],"none":[]}"#
        );
        assert_eq!(
            page.text(),
            "R\n\nData\n  kind     in use\n  a<b>     3\n  message  12\n\nNone\n  none\n"
        );
        assert!(page.html().contains("<td dir=\"auto\">a&lt;b&gt;</td>") && !page.html().contains("<b>"));
    }
}
