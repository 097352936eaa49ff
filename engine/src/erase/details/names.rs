//! Names of what goes, looked for in what was typed.

use zeroize::Zeroizing;

use crate::erase::details::typed::Typed;
use crate::id::Seq;
use crate::receipts::DetailField;
use crate::text::{self, Wording};

/// Fewest characters by which an id or the name of a conversation is told from a word, if one of them is
/// a digit.
const DISTINCTIVE_MIN: usize = 6;
/// The longest word of the query language, `conversation`, has as many.
const WORD_MAX: usize = 12;

/// Names to look for. They are compared as look-ups compare words, however they are divided into words.
///
/// People are looked for in every text. Whoever appends chooses ids and names of conversations, and may
/// choose what others have typed: they count where a detail says that it means them, and elsewhere only if
/// they are no words of every day and were typed when what they name was there.
#[derive(Default)]
pub(super) struct Names {
    spelled: Vec<Wording>,
    /// Those without a word, folded.
    whole: Vec<Zeroizing<String>>,
    record: Option<Record>,
    /// Folded.
    conversation: Option<Zeroizing<String>>,
    /// The same as words, and when it came.
    distinctive: Option<(Wording, Seq)>,
}

/// A record by its id, folded. What was typed before it came doesn't mean it: it would stand there too if
/// the record had never been.
struct Record {
    id: Zeroizing<String>,
    conversation: Zeroizing<String>,
    came: Seq,
}

impl Names {
    /// Looks for a person's identifier and, of an address, for the part before the `@`.
    pub(super) fn add_identifier(&mut self, identifier: &str) {
        self.add(identifier);
        if let Some((local, _)) = identifier.split_once('@')
            && !Wording::of(local).is_empty()
        {
            self.add(local);
        }
    }

    /// Looks for a record that came at a position.
    pub(super) fn add_record(&mut self, id: &str, conversation: &str, came: Seq) {
        self.record = Some(Record { id: folded(id), conversation: folded(conversation), came });
        self.add_distinctive(id, came);
    }

    /// Looks for a conversation whose first record came at a position.
    pub(super) fn add_conversation(&mut self, name: &str, came: Seq) {
        self.conversation = Some(folded(name));
        self.add_distinctive(name, came);
    }

    fn add_distinctive(&mut self, name: &str, came: Seq) {
        let words = Wording::of(name);
        // Words are looked for: signs make no name of one.
        let length = (words.chars() + words.len()).saturating_sub(1);
        let counted = length >= DISTINCTIVE_MIN && name.chars().any(char::is_numeric);
        if counted || length > WORD_MAX && name.split_whitespace().count() == 1 {
            self.distinctive = Some((words, came)).filter(|(words, _)| !words.is_empty());
        }
    }

    /// Looks for a name; for one of two words also the other way round: family name first.
    pub(super) fn add(&mut self, name: &str) {
        let words = Wording::of(name);
        if words.is_empty() {
            if !name.is_empty() {
                self.whole.push(folded(name));
            }
            return;
        }
        let mut parts = name.split_whitespace();
        if words.len() == 2 {
            self.spelled.push(words.reversed());
        } else if let (Some(first), Some(second), None) = (parts.next(), parts.next(), parts.next()) {
            // Where a character is a word, a name has more than two.
            let turned = Zeroizing::new(format!("{second} {first}"));
            self.spelled.push(Wording::of(&turned));
        }
        self.spelled.push(words);
    }

    /// Whether one stands in what was typed at a position of the log.
    pub(super) fn stand_in(&self, typed: &Typed, seq: Seq) -> bool {
        self.are_meant_by(typed, seq)
            || typed.texts().iter().any(|text| {
                let stands =
                    |name: &Wording| text.words.spells(name) || text.is_cut && text.words.breaks_off_in(name);
                let later = self.distinctive.as_ref().filter(|(_, came)| seq > *came);
                self.spelled.iter().any(stands) || later.is_some_and(|(name, _)| stands(name)) || {
                    // Most people have words in their names.
                    !self.whole.is_empty() && {
                        let text = folded(&text.text);
                        self.whole.iter().any(|name| stands_apart(&text, name))
                    }
                }
            })
    }

    /// Whether it says that it means the record or the conversation.
    fn are_meant_by(&self, typed: &Typed, seq: Seq) -> bool {
        let field = |of| typed.detail.get(of).map(folded);
        let (record, conversation) = (field(DetailField::Record), field(DetailField::Conversation));
        let meant = |name: &Option<Zeroizing<String>>, wanted: &String| name.as_deref() == Some(wanted);
        if let Some(wanted) = self.record.as_ref().filter(|wanted| seq > wanted.came) {
            let there = conversation.is_none() || meant(&conversation, &wanted.conversation);
            if meant(&record, &wanted.id) && there || typed.asks_for_record(&wanted.id) {
                return true;
            }
        }
        self.conversation
            .as_ref()
            .is_some_and(|wanted| meant(&conversation, wanted) || typed.asks_for_conversation(wanted))
    }
}

