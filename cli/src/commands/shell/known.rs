//! What completion knows of the store: tags and channels of its newest records, asked for when first
//! needed, kept in memory only, and forgotten with the first line that changes anything.
//!
//! A store may have a tag of its own for each record, and whoever presses a key waits. So a large store
//! is asked for its newest records only, and the most frequent values are kept.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use escrowdb::record::time::{self, Period};

use crate::args::Global;
use crate::engine::{self, Reading, Store};
use crate::exit::Failure;
use crate::out::clean;

/// Values of the fields that can be completed.
pub(super) struct Known {
    store: Arc<Store>,
    global: Global,
    tags: RefCell<Option<Rc<[String]>>>,
    channels: RefCell<Option<Rc<[String]>>>,
}

impl Known {
    pub(super) fn new(store: &Arc<Store>, global: &Global) -> Self {
        let (tags, channels) = (RefCell::default(), RefCell::default());
        Self { store: Arc::clone(store), global: global.clone(), tags, channels }
    }

    /// Values of a field that begin so; none of a field that is not completed, or if they can't be read.
    pub(super) fn values(&self, field: &str, beginning: &str) -> Vec<String> {
        let kept = match field {
            "tag" => &self.tags,
            "channel" => &self.channels,
            _ => return Vec::new(),
        };
        let values = kept.borrow_mut().get_or_insert_with(|| self.ask(field)).clone();
        values.iter().filter(|value| value.starts_with(beginning)).cloned().collect()
    }

    /// Forgets everything.
    pub(super) fn forget(&self) {
        self.tags.take();
        self.channels.take();
    }

    fn ask(&self, field: &str) -> Rc<[String]> {
        let reading = engine::session(&self.store, &self.global);
        let found = newest(&reading, RECORDS).and_then(|newest| Ok(reading.facet(&newest, field)?));
        found
            .unwrap_or_default()
            .into_iter()
            .map(|(value, _)| value)
            .filter(|value| is_plain(value))
            .take(KEPT_MAX)
            .collect()
    }
}

/// A query for the newest records: all, or those since an hour so chosen that there are about
/// `enough`, or more if there are more in one hour.
fn newest(reading: &Reading, enough: u64) -> Result<String, Failure> {
    let mut query = "*".to_owned();
    let mut found = reading.count(&query)?;
    for period in [Period::Month, Period::Day, Period::Hour] {
        if found <= 2 * enough {
            break;
        }
        found = 0;
        for (from, count) in reading.histogram(&query, period)?.into_iter().rev() {
            found += count;
            if found >= enough {
                query = format!("after:{}", time::format(from));
                break;
            }
        }
    }
    Ok(query)
}

/// Whether a value needs no quoting in a query nor in the shell, and can't harm a terminal.
fn is_plain(value: &str) -> bool {
    !value.is_empty()
        && !value.contains(|c: char| c.is_whitespace() || "()*'\"".contains(c))
        && clean(value) == value
}

/// So many records are enough.
const RECORDS: u64 = 50_000;
/// The most frequent values are kept, no more than so many of a field.
const KEPT_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use escrowdb::id::Micros;
    use escrowdb::session::Session;
    use escrowdb::store::Record;
    use escrowdb::vfs::MemoryVfs;

    use super::*;

    #[test]
    fn a_large_store_is_asked_for_its_newest_records() {
        let store = Store::builder("/s").vfs(Arc::new(MemoryVfs::new())).create().unwrap();
        let append = |from: i64, n: i64, step: i64| {
            let records: Vec<_> =
                (0..n).map(|i| Record::new("c", "anna", Micros(from + i * step), i.to_string())).collect();
            store.append(&records).unwrap();
        };
        let reading = store.session(Session::new());
        let counted = |enough| reading.count(&newest(&reading, enough).unwrap()).unwrap();
        assert_eq!(newest(&reading, 10).unwrap(), "*");
        append(0, 300, Micros::DAY);
        assert_eq!(counted(300), 300);
        assert_eq!(counted(100), 119, "whole months");
        assert_eq!(counted(10), 10, "whole days");
        // In one hour are more than enough.
        append(300 * Micros::DAY, 200, 1);
        assert_eq!(counted(10), 200);
    }
}
