//! What wireless security consists of.

use op_dbus_plugin::keys;
use op_dbus_plugin::section::Secret;

keys! {
    /// Security of a wireless network.
    pub struct Security {}
    optional {
        /// `none` (an open network), `wpa-psk` (WPA2), `sae` (WPA3), `wpa-eap` (802.1X), or another word of NetworkManager's.
        key_mgmt: String,
        /// The passphrase, for `wpa-psk` and `sae`.
        psk: Secret,
        /// How one logs in, for `wpa-eap`.
        eap: Box<Eap>,
    }
}

keys! {
    /// Login by 802.1X.
    pub struct Eap {}
    optional {
        /// Exactly these methods: `peap`, `ttls`, `tls`, `pwd`, `fast`, `leap`.
        methods: Vec<String>,
        /// Who logs in.
        identity: String,
        /// Who it says it is outside the encrypted tunnel.
        anonymous_identity: String,
        /// The method inside the tunnel, such as `mschapv2`.
        phase2: String,
        /// The password.
        password: Secret,
        /// The certificate of the authority, by its path.
        ca_cert: String,
        /// The host's certificate, by its path.
        client_cert: String,
        /// The host's private key, by its path.
        private_key: String,
        /// The password of the private key.
        private_key_password: Secret,
        /// The server's name must end like this.
        domain_suffix_match: String,
    }
}
