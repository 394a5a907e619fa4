//! `op-dbus plugin list`.

use std::sync::Arc;

use crate::commands::options::Options;
use crate::commands::print;
use crate::commands::session::Session;
use crate::plugin::builtin::Builtin;
use crate::transaction::book::Book;

pub(super) async fn run(options: &Options, builtins: &[Builtin]) -> anyhow::Result<()> {
    let session = Session::open(options, builtins).await?;
    for plugin in session.plugins(None)? {
        let description = session
            .caller(&plugin, Arc::new(Book::reading()))
            .describe()
            .await?;
        print(&format!(
            "{} {}  sha256:{}  {}\n",
            plugin.name,
            description.version,
            &plugin.digest[..16],
            description.summary
        ))?;
    }
    Ok(())
}
