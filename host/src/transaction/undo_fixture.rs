//! A host with some of everything, and what is done to it and undone.

use super::super::*;
use crate::contract::netlink::{
    Address, AlternativeName, Bridge, BridgeVlan, ControllerChange, Kind, LinkSpec, Neighbour,
    Request, Route, Rule, RuleAction, UnknownAttribute, Veth, Vlan,
};
use crate::transaction::before_image::capture;
use crate::transaction::link_restore::attach::{nothing, up};
use crate::transaction::simulated::Simulated;
use crate::transaction::simulated::addresses::address;
use crate::transaction::simulated::routes::{hop, route};

pub fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

pub async fn apply(kernel: &Simulated, images: &mut Images, batch: &[Request]) {
    capture(kernel, batch, images).await.unwrap();
    kernel.execute(batch).await;
}

pub async fn undo_all(kernel: &Simulated, images: &Images) -> Undone {
    undo(kernel, images, Images::default(), &mut |_| Ok(()))
        .await
        .unwrap()
}

pub fn bridge() -> Kind {
    Kind::Bridge(Bridge {
        stp: None,
        forward_delay: None,
        hello_time: None,
        max_age: None,
        ageing_time: None,
        priority: None,
        multicast_snooping: None,
        multicast_querier: None,
        vlan_filtering: Some(true),
        vlan_protocol: None,
        default_pvid: Some(1),
        group_forward_mask: None,
    })
}

pub fn vlan(parent: &str, id: u16) -> Kind {
    Kind::Vlan(Vlan {
        parent: Some(parent.into()),
        id,
        protocol: None,
        reorder_header: None,
        gvrp: None,
        mvrp: None,
        loose_binding: None,
    })
}

pub fn create(name: &str, kind: Kind) -> Request {
    let settings = crate::contract::netlink::LinkSettings {
        up: Some(true),
        ..nothing(name).settings
    };
    Request::CreateLink(LinkSpec {
        name: name.into(),
        index: None,
        kind,
        alternative_names: Vec::new(),
        settings,
    })
}

pub fn via(destination: &str, length: u8, gateway: &str, link: &str) -> Route {
    Route {
        next_hops: vec![hop(Some(link), Some(gateway))],
        ..route(destination, length)
    }
}

/// An attribute of a route that the contract has no name for.
pub fn advertised_mss() -> UnknownAttribute {
    UnknownAttribute {
        place: "RTA_METRICS/8".into(),
        value: 1200_u32.to_ne_bytes().to_vec(),
    }
}

pub fn attach_to(link: &str, controller: ControllerChange) -> Request {
    let mut change = nothing(link);
    change.settings.controller = controller;
    Request::ChangeLink(change)
}

pub fn neighbour(link: &str, address: &str) -> Neighbour {
    Neighbour {
        link: link.into(),
        address: address.into(),
        mac: Some("02:aa:00:00:00:01".into()),
        state: NeighbourState::Permanent,
        proxy: false,
        router: false,
    }
}

pub fn rule(priority: Option<u32>, source: &str) -> Rule {
    Rule {
        family: Family::Ipv4,
        priority,
        invert: false,
        source: Some(Prefix {
            address: source.into(),
            length: 24,
        }),
        destination: None,
        input_link: None,
        output_link: None,
        firewall_mark: None,
        firewall_mask: None,
        tos: 0,
        ip_protocol: None,
        source_ports: None,
        destination_ports: None,
        user_ids: None,
        l3mdev: false,
        suppress_prefix_length: None,
        action: RuleAction::Lookup(100),
        protocol: 4,
    }
}

/// A host with some of everything.
pub async fn busy_host() -> Simulated {
    let kernel = Simulated::host();
    let requests = [
        Request::PutAddress(address("eth0", "10.0.0.1", 24)),
        Request::PutAddress(address("eth0", "10.0.0.2", 24)),
        Request::PutAddress(Address {
            metric: Some(77),
            no_duplicate_detection: true,
            ..address("eth0", "2001:db8::1", 64)
        }),
        Request::AddRoute(Route {
            unknown: vec![advertised_mss()],
            ..via("0.0.0.0", 0, "10.0.0.254", "eth0")
        }),
        Request::AddRoute(via("::", 0, "2001:db8::fe", "eth0")),
        Request::AddRoute(Route {
            preferred_source: Some("10.0.0.2".into()),
            ..via("172.16.0.0", 12, "10.0.0.253", "eth0")
        }),
        Request::PutNeighbour(neighbour("eth0", "10.0.0.9")),
        create("br0", bridge()),
        create(
            "v0",
            Kind::Veth(Veth {
                peer: Some("v1".into()),
                peer_index: None,
            }),
        ),
        up("v1", true),
        attach_to("v0", ControllerChange::Attach("br0".into())),
        Request::PutBridgeVlan(BridgeVlan {
            link: "v0".into(),
            on_bridge: false,
            first: 10,
            last: 14,
            pvid: false,
            untagged: false,
        }),
        create("eth1.7", vlan("eth1", 7)),
        Request::AddAlternativeName(AlternativeName {
            link: "eth1.7".into(),
            name: "storage".into(),
        }),
        Request::PutAddress(address("eth1.7", "10.7.0.1", 24)),
        Request::AddRoute(via("10.8.0.0", 16, "10.7.0.254", "eth1.7")),
        Request::AddRule(rule(Some(100), "10.0.0.0")),
    ];
    for (request, answer) in requests.iter().zip(kernel.execute(&requests).await) {
        answer.unwrap_or_else(|failure| panic!("{request:?}: {failure:?}"));
    }
    kernel
}

/// Applies a batch to a busy host, undoes it, and demands the host back.
pub fn comes_back(batch: &[Request]) {
    run(async {
        let kernel = busy_host().await;
        let before = kernel.snapshot();
        let mut images = Images::default();
        apply(&kernel, &mut images, batch).await;
        assert_ne!(kernel.snapshot(), before, "the batch does nothing");
        let undone = undo_all(&kernel, &images).await;
        assert_eq!(undone.incomplete, []);
        pretty_assertions(&kernel.snapshot(), &before);
    });
}

pub fn pretty_assertions(is: &[String], was: &[String]) {
    let only = |left: &[String], right: &[String]| -> Vec<String> {
        left.iter()
            .filter(|it| !right.contains(it))
            .cloned()
            .collect()
    };
    let (too_much, missing) = (only(is, was), only(was, is));
    assert!(
        too_much.is_empty() && missing.is_empty(),
        "too much: {too_much:#?}\nmissing: {missing:#?}"
    );
}
