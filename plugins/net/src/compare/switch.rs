//! Open vSwitch's bridges and ports against the wish: one step, because it is one transaction.

use std::collections::{BTreeMap, BTreeSet};

use op_dbus_plugin::{Failure, FailureCode};

use super::bridge;
use super::links::set_up;
use super::split::{Asked, SwitchWish};
use super::wish::{Wish, is_own};
use super::{Extent, Index, Losses, Wishes, link, port};
use crate::order::Phases;
use crate::ovs::{OWNER, OWNER_KEY};
use crate::section::port::PortSettings;
use crate::section::{Interface, LinkType, OvsDb, Port, Section, State, TextMap};
use crate::step::{Difference, Object, Step, json, tree};

/// What becomes of Open vSwitch.
#[derive(Debug, Default)]
pub struct Switched {
    /// The change, where there is one.
    pub step: Option<Step>,
    /// What must be ready before.
    pub phases: Phases,
    /// Links that Open vSwitch makes anew: all that hangs from them is lost.
    remade: BTreeSet<String>,
}

/// The change while it is put together.
#[derive(Debug, Default)]
pub struct Draft {
    before: Section,
    after: Section,
    words: Vec<String>,
    differences: Vec<Difference>,
    disruptive: bool,
}

impl Draft {
    /// Notes what an entry is and is to be.
    pub fn entry(&mut self, before: Option<Interface>, after: Interface) {
        self.before
            .interfaces
            .get_or_insert_default()
            .extend(before);
        self.after.interfaces.get_or_insert_default().push(after);
    }

    /// Notes a place of the section that the change makes true.
    pub fn at(&mut self, path: Option<String>, want: String, have: Option<String>) {
        self.differences
            .extend(path.map(|path| Difference { path, want, have }));
    }

    /// Notes what changes, for a person.
    pub fn say(&mut self, words: String) {
        self.words.push(words);
    }

    fn step(self) -> Option<Step> {
        if self.words.is_empty() {
            return None;
        }
        let object = |section: Section| Some(Object::Switch(Box::new(section)));
        let mut step = Step::new(
            "Open vSwitch",
            object(self.before),
            object(self.after),
            self.words.join("; "),
        );
        step.differences = self.differences;
        step.disruptive = self.disruptive;
        Some(step)
    }
}

