//! The netlink backend against the real kernel, each test in a network namespace of its own.

#[path = "netlink/support.rs"]
mod support;

use op_dbus::backends::netlink::Kernel;
use op_dbus::contract::netlink::*;
use op_dbus::contract::types::FailureCode;
use support::*;

#[tokio::test]
async fn makes_a_bridge_with_ports_addresses_and_routes_in_one_batch() {
    let space = Space::new();
    let kernel = space.open();
    let mut bridge = spec("br0", Kind::Bridge(Bridge { stp: Some(true), priority: Some(4096), ..no_bridge() }));
    bridge.settings.up = Some(true);
    bridge.settings.description = Some("uplink".into());
    bridge.alternative_names = vec!["a-very-long-name-for-a-bridge".into()];
    let mut port = spec("v0", veth("v0p"));
    port.settings.controller = ControllerChange::Attach("br0".into());
    port.settings.port = Some(Port::Bridge(BridgePort { cost: Some(77), isolated: Some(true), ..no_bridge_port() }));
    port.settings.up = Some(true);
    port.settings.mac = Some("02:00:5e:00:53:01".into());
    let answers = kernel
        .execute(&[
            Request::CreateLink(bridge),
            Request::CreateLink(port),
            Request::ChangeLink(LinkChange { settings: LinkSettings { up: Some(true), mtu: Some(1400), ..keep() }, ..change("v0p") }),
            Request::PutAddress(address("br0", "192.0.2.1", 24)),
            Request::PutAddress(address("br0", "2001:db8::1", 64)),
            Request::AddRoute(route("198.51.100.0", 24, Some("192.0.2.254"), Some("br0"))),
            Request::AddRoute(route("2001:db8:1::", 48, Some("2001:db8::2"), None)),
        ])
        .await;
    all_done(&answers);
    let links = kernel.links(&[]).await.unwrap();
    let br0 = links.iter().find(|l| l.name == "br0").unwrap();
    assert_eq!(br0.description.as_deref(), Some("uplink"));
    assert_eq!(br0.alternative_names, ["a-very-long-name-for-a-bridge"]);
    let Kind::Bridge(found) = &br0.kind else { panic!("{:?}", br0.kind) };
    assert_eq!((found.stp, found.priority), (Some(true), Some(4096)));
    assert_eq!(br0.unknown, []);
    let v0 = links.iter().find(|l| l.name == "v0").unwrap();
    assert_eq!(v0.controller.as_deref(), Some("br0"));
    assert_eq!(v0.kind, veth("v0p"));
    assert_eq!(v0.mac.as_deref(), Some("02:00:5e:00:53:01"));
    let Some(Port::Bridge(found)) = &v0.port else { panic!("{:?}", v0.port) };
    assert_eq!((found.cost, found.isolated), (Some(77), Some(true)));
    let shown = space.ip("-d link show v0");
    assert_eq!(shown[0]["linkinfo"]["info_slave_data"]["cost"], 77);
    assert_eq!(shown[0]["master"], "br0");

    let addresses = kernel.addresses(&["br0".into()]).await.unwrap();
    assert!(addresses.iter().any(|a| a.address == "192.0.2.1" && a.prefix_length == 24 && !a.kernel_made));
    assert!(addresses.iter().any(|a| a.address == "2001:db8::1" && !a.kernel_made));
    assert!(addresses.iter().any(|a| a.address.starts_with("fe80") && a.kernel_made), "{addresses:?}");
    let routes = kernel.routes(&scope()).await.unwrap();
    let found = routes.iter().find(|r| r.destination.address == "198.51.100.0").unwrap();
    assert_eq!(found.next_hops, [NextHop { gateway: Some("192.0.2.254".into()), link: Some("br0".into()), weight: 1, onlink: false }]);
    assert!(!found.has_unknown);
    let found = routes.iter().find(|r| r.destination.address == "2001:db8:1::").unwrap();
    assert_eq!(found.metric, Some(1024));
    assert!(!found.has_unknown);
}

#[tokio::test]
async fn says_exists_and_not_found_with_the_kernels_words() {
    let space = Space::new();
    let kernel = space.open();
    let answers = kernel
        .execute(&[
            Request::CreateLink(spec("lo", Kind::Bridge(no_bridge()))),
            Request::PutAddress(address("nowhere", "192.0.2.1", 24)),
            Request::CreateLink(spec("br1", Kind::Bridge(no_bridge()))),
        ])
        .await;
    let first = answers[0].as_ref().unwrap_err();
    assert_eq!(first.code, FailureCode::Exists);
    assert_eq!(first.backend.as_ref().unwrap().name, "EEXIST");
    assert_eq!(answers[1].as_ref().unwrap_err().code, FailureCode::NotFound);
    assert!(answers[2].is_ok());
}
