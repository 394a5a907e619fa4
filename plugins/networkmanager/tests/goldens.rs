//! Plans and validation against goldens, one folder a case; see `op_dbus_plugin::goldens`.

use std::path::Path;

use op_dbus_networkmanager::NetworkManager;
use op_dbus_plugin::goldens;

const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");

#[test]
fn plans_are_what_their_goldens_say() {
    goldens::plans::<NetworkManager>(Path::new(TESTS));
}

#[test]
fn problems_are_what_their_goldens_say() {
    goldens::problems::<NetworkManager>(Path::new(TESTS));
}
