//! Making, changing and deleting links.

use op_dbus_plugin::mock::Kernel;
use op_dbus_plugin::netlink::{
    AlternativeName, Kind, LinkSelector, LinkSettings, LinkSpec, Request, Vrf, Vxlan,
};
use op_dbus_plugin::{Failure, FailureCode};

use crate::{change, change_kind, create, host_with_eth0, refused, rename, veth, vlan};

fn names(kernel: &Kernel, selectors: &[LinkSelector]) -> Vec<String> {
    kernel
        .links(selectors)
        .into_iter()
        .map(|link| link.name)
        .collect()
}

fn mtu(mtu: u32) -> LinkSettings {
    LinkSettings {
        mtu: Some(mtu),
        ..Default::default()
    }
}

fn vxlan(id: u32) -> Vxlan {
    Vxlan {
        id,
        parent: None,
        local: None,
        remote: None,
        port: None,
        source_ports: None,
        dont_fragment: None,
        ttl: None,
        tos: None,
        learning: None,
        ageing: None,
        limit: None,
        proxy: None,
        route_short_circuit: None,
        collect_metadata: None,
        udp_checksum: None,
    }
}

#[test]
fn a_new_namespace_has_only_lo_and_it_is_down() {
    let links = Kernel::new().links(&[]);
    assert_eq!(links.len(), 1);
    assert_eq!(
        (links[0].name.as_str(), links[0].index, links[0].up),
        ("lo", 1, false)
    );
}

#[test]
fn a_veth_brings_its_peer_which_has_the_lower_index() {
    let mut kernel = Kernel::new();
    kernel.add_link("a", veth("b"));
    let (a, b) = (kernel.link("a").unwrap(), kernel.link("b").unwrap());
    assert_eq!((b.index, a.index), (2, 3));
    let end = |peer: &str, index| {
        Kind::Veth(op_dbus_plugin::netlink::Veth {
            peer: Some(peer.into()),
            peer_index: Some(index),
        })
    };
    assert_eq!((a.kind, b.kind), (end("b", 2), end("a", 3)));
}

#[test]
fn a_pair_comes_back_with_both_indices() {
    let mut kernel = Kernel::new();
    kernel.add_link("a", veth("b"));
    let before = (kernel.link("a").unwrap(), kernel.link("b").unwrap());
    kernel
        .must(Request::DeleteLink("a".into()))
        .add_ethernet("c")
        .must(Request::CreateLink(LinkSpec {
            index: Some(before.0.index),
            ..create("a", before.0.kind.clone())
        }));
    let after = (kernel.link("a").unwrap(), kernel.link("b").unwrap());
    assert_eq!(
        (after.0.index, after.0.kind, after.1.index, after.1.kind),
        (before.0.index, before.0.kind, before.1.index, before.1.kind)
    );
}

#[test]
fn a_veth_has_carrier_only_while_both_ends_are_up() {
    let mut kernel = Kernel::new();
    kernel.add_link("a", veth("b")).set_up("a");
    assert!(!kernel.link("a").unwrap().running);
    kernel.set_up("b");
    assert!(kernel.link("a").unwrap().running);
}

#[test]
fn deleting_one_end_of_a_veth_deletes_the_other() {
    let mut kernel = Kernel::new();
    kernel
        .add_link("a", veth("b"))
        .must(Request::DeleteLink("b".into()));
    assert_eq!(names(&kernel, &[]), ["lo"]);
}

#[test]
fn a_wanted_index_is_taken_where_it_is_free_and_refused_where_it_is_not() {
    let mut kernel = Kernel::new();
    let spec = |name: &str| LinkSpec {
        index: Some(42),
        ..create(name, Kind::Dummy)
    };
    kernel.must(Request::CreateLink(spec("one")));
    assert_eq!(kernel.link("one").unwrap().index, 42);
    assert_eq!(
        refused(&mut kernel, Request::CreateLink(spec("two"))),
        "EEXIST"
    );
}

