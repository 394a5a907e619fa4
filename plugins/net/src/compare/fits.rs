//! Whether what the file says of a link without naming its type suits the link that is there.

use op_dbus_plugin::{Failure, FailureCode};

use super::{Index, Wishes};
use crate::kind;
use crate::section::LinkType;

/// Checks settings of a kind and ports against the links that are there, and alternative names against the names that others have.
///
/// # Errors
/// `invalid` for settings of another kind, and for ports of what has none; `exists` for an alternative name that is another link's.
pub fn check(current: &Index, wishes: &Wishes) -> Result<(), Failure> {
    for wish in &wishes.list {
        let want = &wish.interface;
        let name = &want.name;
        if want.is_absent() {
            continue;
        }
        let place = |key: &str| wish.path_of(key).unwrap_or_else(|| name.clone());
        let have = current.get(name).and_then(|have| have.r#type.as_ref());
        if let (None, Some(of)) = (&want.r#type, have) {
            let given = kind::given(want);
            if let Some(other) = given.iter().find(|given| *given != of) {
                let other = other.word();
                let way_out = match of {
                    LinkType::Ethernet | LinkType::Loopback => String::new(),
                    _ => format!(", or say \"type\": \"{other}\" to have {name} made anew as one"),
                };
                return Err(Failure::new(
                    FailureCode::Invalid,
                    format!(
                        "{}: these are settings of the type {other}, and {name} is of the type {}: take them away{way_out}",
                        place(other),
                        of.word()
                    ),
                ));
            }
        }
        for alternative in want.alternative_names.iter().flatten() {
            taken(
                current,
                wishes,
                name,
                alternative,
                &place("alternative_names"),
            )?;
        }
        controller(current, wishes, wish)?;
        other_end(current, wishes, wish)?;
    }
    Ok(())
}

/// Whether an alternative name is another link's, and stays so.
fn taken(
    current: &Index,
    wishes: &Wishes,
    name: &str,
    alternative: &str,
    place: &str,
) -> Result<(), Failure> {
    let Some(owner) = current.owner(alternative).filter(|owner| *owner != name) else {
        return Ok(());
    };
    // Links that go away go before all else.
    let goes = wishes.get(owner);
    if goes.is_some_and(|wish| wish.interface.is_absent()) {
        return Ok(());
    }
    let message = if owner == alternative {
        format!("{place}: `{alternative}` is the name of another interface: choose another")
    } else {
        format!(
            "{place}: {owner} has the name `{alternative}` already, and a name leads to one interface only: choose another, or take it \
             from {owner} first, in an apply of its own"
        )
    };
    Err(Failure::new(FailureCode::Exists, message))
}

/// Whether the other end of a new pair is free to be made.
fn other_end(current: &Index, wishes: &Wishes, wish: &super::wish::Wish) -> Result<(), Failure> {
    let name = &wish.interface.name;
    let Some(peer) = kind::peer(&wish.interface).filter(|_| current.get(name).is_none()) else {
        return Ok(());
    };
    let said = wishes.get(peer).map(|wish| &wish.interface);
    let becomes_one =
        said.is_some_and(|said| said.is_absent() || said.r#type.as_ref() == Some(&LinkType::Veth));
    match current.get(peer) {
        Some(have) if have.r#type != Some(LinkType::Veth) && !becomes_one => Err(Failure::new(
            FailureCode::Exists,
            format!(
                "{}: {peer} is there already, of the type {}: give the other end of {name} another name, or say what becomes of {peer}",
                wish.path_of("veth/peer").unwrap_or_else(|| name.clone()),
                have.r#type.as_ref().map_or("link", LinkType::word)
            ),
        )),
        _ => Ok(()),
    }
}

/// Whether the controller of a link can have ports.
fn controller(current: &Index, wishes: &Wishes, wish: &super::wish::Wish) -> Result<(), Failure> {
    let Some(Some(controller)) = &wish.interface.controller else {
        return Ok(());
    };
    let wanted = wishes.get(controller).map(|wish| &wish.interface);
    let told = wanted.and_then(|want| {
        let given = || kind::given(want).into_iter().next();
        want.r#type.clone().or_else(given)
    });
    let is = current
        .get(controller)
        .and_then(|have| have.r#type.as_ref());
    let Some(of) = told.as_ref().or(is) else {
        return Ok(());
    };
    let can = matches!(
        of,
        LinkType::Bridge
            | LinkType::OvsBridge
            | LinkType::Bond
            | LinkType::Vrf
            | LinkType::Other(_)
    );
    if can {
        return Ok(());
    }
    let name = &wish.interface.name;
    let place = wish.path_of("controller").unwrap_or_else(|| name.clone());
    Err(Failure::new(
        FailureCode::Invalid,
        format!(
            "{place}: {name} cannot be a port of {controller}, which is of the type {}: only a bridge, a bond and a VRF have ports",
            of.word()
        ),
    ))
}
