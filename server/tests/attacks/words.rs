//! Words: names, ids, headers and queries that are more than words.

use escrowdb::register::Event;
use escrowdb::register::hold::{self, Effect, Hold, Scope};
use escrowdb::session::Session;

use crate::support::BEN;
use crate::wire::{Answer, Attacked};

/// What tells one answer from another: all but the time and the name of the call, which are of each call.
fn told(answer: Answer) -> (u16, Vec<String>, String) {
    let is_own = |line: &&str| !line.starts_with("date: ") && !line.starts_with("x-request-id: ");
    (answer.status, answer.head.lines().filter(is_own).map(str::to_owned).collect(), answer.body)
}

impl Attacked {
    fn get(&self, path: &str) -> Answer {
        self.get_as(path, &self.reviewer)
    }

    fn get_as(&self, path: &str, token: &str) -> Answer {
        self.sent(self.head("GET", path, token) + "\r\n").answer().unwrap()
    }
}

#[test]
fn no_word_becomes_a_line_or_a_header() {
    let attacked = Attacked::start(&[]);
    let get = attacked.head("GET", "shop/conversations/c1", &attacked.reviewer);
    let post = attacked.head("POST", "shop/records", &attacked.writer);
    for value in
        [&b"a\x01b"[..], b"a\x00b", b"a\x7fb", b"a\x1b[2Jb", b"a\tb", b"a\rX: y", b"\xe2\x80\xae", b"a\xff"]
    {
        for (head, name) in [(&get, "Escrow-Case"), (&get, "Escrow-Purpose"), (&post, "Idempotency-Key")] {
            let line =
                [head.as_bytes(), name.as_bytes(), b": ", value, b"\r\nContent-Length: 0\r\n\r\n"].concat();
            let answer = attacked.sent(line).answer().unwrap();
            assert_eq!(answer.status, 400, "{name}: {value:?}");
        }
    }
    for raw in ["\x01", "\x7f", "\t", "\r", "\n", "\0", " "] {
        let head = get.replacen("c1", &format!("c1{raw}x"), 1);
        let answer = attacked.sent(format!("{head}\r\n")).answer();
        assert!(answer.is_none_or(|answer| answer.status == 400), "{raw:?}");
    }
    let injected = "%0d%0aX-Injected:%20canary%0d%0a%0d%0acanary";
    for path in [
        "records/I",
        "conversations/I",
        "people/I",
        "I",
        "search?q=I",
        "search?q=*&order=I",
        "search?q=*&limit=I",
        "search?q=*&cursor=I",
        "facet?q=*&by=I",
        "histogram?q=*&per=I",
        "search?I=I",
        "records/m1?conversation=I",
    ] {
        let answer = attacked.get(&format!("shop/{}", path.replace('I', injected)));
        assert!([200, 400, 404].contains(&answer.status), "{path}: {answer:?}");
        let said = (answer.head + &answer.body).to_lowercase();
        assert!(!said.contains("injected") && !said.contains("canary"), "{path}: {said}");
    }
    // A name of the call comes from its trace, or it is drawn.
    let traced = format!("{get}traceparent: 00-<b>canary</b>-x\r\n\r\n");
    assert!(!attacked.sent(traced).answer().unwrap().head.contains("canary"));
    attacked.is_well();
}

#[test]
fn no_name_leads_out_of_its_tenant() {
    let attacked = Attacked::start(&[]);
    let other = told(attacked.get("other/count?q=*"));
    assert_eq!(other.0, 403);
    for tenant in [
        "..%2fshop",
        "shop%2f..",
        "shop%2f..%2fshop",
        ".%2fshop",
        "%2e%2e",
        "shop%00",
        "%00",
        "shop%20",
        "SHOP",
        "tokens",
        "shop%2fstore",
        "%2fetc",
        "..%5cshop",
        "shop%0a",
        "%e2%80%a6",
    ] {
        assert_eq!(told(attacked.get(&format!("{tenant}/count?q=*"))), other, "{tenant}");
    }
    for path in [
        "../count?q=*",
        "./count?q=*",
        "%ff/count?q=*",
        "/count?q=*",
        "shop/../shop/count?q=*",
        "shop//count?q=*",
    ] {
        let answer = attacked.get(path);
        assert!([400, 403, 404].contains(&answer.status), "{path}: {answer:?}");
    }
    for id in
        ["..%2f..%2ftokens", "%00", "m1%00", "..", "%2e%2e%2ftokens", "*", "m%25", "%2fetc%2fpasswd", "m1%2f"]
    {
        for room in ["records", "conversations", "people"] {
            let answer = attacked.get(&format!("shop/{room}/{id}"));
            assert!([400, 404].contains(&answer.status), "{room}/{id}: {answer:?}");
        }
    }
    attacked.is_well();
}

