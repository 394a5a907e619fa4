//! What a plugin may call, read and hear on a message bus.

use serde::{Deserialize, Serialize};

use crate::gate::pattern::{Pattern, any_matches};

/// What a plugin may call, read and hear on a message bus.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DbusGrant {
    /// The buses: `system`, `session`, or an address as it was given with `--dbus-address`.
    pub buses: Vec<Pattern>,
    /// Each covers some objects of some services. What one of them covers is granted.
    pub rules: Vec<DbusRule>,
}

/// Objects of services, and what may be done with them.
///
/// A `*` in a path stands for any run of characters, slashes included.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DbusRule {
    /// Well-known names of services. A call to a unique name (`:1.5`) is held against the names that its connection owns then.
    pub names: Vec<Pattern>,
    /// Object paths.
    pub paths: Vec<Pattern>,
    /// Interfaces.
    pub interfaces: Vec<Pattern>,
    /// Methods that only read: `query` and `verify` may call them.
    pub read: Vec<Pattern>,
    /// Methods that make the service keep a state to go back to, or let go of one, and change nothing else: `checkpoint` may call them too.
    pub keep: Vec<Pattern>,
    /// Methods that change something: `apply` and `rollback` may call them.
    pub change: Vec<Pattern>,
    /// Properties that may be read.
    pub properties: Vec<Pattern>,
    /// Properties that may be written.
    pub set: Vec<Pattern>,
    /// Signals that may be listened to. `PropertiesChanged` tells of properties that may be read, and of no others.
    pub signals: Vec<Pattern>,
    /// Keys of dictionaries, and numbers of arguments, whose values are secrets: the plugin gets references in their place, and may put
    /// references there and nowhere else.
    pub secrets: Vec<Pattern>,
    /// Whether a call may start the service where it does not run.
    pub start: bool,
}

/// What a call does, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// It reads.
    Read,
    /// It makes the service keep a state, or let go of one.
    Keep,
    /// It changes something.
    Change,
}

/// What is asked of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bid<'a> {
    /// To call a method.
    Method(&'a str),
    /// To read a property.
    Get(&'a str),
    /// To read all properties of the interface.
    GetAll,
    /// To write a property.
    Set(&'a str),
    /// To hear a signal.
    Hear(&'a str),
}

impl DbusRule {
    /// Whether the rule speaks of this object and interface.
    pub fn concerns(&self, path: &str, interface: &str) -> bool {
        any_matches(&self.paths, path) && any_matches(&self.interfaces, interface)
    }

    /// What it would do, if the rule covers it.
    pub fn effect(&self, bid: Bid<'_>) -> Option<Effect> {
        let read = |covered: bool| covered.then_some(Effect::Read);
        match bid {
            Bid::Method(member) => [
                (&self.read, Effect::Read),
                (&self.keep, Effect::Keep),
                (&self.change, Effect::Change),
            ]
            .into_iter()
            .find_map(|(members, effect)| any_matches(members, member).then_some(effect)),
            Bid::Get(property) => read(any_matches(&self.properties, property)),
            Bid::GetAll => read(self.properties.iter().any(Pattern::is_any)),
            Bid::Set(property) => any_matches(&self.set, property).then_some(Effect::Change),
            Bid::Hear(signal) => read(any_matches(&self.signals, signal)),
        }
    }
}

impl DbusGrant {
    /// Whether something is granted on this bus.
    pub fn covers_bus(&self, bus: &str) -> bool {
        any_matches(&self.buses, bus)
    }

    /// The rules for a service that owns one of these names.
    pub fn rules_for<'g>(&'g self, names: &[&str]) -> Vec<&'g DbusRule> {
        self.rules
            .iter()
            .filter(|rule| names.iter().any(|name| any_matches(&rule.names, name)))
            .collect()
    }
}

/// The rule that covers what is asked of an object, with the least effect; the first of equals.
pub fn covering<'g>(
    rules: &[&'g DbusRule],
    path: &str,
    interface: &str,
    bid: Bid<'_>,
) -> Option<(Effect, &'g DbusRule)> {
    rules
        .iter()
        .filter(|rule| rule.concerns(path, interface))
        .filter_map(|rule| Some((rule.effect(bid)?, *rule)))
        .min_by_key(|(effect, _)| *effect)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(text: &str) -> DbusGrant {
        toml::from_str(text).unwrap()
    }

    const NETWORK_MANAGER: &str = r#"
        buses = ["system"]
        [[rules]]
        names = ["org.freedesktop.NetworkManager"]
        paths = ["/org/freedesktop/NetworkManager*"]
        interfaces = ["org.freedesktop.NetworkManager*"]
        read = ["Get*", "List*"]
        keep = ["Checkpoint?reate"]
        change = ["*"]
        properties = ["State", "Name"]
        set = ["Name"]
        signals = ["StateChanged"]
    "#;

    fn effect(bid: Bid<'_>) -> Option<Effect> {
        let grant = grant(NETWORK_MANAGER);
        let rules = grant.rules_for(&["org.freedesktop.NetworkManager"]);
        covering(
            &rules,
            "/org/freedesktop/NetworkManager/Settings",
            "org.freedesktop.NetworkManager.Settings",
            bid,
        )
        .map(|(effect, _)| effect)
    }

    #[test]
    fn the_least_effect_that_the_grant_says_counts() {
        assert_eq!(effect(Bid::Method("GetSettings")), Some(Effect::Read));
        assert_eq!(effect(Bid::Method("CheckpointCreate")), Some(Effect::Keep));
        assert_eq!(effect(Bid::Method("AddConnection")), Some(Effect::Change));
        assert_eq!(effect(Bid::Get("State")), Some(Effect::Read));
        assert_eq!(effect(Bid::Set("Name")), Some(Effect::Change));
        assert_eq!(effect(Bid::Hear("StateChanged")), Some(Effect::Read));
    }

    #[test]
    fn what_is_not_named_is_not_covered() {
        assert_eq!(effect(Bid::Get("Secret")), None);
        assert_eq!(effect(Bid::GetAll), None);
        assert_eq!(effect(Bid::Set("State")), None);
        assert_eq!(effect(Bid::Hear("DeviceAdded")), None);
        let grant = grant(NETWORK_MANAGER);
        assert!(!grant.covers_bus("session"));
        assert!(
            grant
                .rules_for(&["org.freedesktop.networkmanager"])
                .is_empty()
        );
        let rules = grant.rules_for(&["org.freedesktop.NetworkManager"]);
        for (path, interface) in [
            ("/org/freedesktop", "org.freedesktop.NetworkManager"),
            (
                "/org/freedesktop/NetworkManager",
                "org.freedesktop.DBus.Properties",
            ),
            ("/org/freedesktop/NetworkManager", ""),
        ] {
            assert!(covering(&rules, path, interface, Bid::Method("Get")).is_none());
        }
    }

    #[test]
    fn an_empty_grant_covers_nothing() {
        let grant = grant("");
        assert!(!grant.covers_bus("system") && !grant.covers_bus(""));
        assert!(grant.rules_for(&["org.example"]).is_empty());
        let rule = DbusRule::default();
        assert!(!rule.concerns("/", "org.example"));
        assert_eq!(rule.effect(Bid::GetAll), None);
        assert_eq!(rule.effect(Bid::Method("")), None);
    }

    #[test]
    fn a_misspelt_rule_names_the_valid_keys() {
        let error = toml::from_str::<DbusGrant>("[[rules]]\nmembers = [\"Get\"]").unwrap_err();
        assert!(error.to_string().contains("`read`"), "{error}");
    }
}
