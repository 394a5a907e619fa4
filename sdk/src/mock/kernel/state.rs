//! Up and down, and what comes and goes with it.

use super::Kernel;
use super::errno::{Result, errno};
use crate::netlink::Kind;

impl Kernel {
    /// dev_open. A VLAN needs its parent up, unless loosely bound (vlan_dev_open in net/8021q/vlan_dev.c).
    pub(super) fn open(&mut self, index: u32) -> Result {
        let device = self.device(index);
        if let Kind::Vlan(vlan) = &device.link.kind
            && vlan.loose_binding != Some(true)
            && device
                .parent
                .is_some_and(|parent| !self.device(parent).link.up)
        {
            return errno("ENETDOWN");
        }
        self.bring_up(index);
        Ok(())
    }

    /// Up: the addresses' routes come back (fib_netdev_event in net/ipv4/fib_frontend.c, addrconf_permanent_addr in net/ipv6/addrconf.c),
    /// `lo` gets its addresses, and the VLANs above come up too (vlan_device_event in net/8021q/vlan.c).
    pub(super) fn bring_up(&mut self, index: u32) {
        if self.device(index).link.up {
            return;
        }
        self.device_mut(index).link.up = true;
        if self.device(index).is_loopback() {
            self.make_loopback_addresses(index);
        }
        self.make_multicast_route(index);
        for position in 0..self.addresses.len() {
            if self.addresses[position].link == index {
                self.connect(position);
            }
        }
        for vlan in self.bound_vlans(index) {
            self.bring_up(vlan);
        }
        self.refresh_link_local();
    }

    /// Down: IPv4 addresses stay and their routes go, all but those of table local (fib_disable_ip); IPv6 addresses go (addrconf_ifdown;
    /// the sysctl keep_addr_on_down is 0), neighbours go (neigh_ifdown), the VLANs above go down.
    pub(super) fn take_down(&mut self, index: u32) {
        if !self.device(index).link.up {
            return;
        }
        for vlan in self.bound_vlans(index) {
            self.take_down(vlan);
        }
        self.device_mut(index).link.up = false;
        self.drop_ipv6(index);
        self.drop_paths_of_down_link(index);
        self.neighbours.retain(|entry| entry.link != index);
        self.refresh_link_local();
    }

    /// Down and up again, where it was up (cycle_netdev in drivers/net/vrf.c): routes move to the table of the new domain.
    pub(super) fn cycle(&mut self, index: u32) {
        if self.device(index).link.up {
            self.take_down(index);
            self.bring_up(index);
        }
        self.move_local_paths(index);
    }

    fn bound_vlans(&self, parent: u32) -> Vec<u32> {
        let above = self.devices.values().filter(|it| it.parent == Some(parent));
        let bound = above.filter(|it| match &it.link.kind {
            Kind::Vlan(vlan) => vlan.loose_binding != Some(true),
            _ => false,
        });
        bound.map(|it| it.link.index).collect()
    }

    /// Takes away everything that names a link which is going.
    pub(super) fn forget_hangers(&mut self, index: u32) {
        self.addresses.retain(|it| it.link != index);
        self.drop_paths_of_gone_link(index);
        self.neighbours.retain(|it| it.link != index);
        self.vlans.retain(|(link, _), _| *link != index);
    }
}