/// Compares.
///
/// # Errors
/// `unavailable` where the wish needs Open vSwitch and it cannot be reached, `conflict` for a bridge that carries ports of others, `invalid`
/// for what only a port of Open vSwitch can have.
pub fn compare(
    current: &Index,
    wishes: &Wishes,
    have: &Section,
    desired: &Section,
    extent: Extent,
) -> Result<Switched, Failure> {
    if let Some((_, why)) = wishes.impossible.iter().next() {
        return Err(Failure::new(FailureCode::Invalid, why.clone()));
    }
    reachable(have, wishes, desired)?;
    let mut switched = Switched::default();
    let mut draft = Draft::default();
    let (bridges, ports): (Vec<&Wish>, Vec<&Wish>) = wishes
        .list
        .iter()
        .partition(|wish| matches!(wish.switch, Some(SwitchWish::Bridge(..))));
    for wish in bridges.into_iter().chain(ports) {
        let name = &wish.interface.name;
        let is = current.get(name);
        if wish.is_bond_link {
            switched.phases.joins.insert(name.clone());
        }
        match &wish.switch {
            None => {}
            Some(SwitchWish::Gone) => gone(wish, is, current, wishes, &mut draft)?,
            Some(SwitchWish::Leave) => leave(wish, is, &mut draft),
            Some(SwitchWish::Bridge(settings, asked)) => {
                clears(wish, is, &mut switched.phases);
                if is.is_some_and(|is| !is.is_of_switch()) {
                    ports_are_said(wish, current, wishes, "becomes one of Open vSwitch")?;
                }
                if bridge::compare(wish, is, settings, asked, extent, &mut draft) {
                    let internal = current.ports(name).filter(|port| {
                        let is = current.get(port).and_then(|port| port.r#type.as_ref());
                        let wish = wishes.get(port).and_then(|wish| wish.switch.as_ref());
                        is == Some(&LinkType::OvsInternal) && wish != Some(&SwitchWish::Gone)
                    });
                    switched.remade.insert(name.clone());
                    switched.remade.extend(internal.map(str::to_owned));
                    draft.disruptive = true;
                }
            }
            Some(SwitchWish::Port(bridge, settings, asked)) => {
                clears(wish, is, &mut switched.phases);
                if !wish.interface.is_of_switch() {
                    switched.phases.joins.insert(name.clone());
                }
                port_of(
                    wish, is, bridge, settings, asked, extent, current, &mut draft,
                );
            }
        }
    }
    database(have, desired, extent, &mut draft);
    switched.step = draft.step();
    Ok(switched)
}

/// A link of the kernel whose name Open vSwitch is to take.
fn clears(wish: &Wish, have: Option<&Interface>, phases: &mut Phases) {
    let becomes = matches!(
        wish.interface.r#type,
        Some(LinkType::OvsBridge | LinkType::OvsInternal)
    );
    if becomes && have.is_some_and(|have| !have.is_of_switch()) {
        phases.clears.insert(wish.interface.name.clone());
    }
}

/// What hangs from links that Open vSwitch makes anew, and how they were.
pub fn link_steps(
    switched: &Switched,
    current: &Index,
    wishes: &Wishes,
    losses: &mut Losses,
    steps: &mut Vec<Step>,
) {
    for name in &switched.remade {
        let Some(have) = current.get(name) else {
            continue;
        };
        losses.gone.insert(name.clone());
        losses.again.insert(name.clone());
        let wish = wishes.get(name).map(|wish| &wish.interface);
        let whole = link::merged(have, wish, None);
        if whole.state == Some(State::Down) {
            losses.downed.insert(name.clone());
        }
        let is_same = |step: &Step| match &step.after {
            Some(Object::Link(link)) => link.name == *name,
            _ => false,
        };
        let differences = steps.iter().filter(|step| is_same(step));
        let differences = differences
            .flat_map(|step| step.differences.clone())
            .collect();
        steps.retain(|step| !is_same(step));
        let mut step = set_up(have, whole, true);
        step.differences = differences;
        steps.push(step);
    }
}

fn reachable(have: &Section, wishes: &Wishes, desired: &Section) -> Result<(), Failure> {
    let why = have.ovs_db.as_ref().and_then(|db| db.unavailable.as_ref());
    let Some(why) = why else { return Ok(()) };
    let is_bridge = |wish: &&Wish| matches!(wish.switch, Some(SwitchWish::Bridge(..)));
    let any = wishes.list.iter().find(|wish| wish.switch.is_some());
    let wanted = wishes.list.iter().find(is_bridge).or(any);
    let place = match wanted {
        Some(wish) => {
            let path = wish.path.as_ref().or(wish.port_path.as_ref());
            let what = match wish.switch {
                Some(SwitchWish::Bridge(..)) => "is to be a bridge of Open vSwitch",
                _ => "is to be a port of Open vSwitch",
            };
            format!(
                "interface {} ({}) {what}",
                wish.interface.name,
                path.map_or("", String::as_str)
            )
        }
        None if desired.ovs_db.is_some() => "\"ovs-db\" speaks of Open vSwitch".to_owned(),
        None => return Ok(()),
    };
    Err(Failure::new(
        FailureCode::Unavailable,
        format!(
            "{place}, which cannot be reached ({why}): start Open vSwitch (Debian: openvswitch-switch), or use a bridge of the kernel (\"type\": \"bridge\")"
        ),
    ))
}

/// A bridge that goes takes its ports along: those that others made must be spoken of.
fn gone(
    wish: &Wish,
    have: Option<&Interface>,
    current: &Index,
    wishes: &Wishes,
    draft: &mut Draft,
) -> Result<(), Failure> {
    let Some(have) = have else { return Ok(()) };
    if have.r#type != Some(LinkType::OvsBridge) {
        leave(wish, Some(have), draft);
        return Ok(());
    }
    if !wish.interface.is_absent() {
        ports_are_said(wish, current, wishes, "becomes another kind of link")?;
    }
    for name in current.ports(&have.name) {
        let port = current.get(name).and_then(|port| port.port.as_ref());
        let is_spoken_of = wishes.get(name).is_some_and(|wish| wish.switch.is_some());
        if !is_spoken_of && !port.is_some_and(|port| is_own(port)) {
            return Err(Failure::new(
                FailureCode::Conflict,
                format!(
                    "bridge {} has the port {name}, which op-dbus did not make and which would vanish with it: say what becomes of {name}, for example {{\"name\": \"{name}\", \"controller\": null}}",
                    have.name
                ),
            ));
        }
    }
    let entry = |state| Interface {
        r#type: Some(LinkType::OvsBridge),
        state,
        ..Interface::named(have.name.clone())
    };
    let port = |name: &str| Port {
        name: name.to_owned(),
        ..Port::default()
    };
    let ports: Vec<Port> = current.ports(&have.name).map(port).collect();
    let before = Interface {
        ports: (!ports.is_empty()).then_some(ports),
        ..entry(None)
    };
    draft.entry(Some(before), entry(Some(State::Absent)));
    draft.say(format!("remove bridge {}", have.name));
    draft.disruptive = true;
    if wish.interface.is_absent() {
        let state = have.state.as_ref().map(json);
        draft.at(wish.path_of("state"), json(&State::Absent), state);
    }
    Ok(())
}

