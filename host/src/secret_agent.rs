//! A secret agent of NetworkManager's: hands out the secrets of profiles that keep none themselves.
//!
//! A profile can say of a secret that an agent owns it (`psk-flags` 1, NM_SETTING_SECRET_FLAG_AGENT_OWNED). NetworkManager then asks the
//! agents that have registered when it activates the profile. This one answers while an apply or a way back runs, for profiles that
//! the state file describes or that an earlier one described ([`known`]), with the very secrets that are named there.
//!
//! It stands in the way of nothing else: NetworkManager asks an agent that is there for secrets that it keeps itself, too (of a VPN always), and
//! sends along those that it has. They go back as they came, with an agent's own beside them; what an agent leaves out counts as not there.
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

/// NM_SECRET_AGENT_GET_SECRETS_FLAG_REQUEST_NEW: what was tried so far is wrong.
const REQUEST_NEW: u64 = 2;

/// The setting whose secrets stand in a dictionary of their own, their flags among its data.
const VPN: &str = "vpn";

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

/// NetworkManager's spelling of a key.
fn spelling(key: &str) -> String {
    key.replace('_', "-")
}

fn collect(value: &Value, key: &str, within: &str, found: &mut Vec<Reference>) {
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
    /// `GetSecrets(connection, path, setting, hints, flags)`: the secrets that came along, and for each that an agent owns what the state file
    /// says of it.
    fn get(&self, arguments: &str) -> Result<Reply, ErrorReply> {
        let arguments: Value = serde_json::from_str(arguments)
            .map_err(|_| error("org.freedesktop.DBus.Error.InvalidArgs", "no JSON"))?;
        let [connection, _, setting, hints, flags] = arguments.as_array().map_or(&[][..], |a| a)
        else {
            return Err(error(
                "org.freedesktop.DBus.Error.InvalidArgs",
                "five arguments",
            ));
        };
        let name = setting.as_str().unwrap_or_default();
        let setting = &connection[name];
        // Offering once more what is wrong would make it be tried again.
        let is_new = flags.as_u64().is_some_and(|flags| flags & REQUEST_NEW != 0);
        let mut values = match is_new {
            true => Map::new(),
            false => sent_along(name, setting),
        };
        let word = |key: &str| connection["connection"][key]["data"].as_str();
        let mut profiles = self.profiles.iter();
        if let Some(profile) = profiles.find(|profile| profile.is(word("id"), word("uuid"))) {
            let named = match name {
                VPN => of_vpn(profile, setting),
                _ => profile.owned(name, setting, hints),
            };
            if !named.is_empty() {
                self.answered.fetch_add(1, Ordering::Relaxed);
            }
            if name == VPN && !named.is_empty() {
                let all = values
                    .entry("secrets")
                    .or_insert_with(|| json!({"type": "a{ss}", "data": {}}));
                if let Some(all) = all["data"].as_object_mut() {
                    all.extend(named);
                }
            } else {
                let typed = |value| json!({"type": "s", "data": value});
                values.extend(named.into_iter().map(|(key, value)| (key, typed(value))));
            }
        }
        if values.is_empty() {
            return Err(error(
                "org.freedesktop.NetworkManager.SecretAgent.NoSecrets",
                format!(
                    "NetworkManager keeps no secret of {name}, and no state file names one that an agent owns"
                ),
            ));
        }
        Ok(Reply {
            signature: "a{sa{sv}}".into(),
            values: json!([{name: values}]).to_string(),
        })
    }
}

impl Profile {
    /// What the profile names of the secrets of a setting that an agent owns: references, by key.
    fn owned(&self, name: &str, setting: &Value, hints: &Value) -> Map<String, Value> {
        let owned = |key: &&str| {
            let flags = setting[format!("{key}-flags")]["data"].as_u64();
            flags.is_some_and(|flags| flags & AGENT_OWNED != 0)
        };
        let known = self.references.iter().map(|one| one.key.as_str());
        let hinted = hints.as_array().into_iter().flatten();
        known
            .chain(hinted.filter_map(Value::as_str))
            .filter(owned)
            .filter_map(|key| Some((key.to_owned(), json!({"secret": self.secret(name, key)?}))))
            .collect()
    }
}

/// The same for a VPN: who owns a secret stands in the data, as text.
fn of_vpn(profile: &Profile, setting: &Value) -> Map<String, Value> {
    let data = setting["data"]["data"].as_object().into_iter().flatten();
    data.filter_map(|(key, flags)| {
        let flags: u64 = flags.as_str()?.parse().ok()?;
        let key = key
            .strip_suffix("-flags")
            .filter(|_| flags & AGENT_OWNED != 0)?;
        let name = profile.secret("secrets", &spelling(key))?;
        Some((key.to_owned(), json!({ "secret": name })))
    })
    .collect()
}

/// The secrets of a setting that are in the question itself, in the form in which they go back.
fn sent_along(name: &str, setting: &Value) -> Map<String, Value> {
    let mut found = Map::new();
    for (key, value) in setting.as_object().into_iter().flatten() {
        let data = match key.as_str() {
            "peers" => keys_of_peers(&value["data"]),
            _ if is_secret(name, key) => value["data"].clone(),
            _ => continue,
        };
        let is_empty = match &data {
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Object(entries) => entries.is_empty(),
            _ => true,
        };
        if !is_empty {
            found.insert(key.clone(), json!({"type": value["type"], "data": data}));
        }
    }
    found
}

/// The preshared keys of WireGuard's peers, each with the public key that says whose it is.
fn keys_of_peers(peers: &Value) -> Value {
    let peers = peers.as_array().into_iter().flatten();
    let keys = peers.filter_map(|peer| {
        let shared = &peer["preshared-key"];
        shared["data"].as_str().filter(|text| !text.is_empty())?;
        Some(json!({"public-key": peer["public-key"], "preshared-key": shared}))
    });
    keys.collect()
}

/// Whether a property of a setting is secret (NM_SETTING_PARAM_SECRET). NetworkManager refuses an answer that holds any other.
fn is_secret(setting: &str, key: &str) -> bool {
    match key {
        // Of 802.1X that is a file, whose password is the secret.
        "private-key" => setting == "wireguard",
        "secrets" => setting == VPN,
        "psk" | "password" | "password-raw" | "pin" | "mka-cak" => true,
        "wep-key0" | "wep-key1" | "wep-key2" | "wep-key3" => true,
        _ => key.ends_with("-password"),
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

    /// How often it has handed out secrets that an agent owns.
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