#[test]
fn names_that_the_kernel_has_no_room_or_use_for_are_refused() {
    let mut kernel = Kernel::new();
    for name in [
        "",
        ".",
        "..",
        "a/b",
        "a:b",
        "a b",
        "sixteen_bytes_xx",
        "a\0",
        "eth%d",
    ] {
        let request = Request::CreateLink(create(name, Kind::Dummy));
        assert_eq!(refused(&mut kernel, request), "EINVAL", "{name:?}");
    }
    kernel.add_link("fifteen_bytes_x", Kind::Dummy);
}

#[test]
fn names_and_alternative_names_share_one_space() {
    let mut kernel = Kernel::new();
    kernel.add_ethernet("a").add_ethernet("b");
    let alternative = |link: &str, name: &str| AlternativeName {
        link: link.into(),
        name: name.into(),
    };
    kernel.must(Request::AddAlternativeName(alternative("a", "uplink")));
    assert_eq!(kernel.link("uplink").unwrap().name, "a");
    let taken = Request::AddAlternativeName(alternative("b", "uplink"));
    assert_eq!(refused(&mut kernel, taken), "EEXIST");
    assert_eq!(refused(&mut kernel, rename("b", "uplink")), "EEXIST");
    let clash = Request::CreateLink(create("uplink", Kind::Dummy));
    assert_eq!(refused(&mut kernel, clash), "EEXIST");
    let foreign = Request::DeleteAlternativeName(alternative("b", "uplink"));
    assert_eq!(refused(&mut kernel, foreign), "EINVAL");
    let absent = Request::DeleteAlternativeName(alternative("a", "no"));
    assert_eq!(refused(&mut kernel, absent), "ENOENT");
    kernel.must(Request::DeleteAlternativeName(alternative("a", "uplink")));
    assert!(kernel.link("uplink").is_none());
}

#[test]
fn what_refers_to_a_link_follows_its_new_name() {
    let mut kernel = host_with_eth0();
    kernel
        .add_link("eth0.5", vlan("eth0", 5))
        .must(rename("eth0", "wan"));
    let Kind::Vlan(above) = kernel.link("eth0.5").unwrap().kind else {
        panic!("a VLAN")
    };
    assert_eq!(above.parent.as_deref(), Some("wan"));
    assert_eq!(kernel.addresses(&["wan".into()])[0].link, "wan");
    assert!(kernel.addresses(&["eth0".into()]).is_empty());
}

#[test]
fn a_parent_that_does_not_exist_is_not_found() {
    let mut kernel = Kernel::new();
    let request = Request::CreateLink(create("x", vlan("nowhere", 5)));
    let failure = kernel.execute(&request).unwrap_err();
    assert_eq!(failure.code, FailureCode::NotFound);
    assert_eq!(failure.message, "create link x: ENODEV");
}

#[test]
fn deleting_a_parent_deletes_what_is_stacked_on_it() {
    let mut kernel = Kernel::new();
    kernel
        .add_link("d", Kind::Dummy)
        .add_link("d.5", vlan("d", 5));
    kernel
        .add_link("d.5.6", vlan("d.5", 6))
        .must(Request::DeleteLink("d".into()));
    assert_eq!(names(&kernel, &[]), ["lo"]);
}

#[test]
fn hardware_and_loopback_cannot_be_deleted() {
    let mut kernel = host_with_eth0();
    for name in ["lo", "eth0"] {
        assert_eq!(
            refused(&mut kernel, Request::DeleteLink(name.into())),
            "EOPNOTSUPP"
        );
    }
}

#[test]
fn what_is_fixed_on_creation_does_not_change() {
    let mut kernel = host_with_eth0();
    kernel
        .add_link("v", vlan("eth0", 5))
        .add_link("x", Kind::Vxlan(vxlan(5)));
    kernel.add_link("r", Kind::Vrf(Vrf { table: 10 }));
    let asked = [
        ("v", vlan("eth0", 6)),
        ("x", Kind::Vxlan(vxlan(6))),
        ("r", Kind::Vrf(Vrf { table: 11 })),
        ("r", Kind::Dummy),
    ];
    for (link, kind) in asked {
        assert_eq!(
            refused(&mut kernel, change_kind(link, kind)),
            "EOPNOTSUPP",
            "{link}"
        );
    }
    kernel.must(change_kind("v", vlan("eth0", 5)));
}

