//! Routing rules and the neighbour table.

use op_dbus_plugin::mock::Kernel;
use op_dbus_plugin::netlink::{
    Family, Kind, Neighbour, NeighbourState, Request, Rule, RuleAction, Vrf,
};

use crate::{host_with_eth0, refused};

fn rule(priority: Option<u32>, table: u32) -> Rule {
    let mut rule = Kernel::new().rules(&[Family::Ipv4])[0].clone();
    (rule.priority, rule.action, rule.protocol) = (priority, RuleAction::Lookup(table), 4);
    rule
}

fn priorities(kernel: &Kernel, family: Family) -> Vec<u32> {
    kernel
        .rules(&[family])
        .into_iter()
        .filter_map(|it| it.priority)
        .collect()
}

fn neighbour(address: &str) -> Neighbour {
    Neighbour {
        link: "eth0".into(),
        address: address.into(),
        mac: Some("02:00:5e:00:53:01".into()),
        state: NeighbourState::Permanent,
        proxy: false,
        router: false,
    }
}

#[test]
fn the_kernel_starts_with_rules_for_local_main_and_default() {
    let kernel = Kernel::new();
    assert_eq!(priorities(&kernel, Family::Ipv4), [0, 32766, 32767]);
    assert_eq!(priorities(&kernel, Family::Ipv6), [0, 32766]);
}

#[test]
fn a_rule_without_priority_goes_before_the_second_one() {
    let mut kernel = Kernel::new();
    kernel
        .must(Request::AddRule(rule(None, 100)))
        .must(Request::AddRule(rule(None, 101)));
    assert_eq!(
        priorities(&kernel, Family::Ipv4),
        [0, 32764, 32765, 32766, 32767]
    );
}

#[test]
fn a_rule_exists_once_whoever_made_it() {
    let mut kernel = Kernel::new();
    kernel.must(Request::AddRule(rule(Some(5), 100)));
    let mut twin = rule(Some(5), 100);
    twin.protocol = 3;
    assert_eq!(refused(&mut kernel, Request::AddRule(twin)), "EEXIST");
    kernel.must(Request::AddRule(rule(Some(5), 101)));
    kernel.must(Request::DeleteRule(rule(Some(5), 100)));
    let again = Request::DeleteRule(rule(Some(5), 100));
    assert_eq!(refused(&mut kernel, again), "ENOENT");
}

#[test]
fn a_rule_does_not_jump_back() {
    let mut kernel = Kernel::new();
    let mut back = rule(Some(5), 100);
    back.action = RuleAction::Goto(3);
    assert_eq!(refused(&mut kernel, Request::AddRule(back)), "EINVAL");
}

#[test]
fn the_first_vrf_brings_the_rule_that_makes_vrfs_work() {
    let mut kernel = Kernel::new();
    kernel.add_link("red", Kind::Vrf(Vrf { table: 10 }));
    kernel.add_link("blue", Kind::Vrf(Vrf { table: 11 }));
    assert_eq!(priorities(&kernel, Family::Ipv6), [0, 1000, 32766]);
    assert!(kernel.rules(&[Family::Ipv4])[1].l3mdev);
}

#[test]
fn a_neighbour_is_replaced_and_goes_when_its_link_goes_down() {
    let mut kernel = host_with_eth0();
    kernel.must(Request::PutNeighbour(neighbour("192.0.2.7")));
    let mut moved = neighbour("192.0.2.7");
    moved.mac = Some("02:00:5E:00:53:02".into());
    kernel.must(Request::PutNeighbour(moved));
    let shown = kernel.neighbours(&["eth0".into()]);
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].mac.as_deref(), Some("02:00:5e:00:53:02"));
    kernel.set_down("eth0");
    assert!(kernel.neighbours(&[]).is_empty());
}

#[test]
fn a_proxied_neighbour_is_another_entry_than_a_reached_one() {
    let mut kernel = host_with_eth0();
    let mut proxied = neighbour("192.0.2.7");
    (proxied.proxy, proxied.mac) = (true, None);
    kernel.must(Request::PutNeighbour(proxied.clone()));
    let reached = Request::DeleteNeighbour(neighbour("192.0.2.7"));
    assert_eq!(refused(&mut kernel, reached), "ENOENT");
    kernel.must(Request::DeleteNeighbour(proxied));
}

#[test]
fn a_permanent_neighbour_needs_a_mac_address() {
    let mut kernel = host_with_eth0();
    let mut without = neighbour("192.0.2.7");
    without.mac = None;
    assert_eq!(
        refused(&mut kernel, Request::PutNeighbour(without)),
        "EINVAL"
    );
}
