//! Witnesses from the command line: a second machine's word, asked for over the network or carried there.
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use crate::support::{Sandbox, files};
use serde_json::Value;

/// A witness that runs. It ends with its owner.
struct Witness {
    child: Child,
    url: String,
    key: String,
}

impl Witness {
    /// Starts the one in `folder`.
    fn run(sandbox: &Sandbox, folder: &str, more: &[&str]) -> Self {
        let args = ["--json", "witness", "run", "--dir", folder, "--listen", "127.0.0.1:0"];
        let mut child = sandbox.command(&[&args[..], more].concat()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        let text = |field: &str| said[field].as_str().unwrap().to_owned();
        Self { url: text("url"), key: text("key"), child }
    }

    /// Kills it; what it said meanwhile.
    fn end(mut self) -> String {
        self.child.kill().unwrap();
        let mut said = String::new();
        self.child.stderr.as_mut().unwrap().read_to_string(&mut said).unwrap();
        said
    }

    /// Sends bytes as they are; the answer.
    fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.url.strip_prefix("http://").unwrap()).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A witness in `folder` that knows the log of the store.
fn witness(sandbox: &Sandbox, folder: &str) {
    let name = format!("{folder}.example");
    sandbox.args(&["witness", "init", "--dir", folder, "--name", &name], "").ok();
    let key = sandbox.run("--json key public").ok().lines()[0]["key"].as_str().unwrap().to_owned();
    sandbox.args(&["witness", "add-log", "--dir", folder, &key], "").ok();
}

fn record(id: &str) -> String {
    format!(
        r#"{{"id":"{id}","conversation":"c9","author":"zoe@example.org","time":"2026-03-01T00:00:00Z","body":"{id}"}}"#
    )
}

/// Copies a folder with all in it.
fn copy(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &target) } else { fs::copy(&path, &target).map(drop).unwrap() }
    }
}

#[test]
fn two_witnesses_cosign_over_the_network_and_a_quorum_is_met() {
    let sandbox = Sandbox::with_sample();
    for folder in ["ann", "ben"] {
        witness(&sandbox, folder);
    }
    let log = sandbox.run("--json key public").ok().lines()[0]["key"].as_str().unwrap().to_owned();
    let [ann, ben] = ["ann", "ben"].map(|folder| Witness::run(&sandbox, folder, &[]));
    let policy =
        format!("log {log}\nwitness a {}\nwitness b {}\ngroup g all a b\nquorum g\n", ann.key, ben.key);
    sandbox.write("policy", policy);
    let ask = |urls: &[&str]| {
        let mut args = vec!["--store", "s", "--json", "checkpoint", "--policy", "policy", "--output", "head"];
        urls.iter().for_each(|url| args.extend(["--cosign-from", url]));
        sandbox.args(&args, "")
    };
    // One is too few: what it said is kept, and the command says what is missing.
    let run = ask(&[&ann.url]).exits(1);
    assert!(run.err.contains("1 of 2 that g wants of 2; missing b"), "{}", run.err);
    sandbox.run("--json checkpoint --cosigned --policy policy").exits(3);
    assert_eq!(
        sandbox.run("--json checkpoint --cosigned").ok().lines()[0]["cosigned"][0]["name"],
        "ann.example"
    );
    // One after the other is as good: what each said of the head is kept together.
    ask(&[&ben.url]).exits(1);
    sandbox.run("--json checkpoint --cosigned --policy policy").ok();
    let line = ask(&[&ann.url, &ben.url]).ok().lines()[0].clone();
    assert_eq!(line["cosigned"].as_array().unwrap().len(), 2);
    sandbox.args(&["verify-checkpoint", "head", "--policy", "policy"], "").ok();
    // The log grows; the witnesses are where they were, and are led on from there.
    sandbox.run_with("add", record("late")).ok();
    ask(&[&ann.url, &ben.url]).ok();
    sandbox.run("checkpoint --cosigned --policy policy --output kept").ok();
    assert_eq!(sandbox.read("kept"), sandbox.read("head"));
    sandbox.run("proof late --checkpoint kept --output p").ok();
    sandbox.args(&["verify-proof", "p", "--policy", "policy"], "").ok();
    // One that is not there, beside one that is.
    let url = ben.url.clone();
    ben.end();
    let run = ask(&[&url, &ann.url]).exits(1);
    assert!(run.err.contains("the witness at"), "{}", run.err);
    // What it keeps is what it said.
    ann.end();
    let seen = sandbox.args(&["--json", "witness", "show", "--dir", "ann"], "").ok().lines()[0].clone();
    let line = sandbox.run("--json checkpoint").ok().lines()[0].clone();
    assert_eq!(seen["size"], line["size"]);
}

