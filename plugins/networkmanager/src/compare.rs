//! What is against the wish: the one comparison behind plan and verification.

use op_dbus_plugin::{Action, Failure, Mismatch, Operation};
use serde_json::{Map, Value, json};

use crate::compile::Want;
use crate::job::{Activation, DeviceJob, Job, ProfileJob};
use crate::query::Secrets;
use crate::section::{Connection, Section};
use crate::show;
use crate::summary;
use crate::table::Table;
use crate::value::{Profile, holds_secret, property, same};
use crate::wish::{Activity, Wish, shown, wishes};

/// A step, and the places of the file that it makes true.
#[derive(Debug)]
pub struct Step {
    /// What the host is told.
    pub action: Action,
    /// What differs.
    pub differences: Vec<Mismatch>,
}

/// A property that is not as it is wanted.
#[derive(Clone, Debug)]
pub struct Change {
    /// The setting.
    pub setting: String,
    /// The property; empty for the setting as a whole.
    pub key: String,
    /// What is wanted.
    pub want: Value,
    /// What is there.
    pub have: Option<Value>,
}

/// Whether a section says anything of secrets.
///
/// # Errors
/// When it is no JSON.
pub fn names_secrets(section: &Section) -> Result<bool, Failure> {
    if holds_secret(&serde_json::to_value(section)?) {
        return Ok(true);
    }
    let table = Table::new();
    let connections = section.connections().iter();
    let settings = connections.flat_map(|it| it.settings.iter().flatten());
    let mut keys = settings.flat_map(|(setting, keys)| {
        let keys = keys.iter().flat_map(|keys| keys.keys());
        keys.map(move |key| (setting, key))
    });
    Ok(keys.any(|(setting, key)| table.is_secret(setting, key)))
}

/// The steps from what is to the wish: devices and removals first, then profiles in the file's order. Where secrets are left out of what is,
/// they count as they are wanted.
///
/// # Errors
/// Where the file and what is there do not fit together.
pub fn compare(
    current: &Section,
    desired: &Section,
    secrets: Secrets,
) -> Result<Vec<Step>, Failure> {
    let table = Table::new();
    let wishes = wishes(current, desired, &table)?;
    let mut steps = Vec::new();
    for (at, wish) in desired.devices().iter().enumerate() {
        steps.extend(device(current, wish.interface.as_str(), wish.managed, at)?);
    }
    let (gone, stay): (Vec<_>, Vec<_>) = wishes.iter().partition(|wish| wish.absent);
    for wish in gone {
        steps.extend(removal(wish)?);
    }
    for wish in stay {
        steps.extend(profile(current, wish, &table, secrets)?);
    }
    Ok(steps)
}

fn device(
    current: &Section,
    interface: &str,
    managed: Option<bool>,
    at: usize,
) -> Result<Option<Step>, Failure> {
    let Some(managed) = managed else {
        return Ok(None);
    };
    let have = current
        .devices()
        .iter()
        .find(|it| it.interface == interface);
    let Some(have) = have else {
        return Err(Failure::not_found(format!(
            "device {interface}: NetworkManager has no such device; `op-dbus query --plugin networkmanager` shows those that it has"
        )));
    };
    if have.managed == Some(managed) {
        return Ok(None);
    }
    let job = |managed| {
        serde_json::to_string(&Job::Device(DeviceJob {
            interface: interface.to_owned(),
            managed,
        }))
    };
    Ok(Some(Step {
        action: Action {
            operation: Operation::Modify,
            target: format!("device {interface}"),
            before: Some(job(!managed)?),
            after: Some(job(managed)?),
            summary: if managed { "managed" } else { "not managed" }.to_owned(),
            disruptive: !managed && have.active_connection.is_some(),
        },
        differences: vec![Mismatch {
            path: format!("/devices/{at}/managed"),
            want: managed.to_string(),
            have: Some((!managed).to_string()),
        }],
    }))
}

