//! What everybody said of one purpose, found in one walk over the key tree and one over the evidence. Who looks many
//! people up one by one asks every part of the store about each of them.

use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::error::Result;
use crate::id::{Handle, Micros, PersonNumber, Seq};
use crate::index::{Hands, Part, Term, share};
use crate::keyring::catalog;
use crate::record::Kind;
use crate::register::Event;
use crate::register::consent::Deed;
use crate::view::View;

/// Records of a part that are opened by one thread before it takes the next ones.
const AT_ONCE: usize = 512;

/// Of whom something is known without a look at anybody.
pub(crate) struct Everybody {
    people: HashMap<PersonNumber, Stands>,
}

/// How one number of the key tree stands to a purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stands {
    /// It stands for acts or for evidence: nobody who could consent.
    Nobody,
    /// It is a person about whom there is no evidence.
    Silent,
    /// It is a person, who consents until then, this instant left out; [`Micros::MIN`] if she doesn't.
    Until(Micros),
}

/// What somebody said of the purpose, by who stands for the evidence.
struct Word {
    evidence: PersonNumber,
    seq: Seq,
    deed: Deed,
    until: Micros,
}

impl Everybody {
    /// How a number stands to the purpose. `None` of who must be looked up: who is linked to others, and who is not in the
    /// key tree yet.
    pub(crate) fn get(&self, number: PersonNumber) -> Option<Stands> {
        self.people.get(&number).copied()
    }
}

impl View {
    /// What everybody said of a purpose: the same as [`View::consents_until`] says of each.
    ///
    /// # Errors
    /// Unreadable files, and single records that can't be read, of whomever they are.
    pub(crate) fn everybody(&self, purpose: &str) -> Result<Everybody> {
        let last = self.last_words(purpose)?;
        let mut evidence: HashMap<Handle, PersonNumber> = HashMap::new();
        catalog::each_evidence(&self.tree, |handle, number| _ = evidence.insert(handle, number))?;
        let mut people = HashMap::new();
        catalog::each_person(&self.tree, |number, person| {
            let stands = match evidence.get(&person.handle) {
                _ if person.is_nobody() => Stands::Nobody,
                _ if !person.linked.is_empty() => return,
                Some(by) => {
                    let until = last.get(by).map_or(Micros::MIN, |(_, until)| *until);
                    self.note_until((number, *by), purpose, until);
                    Stands::Until(until)
                }
                None => Stands::Silent,
            };
            people.insert(number, stands);
        })?;
        Ok(Everybody { people })
    }

    /// What was said last of a purpose, and until when it holds, by who stands for the evidence.
    fn last_words(&self, purpose: &str) -> Result<HashMap<PersonNumber, (Deed, Micros)>> {
        let mut pieces: Vec<(&dyn Part, Vec<u32>)> = Vec::new();
        for part in self.parts() {
            let docs: Vec<u32> = part.postings(&Term::kind(Kind::Consent))?.iter().collect();
            pieces.extend(docs.chunks(AT_ONCE).map(|docs| (part, docs.to_vec())));
        }
        let words = Mutex::new(Vec::new());
        let hands = if pieces.len() > 1 { Hands::Two } else { Hands::One };
        share(hands, pieces.into_iter().map(Ok), |(part, docs)| {
            let mut of_piece = Vec::with_capacity(docs.len());
            for doc in docs {
                self.add_words(part, doc, purpose, &mut of_piece)?;
            }
            words.lock().append(&mut of_piece);
            Ok(())
        })?;
        let mut words: Vec<Word> = words.into_inner();
        words.sort_unstable_by_key(|word| word.seq);
        let mut last: HashMap<PersonNumber, (Deed, Micros)> = HashMap::new();
        for Word { evidence, deed, until, .. } in words {
            if deed.counts_behind(last.get(&evidence).map(|(deed, _)| *deed)) {
                last.insert(evidence, (deed, until));
            }
        }
        Ok(last)
    }

    fn add_words(&self, part: &dyn Part, doc: u32, purpose: &str, words: &mut Vec<Word>) -> Result<()> {
        let stored = zeroize::Zeroizing::new(part.record(doc)?);
        let Some(Event::Consent(event)) = Event::parse(stored.kind, &stored.body)? else { return Ok(()) };
        if !event.purposes.iter().any(|code| code == purpose) {
            return Ok(());
        }
        let notice = event.notice.as_ref().map(|shown| (shown.id.as_str(), shown.version));
        let until = event.event.stands_until(notice, event.expires, &self.rules.notices);
        let seq = part.key(doc)?.seq;
        words.extend(stored.subjects.iter().map(|evidence| Word {
            evidence: *evidence,
            seq,
            deed: event.event,
            until,
        }));
        Ok(())
    }
}
