//! What an access package says beside the records: consents, requests, who looked, and recipients; and nothing of
//! that of others.

use serde_json::{Value, json};

use crate::access::{by_another_program, key, package, sandbox as chats, unbase64, verify};
use crate::schemas::{is, schema};
use crate::support::Sandbox;

/// What is bob's alone, and must stand in no package of anna's unless others are included.
const OF_OTHERS: [&str; 6] = ["BOB-CASE", "bobs-request", "bob-lawyer", "passport-of-bob", "kim@", "cid@"];

/// The chats, with a life beside them for anna and one for bob.
fn sandbox() -> Sandbox {
    let sandbox = chats();
    for line in [
        "audit level all",
        "purpose define support --title Support --basis contract",
        "purpose define offers --title Offers --basis consent",
    ] {
        sandbox.run(line).ok();
    }
    let draft = "notice draft privacy --version 1 --language de --title Privacy --text-file - --for offers";
    sandbox.run_with(draft, "We write to you.").ok();
    for line in [
        "notice publish privacy --version 1",
        "--as kim@shop.example consent ask anna@example.org --for offers --method spoken --channel phone",
        "consent give anna@example.org --for offers --method click --channel web --expires 2099-01-01",
        "consent withdraw anna@example.org --for offers --method mail --channel mail",
        "consent give bob@example.org --for offers --method bobs-method --channel web",
        "--as dana request receive anna-1 --type access --subject anna@example.org --channel mail",
        "--as dana request identify anna-1 --method passport",
        "--as dana request extend anna-1 --reason many",
        "--as dana request receive bobs-request --type access --subject bob@example.org",
        "--as dana request identify bobs-request --method passport-of-bob",
        "--as kim@shop.example --purpose complaint --case C-17 get a1",
        "--as kim@shop.example --purpose complaint conversation t2",
        "--as cid@example.org search subject:anna@example.org",
        "--as cid@example.org --case BOB-CASE search subject:bob@example.org",
        "--as kim@shop.example --case BOB-CASE get c1",
        "disclosure add d1 --subject anna@example.org --recipient court --format paper --records 4 --expires 2099-02-01",
        "disclosure add d2 --subject anna@example.org --subject bob@example.org --recipient auditor --format csv --records 9",
        "disclosure add d3 --many --recipient authority --format jsonl --records 99",
        "disclosure add d4 --subject bob@example.org --recipient bob-lawyer --format paper --records 2",
        "disclosure destroyed d2",
    ] {
        sandbox.run(line).ok();
    }
    sandbox
}

fn told(sandbox: &Sandbox) -> Vec<Value> {
    let lines = sandbox.read("e");
    let all = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    all.filter(|line| line.get("section").is_some()).collect()
}

fn of<'a>(told: &'a [Value], section: &str) -> Vec<&'a Value> {
    told.iter().filter(|line| line["section"] == section).collect()
}

/// Neither in clear nor in what is written as base64.
fn nowhere(sandbox: &Sandbox, words: &[&str]) {
    for file in ["e", "e.proof", "e.manifest.json"] {
        let text = sandbox.read(file);
        let clear: Vec<String> = text
            .lines()
            .flat_map(|line| line.split(' '))
            .map(|word| String::from_utf8_lossy(&unbase64(word)).into_owned())
            .collect();
        for word in words {
            assert!(
                !text.contains(word) && !clear.iter().any(|text| text.contains(word)),
                "{word} in {file}"
            );
        }
    }
}

