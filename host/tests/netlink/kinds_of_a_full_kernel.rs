//! Kinds that come as modules: these tests say loudly when the kernel lacks one, and fail for it where OP_DBUS_VM=1 promises all.

use op_dbus::backends::netlink::{Kernel, Netlink};
use op_dbus::contract::netlink::*;
use op_dbus::contract::types::FailureCode;

use crate::support::*;

/// Whether this kernel can make links of this kind.
fn has(space: &Space, kind: &str, arguments: &str) -> bool {
    // Kinds that lie on another link are probed on v0.
    let before = if matches!(kind, "vlan" | "ipvlan") {
        "link v0"
    } else {
        ""
    };
    let command = format!(
        "ip link add {before} name probe0 type {kind} {arguments} 2>/dev/null && ip link del probe0 && echo yes || true"
    );
    let has = space.run(&command).trim() == "yes";
    if !has {
        eprintln!("\n*** NOT TESTED: this kernel has no links of kind {kind} ***\n");
        assert!(
            std::env::var("OP_DBUS_VM").as_deref() != Ok("1"),
            "this kernel was to have links of kind {kind}"
        );
    }
    has
}

/// Makes a link, and gives it back as the kernel shows it.
async fn made(kernel: &Netlink, name: &str, kind: Kind) -> Link {
    all_done(
        &kernel
            .execute(&[Request::CreateLink(spec(name, kind))])
            .await,
    );
    kernel
        .links(&[LinkSelector::Name(name.into())])
        .await
        .unwrap()
        .remove(0)
}

#[tokio::test]
async fn a_bond_takes_a_port_that_is_up() {
    let space = Space::new();
    if !has(&space, "bond", "") {
        return;
    }
    let kernel = space.open();
    let wanted = Bond {
        mode: Some(BondMode::ActiveBackup),
        arp_interval: Some(100),
        arp_targets: vec!["192.0.2.1".into(), "192.0.2.2".into()],
        arp_validate: Some(BondArpValidate::All),
        fail_over_mac: Some(BondFailOverMac::Active),
        peer_notifications: Some(3),
        ..no_bond()
    };
    let found = made(&kernel, "bond7", Kind::Bond(wanted.clone())).await;
    assert_eq!(found.unknown, []);
    let Kind::Bond(seen) = found.kind else {
        panic!("{:?}", found.kind)
    };
    assert_eq!(
        (
            seen.mode,
            &seen.arp_targets,
            seen.arp_validate,
            seen.fail_over_mac,
            seen.peer_notifications
        ),
        (
            wanted.mode,
            &wanted.arp_targets,
            wanted.arp_validate,
            wanted.fail_over_mac,
            Some(3)
        )
    );
    space.run("ip link add v0 type veth peer name v1; ip link set v0 up");
    let attach = LinkSettings {
        controller: ControllerChange::Attach("bond7".into()),
        port: Some(Port::Bond(BondPort {
            queue_id: Some(2),
            priority: None,
        })),
        ..keep()
    };
    let primary = Kind::Bond(Bond {
        primary: Some("v0".into()),
        ..no_bond()
    });
    all_done(
        &kernel
            .execute(&[
                Request::ChangeLink(LinkChange {
                    settings: attach,
                    ..change("v0")
                }),
                Request::ChangeLink(LinkChange {
                    kind: Some(primary),
                    ..change("bond7")
                }),
            ])
            .await,
    );
    let links = kernel
        .links(&[
            LinkSelector::Name("v0".into()),
            LinkSelector::Name("bond7".into()),
        ])
        .await
        .unwrap();
    let port = links.iter().find(|l| l.name == "v0").unwrap();
    assert_eq!((port.controller.as_deref(), port.up), (Some("bond7"), true));
    assert!(matches!(&port.port, Some(Port::Bond(p)) if p.queue_id == Some(2)));
    let bond = links.iter().find(|l| l.name == "bond7").unwrap();
    assert!(
        matches!(&bond.kind, Kind::Bond(b) if b.primary.as_deref() == Some("v0") && b.mode == wanted.mode)
    );
}

