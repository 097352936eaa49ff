//! Calls over HTTP: who calls is known before a byte of what he sends is read, and the engine works on threads of its own.

mod call;
mod evidence;
mod ingest;
mod people;
mod records;
mod registers;
mod requests;
pub mod routes;
mod search;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{Query, RawPathParams, Request};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use axum::routing::{MethodFilter, on};
use axum::{RequestPartsExt as _, Router};
use http_body_util::{BodyExt as _, Limited};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use crate::access::token::now;
use crate::access::{Principal, Tokens};
use crate::http::call::{Call, Lines, Reply};
use crate::http::routes::{ROUTES, Route};
use crate::ops::line;
use crate::ops::metrics::Metrics;
use crate::problem::Problem;
use crate::tenants::Tenants;

/// How long a body may take to come.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pieces of an answer that wait for a slow reader.
const PIECES: usize = 4;

/// What calls are answered from.
pub struct Server {
    /// Their stores.
    pub tenants: Tenants,
    /// Who may call.
    pub tokens: Tokens,
    /// Calls that the engine works on at a time; of more each is told to come again.
    pub working: Arc<Semaphore>,
    /// What is counted of calls.
    pub metrics: Metrics,
    /// Whether it was told to end.
    pub ending: AtomicBool,
}

/// Every route of the table, and nothing else.
pub fn router(server: &Arc<Server>) -> Router {
    let mut router = Router::new();
    for (nth, route) in ROUTES.iter().enumerate() {
        let Ok(filter) = MethodFilter::try_from(route.method.clone()) else { continue };
        let server = Arc::clone(server);
        let answer = move |request: Request| answer(Arc::clone(&server), (nth, route), request);
        router = router.route(&format!("/v1/{{tenant}}{}", route.path), on(filter, answer));
    }
    let nothing =
        || async { Problem::new(StatusCode::NOT_FOUND, "not-found", "no such route").into_response() };
    let other = || async {
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "invalid", "this route is called otherwise")
            .into_response()
    };
    router.fallback(nothing).method_not_allowed_fallback(other)
}

async fn answer(
    server: Arc<Server>,
    (nth, route): (usize, &'static Route),
    request: Request,
) -> Response<Body> {
    let (begun, id) = (Instant::now(), line::request_id(request.headers()));
    let response = try_answer(Arc::clone(&server), route, request).await;
    let mut response = response.unwrap_or_else(Problem::into_response);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert("x-request-id", id);
    }
    let (status, took) = (response.status(), begun.elapsed());
    server.metrics.count(nth, status, took);
    line::write(&id, (route.method.as_str(), route.path), status, took);
    response
}

async fn try_answer(
    server: Arc<Server>,
    route: &'static Route,
    request: Request,
) -> Result<Response<Body>, Problem> {
    let principal = bearer(&server, request.headers())?;
    let (mut parts, body) = request.into_parts();
    let path: RawPathParams = parts.extract().await.map_err(|_| Problem::invalid("the path is no text"))?;
    let path: BTreeMap<_, _> = path.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let tenant = path.get("tenant").cloned().unwrap_or_default();
    if !principal.may(&tenant, route.needs) {
        return Err(Problem::forbidden());
    }
    let Query(query) =
        Query::try_from_uri(&parts.uri).map_err(|_| Problem::invalid("the query is no list of names"))?;
    if is_packed(&parts.headers) {
        return Err(Problem::packed());
    }
    let body = read(body, route.body_max).await?;
    let place = Arc::clone(&server.working).try_acquire_owned().map_err(|_| Problem::busy())?;
    let headers = parts.headers;
    let worked = tokio::task::spawn_blocking(move || {
        let store = server.tenants.store(&tenant)?;
        let reply = (route.act)(Call { principal, store, path, query, headers, body })?;
        Ok::<_, Problem>((reply, place))
    });
    let (reply, place) = worked.await.map_err(|_| Problem::internal())??;
    reply_with(reply, place).await
}

/// The place of a call is free when the last line of its answer is on its way.
async fn reply_with(reply: Reply, place: OwnedSemaphorePermit) -> Result<Response<Body>, Problem> {
    match reply {
        Reply::Json(status, object) => Ok(response(status, "application/json", Body::from(object))),
        Reply::Text(kind, text) => Ok(response(StatusCode::OK, kind, Body::from(text))),
        Reply::Lines(work) => {
            let (out, mut pieces) = mpsc::channel(PIECES);
            let work = tokio::task::spawn_blocking(move || {
                let _place = place;
                Lines::new(out).fill(work)
            });
            // What fails before its first piece is an answer of its own.
            let Some(first) = pieces.recv().await else {
                work.await.map_err(|_| Problem::internal())??;
                return Err(Problem::internal());
            };
            let cut = tokio_stream::once(Err(io::Error::other("the answer was cut")));
            let all = tokio_stream::once(first).chain(ReceiverStream::new(pieces)).map(Ok).chain(cut);
            // What ends without saying so is cut, so that nobody takes it for whole.
            let all = all
                .take_while(|piece| !matches!(piece, Ok(None)))
                .map(|piece| piece.map(Option::unwrap_or_default));
            Ok(response(StatusCode::OK, NDJSON, Body::from_stream(all)))
        }
    }
}

/// Lines of JSON.
const NDJSON: &str = "application/x-ndjson";

fn response(status: StatusCode, kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Who calls, by his token.
fn bearer(server: &Server, headers: &HeaderMap) -> Result<Principal, Problem> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (Some(one), None) = (given.next(), given.next()) else { return Err(Problem::unauthenticated()) };
    let token = one.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
    server.tokens.bearer(token.unwrap_or_default(), now()).ok_or_else(Problem::unauthenticated)
}

/// Whether a body is in a coding, of its own or for the way. None is unpacked: a few bytes could be very many.
fn is_packed(headers: &HeaderMap) -> bool {
    let other = |name, plain: &[u8]| {
        headers.get_all(name).iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(plain))
    };
    other(CONTENT_ENCODING, b"identity") || other(TRANSFER_ENCODING, b"chunked")
}

/// A body of so many bytes at most.
async fn read(body: Body, most: usize) -> Result<Bytes, Problem> {
    match timeout(PATIENCE, Limited::new(body, most).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(e)) if e.is::<http_body_util::LengthLimitError>() => Err(Problem::too_large(most)),
        Ok(Err(_)) => Err(Problem::invalid("the body was cut")),
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", "the body did not come in time")),
    }
}
