//! `demo`: the whole life of a store on sample chats that the program brings, with proof that
//! nothing of an erased person is left.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use escrowdb::export::Asked;
use escrowdb::record::time;

use crate::args::Global;
use crate::commands::demo::answers::Answers;
use crate::commands::demo::proof::Objects;
use crate::commands::demo::scan::{Needles, Seen};
use crate::commands::export::given::Register;
use crate::commands::export::{Target, subject_query, write_jsonl};
use crate::commands::import::{Rejects, import};
use crate::commands::lines::Lines;
use crate::commands::twins::Twins;
use crate::durable;
use crate::engine::{self, EraseOptions, Order, SearchOptions, Selector, Store};
use crate::exit::Failure;
use crate::json::Object;
use crate::out::{Out, clean, clip};
use crate::outside::Outside;
use crate::progress::Progress;
use escrowdb_server::sample::{self as chat, AGENTS, CONVERSATIONS, CUSTOMERS, Customer};

mod answers;
mod elsewhere;
mod proof;
mod rules;
mod scan;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Folder for everything the demo writes; must be new or empty. Default: a temporary one.
    #[arg(long, value_name = "D")]
    dir: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut Out) -> Result<(), Failure> {
    if let Some(folder) = &args.dir {
        // Its own store stands there too: not in another.
        Outside::of(global, folder)?;
    }
    let folder = new_folder(args.dir.as_deref())?;
    let mut demo = Demo::new(&folder, out)?;
    demo.consent()?;
    demo.import()?;
    demo.search()?;
    demo.conversation()?;
    demo.export()?;
    demo.correct()?;
    let before = demo.look()?;
    demo.copy()?;
    demo.plan()?;
    demo.hold()?;
    demo.erase()?;
    let verdict = demo.prove(&before)?;
    demo.end(&verdict)
}

/// One run and what it has opened.
struct Demo<'a> {
    store: Store,
    place: Place,
    out: &'a mut Out,
    messages: usize,
}

/// Where things are.
struct Place {
    folder: PathBuf,
    store: PathBuf,
    slot: PathBuf,
    copy: PathBuf,
    export: PathBuf,
    certificate: PathBuf,
}

impl Place {
    fn outside(&self, file: &Path) -> Result<Outside, Failure> {
        Outside::apart(Some(&self.store), Some(&self.slot), file)
    }
}

/// What was seen while she was still there.
struct Before {
    objects: Objects,
    opened: u64,
    answers: Answers,
}

/// What the proof found. Every field but the first three must be zero or unchanged.
struct Verdict {
    objects: u64,
    opened_before: u64,
    answers: usize,
    opened_after: u64,
    opened_copy: u64,
    answers_changed: usize,
    hits: u64,
    seen: Seen,
}

impl Verdict {
    fn holds(&self) -> bool {
        let nothing_opens = self.opened_after == 0 && self.opened_copy == 0;
        let was_there = self.objects > 0 && self.opened_before == self.objects;
        was_there && nothing_opens && self.answers_changed == 0 && self.hits == 0 && self.seen.found == 0
    }
}

impl<'a> Demo<'a> {
    fn new(folder: &Path, out: &'a mut Out) -> Result<Self, Failure> {
        let place = Place {
            folder: folder.to_owned(),
            store: folder.join("store"),
            slot: folder.join("store.slot"),
            copy: folder.join("copy"),
            export: folder.join("marie.jsonl"),
            certificate: folder.join("certificate.json"),
        };
        let store = Store::builder(&place.store).slot(&place.slot).audit(engine::Level::Acts).create()?;
        let mut demo = Self { store, place, out, messages: 0 };
        demo.say("EscrowDB demo: a shop's live chat, kept, searched, and then one customer is forgotten.")?;
        demo.step(1, "A new store")?;
        demo.fact(&format!("sealed records in {}", demo.place.store.display()))?;
        demo.fact(&format!("its one key, outside the folder, in {}", demo.place.slot.display()))?;
        Ok(demo)
    }

    /// Two thirds are rolled into a segment, the rest stays in the journal: both must forget.
    fn import(&mut self) -> Result<(), Failure> {
        let lines = chat::lines();
        let (rolled, journalled) = lines.split_at(lines.len() * 2 / 3);
        self.append(rolled)?;
        self.store.roll()?;
        self.append(journalled)?;
        self.messages = lines.len();
        self.step(3, "Import")?;
        self.fact(&format!(
            "{} messages in {CONVERSATIONS} conversations: {} customers, {} agents, 7 languages",
            self.messages,
            CUSTOMERS.len(),
            AGENTS.len()
        ))
    }

    fn append(&mut self, lines: &[String]) -> Result<(), Failure> {
        let text = lines.join("\n");
        let mut rejects = Rejects::new(None, Path::new("-"))?;
        let mut progress = Progress::bytes(None);
        let store = &self.store;
        let mut append = |batch: &[_]| Ok(store.append(batch)?);
        let lines = &mut Lines::new(text.as_bytes());
        import(lines, (false, &mut Twins::new()), &mut rejects, &mut progress, &mut append, None)?;
        match rejects.finish()? {
            0 => Ok(()),
            n => Err(Failure::rejected(format!("{n} lines of the demo's own sample were rejected"))),
        }
    }