#[tokio::test]
async fn vlans_vrfs_and_ipvlans_come_back_as_they_were_made() {
    let space = Space::new();
    space.run("ip link add v0 type veth peer name v1");
    let kernel = space.open();
    if has(&space, "vlan", "id 9") {
        let wanted = Kind::Vlan(Vlan {
            parent: Some("v0".into()),
            id: 7,
            protocol: Some(VlanProtocol::Ieee8021ad),
            reorder_header: Some(false),
            gvrp: Some(true),
            mvrp: Some(false),
            loose_binding: Some(true),
        });
        let found = made(&kernel, "v0.7", wanted.clone()).await;
        assert_eq!((found.kind, found.unknown), (wanted, vec![]));
    }
    if has(&space, "dummy", "") {
        assert_eq!(made(&kernel, "dummy7", Kind::Dummy).await.kind, Kind::Dummy);
    }
    if has(&space, "vrf", "table 9") {
        let found = made(&kernel, "vrf7", Kind::Vrf(Vrf { table: 70000 })).await;
        assert_eq!(
            (found.kind, found.unknown),
            (Kind::Vrf(Vrf { table: 70000 }), vec![])
        );
        let other = LinkChange {
            kind: Some(Kind::Vrf(Vrf { table: 5 })),
            ..change("vrf7")
        };
        let answers = kernel.execute(&[Request::ChangeLink(other)]).await;
        assert_eq!(answers[0].as_ref().unwrap_err().code, FailureCode::Invalid);
    }
    let wanted = Kind::Ipvlan(Ipvlan {
        parent: Some("v0".into()),
        mode: Some(IpvlanMode::L3),
        isolation: Some(IpvlanIsolation::Private),
    });
    let answers = kernel
        .execute(&[Request::CreateLink(spec("ipv7", wanted.clone()))])
        .await;
    match &answers[0] {
        Ok(()) => {
            let found = kernel
                .links(&[LinkSelector::Name("ipv7".into())])
                .await
                .unwrap()
                .remove(0);
            assert_eq!((found.kind, found.unknown), (wanted, vec![]));
        }
        Err(failure) => {
            assert_eq!(failure.code, FailureCode::Unsupported, "{failure:?}");
            assert!(!has(&space, "ipvlan", ""), "{failure:?}");
        }
    }
}

#[tokio::test]
async fn tunnels_over_ip_keep_what_a_change_leaves_out() {
    let space = Space::new();
    let kernel = space.open();
    let four = Tunnel {
        local: Some("192.0.2.1".into()),
        remote: Some("192.0.2.2".into()),
        ttl: Some(9),
        tos: Some(0),
        path_mtu_discovery: Some(true),
        ..no_tunnel()
    };
    let keyed = Tunnel {
        input_key: Some(5),
        output_key: Some(6),
        ..four.clone()
    };
    let six = Tunnel {
        local: Some("2001:db8::1".into()),
        remote: Some("2001:db8::2".into()),
        ttl: Some(9),
        tos: Some(0),
        encapsulation_limit: Some(4),
        flow_label: Some(0x12345),
        ..no_tunnel()
    };
    let cases = [
        ("gre", Kind::Gre(keyed.clone())),
        ("gretap", Kind::Gretap(keyed)),
        ("ipip", Kind::Ipip(four.clone())),
        ("sit", Kind::Sit(four)),
        ("ip6gre", Kind::Ip6gre(six.clone())),
        ("ip6gretap", Kind::Ip6gretap(six.clone())),
        ("ip6tnl", Kind::Ip6tnl(six)),
    ];
    for (word, wanted) in cases {
        let ends = if word.starts_with("ip6") {
            "local ::1 remote ::2"
        } else {
            "local 127.0.0.1 remote 127.0.0.2"
        };
        if !has(&space, word, ends) {
            continue;
        }
        let name = format!("t-{word}");
        let found = made(&kernel, &name, wanted.clone()).await;
        assert_eq!((&found.kind, &found.unknown), (&wanted, &vec![]), "{word}");
        let make: fn(Tunnel) -> Kind = match &wanted {
            Kind::Gre(_) => Kind::Gre,
            Kind::Gretap(_) => Kind::Gretap,
            Kind::Ipip(_) => Kind::Ipip,
            Kind::Sit(_) => Kind::Sit,
            Kind::Ip6gre(_) => Kind::Ip6gre,
            Kind::Ip6gretap(_) => Kind::Ip6gretap,
            _ => Kind::Ip6tnl,
        };
        let only_ttl = make(Tunnel {
            ttl: Some(33),
            ..no_tunnel()
        });
        all_done(
            &kernel
                .execute(&[Request::ChangeLink(LinkChange {
                    kind: Some(only_ttl),
                    ..change(&name)
                })])
                .await,
        );
        let found = kernel
            .links(&[LinkSelector::Name(name)])
            .await
            .unwrap()
            .remove(0);
        let expected = match wanted {
            Kind::Gre(t)
            | Kind::Gretap(t)
            | Kind::Ipip(t)
            | Kind::Sit(t)
            | Kind::Ip6gre(t)
            | Kind::Ip6gretap(t)
            | Kind::Ip6tnl(t) => make(Tunnel { ttl: Some(33), ..t }),
            other => other,
        };
        assert_eq!(found.kind, expected, "{word}");
        // Tunnels of several kinds between the same ends get into each other's way.
        all_done(&kernel.execute(&[Request::DeleteLink(found.name)]).await);
    }
    if has(&space, "geneve", "id 9 remote 127.0.0.1") {
        let wanted = Kind::Geneve(Geneve {
            id: 7,
            remote: Some("192.0.2.9".into()),
            port: Some(6082),
            ttl: Some(5),
            tos: Some(0),
            collect_metadata: Some(false),
            udp_checksum: Some(true),
        });
        let found = made(&kernel, "gnv7", wanted.clone()).await;
        assert_eq!((found.kind, found.unknown), (wanted, vec![]));
    }
}

