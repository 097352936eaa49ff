//! What an operator sees of a server: whether it lives, whether it can answer, how much it does. Nothing of what anybody
//! wrote, and nobody's name, in labels and lines.

pub mod line;
pub mod metrics;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Response, StatusCode};
use axum::routing::get;

use crate::http::Server;

/// `/healthz`, `/readyz`, `/metrics`: for a listener of their own, which asks for no token and is for the machine and its
/// operators only.
pub fn router(server: &Arc<Server>) -> Router {
    let (ready, counted) = (Arc::clone(server), Arc::clone(server));
    Router::new()
        .route("/healthz", get(|| async { text(StatusCode::OK, "text/plain", "alive\n".to_owned()) }))
        .route("/readyz", get(move || async move { readiness(&ready) }))
        .route(
            "/metrics",
            get(move || async move {
                text(StatusCode::OK, "text/plain; version=0.0.4", counted.metrics.print(&counted))
            }),
        )
}

fn readiness(server: &Server) -> Response<Body> {
    if server.ending.load(Ordering::Relaxed) {
        return text(StatusCode::SERVICE_UNAVAILABLE, "text/plain", "ending\n".to_owned());
    }
    match server.tenants.names() {
        Ok(_) => text(StatusCode::OK, "text/plain", "ready\n".to_owned()),
        Err(_) => text(
            StatusCode::SERVICE_UNAVAILABLE,
            "text/plain",
            "the folder of tenants can't be read\n".to_owned(),
        ),
    }
}

fn text(status: StatusCode, kind: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
