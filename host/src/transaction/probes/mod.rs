//! Probes: whether the host is healthy after a change, in the operator's own terms.
//!
//! All are asked before the change. Only those that passed count after it: one that failed before has nothing to say of the change. After it
//! each is asked again and again until it passes or its time is up.
//!
//! # Layout
//! - [`probe`]: what is asked.
//! - `gateway`, `connect`, `resolve`, `command`: one way to ask each, in the network namespace that is changed.

mod command;
mod connect;
mod gateway;
pub mod probe;
mod resolve;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::backends::netlink::{Kernel, Place};
pub use probe::{Check, Families, HostPort, Probe};

/// How long to wait before asking again. No event tells that a far-away host has come back.
const AGAIN: Duration = Duration::from_millis(250);

/// Probes by name, and where they are asked.
pub struct Probes {
    /// The probes.
    pub named: Vec<(String, Probe)>,
    /// The network namespace that they look out from.
    pub place: Arc<Place>,
    /// Its kernel.
    pub kernel: Arc<dyn Kernel>,
}

/// A probe that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Its name.
    pub name: String,
    /// What it asks.
    pub asks: String,
    /// Its own words.
    pub why: String,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}): {}", self.name, self.asks, self.why)
    }
}

impl Probes {
    /// Asks each once, all at a time: those that pass and so count after the change, and those that fail.
    pub async fn before(self: &Arc<Self>) -> (Vec<String>, Vec<Failed>) {
        let mut passed = Vec::new();
        let mut failed = Vec::new();
        for (name, probe, asked) in self.ask_all(|_| true, false).await {
            match asked {
                Ok(()) => passed.push(name),
                Err(why) => failed.push(failure(name, &probe, why)),
            }
        }
        (passed, failed)
    }

    /// Asks those of these names, all at a time, until each passes or its time is up. Those that failed.
    pub async fn after(self: &Arc<Self>, names: &[String]) -> Vec<Failed> {
        let asked = self.ask_all(|name| names.iter().any(|counts| counts == name), true);
        asked
            .await
            .into_iter()
            .filter_map(|(name, probe, asked)| Some(failure(name, &probe, asked.err()?)))
            .collect()
    }

    async fn ask_all(
        self: &Arc<Self>,
        chosen: impl Fn(&str) -> bool,
        again: bool,
    ) -> Vec<(String, Probe, Result<(), String>)> {
        let mut tasks = Vec::new();
        for (name, probe) in self.named.iter().filter(|(name, _)| chosen(name)) {
            let (probes, asked) = (self.clone(), probe.clone());
            let task = tokio::spawn(async move { probes.ask(&asked, again).await });
            tasks.push((name.clone(), probe.clone(), Stopped(task)));
        }
        let mut answers = Vec::new();
        for (name, probe, mut task) in tasks {
            let answer = (&mut task.0).await;
            let answer = answer.unwrap_or_else(|error| Err(format!("the probe broke: {error}")));
            answers.push((name, probe, answer));
        }
        answers
    }

    async fn ask(&self, probe: &Probe, again: bool) -> Result<(), String> {
        let deadline = Instant::now() + probe.within;
        loop {
            let why = match timeout(probe.timeout, self.ask_once(&probe.check)).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(why)) => why,
                Err(_) => format!(
                    "no answer within {}",
                    humantime::format_duration(probe.timeout)
                ),
            };
            if !again || Instant::now() + AGAIN >= deadline {
                return Err(why);
            }
            sleep(AGAIN).await;
        }
    }

    async fn ask_once(&self, check: &Check) -> Result<(), String> {
        match check {
            Check::Gateway(families) => gateway::answers(self, *families).await,
            Check::Resolve(name) => resolve::resolve(&self.place, name).await.map(drop),
            Check::Tcp(server) => connect::connects(&self.place, server).await,
            Check::Command(words) => command::succeeds(&self.place, words).await,
        }
    }
}

fn failure(name: String, probe: &Probe, why: String) -> Failed {
    Failed {
        name,
        asks: probe.check.to_string(),
        why,
    }
}

/// A task that ends when nobody waits for it any more: an apply that is interrupted asks no further.
struct Stopped<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for Stopped<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
