//! Attributes that the contract has no name for: read, given back, and refused where they have a name.

use op_dbus::backends::netlink::Kernel;
use op_dbus::contract::netlink::*;
use op_dbus::contract::types::FailureCode;

use crate::support::*;

/// A namespace with a veth pair that is up and has addresses.
fn inhabited() -> Space {
    let space = Space::new();
    space.run(
        "ip link add v0 type veth peer name v1; ip link set v1 up; ip link set v0 up; \
         ip address add 192.0.2.1/24 dev v0; ip address add 2001:db8::1/64 dev v0 nodad",
    );
    space
}

async fn static_routes(kernel: &impl Kernel) -> Vec<Route> {
    let scope = RouteScope {
        tables: vec![254],
        protocols: vec![3],
        ..scope()
    };
    kernel.routes(&scope).await.unwrap()
}

#[tokio::test]
async fn routes_are_put_back_with_metrics_encapsulations_and_source_networks() {
    let space = inhabited();
    space.run(
        "ip route add 198.51.100.0/24 via 192.0.2.9 dev v0 advmss 1200 mtu lock 1400 congctl reno initcwnd 20; \
         ip route add 198.20.0.0/16 encap ip id 7 dst 192.0.2.9 via 192.0.2.8 dev v0; \
         ip route add 203.0.113.0/24 nexthop encap ip id 9 dst 192.0.2.9 via 192.0.2.7 dev v0 weight 3 nexthop via 192.0.2.6 dev v0; \
         ip -6 route add 2001:db8:2::/48 via 2001:db8::9 dev v0 hoplimit 33 pref high; \
         ip -6 route add 2001:db8:3::/48 from 2001:db8:4::/48 via 2001:db8::9 dev v0",
    );
    let kernel = space.open();
    // Those of `ip` alone: the kernel adds its own link-local ones when it likes.
    let shown = || {
        [
            space.ip("route show proto boot"),
            space.ip("-6 route show proto boot"),
        ]
    };
    let (before, routes) = (shown(), static_routes(&kernel).await);
    assert_eq!(routes.len(), 5, "{routes:?}");
    let nameless = |route: &&Route| {
        let hops = route.next_hops.iter().map(|hop| hop.unknown.len());
        route.unknown.len() + hops.sum::<usize>() > 0
    };
    assert_eq!(routes.iter().filter(nameless).count(), 4, "{routes:?}");
    let delete: Vec<_> = routes.iter().cloned().map(Request::DeleteRoute).collect();
    all_done(&kernel.execute(&delete).await);
    assert_eq!(static_routes(&kernel).await, []);
    let add: Vec<_> = routes.iter().cloned().map(Request::AddRoute).collect();
    all_done(&kernel.execute(&add).await);
    assert_eq!(shown(), before);
    assert_eq!(static_routes(&kernel).await, routes);
}

#[tokio::test]
async fn a_route_by_a_next_hop_object_is_put_back_by_it() {
    let space = inhabited();
    space.run("ip nexthop add id 17 via 192.0.2.9 dev v0; ip route add 198.18.0.0/15 nhid 17");
    let kernel = space.open();
    let before = space.ip("route");
    let routes = static_routes(&kernel).await;
    assert_eq!(routes[0].unknown[0].place, "RTA/30");
    assert_eq!(routes[0].next_hops.len(), 1);
    let requests = [
        Request::DeleteRoute(routes[0].clone()),
        Request::AddRoute(routes[0].clone()),
    ];
    all_done(&kernel.execute(&requests).await);
    assert_eq!(space.ip("route"), before);
}

#[tokio::test]
async fn addresses_come_back_with_metric_and_flags() {
    let space = inhabited();
    space.run(
        "ip address add 198.51.100.1/24 dev v0 metric 50 noprefixroute; \
         ip address add 2001:db8:1::1/64 dev v0 metric 70 home nodad; \
         ip address add 2001:db8:2::1/64 dev v0 mngtmpaddr noprefixroute nodad",
    );
    let kernel = space.open();
    let links = ["v0".to_owned()];
    let all = kernel.addresses(&links).await.unwrap();
    let own: Vec<Address> = all.into_iter().filter(|it| !it.kernel_made).collect();
    assert_eq!(own.len(), 5);
    assert_eq!(own.iter().filter(|it| it.metric.is_some()).count(), 2);
    assert_eq!(own.iter().filter(|it| it.home).count(), 1);
    assert_eq!(own.iter().filter(|it| it.manage_temporary).count(), 1);
    assert_eq!(own.iter().filter(|it| it.no_duplicate_detection).count(), 3);
    let shown = || space.ip("address show dev v0");
    let before = shown();
    let requests = own.iter().flat_map(|address| {
        [
            Request::DeleteAddress(address.clone()),
            Request::PutAddress(address.clone()),
        ]
    });
    all_done(&kernel.execute(&requests.collect::<Vec<_>>()).await);
    let sorted = |mut shown: serde_json::Value| {
        let list = shown[0]["addr_info"].as_array_mut().unwrap();
        list.sort_by_key(|address| address["local"].to_string());
        shown
    };
    assert_eq!(sorted(shown()), sorted(before));
}

#[tokio::test]
async fn a_tunnel_made_anew_takes_back_its_nameless_attributes() {
    let space = inhabited();
    space.run(
        "ip link add vx type vxlan id 9 dstport 4789 srcport 1000 2000 df set ttl inherit gbp",
    );
    let kernel = space.open();
    let links = kernel
        .links(&[LinkSelector::Name("vx".into())])
        .await
        .unwrap();
    let shown = || space.ip("-d link show dev vx")[0]["linkinfo"].clone();
    let (before, link) = (shown(), &links[0]);
    assert!(!link.unknown.is_empty());
    let mut again = spec("vx", link.kind.clone());
    again.settings.unknown.clone_from(&link.unknown);
    let requests = [Request::DeleteLink("vx".into()), Request::CreateLink(again)];
    all_done(&kernel.execute(&requests).await);
    assert_eq!(shown(), before);
}

#[tokio::test]
async fn what_has_a_name_does_not_come_in_without_it() {
    let space = inhabited();
    let kernel = space.open();
    let nameless = |place: &str, value: &[u8]| UnknownAttribute {
        place: place.into(),
        value: value.to_vec(),
    };
    // An outgoing link, a link below a tunnel, and something that is no route's.
    let mut through = route("198.51.100.0", 24, Some("192.0.2.9"), Some("v0"));
    through.unknown = vec![nameless("RTA/4", &[1, 0, 0, 0])];
    let mut stray = route("198.51.100.0", 24, Some("192.0.2.9"), Some("v0"));
    stray.unknown = vec![nameless("IFLA_LINKINFO/IFLA_INFO_DATA/3", &[1, 0, 0, 0])];
    let mut tunnel = spec("vx", Kind::Vxlan(none_vxlan(7)));
    tunnel.settings.unknown = vec![nameless("IFLA_LINKINFO/IFLA_INFO_DATA/3", &[1, 0, 0, 0])];
    let requests = [
        Request::AddRoute(through),
        Request::AddRoute(stray),
        Request::CreateLink(tunnel),
    ];
    for answer in kernel.execute(&requests).await {
        assert_eq!(answer.unwrap_err().code, FailureCode::Invalid);
    }
    assert!(
        kernel
            .links(&[LinkSelector::Name("vx".into())])
            .await
            .unwrap()
            .is_empty()
    );
}
