//! Scores by the formula of the textbook, from the texts alone.

use escrowdb::query::ast::{Ast, Leaf};
use escrowdb::query::words::Form;

use super::{Placed, has, scan};

const K1: f64 = 1.2;
const B: f64 = 0.75;

/// A word that a record may have.
#[derive(PartialEq, Eq)]
struct Wanted {
    word: String,
    form: Form,
}

/// Scores of bodies, each for one record of a store: `bodies` are those of all its records. None if
/// the query asks for no word.
pub fn scores(query: &Ast, bodies: &[&str]) -> Option<Vec<f64>> {
    let mut wanted = Vec::new();
    collect(query, false, &mut wanted);
    if wanted.is_empty() {
        return None;
    }
    let texts: Vec<Vec<Placed>> = bodies.iter().map(|body| scan(body)).collect();
    let with_words = texts.iter().filter(|words| !words.is_empty()).count() as f64;
    let all = texts.iter().map(Vec::len).sum::<usize>() as f64;
    let count = |wanted: &Wanted, words: &[Placed]| match wanted.form {
        Form::Exact => words.iter().filter(|w| w.word == wanted.word).count(),
        form => usize::from(words.iter().any(|w| has(&w.word, &wanted.word, form))),
    };
    let mut scores = vec![0.0; bodies.len()];
    for wanted in &wanted {
        let counts: Vec<f64> = texts.iter().map(|words| count(wanted, words) as f64).collect();
        let having = counts.iter().filter(|n| **n > 0.0).count() as f64;
        let worth = (1.0 + (with_words - having + 0.5) / (having + 0.5)).ln();
        for ((score, n), words) in scores.iter_mut().zip(counts).zip(&texts) {
            let length = words.len() as f64 / (all / with_words);
            *score += if n > 0.0 { worth * n * (K1 + 1.0) / (n + K1 * (1.0 - B + B * length)) } else { 0.0 };
        }
    }
    Some(scores)
}

fn collect(query: &Ast, negated: bool, out: &mut Vec<Wanted>) {
    match query {
        Ast::Not(of) => collect(of, !negated, out),
        Ast::And(of) | Ast::Or(of) => of.iter().for_each(|of| collect(of, negated, out)),
        Ast::Leaf(Leaf::Words(asked)) if !negated => {
            let (words, form) = (scan(asked.text()), asked.form());
            let last = words.len();
            for (n, word) in words.into_iter().enumerate() {
                let form = if n + 1 == last { form } else { Form::Exact };
                let wanted = Wanted { word: word.word, form };
                if !out.contains(&wanted) {
                    out.push(wanted);
                }
            }
        }
        Ast::All | Ast::Leaf(_) => {}
    }
}
