//! A record as people name it: by its id, in one conversation or in any.

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::id::Seq;
use crate::index::IdQuery;
use crate::record::Stored;
use crate::view::View;

impl View {
    /// The one record with an id that is meant, of those that `may_be` it. Acts and people's own records are in no
    /// conversation, and named by nobody.
    ///
    /// # Errors
    /// *Not found*; *invalid* if several have the id.
    pub fn named(
        &self,
        id: &str,
        conversation: Option<&str>,
        may_be: impl Fn(&Stored, Seq) -> bool,
    ) -> Result<(Seq, Zeroizing<Stored>)> {
        let wanted = IdQuery::new(id, conversation);
        let mut found = None;
        for part in self.parts() {
            for doc in part.id_candidates(&wanted)? {
                let stored = Zeroizing::new(part.record(doc)?);
                let seq = part.key(doc)?.seq;
                let is_wanted = stored.id == id
                    && !stored.conversation.is_empty()
                    && conversation.is_none_or(|conversation| conversation == stored.conversation)
                    && may_be(&stored, seq);
                if is_wanted && found.replace((seq, stored)).is_some() {
                    return Err(Error::invalid("the id stands in several conversations")
                        .hint("name the conversation too"));
                }
            }
        }
        found.ok_or_else(|| Error::not_found("no such record"))
    }
}