/// A bridge that becomes another does not keep its ports by itself: the file says what becomes of each.
fn ports_are_said(
    wish: &Wish,
    current: &Index,
    wishes: &Wishes,
    becomes: &str,
) -> Result<(), Failure> {
    let name = &wish.interface.name;
    let is_said = |port: &&str| {
        let wish = wishes.get(port);
        wish.is_some_and(|wish| {
            wish.port_path.is_some()
                || wish.switch.is_some()
                || wish.is_bond_link
                || wish.interface.controller.is_some()
                || wish.interface.is_absent()
        })
    };
    match current.ports(name).find(|port| !is_said(port)) {
        None => Ok(()),
        Some(port) => Err(Failure::new(
            FailureCode::Conflict,
            format!("bridge {name} {becomes} and has the port {port}: say all of its `ports`"),
        )),
    }
}

/// A port that is no longer to be one.
fn leave(wish: &Wish, have: Option<&Interface>, draft: &mut Draft) {
    let Some(have) = have else { return };
    let Some(Some(bridge)) = &have.controller else {
        return;
    };
    let before = Interface {
        controller: have.controller.clone(),
        ..Interface::named(have.name.clone())
    };
    let after = Interface {
        controller: have.controller.clone(),
        state: Some(State::Absent),
        ..Interface::named(have.name.clone())
    };
    draft.entry(Some(before), after);
    draft.say(format!("remove port {} from {bridge}", have.name));
    draft.disruptive = true;
    let (key, want) = if wish.interface.is_absent() && wish.port_path.is_none() {
        ("state", json(&State::Absent))
    } else {
        ("controller", "null".to_owned())
    };
    draft.at(wish.path_of(key), want, Some(json(bridge)));
}

