//! Routes.

use op_dbus_plugin::mock::Kernel;
use op_dbus_plugin::netlink::{Family, NextHop, Prefix, Request, Route, RouteScope, RouteType};

use crate::{host_with_eth0, main_table, refused, route, through, via};

fn to_ten(gateway: &str) -> Route {
    route("10.0.0.0", 8, vec![via(gateway)])
}

fn count(kernel: &Kernel, scope: RouteScope) -> usize {
    kernel.routes(&scope).len()
}

#[test]
fn a_gateway_is_resolved_to_the_link_whose_network_holds_it() {
    let mut kernel = host_with_eth0();
    kernel.must(Request::AddRoute(to_ten("192.0.2.254")));
    let scope = RouteScope {
        protocols: vec![4],
        ..Default::default()
    };
    let shown = kernel.routes(&scope);
    assert_eq!(shown[0].next_hops[0].link.as_deref(), Some("eth0"));
    assert_eq!((shown[0].metric, shown[0].scope), (None, Some(0)));
}

#[test]
fn a_gateway_out_of_reach_is_refused_unless_it_is_said_to_be_on_the_link() {
    let mut kernel = host_with_eth0();
    let far = Request::AddRoute(to_ten("198.51.100.1"));
    let failure = kernel.execute(&far).unwrap_err();
    let words = failure.backend.unwrap();
    assert_eq!(words.name, "ENETUNREACH");
    assert_eq!(words.text.as_deref(), Some("Nexthop has invalid gateway"));
    let hop = NextHop {
        onlink: true,
        link: Some("eth0".into()),
        ..via("198.51.100.1")
    };
    kernel.must(Request::AddRoute(route("10.0.0.0", 8, vec![hop])));
}

#[test]
fn ipv6_gateways_out_of_reach_have_another_error_and_link_local_ones_need_a_link() {
    let mut kernel = host_with_eth0();
    let default = |hop: NextHop| Request::AddRoute(route("::", 0, vec![hop]));
    assert_eq!(
        refused(&mut kernel, default(via("2001:db8::1"))),
        "EHOSTUNREACH"
    );
    assert_eq!(refused(&mut kernel, default(via("fe80::1"))), "EINVAL");
    kernel.must(default(NextHop {
        link: Some("eth0".into()),
        ..via("fe80::1")
    }));
    assert_eq!(
        kernel.routes(&RouteScope::default()).last().unwrap().metric,
        Some(1024)
    );
}

#[test]
fn adding_a_route_twice_fails_and_putting_it_replaces() {
    let mut kernel = host_with_eth0();
    kernel.must(Request::AddRoute(to_ten("192.0.2.254")));
    let again = Request::AddRoute(to_ten("192.0.2.253"));
    assert_eq!(refused(&mut kernel, again), "EEXIST");
    kernel.must(Request::PutRoute(to_ten("192.0.2.253")));
    let shown = kernel.routes(&RouteScope {
        protocols: vec![4],
        ..Default::default()
    });
    assert_eq!(shown.len(), 1);
    assert_eq!(
        shown[0].next_hops[0].gateway.as_deref(),
        Some("192.0.2.253")
    );
}

#[test]
fn metric_table_and_type_of_service_tell_routes_apart() {
    let mut kernel = host_with_eth0();
    let plain = to_ten("192.0.2.254");
    let dear = Route {
        metric: Some(50),
        ..plain.clone()
    };
    let elsewhere = Route {
        table: 100,
        ..plain.clone()
    };
    let special = Route {
        tos: 8,
        ..plain.clone()
    };
    for it in [&plain, &dear, &elsewhere, &special] {
        kernel.must(Request::AddRoute(it.clone()));
    }
    kernel.must(Request::DeleteRoute(dear.clone()));
    assert_eq!(refused(&mut kernel, Request::DeleteRoute(dear)), "ESRCH");
    assert_eq!(
        main_table(&kernel),
        ["10.0.0.0/8", "10.0.0.0/8", "192.0.2.0/24"]
    );
}

