use super::*;
use crate::error::ErrorKind;

#[test]
fn round_trip() {
    let progress = Done {
        what: 1,
        handles: vec![Handle([4; 16])],
        removed: 3,
        epoch_after: Epoch(9),
        committed: Micros(-7),
        ..Done::default()
    };
    let targets = [
        Target::Persons(vec![PersonNumber(1), PersonNumber(300)]),
        Target::Conversation("c".into()),
        Target::Audit { class: Class::Acts, numbers: vec![PersonNumber(3)] },
        Target::Audit { class: Class::Details, numbers: vec![PersonNumber(4), PersonNumber(9)] },
        Target::Audit { class: Class::Evidence, numbers: vec![PersonNumber(5)] },
        // Their positions stand elsewhere.
        Target::Records { of: Target::CLASS, seqs: Vec::new() },
        Target::Record { conversation: "c".into(), id: "i".into(), seq: Seq(5), joins: vec![Seq(3), Seq(4)] },
        Target::Redact { of: Box::new(redacted::tests::sample()), spans: vec![(0, 5), (9, 300)] },
        Target::Rename {
            of: Box::new(redacted::tests::sample()),
            person: PersonNumber(300),
            stays: vec![2, 0],
        },
    ];
    for target in targets {
        let waiting = Waiting {
            reason: Some("r".into()),
            progress: progress.clone(),
            ..Waiting::new(target, Micros(1))
        };
        for p in [Pending::Waiting(waiting), Pending::Done(progress.clone())] {
            let bytes = p.encode().unwrap();
            assert!(Pending::decode(&bytes).unwrap() == p);
            assert!(Pending::decode(&bytes[..bytes.len() - 1]).is_err());
        }
    }
    assert_eq!(Pending::decode(&[5, 1]).err().unwrap().kind(), ErrorKind::Unsupported);
    // One that rests on a law says so in a version of its own, and no version says that it rests on none.
    let based = Pending::Done(Done { basis: 2, ..progress });
    let mut bytes = based.encode().unwrap().to_vec();
    assert!(bytes[0] == WITH_BASIS && Pending::decode(&bytes).unwrap() == based);
    *bytes.last_mut().unwrap() = 0;
    assert!(Pending::decode(&bytes).is_err());
    let Pending::Done(based) = based else { unreachable!() };
    let ruled = Pending::Done(Done {
        retained: vec![(Handle([7; 16]), Micros(-3))],
        approvers: vec![PersonNumber(6)],
        by: PersonNumber(300),
        kept: Some(Kept { records: 300, held: true, until: Some(Micros(9)) }),
        restricts: Some(PersonNumber(8)),
        ..based
    });
    let bytes = ruled.encode().unwrap().to_vec();
    assert!(bytes[0] == WITH_RULES && Pending::decode(&bytes).unwrap() == ruled);
    for at in 1..bytes.len() {
        assert!(Pending::decode(&bytes[..at]).is_err());
    }
    let Pending::Done(ruled) = ruled else { unreachable!() };
    let redacted = Pending::Done(Done { redacted: Some(redacted::tests::sample()), ..ruled });
    let bytes = redacted.encode().unwrap().to_vec();
    assert!(bytes[0] == WITH_REDACTION && Pending::decode(&bytes).unwrap() == redacted);
    for at in 1..bytes.len() {
        assert!(Pending::decode(&bytes[..at]).is_err());
    }
}

/// A fuzzer found one that says that nothing locks what is kept, with a date all the same: it was read,
/// and written without the date. Where there is no date there is no place for one.
#[test]
fn without_a_lock_there_is_no_date() {
    let found = [3, 1, 1, 1, 1, 1, 0, 149, 34, 14, 0, 1, 1, 1, 0, 0, 0, 96, 0, 0, 0, 1, 0, 1, 0, 0, 0, 48];
    // Behind it stands who asked for it: nobody.
    assert!(Pending::decode(&[&found[..], &[1, 0]].concat()).is_err());
    let mut dateless = found.to_vec();
    *dateless.last_mut().unwrap() = 5;
    dateless.push(0);
    assert_eq!(*Pending::decode(&dateless).unwrap().encode().unwrap(), dateless);
}