#[allow(clippy::too_many_arguments)]
fn port_of(
    wish: &Wish,
    have: Option<&Interface>,
    bridge: &str,
    settings: &PortSettings,
    asked: &Asked,
    extent: Extent,
    current: &Index,
    draft: &mut Draft,
) {
    let name = &wish.interface.name;
    let entry = |bridge: &str, settings: Option<PortSettings>| Interface {
        controller: Some(Some(bridge.to_owned())),
        port: settings.map(Box::new),
        ..Interface::named(name.clone())
    };
    let held_by = have.and_then(|have| have.controller.clone()).flatten();
    let held_by = held_by.filter(|name| {
        let of = current.get(name).and_then(|it| it.r#type.as_ref());
        of == Some(&LinkType::OvsBridge)
    });
    let Some(held_by) = held_by else {
        let mut new = port::wanted(settings, asked, None, extent);
        if extent == Extent::Partial {
            let ids = new.external_ids.get_or_insert_default();
            ids.entry(OWNER_KEY.to_owned())
                .or_insert_with(|| Some(OWNER.to_owned()));
        }
        draft.say(format!("add {} to {bridge}", port::words(name, &new)));
        draft.at(wish.path_of("controller"), json(&bridge), None);
        draft.entry(None, entry(bridge, Some(new)));
        return;
    };
    let is = have
        .and_then(|have| have.port.as_deref().cloned())
        .unwrap_or_default();
    let mut change = port::compare(wish, have, settings, asked, &is, extent);
    let moves = held_by != bridge;
    if moves {
        change
            .words
            .insert(0, format!("from {held_by} to {bridge}"));
        draft.at(
            wish.path_of("controller"),
            json(&bridge),
            Some(json(&held_by)),
        );
        draft.disruptive = true;
    }
    if change.words.is_empty() {
        return;
    }
    draft.say(format!("port {name}: {}", change.words.join(", ")));
    draft.differences.append(&mut change.differences);
    draft.entry(
        Some(entry(&held_by, Some(change.before))),
        entry(bridge, Some(change.after)),
    );
}

/// Keys of the database as a whole.
fn database(have: &Section, desired: &Section, _: Extent, draft: &mut Draft) {
    let Some(want) = &desired.ovs_db else { return };
    let is = have.ovs_db.clone().unwrap_or_default();
    let mut merge = |key: &str, want: &Option<TextMap>, is: &Option<TextMap>| {
        let (before, after) = merged(want.as_ref(), is.as_ref());
        for (name, value) in &after {
            draft.say(format!(
                "{key}:{name} {}",
                value.as_deref().unwrap_or("removed")
            ));
            let path = format!("/ovs-db/{key}/{}", escaped(name));
            let have = before.get(name).map(json);
            draft.at(Some(path), json(value), have);
        }
        let some = |map: TextMap| (!map.is_empty()).then_some(map);
        (some(before), some(after))
    };
    let ids = merge("external_ids", &want.external_ids, &is.external_ids);
    let config = merge("other_config", &want.other_config, &is.other_config);
    if ids.1.is_some() || config.1.is_some() {
        let db = |external_ids, other_config| OvsDb {
            external_ids,
            other_config,
            unavailable: None,
        };
        draft.before.ovs_db = Some(db(ids.0, config.0));
        draft.after.ovs_db = Some(db(ids.1, config.1));
    }
}

/// The keys of a map that change: as they are, and as they are to be.
pub fn merged(want: Option<&TextMap>, is: Option<&TextMap>) -> (TextMap, TextMap) {
    let none = BTreeMap::new();
    let is = is.unwrap_or(&none);
    let (mut before, mut after) = (TextMap::new(), TextMap::new());
    for (key, value) in want.into_iter().flatten() {
        let there = is.get(key).cloned().flatten();
        if *value != there {
            before.extend(there.map(|there| (key.clone(), Some(there))));
            after.insert(key.clone(), value.clone());
        }
    }
    (before, after)
}

/// A key in a JSON Pointer (RFC 6901 section 3).
pub fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// What changes in a map, key by key, for a person and for the section's places.
pub fn note_map(
    key: &str,
    before: &TextMap,
    after: &TextMap,
    words: &mut Vec<String>,
    differences: &mut Vec<Difference>,
    path: &dyn Fn(&str) -> Option<String>,
) {
    for (name, value) in after {
        let have = before.get(name).cloned().flatten();
        let shown = |value: &Option<String>| match value {
            Some(text) => text.clone(),
            None => "none".to_owned(),
        };
        words.push(match &have {
            Some(_) => format!("{key}:{name} {} → {}", shown(&have), shown(value)),
            None => format!("{key}:{name} {}", shown(value)),
        });
        if let Some(path) = path(&format!("{key}/{}", escaped(name))) {
            differences.push(Difference {
                path,
                want: json(value),
                have: have.as_ref().map(|have| tree(have).to_string()),
            });
        }
    }
}
