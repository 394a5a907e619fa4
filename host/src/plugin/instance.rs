//! Calling a plugin: each call in a fresh instance, bounded in memory, time and what crosses.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use wasmtime::Store;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::WasiCtx;

use super::engine::engine;
use super::failure::PluginError;
use super::limits::{Limits, Meter};
use super::loader::Plugin;
use super::{misfit, stack};
use crate::boundary::{Crossings, Entry, Listener, Visit};
use crate::contract::StatePlugin;
use crate::contract::exports::op_dbus::plugin::state::{
    Action, CheckpointData, Description, Guest, Mismatch, Outcome, Problem, Watch,
};
use crate::contract::types::{Failure, FailureCode, Json};
use crate::document;
use crate::gate::budget::Budget;
use crate::gate::{Backends, Gate, Mode, Recorder};
use crate::interfaces::{Ctx, LogBudget};
use crate::timing;

/// A plugin together with what its calls reach.
pub struct Caller<'a> {
    /// The plugin.
    pub plugin: &'a Plugin,
    /// Where its calls go.
    pub backends: Backends,
    /// Who keeps book of what it does.
    pub recorder: Arc<dyn Recorder>,
    /// Who listens to what crosses the boundary.
    pub listener: Option<Arc<dyn Listener>>,
}

/// One export, called in a fresh instance: `call!(self, mode, name, method(arguments))`.
macro_rules! call {
    ($caller:expr, $mode:expr, $name:literal, $method:ident($($argument:expr),*)) => {{
        let started = Instant::now();
        let visit = $caller.visit($name, $mode, || json!([$($argument),*]));
        let mut store = $caller.store($mode, visit);
        let deadline = $caller.plugin.limits.deadline;
        let calling = async {
            let instance = $caller.plugin.pre.instantiate_async(&mut store).await?;
            exports(&instance).$method(&mut store $(, $argument)*).await
        };
        let result = tokio::time::timeout(deadline, calling).await;
        timing::took(format_args!("{} {}", $caller.plugin.name, $name), started);
        let judged = $caller.judge($name, result, &mut store);
        store.data_mut().crossings.leave(judged.as_ref());
        judged
    }};
}

/// As `call!`, after the plugin has said which version it is: what it logs and how it fails carries that.
macro_rules! introduced {
    ($caller:expr, $($call:tt)*) => {{
        $caller.introduce().await;
        call!($caller, $($call)*)
    }};
}

/// No guest needs more random bytes at once: they seed a generator, or make a key.
const MOST_RANDOM_BYTES: u64 = 64 << 10;

/// Which limit a failure of the engine means, if it means one. The engine has no types for them, only words; the tests of hostile guests
/// show when a release of it chooses others.
fn exceeded(error: &wasmtime::Error, limits: &Limits) -> Option<String> {
    let said = format!("{error:#}");
    if said.contains("fuel allocated for hostcalls has been exhausted") {
        return Some(format!(
            "it passes more to the host at once than its limit `crossing` allows, {} KiB; a state file of fewer objects needs less",
            limits.crossing >> 10
        ));
    }
    if said.contains("resource limit exceeded: ") {
        return Some(format!(
            "it is made of more parts than its limit `parts` allows, {}",
            limits.parts
        ));
    }
    if said.contains("resource table has no free keys")
        || said.contains("store handle limit exceeded")
    {
        return Some(format!(
            "it holds more handles than its limit `handles` allows, {}",
            limits.handles
        ));
    }
    None
}

fn exports(instance: &StatePlugin) -> &Guest {
    instance.op_dbus_plugin_state()
}

