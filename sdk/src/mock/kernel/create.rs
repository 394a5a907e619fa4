//! Making and deleting links (rtnl_newlink and rtnl_dellink in net/core/rtnetlink.c).

use super::device::{Device, word};
use super::errno::{Result, errno, refuse};
use super::{Kernel, kinds, switch};
use crate::netlink::{Kind, LinkSpec, Veth};

/// dev_valid_name (net/core/dev.c); a `%` would make the kernel choose a number.
pub(super) fn check_name(name: &str) -> Result {
    let foul = |c: char| c == '/' || c == ':' || c == '%' || c == '\0' || c.is_ascii_whitespace();
    if name.is_empty() || name.len() > 15 || name == "." || name == ".." || name.contains(foul) {
        return errno("EINVAL");
    }
    Ok(())
}

/// The parent that a kind names. The outer option: whether it must have one.
fn parent_of(kind: &Kind) -> (bool, Option<&str>) {
    match kind {
        Kind::Vlan(it) => (true, it.parent.as_deref()),
        Kind::Macvlan(it) | Kind::Macvtap(it) => (true, it.parent.as_deref()),
        Kind::Ipvlan(it) => (true, it.parent.as_deref()),
        Kind::Vxlan(it) => (false, it.parent.as_deref()),
        Kind::Gre(it) | Kind::Gretap(it) | Kind::Ip6gre(it) | Kind::Ip6gretap(it) => {
            (false, it.parent.as_deref())
        }
        Kind::Ipip(it) | Kind::Sit(it) | Kind::Ip6tnl(it) => (false, it.parent.as_deref()),
        _ => (false, None),
    }
}

impl Kernel {
    pub(super) fn create_link(&mut self, spec: &LinkSpec) -> Result {
        check_name(&spec.name)?;
        if self.index_of(&spec.name).is_some() {
            return errno("EEXIST");
        }
        if matches!(spec.kind, Kind::Ethernet | Kind::Loopback | Kind::Other(_)) {
            return refuse("EOPNOTSUPP", "Unknown device type");
        }
        let parent = match parent_of(&spec.kind) {
            (true, None) => return errno("EINVAL"),
            (_, None) => None,
            (_, Some(name)) => Some(self.find(name)?),
        };
        self.check_unique(&spec.kind, parent)?;
        let kind = kinds::initial(&spec.kind)?;
        let peer = match &spec.kind {
            Kind::Veth(veth) => Some(self.make_peer(veth, spec)?),
            _ => None,
        };
        let index = match self.take_index(spec.index) {
            Ok(index) => index,
            Err(errno) => {
                peer.map(|peer| self.devices.remove(&peer));
                return Err(errno);
            }
        };
        let mut device = Device::new(index, &spec.name, kind);
        device.parent = parent;
        self.inherit(&mut device);
        device.peer = peer;
        if let Some(peer) = peer {
            self.device_mut(peer).peer = Some(index);
        }
        self.devices.insert(index, device);
        self.make_initial_vlans(index);
        if matches!(spec.kind, Kind::Vrf(_)) {
            self.add_vrf_rules();
        }
        let configured = spec
            .alternative_names
            .iter()
            .try_for_each(|name| self.add_alternative_name(&spec.name, name))
            .and_then(|()| self.configure(index, &spec.settings));
        // rtnl_newlink_create takes the link back when it cannot be configured.
        if configured.is_err() {
            self.remove_device(index);
        }
        configured
    }

    /// The index to use. A taken one is EEXIST (__rtnl_newlink finds the other link by it); a chosen one does not move the kernel's own count.
    fn take_index(&mut self, wanted: Option<u32>) -> Result<u32> {
        match wanted {
            Some(0) => errno("EINVAL"),
            Some(index) if self.devices.contains_key(&index) => errno("EEXIST"),
            Some(index) => Ok(index),
            None => {
                while self.devices.contains_key(&self.next_index) {
                    self.next_index += 1;
                }
                self.next_index += 1;
                Ok(self.next_index - 1)
            }
        }
    }