#[test]
fn a_route_needs_a_link_that_exists_and_is_up() {
    let mut kernel = host_with_eth0();
    let over = |link: &str| Request::AddRoute(route("10.0.0.0", 8, vec![through(link)]));
    assert_eq!(refused(&mut kernel, over("nowhere")), "ENODEV");
    assert_eq!(
        refused(&mut kernel, Request::AddRoute(route("10.0.0.0", 8, vec![]))),
        "ENODEV"
    );
    kernel.set_down("eth0");
    assert_eq!(refused(&mut kernel, over("eth0")), "ENETDOWN");
}

#[test]
fn host_bits_of_an_ipv4_destination_are_refused_and_of_an_ipv6_one_cleared() {
    let mut kernel = host_with_eth0();
    let crooked = Request::AddRoute(route("10.0.0.1", 8, vec![through("eth0")]));
    assert_eq!(refused(&mut kernel, crooked), "EINVAL");
    kernel.must(Request::AddRoute(route(
        "2001:db8::1",
        32,
        vec![through("eth0")],
    )));
    assert_eq!(main_table(&kernel), ["192.0.2.0/24", "2001:db8::/32"]);
}

#[test]
fn a_blackhole_has_no_next_hop() {
    let mut kernel = host_with_eth0();
    let blackhole = |hops| {
        Request::AddRoute(Route {
            route_type: RouteType::Blackhole,
            ..route("10.0.0.0", 8, hops)
        })
    };
    assert_eq!(
        refused(&mut kernel, blackhole(vec![through("eth0")])),
        "EINVAL"
    );
    kernel.must(blackhole(vec![])).set_down("eth0");
    assert_eq!(main_table(&kernel), ["10.0.0.0/8"]);
}

#[test]
fn a_preferred_source_must_be_an_address_of_the_host() {
    let mut kernel = host_with_eth0();
    let with_source = |source: &str| {
        Request::AddRoute(Route {
            preferred_source: Some(source.into()),
            ..to_ten("192.0.2.254")
        })
    };
    assert_eq!(refused(&mut kernel, with_source("192.0.2.9")), "EINVAL");
    kernel.must(with_source("192.0.2.1"));
}

#[test]
fn a_scope_narrows_by_each_list_and_a_route_without_a_link_matches_only_an_empty_one() {
    let mut kernel = host_with_eth0();
    kernel.add_address("eth0", "2001:db8::1/64");
    kernel.must(Request::AddRoute(Route {
        route_type: RouteType::Blackhole,
        ..route("10.0.0.0", 8, vec![])
    }));
    let main = RouteScope {
        tables: vec![254],
        ..Default::default()
    };
    assert_eq!(count(&kernel, main.clone()), 3);
    let eth0 = RouteScope {
        links: vec!["eth0".into(), "nowhere".into()],
        ..main.clone()
    };
    assert_eq!(count(&kernel, eth0.clone()), 2);
    let ipv6 = RouteScope {
        families: vec![Family::Ipv6],
        ..eth0
    };
    assert_eq!(count(&kernel, ipv6), 1);
    let nowhere = RouteScope {
        links: vec!["nowhere".into()],
        ..main.clone()
    };
    assert_eq!(count(&kernel, nowhere), 0);
    let ten = RouteScope {
        destinations: vec![Prefix {
            address: "10.0.0.0".into(),
            length: 8,
        }],
        ..main
    };
    assert_eq!(count(&kernel, ten), 1);
}

#[test]
fn a_deleted_link_takes_its_routes_along_but_not_those_that_have_another_way() {
    let mut kernel = host_with_eth0();
    kernel
        .add_link("d", op_dbus_plugin::netlink::Kind::Dummy)
        .set_up("d");
    kernel.must(Request::AddRoute(route("10.0.0.0", 8, vec![through("d")])));
    let both = vec![through("d"), through("eth0")];
    kernel.must(Request::AddRoute(route("10.1.0.0", 16, both)));
    kernel.must(Request::DeleteLink("d".into()));
    assert_eq!(main_table(&kernel), ["10.1.0.0/16", "192.0.2.0/24"]);
}
