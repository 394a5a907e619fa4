//! Routes, rules and neighbours.

use op_dbus::backends::netlink::Kernel;
use op_dbus::contract::netlink::*;
use op_dbus::contract::types::FailureCode;

use crate::support::*;

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
