use super::*;
use crate::contract::netlink::{
    Address, BridgeVlan, ControllerChange, Kind, Request, Route, UnknownAttribute, Veth, Vrf,
};
use crate::transaction::before_image::capture;
use crate::transaction::link_restore::attach::{nothing, up};
use crate::transaction::simulated::Simulated;
use crate::transaction::simulated::addresses::address;
use crate::transaction::simulated::routes::{hop, route};

#[path = "undo_fixture.rs"]
mod fixture;
use fixture::*;

#[test]
fn a_link_taken_down_comes_back_with_its_addresses_and_routes() {
    comes_back(&[up("eth0", false)]);
}

#[test]
fn a_stack_below_comes_back_with_what_was_on_top() {
    comes_back(&[up("eth1", false)]);
}

#[test]
fn a_deleted_link_comes_back_with_its_index_names_addresses_and_routes() {
    comes_back(&[Request::DeleteLink("eth1.7".into())]);
}

#[test]
fn a_deleted_pair_comes_back_with_its_port_and_vlans() {
    comes_back(&[Request::DeleteLink("v1".into())]);
}

#[test]
fn a_deleted_bridge_gets_its_ports_back() {
    comes_back(&[Request::DeleteLink("br0".into())]);
}

#[test]
fn a_deleted_primary_address_comes_back_as_the_primary_one_with_what_it_took_along() {
    comes_back(&[Request::DeleteAddress(address("eth0", "10.0.0.1", 24))]);
}

#[test]
fn an_address_made_for_a_moment_does_not_disturb_what_was_there() {
    comes_back(&[
        Request::DeleteAddress(address("eth0", "10.0.0.2", 24)),
        Request::DeleteAddress(address("eth0", "10.0.0.1", 24)),
        Request::PutAddress(address("eth0", "192.0.2.1", 24)),
    ]);
}

#[test]
fn a_renamed_link_gets_its_name_back_although_another_has_taken_it() {
    let renamed = |link: &str, to: &str| {
        Request::ChangeLink(crate::contract::netlink::LinkChange {
            new_name: Some(to.into()),
            ..nothing(link)
        })
    };
    comes_back(&[
        up("eth0", false),
        renamed("eth0", "lan"),
        Request::PutAddress(address("lan", "192.0.2.1", 24)),
    ]);
    comes_back(&[
        up("eth0", false),
        up("eth1", false),
        renamed("eth0", "aside"),
        renamed("eth1", "eth0"),
        renamed("aside", "eth1"),
    ]);
    comes_back(&[
        up("eth0", false),
        renamed("eth0", "lan"),
        create("eth0", bridge()),
    ]);
}

#[test]
fn a_link_that_joined_a_vrf_comes_back_with_what_that_took() {
    comes_back(&[
        create("blue", Kind::Vrf(Vrf { table: 10 })),
        attach_to("eth0", ControllerChange::Attach("blue".into())),
    ]);
}

#[test]
fn an_mtu_too_small_for_ipv6_is_undone_with_ipv6() {
    let mut change = nothing("eth0");
    change.settings.mtu = Some(1000);
    comes_back(&[Request::ChangeLink(change)]);
}

#[test]
fn a_smaller_mtu_comes_back_on_what_is_stacked_too() {
    let mut change = nothing("eth1");
    change.settings.mtu = Some(1400);
    comes_back(&[Request::ChangeLink(change)]);
}

#[test]
fn a_rule_of_which_the_kernel_chose_the_priority_is_found_and_deleted() {
    comes_back(&[
        Request::AddRule(rule(None, "10.2.0.0")),
        Request::DeleteRule(rule(None, "10.0.0.0")),
    ]);
}

#[test]
fn a_replaced_route_comes_back() {
    comes_back(&[Request::PutRoute(via("0.0.0.0", 0, "10.0.0.253", "eth0"))]);
}

#[test]
fn what_the_contract_has_no_name_for_comes_back_with_its_route_address_or_link() {
    run(async {
        let kernel = busy_host().await;
        {
            let mut state = kernel.state();
            let link = state.links.iter_mut().find(|link| link.name == "br0");
            let link = link.unwrap();
            link.group = 9;
            link.unknown.push(UnknownAttribute {
                place: "IFLA_LINKINFO/IFLA_INFO_DATA/35".into(),
                value: vec![5],
            });
        }
        let before = kernel.state().clone();
        let mut images = Images::default();
        let batch = [up("eth0", false), Request::DeleteLink("br0".into())];
        apply(&kernel, &mut images, &batch).await;
        let undone = undo_all(&kernel, &images).await;
        assert_eq!(undone.incomplete, []);
        let state = kernel.state();
        assert_eq!(state.links.len(), before.links.len());
        for link in &before.links {
            let is = state.links.iter().find(|it| it.name == link.name).unwrap();
            assert_eq!((&is.unknown, is.group), (&link.unknown, link.group));
        }
        let default = |routes: &[Route]| {
            let mut routes = routes.iter();
            routes.find(|route| route.destination.length == 0).cloned()
        };
        assert_eq!(default(&state.routes), default(&before.routes));
    });
}

