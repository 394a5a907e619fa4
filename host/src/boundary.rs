//! The boundary between a plugin and the host, as those see it who listen in: a recording, a replay, the conformance kit.
//!
//! Everything that crosses is JSON here: arguments are an array, an answer is what the contract's function returns (`{"Ok": …}` or
//! `{"Err": …}` where it can fail). What a plugin is told is what its gate lets through: never the text of a secret.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::gate::Mode;
use crate::plugin::failure::PluginError;

/// A call of the host into a plugin.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The plugin's name.
    pub plugin: String,
    /// Its version, once it has described itself.
    pub version: Option<String>,
    /// SHA-256 of its component.
    pub digest: String,
    /// The export.
    pub call: &'static str,
    /// What the call may do.
    pub mode: Mode,
    /// Its arguments.
    pub arguments: Value,
}

/// Who listens to all calls into plugins.
pub trait Listener: Send + Sync {
    /// A call begins, in an instance of its own.
    fn enter(&self, entry: Entry) -> Box<dyn Visit>;
}

/// Who listens to one call into a plugin, and to what the plugin asks of the host meanwhile.
pub trait Visit: Send {
    /// The plugin asks something of the host. An answer here takes the place of the host's, which is then not asked.
    ///
    /// # Errors
    /// Ends the call into the plugin, as a trap.
    fn asked(&mut self, call: &'static str, arguments: &Value) -> wasmtime::Result<Option<Value>>;

    /// The host answered; what is returned goes to the plugin.
    fn answered(&mut self, call: &'static str, arguments: Value, answer: Value) -> Value;

    /// The call into the plugin ended.
    fn leave(self: Box<Self>, answer: Result<Value, &PluginError>);
}

/// One call into a plugin at the boundary: how often the plugin asked, what it asked last, and who listens.
#[derive(Default)]
pub struct Crossings {
    visit: Option<Box<dyn Visit>>,
    count: u64,
    last: Option<&'static str>,
}

/// What a question came to before the host was asked.
pub enum Asked {
    /// The host is to answer. The arguments are there where somebody listens.
    Host(Option<Value>),
    /// Somebody else has answered.
    Instead(Value),
}

impl Crossings {
    /// With somebody who listens, or nobody.
    pub fn new(visit: Option<Box<dyn Visit>>) -> Self {
        Self {
            visit,
            ..Self::default()
        }
    }

    /// The plugin asks the host; `arguments` are put into words only for somebody who listens.
    ///
    /// # Errors
    /// Of the one who listens.
    pub fn ask(
        &mut self,
        call: &'static str,
        arguments: impl FnOnce() -> Value,
    ) -> wasmtime::Result<Asked> {
        // What a plugin tells a person is no question.
        if !call.starts_with("log.") {
            self.count += 1;
            self.last = Some(call);
        }
        let Some(visit) = &mut self.visit else {
            return Ok(Asked::Host(None));
        };
        let arguments = arguments();
        Ok(match visit.asked(call, &arguments)? {
            Some(answer) => Asked::Instead(answer),
            None => Asked::Host(Some(arguments)),
        })
    }

    /// The host has answered.
    ///
    /// # Errors
    /// When what the one who listens made of it is no answer to this call.
    pub fn tell<T: Serialize + DeserializeOwned>(
        &mut self,
        call: &'static str,
        arguments: Option<Value>,
        answer: T,
    ) -> wasmtime::Result<T> {
        match (&mut self.visit, arguments) {
            (Some(visit), Some(arguments)) => {
                let answer = visit.answered(call, arguments, to_value(&answer));
                from_value(call, answer)
            }
            _ => Ok(answer),
        }
    }

    /// The call into the plugin ended.
    pub fn leave<T: Serialize>(&mut self, answer: Result<&T, &PluginError>) {
        if let Some(visit) = self.visit.take() {
            visit.leave(answer.map(to_value));
        }
    }

    /// What the plugin had asked so far, for an error; nothing where it had asked nothing.
    pub fn so_far(&self) -> Option<String> {
        let last = self.last?;
        Some(match self.count {
            1 => format!("after it had called {last}"),
            count => format!("after {count} calls to the host, the last of them {last}"),
        })
    }
}

/// An answer that somebody else gave, as the call's own type.
///
/// # Errors
/// When it is none.
pub fn from_value<T: DeserializeOwned>(call: &str, answer: Value) -> wasmtime::Result<T> {
    serde_json::from_value(answer).map_err(|error| {
        wasmtime::Error::msg(format!(
            "what is played back is no answer to {call}: {error}"
        ))
    })
}

fn to_value<T: Serialize>(answer: &T) -> Value {
    serde_json::to_value(answer).expect("the contract's types are JSON")
}

/// Asks the host, or whoever answers in its place: `cross!(ctx, "netlink.links", [&selectors], ctx.gate.links(&selectors).await)`.
macro_rules! cross {
    ($ctx:ident, $call:literal, [$($argument:expr),*], $answer:expr) => {
        match $ctx.crossings.ask($call, || serde_json::json!([$($argument),*]))? {
            $crate::boundary::Asked::Instead(answer) => {
                $crate::boundary::from_value($call, answer)
            }
            $crate::boundary::Asked::Host(arguments) => {
                let answer = $answer;
                $ctx.crossings.tell($call, arguments, answer)
            }
        }
    };
}
pub(crate) use cross;

/// Numbers, from 1.
#[derive(Debug, Default)]
pub struct Numbers(AtomicU64);

impl Numbers {
    /// The next one.
    pub fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}
