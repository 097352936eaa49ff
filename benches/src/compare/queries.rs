//! Questions by tag and time, and reads of single records. All engines must find the same.

use std::time::{Duration, Instant};

use crate::Result;
use crate::compare::engines::{Engine, Question};
use crate::compare::report::{Figure, Goal, Report, Row};
use crate::meter::median;
use crate::table::number;
use crate::workload::{Random, Workload};

/// Time spent on one question at most, once each engine was asked [`ROUNDS_MIN`] times.
const PATIENCE: Duration = Duration::from_secs(3);
const ROUNDS_MIN: usize = 5;
const ROUNDS_MAX: usize = 31;
/// Time for the questions of one engine in a row of its own, once each was asked [`ROW_MIN`] times.
const ROW_PATIENCE: Duration = Duration::from_millis(1500);
const ROW_MIN: usize = 3;
const ROW_MAX: usize = 15;
/// Different questions of one kind, asked in turn.
const OTHERS: usize = 20;
const POINTS: usize = 1_000;
const POINT_ROUNDS: usize = 9;

/// Three tags that few records carry together.
pub fn selective(workload: &Workload) -> Question {
    Question { all: tags(workload, &[200, 30, 0]), ..Question::default() }
}

fn tags(workload: &Workload, ranks: &[usize]) -> Vec<String> {
    ranks.iter().map(|rank| workload.tag(*rank).to_owned()).collect()
}

/// Others like it: each with a rare tag and one of the middle that no other asks for.
fn selective_others(workload: &Workload) -> Vec<Question> {
    let ranks = |n: usize| [200 + 7 * n, 30 + n, n % 4];
    (0..OTHERS).map(|n| Question { all: tags(workload, &ranks(n)), ..Question::default() }).collect()
}

/// Counts against counts, ids against ids.
pub fn questions(engines: &mut [Box<dyn Engine>], workload: &Workload, report: &mut Report) -> Result<()> {
    let most = Goal::AtLeast { must: 20.0, aim: 100.0 };
    let few = Goal::AtLeast { must: 20.0, aim: 40.0 };
    let all = |ranks: &[usize]| Question { all: tags(workload, ranks), ..Question::default() };
    let one = |question: Question| vec![question];
    let others = selective_others(workload);
    let different = format!("the same of {OTHERS} different ones in turn");
    let asked = [
        ("AND of three frequent tags", one(all(&[2, 1, 0])), most),
        ("AND of three tags, selective", one(selective(workload)), few),
        (&different, others, few),
        ("tag AND NOT tag", one(Question { none: tags(workload, &[0]), ..all(&[3]) }), most),
        ("tag in 1 % of the time", one(Question { time: Some(workload.percent()), ..all(&[0]) }), most),
    ];
    for (name, questions, goal) in asked {
        let mut hits = Vec::with_capacity(questions.len());
        for question in &questions {
            hits.push(agreed(engines, question)?);
        }
        let counted = in_turn(engines, |engine, n| engine.count(&questions[n]), &hits)?;
        let listed = in_turn(engines, |engine, n| engine.ids(&questions[n]), &hits)?;
        let counted_alone = in_a_row(engines, |engine, n| engine.count(&questions[n]), &hits)?;
        let listed_alone = in_a_row(engines, |engine, n| engine.ids(&questions[n]), &hits)?;
        let sum: u64 = hits.iter().sum();
        let ways = [
            ("counts", counted[0]),
            ("ids", listed[0]),
            ("counts, asked again at once", counted[1]),
            ("ids, asked again at once", listed[1]),
            ("counts, in a row of its own", counted_alone),
            ("ids, in a row of its own", listed_alone),
        ];
        for (what, figures) in ways {
            report.add(
                Row::new(format!("{name}, {} hits: {what}", number(sum)))
                    .figures(figures)
                    .ratio(figures[1], figures[0], "SQLite / ours")
                    .goal(goal),
            )?;
        }
    }
    Ok(())
}

