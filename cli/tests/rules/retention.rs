//! Classes and retention from the command line.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use crate::support::{self, Sandbox};

#[test]
fn what_is_over_goes_and_the_certificate_says_so() {
    let sandbox = Sandbox::new();
    sandbox.run("init").ok();
    sandbox
        .args(
            &[
                "--store",
                "s",
                "class",
                "define",
                "chat",
                "--title",
                "Chats",
                "--selector",
                "kind:message",
                "--maximum",
                "180d",
                "--ground",
                "GDPR 5 (1) (e)",
                "--as",
                "dana",
            ],
            "",
        )
        .ok();
    sandbox.run_with("import -", support::SAMPLE).ok();
    let records = sandbox.count("kind:message");
    assert!(records > 0);
    let list = &sandbox.run("class list --json").ok().lines()[0];
    assert_eq!((list["code"].as_str(), list["maximum"].as_str()), (Some("chat"), Some("180d")));
    let would = sandbox.run("retention run --dry-run --json").ok().lines();
    let did = sandbox.run("retention run --certificate c.json --json").ok().lines();
    assert_eq!(would[0]["classes"], did[0]["classes"]);
    let due = did[0]["classes"][0]["due"].as_u64().unwrap();
    assert_eq!(sandbox.count("kind:message"), records - due);
    assert!(sandbox.has("c.json"));
    assert_eq!(did[0]["requests"].as_array().unwrap().len(), usize::from(due > 0));
    sandbox.run("class lengthen chat --lock 200d").exits(2);
    sandbox.run("class retire chat").ok();
    sandbox.run("class retire chat").exits(3);
}

#[test]
fn a_store_that_keeps_little_says_what() {
    let sandbox = Sandbox::new();
    sandbox.run("init --retention minimal").ok();
    let classes = sandbox.run("class list --json").ok().lines();
    let told: Vec<_> =
        classes.iter().map(|class| (class["code"].as_str(), class["maximum"].as_str())).collect();
    assert_eq!(told, [(Some("context"), Some("30d")), (Some("chat"), Some("180d"))]);
    assert_eq!(sandbox.run("audit level --json").ok().lines()[0]["keep_acts"], 2_192);
}
