//! Maps of Open vSwitch, which are merged key by key: what has no key is noted as `null`, so that going back takes it away.

use std::collections::HashMap;

use crate::section::{Interface, Section, TextMap};

/// Notes the keys that `of` speaks of and `section` does not have.
pub fn note_absent(section: &mut Section, of: &Section) {
    let mut spoken: HashMap<&str, Spoken> = HashMap::new();
    for it in of.interfaces() {
        spoken.entry(&it.name).or_default().add(it);
        for port in it.ports.iter().flatten() {
            let maps = spoken.entry(&port.name).or_default();
            maps.port_config.extend(port.settings.other_config.iter());
            maps.port_ids.extend(port.settings.external_ids.iter());
        }
    }
    for it in section.interfaces.iter_mut().flatten() {
        let Some(maps) = spoken.get(it.name.as_str()) else {
            continue;
        };
        if let Some(bridge) = &mut it.ovs_bridge {
            nulls(&mut bridge.other_config, &maps.bridge_config);
            nulls(&mut bridge.external_ids, &maps.bridge_ids);
            if maps.address {
                let keys = bridge.other_config.get_or_insert_default();
                keys.entry("hwaddr".to_owned()).or_insert(None);
            }
        }
        if let Some(port) = it.port.as_mut().filter(|port| port.is_of_switch()) {
            nulls(&mut port.other_config, &maps.port_config);
            nulls(&mut port.external_ids, &maps.port_ids);
        }
    }
    if let Some(db) = &of.ovs_db {
        let own = section.ovs_db.get_or_insert_default();
        for (own, of) in [
            (&mut own.external_ids, &db.external_ids),
            (&mut own.other_config, &db.other_config),
        ] {
            nulls(own, &of.iter().collect::<Vec<_>>());
            // Others' keys are theirs.
            if let (Some(own), Some(of)) = (own, of) {
                own.retain(|key, _| of.contains_key(key));
            }
        }
        if db.external_ids.is_none() {
            own.external_ids = None;
        }
        if db.other_config.is_none() {
            own.other_config = None;
        }
    }
}

/// The maps that are spoken of, by what they belong to.
#[derive(Default)]
struct Spoken<'a> {
    bridge_config: Vec<&'a TextMap>,
    bridge_ids: Vec<&'a TextMap>,
    port_config: Vec<&'a TextMap>,
    port_ids: Vec<&'a TextMap>,
    address: bool,
}

impl<'a> Spoken<'a> {
    fn add(&mut self, it: &'a Interface) {
        if let Some(bridge) = &it.ovs_bridge {
            self.bridge_config.extend(&bridge.other_config);
            self.bridge_ids.extend(&bridge.external_ids);
        }
        if let Some(port) = &it.port {
            self.port_config.extend(&port.other_config);
            self.port_ids.extend(&port.external_ids);
        }
        self.address |= it.mac.is_some();
    }
}

fn nulls(own: &mut Option<TextMap>, of: &[&TextMap]) {
    for key in of.iter().flat_map(|map| map.keys()) {
        let own = own.get_or_insert_default();
        own.entry(key.clone()).or_insert(None);
    }
}
