//! `op-dbus plugin add`: vets a component, puts it down where only root can write, pins it, and grants what the operator says.
//!
//! What changes is shown before it does: version, digest, signers, and every entry by which the grant becomes wider. Done anew for a plugin
//! that is there, it is an update.

use std::fmt::Write;
use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, bail, ensure};
use clap::Args;

use super::candidate::{Candidate, Looked, describe};
use super::granting::{self, Choice};
use super::inspect::standing;
use super::settle::{given_to_tenants, refuse_pending, rewrite};
use super::store::{self, Record, Store};
use crate::commands::options::Options;
use crate::commands::print;
use crate::commands::session::Session;
use crate::commands::talk::say;
use crate::config::component::{Component, is_name};
use crate::config::render::grant_of;
use crate::gate::grant::{Grant, beyond};
use crate::output::Style;
use crate::output::color::Paint;
use crate::output::escape::escape;
use crate::plugin::builtin::Builtin;
use crate::registry::Reference;
use crate::registry::client::RegistryError;
use crate::transaction::record::Who;
use crate::trust::Found;

/// Vet a component, pin it, and write it into the configuration with a grant; for one that is there, update it.
#[derive(Args)]
pub struct Add {
    /// The component: FILE, or oci://HOST/REPOSITORY:TAG, best with @sha256:…
    what: String,
    /// Its name in the configuration and in state files [default: the name that it gives itself]
    #[arg(long)]
    name: Option<String>,
    /// What to grant: `asked`, `none`, or a FILE with tables as `plugin inspect` prints them [default: what it has, or else what it asks for]
    #[arg(long, value_name = "FILE|asked|none")]
    grant: Option<Choice>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Take an older version than the one that is there
    #[arg(long)]
    allow_downgrade: bool,
    /// Pull without TLS
    #[arg(long)]
    insecure_registry: bool,
}

/// What is there under the name so far.
struct Present {
    /// Its file, if it has one.
    file: Option<PathBuf>,
    record: Option<Record>,
    digest: Option<String>,
    version: Option<String>,
    /// What the configuration grants it.
    grant: Option<Grant>,
}

impl Present {
    /// Where a candidate came from at first: what is added from its own place again is what it was.
    fn source(&self, candidate: &Candidate) -> String {
        match (&self.file, &self.record) {
            (Some(file), Some(record)) if *file == Path::new(&candidate.source) => {
                record.source.clone()
            }
            _ => candidate.source.clone(),
        }
    }
}

impl Add {
    pub(super) async fn run(&self, options: &Options, builtins: &[Builtin]) -> anyhow::Result<()> {
        ensure!(
            !self.what.starts_with("builtin:"),
            "{} is part of the program; to have it under another name, write component = {:?} into the configuration",
            self.what,
            self.what
        );
        let session = Session::open(options, builtins).await?;
        let candidate = Candidate::fetch(&session, &self.what, self.insecure_registry)?;
        let trust = &options.configuration.trust;
        let found = trust.examine(&candidate.bytes, &candidate.evidence);
        let found = trust
            .judge(found)
            .with_context(|| format!("{} is not added", candidate.source))?;
        let looked = candidate.look(&session).await?;
        let name = self.name.as_ref().unwrap_or(&looked.description.name);
        ensure!(
            is_name(name),
            "{name:?} is no name for a plugin; give it one with --name"
        );
        let replaces = builtins.iter().any(|builtin| builtin.name == name)
            && options.configuration.component(name).is_none();
        ensure!(
            !replaces || self.name.is_some(),
            "{name} is the name of a built-in plugin; give this one another with --name, or say --name {name} to put it in the place of the \
             built-in one"
        );
        let present = present(&session, options, name).await?;
        self.hold_against(&present, &candidate, &looked)?;
        let grant = match &self.grant {
            Some(choice) => choice.grant(&looked.asks)?,
            None => match &present.grant {
                Some(grant) => grant.clone(),
                None => Choice::Asked.grant(&looked.asks)?,
            },
        };

        let style = options.talk_style();
        say(&change(name, &candidate, &looked, &found, &present, style));
        if replaces {
            say("It takes the place of the built-in plugin, whose grant does not pass to it.\n");
        }
        say(&granted(name, &grant, &present, &looked, style));
        self.ask(&format!("Add {name}?"))?;

        let (state, _lock) = session.lock().await?;
        refuse_pending(options, name)?;
        let store = Store::open(options.state_dir())
            .with_context(|| options.state_dir().join("plugins").display().to_string())?;
        let record = Record {
            name: name.clone(),
            source: present.source(&candidate),
            version: looked.description.version.clone(),
            asked: looked.asks.unwrap_or_default(),
            granted: grant.clone(),
            time: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            who: Who::current(),
        };
        let file = store
            .put(&candidate.bytes, &candidate.evidence, &record)
            .context("the component cannot be put down")?;
        // An equal grant stays as the operator wrote it.
        let new_grant = (present.grant.as_ref() != Some(&grant)).then_some(&grant);
        let written = rewrite(options, builtins, &state, |edit| {
            edit.put(name, &file, candidate.digest, new_grant)
        });
        let configuration = match written {
            Ok(configuration) => configuration,
            Err(error) => {
                if present.file.as_ref() != Some(&file) {
                    let _ = store.discard(&file);
                }
                return Err(error);
            }
        };
        ensure!(
            configuration.grant(name).unwrap_or_default() == grant,
            "the configuration was written, and does not grant {name} what it should: look at it"
        );
        if let Some(old) = present.file.filter(|old| *old != file) {
            let given = given_to_tenants(options, &old);
            if !given.is_empty() {
                say(&format!(
                    "Its old file {} stays: {} have it, and go on with it until they name the new one.\n",
                    old.display(),
                    given.join(", ")
                ));
                return added(&record, &candidate);
            }
            store
                .discard(&old)
                .with_context(|| format!("{name} is added; its old file stays"))?;
        }
        added(&record, &candidate)
    }

