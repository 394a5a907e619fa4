//! What Open vSwitch's daemon does to links. Its datapath is no controller that netlink could attach to or detach from, and its links have
//! no `dellink` (net/openvswitch/vport-internal_dev.c, vport-netdev.c).

use super::Kernel;
use super::device::Device;
use crate::netlink::{Kind, LinkSettings, Tun, TunMode};

/// The link of the kernel's datapath.
const DATAPATH: &str = "ovs-system";

/// The kind of the datapath's own links.
pub(super) const KIND: &str = "openvswitch";

impl Kernel {
    fn datapath(&mut self) -> u32 {
        if self.index_of(DATAPATH).is_none() {
            self.add_other(DATAPATH, KIND);
        }
        self.index_of(DATAPATH).expect("it was just made")
    }

    /// Makes an internal port: of the kernel's datapath, or a TAP device of the daemon's own. Whether the name was free.
    pub(in crate::mock) fn make_internal_port(&mut self, name: &str, tap: bool) -> bool {
        if self.index_of(name).is_some() {
            return false;
        }
        if tap {
            let index = self.next_index;
            self.next_index += 1;
            let kind = Kind::Tun(Tun {
                mode: TunMode::Tap,
                owner: None,
                group: None,
                packet_information: Some(false),
                vnet_header: Some(false),
                multi_queue: Some(false),
                persistent: Some(false),
            });
            self.devices.insert(index, Device::new(index, name, kind));
        } else {
            self.datapath();
            self.add_other(name, KIND);
        }
        true
    }

    /// Takes an internal port away.
    pub(in crate::mock) fn remove_internal_port(&mut self, name: &str) {
        if let Some(index) = self.index_of(name) {
            self.remove_device(index);
        }
    }

    /// Gives a link to the kernel's datapath. Whether it was free for it: a port of a bridge is busy (ovs_netdev_link).
    pub(in crate::mock) fn join_datapath(&mut self, name: &str) -> bool {
        let Some(index) = self.index_of(name) else {
            return false;
        };
        let datapath = self.datapath();
        let device = self.device_mut(index);
        let is_free = device.controller.is_none_or(|held_by| held_by == datapath);
        if is_free {
            device.controller = Some(datapath);
        }
        is_free
    }

    /// The links that the kernel's datapath has.
    pub(in crate::mock) fn datapath_ports(&self) -> Vec<String> {
        let ports = self.index_of(DATAPATH).map(|it| self.ports_of(it));
        let ports = ports.into_iter().flatten();
        ports.map(|port| self.name_of(port)).collect()
    }

    /// Takes a link back from the kernel's datapath.
    pub(in crate::mock) fn leave_datapath(&mut self, name: &str) {
        if let Some(index) = self.index_of(name) {
            self.device_mut(index).controller = None;
        }
    }

    /// Sets MTU and MAC address, as the daemon asks the kernel to. Whether it could.
    pub(in crate::mock) fn set_up_port(
        &mut self,
        name: &str,
        mtu: Option<u32>,
        mac: Option<&str>,
    ) -> bool {
        let Some(index) = self.index_of(name) else {
            return false;
        };
        let settings = LinkSettings {
            mtu,
            mac: mac.map(str::to_owned),
            ..LinkSettings::default()
        };
        self.configure(index, &settings).is_ok()
    }

    /// Whether netlink may change who controls this link.
    pub(super) fn is_switched(&self, index: u32) -> bool {
        let above = self.device(index).controller;
        above.is_some_and(|above| self.device(above).link.kind == Kind::Other(KIND.to_owned()))
    }
}
