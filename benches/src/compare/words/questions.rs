//! Rows of questions: tags, words, phrases, the newest, beginnings, near words, relevance.

use crate::Result;
use crate::compare::engines::Question;
use crate::compare::report::Goal;
use crate::compare::words::asking::{Open, agreed, counts_and_ids, timed};
use crate::compare::words::peer::{Ask, Peer, Text};
use crate::compare::words::sheet::{Line, Sheet};
use crate::workload::Workload;

/// Hits of a page.
const PAGE: usize = 20;

fn by_tags(workload: &Workload, all: &[usize], none: &[usize]) -> Question {
    let tags = |ranks: &[usize]| ranks.iter().map(|rank| workload.tag(*rank).to_owned()).collect();
    Question { all: tags(all), none: tags(none), time: None }
}

fn word(workload: &Workload, rank: usize) -> Text {
    Text::Word(workload.word(rank).to_owned())
}

/// Two frequent words, one behind the other.
fn phrase(workload: &Workload) -> Ask {
    Ask::text([Text::Phrase([3, 4].map(|rank| workload.word(rank).to_owned()).into())])
}

/// Tags and time; the rarest tag stands first.
pub fn tags(systems: &mut [Open], workload: &Workload, sheet: &mut Sheet) -> Result<()> {
    let in_time = Question { time: Some(workload.percent()), ..by_tags(workload, &[3], &[]) };
    let rows = [
        ("tag AND of three, common", by_tags(workload, &[2, 1, 0], &[]), 5.0, 25.0),
        ("tag AND of three, selective", by_tags(workload, &[100, 10, 0], &[]), 1.0, 3.0),
        ("tag AND NOT tag", by_tags(workload, &[10], &[0]), 5.0, 15.0),
        ("tag in 1 % of the time", in_time, 20.0, 200.0),
    ];
    for (what, question, must, aim) in rows {
        for line in counts_and_ids(systems, what, &Ask::tags(question))? {
            sheet.add(line.times_better("tantivy", must, aim))?;
        }
    }
    Ok(())
}

/// Words, alone, together, with a tag.
pub fn words(systems: &mut [Open], workload: &Workload, sheet: &mut Sheet) -> Result<()> {
    let both = Ask::text([word(workload, 50), word(workload, 200)]);
    let tagged = Ask { by: by_tags(workload, &[3], &[]), text: vec![word(workload, 100)] };
    let rows = [
        ("word, frequent", Ask::text([word(workload, 100)])),
        ("word, rare", Ask::text([word(workload, 5_000)])),
        ("word AND word", both),
        ("tag AND word", tagged),
    ];
    for (what, ask) in rows {
        let [counts, ids] = counts_and_ids(systems, what, &ask)?;
        sheet.add(counts.part_of("tantivy", 1.5, 0.6))?;
        sheet.add(ids.part_of("tantivy", 1.0, 0.2))?;
    }
    Ok(())
}

/// A phrase of two frequent words.
pub fn phrases(systems: &mut [Open], workload: &Workload, sheet: &mut Sheet) -> Result<()> {
    for line in counts_and_ids(systems, "phrase of two frequent words", &phrase(workload))? {
        sheet.add(line.part_of("tantivy", 1.0, 0.4))?;
    }
    Ok(())
}

/// Three characters of a Japanese text, in a store of which every tenth body is one.
pub fn japanese(systems: &mut [Open], sheet: &mut Sheet) -> Result<()> {
    let words = crate::japanese::Japanese::new();
    for (what, nth) in [("frequent", 0), ("rare", 500)] {
        let ask = Ask::text([Text::Part(words.three(nth).to_owned())]);
        for line in counts_and_ids(systems, &format!("three Japanese characters, {what}"), &ask)? {
            let value = line.milliseconds();
            let goal = Goal::AtMost { must: 5.0, aim: 1.0 };
            sheet.add(line.judged("", value, " ms", goal))?;
        }
    }
    Ok(())
}