fn removal(wish: &Wish) -> Result<Option<Step>, Failure> {
    let Some(have) = wish.have else {
        return Ok(None);
    };
    let job = Job::Profile(ProfileJob {
        uuid: wish.uuid.clone(),
        wants: Default::default(),
        without: Vec::new(),
        activation: Activation::Keep,
        port: false,
    });
    // Its own entry says so, or a list of ports leaves it out, or its controller goes.
    let is_own = wish.place.matches('/').count() == 2;
    let path = if is_own {
        format!("{}/state", wish.place)
    } else {
        wish.place.clone()
    };
    let is_listed = !path.ends_with("/state");
    Ok(Some(Step {
        action: Action {
            operation: Operation::Delete,
            target: format!("connection {}", wish.name),
            before: Some(serde_json::to_string(&job)?),
            after: None,
            summary: format!("remove {}", wish.of),
            disruptive: true,
        },
        differences: vec![Mismatch {
            path,
            want: if is_listed { "null" } else { "\"absent\"" }.to_owned(),
            have: Some(serde_json::to_string(have.name())?),
        }],
    }))
}

/// The properties of a profile that are not as wanted.
pub fn changes(have: &Profile, wish: &Wish, table: &Table, secrets: Secrets) -> Vec<Change> {
    let mut changes = Vec::new();
    for setting in wish
        .compiled
        .without
        .iter()
        .filter(|it| have.contains_key(*it))
    {
        changes.push(Change {
            setting: setting.clone(),
            key: String::new(),
            want: Value::Null,
            have: Some(json!({})),
        });
    }
    for (setting, wants) in &wish.compiled.wants {
        if !have.contains_key(setting) && wants.is_empty() {
            changes.push(Change {
                setting: setting.clone(),
                key: String::new(),
                want: json!({}),
                have: None,
            });
        }
        for (key, want) in wants {
            let is = property(have, setting, key);
            let is_secret = table.is_secret(setting, key) || holds_secret(&shown(want));
            if is_secret && secrets == Secrets::LeftOut {
                continue;
            }
            let kept = kept_want(want, have, wish, setting, key);
            let Some(want) = &kept else { continue };
            if !is_met(want, is.map(|it| &it.data), table, setting, key) {
                changes.push(Change {
                    setting: setting.clone(),
                    key: key.clone(),
                    want: shown(want),
                    have: is.map(|it| it.data.clone()),
                });
            }
        }
    }
    changes
}

/// The property that holds the secrets of a VPN.
const VPN_SECRETS: (&str, &str) = ("vpn", "secrets");

/// A want without the secrets that NetworkManager does not keep, and does not show either.
fn kept_want(want: &Want, have: &Profile, wish: &Wish, setting: &str, key: &str) -> Option<Want> {
    let is = property(have, setting, key);
    match want {
        Want::Entries(entries) if (setting, key) == VPN_SECRETS => {
            let shows = |key: &str| is.is_some_and(|is| is.data.get(key).is_some());
            let kept = |key: &str| shows(key) || !is_kept_by_agent(have, wish, setting, key);
            let mut entries = entries.clone();
            entries.retain(|key, _| kept(key));
            Some(Want::Entries(entries))
        }
        Want::Value(value) if is.is_none() && holds_secret(&value.data) => {
            (!is_kept_by_agent(have, wish, setting, key)).then(|| want.clone())
        }
        want => Some(want.clone()),
    }
}

/// Whether NetworkManager does not keep a secret, and has none to show where no agent gives it (NMSettingSecretFlags: agent-owned, not saved).
fn is_kept_by_agent(have: &Profile, wish: &Wish, setting: &str, key: &str) -> bool {
    const NOT_KEPT: u64 = 1 | 2;
    let flags = format!("{key}-flags");
    let wants = wish.compiled.wants.get(setting);
    let number = if setting == VPN_SECRETS.0 {
        // Of a VPN they are texts among its data.
        let wanted = match wants.and_then(|it| it.get("data")) {
            Some(Want::Entries(entries)) => entries.get(&flags),
            Some(Want::Value(value)) => value.data.get(&flags),
            _ => None,
        };
        let is = property(have, setting, "data").and_then(|it| it.data.get(&flags));
        let text = wanted.or(is).and_then(Value::as_str);
        text.and_then(|text| text.parse().ok())
    } else {
        let wanted = match wants.and_then(|it| it.get(&flags)) {
            Some(Want::Value(value)) => Some(&value.data),
            _ => None,
        };
        let is = property(have, setting, &flags).map(|it| &it.data);
        wanted.or(is).and_then(Value::as_u64)
    };
    number.is_some_and(|number| number & NOT_KEPT != 0)
}

