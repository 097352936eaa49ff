//! What an access package says beside the records, as its page shows it: a section with a heading for each
//! sort, also where there is nothing to say.

use escrowdb::export::{Asking, Consent, Look, Recipient, Section, Statement};
use escrowdb::id::Micros;
use escrowdb::record::time;
use escrowdb::register::consent::Deed;

use crate::commands::export::html::put_named;

/// What a section is, for the person.
const fn heading(section: Section) -> (&'static str, &'static str) {
    match section {
        Section::Consents => (
            "Your consents",
            "What you were asked and what you said, with the text that you were shown: its hash tells it from any other.",
        ),
        Section::Requests => ("Your requests", "What you asked for, and what became of it."),
        Section::Looks => (
            "Who looked, and why",
            "Who opened, sought or exported records of yours by your name or in a conversation of yours, as far as that was \
             recorded and is still kept. A search that found records of yours among others is not in it.",
        ),
        Section::Recipients => (
            "Who was given records",
            "Copies that were given to others (Article 15(1)(c)). Where it says \"may hold\", nobody wrote down whose \
             records were in it.",
        ),
    }
}

/// Headings that were put so far.
#[derive(Default)]
pub(super) struct Sections {
    next: usize,
    /// Whether a statement stands in the last one.
    any: bool,
}

impl Sections {
    /// One statement, in its section.
    pub(super) fn put(&mut self, out: &mut String, statement: &Statement) {
        self.open(out, statement.section() as usize + 1);
        self.any = true;
        out.push_str("<article class=\"told\">\n");
        match statement {
            Statement::Consent(of) => put_consent(out, of),
            Statement::Request(of) => put_request(out, of),
            Statement::Look(of) => put_look(out, of),
            Statement::Recipient(of) => put_recipient(out, of),
        }
        out.push_str("</article>\n");
    }

    /// The sections that are left, with nothing in them.
    pub(super) fn end(&mut self, out: &mut String) {
        self.open(out, Section::ALL.len());
        self.close(out);
    }

    fn open(&mut self, out: &mut String, up_to: usize) {
        while self.next < up_to {
            self.close(out);
            let (title, what) = heading(Section::ALL[self.next]);
            out.push_str(&format!("<section>\n<h2>{title}</h2>\n<p>{what}</p>\n"));
            self.next += 1;
        }
    }

    fn close(&mut self, out: &mut String) {
        if self.next > 0 {
            out.push_str(if self.any { "</section>\n" } else { "<p>Nothing.</p>\n</section>\n" });
        }
        self.any = false;
    }
}

/// What somebody did of her consent, to herself.
const fn deed(of: Deed) -> &'static str {
    match of {
        Deed::Ask => "You were asked",
        Deed::Give => "You said yes",
        Deed::Refuse => "You said no",
        Deed::Withdraw => "You took your yes back",
    }
}

fn put_consent(out: &mut String, of: &Consent) {
    put_head(out, deed(of.event), of.time);
    put_more(out, "as", Some(&of.person));
    put_more(out, "for", Some(&of.purposes.join(", ")));
    if let Some(notice) = &of.notice {
        let text = format!(
            "{}, version {}, language {}, SHA-256 {}",
            notice.id, notice.version, notice.language, notice.hash
        );
        put_more(out, "notice", Some(&text));
    }
    put_more(out, "how", Some(&format!("{}, {}", of.method, of.channel)));
    put_more(out, "holds until", of.expires.map(time::format).as_deref());
    put_more(out, "noted by", of.by.as_deref());
    put_more(out, "record", Some(&format!("{}, position {}", of.id, of.seq)));
}

fn put_request(out: &mut String, of: &Asking) {
    put_head(out, &format!("You asked for: {}", of.kind.name()), of.time);
    put_more(out, "request", Some(&of.code));
    put_more(out, "by", Some(&of.channel));
    put_more(out, "stands", Some(of.state.name()));
    let due = time::format(of.due);
    put_more(out, "answer due", Some(&if of.extended { format!("{due}, made longer") } else { due }));
    for step in &of.steps {
        let mut text = time::format(step.time);
        for more in [&step.says, &step.partly].into_iter().flatten() {
            text += ": ";
            text += more;
        }
        put_more(out, &step.step, Some(&text));
    }
}

fn put_look(out: &mut String, of: &Look) {
    put_head(out, &format!("{}: {}", of.kind, of.act), of.time);
    put_more(out, "by", Some(of.by.as_deref().unwrap_or("nobody who was named, or who is known any more")));
    put_more(out, "purpose", of.purpose.as_deref());
    put_more(out, "case", of.case.as_deref());
    put_more(out, "records", of.records.map(|n| n.to_string()).as_deref());
}

fn put_recipient(out: &mut String, of: &Recipient) {
    put_head(out, if of.certain { "Holds records of yours" } else { "May hold records of yours" }, of.time);
    put_more(out, "given to", Some(&of.recipient));
    put_more(out, "form", Some(&of.format));
    put_more(out, "records", of.records.map(|n| n.to_string()).as_deref());
    put_more(out, "to be destroyed by", of.expires.map(time::format).as_deref());
    put_more(out, "told of an erasure", of.told.map(time::format).as_deref());
    put_more(out, "destroyed", of.destroyed.map(time::format).as_deref());
    put_more(out, "known as", Some(&format!("{}, SHA-256 {}", of.code, of.sha256)));
}

fn put_head(out: &mut String, what: &str, at: Micros) {
    let at = time::format(at);
    let (day, clock) = at.trim_end_matches('Z').split_once('T').unwrap_or((&at, ""));
    out.push_str("<p class=\"head\">");
    put_named(out, "b", what);
    out.push_str(&format!(" <time datetime=\"{at}\">{day} {clock} UTC</time></p>\n"));
}

fn put_more(out: &mut String, name: &str, text: Option<&str>) {
    let Some(text) = text else { return };
    out.push_str(&format!("<p class=\"more\">{name}: "));
    put_named(out, "bdi", text);
    out.push_str("</p>\n");
}

/// The members of a statement without its section and time, as one object: for a cell of a table.
pub(super) fn members(statement: &Statement) -> String {
    let line = line(statement);
    // `{"section":"…","time":"…",…}`, whose first two members hold no comma.
    match line.splitn(3, ',').nth(2) {
        Some(rest) => format!("{{{rest}"),
        None => line,
    }
}

/// The line of a statement, without an end.
pub(super) fn line(statement: &Statement) -> String {
    // It was read from records, or from such a line.
    statement.to_line().unwrap_or_default()
}

/// Words for the body of a row: what happened.
pub(super) fn words(statement: &Statement) -> String {
    match statement {
        Statement::Consent(of) => format!("{}: {}", deed(of.event), of.purposes.join(", ")),
        Statement::Request(of) => format!("{}: {}", of.kind.name(), of.state.name()),
        Statement::Look(of) => {
            let why = [&of.purpose, &of.case].into_iter().flatten().map(|text| format!(": {text}"));
            format!("{} {}{}", of.kind, of.act, why.collect::<String>())
        }
        Statement::Recipient(of) => of.recipient.clone(),
    }
}
