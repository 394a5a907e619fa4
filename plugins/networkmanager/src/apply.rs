//! Carrying out actions: devices, removals, profiles in one batch, then what is to be active.

use std::collections::{BTreeMap, BTreeSet};

use op_dbus_plugin::dbus::MethodCall;
use op_dbus_plugin::{Action, Failure, FailureCode, Operation, Outcome};
use serde_json::json;

use crate::activate::{self, Request};
use crate::bus;
use crate::compile::{Want, Wants};
use crate::deadman::DeadMan;
use crate::job::{Activation, DeviceJob, Job, ProfileJob};
use crate::show::lasting;
use crate::system::System;
use crate::table::Table;
use crate::value::{Profile, Variant, holds_secret, text};

/// AddConnection2: saved to disk (NM_SETTINGS_ADD_CONNECTION2_FLAG_TO_DISK).
pub const TO_DISK: u32 = 1;

/// Carries out actions.
///
/// # Errors
/// `invalid` when an action is not one of this plugin's; what NetworkManager answered to the first reads. Nothing was changed then.
pub fn apply(actions: Vec<Action>) -> Result<Vec<Outcome>, Failure> {
    let jobs = actions.iter().map(job).collect::<Result<Vec<_>, _>>()?;
    let table = Table::new();
    let mut system = System::read()?;
    let rewritten = |uuid: &str| {
        let mut jobs = jobs.iter().filter_map(|(_, job)| match job {
            Job::Profile(job) => Some(job),
            Job::Device(_) => None,
        });
        jobs.any(|job| job.uuid == uuid && names_secret(&job.wants))
    };
    system.read_secrets(&table, |stored| rewritten(stored.uuid()))?;
    let deadman = DeadMan::arm(&concerned(&jobs, &system));
    let mut failed: Vec<Option<Failure>> = vec![None; actions.len()];
    devices(&jobs, &system, &mut failed);
    let made = profiles(&jobs, &system, &mut failed);
    activations(&jobs, &made, &mut failed, &|| deadman.hold());
    deadman.disarm();
    let outcome = |(action, failed): (Action, Option<Failure>)| Outcome {
        failed,
        target: action.target,
        summary: action.summary,
    };
    Ok(actions.into_iter().zip(failed).map(outcome).collect())
}

fn job(action: &Action) -> Result<(Operation, Job), Failure> {
    let text = action.after.as_deref().or(action.before.as_deref());
    let text = text
        .ok_or_else(|| Failure::invalid(format!("{}: nothing says what to do", action.target)))?;
    Ok((action.operation, serde_json::from_str(text)?))
}

/// The managed devices that the jobs concern: those that their profiles are for or are active on, and those that they name.
fn concerned<'a>(jobs: &[(Operation, Job)], system: &'a System) -> Vec<&'a str> {
    let mut devices = BTreeSet::new();
    for (_, job) in jobs {
        let job = match job {
            Job::Device(job) => {
                devices.extend(system.device(&job.interface).map(|(path, _)| path));
                continue;
            }
            Job::Profile(job) => job,
        };
        let wanted = match job
            .wants
            .get("connection")
            .and_then(|it| it.get("interface-name"))
        {
            Some(Want::Value(value)) => value.as_text(),
            _ => None,
        };
        let stored = system.profile(&job.uuid);
        let is = stored.and_then(|it| text(&it.settings, "connection", "interface-name"));
        for interface in [wanted, is].into_iter().flatten() {
            devices.extend(system.device(interface).map(|(path, _)| path));
        }
        let active = system
            .active_of(&job.uuid)
            .map(|(_, it)| it.texts("Devices"));
        for path in active.into_iter().flatten() {
            devices.extend(
                system
                    .devices
                    .get_key_value(&path)
                    .map(|(path, _)| path.as_str()),
            );
        }
    }
    let is_managed = |path: &&str| {
        system
            .devices
            .get(*path)
            .is_some_and(|it| it.boolean("Managed"))
    };
    devices.into_iter().filter(is_managed).collect()
}

fn names_secret(wants: &Wants) -> bool {
    let mut wants = wants.values().flat_map(|keys| keys.values());
    wants.any(|want| holds_secret(&crate::wish::shown(want)))
}

fn devices(jobs: &[(Operation, Job)], system: &System, failed: &mut [Option<Failure>]) {
    let (mut places, mut calls) = (Vec::new(), Vec::new());
    for (at, (_, job)) in jobs.iter().enumerate() {
        let Job::Device(DeviceJob { interface, managed }) = job else {
            continue;
        };
        match system.device(interface) {
            Some((path, _)) => {
                places.push(at);
                calls.push(manage(path, *managed));
            }
            None => failed[at] = Some(Failure::not_found("NetworkManager has no such device")),
        }
    }
    note(places, &calls, failed);
}

/// Says whether a device is managed.
pub fn manage(path: &str, managed: bool) -> MethodCall {
    bus::set_property(
        path,
        bus::DEVICE_INTERFACE,
        "Managed",
        &Variant::new("b", managed),
    )
}