impl Caller<'_> {
    /// Lets the plugin describe itself once, for its version. A plugin that cannot is told by its name alone.
    async fn introduce(&self) {
        if self.plugin.version().is_none()
            && let Err(error) = self.describe().await
        {
            tracing::debug!("{error}");
        }
    }

    fn visit(
        &self,
        call: &'static str,
        mode: Mode,
        arguments: impl FnOnce() -> Value,
    ) -> Option<Box<dyn Visit>> {
        let listener = self.listener.as_ref()?;
        Some(listener.enter(Entry {
            plugin: self.plugin.name.clone(),
            version: self.plugin.version().map(str::to_owned),
            digest: self.plugin.digest.clone(),
            call,
            mode,
            arguments: arguments(),
        }))
    }

    fn store(&self, mode: Mode, visit: Option<Box<dyn Visit>>) -> Store<Ctx> {
        let limits = &self.plugin.limits;
        let mut ctx = Ctx {
            gate: Gate {
                plugin: self.plugin.name.clone(),
                grant: self.plugin.grant.clone(),
                mode,
                backends: self.backends.clone(),
                recorder: self.recorder.clone(),
                budget: Budget::new(
                    limits.host_calls,
                    limits.requests as u64,
                    limits.subscriptions,
                ),
                progress_of_ovsdb: Default::default(),
            },
            meter: Meter::new(limits),
            log: LogBudget {
                plugin: self.plugin.title(),
                lines: limits.log_lines,
                line_length: limits.log_line_length,
                dropped: 0,
                told: None,
            },
            wasi: WasiCtx::builder()
                .max_random_size(MOST_RANDOM_BYTES)
                .build(),
            table: ResourceTable::new(),
            crossings: Crossings::new(visit),
            subscriptions: 0,
        };
        ctx.table.set_max_capacity(limits.handles);
        let mut store = Store::new(engine(), ctx);
        store.limiter(|ctx| &mut ctx.meter);
        store.set_hostcall_fuel(limits.crossing);
        store.set_max_component_handles(limits.handles);
        // At every tick of the clock a guest that computes lets go, so that a signal is heard, and the deadline around the call.
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        store
    }

    /// Turns what a call came to into its answer, or into an error that says why there is none.
    fn judge<T>(
        &self,
        call: &'static str,
        result: Result<wasmtime::Result<T>, tokio::time::error::Elapsed>,
        store: &mut Store<Ctx>,
    ) -> Result<T, PluginError> {
        let plugin = self.plugin.title();
        let deadline = self.plugin.limits.deadline;
        match result {
            Ok(Ok(answer)) => Ok(answer),
            Err(_) => Err(PluginError::Deadline {
                plugin,
                call,
                deadline,
            }),
            Ok(Err(error)) => {
                // A guest that is refused memory ends in some trap of its own, which tells nothing.
                if let Some(reason) = store.data_mut().meter.refused.take() {
                    return Err(PluginError::Limit {
                        plugin,
                        call,
                        reason,
                    });
                }
                if let Some(reason) = exceeded(&error, &self.plugin.limits) {
                    return Err(PluginError::Limit {
                        plugin,
                        call,
                        reason,
                    });
                }
                // Types are compared when a component is instantiated, before anything of it runs.
                if let Some(reason) = misfit::of_instance(&error) {
                    return Err(PluginError::Load { plugin, reason });
                }
                Err(PluginError::Trap {
                    plugin,
                    call,
                    so_far: store.data().crossings.so_far(),
                    reason: stack::reason(&error),
                    stack: stack::frames(&error),
                })
            }
        }
    }

    /// Holds a document that the plugin answered with against the rules of the contract.
    fn document(&self, call: &'static str, what: &str, text: &str) -> Result<(), PluginError> {
        // What the program carries makes its documents from types, and is tested with the largest.
        if self.plugin.is_builtin {
            return Ok(());
        }
        document::check(text, self.plugin.limits.document).map_err(|reason| PluginError::Contract {
            plugin: self.plugin.name.clone(),
            call,
            reason: format!("{what} is no JSON that the contract allows: {reason}"),
        })
    }

    /// Holds the state of a checkpoint against the rules, too: it has lain on a disk meanwhile.
    fn kept(&self, state: &str) -> Result<(), PluginError> {
        document::check(state, self.plugin.limits.document).map_err(|reason| PluginError::Answer {
            plugin: self.plugin.name.clone(),
            call: "rollback",
            failure: Failure {
                code: FailureCode::Invalid,
                message: format!("its checkpoint is no JSON that can be gone back to: {reason}"),
                backend: None,
            },
        })
    }

    fn answer<T>(&self, call: &'static str, answer: Result<T, Failure>) -> Result<T, PluginError> {
        answer.map_err(|failure| PluginError::Answer {
            plugin: self.plugin.name.clone(),
            call,
            failure,
        })
    }

    /// Who the plugin is.
    ///
    /// # Errors
    /// `Trap` or `Deadline`. So in all calls; those whose export can fail give `Answer` as well.
    pub async fn describe(&self) -> Result<Description, PluginError> {
        let description = call!(self, Mode::Pure, "describe", call_describe())?;
        self.document("describe", "the schema", &description.schema)?;
        self.document("describe", "the grant asked for", &description.asks)?;
        self.plugin.note_version(&description.version);
        debug_assert!(
            !self.plugin.is_builtin || self.plugin.version() == Some(&description.version),
            "the version of a built-in plugin is known when the program is built"
        );
        Ok(description)
    }

    /// What means that the plugin's state may have drifted.
    ///
    /// # Errors
    /// As [`Caller::describe`].
    pub async fn watches(&self) -> Result<Vec<Watch>, PluginError> {
        introduced!(self, Mode::Pure, "watches", call_watches())
    }

    /// What is wrong with a section beyond its schema.
    ///
    /// # Errors
    /// As [`Caller::describe`].
    pub async fn validate(&self, desired: &Json) -> Result<Vec<Problem>, PluginError> {
        introduced!(self, Mode::Pure, "validate", call_validate(desired))
    }

    /// The current state.
    ///
    /// # Errors
    /// As [`Caller::describe`].
    pub async fn query(&self, within: Option<&Json>) -> Result<String, PluginError> {
        let answer = introduced!(self, Mode::Read, "query", call_query(within))?;
        let state = self.answer("query", answer)?;
        self.document("query", "the state", &state)?;
        Ok(state)
    }

    /// The steps from `current` to `desired`.
    ///
    /// # Errors
    /// As [`Caller::describe`].
    pub async fn diff(&self, current: &Json, desired: &Json) -> Result<Vec<Action>, PluginError> {
        let answer = introduced!(self, Mode::Pure, "diff", call_diff(current, desired))?;
        let actions = self.answer("diff", answer)?;
        for action in &actions {
            for document in action.before.iter().chain(&action.after) {
                self.document("diff", &format!("a step on {:?}", action.target), document)?;
            }
        }
        Ok(actions)
    }

    /// Carries out the steps, or with [`Mode::Rehearse`] only tells the recorder what they would send.
    ///
    /// # Errors
    /// As [`Caller::describe`].
    pub async fn apply(&self, mode: Mode, actions: &[Action]) -> Result<Vec<Outcome>, PluginError> {
        let answer = introduced!(self, mode, "apply", call_apply(actions))?;
        let outcomes = self.answer("apply", answer)?;
        if outcomes.len() != actions.len() {
            return Err(PluginError::Contract {
                plugin: self.plugin.name.clone(),
                call: "apply",
                reason: format!("{} outcomes for {} actions", outcomes.len(), actions.len()),
            });
        }
        Ok(outcomes)
    }

    /// Where the system differs from the wish.
    ///
    /// # Errors
    /// As [`Caller::describe`].
    pub async fn verify(&self, desired: &Json) -> Result<Vec<Mismatch>, PluginError> {
        let answer = introduced!(self, Mode::Read, "verify", call_verify(desired))?;
        let found = self.answer("verify", answer)?;
        for mismatch in &found {
            for document in [&mismatch.want].into_iter().chain(&mismatch.have) {
                self.document(
                    "verify",
                    &format!("the mismatch at {:?}", mismatch.path),
                    document,
                )?;
            }
        }
        Ok(found)
    }

    /// Notes what is.
    ///
    /// # Errors
    /// As [`Caller::describe`].
    pub async fn checkpoint(&self, within: Option<&Json>) -> Result<CheckpointData, PluginError> {
        let answer = introduced!(
            self,
            Mode::Checkpoint,
            "checkpoint",
            call_checkpoint(within)
        )?;
        let noted = self.answer("checkpoint", answer)?;
        self.document("checkpoint", "the checkpoint", &noted.state)?;
        Ok(noted)
    }

    /// Restores what a checkpoint noted, or with [`Mode::Rehearse`] only tells the recorder what that would send.
    ///
    /// # Errors
    /// As [`Caller::describe`].
    pub async fn rollback(
        &self,
        mode: Mode,
        to: &CheckpointData,
    ) -> Result<Vec<Outcome>, PluginError> {
        self.kept(&to.state)?;
        let answer = introduced!(self, mode, "rollback", call_rollback(to))?;
        self.answer("rollback", answer)
    }

    /// Frees what a backend keeps for a checkpoint.
    ///
    /// # Errors
    /// As [`Caller::describe`].
    pub async fn release(&self, checkpoint: &CheckpointData) -> Result<(), PluginError> {
        let answer = introduced!(self, Mode::Change, "release", call_release(checkpoint))?;
        self.answer("release", answer)
    }
}
