//! Random calls under random grants before a kernel in memory: what is not granted stays as it is, and is not seen.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::backends::dbus::{Bus, BusAddress};
use crate::backends::netlink::Kernel;
use crate::backends::ovsdb::{Lazy, Options, Remote};
use crate::contract::netlink::{
    AlternativeName, BridgeVlan, LinkChange, LinkSelector, LinkSpec, NeighbourState, Veth, Vlan,
    Vrf,
};
use crate::gate::budget::Budget;
use crate::gate::network::Range;
use crate::gate::pattern::Pattern;
use crate::gate::{Backends, Gate, Mode};
use crate::secrets::SecretStore;
use crate::transaction::book::Book;
use crate::transaction::link_restore::attach::nothing;
use crate::transaction::simulated::addresses::address;
use crate::transaction::simulated::routes::{hop, route};
use crate::transaction::simulated::{Simulated, State};

/// Names: of the plugin's own links, of others', and such as try to be both.
const NAMES: [&str; 12] = [
    "own-a",
    "own-b",
    "own-c",
    "eth0",
    "eth1",
    "own-alias",
    "OWN-A",
    "own-a\0",
    "eth0\0own-a",
    "own-a/../eth0",
    "",
    "1",
];

const ADDRESSES: [&str; 6] = [
    "10.0.0.7",
    "10.9.0.1",
    "192.0.2.5",
    "::ffff:10.0.0.7",
    "fd00::1",
    "nowhere",
];

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(&NAMES[..]).prop_map(str::to_owned)
}

fn kind() -> impl Strategy<Value = Kind> {
    let vlan = |parent| {
        Kind::Vlan(Vlan {
            parent: Some(parent),
            id: 7,
            protocol: None,
            reorder_header: None,
            gvrp: None,
            mvrp: None,
            loose_binding: None,
        })
    };
    let veth = |peer| {
        Kind::Veth(Veth {
            peer: Some(peer),
            peer_index: None,
        })
    };
    prop_oneof![
        Just(Kind::Dummy),
        name().prop_map(vlan),
        name().prop_map(veth),
        any_table().prop_map(|table| Kind::Vrf(Vrf { table })),
    ]
}

fn any_table() -> impl Strategy<Value = u32> {
    prop::sample::select(&[100, 254][..])
}

fn any_address() -> impl Strategy<Value = Address> {
    (name(), prop::sample::select(&ADDRESSES[..])).prop_map(|(link, text)| address(&link, text, 24))
}

fn any_route() -> impl Strategy<Value = Route> {
    let destinations = [
        ("0.0.0.0", 0),
        ("10.8.0.0", 16),
        ("10.9.0.0", 16),
        ("192.0.2.0", 24),
    ];
    let hops = prop_oneof![
        Just(Vec::new()),
        name().prop_map(|link| vec![hop(Some(&link), None)]),
        Just(vec![hop(None, Some("192.0.2.254"))]),
        name().prop_map(|link| vec![hop(Some("own-a"), None), hop(Some(&link), None)]),
    ];
    (
        prop::sample::select(destinations.to_vec()),
        any_table(),
        hops,
        prop::option::of(Just(50)),
        prop::sample::select(&[RouteType::Unicast, RouteType::Blackhole][..]),
    )
        .prop_map(
            |((to, length), table, next_hops, metric, route_type)| Route {
                table,
                metric,
                next_hops,
                route_type,
                ..route(to, length)
            },
        )
}

fn change() -> impl Strategy<Value = LinkChange> {
    let controller = prop_oneof![
        Just(ControllerChange::Keep),
        Just(ControllerChange::Detach),
        name().prop_map(ControllerChange::Attach),
    ];
    (name(), prop::option::of(name()), controller).prop_map(|(link, new_name, controller)| {
        let mut change = nothing(&link);
        change.new_name = new_name;
        change.settings.mtu = Some(1400);
        change.settings.controller = controller;
        change
    })
}

fn request() -> impl Strategy<Value = Request> {
    let alternative = || (name(), name()).prop_map(|(link, name)| AlternativeName { link, name });
    let neighbour = || {
        any_address().prop_map(|address| Neighbour {
            link: address.link,
            address: address.address,
            mac: None,
            state: NeighbourState::Permanent,
            proxy: false,
            router: false,
        })
    };
    let vlan = || {
        name().prop_map(|link| BridgeVlan {
            link,
            on_bridge: false,
            first: 7,
            last: 9,
            pvid: false,
            untagged: false,
        })
    };
    prop_oneof![
        (name(), kind(), prop::collection::vec(name(), 0..2)).prop_map(
            |(name, kind, alternative_names)| Request::CreateLink(LinkSpec {
                settings: nothing(&name).settings,
                name,
                index: None,
                kind,
                alternative_names,
            })
        ),
        change().prop_map(Request::ChangeLink),
        name().prop_map(Request::DeleteLink),
        alternative().prop_map(Request::AddAlternativeName),
        alternative().prop_map(Request::DeleteAlternativeName),
        any_address().prop_map(Request::PutAddress),
        any_address().prop_map(Request::DeleteAddress),
        any_route().prop_map(Request::AddRoute),
        any_route().prop_map(Request::PutRoute),
        any_route().prop_map(Request::DeleteRoute),
        neighbour().prop_map(Request::PutNeighbour),
        neighbour().prop_map(Request::DeleteNeighbour),
        vlan().prop_map(Request::PutBridgeVlan),
        vlan().prop_map(Request::DeleteBridgeVlan),
    ]
}

