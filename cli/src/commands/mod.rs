//! The commands, one file each.

use std::io;

use clap::Subcommand;

use crate::args::{Cli, Global};
use crate::exit::{self, Failure};
use crate::json::Object;
use crate::out::{Out, note};

mod add;
mod aggregate;
mod around;
mod audit;
mod certificate;
mod certified;
mod checkpoint;
mod class;
mod compact;
mod completions;
mod consent;
mod conversation;
mod correct;
mod count;
mod demo;
mod disclosure;
mod erase;
mod evidence;
mod export;
mod facet;
mod gate;
mod get;
mod histogram;
mod hold;
mod import;
mod init;
mod key;
mod lines;
mod man;
mod notice;
mod proof;
mod purpose;
mod redact;
mod register;
mod report;
mod request;
mod residency;
mod restrict;
mod resume;
mod retention;
mod roll;
mod search;
mod settings;
mod shell;
mod stats;
mod subject;
mod tag;
mod thread;
mod twins;
mod upgrade;
mod verify;
mod verify_certificate;
mod verify_checkpoint;
mod verify_export;
mod verify_key;
mod verify_proof;
mod verify_residency;
mod witness;

/// What `escrow` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// See the whole life of a store on sample chats: import, search, export, erase, proof.
    Demo(demo::Args),
    /// Make a new store.
    Init(init::Args),
    /// Take in many records from a file or stdin.
    Import(import::Args),
    /// Take in one record from stdin.
    Add,
    /// Find records.
    Search(search::Args),
    /// Count the records a query finds.
    Count(count::Args),
    /// Count the records a query finds by the values of a field.
    Facet(facet::Args),
    /// Count the records a query finds by periods of time (UTC).
    Histogram(histogram::Args),
    /// Show one record.
    Get(get::Args),
    /// Show what was said and done in a conversation, oldest first.
    Conversation(conversation::Args),
    /// Show a record, what it answers and what answers it, as it all reads now.
    Thread(thread::Args),
    /// Give a record tags, take some, or show what was done so.
    #[command(subcommand)]
    Tag(tag::Command),
    /// Put another wording in the place of a record's. Both can be proved; queries find the new one.
    Correct(correct::Args),
    /// Show people or say that two identifiers are one person.
    #[command(subcommand)]
    Subject(subject::Command),
    /// Show sizes and counts.
    Stats,
    /// Erase a person, a conversation or a record, for good.
    Erase(erase::Args),
    /// Overwrite a part of a record for good. The record stays, at a new position of the log.
    Redact(redact::Args),
    /// Print the certificate of an erasure once more, or prove it in a later checkpoint.
    Certificate(certificate::Args),
    /// Say what is kept how long, and show it.
    #[command(subcommand)]
    Class(class::Command),
    /// Erase what was kept long enough, and show what is due.
    #[command(subcommand)]
    Retention(retention::Command),
    /// Write records to a file.
    Export(export::Args),
    /// Merge small segments and give back the space of what was erased.
    Compact,
    /// Show what was done with the store, by whom.
    ///
    /// What is opened, exported, erased and imported is recorded in the store itself before its answer
    /// leaves; at level `all` searches too. Acts name people by number. What was typed stands in details,
    /// which die on their date and are shown for a purpose.
    Audit(audit::Args),
    /// What people are told before they are asked.
    #[command(subcommand)]
    Notice(notice::Command),
    /// What records are kept and read for, and the law that rests on.
    #[command(subcommand)]
    Purpose(purpose::Command),
    /// What people were asked, what they said, and the proof of it.
    #[command(subcommand)]
    Consent(consent::Command),
    /// Which purposes the people of a record must allow for it to be taken in.
    #[command(subcommand)]
    Gate(gate::Command),
    /// What the store does of itself.
    #[command(subcommand)]
    Settings(settings::Command),
    /// What must stay, whatever else says that it goes.
    #[command(subcommand)]
    Hold(hold::Command),
    /// What is hidden from all but holders of a case.
    #[command(subcommand)]
    Restrict(restrict::Command),
    /// What people ask for, by when it must be answered, and what becomes of it.
    #[command(subcommand)]
    Request(request::Command),
    /// What was given to others, and whether they were told of an erasure.
    #[command(subcommand)]
    Disclosure(disclosure::Command),
    /// Counts for the world that tell of nobody, and stay when the people counted are erased.
    #[command(subcommand)]
    Aggregate(aggregate::Command),
    /// Where the store says that it lives, and what happened elsewhere.
    #[command(subcommand)]
    Residency(residency::Command),
    /// What is owed to an authority: the record of processing, the report of a breach.
    #[command(subcommand)]
    Report(report::Command),
    /// Check the store.
    Verify(verify::Args),
    /// Sign the head of the log. Keep it elsewhere: it shows later what was taken away or put back.
    Checkpoint(checkpoint::Args),
    /// Prove that a record stands in the log, to somebody who has only its key.
    Proof(proof::Args),
    /// Check a proof of a record. Needs no store.
    VerifyProof(verify_proof::Args),
    /// Check an export line by line. Needs no store.
    VerifyExport(verify_export::Args),
    /// Check a certificate of an erasure. Needs no store.
    VerifyCertificate(verify_certificate::Args),
    /// Check the change of a log's key. Needs no store.
    VerifyKey(verify_key::Args),
    /// Check a report of residency. Needs no store.
    VerifyResidency(verify_residency::Args),
    /// Check a checkpoint, and whether it continues an earlier one. Needs no store.
    VerifyCheckpoint(verify_checkpoint::Args),
    /// Be a witness for logs of others: a second machine cosigns their checkpoints, and no two that
    /// contradict each other.
    #[command(subcommand)]
    Witness(witness::Command),
    /// Show keys that may be shown, and change the one that signs the log.
    #[command(subcommand)]
    Key(key::Command),
    /// Bring a store to the format of this program.
    Upgrade,
    /// Work in one session on an open store: line after line, with history and completion.
    ///
    /// A line is a command as it stands behind `escrow`, or a query, which is searched for; `help` in
    /// the shell says the rest. The store is opened once and locked until the end. If stdin is no
    /// terminal, its lines are read as a script, without a prompt; the first that fails ends it, with
    /// its exit code.
    Shell(shell::Args),
    /// Print what a shell needs to complete commands: `escrow completions bash`.
    Completions(completions::Args),
    /// Print the manual page, or write all of them.
    Man(man::Args),
    /// Move the journal into a segment now.
    #[command(hide = true)]
    Roll,
}

