//! Attributes that the contract has no name for, given back as they came.
//!
//! Only those go out that a read would show as unknown: whatever has a name is checked against the grant under it, and must not come in by
//! this way.

use super::errno::invalid;
use super::message::Message;
use crate::contract::netlink::UnknownAttribute;
use crate::contract::types::Failure;

/// Of a link's kind.
pub const INFO_DATA: &str = "IFLA_LINKINFO/IFLA_INFO_DATA/";
/// Of a link as a port.
pub const INFO_SLAVE_DATA: &str = "IFLA_LINKINFO/IFLA_INFO_SLAVE_DATA/";
/// Of a route or a next hop.
pub const RTA: &str = "RTA/";
/// Metrics of a route.
pub const RTA_METRICS: &str = "RTA_METRICS/";

/// Longer than any attribute that the kernel shows of a link or route, and short enough for several in one message.
const LONGEST: usize = 8 * 1024;

/// An attribute as it was read.
pub fn noted(place: &str, kind: u16, value: &[u8]) -> UnknownAttribute {
    UnknownAttribute {
        place: format!("{place}{kind}"),
        value: value.to_vec(),
    }
}

/// Checks that each attribute stands at one of these places.
///
/// # Errors
/// `invalid`, naming the one that does not.
pub fn check(list: &[UnknownAttribute], places: &[&str]) -> Result<(), Failure> {
    let stands = |attribute: &UnknownAttribute| {
        places
            .iter()
            .any(|place| number(&attribute.place, place).is_some())
            && attribute.value.len() <= LONGEST
    };
    match list.iter().find(|attribute| !stands(attribute)) {
        None => Ok(()),
        Some(attribute) => Err(refused(attribute)),
    }
}

/// The attributes at a place, by number.
pub fn at<'a>(
    list: &'a [UnknownAttribute],
    place: &'a str,
) -> impl Iterator<Item = (u16, &'a UnknownAttribute)> {
    list.iter()
        .filter_map(move |attribute| Some((number(&attribute.place, place)?, attribute)))
}

/// Appends the attributes at a place; `named` tells the numbers that have a field of their own.
///
/// # Errors
/// `invalid` for an attribute that has a name.
pub fn put(
    list: &[UnknownAttribute],
    place: &str,
    named: &[u16],
    out: &mut Message,
) -> Result<(), Failure> {
    for (number, attribute) in at(list, place) {
        if named.contains(&number) {
            return Err(refused(attribute));
        }
        out.put(number, &attribute.value);
    }
    Ok(())
}

/// Why an attribute is not sent.
pub fn refused(attribute: &UnknownAttribute) -> Failure {
    invalid(format!(
        "the attribute {} is not one that was read here as unknown: it has a field of its own, or does not belong to this request",
        attribute.place
    ))
}

fn number(text: &str, place: &str) -> Option<u16> {
    text.strip_prefix(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_goes_out_again_under_its_number() {
        let list = [noted(RTA, 22, &[1, 2]), noted(RTA_METRICS, 8, &[3])];
        check(&list, &[RTA, RTA_METRICS]).unwrap();
        let mut out = Message::new(0, 0, &[]);
        put(&list, RTA, &[1], &mut out).unwrap();
        assert_eq!(out.body(), [6, 0, 22, 0, 1, 2, 0, 0]);
    }

    #[test]
    fn a_named_attribute_and_one_from_elsewhere_are_refused() {
        let mut out = Message::new(0, 0, &[]);
        let error = put(&[noted(RTA, 5, &[])], RTA, &[5], &mut out).unwrap_err();
        assert!(error.message.contains("RTA/5"), "{}", error.message);
        for place in ["RTA/", "RTA/x", "RTA/70000", "IFLA_LINKINFO/1", ""] {
            let attribute = UnknownAttribute {
                place: place.into(),
                value: Vec::new(),
            };
            assert!(check(&[attribute], &[RTA]).is_err(), "{place}");
        }
        assert!(check(&[noted(RTA, 22, &[0; LONGEST + 1])], &[RTA]).is_err());
    }
}