/// A text in one form of its characters, without capitals.
pub(super) fn folded(text: &str) -> Zeroizing<String> {
    let normal = Zeroizing::new(text::nfc(text).into_owned());
    Zeroizing::new(normal.to_lowercase())
}

/// Whether a name stands in a text between spaces, or what the query language sets around values.
fn stands_apart(text: &str, name: &str) -> bool {
    let apart = |c: Option<char>| c.is_none_or(|c| c.is_whitespace() || "\"():,;".contains(c));
    text.match_indices(name)
        .any(|(at, _)| apart(text[..at].chars().next_back()) && apart(text[at + name.len()..].chars().next()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Micros;
    use crate::receipts::Detail;
    use crate::text::Analyser;

    fn found(identifier: &str, query: &str) -> bool {
        let mut names = Names::default();
        names.add_identifier(identifier);
        names.stand_in(&typed(query), Seq(10))
    }

    fn typed(query: &str) -> Typed {
        Typed::of(&mut Analyser::new(), Detail::new().with(DetailField::Query, query), Micros(0))
    }

    #[test]
    fn a_name_is_found_in_whatever_way_it_is_typed() {
        let anna = |query: &str| found("anna.meyer@example.org", query);
        assert!(anna("author:\"Anna.Meyer@Example.org\" lamp"));
        assert!(anna("(anna   meyer)") && anna("\"Meyer, Anna\"") && anna("annameyer"));
        assert!(!anna("anna") && !anna("savanna.meyers") && !anna("meyer lamp anna"));
        assert!(found("太郎 山田", "山田太郎さん") && found("_anna_", "anna lamp"));
    }

    #[test]
    fn a_name_without_a_word_is_found_as_a_whole() {
        assert!(found(":-)", "author:\":-)\" lamp") && found("#1!?", "(#1!?)"));
        assert!(!found("-", "-tag:x pre-fix") && !found("!!", "what!!!"));
        // The part before the @ is none by itself.
        assert!(!found("--@example.org", "a -- b"));
    }

    #[test]
    fn a_name_at_which_a_text_was_cut_is_found() {
        let long =
            |end: &str| format!("{}{end}", "lamp ".repeat(2_000))[10_000 - 4_096 + end.len()..].to_owned();
        assert_eq!(long("anna.m").len(), 4_096);
        assert!(found("anna.meyer@example.org", &long("anna.m")));
        assert!(!found("anna.meyer@example.org", &long("lime")));
        assert!(!found("anna.meyer@example.org", "lamp anna.m"));
    }

    #[test]
    fn words_of_the_language_are_no_names() {
        assert!(!found("author", "author:karl") && !found("kind", "kind:message lamp"));
        assert!(found("author", "karl author") && found("kind", "kind OR lamp"));
    }

    #[test]
    fn an_id_counts_where_it_is_meant_or_can_mean_nothing_else() {
        let meant = |id: &str, came: u64, query: &str| {
            let mut names = Names::default();
            names.add_record(id, "c1", Seq(came));
            names.stand_in(&typed(query), Seq(10))
        };
        assert!(meant("kind", 3, "id:kind") && meant("Kind", 9, "lamp -(x OR id:kind)"));
        assert!(!meant("kind", 11, "id:kind"));
        for query in ["kind", "kind:message", "a kind of lamp", "conversation:kind"] {
            assert!(!meant("kind", 3, query), "{query}");
        }
        // With a digit, or long, it means nothing else; but not what was typed before it was there.
        assert!(meant("m-2026", 3, "see m-2026") && !meant("m-2026", 10, "see m-2026"));
        assert!(meant("sunflowerfield", 3, "\"the sunflowerfield\"") && !meant("sunflower", 3, "sunflower"));
        assert!(!meant("m7", 3, "m7") && !meant("a long common phrase", 3, "a long common phrase"));
        for signs in ["complaint.....", "the..........", "of-the-------", "-----2026-----"] {
            assert!(!meant(signs, 3, "the complaint of the year 2026"), "{signs}");
        }
    }

    #[test]
    fn a_record_of_another_conversation_is_another() {
        let mut names = Names::default();
        names.add_record("m1", "c1", Seq(3));
        let opened = |conversation: &str| {
            let detail = Detail::new().with(DetailField::Record, "m1");
            Typed::of(&mut Analyser::new(), detail.with(DetailField::Conversation, conversation), Micros(0))
        };
        assert!(
            names.stand_in(&opened("c1"), Seq(10))
                && names.stand_in(&opened(""), Seq(10))
                && !names.stand_in(&opened("c2"), Seq(10))
        );
    }
}
