//! Steps on links: removing, making, changing.

use op_dbus_plugin::{Failure, FailureCode};

use super::anew::{Doomed, is_of_database};
use super::link::{self, LinkChange};
use super::split::SwitchWish;
use super::vlans;
use super::wish::Wish;
use super::{Extent, Index, Losses, Wishes};
use crate::kind;
use crate::section::Unknown;
use crate::section::port::PortSettings;
use crate::section::{Interface, LinkType, State};
use crate::step::{Object, Step, json};
use crate::summary;

/// The steps on links, in no particular order, and what they take away.
pub fn steps(
    current: &Index,
    wishes: &Wishes,
    doomed: &Doomed,
    extent: Extent,
    losses: &mut Losses,
) -> Result<Vec<Step>, Failure> {
    let mut steps = Vec::new();
    for wish in &wishes.list {
        let name = &wish.interface.name;
        let is_ports = wish.interface.r#type == Some(LinkType::OvsPort);
        match current.get(name).filter(|have| !is_of_database(have)) {
            Some(have) if wish.interface.is_absent() && have.is_of_switch() => {}
            Some(have) if wish.interface.is_absent() => steps.push(remove(have, wish)),
            Some(have) if doomed.takes(name) => {
                again(
                    current,
                    have,
                    Some(wish),
                    doomed,
                    losses,
                    extent,
                    &mut steps,
                );
            }
            Some(have) => change(
                current, wishes, have, wish, doomed, extent, losses, &mut steps,
            ),
            None if wish.interface.is_absent() || is_ports => {}
            // A port that is only listed is looked for by Open vSwitch itself.
            None if is_bare(wish) => {}
            // What is not there is nobody's port.
            None if is_only_detached(&wish.interface) => {}
            None if wish.interface.is_of_switch() => {
                let blank = Interface::named(name.clone());
                steps.push(set_up(&blank, wish.interface.clone(), false));
            }
            None => steps.push(create(wish, losses)?),
        }
    }
    losses
        .gone
        .extend(doomed.gone.iter().chain(doomed.along.keys()).cloned());
    for name in doomed.again.keys() {
        losses.gone.insert(name.clone());
        losses.again.insert(name.clone());
        if let (Some(have), None) = (current.get(name), wishes.get(name)) {
            again(current, have, None, doomed, losses, extent, &mut steps);
        }
        // Of a bridge of Open vSwitch the file has said what becomes of each port.
        let was_switch = current.get(name).is_some_and(Interface::is_of_switch);
        if was_switch {
            continue;
        }
        // Ports that stay where they are lose their controller for a moment.
        for port in current.ports(name).filter(|port| !doomed.takes(port)) {
            let stays = wishes
                .get(port)
                .is_none_or(|wish| wish.interface.controller.is_none());
            if let (true, Some(have)) = (stays, current.get(port)) {
                attach_again(have, name, &mut steps);
                losses.moved.insert(port.to_owned());
            }
        }
    }
    vlans::steps(current, wishes, losses, &mut steps);
    Ok(steps)
}

/// Whether nothing but a place in Open vSwitch is said of a link.
fn is_bare(wish: &Wish) -> bool {
    (wish.switch.is_some() || wish.is_bond_link)
        && wish.interface.is_only_name()
        && wish.path.is_none()
}

/// Whether nothing but having no controller is said of a link.
fn is_only_detached(wish: &Interface) -> bool {
    let detached = Interface {
        controller: Some(None),
        ..Interface::named(wish.name.clone())
    };
    *wish == detached
}

