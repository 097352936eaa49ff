//! Asks a witness for its cosignature (C2SP tlog-witness), or reads what one wrote to a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use escrowdb::Error;
use escrowdb::merkle::cosign;
use escrowdb::merkle::note::NoteSignature;
use escrowdb::store::{SignedCheckpoint, Store};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::commands::evidence;
use crate::exit::Failure;
use crate::out::clean;

/// How long a witness may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of an answer at most.
const ANSWER_MAX: u64 = 64 * 1024;
/// How often a witness may say that it is elsewhere: others may ask it meanwhile.
const TRIES: usize = 4;
/// Where systems keep the authorities that they trust.
const AUTHORITIES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// Cosignature lines of a checkpoint, unverified.
pub(super) fn lines(
    store: &Store,
    checkpoint: &SignedCheckpoint,
    source: &str,
    authorities: Option<&Path>,
) -> Result<Vec<NoteSignature>, Failure> {
    if source.starts_with("http://") || source.starts_with("https://") {
        return Witness::new(source, authorities)?.cosign(store, checkpoint);
    }
    let file = Path::new(source);
    cosign::lines(&evidence::read(file)?).map_err(|e| evidence::named(file, e))
}

/// Where cosignatures come from, for people: a URL may hold a password.
pub(super) fn shown(source: &str) -> String {
    let is_url = source.contains("://");
    clean(source.rsplit_once('@').filter(|_| is_url).map_or(source, |(_, host)| host))
}

struct Witness {
    /// For people: a URL may hold a password.
    shown: String,
    url: String,
    agent: ureq::Agent,
}

/// What a witness said.
struct Answer {
    status: u16,
    size: Option<u64>,
    body: Vec<u8>,
}

impl Witness {
    fn new(url: &str, authorities: Option<&Path>) -> Result<Self, Failure> {
        let mut tls =
            TlsConfig::builder().unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()));
        if url.starts_with("https://") {
            tls = tls.root_certs(roots(authorities)?);
        }
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .max_redirects(0)
            .tls_config(tls.build())
            .build();
        let shown = shown(url);
        let url = format!("{}/add-checkpoint", url.trim_end_matches('/'));
        Ok(Self { shown, url, agent: config.into() })
    }

    /// Asks until the witness is where the proof begins.
    fn cosign(&self, store: &Store, checkpoint: &SignedCheckpoint) -> Result<Vec<NoteSignature>, Failure> {
        let size = checkpoint.unverified().size;
        let kept = store.cosigned()?;
        let mut from = kept.iter().map(|head| head.unverified().size).find(|s| *s <= size).unwrap_or(0);
        for _ in 0..TRIES {
            let answer = self.ask(&store.advance(from, checkpoint)?.to_string())?;
            match (answer.status, answer.size) {
                (200, _) => {
                    let lines = cosign::lines(&answer.body).map_err(|e| e.context(&self.shown))?;
                    self.went_back(&kept, &lines, from)?;
                    return Ok(lines);
                }
                (409, Some(there)) if there > size => {
                    return Err(self.contradicts(format!(
                        "it has cosigned {there} positions of this log, of which {size} are here: the log was cut, \
                         or the folder put back"
                    )));
                }
                (409, Some(there)) if there == from => {
                    return Err(
                        self.contradicts(format!("it has cosigned another history of {there} positions"))
                    );
                }
                (409, Some(there)) => from = there,
                (422, _) => {
                    return Err(self.contradicts(format!(
                        "the log does not continue the {from} positions that it has cosigned"
                    )));
                }
                (404, _) => {
                    return Err(self
                        .refused("it does not know this log")
                        .hint("there: `escrow witness add-log`, with what `escrow key public` prints here"));
                }
                (403, _) => return Err(self.refused("it knows another key of this log")),
                (status, _) => return Err(self.refused(&format!("it answered {status}"))),
            }
        }
        Err(self.refused("it is somewhere else each time it is asked"))
    }

    /// A witness that had cosigned more than it now says it has.
    fn went_back(
        &self,
        kept: &[SignedCheckpoint],
        lines: &[NoteSignature],
        from: u64,
    ) -> Result<(), Failure> {
        let by = |head: &SignedCheckpoint| {
            let signed = |s: &NoteSignature| lines.iter().any(|line| line.name == s.name && line.id == s.id);
            head.note().signatures().iter().any(signed)
        };
        let before = kept.iter().filter(|head| by(head)).map(|head| head.unverified().size).max();
        match before.filter(|before| *before > from) {
            None => Ok(()),
            Some(before) => Err(self.contradicts(format!(
                "it had cosigned {before} positions and says {from}: its folder was put back, so it may have cosigned \
                 another history since"
            ))),
        }
    }

    fn ask(&self, body: &str) -> Result<Answer, Failure> {
        let failed = |e: ureq::Error| {
            self.refused(&match e {
                ureq::Error::Timeout(_) => "it did not answer in time".to_owned(),
                ureq::Error::Io(e) => e.to_string(),
                // What the library says of others may hold the URL.
                ureq::Error::Rustls(_) | ureq::Error::Tls(_) => {
                    "its certificate is not trusted here".to_owned()
                }
                _ => "it can't be asked".to_owned(),
            })
        };
        let mut response = self
            .agent
            .post(&self.url)
            .content_type("text/plain; charset=utf-8")
            .send(body)
            .map_err(failed)?;
        let is_size = response.headers().get("content-type").is_some_and(|kind| kind == "text/x.tlog.size");
        let body = response.body_mut().with_config().limit(ANSWER_MAX).read_to_vec().map_err(failed)?;
        let size = || std::str::from_utf8(&body).ok()?.trim_end_matches('\n').parse().ok();
        Ok(Answer { status: response.status().as_u16(), size: is_size.then(size).flatten(), body })
    }

    fn refused(&self, why: &str) -> Failure {
        Failure::failed(format!("the witness at {}: {why}", self.shown))
    }

    fn contradicts(&self, why: String) -> Failure {
        Error::corrupt(format!("the witness at {}: {why}", self.shown))
            .hint("`escrow verify --against` a checkpoint that was kept says whose history is the true one")
            .into()
    }
}

/// Whom to trust with names of machines.
fn roots(given: Option<&Path>) -> Result<RootCerts, Failure> {
    let system = || {
        let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
        named.into_iter().chain(AUTHORITIES.map(PathBuf::from)).find(|file| file.is_file())
    };
    let file = given.map(Path::to_owned).or_else(system);
    let file = file.ok_or_else(|| {
        Failure::usage("no list of certificate authorities is here").hint("--cosign-ca FILE")
    })?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(&file).and_then(Iterator::collect);
    let read = read.ok().filter(|certificates| !certificates.is_empty());
    let read = read.ok_or_else(|| Failure::usage(format!("{} holds no certificates", file.display())))?;
    let owned: Vec<_> = read.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
    Ok(RootCerts::new_with_certs(&owned))
}
