//! `op-dbus doctor`: whether all is there that op-dbus needs, and what to do where it is not.
//!
//! Like every other command it first undoes what a dead process left.

mod backends;
mod host;
mod kernel;
mod tenants;

use std::process::ExitCode;

use clap::Args;

use super::options::Options;
use super::print;
use super::session::Session;
use crate::config::error::ConfigError;
use crate::output::Style;
use crate::output::color::Paint;
use crate::output::escape::escape;
use crate::output::json::{self, Check, Checked};
use crate::plugin::builtin::Builtin;

/// Check configuration, state directory, kernel and backends.
#[derive(Args)]
pub struct Doctor {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What has been found.
#[derive(Default)]
struct Findings(Vec<Check>);

impl Findings {
    fn ok(&mut self, what: &'static str, found: impl Into<String>) {
        self.add(what, Checked::Ok, found.into(), None);
    }

    /// Something that need not be, or need not be now.
    fn warn(&mut self, what: &'static str, found: impl Into<String>, advice: &str) {
        self.add(what, Checked::Warn, found.into(), Some(advice));
    }

    /// Something without which op-dbus cannot work.
    fn fail(&mut self, what: &'static str, found: impl Into<String>, advice: &str) {
        self.add(what, Checked::Fail, found.into(), Some(advice));
    }

    fn add(&mut self, what: &'static str, status: Checked, found: String, advice: Option<&str>) {
        self.0.push(Check {
            check: what,
            status,
            found,
            advice: advice.map(str::to_owned),
        });
    }
}

impl Doctor {
    pub(super) async fn run(
        &self,
        options: &Options,
        builtins: &[Builtin],
        wrong: Option<ConfigError>,
    ) -> anyhow::Result<ExitCode> {
        let mut findings = Findings::default();
        match wrong {
            Some(error) => {
                findings.fail(
                    "configuration",
                    error.to_string(),
                    "mend the file; what depends on it is not checked",
                );
                kernel::version(&mut findings);
            }
            None => {
                host::configuration(options, builtins, &mut findings);
                host::grants(options, &mut findings);
                host::directories(options, &mut findings);
                tenants::all(options, &mut findings);
                match Session::open(options, builtins).await {
                    Ok(session) => {
                        host::transactions(&session, &mut findings).await;
                        host::plugins(&session, &mut findings);
                        kernel::version(&mut findings);
                        kernel::kinds(&mut findings).await;
                        backends::ovsdb(&session.ovsdb, &mut findings).await;
                        backends::bus(&session.bus, &mut findings).await;
                    }
                    Err(error) => findings.fail(
                        "network namespace",
                        format!("{error:#}"),
                        "run it as root, and name a namespace that `ip netns list` shows",
                    ),
                }
            }
        }
        let healthy = findings.0.iter().all(|check| check.status != Checked::Fail);
        if self.json {
            print(&json::text(&json::Doctor {
                version: json::VERSION,
                healthy,
                checks: findings.0,
            }))?;
        } else {
            print(&lines(&findings.0, options.style()))?;
        }
        Ok(match healthy {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        })
    }
}

fn lines(checks: &[Check], style: Style) -> String {
    let mut text = String::new();
    for check in checks {
        let (paint, word) = match check.status {
            Checked::Ok => (Paint::Create, "ok  "),
            Checked::Warn => (Paint::Modify, "warn"),
            Checked::Fail => (Paint::Alarm, "FAIL"),
        };
        let found: Vec<_> = check.found.lines().map(escape).collect();
        text.push_str(&format!(
            "{} {}: {}\n",
            style.paint(paint, word),
            check.check,
            found.join("\n     ")
        ));
        if let Some(advice) = &check.advice {
            text.push_str(&format!("     → {advice}\n"));
        }
    }
    text
}
