//! Addresses, and the routes that come and go with them.

use op_dbus_plugin::mock::Kernel;
use op_dbus_plugin::netlink::{Address, Request};

use crate::{destinations, host_with_eth0, main_table, refused};

fn put(link: &str, address: &str, length: u8) -> Request {
    Request::PutAddress(Address::new(link, address, length))
}

fn delete(link: &str, address: &str, length: u8) -> Request {
    Request::DeleteAddress(Address::new(link, address, length))
}

fn shown(kernel: &Kernel, link: &str) -> Vec<String> {
    let addresses = kernel.addresses(&[link.into()]).into_iter();
    addresses
        .map(|it| format!("{}/{}", it.address, it.prefix_length))
        .collect()
}

#[test]
fn an_address_brings_the_route_of_its_network_and_takes_it_along() {
    let mut kernel = host_with_eth0();
    assert_eq!(main_table(&kernel), ["192.0.2.0/24"]);
    assert_eq!(
        destinations(&kernel, 255),
        ["192.0.2.1/32", "192.0.2.255/32"]
    );
    kernel.must(delete("eth0", "192.0.2.1", 24));
    assert!(main_table(&kernel).is_empty());
    assert!(destinations(&kernel, 255).is_empty());
}

#[test]
fn an_address_without_prefix_route_brings_none_and_may_change_its_mind() {
    let mut kernel = host_with_eth0();
    let mut address = Address::new("eth0", "192.0.2.1", 24);
    address.no_prefix_route = true;
    kernel.must(Request::PutAddress(address.clone()));
    assert!(main_table(&kernel).is_empty());
    address.no_prefix_route = false;
    kernel.must(Request::PutAddress(address));
    assert_eq!(main_table(&kernel), ["192.0.2.0/24"]);
    assert_eq!(shown(&kernel, "eth0"), ["192.0.2.1/24"]);
}

#[test]
fn a_link_that_is_down_routes_nothing_but_keeps_its_ipv4_addresses() {
    let mut kernel = host_with_eth0();
    kernel
        .add_address("eth0", "2001:db8::1/64")
        .set_down("eth0");
    assert!(main_table(&kernel).is_empty());
    assert_eq!(destinations(&kernel, 255), ["192.0.2.1/32"]);
    assert_eq!(shown(&kernel, "eth0"), ["192.0.2.1/24"]);
    kernel.set_up("eth0");
    assert_eq!(main_table(&kernel), ["192.0.2.0/24"]);
}

#[test]
fn an_ipv6_address_laid_down_on_a_link_that_is_down_is_routed_once_it_is_up() {
    let mut kernel = host_with_eth0();
    kernel
        .set_down("eth0")
        .add_address("eth0", "2001:db8::1/64");
    assert!(main_table(&kernel).is_empty());
    kernel.set_up("eth0");
    assert_eq!(main_table(&kernel), ["192.0.2.0/24", "2001:db8::/64"]);
}

#[test]
fn two_ipv6_addresses_share_the_route_of_their_network() {
    let mut kernel = host_with_eth0();
    kernel
        .add_address("eth0", "2001:db8::1/64")
        .add_address("eth0", "2001:db8::2/64");
    assert_eq!(main_table(&kernel), ["192.0.2.0/24", "2001:db8::/64"]);
    kernel.must(delete("eth0", "2001:db8::1", 64));
    assert_eq!(main_table(&kernel), ["192.0.2.0/24", "2001:db8::/64"]);
    kernel.must(delete("eth0", "2001:db8::2", 64));
    assert_eq!(main_table(&kernel), ["192.0.2.0/24"]);
}

#[test]
fn a_primary_address_takes_its_secondaries_along_unless_they_are_promoted() {
    for promote in [false, true] {
        let mut kernel = host_with_eth0();
        kernel
            .set_promote_secondaries(promote)
            .add_address("eth0", "192.0.2.2/24");
        kernel.must(delete("eth0", "192.0.2.1", 24));
        assert_eq!(shown(&kernel, "eth0").len(), usize::from(promote));
        assert_eq!(main_table(&kernel).len(), usize::from(promote));
    }
}

