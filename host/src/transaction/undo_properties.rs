//! Random batches on a simulated kernel, undone.

use proptest::prelude::*;

use super::*;

const LINKS: [&str; 8] = ["eth0", "eth1", "br0", "v0", "v1", "eth1.7", "new0", "new1"];

fn any_link() -> impl Strategy<Value = String> {
    prop::sample::select(LINKS.to_vec()).prop_map(str::to_owned)
}

fn any_address() -> impl Strategy<Value = Address> {
    let addresses = [
        "10.0.0.1",
        "10.0.0.2",
        "10.0.0.3",
        "10.7.0.1",
        "192.0.2.1",
        "2001:db8::1",
        "2001:db8:1::1",
    ];
    let kinds = prop_oneof![3 => Just(0), 1 => 1..5_u8];
    (any_link(), prop::sample::select(addresses.to_vec()), kinds).prop_map(|(link, text, kind)| {
        let plain = address(&link, text, if text.contains(':') { 64 } else { 24 });
        Address {
            metric: (kind == 1).then_some(7),
            no_duplicate_detection: kind == 2,
            home: kind == 3,
            protocol: if kind == 4 { 79 } else { 0 },
            ..plain
        }
    })
}

fn any_route_of_a_test() -> impl Strategy<Value = Route> {
    let destinations = [
        ("0.0.0.0", 0),
        ("172.16.0.0", 12),
        ("10.8.0.0", 16),
        ("203.0.113.0", 24),
    ];
    let gateways = [
        None,
        Some("10.0.0.254"),
        Some("10.7.0.254"),
        Some("192.0.2.254"),
    ];
    let metrics = [None, Some(50)];
    let unknown = [Vec::new(), vec![advertised_mss()]];
    (
        prop::sample::select(destinations.to_vec()),
        prop::sample::select(gateways.to_vec()),
        any_link(),
        prop::sample::select(metrics.to_vec()),
        prop::sample::select(unknown.to_vec()),
    )
        .prop_map(
            |((destination, length), gateway, link, metric, unknown)| Route {
                metric,
                unknown,
                next_hops: vec![hop(Some(&link), gateway)],
                ..route(destination, length)
            },
        )
}

fn any_kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(bridge()),
        Just(Kind::Vrf(Vrf { table: 10 })),
        Just(vlan("eth0", 9)),
        Just(vlan("eth1", 8)),
        Just(Kind::Veth(Veth {
            peer: Some("new1".into()),
            peer_index: None,
        })),
    ]
}

fn any_change() -> impl Strategy<Value = Request> {
    let macs = ["02:11:00:00:00:01", "02:11:00:00:00:02"];
    (
        any_link(),
        0..8_u8,
        any_link(),
        prop::sample::select(macs.to_vec()),
    )
        .prop_map(|(link, what, other, mac)| {
            let mut change = nothing(&link);
            let settings = &mut change.settings;
            match what {
                0 => settings.up = Some(false),
                1 => settings.up = Some(true),
                2 => settings.mtu = Some(1000),
                3 => settings.mac = Some(mac.into()),
                4 => {
                    settings.description = Some("text".into());
                    settings.group = Some(7);
                }
                5 => settings.controller = ControllerChange::Detach,
                6 if other == "br0" || other == "new0" => {
                    settings.controller = ControllerChange::Attach(other);
                }
                6 => settings.mtu = Some(1400),
                _ => {
                    settings.up = Some(false);
                    change.new_name = Some("new1".into());
                }
            }
            Request::ChangeLink(change)
        })
}

