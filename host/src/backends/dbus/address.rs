//! Where a message bus listens.

use std::convert::Infallible;
use std::env;
use std::fmt;
use std::str::FromStr;

use zbus::Connection;
use zbus::connection::Builder;

use super::error::failure;
use crate::contract::types::{Failure, FailureCode};

/// Where the system bus listens unless `DBUS_SYSTEM_BUS_ADDRESS` says otherwise (D-Bus specification, "System message bus").
const SYSTEM: &str = "unix:path=/var/run/dbus/system_bus_socket";

/// A message bus (D-Bus specification, "Well-known Message Bus Instances").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusAddress {
    /// The system bus: `DBUS_SYSTEM_BUS_ADDRESS`, else the standard socket.
    System,
    /// The session bus: `DBUS_SESSION_BUS_ADDRESS`, else `$XDG_RUNTIME_DIR/bus`.
    Session,
    /// One or more server addresses, separated by `;`, the first that answers winning (D-Bus specification, "Server Addresses").
    Explicit(String),
    /// No bus: for whoever is not given one. Nothing stands in for it.
    Nowhere,
}

impl BusAddress {
    /// The bus as a grant names it: `system`, `session`, or the address.
    pub fn word(&self) -> &str {
        match self {
            Self::System => "system",
            Self::Session => "session",
            Self::Explicit(address) => address,
            Self::Nowhere => "none",
        }
    }

    /// The addresses to try, as text.
    fn resolve(&self) -> Result<String, Failure> {
        match self {
            Self::System => Ok(variable("DBUS_SYSTEM_BUS_ADDRESS").unwrap_or_else(|| SYSTEM.into())),
            Self::Session => variable("DBUS_SESSION_BUS_ADDRESS")
                .or_else(|| {
                    variable("XDG_RUNTIME_DIR").map(|directory| format!("unix:path={directory}/bus"))
                })
                .ok_or_else(|| {
                    failure(
                        FailureCode::Unavailable,
                        "there is no session bus: neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set",
                    )
                }),
            Self::Explicit(text) => Ok(text.clone()),
            Self::Nowhere => Err(failure(
                FailureCode::Unavailable,
                "no message bus is named; name it in the configuration as `dbus-address`",
            )),
        }
    }

    /// Connects and says hello.
    pub(super) async fn connect(&self) -> Result<Connection, Failure> {
        let addresses = self.resolve()?;
        let mut trouble = Vec::new();
        for address in addresses.split(';').filter(|part| !part.is_empty()) {
            match Builder::address(address).build().await {
                Ok(connection) => return Ok(connection),
                Err(error @ (zbus::Error::Address(_) | zbus::Error::InvalidGUID)) => {
                    return Err(failure(
                        FailureCode::Invalid,
                        format!(
                            "{address:?} is no address of a message bus ({error}): write one such as {SYSTEM}"
                        ),
                    ));
                }
                Err(error) => trouble.push(format!("{address}: {error}")),
            }
        }
        if trouble.is_empty() {
            trouble.push("the address is empty".into());
        }
        Err(failure(
            FailureCode::Unavailable,
            format!(
                "{self} cannot be reached ({}): start dbus-daemon or dbus-broker, or name another bus with --dbus-address",
                trouble.join("; ")
            ),
        ))
    }
}

impl FromStr for BusAddress {
    type Err = Infallible;

    /// `system`, `session` or an address; what is no address shows when it is first used.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "system" => Self::System,
            "session" => Self::Session,
            address => Self::Explicit(address.into()),
        })
    }
}

impl fmt::Display for BusAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("the system bus"),
            Self::Session => f.write_str("the session bus"),
            Self::Explicit(address) => write!(f, "the message bus at {address}"),
            Self::Nowhere => f.write_str("no message bus"),
        }
    }
}

/// A variable of the environment; an empty one counts as absent.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
