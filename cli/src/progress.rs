//! Progress of long work: on stderr, only on a terminal, only once the work proves long.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over bytes read or records looked at. Nothing is shown for the first second.
pub(crate) struct Progress {
    total: Option<u64>,
    /// What stands behind the bar.
    of: &'static str,
    done: u64,
    started: Instant,
    bar: Option<ProgressBar>,
    wanted: bool,
}

impl Progress {
    /// Progress towards `total` bytes, or of an unknown number of them.
    pub(crate) fn bytes(total: Option<u64>) -> Self {
        let wanted = std::io::stderr().is_terminal();
        Self { total, of: "{bytes}/{total_bytes}", done: 0, started: Instant::now(), bar: None, wanted }
    }

    /// Progress towards `total` records.
    pub(crate) fn records(total: u64) -> Self {
        Self { of: "{human_pos}/{human_len} records", ..Self::bytes(Some(total)) }
    }

    /// So many more are done.
    pub(crate) fn advance(&mut self, more: u64) {
        self.done += more;
        if !self.wanted {
            return;
        }
        if self.bar.is_none() && self.started.elapsed() >= QUIET {
            self.bar = Some(bar(self.total, self.of));
        }
        if let Some(bar) = &self.bar {
            bar.set_position(self.done);
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// A line that says how far something came, where no total is known.
pub(crate) struct Line(Progress);

impl Line {
    pub(crate) fn new() -> Self {
        Self(Progress::bytes(None))
    }

    /// Shows `text` in the place of what was shown.
    pub(crate) fn show(&mut self, text: &str) {
        let Progress { bar, wanted, started, .. } = &mut self.0;
        if *wanted && bar.is_none() && started.elapsed() >= QUIET {
            let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}");
            *bar = Some(match style {
                Ok(style) => ProgressBar::no_length().with_style(style),
                Err(_) => ProgressBar::no_length(),
            });
        }
        if let Some(bar) = bar {
            bar.set_message(text.to_owned());
            bar.tick();
        }
    }

    /// Takes the line away.
    pub(crate) fn finish(&mut self) {
        self.0.finish();
    }
}

fn bar(total: Option<u64>, of: &str) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), format!("{{bar:40}} {of} {{eta}}")),
        None => (ProgressBar::no_length(), "{spinner} {bytes} {elapsed}".to_owned()),
    };
    match ProgressStyle::with_template(&template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Work shorter than this shows nothing.
const QUIET: Duration = Duration::from_secs(1);