fn is_met(want: &Want, have: Option<&Value>, table: &Table, setting: &str, key: &str) -> bool {
    match (want, have) {
        (Want::Unset, have) => have.is_none_or(|have| table.is_default(setting, key, have)),
        (Want::Value(want), Some(have)) => same(&want.data, have),
        (Want::Value(want), None) => table.is_default(setting, key, &want.data),
        (Want::Entries(entries), have) => entries.iter().all(|(key, want)| {
            let have = have.and_then(|it| it.get(key));
            if want.is_null() {
                have.is_none()
            } else {
                have.is_some_and(|have| same(want, have))
            }
        }),
    }
}

fn profile(
    current: &Section,
    wish: &Wish,
    table: &Table,
    secrets: Secrets,
) -> Result<Option<Step>, Failure> {
    let state = active_state(current, &wish.uuid);
    let is_active = matches!(state, Some("activating" | "activated"));
    let Some(have) = wish.have else {
        return creation(wish).map(Some);
    };
    let is = show::profile(have, table);
    let changes = adopt_controller(changes(&is, wish, table, secrets), current);
    let activation = match (wish.activity, is_active) {
        (Activity::Down, true) => Activation::Down,
        (Activity::Up, false) => Activation::Up,
        // One that just comes up is waited for.
        (Activity::Up, true) if state == Some("activating") && changes.is_empty() => Activation::Up,
        (Activity::Auto, false) if !changes.is_empty() || is_possible(current, wish) => {
            Activation::Auto
        }
        (_, true) if changes.iter().any(needs_device) => Activation::Renew,
        _ => Activation::Keep,
    };
    if changes.is_empty() && activation == Activation::Keep {
        return Ok(None);
    }
    let mut differences: Vec<Mismatch> = changes
        .iter()
        .map(|change| difference(change, wish))
        .collect();
    if let (Activation::Up | Activation::Down, true) | (Activation::Auto, true) =
        (activation, changes.is_empty())
    {
        let key = if wish.activity == Activity::Auto {
            "autoconnect"
        } else {
            "state"
        };
        let want = if activation == Activation::Down {
            "\"down\""
        } else {
            "\"up\""
        };
        differences.push(Mismatch {
            path: format!("{}/{key}", wish.place),
            want: want.to_owned(),
            have: Some(serde_json::to_string(state.unwrap_or("inactive"))?),
        });
    }
    let mut wants = wish.compiled.wants.clone();
    wants.retain(|setting, _| changes.iter().any(|change| change.setting == *setting));
    for (setting, keys) in &mut wants {
        let changed = |key: &str| {
            let mut own = changes.iter().filter(|change| change.setting == *setting);
            own.any(|change| change.key.is_empty() || change.key == key)
        };
        keys.retain(|key, _| changed(key));
    }
    let before: Map<String, Value> = changes
        .iter()
        .filter_map(|it| Some((format!("{}.{}", it.setting, it.key), it.have.clone()?)))
        .collect();
    let job = Job::Profile(ProfileJob {
        uuid: wish.uuid.clone(),
        wants,
        without: wish.compiled.without.clone(),
        activation,
        port: is_port(wish, Some(have)),
    });
    Ok(Some(Step {
        action: Action {
            operation: Operation::Modify,
            target: format!("connection {}", wish.name),
            before: Some(Value::Object(before).to_string()),
            after: Some(serde_json::to_string(&job)?),
            summary: summary::changed(&changes, activation),
            disruptive: activation == Activation::Down
                || activation == Activation::Renew
                    && changes.iter().any(|it| !summary::can_reapply(it)),
        },
        differences,
    }))
}

