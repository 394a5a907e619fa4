//! Secrets: by name in the file, by fingerprint in what is shown, in NetworkManager alone as text.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::super::namespace::Run;
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

/// Runs a verb on a state file with this connection and on these secrets.
fn on(host: &Host, secrets: &str, verb: &str, connection: &Value) -> Run {
    let state = json!({"version": 1, "plugins": {"networkmanager": {"connections": [connection]}}});
    let file = host.namespace.file("secrets.json", state.to_string());
    let file = file.to_str().expect("a path in UTF-8");
    host.op_dbus(&["--secrets-dir", secrets, verb, file])
}

/// What NetworkManager keeps on disk of all profiles.
fn on_disk(host: &Host) -> String {
    let profiles = host.namespace.directory().join("nm/profiles");
    let files = fs::read_dir(profiles).expect("a directory").flatten();
    files
        .map(|file| fs::read_to_string(file.path()).expect("a text"))
        .collect()
}

#[test]
fn secrets_of_a_vpn_are_made_changed_and_brought_back() {
    let Some(host) = Host::start(&[]) else {
        return;
    };
    let names = ["one", "two", "three"];
    let secrets = names.map(|name| (name, format!("the secret {name}")));
    let secrets: Vec<(&str, &str)> = secrets
        .iter()
        .map(|(name, text)| (*name, &**text))
        .collect();
    let directory = store(&host, &secrets);
    let vpn = |password: &str, certificate: &str| {
        json!({"id": "work", "type": "vpn", "service": "org.example.vpn", "autoconnect": false, "data": {"gateway": "vpn.example.org"},
            "secrets": {"password": {"secret": password}, "cert-pass": {"secret": certificate}}})
    };
    let keeps = |password: &str, certificate: &str| {
        let shown = host.manager.secrets("work", "vpn").expect("it has secrets");
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        let text = |name: &str| format!("the secret {name}");
        assert_eq!(
            shown["data"][0]["vpn"]["secrets"]["data"],
            json!({"password": text(password), "cert-pass": text(certificate)})
        );
        let kept = on_disk(&host);
        for name in names {
            let is_kept = name == password || name == certificate;
            assert_eq!(kept.contains(&text(name)), is_kept, "{name}: {kept}");
        }
    };
    let back = || {
        host.op_dbus(&["--secrets-dir", &directory, "rollback"])
            .success()
    };
    let on = |verb: &str, connection: &Value| on(&host, &directory, verb, connection);
    on("apply", &vpn("one", "two")).success();
    keeps("one", "two");
    on("verify", &vpn("one", "two")).success();
    on("apply", &vpn("three", "two")).success();
    keeps("three", "two");
    back();
    keeps("one", "two");
    on("apply", &json!({"id": "work", "state": "absent"})).success();
    assert!(host.connection("work").is_none());
    back();
    keeps("one", "two");
    on("verify", &vpn("one", "two")).success();
}

#[test]
fn a_profile_whose_secrets_network_manager_does_not_keep_is_in_sync() {
    let Some(host) = Host::start(&[]) else {
        return;
    };
    let directory = store(&host, &[("psk", TEXT)]);
    let on = |verb: &str, connection: &Value| on(&host, &directory, verb, connection);
    for connection in [
        json!({"id": "asks", "type": "wifi", "ssid": "Office", "autoconnect": false,
            "security": {"key_mgmt": "wpa-psk", "psk": {"secret": "psk"}},
            "settings": {"802-11-wireless-security": {"psk-flags": 1}}}),
        json!({"id": "asks each time", "type": "wifi", "ssid": "Office", "autoconnect": false,
            "security": {"key_mgmt": "wpa-psk", "psk": {"secret": "psk"}},
            "settings": {"802-11-wireless-security": {"psk-flags": 2}}}),
        json!({"id": "work", "type": "vpn", "service": "org.example.vpn", "autoconnect": false,
            "data": {"gateway": "vpn.example.org", "password-flags": "1"}, "secrets": {"password": {"secret": "psk"}}}),
    ] {
        on("apply", &connection).success();
        assert!(!on_disk(&host).contains(TEXT));
        on("verify", &connection).success();
        on("diff", &connection).success();
    }
}

