//! Finds what an access package says beside the records.

use std::collections::HashSet;

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::export::statement::{Asking, Consent, Look, Recipient, Statement, Step as Taken};
use crate::id::{Micros, PersonNumber, Seq};
use crate::index::{People, Term};
use crate::query::ast::{Ast, Leaf};
use crate::query::parse::parse;
use crate::query::reading::Reading;
use crate::receipts::{Act, Detail, DetailField};
use crate::record::{Kind, Stored};
use crate::register::Event;
use crate::register::disclosure::{self, About, Disclosures};
use crate::register::request::{self, Requests, Step};
use crate::text;
use crate::view::View;

/// Records that are opened under one lock of readers: appends wait behind it.
const PIECE: usize = 512;

/// Whom statements are about.
pub struct Whom<'a> {
    /// Her identifiers, and those of who is linked to her.
    pub names: &'a [String],
    /// Names of the conversations that she takes part in.
    pub conversations: &'a HashSet<String>,
}

/// Calls `each` with every statement about a person, section by section, each in the order of the log. What stands at `below` in the log or later is left out.
///
/// Acts are hers that name her; and, as long as what was typed is kept, those that asked for her by name or opened a
/// conversation that she takes part in. A search that found records of hers among others names nobody.
///
/// # Errors
/// Unreadable files, and what `each` fails with.
pub fn statements<E: From<Error>>(
    reading: &Reading<'_>,
    below: Option<Seq>,
    whom: &Whom<'_>,
    mut each: impl FnMut(Statement) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let about =
        Gather { reading, below: below.unwrap_or(Seq(u64::MAX)), whom, numbers: numbers(reading, whom)? };
    about.consents()?.into_iter().try_for_each(&mut each)?;
    about.requests()?.into_iter().try_for_each(&mut each)?;
    about.looks(&mut each)?;
    about.recipients()?.into_iter().try_for_each(&mut each)
}

