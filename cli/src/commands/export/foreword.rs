//! What stands around the records of an access package on its page: what it is, by which right, when it was
//! made, how others stand in it, and what was left out and why.

use escrowdb::export::{Others, Package, Section};

use crate::commands::export::html::put_named;

/// Behind the title.
pub(super) fn put(out: &mut String, package: &Package, made: &str) {
    let (day, clock) = made.trim_end_matches('Z').split_once('T').unwrap_or((made, ""));
    out.push_str(
        "<p>This is a copy of your data: of the chat records that are about you, and of those that you wrote. You have a \
         right to it by Article 15 of the General Data Protection Regulation, Regulation (EU) 2016/679, and by Article 20 \
         a right to take it along in a form that programs read: ask for JSON Lines, CSV or vCon.</p>\n",
    );
    if package.told.is_some() {
        out.push_str(
            "<p>Behind the records stands what you consented to, what you asked for, who looked at records of yours and \
             why, and who was given copies (Article 15(1)(c)). Whoever works here and looked is called as other people \
             on this page are.</p>\n",
        );
    }
    out.push_str(&format!("<p>Made on <time datetime=\"{made}\">{day} {clock} UTC</time>.</p>\n"));
    out.push_str("<p>You stand in it as ");
    for (i, name) in package.names.iter().enumerate() {
        out.push_str(if i > 0 { ", " } else { "" });
        put_named(out, "bdi", name);
    }
    out.push_str(".</p>\n<p>");
    out.push_str(match package.others {
        Others::Pseudonym => {
            "What others wrote in conversations that you take part in stands in it too. They have rights of their own \
             (Article 15(4)), so they are called other-1, other-2 and so on: the same name is the same person, on this \
             page only. Names that somebody typed into a text stand there as they were typed."
        }
        Others::Withheld => {
            "What others wrote in these conversations, and is not about you, was left out, for the rights of others \
             (Article 15(4)); the end of the page says how much. Where others stand in records that are about you they \
             are called other-1, other-2 and so on: the same name is the same person, on this page only."
        }
        Others::Included => {
            "What others wrote in conversations that you take part in stands in it too, under their names."
        }
    });
    out.push_str("</p>\n");
}

/// Behind the last record.
pub(super) fn put_sums(out: &mut String, package: &Package) {
    out.push_str("<footer>\n<h3>What is in it, and what was left out</h3>\n<p>");
    out.push_str(&format!("{} by you or about you", records(package.own)));
    if package.others != Others::Withheld {
        out.push_str(&format!("; {} of others", records(package.of_others)));
    }
    out.push_str(&format!("; {} others stand in them.</p>\n", package.people));
    if package.withheld > 0 {
        out.push_str(&format!(
            "<p>Left out: {} that others wrote and that are not about you (Article 15(4)).</p>\n",
            records(package.withheld)
        ));
    }
    if package.fields > 0 {
        out.push_str(&format!(
            "<p>Left out: {} further fields of records in which others stand, for they may tell who these are.</p>\n",
            package.fields
        ));
    }
    if package.unproved > 0 {
        out.push_str(&format!(
            "<p>{} without a proof of their own, for it would tell who the others are.</p>\n",
            records(package.unproved)
        ));
    }
    if let Some(told) = &package.told {
        let of = |section| told.of(section);
        out.push_str(&format!(
            "<p>Beside them: {} about your consents, {} requests of yours, {} looks at records of yours, {} copies given \
             to others.</p>\n<p>Not in it: what was erased, what was never kept, and what Article 15(1) has told beside \
             the copy: periods, your rights, and the rest. Whoever gave you this page tells you that too.</p>\n</footer>\n",
            of(Section::Consents),
            of(Section::Requests),
            of(Section::Looks),
            of(Section::Recipients)
        ));
        return;
    }
    out.push_str(
        "<p>Not in it: what was erased, what was never kept, and what Article 15(1) has told beside the copy: purposes, \
         recipients, periods, and the rest. Whoever gave you this page tells you that too.</p>\n</footer>\n",
    );
}

fn records(count: u64) -> String {
    if count == 1 { "1 record".to_owned() } else { format!("{count} records") }
}
