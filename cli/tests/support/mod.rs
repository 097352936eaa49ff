//! Runs the built `escrow` in a folder of its own.
#![allow(dead_code, reason = "every test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "only tests run this")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

pub(crate) mod page;

/// A temporary folder that goes with its owner.
pub(crate) struct Sandbox {
    pub(crate) folder: PathBuf,
}

/// How a command ended.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("escrow-cli-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self { folder }
    }

    /// A sandbox with an empty store in `s`.
    pub(crate) fn with_store() -> Self {
        let sandbox = Self::new();
        sandbox.run("init").ok();
        sandbox
    }

    /// A sandbox with the records of [`SAMPLE`].
    pub(crate) fn with_sample() -> Self {
        let sandbox = Self::with_store();
        sandbox.run_with("import --format jsonl -", SAMPLE).ok();
        sandbox
    }

    /// A sandbox with the store that the first release made, of format 1, in `s`.
    pub(crate) fn with_format_1() -> Self {
        let sandbox = Self::new();
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/v1");
        std::fs::create_dir_all(sandbox.folder.join("s/log")).unwrap();
        std::fs::copy(fixture.join("store.slot"), sandbox.folder.join("s.slot")).unwrap();
        for part in ["", "log"] {
            for entry in std::fs::read_dir(fixture.join("store").join(part)).unwrap() {
                let path = entry.unwrap().path();
                if path.is_file() {
                    let to = sandbox.folder.join("s").join(part).join(path.file_name().unwrap());
                    std::fs::copy(&path, to).unwrap();
                }
            }
        }
        sandbox
    }

    /// Runs with `--store s`; words of `line` are split at spaces.
    pub(crate) fn run(&self, line: &str) -> Run {
        self.run_with(line, "")
    }

    /// The same with something on stdin.
    pub(crate) fn run_with(&self, line: &str, stdin: impl AsRef<[u8]>) -> Run {
        let words: Vec<&str> = line.split(' ').collect();
        self.args(&[&["--store", "s"], words.as_slice()].concat(), stdin)
    }

    /// Runs with exactly these arguments and an environment without the program's variables.
    pub(crate) fn args(&self, args: &[&str], stdin: impl AsRef<[u8]>) -> Run {
        let mut child = self.command(args).spawn().unwrap();
        // A command that ends early doesn't read its input.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_ref());
        let output = child.wait_with_output().unwrap();
        Run {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The command, not started yet.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_escrow"));
        command.args(args).current_dir(&self.folder);
        for name in ["ESCROW_STORE", "ESCROW_SLOT", "ESCROW_AS", "ESCROW_PURPOSE", "ESCROW_CASE"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.folder.join(name), content).unwrap();
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.folder.join(name).exists()
    }

    pub(crate) fn count(&self, query: &str) -> u64 {
        let run = self.args(&["--store", "s", "--json", "count", query], "");
        run.ok().lines()[0]["count"].as_u64().unwrap()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Run {
    /// Checks that it ended well.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.exits(0)
    }

    /// Checks the exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.out, self.err);
        self
    }

    /// Stdout as JSON Lines.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect()
    }

    /// The error object on stderr: it must be the last line.
    #[track_caller]
    pub(crate) fn error(&self) -> Value {
        let last = self.err.lines().last().unwrap_or_default();
        let value: Value = serde_json::from_str(last).unwrap_or_else(|e| panic!("{e}: {}", self.err));
        let error = value["error"].as_object().unwrap();
        let fields: Vec<&str> = error.keys().map(String::as_str).collect();
        assert_eq!(fields, ["hint", "kind", "message"]);
        assert!(error["message"].is_string());
        value["error"].clone()
    }
}

/// Every file of the sandbox and its bytes; the lock's file may be made by a look.
pub(crate) fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        match entry.file_type().unwrap() {
            t if t.is_dir() => found.extend(files(&path)),
            t if t.is_file() && !path.ends_with("LOCK") => {
                found.insert(path.clone(), std::fs::read(path).unwrap());
            }
            _ => {}
        }
    }
    found
}

/// Says that a test was not run, and why.
#[allow(clippy::print_stderr, reason = "a test that is skipped must not look like one that passed")]
pub(crate) fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

/// Places in the writable memory of a process that hold a word, with what stands around it.
#[cfg(target_os = "linux")]
pub(crate) fn in_memory(process: u32, word: &str) -> Vec<String> {
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let memory = std::fs::File::open(format!("/proc/{process}/mem")).unwrap();
    let number = |hex: &str| u64::from_str_radix(hex, 16).unwrap();
    let mut places = Vec::new();
    let (mut read, is_writable) =
        (0, |map: &&str| map.split(' ').nth(1).is_some_and(|r| r.starts_with("rw")));
    for map in maps.lines().filter(is_writable) {
        let (from, to) = map.split(' ').next().unwrap().split_once('-').unwrap();
        let (from, to) = (number(from), number(to));
        let mut bytes = vec![0; (to - from) as usize];
        if std::os::unix::fs::FileExt::read_exact_at(&memory, &mut bytes, from).is_err() {
            continue;
        }
        read += bytes.len();
        for at in 0..bytes.len().saturating_sub(word.len()) {
            if bytes[at..].starts_with(word.as_bytes()) {
                let near = &bytes[at.saturating_sub(64)..(at + 64).min(bytes.len())];
                places.push(format!("{map}: {}", String::from_utf8_lossy(near)));
            }
        }
    }
    assert!(read > 1 << 16, "the memory can't be read");
    places
}

/// Two customers, three conversations, one agent, one reaction.
pub(crate) const SAMPLE: &str = concat!(
    r#"{"id":"m1","conversation":"c1","author":"anna@example.org","subjects":["anna@example.org"],"time":"2026-01-31T12:00:00Z","channel":"web","kind":"message","tags":["dept:sales","lang:de"],"body":"Hallo, meine Lampe flackert","reply_to":null}"#,
    "\n",
    r#"{"id":"m2","conversation":"c1","author":"kim@shop.example","subjects":["anna@example.org"],"time":"2026-01-31T12:01:00Z","channel":"web","tags":["dept:sales","lang:de"],"body":"Das tut mir leid","reply_to":"m1"}"#,
    "\n",
    r#"{"id":"m3","conversation":"c2","author":"bob@example.org","subjects":["bob@example.org"],"time":"2026-02-01T09:00:00+01:00","channel":"app","tags":["dept:billing","lang:en"],"body":"Where is my invoice?"}"#,
    "\n",
    r#"{"id":"m4","conversation":"c3","author":"bob@example.org","subjects":["bob@example.org"],"time":"2026-02-03T10:00:00.25Z","tags":["dept:sales","lang:en"],"body":""}"#,
    "\n",
    r#"{"id":"r1","conversation":"c3","author":"bob@example.org","subjects":["bob@example.org"],"time":"2026-02-03T10:01:00Z","kind":"reaction","tags":[],"body":"👍","reply_to":"m4"}"#,
    "\n",
);
