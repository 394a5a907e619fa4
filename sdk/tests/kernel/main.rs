//! The in-memory kernel against what Linux does.

mod addresses;
mod host;
mod links;
mod ports;
mod routes;
mod rules_and_neighbours;

use op_dbus_plugin::Failure;
use op_dbus_plugin::mock::Kernel;
use op_dbus_plugin::netlink::{Kind, NextHop, Prefix};
use op_dbus_plugin::netlink::{
    LinkChange, LinkSettings, LinkSpec, Request, Route, RouteScope, Veth, Vlan,
};

/// `eth0`, up, with 192.0.2.1/24, and no link-local addresses in the way.
fn host_with_eth0() -> Kernel {
    let mut kernel = Kernel::new();
    kernel.set_link_local_addresses(false).add_ethernet("eth0");
    kernel.set_up("eth0").add_address("eth0", "192.0.2.1/24");
    kernel
}

fn veth(peer: &str) -> Kind {
    Kind::Veth(Veth {
        peer: Some(peer.into()),
        peer_index: None,
    })
}

fn vlan(parent: &str, id: u16) -> Kind {
    Kind::Vlan(Vlan {
        parent: Some(parent.into()),
        id,
        protocol: None,
        reorder_header: None,
        gvrp: None,
        mvrp: None,
        loose_binding: None,
    })
}

fn create(name: &str, kind: Kind) -> LinkSpec {
    LinkSpec {
        name: name.into(),
        index: None,
        kind,
        alternative_names: Vec::new(),
        settings: LinkSettings::default(),
    }
}

fn change(link: &str, settings: LinkSettings) -> Request {
    Request::ChangeLink(LinkChange {
        link: link.into(),
        new_name: None,
        kind: None,
        settings,
    })
}

fn change_kind(link: &str, kind: Kind) -> Request {
    Request::ChangeLink(LinkChange {
        link: link.into(),
        new_name: None,
        kind: Some(kind),
        settings: LinkSettings::default(),
    })
}

fn rename(link: &str, name: &str) -> Request {
    Request::ChangeLink(LinkChange {
        link: link.into(),
        new_name: Some(name.into()),
        kind: None,
        settings: LinkSettings::default(),
    })
}

fn route(destination: &str, length: u8, hops: Vec<NextHop>) -> Route {
    Route {
        next_hops: hops,
        ..Route::new(Prefix {
            address: destination.into(),
            length,
        })
    }
}

fn via(gateway: &str) -> NextHop {
    NextHop {
        gateway: Some(gateway.into()),
        ..Default::default()
    }
}

fn through(link: &str) -> NextHop {
    NextHop {
        link: Some(link.into()),
        ..Default::default()
    }
}

/// Destinations in table main, sorted.
fn main_table(kernel: &Kernel) -> Vec<String> {
    destinations(kernel, 254)
}

fn destinations(kernel: &Kernel, table: u32) -> Vec<String> {
    let scope = RouteScope {
        tables: vec![table],
        ..Default::default()
    };
    let routes = kernel.routes(&scope).into_iter();
    let mut shown: Vec<String> = routes
        .map(|it| format!("{}/{}", it.destination.address, it.destination.length))
        .collect();
    shown.sort();
    shown
}

/// The errno's name with which a request fails.
#[track_caller]
fn refused(kernel: &mut Kernel, request: Request) -> String {
    let failure: Failure = kernel.execute(&request).expect_err("the kernel took it");
    failure.backend.expect("the kernel's own words").name
}
