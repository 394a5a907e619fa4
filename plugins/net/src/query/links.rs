//! Links, as interfaces of the section.

use op_dbus_plugin::netlink as nl;

use crate::kind;
use crate::section::port::PortSettings;
use crate::section::words::BondMode;
use crate::section::{Interface, Mac, State};
use op_dbus_plugin::section::Wire;

/// A link in the section's words. Its ports are another link's business.
pub fn interface(link: nl::Link) -> Interface {
    let mut interface = Interface {
        name: link.name,
        state: Some(if link.up { State::Up } else { State::Down }),
        mtu: Some(link.mtu),
        mac: link.mac.map(|mac| Mac(mac.to_ascii_lowercase())),
        description: link.description.filter(|text| !text.is_empty()),
        alternative_names: (!link.alternative_names.is_empty()).then_some(link.alternative_names),
        transmit_queue_length: Some(link.transmit_queue_length),
        group: Some(link.group).filter(|group| *group != 0),
        // What is usual is not said; the comparison fills it in.
        arp: (!link.arp).then_some(false),
        all_multicast: link.all_multicast.then_some(true),
        promiscuous: link.promiscuous.then_some(true),
        address_generation: Wire::of_wire(link.address_generation),
        controller: link.controller.map(Some),
        port: PortSettings::of_wire(link.port),
        index: Some(link.index),
        running: Some(link.running),
        permanent_mac: link.permanent_mac.map(Mac),
        queueing_discipline: link.queueing_discipline,
        unknown: Wire::of_wire(link.unknown),
        ..Interface::default()
    };
    kind::set(&mut interface, link.kind);
    if let Some(bond) = &mut interface.bond
        && bond.mode.is_some_and(|mode| mode != BondMode::Lacp)
    {
        // The kernel shows these in every mode, and takes them in one.
        (bond.lacp_rate, bond.ad_select) = (None, None);
        bond.ad_actor_system_priority = None;
    }
    interface
}