#[test]
fn a_package_tells_what_is_hers_and_nothing_of_others() {
    let sandbox = sandbox();
    let key = key(&sandbox);
    let made = package(&sandbox, "pseudonym", "jsonl");
    let told = told(&sandbox);
    assert_eq!(is(&schema("statement.schema.json"), &lines(&told)), told.len());
    // Every event, with the text that was shown.
    let consents = of(&told, "consent");
    let events: Vec<_> =
        consents.iter().map(|of| json!([of["event"], of["method"], of["channel"], of["by"]])).collect();
    assert_eq!(
        Value::from(events),
        json!([
            ["ask", "spoken", "phone", "other-1"],
            ["give", "click", "web", null],
            ["withdraw", "mail", "mail", null]
        ])
    );
    assert_eq!(
        (&consents[1]["expires"], &consents[1]["person"]),
        (&json!("2099-01-01T00:00:00Z"), &json!("anna@example.org"))
    );
    let notice = &consents[1]["notice"];
    assert_eq!(
        (&notice["id"], &notice["version"], &notice["language"]),
        (&json!("privacy"), &json!(1), &json!("de"))
    );
    let shown = sandbox.run("--json notice show privacy").ok().lines().remove(0);
    assert_eq!(notice["hash"], shown["sha256"]);
    // A request with its steps; who took them stands nowhere.
    let requests = of(&told, "request");
    assert_eq!(requests.len(), 1);
    let steps: Vec<_> =
        requests[0]["steps"].as_array().unwrap().iter().map(|s| json!([s["step"], s["says"]])).collect();
    assert_eq!(Value::from(steps), json!([["receive", null], ["identify", "passport"], ["extend", "many"]]));
    assert_eq!(
        [&requests[0]["code"], &requests[0]["kind"], &requests[0]["state"], &requests[0]["extended"]],
        [&json!("anna-1"), &json!("access"), &json!("identified"), &json!(true)]
    );
    assert!(requests[0]["due"].as_str() > requests[0]["time"].as_str());
    nowhere(&sandbox, &["dana"]);
    // Who looked: by name, in a conversation of hers, and by a search for her.
    let looks = of(&told, "look");
    let who: Vec<_> =
        looks.iter().map(|of| json!([of["kind"], of["act"], of["by"], of["purpose"], of["case"]])).collect();
    assert_eq!(
        Value::from(&who[..3]),
        json!([
            ["opened", "record", "other-1", "complaint", "C-17"],
            ["opened", "conversation", "other-1", "complaint", null],
            ["searched", "search", "other-3", null, null],
        ])
    );
    assert!(who[3..].iter().all(|of| of[2].is_null()), "what made this package: {who:?}");
    assert_eq!(looks.last().unwrap()["act"], "subject");
    // Recipients by name: those are told, whoever else stands in what they got.
    let given: Vec<_> = of(&told, "recipient")
        .iter()
        .map(|of| json!([of["code"], of["recipient"], of["certain"], of["records"]]))
        .collect();
    assert_eq!(
        Value::from(given),
        json!([["d1", "court", true, 4], ["d2", "auditor", true, null], ["d3", "authority", false, null]])
    );
    assert!(of(&told, "recipient")[1]["destroyed"].is_string());
    nowhere(&sandbox, &OF_OTHERS);
    // Counted, signed, and checked by two programs.
    let counts = ["consents", "requests", "looks", "recipients"].map(|name| made[name].as_u64().unwrap());
    assert_eq!(counts.iter().sum::<u64>(), told.len() as u64);
    let manifest: Value = serde_json::from_str(&sandbox.read("e.manifest.json")).unwrap();
    assert_eq!((&manifest["version"], &manifest["package"]["told"]["consents"]), (&json!(4), &json!(3)));
    let seen = verify(&sandbox, &key).ok().lines().remove(0);
    assert_eq!((&seen["told"], &seen["proved"], &seen["shown"]), (&json!(told.len()), &json!(2), &json!(5)));
    by_another_program(&sandbox, &key, 2, 5);
    assert!(
        sandbox
            .args(&["verify-export", "e", "--key", &key], "")
            .ok()
            .out
            .contains("statements beside the records")
    );
}

fn lines(told: &[Value]) -> String {
    told.iter().map(|line| format!("{line}\n")).collect()
}

#[test]
fn every_form_tells_it_and_is_checked() {
    let sandbox = sandbox();
    let key = key(&sandbox);
    for others in ["pseudonym", "withheld", "included"] {
        for format in ["jsonl", "html", "csv", "vcon"] {
            let made = package(&sandbox, others, format);
            let seen = verify(&sandbox, &key).ok().lines().remove(0);
            let all: u64 = ["consents", "requests", "looks", "recipients"]
                .iter()
                .map(|n| made[*n].as_u64().unwrap())
                .sum();
            assert_eq!(
                (&seen["told"], seen["shows"].as_bool()),
                (&json!(all), (format != "jsonl").then_some(true))
            );
            by_another_program(
                &sandbox,
                &key,
                seen["proved"].as_u64().unwrap(),
                seen["shown"].as_u64().unwrap(),
            );
            let text = sandbox.read("e");
            for word in ["anna-1", "court", "complaint", "C-17", "privacy"] {
                assert!(text.contains(word), "{word} in {format}");
            }
            // Staff as the option has others; of bob's life nothing in any.
            assert_eq!(text.contains("kim@shop.example"), others == "included", "{others} {format}");
            nowhere(&sandbox, &OF_OTHERS[..4]);
            // One statement more, less, or another is found.
            for changed in [text.replacen("complaint", "complaints", 1), text.replacen("C-17", "C-18", 1)] {
                sandbox.write("e", changed);
                verify(&sandbox, &key).exits(6);
            }
            sandbox.write("e", text);
            verify(&sandbox, &key).ok();
        }
    }
}

