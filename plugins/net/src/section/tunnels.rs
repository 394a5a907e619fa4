//! Settings of tunnels.

use op_dbus_plugin::netlink as nl;
use op_dbus_plugin::settings;

use super::rule::NumberRange;
use super::text::EndPoint;
use super::words::DontFragment;

settings! {
    /// A VXLAN tunnel end point (RFC 7348).
    pub struct Vxlan = nl::Vxlan {
        /// The VXLAN network identifier. Changing it makes the link anew.
        #[cfg_attr(not(target_family = "wasm"), schemars(range(max = 16777215)))]
        id: u32,
        /// The link that carries the tunnel.
        parent: String,
        /// The own end point.
        local: EndPoint,
        /// A unicast end point or a multicast group.
        remote: EndPoint,
        /// UDP port; the standard one is 4789, the kernel's default 8472. Changing it makes the link anew.
        port: u16,
        /// UDP ports that packets are sent from. Changing it makes the link anew.
        source_ports: NumberRange,
        /// Whether outer packets may be fragmented: `unset` (they may), `set`, or `inherit` from the inner packet.
        dont_fragment: DontFragment,
        /// Time to live of outer packets, 0 for the default.
        ttl: u8,
        /// Type of service of outer packets; 1 inherits.
        tos: u8,
        /// Learns end points from what comes in.
        learning: bool,
        /// Seconds that a learnt end point lives.
        ageing: u32,
        /// The most end points learnt, 0 for no limit. Changing it makes the link anew.
        limit: u32,
        /// Answers ARP itself. Changing it makes the link anew.
        proxy: bool,
        /// Routes to known hosts directly. Changing it makes the link anew.
        route_short_circuit: bool,
        /// Takes tunnel metadata from outside. Changing it makes the link anew.
        collect_metadata: bool,
        /// Checksums over UDP. Changing it makes the link anew.
        udp_checksum: bool,
    }
}
settings! {
    /// A Geneve tunnel (RFC 8926).
    pub struct Geneve = nl::Geneve {
        /// The virtual network identifier. Changing it makes the link anew.
        #[cfg_attr(not(target_family = "wasm"), schemars(range(max = 16777215)))]
        id: u32,
        /// The other end point.
        remote: EndPoint,
        /// UDP port. Changing it makes the link anew.
        port: u16,
        /// Time to live of outer packets, 0 for the default.
        ttl: u8,
        /// Type of service of outer packets; 1 inherits.
        tos: u8,
        /// Takes tunnel metadata from outside. Changing it makes the link anew.
        collect_metadata: bool,
        /// Checksums over UDP. Changing it makes the link anew.
        udp_checksum: bool,
    }
}
settings! {
    /// A tunnel over IP.
    pub struct Tunnel = nl::Tunnel {
        /// The link that carries the tunnel.
        parent: String,
        /// The own end point.
        local: EndPoint,
        /// The other end point.
        remote: EndPoint,
        /// Time to live of outer packets; 0 inherits.
        ttl: u8,
        /// Type of service of outer packets; 1 inherits.
        tos: u8,
        /// Key of received packets; only GRE (RFC 2890).
        input_key: u32,
        /// Key of sent packets; only GRE (RFC 2890).
        output_key: u32,
        /// Path MTU discovery.
        path_mtu_discovery: bool,
        /// Only over IPv6 (RFC 2473 section 6.6).
        encapsulation_limit: u8,
        /// Only over IPv6.
        #[cfg_attr(not(target_family = "wasm"), schemars(range(max = 1048575)))]
        flow_label: u32,
    }
}
