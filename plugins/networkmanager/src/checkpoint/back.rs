//! Going back to a checkpoint: NetworkManager's own where it is still there, then whatever is not as it was noted.

use std::collections::{BTreeMap, BTreeSet};

use op_dbus_plugin::dbus::{self, MethodCall, SignalMatch, Subscription};
use op_dbus_plugin::{CheckpointData, Failure, FailureCode, Outcome};
use serde_json::json;

use super::{Noted, is_alive, made_up};
use crate::activate::{self, Request};
use crate::apply::{add, manage, update};
use crate::bus::{self, Properties};
use crate::job::Activation;
use crate::show::lasting;
use crate::system::{Stored, System, merge};
use crate::table::Table;
use crate::value::{Profile, holds_secret, text};

/// How often a NetworkManager that is not there is waited for, half a second each time: it restarts in far less.
const PATIENCE: u32 = 40;

/// Goes back to a checkpoint.
///
/// # Errors
/// When NetworkManager does not run, or cannot be read.
pub fn go_back(to: &CheckpointData) -> Result<Vec<Outcome>, Failure> {
    let noted: Noted = serde_json::from_str(&to.state)?;
    let table = Table::new();
    let mut outcomes = Vec::new();
    let mut system = present()?;
    let mut doubtful = BTreeMap::new();
    if let Some(path) = &to.backend
        && is_alive(&system, path, &noted)
    {
        match native(path, &noted) {
            Ok(results) => doubtful = results,
            Err(failure) => outcomes.push(outcome(
                "NetworkManager's checkpoint",
                "roll back",
                Err(failure),
            )),
        }
        system = System::read()?;
    }
    let noted_uuids: Vec<&str> = noted.profiles.iter().filter_map(uuid).collect();
    system.read_secrets(&table, |stored| noted_uuids.contains(&stored.uuid()))?;
    let changed = contents(&noted, &system, &mut outcomes)?;
    devices(&noted, &system, &mut outcomes);
    activities(&noted, &changed, &mut outcomes)?;
    verdict(&noted, doubtful, &mut outcomes)?;
    Ok(outcomes)
}

fn uuid(profile: &Profile) -> Option<&str> {
    text(profile, "connection", "uuid")
}

fn name(profile: &Profile) -> String {
    format!(
        "connection {}",
        text(profile, "connection", "id").unwrap_or_default()
    )
}

fn outcome(target: impl Into<String>, summary: &str, answer: Result<(), Failure>) -> Outcome {
    Outcome {
        target: target.into(),
        summary: summary.to_owned(),
        failed: answer.err(),
    }
}

/// What NetworkManager has; where it is just restarting, once it is there again.
fn present() -> Result<System, Failure> {
    let mut tries = 0;
    loop {
        let failure = match System::read() {
            Ok(system) => return Ok(system),
            Err(failure) => failure,
        };
        let may_come = matches!(
            failure.code,
            FailureCode::Unavailable | FailureCode::Timeout
        ) || bus::is_gone(&failure);
        tries += 1;
        if !may_come || tries > PATIENCE {
            return Err(failure);
        }
        // Its first signal, or half a second.
        let _ = state_changes().and_then(|signals| signals.next(500));
    }
}

/// NetworkManager's own way back: the devices that it could not bring back, with its reason (NMRollbackResult).
fn native(path: &str, noted: &Noted) -> Result<BTreeMap<String, &'static str>, Failure> {
    let reply = bus::call(&bus::manager("CheckpointRollback", "o", json!([path])))?;
    let results: BTreeMap<String, u32> = bus::first(&reply)?;
    let reason = |result: u32| match result {
        0 => None,
        1 => Some("the device no longer exists"),
        2 => Some("the device is not managed now"),
        _ => Some("the rollback failed"),
    };
    Ok(results
        .into_iter()
        .filter_map(|(device, result)| {
            let mut devices = noted.devices.iter();
            let known = devices.find(|it| it.path.as_ref() == Some(&device));
            let interface = known.map(|it| it.interface.clone());
            Some((interface.unwrap_or(device), reason(result)?))
        })
        .collect())
}