    /// Refuses a name that has moved and a version that is older, unless the operator meant it.
    fn hold_against(
        &self,
        present: &Present,
        candidate: &Candidate,
        looked: &Looked,
    ) -> anyhow::Result<()> {
        let before = present.record.as_ref().map(|record| &record.source);
        let before = before.and_then(|source| source.parse::<Reference>().ok());
        let meant = self.what.contains('@');
        if let (Some(before), Some(now), false) = (before, &candidate.reference, meant)
            && before.tag.is_some()
            && before.without_digest() == now.without_digest()
            && let (Some(then), Some(digest)) = (before.digest, now.digest)
            && then != digest
        {
            return Err(RegistryError::Moved {
                reference: now.without_digest().to_string(),
                before: then,
                now: digest,
            }
            .into());
        }
        let (new, old) = (&looked.description.version, &present.version);
        let parsed = |version: &str| semver::Version::parse(version).ok();
        if let Some(old) = old
            && parsed(new) < parsed(old)
            && !self.allow_downgrade
        {
            bail!(
                "this is version {new}, and {old} is there: an older version may have faults that were mended since. Say --allow-downgrade \
                 if you mean it"
            );
        }
        Ok(())
    }

    /// Asks on the terminal, unless told not to.
    fn ask(&self, question: &str) -> anyhow::Result<()> {
        if self.yes {
            return Ok(());
        }
        let input = std::io::stdin();
        ensure!(
            input.is_terminal(),
            "nobody is there to be asked; say --yes once you have read the above"
        );
        say(&format!("{question} [y/N] "));
        let mut answer = String::new();
        input.lock().read_line(&mut answer)?;
        ensure!(
            matches!(answer.trim(), "y" | "Y" | "yes"),
            "not added; nothing was changed"
        );
        Ok(())
    }
}

/// Says what was added.
fn added(record: &Record, candidate: &Candidate) -> anyhow::Result<()> {
    print(&format!(
        "added {} {}  {}\n",
        record.name,
        escape(&record.version),
        candidate.digest
    ))
}

/// What the configuration has under the name so far.
async fn present(session: &Session<'_>, options: &Options, name: &str) -> anyhow::Result<Present> {
    let configuration = &options.configuration;
    let mut present = Present {
        file: None,
        record: None,
        digest: None,
        version: None,
        grant: configuration.grant(name),
    };
    let Some(Component::File(path)) = configuration.component(name) else {
        return Ok(present);
    };
    present.record = store::record(path)
        .with_context(|| format!("the record beside {} cannot be read", path.display()))?;
    present.version = present.record.as_ref().map(|record| record.version.clone());
    if present.version.is_none()
        && let Ok(plugin) = session.plugin(name)
    {
        // It was written into the configuration by hand.
        present.version = describe(session, &plugin).await.ok().map(|it| it.version);
    }
    present.digest = configuration.plugins[name].digest.map(|it| it.to_string());
    // A table without a grant grants nothing, which is a grant to go by.
    present.grant.get_or_insert_default();
    present.file = Some(path.clone());
    Ok(present)
}

/// What is about to be added, and what changes by that.
fn change(
    name: &str,
    candidate: &Candidate,
    looked: &Looked,
    found: &[Found],
    present: &Present,
    style: Style,
) -> String {
    let description = &looked.description;
    let was = |new: &str, old: Option<&String>| match old {
        Some(old) if old == new => " (as before)".to_owned(),
        Some(old) => format!(" (before: {old})"),
        None => String::new(),
    };
    let digest = candidate.digest.to_string();
    let version = was(&description.version, present.version.as_ref());
    format!(
        "{} {}{}  {}\n  from {}\n  {digest}{}\n  {}\n",
        style.paint(Paint::Heading, name),
        escape(&description.version),
        escape(&version),
        escape(&description.summary),
        escape(&candidate.source),
        was(&digest, present.digest.as_ref()),
        escape(&standing(found)),
    )
}

/// The grant, what makes it wider than before, and what is asked for besides.
fn granted(name: &str, grant: &Grant, present: &Present, looked: &Looked, style: Style) -> String {
    let mut text = format!(
        "It is granted:\n{}",
        granting::indented(&grant_of(name, grant))
    );
    let none = Grant::default();
    let before = present.grant.as_ref().unwrap_or(&none);
    let mut list = |title: &str, paint: Paint, entries: Vec<String>| {
        if !entries.is_empty() {
            let _ = writeln!(text, "{}", style.paint(paint, title));
            for entry in entries {
                let _ = writeln!(text, "  {}", escape(&entry));
            }
        }
    };
    if present.file.is_some() || present.grant.is_some() {
        list("Wider than before:", Paint::Alarm, beyond(grant, before));
        list("No longer granted:", Paint::Modify, beyond(before, grant));
    }
    if let Ok(asks) = &looked.asks {
        list(
            "It asks for more than that:",
            Paint::Modify,
            beyond(asks, grant),
        );
    }
    text
}

/// Where the configuration is that is written to.
pub(super) fn configuration_file(options: &Options) -> PathBuf {
    match &options.configuration.origin {
        Some(origin) => origin.file.clone(),
        None => options
            .config
            .clone()
            .unwrap_or_else(|| Path::new(crate::config::DEFAULT_FILE).to_owned()),
    }
}
