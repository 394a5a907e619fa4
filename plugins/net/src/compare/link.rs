//! One link against the wish for it: what differs, and whether the kernel can change it in place.

use serde_json::{Map, Value};

use super::wish::Wish;
use crate::kind;
use crate::section::port::PortSettings;
use crate::section::{Interface, LinkType};
use crate::step::{Difference, of_tree, tree};

/// What differs in one link.
#[derive(Debug, Default)]
pub struct LinkChange {
    /// Only what changes, as it is.
    pub before: Interface,
    /// Only what changes, as it is to be; settings that every request must carry beside.
    pub after: Interface,
    /// For a person: `mtu 1500 → 9000`.
    pub words: Vec<String>,
    /// The places of the section.
    pub differences: Vec<Difference>,
    /// Why the link must be made anew; empty where it need not.
    pub anew: Vec<String>,
}

impl LinkChange {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    fn note(&mut self, wish: &Wish, key: &str, want: Value, have: Option<Value>) {
        self.words.push(changed(key, have.as_ref(), &want));
        if let Some(path) = wish.path_of(key) {
            let (want, have) = (want.to_string(), have.as_ref().map(Value::to_string));
            self.differences.push(Difference { path, want, have });
        }
    }
}

/// With what the kernel's silence means written out.
pub fn filled(have: &Interface) -> Interface {
    let mut have = have.clone();
    have.description.get_or_insert_default();
    have.alternative_names.get_or_insert_default().sort();
    have.arp.get_or_insert(true);
    have.all_multicast.get_or_insert(false);
    have.promiscuous.get_or_insert(false);
    have.group.get_or_insert(0);
    have.controller.get_or_insert(None);
    if let Some(bond) = &mut have.bond {
        bond.primary.get_or_insert_default();
    }
    have
}

/// Compares a link with the wish for it. With `exact` the wish is all that there is to be, otherwise what it does not mention stays.
pub fn compare(have: &Interface, wish: &Wish, exact: bool) -> LinkChange {
    let have = filled(have);
    let want = &wish.interface;
    let mut change = LinkChange {
        before: Interface::named(have.name.clone()),
        after: Interface::named(have.name.clone()),
        ..LinkChange::default()
    };
    if let (Some(want), Some(have)) = (&want.r#type, &have.r#type)
        && want != have
    {
        change.note(wish, "type", tree(want), Some(tree(have)));
        change
            .anew
            .push(format!("{} does not become {}", have.one(), want.one()));
    }
    macro_rules! compare {
        ($($key:ident)*) => { $(
            if want.$key.is_some() && want.$key != have.$key {
                let value = have.$key.as_ref().map(tree);
                change.note(wish, stringify!($key), tree(&want.$key), value);
                change.before.$key = have.$key.clone();
                change.after.$key = want.$key.clone();
            }
        )* };
    }
    compare!(state mtu mac description);
    let sorted = want.alternative_names.clone().map(|mut names| {
        names.sort();
        names
    });
    if sorted.is_some() && sorted != have.alternative_names {
        let value = have.alternative_names.as_ref().map(tree);
        change.note(wish, "alternative_names", tree(&sorted), value);
        change.before.alternative_names = have.alternative_names.clone();
        change.after.alternative_names = sorted;
    }
    compare!(transmit_queue_length group arp all_multicast promiscuous address_generation controller);
    settings(&mut change, &have, wish, exact);
    port(&mut change, &have, wish);
    change
}

/// Settings of the kind, key by key.
fn settings(change: &mut LinkChange, have: &Interface, wish: &Wish, exact: bool) {
    let Some(of) = have.r#type.clone() else {
        return;
    };
    let want = kind::settings(&wish.interface, &of);
    if want.is_empty() {
        return;
    }
    let is = kind::settings(have, &of);
    let (mut before, mut after) = (Map::new(), Map::new());
    for (key, value) in &want {
        if is_read_only(key) || is.get(key).is_some_and(|is| same(value, is)) {
            continue;
        }
        let place = format!("{}/{key}", of.word());
        change.note(wish, &place, value.clone(), is.get(key).cloned());
        if kind::fixed_keys(&of).contains(&key.as_str()) || is_passthru(key, value, is.get(key)) {
            change.anew.push(format!(
                "{} cannot change in place",
                place.replace('/', ".")
            ));
        }
        after.insert(key.clone(), value.clone());
        before.extend(is.get(key).map(|is| (key.clone(), is.clone())));
    }
    if exact {
        // An end point that was not there cannot be taken away again by a change.
        for key in ["remote", "local", "parent"] {
            if is.contains_key(key) && !want.contains_key(key) {
                let place = format!("{}/{key}", of.word());
                change.note(wish, &place, Value::Null, is.get(key).cloned());
                change
                    .anew
                    .push(format!("{}.{key} cannot be taken away in place", of.word()));
            }
        }
    }
    if after.is_empty() {
        return;
    }
    for key in kind::identity_keys(&of) {
        after.extend(
            is.get(*key)
                .filter(|_| !want.contains_key(*key))
                .map(|is| ((*key).to_owned(), is.clone())),
        );
        if let Some(value) = want.get(*key) {
            after.entry(*key).or_insert_with(|| value.clone());
        }
    }
    change.after.r#type = Some(of.clone());
    // Both maps come from settings of this very kind.
    let _ = kind::set_settings(&mut change.before, &of, before);
    let _ = kind::set_settings(&mut change.after, &of, after);
}