/// Checks that every engine finds the same records; answers how many.
fn agreed(engines: &mut [Box<dyn Engine>], question: &Question) -> Result<u64> {
    let mut first = None;
    for engine in engines {
        let found = engine.numbers(question)?;
        match &first {
            None => first = Some(found),
            Some(first) if *first == found => {}
            Some(_) => return Err(format!("{} finds other records", engine.name()).into()),
        }
    }
    Ok(first.map_or(0, |found| found.len() as u64))
}

/// Medians of the runs of each engine, one engine behind the other: a question up to [`ROW_MAX`] times
/// in a row, then the next one. The first run warms the processor's caches for those behind it.
fn in_a_row(
    engines: &mut [Box<dyn Engine>],
    mut ask: impl FnMut(&mut dyn Engine, usize) -> Result<u64>,
    hits: &[u64],
) -> Result<[Option<Figure>; 3]> {
    let mut figures = [None; 3];
    let patience = ROW_PATIENCE / (hits.len().max(1) as u32);
    for (figure, engine) in figures.iter_mut().zip(engines) {
        let mut samples = Vec::new();
        for (nth, hits) in hits.iter().enumerate() {
            let (begin, mut runs) = (Instant::now(), 0);
            while runs < ROW_MIN || (runs < ROW_MAX && begin.elapsed() < patience) {
                let start = Instant::now();
                let found = ask(&mut **engine, nth)?;
                samples.push(start.elapsed());
                if *hits != found {
                    return Err(format!("{} finds {found} hits: wrong", engine.name()).into());
                }
                runs += 1;
            }
        }
        *figure = Some(Figure::Time(median(&mut samples)));
    }
    Ok(figures)
}

/// Medians over rounds in which each engine is asked in its turn, one question after the other: of
/// the first time, when the processor's caches hold what the others walked through, and of the
/// second, at once.
fn in_turn(
    engines: &mut [Box<dyn Engine>],
    mut ask: impl FnMut(&mut dyn Engine, usize) -> Result<u64>,
    hits: &[u64],
) -> Result<[[Option<Figure>; 3]; 2]> {
    let mut samples = [const { [const { Vec::new() }; 3] }; 2];
    let begin = Instant::now();
    let mut rounds = 0;
    while rounds < ROUNDS_MIN || (rounds < ROUNDS_MAX && begin.elapsed() < PATIENCE) {
        let nth = rounds % hits.len().max(1);
        for (at, engine) in engines.iter_mut().enumerate() {
            for samples in &mut samples {
                let start = Instant::now();
                let found = ask(&mut **engine, nth)?;
                samples[at].push(start.elapsed());
                if hits.get(nth) != Some(&found) {
                    return Err(format!("{} finds {found} hits: wrong", engine.name()).into());
                }
            }
        }
        rounds += 1;
    }
    Ok(samples.each_mut().map(|of| of.each_mut().map(|s| Some(Figure::Time(median(s))))))
}

/// The same 1,000 records, read, opened and decoded in every round.
pub fn points(engines: &mut [Box<dyn Engine>], records: u64, report: &mut Report) -> Result<()> {
    let mut random = Random::new(5);
    let picks: Vec<u64> = (0..POINTS).map(|_| random.below(records)).collect();
    let mut samples = [const { Vec::new() }; 3];
    for round in 0..POINT_ROUNDS {
        let mut lengths = Vec::new();
        for (samples, engine) in samples.iter_mut().zip(&mut *engines) {
            let start = Instant::now();
            let mut sum = 0;
            for number in &picks {
                sum +=
                    engine.point(*number)?.ok_or_else(|| format!("{} has lost a record", engine.name()))?;
            }
            // The first round warms.
            if round > 0 {
                samples.push(start.elapsed() / POINTS as u32);
            }
            lengths.push(sum);
        }
        if lengths.iter().any(|n| Some(n) != lengths.first()) {
            return Err(format!("texts of different length were read: {lengths:?}").into());
        }
    }
    let figures = samples.each_mut().map(|s| Some(Figure::Time(median(s))));
    report.add(
        Row::new("point read by id, one of 1,000, warm")
            .figures(figures)
            .ratio(figures[0], figures[2], "ours / redb")
            .goal(Goal::AtMost { must: 3.0, aim: 1.2 }),
    )
}
