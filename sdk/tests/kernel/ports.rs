//! Controllers and their ports.

use op_dbus_plugin::mock::Kernel;
use op_dbus_plugin::netlink::{
    Bond, BondMode, Bridge, BridgePort, BridgeVlan, ControllerChange, Kind, LinkSettings, Port,
    Request, Vrf,
};

use crate::{change, change_kind, destinations, main_table, refused, vlan};

fn attach(controller: &str) -> LinkSettings {
    LinkSettings {
        controller: ControllerChange::Attach(controller.into()),
        ..Default::default()
    }
}

fn filtering_bridge() -> Kernel {
    let mut kernel = Kernel::new();
    let bridge = Bridge {
        vlan_filtering: Some(true),
        ..Default::default()
    };
    kernel
        .add_link("br0", Kind::Bridge(bridge))
        .add_ethernet("eth0")
        .add_port("br0", "eth0");
    kernel
}

fn member(first: u16, last: u16, pvid: bool) -> BridgeVlan {
    BridgeVlan {
        link: "eth0".into(),
        on_bridge: false,
        first,
        last,
        pvid,
        untagged: false,
    }
}

fn shown(kernel: &Kernel, link: &str) -> Vec<(u16, u16, bool)> {
    let vlans = kernel.bridge_vlans(&[link.into()]).into_iter();
    vlans.map(|it| (it.first, it.last, it.pvid)).collect()
}

#[test]
fn a_bridge_takes_the_lowest_mac_address_of_its_ports_until_it_is_given_one() {
    let mut kernel = Kernel::new();
    kernel.add_ethernet("eth0").add_ethernet("eth1");
    kernel.add_link("br0", Kind::Bridge(Bridge::default()));
    kernel.add_port("br0", "eth1").add_port("br0", "eth0");
    let mac = |kernel: &Kernel, name: &str| kernel.link(name).unwrap().mac;
    assert_eq!(mac(&kernel, "br0"), mac(&kernel, "eth0"));
    kernel.configure_link(
        "br0",
        LinkSettings {
            mac: Some("02:00:5e:00:53:01".into()),
            ..Default::default()
        },
    );
    kernel.must(change(
        "eth0",
        LinkSettings {
            controller: ControllerChange::Detach,
            ..Default::default()
        },
    ));
    assert_eq!(mac(&kernel, "br0").as_deref(), Some("02:00:5e:00:53:01"));
}

#[test]
fn deleting_a_bridge_sets_its_ports_free() {
    let mut kernel = filtering_bridge();
    kernel.must(Request::DeleteLink("br0".into()));
    let port = kernel.link("eth0").unwrap();
    assert_eq!((port.controller, port.port), (None, None));
}

#[test]
fn a_bridge_is_no_port_of_a_bridge_and_no_link_stands_on_itself() {
    let mut kernel = filtering_bridge();
    kernel
        .add_link("br1", Kind::Bridge(Bridge::default()))
        .add_link("br0.5", vlan("br0", 5));
    assert_eq!(refused(&mut kernel, change("br1", attach("br0"))), "ELOOP");
    assert_eq!(
        refused(&mut kernel, change("br0.5", attach("br0"))),
        "EBUSY"
    );
}

#[test]
fn only_controllers_have_ports_and_they_must_exist() {
    let mut kernel = filtering_bridge();
    kernel.add_ethernet("eth1");
    assert_eq!(
        refused(&mut kernel, change("eth1", attach("eth0"))),
        "EOPNOTSUPP"
    );
    assert_eq!(
        refused(&mut kernel, change("eth1", attach("nowhere"))),
        "ENODEV"
    );
    assert_eq!(refused(&mut kernel, change("lo", attach("br0"))), "EINVAL");
}

#[test]
fn port_settings_change_after_the_controller_in_one_request() {
    let mut kernel = filtering_bridge();
    kernel.add_ethernet("eth1").configure_link(
        "eth1",
        LinkSettings {
            port: Some(Port::Bridge(BridgePort {
                cost: Some(77),
                ..Default::default()
            })),
            ..attach("br0")
        },
    );
    let Some(Port::Bridge(port)) = kernel.link("eth1").unwrap().port else {
        panic!("a port")
    };
    assert_eq!((port.cost, port.learning), (Some(77), Some(true)));
}