/// The attack: a store that was put back grows another history and asks for its word.
#[test]
fn a_witness_that_is_fed_with_a_fork_convicts_the_log() {
    let sandbox = Sandbox::with_sample();
    witness(&sandbox, "w");
    let w = Witness::run(&sandbox, "w", &[]);
    let ask = |store: &str| sandbox.args(&["--store", store, "checkpoint", "--cosign-from", &w.url], "");
    ask("s").ok();
    copy(&sandbox.folder.join("s"), &sandbox.folder.join("old"));
    fs::copy(sandbox.folder.join("s.slot"), sandbox.folder.join("old.slot")).unwrap();
    sandbox.run_with("add", record("mine")).ok();
    ask("s").ok();
    // Behind it.
    let run = ask("old").exits(6);
    assert!(run.err.contains("was cut, or the folder put back"), "{}", run.err);
    // As long, and other.
    sandbox.args(&["--store", "old", "add"], record("fork")).ok();
    let run = ask("old").exits(6);
    assert!(run.err.contains("another history"), "{}", run.err);
    // Longer: no proof leads there.
    sandbox.args(&["--store", "old", "add"], record("more")).ok();
    let run = ask("old").exits(6);
    assert!(run.err.contains("does not continue"), "{}", run.err);
    let said = w.end();
    assert!(said.contains("409") && said.contains("it signed two histories of"), "{said}");
    let fork = fs::read_dir(sandbox.folder.join("w/forks")).unwrap().next().unwrap().unwrap().path();
    let heads = fs::read_to_string(fork).unwrap();
    assert!(said.contains(heads.lines().next().unwrap()));
    // Both heads are texts that convict the log before everybody who has its key.
    let at = heads.rfind("\n\nescrowdb.local/").unwrap();
    sandbox.write("a", &heads[..=at]);
    sandbox.write("b", &heads[at + 2..]);
    let key = sandbox.run("--json key public").ok().lines()[0]["key"].as_str().unwrap().to_owned();
    let run = sandbox.args(&["--json", "verify-checkpoint", "b", "--since", "a", "--key", &key], "").exits(6);
    assert_eq!(run.lines()[0]["two_heads"].as_array().unwrap().len(), 2);
}

/// The attack: the witness's folder is put back, so that it could cosign a second history.
#[test]
fn a_witness_that_forgot_its_word_is_seen_by_the_log() {
    let sandbox = Sandbox::with_sample();
    witness(&sandbox, "w");
    let ask = || {
        let w = Witness::run(&sandbox, "w", &[]);
        sandbox.args(&["--store", "s", "checkpoint", "--cosign-from", &w.url], "")
    };
    ask().ok();
    copy(&sandbox.folder.join("w"), &sandbox.folder.join("old"));
    sandbox.run_with("add", record("late")).ok();
    ask().ok();
    fs::remove_dir_all(sandbox.folder.join("w")).unwrap();
    copy(&sandbox.folder.join("old"), &sandbox.folder.join("w"));
    let run = ask().exits(6);
    assert!(run.err.contains("its folder was put back"), "{}", run.err);
}

