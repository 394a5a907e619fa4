//! Names and time zone of the machine, through systemd's services on the message bus: org.freedesktop.hostname1(5) and
//! org.freedesktop.timedate1(5).
//!
//! This is the twin of `python/app.py`: what one answers, the other answers.

use std::collections::BTreeMap;

use op_dbus_plugin::dbus::{self, MethodCall, Property};
use op_dbus_plugin::{
    Action, CheckpointData, Description, Failure, Features, Mismatch, Operation, Outcome, Plugin,
    Pointer, Signal, Watch,
};
use serde_json::{Value, json};

/// Values by setting, such as `{"hostname": "web1"}`: what a state file says, and what `query` shows.
pub type Section = BTreeMap<String, String>;

/// A setting, and who keeps it.
struct Setting {
    key: &'static str,
    /// Name of the service and of its interface; its object has the same.
    service: &'static str,
    property: &'static str,
    method: &'static str,
}

const SETTINGS: [Setting; 3] = [
    Setting {
        key: "hostname",
        service: "org.freedesktop.hostname1",
        property: "StaticHostname",
        method: "SetStaticHostname",
    },
    Setting {
        key: "pretty_hostname",
        service: "org.freedesktop.hostname1",
        property: "PrettyHostname",
        method: "SetPrettyHostname",
    },
    Setting {
        key: "timezone",
        service: "org.freedesktop.timedate1",
        property: "Timezone",
        method: "SetTimezone",
    },
];

/// The plugin.
pub struct Hostname;

impl Setting {
    fn of(key: &str) -> Result<&'static Self, Failure> {
        let found = SETTINGS.iter().find(|setting| setting.key == key);
        found.ok_or_else(|| Failure::invalid(format!("there is no setting {key:?}")))
    }

    fn path(&self) -> String {
        format!("/{}", self.service.replace('.', "/"))
    }

    /// Asks the service for the value.
    fn read(&self) -> Result<String, Failure> {
        let text = dbus::get_property(&Property {
            destination: self.service.into(),
            path: self.path(),
            interface: self.service.into(),
            name: self.property.into(),
        })?;
        let variant: Value = serde_json::from_str(&text)?;
        let value = variant["data"].as_str().map(str::to_owned);
        value.ok_or_else(|| Failure::internal(format!("{} is no text", self.property)))
    }

    /// The call that sets the value. Its second argument says whether somebody may be asked for leave.
    fn write(&self, value: &str) -> MethodCall {
        MethodCall {
            destination: self.service.into(),
            path: self.path(),
            interface: self.service.into(),
            member: self.method.into(),
            signature: "sb".into(),
            arguments: json!([value, false]).to_string(),
        }
    }
}

impl Plugin for Hostname {
    type Desired = Section;
    type Current = Section;

    fn describe() -> Description {
        Description {
            name: "hostname".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Names and time zone of the machine".into(),
            schema: include_str!("../python/schema.json").into(),
            supports: Features {
                checkpoints: true,
                atomic: false,
                scoped_query: true,
            },
            asks: include_str!("../python/asks.json").into(),
        }
    }

    fn watches() -> Vec<Watch> {
        let services = ["org.freedesktop.hostname1", "org.freedesktop.timedate1"];
        let changed = services.map(|sender| {
            Watch::DbusSignal(Signal {
                sender: sender.into(),
                interface: "org.freedesktop.DBus.Properties".into(),
                member: "PropertiesChanged".into(),
            })
        });
        changed.into()
    }

    fn query(within: Option<&Section>) -> Result<Section, Failure> {
        let asked = SETTINGS
            .iter()
            .filter(|setting| within.is_none_or(|within| within.contains_key(setting.key)));
        asked
            .map(|setting| Ok((setting.key.to_owned(), setting.read()?)))
            .collect()
    }

    fn diff(current: &Section, desired: &Section) -> Result<Vec<Action>, Failure> {
        let mut actions = Vec::new();
        for (key, want) in desired {
            let have = current.get(key).map_or("", String::as_str);
            if have != want {
                actions.push(Action {
                    operation: Operation::Modify,
                    target: key.clone(),
                    before: Some(json!(have).to_string()),
                    after: Some(json!(want).to_string()),
                    summary: format!("{} becomes {}", json!(have), json!(want)),
                    disruptive: false,
                });
            }
        }
        Ok(actions)
    }

    fn apply(actions: Vec<Action>) -> Result<Vec<Outcome>, Failure> {
        let mut calls = Vec::new();
        for action in &actions {
            let value: String = serde_json::from_str(action.after.as_deref().unwrap_or_default())?;
            calls.push(Setting::of(&action.target)?.write(&value));
        }
        let answers = dbus::call_all(&calls).into_iter();
        let outcomes = actions
            .into_iter()
            .zip(answers)
            .map(|(action, answer)| Outcome {
                target: action.target,
                summary: action.summary,
                failed: answer.err(),
            });
        Ok(outcomes.collect())
    }

    fn verify(desired: &Section) -> Result<Vec<Mismatch>, Failure> {
        let current = Self::query(Some(desired))?;
        let wrong = desired
            .iter()
            .filter(|(key, want)| current.get(*key) != Some(want));
        let mismatches = wrong.map(|(key, want)| Mismatch {
            path: Pointer::root().key(key).into(),
            want: json!(want).to_string(),
            have: current.get(key).map(|have| json!(have).to_string()),
        });
        Ok(mismatches.collect())
    }

    fn rollback(to: CheckpointData) -> Result<Vec<Outcome>, Failure> {
        let then: Section = serde_json::from_str(&to.state)?;
        let now = Self::query(Some(&then))?;
        Self::apply(Self::diff(&now, &then)?)
    }
}

op_dbus_plugin::export!(Hostname);

#[cfg(test)]
mod tests;
