//! tantivy, a search engine without encryption: words with positions, the whole record in its document store.
//!
//! *durable*: one commit a batch, and the reader follows at once, for what is acknowledged is to be found.
//! *bulk*: a commit each 50,000 records, what it is made for; not durable a batch.

use std::ops::Bound;
use std::path::Path;

use escrowdb::store::Record;
use tantivy::collector::{Collector, Count, SegmentCollector, TopDocs};
use tantivy::columnar::Column;
use tantivy::directory::MmapDirectory;
use tantivy::query::{
    BooleanQuery, FuzzyTermQuery, InvertedIndexRangeQuery, Occur, PhraseQuery, Query, RangeQuery, TermQuery,
};
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, STORED, Schema, TextFieldIndexing, TextOptions, Value as _,
};
use tantivy::{
    DocAddress, Index, IndexReader, IndexWriter, Order, ReloadPolicy, Score, SegmentReader, TantivyDocument,
    Term,
};

use crate::Result;
use crate::compare::engines::number_of;
use crate::compare::sealed_row::{decode, encode};
use crate::compare::words::characters::Characters;
use crate::compare::words::peer::{Ask, Erased, Peer, Plan, Text};

/// Memory in which a writer gathers a segment.
const BUDGET: usize = 256 << 20;
const BULK: usize = 50_000;

/// An index.
pub struct Tantivy {
    index: Index,
    writer: Option<IndexWriter>,
    reader: IndexReader,
    fields: Fields,
    bulk: bool,
    waiting: usize,
}

#[derive(Clone, Copy)]
struct Fields {
    number: Field,
    subject: Field,
    time: Field,
    tag: Field,
    body: Field,
    whole: Field,
}

/// Durable batches.
pub fn open(dir: &Path, plan: &Plan) -> Result<Box<dyn Peer>> {
    make(dir, plan, false)
}

/// Bulk.
pub fn open_bulk(dir: &Path, plan: &Plan) -> Result<Box<dyn Peer>> {
    make(dir, plan, true)
}

fn make(dir: &Path, plan: &Plan, bulk: bool) -> Result<Box<dyn Peer>> {
    let indexed = |tokenizer: &str, option| {
        let indexing = TextFieldIndexing::default().set_tokenizer(tokenizer).set_index_option(option);
        // Lengths of texts are needed for BM25 alone.
        let lengths = option != IndexRecordOption::Basic;
        TextOptions::default().set_indexing_options(indexing.set_fieldnorms(lengths))
    };
    let words = if plan.japanese { "characters" } else { "whitespace" };
    let mut schema = Schema::builder();
    let fields = Fields {
        number: schema.add_u64_field("number", INDEXED | FAST),
        subject: schema.add_text_field("subject", indexed("raw", IndexRecordOption::Basic)),
        time: schema.add_i64_field("time", INDEXED | FAST),
        tag: schema.add_text_field("tag", indexed("raw", IndexRecordOption::Basic)),
        body: schema.add_text_field("body", indexed(words, IndexRecordOption::WithFreqsAndPositions)),
        whole: schema.add_bytes_field("whole", STORED),
    };
    let index = Index::open_or_create(MmapDirectory::open(dir)?, schema.build())?;
    index.tokenizers().register("characters", Characters::default());
    let writer = Some(writer(&index, bulk)?);
    let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
    Ok(Box::new(Tantivy { index, writer, reader, fields, bulk, waiting: 0 }))
}

/// One thread for small batches: with more each commit makes more segments.
fn writer(index: &Index, bulk: bool) -> Result<IndexWriter> {
    Ok(index.writer_with_num_threads(if bulk { 2 } else { 1 }, BUDGET)?)
}

/// Collects the numbers of all matches.
struct Numbers;

struct OfSegment {
    column: Column<u64>,
    numbers: Vec<u64>,
}

impl Collector for Numbers {
    type Fruit = Vec<u64>;
    type Child = OfSegment;

    fn for_segment(&self, _: u32, segment: &SegmentReader) -> tantivy::Result<OfSegment> {
        Ok(OfSegment { column: segment.fast_fields().u64("number")?, numbers: Vec::new() })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, of_segments: Vec<Vec<u64>>) -> tantivy::Result<Vec<u64>> {
        Ok(of_segments.concat())
    }
}

impl SegmentCollector for OfSegment {
    type Fruit = Vec<u64>;

    fn collect(&mut self, doc: u32, _: Score) {
        self.numbers.extend(self.column.first(doc));
    }

    fn harvest(self) -> Vec<u64> {
        self.numbers
    }
}

impl Tantivy {
    fn commit(&mut self) -> Result<()> {
        self.writer()?.commit()?;
        self.waiting = 0;
        Ok(self.reader.reload()?)
    }

    fn text(&self, text: &Text, option: IndexRecordOption) -> Box<dyn Query> {
        let term = |word: &str| Term::from_field_text(self.fields.body, word);
        match text {
            Text::Word(word) => Box::new(TermQuery::new(term(word), option)),
            Text::Phrase(words) => Box::new(PhraseQuery::new(words.iter().map(|w| term(w)).collect())),
            Text::Part(part) => {
                let terms = part.chars().map(|c| term(c.encode_utf8(&mut [0; 4]))).collect();
                Box::new(PhraseQuery::new(terms))
            }
            Text::Prefix(start) => {
                let mut end = start.clone().into_bytes();
                if let Some(last) = end.last_mut() {
                    *last += 1;
                }
                let end = String::from_utf8(end).unwrap_or_default();
                Box::new(InvertedIndexRangeQuery::new(
                    Bound::Included(term(start)),
                    Bound::Excluded(term(&end)),
                ))
            }
            Text::Near(word) => Box::new(FuzzyTermQuery::new(term(word), 1, false)),
        }
    }

