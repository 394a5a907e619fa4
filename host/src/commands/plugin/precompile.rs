//! `op-dbus plugin precompile`: for the build of the program itself.

use std::path::Path;

use anyhow::Context;

use crate::plugin::builtin::Builtin;

pub(super) fn run(out: &Path, builtins: &[Builtin]) -> anyhow::Result<()> {
    for builtin in builtins {
        let path = out.join(format!("{}.cwasm", builtin.name));
        std::fs::write(&path, builtin.compile()?).with_context(|| path.display().to_string())?;
    }
    Ok(())
}
