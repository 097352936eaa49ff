//! Counting for tables that are published: records and the people behind them, by a field and a period,
//! from postings and times alone. No record is opened.

use std::collections::{BTreeMap, HashMap};

use roaring::{RoaringBitmap, RoaringTreemap};

use crate::error::{Error, ErrorKind, Result};
use crate::id::{Micros, PersonNumber};
use crate::index::{Field, Part, Term};
use crate::ingest::link::LINKED_MAX;
use crate::policy::aggregate::{CELLS_MAX, Column, Count, Counts};
use crate::query::ast::Ast;
use crate::query::dates;
use crate::query::exec::Search;
use crate::query::facet::By;
use crate::record::time::{self, Period};

/// A document whose period is not over.
const OPEN: u32 = u32::MAX;

/// What a table is divided by.
#[derive(Clone, PartialEq, Eq)]
pub struct Division {
    /// Its rows; of no field it has one row.
    field: Option<By>,
    /// Its columns.
    period: Period,
    /// As it was written.
    names: Vec<String>,
}

impl Division {
    /// Reads a field of a facet and a period, `tag:dept,month`, or a period alone.
    ///
    /// # Errors
    /// *Invalid* for what is none; *refused* for fields whose values name people or conversations: these can
    /// be erased, and a table stays.
    pub fn parse(text: &str) -> Result<Self> {
        let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        let (field, period) = match names.as_slice() {
            [period] => (None, period),
            [field, period] => (Some(By::parse(field)?), period),
            _ => return Err(no_division()),
        };
        if matches!(field, Some(By::Author | By::Subject | By::Conversation)) {
            return Err(Error::new(ErrorKind::Refused, "an aggregate names no people and no conversations")
                .hint("count by tag, tag:KEY, channel or kind: what is named can be erased, a table stays"));
        }
        let period = Period::parse(period).ok_or_else(no_division)?;
        Ok(Self { field, period, names })
    }

    /// The key of the tags that make its rows: what of it isn't a word of ours.
    pub fn key(&self) -> Option<&str> {
        match &self.field {
            Some(By::TagKey(key)) => Some(key),
            _ => None,
        }
    }

    /// As it was written: the field, if there is one, and the period.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

fn no_division() -> Error {
    Error::invalid("an aggregate is counted by a field and a period")
        .hint("for example tag:dept,month; periods are hour, day, week, month and year")
}

/// What was counted.
pub struct Tally {
    /// Cells of the periods from the first to the last in which a crowd is counted in some cell: all are over.
    pub counts: Counts,
    /// First instant of these periods, and the instant behind them; empty if there is none.
    pub time: std::ops::Range<Micros>,
    /// Whether there are matches in a period that is not over.
    pub goes_on: bool,
}

#[derive(Default)]
struct Cell {
    records: u64,
    people: RoaringTreemap,
}

/// Cells by row and first instant of the period.
#[derive(Default)]
struct Cells {
    rows: BTreeMap<Vec<u8>, u32>,
    starts: BTreeMap<Micros, u32>,
    cells: HashMap<(u32, u32), Cell>,
    goes_on: bool,
}

/// The number of a key, the next one if it is new.
fn number<K: Ord>(of: &mut BTreeMap<K, u32>, key: K) -> u32 {
    let next = of.len() as u32;
    *of.entry(key).or_insert(next)
}

impl Search<'_> {
    /// Counts the matches of a query whose period is over at `now`. Behind a cell stand as many people as its
    /// records have subjects, linked ones as one; counted are `k` of them at most, and no more than records.
    /// `linked` says who is linked to somebody.
    ///
    /// # Errors
    /// *Invalid* if it is more than [`CELLS_MAX`] cells; unreadable files.
    pub fn tally(
        &self,
        query: &Ast,
        by: &Division,
        (k, now): (u64, Micros),
        mut linked: impl FnMut(PersonNumber) -> Result<Vec<PersonNumber>>,
    ) -> Result<Tally> {
        let plan = self.plan(query)?;
        let mut cells = Cells::default();
        self.each(&plan, |part, docs| cells.add(part, &docs, by, (k, now)))?;
        let mut counted: Vec<(u32, Micros, Count)> = Vec::with_capacity(cells.cells.len());
        let starts: HashMap<u32, Micros> = cells.starts.iter().map(|(start, n)| (*n, *start)).collect();
        for ((row, column), cell) in &cells.cells {
            let people = crowd(&cell.people, k, &mut linked)?.min(cell.records);
            let start = starts.get(column).copied().unwrap_or_default();
            counted.push((*row, start, Count { records: cell.records, people }));
        }
        let shown = || counted.iter().filter(|(.., count)| count.people >= k).map(|(_, start, _)| *start);
        let (Some(first), Some(last)) = (shown().min(), shown().max()) else {
            return Ok(Tally {
                counts: Counts::default(),
                time: Micros(0)..Micros(0),
                goes_on: cells.goes_on,
            });
        };
        let mut counts = Counts { columns: columns(by.period, first, last)?, ..Counts::default() };
        let names = cells.names(by, self)?;
        for (row, start, count) in counted.into_iter().filter(|(_, at, _)| (first..=last).contains(at)) {
            // A value that can't be shown has no row.
            if let Some(name) = names.get(&row) {
                counts.cells.insert((name.clone(), period_name(by.period, start)), count);
            }
        }
        Ok(Tally { counts, time: first..dates::end_of(by.period, last), goes_on: cells.goes_on })
    }
}

