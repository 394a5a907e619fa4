//! What is, in a state file's words.

use std::collections::HashSet;

use op_dbus_plugin::Failure;

use crate::identity;
use crate::names;
use crate::section::{Active, Connection, Device, Section};
use crate::show;
use crate::system::{Stored, System};
use crate::table::Table;
use crate::value::text;

/// Whether secrets are among what is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// By fingerprint.
    Shown,
    /// They are not asked for.
    LeftOut,
}

/// Everything, or what a section concerns.
///
/// # Errors
/// What NetworkManager answered.
pub fn section(within: Option<&Section>, secrets: Secrets) -> Result<Section, Failure> {
    Ok(read(within, secrets)?.1)
}

/// The same with the paths of the objects.
///
/// # Errors
/// What NetworkManager answered.
pub fn read(within: Option<&Section>, secrets: Secrets) -> Result<(System, Section), Failure> {
    let table = Table::new();
    let mut system = System::read()?;
    let scope = within.map(|within| Scope::of(within, &system));
    let concerns = |stored: &Stored| {
        scope
            .as_ref()
            .is_none_or(|it| it.profiles.contains(stored.uuid()))
    };
    if secrets == Secrets::Shown {
        system.read_secrets(&table, concerns)?;
    }
    let mut connections: Vec<Connection> = system
        .profiles
        .iter()
        .filter(|stored| concerns(stored))
        .map(|stored| show::connection(&stored.settings, &table))
        .collect();
    connections.sort_by(|a, b| (&a.id, &a.uuid).cmp(&(&b.id, &b.uuid)));
    list_ports(&mut connections);
    let in_scope = |interface: &String| {
        scope
            .as_ref()
            .is_none_or(|scope| scope.interfaces.contains(interface))
    };
    let devices: Vec<Device> = devices(&system)
        .into_iter()
        .filter(|device| in_scope(&device.interface))
        .collect();
    let active: Vec<Active> = active(&system)
        .into_iter()
        .filter(|active| {
            scope
                .as_ref()
                .is_none_or(|scope| scope.profiles.contains(&active.uuid))
                || active.devices.iter().flatten().any(in_scope)
        })
        .collect();
    let section = Section {
        connections: Some(connections),
        devices: Some(devices),
        active_connections: Some(active),
    };
    Ok((system, section))
}

/// What a section concerns.
struct Scope {
    /// The uuids of the profiles that it names, and of their ports.
    profiles: HashSet<String>,
    /// The interfaces of the devices that it names, that its profiles are for, and that they are active on.
    interfaces: HashSet<String>,
}

impl Scope {
    fn of(within: &Section, system: &System) -> Self {
        let mut scope = Self {
            profiles: HashSet::new(),
            interfaces: HashSet::new(),
        };
        for device in within.devices() {
            scope.interfaces.insert(device.interface.clone());
        }
        for wish in within.connections() {
            let named = |stored: &&Stored| {
                let by_uuid = wish
                    .uuid
                    .as_deref()
                    .map(|uuid| uuid.eq_ignore_ascii_case(stored.uuid()));
                let generated = wish.id.as_deref().map(identity::of_id);
                by_uuid.unwrap_or_else(|| {
                    Some(stored.id()) == wish.id.as_deref()
                        || generated.as_deref() == Some(stored.uuid())
                })
            };
            let found: Vec<&Stored> = system.profiles.iter().filter(named).collect();
            scope
                .interfaces
                .extend(wish.interface.iter().chain(&wish.parent).cloned());
            if let Some((_, ports)) = wish.port_list() {
                scope.interfaces.extend(ports.iter().cloned());
            }
            for stored in found {
                scope.add(stored, system);
            }
            scope.add_ports_of(wish, system);
        }
        scope
    }

