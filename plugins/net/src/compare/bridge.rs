//! One bridge of Open vSwitch against the wish for it.

use serde_json::{Map, Value};

use super::Extent;
use super::link::changed;
use super::split::Asked;
use super::switch::{Draft, merged, note_map};
use super::wish::Wish;
use crate::section::{Interface, LinkType, OvsBridge, TextMap};
use crate::step::{json, of_tree, tree};

/// The key of `other_config` that gives the bridge's own link its address.
const ADDRESS: &str = "hwaddr";

/// Compares; whether its links are made anew by the change.
pub fn compare(
    wish: &Wish,
    have: Option<&Interface>,
    settings: &OvsBridge,
    asked: &Asked,
    extent: Extent,
    draft: &mut Draft,
) -> bool {
    let name = &wish.interface.name;
    let mut want = wanted(settings, asked, extent);
    let entry = |settings: OvsBridge| Interface {
        r#type: Some(LinkType::OvsBridge),
        ovs_bridge: Some(Box::new(settings)),
        ..Interface::named(name.clone())
    };
    let have = have.filter(|have| have.r#type == Some(LinkType::OvsBridge));
    let Some(have) = have else {
        draft.say(format!("create bridge {name}"));
        let path = wish.path.clone();
        draft.at(path, json(&wish.interface), None);
        draft.entry(None, entry(want));
        return false;
    };
    let is = have.ovs_bridge.as_deref().cloned().unwrap_or_default();
    let has_own = is
        .other_config
        .as_ref()
        .is_some_and(|keys| keys.contains_key(ADDRESS));
    if let Some(mac) = &asked.mac
        && extent == Extent::Partial
        && !has_own
        && want
            .datapath_type
            .is_none_or(|of| Some(of) == is.datapath_type)
        && have.mac.as_ref() == Some(mac)
        && let Some(keys) = &mut want.other_config
    {
        // It is its own address already.
        keys.remove(ADDRESS);
    }
    let (mut before, mut after) = (Map::new(), Map::new());
    let mut words = Vec::new();
    let mut differences = Vec::new();
    let path = |key: &str| {
        wish.path_of(&match key {
            "mtu_request" => "mtu".to_owned(),
            "other_config/hwaddr" if asked.mac.is_some() => "mac".to_owned(),
            key => format!("ovs-bridge/{key}"),
        })
    };
    let (want_keys, is_keys) = (keys(&want), keys(&is));
    for (key, value) in &want_keys {
        if is_map(key) {
            continue;
        }
        let mut there = is_keys.get(key).cloned();
        if there.is_none() && value.as_array().is_some_and(Vec::is_empty) {
            continue;
        }
        if key == "mtu_request" {
            let request = there.as_ref().and_then(Value::as_u64);
            let kernel = have.mtu.filter(|_| extent == Extent::Partial);
            if is_asked(value.as_u64(), request, kernel.map(u64::from)) {
                continue;
            }
            before.extend(there.map(|there| (key.clone(), there)));
            there = have.mtu.map(Value::from);
        } else {
            if there.as_ref() == Some(value) {
                continue;
            }
            before.extend(there.clone().map(|there| (key.clone(), there)));
        }
        after.insert(key.clone(), value.clone());
        let shown = if key == "mtu_request" { "mtu" } else { key };
        words.push(changed(shown, there.as_ref(), value));
        if let Some(path) = path(key) {
            differences.push((
                path,
                value.to_string(),
                there.map(|there| there.to_string()),
            ));
        }
    }
    let remade = after.contains_key("datapath_type");
    let (Ok(mut before), Ok(mut after)) =
        (of_tree::<OvsBridge>(before), of_tree::<OvsBridge>(after))
    else {
        // Both maps come from settings of this very kind.
        return false;
    };
    let mut places = Vec::new();
    let some = |map: TextMap| (!map.is_empty()).then_some(map);
    let (was, is_to_be) = merged(want.other_config.as_ref(), is.other_config.as_ref());
    note_map(
        "other_config",
        &was,
        &is_to_be,
        &mut words,
        &mut places,
        &path,
    );
    (before.other_config, after.other_config) = (some(was), some(is_to_be));
    let (was, is_to_be) = merged(want.external_ids.as_ref(), is.external_ids.as_ref());
    note_map(
        "external_ids",
        &was,
        &is_to_be,
        &mut words,
        &mut places,
        &path,
    );
    (before.external_ids, after.external_ids) = (some(was), some(is_to_be));
    if words.is_empty() {
        return false;
    }
    draft.say(format!("bridge {name}: {}", words.join(", ")));
    for (path, want, have) in differences {
        draft.at(Some(path), want, have);
    }
    for place in places {
        draft.at(Some(place.path), place.want, place.have);
    }
    draft.entry(Some(entry(before)), entry(after));
    remade
}

/// Whether a link has what is wanted: it was asked for, or nothing was and the kernel has it anyway. Zero asks for nothing.
pub fn is_asked(want: Option<u64>, request: Option<u64>, kernel: Option<u64>) -> bool {
    let want = want.filter(|want| *want != 0);
    match (request, kernel) {
        (request, None) => request == want,
        (None, kernel) => kernel == want,
        (request, kernel) => request == want && kernel == want,
    }
}

/// The wish with what is asked of the bridge's own link. An exact wish says everything.
fn wanted(settings: &OvsBridge, asked: &Asked, extent: Extent) -> OvsBridge {
    let mut want = settings.clone();
    if extent == Extent::Exact && want == OvsBridge::default() {
        // It is named for the sake of a port.
        return want;
    }
    for list in [&mut want.protocols, &mut want.controllers] {
        if extent == Extent::Exact {
            list.get_or_insert_default();
        }
        list.iter_mut().for_each(|list| list.sort());
    }
    if extent == Extent::Exact {
        want.mtu_request.get_or_insert(0);
        return want;
    }
    want.mtu_request = asked.mtu;
    if let Some(mac) = &asked.mac {
        let keys = want.other_config.get_or_insert_default();
        keys.insert(ADDRESS.to_owned(), Some(mac.0.clone()));
    }
    want
}

fn keys(settings: &OvsBridge) -> Map<String, Value> {
    match tree(settings) {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn is_map(key: &str) -> bool {
    matches!(key, "other_config" | "external_ids")
}
