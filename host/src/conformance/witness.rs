//! Who listens to a plugin that is tried: what it asks, what it is denied, how much it says; and who answers with lies where that is wanted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::Value;

use super::twist::Twist;
use crate::backends::netlink::Kernel;
use crate::boundary::{Entry, Listener, Visit};
use crate::contract::dbus::MethodCall;
use crate::contract::netlink::Request;
use crate::contract::types::Failure;
use crate::gate::{Recorder, Rehearsed};
use crate::plugin::failure::PluginError;

/// What is heard of a plugin.
#[derive(Default)]
pub struct Witness(Mutex<Heard>);

/// What was heard since the last look.
#[derive(Default, Debug, Clone)]
pub struct Heard {
    /// What the plugin asked of the host, without words for the operator.
    pub asked: Vec<&'static str>,
    /// What its grant did not cover.
    pub denied: Vec<Failure>,
    /// Lines for the operator, in one call.
    pub lines: u64,
    /// The longest of them, in bytes.
    pub longest: usize,
    /// The answer that is to be a lie.
    twist: Option<(usize, Twist)>,
    /// Whether it was told.
    pub twisted: bool,
}

impl Heard {
    /// What was asked that only makes sense for a change; the gate has denied it where nothing may change.
    pub fn change(&self) -> Option<&'static str> {
        let changes = |asked: &&&str| matches!(**asked, "netlink.execute" | "ovsdb.settle");
        self.asked.iter().find(changes).copied()
    }
}

impl Witness {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        // What it guards is whole after each statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was heard since the last look.
    pub fn take(&self) -> Heard {
        std::mem::take(&mut *self.heard())
    }

    /// Lines for the operator in the present call.
    pub fn lines(&self) -> u64 {
        self.heard().lines
    }

    /// From the question with this number on, counted from 0 in the next call, the answers are lies: only that one, unless the lie is that a
    /// backend has gone for good.
    pub fn lie(&self, number: usize, twist: Twist) {
        self.heard().twist = Some((number, twist));
    }
}

/// A [`Witness`] as plugins are listened to with.
pub struct Listening(pub Arc<Witness>);

impl Listener for Listening {
    fn enter(&self, _: Entry) -> Box<dyn Visit> {
        self.0.heard().lines = 0;
        Box::new(Visiting(self.0.clone()))
    }
}

struct Visiting(Arc<Witness>);

impl Visit for Visiting {
    fn asked(&mut self, call: &'static str, arguments: &Value) -> wasmtime::Result<Option<Value>> {
        let mut heard = self.0.heard();
        if call == "log.write" {
            heard.lines += 1;
            let line = arguments[1].as_str().map_or(0, str::len);
            heard.longest = heard.longest.max(line);
        }
        if call.starts_with("log.") {
            return Ok(None);
        }
        heard.asked.push(call);
        let number = heard.asked.len() - 1;
        let lie = heard
            .twist
            .as_ref()
            .filter(|(at, twist)| match twist.lasts() {
                true => number >= *at,
                false => number == *at,
            });
        // A change that is to fail must not take effect: it is not even asked.
        let answer = lie.and_then(|(_, twist)| twist.instead(call, arguments));
        heard.twisted |= answer.is_some();
        Ok(answer)
    }

    fn answered(&mut self, call: &'static str, _: Value, answer: Value) -> Value {
        let mut heard = self.0.heard();
        let number = heard.asked.len().checked_sub(1);
        let lie = heard.twist.as_ref().filter(|(at, _)| Some(*at) == number);
        match lie.and_then(|(_, twist)| twist.of(call, &answer)) {
            Some(lie) => {
                heard.twisted = true;
                lie
            }
            None => answer,
        }
    }

    fn leave(self: Box<Self>, _: Result<Value, &PluginError>) {}
}

/// A witness keeps no journal: the host that a plugin is tried on is thrown away.
#[async_trait]
impl Recorder for Witness {
    async fn before_netlink(&self, _: &str, _: &dyn Kernel, _: &[Request]) -> Result<(), Failure> {
        Ok(())
    }

    async fn before_ovsdb(&self, _: &str, _: &str, _: &[String], _: Value) -> Result<(), Failure> {
        Ok(())
    }

    async fn before_links_change(
        &self,
        _: &str,
        _: &dyn Kernel,
        _: &[String],
    ) -> Result<(), Failure> {
        Ok(())
    }

    async fn before_dbus(&self, _: &str, _: &[MethodCall]) -> Result<(), Failure> {
        Ok(())
    }

    fn rehearsed(&self, _: &str, _: Rehearsed) {}

    fn progress(&self, _: &str, _: u32, _: u32) {}

    fn denied(&self, _: &str, failure: &Failure) {
        self.heard().denied.push(failure.clone());
    }
}
