//! The wish for each profile: those that a section names, and the port profiles that a controller's list of ports needs.

mod ports;

use op_dbus_plugin::Failure;
use op_dbus_plugin::section::State;
use serde_json::Value;

use crate::compile::kinds::{VPN, service_name};
use crate::compile::{Compiled, Want};
use crate::identity;
use crate::section::{Connection, Ip, Method, Section};
use crate::table::Table;
use crate::value::Variant;

/// Whether a profile is to be active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// It must be.
    Up,
    /// Where there is a device for it.
    Auto,
    /// It must not be.
    Down,
    /// Nothing is said.
    Any,
}

/// What is wanted of one profile.
#[derive(Debug)]
pub struct Wish<'a> {
    /// Its identity.
    pub uuid: String,
    /// What a person calls it.
    pub name: String,
    /// Its type in a state file's words.
    pub of: String,
    /// Its interface, where one is known.
    pub interface: Option<String>,
    /// Where the file says it.
    pub place: String,
    /// What is there.
    pub have: Option<&'a Connection>,
    /// It is to be gone.
    pub absent: bool,
    /// The properties that it is to have.
    pub compiled: Compiled,
    /// Whether it is to be active.
    pub activity: Activity,
}

/// All wishes of a section: controllers before their ports.
///
/// # Errors
/// `invalid` and `unsupported` where the file and what is there do not fit together.
pub fn wishes<'a>(
    current: &'a Section,
    desired: &Section,
    table: &Table,
) -> Result<Vec<Wish<'a>>, Failure> {
    let mut wishes = Vec::new();
    for (at, connection) in desired.connections().iter().enumerate() {
        let place = format!("/connections/{at}");
        wishes.push(own(current, connection, place, table)?);
    }
    for (at, connection) in desired.connections().iter().enumerate() {
        if let Some(Some(controller)) = &connection.controller {
            let (uuid, of) = controller_of(controller, &wishes, current).ok_or_else(|| {
                Failure::invalid(format!(
                    "connection {}: there is no profile {controller} that could be its controller",
                    connection.name()
                ))
            })?;
            attach(&mut wishes[at], &uuid, &of, "controller");
        }
    }
    for (at, connection) in desired.connections().iter().enumerate() {
        ports::ports(at, connection, current, &mut wishes, table)?;
    }
    Ok(wishes)
}

/// The profile that an entry of the file means.
fn find<'a>(
    current: &'a Section,
    wish: &Connection,
) -> Result<(String, Option<&'a Connection>), Failure> {
    let by_uuid = |uuid: &str| {
        let all = current.connections();
        all.iter().find(|it| it.uuid.as_deref() == Some(uuid))
    };
    if let Some(uuid) = &wish.uuid {
        let uuid = uuid.to_ascii_lowercase();
        let have = by_uuid(&uuid);
        return Ok((uuid, have));
    }
    let id = wish.name();
    let generated = identity::of_id(id);
    if let Some(have) = by_uuid(&generated) {
        return Ok((generated, Some(have)));
    }
    let named: Vec<&Connection> = current
        .connections()
        .iter()
        .filter(|it| it.id.as_deref() == Some(id))
        .collect();
    match named.as_slice() {
        [] => Ok((generated, None)),
        [have] => Ok((have.uuid.clone().unwrap_or_default(), Some(have))),
        several => {
            let uuids: Vec<&str> = several.iter().filter_map(|it| it.uuid.as_deref()).collect();
            Err(Failure::invalid(format!(
                "connection {id}: there are {} profiles of this name: say which with \"uuid\", one of {}",
                several.len(),
                uuids.join(", ")
            )))
        }
    }
}

fn own<'a>(
    current: &'a Section,
    connection: &Connection,
    place: String,
    table: &Table,
) -> Result<Wish<'a>, Failure> {
    let (uuid, have) = find(current, connection)?;
    let name = connection.id.clone().or(have.and_then(|it| it.id.clone()));
    let name = name.unwrap_or_else(|| uuid.clone());
    let absent = connection.is_absent();
    let is = have.and_then(|it| it.r#type.clone());
    let of = match (&connection.r#type, is) {
        (Some(want), Some(is)) if crate::names::type_of(want) != is && !absent => {
            return Err(Failure::unsupported(format!(
                "connection {name}: it is of the type {is}, and a profile cannot become another one: give the new one a uuid of its own and \
                 say \"state\": \"absent\" of the old one"
            )));
        }
        (Some(want), _) => crate::names::type_of(want).to_owned(),
        (None, Some(is)) => is,
        (None, None) if absent => String::new(),
        (None, None) => {
            return Err(Failure::invalid(format!(
                "connection {name}: there is no such profile, and for a new one the file must say its \"type\""
            )));
        }
    };
    // Under which key a VPN's gateway stands is its plugin's to say, whether or not the file names that.
    let service = have.and_then(|it| it.service.clone());
    let service = connection.service.clone().or(service);
    let with_service;
    let connection = match connection.service == service {
        true => connection,
        false => {
            with_service = Connection {
                service,
                ..connection.clone()
            };
            &with_service
        }
    };
    let mut compiled = Compiled::of(connection, &of, table);
    let interface = connection
        .interface
        .clone()
        .or(have.and_then(|it| it.interface.clone()));
    let mut wish = Wish {
        uuid,
        name,
        interface,
        place,
        have,
        absent,
        activity: activity(connection),
        compiled: Compiled::default(),
        of,
    };
    if have.is_none() && !absent {
        complete(&mut compiled, &mut wish, connection);
    }
    wish.compiled = compiled;
    Ok(wish)
}