    /// A tag, a person and a time at once.
    fn search(&mut self) -> Result<(), Failure> {
        let query = format!("tag:dept:returns author:{} after:2026-03-08 before:2026-03-22", her().email);
        let reading = engine::session(&self.store, &Default::default());
        let mut lines = Vec::new();
        engine::each_hit(&reading, &query, (SearchOptions::new().order(Order::Oldest), None), |hit| {
            lines.push(format!("{}  {}", time::format(hit.time), clip(&hit.body, 64)));
            Ok(())
        })?;
        self.step(4, "Search by tag, person and time")?;
        self.fact(&format!("escrow search '{query}'"))?;
        lines.iter().try_for_each(|line| self.fact(line))
    }

    fn conversation(&mut self) -> Result<(), Failure> {
        let name = chat::conversation(0);
        let hits = engine::session(&self.store, &Default::default()).conversation(&name)?;
        self.step(5, "Show a conversation")?;
        self.fact(&format!("escrow conversation {name}"))?;
        for hit in hits.iter().take(4) {
            let author = clean(hit.author.as_deref().unwrap_or("(unknown)"));
            self.fact(&format!("{author:>30}: {}", clip(&hit.body, 60)))?;
        }
        Ok(())
    }

    fn export(&mut self) -> Result<(), Failure> {
        let reading = engine::session(&self.store, &Default::default());
        let target = Target::new(&self.place.export, |file| self.place.outside(file))?;
        let asked = (Asked::Subject(her().email.to_owned()), Some(reading.person(her().email)?.handle));
        let query = &subject_query(her().email);
        let register = &Register {
            store: &self.store,
            global: &Global::default(),
            query,
            recipient: Some("the person herself"),
            expires: None,
        };
        let summary = write_jsonl(&target, &reading, asked, register)?;
        let found =
            needles().count(&fs::read(&self.place.export).map_err(|e| Failure::io("read the export", e))?);
        if found == 0 {
            return Err(Failure::failed("the byte scan doesn't find her in her own export"));
        }
        self.step(6, &format!("Give access: export everything of {}", her().name))?;
        self.fact(&format!("{} records in {}", summary.count, self.place.export.display()))?;
        self.fact(&format!("a byte scan for her name, e-mail and order numbers finds {found} places in it"))
    }

    fn look(&mut self) -> Result<Before, Failure> {
        let objects = Objects::holding(&self.store, her().email)?;
        let opened = objects.opened(&self.store, &self.place.store)?;
        let reading = engine::session(&self.store, &Default::default());
        Ok(Before { objects, opened, answers: Answers::about_others(&reading, HER)? })
    }

    fn copy(&mut self) -> Result<(), Failure> {
        scan::copy(&self.place.store, &self.place.copy)?;
        self.step(8, "Somebody copies the whole folder")?;
        self.fact(&format!("to {}", self.place.copy.display()))
    }

    fn plan(&mut self) -> Result<(), Failure> {
        let plan = self.store.plan(&Selector::Person(her().email.to_owned()))?;
        self.step(9, "Plan her erasure (changes nothing)")?;
        self.fact(&format!(
            "would go: {} records, {} details of acts; index of {} segments re-keyed",
            plan.records, plan.details, plan.segments
        ))?;
        self.fact(&format!("{} likely mentions by others; their words stay theirs:", plan.mention_total))?;
        for hit in plan.mentions.iter().take(2) {
            self.fact(&format!("  {}", clip(&hit.body, 70)))?;
        }
        Ok(())
    }

    fn erase(&mut self) -> Result<(), Failure> {
        let reason = Some("asked to be forgotten".to_owned());
        let options = EraseOptions { reason, ..EraseOptions::default() };
        let certificate = self.store.erase(&Selector::Person(her().email.to_owned()), &options)?;
        let place = self.place.outside(&self.place.certificate)?;
        durable::write(&place, (certificate.to_json() + "\n").as_bytes())?;
        self.step(11, "Erase her")?;
        self.fact(&format!("escrow erase --subject {} --yes", her().email))?;
        self.fact(&format!("certificate in {}", self.place.certificate.display()))?;
        let Some((_, until)) = certificate.retained.first() else {
            return Err(Failure::failed("the certificate doesn't say that her consent is kept as evidence"));
        };
        self.fact(&format!(
            "her consent is kept as evidence under a key of its own, until {}",
            time::format(*until)
        ))
    }

    fn prove(&mut self, before: &Before) -> Result<Verdict, Failure> {
        let reading = engine::session(&self.store, &Default::default());
        let answers = Answers::about_others(&reading, HER)?;
        let mut seen = needles().scan(&self.place.store)?;
        let copy = needles().scan(&self.place.copy)?;
        seen.files += copy.files;
        seen.bytes += copy.bytes;
        seen.found += copy.found;
        Ok(Verdict {
            objects: before.objects.len(),
            opened_before: before.opened,
            opened_after: before.objects.opened(&self.store, &self.place.store)?,
            opened_copy: before.objects.opened(&self.store, &self.place.copy)?,
            answers: answers.len(),
            answers_changed: before.answers.differences(&answers),
            hits: reading.count(&subject_query(her().email))?,
            seen,
        })
    }

