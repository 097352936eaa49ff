//! Connections that say nothing, or little at a time.

use std::io::{ErrorKind, Read as _, Write as _};
use std::time::Duration;

use crate::wire::{Attacked, Wire};

/// A caller who sends the next byte whenever nothing came for a while. Whether he is closed out before his bytes end.
fn is_closed_while(wire: &mut Wire, bytes: &[u8]) -> bool {
    wire.stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut answer = [0; 4096];
    for byte in bytes {
        if wire.stream.write_all(&[*byte]).is_err() {
            return true;
        }
        loop {
            match wire.stream.read(&mut answer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return true,
            }
        }
    }
    false
}

#[test]
fn who_is_slow_is_closed_out_and_keeps_nobody_waiting() {
    let attacked = Attacked::start(&["--head-timeout", "1", "--connections-max", "40"]);
    let beginnings = ["", "P", "PRI * HTTP/2.0\r\n\r\nSM", "G", "GET /v1/shop/cou"];
    let mut slow: Vec<_> = (0..30).map(|n| (beginnings[n % 5], attacked.sent(beginnings[n % 5]))).collect();
    attacked.is_well();
    // Who begins a call and says no more; who has not even begun.
    let mut dripping = attacked.sent("GET /v1/shop/count?q=* HTTP/1.1\r\nHost: x\r\nX-Slow: ");
    assert!(is_closed_while(&mut dripping, &[b'x'; 200]), "a head may take as long as it likes");
    for (beginning, wire) in &mut slow {
        assert!(wire.statuses().iter().all(|status| *status == 408), "{beginning:?}");
    }
    // Who has had his answer and doesn't go on.
    let mut idle = attacked.sent(attacked.head("GET", "shop/count?q=*", &attacked.reviewer) + "\r\n");
    assert_eq!(idle.statuses(), [200]);
    attacked.is_well();
}

#[test]
fn connections_that_say_nothing_take_no_place_for_good() {
    let attacked = Attacked::start(&["--head-timeout", "1", "--connections-max", "4"]);
    let silent: Vec<_> = (0..8).map(|_| attacked.wire()).collect();
    // Who comes then waits until places are free, and is answered.
    attacked.is_well();
    drop(silent);
}
