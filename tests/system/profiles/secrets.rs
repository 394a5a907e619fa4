//! Secrets: by name in the file, by fingerprint in what is shown, in NetworkManager alone as text.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::Host;

const TEXT: &str = "correct horse battery";

/// A directory with these secrets.
fn store(host: &Host, secrets: &[(&str, &str)]) -> String {
    let directory = host.namespace.directory().join("secrets");
    fs::create_dir(&directory).expect("a directory");
    for (name, text) in secrets {
        let file = directory.join(name);
        fs::write(&file, text).expect("a file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("its owner's alone");
    }
    directory.to_str().expect("a path in UTF-8").to_owned()
}

#[test]
fn each_peer_of_a_wireguard_profile_has_a_preshared_key_of_its_own() {
    let Some(host) = Host::start(&[]) else {
        return;
    };
    // Base64 of 32 equal bytes.
    let key = |letter: char| format!("{}{letter}=", String::from("Q").repeat(42));
    let [own, one, two, three] = ['E', 'I', 'M', 'Q'].map(key);
    let directory = store(
        &host,
        &[
            ("own", &own),
            ("one", &one),
            ("two", &two),
            ("three", &three),
        ],
    );
    let on = |verb: &str, of_a: &str, of_b: &str| {
        let peer = |public: char, secret: &str, host: u8| {
            json!({"public_key": format!("{}{public}=", "B".repeat(42)), "preshared_key": {"secret": secret},
                "endpoint": "192.0.2.9:51820", "allowed_ips": [format!("10.0.0.{host}/32")]})
        };
        let state = json!({"version": 1, "plugins": {"networkmanager": {"connections": [{
            "id": "wg0", "type": "wireguard", "interface": "wg0", "autoconnect": false, "private_key": {"secret": "own"},
            "peers": [peer('A', of_a, 1), peer('E', of_b, 2)]
        }]}}});
        let file = host.namespace.file("wireguard.json", state.to_string());
        let file = file.to_str().expect("a path in UTF-8").to_owned();
        host.op_dbus(&["--secrets-dir", &directory, verb, &file])
    };
    let stored = || {
        let profiles = host.namespace.directory().join("nm/profiles");
        let files = fs::read_dir(profiles).expect("a directory").flatten();
        let texts = files.map(|file| fs::read_to_string(file.path()).expect("a text"));
        let text: String = texts.collect();
        [&own, &one, &two, &three].map(|key| text.contains(key.as_str()))
    };
    on("apply", "one", "two").success();
    assert_eq!(stored(), [true, true, true, false]);
    on("verify", "one", "two").success();
    assert!(
        on("apply", "one", "two")
            .success()
            .stdout
            .contains("in sync")
    );
    on("diff", "two", "one").code(2);
    on("apply", "one", "three").success();
    assert_eq!(stored(), [true, true, false, true]);
    on("verify", "one", "three").success();
    host.op_dbus(&["--secrets-dir", &directory, "rollback"])
        .success();
    assert_eq!(stored(), [true, true, true, false]);
    on("verify", "one", "two").success();
}

#[test]
fn a_secret_reaches_network_manager_and_nothing_else() {
    let Some(host) = Host::start(&[]) else {
        return;
    };
    let directory = store(&host, &[("psk", TEXT), ("other", "another one")]);
    let on = |verb: &str, secret: &str| {
        let state = json!({"version": 1, "plugins": {"networkmanager": {"connections": [{
            "id": "office", "type": "wifi", "ssid": "Office", "autoconnect": false,
            "security": {"key_mgmt": "sae", "psk": {"secret": secret}}
        }]}}});
        let file = host.namespace.file("state.json", state.to_string());
        let file = file.to_str().expect("a path in UTF-8").to_owned();
        host.op_dbus(&["--secrets-dir", &directory, verb, &file])
    };
    let psk = || {
        let secrets = host.manager.secrets("office", "802-11-wireless-security");
        let secrets: serde_json::Value =
            serde_json::from_str(&secrets.expect("it is secured")).expect("JSON");
        let psk = &secrets["data"][0]["802-11-wireless-security"]["psk"]["data"];
        psk.as_str().expect("a text").to_owned()
    };
    let applied = on("apply", "psk").success();
    assert_eq!(psk(), TEXT);
    on("verify", "psk").success();
    on("diff", "other").code(2);
    let changed = on("apply", "other").success();
    assert_eq!(psk(), "another one");
    let back = host
        .op_dbus(&["--secrets-dir", &directory, "rollback"])
        .success();
    assert_eq!(psk(), TEXT);
    let shown = host.query().to_string();
    for run in [&applied, &changed, &back] {
        assert!(!run.stdout.contains(TEXT) && !run.stderr.contains(TEXT));
    }
    assert!(!shown.contains(TEXT), "{shown}");
    // The state directory holds it in the escrow alone, under its fingerprint.
    for part in ["checkpoints", "audit.jsonl"] {
        let grep = std::process::Command::new("grep")
            .args(["-r", TEXT])
            .arg(host.namespace.directory().join("state"))
            .output();
        let found = String::from_utf8_lossy(&grep.expect("grep runs").stdout).into_owned();
        assert!(found.lines().all(|line| !line.contains(part)), "{found}");
    }
}
