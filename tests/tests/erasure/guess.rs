//! An erased record's text was "yes" or "no". Everything else of it is known to the attacker, who
//! also has every byte ever written, the slot, the leaves of the log, the certificate and the act
//! of the erasure. He must not do better than a coin.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use std::collections::BTreeSet;
use std::path::Path;

use escrowdb::id::PersonNumber;
use escrowdb::merkle::commitment::leaf;
use escrowdb::merkle::hash::Hash;
use escrowdb::record::{Record, Stored};
use escrowdb::session::Session;
use escrowdb::store::{ActOptions, DetailField, EraseOptions, Exported, Level, SearchOptions, Selector};
use escrowdb_tests::recording_vfs::Op;
use escrowdb_tests::sealed::Hunt;
use escrowdb_tests::sealed::verdict::open;
use escrowdb_tests::sealed::world::{DIR, Options, World, full};

const TEXTS: [&str; 2] = ["yes", "no"];
/// Of equal length, for padded lengths are visible.
const OF_ONE_LENGTH: [&str; 2] = ["yes", "nay"];

/// A history in which one record is erased.
struct Game {
    /// What a curious colleague asked before, where acts are kept.
    asked: Vec<Question>,
    w: World,
    /// Canonical bytes of the record with each text.
    candidates: [Vec<u8>; 2],
    /// What an attacker with the slot could open before the erasure.
    before: BTreeSet<[u8; 16]>,
    leaf: Hash,
    certificate: String,
}

/// A search for one of the texts.
struct Question {
    query: String,
    word: usize,
    /// Whether the record is found, if that is its text.
    meets: bool,
}

/// Asks for both texts in every way, and exports what is found.
fn ask(w: &World, texts: [&str; 2], [anna, c, d]: [&str; 3]) -> Vec<Question> {
    let mut asked = Vec::new();
    let reading = w.store().session(Session::new().actor("eve").purpose("curious"));
    for (word, text) in texts.into_iter().enumerate() {
        let ways = [
            (format!("conversation:{c} {text}"), true),
            (text.to_owned(), true),
            (format!("author:{anna} {text}"), true),
            (format!("-conversation:{d} {text}"), true),
            (format!("tag:common {text}"), true),
            (format!("conversation:{d} {text}"), false),
        ];
        for (query, meets) in ways {
            reading.count(&query).unwrap();
            reading.search(&query, &SearchOptions::new()).unwrap();
            reading.exporting(Exported::Query, &query).unwrap();
            asked.push(Question { query, word, meets });
        }
    }
    asked
}

fn play(seed: u64, texts: [&str; 2], text: usize, audit: Level) -> Game {
    let roll_records = if audit == Level::Off { 5 } else { 50 };
    let mut w = World::new(Options { seed, roll_records, deep: false, audit, ..Options::default() });
    let (anna, bert, c, d) = (w.person(), w.person(), w.word(), w.word());
    for i in 0..2 + seed % 3 {
        w.say([&anna, &bert][i as usize % 2], &[], [&c, &d][i as usize % 2]);
    }
    let (mut record, marks) = w.draft(&anna, &[], &c);
    texts[text].clone_into(&mut record.body);
    let id = w.append(record.clone(), marks.without_body());
    if seed.is_multiple_of(2) {
        w.roll();
    }
    w.say(&bert, &[], &d);
    let mut asked = Vec::new();
    if audit != Level::Off {
        w.say(&bert, &[], &c);
        asked = ask(&w, texts, [&anna, &c, &d]);
    }
    let reading = w.store().session(Session::new());
    let number = reading.person(&anna).unwrap().number;
    let seq = reading.get(&id, None).unwrap()[0].seq;
    let before = salts(&w.control(), &w, "");
    let selector = match seed / 2 % 3 {
        0 => Selector::Person(anna),
        1 => Selector::Conversation(c),
        _ => Selector::Record { id, conversation: None },
    };
    let certificate = w.store().erase(&selector, &EraseOptions::default()).unwrap().to_json();
    let leaves = &w.disk.snapshot()[&Path::new(DIR).join("log/level-0")];
    let leaf = Hash(*leaves[seq.0 as usize * 32..].first_chunk().unwrap());
    Game { candidates: texts.map(|t| canonical(&record, t, number)), before, leaf, certificate, asked, w }
}

fn canonical(record: &Record, body: &str, number: PersonNumber) -> Vec<u8> {
    let r = record.clone();
    Stored {
        id: r.id.unwrap(),
        conversation: r.conversation,
        author: number,
        subjects: vec![number],
        time: r.time,
        channel: r.channel,
        kind: r.kind,
        tags: r.tags,
        body: body.into(),
        reply_to: r.reply_to,
        extra: r.extra,
        ..Stored::default()
    }
    .encode()
}

