//! Policies: what they want, and what is none.

use proptest::prelude::*;

use super::*;
use crate::merkle::cosign::Cosigner;
use crate::merkle::hash::Hash;
use crate::merkle::signer::Signer;

const ORIGIN: &str = "log.example";

fn log() -> Signer {
    Signer::new(ORIGIN, &[100; 32]).unwrap()
}

fn witness(n: u8) -> Cosigner {
    Cosigner::new(&format!("w{n}.example"), &[n; 32]).unwrap()
}

/// A head that the witnesses of these numbers have cosigned.
fn head(by: &[u8]) -> SignedCheckpoint {
    let head = Checkpoint { origin: ORIGIN.into(), size: 9, root: Hash([9; 32]) };
    let head = SignedCheckpoint::sign(head, &log()).unwrap();
    let lines: Vec<_> = by.iter().map(|n| witness(*n).cosign(&head, 1_700_000_000).unwrap()).collect();
    head.with(&lines).unwrap()
}

/// The log, six witnesses named x1 to x3 and y4 to y6, and these lines.
fn text(lines: &str) -> String {
    let witness = |(name, n): (&str, u8)| format!("witness {name}{n} {}\n", witness(n).verifier_key());
    let names = ["x", "x", "x", "y", "y", "y"].into_iter().zip(1..);
    format!("log {}\n{}{lines}", log().verifier_key(), names.map(witness).collect::<String>())
}

fn policy(lines: &str) -> Result<Policy> {
    Policy::parse(text(lines).as_bytes())
}

/// The example of the specification, against every choice of the six.
#[test]
fn a_quorum_of_groups_is_counted() {
    let lines = "group xs 2 x1 x2 x3\ngroup ys any y4 y5 y6\ngroup both all xs ys\nquorum both\n";
    let policy = policy(lines).unwrap();
    for chosen in 0u8..64 {
        let by: Vec<u8> = (1..=6).filter(|n| chosen >> (n - 1) & 1 == 1).collect();
        let xs = by.iter().filter(|n| **n <= 3).count();
        let enough = xs >= 2 && by.len() > xs;
        assert_eq!(policy.verify(&head(&by)).is_ok(), enough, "{by:?}");
    }
}

#[test]
fn what_is_missing_is_said() {
    let lines = "group xs 2 x1 x2 x3\ngroup ys any y4 y5\ngroup both all xs ys\nquorum both\n";
    let said = |lines: &str, by: &[u8]| policy(lines).unwrap().verify(&head(by)).unwrap_err().to_string();
    let error = said(lines, &[2, 4]);
    assert!(
        error.contains("1 of 2 that both wants of 2; missing xs; 1 of 2 that xs wants of 3; missing x1, x3"),
        "{error}"
    );
    let error = said("quorum x2\n", &[1]);
    assert!(error.contains("x2 has not cosigned it"), "{error}");
    let error = said("group g all x1\nquorum g\n", &[]);
    assert!(error.contains("0 of 1 that g wants of 1; missing x1"), "{error}");
}

#[test]
fn only_true_signatures_count_and_false_ones_spoil_it() {
    let policy = policy("group g 1 x1 x2\nquorum g\n").unwrap();
    let (good, strangers) = (head(&[1]), head(&[9, 10, 11]));
    policy.verify(&good).unwrap();
    assert!(policy.verify(&strangers).is_err());
    // A false one of another witness, also of one that is not needed.
    for (known, holds) in [(2, false), (3, false), (9, true)] {
        let mut line = witness(known).cosign(&good, 1).unwrap();
        line.bytes[20] ^= 1;
        assert_eq!(policy.verify(&good.with(&[line]).unwrap()).is_ok(), holds, "{known}");
    }
    // Twice the same is once.
    let two = self::policy("group g 2 x1 x2\nquorum g\n").unwrap();
    let again =
        good.note().signatures().iter().chain([&witness(1).cosign(&good, 5).unwrap()]).cloned().collect();
    let again = crate::merkle::note::Note::new(good.note().text().into(), again).unwrap().to_string();
    assert!(two.verify(&SignedCheckpoint::parse(again.as_bytes()).unwrap()).is_err());
    // Witnesses don't replace the log.
    let cosigned = good.note().signatures()[1..].to_vec();
    let unsigned = crate::merkle::note::Note::new(good.note().text().into(), cosigned).unwrap().to_string();
    assert!(policy.verify(&SignedCheckpoint::parse(unsigned.as_bytes()).unwrap()).is_err());
}