/// A grant of some of what is the plugin's own, never of `eth0` and `eth1`, nor of table 254.
fn some_grant() -> impl Strategy<Value = NetlinkGrant> {
    let patterns = |texts: &'static [&'static str]| {
        prop::collection::vec(prop::sample::select(texts).prop_map(Pattern::new), 0..3)
    };
    (
        patterns(&["own-*", "own-a", "own-?", "*-b", "own*a"]),
        patterns(&["own-*", "own-a"]),
        patterns(&["*", "dummy", "v*"]),
        prop::sample::subsequence(vec!["10.0.0.0/8", "10.9.0.0/16", "fd00::/8"], 0..3),
        any::<bool>(),
    )
        .prop_map(|(change, see, kinds, networks, table)| NetlinkGrant {
            change,
            see,
            kinds,
            networks: networks.iter().map(|text| text.parse().unwrap()).collect(),
            tables: table
                .then(|| "100".parse::<Range>().unwrap())
                .into_iter()
                .collect(),
            ..NetlinkGrant::default()
        })
}

/// A host: two links of the plugin's own, two of others, one of which has an alternative name that looks like the plugin's.
fn host() -> Simulated {
    let kernel = Simulated::host();
    let create = |name: &str| {
        Request::CreateLink(LinkSpec {
            name: name.into(),
            index: None,
            kind: Kind::Dummy,
            alternative_names: Vec::new(),
            settings: crate::contract::netlink::LinkSettings {
                up: Some(true),
                ..nothing(name).settings
            },
        })
    };
    let through = |link: &str, to: &str, length, table| {
        Request::AddRoute(Route {
            table,
            next_hops: vec![hop(Some(link), None)],
            ..route(to, length)
        })
    };
    let requests = [
        create("own-a"),
        create("own-b"),
        Request::AddAlternativeName(AlternativeName {
            link: "eth1".into(),
            name: "own-alias".into(),
        }),
        Request::PutAddress(address("eth0", "192.0.2.5", 24)),
        Request::PutAddress(address("own-a", "10.0.0.1", 24)),
        through("eth0", "0.0.0.0", 0, 254),
        through("eth0", "10.9.0.0", 16, 100),
        through("own-a", "10.8.0.0", 16, 100),
    ];
    let answers = run(kernel.execute(&requests));
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    kernel
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(work)
}

fn gate(kernel: Arc<Simulated>, netlink: NetlinkGrant, mode: Mode) -> Gate {
    let nowhere = "unix:path=/nowhere".to_owned();
    Gate {
        plugin: "tested".into(),
        grant: Arc::new(Grant {
            netlink: Some(netlink),
            ..Grant::default()
        }),
        mode,
        backends: Backends {
            kernel,
            ovsdb: Arc::new(Lazy::new(Options::new(Remote::Unix("/nowhere".into())))),
            bus: Arc::new(Bus::connect(BusAddress::Explicit(nowhere))),
            secrets: Arc::new(SecretStore::open(Vec::new(), None).unwrap()),
        },
        recorder: Arc::new(Book::freeing(None)),
        budget: Budget::new(1_000, 1 << 20, 0),
        progress_of_ovsdb: Default::default(),
    }
}

fn is_others(link: &str) -> bool {
    link.starts_with("eth")
}

/// What is not the plugin's under any of these grants.
fn of_others(state: &State) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let links = state.links.iter().filter(|link| is_others(&link.name));
    all.extend(links.map(|it| format!("{it:?}")));
    let addresses = state.addresses.iter().filter(|it| is_others(&it.link));
    all.extend(addresses.map(|it| format!("{it:?}")));
    let routes = state.routes.iter().filter(|route| {
        let mut links = route.next_hops.iter().map(|hop| hop.link.as_deref());
        // The kernel's own route to the network of the plugin's address is there too.
        let own = route.protocol == 2;
        !own && (route.table != 100 || links.any(|link| link.is_none_or(is_others)))
    });
    all.extend(routes.map(|it| format!("{it:?}")));
    all.extend(state.rules.iter().map(|it| format!("{it:?}")));
    let neighbours = state.neighbours.iter().filter(|it| is_others(&it.link));
    all.extend(neighbours.map(|it| format!("{it:?}")));
    let vlans = state.vlans.iter().filter(|it| is_others(&it.link));
    all.extend(vlans.map(|it| format!("{it:?}")));
    all.sort();
    all
}

