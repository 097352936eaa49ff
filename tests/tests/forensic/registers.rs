//! The forensic test of registers: of whoever keeps every byte ever written and takes the slot afterwards no key opens
//! what registers held of somebody who was erased with the evidence about her; without, none does once its date came.

#![allow(clippy::unwrap_used, reason = "what can't go on is a failed test")]

use escrowdb_tests::sealed::world::{Options, World};

fn filled(roll: bool, keep: &str) -> (World, String) {
    // Asked about behind an erasure, what was typed would stand in details.
    let mut w = World::new(Options::default());
    w.set_up_registers(keep);
    let (anna, bert, c) = (w.person(), w.person(), w.word());
    let first = w.say(&anna, &[], &c);
    let other = w.say(&bert, &[], &c);
    w.fill_registers(&anna, &bert, &first);
    w.fill_registers(&bert, &bert, &other);
    if roll {
        w.roll();
    }
    w.say(&bert, &[], &c);
    (w, anna)
}

#[test]
fn what_registers_hold_goes_with_the_person_where_that_is_asked_for() {
    for roll in [false, true] {
        let (mut w, anna) = filled(roll, "3y");
        let certificate = w.erase_with_evidence(&anna);
        assert!(certificate.retained.is_empty());
        w.reopen();
        w.roll();
        w.verdict().assert_clean("a later roll");
    }
}

#[test]
fn and_without_that_on_its_date() {
    for roll in [false, true] {
        let (mut w, anna) = filled(roll, "20d");
        w.erase_and_wait(&anna, 20);
    }
}
