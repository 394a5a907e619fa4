//! `op-dbus apply --dry-run --json`: what would be sent.

use serde::Serialize;

use super::{Json, VERSION, raw};
use crate::contract::dbus::MethodCall;
use crate::contract::netlink::Request;
use crate::gate::Rehearsed as Change;

/// `op-dbus apply --dry-run --json`.
#[derive(Debug, Serialize)]
pub struct Rehearsal<'a> {
    /// [`VERSION`].
    pub version: u32,
    /// The very requests that would be sent, in order.
    pub requests: Vec<Rehearsed<'a>>,
}

/// A request that would be sent: one of the fields after `plugin`.
#[derive(Debug, Serialize)]
pub struct Rehearsed<'a> {
    /// The plugin that asks for it.
    pub plugin: &'a str,
    /// To the kernel: the request, as `netlink.wit` has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub netlink: Option<&'a Request>,
    /// To an OVSDB server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ovsdb: Option<Transact<'a>>,
    /// To the message bus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dbus: Option<Call<'a>>,
}

/// A transaction of an OVSDB server (RFC 7047 section 4.1.3).
#[derive(Debug, Serialize)]
pub struct Transact<'a> {
    /// The database.
    pub database: &'a str,
    /// The operations.
    pub operations: &'a serde_json::Value,
}

/// A method call, as `dbus.wit` has it.
#[derive(Debug, Serialize)]
pub struct Call<'a> {
    /// Who is called.
    pub destination: &'a str,
    /// Object path.
    pub path: &'a str,
    /// Interface.
    pub interface: &'a str,
    /// Method.
    pub member: &'a str,
    /// D-Bus signature of the arguments.
    pub signature: &'a str,
    /// The arguments: a list with one item for each complete type.
    pub arguments: Json,
}

impl<'a> Call<'a> {
    /// A call that a plugin makes.
    ///
    /// # Errors
    /// When its arguments are not JSON.
    pub fn of(call: &'a MethodCall) -> serde_json::Result<Self> {
        Ok(Self {
            destination: &call.destination,
            path: &call.path,
            interface: &call.interface,
            member: &call.member,
            signature: &call.signature,
            arguments: raw(&call.arguments)?,
        })
    }
}

impl<'a> Rehearsal<'a> {
    /// Changes by plugin, in order.
    ///
    /// # Errors
    /// When what a plugin would send is not JSON.
    pub fn of(changes: &'a [(String, Change)]) -> serde_json::Result<Self> {
        let requests = changes.iter().map(|(plugin, change)| {
            let mut rehearsed = Rehearsed {
                plugin,
                netlink: None,
                ovsdb: None,
                dbus: None,
            };
            match change {
                Change::Netlink(request) => rehearsed.netlink = Some(request),
                Change::Ovsdb {
                    database,
                    operations,
                } => {
                    rehearsed.ovsdb = Some(Transact {
                        database,
                        operations,
                    });
                }
                Change::Dbus { call } => rehearsed.dbus = Some(Call::of(call)?),
            }
            Ok(rehearsed)
        });
        Ok(Self {
            version: VERSION,
            requests: requests.collect::<serde_json::Result<_>>()?,
        })
    }
}
