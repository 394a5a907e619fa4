//! Routes. They are compared over all interfaces at once, because a route is told from others by destination, table and metric, and not by
//! the link that it uses.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::{Extent, Losses};
use crate::section::Unknown;
use crate::section::{Interface, Ip, Method, Network, Route, Section};
use crate::step::{Object, Step, json};
use crate::summary;
use op_dbus_plugin::section::route::{NextHop, RouteKey};

/// A route with its place: the links of its ways are written out.
struct Placed {
    route: Route,
    path: Option<String>,
    /// Only its ways were given, by the key `gateway`.
    only_ways: bool,
}

/// The steps on routes.
pub fn steps(
    current: &Section,
    desired: &Section,
    losses: &Losses,
    extent: Extent,
    steps: &mut Vec<Step>,
) {
    let have = flattened(current);
    let mut by_key: HashMap<RouteKey, Vec<&Route>> = HashMap::new();
    for placed in &have {
        by_key
            .entry(placed.route.key())
            .or_default()
            .push(&placed.route);
    }
    let want = flattened(desired);
    let mut wanted: HashSet<RouteKey> = HashSet::new();
    for placed in want.iter().filter(|placed| !placed.route.is_absent()) {
        let key = placed.route.key();
        wanted.insert(key);
        if extent == Extent::Partial && placed.route.is_passing() {
            continue;
        }
        let there = by_key.get(&key).map(Vec::as_slice).unwrap_or_default();
        let same = there
            .iter()
            .copied()
            .find(|is| satisfies(placed, is, extent));
        if same.is_some_and(|is| !is_lost(is, losses)) {
            continue;
        }
        let is = there.iter().copied().find(|is| is.is_static());
        let before = is.filter(|is| !is_lost(is, losses)).cloned();
        let mut after = stripped(&placed.route);
        let lost = match same.or(is) {
            Some(is) => keep_unknown(&mut after, is, losses),
            None => "",
        };
        let verb = match (same, is) {
            (Some(_), _) => "keep",
            (None, Some(_)) => "change",
            (None, None) => "add",
        };
        let step = Step::new(
            target(&placed.route),
            before.map(object),
            Some(object(after)),
            format!("{verb} route {}{lost}", summary::route(&placed.route)),
        );
        let path = placed.path.clone().filter(|_| same.is_none());
        steps.push(step.at(path, json(&placed.route), is.map(json)));
    }
    let claims = Claims::of(desired, extent);
    let mut removed = HashSet::new();
    for placed in &have {
        let route = &placed.route;
        let key = route.key();
        if wanted.contains(&key) {
            continue;
        }
        let claim = claims.find(route);
        if let Some(path) = claim {
            // It went with its link.
            if uses(route, &|link| losses.gone.contains(link)) || !removed.insert(key) {
                continue;
            }
            let summary = format!("remove route {}", summary::route(route));
            let step = Step::new(target(route), Some(object(route.clone())), None, summary);
            steps.push(step.at(path, "null".to_owned(), Some(json(route))));
        } else if is_lost(route, losses)
            && comes_back(route, losses)
            && is_reachable(route, &have, losses)
        {
            let mut after = route.clone();
            let lost = keep_unknown(&mut after, route, losses);
            let summary = format!("keep route {}{lost}", summary::route(route));
            steps.push(Step::new(target(route), None, Some(object(after)), summary));
        }
    }
}

fn object(route: Route) -> Object {
    Object::Route(Box::new(route))
}

fn stripped(route: &Route) -> Route {
    Route {
        state: None,
        ..route.clone()
    }
}

/// A next hop object (RTA_NH_ID, ip-nexthop(8)).
const NEXT_HOP_OBJECT: &str = "RTA/30";