/// Settings as a port; VLANs have steps of their own.
fn port(change: &mut LinkChange, have: &Interface, wish: &Wish) {
    let Some(port) = &wish.interface.port else {
        return;
    };
    let want = fields(port);
    let moved = change.after.controller.is_some();
    let is = match &have.port {
        Some(is) if !moved => fields(is),
        // A port that moves starts with the kernel's defaults. Those of a bond must not be sent: most modes refuse a priority, even 0.
        _ if port.queue_id.is_some() => fields(&PortSettings {
            queue_id: Some(0),
            priority: Some(0),
            ..PortSettings::default()
        }),
        _ => Map::new(),
    };
    let (mut before, mut after) = (Map::new(), Map::new());
    for (key, value) in &want {
        if key == "vlans" || is.get(key).is_some_and(|is| same(value, is)) {
            continue;
        }
        change.note(
            wish,
            &format!("port/{key}"),
            value.clone(),
            is.get(key).cloned(),
        );
        after.insert(key.clone(), value.clone());
        before.extend(is.get(key).map(|is| (key.clone(), is.clone())));
    }
    if !after.is_empty() {
        change.before.port = of_tree(before).ok();
        change.after.port = of_tree(after).ok();
    }
}

fn is_read_only(key: &str) -> bool {
    matches!(key, "public_key" | "persistent")
}

/// A MACVLAN becomes or stops being the only one of its parent.
fn is_passthru(key: &str, want: &Value, have: Option<&Value>) -> bool {
    key == "mode" && (want == "passthru" || have.is_some_and(|have| have == "passthru"))
}

/// Whether what is satisfies the wish: what the wish does not mention does not count, secrets count by fingerprint, lists of networks
/// and of peers by what they hold.
pub fn same(want: &Value, have: &Value) -> bool {
    match (want, have) {
        (Value::Object(want), Value::Object(have)) => {
            if want.contains_key("secret") || want.contains_key("fingerprint") {
                let print = want.get("fingerprint");
                return print.is_some() && print == have.get("fingerprint");
            }
            want.iter()
                .all(|(key, want)| have.get(key).is_some_and(|have| same(want, have)))
        }
        (Value::Array(want), Value::Array(have)) => {
            want.len() == have.len()
                && want
                    .iter()
                    .all(|want| have.iter().any(|have| same(want, have)))
        }
        _ => want == have,
    }
}

/// `mtu 1500 → 9000`, `controller br0`, without the place of a port's or a kind's settings said twice.
pub fn changed(key: &str, have: Option<&Value>, want: &Value) -> String {
    let key = match key {
        "alternative_names" => "alternative names",
        "transmit_queue_length" => "transmit queue length",
        "controller" if want.is_null() => {
            return format!("detach from {}", words(have.unwrap_or(want)));
        }
        "controller" if have.is_none_or(Value::is_null) => {
            return format!("attach to {}", words(want));
        }
        "state" => return words(want),
        key => &key.replace('/', "."),
    };
    match have {
        // A list of peers says too much for a line.
        _ if want[0].is_object() => format!("{key} replaced"),
        Some(have) => format!("{key} {} → {}", words(have), words(want)),
        None => format!("{key} {}", words(want)),
    }
}

