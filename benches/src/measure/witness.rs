//! Asking a witness on the machine's own address.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::mpsc;
use std::time::Instant;

use escrowdb::Store;
use escrowdb::merkle::cosign;
use escrowdb_server::witness::folder::Folder;
use escrowdb_server::witness::serve::serve;

use crate::Result;
use crate::measure::evidence::three;
use crate::table::Table;
use crate::workload::Workload;

/// Heads that it is asked to cosign.
const HEADS: usize = 200;

/// Heads of a store, a record between each two, cosigned over HTTP. The witness keeps each before it
/// answers.
pub fn round_trips(dir: &Path, store: &Store, workload: &mut Workload, table: &mut Table) -> Result<()> {
    Folder::init(dir, "witness.example")?;
    let mut folder = Folder::open(dir)?;
    folder.add_log(store.verifier_key()?.parse()?)?;
    let key = folder.verifier_key();
    let (ready, address) = mpsc::channel();
    // It serves until the process ends.
    std::thread::spawn(move || {
        serve(
            folder,
            ([127, 0, 0, 1], 0).into(),
            None,
            |at| {
                let _ = ready.send(at);
            },
            |_| (),
        )
    });
    let address = address.recv()?;
    let (mut heads, mut asked, mut from) = (Vec::new(), Vec::new(), 0);
    for _ in 0..HEADS {
        store.append(&workload.batch(1))?;
        let start = Instant::now();
        let head = store.checkpoint()?;
        let body = store.advance(from, &head)?.to_string();
        heads.push(start.elapsed());
        let start = Instant::now();
        let lines = cosign::lines(ask(address, &body)?.as_bytes())?;
        asked.push(start.elapsed());
        head.with(&lines)?.note().verify(&[&key])?;
        from = head.unverified().size;
    }
    three(table, "checkpoint after one record, with the proof that it continues the last", &mut heads)?;
    three(table, "… cosigned by a witness on the same machine, over HTTP", &mut asked)
}

fn ask(address: SocketAddr, body: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let head = format!(
        "POST /add-checkpoint HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, lines) = answer.split_once("\r\n\r\n").ok_or("the witness did not answer")?;
    if !head.starts_with("HTTP/1.1 200") {
        return Err(format!("the witness refused: {lines}").into());
    }
    Ok(lines.to_owned())
}
