//! Secrets: by name in the file, by fingerprint in what is shown, in NetworkManager alone as text.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::Host;

const TEXT: &str = "correct horse battery";

#[test]
fn a_secret_reaches_network_manager_and_nothing_else() {
    let Some(host) = Host::start(&[]) else {
        return;
    };
    let directory = host.namespace.directory().join("secrets");
    fs::create_dir(&directory).expect("a directory");
    for (name, text) in [("psk", TEXT), ("other", "another one")] {
        let file = directory.join(name);
        fs::write(&file, text).expect("a file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("its owner's alone");
    }
    let directory = directory.to_str().expect("a path in UTF-8").to_owned();
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
        let arguments = [
            "--show-secrets",
            "--get-values",
            "802-11-wireless-security.psk",
            "connection",
            "show",
            "office",
        ];
        host.manager.nmcli(&arguments).trim().to_owned()
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