#[test]
fn a_page_has_a_section_for_each() {
    let sandbox = sandbox();
    package(&sandbox, "pseudonym", "html");
    let page = sandbox.read("e");
    let places: Vec<_> =
        ["<h2>Your consents", "<h2>Your requests", "<h2>Who looked, and why", "<h2>Who was given records"]
            .iter()
            .map(|heading| page.find(heading).unwrap())
            .collect();
    assert!(places.is_sorted() && page.find("<h2>").unwrap() < places[0], "behind the records, in order");
    for word in [
        "You said yes",
        "You took your yes back",
        "Article 15(1)(c)",
        "May hold records of yours",
        "answer due: <bdi dir=\"auto\">",
    ] {
        assert!(page.contains(word), "{word}");
    }
    assert_eq!(page.matches("<section>").count(), page.matches("</section>").count());
    // Where there is nothing the page says so.
    sandbox.run("export --subject cid@example.org --others --format html --output e").ok();
    assert_eq!(sandbox.read("e").matches("<p>Nothing.</p>").count(), 2, "no consents, and no requests");
    // A table is one table.
    package(&sandbox, "pseudonym", "csv");
    let table = sandbox.read("e");
    for section in ["consents", "requests", "looks", "recipients"] {
        assert!(table.contains(&format!(",{section}\r\n")), "{section}");
    }
}

#[test]
fn a_vcon_of_reports_is_of_the_schema() {
    let sandbox = sandbox();
    let (vcon, statement) = (schema("vcon.schema.json"), schema("statement.schema.json"));
    package(&sandbox, "pseudonym", "vcon");
    let file = sandbox.read("e");
    is(&vcon, &file);
    let last: Value = serde_json::from_str(file.lines().last().unwrap()).unwrap();
    assert_eq!((&last["parties"][0]["name"], &last["dialog"]), (&json!("anna@example.org"), &json!([])));
    let reports = last["analysis"].as_array().unwrap();
    let names: Vec<_> = reports.iter().map(|of| of["product"].as_str().unwrap()).collect();
    assert_eq!(names, ["consents", "requests", "looks", "recipients"]);
    let all: Vec<Value> = reports.iter().flat_map(|of| of["body"].as_array().unwrap().clone()).collect();
    is(&statement, &lines(&all));
    assert!(all.len() > 8);
    // Of whom nothing is told a report is empty, and there is one of each all the same.
    sandbox.run("export --subject cid@example.org --others --format vcon --output e").ok();
    is(&vcon, &sandbox.read("e"));
}

#[test]
fn a_package_comes_back_from_an_empty_store() {
    let sandbox = sandbox();
    for others in ["included", "pseudonym"] {
        package(&sandbox, others, "jsonl");
        let (first, store) = (sandbox.read("e"), format!("of-{others}"));
        sandbox.args(&["--store", &store, "init"], "").ok();
        let import = ["--store", &store, "--json", "import", "--lenient", "-"];
        let seen = sandbox.args(&import, &first).ok().lines().remove(0);
        let told = first.lines().filter(|line| line.starts_with("{\"section\"")).count();
        assert_eq!((&seen["statements"], &seen["rejected"]), (&json!(told), &json!(0)));
        let again = [
            "--store",
            &store,
            "export",
            "--subject",
            "anna@example.org",
            "--others",
            "included",
            "--output",
            "f",
        ];
        sandbox.args(&again, "").ok();
        let records = |file: &str| -> Vec<String> {
            file.lines().filter(|line| !line.starts_with("{\"section\"")).map(str::to_owned).collect()
        };
        assert_eq!(records(&sandbox.read("f")), records(&first), "{others}");
    }
    // A record that calls a field of its own so is a record, or is refused by name.
    let line = r#"{"section":"consent","conversation":"c","author":"anna","time":"2026-01-31T12:00:00Z","body":"x"}"#;
    sandbox.run_with("import -", line).exits(1);
    sandbox.run_with("import --lenient -", line).ok();
    assert_eq!(sandbox.count("conversation:c"), 1);
}

#[test]
fn what_was_erased_is_in_no_package() {
    let sandbox = sandbox();
    sandbox.run("erase --subject kim@shop.example --yes").ok();
    package(&sandbox, "included", "jsonl");
    let told = told(&sandbox);
    assert_eq!(of(&told, "consent")[0]["by"], Value::Null);
    assert!(!sandbox.read("e").contains("kim@shop.example"));
    // Bob's end takes nothing of hers but what named him.
    sandbox.run("erase --subject bob@example.org --yes").ok();
    package(&sandbox, "pseudonym", "jsonl");
    assert_eq!(of(&self::told(&sandbox), "consent").len(), 3);
    // Of who is gone nothing is left to ask for.
    sandbox.run("erase --subject anna@example.org --yes").ok();
    sandbox.run("export --subject anna@example.org --others --output g").exits(3);
    assert!(!sandbox.has("g"));
}
