//! A secret agent of NetworkManager's: hands out the secrets of profiles that keep none themselves.
//!
//! A profile can say of a secret that an agent owns it (`psk-flags` 1, NM_SETTING_SECRET_FLAG_AGENT_OWNED). NetworkManager then asks the
//! agents that have registered when it activates the profile. This one answers while an apply or a way back runs, and only for profiles that
//! the state file describes or that an earlier one described ([`known`]), with the very secrets that are named there.
//!
//! Source: NetworkManager's D-Bus reference, `org.freedesktop.NetworkManager.AgentManager` and `….SecretAgent`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::backends::dbus::value::Secrets;
use crate::backends::dbus::{Bus, BusAddress, ErrorReply, Incoming, Object, Terms};
use crate::contract::dbus::{MethodCall, Reply};
use crate::contract::types::{Failure, FailureCode, Secret};
use crate::gate::grant::Grant;
use crate::gate::pattern::any_matches;
use crate::network_manager::NAME;
use crate::secrets::SecretStore;

pub mod known;

const PATH: &str = "/org/freedesktop/NetworkManager/SecretAgent";
const INTERFACE: &str = "org.freedesktop.NetworkManager.SecretAgent";

/// NM_SETTING_SECRET_FLAG_AGENT_OWNED.
const AGENT_OWNED: u64 = 1;

/// A secret that a profile of the state file names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Reference {
    /// Its key, in NetworkManager's spelling: `private-key` for `private_key`.
    key: String,
    /// The key of the object that it stands in, in the same spelling.
    within: String,
    name: String,
}

/// A profile of a state file, as far as the agent goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    id: Option<String>,
    uuid: Option<String>,
    references: Vec<Reference>,
}

/// What a section `networkmanager` names in `connections`. Profiles without a secret are left out.
pub fn profiles(section: &str) -> Vec<Profile> {
    let section: Value = serde_json::from_str(section).unwrap_or_default();
    let connections = section["connections"].as_array().into_iter().flatten();
    let profiles = connections.map(|connection| {
        let word = |key: &str| connection[key].as_str().map(str::to_owned);
        let mut references = Vec::new();
        collect(connection, "", "", &mut references);
        Profile {
            id: word("id"),
            uuid: word("uuid"),
            references,
        }
    });
    profiles
        .filter(|profile| !profile.references.is_empty())
        .collect()
}

fn collect(value: &Value, key: &str, within: &str, found: &mut Vec<Reference>) {
    let spelling = |key: &str| key.replace('_', "-");
    match value {
        Value::Object(entries) => {
            if let Some(name) = entries.get("secret").and_then(Value::as_str) {
                found.push(Reference {
                    key: spelling(key),
                    within: spelling(within),
                    name: name.to_owned(),
                });
                return;
            }
            for (inner, value) in entries {
                // `{"type": "s", "data": {"secret": …}}` stands for its data.
                match inner.as_str() {
                    "data" if entries.contains_key("type") => collect(value, key, within, found),
                    _ => collect(value, inner, key, found),
                }
            }
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| collect(item, key, within, found)),
        _ => {}
    }
}

impl Profile {
    fn is(&self, id: Option<&str>, uuid: Option<&str>) -> bool {
        match &self.uuid {
            Some(own) => uuid == Some(own),
            None => id.is_some() && id == self.id.as_deref(),
        }
    }

    /// Whether both describe the same profile.
    fn is_same(&self, other: &Self) -> bool {
        match &self.uuid {
            Some(uuid) => other.uuid.as_ref() == Some(uuid),
            None => other.uuid.is_none() && self.id == other.id,
        }
    }

    /// The secret of a key of a setting; none where the state file leaves open which is meant.
    fn secret(&self, setting: &str, key: &str) -> Option<&str> {
        let of_key: Vec<&Reference> = self
            .references
            .iter()
            .filter(|one| one.key == key)
            .collect();
        let inside: Vec<&Reference> = of_key
            .iter()
            .copied()
            .filter(|one| one.within == setting)
            .collect();
        let meant = if inside.is_empty() { of_key } else { inside };
        let name = &meant.first()?.name;
        meant
            .iter()
            .all(|one| one.name == *name)
            .then_some(name.as_str())
    }
}

/// The agent as an object on the bus.
struct Agent {
    profiles: Vec<Profile>,
    grant: Arc<Grant>,
    secrets: Arc<SecretStore>,
    /// The connection of NetworkManager's at the time of registration: nobody else is answered.
    owner: OnceLock<String>,
    answered: AtomicU64,
}

impl Secrets for Agent {
    fn keeps(&self, _: &str) -> bool {
        false
    }

    fn reveal(&self, secret: &Secret, _: bool) -> Result<String, Failure> {
        match &secret.name {
            Some(name) if any_matches(&self.grant.secrets, name) => self.secrets.reveal(secret),
            name => Err(Failure {
                code: FailureCode::Denied,
                message: format!("the grant does not cover the secret {name:?}"),
                backend: None,
            }),
        }
    }

    fn mask(&self, _: &str) -> Option<Secret> {
        None
    }

    fn censor(&self, _: &str) -> Option<String> {
        None
    }
}