fn numbers(reading: &Reading<'_>, whom: &Whom<'_>) -> Result<Vec<PersonNumber>> {
    let view = reading.state().view.read();
    let mut numbers = Vec::new();
    for name in whom.names {
        numbers.extend(
            view.number(&text::nfc(name))?.filter(|n| *n != PersonNumber::STORE && !view.mask.hides(*n)),
        );
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

struct Gather<'a> {
    reading: &'a Reading<'a>,
    below: Seq,
    whom: &'a Whom<'a>,
    numbers: Vec<PersonNumber>,
}

impl Gather<'_> {
    fn consents(&self) -> Result<Vec<Statement>> {
        let view = self.reading.state().view.read();
        let mut found = Vec::new();
        for person in &self.numbers {
            let Some(evidence) = view.evidence_number(*person)? else { continue };
            for (seq, stored) in view.evidence(evidence, Kind::Consent)? {
                if seq >= self.below {
                    continue;
                }
                if let Some(Event::Consent(event)) = Event::parse(stored.kind, &stored.body)? {
                    found.push((
                        seq,
                        Statement::Consent(Consent {
                            time: stored.time,
                            event: event.event,
                            person: event.person,
                            purposes: event.purposes,
                            notice: event.notice,
                            method: event.method,
                            channel: event.channel,
                            expires: event.expires,
                            by: who(&view, stored.author)?,
                            id: stored.id.clone(),
                            seq: seq.0,
                        }),
                    ));
                }
            }
        }
        Ok(in_order(found))
    }

    /// Requests as their records make them, steps with them.
    fn requests(&self) -> Result<Vec<Statement>> {
        let (mut all, mut steps) = (Requests::default(), Vec::new());
        let open = |_: &View, seq, stored: &Stored| {
            let event = Event::parse(stored.kind, &stored.body)?;
            Ok(Some((event, stored.time, stored.author, seq)))
        };
        self.each_of(&[Kind::Request], open, |(event, at, author, seq)| {
            if let Some(Event::Request(event)) = event {
                steps.push((event.request.clone(), taken(at, &event.event)));
                all.apply(event, author, seq);
            }
            Ok::<_, Error>(())
        })?;
        let hers = all.iter().filter(|(_, request)| self.numbers.contains(&request.person));
        let statement = |(code, of): (&str, &request::Request)| {
            let steps = steps.iter().filter(|(of, _)| of == code).map(|(_, step)| step.clone()).collect();
            let asking = Asking {
                time: of.received,
                code: code.to_owned(),
                kind: of.kind,
                channel: of.channel.clone(),
                state: of.state,
                due: of.due(),
                extended: of.extended,
                steps,
                seq: of.seq.0,
            };
            (of.seq, Statement::Request(asking))
        };
        Ok(in_order(hers.map(statement).collect()))
    }

    fn looks<E: From<Error>>(
        &self,
        each: &mut impl FnMut(Statement) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let open = |view: &View, seq, stored: &Stored| self.look(view, seq, stored);
        self.each_of(&[Kind::Opened, Kind::Searched, Kind::Exported], open, |look| {
            each(Statement::Look(look))
        })
    }

    /// An act, if it concerns her.
    fn look(&self, view: &View, seq: Seq, stored: &Stored) -> Result<Option<Look>> {
        let Some(act) = Act::from_record(stored)? else { return Ok(None) };
        let mark = stored.id.rsplit('/').next().unwrap_or_default();
        let asked = detail(view, "detail", mark)?;
        let names_her = act.people.iter().any(|number| self.numbers.contains(number));
        if !names_her && !asked.as_ref().is_some_and(|(asked, at)| self.is_about(asked, *at)) {
            return Ok(None);
        }
        let what_for = detail(view, "purpose", mark)?.map(|(detail, _)| detail).unwrap_or_default();
        let typed = |field| what_for.get(field).map(str::to_owned);
        let only_hers = names_her && act.people.iter().all(|number| self.numbers.contains(number));
        Ok(Some(Look {
            time: stored.time,
            kind: stored.kind.name().to_owned(),
            act: act.deed.map_or("unknown", |deed| deed.name()).to_owned(),
            records: only_hers.then_some(act.count),
            by: who(view, stored.author)?,
            purpose: typed(DetailField::Purpose),
            case: typed(DetailField::Case),
            id: stored.id.clone(),
            seq: seq.0,
        }))
    }

    /// Whether what was typed asks for her by name, or for a conversation of hers.
    fn is_about(&self, asked: &Detail, at: Micros) -> bool {
        let is_name = |name: &str| {
            let name = text::nfc(name);
            self.whom.names.iter().any(|own| *own == *name)
        };
        asked.get(DetailField::Person).is_some_and(is_name)
            || asked.get(DetailField::Conversation).is_some_and(|c| self.whom.conversations.contains(c))
            || asked
                .get(DetailField::Query)
                .and_then(|query| parse(query, at).ok())
                .is_some_and(|ast| asks_for(&ast, &is_name, self.whom.conversations))
    }

    fn recipients(&self) -> Result<Vec<Statement>> {
        let mut all = Disclosures::default();
        let open = |_: &View, seq, stored: &Stored| {
            Ok(Some((Event::parse(stored.kind, &stored.body)?, stored.time, seq)))
        };
        self.each_of(&[Kind::Disclosure], open, |(event, at, seq)| {
            if let Some(Event::Disclosure(event)) = event {
                all.apply(event, at, seq);
            }
            Ok::<_, Error>(())
        })?;
        let hers = |of: &&disclosure::Disclosure| self.numbers.iter().any(|number| of.may_be_about(number.0));
        let statement = |of: &disclosure::Disclosure| {
            let given = &of.given;
            let is_hers = match &given.about {
                About::Person(_) => true,
                About::People(all) => all.iter().all(|number| self.numbers.contains(&PersonNumber(*number))),
                About::Many => false,
            };
            let recipient = Recipient {
                time: of.at,
                code: given.code.clone(),
                recipient: given.recipient.clone(),
                certain: given.about != About::Many,
                records: is_hers.then_some(given.records),
                format: given.format.clone(),
                sha256: given.digest.clone(),
                expires: given.expires,
                told: of.told,
                destroyed: of.destroyed,
            };
            (of.seq, Statement::Recipient(recipient))
        };
        Ok(in_order(all.iter().filter(hers).map(statement).collect()))
    }

    /// Calls `each` with what `open` makes of the records of these kinds, in the order of the log. `each` is called
    /// without a lock.
    fn each_of<T, E: From<Error>>(
        &self,
        kinds: &[Kind],
        open: impl Fn(&View, Seq, &Stored) -> Result<Option<T>>,
        mut each: impl FnMut(T) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let mut seqs = Vec::new();
        {
            let view = self.reading.state().view.read();
            for part in view.parts() {
                for kind in kinds.iter().map(|kind| Term::kind(*kind)) {
                    if part.frequency(&kind)? > 0 {
                        seqs.extend(part.seqs(&part.postings(&kind)?)?);
                    }
                }
            }
        }
        seqs.retain(|seq| *seq < self.below);
        seqs.sort_unstable();
        for piece in seqs.chunks(PIECE) {
            let mut opened = Vec::new();
            {
                let view = self.reading.state().view.read();
                for seq in piece {
                    let stored = view.record_at(*seq)?.filter(|stored| !view.hides(stored, *seq));
                    if let Some(stored) = stored {
                        opened.extend(open(&view, *seq, &stored)?);
                    }
                }
            }
            opened.into_iter().try_for_each(&mut each)?;
        }
        Ok(())
    }
}