    /// The other end of a pair. It is registered first, and so has the lower index unless one is asked for (veth_newlink in
    /// drivers/net/veth.c).
    fn make_peer(&mut self, veth: &Veth, spec: &LinkSpec) -> Result<u32> {
        let Some(name) = veth.peer.as_deref() else {
            return errno("EINVAL");
        };
        check_name(name)?;
        if name == spec.name || self.index_of(name).is_some() {
            return errno("EEXIST");
        }
        // The index that this end asks for is not the other's to take.
        let mut index = self.take_index(veth.peer_index)?;
        if spec.index == Some(index) {
            index = self.take_index(None)?;
        }
        let kind = Kind::Veth(Veth {
            peer: None,
            peer_index: None,
        });
        self.devices.insert(index, Device::new(index, name, kind));
        Ok(index)
    }

    /// Two links may not be the same VLAN of one parent, or the same VXLAN of one port.
    fn check_unique(&self, kind: &Kind, parent: Option<u32>) -> Result {
        let twin = |it: &&Device| match (&it.link.kind, kind) {
            (Kind::Vlan(a), Kind::Vlan(b)) => {
                let protocol = b.protocol.or(Some(crate::netlink::VlanProtocol::Ieee8021q));
                it.parent == parent && a.id == b.id && a.protocol == protocol
            }
            (Kind::Vxlan(a), Kind::Vxlan(b)) => a.id == b.id && a.port == b.port.or(Some(8472)),
            _ => false,
        };
        match self.devices.values().find(twin).map(|it| &it.link.kind) {
            Some(Kind::Vlan(_)) => refuse("EEXIST", "VLAN device already exists"),
            Some(_) => refuse(
                "EEXIST",
                "A VXLAN device with the specified VNI already exists",
            ),
            None => Ok(()),
        }
    }

    /// What a link takes from the one below: its MTU, and a VLAN and an IPVLAN its MAC address too.
    fn inherit(&self, device: &mut Device) {
        let Some(below) = device.parent.map(|parent| &self.device(parent).link) else {
            return;
        };
        match device.link.kind {
            Kind::Vlan(_) | Kind::Ipvlan(_) => {
                device.link.mtu = below.mtu;
                device.link.mac.clone_from(&below.mac);
            }
            Kind::Macvlan(_) | Kind::Macvtap(_) => device.link.mtu = below.mtu,
            // vxlan_config_apply: IPv4, UDP, VXLAN and Ethernet headers.
            Kind::Vxlan(_) => device.link.mtu = below.mtu.saturating_sub(50),
            _ => {}
        }
    }

    pub(super) fn delete_link(&mut self, name: &str) -> Result {
        let index = self.find(name)?;
        // Only what has a kind has `dellink`.
        if matches!(
            word(&self.device(index).link.kind),
            None | Some(switch::KIND)
        ) {
            return errno("EOPNOTSUPP");
        }
        self.remove_device(index);
        Ok(())
    }

    /// Takes a link away with all that hangs from it: ports come free, what is stacked on it goes, and so does a veth's other end. A tunnel
    /// bound to it stays (it holds no reference), without a parent.
    pub(super) fn remove_device(&mut self, index: u32) {
        let ports: Vec<u32> = self.ports_of(index);
        for port in ports {
            self.detach(port);
        }
        if self.device(index).controller.is_some() {
            self.detach(index);
        }
        self.take_down(index);
        self.forget_hangers(index);
        let peer = self.devices.remove(&index).and_then(|device| device.peer);
        let mut stacked = Vec::new();
        for device in self.devices.values_mut() {
            if device.parent == Some(index) {
                match parent_of(&device.link.kind) {
                    (true, _) => stacked.push(device.link.index),
                    _ if matches!(device.link.kind, Kind::Vxlan(_)) => {
                        stacked.push(device.link.index);
                    }
                    _ => device.parent = None,
                }
            }
        }
        for child in stacked.into_iter().chain(peer) {
            if self.devices.contains_key(&child) {
                self.device_mut(child).peer = None;
                self.remove_device(child);
            }
        }
    }
}
