//! A row of a published table whose name is somebody's identifier is left out, however many people stand behind it; its
//! people are counted in the sums, and whoever publishes is told how many rows that were.

#![allow(clippy::unwrap_used, reason = "what can't go on is a failed test")]

use std::sync::Arc;

use escrowdb::id::Micros;
use escrowdb::policy::aggregate::Rules;
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Published, Record, Selector, Store};
use escrowdb::vfs::MemoryVfs;
use escrowdb::{Error, ErrorKind};
use escrowdb_tests::clock::ManualClock;

/// 2026-03-15.
const NOW: i64 = 1_773_532_800_000_000;

/// Twelve people with each of these values of a tag, and Anna, who wrote one record.
fn store(values: &[&str]) -> Store {
    let builder = Store::builder("/s").vfs(Arc::new(MemoryVfs::new())).background(false);
    let store = builder.clock(Arc::new(ManualClock::new(Micros(NOW)))).create().unwrap();
    let at = Micros(NOW - 40 * Micros::DAY);
    let mut records = vec![Record::new("c", "anna@x.org", at, "hello")];
    for value in values {
        for n in 0..12 {
            records
                .push(Record::new("c", format!("{n} of {value}"), at, "hello").tag(format!("who:{value}")));
        }
    }
    store.append(&records).unwrap();
    store
}

fn publish(store: &Store) -> Result<Published, Error> {
    let reading = store.session(Session::new().actor("kim"));
    reading.publish("who", "*", "tag:who,month", Rules::new(10, 2).unwrap())
}

fn rows(published: &Published) -> Vec<&str> {
    published.aggregate.rows.iter().map(|row| &*row.name).collect()
}

#[test]
fn rows_that_are_named_as_somebody_are_left_out_and_counted() {
    let all = ["anna@x.org", "+49 30 1234", "team:anna@x.org", "sales"];
    for (values, identifier, want, named) in [
        (&all[..], true, &["sales"][..], 3),
        // Whom nobody is known by is nobody.
        (&all[..], false, &["+49 30 1234", "sales"][..], 2),
        (&all[3..], true, &["sales"][..], 0),
    ] {
        let store = store(values);
        if identifier {
            store.add_identifier("anna@x.org", "+49 30 1234").unwrap();
        }
        let published = publish(&store).unwrap();
        assert_eq!((rows(&published), published.named), (want.to_vec(), named));
        // Sums count them, so that they tell nothing of who was left out.
        let people = values.len() as u64 * 12;
        assert_eq!(
            (&*published.aggregate.totals, published.aggregate.total),
            (&[Some(people)][..], Some(people))
        );
        assert_eq!(*store.registers().aggregates.get("who").unwrap().0, published.aggregate);
        // The row would have stayed with her name when she is gone.
        store.erase(&Selector::Person("anna@x.org".into()), &EraseOptions::default()).unwrap();
        let stands = format!("{:?}", store.registers().aggregates);
        assert!(!stands.contains("anna"), "{stands}");
    }
}

#[test]
fn where_every_row_is_named_as_somebody_nothing_is_published() {
    let store = store(&["anna@x.org"]);
    assert_eq!(publish(&store).unwrap_err().kind(), ErrorKind::Refused);
    assert!(store.registers().aggregates.iter().next().is_none());
}