/// The name of somebody, if he is known.
fn who(view: &View, number: PersonNumber) -> Result<Option<String>> {
    if number == PersonNumber::STORE || view.mask.hides(number) { Ok(None) } else { view.name(number) }
}

/// A detail of an act by its mark, if it is still kept.
fn detail(view: &View, of: &str, mark: &str) -> Result<Option<(Detail, Micros)>> {
    let Some((_, seq, stored)) = view.find("", &format!("{of}/{mark}"))? else { return Ok(None) };
    let stored = Zeroizing::new(stored);
    let is_shown = !view.mask.details && !view.hides(&stored, seq);
    Ok(is_shown.then(|| (Detail::parse(&stored.body), stored.time)))
}

/// Whether a query asks for somebody, or for one of these conversations.
fn asks_for(ast: &Ast, is_name: &dyn Fn(&str) -> bool, conversations: &HashSet<String>) -> bool {
    match ast {
        Ast::Leaf(Leaf::Author(name) | Leaf::Subject(name)) => is_name(name),
        Ast::Leaf(Leaf::Conversation(name)) => conversations.contains(name),
        Ast::All | Ast::Leaf(_) => false,
        Ast::And(of) | Ast::Or(of) => of.iter().any(|of| asks_for(of, is_name, conversations)),
        Ast::Not(of) => asks_for(of, is_name, conversations),
    }
}

/// A step as the person is told of it: neither the hash of a plan nor who approved it.
fn taken(time: Micros, step: &Step) -> Taken {
    let (name, says, partly) = match step {
        Step::Receive { .. } => ("receive", None, None),
        Step::Identify { method } => ("identify", Some(method), None),
        Step::Plan { .. } => ("plan", None, None),
        Step::Approve { .. } => ("approve", None, None),
        Step::Run => ("run", None, None),
        Step::Extend { reason } => ("extend", Some(reason), None),
        Step::Fulfil { partly, reference } => ("fulfil", Some(reference), partly.as_ref()),
        Step::Refuse { ground } => ("refuse", Some(ground), None),
    };
    Taken { time, step: name.to_owned(), says: says.cloned(), partly: partly.cloned() }
}

fn in_order(mut found: Vec<(Seq, Statement)>) -> Vec<Statement> {
    found.sort_by_key(|(seq, _)| *seq);
    found.into_iter().map(|(_, statement)| statement).collect()
}
