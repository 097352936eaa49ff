//! Counts of a server, in the text that Prometheus reads.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::StatusCode;

use crate::http::Server;
use crate::http::routes::ROUTES;

/// Upper ends of the steps of durations, in microseconds.
const STEPS: [u64; 8] = [500, 1_000, 5_000, 25_000, 100_000, 500_000, 2_000_000, 10_000_000];

/// Counts of each route, in the order of the table.
pub struct Metrics(Vec<Counts>);

#[derive(Default)]
struct Counts {
    /// By the first digit of the status, from 1.
    by_status: [AtomicU64; 5],
    steps: [AtomicU64; STEPS.len()],
    micros: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self(ROUTES.iter().map(|_| Counts::default()).collect())
    }
}

impl Metrics {
    /// Counts a call of a route, by its place in the table.
    pub fn count(&self, nth: usize, status: StatusCode, took: Duration) {
        let Some(counts) = self.0.get(nth) else { return };
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(of) = counts.by_status.get(class) {
            of.fetch_add(1, Ordering::Relaxed);
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        counts.micros.fetch_add(micros, Ordering::Relaxed);
        if let Some(step) = STEPS.iter().position(|end| micros <= *end) {
            counts.steps[step].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// All of them as text.
    pub fn print(&self, server: &Server) -> String {
        let mut text = String::from(
            "# HELP escrowd_calls_total Calls by route and class of status.\n# TYPE escrowd_calls_total counter\n",
        );
        for (route, counts) in ROUTES.iter().zip(&self.0) {
            for (class, count) in (1..).zip(&counts.by_status) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let (method, path) = (&route.method, route.path);
                    let labels = format!("method=\"{method}\",route=\"{path}\",status=\"{class}xx\"");
                    _ = writeln!(text, "escrowd_calls_total{{{labels}}} {count}");
                }
            }
        }
        text.push_str("# HELP escrowd_call_seconds Time to the beginning of an answer.\n# TYPE escrowd_call_seconds histogram\n");
        for (route, counts) in ROUTES.iter().zip(&self.0) {
            counts.print_times(&mut text, &format!("method=\"{}\",route=\"{}\"", route.method, route.path));
        }
        let free = server.working.available_permits();
        _ = write!(
            text,
            "# HELP escrowd_working_free Calls that could begin now.\n# TYPE escrowd_working_free gauge\n\
             escrowd_working_free {free}\n# HELP escrowd_tenants_open Stores that are open.\n\
             # TYPE escrowd_tenants_open gauge\nescrowd_tenants_open {}\n",
            server.tenants.open_count()
        );
        text
    }
}

impl Counts {
    fn print_times(&self, text: &mut String, labels: &str) {
        let all: u64 = self.by_status.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        if all == 0 {
            return;
        }
        let mut sum = 0;
        for (end, count) in STEPS.iter().zip(&self.steps) {
            sum += count.load(Ordering::Relaxed);
            _ = writeln!(text, "escrowd_call_seconds_bucket{{{labels},le=\"{}\"}} {sum}", *end as f64 / 1e6);
        }
        let seconds = self.micros.load(Ordering::Relaxed) as f64 / 1e6;
        _ = writeln!(text, "escrowd_call_seconds_bucket{{{labels},le=\"+Inf\"}} {all}");
        _ = writeln!(
            text,
            "escrowd_call_seconds_sum{{{labels}}} {seconds}\nescrowd_call_seconds_count{{{labels}}} {all}"
        );
    }
}
