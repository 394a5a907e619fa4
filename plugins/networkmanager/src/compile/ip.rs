//! Addresses, name servers and routes.

use std::net::IpAddr;

use op_dbus_plugin::section::route::MAIN_TABLE;
use op_dbus_plugin::section::{Address, Route, RouteType};
use serde_json::{Map, Value, json};

use super::Compiled;
use crate::section::Ip;
use crate::value::Variant;

pub fn compile(compiled: &mut Compiled, setting: &str, ip: &Ip) {
    let mut set = |key: &str, value: Option<Variant>, place: &str| {
        if let Some(value) = value {
            compiled.set(setting, key, value, &format!("{setting}/{place}"));
        }
    };
    let boolean = |yes: Option<bool>| yes.map(|yes| Variant::new("b", yes));
    let method = ip.method.map(|method| Variant::text(method.word()));
    set("method", method, "method");
    let addresses = ip.addresses.as_ref().map(|list| list.iter().map(address));
    let list = |items: Vec<Value>| Variant::new("aa{sv}", items);
    set(
        "address-data",
        addresses.map(|all| list(all.collect())),
        "addresses",
    );
    let routes = ip.routes.as_ref().map(|list| list.iter().map(route));
    set(
        "route-data",
        routes.map(|all| list(all.collect())),
        "routes",
    );
    let dns = ip.dns.as_ref();
    set(
        "dns-data",
        dns.map(|list| Variant::texts(list.iter().map(|it| server(it)))),
        "dns",
    );
    set(
        "dns-search",
        ip.dns_search.as_ref().map(Variant::texts),
        "dns_search",
    );
    set(
        "route-metric",
        ip.route_metric.map(|it| Variant::new("x", it)),
        "route_metric",
    );
    set(
        "route-table",
        ip.route_table.map(|it| Variant::new("u", it)),
        "route_table",
    );
    set("never-default", boolean(ip.never_default), "never_default");
    set(
        "ignore-auto-dns",
        boolean(ip.ignore_auto_dns),
        "ignore_auto_dns",
    );
    set(
        "ignore-auto-routes",
        boolean(ip.ignore_auto_routes),
        "ignore_auto_routes",
    );
    set("may-fail", boolean(ip.may_fail), "may_fail");
    let place = format!("{setting}/gateway");
    match ip.gateway {
        Some(Some(gateway)) => {
            compiled.set(
                setting,
                "gateway",
                Variant::text(gateway.to_string()),
                &place,
            );
        }
        Some(None) => compiled.unset(setting, "gateway", &place),
        None => {}
    }
}

/// The one form of a name server: an address as NetworkManager writes it.
fn server(text: &str) -> String {
    text.parse::<IpAddr>()
        .map_or_else(|_| text.to_owned(), |address| address.to_string())
}

fn variant(signature: &str, data: impl Into<Value>) -> Value {
    json!({"type": signature, "data": data.into()})
}

fn address(address: &Address) -> Value {
    let mut map = Map::new();
    map.insert(
        "address".into(),
        variant("s", address.address.0.to_string()),
    );
    map.insert("prefix".into(), variant("u", address.prefix));
    if let Some(label) = &address.label {
        map.insert("label".into(), variant("s", label.clone()));
    }
    map.into()
}

/// A route with its attributes (`nm_ip_route_get_variant_attribute_spec`).
fn route(route: &Route) -> Value {
    let mut map = Map::new();
    let mut put = |key: &str, signature: &str, data: Option<Value>| {
        if let Some(data) = data {
            map.insert(key.to_owned(), variant(signature, data));
        }
    };
    put("dest", "s", Some(route.dest.0.to_string().into()));
    put("prefix", "u", Some(route.prefix.into()));
    put(
        "next-hop",
        "s",
        route.next_hop.map(|it| it.to_string().into()),
    );
    put("metric", "u", route.metric.map(Into::into));
    let table = route.table.filter(|table| *table != MAIN_TABLE);
    put("table", "u", table.map(Into::into));
    let of = route.r#type.filter(|of| *of != RouteType::Unicast);
    put("type", "s", of.and_then(|of| serde_json::to_value(of).ok()));
    put("onlink", "b", route.onlink.map(Into::into));
    put(
        "src",
        "s",
        route.preferred_source.map(|it| it.to_string().into()),
    );
    put("mtu", "u", route.mtu.map(Into::into));
    put("tos", "y", route.tos.map(Into::into));
    map.into()
}