    fn end(mut self, verdict: &Verdict) -> Result<(), Failure> {
        self.step(12, "Proof")?;
        let (objects, before, after) = (verdict.objects, verdict.opened_before, verdict.opened_after);
        self.fact(&format!(
            "sealed objects that held her: {objects} · opened by keys that exist: {before} before, {after} after"
        ))?;
        self.fact(&format!("the copy, opened with today's slot: {} of {objects}", verdict.opened_copy))?;
        self.fact(&format!("records found of her: {}", verdict.hits))?;
        self.fact(&format!(
            "everybody else: {} counts, facets, talks and exports compared, {} differ",
            verdict.answers, verdict.answers_changed
        ))?;
        self.fact(&format!(
            "her name, e-mail and order numbers in the {} bytes of folder and copy: {} (UTF-8, UTF-16, base64, hex)",
            verdict.seen.bytes, verdict.seen.found
        ))?;
        self.elsewhere()?;
        self.counts()?;
        let store = self.place.store.display().to_string();
        self.say("")?;
        self.say(&format!("Everything is in {}. Try:", self.place.folder.display()))?;
        self.fact(&format!("escrow --store {store} search 'tag:dept:billing tag:lang:ja'"))?;
        self.fact(&format!("escrow --store {store} facet '*' --by tag"))?;
        self.fact(&format!("escrow --store {store} erase --subject {} --plan", CUSTOMERS[1].email))?;
        if self.out.json() {
            self.out.line(&to_json(verdict, self.messages, &self.place.folder))?;
        }
        self.out.flush()?;
        self.store.close()?;
        if !verdict.holds() {
            return Err(escrowdb::Error::corrupt(
                "the proof failed: something of her is left, or something else changed",
            )
            .into());
        }
        Ok(())
    }

    /// Somebody who has the certificate and the public key, and nothing else.
    fn elsewhere(&mut self) -> Result<(), Failure> {
        let key = self.store.verifier_key()?;
        let empty = self.place.folder.join("elsewhere");
        let printed = elsewhere::verify(&empty, &self.place.certificate, &key)?;
        self.step(13, "Somebody else checks the certificate, in an empty folder")?;
        self.fact(&format!("escrow verify-certificate {} --key {key}", self.place.certificate.display()))?;
        let (limits, proved): (Vec<_>, Vec<_>) =
            printed.lines().partition(|line| line.starts_with("not proved"));
        proved.iter().take(5).try_for_each(|line| self.fact(line))?;
        self.fact(&format!("  … and {} lines of what it does not prove", limits.len()))
    }

    fn step(&mut self, number: u32, title: &str) -> Result<(), Failure> {
        self.say(&format!("{number}. {title}"))
    }

    fn fact(&mut self, text: &str) -> Result<(), Failure> {
        self.say(&format!("   {text}"))
    }

    fn say(&mut self, text: &str) -> Result<(), Failure> {
        if self.out.json() { Ok(()) } else { Ok(self.out.line(text)?) }
    }
}

fn to_json(verdict: &Verdict, messages: usize, folder: &Path) -> String {
    Object::new()
        .text("folder", &folder.display().to_string())
        .number("messages", messages as u64)
        .number("sealed_objects", verdict.objects)
        .number("opened_before", verdict.opened_before)
        .number("opened_after", verdict.opened_after)
        .number("opened_in_copy", verdict.opened_copy)
        .number("answers_compared", verdict.answers as u64)
        .number("answers_changed", verdict.answers_changed as u64)
        .number("bytes_scanned", verdict.seen.bytes)
        .number("words_found", verdict.seen.found)
        .flag("proved", verdict.holds())
        .finish()
}

/// She who asks to be forgotten.
fn her() -> &'static Customer {
    &CUSTOMERS[HER]
}

fn needles() -> Needles {
    let orders = chat::orders(HER);
    Needles::new([her().name, her().email].into_iter().chain(orders.iter().map(String::as_str)))
}

/// A folder of our own: the named one if it is new or empty, else a new temporary one.
fn new_folder(named: Option<&Path>) -> Result<PathBuf, Failure> {
    let Some(folder) = named else { return temporary_folder() };
    fs::create_dir_all(folder).map_err(|e| Failure::io(format!("create {}", folder.display()), e))?;
    let mut entries = fs::read_dir(folder).map_err(|e| Failure::io("list the demo's folder", e))?;
    if entries.next().is_some() {
        return Err(
            Failure::failed(format!("{} is not empty", folder.display())).hint("name a new folder by --dir")
        );
    }
    Ok(folder.to_owned())
}

/// A folder that nobody prepared for us and nobody else reads.
fn temporary_folder() -> Result<PathBuf, Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    let folder = std::env::temp_dir().join(format!("escrow-demo-{}-{now:x}", std::process::id()));
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&folder).map_err(|e| Failure::io(format!("create {}", folder.display()), e))?;
    Ok(folder)
}

/// Her place in the list of customers.
const HER: usize = 0;
