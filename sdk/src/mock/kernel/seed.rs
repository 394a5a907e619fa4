//! Laying down what a test starts from. Each method panics where the kernel refuses: a test's premise must hold.

use std::net::IpAddr;

use super::Kernel;
use super::create::check_name;
use super::device::Device;
use super::network::bits;
use crate::netlink::{
    Address, ControllerChange, Kind, LinkChange, LinkSettings, LinkSpec, NextHop, Prefix, Request,
    Route,
};

/// `192.0.2.0/24`, or a single address.
fn split(cidr: &str) -> (String, u8) {
    let (address, length) = match cidr.split_once('/') {
        Some((address, length)) => (address, length.parse().ok()),
        None => (cidr, cidr.parse().ok().map(bits)),
    };
    let valid = address.parse::<IpAddr>().ok().and(length);
    let length = valid.unwrap_or_else(|| panic!("`{cidr}` is no IP network"));
    (address.to_owned(), length)
}

impl Kernel {
    /// Whether links that come up get IPv6 link-local addresses by themselves; they do from the start.
    pub fn set_link_local_addresses(&mut self, made: bool) -> &mut Self {
        self.link_local = made;
        self
    }

    /// The sysctl `promote_secondaries`: 0 from the start, as the kernel has it; systemd sets 1.
    pub fn set_promote_secondaries(&mut self, promote: bool) -> &mut Self {
        self.promote_secondaries = promote;
        self
    }

    /// Adds hardware: an Ethernet link, down, with its cable plugged in.
    pub fn add_ethernet(&mut self, name: &str) -> &mut Self {
        self.add_hardware(name, Kind::Ethernet)
    }

    /// Adds a link of a kind that the contract has no name for, e.g. `team`.
    pub fn add_other(&mut self, name: &str, word: &str) -> &mut Self {
        self.add_hardware(name, Kind::Other(word.to_owned()))
    }

    fn add_hardware(&mut self, name: &str, kind: Kind) -> &mut Self {
        assert!(check_name(name).is_ok(), "`{name}` is no name for a link");
        assert!(
            self.index_of(name).is_none(),
            "there is a link {name} already"
        );
        let index = self.next_index;
        self.next_index += 1;
        self.devices.insert(index, Device::new(index, name, kind));
        self
    }

    /// Adds a link that the kernel can make, down.
    pub fn add_link(&mut self, name: &str, kind: Kind) -> &mut Self {
        self.must(Request::CreateLink(LinkSpec {
            name: name.to_owned(),
            index: None,
            kind,
            alternative_names: Vec::new(),
            settings: LinkSettings::default(),
        }))
    }

    /// Carries out a request.
    pub fn must(&mut self, request: Request) -> &mut Self {
        if let Err(failure) = self.execute(&request) {
            panic!("{}", failure.message);
        }
        self
    }

    /// Changes what links have in common.
    pub fn configure_link(&mut self, name: &str, settings: LinkSettings) -> &mut Self {
        self.must(Request::ChangeLink(LinkChange {
            link: name.to_owned(),
            new_name: None,
            kind: None,
            settings,
        }))
    }

    /// Brings a link up.
    pub fn set_up(&mut self, name: &str) -> &mut Self {
        self.configure_link(
            name,
            LinkSettings {
                up: Some(true),
                ..Default::default()
            },
        )
    }

    /// Takes a link down.
    pub fn set_down(&mut self, name: &str) -> &mut Self {
        self.configure_link(
            name,
            LinkSettings {
                up: Some(false),
                ..Default::default()
            },
        )
    }

    /// Plugs an Ethernet link's cable in or out.
    pub fn set_carrier(&mut self, name: &str, carrier: bool) -> &mut Self {
        let index = self
            .index_of(name)
            .unwrap_or_else(|| panic!("there is no link {name}"));
        self.device_mut(index).carrier = carrier;
        self.refresh_link_local();
        self
    }

    /// Makes a link the port of a bridge, bond or VRF.
    pub fn add_port(&mut self, controller: &str, port: &str) -> &mut Self {
        self.configure_link(
            port,
            LinkSettings {
                controller: ControllerChange::Attach(controller.to_owned()),
                ..Default::default()
            },
        )
    }

    /// Adds an address, e.g. `192.0.2.1/24`.
    pub fn add_address(&mut self, link: &str, cidr: &str) -> &mut Self {
        let (address, length) = split(cidr);
        self.must(Request::PutAddress(Address::new(link, address, length)))
    }

    /// Adds a static route to table main, e.g. to `0.0.0.0/0` through gateway `192.0.2.254`. The kernel finds the link where none is named.
    pub fn add_static_route(
        &mut self,
        destination: &str,
        gateway: Option<&str>,
        link: Option<&str>,
    ) -> &mut Self {
        let (address, length) = split(destination);
        self.must(Request::AddRoute(Route {
            next_hops: vec![NextHop {
                gateway: gateway.map(str::to_owned),
                link: link.map(str::to_owned),
                ..Default::default()
            }],
            ..Route::new(Prefix { address, length })
        }))
    }
}