/// Whatever might be the salt: every window of what opens and of what is public.
fn salts(hunt: &Hunt, w: &World, certificate: &str) -> BTreeSet<[u8; 16]> {
    let mut public: Vec<Vec<u8>> = vec![certificate.into()];
    public.extend(w.disk.log().iter().filter_map(|op| match op {
        // The sealed are pages or longer.
        Op::Write { bytes, .. } if bytes.len() < 4096 => Some(bytes.to_vec()),
        _ => None,
    }));
    let opened = hunt.opened.iter().map(|o| &o.text);
    opened.chain(&public).flat_map(|t| t.windows(16)).map(|w| w.try_into().unwrap()).collect()
}

/// The texts that explain the leaf.
fn explain(salts: &BTreeSet<[u8; 16]>, game: &Game) -> Vec<usize> {
    let explains = |i: &usize| salts.iter().any(|salt| leaf(salt, &game.candidates[*i]) == game.leaf);
    (0..2).filter(explains).collect()
}

/// The texts that agree with every count of which the question is left: what is found now, and the record.
fn agree(game: &Game) -> Vec<usize> {
    let reading = game.w.store().session(Session::new().purpose("guess"));
    let options = ActOptions::new().limit(usize::MAX).details(true);
    let acts = reading.acts("author:eve", &options).unwrap();
    assert_eq!(acts.len(), 3 * game.asked.len(), "the acts stay");
    let mut left = BTreeSet::new();
    let mut agreeing: BTreeSet<usize> = (0..2).collect();
    for act in &acts {
        let query = act.detail.as_ref().and_then(|detail| detail.get(DetailField::Query));
        let Some(asked) = game.asked.iter().find(|asked| query == Some(&asked.query)) else { continue };
        left.insert(&asked.query);
        let (told, now) = (act.act.as_ref().unwrap().count, reading.count(&asked.query).unwrap());
        agreeing.retain(|text| told == now + u64::from(asked.meets && asked.word == *text));
    }
    // What asked for something else is left.
    assert_eq!(left.len(), game.asked.iter().filter(|asked| !asked.meets).count(), "{left:?}");
    agreeing.into_iter().collect()
}

/// A colleague asked for "yes" and for "no" before, and both counts stand in acts. A question that is left
/// beside its count tells the text, of the one that was found and of the one that was not.
#[test]
fn what_was_asked_before_does_not_tell_the_text() {
    for seed in 0..if full() { 60 } else { 6 } {
        for truth in 0..2 {
            let game = play(seed, TEXTS, truth, Level::All);
            assert_eq!(agree(&game), [0, 1], "seed {seed}");
            let hunt = open(&game.w.scene());
            for asked in &game.asked {
                let found = hunt.find(format!("query: {}", asked.query).as_bytes());
                assert_eq!(found.is_empty(), asked.meets, "seed {seed}");
            }
        }
    }
}

#[test]
fn a_short_text_can_not_be_guessed_after_its_erasure() {
    for seed in 0..if full() { 120 } else { 6 } {
        let truth = (seed / 6 + seed) as usize % 2;
        let level = if seed % 4 == 3 { Level::All } else { Level::Off };
        let game = play(seed, TEXTS, truth, level);
        assert_eq!(explain(&game.before, &game), [truth], "the control must tell the text, seed {seed}");
        let after = salts(&open(&game.w.scene()), &game.w, &game.certificate);
        assert!(after.len() > 1_000 && after.len() < game.before.len() + 40_000);
        let none: [usize; 0] = [];
        assert_eq!(explain(&after, &game), none, "seed {seed}");
    }
}

/// Both histories look the same from outside: the same calls, the same places, the same lengths.
#[test]
fn the_traces_of_both_texts_are_equal() {
    for seed in 0..if full() { 60 } else { 12 } {
        let trace = |text| -> Vec<String> {
            // Acts tell by their counts what was found: what they weigh is no secret beside it.
            play(seed, OF_ONE_LENGTH, text, Level::Off).w.disk.log().iter().map(shape).collect()
        };
        let (yes, no) = (trace(0), trace(1));
        let differ: Vec<_> = yes.iter().zip(&no).filter(|(a, b)| a != b).collect();
        assert!(differ.is_empty() && yes.len() == no.len(), "seed {seed}: {differ:?}");
    }
}

/// An operation without its bytes and without the random part of names.
fn shape(op: &Op) -> String {
    match op {
        Op::Write { inode, offset, bytes } => format!("write {inode} {offset} {}", bytes.len()),
        Op::Create { inode, path } => format!("create {inode} {:?}", path.extension()),
        Op::Remove { inode, path } => format!("remove {inode} {:?}", path.extension()),
        other => format!("{other:?}"),
    }
}