#[test]
fn a_queueing_discipline_that_is_lost_is_noted() {
    run(async {
        let kernel = busy_host().await;
        let mut images = Images::default();
        for link in &mut kernel.state().links {
            link.queueing_discipline = Some("htb".into());
        }
        apply(&kernel, &mut images, &[Request::DeleteLink("br0".into())]).await;
        let undone = undo_all(&kernel, &images).await;
        assert_eq!(undone.incomplete, []);
        let said = &undone.notes;
        assert!(
            said.iter()
                .any(|line| line.contains("link br0") && line.contains("htb")),
            "{said:?}"
        );
        assert!(!said.iter().any(|line| line.contains("eth0")), "{said:?}");
    });
}

#[test]
fn what_others_add_meanwhile_stays_even_if_the_undo_disturbs_its_link() {
    run(async {
        let kernel = busy_host().await;
        let mut images = Images::default();
        let batch = [
            up("eth0", false),
            up("eth0", true),
            Request::PutAddress(address("eth0", "10.0.0.5", 24)),
            create("new", bridge()),
        ];
        apply(&kernel, &mut images, &batch).await;
        let bird = Route {
            protocol: 12,
            ..via("198.51.100.0", 24, "10.0.0.77", "eth0")
        };
        let lease = Address {
            valid_lifetime: Some(600),
            ..address("eth0", "10.0.0.200", 24)
        };
        let others = [
            Request::PutAddress(lease),
            Request::AddRoute(bird),
            create("docker0", bridge()),
        ];
        assert!(kernel.execute(&others).await.iter().all(Result::is_ok));
        let undone = undo_all(&kernel, &images).await;
        assert_eq!(undone.incomplete, []);
        assert_eq!(undone.notes, Vec::<String>::new());
        let state = kernel.state();
        assert!(state.addresses.iter().any(|it| it.address == "10.0.0.200"));
        assert!(!state.addresses.iter().any(|it| it.address == "10.0.0.5"));
        assert!(
            state.routes.iter().any(|it| it.protocol == 12),
            "{:#?}",
            state.routes
        );
        assert!(state.links.iter().any(|it| it.name == "docker0"));
        assert!(!state.links.iter().any(|it| it.name == "new"));
    });
}

#[test]
fn what_cannot_be_restored_is_named_with_what_it_is_and_should_be() {
    run(async {
        let kernel = busy_host().await;
        let mut images = Images::default();
        apply(&kernel, &mut images, &[up("eth0", false)]).await;
        // Somebody pulls the card out.
        {
            let mut state = kernel.state();
            state.links.retain(|link| link.name != "eth0");
            state.addresses.retain(|it| it.link != "eth0");
        }
        let undone = undo_all(&kernel, &images).await;
        let link = undone
            .incomplete
            .iter()
            .find(|it| it.object == "link eth0")
            .unwrap();
        assert_eq!(
            (link.is.as_str(), link.should_be.as_str()),
            ("absent", "present")
        );
        let lost = undone
            .incomplete
            .iter()
            .find(|it| it.object == "address 10.0.0.1/24 on eth0")
            .unwrap();
        assert!(lost.because.as_ref().unwrap().contains("ENODEV"), "{lost}");
        assert!(lost.should_be.starts_with("present"), "{lost}");
    });
}

#[test]
fn a_thousand_requests_are_imaged_in_a_handful_of_reads() {
    run(async {
        let kernel = busy_host().await;
        let mut batch = Vec::new();
        for number in 0..1000 {
            let name = format!("port{number}");
            batch.push(create(&name, bridge()));
            batch.push(Request::PutAddress(address(&name, "192.0.2.1", 24)));
            batch.push(Request::PutRoute(via(
                "198.51.100.0",
                24,
                "192.0.2.2",
                &name,
            )));
            batch.push(Request::PutAddress(address(
                "eth0",
                &format!("10.1.{}.{}", number / 250, number % 250),
                24,
            )));
        }
        let mut images = Images::default();
        kernel.reads.lock().unwrap().clear();
        capture(&kernel, &batch, &mut images).await.unwrap();
        let reads = kernel.reads.lock().unwrap();
        assert!(reads.len() <= 6, "{reads:?}");
        assert_eq!(images.links.len(), 1000);
    });
}

#[test]
fn a_change_of_one_link_asks_for_no_more_than_that_link() {
    run(async {
        let kernel = busy_host().await;
        let mut change = nothing("eth0");
        change.settings.description = Some("uplink".into());
        let batch = [
            Request::ChangeLink(change),
            Request::PutAddress(address("eth0", "10.0.0.1", 24)),
        ];
        let mut images = Images::default();
        kernel.reads.lock().unwrap().clear();
        capture(&kernel, &batch, &mut images).await.unwrap();
        assert_eq!(*kernel.reads.lock().unwrap(), ["links 1", "addresses 1"]);
    });
}

#[test]
fn images_survive_the_journal() {
    run(async {
        let kernel = busy_host().await;
        let mut images = Images::default();
        let batch = [
            up("eth0", false),
            Request::DeleteLink("br0".into()),
            Request::DeleteRule(rule(None, "10.0.0.0")),
        ];
        apply(&kernel, &mut images, &batch).await;
        let text = serde_json::to_string(&images).unwrap();
        assert_eq!(serde_json::from_str::<Images>(&text).unwrap(), images);
    });
}

#[path = "undo_properties.rs"]
mod properties;

#[path = "recovery_properties.rs"]
mod recovery_properties;
