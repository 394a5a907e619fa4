//! The exchange with the kernel: its words, dropped calls, news, namespaces.

use op_dbus::backends::netlink::{Event, Group, Kernel, Netlink};
use op_dbus::contract::netlink::*;
use op_dbus::contract::types::FailureCode;

use crate::support::*;

#[tokio::test]
async fn says_exists_and_not_found_with_the_kernels_words() {
    let space = Space::new();
    let kernel = space.open();
    let answers = kernel
        .execute(&[
            Request::CreateLink(spec("lo", Kind::Bridge(no_bridge()))),
            Request::PutAddress(address("nowhere", "192.0.2.1", 24)),
            Request::CreateLink(spec("br1", Kind::Bridge(no_bridge()))),
        ])
        .await;
    let first = answers[0].as_ref().unwrap_err();
    assert_eq!(first.code, FailureCode::Exists);
    assert_eq!(first.backend.as_ref().unwrap().name, "EEXIST");
    assert_eq!(answers[1].as_ref().unwrap_err().code, FailureCode::NotFound);
    assert!(answers[2].is_ok());
}

#[tokio::test]
async fn a_refusal_carries_the_kernels_extended_acknowledgement() {
    let space = Space::new();
    let kernel = space.open();
    // Nothing leads to that gateway (net/ipv4/fib_semantics.c, fib_check_nh_v4_gw).
    let lost = route("198.51.100.0", 24, Some("192.0.2.254"), None);
    let answers = kernel.execute(&[Request::AddRoute(lost)]).await;
    let refused = answers[0].as_ref().unwrap_err();
    let words = refused.backend.as_ref().unwrap();
    assert_eq!(words.name, "ENETUNREACH");
    assert_eq!(words.text.as_deref(), Some("Nexthop has invalid gateway"));
    assert!(
        refused.message.contains("Nexthop has invalid gateway"),
        "{}",
        refused.message
    );
}

#[tokio::test]
async fn a_call_that_is_dropped_half_way_leaves_the_socket_sound() {
    let space = Space::new();
    let kernel = space.open();
    let many: Vec<_> = (0..20_000u32)
        .map(|n| {
            let mut one = route(&format!("10.{}.{}.0", n / 250, n % 250), 24, None, None);
            one.next_hops.clear();
            one.route_type = RouteType::Blackhole;
            Request::AddRoute(one)
        })
        .collect();
    all_done(&kernel.execute(&many).await);
    let narrow = scope();
    let dropped = tokio::select! {
        biased;
        routes = kernel.routes(&narrow) => Some(routes),
        () = async {} => None,
    };
    assert!(
        dropped.is_none(),
        "the dump ended before it could be dropped"
    );
    assert_eq!(kernel.links(&[]).await.unwrap()[0].name, "lo");
    assert!(kernel.routes(&scope()).await.unwrap().len() >= 20_000);
}

#[tokio::test]
async fn watching_tells_of_links_and_rules() {
    let space = Space::new();
    let kernel = space.open();
    let mut events = kernel.watch(&[Group::Links, Group::Rules]).unwrap();
    all_done(
        &kernel
            .execute(&[Request::CreateLink(spec("br7", Kind::Bridge(no_bridge())))])
            .await,
    );
    let index = kernel
        .links(&[LinkSelector::Name("br7".into())])
        .await
        .unwrap()[0]
        .index;
    assert_eq!(
        events.next().await.unwrap(),
        Event::Changed {
            group: Group::Links,
            link: index,
            gone: false
        }
    );
    all_done(&kernel.execute(&[Request::DeleteLink("br7".into())]).await);
    while events.next().await.unwrap()
        != (Event::Changed {
            group: Group::Links,
            link: index,
            gone: true,
        })
    {}
    all_done(
        &kernel
            .execute(&[Request::AddRule(rule(
                Family::Ipv4,
                77,
                RuleAction::Lookup(3),
            ))])
            .await,
    );
    while !matches!(
        events.next().await.unwrap(),
        Event::Changed {
            group: Group::Rules,
            ..
        }
    ) {}
}

#[tokio::test]
async fn a_namespace_that_does_not_exist_is_named() {
    let secrets =
        std::sync::Arc::new(op_dbus::secrets::SecretStore::open(Vec::new(), None).unwrap());
    let failure = Netlink::open(Some("opdnl-absent"), secrets).err().unwrap();
    assert_eq!(failure.code, FailureCode::NotFound);
    assert!(
        failure.message.contains("opdnl-absent"),
        "{}",
        failure.message
    );
}
