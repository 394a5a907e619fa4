//! Plans on disk, as `diff --out` writes and `apply --plan` reads them.

use std::path::Path;
use std::time::SystemTime;

use serde_json::value::RawValue;

use super::session::Session;
use crate::state_file::{self, StateFile};
use crate::transaction::plan::Part;
use crate::transaction::plan_file::{PlanFile, Planned};

/// Keeps what was computed as a plan.
///
/// # Errors
/// When the plan cannot be written.
pub fn write(
    session: &Session<'_>,
    file: &StateFile,
    parts: &[Part<'_>],
    out: &Path,
) -> anyhow::Result<()> {
    let plan = PlanFile {
        created: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        namespace: session.namespace.clone(),
        state_file: RawValue::from_string(file.json())?,
        plugins: all(parts)?,
    };
    Ok(plan.write(out, session.secrets())?)
}

/// Reads a plan, and the state file in it.
///
/// # Errors
/// When it is none of this host and this network namespace.
pub fn read(session: &Session<'_>, path: &Path) -> anyhow::Result<(PlanFile, StateFile)> {
    let plan = PlanFile::read(path, session.secrets())?;
    plan.is_for(&session.namespace)?;
    let name = format!("{} (the state file in it)", path.display());
    let file = state_file::embedded(name, plan.state_file.get().to_owned())?;
    Ok((plan, file))
}

/// Whether the steps that were computed just now are those of the plan, from the state of the plan.
///
/// # Errors
/// What has moved.
pub fn check(plan: &PlanFile, parts: &[Part<'_>]) -> anyhow::Result<()> {
    Ok(plan.is_what(&all(parts)?)?)
}

fn all(parts: &[Part<'_>]) -> serde_json::Result<Vec<Planned>> {
    parts.iter().map(Planned::of).collect()
}
