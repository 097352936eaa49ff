//! A beginning, or a word with a fault in it, may stand for so many words of the archive and not for one
//! more. Counted are the words that live at this moment, each once, wherever they stand.

#![allow(clippy::unwrap_used, reason = "what can't go on is a failed test")]

use std::sync::Arc;

use escrowdb::id::Micros;
use escrowdb::record::Record;
use escrowdb::session::Session;
use escrowdb::store::{CompactOptions, EraseOptions, Order, Period, SearchOptions, Selector};
use escrowdb::text::Analyser;
use escrowdb::vfs::MemoryVfs;
use escrowdb::{ErrorKind, Result, Store};
use escrowdb_tests::entropy::SeededEntropy;

/// As docs/QUERY.md says.
const MOST: usize = 20_000;

fn store() -> Store {
    let entropy = Arc::new(SeededEntropy::new(1));
    let builder = Store::builder("/s").vfs(Arc::new(MemoryVfs::new())).entropy(entropy);
    builder.background(false).create().unwrap()
}

fn say(store: &Store, author: &str, words: &[String]) {
    let body = words.join(" ");
    let id = store.stats().unwrap().log_size.to_string();
    store.append(&[Record::new("c", author, Micros(0), body).id(id)]).unwrap();
}

/// Every way to ask answers alike: so many records, or that there are too many words.
#[track_caller]
fn check(store: &Store, query: &str, wanted: Option<u64>) {
    let reading = store.session(Session::new());
    let by = |order| {
        reading.search(query, &SearchOptions::new().order(order).snippets(true)).map(|hits| hits.len() as u64)
    };
    let of = |values: Result<Vec<(String, u64)>>| values.map(|v| v.iter().map(|(_, n)| n).sum());
    let found = [
        reading.count(query),
        by(Order::Newest),
        by(Order::Oldest),
        by(Order::Relevance),
        reading.seqs(query, Order::Newest).map(|seqs| seqs.len() as u64),
        of(reading.facet(query, "conversation")),
        reading.histogram(query, Period::Day).map(|bars| bars.iter().map(|(_, n)| n).sum()),
    ];
    for (n, answer) in found.into_iter().enumerate() {
        match (answer, wanted) {
            (Ok(found), Some(wanted)) => assert_eq!(found, wanted, "{query}, {n}"),
            (Err(e), None) => {
                assert_eq!(e.kind(), ErrorKind::Invalid, "{query}, {n}");
                assert!(e.to_string().contains("more than 20000 words"), "{e}");
            }
            (answer, _) => panic!("{query}, {n}: {answer:?}, and not {wanted:?}"),
        }
    }
}

/// More than [`MOST`] words that differ from `a` by one letter behind it.
fn near() -> Vec<String> {
    let ranges = [
        '가'..='힣',
        'ꀀ'..='ꒌ',
        '\u{17000}'..='\u{187f7}',
        '\u{12000}'..='\u{12399}',
        '\u{13000}'..='\u{1342f}',
        '\u{14400}'..='\u{14646}',
    ];
    let words: Vec<String> =
        ranges.into_iter().flatten().map(|letter| format!("a{letter}")).take(MOST + 1).collect();
    assert_eq!(words.len(), MOST + 1);
    let mut cut = 0;
    Analyser::new().words(&words.join(" "), |_| cut += 1);
    assert_eq!(cut, words.len(), "each is one word");
    words
}

#[test]
fn words_of_all_parts_are_counted_once_and_erased_ones_not() {
    let beginnings: Vec<String> = (0..=MOST).map(|n| format!("b{n:05}")).collect();
    for (words, query) in [(beginnings, "b*"), (near(), "a~1")] {
        let (all_but_one, one) = words.split_at(MOST);
        let (first, second) = all_but_one.split_at(MOST / 2);
        let store = store();
        let phrase = format!("well.{}", query.replace("a~1", "a*"));
        let both = |wanted: Option<u64>, in_phrase: Option<u64>| {
            check(&store, query, wanted);
            check(&store, &phrase, in_phrase);
            check(&store, &format!("{query} OR tag:none"), wanted);
        };
        say(&store, "anna", first);
        both(Some(1), Some(0));
        store.roll().unwrap();
        say(&store, "anna", second);
        say(&store, "anna", &["well".to_owned(), first[7].clone()]);
        // In a segment and in memory, some of them in both.
        both(Some(3), Some(1));
        store.roll().unwrap();
        both(Some(3), Some(1));
        say(&store, "bert", one);
        both(None, None);
        assert!(store.session(Session::new()).count(&format!("-{query}")).is_err());
        store.roll().unwrap();
        both(None, None);
        store.compact(&CompactOptions::new(), |_| ()).unwrap();
        both(None, None);
        // One word less, and his at that.
        store.erase(&Selector::Person("bert".into()), &EraseOptions::default()).unwrap();
        both(Some(3), Some(1));
        // In memory only.
        say(&store, "bert", one);
        both(None, None);
        store.erase(&Selector::Person("bert".into()), &EraseOptions::default()).unwrap();
        both(Some(3), Some(1));
    }
}
