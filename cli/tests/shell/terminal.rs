//! `shell` on a terminal: history, completion, keys. The terminal is made by `script` of util-linux; where
//! that isn't, the tests say that they are skipped.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::{Sandbox, in_memory, skipped};

const UP: &str = "\u{1b}[A";
const TAB: &str = "\t";
const CTRL_C: &str = "\u{3}";
const CTRL_D: &str = "\u{4}";

/// A shell on a terminal of its own.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    shown: Arc<Mutex<Vec<u8>>>,
    /// How much of it was looked at.
    seen: usize,
}

impl Terminal {
    /// Starts `escrow` with these arguments; `None` where no terminal can be made.
    fn start(sandbox: &Sandbox, args: &str) -> Option<Self> {
        // Another `script` has no such flags.
        let known = Command::new("script")
            .arg("--version")
            .output()
            .is_ok_and(|o| o.status.success() && String::from_utf8_lossy(&o.stdout).contains("util-linux"));
        if !known {
            skipped("no `script` of util-linux, which makes a terminal");
            return None;
        }
        let escrow = sandbox.command(&[]);
        let program = escrow.get_program().to_str().unwrap();
        let mut command = Command::new("script");
        // `exec`: not every shell leaves its place to the last command, and whose memory is searched is the
        // only process below `script`.
        command.args(["-q", "-e", "-c", &format!("exec {program} {args}"), "/dev/null"]);
        command.current_dir(&sandbox.folder).env("TERM", "xterm").env("ESCROW_STORE", "s");
        command.env_remove("ESCROW_SLOT");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (mut out, all) = (child.stdout.take().unwrap(), Arc::clone(&shown));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = out.read(&mut bytes) {
                all.lock().unwrap().extend_from_slice(&bytes[..n]);
            }
        });
        let keys = child.stdin.take().unwrap();
        Some(Self { child, keys, shown, seen: 0 })
    }

    /// Waits until `text` is shown, behind what was waited for before; returns what came before it.
    #[track_caller]
    fn shows(&mut self, text: &str) -> String {
        let begun = Instant::now();
        loop {
            let all = String::from_utf8_lossy(&self.shown.lock().unwrap()[self.seen..]).into_owned();
            if let Some(at) = all.find(text) {
                self.seen += at + text.len();
                return all[..at].to_owned();
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "no {text:?} in {all:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Number of the process on the terminal.
    fn process(&self) -> u32 {
        let script = self.child.id();
        let below = std::fs::read_to_string(format!("/proc/{script}/task/{script}/children")).unwrap();
        below.trim().parse().unwrap()
    }

    fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Types a line at the prompt and waits for the next prompt; returns what was shown between.
    #[track_caller]
    fn line(&mut self, keys: &str) -> String {
        self.types(keys);
        self.types("\r");
        // The end of the line as it was typed.
        self.shows("\r\n");
        self.shows(PROMPT)
    }

    #[track_caller]
    fn ends(mut self, keys: &str) -> i32 {
        self.types(keys);
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap();
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "it doesn't end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Where a test failed: who waits for keys would wait for ever.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The prompt, drawn once the editor waits for keys.
const PROMPT: &str = "escrow> ";

#[test]
fn lines_are_edited_remembered_and_completed() {
    let sandbox = Sandbox::with_sample();
    let Some(mut terminal) = Terminal::start(&sandbox, "shell") else { return };
    terminal.shows("help says");
    terminal.shows(PROMPT);
    assert!(terminal.line("count *").contains("4\r\n"));
    assert!(terminal.line("get m9").contains("error: no such record"), "an error ends nothing");
    // Up twice is the line before the last one.
    assert!(terminal.line(&format!("{UP}{UP}")).contains("4\r\n"));
    // A command, a field, a tag of the store, a kind.
    let shown = terminal.line(&format!("cou{TAB} 'tag:dept:s{TAB} kind:mes{TAB}'"));
    assert!(shown.contains("3\r\n"), "{shown:?}");
    // Two candidates are shown.
    terminal.types(&format!("tag:lang:{TAB}{TAB}"));
    terminal.shows("lang:de  lang:en");
    terminal.shows("escrow> tag:lang:");
    // Ctrl-C drops the line, and nothing of it is done.
    terminal.types(CTRL_C);
    terminal.shows("\r\n");
    terminal.shows(PROMPT);
    assert!(terminal.line("count tag:lang:de").contains("2\r\n"));
    // A line that begins with a space is not remembered.
    assert!(terminal.line(" count *").contains("4\r\n"));
    assert!(terminal.line(UP).contains("2\r\n"));
    assert_eq!(terminal.ends(CTRL_D), 0);
    assert_eq!(sandbox.count("*"), 4);
}

#[test]
fn an_erasure_asks_for_the_name_and_is_not_remembered() {
    let sandbox = Sandbox::with_sample();
    // Of an earlier session.
    sandbox.write("h", "#escrow shell history 1\nsubject show bob@example.org\n");
    let Some(mut terminal) = Terminal::start(&sandbox, "shell --history h") else { return };
    terminal.shows(PROMPT);
    terminal.line("count subject:bob@example.org");
    // Tags are asked of the store, and his among them.
    assert!(terminal.line(&format!("tag:lang:e{TAB}")).contains("bob@example.org"));
    for his in ["bob@example.org", "lang:en"] {
        assert!(!in_memory(terminal.process(), his).is_empty(), "nothing is searched");
    }
    for (answer, told) in [("bob", "not confirmed"), ("bob@example.org", "certificate")] {
        terminal.types("erase --subject bob@example.org\r");
        terminal.shows("Type the name to go on:");
        terminal.types(&format!("{answer}\r"));
        terminal.shows(told);
        terminal.shows(PROMPT);
        if told == "not confirmed" {
            // The last line that is remembered is no erasure.
            assert!(terminal.line(&format!("{UP}{UP}")).contains("2\r\n"));
        }
    }
    // What was typed before is gone from memory, and the name with it; the file is empty at once.
    for his in ["bob@example.org", "lang:en"] {
        assert_eq!(in_memory(terminal.process(), his), [""; 0]);
    }
    assert_eq!(sandbox.read("h"), "#escrow shell history 1\n");
    assert!(!terminal.line(UP).contains("2\r\n"));
    assert!(terminal.line("count subject:bob@example.org").contains("0\r\n"));
    assert_eq!(terminal.ends("quit\r"), 0);
    assert_eq!(sandbox.read("h"), "#escrow shell history 1\ncount subject:bob@example.org\n");
}

#[test]
fn a_history_file_is_written_if_asked_for_only() {
    let sandbox = Sandbox::with_sample();
    let Some(mut terminal) = Terminal::start(&sandbox, "shell") else { return };
    terminal.shows(PROMPT);
    terminal.line("count tag:lang:de");
    assert_eq!(terminal.ends("quit\r"), 0);
    let names = |folder: &std::path::Path| -> Vec<String> {
        std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect()
    };
    let mut there = names(&sandbox.folder);
    there.sort();
    assert_eq!(there, ["s", "s.slot"]);

    let mut terminal = Terminal::start(&sandbox, "shell --history h").unwrap();
    terminal.shows(PROMPT);
    terminal.line("count tag:lang:de");
    terminal.line(" count *");
    assert_eq!(terminal.ends(CTRL_D), 0);
    assert_eq!(sandbox.read("h"), "#escrow shell history 1\ncount tag:lang:de\n");
    let mode = |name| std::fs::metadata(sandbox.folder.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("h"), 0o600);

    let mut terminal = Terminal::start(&sandbox, "shell --history h").unwrap();
    terminal.shows(PROMPT);
    assert!(terminal.line(UP).contains("2\r\n"));
    assert_eq!(terminal.ends("quit\r"), 0);

    // Not in the store, not in the place of its key, not over somebody's file.
    sandbox.write("notes", "mine\n");
    for path in ["s/h", "s.slot", "notes"] {
        let mut terminal = Terminal::start(&sandbox, &format!("shell --history {path}")).unwrap();
        terminal.shows("error: ");
        assert_eq!(terminal.ends(""), 2, "{path}");
    }
    assert_eq!(sandbox.read("notes"), "mine\n");
}

/// Behind a pipe whose reader is gone an erasure is done, and ends the session, as nobody reads its
/// certificate. The session ended before it emptied the history: the lines of before, with the name of
/// who was erased, went to the file once more.
#[test]
fn an_erasure_that_nobody_reads_of_empties_the_history() {
    let sandbox = Sandbox::with_sample();
    let args = "shell --history h";
    let Some(mut terminal) = Terminal::start(&sandbox, args) else { return };
    terminal.shows(PROMPT);
    terminal.line("count subject:anna@example.org");
    assert_eq!(terminal.ends("quit\r"), 0);
    assert!(sandbox.read("h").contains("anna"));
    // `true` reads nothing, and is gone long before a prompt is shown.
    let mut terminal = Terminal::start(&sandbox, &format!("{args} | true")).unwrap();
    terminal.shows(PROMPT);
    // What is not found is said on stderr, and nothing on stdout.
    assert!(terminal.line("anna author:nobody").contains("nothing found"));
    terminal.ends("erase --subject anna@example.org --yes\r");
    assert_eq!(sandbox.count("subject:anna@example.org"), 0);
    assert_eq!(sandbox.read("h"), "#escrow shell history 1\n");
}

/// Data goes to stdout, the prompt and the keys to the terminal.
#[test]
fn a_prompt_is_no_data() {
    let sandbox = Sandbox::with_sample();
    let Some(mut terminal) = Terminal::start(&sandbox, "--json shell > out") else { return };
    terminal.shows(PROMPT);
    terminal.line("count *");
    terminal.line("tag:none");
    assert_eq!(terminal.ends("quit\r"), 0);
    assert_eq!(sandbox.read("out"), "{\"count\":4}\n");
}
