//! What the operator lets a plugin do: pure values, checked without input or output.

mod beyond;
mod dbus;
mod ovsdb;

use serde::{Deserialize, Serialize};

pub use beyond::beyond;
pub use ovsdb::{OvsdbGrant, Verb};

pub use dbus::{Bid, DbusGrant, DbusRule, Effect, covering};

use super::network::{Network, Range};
use super::pattern::Pattern;

/// The grant of one plugin. What it does not name is denied.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grant {
    /// The kernel's network configuration.
    pub netlink: Option<NetlinkGrant>,
    /// Services on a message bus.
    pub dbus: Option<DbusGrant>,
    /// Open vSwitch's database.
    pub ovsdb: Option<OvsdbGrant>,
    /// Names of secrets that the plugin may have put in place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<Pattern>,
}

/// What a plugin may see and change of the kernel's network configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetlinkGrant {
    /// Links that reads show, with what hangs from them. What may be changed may be seen.
    pub see: Vec<Pattern>,
    /// Links that may be created, changed and deleted, and whose addresses, routes, neighbours and VLANs may be.
    pub change: Vec<Pattern>,
    /// Links that others may be stacked on although they may not be changed.
    pub parents: Vec<Pattern>,
    /// Kinds of links that may be created, by the kernel's word.
    pub kinds: Vec<Pattern>,
    /// Networks that addresses, routes' destinations and neighbours must lie in.
    pub networks: Vec<Network>,
    /// Routing tables whose routes may be seen and changed, and that rules may look up.
    pub tables: Vec<Range>,
    /// Whether routing rules may be changed. They concern all traffic of the namespace, whatever link it uses.
    pub rules: bool,
    /// Whether attributes that op-dbus has no name for may be sent as they were read. What they may refer to (other links, tables) cannot be
    /// checked.
    pub unknown_attributes: bool,
}

impl NetlinkGrant {
    /// Everything: the grant of the built-in plugin `net`.
    pub fn everything() -> Self {
        let any = || vec![Pattern::new("*")];
        let networks = ["0.0.0.0/0", "::/0"].map(|text| text.parse().expect("a network"));
        Self {
            see: any(),
            change: any(),
            parents: any(),
            kinds: any(),
            networks: networks.into(),
            tables: vec![Range::ANY],
            rules: true,
            unknown_attributes: true,
        }
    }

    /// Whether nothing of any link is hidden or kept from changes, so that names need no look-up.
    pub fn covers_all_links(&self) -> bool {
        self.change.iter().any(Pattern::is_any)
    }
}

impl Grant {
    /// Whether it covers every secret, so that whatever was seen of one may be put anywhere.
    pub fn covers_all_secrets(&self) -> bool {
        self.secrets.iter().any(Pattern::is_any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_grant_grants_nothing() {
        let grant: Grant = toml::from_str("").unwrap();
        assert_eq!(grant, Grant::default());
        assert!(grant.netlink.is_none());
    }

    #[test]
    fn a_misspelt_grant_names_the_valid_options() {
        let error = toml::from_str::<Grant>("[netlink]\nchagne = [\"eth0\"]").unwrap_err();
        assert!(error.to_string().contains("`change`"), "{error}");
    }
}
