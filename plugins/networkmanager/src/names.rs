//! NetworkManager's numbers by name (nm-dbus-types of its D-Bus reference).

/// NMDeviceType; a number that is not used stays empty.
const DEVICE_TYPES: &str = "unknown ethernet wifi   bluetooth olpc-mesh wimax modem infiniband bond vlan adsl bridge generic team tun \
    ip-tunnel macvlan vxlan veth macsec dummy ppp ovs-interface ovs-port ovs-bridge wpan 6lowpan wireguard wifi-p2p vrf loopback hsr ipvlan";

/// NMDeviceState, by tens.
const DEVICE_STATES: &str = "unknown unmanaged unavailable disconnected prepare config need-auth ip-config ip-check secondaries activated \
    deactivating failed";

/// NMActiveConnectionState.
const ACTIVE_STATES: &str = "unknown activating activated deactivating deactivated";

/// NMActiveConnectionStateReason.
const ACTIVE_REASONS: &str = "unknown none user-disconnected device-disconnected service-stopped ip-config-invalid connect-timeout \
    service-start-timeout service-start-failed no-secrets login-failed connection-removed dependency-failed device-realize-failed \
    device-removed";

/// NMDeviceStateReason.
const DEVICE_REASONS: &str = "none unknown now-managed now-unmanaged config-failed ip-config-unavailable ip-config-expired no-secrets \
    supplicant-disconnect supplicant-config-failed supplicant-failed supplicant-timeout ppp-start-failed ppp-disconnect ppp-failed \
    dhcp-start-failed dhcp-error dhcp-failed shared-start-failed shared-failed autoip-start-failed autoip-error autoip-failed modem-busy \
    modem-no-dial-tone modem-no-carrier modem-dial-timeout modem-dial-failed modem-init-failed gsm-apn-failed \
    gsm-registration-not-searching gsm-registration-denied gsm-registration-timeout gsm-registration-failed gsm-pin-check-failed \
    firmware-missing removed sleeping connection-removed user-requested carrier connection-assumed supplicant-available modem-not-found \
    bt-failed gsm-sim-not-inserted gsm-sim-pin-required gsm-sim-puk-required gsm-sim-wrong infiniband-mode dependency-failed br2684-failed \
    modem-manager-unavailable ssid-not-found secondary-connection-failed dcb-fcoe-failed teamd-control-failed modem-failed modem-available \
    sim-pin-incorrect new-activation parent-changed parent-managed-changed ovsdb-failed ip-address-duplicate ip-method-unsupported \
    sriov-configuration-failed peer-not-found device-handler-failed unmanaged-by-default unmanaged-external-down \
    unmanaged-link-not-init unmanaged-quitting unmanaged-sleeping unmanaged-user-conf unmanaged-user-explicit unmanaged-user-settings \
    unmanaged-user-udev";

/// The word of a number, or the number where a newer NetworkManager has one more.
fn word(words: &str, number: u64) -> String {
    let at = usize::try_from(number).unwrap_or(usize::MAX);
    match words.split(' ').nth(at) {
        Some(word) if !word.is_empty() => word.to_owned(),
        _ => number.to_string(),
    }
}

/// The name of a type of device.
pub fn device_type(number: u64) -> String {
    word(DEVICE_TYPES, number)
}

/// The name of a state of a device.
pub fn device_state(number: u64) -> String {
    if number.is_multiple_of(10) {
        word(DEVICE_STATES, number / 10)
    } else {
        number.to_string()
    }
}

/// The name of a state of an active connection.
pub fn active_state(number: u64) -> String {
    word(ACTIVE_STATES, number)
}

/// Why an active connection is in its state.
pub fn active_reason(number: u64) -> String {
    word(ACTIVE_REASONS, number)
}

/// Why a device is in its state.
pub fn device_reason(number: u64) -> String {
    word(DEVICE_REASONS, number)
}

/// The types of profiles that a state file calls by another name than NetworkManager.
const TYPES: [(&str, &str); 2] = [("ethernet", "802-3-ethernet"), ("wifi", "802-11-wireless")];

/// NetworkManager's word for a type of profile.
pub fn setting_of(of: &str) -> &str {
    let found = TYPES.iter().find(|(word, _)| *word == of);
    found.map_or(of, |(_, setting)| setting)
}

/// A state file's word for a type of profile.
pub fn type_of(setting: &str) -> &str {
    let found = TYPES.iter().find(|(_, known)| *known == setting);
    found.map_or(setting, |(word, _)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_names_of_the_reference() {
        assert_eq!(device_type(5), "bluetooth");
        assert_eq!(device_type(20), "veth");
        assert_eq!(device_type(32), "loopback");
        assert_eq!(device_type(3), "3");
        assert_eq!(device_state(100), "activated");
        assert_eq!(device_state(120), "failed");
        assert_eq!(device_reason(7), "no-secrets");
        assert_eq!(device_reason(53), "ssid-not-found");
        assert_eq!(device_reason(67), "peer-not-found");
        assert_eq!(active_reason(9), "no-secrets");
        assert_eq!(active_reason(14), "device-removed");
        assert_eq!(device_type(999), "999");
    }
}