#[test]
fn a_links_last_ipv4_address_takes_all_its_ipv4_routes_along() {
    let mut kernel = host_with_eth0();
    kernel.add_static_route("0.0.0.0/0", Some("192.0.2.254"), None);
    kernel
        .add_address("eth0", "198.51.100.1/24")
        .must(delete("eth0", "192.0.2.1", 24));
    assert_eq!(main_table(&kernel), ["0.0.0.0/0", "198.51.100.0/24"]);
    kernel.must(delete("eth0", "198.51.100.1", 24));
    assert!(main_table(&kernel).is_empty());
}

#[test]
fn an_address_that_is_not_there_cannot_be_deleted() {
    let mut kernel = host_with_eth0();
    assert_eq!(
        refused(&mut kernel, delete("eth0", "192.0.2.9", 24)),
        "EADDRNOTAVAIL"
    );
    assert_eq!(
        refused(&mut kernel, delete("eth0", "192.0.2.1", 25)),
        "EADDRNOTAVAIL"
    );
    assert_eq!(
        refused(&mut kernel, delete("nowhere", "192.0.2.1", 24)),
        "ENODEV"
    );
}

#[test]
fn addresses_that_cannot_be_are_refused() {
    let mut kernel = host_with_eth0();
    assert_eq!(refused(&mut kernel, put("eth0", "192.0.2.1", 33)), "EINVAL");
    assert_eq!(refused(&mut kernel, put("eth0", "192.0.2", 24)), "EINVAL");
    assert_eq!(
        refused(&mut kernel, put("eth0", "ff02::5", 64)),
        "EADDRNOTAVAIL"
    );
    assert_eq!(
        refused(&mut kernel, put("eth0", "::1", 128)),
        "EADDRNOTAVAIL"
    );
    let mut address = Address::new("eth0", "192.0.2.7", 24);
    (address.valid_lifetime, address.preferred_lifetime) = (Some(10), Some(20));
    assert_eq!(refused(&mut kernel, Request::PutAddress(address)), "EINVAL");
}

#[test]
fn a_running_link_makes_its_link_local_address_by_eui64() {
    let mut kernel = Kernel::new();
    kernel
        .add_ethernet("eth0")
        .set_carrier("eth0", false)
        .set_up("eth0");
    assert!(shown(&kernel, "eth0").is_empty());
    kernel.set_carrier("eth0", true);
    let addresses = kernel.addresses(&["eth0".into()]);
    assert_eq!(addresses[0].address, "fe80::ff:fe00:2");
    assert!(addresses[0].kernel_made);
    assert_eq!(addresses[0].scope, Some(253));
    assert_eq!(main_table(&kernel), ["fe80::/64"]);
}

#[test]
fn loopback_gets_its_addresses_when_it_comes_up() {
    let mut kernel = Kernel::new();
    kernel.set_up("lo");
    assert_eq!(shown(&kernel, "lo"), ["127.0.0.1/8", "::1/128"]);
    let local = [
        "127.0.0.0/8",
        "127.0.0.1/32",
        "127.255.255.255/32",
        "::1/128",
    ];
    assert_eq!(destinations(&kernel, 255), local);
}

#[test]
fn an_mtu_below_1280_ends_ipv6_on_a_link() {
    let mut kernel = host_with_eth0();
    kernel.add_address("eth0", "2001:db8::1/64").configure_link(
        "eth0",
        op_dbus_plugin::netlink::LinkSettings {
            mtu: Some(1000),
            ..Default::default()
        },
    );
    assert_eq!(shown(&kernel, "eth0"), ["192.0.2.1/24"]);
    assert_eq!(
        refused(&mut kernel, put("eth0", "2001:db8::1", 64)),
        "EINVAL"
    );
}

#[test]
fn a_point_to_point_address_is_routed_to_its_peer() {
    let mut kernel = host_with_eth0();
    let mut address = Address::new("eth0", "10.9.0.1", 32);
    address.peer = Some("10.9.0.2".into());
    kernel.must(Request::PutAddress(address));
    assert_eq!(main_table(&kernel), ["10.9.0.2/32", "192.0.2.0/24"]);
}