#[test]
fn two_links_cannot_be_the_same_vlan_of_one_parent() {
    let mut kernel = host_with_eth0();
    kernel.add_link("v", vlan("eth0", 5));
    let twin = Request::CreateLink(create("w", vlan("eth0", 5)));
    assert_eq!(refused(&mut kernel, twin), "EEXIST");
}

#[test]
fn an_mtu_keeps_to_the_bounds_of_its_kind_and_of_its_parent() {
    let mut kernel = host_with_eth0();
    assert_eq!(refused(&mut kernel, change("eth0", mtu(67))), "EINVAL");
    assert_eq!(refused(&mut kernel, change("eth0", mtu(65536))), "EINVAL");
    kernel.add_link("v", vlan("eth0", 5));
    assert_eq!(refused(&mut kernel, change("v", mtu(1501))), "ERANGE");
    kernel.must(change("eth0", mtu(1400)));
    assert_eq!(kernel.link("v").unwrap().mtu, 1400);
}

#[test]
fn a_group_address_is_no_mac_for_a_link() {
    let mut kernel = host_with_eth0();
    let settings = LinkSettings {
        mac: Some("01:00:5e:00:00:01".into()),
        ..Default::default()
    };
    assert_eq!(
        refused(&mut kernel, change("eth0", settings)),
        "EADDRNOTAVAIL"
    );
}

#[test]
fn a_link_that_cannot_be_configured_is_not_created() {
    let mut kernel = Kernel::new();
    let spec = LinkSpec {
        settings: mtu(1),
        ..create("a", veth("b"))
    };
    assert_eq!(refused(&mut kernel, Request::CreateLink(spec)), "EINVAL");
    assert_eq!(names(&kernel, &[]), ["lo"]);
}

#[test]
fn vlans_follow_their_parent_up_and_down() {
    let mut kernel = host_with_eth0();
    kernel.add_link("v", vlan("eth0", 5)).set_down("eth0");
    let up = LinkSettings {
        up: Some(true),
        ..Default::default()
    };
    assert_eq!(refused(&mut kernel, change("v", up)), "ENETDOWN");
    kernel.set_up("eth0");
    assert!(kernel.link("v").unwrap().up);
    kernel.set_down("eth0");
    assert!(!kernel.link("v").unwrap().up);
}

#[test]
fn selectors_add_up_and_none_means_all() {
    let mut kernel = host_with_eth0();
    kernel
        .add_link("v", vlan("eth0", 5))
        .add_link("d", Kind::Dummy);
    assert_eq!(names(&kernel, &[]), ["lo", "eth0", "v", "d"]);
    let chosen = [
        LinkSelector::Kind("dummy".into()),
        LinkSelector::Parent("eth0".into()),
        LinkSelector::Index(1),
        LinkSelector::Name("nowhere".into()),
        LinkSelector::Name("d".into()),
    ];
    assert_eq!(names(&kernel, &chosen), ["lo", "v", "d"]);
    assert!(names(&kernel, &[LinkSelector::Controller("nowhere".into())]).is_empty());
}

#[test]
fn failures_hold_the_kernels_own_words() {
    let mut kernel = host_with_eth0();
    let failure: Failure = kernel.execute(&change("eth0", mtu(1))).unwrap_err();
    let words = failure.backend.unwrap();
    assert_eq!(words.name, "EINVAL");
    assert_eq!(words.text.as_deref(), Some("mtu less than device minimum"));
    assert_eq!(
        failure.message,
        "change link eth0: mtu less than device minimum (EINVAL)"
    );
}