/// Runs what was parsed.
pub(crate) fn run(cli: Cli, out: &mut Out) -> Result<(), Failure> {
    if cli.version {
        return Ok(version(out)?);
    }
    let global = &cli.global;
    let command = cli.command.ok_or_else(|| {
        Failure::usage("no command given").hint("see `escrow --help`, or start with `escrow demo`")
    })?;
    answered(kind_of(&command), out, |out| dispatch(command, global, out))
}

/// Runs a command, and says so if a part of the store can't be read.
fn answered(
    kind: Answer,
    out: &mut Out,
    run: impl FnOnce(&mut Out) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let result = run(out);
    match kind {
        Answer::Data => {
            out.flush()?;
            exit::incomplete(result)
        }
        Answer::Erasure if result.is_err() => exit::incomplete(result),
        Answer::Act => {
            if let (Ok(()), Some(what)) = (&result, exit::unreadable()) {
                note(&format!("a part of the store can't be read: {what}"));
            }
            result
        }
        Answer::Erasure | Answer::Report => result,
    }
}

/// What a command's answer is worth if a part of the store can't be read.
enum Answer {
    /// Data: it must not be shorter in silence.
    Data,
    /// A deed that is done all the same.
    Act,
    /// An erasure, which gives up what can't be read; but what it doesn't find may stand there.
    Erasure,
    /// It says itself what is damaged, or opens no store.
    Report,
}

fn kind_of(command: &Command) -> Answer {
    match command {
        Command::Subject(command) if command.destroys() => Answer::Erasure,
        Command::Search(_)
        | Command::Count(_)
        | Command::Facet(_)
        | Command::Histogram(_)
        | Command::Get(_)
        | Command::Conversation(_)
        | Command::Thread(_)
        | Command::Tag(tag::Command::Show { .. })
        | Command::Subject(_)
        | Command::Stats
        | Command::Report(_)
        | Command::Export(_)
        | Command::Certificate(_)
        | Command::Audit(_)
        | Command::Proof(_) => Answer::Data,
        Command::Notice(command) if command.reads() => Answer::Data,
        Command::Purpose(command) if command.reads() => Answer::Data,
        Command::Consent(command) if command.reads() => Answer::Data,
        Command::Gate(command) if command.reads() => Answer::Data,
        Command::Settings(command) if command.reads() => Answer::Data,
        Command::Hold(command) if command.reads() => Answer::Data,
        Command::Request(command) if command.reads() => Answer::Data,
        Command::Restrict(command) if command.reads() => Answer::Data,
        Command::Disclosure(command) if command.reads() => Answer::Data,
        Command::Aggregate(command) if command.reads() => Answer::Data,
        Command::Retention(command) if command.reads() => Answer::Data,
        Command::Erase(args) if args.plan() => Answer::Data,
        Command::Redact(args) if args.plan() => Answer::Data,
        Command::Erase(_) | Command::Redact(_) => Answer::Erasure,
        Command::Verify(_)
        | Command::VerifyProof(_)
        | Command::VerifyCertificate(_)
        | Command::VerifyKey(_)
        | Command::VerifyResidency(_)
        | Command::VerifyCheckpoint(_)
        | Command::Witness(_)
        | Command::VerifyExport(_)
        | Command::Demo(_)
        | Command::Init(_)
        | Command::Shell(_)
        | Command::Completions(_)
        | Command::Man(_) => Answer::Report,
        Command::Notice(_)
        | Command::Purpose(_)
        | Command::Consent(_)
        | Command::Gate(_)
        | Command::Settings(_)
        | Command::Hold(_)
        | Command::Request(_)
        | Command::Restrict(_)
        | Command::Disclosure(_)
        | Command::Aggregate(_)
        | Command::Import(_)
        | Command::Add
        | Command::Tag(_)
        | Command::Correct(_)
        | Command::Compact
        | Command::Class(_)
        | Command::Retention(_)
        | Command::Checkpoint(_)
        | Command::Residency(_)
        | Command::Key(_)
        | Command::Upgrade
        | Command::Roll => Answer::Act,
    }
}