/// Removes what was not there, brings back what was, and undoes changes. The uuids of profiles whose contents changed.
fn contents(
    noted: &Noted,
    system: &System,
    outcomes: &mut Vec<Outcome>,
) -> Result<Vec<String>, Failure> {
    let made_up = if noted.whole {
        made_up(system)?
    } else {
        Default::default()
    };
    let is_new = |stored: &&Stored| {
        let is_noted = noted
            .profiles
            .iter()
            .any(|it| uuid(it) == Some(stored.uuid()));
        let was_absent = noted.absent.iter().any(|it| it == stored.uuid());
        was_absent || noted.whole && !is_noted && !made_up.contains_key(stored.uuid())
    };
    let mut steps: Vec<(String, &str)> = Vec::new();
    let mut calls: Vec<MethodCall> = Vec::new();
    let mut changed = Vec::new();
    for stored in system.profiles.iter().filter(is_new) {
        steps.push((name(&stored.settings), "remove"));
        calls.push(bus::profile(&stored.path, "Delete", "", json!([])));
    }
    for profile in &noted.profiles {
        let Some(uuid) = uuid(profile) else { continue };
        let Some(stored) = system.profile(uuid) else {
            steps.push((name(profile), "bring back"));
            calls.push(add(profile));
            continue;
        };
        let is = lasting(&stored.settings);
        let was = with_unread(profile, noted.unread.get(uuid), &is);
        if is == was {
            continue;
        }
        changed.push(uuid.to_owned());
        if secrets(&is) && !secrets(&was) {
            // An update without secrets would keep those that are there.
            steps.push((name(profile), "forget secrets"));
            calls.push(bus::profile(&stored.path, "ClearSecrets", "", json!([])));
        }
        steps.push((name(profile), "restore"));
        calls.push(update(&stored.path, &was));
    }
    for ((target, summary), answer) in steps.into_iter().zip(bus::call_all(&calls)) {
        let answer = match answer {
            Err(failure) if summary == "remove" && bus::is_gone(&failure) => Ok(()),
            answer => answer.map(drop),
        };
        outcomes.push(outcome(target, summary, answer));
    }
    Ok(changed)
}

/// A profile as it was noted, with the secrets that are there in those settings whose own were not shown then: not to know them is no reason
/// to take them away.
fn with_unread(noted: &Profile, unread: Option<&BTreeSet<String>>, is: &Profile) -> Profile {
    let mut profile = noted.clone();
    for setting in unread.into_iter().flatten() {
        if !noted.contains_key(setting) {
            continue;
        }
        let keys = is.get(setting).into_iter().flatten();
        let secrets = keys
            .filter(|(_, value)| holds_secret(&value.data))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        merge(&mut profile, [(setting.clone(), secrets)].into());
    }
    profile
}

fn secrets(profile: &Profile) -> bool {
    profile
        .values()
        .flat_map(|keys| keys.values())
        .any(|value| holds_secret(&value.data))
}

fn devices(noted: &Noted, system: &System, outcomes: &mut Vec<Outcome>) {
    let mut targets = Vec::new();
    let mut calls = Vec::new();
    let let_go = noted.devices.iter().filter(|device| !device.managed);
    settle(let_go.filter_map(|device| system.device(&device.interface)));
    for device in &noted.devices {
        let Some((path, is)) = system.device(&device.interface) else {
            continue;
        };
        if is.boolean("Managed") != device.managed {
            targets.push(format!("device {}", device.interface));
            calls.push(manage(path, device.managed));
        }
    }
    for (target, answer) in targets.into_iter().zip(bus::call_all(&calls)) {
        outcomes.push(outcome(target, "managed as before", answer.map(drop)));
    }
}

/// Waits until devices are no longer active: one that is let go of before keeps its controller and addresses.
fn settle<'a>(devices: impl Iterator<Item = (&'a str, &'a Properties)>) {
    let managed = devices.filter(|(_, device)| device.boolean("Managed"));
    let calls: Vec<MethodCall> = managed
        .map(|(path, _)| bus::properties(path, bus::DEVICE_INTERFACE))
        .collect();
    if calls.is_empty() {
        return;
    }
    let Ok(signals) = state_changes() else { return };
    for _ in 0..PATIENCE {
        let states = bus::call_all(&calls).into_iter().flatten();
        let mut states =
            states.filter_map(|reply| Some(Properties::of(&reply).ok()?.number("State")));
        // NM_DEVICE_STATE_DISCONNECTED, and what is above it.
        if !states.any(|state| state > 30) {
            return;
        }
        let _ = signals.next(500);
    }
}

