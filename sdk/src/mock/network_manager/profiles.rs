//! Profiles: settings that everybody may read, and secrets apart.

use serde_json::{Map, Value, json};

use super::{Answer, NetworkManager, number, path, refused};
use crate::Failure;

/// The properties that are kept apart (those with NMSettingSecretFlags, and a VPN's).
const SECRETS: [&str; 6] = [
    "psk",
    "password",
    "private-key-password",
    "private-key",
    "preshared-key",
    "secrets",
];

/// A profile.
#[derive(Clone, Debug, Default)]
pub(super) struct Profile {
    open: Map<String, Value>,
    hidden: Map<String, Value>,
}

impl Profile {
    /// From the body of an addition or update. `None` where a setting is no dictionary.
    fn of(body: &Value) -> Option<Self> {
        let mut profile = Self::default();
        for (setting, keys) in body.as_object()? {
            let (mut open, mut hidden) = (Map::new(), Map::new());
            for (key, value) in keys.as_object()? {
                let into = if is_secret(setting, key) {
                    &mut hidden
                } else {
                    &mut open
                };
                into.insert(key.clone(), masked(value));
            }
            profile.open.insert(setting.clone(), open.into());
            if !hidden.is_empty() {
                profile.hidden.insert(setting.clone(), hidden.into());
            }
        }
        Some(profile)
    }

    /// A property's text, empty where there is none.
    pub(super) fn text(&self, setting: &str, key: &str) -> String {
        let text = self
            .open
            .get(setting)
            .and_then(|it| it[key]["data"].as_str());
        text.unwrap_or_default().to_owned()
    }

    pub(super) fn settings(&self) -> Value {
        let mut settings = self.open.clone();
        // What has its default is left out.
        if let Some(Value::Object(connection)) = settings.get_mut("connection")
            && connection
                .get("autoconnect")
                .is_some_and(|it| it["data"] == true)
        {
            connection.remove("autoconnect");
        }
        settings.into()
    }

    pub(super) fn secrets(&self, setting: &str) -> Value {
        json!({setting: self.hidden.get(setting).cloned().unwrap_or_else(|| json!({}))})
    }

    pub(super) fn whole(&self) -> Value {
        let mut whole = self.settings();
        for (setting, keys) in &self.hidden {
            if let (Value::Object(into), Value::Object(keys)) = (&mut whole[setting], keys) {
                into.extend(keys.clone());
            }
        }
        whole
    }
}

fn is_secret(setting: &str, key: &str) -> bool {
    SECRETS.contains(&key) && (setting != "802-1x" || key != "private-key")
}

/// What the host would hand on: the name of a secret stays with it.
fn masked(value: &Value) -> Value {
    match value {
        Value::Object(map) if map.contains_key("secret") || map.contains_key("fingerprint") => {
            let print = map.get("fingerprint").or(map.get("secret"));
            json!({"fingerprint": print})
        }
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), masked(value)))
            .collect(),
        Value::Array(list) => list.iter().map(masked).collect(),
        other => other.clone(),
    }
}

impl NetworkManager {
    pub(super) fn stored(&self, path: &str) -> Result<&Profile, Failure> {
        let at = number("Settings", path)?;
        let found = self.profiles.get(&at);
        found.ok_or_else(|| refused("org.freedesktop.DBus.Error.UnknownMethod", path))
    }

    /// Checks what NetworkManager checks first: id, uuid, type, and the setting that the type is named after.
    fn sound(body: &Value) -> Result<Profile, Failure> {
        let profile = Profile::of(body);
        let profile = profile.ok_or_else(|| invalid("the body is no profile"))?;
        for key in ["id", "uuid", "type"] {
            if profile.text("connection", key).is_empty() {
                return Err(invalid(&format!("connection.{key}: property is missing")));
            }
        }
        let of = profile.text("connection", "type");
        if !profile.open.contains_key(&of) {
            return Err(invalid(&format!("{of}: setting is required")));
        }
        Ok(profile)
    }

    pub(super) fn add_profile(&mut self, body: &Value) -> Answer {
        let profile = Self::sound(body)?;
        let uuid = profile.text("connection", "uuid");
        if self
            .profiles
            .values()
            .any(|it| it.text("connection", "uuid") == uuid)
        {
            let name = "org.freedesktop.NetworkManager.Settings.UuidExists";
            return Err(refused(name, "A connection with this UUID already exists."));
        }
        let at = self.fresh();
        self.profiles.insert(at, profile);
        Ok(path("Settings", at).into())
    }

    /// An update without any secret keeps those that are there (`update_auth_cb` in src/core/settings/nm-settings-connection.c).
    pub(super) fn update_profile(&mut self, path: &str, body: &Value) -> Answer {
        let mut profile = Self::sound(body)?;
        let there = self.stored(path)?;
        if profile.hidden.is_empty() {
            profile.hidden = there.hidden.clone();
        }
        self.profiles.insert(number("Settings", path)?, profile);
        Ok(Value::Null)
    }

    pub(super) fn delete_profile(&mut self, path: &str) -> Answer {
        self.stored(path)?;
        let at = number("Settings", path)?;
        let own: Vec<u32> = self
            .active
            .iter()
            .filter(|(_, it)| it.profile == at)
            .map(|(number, _)| *number)
            .collect();
        for active in own {
            self.end(active, 11);
        }
        self.profiles.remove(&at);
        Ok(Value::Null)
    }

    pub(super) fn clear_secrets(&mut self, path: &str) -> Answer {
        self.stored(path)?;
        if let Some(profile) = self.profiles.get_mut(&number("Settings", path)?) {
            profile.hidden.clear();
        }
        Ok(Value::Null)
    }
}

fn invalid(text: &str) -> Failure {
    refused(
        "org.freedesktop.NetworkManager.Settings.Connection.MissingProperty",
        text,
    )
}
