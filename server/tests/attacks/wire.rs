//! One connection, and the bytes on it.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use escrowdb::Store;

use crate::support::{ANNA, Server};

/// A server with one record, and tokens of who writes and who reads.
pub(crate) struct Attacked {
    pub(crate) server: Server,
    pub(crate) writer: String,
    pub(crate) reviewer: String,
}

impl Attacked {
    pub(crate) fn start(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let run = |args: &[&str]| crate::support::done(folder.path(), args);
        run(&["tenant", "create", "shop"]);
        let token =
            |name: &str, role: &str| run(&["token", "create", name, "--tenant", "shop", "--role", role]);
        let (writer, reviewer) = (token("product", "writer"), token("rita", "reviewer"));
        let server = Server::with(folder, flags);
        server.ok("POST", "shop/records", &writer, ANNA);
        Self { server, writer, reviewer }
    }

    /// Ends it, lets somebody at its store, and starts it again.
    pub(crate) fn again(&mut self, change: impl FnOnce(&Store)) {
        let folder = self.server.end();
        let tenant = folder.path().join("shop");
        let store = Store::builder(tenant.join("store")).slot(tenant.join("store.slot")).open().unwrap();
        change(&store);
        drop(store);
        self.server = Server::over(folder);
    }

    /// Whether it still answers as it should.
    pub(crate) fn is_well(&self) {
        assert_eq!(self.server.ok("GET", "shop/count?q=lamp", &self.reviewer, "")[0]["count"], 1);
    }

    pub(crate) fn wire(&self) -> Wire {
        let stream = TcpStream::connect(self.server.address.strip_prefix("http://").unwrap()).unwrap();
        // Nothing is waited for as long as that: it ends a test that fails.
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Wire { stream, read: Vec::new() }
    }

    /// A connection on which these bytes were sent.
    pub(crate) fn sent(&self, bytes: impl AsRef<[u8]>) -> Wire {
        let mut wire = self.wire();
        wire.send(bytes);
        wire
    }

    /// The head of a call with a token, up to further headers.
    pub(crate) fn head(&self, method: &str, path: &str, token: &str) -> String {
        format!("{method} /v1/{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n")
    }
}

pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Wire {
    /// Sends bytes. A server that has closed gets what it has got.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// The next answer, or nothing if the connection was closed instead.
    pub(crate) fn answer(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.more() {
                return None;
            }
        };
        let head = String::from_utf8(self.read[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        while self.read.len() < end + length && self.more() {}
        let body = String::from_utf8(self.read[end..end + length].to_vec()).unwrap();
        self.read.drain(..end + length);
        Some(Answer { status, head, body })
    }

    /// Statuses of all answers that come until the connection is closed, which it must be.
    pub(crate) fn statuses(&mut self) -> Vec<u16> {
        let mut statuses = Vec::new();
        while let Some(answer) = self.answer() {
            statuses.push(answer.status);
        }
        statuses
    }

    /// Reads on. Whether there was more.
    pub(crate) fn more(&mut self) -> bool {
        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece) {
            Ok(0) => false,
            Ok(n) => {
                self.read.extend_from_slice(&piece[..n]);
                true
            }
            Err(e) if e.kind() == ErrorKind::ConnectionReset => false,
            Err(e) if e.kind() == ErrorKind::Interrupted => true,
            Err(e) => panic!("neither answered nor closed: {e}"),
        }
    }
}
