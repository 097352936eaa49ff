//! `compact` and what `stats` says of it.

use crate::support::Sandbox;

#[test]
fn small_segments_become_one() {
    let sandbox = Sandbox::with_store();
    for i in 0..6 {
        let record = format!(
            r#"{{"id":"m{i}","conversation":"c","author":"a{}","time":"2026-01-0{}T00:00:00Z","body":"b"}}"#,
            i % 2,
            i + 1
        );
        sandbox.run_with("add", record).ok();
        sandbox.run("roll").ok();
    }
    let before = sandbox.run("--json search * --order oldest").ok().lines();
    let stats = &sandbox.run("--json stats").ok().lines()[0];
    assert_eq!((&stats["segments"], &stats["dead"]), (&6.into(), &0.into()));
    let parts = [
        "bodies", "salts", "index", "leaves", "keys", "journals", "parity", "padding", "reserve", "other",
        "dead",
    ];
    let sum: u64 = parts.iter().map(|p| stats[p].as_u64().unwrap()).sum();
    assert_eq!(sum, stats["bytes"].as_u64().unwrap());
    assert_eq!(stats["live"], stats["bytes"]);

    let report = &sandbox.run("--json compact").ok().lines()[0];
    assert_eq!((&report["segments_before"], &report["segments_after"]), (&6.into(), &1.into()));
    let n = |name: &str| report[name].as_u64().unwrap();
    assert!(n("bytes_after") < n("bytes_before") && n("reclaimed") == n("bytes_before") - n("bytes_after"));
    assert!(n("bytes_written") > 0 && n("steps") == 1 && n("damaged") == 0);
    let text = |lines: &[serde_json::Value]| {
        let mut lines = lines.to_vec();
        lines.iter_mut().for_each(|l| l["cursor"] = serde_json::Value::Null);
        lines
    };
    assert_eq!(text(&sandbox.run("--json search * --order oldest").ok().lines()), text(&before));
    assert_eq!(sandbox.run("--json compact").ok().lines()[0]["steps"], 0);
    assert_ne!(sandbox.run("compact").ok().out, "");
    assert_eq!(sandbox.run("--json verify --read-data").ok().lines()[0]["ok"], true);
}
