//! Tunnels and links stacked on others.

use op_dbus::backends::netlink::Kernel;
use op_dbus::contract::netlink::*;
use op_dbus::contract::types::FailureCode;

use crate::support::*;

#[tokio::test]
async fn tunnels_macvlans_and_taps_come_back_as_they_were_made() {
    let space = Space::new();
    let kernel = space.open();
    let vxlan = Vxlan {
        id: 7,
        parent: Some("v0".into()),
        local: Some("192.0.2.1".into()),
        remote: Some("239.1.1.1".into()),
        port: Some(4789),
        source_ports: Some(PortRange {
            first: 1000,
            last: 2000,
        }),
        dont_fragment: Some(DontFragment::Set),
        ttl: Some(3),
        tos: Some(0),
        learning: Some(true),
        ageing: Some(120),
        limit: Some(9),
        proxy: Some(false),
        route_short_circuit: Some(false),
        collect_metadata: None,
        udp_checksum: Some(true),
    };
    let macvlan = Macvlan {
        parent: Some("v0".into()),
        mode: Some(MacvlanMode::Bridge),
    };
    let tap = Tun {
        mode: TunMode::Tap,
        owner: Some(1000),
        group: Some(1001),
        packet_information: Some(false),
        vnet_header: Some(true),
        multi_queue: Some(false),
        persistent: Some(true),
    };
    let mut tap_spec = spec("tap0", Kind::Tun(tap));
    tap_spec.index = Some(4711);
    tap_spec.settings.mtu = Some(1300);
    let wanted = [
        spec("v0", veth("v1")),
        spec("vx0", Kind::Vxlan(vxlan.clone())),
        spec("mv0", Kind::Macvlan(macvlan.clone())),
        spec("mt0", Kind::Macvtap(macvlan.clone())),
        spec("ifb9", Kind::Ifb),
        tap_spec,
    ];
    all_done(
        &kernel
            .execute(&wanted.clone().map(Request::CreateLink))
            .await,
    );
    let links = kernel.links(&[]).await.unwrap();
    let found = |name: &str| links.iter().find(|l| l.name == name).unwrap();
    let Kind::Vxlan(seen) = found("vx0").kind.clone() else {
        panic!()
    };
    assert_eq!(
        Vxlan {
            collect_metadata: None,
            ..seen
        },
        vxlan
    );
    for (name, kind) in [
        ("mv0", Kind::Macvlan(macvlan.clone())),
        ("mt0", Kind::Macvtap(macvlan)),
        ("ifb9", Kind::Ifb),
        ("tap0", Kind::Tun(tap)),
    ] {
        assert_eq!(found(name).kind, kind, "{name}");
        assert_eq!(found(name).unknown, [], "{name}");
    }
    assert_eq!((found("tap0").index, found("tap0").mtu), (4711, 1300));
    let chosen = kernel
        .links(&[
            LinkSelector::Parent("v0".into()),
            LinkSelector::Kind("ifb".into()),
            LinkSelector::Name("tap0".into()),
            LinkSelector::Name("none".into()),
        ])
        .await
        .unwrap();
    let mut names: Vec<_> = chosen.iter().map(|l| l.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["ifb9", "mt0", "mv0", "tap0", "vx0"]);
    let chosen = kernel
        .links(&[
            LinkSelector::Kind("macvlan".into()),
            LinkSelector::Name("mv0".into()),
        ])
        .await
        .unwrap();
    assert_eq!(chosen.len(), 1);
    assert_eq!(chosen[0], *found("mv0"));
    // A change keeps what it leaves out.
    let answers = kernel
        .execute(&[Request::ChangeLink(LinkChange {
            kind: Some(Kind::Vxlan(Vxlan {
                ageing: Some(77),
                ..none_vxlan(7)
            })),
            ..change("vx0")
        })])
        .await;
    all_done(&answers);
    let Kind::Vxlan(seen) = kernel
        .links(&[LinkSelector::Name("vx0".into())])
        .await
        .unwrap()
        .remove(0)
        .kind
    else {
        panic!()
    };
    assert_eq!(
        (seen.ageing, seen.remote, seen.limit),
        (Some(77), vxlan.remote, Some(9))
    );
    let answers = kernel
        .execute(&[Request::ChangeLink(LinkChange {
            kind: Some(Kind::Ifb),
            ..change("vx0")
        })])
        .await;
    assert_eq!(answers[0].as_ref().unwrap_err().code, FailureCode::Invalid);
}
