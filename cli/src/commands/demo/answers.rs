//! What a store answers about everybody except one person. Erasing that person must not change
//! a single answer.

use escrowdb::record::time;

use crate::commands::export::subject_query;
use crate::engine::{self, Order, Reading, SearchOptions};
use crate::exit::Failure;
use escrowdb_server::sample::{CONVERSATIONS, CUSTOMERS, conversation};

/// Counts, facets, a histogram, conversations and exports, each as one text.
#[derive(PartialEq, Eq)]
pub(super) struct Answers(Vec<String>);

impl Answers {
    /// Asks everything, leaving out the customer at this place of the list.
    pub(super) fn about_others(reading: &Reading, without: usize) -> Result<Self, Failure> {
        let others = format!("NOT {}", subject_query(CUSTOMERS[without].email));
        let mut answers = vec![reading.count(&others)?.to_string()];
        for field in ["tag", "author", "subject", "conversation", "channel", "kind"] {
            let values = reading.facet(&others, field)?;
            answers.extend(values.iter().map(|(value, count)| format!("{field} {value} {count}")));
        }
        let days = reading.histogram(&others, time::Period::Day)?;
        answers.extend(days.iter().map(|(day, count)| format!("{} {count}", time::format(*day))));
        for (number, customer) in CUSTOMERS.iter().enumerate() {
            if number != without {
                answers.push(export(reading, &subject_query(customer.email))?);
            }
        }
        for number in (0..CONVERSATIONS).filter(|n| n % CUSTOMERS.len() != without) {
            let hits = reading.conversation(&conversation(number))?;
            answers.push(hits.iter().map(|hit| engine::stored_json(hit) + "\n").collect());
        }
        Ok(Self(answers))
    }

    /// How many answers these are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// How many differ from others.
    pub(super) fn differences(&self, other: &Self) -> usize {
        let pairs = self.0.iter().zip(&other.0).filter(|(a, b)| a != b).count();
        pairs + self.0.len().abs_diff(other.0.len())
    }
}

fn export(reading: &Reading, query: &str) -> Result<String, Failure> {
    let mut text = String::new();
    engine::each_hit(reading, query, (SearchOptions::new().order(Order::Oldest), None), |hit| {
        text.push_str(&engine::record_json(&hit));
        text.push('\n');
        Ok(())
    })?;
    Ok(text)
}