/// For machines without a network: a request goes there in a file, lines come back.
#[test]
fn a_request_is_carried_to_a_witness_and_its_lines_back() {
    let sandbox = Sandbox::with_sample();
    witness(&sandbox, "w");
    let sign = |body: &str| sandbox.args(&["witness", "sign", "--dir", "w"], body);
    let first = sandbox.run("checkpoint").ok().out.clone();
    sandbox.write("head", &first);
    sandbox.write("lines", &sign(&format!("old 0\n\n{first}")).ok().out);
    sandbox.run_with("add", record("meanwhile")).ok();
    sandbox.run("checkpoint --head head --cosign-from lines --output both").ok();
    assert!(sandbox.read("both").starts_with(first.trim_end()));
    assert_eq!(sandbox.run("checkpoint --cosigned").ok().out, sandbox.read("both"));
    sandbox.run("checkpoint --since both --output body").ok();
    sandbox.write("more", &sign(&sandbox.read("body")).ok().out);
    sandbox.run("checkpoint --head body --cosign-from more").ok();
    let run = sign(&sandbox.read("body")).exits(1);
    assert!(run.err.contains("the witness is at"), "{}", run.err);
    sign("hello").exits(1);
    // Lines of another head are no word about this one.
    let key = sandbox.args(&["--json", "witness", "show", "--dir", "w"], "").ok().lines()[0].clone();
    let (log, w) = (key["log"].as_str().unwrap(), key["witness"].as_str().unwrap());
    sandbox.write("policy", format!("log {log}\nwitness w {w}\nquorum w\n"));
    sandbox.run("checkpoint --policy policy --cosign-from lines").exits(6);
}

/// Killed at any moment between a write and its answer: a witness is never behind its own word.
#[test]
fn a_killed_witness_is_not_behind_its_word() {
    let sandbox = Sandbox::with_sample();
    witness(&sandbox, "w");
    for round in 0..4 {
        let w = Witness::run(&sandbox, "w", &[]);
        let url = w.url.clone();
        let killer = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(150 + 130 * round));
            drop(w);
        });
        let mut answered = 0;
        for n in 0..8 {
            sandbox.run_with("add", record(&format!("r{round}-{n}"))).ok();
            let run = sandbox.args(&["--store", "s", "--json", "checkpoint", "--cosign-from", &url], "");
            if run.code == 0 {
                answered = run.lines()[0]["size"].as_u64().unwrap();
            }
        }
        killer.join().unwrap();
        let shown = sandbox.args(&["--json", "witness", "show", "--dir", "w"], "").ok().lines()[0].clone();
        assert!(shown["size"].as_u64().unwrap() >= answered, "{shown}, {answered}");
    }
    // Of what was cosigned the last few are kept, and a store with rubbish among them is sound.
    let kept = sandbox.folder.join("s/log/cosigned");
    assert!((1..=8).contains(&fs::read_dir(&kept).unwrap().count()));
    fs::write(kept.join("999999"), "rubbish").unwrap();
    fs::write(kept.join("x"), "rubbish").unwrap();
    sandbox.run("checkpoint --cosigned").ok();
    sandbox.run("verify --read-data").ok();
}

