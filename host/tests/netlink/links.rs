//! Links: made, named, changed and deleted in batches.

use op_dbus::backends::netlink::Kernel;
use op_dbus::contract::netlink::*;
use op_dbus::contract::types::FailureCode;

use crate::support::*;

#[tokio::test]
async fn makes_a_bridge_with_ports_addresses_and_routes_in_one_batch() {
    let space = Space::new();
    let kernel = space.open();
    let mut bridge = spec(
        "br0",
        Kind::Bridge(Bridge {
            stp: Some(true),
            priority: Some(4096),
            ..no_bridge()
        }),
    );
    bridge.settings.up = Some(true);
    bridge.settings.description = Some("uplink".into());
    bridge.alternative_names = vec!["a-very-long-name-for-a-bridge".into()];
    let mut port = spec("v0", veth("v0p"));
    port.settings.controller = ControllerChange::Attach("br0".into());
    port.settings.port = Some(Port::Bridge(BridgePort {
        cost: Some(77),
        isolated: Some(true),
        ..no_bridge_port()
    }));
    port.settings.up = Some(true);
    port.settings.mac = Some("02:00:5e:00:53:01".into());
    let answers = kernel
        .execute(&[
            Request::CreateLink(bridge),
            Request::CreateLink(port),
            Request::ChangeLink(LinkChange {
                settings: LinkSettings {
                    up: Some(true),
                    mtu: Some(1400),
                    ..keep()
                },
                ..change("v0p")
            }),
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
    let Kind::Bridge(found) = &br0.kind else {
        panic!("{:?}", br0.kind)
    };
    assert_eq!((found.stp, found.priority), (Some(true), Some(4096)));
    assert_eq!(br0.unknown, []);
    let v0 = links.iter().find(|l| l.name == "v0").unwrap();
    assert_eq!(v0.controller.as_deref(), Some("br0"));
    let v0p = links.iter().find(|l| l.name == "v0p").unwrap();
    let Kind::Veth(pair) = &v0.kind else {
        panic!("{:?}", v0.kind)
    };
    assert_eq!(pair.peer.as_deref(), Some("v0p"));
    assert_eq!(pair.peer_index, Some(v0p.index));
    assert_eq!(v0.mac.as_deref(), Some("02:00:5e:00:53:01"));
    let Some(Port::Bridge(found)) = &v0.port else {
        panic!("{:?}", v0.port)
    };
    assert_eq!((found.cost, found.isolated), (Some(77), Some(true)));
    let shown = space.ip("-d link show v0");
    assert_eq!(shown[0]["linkinfo"]["info_slave_data"]["cost"], 77);
    assert_eq!(shown[0]["master"], "br0");

    all_done(
        &kernel
            .execute(&[Request::ChangeLink(LinkChange {
                settings: LinkSettings {
                    up: Some(true),
                    ..keep()
                },
                ..change("lo")
            })])
            .await,
    );
    let addresses = kernel.addresses(&["lo".into()]).await.unwrap();
    assert_eq!(addresses.len(), 2);
    assert!(addresses.iter().all(|a| a.kernel_made), "{addresses:?}");
    let addresses = kernel.addresses(&["br0".into()]).await.unwrap();
    assert!(
        addresses
            .iter()
            .any(|a| a.address == "192.0.2.1" && a.prefix_length == 24 && !a.kernel_made)
    );
    assert!(
        addresses
            .iter()
            .any(|a| a.address == "2001:db8::1" && !a.kernel_made)
    );
    let routes = kernel.routes(&scope()).await.unwrap();
    let found = routes
        .iter()
        .find(|r| r.destination.address == "198.51.100.0")
        .unwrap();
    assert_eq!(
        found.next_hops,
        [NextHop {
            gateway: Some("192.0.2.254".into()),
            link: Some("br0".into()),
            weight: 1,
            onlink: false,
            unknown: Vec::new(),
        }]
    );
    assert_eq!(found.unknown, []);
    let found = routes
        .iter()
        .find(|r| r.destination.address == "2001:db8:1::")
        .unwrap();
    assert_eq!(found.metric, Some(1024));
    assert_eq!(found.unknown, []);
}

#[tokio::test]
async fn a_creation_that_fails_half_way_leaves_nothing_behind() {
    let space = Space::new();
    let kernel = space.open();
    let mut half = spec("half0", veth("half1"));
    // Settings of a bridge's port need a bridge.
    half.settings.port = Some(Port::Bridge(BridgePort {
        hairpin: Some(true),
        ..no_bridge_port()
    }));
    let answers = kernel
        .execute(&[
            Request::CreateLink(half),
            Request::PutAddress(address("half0", "192.0.2.1", 24)),
            Request::CreateLink(spec("whole", Kind::Bridge(no_bridge()))),
        ])
        .await;
    assert!(answers[0].is_err(), "{answers:?}");
    assert_eq!(answers[1].as_ref().unwrap_err().code, FailureCode::NotFound);
    assert!(answers[2].is_ok());
    let names: Vec<_> = kernel
        .links(&[])
        .await
        .unwrap()
        .into_iter()
        .map(|l| l.name)
        .collect();
    assert!(names.contains(&"whole".into()));
    assert!(
        !names.contains(&"half0".into()) && !names.contains(&"half1".into()),
        "{names:?}"
    );
}

#[tokio::test]
async fn a_pair_takes_the_indices_that_both_ends_had() {
    let space = Space::new();
    let kernel = space.open();
    let wanted = Kind::Veth(Veth {
        peer: Some("b".into()),
        peer_index: Some(4712),
    });
    let mut pair = spec("a", wanted.clone());
    pair.index = Some(4711);
    for _ in 0..2 {
        let answers = kernel
            .execute(&[
                Request::CreateLink(pair.clone()),
                Request::CreateLink(spec("other", veth("other-peer"))),
                Request::DeleteLink("other".into()),
            ])
            .await;
        all_done(&answers);
        let links = kernel.links(&[]).await.unwrap();
        let a = links.iter().find(|l| l.name == "a").unwrap();
        let b = links.iter().find(|l| l.name == "b").unwrap();
        assert_eq!((a.index, b.index), (4711, 4712));
        assert_eq!(a.kind, wanted);
        all_done(&kernel.execute(&[Request::DeleteLink("b".into())]).await);
    }
}

#[tokio::test]
async fn names_follow_renames_deletions_and_new_creations_in_one_batch() {
    let space = Space::new();
    let kernel = space.open();
    all_done(
        &kernel
            .execute(&[Request::CreateLink(spec("a", veth("b")))])
            .await,
    );
    let answers = kernel
        .execute(&[
            Request::ChangeLink(LinkChange {
                new_name: Some("c".into()),
                ..change("a")
            }),
            Request::PutAddress(address("c", "192.0.2.1", 24)),
            Request::PutAddress(address("a", "192.0.2.2", 24)),
            Request::DeleteLink("c".into()),
            Request::CreateLink(spec("a", veth("b"))),
            Request::PutAddress(address("b", "192.0.2.3", 24)),
        ])
        .await;
    assert_eq!(answers[2].as_ref().unwrap_err().code, FailureCode::NotFound);
    for position in [0, 1, 3, 4, 5] {
        assert_eq!(answers[position], Ok(()), "{position}");
    }
    let found = kernel.addresses(&["b".into()]).await.unwrap();
    assert_eq!(found[0].address, "192.0.2.3");
}

#[tokio::test]
async fn five_hundred_ports_are_made_and_deleted_in_one_batch_each() {
    let space = Space::new();
    let kernel = space.open();
    let mut requests = vec![Request::CreateLink(spec("br0", Kind::Bridge(no_bridge())))];
    for number in 0..500 {
        let mut port = spec(&format!("p{number}"), veth(&format!("q{number}")));
        port.settings.controller = ControllerChange::Attach("br0".into());
        port.settings.up = Some(true);
        requests.push(Request::CreateLink(port));
    }
    all_done(&kernel.execute(&requests).await);
    let ports = kernel
        .links(&[LinkSelector::Controller("br0".into())])
        .await
        .unwrap();
    assert_eq!(ports.len(), 500);
    assert!(
        ports
            .iter()
            .all(|p| p.controller.as_deref() == Some("br0") && p.up)
    );
    assert!(
        matches!(&ports[3].kind, Kind::Veth(Veth { peer: Some(peer), .. }) if peer.starts_with('q'))
    );
    let rest: Vec<_> = (0..500)
        .map(|n| Request::DeleteLink(format!("p{n}")))
        .collect();
    all_done(&kernel.execute(&rest).await);
    assert_eq!(kernel.links(&[]).await.unwrap().len(), 2);
}