fn activity(connection: &Connection) -> Activity {
    match (connection.state, connection.autoconnect) {
        (Some(State::Up), _) => Activity::Up,
        (Some(State::Down), _) => Activity::Down,
        (None, Some(true)) if connection.r#type.as_deref() != Some("vpn") => Activity::Auto,
        _ => Activity::Any,
    }
}

/// What a new profile needs beside what the file says.
fn complete(compiled: &mut Compiled, wish: &mut Wish, connection: &Connection) {
    let mut default = |setting: &str, key: &str, value: Variant| {
        if compiled
            .wants
            .get(setting)
            .is_none_or(|it| !it.contains_key(key))
        {
            compiled.set(setting, key, value, "");
        }
    };
    default("connection", "id", Variant::text(&wish.name));
    default(
        "connection",
        "type",
        Variant::text(crate::names::setting_of(&wish.of)),
    );
    // These types are devices of their own, and NetworkManager asks for the name.
    let is_named = matches!(
        wish.of.as_str(),
        "bridge" | "bond" | "team" | "wireguard" | "dummy" | "tun" | "vrf"
    );
    if is_named && wish.interface.is_none() && wish.name.len() <= 15 {
        default("connection", "interface-name", Variant::text(&wish.name));
        wish.interface = Some(wish.name.clone());
    }
    for (setting, ip) in [("ipv4", &connection.ipv4), ("ipv6", &connection.ipv6)] {
        if let Some(ip) = ip {
            default(setting, "method", Variant::text(usual(ip).word()));
        }
    }
    let secured = connection.security.as_ref();
    if secured.is_some_and(|it| it.psk.is_some()) {
        default(
            "802-11-wireless-security",
            "key-mgmt",
            Variant::text("wpa-psk"),
        );
    } else if secured.is_some_and(|it| it.eap.is_some()) {
        default(
            "802-11-wireless-security",
            "key-mgmt",
            Variant::text("wpa-eap"),
        );
    }
    if wish.of == "vpn" {
        default("vpn", "service-type", Variant::text(service_name(VPN)));
    }
    // The setting that the type is named after must be there, if only empty.
    let setting = crate::names::setting_of(&wish.of).to_owned();
    compiled.wants.entry(setting).or_default();
}

/// The method where the file names none.
fn usual(ip: &Ip) -> Method {
    match &ip.addresses {
        Some(addresses) if !addresses.is_empty() => Method::Manual,
        _ => Method::Auto,
    }
}

/// The uuid and type of the profile that a port names as its controller: by uuid, id or interface.
fn controller_of(name: &str, wishes: &[Wish], current: &Section) -> Option<(String, String)> {
    let wished = wishes.iter().find(|it| {
        !it.absent
            && (it.uuid == name || it.name == name || it.interface.as_deref() == Some(name))
            && it.is_controller()
    });
    if let Some(wish) = wished {
        return Some((wish.uuid.clone(), wish.of.clone()));
    }
    let is = |it: &&Connection| {
        [&it.uuid, &it.id, &it.interface]
            .into_iter()
            .any(|it| it.as_deref() == Some(name))
    };
    let all = current.connections().iter();
    all.filter(is)
        .find(|it| {
            matches!(
                it.r#type.as_deref(),
                Some("bridge" | "bond" | "team" | "vrf" | "ovs-bridge" | "ovs-port")
            )
        })
        .and_then(|it| Some((it.uuid.clone()?, it.r#type.clone()?)))
}

impl Wish<'_> {
    fn is_controller(&self) -> bool {
        matches!(
            self.of.as_str(),
            "bridge" | "bond" | "team" | "vrf" | "ovs-bridge" | "ovs-port"
        )
    }
}

/// Makes a profile a port. A controller that is named by its interface already is the same one.
fn attach(wish: &mut Wish, controller: &str, of: &str, place: &str) {
    wish.compiled
        .set("connection", "master", Variant::text(controller), place);
    wish.compiled
        .set("connection", "slave-type", Variant::text(of), place);
}

/// A want as a value, for a person.
pub fn shown(want: &Want) -> Value {
    match want {
        Want::Value(value) => value.data.clone(),
        Want::Entries(entries) => entries.clone().into(),
        Want::Unset => Value::Null,
    }
}
