//! A record was opened, and its act had to be written before it could be shown. That took until an erasure
//! of its person had been acknowledged; then it was shown, for nobody looked again.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use escrowdb::ErrorKind;
use escrowdb::clock::Clock;
use escrowdb::id::Micros;
use escrowdb::session::Session;
use escrowdb::store::{
    ActOptions, DetailField, EraseOptions, Level, Reading, Record, SearchOptions, Selector, Store,
};
use escrowdb::vfs::MemoryVfs;
use parking_lot::Mutex;

/// A clock that lets the thread `reader` wait once, when it dates an act: what it opened it has by then. Some
/// ask for the time before that.
struct Stopping(Mutex<Option<Stop>>);

/// After so many questions it says that it is there, and waits.
type Stop = (usize, Sender<()>, Receiver<()>);

impl Stopping {
    fn due(&self) -> Option<Stop> {
        let mut armed = self.0.lock();
        match armed.as_mut() {
            Some((skip, ..)) if *skip > 0 => {
                *skip -= 1;
                None
            }
            _ => armed.take(),
        }
    }
}

impl Clock for Stopping {
    fn now(&self) -> Micros {
        if thread::current().name() == Some("reader")
            && let Some((_, here, go)) = self.due()
        {
            here.send(()).unwrap();
            go.recv().unwrap();
        }
        Micros(1_767_225_600_000_000)
    }
}

/// What `read` answers of Anna, if she is erased when it has opened what it looks for.
fn read_across_an_erasure(skip: usize, read: impl Fn(&Store, &Reading<'_>) -> usize + Send + Copy) -> usize {
    let clock = Arc::new(Stopping(Mutex::new(None)));
    let builder = Store::builder("/s").vfs(Arc::new(MemoryVfs::new())).background(false).audit(Level::All);
    let store = &builder.clock(Arc::clone(&clock) as Arc<dyn Clock>).create().unwrap();
    let record = |who: &str, id| Record::new("c", who, Micros(id), "My lamp flickers").id(format!("m{id}"));
    store.append(&[record("anna", 1), record("bert", 2)]).unwrap();
    let session = || store.session(Session::new().actor("dana").purpose("support"));
    assert!(read(store, &session()) > 0);
    let ((here, arrived), (go, wait)) = (channel(), channel());
    *clock.0.lock() = Some((skip, here, wait));
    thread::scope(|scope| {
        let reading = thread::Builder::new().name("reader".into());
        let reading = reading.spawn_scoped(scope, move || read(store, &session())).unwrap();
        arrived.recv().unwrap();
        store.erase(&Selector::Person("anna".into()), &EraseOptions::default()).unwrap();
        go.send(()).unwrap();
        reading.join().unwrap()
    })
}

#[test]
fn nothing_of_hers_is_shown_behind_the_answer() {
    assert_eq!(read_across_an_erasure(0, |_, r| r.get("m1", None).unwrap().len()), 0);
    assert_eq!(read_across_an_erasure(0, |_, r| r.around("m1", None, 1).unwrap().len()), 0);
    assert_eq!(read_across_an_erasure(1, |_, r| r.prove("m1", None, None).unwrap().len()), 0);
    let hers = |r: &Reading<'_>| r.search("subject:anna", &SearchOptions::default()).unwrap().len();
    assert_eq!(read_across_an_erasure(1, |_, r| hers(r)), 0);
    assert_eq!(read_across_an_erasure(1, |_, r| r.count("author:anna").unwrap() as usize), 0);
    let known = |e: escrowdb::Error| assert_eq!(e.kind(), ErrorKind::NotFound);
    assert_eq!(read_across_an_erasure(0, |_, r| r.person("anna").map_err(known).is_ok() as usize), 0);
    assert_eq!(
        read_across_an_erasure(0, |_, r| r.records_of("anna").map_err(known).map_or(0, |h| h.len())),
        0
    );
    let plan = |store: &Store| store.plan_as(&Session::new(), &Selector::Person("anna".into()));
    // A plan asks what the store believes of the time, too.
    assert_eq!(read_across_an_erasure(2, |s, _| plan(s).map_err(known).map_or(0, |p| p.records as usize)), 0);
    // Of acts: what was typed of her goes with her.
    let details = |r: &Reading<'_>| {
        if thread::current().name() != Some("reader") {
            r.person("anna").unwrap();
        }
        let acts = r.acts("kind:opened", &ActOptions::new().limit(usize::MAX).details(true)).unwrap();
        let typed = acts.iter().filter_map(|act| act.detail.as_ref()?.get(DetailField::Person));
        typed.filter(|name| *name == "anna").count()
    };
    assert_eq!(read_across_an_erasure(1, |_, r| details(r)), 0);
}

/// Where nothing is recorded nothing is waited for: a question that takes longer than an erasure is answered
/// all the same. Once it was asked again until it was refused.
#[test]
fn long_questions_are_answered_beside_erasures() {
    let store = &Store::builder("/s").vfs(Arc::new(MemoryVfs::new())).background(false).create().unwrap();
    let record = |i: i64| Record::new("c", format!("p{i}"), Micros(i), "text").id(format!("m{i}")).tag("all");
    store.append(&(0..3_000).map(record).collect::<Vec<_>>()).unwrap();
    store.roll().unwrap();
    thread::scope(|scope| {
        let erasing = scope.spawn(|| {
            for i in 0..40 {
                store.erase(&Selector::Person(format!("p{i}")), &EraseOptions::default()).unwrap();
            }
        });
        while !erasing.is_finished() {
            let reading = store.session(Session::new());
            assert!(reading.count("tag:all").unwrap() >= 2_960);
            assert!(reading.count("*").unwrap() >= 2_960);
        }
    });
}
