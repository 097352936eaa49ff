//! What the language reads, prints and refuses.

use proptest::prelude::*;

use super::*;
use crate::error::ErrorKind;

fn spoken(text: String, form: Form) -> Leaf {
    Leaf::Words(Words::new(text, form).unwrap())
}

fn shown(text: &str) -> String {
    parse(text, Micros(0)).unwrap().to_string()
}

fn refused(text: &str) -> String {
    let e = parse(text, Micros(0)).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Invalid);
    e.to_string()
}

#[test]
fn not_binds_before_and_before_or() {
    let ast = parse("tag:a NOT tag:b OR tag:c AND -tag:d", Micros(0)).unwrap();
    let tag = |t: &str| Ast::Leaf(Leaf::Tag(t.into()));
    let not = |a| Ast::Not(Box::new(a));
    let and = |a, b| Ast::And(vec![a, b]);
    assert_eq!(ast, Ast::Or(vec![and(tag("a"), not(tag("b"))), and(tag("c"), not(tag("d")))]));
    assert_eq!(shown("tag:a (tag:b OR tag:c)"), "tag:a (tag:b OR tag:c)");
    assert_eq!(shown("NOT(tag:a tag:b)"), "-(tag:a tag:b)");
    assert_eq!(shown("((*))"), "*");
    assert_eq!(shown("NOT NOT --*"), "----*");
}

#[test]
fn versions_stand_beside_everything_else() {
    assert_eq!(shown("a version:all"), "\"a\" version:all");
    assert_eq!(shown("(version:first (a OR b)) c"), "(version:first (\"a\" OR \"b\")) \"c\"");
    assert!(refused("a OR version:all").contains("character 6: which versions"));
    assert!(refused("-version:all").contains("character 2: which versions"));
    assert!(refused("(a OR (b version:all)) c").contains("character 10: which versions"));
    assert!(refused("version:all version:all").contains("character 13: which versions"));
    assert!(refused("version:old").contains("character 9: versions are newest, first and all"));
}

#[test]
fn words() {
    let get = |text: &str| match parse(text, Micros(0)).unwrap() {
        Ast::Leaf(Leaf::Words(words)) => (words.text().to_owned(), words.form()),
        other => panic!("{other:?}"),
    };
    let exact = |text: &str| (text.to_owned(), Form::Exact);
    assert_eq!(get("anna@example.org"), exact("anna@example.org"));
    assert_eq!(get("https://example.org/a?b=c"), exact("https://example.org/a?b=c"));
    assert_eq!(get("12:30"), exact("12:30"));
    // A value that begins with two slashes made words of its field.
    assert_eq!(shown("conversation://x"), "conversation://x");
    assert_eq!(get("\"tag:x AND (y) -z*\""), exact("tag:x AND (y) -z*"));
    assert_eq!(get("pre*"), ("pre".into(), Form::Prefix));
    assert_eq!(get("ünï~1"), ("ünï".into(), Form::Near));
    assert_eq!(get("~/.profile"), exact("~/.profile"));
    assert_eq!(shown("it's and pre* wörd~1"), "\"it's\" \"and\" pre* wörd~1");
    assert!(refused(&"word ".repeat(TERMS_MAX + 1)).contains("more than 1024 terms"));
    assert!(refused(&format!("\"{}\"", "word ".repeat(TERMS_MAX + 1))).contains("more than 1024 terms"));
    assert!(refused(&format!("{}*", "x".repeat(300))).contains("longer than"));
}

