//! The services that plugins work through. None of them need be there; who wants to use them reads why they cannot be.

use std::time::Duration;

use tokio::time::timeout;

use super::Findings;
use crate::backends::dbus::Bus;
use crate::backends::ovsdb::{Client, Options, Remote};
use crate::plugin::failure::describe;

/// Where Open vSwitch's packages put the database server's socket.
const OVSDB: &str = "unix:/run/openvswitch/db.sock";

/// A service on this machine that does not answer within this time is not well.
const PATIENCE: Duration = Duration::from_secs(5);

/// The name that NetworkManager owns while it runs (its D-Bus reference).
const NETWORK_MANAGER: &str = "org.freedesktop.NetworkManager";

/// Open vSwitch's database server.
pub async fn ovsdb(findings: &mut Findings) {
    let asked = async {
        let remote: Remote = OVSDB.parse().map_err(|error| format!("{error}"))?;
        let client = Client::connect(Options::new(remote)).await;
        let client = client.map_err(|error| error.to_string())?;
        client.list_dbs().await.map_err(|error| error.to_string())
    };
    let advice = "start Open vSwitch if you want to use it (Debian: openvswitch-switch)";
    match timeout(PATIENCE, asked).await {
        Ok(Ok(databases)) => findings.ok("ovsdb", format!("{OVSDB}: {}", databases.join(", "))),
        Ok(Err(error)) => findings.warn("ovsdb", error, advice),
        Err(_) => findings.warn("ovsdb", format!("{OVSDB} does not answer"), advice),
    }
}

/// The message bus, and NetworkManager on it.
pub async fn bus(bus: &Bus, findings: &mut Findings) {
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
