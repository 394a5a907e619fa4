//! Words for a person.

use serde_json::Value;

use crate::compare::Change;
use crate::job::Activation;
use crate::wish::Wish;

/// `create bridge on br0, activate`.
pub fn created(wish: &Wish, activation: Activation) -> String {
    let mut words = format!("create {}", wish.of);
    if let Some(interface) = wish.interface.as_ref().filter(|it| **it != wish.name) {
        words += &format!(" on {interface}");
    }
    with(words, activation)
}

/// `ipv4.dns-data 8.8.8.8 → 9.9.9.9, reapply`.
pub fn changed(changes: &[Change], activation: Activation) -> String {
    let all: Vec<String> = changes.iter().map(one).collect();
    let words = match all.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first, second] => format!("{first}, {second}"),
        [first, second, rest @ ..] => format!("{first}, {second} and {} more", rest.len()),
    };
    let can_reapply = changes.iter().all(can_reapply);
    match activation {
        Activation::Renew if can_reapply => joined(words, "apply to the device"),
        Activation::Renew => joined(words, "activate again"),
        other => with(words, other),
    }
}

/// Whether NetworkManager can bring the change to an active device without taking it down (Device.Reapply).
pub fn can_reapply(change: &Change) -> bool {
    match change.setting.as_str() {
        "ipv4" | "ipv6" | "bridge" | "proxy" | "ethtool" | "tc" | "bridge-port" | "bond-port"
        | "wireguard" => true,
        "connection" => !matches!(
            change.key.as_str(),
            "interface-name" | "master" | "slave-type" | "type"
        ),
        "802-3-ethernet" => change.key == "mtu",
        _ => false,
    }
}

fn with(words: String, activation: Activation) -> String {
    match activation {
        Activation::Up | Activation::Auto => joined(words, "activate"),
        Activation::Down => joined(words, "deactivate"),
        Activation::Keep | Activation::Renew => words,
    }
}

fn joined(words: String, more: &str) -> String {
    if words.is_empty() {
        more.to_owned()
    } else {
        format!("{words}, {more}")
    }
}

fn one(change: &Change) -> String {
    let name = if change.key.is_empty() {
        change.setting.clone()
    } else {
        format!("{}.{}", change.setting, change.key)
    };
    match &change.have {
        _ if change.want.is_null() => format!("remove {name}"),
        Some(have) if is_short(have) && is_short(&change.want) => {
            format!("{name} {} → {}", words(have), words(&change.want))
        }
        Some(_) => format!("{name} replaced"),
        None if is_short(&change.want) => format!("{name} {}", words(&change.want)),
        None => format!("{name} set"),
    }
}

fn is_short(value: &Value) -> bool {
    match value {
        Value::Object(object) => crate::value::is_secret(object),
        Value::Array(list) => list.len() <= 3 && list.iter().all(|it| it.is_string()),
        _ => true,
    }
}

fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "on".to_owned(),
        Value::Bool(false) => "off".to_owned(),
        Value::Array(list) if list.is_empty() => "none".to_owned(),
        Value::Array(list) => list.iter().map(words).collect::<Vec<_>>().join(", "),
        Value::Object(secret) => match secret.get("secret") {
            Some(Value::String(name)) => format!("secret {name}"),
            _ => "another secret".to_owned(),
        },
        other => other.to_string(),
    }
}
