//! `op-dbus plugin test`: the conformance kit.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use super::component;
use crate::commands::options::Options;
use crate::commands::print;
use crate::conformance::junit::junit;
use crate::conformance::live::Namespaces;
use crate::conformance::schema::Schema;
use crate::conformance::simulation::Services;
use crate::conformance::stage::{Simulated, Stage};
use crate::conformance::states::{gather, make_secrets};
use crate::conformance::subject::Subject;
use crate::conformance::trial::trial;
use crate::output::json;
use crate::plugin::builtin::Builtin;
use crate::plugin::limits::Limits;
use crate::secrets::SecretStore;
use crate::transaction::book::Book;

/// Exit code for broken laws, and for a trial that says nothing because there was no state to try.
const BROKEN: u8 = 5;

/// How long one call may take: a plugin that a person waits for is far below.
const DEADLINE: Duration = Duration::from_secs(20);

/// Try whether a plugin keeps the contract's laws, on a simulated host: exit 0 when it does, 5 when not or when no state could be
/// tried.
#[derive(Args)]
pub struct Test {
    /// The component, or `builtin:NAME`
    file: PathBuf,
    /// A state file with a section for the plugin, JSON or YAML; may be repeated. Without it the `examples` of the plugin's schema are
    /// tried
    #[arg(long, value_name = "FILE")]
    state: Vec<PathBuf>,
    /// What is on the simulated host's bus in place of NetworkManager: services, their properties and methods, as JSON
    #[arg(long, value_name = "FILE", conflicts_with = "live")]
    bus: Option<PathBuf>,
    /// Try it in throw-away network namespaces of the real kernel; needs root
    #[arg(long)]
    live: bool,
    /// Exit 0 also where no state could be tried, and most laws were therefore not
    #[arg(long)]
    allow_untried: bool,
    /// Write a report for CI systems, as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Test {
    pub(super) async fn run(
        &self,
        options: &Options,
        builtins: &[Builtin],
    ) -> anyhow::Result<ExitCode> {
        let limits = Limits {
            deadline: DEADLINE,
            ..Limits::default()
        };
        let mut plugin = component::load(&self.file, options, builtins, limits)?;
        let nowhere = Simulated::default().stand().await?.backends;
        let book = Arc::new(Book::reading());
        let description = component::introduce(&mut plugin, nowhere, book).await?;
        // What it asks for is what it gets; whether that is a grant at all is the first law.
        plugin.grant = Arc::new(serde_json::from_str(&description.asks).unwrap_or_default());
        let schema = Schema::new(&description.schema).ok();
        let given = gather(&self.state, &plugin.name, schema.as_ref())?;
        let directory = tempfile::tempdir().context("a directory for secrets")?;
        make_secrets(&given, directory.path())?;
        let store = SecretStore::open(vec![directory.path().to_owned()], None)?;
        let stage = self.stage(options, Arc::new(store))?;
        let subject = Subject {
            plugin,
            description,
            schema,
        };
        let report = trial(&subject, &*stage, &given).await?;
        if let Some(path) = &self.junit {
            std::fs::write(path, junit(&report)).with_context(|| path.display().to_string())?;
        }
        if self.json {
            print(&json::text(&report.json()))?;
        } else {
            print(&report.text(options.style()))?;
        }
        Ok(
            match report.is_clean() && (!report.unlived || self.allow_untried) {
                true => ExitCode::SUCCESS,
                false => ExitCode::from(BROKEN),
            },
        )
    }

    fn stage(
        &self,
        options: &Options,
        secrets: Arc<SecretStore>,
    ) -> anyhow::Result<Box<dyn Stage>> {
        if self.live {
            let ovsdb = options.named_ovsdb().cloned();
            let namespaces = Namespaces::new(secrets, ovsdb, &options.dbus_address())?;
            return Ok(Box::new(namespaces));
        }
        let services = self.bus.as_deref().map(services).transpose()?;
        Ok(Box::new(Simulated {
            services: services.map(Arc::new),
            secrets,
        }))
    }
}

fn services(path: &Path) -> anyhow::Result<Services> {
    let shown = || path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(shown)?;
    serde_json::from_str(&text).with_context(shown)
}
