//! `docs/QUERY.md` says what a word is so that a stranger can cut texts himself: `tests/words.py` was
//! written from that page and must cut as the engine does.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;

use escrowdb::text::Analyser;
use escrowdb_tests::rng::Rng;
use serde_json::{Value, json};

/// Texts put together at random.
const RANDOM: usize = 20_000;
/// Texts of each set of real chats.
const REAL: usize = 2_000;

/// Ranges of characters that meet in random texts; some often, since they matter more.
const RANGES: [(char, char); 27] = [
    ('a', 'z'),
    ('A', 'Z'),
    ('!', '@'),
    (' ', ' '),
    (' ', ' '),
    ('À', 'ſ'),
    ('ƀ', 'ɏ'),
    ('Ḁ', 'ẟ'),
    ('Ͱ', 'ϵ'),
    ('ἀ', 'ᾏ'),
    ('Ѐ', 'ӿ'),
    ('א', 'ת'),
    ('\u{5b0}', '\u{5bd}'),
    ('ء', '\u{655}'),
    ('\u{900}', '\u{97f}'),
    ('ก', '๙'),
    ('ກ', '\u{ecd}'),
    ('က', '႟'),
    ('ក', '៩'),
    ('一', '三'),
    ('ぁ', 'ヿ'),
    ('！', 'ﾟ'),
    ('가', '갸'),
    ('\u{300}', '\u{34e}'),
    ('\u{200b}', '\u{200e}'),
    ('\u{fe0d}', '\u{fe0f}'),
    ('😀', '😏'),
];
const CHOSEN: [char; 16] = [
    '❤',
    '👩',
    '👍',
    '🏽',
    '🇩',
    '🇪',
    '\u{200d}',
    '\u{e0067}',
    '©',
    '〇',
    '々',
    '\u{1039}',
    '\u{17d2}',
    '_',
    '\u{345}',
    'ǰ',
];

fn random(rng: &mut Rng) -> String {
    // Few ranges a text, so that their characters meet.
    let ranges: Vec<_> = (0..1 + rng.below(4)).map(|_| *rng.pick(&RANGES)).collect();
    let mut text = String::new();
    for _ in 0..rng.below(30) {
        if rng.below(6) == 0 {
            text.push(*rng.pick(&CHOSEN));
            continue;
        }
        let (first, last) = *rng.pick(&ranges);
        let c = first as usize + rng.below(last as usize - first as usize + 1);
        text.extend(char::from_u32(c as u32));
    }
    text
}

/// Bodies of real chats, if there are any.
fn real() -> Vec<String> {
    let Some(folder) = std::env::var_os("ESCROW_CHATS").map(PathBuf::from) else {
        eprintln!("left out: ESCROW_CHATS names no folder with real chats");
        return Vec::new();
    };
    let body =
        |line: String| serde_json::from_str::<Value>(&line).unwrap()["body"].as_str().unwrap().to_owned();
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|file| file.extension().is_some_and(|e| e == "jsonl"))
        .flat_map(|file| BufReader::new(File::open(file).unwrap()).lines().take(REAL))
        .map(|line| body(line.unwrap()))
        .collect()
}

#[test]
fn a_stranger_cuts_the_same_words() {
    let python = std::env::var("ESCROW_PYTHON").unwrap_or_else(|_| "python3".into());
    if !Command::new(&python).arg("--version").output().is_ok_and(|out| out.status.success()) {
        eprintln!("skipped: no Python (ESCROW_PYTHON names one)");
        return;
    }
    let mut rng = Rng::new(1);
    let mut texts: Vec<_> = (0..RANDOM).map(|_| random(&mut rng)).collect();
    texts.extend(real());
    texts.extend([255, 256, 300].map(|n| "ä".repeat(n) + &"я".repeat(n / 3)));
    let mut analyser = Analyser::new();
    let mut lines = String::new();
    for text in &texts {
        let mut words = Vec::new();
        analyser.words(text, |word| {
            let hex: String = word.value.iter().map(|b| format!("{b:02x}")).collect();
            words.push((hex, word.position));
        });
        lines += &json!({ "text": text, "words": words }).to_string();
        lines.push('\n');
    }
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("words_of_the_page.jsonl");
    fs::write(&file, lines).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("words.py");
    let out = Command::new(python).arg(script).arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{said}{}", String::from_utf8_lossy(&out.stderr));
    let skipped: usize = said.split(", ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(skipped < texts.len() / 5, "{said}");
}
