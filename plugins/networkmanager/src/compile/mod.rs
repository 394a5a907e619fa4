//! From a connection of a state file to what it wants of a profile's properties, each with its place in the file.

mod ip;
pub mod kinds;

use std::collections::BTreeMap;

use op_dbus_plugin::section::Secret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::names::setting_of;
use crate::section::Connection;
use crate::table::Table;
use crate::value::Variant;

/// What is wanted of one property.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Want {
    /// Exactly this value.
    Value(Variant),
    /// These entries of a dictionary of texts; `null` takes one away, the others stay.
    Entries(Map<String, Value>),
    /// Not there.
    Unset,
}

/// What is wanted of a profile, by setting and property.
pub type Wants = BTreeMap<String, BTreeMap<String, Want>>;

/// What a connection wants.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    /// The properties.
    pub wants: Wants,
    /// Settings that are to be gone altogether.
    pub without: Vec<String>,
    /// Where the file says it: the place within the connection, by setting and property.
    pub places: BTreeMap<(String, String), String>,
    /// What cannot be, with its place within the connection.
    pub problems: Vec<(String, String)>,
}

impl Compiled {
    /// Reads a connection. `of` is its type in a state file's words, where the connection itself does not say it.
    pub fn of(connection: &Connection, of: &str, table: &Table) -> Self {
        let mut compiled = Self::default();
        compiled.common(connection, of);
        kinds::compile(&mut compiled, connection, of);
        for (setting, ip) in [("ipv4", &connection.ipv4), ("ipv6", &connection.ipv6)] {
            if let Some(ip) = ip {
                ip::compile(&mut compiled, setting, ip);
            }
        }
        compiled.generic(connection, table);
        compiled
    }

    fn common(&mut self, connection: &Connection, of: &str) {
        let texts = [
            ("id", &connection.id, "id"),
            ("interface-name", &connection.interface, "interface"),
            ("zone", &connection.zone, "zone"),
        ];
        for (key, text, place) in texts {
            if let Some(text) = text {
                self.set("connection", key, Variant::text(text), place);
            }
        }
        if let Some(of) = &connection.r#type {
            let of = setting_of(of);
            self.set("connection", "type", Variant::text(of), "type");
        }
        if let Some(yes) = connection.autoconnect {
            self.set(
                "connection",
                "autoconnect",
                Variant::new("b", yes),
                "autoconnect",
            );
        }
        match &connection.controller {
            Some(Some(controller)) => {
                self.set(
                    "connection",
                    "master",
                    Variant::text(controller),
                    "controller",
                );
            }
            Some(None) => {
                self.unset("connection", "master", "controller");
                self.unset("connection", "slave-type", "controller");
            }
            None => {}
        }
        if let Some(mtu) = connection.mtu {
            self.set(setting_of(of), "mtu", Variant::new("u", mtu), "mtu");
        }
    }

    /// The map of other settings. It has the last word.
    fn generic(&mut self, connection: &Connection, table: &Table) {
        for (setting, properties) in connection.settings.iter().flatten() {
            let place = format!("settings/{}", escaped(setting));
            let Some(properties) = properties else {
                self.wants.remove(setting);
                self.without.push(setting.clone());
                self.places.insert((setting.clone(), String::new()), place);
                continue;
            };
            self.wants.entry(setting.clone()).or_default();
            for (key, value) in properties {
                let place = format!("{place}/{}", escaped(key));
                if value.is_null() {
                    self.want(setting, key, Want::Unset, &place);
                    continue;
                }
                // The name that NetworkManager's documentation has for it, and the one under which it takes a text.
                let key = match key.as_str() {
                    "cloned-mac-address" if value.is_string() => "assigned-mac-address",
                    other => other,
                };
                match table.typed(setting, key, value) {
                    Ok(value) => self.set(setting, key, value, &place),
                    Err(problem) => self.problems.push((place, problem)),
                }
            }
        }
    }

    fn want(&mut self, setting: &str, key: &str, want: Want, place: &str) {
        let setting_wants = self.wants.entry(setting.to_owned()).or_default();
        setting_wants.insert(key.to_owned(), want);
        self.places
            .insert((setting.to_owned(), key.to_owned()), place.to_owned());
    }

    /// Wants a value.
    pub fn set(&mut self, setting: &str, key: &str, value: Variant, place: &str) {
        self.want(setting, key, Want::Value(value), place);
    }

    /// Wants a secret, kept by NetworkManager itself (NMSettingSecretFlags 0).
    fn secret(&mut self, setting: &str, key: &str, of: &Secret, place: &str) {
        self.set(setting, key, Variant::new("s", secret(of)), place);
        let flags = format!("{key}-flags");
        self.set(setting, &flags, Variant::new("u", 0), place);
    }

    /// Wants a property to be gone.
    pub fn unset(&mut self, setting: &str, key: &str, place: &str) {
        self.want(setting, key, Want::Unset, place);
    }

    /// Wants entries of a dictionary of texts, beside those that it wants already.
    fn entries(&mut self, setting: &str, key: &str, more: Map<String, Value>, place: &str) {
        let wants = self.wants.entry(setting.to_owned()).or_default();
        match wants.get_mut(key) {
            Some(Want::Entries(entries)) => entries.extend(more),
            _ => self.want(setting, key, Want::Entries(more), place),
        }
    }
}

/// A secret where a text is wanted; the host puts the text in its place.
fn secret(secret: &Secret) -> Value {
    let mut reference = json!({});
    for (key, text) in [
        ("secret", &secret.secret),
        ("fingerprint", &secret.fingerprint),
    ] {
        if let Some(text) = text {
            reference[key] = text.clone().into();
        }
    }
    reference
}

/// A token of a JSON Pointer (RFC 6901).
fn escaped(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}