impl Cells {
    fn add(
        &mut self,
        part: &dyn Part,
        docs: &RoaringBitmap,
        by: &Division,
        (k, now): (u64, Micros),
    ) -> Result<()> {
        let columns = self.columns(part, docs, by.period, now)?;
        let mut places = self.places(part, docs, by.field.as_ref())?;
        places.retain(|(doc, _)| columns.get(*doc as usize).is_some_and(|column| *column != OPEN));
        places.sort_unstable();
        let cell = |doc: u32, row: u32| (row, columns.get(doc as usize).copied().unwrap_or(OPEN));
        for (doc, row) in &places {
            self.cells.entry(cell(*doc, *row)).or_default().records += 1;
        }
        // Those at the ends may yet be left out; whoever asks for more gets nothing, nor is it held in memory.
        if self.cells.len() > 4 * CELLS_MAX {
            return Err(too_many());
        }
        let counted: RoaringBitmap = places.iter().map(|(doc, _)| *doc).collect();
        for (value, _) in part.terms(Field::Subject)? {
            let Ok(person) = <[u8; 8]>::try_from(value.as_slice()).map(u64::from_be_bytes) else {
                return Err(Error::corrupt("index: a term's value does not fit its field"));
            };
            if person == PersonNumber::STORE.0 {
                continue;
            }
            for doc in part.postings(&Term { field: Field::Subject, value })? & &counted {
                let from = places.partition_point(|(of, _)| *of < doc);
                for (_, row) in places.iter().skip(from).take_while(|(of, _)| *of == doc) {
                    let people = &mut self.cells.entry(cell(doc, *row)).or_default().people;
                    // More can't change what is said of it.
                    if people.len() < k * LINKED_MAX as u64 {
                        people.insert(person);
                    }
                }
            }
        }
        Ok(())
    }

    /// The column of each document of a part.
    fn columns(
        &mut self,
        part: &dyn Part,
        docs: &RoaringBitmap,
        period: Period,
        now: Micros,
    ) -> Result<Vec<u32>> {
        let mut columns = vec![OPEN; part.doc_count() as usize];
        let (mut bar, mut column) = (Micros(0)..Micros(0), OPEN);
        for doc in docs {
            let at = part.key(doc)?.time;
            if !bar.contains(&at) {
                bar = period.start_of(at)..dates::end_of(period, at);
                column = if bar.end <= now { number(&mut self.starts, bar.start) } else { OPEN };
            }
            self.goes_on |= column == OPEN;
            if let Some(of) = columns.get_mut(doc as usize) {
                *of = column;
            }
        }
        Ok(columns)
    }

    /// Documents with their rows.
    fn places(&mut self, part: &dyn Part, docs: &RoaringBitmap, by: Option<&By>) -> Result<Vec<(u32, u32)>> {
        let Some(by) = by else {
            let row = number(&mut self.rows, Vec::new());
            return Ok(docs.iter().map(|doc| (doc, row)).collect());
        };
        let (field, prefix) = (by.field(), by.prefix());
        let mut places = Vec::new();
        for (value, _) in part.terms(field)? {
            let Some(tail) = value.strip_prefix(&prefix[..]) else { continue };
            let tail = tail.to_vec();
            let found = part.postings(&Term { field, value })? & docs;
            if !found.is_empty() {
                let row = number(&mut self.rows, tail);
                places.extend(found.into_iter().map(|doc| (doc, row)));
            }
        }
        Ok(places)
    }

    /// Names of rows by number.
    fn names(&self, by: &Division, search: &Search<'_>) -> Result<HashMap<u32, String>> {
        let mut names = HashMap::new();
        for (value, row) in &self.rows {
            let name = match &by.field {
                None => Some(String::new()),
                Some(by) => search.shown(value.clone(), by)?,
            };
            names.extend(name.map(|name| (*row, name)));
        }
        Ok(names)
    }
}

/// How many people these are, `k` at most; linked ones are one.
fn crowd(
    people: &RoaringTreemap,
    k: u64,
    linked: &mut impl FnMut(PersonNumber) -> Result<Vec<PersonNumber>>,
) -> Result<u64> {
    let (mut seen, mut crowd) = (RoaringTreemap::new(), 0);
    for person in people {
        if crowd == k {
            break;
        }
        if seen.contains(person) {
            continue;
        }
        crowd += 1;
        let mut next = vec![person];
        while let Some(one) = next.pop() {
            if seen.insert(one) {
                next.extend(linked(PersonNumber(one))?.into_iter().map(|other| other.0));
            }
        }
    }
    Ok(crowd)
}

/// Every period between two, with those in which nothing is counted: which ones that are is a statement.
fn columns(period: Period, first: Micros, last: Micros) -> Result<Vec<Column>> {
    let (mut columns, mut start) = (Vec::new(), first);
    while start <= last {
        let ends = dates::end_of(period, start);
        columns.push(Column { name: period_name(period, start), ends });
        if columns.len() > CELLS_MAX {
            return Err(too_many());
        }
        start = ends;
    }
    Ok(columns)
}

fn too_many() -> Error {
    Error::invalid(format!("the aggregate has more than {CELLS_MAX} cells"))
        .hint("ask for fewer values, or for longer periods")
}

/// A period as tables name it: `2026`, `2026-01`, `2026-01-31`, `2026-01-31T12`; a week by its Monday.
fn period_name(period: Period, start: Micros) -> String {
    let mut name = time::format(start);
    name.truncate(match period {
        Period::Year => 4,
        Period::Month => 7,
        Period::Day | Period::Week => 10,
        Period::Hour => 13,
    });
    name
}
