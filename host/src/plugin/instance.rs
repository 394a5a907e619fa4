//! Calling a plugin: each call in a fresh instance, bounded in memory, time and what crosses.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use serde_json::{Value, json};
use wasmtime::Store;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::WasiCtx;

use super::engine::engine;
use super::failure::PluginError;
use super::limits::Meter;
use super::loader::Plugin;
use super::{misfit, stack};
use crate::boundary::{Crossings, Entry, Listener, Visit};
use crate::contract::StatePlugin;
use crate::contract::exports::op_dbus::plugin::state::{
    Action, CheckpointData, Description, Guest, Mismatch, Outcome, Problem, Watch,
};
use crate::contract::types::{Failure, Json};
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
        let ctx = Ctx {
            gate: Gate {
                plugin: self.plugin.name.clone(),
                grant: self.plugin.grant.clone(),
                mode,
                backends: self.backends.clone(),
                recorder: self.recorder.clone(),
                calls_left: AtomicU64::new(limits.host_calls),
                subscriptions_left: AtomicU64::new(limits.subscriptions),
                progress_of_ovsdb: Default::default(),
            },
            meter: Meter::new(limits),
            log: LogBudget {
                plugin: self.plugin.title(),
                lines: limits.log_lines,
                line_length: limits.log_line_length,
                dropped: 0,
            },
            wasi: WasiCtx::builder().build(),
            table: ResourceTable::new(),
            crossings: Crossings::new(visit),
            subscriptions: 0,
        };
        let mut store = Store::new(engine(), ctx);
        store.limiter(|ctx| &mut ctx.meter);
        store.set_hostcall_fuel(limits.crossing);
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
        self.plugin.note_version(&description.version);
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
        self.answer("query", answer)
    }

    /// The steps from `current` to `desired`.
    ///
    /// # Errors
    /// As [`Caller::describe`].
    pub async fn diff(&self, current: &Json, desired: &Json) -> Result<Vec<Action>, PluginError> {
        let answer = introduced!(self, Mode::Pure, "diff", call_diff(current, desired))?;
        self.answer("diff", answer)
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
        self.answer("verify", answer)
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
        self.answer("checkpoint", answer)
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
