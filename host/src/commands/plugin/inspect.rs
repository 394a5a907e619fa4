//! `op-dbus plugin inspect`: what a component is, before it is trusted with anything.

use std::fmt::Write;

use clap::Args;
use serde_json::value::RawValue;

use super::candidate::{Candidate, Looked};
use crate::commands::options::Options;
use crate::commands::print;
use crate::commands::session::Session;
use crate::config::component::is_name;
use crate::config::render::grant_of;
use crate::output::color::Paint;
use crate::output::escape::escape;
use crate::output::{Style, json, plugins};
use crate::plugin::builtin::Builtin;
use crate::plugin::limits::Limits;
use crate::trust::{Found, Standing};

/// Show what a component is, says and asks for, without adding it.
#[derive(Args)]
pub struct Inspect {
    /// The component: FILE, oci://HOST/REPOSITORY:TAG or @sha256:…, or builtin:NAME
    what: String,
    /// Print the JSON Schema of its section as well
    #[arg(long)]
    schema: bool,
    /// Pull without TLS
    #[arg(long)]
    insecure_registry: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Inspect {
    pub(super) async fn run(&self, options: &Options, builtins: &[Builtin]) -> anyhow::Result<()> {
        let session = Session::open(options, builtins).await?;
        let candidate = Candidate::fetch(&session, &self.what, self.insecure_registry)?;
        let trust = &options.configuration.trust;
        let found = trust.examine(&candidate.bytes, &candidate.evidence);
        let trusted = trust.judge(found.clone());
        let looked = candidate.look(&session).await?;
        if self.json {
            let schema = match self.schema {
                true => Some(RawValue::from_string(looked.description.schema.clone())?),
                false => None,
            };
            return print(&json::text(&plugins::Inspected {
                version: json::VERSION,
                source: candidate.source.clone(),
                digest: candidate.digest,
                size: candidate.bytes.len(),
                plugin: plugins::Plugin::of(&looked.description),
                contract: looked.plugin.interfaces.contract.clone(),
                imports: looked.plugin.interfaces.imports.clone(),
                signatures: found.iter().map(plugins::Signature::of).collect(),
                trusted: trusted.is_ok(),
                asks: looked.asks.ok(),
                schema,
            }));
        }
        let mut text = summary(&candidate, &looked, &found, options.style());
        if let Err(untrusted) = trusted {
            let word = options.style().paint(Paint::Alarm, "not trusted:");
            let _ = writeln!(text, "{word} {}", escape(&untrusted.to_string()));
        }
        text.push_str(&asked(
            &looked,
            &options.configuration.limits.over(Limits::default()),
        ));
        if self.schema {
            let schema: serde_json::Value = serde_json::from_str(&looked.description.schema)?;
            let _ = writeln!(text, "\n{schema:#}");
        }
        print(&text)
    }
}

/// What it is: one line for each property.
fn summary(candidate: &Candidate, looked: &Looked, found: &[Found], style: Style) -> String {
    let description = &looked.description;
    let interfaces = &looked.plugin.interfaces;
    let imports = match interfaces.imports.is_empty() {
        true => "nothing".to_owned(),
        false => interfaces.imports.join(", "),
    };
    let mut text = format!(
        "{} {}  {}\n",
        style.paint(Paint::Heading, escape(&description.name)),
        escape(&description.version),
        escape(&description.summary)
    );
    let mut line = |key: &str, value: &str| {
        let _ = writeln!(text, "  {key:<10} {}", escape(value));
    };
    line("source", &candidate.source);
    line("digest", &candidate.digest.to_string());
    line(
        "size",
        &format!("{} KiB", candidate.bytes.len().div_ceil(1024)),
    );
    line("contract", &interfaces.contract);
    line("imports", &imports);
    if found.is_empty() {
        line("signatures", "none");
    }
    for (at, found) in found.iter().enumerate() {
        let key = if at == 0 { "signatures" } else { "" };
        let comment = found.comment.as_deref().map(|it| format!(": {it}"));
        line(key, &format!("{found}{}", comment.unwrap_or_default()));
    }
    text
}

/// What it asks for, ready to paste, and what it may use.
fn asked(looked: &Looked, limits: &Limits) -> String {
    let name = match is_name(&looked.description.name) {
        true => looked.description.name.as_str(),
        false => "NAME",
    };
    let grant = match &looked.asks {
        Ok(grant) => grant_of(name, grant),
        Err(error) => format!("# {}\n", escape(&format!("{error:#}"))),
    };
    format!(
        "\n# What it asks for. It gets what the configuration grants, and no more.\n{grant}\n\
         # What each call may use: memory {} MiB, deadline {} s, {} calls to the host ([plugins.{name}.limits]).\n",
        limits.memory >> 20,
        limits.deadline.as_secs_f64(),
        limits.host_calls,
    )
}

/// How a component's signatures stand, in a few words.
pub(super) fn standing(found: &[Found]) -> String {
    let trusted: Vec<_> = found
        .iter()
        .filter(|found| found.standing == Standing::Trusted)
        .map(|found| found.by.clone())
        .collect();
    match (trusted.is_empty(), found.len()) {
        (false, _) => format!("signed by {}", trusted.join(", ")),
        (true, 0) => "unsigned".to_owned(),
        (true, 1) => "1 signature that does not count".to_owned(),
        (true, more) => format!("{more} signatures that do not count"),
    }
}
