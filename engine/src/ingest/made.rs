//! Ids that the store makes. They are derived under its tag key, or drawn; neither says anything to
//! who lacks the key.

use std::borrow::Cow;

use zeroize::Zeroizing;

use crate::crypto::kdf::Label;
use crate::id::{Handle, PersonNumber};
use crate::index::Numbered;
use crate::keyring::catalog::Tagger;
use crate::record::input::JOIN_PREFIX;
use crate::record::{Record, Subjects};

/// Id of the `n`-th of several equal records without id. The author is left out, because he may be
/// erased and the record stay; he stands in it only where another's record has that id already.
pub fn repeated(
    tagger: &Tagger,
    record: &Record,
    n: u32,
    subjects: &[PersonNumber],
    author: Option<PersonNumber>,
) -> String {
    let subjects = subjects.iter().copied().collect::<Subjects>().sorted();
    // The class is left out too: one may be defined between the first time and the next.
    let nobody = Numbered { record, id: Cow::Borrowed(""), author: PersonNumber::STORE, subjects, class: 0 };
    let content = Zeroizing::new(nobody.record().encode());
    let author = author.map(|number| number.0.to_be_bytes());
    let author = author.as_ref().map_or(&[][..], |bytes| bytes);
    record_id(tagger.mark(Label::RecordId, &[&content, &n.to_le_bytes(), author]))
}

/// Marks a join that the store makes: who took part in which conversation, and whose records
/// named her. Each set of subjects has a join of its own, for it dies with the first of them.
pub fn join_mark(tagger: &Tagger, conversation: &str, person: PersonNumber, subjects: &Subjects) -> [u8; 16] {
    let bytes: Vec<u8> = subjects.iter().flat_map(|number| number.0.to_be_bytes()).collect();
    tagger.mark(Label::JoinId, &[conversation.as_bytes(), &person.0.to_be_bytes(), &bytes])
}

/// Id of a join, of its mark.
pub fn join_id(mark: [u8; 16]) -> String {
    format!("{JOIN_PREFIX}{}", Handle(mark))
}

/// Subjects of a join: those of the record that named the person, and the person.
pub fn join_subjects(naming: &[PersonNumber], person: PersonNumber) -> Subjects {
    naming.iter().copied().chain([person]).collect::<Subjects>().sorted()
}

/// Id of a record, of sixteen bytes.
pub fn record_id(bytes: [u8; 16]) -> String {
    format!("r-{}", Handle(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Micros;

    #[test]
    fn what_tells_records_apart_tells_ids_apart() {
        let [one, other] = [1u8, 2].map(|key| Tagger::new(&[key; 32]));
        let record = || Record::new("c", "anna", Micros(1), "hello");
        let id = |record: &Record, n, subjects: &[u64], author| {
            let subjects: Vec<PersonNumber> = subjects.iter().map(|n| PersonNumber(*n)).collect();
            repeated(&one, record, n, &subjects, author)
        };
        let plain = id(&record(), 0, &[], None);
        let by_another = Record { author: "bob".into(), ..record() };
        assert_eq!(id(&by_another, 0, &[], None), plain);
        assert_eq!(id(&record(), 0, &[2, 1, 2], None), id(&record(), 0, &[1, 2], None));
        let mut all = vec![
            plain,
            repeated(&other, &record(), 0, &[], None),
            id(&record(), 1, &[], None),
            id(&record(), 0, &[1], None),
            id(&record(), 0, &[1, 2], None),
            id(&record(), 0, &[], Some(PersonNumber(1))),
            id(&record(), 0, &[], Some(PersonNumber(2))),
            id(&Record { conversation: "d".into(), ..record() }, 0, &[], None),
            id(&Record { time: Micros(2), ..record() }, 0, &[], None),
            id(&Record { body: String::new(), ..record() }, 0, &[], None),
            id(&record().channel("web"), 0, &[], None),
            id(&record().tag("t"), 0, &[], None),
            id(&record().reply_to("m"), 0, &[], None),
            id(&record().extra("a", "1"), 0, &[], None),
        ];
        assert!(all.iter().all(|id| id.len() == 34 && id.starts_with("r-")));
        let n = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), n);
    }
}
