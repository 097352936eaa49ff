//! Reports to an authority: the record of processing, and whom a theft lays open.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use serde_json::{Value, json};

use crate::support::Sandbox;

const WHO: &str = "--controller Shop --contact shop@example.org";

#[test]
fn the_record_of_processing_is_what_the_store_is_set_to() {
    let sandbox = Sandbox::with_sample();
    sandbox.run("purpose define support --title Support --basis contract").ok();
    sandbox.run("class define chat --title Chats --selector * --maximum 180d --ground GDPR-5").ok();
    sandbox.run("settings set --four-eyes on").ok();
    sandbox.run("disclosure add d1 --many --format paper --records 4 --recipient court").ok();
    let report = sandbox.run(&format!("--json report processing {WHO}")).ok().lines().remove(0);
    let names: Vec<&str> = report.as_object().unwrap().keys().map(String::as_str).collect();
    for name in
        ["controller", "purposes", "people", "data", "recipients", "transfers", "time_limits", "measures"]
    {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    assert_eq!(report["controller"][0], json!({"what": "controller", "value": "Shop"}));
    assert_eq!(
        (&report["purposes"][0]["code"], &report["purposes"][0]["basis"]),
        (&json!("support"), &json!("contract"))
    );
    assert_eq!(report["data"][0], json!({"kind": "message", "records": 4}));
    assert_eq!(
        (&report["recipients"][0]["recipient"], &report["recipients"][0]["state"]),
        (&json!("court"), &json!("out"))
    );
    let limits = report["time_limits"].as_array().unwrap();
    assert_eq!(
        (&limits[0]["class"], &limits[0]["longest"], &limits[0]["records"]),
        (&json!("chat"), &json!("180d"), &json!(0))
    );
    let setting = |name: &str| {
        let all = report["measures"].as_array().unwrap();
        all.iter().find(|of| of["measure"] == name).map(|of| of["setting"].clone()).unwrap_or(Value::Null)
    };
    assert_eq!(setting("four eyes for erasures"), "on");
    assert_eq!(setting("acts recorded"), "acts");
    let text = sandbox.run(&format!("report processing {WHO} --officer Kim")).ok().out;
    assert!(text.contains("article 30") && text.contains("Kim") && text.contains("court"), "{text}");
    sandbox.run(&format!("report processing {WHO} --format html --output r.html")).ok();
    let page = sandbox.read("r.html");
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("<td dir=\"auto\">court</td>"), "{page}");
    sandbox.run("report processing").exits(2);
    sandbox.run(&format!("report processing {WHO} --output s/r")).exits(2);
}

#[test]
fn a_theft_without_the_root_key_lays_nobody_open() {
    let sandbox = Sandbox::with_sample();
    sandbox.run("roll").ok();
    let line = |run: &str| sandbox.run(&format!("--json report breach {run}")).ok().lines();
    let none = line("--lost s --at 2026-02-27");
    assert_eq!((none.len(), &none[0]["people"], &none[0]["root_key"]), (1, &json!(0), &json!(false)));
    assert!(none[0]["why"].as_str().unwrap().contains("without the root key"));
    assert_eq!(none[0]["deadline"], "2026-03-02T00:00:00Z");
    for with_key in ["--lost s --keys slot", "--lost s --lost s.slot"] {
        let all = line(with_key);
        assert_eq!(all[0]["keys_readable"], true);
        assert_eq!(all[0]["unknown_files"], json!([]), "{}", all[0]);
        let anna = all.iter().find(|of| of["identifiers"] == json!(["anna@example.org"])).unwrap();
        assert_eq!(anna["readable"], "records");
        assert!(anna["records"].as_u64().unwrap() > 0 && anna["handle"].is_string());
        assert_eq!(all[0]["people"].as_u64().unwrap() as usize, all.len() - 1);
        assert!(all[0]["duties"].as_array().unwrap().len() > 3);
    }
    assert_eq!(line("--keys slot")[0]["people"], 0);
    let text = sandbox.run("report breach --lost s --keys slot").ok().out;
    assert!(
        text.contains("anna@example.org") && text.contains("72 hours") && text.contains("article 34"),
        "{text}"
    );
    sandbox.run("report breach").exits(2);
}

#[test]
fn an_export_that_is_lost_lays_open_whom_it_is_about() {
    let sandbox = Sandbox::with_sample();
    sandbox
        .run("disclosure add d1 --subject anna@example.org --format paper --records 4 --recipient court")
        .ok();
    sandbox.run("disclosure add d2 --many --format paper --records 4 --recipient court").ok();
    let lines = sandbox.run("--json report breach --lost-export d1 --lost-export d2").ok().lines();
    assert_eq!((&lines[0]["people"], &lines[0]["of_anybody"]), (&json!(1), &json!(["d2"])));
    assert_eq!(
        (&lines[1]["identifiers"], &lines[1]["disclosures"]),
        (&json!(["anna@example.org"]), &json!(["d1"]))
    );
    sandbox.run("report breach --lost-export d9").exits(3);
}
