//! The neighbour table (net/core/neighbour.c).

use std::net::IpAddr;

use super::Kernel;
use super::device::mac;
use super::errno::{Result, errno, refuse};
use super::network::parse;
use crate::netlink::{Neighbour, NeighbourState};

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) link: u32,
    pub(super) address: IpAddr,
    /// As it is shown, but for the link's name.
    pub(super) shown: Neighbour,
}

impl Kernel {
    /// neigh_add. Proxied addresses are a table of their own.
    pub(super) fn put_neighbour(&mut self, asked: &Neighbour) -> Result {
        let link = self.find(&asked.link)?;
        let address = parse(&asked.address)?;
        let mac = match asked.mac.as_deref().map(|text| (text, mac(text))) {
            Some((_, None)) => return refuse("EINVAL", "Invalid link address"),
            Some((_, mac)) => mac,
            None => None,
        };
        let needs_mac = !matches!(
            asked.state,
            NeighbourState::Incomplete | NeighbourState::Failed | NeighbourState::NoArp
        );
        // __neigh_update: a valid entry needs an address to send to.
        if !asked.proxy && needs_mac && mac.is_none() && self.device(link).link.arp {
            return errno("EINVAL");
        }
        let mut shown = asked.clone();
        shown.address = address.to_string();
        shown.mac = mac.filter(|_| !asked.proxy);
        self.forget(link, address, asked.proxy);
        self.neighbours.push(Entry {
            link,
            address,
            shown,
        });
        Ok(())
    }

    /// neigh_delete.
    pub(super) fn delete_neighbour(&mut self, asked: &Neighbour) -> Result {
        let link = self.find(&asked.link)?;
        let address = parse(&asked.address)?;
        if self.forget(link, address, asked.proxy) {
            Ok(())
        } else {
            errno("ENOENT")
        }
    }

    /// Whether it was there.
    fn forget(&mut self, link: u32, address: IpAddr, proxy: bool) -> bool {
        let before = self.neighbours.len();
        self.neighbours
            .retain(|it| !(it.link == link && it.address == address && it.shown.proxy == proxy));
        self.neighbours.len() < before
    }
}