    fn add(&mut self, stored: &Stored, system: &System) {
        if !self.profiles.insert(stored.uuid().to_owned()) {
            return;
        }
        let own =
            |setting: &str, key: &str| text(&stored.settings, setting, key).map(str::to_owned);
        self.interfaces.extend(own("connection", "interface-name"));
        self.interfaces.extend(own("vlan", "parent"));
        for (_, active) in system
            .active
            .iter()
            .filter(|(_, it)| it.text("Uuid") == stored.uuid())
        {
            let devices = active.texts("Devices");
            let devices = devices.iter().filter_map(|path| system.devices.get(path));
            self.interfaces
                .extend(devices.map(|device| device.text("Interface")));
        }
        let interface = own("connection", "interface-name");
        for port in &system.profiles {
            let master = text(&port.settings, "connection", "master");
            if master.is_some() && (master == Some(stored.uuid()) || master == interface.as_deref())
            {
                self.add(port, system);
            }
        }
    }

    /// Profiles that are ports of what the wish names, and those that are there for the interfaces that it lists.
    fn add_ports_of(&mut self, wish: &Connection, system: &System) {
        let Some((_, ports)) = wish.port_list() else {
            return;
        };
        for stored in &system.profiles {
            let interface = text(&stored.settings, "connection", "interface-name");
            let is_listed = interface.is_some_and(|it| ports.iter().any(|port| port == it));
            let master = text(&stored.settings, "connection", "master");
            let is_port = master.is_some()
                && [&wish.uuid, &wish.interface]
                    .into_iter()
                    .any(|it| it.as_deref() == master);
            if is_port || is_listed && master.is_some() {
                self.add(stored, system);
            }
        }
    }
}

/// Says of controllers which interfaces are their ports.
fn list_ports(connections: &mut [Connection]) {
    let ports: Vec<(String, String)> = connections
        .iter()
        .filter_map(|it| Some((it.controller.clone()??, it.interface.clone()?)))
        .collect();
    for connection in connections {
        if !matches!(
            connection.r#type.as_deref(),
            Some("bridge" | "bond" | "team")
        ) {
            continue;
        }
        let own: Vec<String> = ports
            .iter()
            .filter(|(controller, _)| {
                Some(controller) == connection.uuid.as_ref()
                    || Some(controller) == connection.interface.as_ref()
            })
            .map(|(_, port)| port.clone())
            .collect();
        connection.ports = Some(own);
    }
}

fn devices(system: &System) -> Vec<Device> {
    let uuids = system.uuids();
    let some = |text: String| (!text.is_empty()).then_some(text);
    let mut devices: Vec<Device> = system
        .devices
        .values()
        .map(|device| {
            let active = system.active.get(&device.text("ActiveConnection"));
            let available = device.texts("AvailableConnections");
            let available = available.iter().filter_map(|path| uuids.get(path.as_str()));
            Device {
                interface: device.text("Interface"),
                managed: Some(device.boolean("Managed")),
                r#type: Some(names::device_type(device.number("DeviceType"))),
                mac: some(device.text("HwAddress")),
                state: Some(names::device_state(device.number("State"))),
                driver: some(device.text("Driver")),
                active_connection: active.map(|active| active.text("Uuid")),
                available_connections: Some(available.map(|uuid| (*uuid).to_owned()).collect()),
            }
        })
        .collect();
    devices.sort_by(|a, b| a.interface.cmp(&b.interface));
    devices
}

fn active(system: &System) -> Vec<Active> {
    let mut active: Vec<Active> = system
        .active
        .values()
        .map(|active| {
            let devices = active.texts("Devices");
            let devices = devices.iter().filter_map(|path| system.devices.get(path));
            Active {
                uuid: active.text("Uuid"),
                id: Some(active.text("Id")),
                r#type: Some(names::type_of(&active.text("Type")).to_owned()),
                state: Some(names::active_state(active.number("State"))),
                devices: Some(devices.map(|device| device.text("Interface")).collect()),
                default: Some(active.boolean("Default")),
                default6: Some(active.boolean("Default6")),
            }
        })
        .collect();
    active.sort_by(|a, b| a.uuid.cmp(&b.uuid));
    active
}
