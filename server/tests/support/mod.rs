//! A server as a process of its own, for tests that call it.

#![allow(dead_code, reason = "each program of tests uses a part of it")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_escrowd");

/// A server with one tenant, `shop`.
pub(crate) struct Server {
    pub(crate) process: Child,
    pub(crate) address: String,
    pub(crate) folder: TempDir,
}

impl Server {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        done(folder.path(), &["tenant", "create", "shop"]);
        Self::over(folder)
    }

    pub(crate) fn over(folder: TempDir) -> Self {
        Self::with(folder, &[])
    }

    /// With further flags.
    pub(crate) fn with(folder: TempDir, flags: &[&str]) -> Self {
        let mut process = Command::new(PROGRAM)
            .args(["--listen", "127.0.0.1:0"])
            .args(flags)
            .env("ESCROWD_DATA", folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Self { process, address, folder }
    }

    /// A token of somebody with these roles, which the server learns of.
    pub(crate) fn token(&self, name: &str, roles: &[&str]) -> String {
        let mut args = vec!["token", "create", name, "--tenant", "shop"];
        roles.iter().for_each(|role| args.extend(["--role", role]));
        let token = done(self.folder.path(), &args);
        self.signal("HUP");
        token
    }

    pub(crate) fn signal(&self, name: &str) {
        let done = Command::new("kill").args([&format!("-{name}"), &self.process.id().to_string()]).status();
        assert!(done.unwrap().success());
    }

    pub(crate) fn call(&self, method: &str, path: &str, token: &str, body: &str) -> (u16, String) {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}/v1/{path}", self.address))
            .header("authorization", format!("Bearer {token}"));
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // Nothing takes as long: it ends a test that fails.
            .timeout_global(Some(std::time::Duration::from_secs(60)))
            .allow_non_standard_methods(true)
            .build()
            .into();
        let response = if method == "GET" {
            agent.run(request.body(()).unwrap())
        } else {
            agent.run(request.body(body.to_owned()).unwrap())
        };
        let mut response = response.unwrap();
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
    }

    /// What is answered where all is well.
    pub(crate) fn ok(&self, method: &str, path: &str, token: &str, body: &str) -> Vec<Value> {
        let (status, text) = self.call(method, path, token, body);
        assert_eq!(status, 200, "{method} {path}: {text}");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until a token is known: the signal is answered some time.
    pub(crate) fn known(&self, token: &str) {
        for _ in 0..500 {
            if self.call("GET", "shop/nothing", token, "").0 != 401
                && self.call("GET", "shop/stats", token, "").0 != 401
            {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("the server doesn't know a token");
    }

    pub(crate) fn somebody(&self, name: &str, roles: &[&str]) -> String {
        let token = self.token(name, roles);
        self.known(&token);
        token
    }

    /// Ends it as an operator does. Answers its folder.
    pub(crate) fn end(&mut self) -> TempDir {
        self.signal("TERM");
        assert!(self.process.wait().unwrap().success());
        let other = tempfile::tempdir().unwrap();
        std::mem::replace(&mut self.folder, other)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What the program prints when it does this, which it must.
pub(crate) fn done(data: &Path, args: &[&str]) -> String {
    let run = Command::new(PROGRAM).args(args).env("ESCROWD_DATA", data).output().unwrap();
    assert!(run.status.success(), "{args:?}: {}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).unwrap().trim().to_owned()
}

/// Two records of two people.
pub(crate) const ANNA: &str = r#"{"id":"m1","conversation":"c1","author":"anna@example.org","subjects":["anna@example.org"],"time":"2026-01-31T12:00:00Z","channel":"web","tags":["topic:lamp"],"body":"My lamp flickers"}"#;
/// The other.
pub(crate) const BEN: &str = r#"{"id":"m2","conversation":"c2","author":"ben@example.org","subjects":["ben@example.org"],"time":"2026-02-01T12:00:00Z","body":"A kettle, please"}"#;