/// Carries over what op-dbus has no name for from what a route was. A next hop object goes with the link that it leads over: then the route
/// is put back with the ways that it led to, and the words for a person say so.
fn keep_unknown(route: &mut Route, is: &Route, losses: &Losses) -> &'static str {
    route.unknown.clone_from(&is.unknown);
    for hop in route.next_hops.iter_mut().flatten() {
        let mut was = is.next_hops.iter().flatten();
        let was = was.find(|was| was.next_hop == hop.next_hop && was.interface == hop.interface);
        hop.unknown = was.and_then(|was| was.unknown.clone());
    }
    let by_object = |unknown: &Unknown| unknown.place == NEXT_HOP_OBJECT;
    let had = is.unknown.iter().flatten().any(by_object);
    let gone = uses(is, &|link| {
        losses.gone.contains(link) || losses.bounced.contains(link) || losses.downed.contains(link)
    });
    let leads_elsewhere = route.ways(None) != is.ways(None);
    if !had || !(gone || leads_elsewhere) {
        return "";
    }
    let mut left = route.unknown.take().unwrap_or_default();
    left.retain(|unknown| !by_object(unknown));
    route.unknown = (!left.is_empty()).then_some(left);
    " (its next hop object is lost)"
}

fn target(route: &Route) -> String {
    match route.ways(None).as_slice() {
        [
            NextHop {
                interface: Some(interface),
                ..
            },
        ] => format!("interface {interface}"),
        _ => format!("route {}", route.destination()),
    }
}

fn uses(route: &Route, test: &dyn Fn(&str) -> bool) -> bool {
    route
        .ways(None)
        .iter()
        .any(|way| way.interface.as_deref().is_some_and(test))
}

/// Whether a route goes away by what is done to links and addresses.
fn is_lost(route: &Route, losses: &Losses) -> bool {
    let v4 = route.dest.0.is_ipv4();
    uses(route, &|link| {
        losses.gone.contains(link)
            || losses.bounced.contains(link)
            || losses.downed.contains(link)
            || (v4 && losses.unaddressed.contains(link))
    }) || route
        .preferred_source
        .is_some_and(|source| losses.sources.contains(&source))
}

/// Whether a route that goes away is to be put back: all of its links are there again, and are up.
fn comes_back(route: &Route, losses: &Losses) -> bool {
    let is_kernels = matches!(route.protocol, Some(1 | 2 | 9));
    !is_kernels
        && !uses(route, &|link| {
            losses.downed.contains(link)
                || (losses.gone.contains(link) && !losses.again.contains(link))
        })
}

/// Whether the routers and the source of a route that goes away with addresses are still there afterwards. Where they are not, the file has
/// taken away what the route stands on.
fn is_reachable(route: &Route, have: &[Placed], losses: &Losses) -> bool {
    let has_source = route.preferred_source.is_none_or(|source| {
        !losses.sources.contains(&source)
            || losses
                .networks
                .iter()
                .any(|(_, network)| network.address == source)
    });
    let reaches = |way: NextHop| {
        let (Some(router), Some(link)) = (way.next_hop, way.interface) else {
            return true;
        };
        let is_link_local = matches!(router, IpAddr::V6(router) if router.is_unicast_link_local());
        let is_bare =
            losses.gone.contains(&link) || (router.is_ipv4() && losses.unaddressed.contains(&link));
        let stays = way.onlink == Some(true) || is_link_local || !is_bare;
        let by_address = losses
            .networks
            .iter()
            .any(|(on, network)| *on == link && network.contains(router));
        let by_route = |placed: &Placed| {
            let route = &placed.route;
            let ways = route.ways(None);
            route.is_static()
                && route.prefix > 0
                && route.destination().contains(router)
                && ways
                    .iter()
                    .all(|way| way.next_hop.is_none() && way.interface.as_ref() == Some(&link))
        };
        stays || by_address || have.iter().any(by_route)
    };
    has_source && route.ways(None).into_iter().all(reaches)
}

/// Every route of a section, with the links of its ways written out.
fn flattened(section: &Section) -> Vec<Placed> {
    let mut routes = Vec::new();
    for (at, interface) in section.interfaces().iter().enumerate() {
        if interface.is_absent() {
            continue;
        }
        for (family, ip) in [("ipv4", &interface.ipv4), ("ipv6", &interface.ipv6)] {
            let Some(ip) = ip else { continue };
            of_interface(
                &interface.name,
                ip,
                &format!("/interfaces/{at}/{family}"),
                &mut routes,
            );
        }
    }
    for (at, route) in section.routes().iter().enumerate() {
        let path = Some(format!("/routes/{at}"));
        routes.push(Placed {
            route: route.clone(),
            path,
            only_ways: false,
        });
    }
    routes
}

