//! The services that plugins work through. None of them need be there; who wants to use them reads why they cannot be.

use std::time::Duration;

use tokio::time::timeout;

use super::Findings;
use crate::backends::dbus::{Bus, BusAddress};
use crate::backends::ovsdb::{Lazy, Server as _};
use crate::plugin::failure::describe;

/// A service on this machine that does not answer within this time is not well.
const PATIENCE: Duration = Duration::from_secs(5);

/// The name that NetworkManager owns while it runs (its D-Bus reference).
const NETWORK_MANAGER: &str = "org.freedesktop.NetworkManager";

/// Open vSwitch's database server.
pub async fn ovsdb(server: &Lazy, findings: &mut Findings) {
    let Some(remote) = server.remote() else {
        findings.ok("ovsdb", "none is named for this tenant: none is used");
        return;
    };
    let advice = "start Open vSwitch if you want to use it (Debian: openvswitch-switch)";
    match timeout(PATIENCE, server.databases()).await {
        Ok(Ok(databases)) => {
            let databases = databases.join(", ");
            findings.ok("ovsdb", format!("{remote}: {databases}"));
        }
        Ok(Err(error)) => findings.warn("ovsdb", error.to_string(), advice),
        Err(_) => findings.warn("ovsdb", format!("{remote} does not answer"), advice),
    }
}

/// The message bus, and NetworkManager on it.
pub async fn bus(bus: &Bus, findings: &mut Findings) {
    if *bus.address() == BusAddress::Nowhere {
        findings.ok("message bus", "none is named for this tenant: none is used");
        return;
    }
    match timeout(PATIENCE, bus.has_owner(NETWORK_MANAGER)).await {
        Ok(Ok(true)) => {
            findings.ok("message bus", "it answers");
            findings.ok("NetworkManager", "it runs, and owns its name");
        }
        Ok(Ok(false)) => {
            findings.ok("message bus", "it answers");
            findings.ok("NetworkManager", "it does not run: `net` is in charge");
        }
        Ok(Err(failure)) => findings.warn(
            "message bus",
            describe(&failure),
            "start dbus if you want to use NetworkManager",
        ),
        Err(_) => findings.warn(
            "message bus",
            "it does not answer",
            "look at `systemctl status dbus`",
        ),
    }
}