/// The attack: what a stranger can send.
#[test]
fn rubbish_and_other_calls_are_refused_and_bounded() {
    let sandbox = Sandbox::with_sample();
    witness(&sandbox, "w");
    let w = Witness::run(&sandbox, "w", &[]);
    let post = |length: usize, body: &[u8]| {
        let head = format!(
            "POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        w.raw(&[head.as_bytes(), body].concat())
    };
    let rubbish: Vec<u8> = (0..64 * 1024).map(|i: u32| (i * 167) as u8).collect();
    assert!(post(rubbish.len(), &rubbish).starts_with("HTTP/1.1 400"));
    assert!(post(rubbish.len() + 1, &[&rubbish[..], b"x"].concat()).starts_with("HTTP/1.1 400"));
    assert!(post(1 << 40, b"x").starts_with("HTTP/1.1 400"), "no room is taken for what is announced");
    let call =
        |line: &str| w.raw(format!("{line} HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n").as_bytes());
    assert!(call("GET /add-checkpoint").starts_with("HTTP/1.1 405"));
    assert!(call("POST /other").starts_with("HTTP/1.1 404"));
    assert!(w.raw(&rubbish).starts_with("HTTP/1.1 4") || w.raw(&rubbish).is_empty());
    // One who sends nothing, or half, is let go.
    let begun = std::time::Instant::now();
    let answer = post(100, b"old 0\n");
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(begun.elapsed().as_secs() < 15);
    // And it still works.
    sandbox.args(&["--store", "s", "checkpoint", "--cosign-from", &w.url], "").ok();
    assert!(!w.end().contains("500"));
}

#[test]
fn beyond_the_machine_it_wants_tls_and_its_folder_is_for_one() {
    let sandbox = Sandbox::with_sample();
    witness(&sandbox, "w");
    let run = sandbox.args(&["witness", "run", "--dir", "w", "--listen", "0.0.0.0:0"], "").exits(2);
    assert!(run.err.contains("--tls-cert"), "{}", run.err);
    sandbox.args(&["witness", "run", "--dir", "w", "--tls-cert", "x"], "").exits(2);
    sandbox.args(&["witness", "init", "--dir", "w", "--name", "w.example"], "").exits(2);
    sandbox.args(&["witness", "init", "--dir", "x", "--name", "a b"], "").exits(2);
    sandbox.args(&["witness", "show", "--dir", "nowhere"], "").exits(1);
    let w = Witness::run(&sandbox, "w", &[]);
    let run = sandbox.args(&["witness", "show", "--dir", "w"], "").exits(4);
    assert!(run.err.contains("another process"), "{}", run.err);
    w.end();
    sandbox.args(&["witness", "show", "--dir", "w"], "").ok();
}

/// With TLS, by a certificate that is known to who asks and to nobody else.
#[test]
fn over_tls_only_a_known_certificate_is_believed() {
    let sandbox = Sandbox::with_sample();
    let mut openssl = Command::new("openssl");
    openssl.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]);
    openssl.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem"]);
    openssl
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-out", "cert.pem"])
        .current_dir(&sandbox.folder);
    if !openssl.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        return;
    }
    witness(&sandbox, "w");
    let w = Witness::run(&sandbox, "w", &["--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    assert!(w.url.starts_with("https://"));
    sandbox
        .args(&["--store", "s", "checkpoint", "--cosign-from", &w.url, "--cosign-ca", "cert.pem"], "")
        .ok();
    sandbox.args(&["--store", "s", "checkpoint", "--cosign-from", &w.url], "").exits(1);
    // A machine may keep its authorities where the environment says.
    let from_environment = |file: &str| {
        let mut command = sandbox.command(&["--store", "s", "checkpoint", "--cosign-from", &w.url]);
        command.env("SSL_CERT_FILE", file).output().unwrap().status.code()
    };
    assert_eq!(from_environment("cert.pem"), Some(0));
    assert_eq!(from_environment("key.pem"), Some(2), "it is read, and holds no certificate");
    let plain = w.url.replace("https", "http");
    sandbox.args(&["--store", "s", "checkpoint", "--cosign-from", &plain], "").exits(1);
}

/// What is published is a log as others read it, and grows by what is new.
#[test]
fn a_log_is_published_as_tiles() {
    let sandbox = Sandbox::with_sample();
    let lines: String = (0..600).map(|n| record(&format!("n{n}")) + "\n").collect();
    sandbox.run_with("import --format jsonl -", &lines).ok();
    let size = sandbox.run("--json checkpoint --tiles web").ok().lines()[0]["size"].as_u64().unwrap();
    assert!((513..768).contains(&size), "{size}");
    let has = |name: &str| sandbox.has(&format!("web/{name}"));
    assert!(has("tile/0/000") && has("tile/0/001") && has("tile/1/000.p/2"));
    let part = format!("tile/0/002.p/{}", size - 512);
    assert_eq!(fs::read(sandbox.folder.join("web").join(&part)).unwrap().len() as u64, 32 * (size - 512));
    let key = sandbox.run("--json key public").ok().lines()[0]["key"].as_str().unwrap().to_owned();
    sandbox.args(&["verify-checkpoint", "web/checkpoint", "--key", &key], "").ok();
    // A web server that runs as somebody else can hand them out.
    #[cfg(unix)]
    for path in files(&sandbox.folder.join("web")).keys() {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644, "{}", path.display());
    }
    // Nothing new, nothing written.
    assert_eq!(sandbox.run("--json checkpoint --tiles web").ok().lines()[0]["tiles"], 0);
    let more: String = (600..900).map(|n| record(&format!("n{n}")) + "\n").collect();
    sandbox.run_with("import --format jsonl -", &more).ok();
    let line = sandbox.run("--json checkpoint --tiles web").ok().lines()[0].clone();
    assert_eq!(line["tiles"], 3, "one is full now, one begun, one of the level above");
    assert!(has("tile/0/002") && !has(&part));
    // Of a log that was put back nothing replaces what is published.
    sandbox.args(&["--store", "t", "init"], "").ok();
    sandbox.args(&["--store", "t", "checkpoint", "--tiles", "web"], "").exits(6);
    sandbox.run("checkpoint --tiles s/web").exits(2);
}