/// A link that Open vSwitch has made (anew) gets what is the kernel's business.
pub fn set_up(have: &Interface, mut whole: Interface, again: bool) -> Step {
    let name = have.name.clone();
    let state = *whole.state.get_or_insert(State::Up);
    (whole.ipv4, whole.ipv6, whole.ports, whole.vlans) = (None, None, None, None);
    (whole.r#type, whole.controller, whole.port, whole.index) = (None, None, None, None);
    (whole.mtu, whole.mac) = (None, None);
    kind::clear(&mut whole);
    let words = match (state, again) {
        (State::Down, _) => "keep down",
        (_, false) => "bring up",
        (_, true) => "bring up again",
    };
    Step::new(
        target(&name),
        Some(Object::Link(Box::new(Interface::named(name.clone())))),
        Some(Object::Link(Box::new(whole))),
        words,
    )
}

fn target(name: &str) -> String {
    format!("interface {name}")
}

fn remove(have: &Interface, wish: &Wish) -> Step {
    let state = have.state.as_ref().map(json);
    let mut step = Step::new(
        target(&have.name),
        Some(Object::Link(Box::new(link_alone(have)))),
        None,
        summary::removed(have),
    )
    .at(wish.path_of("state"), json(&State::Absent), state);
    step.disruptive = true;
    step
}

/// A link without what hangs from it and what is only read.
fn link_alone(have: &Interface) -> Interface {
    let mut alone = have.clone();
    (alone.ipv4, alone.ipv6, alone.ports, alone.running) = (None, None, None, None);
    alone.queueing_discipline = None;
    alone
}

fn again(
    current: &Index,
    have: &Interface,
    wish: Option<&Wish>,
    doomed: &Doomed,
    losses: &mut Losses,
    extent: Extent,
    steps: &mut Vec<Step>,
) {
    let parent_mac = kind::parent(have)
        .and_then(|parent| current.get(parent))
        .and_then(|parent| parent.mac.as_ref())
        .map(|mac| mac.0.clone());
    let mut whole = link::merged(
        have,
        wish.map(|wish| &wish.interface),
        parent_mac.as_deref(),
    );
    // What is made now has its place; what is taken along keeps none.
    whole.index = have.index;
    if whole.state == Some(State::Down) {
        losses.downed.insert(have.name.clone());
    }
    whole.port = whole.port.map(PortSettings::for_attaching);
    let why = doomed.again.get(&have.name).map_or("", String::as_str);
    let change = wish
        .map(|wish| link::compare(have, wish, extent == Extent::Exact))
        .unwrap_or_default();
    let mut delete = Step::new(
        target(&have.name),
        Some(Object::Link(Box::new(link_alone(have)))),
        None,
        format!("remove, to be made anew: {why}{}", summary::lost_with(have)),
    );
    delete.disruptive = true;
    let words = if change.words.is_empty() {
        String::new()
    } else {
        format!(": {}", change.words.join(", "))
    };
    losses.moved.insert(have.name.clone());
    let mut create = if whole.is_of_switch() {
        set_up(have, whole, true)
    } else {
        Step::new(
            target(&have.name),
            None,
            Some(Object::Link(Box::new(whole))),
            format!("make anew{words}"),
        )
    };
    create.disruptive = true;
    create.differences = change.differences;
    // Open vSwitch takes its own away.
    if !have.is_of_switch() {
        steps.push(delete);
    }
    steps.push(create);
}

/// Attributes that a link has as a port and op-dbus has no name for: it takes them along to the controller that is made anew.
fn of_port(have: &Interface) -> Option<Vec<Unknown>> {
    let unknown = have.unknown.iter().flatten();
    let of_port = unknown.filter(|unknown| unknown.place.contains("/IFLA_INFO_SLAVE_DATA/"));
    let of_port: Vec<Unknown> = of_port.cloned().collect();
    (!of_port.is_empty() && have.port.is_some()).then_some(of_port)
}

fn attach_again(have: &Interface, controller: &str, steps: &mut Vec<Step>) {
    let mut before = Interface::named(have.name.clone());
    before.controller = Some(None);
    let mut after = Interface::named(have.name.clone());
    after.controller = Some(Some(controller.to_owned()));
    after.port = have.port.clone().map(PortSettings::for_attaching);
    after.unknown = of_port(have);
    steps.push(Step::new(
        target(&have.name),
        Some(Object::Link(Box::new(before))),
        Some(Object::Link(Box::new(after))),
        format!("attach to {controller} again"),
    ));
}

#[allow(clippy::too_many_arguments)]
fn change(
    current: &Index,
    wishes: &Wishes,
    have: &Interface,
    wish: &Wish,
    doomed: &Doomed,
    extent: Extent,
    losses: &mut Losses,
    steps: &mut Vec<Step>,
) {
    let name = &have.name;
    let mut have_now = have.clone();
    // A controller that goes away leaves its port without one.
    let held_by = have.controller.as_ref().and_then(Option::as_ref);
    // Open vSwitch takes it before that controller goes, unless that goes for Open vSwitch's sake.
    let joins_before = (wish.is_bond_link || matches!(wish.switch, Some(SwitchWish::Port(..))))
        && held_by.is_some_and(|controller| {
            let wish = wishes.get(controller).and_then(|wish| wish.switch.as_ref());
            !matches!(wish, Some(SwitchWish::Bridge(..)))
        });
    if held_by.is_some_and(|controller| doomed.takes(controller))
        && wish.interface.controller.is_some()
        && !joins_before
    {
        let stays_the_same = wish.interface.controller.as_ref() == have.controller.as_ref();
        (have_now.controller, have_now.port) = (None, None);
        if stays_the_same {
            // The file's own words make it come back; settings that it does not mention are carried along.
            let mut kept = wish.clone();
            (kept.path, kept.port_path) = (None, None);
            kept.interface.port = link::merged(have, Some(&wish.interface), None).port;
            let mut change = link::compare(&have_now, &kept, false);
            change.after.unknown = of_port(have);
            return push(&have_now, change, losses, current, wishes, steps);
        }
    }
    let change = link::compare(&have_now, wish, extent == Extent::Exact);
    if change.is_empty() {
        return;
    }
    debug_assert!(change.anew.is_empty(), "{name} is among the doomed");
    push(&have_now, change, losses, current, wishes, steps);
}

fn push(
    have: &Interface,
    mut change: LinkChange,
    losses: &mut Losses,
    current: &Index,
    wishes: &Wishes,
    steps: &mut Vec<Step>,
) {
    if change.is_empty() {
        return;
    }
    let is_up = have.state == Some(State::Up);
    let stays_up = is_up && change.after.state.is_none();
    let mut disruptive = false;
    if change.after.state == Some(State::Down) {
        losses.downed.insert(have.name.clone());
        disruptive = true;
    }
    if let Some(controller) = &change.after.controller {
        losses.moved.insert(have.name.clone());
        let old = change.before.controller.as_ref().and_then(Option::as_ref);
        disruptive |= old.is_some();
        let takes_down = |name: &String| {
            let wanted = wishes
                .get(name)
                .and_then(|wish| wish.interface.r#type.as_ref());
            let is = current.get(name).and_then(|have| have.r#type.as_ref());
            matches!(wanted.or(is), Some(LinkType::Bond | LinkType::Vrf))
        };
        if is_up
            && [controller.as_ref(), old]
                .into_iter()
                .flatten()
                .any(takes_down)
        {
            losses.bounced.insert(have.name.clone());
            disruptive = true;
        }
    }
    if let Some(of) = &change.after.r#type {
        let settings = kind::settings(&change.after, of);
        let needs_down = kind::keys_that_need_down(of)
            .iter()
            .any(|key| settings.contains_key(*key));
        if stays_up && needs_down {
            // Compilation takes it down and up again.
            change.before.state = Some(State::Up);
            change.after.state = Some(State::Up);
            losses.bounced.insert(have.name.clone());
            disruptive = true;
        }
    }
    let mut step = Step::new(
        target(&have.name),
        Some(Object::Link(Box::new(change.before))),
        Some(Object::Link(Box::new(change.after))),
        change.words.join(", "),
    );
    step.disruptive = disruptive;
    step.differences = change.differences;
    steps.push(step);
}

fn create(wish: &Wish, losses: &mut Losses) -> Result<Step, Failure> {
    let mut link = wish.interface.clone();
    let name = link.name.clone();
    (link.ipv4, link.ipv6, link.ports, link.vlans) = (None, None, None, None);
    if link.r#type.is_none() {
        link.r#type = kind::given(&link).into_iter().next();
    }
    let way_out = match &link.r#type {
        None => Some("say its `type` to have it made".to_owned()),
        Some(LinkType::Ethernet | LinkType::Loopback) => Some("hardware cannot be made".to_owned()),
        Some(LinkType::OvsBridge | LinkType::OvsInternal | LinkType::OvsPort) => {
            Some("say the bridge of Open vSwitch that it is a port of".to_owned())
        }
        Some(LinkType::Other(word)) => {
            Some(format!("op-dbus cannot make links of the kind {word}"))
        }
        Some(_) => None,
    };
    if let Some(way_out) = way_out {
        return Err(Failure::new(
            FailureCode::NotFound,
            format!("there is no interface {name}: {way_out}"),
        ));
    }
    if let Some(of) = &link.r#type {
        let given = kind::settings(&link, of);
        let missing: Vec<&str> = kind::required_keys(of)
            .iter()
            .copied()
            .filter(|key| !given.contains_key(*key))
            .collect();
        if !missing.is_empty() {
            let (word, keys) = (of.word(), missing.join("` and `"));
            return Err(Failure::new(
                FailureCode::Invalid,
                format!(
                    "there is no interface {name}, and to make a {word} takes its `{keys}`: say it under \"{word}\""
                ),
            ));
        }
    }
    link.port = link.port.map(PortSettings::for_attaching);
    (link.running, link.permanent_mac) = (None, None);
    link.queueing_discipline = None;
    // Only a checkpoint speaks of these. Those of a port go with it.
    let is_port = link.port.is_some();
    if let Some(unknown) = &mut link.unknown {
        unknown.retain(|attribute| is_port || attribute.is_of_kind());
    }
    let state = *link.state.get_or_insert(State::Up);
    losses.moved.insert(name.clone());
    let summary = summary::created(&link, state);
    let path = wish.path.clone().or(wish.port_path.clone());
    let want = json(&wish.interface);
    Ok(Step::new(
        target(&name),
        None,
        Some(Object::Link(Box::new(link))),
        summary,
    )
    .at(path, want, None))
}
