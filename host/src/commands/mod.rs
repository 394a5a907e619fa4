//! The command line: one file per verb.
//!
//! Results go to standard output, talk to standard error. Exit codes: 0 done or in sync, 1 an error before anything was touched,
//! 2 differences, 3 rolled back, 4 rollback incomplete, 64 usage.

mod apply;
mod audit;
mod checkpoint;
mod confirm;
mod countdown;
mod diff;
mod doctor;
mod keeper;
mod network_plugin;
mod options;
mod planned;
mod plugin;
mod probes;
mod query;
mod report;
mod rollback;
mod schema;
mod session;
mod talk;
mod tenant;
mod undoers;
mod verify;
mod watcher;

use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::config::Config;
use crate::gate::grant::Grant;
use crate::plugin::builtin::Builtin;
use crate::progress;
use crate::transaction::recovery::Recovered;
use options::Options;
use talk::say;
use watcher::Part;

/// Change this host's network as one transaction, through sandboxed plugins.
#[derive(Parser)]
#[command(
    name = "op-dbus",
    version,
    max_term_width = 100,
    disable_help_subcommand = true
)]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Show what is
    Query(query::Query),
    /// Show what would change: exit 0 when in sync, 2 with differences
    Diff(diff::Diff),
    /// Make it so, or leave everything as it was: exit 0 done, 3 rolled back, 4 rollback incomplete
    Apply(apply::Apply),
    /// Compare what is with what is wanted: exit 0 when in sync, 2 with differences
    Verify(verify::Verify),
    /// Keep the change that awaits confirmation: exit 3 when it was rolled back already
    Confirm(confirm::Confirm),
    /// Go back to a checkpoint, without an ID to the newest one
    Rollback(rollback::Rollback),
    /// Keep the present state to go back to
    #[command(subcommand)]
    Checkpoint(checkpoint::Checkpoint),
    /// Read the audit log, or prove that nobody has touched it
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Check configuration, state directory, kernel and backends: exit 1 when something fails
    Doctor(doctor::Doctor),
    /// Print the JSON Schema of a plugin's section, or of a whole state file
    Schema(schema::Schema),
    /// Look at plugins, add and remove them
    #[command(subcommand)]
    Plugin(plugin::Plugin),
    /// Look at those who share this host
    #[command(subcommand)]
    Tenant(tenant::Tenant),
}

/// Exit code for differences.
const DIFFERENCES: u8 = 2;
/// Exit code after a rollback.
const ROLLED_BACK: u8 = 3;
/// Exit code after a rollback that could not restore everything.
const INCOMPLETE: u8 = 4;
/// Exit code for a usage error (sysexits.h, EX_USAGE).
const USAGE: u8 = 64;

/// Runs the program: parses, dispatches, prints an error once.
pub fn run(builtins: &[Builtin], arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors, and go to standard output.
            let usage = error.use_stderr();
            // A reader that went away has seen what it wanted.
            let _ = error.print();
            return if usage {
                ExitCode::from(USAGE)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    if let Verb::Plugin(verb) = &cli.verb
        && let Some(code) = verb.run_alone()
    {
        return code;
    }
    if let Some(conflict) = cli.options.conflict() {
        let _ = Cli::command()
            .error(clap::error::ErrorKind::ArgumentConflict, conflict)
            .print();
        return ExitCode::from(USAGE);
    }
    talk::start(
        cli.options.verbose,
        cli.options.timings,
        cli.options.talk_style(),
    );
    progress::show(cli.options.talk_style().width);
    let names: Vec<_> = builtins.iter().map(|builtin| builtin.name).collect();
    let mut wrong = None;
    match Config::load(cli.options.config.as_deref(), &names) {
        Ok(configuration) => {
            if let Err(error) = cli.options.configure(configuration) {
                return failed(&error, &cli.options);
            }
        }
        Err(error) => {
            say(&error.render(cli.options.talk_style()));
            if !matches!(cli.verb, Verb::Doctor(_)) {
                return ExitCode::FAILURE;
            }
            wrong = Some(error);
        }
    }
    let options = &cli.options;
    let mut recovers = false;
    // A keeper lives within the quotas of the command that started it.
    if let Some(tenant) = options.tenant()
        && !keeper::is_one()
    {
        let decides = matches!(cli.verb, Verb::Confirm(_) | Verb::Rollback(_));
        match watcher::split(tenant, options, decides) {
            Ok(Part::Command) => {}
            Ok(Part::Recovery) => recovers = true,
            Ok(Part::Over(code)) => return code,
            Err(error) => return failed(&error, options),
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the kernel gives an event queue");
    let result = runtime.block_on(async {
        if recovers {
            return watcher::recover(options, builtins).await;
        }
        match cli.verb {
            Verb::Query(verb) => verb.run(options, builtins).await,
            Verb::Diff(verb) => verb.run(options, builtins).await,
            Verb::Apply(verb) => verb.run(options, builtins).await,
            Verb::Verify(verb) => verb.run(options, builtins).await,
            Verb::Confirm(verb) => verb.run(options, builtins).await,
            Verb::Rollback(verb) => verb.run(options, builtins).await,
            Verb::Checkpoint(verb) => verb.run(options, builtins).await,
            Verb::Audit(verb) => verb.run(options),
            Verb::Doctor(verb) => verb.run(options, builtins, wrong).await,
            Verb::Schema(verb) => verb.run(options, builtins).await,
            Verb::Plugin(verb) => verb.run(options, builtins).await,
            Verb::Tenant(verb) => verb.run(options),
        }
    });
    let code = result.unwrap_or_else(|error| failed(&error, options));
    progress::clear();
    code
}

/// Prints the error.
fn failed(error: &anyhow::Error, options: &Options) -> ExitCode {
    say(&report::error(error, options.talk_style()));
    ExitCode::FAILURE
}

/// The exit code after what a dead process had begun was undone.
fn recovered(found: &Recovered) -> ExitCode {
    match found.undone.incomplete.is_empty() {
        true => ExitCode::from(ROLLED_BACK),
        false => ExitCode::from(INCOMPLETE),
    }
}

/// Writes a result to standard output. A reader that went away has seen what it wanted.
///
/// # Errors
/// When the output cannot be written, for instance because a disk is full.
fn print(text: &str) -> anyhow::Result<()> {
    progress::clear();
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(anyhow::Error::new(error).context("standard output"))
        }
        _ => Ok(()),
    }
}

/// What built-in plugins are granted unless the configuration says otherwise.
fn built_in_grants(builtins: &[Builtin]) -> Vec<(&str, Grant)> {
    let grants = builtins.iter().map(|it| (it.name, it.grant()));
    grants.collect()
}

/// The command line as it was typed, for journal and lock.
fn command_line() -> String {
    let words: Vec<_> = std::env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    format!("op-dbus {}", words.join(" "))
}
