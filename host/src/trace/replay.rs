//! Runs a plugin against a trace: the trace's calls, answered as the trace says.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::difference::{Difference, first};
use super::line::{Asked, End};
use super::script::Scene;
use crate::boundary::{Entry, Listener, Visit};
use crate::gate::Mode;
use crate::plugin::failure::PluginError;
use crate::plugin::instance::Caller;

/// Plays the part of a plugin with another build of it. The caller must have no listener: this is one. Returns the first difference.
///
/// # Errors
/// When a line of the trace is no call that this host can make.
pub async fn replay(
    caller: &mut Caller<'_>,
    part: &[&Scene],
) -> Result<Option<Difference>, Unplayable> {
    for scene in part {
        let prompter = Arc::new(Prompter {
            call: scene.call.call,
            export: scene.call.export.clone(),
            is_whole: scene.end.is_some(),
            left: Mutex::new(
                scene
                    .asked
                    .iter()
                    .filter(|asked| counts(asked))
                    .cloned()
                    .collect(),
            ),
            found: Mutex::default(),
            got: Mutex::default(),
        });
        caller.listener = Some(Arc::new(Prompting(prompter.clone())));
        repeat(caller, scene).await?;
        if let Some(found) = prompter.verdict() {
            return Ok(Some(found));
        }
        let got = lock(&prompter.got).take();
        if let Some((end, got)) = scene.end.as_ref().zip(got)
            && let Some(found) = compare_end(scene, end, got)
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// What a plugin tells a person is no part of what it does.
fn counts(asked: &Asked) -> bool {
    !asked.import.starts_with("log.")
}

/// A line of a trace that is no call that this host can make.
#[derive(Debug, thiserror::Error)]
#[error("call {number} of the trace cannot be repeated: {reason}")]
pub struct Unplayable {
    /// Its number.
    number: u64,
    /// Why not.
    reason: String,
}

/// Makes the call of a scene again. What it comes to is heard at the boundary.
async fn repeat(caller: &Caller<'_>, scene: &Scene) -> Result<(), Unplayable> {
    let call = &scene.call;
    let mode: Mode = call.mode.into();
    match call.export.as_str() {
        "describe" => drop(caller.describe().await),
        "watches" => drop(caller.watches().await),
        "validate" => drop(caller.validate(&argument(scene, 0)?).await),
        "query" => {
            let within: Option<String> = argument(scene, 0)?;
            drop(caller.query(within.as_ref()).await);
        }
        "diff" => {
            let (current, desired) = (argument(scene, 0)?, argument(scene, 1)?);
            drop(caller.diff(&current, &desired).await);
        }
        "apply" => {
            let actions: Vec<_> = argument(scene, 0)?;
            drop(caller.apply(mode, &actions).await);
        }
        "verify" => drop(caller.verify(&argument(scene, 0)?).await),
        "checkpoint" => {
            let within: Option<String> = argument(scene, 0)?;
            drop(caller.checkpoint(within.as_ref()).await);
        }
        "rollback" => drop(caller.rollback(mode, &argument(scene, 0)?).await),
        "release" => drop(caller.release(&argument(scene, 0)?).await),
        other => {
            return Err(Unplayable {
                number: call.call,
                reason: format!("the contract has no export {other:?}"),
            });
        }
    }
    Ok(())
}

fn argument<T: DeserializeOwned>(scene: &Scene, number: usize) -> Result<T, Unplayable> {
    let value = scene.call.arguments.get(number).cloned();
    serde_json::from_value(value.unwrap_or_default()).map_err(|error| Unplayable {
        number: scene.call.call,
        reason: format!("argument {number}: {error}"),
    })
}

/// The sentence of an error, without the stack below it: that is of one build of the plugin.
pub(super) fn sentence(error: &PluginError) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

fn compare_end(scene: &Scene, end: &End, got: Result<Value, String>) -> Option<Difference> {
    let difference = |path, expected, got| Difference {
        number: Some(end.end),
        what: format!("the answer of {}", scene.call.export),
        path,
        expected,
        got,
    };
    match (&end.answer, got) {
        (Some(expected), Ok(got)) => {
            let (path, expected, got) = first(expected, &got)?;
            Some(difference(path, expected, got))
        }
        (None, Err(_)) => None,
        (expected, got) => {
            let expected = expected.clone().or(end.failed.clone().map(Value::from));
            let got = got.unwrap_or_else(Value::from);
            Some(difference(String::new(), expected, Some(got)))
        }
    }
}

/// Answers in the host's place as the trace does, and keeps the first difference. From there on the call ends: what would come next was
/// never answered.
struct Prompter {
    call: u64,
    export: String,
    /// Whether the recording goes on to the end of the call: else what it asked last may be missing.
    is_whole: bool,
    left: Mutex<VecDeque<Asked>>,
    found: Mutex<Option<Difference>>,
    /// What the call came to.
    got: Mutex<Option<Result<Value, String>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Prompter {
    /// The first difference in what was asked.
    fn verdict(&self) -> Option<Difference> {
        lock(&self.found).clone().or_else(|| {
            let left = lock(&self.left);
            let missed = left.front()?;
            Some(Difference {
                number: Some(missed.host),
                what: format!("{} asks {} no more", self.export, missed.import),
                path: String::new(),
                expected: Some(missed.arguments.clone()),
                got: None,
            })
        })
    }

    /// The answer that was given then; nothing where there was none, because the call ended there.
    fn prompt(&self, call: &str, arguments: &Value) -> Result<Option<Value>, Box<Difference>> {
        let mut left = lock(&self.left);
        let Some(expected) = left.pop_front() else {
            if !self.is_whole {
                return Ok(None);
            }
            return Err(Box::new(Difference {
                number: Some(self.call),
                what: format!("{} asks {call} beyond what it asked then", self.export),
                path: String::new(),
                expected: None,
                got: Some(arguments.clone()),
            }));
        };
        if expected.import != call {
            return Err(Box::new(Difference {
                number: Some(expected.host),
                what: format!(
                    "{} asks {call} in place of {}",
                    self.export, expected.import
                ),
                path: String::new(),
                expected: Some(expected.arguments),
                got: Some(arguments.clone()),
            }));
        }
        match first(&expected.arguments, arguments) {
            None => Ok(expected.answer),
            Some((path, wanted, got)) => Err(Box::new(Difference {
                number: Some(expected.host),
                what: format!("{} asks {call}", self.export),
                path,
                expected: wanted,
                got,
            })),
        }
    }
}

/// A [`Prompter`] as a plugin is listened to with.
struct Prompting(Arc<Prompter>);

impl Listener for Prompting {
    fn enter(&self, entry: Entry) -> Box<dyn Visit> {
        // That a plugin describes itself first, for its version, is no part of the scene.
        let prompter = (entry.call == self.0.export).then(|| self.0.clone());
        Box::new(Prompted(prompter))
    }
}

struct Prompted(Option<Arc<Prompter>>);

impl Visit for Prompted {
    fn asked(&mut self, call: &'static str, arguments: &Value) -> wasmtime::Result<Option<Value>> {
        let Some(prompter) = self.0.as_ref().filter(|_| !call.starts_with("log.")) else {
            return Ok(None);
        };
        match prompter.prompt(call, arguments) {
            Ok(Some(answer)) => Ok(Some(answer)),
            Ok(None) => Err(wasmtime::Error::msg("the trace ends here")),
            Err(difference) => {
                let message = difference.what.clone();
                lock(&prompter.found).get_or_insert(*difference);
                Err(wasmtime::Error::msg(message))
            }
        }
    }

    fn answered(&mut self, _: &'static str, _: Value, answer: Value) -> Value {
        answer
    }

    fn leave(self: Box<Self>, answer: Result<Value, &PluginError>) {
        if let Some(prompter) = &self.0 {
            *lock(&prompter.got) = Some(answer.map_err(sentence));
        }
    }
}
