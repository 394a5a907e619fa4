//! The profiles that a controller's list of ports needs.

use std::collections::HashSet;

use op_dbus_plugin::Failure;

use super::{Activity, Wish, attach, own};
use crate::compile::Compiled;
use crate::identity;
use crate::section::{Connection, Section};
use crate::table::Table;

/// What a list of ports asks for: exactly these interfaces have profiles that make them ports.
pub(super) fn ports<'a>(
    at: usize,
    connection: &Connection,
    current: &'a Section,
    wishes: &mut Vec<Wish<'a>>,
    table: &Table,
) -> Result<(), Failure> {
    let (uuid, name, of) = (
        wishes[at].uuid.clone(),
        wishes[at].name.clone(),
        wishes[at].of.clone(),
    );
    let is_port = |it: &Connection| match &it.controller {
        Some(Some(controller)) => {
            *controller == uuid || Some(controller) == wishes[at].interface.as_ref()
        }
        _ => false,
    };
    let there: Vec<&Connection> = current
        .connections()
        .iter()
        .filter(|it| is_port(it))
        .collect();
    if wishes[at].absent {
        // Profiles that only this list made have no use any more; others are somebody's work.
        for port in there {
            if is_made(port, &uuid) && !wishes.iter().any(|it| Some(&it.uuid) == port.uuid.as_ref())
            {
                wishes.push(gone(port, format!("/connections/{at}/state")));
            }
        }
        return Ok(());
    }
    let Some((key, list)) = connection.port_list() else {
        return Ok(());
    };
    let autoconnect = wishes[at]
        .compiled
        .wants
        .get("connection")
        .and_then(|it| it.get("autoconnect"))
        .cloned();
    let activity = match wishes[at].activity {
        Activity::Up | Activity::Auto => Activity::Auto,
        other => other,
    };
    let mut listed = HashSet::new();
    for (index, interface) in list.iter().enumerate() {
        let place = format!("/connections/{at}/{key}/{index}");
        listed.insert(interface.as_str());
        let named = wishes.iter().position(|it| {
            !it.absent && it.interface.as_ref() == Some(interface) && it.uuid != uuid
        });
        if let Some(named) = named {
            let own = format!("../{at}/{key}/{index}");
            attach(&mut wishes[named], &uuid, &of, &own);
            continue;
        }
        if let Some(have) = there
            .iter()
            .find(|it| it.interface.as_ref() == Some(interface))
        {
            wishes.push(adopted(have, place, activity));
            continue;
        }
        let device = current
            .devices()
            .iter()
            .find(|it| it.interface == *interface);
        let kind = device
            .and_then(|it| it.r#type.as_deref())
            .unwrap_or("ethernet");
        if !matches!(kind, "ethernet" | "veth" | "unknown" | "generic") {
            return Err(Failure::unsupported(format!(
                "connection {name}: {interface} is a {kind}: give it a connection of its own with \"type\", \"interface\" and \"controller\": \
                 \"{name}\", and leave it in the list"
            )));
        }
        let made = Connection {
            id: Some(format!("{name}-port-{interface}")),
            uuid: Some(identity::of_port(&uuid, interface)),
            r#type: Some("ethernet".to_owned()),
            interface: Some(interface.clone()),
            ..Connection::default()
        };
        let mut wish = own(current, &made, place, table)?;
        attach(&mut wish, &uuid, &of, "");
        if let Some(want) = &autoconnect {
            let wants = wish
                .compiled
                .wants
                .entry("connection".to_owned())
                .or_default();
            wants.insert("autoconnect".to_owned(), want.clone());
        }
        wish.activity = activity;
        wishes.push(wish);
    }
    for port in there {
        let stays = port
            .interface
            .as_deref()
            .is_some_and(|it| listed.contains(it));
        let is_named = wishes.iter().any(|it| Some(&it.uuid) == port.uuid.as_ref());
        if !stays && !is_named {
            let place = format!("/connections/{at}/{key}");
            wishes.push(match is_made(port, &uuid) {
                true => gone(port, place),
                false => let_go(port, place),
            });
        }
    }
    Ok(())
}

/// Whether a list of ports has made this profile.
fn is_made(port: &Connection, controller: &str) -> bool {
    let interface = port.interface.as_deref();
    port.uuid.is_some()
        && port.uuid == interface.map(|interface| identity::of_port(controller, interface))
}

/// A profile of somebody's that is a port no more. Its own to be activated: by whoever made it.
fn let_go(have: &Connection, place: String) -> Wish<'_> {
    let mut wish = adopted(have, place, Activity::Down);
    for key in ["master", "slave-type"] {
        wish.compiled.unset("connection", key, "");
    }
    wish
}

/// A profile that is to be gone.
fn gone(have: &Connection, place: String) -> Wish<'_> {
    Wish {
        absent: true,
        ..adopted(have, place, Activity::Any)
    }
}

/// A profile that is good as it is.
fn adopted(have: &Connection, place: String, activity: Activity) -> Wish<'_> {
    Wish {
        uuid: have.uuid.clone().unwrap_or_default(),
        name: have.name().to_owned(),
        of: have.r#type.clone().unwrap_or_default(),
        interface: have.interface.clone(),
        place,
        have: Some(have),
        absent: false,
        compiled: Compiled::default(),
        activity,
    }
}
