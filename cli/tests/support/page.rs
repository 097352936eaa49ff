//! Pages of docs that show commands: their transcripts run in one folder, line after line. In what is shown,
//! `…` stands for anything in a line, and a line of `…` for any lines.

use std::path::Path;
use std::process::Command;

use super::Sandbox;

/// A command and what is shown below it.
struct Shown {
    command: String,
    output: Vec<String>,
}

/// Every command of the page's `console` blocks.
fn transcripts(page: &str) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match (inside, line) {
            (false, "```console") => inside = true,
            (true, "```") => inside = false,
            (true, line) => match line.strip_prefix("$ ") {
                Some(command) => all.push(Shown { command: command.to_owned(), output: Vec::new() }),
                None => all.last_mut().unwrap().output.push(line.to_owned()),
            },
            (false, _) => {}
        }
    }
    all
}

/// Whether a line is as shown.
pub(crate) fn fits(line: &str, shown: &str) -> bool {
    let mut parts = shown.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

/// Whether what was printed is as shown.
fn is_as_shown(printed: &[&str], shown: &[String]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((any, rest)) if any == "…" => (0..=printed.len()).any(|n| is_as_shown(&printed[n..], rest)),
        Some((line, rest)) => {
            printed.split_first().is_some_and(|(p, behind)| fits(p, line) && is_as_shown(behind, rest))
        }
    }
}

/// Runs the commands of a page of docs, `least` at least, and compares what they print.
#[track_caller]
pub(crate) fn check(name: &str, least: usize) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    let transcripts = transcripts(&std::fs::read_to_string(page).unwrap());
    assert!(transcripts.len() >= least, "{} commands", transcripts.len());
    let sandbox = Sandbox::new();
    let programs = Path::new(env!("CARGO_BIN_EXE_escrow")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    // What a shell would remember.
    let mut remembered = String::new();
    for Shown { command, output } in &transcripts {
        let assigned = command.split_once('=').map(|(name, _)| name).filter(|name| {
            let name = name.strip_prefix("export ").unwrap_or(name);
            name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        });
        // What a variable got stays, as in a shell.
        let script = match assigned {
            Some(name) => {
                let bare = name.strip_prefix("export ").unwrap_or(name);
                format!("{remembered}{command}\nprintf '%s' \"${bare}\"")
            }
            None => format!("{remembered}{command}"),
        };
        let run = Command::new("sh")
            .args(["-c", &script])
            .current_dir(&sandbox.folder)
            .env("PATH", &path)
            .env_remove("ESCROW_SLOT")
            .output()
            .unwrap();
        let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        if let Some(name) = assigned {
            assert!(run.status.success() && !out.contains('\''), "$ {command}\n{out}{err}");
            remembered += &format!("{name}='{out}'\n");
            continue;
        }
        let printed: Vec<&str> = out.lines().chain(err.lines()).collect();
        assert!(
            is_as_shown(&printed, output),
            "$ {command}\nprinted (exit {:?}):\n{}\nbut the page shows:\n{}",
            run.status.code(),
            printed.join("\n"),
            output.join("\n")
        );
    }
}
