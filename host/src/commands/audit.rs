//! `op-dbus audit`: who did what.

use std::io;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Subcommand, ValueEnum};

use super::options::Options;
use super::print;
use super::talk::say;
use crate::audit::{Filter, Kind, Record, show, verify};
use crate::output::escape::escape;

/// Read the audit log.
#[derive(Subcommand)]
pub enum Audit {
    /// Show records, oldest first
    Show {
        /// Not before this time, e.g. 2026-01-31T12:00:00Z
        #[arg(long, value_name = "TIME", value_parser = time)]
        since: Option<SystemTime>,
        /// Not after this time
        #[arg(long, value_name = "TIME", value_parser = time)]
        until: Option<SystemTime>,
        /// Only what went through this plugin
        #[arg(long, value_name = "PLUGIN")]
        plugin: Option<String>,
        /// Only records of this kind
        #[arg(long, value_enum)]
        kind: Option<KindName>,
        /// Only this transaction
        #[arg(long, value_name = "ID")]
        transaction: Option<String>,
        /// Only what this user did: a name or a number
        #[arg(long, value_name = "NAME|UID")]
        user: Option<String>,
        /// Only denials
        #[arg(long)]
        denied: bool,
        /// Print the records as they are, one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Find any change, removal, insertion or truncation: exit 0 when there is none
    Verify,
}

/// What a record is about.
#[derive(Clone, Copy, ValueEnum)]
pub enum KindName {
    /// A transaction ended
    Transaction,
    /// A plugin changed something
    Call,
    /// A plugin asked for what its grant does not cover
    Denial,
    /// What a dead process left was undone
    Recovery,
    /// The configuration was loaded
    Configuration,
}

impl From<KindName> for Kind {
    fn from(name: KindName) -> Self {
        match name {
            KindName::Transaction => Self::Transaction,
            KindName::Call => Self::Call,
            KindName::Denial => Self::Denial,
            KindName::Recovery => Self::Recovery,
            KindName::Configuration => Self::Configuration,
        }
    }
}

fn time(text: &str) -> Result<SystemTime, String> {
    humantime::parse_rfc3339_weak(text)
        .map_err(|error| format!("{error}; write it like 2026-01-31T12:00:00Z"))
}

impl Audit {
    pub(super) fn run(&self, options: &Options) -> anyhow::Result<ExitCode> {
        let directory = options.state_dir().join("audit");
        match self {
            Self::Show {
                since,
                until,
                plugin,
                kind,
                transaction,
                user,
                denied,
                json,
            } => {
                let filter = Filter {
                    since: *since,
                    until: *until,
                    plugin: plugin.clone(),
                    kind: kind.map(Kind::from),
                    transaction: transaction.clone(),
                    user: user.clone(),
                    denied: *denied,
                };
                let unreadable = show(&directory, &filter, |record| {
                    let line = if *json {
                        serde_json::to_string(record)?
                    } else {
                        line(record)
                    };
                    print(&(line + "\n")).map_err(io::Error::other)
                })?;
                if unreadable > 0 {
                    say(&format!(
                        "{unreadable} lines are no records; `op-dbus audit verify` says where\n"
                    ));
                }
            }
            Self::Verify => {
                let verified = verify(&directory)?;
                print(&format!(
                    "{} records in order; the last one's hash is {}\n",
                    verified.count, verified.last
                ))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn line(record: &Record) -> String {
    let entry = &record.entry;
    let mut who = entry
        .who
        .login
        .clone()
        .unwrap_or_else(|| format!("uid {}", entry.who.uid));
    if let Some(tenant) = &entry.who.tenant {
        who.push_str(&format!(" for tenant {tenant}"));
    }
    let kind = serde_json::to_value(entry.kind).unwrap_or_default();
    let plugin = entry
        .plugin
        .as_ref()
        .map_or("-", |plugin| plugin.plugin.as_str());
    format!(
        "{} {} {:<13} {} {} {}",
        record.number,
        record.time,
        kind.as_str().unwrap_or_default(),
        escape(&who),
        escape(plugin),
        escape(&entry.summary)
    )
}
