//! VLANs of bridges and their ports (net/bridge/br_vlan.c, br_netlink.c).
//!
//! Linux keeps these tables with VLAN filtering off too, where they mean nothing; the contract has them only with filtering on, and so here
//! they are neither shown nor changed otherwise.

use super::Kernel;
use super::errno::{Result, errno, refuse};
use crate::netlink::{BridgeVlan, Kind};

/// What a link is in one VLAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Membership {
    pub(super) pvid: bool,
    pub(super) untagged: bool,
}

impl Kernel {
    /// The bridge whose VLANs a link takes part in: itself, or its controller.
    pub(super) fn bridge_of(&self, link: u32) -> Option<u32> {
        let device = self.device(link);
        let candidate = if device.is_bridge() {
            Some(link)
        } else {
            device.controller
        };
        candidate.filter(|it| self.device(*it).is_bridge())
    }

    pub(super) fn filters(&self, bridge: u32) -> bool {
        match &self.device(bridge).link.kind {
            Kind::Bridge(bridge) => bridge.vlan_filtering == Some(true),
            _ => false,
        }
    }

    /// The VLAN of untagged frames on a bridge's new ports.
    pub(super) fn default_pvid(&self, link: u32) -> Option<u16> {
        match &self.device(link).link.kind {
            Kind::Bridge(bridge) => bridge.default_pvid.filter(|pvid| *pvid != 0),
            _ => None,
        }
    }

    /// br_vlan_init and nbp_vlan_init: a bridge and a new port start in the default VLAN.
    pub(super) fn make_initial_vlans(&mut self, link: u32) {
        let pvid = self
            .bridge_of(link)
            .and_then(|bridge| self.default_pvid(bridge));
        if let Some(pvid) = pvid {
            self.join(link, pvid, true, true);
        }
    }

    /// __br_vlan_set_default_pvid: another default replaces the old one where that still stands as it was made.
    pub(super) fn move_default_pvid(&mut self, bridge: u32, old: Option<u16>) {
        let new = self.default_pvid(bridge);
        if new == old || !self.device(bridge).is_bridge() {
            return;
        }
        let untouched = Membership {
            pvid: true,
            untagged: true,
        };
        for link in self.ports_of(bridge).into_iter().chain([bridge]) {
            let had = old.map(|old| self.vlans.get(&(link, old)) == Some(&untouched));
            if had == Some(false) {
                continue;
            }
            if let Some(old) = old {
                self.vlans.remove(&(link, old));
            }
            if let Some(new) = new {
                self.join(link, new, true, true);
            }
        }
    }

    /// Only one VLAN of a link is that of its untagged frames.
    fn join(&mut self, link: u32, vlan: u16, pvid: bool, untagged: bool) {
        if pvid {
            let own = self.vlans.range_mut((link, 0)..=(link, 4095));
            own.for_each(|(_, it)| it.pvid = false);
        }
        self.vlans
            .insert((link, vlan), Membership { pvid, untagged });
    }

    /// br_afspec.
    pub(super) fn put_vlan(&mut self, asked: &BridgeVlan) -> Result {
        let link = self.check_vlan(asked)?;
        if asked.pvid && asked.first != asked.last {
            return refuse("EINVAL", "PVID in a range of VLANs");
        }
        for vlan in asked.first..=asked.last {
            self.join(link, vlan, asked.pvid, asked.untagged);
        }
        Ok(())
    }

    /// br_process_vlan_info: a VLAN that is not there is no error.
    pub(super) fn delete_vlan(&mut self, asked: &BridgeVlan) -> Result {
        let link = self.check_vlan(asked)?;
        for vlan in asked.first..=asked.last {
            self.vlans.remove(&(link, vlan));
        }
        Ok(())
    }

    fn check_vlan(&self, asked: &BridgeVlan) -> Result<u32> {
        let link = self.find(&asked.link)?;
        let Some(bridge) = self.bridge_of(link) else {
            return errno("EOPNOTSUPP");
        };
        if asked.on_bridge != (bridge == link) {
            return errno("EOPNOTSUPP");
        }
        if !self.filters(bridge) {
            return refuse("EOPNOTSUPP", "VLAN filtering is off");
        }
        let ordered = asked.first >= 1 && asked.first <= asked.last && asked.last <= 4094;
        if ordered { Ok(link) } else { errno("EINVAL") }
    }
}