/// The signals by which NetworkManager tells of its own state and its devices'.
fn state_changes() -> Result<Subscription, Failure> {
    dbus::subscribe(&SignalMatch {
        sender: bus::NAME.to_owned(),
        path: None,
        interface: None,
        member: Some("StateChanged".to_owned()),
    })
}

/// Activates what was active and is not, and the other way round.
fn activities(
    noted: &Noted,
    changed: &[String],
    outcomes: &mut Vec<Outcome>,
) -> Result<(), Failure> {
    let system = System::read()?;
    let mut requests = Vec::new();
    let mut targets = Vec::new();
    for profile in &noted.profiles {
        let Some(uuid) = uuid(profile) else { continue };
        let was = noted.active.iter().any(|it| it == uuid);
        let is = system.active_of(uuid);
        // NetworkManager's own checkpoint brings devices back in its own time: who asks for secrets must be there until that has ended.
        let on_its_way = is.is_some_and(|(_, it)| it.number("State") != activate::ACTIVATED);
        let activation = match (was, is.is_some()) {
            (true, false) => Activation::Up,
            (false, true) => Activation::Down,
            (true, true) if changed.iter().any(|it| it == uuid) => Activation::Renew,
            (true, true) if on_its_way => Activation::Up,
            _ => continue,
        };
        let device = noted
            .devices
            .iter()
            .find(|it| it.active.as_deref() == Some(uuid));
        targets.push(name(profile));
        requests.push(Request {
            uuid: uuid.to_owned(),
            activation,
            port: text(profile, "connection", "master").is_some(),
            device: device.map(|it| it.interface.clone()),
            path: None,
        });
    }
    // Profiles that the checkpoint does not hold, active on devices that it does.
    for device in &noted.devices {
        let Some(uuid) = &device.active else { continue };
        let is_held = noted.profiles.iter().any(|it| self::uuid(it) == Some(uuid));
        let is = system.active_of(uuid).map(|(_, it)| it.number("State"));
        // One on its way up is waited for, like those above.
        if is_held || is == Some(activate::ACTIVATED) || system.profile(uuid).is_none() {
            continue;
        }
        targets.push(format!("device {}", device.interface));
        requests.push(Request {
            uuid: uuid.clone(),
            activation: Activation::Up,
            port: false,
            device: Some(device.interface.clone()),
            path: None,
        });
    }
    let summary = |activation| match activation {
        Activation::Down => "deactivate",
        Activation::Renew => "bring the contents to the device",
        _ => "activate",
    };
    for ((target, request), answer) in targets
        .into_iter()
        .zip(&requests)
        .zip(activate::run(&requests, &|| {}))
    {
        outcomes.push(outcome(target, summary(request.activation), answer));
    }
    Ok(())
}

/// A device that NetworkManager could not bring back is a failure, unless the contents have brought it back since.
fn verdict(
    noted: &Noted,
    doubtful: BTreeMap<String, &'static str>,
    outcomes: &mut Vec<Outcome>,
) -> Result<(), Failure> {
    if doubtful.is_empty() {
        return Ok(());
    }
    let system = System::read()?;
    for (interface, reason) in doubtful {
        let was = noted
            .devices
            .iter()
            .find(|it| it.interface == interface)
            .and_then(|it| it.active.as_deref());
        let device = system.device(&interface).map(|(_, it)| it);
        let is = device
            .and_then(|it| system.active.get(&it.text("ActiveConnection")))
            .map(|it| it.text("Uuid"));
        if device.is_some() && is.as_deref() == was {
            continue;
        }
        let message = format!("it did not come back; NetworkManager's reason: {reason}");
        let failure = Failure::new(FailureCode::Refused, message);
        outcomes.push(outcome(
            format!("device {interface}"),
            "come back",
            Err(failure),
        ));
    }
    Ok(())
}
