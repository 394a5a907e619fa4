//! One port of Open vSwitch against the wish for it.

use serde_json::Value;

use super::Extent;
use super::bridge::is_asked;
use super::link::changed;
use super::split::Asked;
use super::switch::{merged, note_map};
use super::wish::Wish;
use crate::ovs::columns::{SwitchVlans, options};
use crate::ovs::shown::OPTIONS;
use crate::section::port::PortSettings;
use crate::section::{Interface, OvsBond, TextMap, Vlans};
use crate::step::{Difference, json, tree};

/// What differs in one port.
#[derive(Debug, Default)]
pub struct PortChange {
    /// Only what changes, as it is.
    pub before: PortSettings,
    /// Only what changes, as it is to be.
    pub after: PortSettings,
    /// For a person.
    pub words: Vec<String>,
    /// The places of the section.
    pub differences: Vec<Difference>,
}

/// The wish with what is asked of the port's own link. Of an exact wish, what it does not say is to go; `have` says what that is.
pub fn wanted(
    settings: &PortSettings,
    asked: &Asked,
    have: Option<&PortSettings>,
    extent: Extent,
) -> PortSettings {
    let mut want = settings.clone();
    (want.ofport, want.link_state, want.error, want.vlan_mode) = (None, None, None, None);
    if let Some(bond) = &mut want.bond {
        (bond.active, bond.members) = (None, None);
        bond.ports.iter_mut().for_each(|ports| ports.sort());
    }
    if extent == Extent::Partial {
        want.mtu_request = asked.mtu;
        want.mac_request = asked.mac.as_ref().map(|mac| mac.0.clone());
        return want;
    }
    let Some(have) = have else { return want };
    if have.vlans.is_some() {
        want.vlans.get_or_insert_with(|| Vlans {
            trunk: Some(Vec::new()),
            ..Vlans::default()
        });
    }
    if have.r#type.is_some() && want.bond.is_none() {
        want.r#type.get_or_insert_with(|| "system".to_owned());
    }
    let kept = options(&want);
    for key in options(have)
        .into_keys()
        .filter(|key| !kept.contains_key(key))
    {
        want.options.get_or_insert_default().insert(key, None);
    }
    if have.mtu_request.is_some() {
        want.mtu_request.get_or_insert(0);
    }
    if have.mac_request.is_some() {
        want.mac_request.get_or_insert_default();
    }
    if let (Some(want), Some(have)) = (&mut want.bond, &have.bond)
        && have.primary.is_some()
    {
        want.primary.get_or_insert_default();
    }
    want
}

/// Compares.
pub fn compare(
    wish: &Wish,
    have: Option<&Interface>,
    settings: &PortSettings,
    asked: &Asked,
    is: &PortSettings,
    extent: Extent,
) -> PortChange {
    let mut want = wanted(settings, asked, Some(is), extent);
    // A port of one link becomes a bond or the other way round: all of it is said anew.
    let becomes_bond = want.bond.is_some() && is.bond.is_none();
    let becomes_plain = is.bond.is_some()
        && want.bond.is_none()
        && (want.r#type.is_some() || extent == Extent::Exact);
    if becomes_plain {
        want.r#type.get_or_insert_with(|| "system".to_owned());
    }
    let mut change = PortChange::default();
    let word = |settings: &PortSettings| {
        settings
            .r#type
            .clone()
            .unwrap_or_else(|| "system".to_owned())
    };
    if want.r#type.is_some() && (word(&want) != word(is) || becomes_plain) {
        change.note(wish, "type", Some(tree(&word(is))), tree(&word(&want)));
        change.before.r#type = is.r#type.clone();
        change.after.r#type = want.r#type.clone();
    }
    let canonical =
        |vlans: &Option<Vlans>| SwitchVlans::of(vlans.as_ref().unwrap_or(&Vlans::default()));
    if let Some(vlans) = &want.vlans
        && (canonical(&want.vlans) != canonical(&is.vlans) || is.vlan_mode.is_some())
    {
        change.note_vlans(wish, is.vlans.as_ref(), vlans);
        change.before.vlans = is.vlans.clone();
        change.after.vlans = want.vlans.clone();
    }
    let path = |key: &str| {
        let key = OPTIONS
            .iter()
            .find(|(_, raw)| key.strip_prefix("options/") == Some(raw))
            .filter(|(named, _)| tree(&want).get(named).is_some())
            .map_or(key, |(named, _)| named);
        wish.path_of(&format!("port/{key}"))
    };
    let mut maps = |key: &str, want: Option<&TextMap>, is: Option<&TextMap>| {
        let (before, after) = merged(want, is);
        let (words, places) = (&mut change.words, &mut change.differences);
        note_map(key, &before, &after, words, places, &path);
        let some = |map: TextMap| (!map.is_empty()).then_some(map);
        (some(before), some(after))
    };
    let wanted_options = options(&want);
    let changed_options = maps("options", Some(&wanted_options), Some(&options(is)));
    let config = maps(
        "other_config",
        want.other_config.as_ref(),
        is.other_config.as_ref(),
    );
    let ids = maps(
        "external_ids",
        want.external_ids.as_ref(),
        is.external_ids.as_ref(),
    );
    (change.before.options, change.after.options) = changed_options;
    lift(&mut change.before);
    (change.before.other_config, change.after.other_config) = config;
    (change.before.external_ids, change.after.external_ids) = ids;
    if let Some(bond) = &want.bond {
        change.bond(wish, bond, is.bond.as_deref(), becomes_bond);
    }
    change.asked(wish, have, &want, is, extent);
    change
}

