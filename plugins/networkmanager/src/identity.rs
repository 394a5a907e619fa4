//! Identities of profiles that a state file does not give.

use uuid::Uuid;

/// The name space of op-dbus's own uuids (RFC 9562 section 5.5).
const NAMES: Uuid = Uuid::from_u128(0x6f70_6462_7573_4e4d_8f1c_2d6a_90b3_57e4);

/// The uuid of a profile that has only a name: always the same one.
pub fn of_id(id: &str) -> String {
    Uuid::new_v5(&NAMES, format!("connection:{id}").as_bytes()).to_string()
}

/// The uuid of the profile that makes an interface a port of a controller.
pub fn of_port(controller: &str, interface: &str) -> String {
    Uuid::new_v5(&NAMES, format!("port:{controller}:{interface}").as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::{of_id, of_port};

    #[test]
    fn the_same_name_has_the_same_uuid_for_ever() {
        assert_eq!(of_id("vlan20"), of_id("vlan20"));
        assert_ne!(of_id("vlan20"), of_id("vlan21"));
        assert_eq!(of_port("br0", "eth1").as_bytes()[14], b'5');
    }
}