    /// Occurrences are read only where they are weighed.
    fn query(&self, ask: &Ask, option: IndexRecordOption) -> Box<dyn Query> {
        let tag = |tag: &String| -> Box<dyn Query> {
            Box::new(TermQuery::new(Term::from_field_text(self.fields.tag, tag), IndexRecordOption::Basic))
        };
        let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        clauses.extend(ask.by.all.iter().map(|t| (Occur::Must, tag(t))));
        clauses.extend(ask.by.none.iter().map(|t| (Occur::MustNot, tag(t))));
        clauses.extend(ask.text.iter().map(|t| (Occur::Must, self.text(t, option))));
        if let Some((from, before)) = ask.by.time {
            let time = |at| Term::from_field_i64(self.fields.time, at);
            let range = RangeQuery::new(Bound::Included(time(from.0)), Bound::Excluded(time(before.0)));
            clauses.push((Occur::Must, Box::new(range)));
        }
        match <[_; 1]>::try_from(clauses) {
            Ok([(Occur::Must, only)]) => only,
            Ok(one) => Box::new(BooleanQuery::new(one.into())),
            Err(many) => Box::new(BooleanQuery::new(many)),
        }
    }

    /// Number and length of the body of a document.
    fn read(&self, address: DocAddress) -> Result<usize> {
        let document: TantivyDocument = self.reader.searcher().doc(address)?;
        let whole = document.get_first(self.fields.whole).and_then(|v| v.as_bytes());
        Ok(decode(whole.ok_or("a document without its record")?)?.body.len())
    }

    fn writer(&mut self) -> Result<&mut IndexWriter> {
        // Gone only if making a new one failed.
        self.writer.as_mut().ok_or_else(|| "no writer".into())
    }

    /// Lets merges end; they end with their writer, so a new one takes over.
    fn wait(&mut self) -> Result<()> {
        if let Some(old) = self.writer.take() {
            old.wait_merging_threads()?;
        }
        self.writer = Some(writer(&self.index, self.bulk)?);
        Ok(self.reader.reload()?)
    }
}

impl Peer for Tantivy {
    fn append(&mut self, records: &[Record]) -> Result<()> {
        let fields = self.fields;
        for record in records {
            let mut document = TantivyDocument::default();
            document.add_u64(fields.number, number_of(record.id.as_deref().unwrap_or_default())?);
            document.add_text(fields.subject, record.subjects.first().unwrap_or(&record.author));
            document.add_i64(fields.time, record.time.0);
            for tag in &record.tags {
                document.add_text(fields.tag, tag);
            }
            document.add_text(fields.body, &record.body);
            document.add_bytes(fields.whole, &encode(record));
            self.writer()?.add_document(document)?;
        }
        self.waiting += records.len();
        if !self.bulk || self.waiting >= BULK {
            self.commit()?;
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        self.commit()?;
        self.wait()
    }

    fn count(&mut self, ask: &Ask) -> Result<u64> {
        Ok(self.reader.searcher().search(&*self.query(ask, IndexRecordOption::Basic), &Count)? as u64)
    }

    fn numbers(&mut self, ask: &Ask) -> Result<Vec<u64>> {
        Ok(self.reader.searcher().search(&*self.query(ask, IndexRecordOption::Basic), &Numbers)?)
    }

    fn newest(&mut self, ask: &Ask, k: usize) -> Result<Vec<(u64, usize)>> {
        let best = TopDocs::with_limit(k).order_by_fast_field::<u64>("number", Order::Desc);
        let found = self.reader.searcher().search(&*self.query(ask, IndexRecordOption::Basic), &best)?;
        found
            .into_iter()
            .map(|(number, address)| Ok((number.ok_or("a document without a number")?, self.read(address)?)))
            .collect()
    }

    fn ranked(&mut self, ask: &Ask, k: usize) -> Result<Option<Vec<u64>>> {
        let searcher = self.reader.searcher();
        let found = searcher.search(
            &*self.query(ask, IndexRecordOption::WithFreqs),
            &TopDocs::with_limit(k).order_by_score(),
        )?;
        let mut numbers = Vec::with_capacity(found.len());
        for (_, address) in found {
            let column = searcher.segment_reader(address.segment_ord).fast_fields().u64("number")?;
            numbers.extend(column.first(address.doc_id));
        }
        Ok(Some(numbers))
    }

    fn erase(&mut self, subject: &str) -> Result<Erased> {
        let before = self.reader.searcher().num_docs();
        let term = Term::from_field_text(self.fields.subject, subject);
        self.writer()?.delete_term(term);
        self.commit()?;
        let records = before - self.reader.searcher().num_docs();
        Ok(Erased { records, segments: 0 })
    }

    fn scrub(&mut self) -> Result<()> {
        self.compact()?;
        let searcher = self.reader.searcher();
        match searcher.segment_readers().iter().any(|segment| segment.num_deleted_docs() > 0) {
            true => Err("deleted documents are still in the files".into()),
            false => Ok(()),
        }
    }

    /// One segment of all, and the files of the others removed.
    fn compact(&mut self) -> Result<()> {
        let segments = self.index.searchable_segment_ids()?;
        if !segments.is_empty() {
            self.writer()?.merge(&segments).wait()?;
        }
        self.writer()?.garbage_collect_files().wait()?;
        self.wait()
    }

    fn state(&mut self) -> Result<String> {
        Ok(format!("{} segments", self.index.searchable_segment_ids()?.len()))
    }
}
