//! Random small histories. Everybody has words that stand in nobody else's records.

use escrowdb::id::Micros;
use escrowdb::record::{Kind, Record};

use crate::canary;
use crate::rng::Rng;

pub mod ask;
pub mod model;
pub mod told;

/// What a history looks like.
#[derive(Clone, Copy, Debug)]
pub struct ChatOptions {
    /// People who are subjects.
    pub people: usize,
    /// People who are only authors.
    pub agents: usize,
    /// Conversations that several share; each person has one of his own too.
    pub conversations: usize,
    /// Records.
    pub records: usize,
    /// Seed of everything.
    pub seed: u64,
}

impl Default for ChatOptions {
    fn default() -> Self {
        Self { people: 5, agents: 2, conversations: 4, records: 60, seed: 1 }
    }
}

/// Somebody with his own words.
#[derive(Clone, Debug)]
pub struct Person {
    /// E-mail address.
    pub identifier: String,
    /// Stands in every text of which he is a subject.
    pub word: String,
    /// On some of his own records.
    pub tag: String,
    /// Only he is a subject there.
    pub conversation: String,
    /// Whether he is never a subject.
    pub agent: bool,
}

/// A history.
#[derive(Clone)]
pub struct Chats {
    /// Everybody; the agents last.
    pub people: Vec<Person>,
    /// In the order of appending.
    pub records: Vec<Record>,
}

impl Chats {
    /// A history; the same for the same options.
    pub fn new(options: ChatOptions) -> Self {
        let mut rng = Rng::new(options.seed);
        let people = (0..options.people + options.agents)
            .map(|i| Person {
                identifier: format!("{}.{}@example.org", unique(&mut rng), i),
                word: unique(&mut rng),
                tag: format!("mark:{}", unique(&mut rng)),
                conversation: format!("own-{}", unique(&mut rng)),
                agent: i >= options.people,
            })
            .collect();
        let mut chats = Self { people, records: Vec::new() };
        for i in 0..options.records {
            let record = chats.next(i, &options, &mut rng);
            chats.records.push(record);
        }
        chats
    }

    /// What must be nowhere after a person was erased, in every form.
    pub fn canaries(&self, person: &Person) -> Vec<Vec<u8>> {
        let mut words = vec![&person.identifier];
        if !person.agent {
            words.extend([&person.word, &person.tag, &person.conversation]);
        }
        words.into_iter().flat_map(|w| canary::forms(w)).collect()
    }

    /// The records that outlive a person. Of those he wrote for others the author is unknown.
    pub fn without(&self, identifier: &str) -> Vec<Record> {
        self.records.iter().filter(|r| !r.subjects.iter().any(|s| s == identifier)).cloned().collect()
    }

    /// One record more, as random as the others.
    pub fn next(&self, i: usize, options: &ChatOptions, rng: &mut Rng) -> Record {
        let (subjects, agents) = self.people.split_at(options.people);
        let one = rng.pick(subjects);
        let other = rng.pick(subjects);
        let several = rng.chance(15) && one.identifier != other.identifier;
        let shared = several || rng.chance(60);
        let conversation = if shared {
            format!("shared-{}", rng.below(options.conversations))
        } else {
            one.conversation.clone()
        };
        let author = match rng.below(4) {
            0 if !agents.is_empty() => rng.pick(agents),
            // A person may write into another's record too.
            1 if several => other,
            _ => one,
        };
        let time = Micros(START + (rng.below(400 * 24) as i64) * HOUR + rng.below(3) as i64);
        let mut record = Record::new(conversation, &author.identifier, time, "")
            .id(format!("m{i}"))
            .subject(&one.identifier)
            .channel(*rng.pick(&["web", "mail", "irc"]));
        record.body = self.text(one, several.then_some(other), rng);
        if several {
            record = record.subject(&other.identifier);
        } else if rng.chance(40) {
            record = record.tag(&one.tag);
        }
        for _ in 0..rng.below(3) {
            let tag = format!("topic:{}", rng.below(6));
            if !record.tags.contains(&tag) {
                record = record.tag(tag);
            }
        }
        if i > 0 && rng.chance(10) {
            record = record.reply_to(format!("m{}", rng.below(i)));
        }
        let kind = match rng.below(12) {
            0 => Kind::Action,
            1 => Kind::File,
            2 => Kind::System,
            _ => Kind::Message,
        };
        record.kind(kind)
    }

    fn text(&self, one: &Person, other: Option<&Person>, rng: &mut Rng) -> String {
        let mut words: Vec<&str> = (0..*rng.pick(&[0, 1, 4, 12, 60])).map(|_| *rng.pick(&WORDS)).collect();
        words.insert(rng.below(words.len() + 1), &one.word);
        if let Some(other) = other {
            words.insert(rng.below(words.len() + 1), &other.word);
        }
        words.join(" ")
    }
}

/// 2025-01-01T00:00:00Z.
const START: i64 = 1_735_689_600_000_000;
const HOUR: i64 = 3_600_000_000;
const WORDS: [&str; 12] = [
    "the",
    "order",
    "arrived",
    "Größe",
    "für",
    "привет",
    "заказ",
    "東京",
    "ありがとう",
    "สวัสดี",
    "👍🏽",
    "thanks",
];

/// A word that nothing else holds by chance.
fn unique(rng: &mut Rng) -> String {
    let letters: String = (0..12).map(|_| char::from(b'a' + rng.below(26) as u8)).collect();
    format!("Q{letters}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_repeatable_and_unique() {
        let options = ChatOptions { records: 500, ..ChatOptions::default() };
        let chats = Chats::new(options);
        assert!(chats.records == Chats::new(options).records);
        assert!(chats.records.iter().all(|r| r.validate().is_ok()));
        assert!(chats.records.iter().any(|r| r.subjects.len() == 2));
        for person in &chats.people {
            let rest = chats.without(&person.identifier);
            let own = chats.records.len() - rest.len();
            assert!(person.agent == (own == 0), "{own}");
            assert!(chats.records.iter().any(|r| r.author == person.identifier));
            if !person.agent {
                assert!(rest.iter().all(|r| !r.body.contains(&person.word) && !r.tags.contains(&person.tag)));
                assert!(rest.iter().all(|r| r.conversation != person.conversation));
            }
        }
    }
}
