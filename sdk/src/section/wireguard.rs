//! Peers of a WireGuard device.

use super::{Network, Secret, Wire};
use crate::netlink as nl;

keys! {
    /// A WireGuard peer.
    pub struct Peer {
        /// Its Curve25519 public key in base64.
        #[cfg_attr(not(target_family = "wasm"), schemars(regex(pattern = r"^[A-Za-z0-9+/]{43}=$")))]
        public_key: String,
    }
    optional {
        /// A secret on top of the key exchange.
        preshared_key: Secret,
        /// Where it is, as `192.0.2.1:51820` or `[2001:db8::1]:51820`.
        endpoint: String,
        /// Seconds between keep-alive packets, 0 for none.
        persistent_keepalive: u16,
        /// The networks that it may use.
        allowed_ips: Vec<Network>,
    }
}

impl Wire<nl::WireguardPeer> for Peer {
    fn to_wire(&self) -> nl::WireguardPeer {
        nl::WireguardPeer {
            public_key: self.public_key.clone(),
            preshared_key: self.preshared_key.to_wire(),
            endpoint: self.endpoint.clone(),
            persistent_keepalive: self.persistent_keepalive,
            allowed_ips: self.allowed_ips.to_wire(),
        }
    }

    fn of_wire(wire: nl::WireguardPeer) -> Self {
        let mut allowed_ips: Vec<Network> = Wire::of_wire(wire.allowed_ips);
        allowed_ips.sort();
        Self {
            public_key: wire.public_key,
            preshared_key: Wire::of_wire(wire.preshared_key),
            endpoint: wire.endpoint,
            persistent_keepalive: wire.persistent_keepalive,
            allowed_ips: Some(allowed_ips),
        }
    }
}