fn error(name: &'static str, text: impl Into<String>) -> ErrorReply {
    ErrorReply {
        name,
        text: text.into(),
    }
}

#[async_trait]
impl Object for Agent {
    fn path(&self) -> &str {
        PATH
    }

    fn interface(&self) -> &str {
        INTERFACE
    }

    async fn answer(&self, call: Incoming) -> Result<Reply, ErrorReply> {
        if self.owner.get() != Some(&call.sender) {
            return Err(error(
                "org.freedesktop.DBus.Error.AccessDenied",
                "only NetworkManager is answered",
            ));
        }
        match call.member.as_str() {
            "GetSecrets" if call.signature == "a{sa{sv}}osasu" => self.get(&call.arguments),
            // What is asked is answered at once, and the secrets are the operator's files: nothing to cancel, to save or to delete.
            "CancelGetSecrets" | "SaveSecrets" | "DeleteSecrets" => Ok(Reply {
                signature: String::new(),
                values: "[]".into(),
            }),
            _ => Err(error(
                "org.freedesktop.DBus.Error.UnknownMethod",
                "there is no such method",
            )),
        }
    }

    fn secrets(&self) -> &dyn Secrets {
        self
    }
}

impl Agent {
    /// `GetSecrets(connection, path, setting, hints, flags)`: what the profile of the state file says of each secret that an agent owns.
    fn get(&self, arguments: &str) -> Result<Reply, ErrorReply> {
        const NONE: &str = "org.freedesktop.NetworkManager.SecretAgent.NoSecrets";
        let arguments: Value = serde_json::from_str(arguments)
            .map_err(|_| error("org.freedesktop.DBus.Error.InvalidArgs", "no JSON"))?;
        let [connection, _, setting, hints, _] = arguments.as_array().map_or(&[][..], |a| a) else {
            return Err(error(
                "org.freedesktop.DBus.Error.InvalidArgs",
                "five arguments",
            ));
        };
        let setting = setting.as_str().unwrap_or_default();
        let word = |key: &str| connection["connection"][key]["data"].as_str();
        let profile = self
            .profiles
            .iter()
            .find(|profile| profile.is(word("id"), word("uuid")))
            .ok_or_else(|| error(NONE, "the state file does not describe this profile"))?;
        let owned = |key: &str| {
            let flags = connection[setting][format!("{key}-flags")]["data"].as_u64();
            flags.is_some_and(|flags| flags & AGENT_OWNED != 0)
        };
        let mut wanted: Vec<&str> = profile
            .references
            .iter()
            .map(|one| one.key.as_str())
            .filter(|key| owned(key))
            .collect();
        wanted.extend(
            hints
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .filter(|key| owned(key)),
        );
        let mut values = Map::new();
        for key in wanted {
            if let Some(name) = profile.secret(setting, key) {
                let value = json!({"type": "s", "data": {"secret": name}});
                values.insert(key.to_owned(), value);
            }
        }
        if values.is_empty() {
            return Err(error(
                NONE,
                format!("the state file names no secret of {setting} that an agent owns"),
            ));
        }
        self.answered.fetch_add(1, Ordering::Relaxed);
        Ok(Reply {
            signature: "a{sa{sv}}".into(),
            values: json!([{setting: values}]).to_string(),
        })
    }
}

/// An agent that is registered, on a connection of its own. Dropping it closes that, which unregisters it.
pub struct Registered {
    agent: Arc<Agent>,
    bus: Bus,
}

impl Registered {
    /// Registers an agent for profiles, of which the first that fits counts; `None` where there is none.
    ///
    /// # Errors
    /// What the bus or NetworkManager answers.
    pub async fn new(
        address: BusAddress,
        profiles: Vec<Profile>,
        grant: Arc<Grant>,
        secrets: Arc<SecretStore>,
    ) -> Result<Option<Self>, Failure> {
        if profiles.is_empty() {
            return Ok(None);
        }
        let agent = Arc::new(Agent {
            profiles,
            grant,
            secrets,
            owner: OnceLock::new(),
            answered: AtomicU64::new(0),
        });
        let bus = Bus::exporting(address, agent.clone());
        let Some(owner) = bus.owner(NAME).await? else {
            return Err(Failure {
                code: FailureCode::Unavailable,
                message: format!("nobody owns {NAME} on the bus"),
                backend: None,
            });
        };
        let _ = agent.owner.set(owner);
        let registered = Self { agent, bus };
        registered
            .tell("Register", "s", r#"["org.op-dbus.apply"]"#)
            .await?;
        Ok(Some(registered))
    }

    /// How often it has handed out secrets.
    pub fn answered(&self) -> u64 {
        self.agent.answered.load(Ordering::Relaxed)
    }

    async fn tell(&self, member: &str, signature: &str, arguments: &str) -> Result<(), Failure> {
        let call = MethodCall {
            destination: NAME.into(),
            path: "/org/freedesktop/NetworkManager/AgentManager".into(),
            interface: "org.freedesktop.NetworkManager.AgentManager".into(),
            member: member.into(),
            signature: signature.into(),
            arguments: arguments.into(),
        };
        self.bus.call(&call, Terms::PLAIN).await.map(drop)
    }
}

#[cfg(test)]
mod tests;