/// A value for a person.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "on".to_owned(),
        Value::Bool(false) => "off".to_owned(),
        Value::Null => "none".to_owned(),
        Value::Array(list) if list.is_empty() => "none".to_owned(),
        Value::Array(list) => list.iter().map(words).collect::<Vec<_>>().join(", "),
        Value::Object(range) if range.contains_key("first") => {
            format!(
                "{}-{}",
                range["first"],
                words(range.get("last").unwrap_or(&Value::Null))
            )
        }
        Value::Object(secret) => match secret.get("secret") {
            Some(Value::String(name)) => format!("secret {name}"),
            _ => "another secret".to_owned(),
        },
        Value::Number(number) => number.to_string(),
    }
}

/// The whole of a link that is made anew: what it was, with the wish on top.
pub fn merged(have: &Interface, wish: Option<&Interface>, parent_mac: Option<&str>) -> Interface {
    let mut whole = have.clone();
    let of = wish
        .and_then(|wish| wish.r#type.clone())
        .or(have.r#type.clone());
    (whole.running, whole.permanent_mac, whole.unknown) = (None, None, None);
    whole.queueing_discipline = None;
    (whole.ports, whole.vlans, whole.ipv4, whole.ipv6) = (None, None, None, None);
    if whole.mac.as_ref().map(|mac| mac.0.as_str()) == parent_mac || !has_own_mac(of.as_ref()) {
        whole.mac = None;
    }
    // What Open vSwitch said of it as a port is nothing to the kernel.
    whole.port = whole.port.filter(|port| !port.is_of_switch());
    if whole.address_generation == Some(crate::section::words::AddressGeneration::Eui64) {
        whole.address_generation = None;
    }
    if whole.r#type != of {
        // What suits one kind may be more than another can do.
        (whole.mtu, whole.mac, whole.transmit_queue_length) = (None, None, None);
    }
    if let Some(of) = &of {
        let mut settings = if have.r#type.as_ref() == Some(of) {
            kind::settings(have, of)
        } else {
            Map::new()
        };
        settings.extend(
            wish.map(|wish| kind::settings(wish, of))
                .unwrap_or_default(),
        );
        settings.retain(|key, _| !is_read_only(key));
        kind::clear(&mut whole);
        let _ = kind::set_settings(&mut whole, of, settings);
    }
    whole.r#type = of;
    let Some(wish) = wish else { return whole };
    macro_rules! overlay {
        ($($key:ident)*) => { $( if wish.$key.is_some() { whole.$key = wish.$key.clone(); } )* };
    }
    if wish
        .controller
        .as_ref()
        .is_some_and(|wish| whole.controller.as_ref() != Some(wish))
    {
        whole.port = None;
    }
    overlay!(state mtu mac description alternative_names transmit_queue_length group arp);
    overlay!(all_multicast promiscuous address_generation controller index);
    if let Some(port) = &wish.port {
        let mut all = whole
            .port
            .as_ref()
            .map(|port| fields(port))
            .unwrap_or_default();
        all.extend(fields(port));
        whole.port = of_tree(all).ok();
    }
    whole
}

fn fields(port: &PortSettings) -> Map<String, Value> {
    match tree(port) {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// Whether a link of this type has an Ethernet address that it does not take from elsewhere.
fn has_own_mac(of: Option<&LinkType>) -> bool {
    use LinkType::{
        Bond, Bridge, Dummy, Geneve, Gretap, Ifb, Ip6gretap, Macvlan, Macvtap, Tap, Veth, Vlan,
        Vrf, Vxlan,
    };
    matches!(
        of,
        Some(
            Bond | Bridge
                | Dummy
                | Geneve
                | Gretap
                | Ifb
                | Ip6gretap
                | Macvlan
                | Macvtap
                | Tap
                | Veth
                | Vlan
                | Vrf
                | Vxlan
        )
    )
}
