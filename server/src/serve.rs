//! Listening: TLS 1.3, or the machine's own address; bounded connections, times and headers; an end that lets calls end.

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use escrowdb::{Error, Result};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, version};

use crate::hurry::Hurried;

/// Bytes of the headers of a call, and of what is read ahead.
const HEAD_MAX: usize = 64 * 1024;
/// Calls of one HTTP/2 connection at a time.
const STREAMS_MAX: u32 = 32;

/// Certificate chain and key, PEM files.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The chain, the own certificate first.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Where and how it listens.
#[derive(Clone, Debug)]
pub struct Listen {
    /// The address.
    pub address: SocketAddr,
    /// Asked for everywhere but on the machine's own address.
    pub tls: Option<Tls>,
    /// Connections at a time; who comes then waits.
    pub connections_max: usize,
    /// How long a caller may take for the handshake, to begin, for the head of each call, and to say that he is there.
    pub patience: Duration,
    /// How long calls may take to end when the server is to end.
    pub drain: Duration,
}

impl Listen {
    /// Whether it may listen there.
    ///
    /// # Errors
    /// *Invalid* for an address beyond the machine without TLS; files that hold no certificate or key.
    pub fn check(&self) -> Result<Option<TlsAcceptor>> {
        if self.tls.is_none() && !self.address.ip().is_loopback() {
            return Err(Error::invalid("without TLS it listens on the machine's own address only")
                .hint("give --tls-cert and --tls-key, or listen on 127.0.0.1"));
        }
        self.tls.as_ref().map(acceptor).transpose()
    }
}

/// Serves until `end` comes, and the calls that run have ended or had their time. `ready` gets the address.
///
/// # Errors
/// As of [`Listen::check`]; an address that can't be used.
pub async fn serve(
    listen: &Listen,
    router: Router,
    ready: impl FnOnce(SocketAddr),
    end: impl Future<Output = ()>,
) -> Result<()> {
    let acceptor = listen.check()?;
    let cannot = |e| Error::io(format!("listen on {}", listen.address), e);
    let listener = TcpListener::bind(listen.address).await.map_err(cannot)?;
    ready(listener.local_addr().map_err(cannot)?);
    let graceful = GracefulShutdown::new();
    tokio::select! {
        () = end => {}
        () = accept_all(&listener, listen, acceptor, router, Some(&graceful)) => {}
    }
    drop(listener);
    // What has not ended by then is cut: the engine's own writes are whole or not there.
    let _ = timeout(listen.drain, graceful.shutdown()).await;
    Ok(())
}

/// Serves on a listener, without TLS, for as long as the process lives.
pub async fn serve_on(listener: TcpListener, listen: Listen, router: Router) {
    accept_all(&listener, &listen, None, router, None).await;
}

async fn accept_all(
    listener: &TcpListener,
    listen: &Listen,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    graceful: Option<&GracefulShutdown>,
) {
    let places = Arc::new(Semaphore::new(listen.connections_max));
    loop {
        let Some((stream, place)) = accept(listener, &places).await else { continue };
        let (acceptor, service) = (acceptor.clone(), TowerToHyperService::new(router.clone()));
        let (watcher, patience) = (graceful.map(GracefulShutdown::watcher), listen.patience);
        tokio::spawn(async move {
            let _place = place;
            match acceptor {
                None => connection(Hurried::new(stream, patience), service, patience, watcher).await,
                Some(acceptor) => {
                    if let Ok(Ok(stream)) = timeout(patience, acceptor.accept(stream)).await {
                        connection(Hurried::new(stream, patience), service, patience, watcher).await;
                    }
                }
            }
        });
    }
}

/// Calls of one connection. What goes wrong with it concerns the caller only.
async fn connection<S>(
    stream: Hurried<S>,
    service: TowerToHyperService<Router>,
    patience: Duration,
    watcher: Option<Watcher>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let server = server(patience);
    let connection = server.serve_connection(TokioIo::new(stream), service).into_owned();
    let _ = match watcher {
        Some(watcher) => watcher.watch(connection).await,
        None => connection.await,
    };
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            let _ = stream.set_nodelay(true);
            Some((stream, place))
        }
        Err(_) => {
            // Out of files, most likely; they come back.
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

fn server(patience: Duration) -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(patience).max_buf_size(HEAD_MAX);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(patience)
        .keep_alive_timeout(patience)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_MAX as u32)
        .max_pending_accept_reset_streams(STREAMS_MAX as usize);
    server
}

fn acceptor(tls: &Tls) -> Result<TlsAcceptor> {
    let wrong = |path: &Path, what: &str| Error::invalid(format!("{} holds no {what}", path.display()));
    let chain: std::result::Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(&tls.cert).and_then(Iterator::collect);
    let chain =
        chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| wrong(&tls.cert, "certificate"))?;
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|_| wrong(&tls.key, "key"))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&version::TLS13])
        .map_err(|_| Error::invalid("TLS 1.3 can't be spoken"))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|_| Error::invalid("certificate and key don't belong together"))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