/// Puts the options that have names of their own under these.
fn lift(settings: &mut PortSettings) {
    let Some(options) = &mut settings.options else {
        return;
    };
    let mut take = |key: &str| options.remove(key).flatten();
    settings.remote = take("remote_ip");
    settings.local = take("local_ip");
    settings.key = take("key");
    settings.peer = take("peer");
    if options.is_empty() {
        settings.options = None;
    }
}

impl PortChange {
    fn note(&mut self, wish: &Wish, key: &str, have: Option<Value>, want: Value) {
        self.words.push(changed(key, have.as_ref(), &want));
        let path = match key {
            "mtu" | "mac" => wish.path_of(key),
            key => wish.path_of(&format!("port/{}", key.replace('.', "/"))),
        };
        if let Some(path) = path {
            let (want, have) = (want.to_string(), have.as_ref().map(Value::to_string));
            self.differences.push(Difference { path, want, have });
        }
    }

    fn note_vlans(&mut self, wish: &Wish, have: Option<&Vlans>, want: &Vlans) {
        let blank = Vlans::default();
        let words = crate::summary::vlans(have.unwrap_or(&blank), want);
        self.words.push(words);
        if let Some(path) = wish.path_of("port/vlans") {
            let (want, have) = (json(want), have.map(json));
            self.differences.push(Difference { path, want, have });
        }
    }

    fn bond(&mut self, wish: &Wish, want: &OvsBond, is: Option<&OvsBond>, anew: bool) {
        let blank = OvsBond::default();
        let is = is.unwrap_or(&blank);
        let (mut before, mut after) = (OvsBond::default(), OvsBond::default());
        macro_rules! compare {
            ($($key:ident)*) => { $(
                let nothing = want.$key.as_ref().is_some_and(|want| tree(want) == "") && is.$key.is_none();
                if want.$key.is_some() && want.$key != is.$key && !nothing {
                    let have = is.$key.as_ref().map(tree);
                    self.note(wish, concat!("bond.", stringify!($key)), have, tree(&want.$key));
                    before.$key = is.$key.clone();
                    after.$key = want.$key.clone();
                }
            )* };
        }
        compare!(ports mode lacp lacp_rate updelay downdelay primary);
        if after != OvsBond::default() {
            self.before.bond = (!anew).then(|| Box::new(before));
            self.after.bond = Some(Box::new(after));
        }
    }

    /// MTU and address: what Open vSwitch was asked for, and what has come of it.
    fn asked(
        &mut self,
        wish: &Wish,
        have: Option<&Interface>,
        want: &PortSettings,
        is: &PortSettings,
        extent: Extent,
    ) {
        let is_partial = extent == Extent::Partial;
        let kernel = have.and_then(|have| have.mtu).filter(|_| is_partial);
        if let Some(mtu) = want.mtu_request
            && !is_asked(
                Some(mtu.into()),
                is.mtu_request.map(u64::from),
                kernel.map(u64::from),
            )
        {
            self.note(
                wish,
                "mtu",
                have.and_then(|have| have.mtu).map(Value::from),
                mtu.into(),
            );
            self.before.mtu_request = is.mtu_request;
            self.after.mtu_request = Some(mtu);
        }
        let kernel = have.and_then(|have| have.mac.as_ref()).map(|mac| &mac.0);
        let kernel = kernel.filter(|_| is_partial);
        let has = |mac: &String| match (&is.mac_request, kernel) {
            (Some(request), _) => request == mac && kernel.is_none_or(|is| is == mac),
            (None, Some(kernel)) => kernel == mac,
            (None, None) => mac.is_empty(),
        };
        if let Some(mac) = &want.mac_request
            && !has(mac)
        {
            self.note(
                wish,
                "mac",
                kernel.map(|mac| mac.as_str().into()),
                mac.as_str().into(),
            );
            self.before.mac_request = is.mac_request.clone();
            self.after.mac_request = Some(mac.clone());
        }
    }
}

/// `port eth0`, `vxlan port vx0`, `bond bond0 of eth1, eth2`.
pub fn words(name: &str, settings: &PortSettings) -> String {
    if let Some(bond) = &settings.bond {
        let links = bond.ports.clone().unwrap_or_default();
        return format!("bond {name} of {}", links.join(", "));
    }
    match settings.r#type.as_deref() {
        None | Some("system") => format!("port {name}"),
        Some(of) => format!("{of} port {name}"),
    }
}
