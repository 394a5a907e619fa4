//! Bytes that no kernel sends: every decoder answers with an error or an object, and never panics.

use proptest::prelude::*;

use super::{address, neighbour, route, rule, vlan};

fn any_route() -> route::Wanted {
    route::Wanted::default()
}

fn name(_: u32) -> Option<String> {
    Some("x0".to_owned())
}

/// A fixed header of a plausible family, then random attributes with sound lengths more often than not.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let attribute = (
        0u16..30,
        proptest::collection::vec(any::<u8>(), 0..24),
        any::<bool>(),
    );
    let list = proptest::collection::vec(attribute, 0..8);
    (
        prop_oneof![Just(2u8), Just(10), Just(7), any::<u8>()],
        any::<[u8; 15]>(),
        list,
    )
        .prop_map(|(family, rest, list)| {
            let mut bytes = vec![family];
            bytes.extend(rest);
            for (kind, value, sound) in list {
                let length = value.len() as u16 + if sound { 4 } else { 40 };
                bytes.extend(length.to_ne_bytes());
                bytes.extend(kind.to_ne_bytes());
                bytes.extend(&value);
                bytes.resize(bytes.len().next_multiple_of(4), 0);
            }
            bytes
        })
}

proptest! {
    #[test]
    fn decoders_never_panic(bytes in message()) {
        let _ = address::decode(&bytes, name);
        let _ = route::decode(&bytes, &any_route());
        let _ = rule::decode(&bytes);
        let _ = neighbour::decode(&bytes, name);
        let _ = vlan::decode(&bytes, name, &mut Vec::new());
    }
}

#[test]
fn headers_that_are_too_short_are_errors() {
    assert!(address::decode(&[2; 7], name).is_err());
    assert!(route::decode(&[2; 11], &any_route()).is_err());
    assert!(rule::decode(&[2; 11]).is_err());
    assert!(neighbour::decode(&[2; 11], name).is_err());
    assert!(vlan::decode(&[7; 15], name, &mut Vec::new()).is_err());
}
