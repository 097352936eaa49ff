//! The sample: a shop's live chat of four weeks, the same at every run, in seven languages.

use escrowdb::id::Micros;
use escrowdb::record::time;

use crate::sample::templates::DEPARTMENTS;
use crate::shape::Object;

mod templates;

/// A customer of the shop.
pub struct Customer {
    /// As it is signed.
    pub name: &'static str,
    /// How the archive knows the customer.
    pub email: &'static str,
    language: &'static str,
}

/// Everybody; the first one will ask to be forgotten.
pub const CUSTOMERS: [Customer; 12] = [
    Customer { name: "Marie Dubois", email: "marie.dubois@courriel.example", language: "fr" },
    Customer { name: "Anna Schmidt", email: "anna.schmidt@post.example", language: "de" },
    Customer { name: "John Carter", email: "john.carter@mail.example", language: "en" },
    Customer { name: "Lucía Fernández", email: "lucia.fernandez@correo.example", language: "es" },
    Customer { name: "佐藤美咲", email: "misaki.sato@mail.example", language: "ja" },
    Customer { name: "ليلى حداد", email: "layla.haddad@barid.example", language: "ar" },
    Customer { name: "Katarzyna Nowak", email: "k.nowak@poczta.example", language: "pl" },
    Customer { name: "Emily Brown", email: "emily.brown@mail.example", language: "en" },
    Customer { name: "Jonas Weber", email: "jonas.weber@post.example", language: "de" },
    Customer { name: "Camille Laurent", email: "camille.laurent@courriel.example", language: "fr" },
    Customer { name: "Diego Ramírez", email: "diego.ramirez@correo.example", language: "es" },
    Customer { name: "Tomasz Zieliński", email: "t.zielinski@poczta.example", language: "pl" },
];

/// Who answers; number and name.
pub const AGENTS: [(&str, &str); 3] =
    [("nora@shop.example", "Nora"), ("tim@shop.example", "Tim"), ("priya@shop.example", "Priya")];

/// Conversations of the four weeks; every customer has three.
pub const CONVERSATIONS: usize = 3 * CUSTOMERS.len();

/// The sample as JSON Lines, in the order things were said.
pub fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    for number in 0..CONVERSATIONS {
        Talk::new(number).write(&mut lines);
    }
    lines
}

/// Order numbers of a customer.
pub fn orders(customer: usize) -> Vec<String> {
    (0..3).map(|round| order(round * CUSTOMERS.len() + customer)).collect()
}

/// Name of a conversation.
pub fn conversation(number: usize) -> String {
    format!("c-{:03}", number + 1)
}

fn order(number: usize) -> String {
    format!("SO-{}", 40_213 + 217 * number)
}

struct Talk {
    number: usize,
    customer: usize,
    department: usize,
    noise: Noise,
}

impl Talk {
    fn new(number: usize) -> Self {
        let (customer, round) = (number % CUSTOMERS.len(), number / CUSTOMERS.len());
        // The first customer meets delivery, returns and billing in this order.
        Self {
            number,
            customer,
            department: (customer + round) % DEPARTMENTS.len(),
            noise: Noise(number as u64),
        }
    }

    fn write(&mut self, lines: &mut Vec<String>) {
        let customer = &CUSTOMERS[self.customer];
        let turns = &templates::language(customer.language).talks[self.department];
        let mut now =
            Micros(START.0 + (self.number as i64 * 19 * HOUR + self.noise.below(3 * HOUR)) * SECOND);
        for (turn, template) in turns.iter().enumerate() {
            let author = if turn % 2 == 0 { customer.email } else { AGENTS[self.number % AGENTS.len()].0 };
            let body = self.fill(template);
            self.line(lines, author, now, &body);
            now = Micros(now.0 + (20 + self.noise.below(3 * MINUTE)) * SECOND);
        }
        // Others speak of the first customer, too: their words stay theirs.
        if let Some((_, words)) = MENTIONS.iter().find(|(number, _)| *number == self.number) {
            self.line(lines, customer.email, now, words);
        }
    }

    fn fill(&self, template: &str) -> String {
        let customer = &CUSTOMERS[self.customer];
        template
            .replace("{n}", customer.name)
            .replace("{e}", customer.email)
            .replace("{o}", &order(self.number))
            .replace("{a}", AGENTS[self.number % AGENTS.len()].1)
    }

    fn line(&self, lines: &mut Vec<String>, author: &str, now: Micros, body: &str) {
        let customer = &CUSTOMERS[self.customer];
        let tags = [
            format!("dept:{}", DEPARTMENTS[self.department]),
            format!("lang:{}", customer.language),
            format!("order:{}", order(self.number)),
            format!("priority:{}", if self.number % 5 == 2 { "high" } else { "normal" }),
        ];
        let line = Object::new()
            .text("id", &format!("m-{:04}", lines.len() + 1))
            .text("conversation", &conversation(self.number))
            .text("author", author)
            .texts("subjects", &[customer.email])
            .text("time", &time::format(now))
            .text("channel", if self.number.is_multiple_of(3) { "app" } else { "web" })
            .text("kind", "message")
            .texts("tags", &tags)
            .text("body", body)
            .finish();
        lines.push(line);
    }
}

/// Numbers that look random and are the same at every run (SplitMix64).
struct Noise(u64);

impl Noise {
    fn below(&mut self, end: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 2) as i64 % end
    }
}

/// What others said of the first customer: conversation and words.
const MENTIONS: [(usize, &str); 2] = [
    (7, "By the way, my neighbour Marie Dubois told me about your shop. She is very happy with her order."),
    (21, "C'est Marie Dubois qui m'a conseillé votre boutique, dites-lui merci de ma part !"),
];

/// 2026-03-02T08:00:00Z, a Monday.
const START: Micros = Micros(1_772_438_400_000_000);
const SECOND: i64 = 1_000_000;
/// In seconds.
const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;

#[cfg(test)]
mod tests {
    use super::*;
    use escrowdb::record::jsonl;

    #[test]
    fn sample_is_valid_and_of_the_promised_size() {
        let lines = lines();
        assert!((240..=400).contains(&lines.len()), "{}", lines.len());
        for line in &lines {
            jsonl::parse(line.as_bytes(), false).unwrap();
        }
        assert_eq!(time::format(START), "2026-03-02T08:00:00Z");
        assert_eq!(lines, super::lines());
    }

    #[test]
    fn no_placeholder_is_left() {
        assert!(lines().iter().all(|l| !["{n}", "{e}", "{o}", "{a}"].iter().any(|p| l.contains(p))));
    }
}
