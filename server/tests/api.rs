//! The server as who calls it sees it: a process of its own, called over HTTP.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails where it stands")]

mod support;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use support::{ANNA, BEN, PROGRAM, Server, done};

#[test]
fn chats_come_in_are_found_and_are_forgotten() {
    let mut server = Server::start();
    let writer = server.somebody("product", &["writer"]);
    let batch = format!("{ANNA}\n{BEN}\n");
    let added = server.ok("POST", "shop/records", &writer, &batch).remove(0);
    assert_eq!((&added["added"], &added["outcomes"][1]["outcome"]), (&json!(2), &json!("added")));
    let again = server.ok("POST", "shop/records", &writer, &batch).remove(0);
    assert_eq!((&again["added"], &again["duplicates"]), (&json!(0), &json!(2)));
    // One line that is none refuses all of a batch, and says which.
    let (status, text) =
        server.call("POST", "shop/records", &writer, &format!("{}\nno record\n", ANNA.replace("m1", "m9")));
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &told["added"], &told["rejected"][0]["line"]), (400, &json!(0), &json!(2)));

    let searcher = server.somebody("sam", &["searcher"]);
    assert_eq!(server.ok("GET", "shop/count?q=*", &searcher, "")[0]["count"], 2);
    let hit = server.ok("GET", "shop/search?q=lamp", &searcher, "").remove(0);
    assert_eq!((&hit["id"], hit.get("body"), hit.get("author")), (&json!("m1"), None, None));
    let reviewer = server.somebody("rita", &["reviewer"]);
    let hit = server.ok("GET", "shop/search?q=lamp", &reviewer, "").remove(0);
    assert_eq!(hit["body"], "My lamp flickers");
    assert_eq!(server.ok("GET", "shop/conversations/c1", &reviewer, "")[0]["id"], "m1");
    assert_eq!(server.call("GET", "shop/search?q=tag:", &reviewer, "").0, 400);

    let officer = server.somebody("olga", &["privacy-officer"]);
    let plan = server.ok("GET", "shop/people/anna@example.org/erasure", &officer, "").remove(0);
    // Her message, and the record that tells her name.
    assert_eq!((&plan["what"], &plan["records"]), (&json!("person"), &json!(2)));
    let ask = r#"{"person":"anna@example.org","reason":"she asked","basis":"consent-withdrawn"}"#;
    let (status, text) = server.call("POST", "shop/erasures", &officer, ask);
    let certificate: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &certificate["erased"]), (200, &json!("person")), "{text}");
    // Unknown and erased are alike.
    for who in ["anna@example.org", "nobody@example.org"] {
        assert_eq!(server.call("GET", &format!("shop/people/{who}"), &officer, "").0, 404);
    }
    assert_eq!(server.ok("GET", "shop/count?q=*", &searcher, "")[0]["count"], 1);
    let auditor = server.somebody("aziz", &["auditor"]);
    let request = certificate["request"].as_str().unwrap();
    let kept = server.ok("GET", &format!("shop/certificates/{request}"), &auditor, "").remove(0);
    assert_eq!(kept["request"], certificate["request"]);
    // Key, head and proof are one log's.
    let (key, head) =
        (server.call("GET", "shop/key", &auditor, ""), server.call("GET", "shop/checkpoint", &auditor, ""));
    let proof = server.call("GET", "shop/records/m2/proof", &reviewer, "");
    let origin = key.1.split('+').next().unwrap().to_owned();
    assert!(origin.starts_with("escrowdb.local/") && head.1.starts_with(&origin), "{} {}", key.1, head.1);
    assert!(proof.0 == 200 && proof.1.contains(&format!("\n{origin}\n")), "{}", proof.1);
    assert_eq!(server.call("GET", "shop/records/m1/proof", &reviewer, "").0, 404);

    // Whoever starts it again finds all of it.
    let server = Server::over(server.end());
    assert_eq!(server.ok("GET", "shop/count?q=*", &searcher, "")[0]["count"], 1);
    assert_eq!(server.ok("GET", "shop/search?q=kettle", &reviewer, "")[0]["id"], "m2");
}

#[test]
fn who_has_no_token_or_another_role_gets_nothing() {
    let server = Server::start();
    let writer = server.somebody("product", &["writer"]);
    server.ok("POST", "shop/records", &writer, ANNA);
    for wrong in ["", "esc_", &writer[..writer.len() - 1], "Basic"] {
        let (status, text) = server.call("GET", "shop/count?q=*", wrong, "");
        assert_eq!(status, 401, "{wrong}");
        assert!(text.contains("\"kind\":\"unauthenticated\""), "{text}");
    }
    // A writer reads nothing; who operates neither; nobody is told whether there is another tenant.
    let operator = server.somebody("otto", &["operator"]);
    let said: Vec<_> = [("shop", &writer), ("shop", &operator), ("other", &writer), ("nowhere", &operator)]
        .iter()
        .map(|(tenant, token)| server.call("GET", &format!("{tenant}/count?q=*"), token, ""))
        .collect();
    assert!(said.iter().all(|one| one.0 == 403 && one.1 == said[0].1), "{said:?}");
    assert_eq!(server.ok("GET", "shop/stats", &operator, "")[0]["people"], 1);
    // A body that is too long is refused without being kept.
    let long = "x".repeat(9 << 20);
    assert_eq!(server.call("POST", "shop/records", &writer, &long).0, 413);
    assert_eq!(server.call("GET", "shop/nothing", &writer, "").0, 404);
    assert_eq!(server.call("DELETE", "shop/records", &writer, "").0, 405);
}

