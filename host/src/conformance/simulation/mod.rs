//! A host in memory: the SDK's mock behind the host's own backend traits, so that what a plugin asks goes through the real gate first.
//!
//! The mock belongs to one thread, as the unit tests of a plugin use it. Here it gets a thread of its own, and calls are sent there. Its
//! types and the host's are made from the same contract; they are carried over as JSON.

mod bus;
mod kernel;
mod ovsdb;
mod stand_in;

use std::sync::Arc;
use std::sync::mpsc;

use op_dbus_plugin::mock;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::contract::types::{Failure, FailureCode};

pub use bus::SimulatedBus;
pub use kernel::SimulatedKernel;
pub use ovsdb::SimulatedServer;
pub use stand_in::Services;

/// The Ethernet links of a simulated host. The first is up and has [`ADDRESS`].
pub const LINKS: [&str; 4] = ["eth0", "eth1", "eth2", "eth3"];
/// What the first link has, in the documentation's network (RFC 5737).
pub const ADDRESS: &str = "192.0.2.10/24";
/// Where its default route leads.
pub const GATEWAY: &str = "192.0.2.1";

/// Bridges of a simulated host's Open vSwitch; the first has [`PORTS`] and a mirror `watch`. Names that no state file is likely to want for
/// something else.
pub const BRIDGES: [&str; 2] = ["ovsbr0", "ovsbr1"];
/// Internal ports of the first bridge.
pub const PORTS: [&str; 3] = ["tap1", "tap2", "probe0"];

/// Work for the mock's thread.
type Work = Box<dyn FnOnce(&mock::Host) + Send>;

/// A way to the thread of one simulated host; the host ends with the last of them.
#[derive(Clone)]
pub struct Mock(mpsc::Sender<Work>);

impl Mock {
    /// A host with [`LINKS`], an Open vSwitch with [`BRIDGES`], and on its bus NetworkManager or, where there are any, the `services`.
    pub fn start(services: Option<Arc<Services>>) -> Self {
        let (sender, work) = mpsc::channel::<Work>();
        std::thread::Builder::new()
            .name("mock".into())
            .spawn(move || {
                let host = furnished(services);
                for work in work {
                    work(&host);
                }
            })
            .expect("a thread can be started");
        Self(sender)
    }

    /// Does something on the mock's thread, with its capabilities at hand.
    ///
    /// # Errors
    /// `internal` when the mock gave up: a premise of its own did not hold.
    pub fn within<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mock::Host) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let (answer, answered) = mpsc::sync_channel(1);
        let job: Work = Box::new(move |host| {
            let done = host.enter(|| work(host));
            // Nobody waits for it any more: then nobody misses it.
            let _ = answer.send(done);
        });
        let gone = |_| Failure {
            code: FailureCode::Internal,
            message: "the simulated host gave up; its thread has said why".into(),
            backend: None,
        };
        self.0.send(job).map_err(|_| gone(mpsc::RecvError))?;
        answered.recv().map_err(gone)
    }
}

/// Every property of the stand-ins on a simulated host's bus; nothing on any other host.
///
/// # Errors
/// As [`Mock::within`].
pub fn services_state(host: &super::stage::Standing) -> Result<Vec<String>, Failure> {
    match host.holds.downcast_ref::<Mock>() {
        Some(mock) => mock.within(|_| stand_in::state()),
        None => Ok(Vec::new()),
    }
}

fn furnished(services: Option<Arc<Services>>) -> mock::Host {
    let host = mock::Host::new();
    {
        let mut kernel = host.kernel();
        kernel.set_up("lo");
        for link in LINKS {
            kernel.add_ethernet(link);
        }
        kernel
            .set_up(LINKS[0])
            .add_address(LINKS[0], ADDRESS)
            .add_static_route("0.0.0.0/0", Some(GATEWAY), None);
    }
    host.with_ovs();
    {
        let mut switch = host.ovs();
        for bridge in BRIDGES {
            switch.add_bridge(bridge);
        }
        for port in PORTS {
            let internal = json!({"type": "internal"});
            switch.add_port(BRIDGES[0], port, internal, json!({}));
        }
        let probe = json!({"op": "select", "table": "Port", "where": [["name", "==", PORTS[2]]]});
        let probe = switch.must(&[probe])[0]["rows"][0]["_uuid"].clone();
        switch.must(&[
            json!({"op": "insert", "table": "Mirror", "uuid-name": "m",
                "row": {"name": "watch", "select_all": true, "output_port": probe}}),
            json!({"op": "update", "table": "Bridge", "where": [["name", "==", BRIDGES[0]]],
                "row": {"mirrors": ["named-uuid", "m"]}}),
        ]);
    }
    host.enter(|| op_dbus_plugin::ovsdb::settle("Open_vSwitch"))
        .expect("the simulated ovs-vswitchd runs");
    match services {
        Some(services) => stand_in::install(&host, &services),
        None => {
            host.with_network_manager();
            let mut there = host.network_manager();
            for link in LINKS {
                there.add_ethernet(link);
            }
        }
    }
    host
}

/// A value of one side as the same value of the other.
fn carried<T: Serialize, U: DeserializeOwned>(value: &T) -> U {
    let json = serde_json::to_value(value).expect("the contract's types are JSON");
    serde_json::from_value(json).expect("both sides are made from one contract")
}

/// Requests that were put together with the SDK's types, as the host's.
pub fn requests(
    requests: &[op_dbus_plugin::netlink::Request],
) -> Vec<crate::contract::netlink::Request> {
    all(requests)
}

/// A list of them.
fn all<T: Serialize, U: DeserializeOwned>(values: &[T]) -> Vec<U> {
    values.iter().map(carried).collect()
}

/// An answer of the mock as the host's.
fn answer<T: Serialize, U: DeserializeOwned>(
    answer: Result<Result<T, op_dbus_plugin::Failure>, Failure>,
) -> Result<U, Failure> {
    match answer? {
        Ok(value) => Ok(carried(&value)),
        Err(failure) => Err(carried(&failure)),
    }
}
