//! `escrowd`: the server of stores.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Parser, Subcommand};
use escrowdb::id::Micros;
use escrowdb::store::Preset;
use escrowdb::{Error, Result};
use escrowdb_server::access::token::{New, now};
use escrowdb_server::access::{Role, Tokens};
use escrowdb_server::demo;
use escrowdb_server::http::{Server, router};
use escrowdb_server::ops;
use escrowdb_server::ops::metrics::Metrics;
use escrowdb_server::serve::{Listen, Tls, serve, serve_on};
use escrowdb_server::tenants::Tenants;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use zeroizing_alloc::ZeroAlloc;

#[global_allocator]
static ALLOCATOR: ZeroAlloc<std::alloc::System> = ZeroAlloc(std::alloc::System);

/// The server of EscrowDB: stores of several tenants, for who has a token.
#[derive(Parser, Debug)]
#[command(name = "escrowd", version, args_conflicts_with_subcommands = true)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(clap::Args, Debug)]
struct Serve {
    /// Where tenants and tokens stand.
    #[arg(long, env = "ESCROWD_DATA", value_name = "DIR", default_value = "escrowd-data")]
    data: PathBuf,
    /// Where it listens. Beyond the machine's own address it wants TLS.
    #[arg(long, env = "ESCROWD_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8711")]
    listen: SocketAddr,
    /// The certificate's chain, PEM.
    #[arg(long, env = "ESCROWD_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its key, PEM.
    #[arg(long, env = "ESCROWD_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Tenants whose stores are open at a time.
    #[arg(long, env = "ESCROWD_OPEN_MAX", value_name = "N", default_value_t = 16)]
    open_max: usize,
    /// Calls that are worked on at a time; of more each is told to come again (429).
    #[arg(long, env = "ESCROWD_WORKING_MAX", value_name = "N", default_value_t = 64)]
    working_max: usize,
    /// Connections at a time.
    #[arg(long, env = "ESCROWD_CONNECTIONS_MAX", value_name = "N", default_value_t = 1024)]
    connections_max: usize,
    /// Seconds that a caller has for the handshake, for the head of a call, and to say that he is still there.
    #[arg(long, env = "ESCROWD_HEAD_TIMEOUT", value_name = "SECONDS", default_value_t = 10,
        value_parser = clap::value_parser!(u64).range(1..))]
    head_timeout: u64,
    /// Seconds that calls have to end when the server is told to.
    #[arg(long, env = "ESCROWD_DRAIN", value_name = "SECONDS", default_value_t = 20)]
    drain: u64,
    /// Where `/healthz`, `/readyz` and `/metrics` are answered: without a token, so for the machine and its operators only.
    #[arg(long, env = "ESCROWD_OPS_LISTEN", value_name = "ADDRESS")]
    ops_listen: Option<SocketAddr>,
    /// Serve a made-up shop's chats in a folder that goes with the process, and print what can be tried at once.
    #[arg(long, conflicts_with_all = ["data", "check_config"])]
    demo: bool,
    /// Look whether all of this can be used, say so, and end.
    #[arg(long)]
    check_config: bool,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Tenants: each has a store of its own.
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// Tokens: who may call.
    #[command(subcommand)]
    Token(TokenCommand),
}

#[derive(Subcommand, Debug)]
enum TenantCommand {
    /// Make a tenant with an empty store.
    Create {
        /// Its name, which stands in paths.
        name: String,
        /// Where tenants and tokens stand.
        #[arg(long, env = "ESCROWD_DATA", value_name = "DIR", default_value = "escrowd-data")]
        data: PathBuf,
    },
    /// Show the tenants.
    List {
        /// Where tenants and tokens stand.
        #[arg(long, env = "ESCROWD_DATA", value_name = "DIR", default_value = "escrowd-data")]
        data: PathBuf,
    },
}

#[derive(Subcommand, Debug)]
enum TokenCommand {
    /// Make a token and print it: it stands nowhere else. A server that runs knows it after SIGHUP.
    Create {
        /// Whose it is.
        name: String,
        /// Where it counts.
        #[arg(long, value_name = "T")]
        tenant: String,
        /// What he is; may be given again.
        #[arg(long, value_name = "ROLE", value_parser = role, required = true)]
        role: Vec<Role>,
        /// Days that it is good for.
        #[arg(long, value_name = "N", default_value_t = 90)]
        days: u32,
        /// Where tenants and tokens stand.
        #[arg(long, env = "ESCROWD_DATA", value_name = "DIR", default_value = "escrowd-data")]
        data: PathBuf,
    },
    /// Take a token back, by its id.
    Revoke {
        /// The 16 digits behind `esc_`.
        id: String,
        /// Where tenants and tokens stand.
        #[arg(long, env = "ESCROWD_DATA", value_name = "DIR", default_value = "escrowd-data")]
        data: PathBuf,
    },
}

