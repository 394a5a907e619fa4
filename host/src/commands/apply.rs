//! `op-dbus apply`: make it so, or leave everything as it was.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;

use super::diff::by_plugin;
use super::network_plugin::NETWORK_MANAGER;
use super::options::Options;
use super::session::Session;
use super::talk::say;
use super::{INCOMPLETE, ROLLED_BACK, countdown, keeper, planned, print, report};
use crate::gate::{Mode, Rehearsed};
use crate::output::escape::escape;
use crate::output::{json, request, tree};
use crate::plugin::builtin::Builtin;
use crate::state_file::{self, StateFile};
use crate::timing;
use crate::trace::recording::Recording;
use crate::transaction::apply::{self as transaction, Setting};
use crate::transaction::ending::{Ending, Report};
use crate::transaction::plan::Part;
use crate::transaction::plan_file::PlanFile;
use crate::transaction::settle::SETTLING;

/// Make it so, or leave everything as it was.
#[derive(Args)]
pub struct Apply {
    /// State file, JSON or YAML; `-` reads standard input
    #[arg(required_unless_present = "plan", conflicts_with = "plan")]
    file: Option<PathBuf>,
    /// Carry out what `diff --out` planned, or nothing if the state has moved since
    #[arg(long, value_name = "PLAN")]
    plan: Option<PathBuf>,
    /// Show the very requests that would be sent, and send none
    #[arg(long)]
    dry_run: bool,
    /// Undo it, unless somebody says within so many seconds that it works: here, or with `op-dbus confirm`
    #[arg(long, value_name = "SECS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    confirm: Option<u64>,
    /// Do not wait for the word here
    #[arg(long, requires = "confirm")]
    no_wait: bool,
    /// Do not read the system back
    #[arg(long)]
    no_verify: bool,
    /// Keep every call between plugins and host in a new file, for `op-dbus plugin replay`
    #[arg(long, value_name = "TRACE")]
    record: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Apply {
    pub(super) async fn run(
        &self,
        options: &Options,
        builtins: &[Builtin],
    ) -> anyhow::Result<ExitCode> {
        if keeper::is_one() {
            return keeper::keep(options, builtins).await;
        }
        let started = Instant::now();
        let file = self.file.as_deref().map(state_file::load).transpose()?;
        let mut session = Session::open(options, builtins).await?;
        let recording = match &self.record {
            Some(path) => Some(session.record(path)?),
            None => None,
        };
        let done = self.on(&session, options, file, started).await;
        if let Some(recording) = recording {
            finish_recording(&recording);
        }
        done
    }

    /// Does it with a session.
    async fn on(
        &self,
        session: &Session<'_>,
        options: &Options,
        file: Option<StateFile>,
        started: Instant,
    ) -> anyhow::Result<ExitCode> {
        let (plan, file) = match (file, &self.plan) {
            (Some(file), _) => (None, file),
            (None, Some(path)) => {
                let (plan, file) = planned::read(session, path)?;
                (Some(plan), file)
            }
            (None, None) => unreachable!("clap asks for one of them"),
        };
        if self.dry_run {
            session.recover().await?;
            return self.rehearse(session, &file, plan.as_ref()).await;
        }
        let (state, lock) = session.lock().await?;
        let probes = session.probes(&file)?;
        let plugins = session.plugins_of(&file)?;
        let planning = Instant::now();
        let book = session.reading();
        let parts = session.plan(&file, &plugins, book.clone()).await?;
        timing::took("plan", planning);
        if let Some(plan) = &plan {
            planned::check(plan, &parts)?;
        }
        let section = parts
            .iter()
            .find(|part| part.name() == NETWORK_MANAGER)
            .map(|part| part.desired.clone());
        if parts.iter().all(|part| part.actions.is_empty()) {
            // The name of a secret that NetworkManager does not keep may be new all the same.
            if let Some(section) = &section {
                session.remember_secrets(&state, section);
            }
            if self.json {
                print(&json::text(&in_sync()))?;
            } else {
                print("in sync, nothing to do\n")?;
            }
            timing::took("total", started);
            return Ok(ExitCode::SUCCESS);
        }
        session.keep_apart(&parts, &book).await?;
        if !self.json {
            print(&tree::plan(&by_plugin(&parts), options.style()))?;
        }
        let (passed, failed) = probes.before().await;
        for failed in &failed {
            let failed = escape(&failed.to_string()).into_owned();
            say(&format!(
                "probe {failed}; it fails before the change, so it does not count after it\n"
            ));
        }
        let mut setting = Setting {
            state: &state,
            kernel: &session.kernel,
            undoers: session.undoers(),
            secrets: session.secrets.clone(),
            ovsdb: &session.ovsdb,
            command: &super::command_line(),
            agent: session.secret_agent(&state, &parts).await,
            verify: (!self.no_verify).then_some(SETTLING),
            probes: Some((probes, passed)),
            deadline: options.configuration.transaction_deadline(),
            confirm: self.confirm.map(Duration::from_secs),
        };
        let applying = Instant::now();
        let applied = match setting.confirm {
            None => transaction::apply(parts, &mut setting).await,
            Some(_) => {
                let style = options.talk_style();
                countdown::apply(session, &lock, parts, &mut setting, !self.no_wait, style).await
            }
        };
        let report = applied?;
        if let (Some(section), Ending::Applied | Ending::Awaiting(_)) = (&section, &report.ending) {
            session.remember_secrets(&state, section);
        }
        timing::took("apply", applying);
        timing::took("total", started);
        finish(&report, self.json, options)
    }

