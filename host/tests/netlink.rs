//! The netlink backend against the real kernel, each test in a network namespace of its own.

#[path = "netlink/kinds_of_a_full_kernel.rs"]
mod kinds_of_a_full_kernel;
#[path = "netlink/support.rs"]
mod support;

use op_dbus::backends::netlink::{Event, Group, Kernel, Netlink};
use op_dbus::contract::netlink::*;
use op_dbus::contract::types::FailureCode;
use support::*;

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
            onlink: false
        }]
    );
    assert!(!found.has_unknown);
    let found = routes
        .iter()
        .find(|r| r.destination.address == "2001:db8:1::")
        .unwrap();
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

#[tokio::test]
async fn rules_come_back_as_they_were_written() {
    let space = Space::new();
    let kernel = space.open();
    let mut wanted = rule(Family::Ipv4, 1000, RuleAction::Lookup(700));
    wanted.source = Some(prefix("192.0.2.0", 24));
    wanted.input_link = Some("not-there-yet".into());
    wanted.firewall_mark = Some(7);
    wanted.firewall_mask = Some(0xff);
    wanted.ip_protocol = Some(17);
    wanted.source_ports = Some(PortRange {
        first: 53,
        last: 53,
    });
    wanted.destination_ports = Some(PortRange {
        first: 1000,
        last: 2000,
    });
    wanted.user_ids = Some(IdRange { first: 5, last: 9 });
    wanted.invert = true;
    let mut other = rule(Family::Ipv6, 1001, RuleAction::Prohibit);
    other.destination = Some(prefix("2001:db8::", 32));
    let goto = rule(Family::Ipv4, 900, RuleAction::Goto(1000));
    let all = [wanted, other, goto];
    all_done(&kernel.execute(&all.clone().map(Request::AddRule)).await);
    let rules = kernel.rules(&[]).await.unwrap();
    for one in &all {
        assert!(rules.contains(one), "{one:?} is not among {rules:?}");
    }
    assert_eq!(
        kernel
            .rules(&[Family::Ipv6])
            .await
            .unwrap()
            .iter()
            .filter(|r| r.family == Family::Ipv4)
            .count(),
        0
    );
    let again = kernel.execute(&[Request::AddRule(all[1].clone())]).await;
    assert_eq!(again[0].as_ref().unwrap_err().code, FailureCode::Exists);
    all_done(&kernel.execute(&all.clone().map(Request::DeleteRule)).await);
    let rules = kernel.rules(&[]).await.unwrap();
    assert!(!rules.iter().any(|r| all.contains(r)));
}