fn role(name: &str) -> std::result::Result<Role, String> {
    Role::parse(name).ok_or_else(|| {
        let known: Vec<_> = Role::ALL.into_iter().map(Role::name).collect();
        format!("must be one of {}", known.join(", "))
    })
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.command {
        None => run(&args.serve),
        Some(Command::Tenant(command)) => tenant(&command),
        Some(Command::Token(command)) => token(&command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let hint = error.hint_text().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
            let _ = writeln!(io::stderr(), "error: {error}{hint}");
            ExitCode::FAILURE
        }
    }
}

fn tenant(command: &TenantCommand) -> Result<()> {
    match command {
        TenantCommand::Create { name, data } => {
            make_folder(data)?;
            Tenants::new(data, 1).create(name, Preset::Peer)
        }
        TenantCommand::List { data } => {
            let names = Tenants::new(data, 1).names()?;
            names.iter().try_for_each(|name| say(name))
        }
    }
}

fn token(command: &TokenCommand) -> Result<()> {
    match command {
        TokenCommand::Create { name, tenant, role, days, data } => {
            make_folder(data)?;
            let expires = Micros(now().0.saturating_add(i64::from(*days) * DAY));
            let new = New { name, tenant, roles: role, expires };
            say(&Tokens::open(data.join(TOKENS))?.create(&new)?)
        }
        TokenCommand::Revoke { id, data } => Tokens::open(data.join(TOKENS))?.revoke(id),
    }
}

const TOKENS: &str = "tokens";
/// Microseconds.
const DAY: i64 = 86_400_000_000;

fn run(args: &Serve) -> Result<()> {
    let tls = args.tls_cert.clone().zip(args.tls_key.clone()).map(|(cert, key)| Tls { cert, key });
    let listen = Listen {
        address: args.listen,
        tls,
        connections_max: args.connections_max.max(1),
        patience: Duration::from_secs(args.head_timeout),
        drain: Duration::from_secs(args.drain),
    };
    // Removed when this returns.
    let scratch = args.demo.then(Scratch::new).transpose()?;
    let data = scratch.as_ref().map_or(&args.data, |scratch| &scratch.0);
    if !data.is_dir() {
        return Err(Error::not_found(format!("{} is no folder", data.display()))
            .hint("`escrowd tenant create NAME` makes it, with a first tenant"));
    }
    let tokens = Tokens::open(data.join(TOKENS))?;
    listen.check()?;
    if args.check_config {
        return say("all of it can be used");
    }
    let tenants = Tenants::new(data, args.open_max);
    let given = if args.demo { demo::fill(&tenants, &tokens)? } else { Vec::new() };
    let server = Arc::new(Server {
        tenants,
        tokens,
        working: Arc::new(Semaphore::new(args.working_max.max(1))),
        metrics: Metrics::default(),
        ending: AtomicBool::new(false),
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Error::io("start", e))?;
    let served = runtime.block_on(async {
        let signals = |kind| signal(kind).map_err(|e| Error::io("listen for signals", e));
        let (mut term, mut int) = (signals(SignalKind::terminate())?, signals(SignalKind::interrupt())?);
        let mut hup = signals(SignalKind::hangup())?;
        let reloading = Arc::clone(&server);
        tokio::spawn(async move {
            while hup.recv().await.is_some() {
                if let Err(error) = reloading.tokens.reload() {
                    let _ = writeln!(io::stderr(), "error: the tokens stay as they were: {error}");
                }
            }
        });
        let ending = Arc::clone(&server);
        let end = async move {
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
            ending.ending.store(true, Ordering::Relaxed);
        };
        if let Some(address) = args.ops_listen {
            let ops = tokio::net::TcpListener::bind(address).await;
            let ops = ops.map_err(|e| Error::io(format!("listen on {address}"), e))?;
            let address = ops.local_addr().map_err(|e| Error::io(format!("listen on {address}"), e))?;
            say(&format!("health and metrics on http://{address}"))?;
            let listen = Listen { address, tls: None, ..listen.clone() };
            tokio::spawn(serve_on(ops, listen, ops::router(&server)));
        }
        let scheme = if listen.tls.is_some() { "https" } else { "http" };
        let ready = |address| {
            let base = format!("{scheme}://{address}");
            let _ = say(&format!("listening on {base}"));
            if args.demo {
                let steps = demo::first_steps(&base, &given, data).unwrap_or_default();
                let _ = steps.iter().try_for_each(|line| say(line));
            }
        };
        serve(&listen, router(&server), ready, end).await
    });
    // Calls that were cut still hold their stores until the engine is done with them.
    runtime.shutdown_timeout(Duration::from_secs(args.drain));
    server.tenants.close();
    served
}

/// A folder that is removed with whoever made it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("escrowd-demo-{}-{}", std::process::id(), now().0));
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).map_err(|e| Error::io("make a folder for the demo", e))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn make_folder(data: &std::path::Path) -> Result<()> {
    std::fs::create_dir_all(data).map_err(|e| Error::io(format!("make {}", data.display()), e))
}

fn say(line: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|e| Error::io("print", e))
}
