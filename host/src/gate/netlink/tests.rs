//! Random calls under random grants before a kernel in memory: what is not granted stays as it is, and is not seen.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::backends::dbus::{Bus, BusAddress};
use crate::backends::netlink::Kernel;
use crate::backends::ovsdb::{Lazy, Options, Remote};
use crate::contract::netlink::{
    AlternativeName, BridgeVlan, Family, LinkChange, LinkSelector, LinkSpec, NeighbourState, Veth,
    Vlan, Vrf, Wireguard,
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
const NAMES: [&str; 15] = [
    "own-a",
    "own-b",
    "own-c",
    "own-end",
    "own-below",
    "eth-end",
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

fn vlan(parent: String) -> Kind {
    Kind::Vlan(Vlan {
        parent: Some(parent),
        id: 7,
        protocol: None,
        reorder_header: None,
        gvrp: None,
        mvrp: None,
        loose_binding: None,
    })
}

fn veth(peer: String) -> Kind {
    Kind::Veth(Veth {
        peer: Some(peer),
        peer_index: None,
    })
}

fn kind() -> impl Strategy<Value = Kind> {
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
    (
        name(),
        prop::sample::select(&ADDRESSES[..]),
        prop::sample::select(&[1, 3, 8, 24, 64, 128][..]),
        prop::option::of(prop::sample::select(&ADDRESSES[..])),
        any::<bool>(),
    )
        .prop_map(|(link, text, length, peer, no_prefix_route)| Address {
            peer: peer.map(str::to_owned),
            no_prefix_route,
            ..address(&link, text, length)
        })
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let actions = [
        RuleAction::Lookup(0),
        RuleAction::Lookup(100),
        RuleAction::Lookup(254),
        RuleAction::Blackhole,
    ];
    (
        prop::option::of(Just(50)),
        prop::option::of(name()),
        prop::sample::select(actions.to_vec()),
        any::<bool>(),
    )
        .prop_map(|(priority, input_link, action, l3mdev)| Rule {
            priority,
            input_link,
            l3mdev,
            ..rule(action)
        })
}

/// A rule for all IPv4 traffic.
fn rule(action: RuleAction) -> Rule {
    Rule {
        family: Family::Ipv4,
        priority: None,
        invert: false,
        source: None,
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
        action,
        protocol: 4,
    }
}

fn any_route() -> impl Strategy<Value = Route> {
    let destinations = [
        ("0.0.0.0", 0),
        ("10.8.0.0", 16),
        ("10.9.0.0", 16),
        ("10.9.0.9", 16),
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
    let new_name = prop::option::of(name());
    let kind = prop::option::of(kind());
    (name(), new_name, kind, controller).prop_map(|(link, new_name, kind, controller)| {
        let mut change = nothing(&link);
        change.new_name = new_name;
        change.kind = kind;
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
        any_rule().prop_map(Request::AddRule),
        any_rule().prop_map(Request::DeleteRule),
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
        any::<bool>(),
    )
        .prop_map(
            |(change, see, kinds, networks, table, rules)| NetlinkGrant {
                rules,
                change,
                see,
                kinds,
                networks: networks.iter().map(|text| text.parse().unwrap()).collect(),
                tables: table
                    .then(|| "100".parse::<Range>().unwrap())
                    .into_iter()
                    .collect(),
                ..NetlinkGrant::default()
            },
        )
}

/// A host: links of the plugin's own, with one of which goes somebody else's link when it is deleted; two of others, one of which has an
/// alternative name that looks like the plugin's.
fn host() -> Simulated {
    let kernel = Simulated::host();
    let create = |name: &str, kind: Kind| {
        Request::CreateLink(LinkSpec {
            name: name.into(),
            index: None,
            kind,
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
        create("own-a", Kind::Dummy),
        create("own-b", Kind::Dummy),
        create("own-end", veth("eth-end".into())),
        create("own-below", Kind::Dummy),
        create("own-above", vlan("own-below".into())),
        create("eth-above", vlan("own-above".into())),
        Request::AddRule(rule(RuleAction::Lookup(254))),
        Request::AddAlternativeName(AlternativeName {
            link: "eth1".into(),
            name: "own-alias".into(),
        }),
        Request::PutAddress(address("eth0", "192.0.2.5", 24)),
        Request::PutAddress(address("own-a", "10.0.0.1", 24)),
        through("eth0", "0.0.0.0", 0, 254),
        through("eth0", "10.9.0.0", 16, 100),
        through("eth0", "fd00:9::", 32, 100),
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
            is_tenant: false,
        },
        recorder: Arc::new(Book::freeing(None)),
        budget: Budget::new(1_000, 1 << 20, 0),
        progress_of_ovsdb: Default::default(),
    }
}

fn is_others(link: &str) -> bool {
    link.starts_with("eth")
}

/// Another's link on top of one of the plugin's own. The kernel lets it follow that one's MTU and state, whoever it belongs to; but it is there,
/// and what it is stays.
const ON_TOP: &str = "eth-above";

/// What is not the plugin's under this grant.
fn of_others(state: &State, grant: &NetlinkGrant) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let links = state.links.iter().filter(|link| is_others(&link.name));
    all.extend(links.map(|it| match it.name == ON_TOP {
        false => format!("{it:?}"),
        true => format!("{} {} {:?}", it.index, it.name, it.kind),
    }));
    let is_others = |link: &str| is_others(link) && link != ON_TOP;
    let addresses = state.addresses.iter().filter(|it| is_others(&it.link));
    all.extend(addresses.map(|it| format!("{it:?}")));
    // Of the networks of the addresses that the plugin's links have from the beginning.
    let from_the_beginning = ["10.0.0.0/24", "fe80::/64"].map(|text| text.parse().unwrap());
    let routes = state.routes.iter().filter(|route| {
        let mut links = route.next_hops.iter().map(|hop| hop.link.as_deref());
        let leads_elsewhere = links.any(|link| link.is_none_or(is_others));
        // The kernel's own routes to the networks of the plugin's addresses are there too.
        let mut own_networks = from_the_beginning.iter().chain(&grant.networks);
        let (network, table) = place(route).unwrap();
        let own_network = route.protocol == 2 && own_networks.any(|it| it.covers(&network));
        leads_elsewhere || table != 100 && !own_network
    });
    all.extend(routes.map(|it| format!("{it:?}")));
    let rules = state.rules.iter().filter(|rule| {
        let own = match rule.action {
            RuleAction::Lookup(0) => rule.l3mdev,
            RuleAction::Lookup(table) => table == 100,
            _ => true,
        };
        !(grant.rules && own)
    });
    all.extend(rules.map(|it| format!("{it:?}")));
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
        let before = of_others(&kernel.state(), &netlink);
        for batch in batches {
            let gate = gate(kernel.clone(), netlink.clone(), Mode::Change);
            let shown = format!("{batch:?}");
            let answers = run(gate.execute(batch));
            let after = of_others(&kernel.state(), &netlink);
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

/// A grant of `own-*`, of some networks and of table 100.
fn own() -> NetlinkGrant {
    NetlinkGrant {
        change: vec![Pattern::new("own-*")],
        kinds: vec![Pattern::new("*")],
        networks: ["10.0.0.0/8", "fd00::1", "fd00:9::/32"]
            .map(|text| text.parse().unwrap())
            .into(),
        tables: vec!["0-100".parse().unwrap()],
        ..NetlinkGrant::default()
    }
}

/// Sends one request under that grant.
fn one(request: Request) -> Result<(), Failure> {
    let gate = gate(Arc::new(host()), own(), Mode::Change);
    run(gate.execute(vec![request])).pop().unwrap()
}

/// Sends one request that is refused.
fn refused(request: Request) -> String {
    let shown = format!("{request:?}");
    let failure = one(request).expect_err(&shown);
    assert_eq!(failure.code, FailureCode::Denied, "{}", failure.message);
    failure.message
}

#[test]
fn an_address_needs_a_grant_of_all_that_the_kernel_routes_for_it() {
    let put = |text: &str, length, change: &dyn Fn(&mut Address)| {
        let mut address = address("own-a", text, length);
        change(&mut address);
        Request::PutAddress(address)
    };
    let peer = |peer: &'static str| move |it: &mut Address| it.peer = Some(peer.into());
    let alone = |it: &mut Address| it.no_prefix_route = true;
    let broadcast = |to: &'static str| move |it: &mut Address| it.broadcast = Some(to.into());
    for granted in [
        put("10.0.0.7", 8, &|_| {}),
        put("10.0.0.7", 24, &broadcast("10.0.0.255")),
        put("10.0.0.7", 24, &broadcast("255.255.255.255")),
        put("10.0.0.7", 24, &peer("10.9.0.1")),
        put("fd00::1", 128, &|_| {}),
        put("fd00::1", 64, &alone),
    ] {
        one(granted).unwrap();
    }
    for (request, network) in [
        (put("10.0.0.7", 7, &|_| {}), "10.0.0.7/7"),
        (put("10.0.0.7", 1, &|_| {}), "10.0.0.7/1"),
        // It has a broadcast address nevertheless.
        (put("10.0.0.7", 1, &alone), "10.0.0.7/1"),
        (put("10.0.0.7", 24, &broadcast("192.0.2.1")), "192.0.2.1/32"),
        (put("10.0.0.7", 32, &peer("192.0.2.1")), "192.0.2.1/32"),
        (put("10.0.0.7", 1, &peer("10.9.0.1")), "10.9.0.1/1"),
        (put("192.0.2.1", 8, &peer("10.9.0.1")), "192.0.2.1/32"),
        (put("fd00::1", 64, &|_| {}), "fd00::1/64"),
        (
            put("fd00::1", 64, &|it| {
                alone(it);
                it.manage_temporary = true;
            }),
            "fd00::1/64",
        ),
        (put("fd00::1", 128, &peer("fd00::2")), "fd00::2/128"),
    ] {
        let message = refused(request);
        assert!(message.contains(&format!("{network:?}")), "{message}");
    }
}

#[test]
fn a_fingerprint_goes_back_to_the_link_that_it_was_read_from_alone() {
    let put = |link: &str, secret: &Secret| {
        let mut change = nothing(link);
        change.kind = Some(Kind::Wireguard(Wireguard {
            public_key: None,
            private_key: Some(secret.clone()),
            listen_port: None,
            firewall_mark: None,
            peers: None,
        }));
        Request::ChangeLink(change)
    };
    let denied = |gate: &Gate, request: Request| {
        let answer = run(gate.execute(vec![request])).pop().unwrap();
        answer.is_err_and(|failure| failure.code == FailureCode::Denied)
    };
    let mut gate = gate(Arc::new(host()), own(), Mode::Change);
    let of_eth0 = gate.backends.secrets.mask_at("of eth0", "link eth0");
    let of_own_a = gate.backends.secrets.mask_at("of own-a", "link own-a");
    assert!(denied(&gate, put("own-a", &of_eth0)));
    assert!(denied(&gate, put("own-b", &of_own_a)));
    assert!(!denied(&gate, put("own-a", &of_own_a)));
    gate.grant = Arc::new(Grant {
        secrets: vec![Pattern::new("*")],
        ..(*gate.grant).clone()
    });
    assert!(!denied(&gate, put("own-a", &of_eth0)));
}

#[test]
fn a_link_goes_only_with_all_that_goes_with_it() {
    let delete = |name: &str| Request::DeleteLink(name.into());
    one(delete("own-a")).unwrap();
    for (link, goes_too) in [
        ("own-end", "eth-end"),
        ("own-below", "eth-above"),
        ("own-above", "eth-above"),
    ] {
        let message = refused(delete(link));
        assert!(message.contains(goes_too), "{message}");
    }
}

#[test]
fn a_name_given_in_the_same_batch_does_not_hide_what_goes_with_a_link() {
    let rename = || {
        let mut change = nothing("own-end");
        change.new_name = Some("own-c".into());
        Request::ChangeLink(change)
    };
    let also = || {
        Request::AddAlternativeName(AlternativeName {
            link: "own-end".into(),
            name: "own-c".into(),
        })
    };
    for naming in [rename(), also()] {
        let kernel = Arc::new(host());
        let gate = gate(kernel.clone(), own(), Mode::Change);
        // Links that are up keep their names.
        let mut down = nothing("own-end");
        down.settings.up = Some(false);
        let delete = Request::DeleteLink("own-c".into());
        let answers = run(gate.execute(vec![Request::ChangeLink(down), naming, delete]));
        assert!(answers[..2].iter().all(Result::is_ok), "{answers:?}");
        let failure = answers[2].as_ref().unwrap_err();
        assert_eq!(failure.code, FailureCode::Invalid);
        let links = kernel.state().links.clone();
        assert!(links.iter().any(|link| link.name == "eth-end"));
    }
}

#[test]
fn a_veth_that_leads_out_of_the_namespace_stays_but_for_who_is_granted_all_of_the_host() {
    let narrow = || (own(), false);
    let host_s = || (NetlinkGrant::everything(), false);
    let tenant_s = || (NetlinkGrant::everything(), true);
    for ((netlink, is_tenant), allowed) in
        [(narrow(), false), (tenant_s(), false), (host_s(), true)]
    {
        let kernel = Arc::new(host());
        {
            let mut state = kernel.state();
            state.links.retain(|link| link.name != "eth-end");
            let end = state.links.iter_mut().find(|it| it.name == "own-end");
            end.unwrap().kind = Kind::Veth(Veth {
                peer: None,
                peer_index: None,
            });
        }
        let mut gate = gate(kernel.clone(), netlink, Mode::Change);
        gate.backends.is_tenant = is_tenant;
        let delete = |name: &str| run(gate.execute(vec![Request::DeleteLink(name.into())]));
        let answer = delete("own-end").pop().unwrap();
        assert_eq!(answer.is_ok(), allowed, "{answer:?}");
        if let Err(failure) = answer {
            assert!(failure.message.contains("another network namespace"));
        }
        // What lies within is the tenant's to delete.
        assert_eq!(delete("own-above")[0].is_ok(), is_tenant || allowed);
    }
}

#[test]
fn a_long_batch_can_be_broken_off_while_it_is_checked() {
    let gate = gate(Arc::new(host()), own(), Mode::Change);
    let gate = Gate {
        budget: Budget::new(1, 1 << 30, 0),
        ..gate
    };
    let batch = vec![Request::DeleteLink("eth0".into()); 5_000];
    run(async {
        tokio::select! {
            biased;
            _ = gate.execute(batch) => panic!("it let nobody else in"),
            () = tokio::task::yield_now() => {}
        }
    });
}

#[test]
fn many_routes_are_held_against_many() {
    let through = |link: &str, number: u32| Route {
        table: 100,
        metric: Some(number),
        next_hops: vec![hop(Some(link), None)],
        ..route(&std::net::Ipv4Addr::from(number << 8).to_string(), 24)
    };
    let all = |link: &str| (1..100_000).map(|number| through(link, number)).collect();
    let routes: Vec<Route> = all("eth0");
    let requests: Vec<_> = routes.iter().cloned().map(Request::PutRoute).collect();
    assert_eq!(
        at_stake(&requests).unwrap().destinations.len(),
        routes.len()
    );
    let standing = Standing::of(routes, &own());
    let own: Vec<Route> = all("own-a");
    assert!(own.iter().all(|it| standing.in_the_way(it) == Some("eth0")));
}

#[test]
fn a_route_must_name_links_of_the_grant_and_take_no_other_s_place() {
    let to = |destination: &str, hops: Vec<_>| Route {
        table: 100,
        next_hops: hops,
        ..route(destination, 16)
    };
    let to_ipv6 = |destination: &str, hops| Route {
        table: 100,
        next_hops: hops,
        ..route(destination, 32)
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
        // However it is written: the kernel takes them for the same.
        (Request::DeleteRoute(to("10.9.0.9", own())), "\"eth0\""),
        (
            Request::PutRoute(Route {
                metric: Some(0),
                ..to_ipv6("FD00:9:0::", own())
            }),
            "\"eth0\"",
        ),
        (
            Request::AddRoute(Route {
                table: 0,
                ..to("10.7.0.0", own())
            }),
            "\"254\"",
        ),
    ] {
        let message = refused(request);
        assert!(message.contains(reason), "{message}");
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
