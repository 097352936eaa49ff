//! Before somebody is erased she is looked for in what was typed of acts. That was done by letters in
//! lower case, but look-ups find her without accents too, in another normal form, in wide letters, and in
//! scripts without spaces inside a run: what was typed so stayed behind her erasure with her whole
//! identifier, for as long as details live. A name without a letter was not looked for at all.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails where it stands")]

use std::sync::Arc;

use escrowdb::id::Micros;
use escrowdb::session::Session;
use escrowdb::store::{ActOptions, DetailField, EraseOptions, Level, Record, Selector, Store};
use escrowdb::vfs::MemoryVfs;

fn store(who: &str) -> Store {
    let disk = Arc::new(MemoryVfs::new());
    let store = Store::builder("/s").vfs(disk).background(false).audit(Level::All).create().unwrap();
    let said = [
        Record::new("c1", who, Micros(0), "hello").id("m1"),
        Record::new("c2", "karl", Micros(1), "x").id("k1"),
    ];
    store.append(&said).unwrap();
    store
}

/// Opens Karl's record for a purpose.
fn open_for(store: &Store, purpose: &str) {
    assert_eq!(store.session(Session::new().purpose(purpose)).get("k1", Some("c2")).unwrap().len(), 1);
}

/// The purposes and identifiers that are left, oldest first.
fn left(store: &Store) -> Vec<String> {
    let options = ActOptions::new().details(true).order(escrowdb::store::Order::Oldest);
    let acts = store.session(Session::new().purpose("looking")).acts("kind:opened", &options).unwrap();
    let details = acts.iter().filter_map(|act| act.detail.as_ref());
    let texts = details.flat_map(|d| [d.get(DetailField::Person), d.get(DetailField::Purpose)]).flatten();
    texts.filter(|text| *text != "looking").map(str::to_owned).collect()
}

#[test]
fn whatever_finds_her_goes_with_her() {
    // Who she is, how she is typed, and what is somebody else.
    let cases: [(&str, &[&str], &[&str]); 6] = [
        (
            "josé@example.org",
            &["jose\u{301}@example.org", "JOSE\u{301}", "ｊｏｓｅ"],
            &["josefa@example.org"],
        ),
        (
            "josé.müller@example.org",
            &[
                "jose muller",
                "JOSE MÜLLER",
                "the case of Jose\u{301} Mu\u{308}ller",
                "ＭＵＬＬＥＲ, Ｊｏｓｅ",
                "josé_müller",
            ],
            &["jose", "muller", "jose mullerin"],
        ),
        ("山田太郎", &["山田太郎さんの苦情", "山田 太郎", "(山田太郎)"], &["山田さん", "太郎"]),
        ("太郎 山田", &["山田太郎さん"], &["山田さん"]),
        ("🦊🦊", &["about 🦊🦊 again", "🦊 🦊", "x🦊🦊"], &["🦊"]),
        (":-)", &[":-)", "(\":-)\")"], &["a:-)b", ":-("]),
    ];
    for (who, typed, others) in cases {
        for roll in [false, true] {
            let store = store(who);
            typed.iter().chain(others).for_each(|purpose| open_for(&store, purpose));
            if roll {
                store.roll().unwrap();
            }
            assert_eq!(left(&store).len(), typed.len() + others.len(), "{who}");
            store.erase(&Selector::Person(who.into()), &EraseOptions::default()).unwrap();
            assert_eq!(left(&store), others, "{who}");
        }
    }
}

/// What macOS gives for a file's name, or a paste: the look-up found her, and its detail stayed.
#[test]
fn an_identifier_in_another_normal_form_goes_with_her() {
    let store = store("josé@example.org");
    let reading = store.session(Session::new());
    assert_eq!(reading.person("jose\u{301}@example.org").unwrap().records, 1);
    assert_eq!(left(&store), ["jose\u{301}@example.org"]);
    store.erase(&Selector::Person("josé@example.org".into()), &EraseOptions::default()).unwrap();
    assert_eq!(left(&store), Vec::<String>::new());
}

/// The plan lists where she is named, and words of details are found, in the same form.
#[test]
fn plans_and_searches_among_details_compare_the_same_way() {
    let store = store("josé@example.org");
    let said = Record::new("c2", "karl", Micros(2), "JOSE\u{301} called").id("k2");
    store.append(&[said]).unwrap();
    let plan = store.plan(&Selector::Person("josé@example.org".into())).unwrap();
    assert_eq!(plan.mention_total, 1);
    open_for(&store, "the case of Mu\u{308}ller");
    let options = ActOptions::new().details(true);
    let found =
        store.session(Session::new().purpose("looking")).acts("muller kind:opened", &options).unwrap();
    assert_eq!(found.len(), 1);
}