fn creation(wish: &Wish) -> Result<Step, Failure> {
    let activation = match wish.activity {
        Activity::Up => Activation::Up,
        Activity::Auto => Activation::Auto,
        Activity::Down | Activity::Any => Activation::Keep,
    };
    let job = Job::Profile(ProfileJob {
        uuid: wish.uuid.clone(),
        wants: wish.compiled.wants.clone(),
        without: Vec::new(),
        activation,
        port: is_port(wish, None),
    });
    Ok(Step {
        action: Action {
            operation: Operation::Create,
            target: format!("connection {}", wish.name),
            before: None,
            after: Some(serde_json::to_string(&job)?),
            summary: summary::created(wish, activation),
            disruptive: false,
        },
        differences: vec![Mismatch {
            path: wish.place.clone(),
            want: serde_json::to_string(&wish.name)?,
            have: None,
        }],
    })
}

fn is_port(wish: &Wish, have: Option<&Connection>) -> bool {
    let wanted = wish
        .compiled
        .wants
        .get("connection")
        .and_then(|it| it.get("master"));
    match wanted {
        Some(want) => !matches!(want, Want::Unset),
        None => have.is_some_and(|it| it.controller.is_some()),
    }
}

/// A controller that is named by its interface instead of its uuid is the same one.
fn adopt_controller(changes: Vec<Change>, current: &Section) -> Vec<Change> {
    let is_same = |change: &Change| {
        change.setting == "connection"
            && change.key == "master"
            && current.connections().iter().any(|it| {
                it.uuid.as_deref() == change.want.as_str()
                    && it.interface.is_some()
                    && it.interface.as_deref() == change.have.as_ref().and_then(Value::as_str)
            })
    };
    changes
        .into_iter()
        .filter(|change| !is_same(change))
        .collect()
}

/// Whether a change concerns the device that the profile is active on.
fn needs_device(change: &Change) -> bool {
    let stored = [
        "id",
        "autoconnect",
        "autoconnect-priority",
        "autoconnect-retries",
        "permissions",
        "secondaries",
    ];
    change.setting != "connection" || !stored.contains(&change.key.as_str())
}

fn active_state<'a>(current: &'a Section, uuid: &str) -> Option<&'a str> {
    let own = current.active().iter().filter(|it| it.uuid == uuid);
    own.filter_map(|it| it.state.as_deref())
        .max_by_key(|state| (*state == "activated", *state == "activating"))
}

/// Whether NetworkManager would have a free device for a profile that is not active.
fn is_possible(current: &Section, wish: &Wish) -> bool {
    let device = |interface: &str| {
        current
            .devices()
            .iter()
            .find(|it| it.interface == interface)
    };
    let makes_its_device = matches!(
        wish.of.as_str(),
        "bridge"
            | "bond"
            | "team"
            | "vlan"
            | "vxlan"
            | "wireguard"
            | "dummy"
            | "tun"
            | "ip-tunnel"
            | "macvlan"
            | "macsec"
            | "vrf"
    );
    if makes_its_device {
        let parent = wish.have.and_then(|it| it.parent.as_deref());
        return parent.is_none_or(|parent| parent.contains('-') || device(parent).is_some());
    }
    let mut free = current
        .devices()
        .iter()
        .filter(|it| it.active_connection.is_none());
    free.any(|it| {
        it.available_connections
            .iter()
            .flatten()
            .any(|uuid| *uuid == wish.uuid)
    })
}

/// The place of a change in the file.
fn difference(change: &Change, wish: &Wish) -> Mismatch {
    let key = (change.setting.clone(), change.key.clone());
    let path = match wish.compiled.places.get(&key).map(String::as_str) {
        None | Some("") => wish.place.clone(),
        Some(other) if other.starts_with("../") => format!("/connections/{}", &other[3..]),
        Some(place) => format!("{}/{place}", wish.place),
    };
    Mismatch {
        path,
        want: change.want.to_string(),
        have: change.have.as_ref().map(Value::to_string),
    }
}