#[tokio::test]
async fn wireguard_keeps_its_secrets_to_itself() {
    let space = Space::new();
    if !has(&space, "wireguard", "") {
        return;
    }
    let secrets =
        std::sync::Arc::new(op_dbus::secrets::SecretStore::open(Vec::new(), None).unwrap());
    let private = secrets.mask("yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=");
    let shared = secrets.mask("FpCyhws9cxwWoV4xELtfJvjJN+zQVRPISllRWgeopVE=");
    let kernel = Netlink::open(Some(&space.name), secrets).unwrap();
    let peers: Vec<_> = (0..40u8)
        .map(|number| WireguardPeer {
            public_key: format!(
                "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8{}{}=",
                (b'A' + number % 26) as char,
                if number < 26 { 'Q' } else { 'g' }
            ),
            preshared_key: Some(shared.clone()),
            endpoint: Some(if number % 2 == 0 {
                "192.0.2.1:51820".into()
            } else {
                "[2001:db8::1]:51820".into()
            }),
            persistent_keepalive: Some(25),
            allowed_ips: (0..300u32)
                .map(|n| prefix(&format!("10.{number}.{}.{}", n / 250, n % 250), 32))
                .collect(),
        })
        .collect();
    let wanted = Wireguard {
        public_key: None,
        private_key: Some(private.clone()),
        listen_port: Some(51821),
        firewall_mark: Some(7),
        peers: Some(peers.clone()),
    };
    let found = made(&kernel, "wg7", Kind::Wireguard(wanted)).await;
    let Kind::Wireguard(seen) = found.kind else {
        panic!("{:?}", found.kind)
    };
    assert_eq!(
        seen.public_key.as_deref(),
        Some("HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=")
    );
    assert_eq!(
        (
            seen.private_key.as_ref(),
            seen.listen_port,
            seen.firewall_mark
        ),
        (Some(&private), Some(51821), Some(7))
    );
    let mut seen = seen.peers.unwrap();
    assert_eq!(seen.len(), peers.len());
    for one in &peers {
        let place = seen
            .iter()
            .position(|p| p.public_key == one.public_key)
            .unwrap();
        let mut back = seen.swap_remove(place);
        back.allowed_ips.sort_by(|a, b| a.address.cmp(&b.address));
        let mut one = one.clone();
        one.allowed_ips.sort_by(|a, b| a.address.cmp(&b.address));
        assert_eq!(back, one);
    }
}

#[tokio::test]
async fn vlans_of_a_bridge_come_back_as_ranges() {
    let space = Space::new();
    space.run("ip link add br0 type bridge; ip link add v0 type veth peer name v1; ip link set v0 master br0");
    let kernel = space.open();
    let filter = Kind::Bridge(Bridge {
        vlan_filtering: Some(true),
        ..no_bridge()
    });
    let answers = kernel
        .execute(&[Request::ChangeLink(LinkChange {
            kind: Some(filter),
            ..change("br0")
        })])
        .await;
    if let Err(failure) = &answers[0] {
        eprintln!(
            "\n*** NOT TESTED: bridges of this kernel do not filter VLANs: {} ***\n",
            failure.message
        );
        assert!(std::env::var("OP_DBUS_VM").as_deref() != Ok("1"));
        return;
    }
    let vlan = |link: &str, on_bridge, first, last, pvid, untagged| BridgeVlan {
        link: link.into(),
        on_bridge,
        first,
        last,
        pvid,
        untagged,
    };
    let wanted = [
        vlan("v0", false, 10, 20, false, false),
        vlan("v0", false, 30, 30, true, true),
        vlan("br0", true, 40, 41, false, false),
    ];
    all_done(
        &kernel
            .execute(&wanted.clone().map(Request::PutBridgeVlan))
            .await,
    );
    let found = kernel.bridge_vlans(&[]).await.unwrap();
    for one in &wanted {
        assert!(found.contains(one), "{one:?} is not among {found:?}");
    }
    all_done(
        &kernel
            .execute(&wanted.clone().map(Request::DeleteBridgeVlan))
            .await,
    );
    assert!(
        !kernel
            .bridge_vlans(&["v0".into()])
            .await
            .unwrap()
            .iter()
            .any(|v| wanted.contains(v))
    );
}