/// Makes calls, notes the first failure of each place, and returns the objects that were made.
fn note(
    places: Vec<usize>,
    calls: &[MethodCall],
    failed: &mut [Option<Failure>],
) -> BTreeMap<usize, String> {
    let mut made = BTreeMap::new();
    for (at, answer) in places.into_iter().zip(bus::call_all(calls)) {
        match answer {
            Ok(reply) => {
                // In a rehearsal nobody knows the path of what would be made.
                let path = bus::first::<Option<String>>(&reply).unwrap_or_default();
                made.insert(at, path.unwrap_or_else(|| bus::NOTHING.to_owned()));
            }
            Err(failure) => {
                failed[at].get_or_insert(failure);
            }
        }
    }
    made
}

/// Removes, makes and changes profiles; the objects of those that were made.
fn profiles(
    jobs: &[(Operation, Job)],
    system: &System,
    failed: &mut [Option<Failure>],
) -> BTreeMap<usize, String> {
    let (mut places, mut calls) = (Vec::new(), Vec::new());
    let removals = jobs
        .iter()
        .enumerate()
        .filter(|(_, (operation, _))| *operation == Operation::Delete);
    for (at, (_, job)) in removals {
        let Job::Profile(job) = job else { continue };
        // What is to be gone and is gone already needs nothing.
        if let Some(stored) = system.profile(&job.uuid) {
            places.push(at);
            calls.push(bus::profile(&stored.path, "Delete", "", json!([])));
        }
    }
    for (at, (operation, job)) in jobs.iter().enumerate() {
        let Job::Profile(job) = job else { continue };
        let call = match operation {
            Operation::Delete => continue,
            Operation::Create => create(job, system),
            Operation::Modify if job.wants.is_empty() && job.without.is_empty() => continue,
            Operation::Modify => change(job, system),
        };
        match call {
            Ok(call) => {
                places.push(at);
                calls.push(call);
            }
            Err(failure) => failed[at] = Some(failure),
        }
    }
    note(places, &calls, failed)
}

fn create(job: &ProfileJob, system: &System) -> Result<MethodCall, Failure> {
    if system.profile(&job.uuid).is_some() {
        let message = format!(
            "somebody has made a profile with the uuid {} meanwhile",
            job.uuid
        );
        return Err(Failure::conflict(message));
    }
    let mut profile = overlay(&Profile::new(), &job.wants, &job.without);
    let connection = profile.entry("connection".to_owned()).or_default();
    connection.insert("uuid".to_owned(), Variant::text(&job.uuid));
    Ok(add(&profile))
}

/// Adds a profile.
pub fn add(profile: &Profile) -> MethodCall {
    let arguments = json!([profile, TO_DISK, {}]);
    bus::method(
        bus::SETTINGS,
        bus::SETTINGS_INTERFACE,
        "AddConnection2",
        "a{sa{sv}}ua{sv}",
        arguments,
    )
}

fn change(job: &ProfileJob, system: &System) -> Result<MethodCall, Failure> {
    let stored = system
        .profile(&job.uuid)
        .ok_or_else(|| Failure::conflict("somebody has removed the profile meanwhile"))?;
    let profile = overlay(&lasting(&stored.settings), &job.wants, &job.without);
    Ok(update(&stored.path, &profile))
}

/// Replaces the settings of a profile, where it is kept now.
pub fn update(path: &str, profile: &Profile) -> MethodCall {
    bus::profile(path, "Update2", "a{sa{sv}}ua{sv}", json!([profile, 0, {}]))
}

/// A profile with the wish on top: what the wish does not name stays.
pub fn overlay(profile: &Profile, wants: &Wants, without: &[String]) -> Profile {
    let mut profile = profile.clone();
    for setting in without {
        profile.remove(setting);
    }
    for (setting, keys) in wants {
        let into = profile.entry(setting.clone()).or_default();
        for (key, want) in keys {
            match want {
                Want::Value(value) => {
                    into.insert(key.clone(), value.clone());
                }
                Want::Unset => {
                    into.remove(key);
                }
                Want::Entries(entries) => {
                    let empty = Variant::new("a{ss}", json!({}));
                    let dictionary = into.entry(key.clone()).or_insert(empty);
                    let Some(map) = dictionary.data.as_object_mut() else {
                        continue;
                    };
                    for (key, value) in entries {
                        if value.is_null() {
                            map.remove(key);
                        } else {
                            map.insert(key.clone(), value.clone());
                        }
                    }
                }
            }
        }
    }
    profile
}

fn activations(
    jobs: &[(Operation, Job)],
    made: &BTreeMap<usize, String>,
    failed: &mut [Option<Failure>],
    alive: &dyn Fn(),
) {
    let mut places = Vec::new();
    let mut requests = Vec::new();
    for (at, (operation, job)) in jobs.iter().enumerate() {
        match job {
            Job::Profile(job)
                if *operation != Operation::Delete && job.activation != Activation::Keep =>
            {
                places.push(at);
                requests.push(Request {
                    uuid: job.uuid.clone(),
                    activation: job.activation,
                    port: job.port,
                    device: None,
                    path: made.get(&at).cloned(),
                });
            }
            _ => {}
        }
    }
    if requests.is_empty() {
        return;
    }
    if failed.iter().any(Option::is_some) {
        for at in places {
            let why = "not activated, because another step failed";
            failed[at].get_or_insert(Failure::new(FailureCode::Cancelled, why));
        }
        return;
    }
    for (at, answer) in places.into_iter().zip(activate::run(&requests, alive)) {
        failed[at] = answer.err();
    }
}
