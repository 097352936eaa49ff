//! The call `add-checkpoint` over HTTP/1.1.
//!
//! Who asks needs no password: the signature of the log is what counts. So everything that a
//! stranger can make it do is bounded: length and time of a call, connections, and what is kept.
//! Beyond the machine's own address it wants TLS.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use escrowdb::merkle::witness::BODY_MAX;
use escrowdb::{Error, Result};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::witness::folder::{Folder, Reply};

/// How long a caller may take for each step of a call.
const PATIENCE: Duration = Duration::from_secs(5);
/// Connections at a time.
const CONNECTIONS_MAX: usize = 256;
/// Lines that are told in a minute, beside forks that are new.
const TOLD_MAX: u32 = 20;
const MINUTE: Duration = Duration::from_secs(60);
/// What a caller gets of trouble that isn't his.
const INTERNAL: &str = "the witness can't answer\n";
/// Where it is called.
const PATH: &str = "/add-checkpoint";

/// Certificate chain and key, PEM files.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The chain, the own certificate first.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Serves until the process ends. `ready` gets the address that it listens on, `told` what whoever runs
/// it should see: refusals and forks, never more of a caller's bytes than a signed head.
///
/// # Errors
/// *Invalid* for an address beyond the machine without TLS; files or an address that can't be used.
pub fn serve(
    folder: Folder,
    listen: SocketAddr,
    tls: Option<&Tls>,
    ready: impl FnOnce(SocketAddr),
    told: impl Fn(&str) + Send + Sync + 'static,
) -> Result<Infallible> {
    if tls.is_none() && !listen.ip().is_loopback() {
        return Err(Error::invalid("without TLS a witness listens on the machine's own address only")
            .hint("give --tls-cert and --tls-key, or listen on 127.0.0.1"));
    }
    let acceptor = tls.map(acceptor).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build();
    let runtime = runtime.map_err(|e| Error::io("start", e))?;
    let witness = Arc::new(Witness { folder, told: Box::new(told), lately: Mutex::default() });
    runtime.block_on(async move {
        let listener =
            TcpListener::bind(listen).await.map_err(|e| Error::io(format!("listen on {listen}"), e))?;
        ready(listener.local_addr().map_err(|e| Error::io(format!("listen on {listen}"), e))?);
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { continue };
            let Ok((stream, _)) = listener.accept().await else {
                // Out of files, most likely; they come back.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let (witness, acceptor) = (Arc::clone(&witness), acceptor.clone());
            tokio::spawn(async move {
                match acceptor {
                    None => connection(TokioIo::new(stream), witness).await,
                    Some(acceptor) => {
                        if let Ok(Ok(stream)) = timeout(PATIENCE, acceptor.accept(stream)).await {
                            connection(TokioIo::new(stream), witness).await;
                        }
                    }
                }
                drop(place);
            });
        }
    })
}

struct Witness {
    folder: Folder,
    told: Box<dyn Fn(&str) + Send + Sync>,
    lately: Mutex<Lately>,
}

/// What was told in the minute that runs: whoever calls must not fill somebody's disk with it.
#[derive(Default)]
struct Lately {
    since: Option<Instant>,
    told: u32,
    left_out: u64,
}

impl Witness {
    /// Tells of a reply what somebody should see.
    fn tell(&self, reply: &Reply) {
        let Some(told) = &reply.told else { return };
        let before = self.lately.lock().unwrap_or_else(PoisonError::into_inner).next(Instant::now());
        match before {
            None if !reply.is_urgent => return,
            None | Some(0) => {}
            Some(left_out) => (self.told)(&format!("{left_out} more refusals in the minutes before")),
        }
        (self.told)(&format!("{} {told}", reply.status));
        if let Some(heads) = &reply.fork {
            (self.told)(heads);
        }
    }
}

impl Lately {
    /// Whether one more may be told now; with how many were left out before, if a minute is over.
    fn next(&mut self, now: Instant) -> Option<u64> {
        let mut left_out = 0;
        if self.since.is_none_or(|since| now.duration_since(since) >= MINUTE) {
            left_out = std::mem::take(self).left_out;
            self.since = Some(now);
        }
        if self.told == TOLD_MAX {
            self.left_out += 1;
            return None;
        }
        self.told += 1;
        Some(left_out)
    }
}

/// Calls of one connection. What goes wrong with it concerns the caller only.
async fn connection<S>(stream: S, witness: Arc<Witness>)
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    let service = service_fn(|request| call(request, Arc::clone(&witness)));
    let mut server = http1::Builder::new();
    // A call is one request; who doesn't read its answer doesn't keep his place either.
    server.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(BODY_MAX).keep_alive(false);
    let _ = timeout(4 * PATIENCE, server.serve_connection(stream, service)).await;
}

async fn call(
    request: Request<Incoming>,
    witness: Arc<Witness>,
) -> std::result::Result<Response<Full<Bytes>>, Infallible> {
    let reply = answer(request, &witness).await;
    witness.tell(&reply);
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = hyper::StatusCode::from_u16(reply.status).unwrap_or_default();
    if let Some(kind) = reply.content_type {
        response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    }
    Ok(response)
}

async fn answer(request: Request<Incoming>, witness: &Arc<Witness>) -> Reply {
    if request.uri().path() != PATH {
        return Reply::refusal(404, "no such call");
    }
    if request.method() != Method::POST {
        return Reply::refusal(405, "add-checkpoint is a POST");
    }
    if request.body().size_hint().lower() > BODY_MAX as u64 {
        return Reply::refusal(400, "the body is longer than 64 KiB");
    }
    let body = match timeout(PATIENCE, Limited::new(request.into_body(), BODY_MAX).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => return Reply::refusal(400, "the body is cut, or longer than 64 KiB"),
        Err(_) => return Reply::refusal(408, "the body did not come in time"),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let asked = Arc::clone(witness);
    let submitted = tokio::task::spawn_blocking(move || asked.folder.submit(&body, now)).await;
    match submitted {
        Ok(Ok(reply)) => reply,
        // Its own trouble is none of the caller's business.
        Ok(Err(error)) => Reply { told: Some(error.to_string()), ..Reply::of(500, INTERNAL) },
        Err(_) => Reply::of(500, INTERNAL),
    }
}

fn acceptor(tls: &Tls) -> Result<TlsAcceptor> {
    let wrong = |path: &Path, what: &str| Error::invalid(format!("{} holds no {what}", path.display()));
    let chain: std::result::Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(&tls.cert).and_then(Iterator::collect);
    let chain =
        chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| wrong(&tls.cert, "certificate"))?;
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|_| wrong(&tls.key, "key"))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| Error::invalid("no version of TLS can be spoken"))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|_| Error::invalid("certificate and key don't belong together"))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stranger's calls once filled the disk of whoever kept what is told.
    #[test]
    fn no_more_is_told_than_fits_a_minute() {
        let (mut lately, start) = (Lately::default(), Instant::now());
        let told = (0..500).filter(|_| lately.next(start).is_some()).count();
        assert_eq!(told, TOLD_MAX as usize);
        assert_eq!(lately.next(start + MINUTE), Some(480));
        assert_eq!(lately.next(start + MINUTE), Some(0));
    }
}