    /// Runs the plugins against a gate that executes nothing.
    async fn rehearse(
        &self,
        session: &Session<'_>,
        file: &StateFile,
        plan: Option<&PlanFile>,
    ) -> anyhow::Result<ExitCode> {
        let plugins = session.plugins_of(file)?;
        let book = session.reading();
        let parts: Vec<Part<'_>> = session.plan(file, &plugins, book.clone()).await?;
        if let Some(plan) = plan {
            planned::check(plan, &parts)?;
        }
        for part in parts.iter().filter(|part| !part.actions.is_empty()) {
            part.caller.apply(Mode::Rehearse, &part.actions).await?;
        }
        let requests = book.rehearsed();
        if self.json {
            print(&json::text(&json::Rehearsal::of(&requests)?))?;
        } else if requests.is_empty() {
            print("in sync, nothing would be sent\n")?;
        } else {
            for (plugin, change) in &requests {
                let (backend, lines) = match change {
                    Rehearsed::Netlink(request) => ("netlink", vec![request::netlink(request)]),
                    Rehearsed::Ovsdb {
                        database,
                        operations,
                    } => ("ovsdb", request::ovsdb(database, operations)),
                    Rehearsed::Dbus { call } => ("dbus", vec![request::dbus(call)]),
                };
                for line in lines {
                    print(&format!("{plugin}: {backend}: {line}\n"))?;
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A trace with gaps is worth less than it seems: that is said.
fn finish_recording(recording: &Recording) {
    if let Err(error) = recording.finish() {
        say(&format!("the trace is incomplete: {error}\n"));
    }
}

fn in_sync() -> json::Apply {
    json::Apply {
        version: json::VERSION,
        result: json::ApplyResult::InSync,
        transaction: None,
        checkpoint: None,
        plugins: Vec::new(),
        failures: Vec::new(),
    }
}

/// Tells how a transaction ended, and gives its exit code.
pub(super) fn finish(
    report: &Report,
    as_json: bool,
    options: &Options,
) -> anyhow::Result<ExitCode> {
    let (result, code) = match report.ending {
        Ending::Applied => (json::ApplyResult::Applied, ExitCode::SUCCESS),
        Ending::Awaiting(_) => (json::ApplyResult::AwaitsConfirmation, ExitCode::SUCCESS),
        Ending::RolledBack(_) => (json::ApplyResult::RolledBack, ExitCode::from(ROLLED_BACK)),
        Ending::Incomplete(..) => (
            json::ApplyResult::RollbackIncomplete,
            ExitCode::from(INCOMPLETE),
        ),
    };
    let done = match report.verified {
        true => "done and verified",
        false => "done, and not read back",
    };
    if as_json {
        let plugins = report
            .outcomes
            .iter()
            .map(|(plugin, outcomes)| json::PluginOutcome {
                plugin: plugin.clone(),
                outcomes: outcomes.iter().map(json::StepOutcome::from).collect(),
            });
        print(&json::text(&json::Apply {
            version: json::VERSION,
            result,
            transaction: Some(report.transaction.clone()),
            checkpoint: report.checkpoint.map(|id| id.to_string()),
            plugins: plugins.collect(),
            failures: json::Failure::of_ending(&report.ending),
        }))?;
    } else if let (Ending::Applied, Some(id)) = (&report.ending, report.checkpoint) {
        print(&format!(
            "{done}; `op-dbus rollback` goes back (checkpoint {id})\n"
        ))?;
    } else if let Ending::Awaiting(deadline) = &report.ending {
        print(&format!(
            "{done}; awaits confirmation until {}: `op-dbus confirm` keeps it, `op-dbus rollback` undoes it now\n",
            deadline.shown
        ))?;
    } else if let Ending::Applied = report.ending {
        print(&format!("{done}\n"))?;
    } else {
        for (plugin, outcomes) in &report.outcomes {
            say(&tree::outcomes(plugin, outcomes, options.talk_style()));
        }
    }
    say(&report::ending(report, options.talk_style()));
    Ok(code)
}