#[test]
fn values() {
    let leaf = |l| Ast::Leaf(l);
    let get = |text: &str| parse(text, Micros(0)).unwrap();
    assert_eq!(get(r#"author:"Anna \"B\\""#), leaf(Leaf::Author(r#"Anna "B\"#.into())));
    assert_eq!(get(r"id:a\b"), leaf(Leaf::Id(r"a\b".into())));
    assert_eq!(get("tag:url:http://x"), leaf(Leaf::Tag("url:http://x".into())));
    assert_eq!(get(r#"tag:dept:"field sales""#), leaf(Leaf::Tag("dept:field sales".into())));
    assert_eq!(get("kind:join"), leaf(Leaf::Kind(Kind::Join)));
    assert_eq!(get("conversation:-x"), leaf(Leaf::Conversation("-x".into())));
    assert_eq!(shown("on:1970-01"), "after:1970-01-01T00:00:00Z before:1970-02-01T00:00:00Z");
    assert_eq!(shown("-on:9999"), "-after:9999-01-01T00:00:00Z");
    assert_eq!(shown("after:-1d"), "after:1969-12-31T00:00:00Z");
}

#[test]
fn errors_name_the_character() {
    let cases = [
        ("", "empty"),
        ("  ", "empty"),
        ("* ...", "character 3: there is no word"),
        ("*  \"!\"", "character 4: there is no word"),
        ("* *pre", "character 3: a star stands at the end"),
        ("* pre*fix", "character 6: a star stands at the end"),
        ("* pre-*", "character 3: a star stands directly behind"),
        ("\"a\"*", "character 4: a space is missing"),
        ("* ab~2", "character 6: near words differ by one"),
        ("* a-b~1", "character 3: ~1 stands behind one word"),
        ("tag:ü foo:x", "character 7: this is no field"),
        ("tag:a OR", "character 9: a term is missing at the end"),
        ("tag:a AND OR *", "character 11: a term is missing before this operator"),
        ("(tag:a", "character 1: this parenthesis is never closed"),
        ("tag:a)", "character 6: this closing"),
        ("()", "character 2: a term is missing before"),
        ("tag:", "character 5: a value is missing"),
        ("tag:\"\"", "character 5: a value is missing"),
        ("tag:a(b)", "character 6: a space is missing"),
        ("tag:\"a\"b", "character 8: a space is missing"),
        ("tag:a*", "character 6: values are compared"),
        ("id:\"a\\n\"", "character 6: a backslash"),
        ("id:\"a", "character 4: this quotation mark"),
        ("kind:lunch", "character 6: this is no kind"),
        ("after:soon", "character 7: this is no time"),
        ("on:-7d", "character 4: this is no day"),
        ("- tag:a", "character 1: a minus"),
    ];
    for (text, expected) in cases {
        let message = refused(text);
        assert!(message.contains(expected), "{text}: {message}");
    }
}

#[test]
fn errors_hold_none_of_the_text() {
    for text in ["zebra-y~1", "zebra:x", "kind:zebra", "after:zebra", "id:\"zebra", "tag:zebra*", "(id:zebra"]
    {
        let e = parse(text, Micros(0)).unwrap_err();
        let all = format!("{e} {e:?} {}", e.hint_text().unwrap_or_default());
        assert!(!all.contains("zebra"), "{all}");
    }
    let ast = parse("tag:zebra -author:zebra zebra zebra* \"zebra x\"", Micros(0)).unwrap();
    assert!(!format!("{ast:?}").contains("zebra"));
}

#[test]
fn limits_hold() {
    let nest = |n: usize| format!("{}*{}", "(".repeat(n), ")".repeat(n));
    assert!(parse(&nest(DEPTH_MAX), Micros(0)).is_ok());
    assert!(refused(&nest(DEPTH_MAX + 1)).contains("nests deeper"));
    assert!(refused(&nest(30_000)).contains("nests deeper"));
    assert!(refused(&"-".repeat(60_000)).contains("nests deeper"));
    assert!(refused(&"NOT ".repeat(16_000)).contains("nests deeper"));
    assert!(refused(&"(".repeat(65_536)).contains("nests deeper"));
    assert!(parse(&"* ".repeat(TERMS_MAX), Micros(0)).is_ok());
    assert!(refused(&"* ".repeat(TERMS_MAX + 1)).contains("more than 1024 terms"));
    assert!(refused(&"on:2026 ".repeat(TERMS_MAX / 2 + 1)).contains("more than"));
    assert!(refused(&" ".repeat(LEN_MAX + 1)).contains("longer"));
}

fn trees() -> impl Strategy<Value = Ast> {
    let text = || prop_oneof!["[a-z:]{1,6}", "\\PC{1,6}", "[ \"\\\\()*:-]{1,4}"];
    let time = || {
        prop_oneof![Micros::MIN.0..=Micros::MAX.0, (-2000i64..2000).prop_map(|s| s * 500_000)]
            .prop_map(Micros)
    };
    let leaf = prop_oneof![
        text().prop_map(Leaf::Tag),
        text().prop_map(Leaf::Author),
        text().prop_map(Leaf::Subject),
        text().prop_map(Leaf::Conversation),
        text().prop_map(Leaf::Channel),
        text().prop_map(Leaf::Id),
        prop::sample::select(vec![Kind::Message, Kind::Join, Kind::Erased]).prop_map(Leaf::Kind),
        time().prop_map(Leaf::After),
        time().prop_map(Leaf::Before),
        "\\PC{0,6}[a-zé]".prop_map(|t| spoken(t, Form::Exact)),
        "[a-zé]{1,3}([-.@~:][a-zé]{1,3}){0,2}".prop_filter_map("no field", |t| {
            let is_words = t.split_once(':').is_none_or(|(f, r)| !is_field(f, r));
            is_words.then_some(spoken(t, Form::Prefix))
        }),
        "[a-zé]{1,6}".prop_map(|t| spoken(t, Form::Near)),
    ];
    let leaf = prop_oneof![8 => leaf.prop_map(Ast::Leaf), 1 => Just(Ast::All)];
    leaf.prop_recursive(6, 48, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Ast::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Ast::Or),
            inner.prop_map(|a| Ast::Not(Box::new(a))),
        ]
    })
}

proptest! {
    #[test]
    fn a_printed_tree_parses_to_itself(ast in trees()) {
        let text = ast.to_string();
        prop_assert_eq!(parse(&text, Micros(7)).unwrap(), ast);
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in any::<String>(), now in any::<i64>()) {
        let _ = parse(&text, Micros(now));
    }

    #[test]
    fn near_misses_are_parsed_or_refused(
        parts in prop::collection::vec(prop::sample::select(vec![
            "tag:", "author:", "on:", "after:", "kind:", "AND", "OR", "NOT", "-", "(", ")", "*", "\"",
            "\\", " ", "x", "é", "2026-01-31", "today", "-7d", "message", ":",
        ]), 0..24),
        now in any::<i64>(),
    ) {
        if let Ok(ast) = parse(&parts.concat(), Micros(now)) {
            prop_assert_eq!(parse(&ast.to_string(), Micros(0)).unwrap(), ast);
        }
    }
}