#[test]
fn two_people_agree_to_an_erasure() {
    let server = Server::start();
    let writer = server.somebody("product", &["writer"]);
    server.ok("POST", "shop/records", &writer, &format!("{ANNA}\n{BEN}"));
    let officer = server.somebody("olga", &["privacy-officer"]);
    let approver = server.somebody("karl", &["approver"]);
    let ask = r#"{"type":"erasure","person":"anna@example.org"}"#;
    server.ok("POST", "shop/requests/r1", &officer, ask);
    server.ok("POST", "shop/requests/r1/identify", &officer, r#"{"method":"passport"}"#);
    let plan = server.ok("POST", "shop/requests/r1/plan", &officer, "").remove(0);
    assert_eq!(plan["plan"]["records"], 2);
    let agree = json!({"sha256": plan["sha256"]}).to_string();
    // Not by herself, though she may approve what others ask for.
    assert_eq!(server.call("POST", "shop/requests/r1/approve", &officer, &agree).0, 409);
    server.ok("POST", "shop/requests/r1/approve", &approver, &agree);
    let run = r#"{"person":"anna@example.org","approved":"r1"}"#;
    let certificate = server.ok("POST", "shop/erasures", &officer, run).remove(0);
    assert_eq!(certificate["approvers"].as_array().unwrap().len(), 1, "{certificate}");
}

#[test]
fn a_batch_that_is_sent_again_behind_a_kill_adds_nothing_twice() {
    let mut server = Server::start();
    let writer = server.somebody("product", &["writer"]);
    let searcher = server.somebody("sam", &["searcher"]);
    let line = |n: u32| {
        format!(
            r#"{{"conversation":"c1","author":"anna","time":"2026-01-31T12:00:{n:02}Z","body":"line {n}"}}"#
        )
    };
    let batch: Vec<_> = (0..50).map(line).collect();
    let batch = batch.join("\n");
    let send = |server: &Server, key: &str| {
        let response = ureq::post(&format!("{}/v1/shop/records", server.address))
            .header("authorization", &format!("Bearer {writer}"))
            .header("idempotency-key", key)
            .send(&batch);
        let text = response.unwrap().body_mut().read_to_string().unwrap();
        serde_json::from_str::<Value>(&text).unwrap()
    };
    assert_eq!(send(&server, "one")["added"], 50);
    server.process.kill().unwrap();
    server.process.wait().unwrap();
    let folder = std::mem::replace(&mut server.folder, tempfile::tempdir().unwrap());
    let server = Server::over(folder);
    assert_eq!(send(&server, "one")["duplicates"], 50);
    assert_eq!(server.ok("GET", "shop/count?q=*", &searcher, "")[0]["count"], 50);
    assert_eq!(send(&server, "two")["added"], 50);
}

#[test]
fn it_listens_beyond_the_machine_with_tls_only() {
    let folder = tempfile::tempdir().unwrap();
    done(folder.path(), &["tenant", "create", "shop"]);
    let run =
        |args: &[&str]| Command::new(PROGRAM).args(args).env("ESCROWD_DATA", folder.path()).output().unwrap();
    let open = run(&["--listen", "0.0.0.0:0", "--check-config"]);
    assert!(!open.status.success() && String::from_utf8_lossy(&open.stderr).contains("without TLS"));
    assert!(run(&["--check-config"]).status.success());
    assert!(!run(&["--check-config", "--tls-cert", "/nowhere", "--tls-key", "/nowhere"]).status.success());
}

/// A customer's name in a path, a query, a body and an id, and then neither in a line of the log nor in a metric.
#[test]
fn operators_see_how_much_and_nothing_of_whom() {
    let folder = tempfile::tempdir().unwrap();
    done(folder.path(), &["tenant", "create", "shop"]);
    let token = |name: &str, role: &str| {
        done(folder.path(), &["token", "create", name, "--tenant", "shop", "--role", role])
    };
    let (writer, officer) = (token("product", "writer"), token("olga", "privacy-officer"));
    let log = folder.path().join("log");
    let mut process = Command::new(PROGRAM)
        .args(["--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"])
        .env("ESCROWD_DATA", folder.path())
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(process.stdout.take().unwrap());
    let mut line = || {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        line.trim().rsplit(' ').next().unwrap().to_owned()
    };
    let (ops, address) = (line(), line());
    let server = Server { process, address, folder };
    server.ok("POST", "shop/records", &writer, &ANNA.replace("m1", "canary-id"));
    server.ok("GET", "shop/search?q=flickers", &officer, "");
    server.ok("GET", "shop/people/anna@example.org", &officer, "");
    assert_eq!(server.call("GET", "shop/records/canary-none", &officer, "").0, 404);
    assert_eq!(server.call("GET", "shop/search?q=canary%20(", &officer, "").0, 400);
    let get =
        |path: &str| ureq::get(&format!("{ops}{path}")).call().unwrap().body_mut().read_to_string().unwrap();
    assert_eq!((get("/healthz"), get("/readyz")), ("alive\n".into(), "ready\n".into()));
    let metrics = get("/metrics");
    let counted = "escrowd_calls_total{method=\"GET\",route=\"/people/{person}\",status=\"2xx\"} 1";
    assert!(metrics.contains(counted) && metrics.contains("escrowd_tenants_open 1"), "{metrics}");
    let told = std::fs::read_to_string(&log).unwrap();
    assert_eq!(told.lines().count(), 5, "{told}");
    let first: Value = serde_json::from_str(told.lines().next().unwrap()).unwrap();
    assert_eq!((&first["route"], &first["status"]), (&json!("/records"), &json!(200)));
    for canary in ["anna", "canary", "flickers", "olga", "product", "shop", "esc_", "lamp"] {
        assert!(!told.contains(canary), "the log tells {canary}");
        assert!(!metrics.contains(canary), "a metric tells {canary}");
    }
}

#[test]
fn what_is_held_stays_and_that_is_on_record() {
    let server = Server::start();
    let writer = server.somebody("product", &["writer"]);
    server.ok("POST", "shop/records", &writer, &format!("{ANNA}\n{BEN}"));
    let keeper = server.somebody("kim", &["custodian"]);
    let officer = server.somebody("olga", &["privacy-officer"]);
    let hold = r#"{"person":"anna@example.org","matter":"Meyer","ground":"claims"}"#;
    server.ok("POST", "shop/holds/h1", &keeper, hold);
    assert_eq!(server.ok("GET", "shop/holds", &keeper, "")[0]["what"], "anna@example.org");
    let erase = r#"{"person":"anna@example.org"}"#;
    let (status, text) = server.call("POST", "shop/erasures", &officer, erase);
    assert!(status == 409 && text.contains("held: h1"), "{text}");
    let acts = server.ok("GET", "shop/acts?q=kind:refused", &keeper, "");
    assert_eq!((acts.len(), &acts[0]["actor"]), (1, &json!("olga")), "{acts:?}");
    server.ok("POST", "shop/holds/h1/release", &keeper, r#"{"reason":"settled"}"#);
    assert!(server.ok("GET", "shop/holds", &keeper, "").is_empty());
    assert_eq!(server.ok("GET", "shop/holds?all", &keeper, "").len(), 1);
    server.ok("POST", "shop/erasures", &officer, erase);
    // A consent needs the notice that was shown.
    let give = r#"{"event":"give","person":"ben@example.org","purposes":["offers"]}"#;
    assert_eq!(server.call("POST", "shop/consents", &writer, give).0, 400);
    assert_eq!(server.call("GET", "shop/people/anna@example.org/consents", &officer, "").0, 404);
}

/// What the demo prints is run as it stands there.
#[test]
fn the_demo_works_as_it_says() {
    let mut process = Command::new(PROGRAM)
        .args(["--demo", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let out = BufReader::new(process.stdout.take().unwrap());
    let told: Vec<String> = out.lines().map(Result::unwrap).take(19).collect();
    let folder = told[1].split(" in ").nth(1).unwrap().split(';').next().unwrap().to_owned();
    let curl = |line: &str| {
        let run = Command::new("sh").args(["-c", line]).output().unwrap();
        String::from_utf8(run.stdout).unwrap()
    };
    let calls: Vec<_> = told.iter().filter(|line| line.contains("curl")).map(|line| curl(line)).collect();
    let tokens = told.iter().filter(|line| line.contains(" esc_") && !line.contains("curl")).count();
    let ended = Command::new("kill").arg(process.id().to_string()).status().unwrap();
    assert!(ended.success() && process.wait().unwrap().success());
    assert_eq!((calls.len(), tokens), (4, 9), "{told:#?}");
    assert_eq!(calls[0].lines().count(), 3, "{}", calls[0]);
    assert!(calls[1].contains("\"what\":\"person\""), "{}", calls[1]);
    assert!(calls[2].contains("\"erased\":\"person\""), "{}", calls[2]);
    assert!(calls[3].contains("\"status\":404"), "{}", calls[3]);
    assert!(!Path::new(&folder).exists(), "{folder} is left");
}
