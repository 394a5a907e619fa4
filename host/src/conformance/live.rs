//! The real kernel, in network namespaces that nobody else sees: each is made for one trial and goes with it.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use async_trait::async_trait;
use op_dbus_plugin::netlink::{
    Address, Kind, LinkChange, LinkSettings, LinkSpec, NextHop, Prefix, Request, Route, Veth,
};
use rustix::thread::UnshareFlags;

use super::simulation::{ADDRESS, GATEWAY, LINKS, requests};
use super::stage::{Stage, Standing};
use crate::backends::dbus::{Bus, BusAddress};
use crate::backends::netlink::{Kernel, Netlink};
use crate::backends::ovsdb::{Lazy, Options, Remote};
use crate::gate::Backends;
use crate::plugin::failure::{describe, to_error};
use crate::secrets::SecretStore;

/// Namespaces with the links of a simulated host: one end of a pair each, so that they have a carrier.
pub struct Namespaces {
    /// Where references to secrets lead.
    secrets: Arc<SecretStore>,
    /// An OVSDB server of the operator's own, for this purpose alone; nothing for none.
    ovsdb: Option<Remote>,
    /// A message bus of the operator's own, likewise.
    bus: Option<String>,
}

impl Namespaces {
    /// Where plugins may be tried. Servers are used only where they were named: what runs on the machine is none of a trial's business.
    ///
    /// # Errors
    /// Without root.
    pub fn new(
        secrets: Arc<SecretStore>,
        ovsdb: Option<Remote>,
        bus: &BusAddress,
    ) -> anyhow::Result<Self> {
        ensure!(
            rustix::process::geteuid().is_root(),
            "--live makes network namespaces of the real kernel, which only root may: run it with sudo, or leave --live out for a simulated host"
        );
        Ok(Self {
            secrets,
            ovsdb,
            bus: match bus {
                BusAddress::Explicit(address) => Some(address.clone()),
                BusAddress::System | BusAddress::Session | BusAddress::Nowhere => None,
            },
        })
    }
}

/// A new network namespace, held open; it goes with the last who holds it.
fn new_namespace() -> anyhow::Result<File> {
    let made = std::thread::spawn(|| -> std::io::Result<File> {
        // SAFETY: it concerns this thread alone, which ends with its next statement, and no file descriptors or memory.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }?;
        File::open("/proc/thread-self/ns/net")
    });
    match made.join() {
        Ok(file) => file.context("a network namespace cannot be made"),
        Err(_) => bail!("the thread that makes a network namespace died"),
    }
}

#[async_trait]
impl Stage for Namespaces {
    async fn stand(&self) -> anyhow::Result<Standing> {
        let namespace = new_namespace()?;
        let path = format!("/proc/self/fd/{}", namespace.as_raw_fd());
        let kernel = Netlink::open(Some(&path), self.secrets.clone()).map_err(to_error)?;
        for answer in kernel.execute(&requests(&furniture())).await {
            answer.map_err(|failure| {
                anyhow::anyhow!("the namespace cannot be furnished: {}", describe(&failure))
            })?;
        }
        let nowhere = || Remote::Unix("/nonexistent/no-server-was-named".into());
        let remote = self.ovsdb.clone().unwrap_or_else(nowhere);
        let bus = self.bus.clone();
        let bus = bus.unwrap_or_else(|| "unix:path=/nonexistent/no-bus-was-named".into());
        Ok(Standing {
            backends: Backends {
                kernel: Arc::new(kernel),
                ovsdb: Arc::new(Lazy::new(Options::new(remote))),
                bus: Arc::new(Bus::connect(BusAddress::Explicit(bus))),
                secrets: self.secrets.clone(),
                is_tenant: false,
            },
            holds: Box::new(namespace),
        })
    }

    fn shown(&self) -> String {
        "the real kernel, in throw-away network namespaces".into()
    }

    fn is_live(&self) -> bool {
        true
    }
}

/// What makes a namespace look like the simulated host.
fn furniture() -> Vec<Request> {
    let up = |link: &str| {
        Request::ChangeLink(LinkChange {
            link: link.to_owned(),
            new_name: None,
            kind: None,
            settings: LinkSettings {
                up: Some(true),
                ..LinkSettings::default()
            },
        })
    };
    let mut all = vec![up("lo")];
    for link in LINKS {
        let cable = format!("{link}-cable");
        all.push(Request::CreateLink(LinkSpec {
            name: link.to_owned(),
            index: None,
            kind: Kind::Veth(Veth {
                peer: Some(cable.clone()),
                peer_index: None,
            }),
            alternative_names: Vec::new(),
            settings: LinkSettings::default(),
        }));
        all.push(up(&cable));
    }
    all.push(up(LINKS[0]));
    let (address, length) = ADDRESS.split_once('/').unwrap_or((ADDRESS, "32"));
    let length = length.parse().unwrap_or(32);
    all.push(Request::PutAddress(Address::new(LINKS[0], address, length)));
    all.push(Request::AddRoute(Route {
        next_hops: vec![NextHop {
            gateway: Some(GATEWAY.to_owned()),
            ..NextHop::default()
        }],
        ..Route::new(Prefix {
            address: "0.0.0.0".to_owned(),
            length: 0,
        })
    }));
    all
}