#[test]
fn logs_count_by_their_name() {
    let other = Signer::new("other.example", &[101; 32]).unwrap().verifier_key();
    let new = Signer::new(ORIGIN, &[102; 32]).unwrap();
    let policy = |logs: &str| Policy::parse(format!("{logs}quorum none\n").as_bytes()).unwrap();
    let both = policy(&format!("log {other} https://other.example/\nlog {}\n", log().verifier_key()));
    both.verify(&head(&[])).unwrap();
    assert!(policy(&format!("log {other}\n")).verify(&head(&[])).is_err());
    assert!(policy("").verify(&head(&[])).is_err(), "no log, nothing to believe");
    // Two keys of one log, as after a change of keys: either will do.
    policy(&format!("log {}\nlog {}\n", new.verifier_key(), log().verifier_key()))
        .verify(&head(&[]))
        .unwrap();
    assert_eq!(Policy::of_key(log().verifier_key()), policy(&format!("log {}\n", log().verifier_key())));
    let strict = self::policy("quorum x1\n").unwrap();
    assert!(strict.verify(&head(&[])).is_err() && strict.without_witnesses().verify(&head(&[])).is_ok());
}

#[test]
fn lines_of_the_specification() {
    for good in [
        "quorum none\n",
        "\n \t\n# x\n  # \u{8a9e}\n\tquorum \t none  \n",
        "group \u{8a9e} 1 x1\nquorum \u{8a9e}\n# behind\ngroup later any x2\n",
        "group #g 3 x1 x2 x3\nquorum #g\n",
    ] {
        assert!(policy(good).is_ok(), "{good:?}");
    }
    // Names are octets.
    let odd = [text("group ").as_bytes(), b"\xff\x85 any x1\nquorum \xff\x85\n"].concat();
    let error = Policy::parse(&odd).unwrap().verify(&head(&[])).unwrap_err().to_string();
    assert!(!error.chars().any(char::is_control), "{error:?}");
    let (x1, log) = (witness(1).verifier_key(), log().verifier_key());
    let renamed = VerifierKey::of_kind(crate::merkle::signer::KeyKind::Witness, "n", x1.public()).unwrap();
    let own = VerifierKey::of_kind(crate::merkle::signer::KeyKind::Witness, "n", log.public()).unwrap();
    for bad in [
        "".to_owned(),
        "quorum none".to_owned(),
        "quorum none\nquorum none\n".to_owned(),
        "quorum none x1\n".to_owned(),
        "quorum\n".to_owned(),
        "quorum x9\n".to_owned(),
        "quorum g\ngroup g any x1\n".to_owned(),
        "group g any g\nquorum g\n".to_owned(),
        "group g any none\nquorum g\n".to_owned(),
        "group none any x1\nquorum none\n".to_owned(),
        "group x1 any x2\nquorum x1\n".to_owned(),
        "group g any x1\ngroup g any x2\nquorum g\n".to_owned(),
        "group g 0 x1\nquorum g\n".to_owned(),
        "group g 2 x1\nquorum g\n".to_owned(),
        "group g 01 x1\nquorum g\n".to_owned(),
        "group g -1 x1\nquorum g\n".to_owned(),
        "group g All x1\nquorum g\n".to_owned(),
        "group g any\nquorum g\n".to_owned(),
        "group g any x1 x1\nquorum g\n".to_owned(),
        "group g any x1\ngroup h any x1\nquorum h\n".to_owned(),
        "quorum none\r\n".to_owned(),
        "quorum none\nhello\n".to_owned(),
        format!("log {log}\nquorum none\n"),
        format!("log {x1}\nquorum none\n"),
        format!("witness z {log}\nquorum none\n"),
        format!("witness z {renamed}\nquorum none\n"),
        format!("witness z {own}\nquorum none\n"),
        format!("witness x1 {}\nquorum none\n", witness(7).verifier_key()),
        format!("witness z {} url more\nquorum none\n", witness(7).verifier_key()),
        "log PRIVATE+KEY+w+00000000+AAAA\nquorum none\n".to_owned(),
    ] {
        let error = policy(&bad).expect_err(&bad).to_string();
        assert!(!error.contains("PRIVATE"), "{error}");
    }
}

#[test]
fn a_cut_policy_is_none() {
    let whole = text("group xs 2 x1 x2 x3\nquorum xs\n");
    assert!(Policy::parse(whole.as_bytes()).is_ok());
    for len in 0..whole.len() {
        assert!(Policy::parse(&whole.as_bytes()[..len]).is_err(), "{len} bytes");
    }
}

proptest! {
    #[test]
    fn anything_is_a_policy_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..60), at in 0usize..900) {
        let mut whole = text("group xs 2 x1 x2 x3\nquorum xs\n").into_bytes();
        let at = at.min(whole.len());
        whole.splice(at..at, bytes.iter().copied());
        let _ = Policy::parse(&whole);
        let _ = Policy::parse(&bytes);
    }
}
