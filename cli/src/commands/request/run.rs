//! Doing what was planned for a request: only what was approved, and only once.

use escrowdb::id::RequestId;
use escrowdb::register::consent::{self, Deed};
use escrowdb::register::hold::{Effect, Hold, Scope};
use escrowdb::register::request::{Kind, Request, State, Step};
use escrowdb::register::{self as registers, hold};
use escrowdb::store::Who;
use escrowdb::{Error, ErrorKind};
use sha2::{Digest as _, Sha256};

use crate::args::Global;
use crate::commands::register;
use crate::commands::request::Run;
use crate::engine::{self, EraseOptions, Selector, Store};
use crate::exit::Failure;
use crate::json::Object;
use crate::out::{Out, note};

pub(super) fn run(args: &Run, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    let request = super::known(&store, &args.code)?;
    if request.kind == Kind::Erasure && !args.yes {
        return Err(Failure::usage("erasing can't be undone and nobody is asked here")
            .hint("see what would go by `escrow request plan`, then give --yes"));
    }
    // The process may have ended between the erasure and the record that it is done.
    if request.state.is_answered() {
        return Err(refused("the request is answered"));
    }
    if request.kind == Kind::Erasure && store.erasure(id(&args.code, &request))?.is_some() {
        return fulfil_erasure(&store, args, &request, global, out);
    }
    // An erasure asks whether it is what was planned, and the rules, and leaves the request as it is where they refuse it.
    if request.kind != Kind::Erasure {
        store.check_planned(&engine::as_named(global), &args.code)?;
        if request.state != State::Running {
            super::step(&store, global, &args.code, Step::Run)?;
        }
    }
    match request.kind {
        Kind::Erasure => fulfil_erasure(&store, args, &request, global, out),
        Kind::Access | Kind::Portability => {
            let form = if request.kind == Kind::Access { "--others pseudonym" } else { "--format jsonl" };
            to_do(
                &store,
                &args.code,
                &request,
                &format!("escrow export --subject X {form} --output FILE"),
                out,
            )
        }
        Kind::Rectification => to_do(&store, &args.code, &request, "escrow correct", out),
        Kind::Restriction | Kind::Objection => restrict(&store, &args.code, &request, global, out),
        Kind::Withdrawal => withdraw(&store, &args.code, &request, global, out),
    }
}

/// The name of the erasure: always the same of a request, so that to run it again repeats the answer.
fn id(code: &str, request: &Request) -> RequestId {
    let mut hash = Sha256::new();
    hash.update(b"escrow request\0");
    hash.update(request.seq.0.to_be_bytes());
    hash.update(code.as_bytes());
    let (digest, mut id) = (hash.finalize(), [0; 16]);
    id.iter_mut().zip(digest.iter()).for_each(|(to, from)| *to = *from);
    RequestId(id)
}

/// Erases, or finds that it is done, and says so in the register; answers with the certificate.
fn fulfil_erasure(
    store: &Store,
    args: &Run,
    request: &Request,
    global: &Global,
    out: &mut Out,
) -> Result<(), Failure> {
    let id = id(&args.code, request);
    let disclosures = store.disclosures_about(request.person)?;
    let certificate = match store.name_of(request.person)? {
        Some(name) => {
            let options = EraseOptions {
                basis: args.basis,
                request: Some(id),
                actor: global.actor.clone(),
                purpose: global.purpose.clone(),
                case: global.case.clone(),
                approved: Some(args.code.clone()),
                ..EraseOptions::default()
            };
            store.erase(&Selector::Person(name), &options)?
        }
        None => store.certificate(id, None)?,
    };
    // First what proves it: whatever becomes of the rest, it is done.
    out.line(&certificate.to_json())?;
    out.flush()?;
    if !disclosures.is_empty() {
        note(&format!("still to be told (GDPR article 19): {}", disclosures.join(" ")));
    }
    let partly =
        certificate.kept.as_ref().map(|kept| if kept.held { "held" } else { "kept by law" }.to_owned());
    let mut steps = Vec::new();
    if request.state != State::Running {
        steps.push(super::event(&args.code, Step::Run));
    }
    steps.push(super::event(&args.code, Step::Fulfil { partly, reference: id.to_string() }));
    store.change_all(&engine::as_named(global), steps)?;
    Ok(())
}

/// Says what a person has to do, for what it needs her judgement.
fn to_do(store: &Store, code: &str, request: &Request, what: &str, out: &mut Out) -> Result<(), Failure> {
    let person = register::name(store, request.person)?;
    let then = format!("escrow request fulfil {code} --reference SHA256");
    let line = if out.json() {
        Object::new().text("person", &person).text("do", what).text("then", &then).finish()
    } else {
        format!("do, for {person}: {what}\nthen: {then}")
    };
    Ok(out.line(&line)?)
}

/// Hides her records under the code of the request (articles 18 and 21).
fn restrict(
    store: &Store,
    code: &str,
    request: &Request,
    global: &Global,
    out: &mut Out,
) -> Result<(), Failure> {
    let ground = if request.kind == Kind::Objection { "GDPR article 21" } else { "GDPR article 18" };
    let place = hold::Event::Place(Hold {
        code: code.to_owned(),
        effect: Effect::Restrict,
        scope: Scope::Person(request.person.0),
        matter: code.to_owned(),
        ground: ground.to_owned(),
        review: None,
    });
    let changes = vec![registers::Event::Hold(place)];
    finish(store, code, changes, (code, "restricted"), global, out)
}

/// Takes back all that she consented to.
fn withdraw(
    store: &Store,
    code: &str,
    request: &Request,
    global: &Global,
    out: &mut Out,
) -> Result<(), Failure> {
    let Some(person) = store.name_of(request.person)? else {
        return Err(Failure::not_found("no such person"));
    };
    let said = store.consents(&Who::Identifier(person.clone()))?;
    let purposes: Vec<_> = said.given().map(str::to_owned).collect();
    if purposes.is_empty() {
        return Err(refused("no consent was given that could be withdrawn"));
    }
    let event = consent::Event {
        event: Deed::Withdraw,
        person,
        purposes,
        notice: None,
        method: "written".to_owned(),
        channel: request.channel.clone(),
        expires: None,
    };
    finish(store, code, vec![registers::Event::Consent(event)], (code, "withdrawn"), global, out)
}

/// Changes registers and says that the request is fulfilled by that: both, or neither.
fn finish(
    store: &Store,
    code: &str,
    mut changes: Vec<registers::Event>,
    (reference, done): (&str, &str),
    global: &Global,
    out: &mut Out,
) -> Result<(), Failure> {
    changes.push(super::event(code, Step::Fulfil { partly: None, reference: reference.to_owned() }));
    let seqs = store.change_all(&engine::as_named(global), changes)?;
    let first = seqs.first().copied().ok_or_else(|| Failure::failed("nothing was written"))?;
    register::say(out, done, first)
}

fn refused(what: &str) -> Failure {
    Error::new(ErrorKind::Refused, what).into()
}
