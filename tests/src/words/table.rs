//! What each character of a restricted alphabet is, written down by hand.

/// U+200D joins pictures.
pub const ZWJ: char = '\u{200d}';

/// Characters that texts are made of, script by script; see [`super::table`].
pub const ALPHABET: [&str; 17] = [
    "abcdefghijxyzABCXYZ0189_",
    "abe aeo ab.-'@/",
    "àáâãäåçèéêëìíîïñòóôöùúûüÀÉÖÜ",
    "ßẞøłđıİſØŁĐﬁ²½Ａｂ\u{212a}\u{212b}…",
    "αβσςΣοδάόήΆ",
    "абвеёийуыЯЁЙУ",
    "ابتنمهوي\u{64e}\u{651}\u{64b}٠٣",
    "אבגשל\u{5b0}\u{5b4}\u{5bc}\u{5c1}",
    "कखगमतस\u{93c}\u{94d}\u{93e}\u{93f}\u{902}०",
    "กขนมสา\u{e33}\u{e31}\u{e38}\u{e48}\u{e49}เ๑ๆ฿",
    "東京都一二三々〇中国",
    "あかがきぎはばーアカガ\u{3099}ｶﾞｱ",
    "가각나한국\u{1100}\u{1161}\u{11a8}",
    "👍👩👧❤☕🎉©😀\u{1f3fd}\u{1f3fb}\u{200d}\u{fe0f}\u{200c}",
    "🇩🇪🇫🇷🏴\u{e0067}\u{e007f}1\u{20e3}",
    "ae\u{300}\u{301}\u{302}\u{306}\u{308}\u{316}\u{323}\u{327}иео",
    " .,;:!?/-\n\t、。「」—…",
];

/// What a character is for the cut of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in the manual")]
pub enum Class {
    Separator,
    Letter,
    Latin,
    Mark,
    /// Of a script without spaces.
    Sign,
    /// The same.
    SignMark,
    Picture,
    Flag,
    Tone,
    /// U+200C, U+200D and tags.
    Joiner,
}

/// Of a character that is folded.
///
/// # Panics
/// At one that stands in no table.
pub fn class(c: char) -> Class {
    match c {
        'a'..='z' | 'ø' | 'ł' | 'đ' | 'ı' => Class::Latin,
        '0'..='9' | '_' | '٠'..='٩' | '०'..='९' => Class::Letter,
        '\u{300}'..='\u{36f}' | '\u{20e3}' => Class::Mark,
        '\u{5b0}'..='\u{5bd}' | '\u{5c1}' | '\u{64b}'..='\u{652}' => Class::Mark,
        '\u{902}' | '\u{93c}' | '\u{93e}'..='\u{940}' | '\u{94d}' | '\u{3099}' => Class::Mark,
        '\u{e31}' | '\u{e34}'..='\u{e3a}' | '\u{e47}'..='\u{e4e}' => Class::SignMark,
        'ก'..='ะ' | 'า' | 'เ'..='ๆ' | '๐'..='๙' => Class::Sign,
        '々' | '〇' | 'ぁ'..='ゖ' | 'ァ'..='ヺ' | 'ー' | '一'..='鿿' => Class::Sign,
        'α'..='ω' | 'ά'..='ί' | 'ό'..='ώ' => Class::Letter,
        'а'..='џ' | 'א'..='ת' | 'ء'..='ي' | 'क'..='ह' => Class::Letter,
        'ӑ' | 'ӓ' | 'ӗ' | 'ӥ' | 'ӧ' | 'ӱ' | 'ӹ' | 'ὰ' | 'ὴ' | 'ὸ' | 'ᾰ' => Class::Letter,
        '\u{1100}'..='\u{1112}' | '\u{1161}'..='\u{1175}' | '\u{11a8}'..='\u{11c2}' | '가'..='힣' => {
            Class::Letter
        }
        '👍' | '👩' | '👧' | '❤' | '☕' | '🎉' | '©' | '😀' | '🏴' => Class::Picture,
        '🇦'..='🇿' => Class::Flag,
        '\u{1f3fb}'..='\u{1f3ff}' => Class::Tone,
        ZWJ | '\u{200c}' | '\u{e0020}'..='\u{e007f}' => Class::Joiner,
        '฿' | '\u{2044}' | '█' => Class::Separator,
        c if c.is_ascii() => Class::Separator,
        '、' | '。' | '「' | '」' | '—' | '„' | '“' | '”' | '\u{2028}' => Class::Separator,
        c => panic!("no table knows U+{:04X}", c as u32),
    }
}

/// Whether a mark has a width of its own (category Mc).
pub fn is_spacing(c: char) -> bool {
    matches!(c, '\u{93e}'..='\u{940}')
}

/// Canonical combining class.
fn combining(c: char) -> u8 {
    match c {
        '\u{300}' | '\u{301}' | '\u{302}' | '\u{303}' | '\u{306}' | '\u{308}' | '\u{30a}' | '\u{30c}' => 230,
        '\u{316}' | '\u{323}' => 220,
        '\u{327}' => 202,
        '\u{5b0}' => 10,
        '\u{5b4}' => 14,
        '\u{5bc}' => 21,
        '\u{5c1}' => 24,
        '\u{64b}' => 27,
        '\u{64e}' => 30,
        '\u{651}' => 33,
        '\u{93c}' => 7,
        '\u{94d}' => 9,
        '\u{e38}' => 103,
        '\u{e48}' | '\u{e49}' => 107,
        '\u{3099}' => 8,
        c if matches!(class(c), Class::Mark | Class::SignMark) => {
            assert!(
                matches!(
                    c,
                    '\u{20e3}' | '\u{902}' | '\u{93e}' | '\u{93f}' | '\u{e31}' | '\u{e34}'
                        ..='\u{e37}' | '\u{e4d}'
                ),
                "no table knows the class of U+{:04X}",
                c as u32
            );
            0
        }
        _ => 0,
    }
}

