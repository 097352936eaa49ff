//! PostgreSQL with GIN over tags and over the words of a body, on a private server that listens on a socket in its
//! folder. Plaintext. GIN knows no positions: a phrase is checked in each row that has the words.

use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use escrowdb::store::Record;
use postgres::types::ToSql;
use postgres::{Client, NoTls};

use crate::Result;
use crate::compare::engines::number_of;
use crate::compare::words::peer::{Ask, Erased, Peer, Plan, Text};

/// Settings of a server of its own: durable commits, a cache like the others'.
const SETTINGS: &str = "
listen_addresses=''
shared_buffers=1GB
work_mem=64MB
maintenance_work_mem=256MB
max_wal_size=4GB
fsync=on
synchronous_commit=on
jit=off
random_page_cost=1.1
";
const TABLES: &str = "
CREATE TABLE msg(id bigint PRIMARY KEY, conversation text, author text, subject text, ts bigint,
    channel text, tags text[], body text, words tsvector);
CREATE INDEX ON msg(subject);
CREATE INDEX ON msg(ts);
CREATE INDEX ON msg USING gin(tags);
CREATE INDEX ON msg USING gin(words);";

/// Its server, which stops with it.
pub struct Postgres {
    client: Option<Client>,
    data: PathBuf,
}

/// Whether a server can be started: its programs are on the path.
pub fn installed() -> bool {
    let on_path = |name: &str| {
        env::var_os("PATH")
            .is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(name).is_file()))
    };
    on_path("initdb") && on_path("pg_ctl")
}

/// Starts a server over the folder, which is made ready the first time.
pub fn open(dir: &Path, _: &Plan) -> Result<Box<dyn Peer>> {
    let dir = dir.canonicalize()?;
    let data = dir.join("data");
    let fresh = !data.exists();
    if fresh {
        if is_root()? {
            run(Command::new("chown").arg(user()).arg(&dir))?;
        }
        run(program("initdb")?
            .args(["-A", "trust", "-E", "UTF8", "--no-locale", "-U", "compare", "-D"])
            .arg(&data))?;
        let file = data.join("postgresql.conf");
        let text = fs::read_to_string(&file)? + SETTINGS;
        fs::write(file, text)?;
    }
    let address = format!("host={} user=compare dbname=postgres", dir.display());
    let mut database = Postgres { client: None, data };
    // A run that was stopped leaves its server.
    let client = match Client::connect(&address, NoTls) {
        Ok(client) => client,
        Err(_) => {
            database.start(&dir)?;
            Client::connect(&address, NoTls)?
        }
    };
    let client = database.client.insert(client);
    if fresh {
        client.batch_execute(TABLES)?;
    }
    Ok(Box::new(database))
}

fn is_root() -> Result<bool> {
    Ok(fs::metadata("/proc/self")?.uid() == 0)
}

/// Who runs the server where we are root, which it refuses.
fn user() -> String {
    env::var("COMPARE_POSTGRES_USER").unwrap_or_else(|_| "postgres".to_owned())
}

fn program(name: &str) -> Result<Command> {
    if !is_root()? {
        return Ok(Command::new(name));
    }
    let mut command = Command::new("setpriv");
    command.args([format!("--reuid={0}", user()), format!("--regid={0}", user()), "--clear-groups".into()]);
    command.arg(name);
    // Its own folder may be closed to him.
    command.current_dir("/");
    Ok(command)
}

fn run(command: &mut Command) -> Result<()> {
    match command.stdin(Stdio::null()).stdout(Stdio::null()).status()?.success() {
        true => Ok(()),
        false => Err(format!("{} failed", command.get_program().display()).into()),
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.client = None;
        if let Ok(mut stop) = program("pg_ctl") {
            let _ = run(stop.args(["-w", "-s", "-m", "fast", "-D"]).arg(&self.data).arg("stop"));
        }
    }
}

/// What the words of a body must be.
fn words(ask: &Ask) -> String {
    let parts = ask.text.iter().map(|text| match text {
        Text::Word(word) | Text::Near(word) | Text::Part(word) => word.clone(),
        Text::Phrase(words) => format!("({})", words.join(" <-> ")),
        Text::Prefix(start) => format!("{start}:*"),
    });
    parts.collect::<Vec<_>>().join(" & ")
}

impl Postgres {
    fn start(&self, dir: &Path) -> Result<()> {
        let mut start = program("pg_ctl")?;
        start.args(["-w", "-s", "-D"]).arg(&self.data).arg("-l").arg(dir.join("log"));
        run(start.arg("-o").arg(format!("-k {}", dir.display())).arg("start"))
    }

    fn client(&mut self) -> Result<&mut Client> {
        self.client.as_mut().ok_or_else(|| "no connection".into())
    }

    /// Asks with everything that stands in `ask`; `tail` stands behind the condition.
    fn select(&mut self, what: &str, ask: &Ask, tail: &str) -> Result<Vec<postgres::Row>> {
        let words = words(ask);
        let (from, before) = ask.by.time.map_or((0, 0), |(from, before)| (from.0, before.0));
        let mut values: Vec<&(dyn ToSql + Sync)> = Vec::new();
        let mut conditions = Vec::new();
        if !ask.by.all.is_empty() {
            values.push(&ask.by.all);
            conditions.push(format!("tags @> ${}", values.len()));
        }
        if !ask.by.none.is_empty() {
            values.push(&ask.by.none);
            conditions.push(format!("NOT tags && ${}", values.len()));
        }
        if ask.by.time.is_some() {
            values.push(&from);
            values.push(&before);
            conditions.push(format!("ts >= ${} AND ts < ${}", values.len() - 1, values.len()));
        }
        if !ask.text.is_empty() {
            values.push(&words);
            conditions.push(format!("words @@ ${}::text::tsquery", values.len()));
        }
        let sql = format!("SELECT {what} FROM msg WHERE {}{tail}", conditions.join(" AND "));
        let sql = sql.replace("$words", &format!("${}::text::tsquery", values.len()));
        Ok(self.client()?.query(&sql, &values)?)
    }
}

