//! Every kind of link, made, verified, changed back: on the local kernel as far as it has the
//! kind, and on a full Debian kernel without exception.

use crate::namespace::Namespace;

/// How `ip link add` makes a link of each kind, under the name `probe`, on top of the veth `base`.
const KINDS: [(&str, &str); 19] = [
    ("bond", "type bond"),
    ("bridge", "type bridge"),
    ("dummy", "type dummy"),
    ("geneve", "type geneve id 7 remote 192.0.2.7"),
    ("gre", "type gre remote 192.0.2.7"),
    ("gretap", "type gretap remote 192.0.2.7"),
    ("ifb", "type ifb"),
    ("ip6gre", "type ip6gre remote 2001:db8::7"),
    ("ip6tnl", "type ip6tnl remote 2001:db8::7"),
    ("ipip", "type ipip remote 192.0.2.7"),
    ("ipvlan", "link base type ipvlan"),
    ("macvlan", "link base type macvlan"),
    ("macvtap", "link base type macvtap"),
    ("sit", "type sit remote 192.0.2.7"),
    ("veth", "type veth peer name probe-peer"),
    ("vlan", "link base type vlan id 7"),
    ("vrf", "type vrf table 7"),
    ("vxlan", "type vxlan id 7 remote 192.0.2.7 dstport 4789"),
    ("wireguard", "type wireguard"),
];

/// A namespace with the veth pair `base` and `base-peer` on a kernel that has `kind`; `None`, and
/// loudly so, if the kernel lacks it.
fn namespace_with(kind: &str) -> Option<Namespace> {
    let (_, probe) = KINDS
        .iter()
        .find(|(name, _)| *name == kind)
        .expect("a kind of the table");
    let namespace = Namespace::new();
    namespace.ip(&[
        "link",
        "add",
        "base",
        "type",
        "veth",
        "peer",
        "name",
        "base-peer",
    ]);
    let words: Vec<&str> = ["link", "add", "name", "probe"]
        .into_iter()
        .chain(probe.split(' '))
        .collect();
    let run = namespace.try_ip(&words);
    if run.is_success() {
        namespace.ip(&["link", "delete", "probe"]);
        return Some(namespace);
    }
    let in_virtual_machine = std::env::var_os("OP_DBUS_VM").is_some();
    assert!(
        !in_virtual_machine,
        "the full kernel lacks {kind}: {}",
        run.stderr
    );
    eprintln!("!! SKIPPED: this kernel has no {kind}; `cargo xtask vm-test` tests it");
    None
}

#[test]
fn the_full_kernel_makes_links_of_every_kind() {
    for (kind, _) in KINDS {
        let Some(namespace) = namespace_with(kind) else {
            continue;
        };
        assert!(namespace.link("probe").is_none());
    }
}
