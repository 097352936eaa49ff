//! Micro benches: `cargo bench -p escrowdb-benches`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use escrowdb::crypto::{Label, derive};
use escrowdb::id::{Micros, PersonNumber, Seq};
use escrowdb::index::{IndexBuilder, IndexData, LiveIndex, Mask, Part, People, file};
use escrowdb::query::exec::{Order, Search};
use escrowdb::query::parse;
use escrowdb::record::{Record, Stored};
use escrowdb::segment::Location;
use escrowdb::text::Analyser;
use escrowdb_benches::workload::{Shape, Workload};

const DOCS: usize = 65_536;

struct Everybody;

impl People for Everybody {
    fn number(&self, _: &str) -> escrowdb::Result<Option<PersonNumber>> {
        Ok(Some(PersonNumber(1)))
    }

    fn name(&self, _: PersonNumber) -> escrowdb::Result<Option<String>> {
        Ok(None)
    }
}

fn stored(n: usize, record: Record) -> Stored {
    Stored {
        id: format!("m{n}"),
        conversation: record.conversation,
        author: PersonNumber(1 + (n as u64 * 7919) % 3_000),
        subjects: vec![PersonNumber(1 + (n as u64 * 7919) % 3_000)],
        time: record.time,
        channel: record.channel,
        tags: record.tags,
        body: record.body,
        ..Stored::default()
    }
}

fn records() -> Vec<Stored> {
    let mut workload = Workload::new(Shape::Zipf, DOCS as u64, 1);
    workload.batch(DOCS).into_iter().enumerate().map(|(n, r)| stored(n, r)).collect()
}

fn index(records: &[Stored]) -> IndexData {
    let mut order: Vec<usize> = (0..records.len()).collect();
    order.sort_by_key(|n| (records[*n].time, *n));
    let mut builder = IndexBuilder::new(&|_| Ok(true), true);
    for (i, n) in order.into_iter().enumerate() {
        let at = Location { block: (i / 8) as u32, slot: (i % 8) as u16 };
        builder.add(&records[n], Seq(n as u64), at).unwrap();
    }
    builder.finish(Vec::new()).unwrap()
}

fn seal_and_open(c: &mut Criterion) {
    for len in [256, 4_040, 230_000] {
        let mut group = c.benchmark_group(format!("seal/{len} B"));
        group.throughput(Throughput::Bytes(len as u64));
        let key = || derive(Label::IndexPage, &[&[7; 32]], b"salt", b"place");
        let mut text = vec![1; len];
        group.bench_function("seal", |b| b.iter(|| key().seal(black_box(&mut text)).unwrap()));
        let mut sealed = vec![1; len];
        let seal = key().seal(&mut sealed).unwrap();
        let mut copy = sealed.clone();
        group.bench_function("copy and open", |b| {
            b.iter(|| {
                copy.copy_from_slice(&sealed);
                key().open(&seal, black_box(&mut copy)).unwrap();
            });
        });
        group.finish();
    }
}

fn record_codec(c: &mut Criterion) {
    let records: Vec<Stored> = records().into_iter().take(1_000).collect();
    let bytes: Vec<Vec<u8>> = records.iter().map(Stored::encode).collect();
    let mut group = c.benchmark_group("record");
    group.throughput(Throughput::Elements(1_000));
    group.bench_function("encode", |b| b.iter(|| records.iter().map(|r| r.encode().len()).sum::<usize>()));
    group.bench_function("decode", |b| {
        b.iter(|| bytes.iter().map(|r| Stored::decode(r).unwrap().tags.len()).sum::<usize>());
    });
    group.finish();
}

fn index_codec(c: &mut Criterion) {
    let records = records();
    let data = index(&records);
    let mut group = c.benchmark_group("index of 65,536");
    group.sample_size(10);
    group.bench_function("build", |b| b.iter(|| index(&records).terms.len()));
    group.bench_function("encode", |b| b.iter(|| file::encode(&data).unwrap().len()));
    group.bench_function("without 20", |b| {
        let removed = (0..20u32).map(|n| n * 3_001).collect();
        b.iter(|| data.clone().without(&removed, &[PersonNumber(5)]).unwrap().docs.len());
    });
    group.finish();
}

fn live_and_query(c: &mut Criterion) {
    let records = records();
    let fill = || {
        let mut live = LiveIndex::new(true);
        for (n, stored) in records.iter().enumerate() {
            live.add(Seq(n as u64), [0; 16], Vec::new(), stored, true).unwrap();
        }
        live
    };
    let mut group = c.benchmark_group("live index of 65,536");
    group.sample_size(10);
    group.bench_function("fill", |b| b.iter(|| fill().doc_count()));
    group.sample_size(100);
    let live = fill();
    let parts: [&dyn Part; 1] = [&live];
    let search = Search { parts: &parts, people: &Everybody, mask: &Mask::default(), until: None };
    let query = parse::parse("tag:dept:0 tag:lang:1 tag:purpose:2", Micros(0)).unwrap();
    group.bench_function("count an AND of three", |b| b.iter(|| search.count(&query).unwrap()));
    group.bench_function("newest 20 of it", |b| {
        b.iter(|| search.search(&query, Order::Newest, 20, None).unwrap().len());
    });
    group.finish();
}

/// Texts of about one message in several scripts, and what takes longest.
fn words(c: &mut Criterion) {
    let texts = [
        ("ascii", "Hi Anna, can you send me the third quarter report by five? The last one that I got was from May, so it is out of date by now. Thx".to_owned()),
        ("german", "Schöne Grüße aus Köln, können wir übermorgen über die Verträge für Großkunden sprechen? Ich hätte gegen zwölf Zeit.".into()),
        ("russian", "Добрый день, коллеги! Прошу прислать отчёт за третий квартал до пятницы, иначе мы не успеем.".into()),
        ("chinese", "你好,请把第三季度的报告发给我。上次收到的是五月份的,所以现在已经过时了,谢谢大家的帮助和理解".into()),
        ("thai", "สวัสดีค่ะ ช่วยส่งรายงานไตรมาสที่สามให้ฉันภายในวันศุกร์ได้ไหมคะ".into()),
        ("hindi", "नमस्ते, क्या आप मुझे तीसरी तिमाही की रिपोर्ट शुक्रवार तक भेज सकते हैं?".into()),
        ("arabic", "السَّلَامُ عَلَيْكُمْ، هَلْ يُمْكِنُكَ إرسال التقرير قبل يوم الجمعة؟".into()),
        ("emoji", "ok 👍🏽 see you at 5 ❤\u{fe0f}😂😂 bring 🍕 please 👩\u{200d}👩\u{200d}👧 :)".into()),
        ("flood of marks", format!("ж{}", "\u{301}\u{323}".repeat(1000))),
    ];
    let mut group = c.benchmark_group("words");
    let mut analyser = Analyser::new();
    for (name, text) in &texts {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(*name, |b| {
            b.iter(|| {
                let mut sum = 0;
                analyser.words(black_box(text), |word| sum += word.value.len());
                sum
            });
        });
    }
    group.finish();
}

criterion_group!(benches, words, seal_and_open, record_codec, index_codec, live_and_query);
criterion_main!(benches);