fn of_interface(name: &str, ip: &Ip, place: &str, routes: &mut Vec<Placed>) {
    if let Some(Some(gateway)) = ip.gateway {
        let route = Route::of_gateway(gateway).on_link(name);
        routes.push(Placed {
            route,
            path: Some(format!("{place}/gateway")),
            only_ways: true,
        });
    }
    for (at, route) in ip.routes.iter().flatten().enumerate() {
        let path = Some(format!("{place}/routes/{at}"));
        routes.push(Placed {
            route: route.on_link(name),
            path,
            only_ways: false,
        });
    }
}

/// Whether what is satisfies the file's words.
fn satisfies(want: &Placed, is: &Route, extent: Extent) -> bool {
    let (route, partly) = (&want.route, want.only_ways && extent == Extent::Partial);
    let (ways, is_ways) = (route.ways(None), is.ways(None));
    let several = ways.len() > 1;
    let matches = |want: &NextHop, is: &NextHop| {
        want.next_hop == is.next_hop
            && (want.interface.is_none() || want.interface == is.interface)
            && (!several || want.weight == is.weight)
            && (partly || want.onlink == is.onlink)
    };
    let same_ways = ways.len() == is_ways.len()
        && ways
            .iter()
            .all(|want| is_ways.iter().any(|is| matches(want, is)));
    same_ways
        && route.kind() == is.kind()
        && (extent == Extent::Partial || route.protocol == is.protocol)
        && (partly || (route.mtu == is.mtu && route.preferred_source == is.preferred_source))
}

/// Which routes the file speaks of, so that those that it leaves out are to go.
struct Claims<'a> {
    lists: HashMap<(&'a str, bool), (&'a Interface, usize)>,
    absent: HashMap<Network, Vec<(&'a Route, usize)>>,
    extent: Extent,
}

impl<'a> Claims<'a> {
    fn of(desired: &'a Section, extent: Extent) -> Self {
        let mut lists = HashMap::new();
        for (at, interface) in desired.interfaces().iter().enumerate() {
            lists.insert((interface.name.as_str(), false), (interface, at));
            lists.insert((interface.name.as_str(), true), (interface, at));
        }
        let mut absent: HashMap<Network, Vec<(&Route, usize)>> = HashMap::new();
        for (at, route) in desired.routes().iter().enumerate() {
            if route.is_absent() {
                let same_destination = absent.entry(route.destination()).or_default();
                same_destination.push((route, at));
            }
        }
        Self {
            lists,
            absent,
            extent,
        }
    }

    /// The place that speaks of a route; `None` where the file does not.
    fn find(&self, route: &Route) -> Option<Option<String>> {
        let absent = self.absent.get(&route.destination()).into_iter().flatten();
        let mut absent = absent.filter(|(absent, _)| match self.extent {
            Extent::Partial => absent.means(route),
            Extent::Exact => route.is_static() && absent.key() == route.key(),
        });
        if let Some((_, at)) = absent.next() {
            return Some(Some(format!("/routes/{at}/state")));
        }
        if !route.is_static() {
            return None;
        }
        let ways = route.ways(None);
        let link = ways.first()?.interface.as_deref()?;
        if ways
            .iter()
            .any(|way| way.interface.as_deref() != Some(link))
        {
            return None;
        }
        let v6 = route.dest.0.is_ipv6();
        let (interface, at) = self.lists.get(&(link, v6))?;
        if interface.is_absent() {
            return None;
        }
        let ip = interface.ip(v6)?;
        let is_off = ip.method == Some(Method::Disabled);
        let (key, claimed) = if route.is_gateways() {
            let listed = ip.routes.iter().flatten().any(Route::is_gateways);
            ("gateway", ip.gateway.is_some() || listed)
        } else {
            ("routes", ip.routes.is_some())
        };
        (claimed || is_off).then(|| {
            Some(format!(
                "/interfaces/{at}/ipv{}/{key}",
                if v6 { 6 } else { 4 }
            ))
        })
    }
}