#[test]
fn network_manager_asks_for_the_password_of_a_profile_that_an_apply_activates() {
    let Some(host) = Host::start(&["eth0"]) else {
        return;
    };
    let directory = store(&host, &[("password", TEXT)]);
    let monitor = host.manager.monitor();
    let connection = json!({"id": "guarded", "type": "ethernet", "interface": "eth0", "state": "up",
        "settings": {"802-1x": {"eap": ["md5"], "identity": "me", "password": {"secret": "password"}, "password-flags": 1,
            "auth-timeout": 1}}});
    // Nobody authenticates at the other end: the activation fails, after NetworkManager has got the password.
    let run = on(&host, &directory, "apply", &connection).code(3);
    assert!(
        run.stderr.contains("NetworkManager's reason"),
        "{}",
        run.stderr
    );
    let question = monitor.wait_for(|message| {
        message["interface"] == "org.freedesktop.NetworkManager.SecretAgent"
            && message["member"] == "GetSecrets"
            && message["payload"]["data"][2] == "802-1x"
    });
    let answer = monitor.wait_for(|message| {
        message["type"] == "method_return"
            && message["reply_cookie"] == question["cookie"]
            && message["destination"] == question["sender"]
    });
    assert_eq!(
        answer["payload"]["data"][0]["802-1x"]["password"]["data"],
        TEXT
    );
    assert!(!run.stdout.contains(TEXT) && !run.stderr.contains(TEXT));
}

fn is_stored_as_wanted(connection: &Value, kept: &[&str]) {
    let Some(host) = Host::start(&[]) else {
        return;
    };
    let directory = store(&host, &[("secret", TEXT)]);
    let on = |verb: &str| on(&host, &directory, verb, connection);
    on("apply").success();
    on("verify").success();
    assert!(on("apply").success().stdout.contains("in sync"));
    let stored = on_disk(&host);
    for line in kept {
        assert!(stored.lines().any(|it| it == *line), "{line}: {stored}");
    }
}

#[test]
fn a_wireless_network_of_an_enterprise_is_stored_as_it_is_wanted() {
    is_stored_as_wanted(
        &json!({"id": "office", "type": "wifi", "ssid": "Office", "autoconnect": false, "security": {"key_mgmt": "wpa-eap", "eap": {
            "methods": ["peap"], "identity": "me", "anonymous_identity": "anonymous", "phase2": "mschapv2",
            "password": {"secret": "secret"}, "ca_cert": "/etc/ssl/office.pem", "domain_suffix_match": "example.org"}}}),
        &[
            "key-mgmt=wpa-eap",
            "eap=peap;",
            "identity=me",
            "anonymous-identity=anonymous",
            "phase2-auth=mschapv2",
            "ca-cert=/etc/ssl/office.pem",
            "domain-suffix-match=example.org",
            &format!("password={TEXT}"),
        ],
    );
}

#[test]
fn an_access_point_is_stored_as_it_is_wanted() {
    is_stored_as_wanted(
        &json!({"id": "spot", "type": "wifi", "ssid": "Spot", "mode": "ap", "band": "bg", "channel": 6, "autoconnect": false,
            "security": {"key_mgmt": "wpa-psk", "psk": {"secret": "secret"}}, "ipv4": {"method": "shared"}}),
        &[
            "ssid=Spot",
            "mode=ap",
            "band=bg",
            "channel=6",
            "key-mgmt=wpa-psk",
            "method=shared",
            &format!("psk={TEXT}"),
        ],
    );
}

#[test]
fn an_ad_hoc_network_is_stored_as_it_is_wanted() {
    is_stored_as_wanted(
        &json!({"id": "friends", "type": "wifi", "ssid": "Friends", "mode": "adhoc", "band": "a", "channel": 36, "hidden": true,
            "autoconnect": false, "security": {"key_mgmt": "none"}, "ipv4": {"method": "link-local"}}),
        &[
            "ssid=Friends",
            "mode=adhoc",
            "band=a",
            "channel=36",
            "hidden=true",
            "method=link-local",
        ],
    );
}
