//! Open vSwitch: bridges, bonds, and the database's own keys, in the words of ovs-vswitchd.conf.db(5).

use std::collections::BTreeMap;

use op_dbus_plugin::keys;
use serde::{Deserialize, Serialize};

/// A map of texts that is merged key by key; `null` removes a key.
pub type TextMap = BTreeMap<String, Option<String>>;

macro_rules! choice {
    ($(#[$meta:meta])* pub enum $name:ident { $($variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(not(target_family = "wasm"), derive(schemars::JsonSchema))]
        #[allow(missing_docs, reason = "a word says what it means")]
        pub enum $name { $(#[serde(rename = $word)] $variant,)* }

        impl $name {
            /// The database's word.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// By the database's word.
            pub fn of_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

choice! {
    /// What a bridge does without its controllers: switches like any bridge, or drops what no flow matches.
    pub enum FailMode { Standalone = "standalone", Secure = "secure", }
}
choice! {
    /// Where packets are switched: in the kernel, or in ovs-vswitchd itself.
    pub enum Datapath { System = "system", Netdev = "netdev", }
}
choice! {
    /// How a bond spreads traffic over its links.
    pub enum OvsBondMode {
        ActiveBackup = "active-backup",
        BalanceSlb = "balance-slb",
        BalanceTcp = "balance-tcp",
    }
}
choice! {
    /// Whether a bond speaks LACP, and who begins.
    pub enum Lacp { Active = "active", Passive = "passive", Off = "off", }
}
choice! {
    /// How often a LACP partner is to send: every 30 seconds or every second.
    pub enum LacpRate { Slow = "slow", Fast = "fast", }
}

keys! {
    /// Settings of a bridge of Open vSwitch. Mirrors, flows, and whatever else is not named here are left alone.
    pub struct OvsBridge {}
    optional {
        /// What it does without its controllers.
        fail_mode: FailMode,
        /// Speaks the spanning tree protocol (802.1D).
        stp: bool,
        /// Speaks the rapid spanning tree protocol (802.1D-2004).
        rstp: bool,
        /// Sends multicast only where somebody listens.
        mcast_snooping: bool,
        /// Where it switches. Changing it makes its links anew.
        datapath_type: Datapath,
        /// Exactly these versions of OpenFlow: `OpenFlow10` to `OpenFlow15`.
        protocols: Vec<String>,
        /// Exactly these OpenFlow controllers, such as `tcp:192.0.2.9:6653`.
        controllers: Vec<String>,
        /// The bridge's `other_config`, merged key by key; `null` removes a key.
        other_config: TextMap,
        /// The bridge's `external_ids`, merged key by key; `null` removes a key.
        external_ids: TextMap,
        /// Read only: the MTU that Open vSwitch was asked for; it is set by the interface's `mtu`.
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        mtu_request: u32,
    }
}

keys! {
    /// A bond of Open vSwitch.
    pub struct OvsBond {}
    optional {
        /// Exactly these links, two at least.
        ports: Vec<String>,
        /// How it spreads traffic.
        mode: OvsBondMode,
        /// Whether it speaks LACP.
        lacp: Lacp,
        /// How often the LACP partner is to send (`lacp-time`).
        lacp_rate: LacpRate,
        /// Milliseconds that a link must be up before it is used.
        #[cfg_attr(not(target_family = "wasm"), schemars(range(max = 2147483647)))]
        updelay: u32,
        /// Milliseconds that a link must be down before it is given up.
        #[cfg_attr(not(target_family = "wasm"), schemars(range(max = 2147483647)))]
        downdelay: u32,
        /// The link that is used while it works (`bond-primary`; only active-backup).
        primary: String,
        /// Read only: the link-layer address of the link in use, or its name on newer releases.
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        active: String,
        /// Read only: its links.
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        members: Vec<BondMember>,
    }
}

keys! {
    /// A link of a bond, as it is.
    pub struct BondMember {
        /// Its name.
        name: String,
    }
    optional {
        /// The OpenFlow port number.
        ofport: i64,
        /// Whether it has carrier.
        link_state: String,
        /// Whether LACP has agreed with the partner.
        lacp_current: bool,
        /// Why Open vSwitch cannot have it.
        error: String,
    }
}

keys! {
    /// Open vSwitch as a whole.
    pub struct OvsDb {}
    optional {
        /// `external_ids` of the database, merged key by key; `null` removes a key.
        external_ids: TextMap,
        /// `other_config` of the database, merged key by key; `null` removes a key.
        other_config: TextMap,
        /// Read only: why Open vSwitch cannot be reached.
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        unavailable: String,
    }
}