fn any_request() -> impl Strategy<Value = Request> {
    prop_oneof![
        2 => (prop::sample::select(vec!["new0", "new1", "v0", "eth1.7", "br0"]), any_kind())
            .prop_map(|(name, kind)| create(name, kind)),
        6 => any_change(),
        2 => any_link().prop_map(Request::DeleteLink),
        3 => any_address().prop_map(Request::PutAddress),
        3 => any_address().prop_map(Request::DeleteAddress),
        2 => any_route_of_a_test().prop_map(Request::AddRoute),
        2 => any_route_of_a_test().prop_map(Request::PutRoute),
        2 => any_route_of_a_test().prop_map(Request::DeleteRoute),
        1 => any_link().prop_map(|link| Request::PutNeighbour(neighbour(&link, "10.0.0.9"))),
        1 => any_link().prop_map(|link| Request::DeleteNeighbour(neighbour(&link, "10.0.0.9"))),
        1 => (1..20_u16, any::<bool>()).prop_map(|(id, pvid)| {
            let link = "v0".into();
            Request::PutBridgeVlan(BridgeVlan { link, on_bridge: false, first: id, last: id, pvid, untagged: pvid })
        }),
        1 => Just(Request::AddRule(rule(None, "10.2.0.0"))),
        1 => Just(Request::DeleteRule(rule(None, "10.0.0.0"))),
    ]
}

pub(super) fn any_batches() -> impl Strategy<Value = Vec<Vec<Request>>> {
    prop::collection::vec(prop::collection::vec(any_request(), 1..8), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn random_batches_undone_give_the_old_state(batches in any_batches()) {
        run(async {
            let kernel = busy_host().await;
            let before = kernel.snapshot();
            let mut images = Images::default();
            for batch in &batches {
                apply(&kernel, &mut images, batch).await;
            }
            let undone = undo_all(&kernel, &images).await;
            assert_eq!(undone.incomplete, []);
            pretty_assertions(&kernel.snapshot(), &before);
            let again = undo_all(&kernel, &images).await;
            assert_eq!(again.requests, 0, "the second time there is nothing to do");
        });
    }

    #[test]
    fn killed_after_any_request_and_undone_in_pieces_gives_the_old_state(
        batches in any_batches(),
        applied in 0..16_usize,
        pieces in prop::collection::vec(0..12_usize, 0..4),
    ) {
        run(async {
            let kernel = busy_host().await;
            let before = kernel.snapshot();
            let mut images = Images::default();
            *kernel.dies_after.lock().unwrap() = Some(applied);
            for batch in &batches {
                apply(&kernel, &mut images, batch).await;
            }
            let kept = std::sync::Mutex::new(Images::default());
            for piece in pieces {
                *kernel.dies_after.lock().unwrap() = Some(piece);
                let earlier = kept.lock().unwrap().clone();
                undo(&kernel, &images, earlier, &mut |more| {
                    kept.lock().unwrap().merge(more.clone());
                    Ok(())
                }).await.unwrap();
            }
            *kernel.dies_after.lock().unwrap() = None;
            let undone = undo(&kernel, &images, kept.into_inner().unwrap(), &mut |_| Ok(())).await.unwrap();
            assert_eq!(undone.incomplete, []);
            pretty_assertions(&kernel.snapshot(), &before);
        });
    }

    #[test]
    fn what_others_add_after_random_batches_stays(batches in any_batches()) {
        run(async {
            let kernel = busy_host().await;
            let mut images = Images::default();
            for batch in &batches {
                apply(&kernel, &mut images, batch).await;
            }
            // Whatever eth1 is called now, if it is up.
            let Some(link) = kernel.state().links.iter().find(|it| it.index == 2 && it.up).cloned() else { return };
            let lease = Address { valid_lifetime: Some(600), ..address(&link.name, "100.64.0.9", 10) };
            let daemon = Route { protocol: 186, ..via("198.51.100.0", 24, "100.64.0.1", &link.name) };
            let others = [Request::PutAddress(lease), Request::AddRoute(daemon), create("docker0", bridge())];
            for answer in kernel.execute(&others).await {
                answer.unwrap();
            }
            let undone = undo_all(&kernel, &images).await;
            assert_eq!(undone.incomplete, []);
            assert_eq!(undone.notes.iter().filter(|note| note.starts_with("not kept")).count(), 0);
            let state = kernel.state();
            assert!(state.addresses.iter().any(|it| it.address == "100.64.0.9" && it.link == "eth1"));
            assert!(state.routes.iter().any(|it| it.protocol == 186));
            assert!(state.links.iter().any(|it| it.name == "docker0"));
        });
    }
}
