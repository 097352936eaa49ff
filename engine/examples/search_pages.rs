//! Searching page by page: a cursor goes on exactly behind the last hit, whatever was appended or
//! erased meanwhile.
//!
//! Run it with `cargo run -p escrowdb --example search_pages`. It keeps everything in memory.

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use std::sync::Arc;

use escrowdb::Result;
use escrowdb::id::Micros;
use escrowdb::record::time::{self, Period};
use escrowdb::session::Session;
use escrowdb::store::{Order, Record, SearchOptions, Store};
use escrowdb::vfs::MemoryVfs;

pub(crate) fn main() -> Result<()> {
    // On a disk: `Store::builder("chats")`. In memory it is the same store, for tests.
    let store = Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).create()?;
    let start = time::parse("2026-01-01T00:00:00Z")?;
    let day = |n: i64| Micros(start.0 + n * 86_400_000_000);
    let records: Vec<Record> = (0..10)
        .map(|n| {
            let dept = if n % 2 == 0 { "dept:sales" } else { "dept:support" };
            Record::new("c1", "anna@example.org", day(n * 7), format!("message {n}")).tag(dept)
        })
        .collect();
    store.append(&records)?;

    let query = "tag:dept:sales after:2026-01-05";
    let reading = store.session(Session::new().actor("dana"));
    let mut cursor = None;
    loop {
        let mut options = SearchOptions::new();
        (options.limit, options.order, options.cursor) = (2, Order::Oldest, cursor.take());
        let page = reading.search(query, &options)?;
        for hit in &page {
            println!("{}  {}", time::format(hit.time), hit.body);
        }
        // A page that isn't full is the last one.
        if page.len() < options.limit {
            break;
        }
        println!("-- next page");
        cursor = page.last().map(|hit| hit.cursor.clone());
    }
    println!("{} in all", reading.count(query)?);
    for (month, count) in reading.histogram("*", Period::Month)? {
        println!("{}  {count}", time::format(month));
    }
    store.close()
}
