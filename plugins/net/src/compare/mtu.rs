//! The MTU of a bridge, which follows its ports until somebody sets it (br_mtu_auto_adjust in net/bridge/br_if.c): what is right before
//! ports come and go may be wrong afterwards.

use super::{Index, Wishes};
use crate::section::{Interface, LinkType};
use crate::step::{Object, Step};

/// A step for each bridge whose MTU the file says, is so already, and may be moved by the file's changes to its ports.
pub fn steps(current: &Index, wishes: &Wishes, steps: &mut Vec<Step>) {
    for wish in &wishes.list {
        let name = &wish.interface.name;
        let Some(have) = current.get(name) else {
            continue;
        };
        let is_bridge = have.r#type == Some(LinkType::Bridge);
        let mtu = wish.interface.mtu.filter(|mtu| Some(*mtu) == have.mtu);
        if mtu.is_none() || !is_bridge || wish.interface.is_absent() {
            continue;
        }
        let moves = wishes.list.iter().any(|port| {
            let port = &port.interface;
            let was = current.get(&port.name);
            let on =
                |link: &Interface| link.controller.as_ref().and_then(Option::as_ref) == Some(name);
            let (is_on, was_on) = (on(port), was.is_some_and(on));
            let changes = port.controller.is_some() && is_on != was_on;
            let resized = port.mtu.is_some() && port.mtu != was.and_then(|was| was.mtu);
            changes || (resized && (is_on || was_on)) || (port.is_absent() && was_on)
        });
        if moves {
            let only = || {
                Some(Object::Link(Box::new(Interface {
                    mtu,
                    ..Interface::named(name.clone())
                })))
            };
            let summary = format!("keep mtu {}", mtu.unwrap_or_default());
            steps.push(Step::new(
                format!("interface {name}"),
                only(),
                only(),
                summary,
            ));
        }
    }
}