#[tokio::test]
async fn neighbours_and_proxies_come_back() {
    let space = Space::new();
    let kernel = space.open();
    space.run("ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 up");
    let wanted = [
        neighbour("v0", "192.0.2.7", Some("02:00:5e:00:53:07"), false),
        neighbour("v0", "2001:db8::7", Some("02:00:5e:00:53:08"), false),
        neighbour("v1", "2001:db8::9", None, true),
    ];
    all_done(
        &kernel
            .execute(&wanted.clone().map(Request::PutNeighbour))
            .await,
    );
    let found = kernel.neighbours(&[]).await.unwrap();
    for one in &wanted {
        assert!(found.contains(one), "{one:?} is not among {found:?}");
    }
    let found = kernel.neighbours(&["v1".into()]).await.unwrap();
    assert!(
        found.contains(&wanted[2]) && found.iter().all(|n| n.link == "v1"),
        "{found:?}"
    );
    all_done(
        &kernel
            .execute(&wanted.clone().map(Request::DeleteNeighbour))
            .await,
    );
    assert!(
        !kernel
            .neighbours(&[])
            .await
            .unwrap()
            .iter()
            .any(|n| wanted.contains(n))
    );
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
async fn tunnels_macvlans_and_taps_come_back_as_they_were_made() {
    let space = Space::new();
    let kernel = space.open();
    let vxlan = Vxlan {
        id: 7,
        parent: Some("v0".into()),
        local: Some("192.0.2.1".into()),
        remote: Some("239.1.1.1".into()),
        port: Some(4789),
        ttl: Some(3),
        tos: Some(0),
        learning: Some(true),
        ageing: Some(120),
        limit: Some(9),
        proxy: Some(false),
        route_short_circuit: Some(false),
        collect_metadata: None,
        udp_checksum: Some(true),
    };
    let macvlan = Macvlan {
        parent: Some("v0".into()),
        mode: Some(MacvlanMode::Bridge),
    };
    let tap = Tun {
        mode: TunMode::Tap,
        owner: Some(1000),
        group: Some(1001),
        packet_information: Some(false),
        vnet_header: Some(true),
        multi_queue: Some(false),
        persistent: Some(true),
    };
    let mut tap_spec = spec("tap0", Kind::Tun(tap));
    tap_spec.index = Some(4711);
    tap_spec.settings.mtu = Some(1300);
    let wanted = [
        spec("v0", veth("v1")),
        spec("vx0", Kind::Vxlan(vxlan.clone())),
        spec("mv0", Kind::Macvlan(macvlan.clone())),
        spec("mt0", Kind::Macvtap(macvlan.clone())),
        spec("ifb9", Kind::Ifb),
        tap_spec,
    ];
    all_done(
        &kernel
            .execute(&wanted.clone().map(Request::CreateLink))
            .await,
    );
    let links = kernel.links(&[]).await.unwrap();
    let found = |name: &str| links.iter().find(|l| l.name == name).unwrap();
    let Kind::Vxlan(seen) = found("vx0").kind.clone() else {
        panic!()
    };
    assert_eq!(
        Vxlan {
            collect_metadata: None,
            ..seen
        },
        vxlan
    );
    for (name, kind) in [
        ("mv0", Kind::Macvlan(macvlan.clone())),
        ("mt0", Kind::Macvtap(macvlan)),
        ("ifb9", Kind::Ifb),
        ("tap0", Kind::Tun(tap)),
    ] {
        assert_eq!(found(name).kind, kind, "{name}");
        assert_eq!(found(name).unknown, [], "{name}");
    }
    assert_eq!((found("tap0").index, found("tap0").mtu), (4711, 1300));
    let chosen = kernel
        .links(&[
            LinkSelector::Parent("v0".into()),
            LinkSelector::Kind("ifb".into()),
            LinkSelector::Name("tap0".into()),
            LinkSelector::Name("none".into()),
        ])
        .await
        .unwrap();
    let mut names: Vec<_> = chosen.iter().map(|l| l.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["ifb9", "mt0", "mv0", "tap0", "vx0"]);
    let chosen = kernel
        .links(&[
            LinkSelector::Kind("macvlan".into()),
            LinkSelector::Name("mv0".into()),
        ])
        .await
        .unwrap();
    assert_eq!(chosen.len(), 1);
    assert_eq!(chosen[0], *found("mv0"));
    // A change keeps what it leaves out.
    let answers = kernel
        .execute(&[Request::ChangeLink(LinkChange {
            kind: Some(Kind::Vxlan(Vxlan {
                ageing: Some(77),
                ..none_vxlan(7)
            })),
            ..change("vx0")
        })])
        .await;
    all_done(&answers);
    let Kind::Vxlan(seen) = kernel
        .links(&[LinkSelector::Name("vx0".into())])
        .await
        .unwrap()
        .remove(0)
        .kind
    else {
        panic!()
    };
    assert_eq!(
        (seen.ageing, seen.remote, seen.limit),
        (Some(77), vxlan.remote, Some(9))
    );
    let answers = kernel
        .execute(&[Request::ChangeLink(LinkChange {
            kind: Some(Kind::Ifb),
            ..change("vx0")
        })])
        .await;
    assert_eq!(answers[0].as_ref().unwrap_err().code, FailureCode::Invalid);
}

#[tokio::test]
async fn routes_of_every_type_come_back_and_scopes_narrow_them() {
    let space = Space::new();
    let kernel = space.open();
    space.run("ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 up; ip addr add 192.0.2.1/24 dev v0; ip addr add 198.51.100.1/24 dev v1; ip addr add 2001:db8::1/64 dev v0 nodad");
    let mut multi = route("203.0.113.0", 24, None, None);
    multi.next_hops = vec![
        NextHop {
            weight: 3,
            ..hop(Some("192.0.2.9"), Some("v0"))
        },
        hop(Some("198.51.100.9"), Some("v1")),
    ];
    multi.scope = Some(0);
    let mut black = route("10.1.0.0", 16, None, None);
    black.next_hops.clear();
    black.route_type = RouteType::Blackhole;
    black.table = 5000;
    black.protocol = 99;
    black.metric = Some(12);
    black.scope = Some(0);
    let mut onlink = route("10.2.0.0", 16, Some("10.99.99.99"), Some("v0"));
    onlink.next_hops[0].onlink = true;
    onlink.mtu = Some(1280);
    onlink.preferred_source = Some("192.0.2.1".into());
    onlink.scope = Some(0);
    let mut six = route("2001:db8:5::", 48, None, None);
    six.next_hops = vec![
        hop(Some("2001:db8::9"), Some("v0")),
        NextHop {
            weight: 2,
            ..hop(Some("2001:db8::a"), Some("v0"))
        },
    ];
    six.metric = Some(50);
    six.scope = Some(0);
    let mut via = route("10.3.0.0", 16, Some("2001:db8::9"), Some("v0"));
    via.scope = Some(0);
    let mut six_black = route("2001:db8:6::", 48, None, None);
    six_black.next_hops.clear();
    six_black.route_type = RouteType::Unreachable;
    six_black.metric = Some(60);
    six_black.scope = Some(0);
    let all = [multi, black, onlink, six, via, six_black];
    all_done(&kernel.execute(&all.clone().map(Request::AddRoute)).await);
    let found = kernel.routes(&scope()).await.unwrap();
    for one in &all {
        assert!(found.contains(one), "{one:?} is not among {found:#?}");
    }
    let again = kernel.execute(&all.clone().map(Request::AddRoute)).await;
    assert_eq!(again[0].as_ref().unwrap_err().code, FailureCode::Exists);
    all_done(&kernel.execute(&all.clone().map(Request::PutRoute)).await);
    let only = kernel
        .routes(&RouteScope {
            tables: vec![5000, 6000],
            ..scope()
        })
        .await
        .unwrap();
    assert_eq!(only, [all[1].clone()]);
    let only = kernel
        .routes(&RouteScope {
            protocols: vec![99],
            ..scope()
        })
        .await
        .unwrap();
    assert_eq!(only, [all[1].clone()]);
    let only = kernel
        .routes(&RouteScope {
            links: vec!["v1".into()],
            protocols: vec![4],
            ..scope()
        })
        .await
        .unwrap();
    assert_eq!(only, [all[0].clone()]);
    let only = kernel
        .routes(&RouteScope {
            destinations: vec![prefix("10.2.0.0", 16)],
            ..scope()
        })
        .await
        .unwrap();
    assert_eq!(only, [all[2].clone()]);
    all_done(&kernel.execute(&all.clone().map(Request::DeleteRoute)).await);
    let found = kernel
        .routes(&RouteScope {
            protocols: vec![4, 99],
            ..scope()
        })
        .await
        .unwrap();
    assert_eq!(found, []);
}

#[tokio::test]
async fn a_call_that_is_dropped_half_way_leaves_the_socket_sound() {
    let space = Space::new();
    let kernel = space.open();
    let many: Vec<_> = (0..20_000u32)
        .map(|n| {
            let mut one = route(&format!("10.{}.{}.0", n / 250, n % 250), 24, None, None);
            one.next_hops.clear();
            one.route_type = RouteType::Blackhole;
            Request::AddRoute(one)
        })
        .collect();
    all_done(&kernel.execute(&many).await);
    let narrow = scope();
    let dropped = tokio::select! {
        biased;
        routes = kernel.routes(&narrow) => Some(routes),
        () = async {} => None,
    };
    assert!(
        dropped.is_none(),
        "the dump ended before it could be dropped"
    );
    assert_eq!(kernel.links(&[]).await.unwrap()[0].name, "lo");
    assert!(kernel.routes(&scope()).await.unwrap().len() >= 20_000);
}

#[tokio::test]
async fn watching_tells_of_links_and_rules() {
    let space = Space::new();
    let kernel = space.open();
    let mut events = kernel.watch(&[Group::Links, Group::Rules]).unwrap();
    all_done(
        &kernel
            .execute(&[Request::CreateLink(spec("br7", Kind::Bridge(no_bridge())))])
            .await,
    );
    let index = kernel
        .links(&[LinkSelector::Name("br7".into())])
        .await
        .unwrap()[0]
        .index;
    assert_eq!(
        events.next().await.unwrap(),
        Event::Changed {
            group: Group::Links,
            link: index,
            gone: false
        }
    );
    all_done(&kernel.execute(&[Request::DeleteLink("br7".into())]).await);
    while events.next().await.unwrap()
        != (Event::Changed {
            group: Group::Links,
            link: index,
            gone: true,
        })
    {}
    all_done(
        &kernel
            .execute(&[Request::AddRule(rule(
                Family::Ipv4,
                77,
                RuleAction::Lookup(3),
            ))])
            .await,
    );
    while !matches!(
        events.next().await.unwrap(),
        Event::Changed {
            group: Group::Rules,
            ..
        }
    ) {}
}

#[tokio::test]
async fn a_namespace_that_does_not_exist_is_named() {
    let secrets =
        std::sync::Arc::new(op_dbus::secrets::SecretStore::open(Vec::new(), None).unwrap());
    let failure = Netlink::open(Some("opdnl-absent"), secrets).err().unwrap();
    assert_eq!(failure.code, FailureCode::NotFound);
    assert!(
        failure.message.contains("opdnl-absent"),
        "{}",
        failure.message
    );
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
