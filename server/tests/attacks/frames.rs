//! HTTP/2 by hand: frames that no honest caller sends in such numbers (RFC 9113).

use std::io::{ErrorKind, Read as _};

use crate::wire::{Attacked, Wire};

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn beginning() -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(SETTINGS, 0, 0, &[])].concat()
}

/// `GET path` as RFC 7541 has it: names of the static table, values as they are.
fn get(path: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0x82, 0x86, 0x01], text("x"), vec![0x04], text(path)].concat()
}

/// The next frame: kind, stream and payload; nothing once the connection is closed.
fn next(wire: &mut Wire) -> Option<(u8, u32, Vec<u8>)> {
    let mut all = |bytes: &mut [u8]| match wire.stream.read_exact(bytes) {
        Ok(()) => Some(()),
        Err(e) if e.kind() == ErrorKind::WouldBlock => panic!("neither answered nor closed"),
        Err(_) => None,
    };
    let mut head = [0; 9];
    all(&mut head)?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    let mut payload = vec![0; length];
    all(&mut payload)?;
    Some((head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
}

/// Reads until the connection is closed, which it must be, with this reason if one was told: what has not been read when
/// it closes can cost the last frame.
fn is_sent_away(mut wire: Wire, reason: u32) {
    while let Some((kind, _, payload)) = next(&mut wire) {
        if kind == GOAWAY {
            assert_eq!(payload[4..8], reason.to_be_bytes());
        }
    }
}

#[test]
fn calls_that_are_taken_back_at_once_end_the_connection() {
    let attacked = Attacked::start(&[]);
    // The frames are right: a call is answered.
    let mut wire =
        attacked.sent([beginning(), frame(HEADERS, END_STREAM | END_HEADERS, 1, &get("/no"))].concat());
    let answer = std::iter::from_fn(|| next(&mut wire)).find(|(kind, ..)| *kind == HEADERS).unwrap();
    // 404 of the static table.
    assert_eq!((answer.1, answer.2[0]), (1, 0x8d));
    let pairs = (0..2000).flat_map(|n| {
        let call = frame(HEADERS, END_STREAM | END_HEADERS, 2 * n + 1, &get("/v1/shop/stats"));
        [call, frame(RST_STREAM, 0, 2 * n + 1, &CANCEL.to_be_bytes())].concat()
    });
    let bytes: Vec<u8> = beginning().into_iter().chain(pairs).collect();
    is_sent_away(attacked.sent(bytes), ENHANCE_YOUR_CALM);
    attacked.is_well();
}

#[test]
fn heads_that_go_on_and_on_end_the_connection() {
    let attacked = Attacked::start(&[]);
    let begun = [beginning(), frame(HEADERS, END_STREAM, 1, &get("/v1/shop/stats"))].concat();
    // Frames that hold nothing; frames that hold a header each, over and over.
    let header = [&[0x00, 1, b'x', 100][..], &[b'y'; 100]].concat();
    for piece in [Vec::new(), header] {
        let more = frame(CONTINUATION, 0, 1, &piece);
        let bytes = [begun.clone(), more.repeat(20_000)].concat();
        is_sent_away(attacked.sent(bytes), ENHANCE_YOUR_CALM);
    }
    attacked.is_well();
}