/// A witness is at the address that its log's owner gave: an answer that sends the request elsewhere is no
/// answer, and the request goes nowhere else.
#[test]
fn a_request_is_not_led_elsewhere() {
    let sandbox = Sandbox::with_sample();
    for status in ["302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let [liar, elsewhere] = [(), ()].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        elsewhere.set_nonblocking(true).unwrap();
        let place = format!("http://{}/add-checkpoint", elsewhere.local_addr().unwrap());
        let url = format!("http://{}", liar.local_addr().unwrap());
        let answering = std::thread::spawn(move || {
            let (mut stream, _) = liar.accept().unwrap();
            let mut asked = [0; 4096];
            let n = stream.read(&mut asked).unwrap();
            let answer = format!("HTTP/1.1 {status}\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
            // Until the other end is done with it.
            while stream.read(&mut asked).is_ok_and(|n| n > 0) {}
            n
        });
        let run = sandbox.args(&["--store", "s", "checkpoint", "--cosign-from", &url], "").exits(1);
        assert!(run.err.contains("the witness at "), "{}", run.err);
        assert!(answering.join().unwrap() > 0, "it was asked");
        assert!(elsewhere.accept().is_err(), "{status}: the request went on");
    }
}

/// Who opens connections and says nothing takes places, not memory or files without bound: the next one waits
/// until a place is free.
#[test]
fn connections_at_a_time_are_bounded() {
    /// As the server has it.
    const CONNECTIONS_MAX: usize = 256;
    let sandbox = Sandbox::with_sample();
    witness(&sandbox, "w");
    let w = Witness::run(&sandbox, "w", &[]);
    let address = w.url.strip_prefix("http://").unwrap();
    let idle: Vec<_> = (0..CONNECTIONS_MAX).map(|_| TcpStream::connect(address).unwrap()).collect();
    let mut next = TcpStream::connect(address).unwrap();
    next.write_all(b"GET / HTTP/1.1\r\nHost: w\r\n\r\n").unwrap();
    // The idle ones are put out after five seconds.
    next.set_read_timeout(Some(std::time::Duration::from_secs(2))).unwrap();
    let mut answer = [0; 12];
    let waited = next.read_exact(&mut answer).unwrap_err();
    assert!(
        matches!(waited.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
        "{waited}"
    );
    drop(idle);
    next.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    next.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 404");
}