#[test]
fn a_bond_lends_its_mac_address_to_its_ports_and_takes_it_back() {
    let mut kernel = Kernel::new();
    kernel
        .add_ethernet("eth0")
        .add_ethernet("eth1")
        .add_link("bond0", Kind::Bond(Bond::default()));
    let mac = |kernel: &Kernel, name: &str| kernel.link(name).unwrap().mac;
    let own = mac(&kernel, "eth1");
    kernel
        .add_port("bond0", "eth0")
        .add_port("bond0", "eth1")
        .set_up("bond0");
    assert_eq!(mac(&kernel, "eth1"), mac(&kernel, "eth0"));
    assert!(kernel.link("bond0").unwrap().running);
    kernel.must(Request::DeleteLink("bond0".into()));
    assert_eq!(mac(&kernel, "eth1"), own);
}

#[test]
fn the_mode_of_a_bond_with_ports_stays() {
    let mut kernel = Kernel::new();
    kernel
        .add_ethernet("eth0")
        .add_link("bond0", Kind::Bond(Bond::default()));
    let lacp = Kind::Bond(Bond {
        mode: Some(BondMode::Lacp),
        ..Default::default()
    });
    kernel
        .must(change_kind("bond0", lacp.clone()))
        .add_port("bond0", "eth0");
    kernel.must(change_kind("bond0", lacp));
    let other = Kind::Bond(Bond {
        mode: Some(BondMode::Broadcast),
        ..Default::default()
    });
    assert_eq!(refused(&mut kernel, change_kind("bond0", other)), "EPERM");
}

#[test]
fn connected_routes_move_to_the_table_of_a_vrf_and_back() {
    let mut kernel = Kernel::new();
    kernel
        .set_link_local_addresses(false)
        .add_ethernet("eth0")
        .set_up("eth0");
    kernel
        .add_address("eth0", "192.0.2.1/24")
        .add_link("red", Kind::Vrf(Vrf { table: 10 }));
    kernel.add_port("red", "eth0");
    assert!(main_table(&kernel).is_empty());
    let all = ["192.0.2.0/24", "192.0.2.1/32", "192.0.2.255/32"];
    assert_eq!(destinations(&kernel, 10), all);
    kernel.must(Request::DeleteLink("red".into()));
    assert_eq!(main_table(&kernel), ["192.0.2.0/24"]);
    assert!(destinations(&kernel, 10).is_empty());
}

#[test]
fn a_new_port_starts_in_the_default_vlan() {
    let kernel = filtering_bridge();
    assert_eq!(shown(&kernel, "eth0"), [(1, 1, true)]);
    assert_eq!(shown(&kernel, "br0"), [(1, 1, true)]);
}

#[test]
fn another_default_vlan_replaces_the_old_one_where_it_was_untouched() {
    let mut kernel = filtering_bridge();
    let bridge = Bridge {
        default_pvid: Some(9),
        ..Default::default()
    };
    kernel.must(change_kind("br0", Kind::Bridge(bridge)));
    assert_eq!(shown(&kernel, "eth0"), [(9, 9, true)]);
}

#[test]
fn vlans_of_equal_flags_are_one_range_and_only_one_is_the_pvid() {
    let mut kernel = filtering_bridge();
    kernel.must(Request::PutBridgeVlan(member(10, 12, false)));
    kernel.must(Request::PutBridgeVlan(member(13, 13, true)));
    assert_eq!(
        shown(&kernel, "eth0"),
        [(1, 1, false), (10, 12, false), (13, 13, true)]
    );
    kernel.must(Request::DeleteBridgeVlan(member(11, 11, false)));
    assert_eq!(
        shown(&kernel, "eth0"),
        [
            (1, 1, false),
            (10, 10, false),
            (12, 12, false),
            (13, 13, true)
        ]
    );
    let range = Request::PutBridgeVlan(member(20, 21, true));
    assert_eq!(refused(&mut kernel, range), "EINVAL");
}

#[test]
fn without_vlan_filtering_there_are_no_vlans_to_change() {
    let mut kernel = Kernel::new();
    kernel
        .add_link("br0", Kind::Bridge(Bridge::default()))
        .add_ethernet("eth0");
    kernel.add_port("br0", "eth0");
    assert!(kernel.bridge_vlans(&[]).is_empty());
    let request = Request::PutBridgeVlan(member(5, 5, false));
    assert_eq!(refused(&mut kernel, request), "EOPNOTSUPP");
}