/// The newest 20, with bodies.
pub fn newest(systems: &mut [Open], workload: &Workload, sheet: &mut Sheet) -> Result<()> {
    let rows = [
        ("frequent tag", Ask::tags(by_tags(workload, &[0], &[]))),
        ("word", Ask::text([word(workload, 100)])),
        ("phrase", phrase(workload)),
    ];
    for (what, ask) in rows {
        let hits = agreed(systems, &ask)?;
        let mut first: Option<Vec<(u64, usize)>> = None;
        let cells = timed(systems, &ask, None, |peer| {
            let found = peer.newest(&ask, PAGE)?;
            let n = found.len() as u64;
            match &first {
                Some(first) if *first != found => return Err("other records are the newest".into()),
                Some(_) => {}
                None => first = Some(found),
            }
            Ok(Some(n))
        })?;
        let line = Line::new(format!("newest 20 with bodies: {what}")).hits(hits).cells(cells);
        let value = line.milliseconds();
        sheet.add(line.judged("", value, " ms", Goal::AtMost { must: 0.5, aim: 0.1 }))?;
    }
    Ok(())
}

/// Beginnings of words, and words a letter away. Ours is asked over many segments, which is where it is slow;
/// `ours` is that store.
pub fn expanded(
    systems: &mut [Open],
    ours: Option<(&mut Open, u64)>,
    workload: &Workload,
    sheet: &mut Sheet,
    wants: impl Fn(&str) -> bool,
) -> Result<()> {
    let (one, many) = (workload.word(100), workload.word(7));
    let begins = |start: &str| Ask::text([Text::Prefix(start.to_owned())]);
    let rows = [
        ("prefix", format!("prefix of {} letters", one.len()), begins(one)),
        ("prefix", format!("prefix of {} letters", many.len()), begins(many)),
        ("near", "word~1".to_owned(), Ask::text([Text::Near(one.to_owned())])),
    ];
    let mut split = ours;
    for (row, what, ask) in rows {
        if !wants(row) {
            continue;
        }
        for line in counts_and_ids(systems, &what, &ask)? {
            let Some((split, segments)) = &mut split else {
                sheet.add(line)?;
                continue;
            };
            // The same row again with our time over many segments in our place.
            let by_id = line.name().ends_with("ids");
            let run = |peer: &mut dyn Peer| {
                if by_id { peer.ids(&ask).map(Some) } else { peer.count(&ask).map(Some) }
            };
            let ours = timed(std::slice::from_mut(&mut **split), &ask, line.hit_count(), run)?;
            let again = line.with_ours(format!("{} over {segments} segments", line.name()), ours);
            sheet.add(line)?;
            sheet.add(again.part_of("tantivy", 10.0, 3.0))?;
        }
    }
    Ok(())
}

/// The best 20.
pub fn relevance(systems: &mut [Open], workload: &Workload, sheet: &mut Sheet) -> Result<()> {
    let rows = [
        ("a frequent word", Ask::text([word(workload, 100)])),
        ("two words", Ask::text([word(workload, 50), word(workload, 200)])),
    ];
    for (what, ask) in rows {
        let hits = agreed(systems, &ask)?;
        let cells =
            timed(systems, &ask, None, |peer| Ok(peer.ranked(&ask, PAGE)?.map(|found| found.len() as u64)))?;
        let line = Line::new(format!("relevance, best 20 of {what}")).hits(hits).cells(cells);
        sheet.add(line.part_of("tantivy", 10.0, 3.0))?;
    }
    Ok(())
}

/// What is asked over more and more segments; the last one reads positions.
pub fn over_segments(workload: &Workload) -> [(&'static str, Ask); 6] {
    [
        ("tag AND of three, common", Ask::tags(by_tags(workload, &[2, 1, 0], &[]))),
        ("word, frequent", Ask::text([word(workload, 100)])),
        ("word, rare", Ask::text([word(workload, 5_000)])),
        ("word AND word", Ask::text([word(workload, 50), word(workload, 200)])),
        ("tag AND word", Ask { by: by_tags(workload, &[3], &[]), text: vec![word(workload, 100)] }),
        ("phrase", phrase(workload)),
    ]
}