fn dispatch(command: Command, global: &Global, out: &mut Out) -> Result<(), Failure> {
    match command {
        Command::Demo(args) => demo::run(&args, global, out),
        Command::Init(args) => init::run(&args, global, out),
        Command::Import(args) => import::run(&args, global, out),
        Command::Add => add::run(global, out),
        Command::Search(args) => search::run(&args, global, out),
        Command::Count(args) => count::run(&args, global, out),
        Command::Facet(args) => facet::run(&args, global, out),
        Command::Histogram(args) => histogram::run(&args, global, out),
        Command::Get(args) => get::run(&args, global, out),
        Command::Conversation(args) => conversation::run(&args, global, out),
        Command::Thread(args) => thread::run(&args, global, out),
        Command::Tag(command) => tag::run(&command, global, out),
        Command::Correct(args) => correct::run(&args, global, out),
        Command::Subject(command) => subject::run(&command, global, out),
        Command::Stats => stats::run(global, out),
        Command::Erase(args) => erase::run(&args, global, out),
        Command::Redact(args) => redact::run(&args, global, out),
        Command::Certificate(args) => certificate::run(&args, global, out),
        Command::Class(command) => class::run(&command, global, out),
        Command::Retention(command) => retention::run(&command, global, out),
        Command::Export(args) => export::run(&args, global, out),
        Command::Compact => compact::run(global, out),
        Command::Audit(args) => audit::run(&args, global, out),
        Command::Notice(command) => notice::run(&command, global, out),
        Command::Purpose(command) => purpose::run(&command, global, out),
        Command::Consent(command) => consent::run(&command, global, out),
        Command::Gate(command) => gate::run(&command, global, out),
        Command::Settings(command) => settings::run(&command, global, out),
        Command::Hold(command) => hold::run(&command, global, out),
        Command::Request(command) => request::run(&command, global, out),
        Command::Restrict(command) => restrict::run(&command, global, out),
        Command::Disclosure(command) => disclosure::run(&command, global, out),
        Command::Aggregate(command) => aggregate::run(&command, global, out),
        Command::Verify(args) => verify::run(&args, global, out),
        Command::Checkpoint(args) => checkpoint::run(&args, global, out),
        Command::Proof(args) => proof::run(&args, global, out),
        Command::VerifyProof(args) => verify_proof::run(&args, out),
        Command::VerifyKey(args) => verify_key::run(&args, out),
        Command::VerifyResidency(args) => verify_residency::run(&args, out),
        Command::Report(command) => report::run(&command, global, out),
        Command::Residency(command) => residency::run(&command, global, out),
        Command::VerifyCertificate(args) => verify_certificate::run(&args, out),
        Command::VerifyCheckpoint(args) => verify_checkpoint::run(&args, out),
        Command::Witness(command) => witness::run(command, out),
        Command::VerifyExport(args) => verify_export::run(&args, out),
        Command::Key(command) => key::run(&command, global, out),
        Command::Upgrade => upgrade::run(global, out),
        Command::Shell(args) => shell::run(&args, global),
        Command::Completions(args) => completions::run(&args, out),
        Command::Man(args) => man::run(&args, global, out),
        Command::Roll => roll::run(global),
    }
}

fn version(out: &mut Out) -> io::Result<()> {
    let (program, format) = (env!("CARGO_PKG_VERSION"), escrowdb::FORMAT_VERSION);
    if out.json() {
        let line = Object::new()
            .text("name", "escrow")
            .text("version", program)
            .number("format", format.into())
            .finish();
        return out.line(&line);
    }
    out.line(&format!("escrow {program} (store format {format})"))
}
