//! Who stands for the evidence about people: a number of its own for each of whom there is some, whose key
//! may outlive her.

use crate::error::{Error, ErrorKind, Result};
use crate::id::PersonNumber;
use crate::keyring::entry::Person;
use crate::keyring::{Changes, catalog};
use crate::state::{State, commit};

impl State {
    /// The numbers that stand for the evidence about people, in their order. Those that are missing are
    /// made, by one ordinary commit for all of them.
    ///
    /// # Errors
    /// *Not found* for somebody who is unknown; trouble with the store.
    pub fn evidence_numbers(&self, people: &[PersonNumber]) -> Result<Vec<PersonNumber>> {
        let keyring = self.keyring.lock();
        let tree = keyring.tree();
        let mut changes = Changes::new();
        let mut numbers = Vec::with_capacity(people.len());
        let mut made = std::collections::HashMap::new();
        for person in people {
            let handle = self.view.read().handle(*person)?;
            let handle = handle.ok_or_else(|| Error::not_found("no such person"))?;
            let known = made
                .get(&handle)
                .copied()
                .map_or_else(|| catalog::evidence(&tree, handle), |n| Ok(Some(n)))?;
            if let Some(known) = known {
                numbers.push(known);
                continue;
            }
            let number = self.next_number()?;
            let entry = Person {
                handle,
                content: self.env.random_key(&handle.0)?,
                evidence: self.env.random_key(&handle.0)?,
                state: Person::EVIDENCE,
                identifiers: 0,
                linked: Vec::new(),
            };
            let tagger = self.view.read().tagger().clone();
            catalog::put_person(&mut changes, &tagger, number, &entry, &[])?;
            catalog::put_evidence(&mut changes, handle, number)?;
            made.insert(handle, number);
            numbers.push(number);
        }
        if !changes.is_empty() {
            let mut counters = catalog::counters(&tree)?;
            counters.person = self.writer.lock().next_person;
            catalog::put_counters(&mut changes, &counters)?;
            commit::commit_locked(self, &keyring, &changes, keyring.head().log, |_| {})?;
        }
        Ok(numbers)
    }

    /// A number that nobody had.
    pub(super) fn next_number(&self) -> Result<PersonNumber> {
        let mut writer = self.writer.lock();
        let number = writer.next_person;
        writer.next_person =
            number.next().ok_or_else(|| Error::new(ErrorKind::Unsupported, "no person numbers are left"))?;
        Ok(number)
    }
}