/// The row of a record as `COPY` reads it. Texts of the workload hold nothing that would have to be escaped.
fn row(record: &Record, out: &mut Vec<u8>) -> Result<()> {
    let number = number_of(record.id.as_deref().unwrap_or_default())?;
    let subject = record.subjects.first().unwrap_or(&record.author);
    let (conversation, author, channel) = (&record.conversation, &record.author, &record.channel);
    let (time, tags, body) = (record.time.0, record.tags.join(","), &record.body);
    writeln!(out, "{number}\t{conversation}\t{author}\t{subject}\t{time}\t{channel}\t{{{tags}}}\t{body}")?;
    Ok(())
}

fn number(row: &postgres::Row) -> u64 {
    row.get::<_, i64>(0).cast_unsigned()
}

impl Peer for Postgres {
    fn append(&mut self, records: &[Record]) -> Result<()> {
        let mut rows = Vec::new();
        for record in records {
            row(record, &mut rows)?;
        }
        let mut transaction = self.client()?.transaction()?;
        transaction.batch_execute(
            "CREATE TEMP TABLE IF NOT EXISTS batch(id bigint, conversation text, author text, subject text,
                ts bigint, channel text, tags text[], body text); TRUNCATE batch",
        )?;
        let mut copy = transaction.copy_in("COPY batch FROM STDIN")?;
        copy.write_all(&rows)?;
        copy.finish()?;
        transaction
            .batch_execute("INSERT INTO msg SELECT batch.*, to_tsvector('simple', body) FROM batch")?;
        Ok(transaction.commit()?)
    }

    fn settle(&mut self) -> Result<()> {
        let client = self.client()?;
        client.batch_execute("VACUUM ANALYZE msg")?;
        Ok(client.batch_execute("CHECKPOINT")?)
    }

    fn can(&self, ask: &Ask) -> bool {
        !ask.text.iter().any(|text| matches!(text, Text::Near(_) | Text::Part(_)))
    }

    fn count(&mut self, ask: &Ask) -> Result<u64> {
        Ok(self.select("count(*)", ask, "")?.first().map_or(0, number))
    }

    fn numbers(&mut self, ask: &Ask) -> Result<Vec<u64>> {
        Ok(self.select("id", ask, "")?.iter().map(number).collect())
    }

    fn newest(&mut self, ask: &Ask, k: usize) -> Result<Vec<(u64, usize)>> {
        let columns = "id, conversation, author, ts, channel, tags, body";
        let rows = self.select(columns, ask, &format!(" ORDER BY id DESC LIMIT {k}"))?;
        Ok(rows.iter().map(|row| (number(row), row.get::<_, String>(6).len())).collect())
    }

    /// By its own weighing, which is not BM25.
    fn ranked(&mut self, ask: &Ask, k: usize) -> Result<Option<Vec<u64>>> {
        let rows = self.select("id", ask, &format!(" ORDER BY ts_rank(words, $words) DESC LIMIT {k}"))?;
        Ok(Some(rows.iter().map(number).collect()))
    }

    fn erase(&mut self, subject: &str) -> Result<Erased> {
        let records = self.client()?.execute("DELETE FROM msg WHERE subject = $1", &[&subject])?;
        Ok(Erased { records, segments: 0 })
    }

    /// Rewrites table and indexes. The write-ahead log still has the rows until it comes round.
    fn scrub(&mut self) -> Result<()> {
        self.compact()
    }

    fn compact(&mut self) -> Result<()> {
        let client = self.client()?;
        client.batch_execute("VACUUM FULL msg")?;
        Ok(client.batch_execute("CHECKPOINT")?)
    }

    fn bytes(&mut self) -> Result<Option<u64>> {
        let rows = self.client()?.query("SELECT pg_total_relation_size('msg')", &[])?;
        Ok(rows.first().map(number))
    }

    /// What the server's processes hold, shared pages by parts.
    fn memory_elsewhere(&self) -> u64 {
        let Some(server) = first_line(&self.data.join("postmaster.pid")) else { return 0 };
        let Ok(entries) = fs::read_dir("/proc") else { return 0 };
        let processes = entries.flatten().filter(|entry| {
            let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            let parent = stat.rsplit(") ").next().and_then(|s| s.split(' ').nth(1)).map(str::to_owned);
            entry.file_name().to_str() == Some(&server) || parent.as_ref() == Some(&server)
        });
        let held = |folder: PathBuf| {
            let text = fs::read_to_string(folder.join("smaps_rollup")).unwrap_or_default();
            let line = text.lines().find_map(|l| l.strip_prefix("Pss:")).map(str::trim);
            line.and_then(|l| l.split(' ').next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
        };
        processes.map(|entry| held(entry.path())).sum()
    }
}

fn first_line(file: &Path) -> Option<String> {
    fs::read_to_string(file).ok()?.lines().next().map(str::to_owned)
}