/// Small letters that compose with a mark, and what they become.
const COMPOSED: [(char, char, char); 24] = [
    ('α', '\u{301}', 'ά'),
    ('ο', '\u{301}', 'ό'),
    ('η', '\u{301}', 'ή'),
    ('и', '\u{306}', 'й'),
    ('и', '\u{300}', 'ѝ'),
    ('и', '\u{308}', 'ӥ'),
    ('е', '\u{308}', 'ё'),
    ('е', '\u{300}', 'ѐ'),
    ('е', '\u{306}', 'ӗ'),
    ('у', '\u{306}', 'ў'),
    ('у', '\u{308}', 'ӱ'),
    ('а', '\u{306}', 'ӑ'),
    ('а', '\u{308}', 'ӓ'),
    ('ы', '\u{308}', 'ӹ'),
    ('г', '\u{301}', 'ѓ'),
    ('о', '\u{308}', 'ӧ'),
    ('か', '\u{3099}', 'が'),
    ('き', '\u{3099}', 'ぎ'),
    ('は', '\u{3099}', 'ば'),
    ('カ', '\u{3099}', 'ガ'),
    ('α', '\u{300}', 'ὰ'),
    ('ο', '\u{300}', 'ὸ'),
    ('η', '\u{300}', 'ὴ'),
    ('α', '\u{306}', 'ᾰ'),
];

/// What a Latin letter is without its marks.
const PLAIN: [(&str, &str); 14] = [
    ("àáâãäåÀÁÂÃÄÅ\u{212b}", "a"),
    ("çÇ", "c"),
    ("èéêëÈÉÊË", "e"),
    ("ìíîïÌÍÎÏİ", "i"),
    ("ñÑ", "n"),
    ("òóôõöÒÓÔÕÖ", "o"),
    ("ùúûüÙÚÛÜ", "u"),
    ("ßẞ", "ss"),
    ("ſ", "s"),
    ("ﬁ", "fi"),
    ("\u{212a}", "k"),
    ("²", "2"),
    ("½", "1\u{2044}2"),
    ("…", "..."),
];

/// A character by itself: compatible, small, Latin letters without marks, others taken apart.
fn apart(c: char, out: &mut Vec<char>) {
    if c.is_ascii() {
        return out.push(c.to_ascii_lowercase());
    }
    if let Some((_, plain)) = PLAIN.iter().find(|(of, _)| of.contains(c)) {
        return out.extend(plain.chars());
    }
    match c {
        '\u{fe0e}' | '\u{fe0f}' => {}
        'Ａ'..='ｚ' | '！'..='＠' => apart(char::from_u32(c as u32 - 0xfee0).unwrap_or(c), out),
        'ｱ' => out.push('ア'),
        'ｶ' => out.push('カ'),
        'ﾞ' => out.push('\u{3099}'),
        '\u{e33}' => out.extend("\u{e4d}\u{e32}".chars()),
        'ς' => out.push('σ'),
        '가'..='힣' => {
            let n = c as u32 - 0xac00;
            let jamo = [0x1100 + n / 588, 0x1161 + n % 588 / 28, 0x11a7 + n % 28];
            out.extend(
                jamo.into_iter().take(if n.is_multiple_of(28) { 2 } else { 3 }).filter_map(char::from_u32),
            );
        }
        c => {
            for c in c.to_lowercase().map(|c| if c == 'ς' { 'σ' } else { c }) {
                match COMPOSED.iter().find(|(.., whole)| *whole == c) {
                    Some((of, mark, _)) => out.extend([*of, *mark]),
                    None => out.push(c),
                }
            }
        }
    }
}

/// A text in small letters, each mark in its order, what composes composed.
pub fn normal(text: &str) -> Vec<char> {
    let mut all = Vec::new();
    text.chars().for_each(|c| apart(c, &mut all));
    // Marks change places with greater ones before them, one by one.
    for end in 1..all.len() {
        let mut at = end;
        while at > 0 && combining(all[at]) > 0 && combining(all[at - 1]) > combining(all[at]) {
            all.swap(at - 1, at);
            at -= 1;
        }
    }
    let mut out: Vec<char> = Vec::new();
    let mut starter: Option<usize> = None;
    for c in all {
        let blocked = starter.is_none_or(|at| {
            out[at + 1..]
                .iter()
                .any(|between| combining(*between) == 0 || combining(*between) >= combining(c))
        });
        let whole = starter.filter(|_| !blocked).and_then(|at| Some((at, composed(out[at], c)?)));
        match whole {
            Some((at, whole)) => out[at] = whole,
            None => {
                if combining(c) == 0 {
                    starter = Some(out.len());
                }
                out.push(c);
            }
        }
    }
    out
}

fn composed(of: char, mark: char) -> Option<char> {
    let (a, b) = (of as u32, mark as u32);
    match (of, mark) {
        ('\u{1100}'..='\u{1112}', '\u{1161}'..='\u{1175}') => {
            char::from_u32(0xac00 + ((a - 0x1100) * 21 + (b - 0x1161)) * 28)
        }
        ('가'..='힣', '\u{11a8}'..='\u{11c2}') if (a - 0xac00).is_multiple_of(28) => {
            char::from_u32(a + b - 0x11a7)
        }
        _ => COMPOSED.iter().find(|(base, with, _)| (*base, *with) == (of, mark)).map(|(.., whole)| *whole),
    }
}
