//! Prints what would be done for a request, and the hash that is approved.

use crate::args::Global;
use crate::engine::{self, RequestPlan};
use crate::exit::Failure;
use crate::json::Object;
use crate::out::Out;

/// Makes the plan of a request, which registers its hash, and prints it.
pub(super) fn run(code: &str, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let store = engine::open(global)?;
    let plan = store.plan_request(&engine::as_named(global), code)?;
    store.close()?;
    print(&plan, out)
}

fn print(plan: &RequestPlan, out: &mut Out) -> Result<(), Failure> {
    let (agreed, beside) = (&plan.agreed, plan.erasure.as_ref());
    if out.json() {
        let mut line = Object::new();
        line.raw("plan", &agreed.plan).text("sha256", &agreed.hash);
        if let Some(planned) = beside {
            line.number("details", planned.details).number("segments", planned.segments);
            line.flag("journal", planned.journal);
        }
        return Ok(out.line(&line.finish())?);
    }
    out.line(&agreed.plan)?;
    if let Some(planned) = beside {
        let (details, segments) = (planned.details, planned.segments);
        out.line(&format!("beside it {details} details of acts would go; segments re-keyed: {segments}"))?;
        if !planned.holds.is_empty() {
            out.line(&format!("held by {}: what that keeps stays", planned.holds.join(" ")))?;
        }
    }
    Ok(out.line(&format!("SHA-256 {}", agreed.hash))?)
}