#[test]
fn who_is_gone_hidden_or_never_was_is_answered_alike() {
    let mut attacked = Attacked::start(&[]);
    let eve = BEN.replace("ben@", "eve@").replace("m2", "m3").replace("c2", "c3");
    attacked.server.ok("POST", "shop/records", &attacked.writer, &format!("{BEN}\n{eve}"));
    let officer = attacked.server.somebody("olga", &["privacy-officer"]);
    attacked.server.ok("POST", "shop/erasures", &officer, r#"{"person":"ben@example.org"}"#);
    attacked.again(|store| {
        let scope = Scope::Person(store.number_of("eve@example.org").unwrap().0);
        let (code, matter, ground) = ("r1".into(), "Meyer".into(), "claims".into());
        let hidden = Hold { code, effect: Effect::Restrict, scope, matter, ground, review: None };
        store.change(&Session::new().actor("dana"), Event::Hold(hold::Event::Place(hidden))).unwrap();
    });
    let unknown = ["people/nobody@example.org", "records/m9", "conversations/c9"];
    let erased = ["people/ben@example.org", "records/m2", "conversations/c2"];
    let hidden = ["people/eve@example.org", "records/m3", "conversations/c3"];
    for ((unknown, erased), hidden) in unknown.iter().zip(erased).zip(hidden) {
        let never = told(attacked.get(&format!("shop/{unknown}")));
        assert_eq!(never.0, 404);
        assert_eq!(told(attacked.get(&format!("shop/{erased}"))), never, "{erased}");
        assert_eq!(told(attacked.get(&format!("shop/{hidden}"))), never, "{hidden}");
    }
    // For a case she is there.
    let with = format!(
        "{}Escrow-Case: r1\r\n\r\n",
        attacked.head("GET", "shop/people/eve@example.org", &attacked.reviewer)
    );
    assert_eq!(attacked.sent(with).answer().unwrap().status, 200);
    for q in ["kettle", "id:m2", "conversation:c3"] {
        let none = told(attacked.get("shop/search?q=nothing"));
        assert_eq!(told(attacked.get(&format!("shop/search?q={q}"))), none, "{q}");
    }
    // What a token doesn't permit, and where it doesn't count: whatever stands there.
    let refused = told(attacked.get_as("shop/records/m1", &attacked.writer));
    assert_eq!(refused.0, 403);
    for path in ["shop/records/m9", "other/records/m1", "nowhere/records/m1", "other/people/ben@example.org"]
    {
        assert_eq!(told(attacked.get_as(path, &attacked.writer)), refused, "{path}");
    }
    // Nor is it told of a token what is wrong with it.
    let (id, secret) = attacked.reviewer.rsplit_once('_').unwrap();
    let wrong = told(attacked.get_as("shop/records/m1", "x"));
    for token in
        [format!("{id}_{}", "0".repeat(64)), format!("esc_0000000000000000_{secret}"), format!("{id}_")]
    {
        assert_eq!(told(attacked.get_as("shop/records/m1", &token)), wrong);
    }
    attacked.is_well();
}

#[test]
fn a_question_that_costs_too_much_is_refused() {
    let attacked = Attacked::start(&[]);
    let times = |piece: &str| piece.repeat(60_000 / piece.len());
    let deep = 60_000 / 2;
    for (what, q) in [
        ("open", times("(")),
        ("nested", format!("{}a{}", "(".repeat(deep - 1), ")".repeat(deep))),
        ("or", times("a+OR+") + "a"),
        ("and", times("a+")),
        ("not", times("NOT+") + "a"),
        ("minus", times("-") + "a"),
        ("word", times("a")),
        ("quote", times("%22")),
        ("phrase", format!("%22{}%22", times("a+"))),
        ("beginnings", times("a*+")),
        ("field", times("tag:") + "a"),
        ("stars", times("*")),
    ] {
        for verb in ["search", "count"] {
            let answer = attacked.get(&format!("shop/{verb}?q={q}"));
            assert!([200, 400].contains(&answer.status), "{what}: {answer:?}");
            assert!(answer.body.len() < 1000, "{what}: {}", answer.body.len());
        }
    }
    for limit in ["0", "18446744073709551615", "18446744073709551616", "-1", "1e9"] {
        let answer = attacked.get(&format!("shop/search?q=*&limit={limit}"));
        assert!([200, 400].contains(&answer.status), "{limit}: {answer:?}");
    }
    let same = times("q=a&");
    assert!([200, 400].contains(&attacked.get(&format!("shop/count?{same}")).status));
    // JSON that is deep.
    let head = attacked.head("POST", "shop/records", &attacked.writer);
    for piece in ["[", "{\"a\":", "{\"body\":[", "{\"x\":[{"] {
        let body = piece.repeat((4 << 20) / piece.len());
        let answer =
            attacked.sent(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())).answer().unwrap();
        assert!(answer.status == 400 && answer.body.len() < 1000, "{piece}: {answer:?}");
    }
    attacked.is_well();
}
