//! Exports that only their recipients can read.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use age::secrecy::ExposeSecret as _;
use age::x25519::Identity;
use serde_json::{Value, json};

use crate::support::Sandbox;

const FILES: [&str; 3] = ["e", "e.proof", "e.manifest.json"];

fn opened(sandbox: &Sandbox, name: &str, key: &Identity) -> Vec<u8> {
    let sealed = std::fs::read(sandbox.folder.join(name)).unwrap();
    let mut clear = Vec::new();
    let stream = age::Decryptor::new(&sealed[..]).unwrap();
    stream.decrypt(std::iter::once(key as &dyn age::Identity)).unwrap().read_to_end(&mut clear).unwrap();
    clear
}

fn key(sandbox: &Sandbox) -> String {
    sandbox.run("--json key public").ok().lines()[0]["key"].as_str().unwrap().to_owned()
}

#[test]
fn each_recipient_opens_it_and_nobody_else() {
    let sandbox = Sandbox::with_sample();
    let (log, keys) = (key(&sandbox), [0; 3].map(|_| Identity::generate()));
    let public = |n: usize| keys[n].to_public().to_string();
    sandbox.write("staff", format!("# the privacy officer\n\n{}\n", public(1)));
    for (n, key) in keys.iter().enumerate() {
        sandbox.write(&format!("key{n}"), format!("# secret\n{}\n", key.to_string().expose_secret()));
    }
    for format in ["jsonl", "csv", "html", "vcon"] {
        let line = format!(
            "--json export --query * --format {format} --output e --to {} --to-file staff",
            public(0)
        );
        let told = sandbox.run(&line).ok().lines().remove(0);
        assert_eq!((&told["file"], &told["recipients"]), (&json!("e.age"), &json!([public(0), public(1)])));
        // Nothing is in clear, and no part is left.
        for file in std::fs::read_dir(&sandbox.folder).unwrap() {
            let path = file.unwrap().path();
            assert!(!path.to_string_lossy().contains(".part"), "{}", path.display());
            if path.is_file() {
                let bytes = std::fs::read(&path).unwrap();
                for word in ["Lampe", "anna@example.org", "escrowdb/export-proof", "invoice"] {
                    assert!(
                        !bytes.windows(word.len()).any(|w| w == word.as_bytes()),
                        "{word} in {}",
                        path.display()
                    );
                }
            }
        }
        for name in FILES {
            assert!(!sandbox.has(name), "{name}");
            let sealed = format!("{name}.age");
            assert_eq!(opened(&sandbox, &sealed, &keys[0]), opened(&sandbox, &sealed, &keys[1]));
        }
        let manifest: Value =
            serde_json::from_slice(&opened(&sandbox, "e.manifest.json.age", &keys[0])).unwrap();
        assert_eq!(
            (&manifest["version"], &manifest["file"], &manifest["recipients"]),
            (&json!(3), &json!("e"), &told["recipients"])
        );
        // As it is: decrypt it first, or with a key.
        let run = sandbox.args(&["verify-export", "e.age", "--key", &log], "").exits(2);
        assert!(run.err.contains("is encrypted") && run.err.contains("decrypt it"), "{}", run.err);
        let with =
            |name: &str| sandbox.args(&["verify-export", "e.age", "--key", &log, "--identity", name], "");
        let text = with("key1").ok().out;
        assert!(text.contains("proved: 4 of 4") && text.contains("encrypted to: age1"), "{text}");
        assert!(with("key2").exits(5).err.contains("encrypted to others"));
        assert!(with("staff").exits(2).err.contains("no file of identities"));
        // Decrypted it is an export like any other.
        for name in FILES {
            sandbox.write(name, opened(&sandbox, &format!("{name}.age"), &keys[1]));
        }
        sandbox.args(&["verify-export", "e", "--key", &log], "").ok();
        FILES.iter().for_each(|name| std::fs::remove_file(sandbox.folder.join(name)).unwrap());
        // A bit turned, and the end cut.
        let sealed = std::fs::read(sandbox.folder.join("e.age")).unwrap();
        let mut turned = sealed.clone();
        *turned.last_mut().unwrap() ^= 1;
        for bad in [&turned[..], &sealed[..sealed.len() - 1]] {
            sandbox.write("e.age", bad);
            assert_ne!(with("key0").code, 0);
        }
    }
}

#[test]
fn only_public_keys_are_taken() {
    let sandbox = Sandbox::with_sample();
    let secret = Identity::generate().to_string().expose_secret().to_owned();
    sandbox.write("empty", "# nobody\n");
    for line in ["--to age1x", "--to-file empty", "--to ssh-ed25519"] {
        sandbox.run(&format!("export --query * --output e {line}")).exits(2);
    }
    let run = sandbox.run(&format!("export --query * --output e --to {secret}")).exits(2);
    assert!(!run.err.contains(&secret) && !run.out.contains(&secret));
    assert!(!sandbox.has("e") && !sandbox.has("e.age"));
    // Also what nobody can sign is encrypted.
    let public = Identity::generate().to_public().to_string();
    sandbox.run(&format!("export --query * --unsigned --output e --to {public}")).ok();
    assert!(
        sandbox.has("e.age")
            && sandbox.has("e.manifest.json.age")
            && !sandbox.has("e")
            && !sandbox.has("e.proof.age")
    );
}

/// The program of somebody else opens it, and its keys are taken.
#[test]
fn another_program_opens_it() {
    let program = ["age", "rage"].into_iter().find(|p| Command::new(p).arg("--version").output().is_ok());
    let Some(program) = program else {
        eprintln!("left out: neither age nor rage is installed");
        return;
    };
    let sandbox = Sandbox::with_sample();
    let made =
        Command::new(format!("{program}-keygen")).args(["-o", "key"]).current_dir(&sandbox.folder).output();
    assert!(made.unwrap().status.success());
    let file = sandbox.read("key");
    let public = file.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
    sandbox.run("export --query * --output clear").ok();
    sandbox.run(&format!("export --query * --output e --to {public}")).ok();
    let mut child = Command::new(program)
        .args(["-d", "-i", "key"])
        .current_dir(&sandbox.folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&std::fs::read(sandbox.folder.join("e.age")).unwrap()).unwrap();
    let clear = child.wait_with_output().unwrap();
    assert!(clear.status.success());
    assert_eq!(String::from_utf8(clear.stdout).unwrap(), sandbox.read("clear"));
    let log = key(&sandbox);
    sandbox.args(&["verify-export", "e.age", "--key", &log, "--identity", "key"], "").ok();
}