proptest! {
    #[test]
    fn nothing_outside_a_grant_is_changed_by_any_sequence_of_calls(
        netlink in some_grant(),
        batches in prop::collection::vec(prop::collection::vec(request(), 1..4), 1..6),
    ) {
        let kernel = Arc::new(host());
        let before = of_others(&kernel.state());
        for batch in batches {
            let gate = gate(kernel.clone(), netlink.clone(), Mode::Change);
            let shown = format!("{batch:?}");
            let answers = run(gate.execute(batch));
            let after = of_others(&kernel.state());
            prop_assert_eq!(&after, &before, "{} {:?}", shown, answers);
        }
    }

    #[test]
    fn nothing_outside_a_grant_is_seen_by_any_call(
        netlink in some_grant(),
        names in prop::collection::vec(name(), 0..3),
    ) {
        let gate = gate(Arc::new(host()), netlink, Mode::Read);
        let selectors = |select: fn(String) -> LinkSelector| -> Vec<LinkSelector> {
            names.iter().cloned().map(select).collect()
        };
        let seen = run(async {
            let mut seen = String::new();
            for select in [LinkSelector::Name, LinkSelector::Controller, LinkSelector::Parent] {
                seen += &format!("{:?}", gate.links(&selectors(select)).await);
            }
            seen += &format!("{:?}", gate.links(&[LinkSelector::Index(1), LinkSelector::Index(2)]).await);
            seen += &format!("{:?}", gate.addresses(&names).await);
            let within = RouteScope {
                families: Vec::new(),
                links: names.clone(),
                tables: Vec::new(),
                protocols: Vec::new(),
                destinations: Vec::new(),
            };
            seen += &format!("{:?}", gate.routes(&within).await);
            seen += &format!("{:?}", gate.neighbours(&names).await);
            seen + &format!("{:?}", gate.bridge_vlans(&names).await)
        });
        for hidden in ["eth0", "eth1", "own-alias", "192.0.2.5", "table: 254"] {
            prop_assert!(!seen.contains(hidden), "{}: {}", hidden, seen);
        }
    }

    #[test]
    fn no_call_changes_anything_outside_apply_and_rollback(
        batch in prop::collection::vec(request(), 1..4),
        mode in prop::sample::select(&[Mode::Pure, Mode::Read, Mode::Checkpoint, Mode::Rehearse][..]),
    ) {
        let kernel = Arc::new(host());
        let before = kernel.snapshot();
        let gate = gate(kernel.clone(), NetlinkGrant::everything(), mode);
        run(gate.execute(batch));
        prop_assert_eq!(kernel.snapshot(), before);
    }
}

/// Sends one request under a grant of `own-*`, `10.0.0.0/8` and table 100.
fn one(request: Request) -> Result<(), Failure> {
    let any = Pattern::new("*");
    let netlink = NetlinkGrant {
        change: vec![Pattern::new("own-*")],
        kinds: vec![any],
        networks: vec!["10.0.0.0/8".parse().unwrap()],
        tables: vec!["100".parse().unwrap()],
        ..NetlinkGrant::default()
    };
    let gate = gate(Arc::new(host()), netlink, Mode::Change);
    run(gate.execute(vec![request])).pop().unwrap()
}

#[test]
fn a_route_must_name_links_of_the_grant_and_take_no_other_s_place() {
    let to = |destination: &str, hops: Vec<_>| Route {
        table: 100,
        next_hops: hops,
        ..route(destination, 16)
    };
    let own = || vec![hop(Some("own-a"), None)];
    one(Request::PutRoute(to("10.8.0.0", own()))).unwrap();
    one(Request::AddRoute(to("10.7.0.0", own()))).unwrap();
    for (request, reason) in [
        (
            Request::AddRoute(to("10.7.0.0", vec![hop(None, Some("192.0.2.254"))])),
            "must name the link",
        ),
        (
            Request::DeleteRoute(to("10.8.0.0", Vec::new())),
            "must name the link",
        ),
        (Request::PutRoute(to("10.9.0.0", own())), "\"eth0\""),
        (Request::DeleteRoute(to("10.9.0.0", own())), "\"eth0\""),
    ] {
        let failure = one(request).unwrap_err();
        assert_eq!(failure.code, FailureCode::Denied);
        assert!(failure.message.contains(reason), "{}", failure.message);
    }
}

#[test]
fn a_vrf_needs_its_table_in_the_grant() {
    let vrf = |table| {
        Request::CreateLink(LinkSpec {
            name: "own-vrf".into(),
            index: None,
            kind: Kind::Vrf(Vrf { table }),
            alternative_names: Vec::new(),
            settings: nothing("own-vrf").settings,
        })
    };
    one(vrf(100)).unwrap();
    let failure = one(vrf(254)).unwrap_err();
    assert!(failure.message.contains("254"), "{}", failure.message);
}
