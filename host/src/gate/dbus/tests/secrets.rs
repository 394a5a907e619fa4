//! Secrets on their way through the gate: out by reference, in by fingerprint, and nowhere in the clear.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::backends::dbus::tests::network_manager::Host;
use crate::backends::dbus::tests::service::{self, Service, ask};
use crate::secrets::SecretStore;

const TEXT: &str = "correct horse battery";

const ECHO: &str = r#"
    secrets = ["office-*"]
    [dbus]
    buses = ["*"]
    [[dbus.rules]]
    names = ["org.example.Echo"]
    paths = ["*"]
    interfaces = ["org.example.Echo"]
    read = ["*"]
    signals = ["*"]
    secrets = ["psk", "1"]
"#;

/// A store with one named secret and an escrow, in this directory.
fn store(directory: &Path) -> std::sync::Arc<SecretStore> {
    let names = directory.join("names");
    fs::create_dir_all(&names).unwrap();
    for name in ["office-psk", "other"] {
        fs::write(names.join(name), TEXT).unwrap();
        let private = fs::Permissions::from_mode(0o600);
        fs::set_permissions(names.join(name), private).unwrap();
    }
    let store = SecretStore::open(vec![names], Some(directory.join("escrow")));
    store.unwrap().into()
}

fn echo(signature: &str, arguments: &str) -> MethodCall {
    ask("Echo", signature, arguments)
}

#[tokio::test]
async fn references_go_out_as_text_and_come_back_as_fingerprints() {
    let Some(private) = PrivateBus::start().await else {
        return;
    };
    let _echo = Service::start(&private.address, service::NAME).await;
    let directory = tempfile::tempdir().unwrap();
    let book = Book::default();
    let mut gate = gate(&private, ECHO, Mode::Read, &book);
    gate.backends.secrets = store(directory.path());
    let fingerprint = gate.backends.secrets.fingerprint(TEXT);
    let masked = format!(r#"[{{"psk":{{"type":"s","data":{{"fingerprint":"{fingerprint}"}}}}}}]"#);
    let reply = gate
        .call(echo(
            "a{sv}",
            r#"[{"psk":{"type":"s","data":{"secret":"office-psk","fingerprint":"0"}}}]"#,
        ))
        .await
        .unwrap();
    assert_eq!(reply.values, masked);
    // Passed back unchanged, it is the same text.
    assert_eq!(
        gate.call(echo("a{sv}", &masked)).await.unwrap().values,
        masked
    );
    // So are bytes; and a whole argument can be a secret.
    let bytes = gate
        .call(echo(
            "ua{sv}",
            r#"[7,{"psk":{"type":"ay","data":[255,0,7]}}]"#,
        ))
        .await
        .unwrap()
        .values;
    assert!(
        bytes.contains("fingerprint") && !bytes.contains("255"),
        "{bytes}"
    );
    assert_eq!(
        gate.call(echo("ua{sv}", &bytes)).await.unwrap().values,
        bytes
    );
    // The text itself, in any other place, is cut out of what comes in.
    let spilt = format!(r#"["the key is {TEXT}.","x"]"#);
    let reply = gate.call(echo("ss", &spilt)).await.unwrap();
    assert!(reply.values.starts_with(r#"["the key is ….""#), "{reply:?}");

    // A later process, which knows only the escrow.
    gate.backends.secrets.keep().unwrap();
    let escrow = Some(directory.path().join("escrow"));
    gate.backends.secrets = SecretStore::open(Vec::new(), escrow).unwrap().into();
    assert_eq!(
        gate.call(echo("a{sv}", &masked)).await.unwrap().values,
        masked
    );
}

#[tokio::test]
async fn references_outside_the_grant_and_outside_secret_places_are_denied() {
    let Some(private) = PrivateBus::start().await else {
        return;
    };
    let _echo = Service::start(&private.address, service::NAME).await;
    let directory = tempfile::tempdir().unwrap();
    let book = Book::default();
    let mut gate = gate(&private, ECHO, Mode::Read, &book);
    gate.backends.secrets = store(directory.path());
    let fingerprint = gate.backends.secrets.mask(TEXT).fingerprint.unwrap();
    for denied in [
        // Not granted.
        echo(
            "a{sv}",
            r#"[{"psk":{"type":"s","data":{"secret":"other"}}}]"#,
        ),
        // In places from which they could be read back.
        echo(
            "a{sv}",
            r#"[{"id":{"type":"s","data":{"secret":"office-psk"}}}]"#,
        ),
        echo("s", r#"[{"secret":"office-psk"}]"#),
        echo("s", &format!(r#"[{{"fingerprint":"{fingerprint}"}}]"#)),
        echo("ay", r#"[{"secret":"office-psk"}]"#),
    ] {
        let answer = gate.call(denied.clone()).await;
        assert_eq!(
            code(&answer),
            Some(FailureCode::Denied),
            "{denied:?} {answer:?}"
        );
        assert!(!format!("{answer:?}").contains(TEXT), "{answer:?}");
    }
    assert_eq!(book.denials(), 5);
    for wrong in [
        // Where no text can stand.
        echo(
            "a{sv}",
            r#"[{"psk":{"type":"u","data":{"secret":"office-psk"}}}]"#,
        ),
        echo("a{ss}", r#"[{"psk":{"secret":"office-psk","more":"x"}}]"#),
    ] {
        let answer = gate.call(wrong).await;
        assert_eq!(code(&answer), Some(FailureCode::Invalid), "{answer:?}");
    }
    let unknown = echo(
        "a{sv}",
        r#"[{"psk":{"type":"s","data":{"fingerprint":"00ff"}}}]"#,
    );
    assert_eq!(code(&gate.call(unknown).await), Some(FailureCode::Denied));
}

#[tokio::test]
async fn a_fingerprint_goes_back_to_the_object_that_it_was_read_from_alone() {
    let Some(private) = PrivateBus::start().await else {
        return;
    };
    let _echo = Service::start(&private.address, service::NAME).await;
    let directory = tempfile::tempdir().unwrap();
    let book = Book::default();
    let mut gate = gate(&private, ECHO, Mode::Read, &book);
    gate.backends.secrets = store(directory.path());
    let by_name = r#"[{"psk":{"type":"s","data":{"secret":"office-psk"}}}]"#;
    let fingerprint = gate.backends.secrets.fingerprint(TEXT);
    let by_fingerprint =
        format!(r#"[{{"psk":{{"type":"s","data":{{"fingerprint":"{fingerprint}"}}}}}}]"#);
    // It was seen, and not here.
    gate.backends
        .secrets
        .mask_at(TEXT, "object org.example.Echo /elsewhere");
    let back = echo("a{sv}", &by_fingerprint);
    assert_eq!(
        code(&gate.call(back.clone()).await),
        Some(FailureCode::Denied)
    );
    gate.call(echo("a{sv}", by_name)).await.unwrap();
    gate.call(back).await.unwrap();
}

#[tokio::test]
async fn errors_and_signals_do_not_spill_a_secret_either() {
    let Some(private) = PrivateBus::start().await else {
        return;
    };
    let witness = Witness::start(&private, "org.example.Echo").await;
    let directory = tempfile::tempdir().unwrap();
    let book = Book::default();
    let mut gate = gate(&private, ECHO, Mode::Read, &book);
    gate.backends.secrets = store(directory.path());
    let mut heard = gate.subscribe(signals("org.example.Echo")).await.unwrap();
    let body = std::collections::HashMap::from([("psk", TEXT), ("note", TEXT)]);
    witness.emit("/x", "org.example.Echo", "Told", &body).await;
    let signal = gate.next(&mut heard, Duration::from_secs(60)).await;
    let signal = signal.unwrap().expect("it was sent").arguments;
    assert!(
        signal.contains(r#""note":"…""#) && signal.contains("fingerprint"),
        "{signal}"
    );

    witness.fail_with(&format!("{TEXT} is wrong"));
    let answer = gate.call(echo("", "[]")).await;
    let shown = format!("{answer:?}");
    assert!(
        shown.contains("… is wrong") && !shown.contains(TEXT),
        "{shown}"
    );
}

const NETWORK_MANAGER: &str = r#"
    secrets = ["*"]
    [dbus]
    buses = ["*"]
    [[dbus.rules]]
    names = ["org.freedesktop.NetworkManager"]
    paths = ["/org/freedesktop/NetworkManager*"]
    interfaces = ["org.freedesktop.NetworkManager*"]
    read = ["Get*", "List*"]
    change = ["Add*", "Update"]
    secrets = ["psk", "password", "secrets", "private-key", "preshared-key", "wep-key?"]
"#;

const OF: &str = "org.freedesktop.NetworkManager";

#[tokio::test]
async fn secrets_of_a_real_network_manager_survive_an_update_that_never_sees_them() {
    let Some((host, bus)) = Host::start().await else {
        return;
    };
    for words in [
        &[
            "type",
            "wifi",
            "con-name",
            "wifi",
            "ifname",
            "wlan7",
            "ssid",
            "office",
            "802-11-wireless-security.key-mgmt",
            "wpa-psk",
            "802-11-wireless-security.psk",
            TEXT,
        ][..],
        &[
            "type",
            "vpn",
            "con-name",
            "vpn",
            "vpn-type",
            "openvpn",
            "vpn.secrets",
            "password=correct horse battery",
        ],
        &[
            "type",
            "ethernet",
            "con-name",
            "wired",
            "ifname",
            "eth7",
            "802-1x.eap",
            "md5",
            "802-1x.identity",
            "me",
            "802-1x.password",
            TEXT,
        ],
    ] {
        host.nmcli(&[&["connection", "add", "autoconnect", "no"], words].concat())
            .await;
    }
    let directory = tempfile::tempdir().unwrap();
    let book = Book::default();
    let address = bus.address().word().to_owned();
    let mut gate = witness::gate_at(address, NETWORK_MANAGER, Mode::Change, &book);
    gate.backends.secrets = store(directory.path());
    let settings = "/org/freedesktop/NetworkManager/Settings";
    let list = method(
        OF,
        settings,
        "org.freedesktop.NetworkManager.Settings",
        "ListConnections",
        "",
        "[]",
    );
    let (paths,): (Vec<String>,) =
        serde_json::from_str(&gate.call(list).await.unwrap().values).unwrap();
    let on = |path: &str, member: &str, signature: &str, arguments: &str| {
        let interface = "org.freedesktop.NetworkManager.Settings.Connection";
        method(OF, path, interface, member, signature, arguments)
    };
    let mut seen = 0;
    for path in &paths {
        let settings = gate
            .call(on(path, "GetSettings", "", "[]"))
            .await
            .unwrap()
            .values;
        let mut profile: serde_json::Value = serde_json::from_str(&settings).unwrap();
        let setting = ["802-11-wireless-security", "802-1x", "vpn"]
            .into_iter()
            .find(|setting| profile[0].get(setting).is_some());
        let Some(setting) = setting else { continue };
        seen += 1;
        let asked = on(path, "GetSecrets", "s", &format!("[\"{setting}\"]"));
        let secrets = gate.call(asked.clone()).await.unwrap().values;
        for shown in [&settings, &secrets] {
            assert!(!shown.contains(TEXT), "{shown}");
        }
        let fingerprint = gate.backends.secrets.fingerprint(TEXT);
        assert!(secrets.contains(&fingerprint), "{secrets}");
        // What GetSecrets says is put into what GetSettings says, and all of it written back.
        let found: serde_json::Value = serde_json::from_str(&secrets).unwrap();
        for (key, value) in found[0][setting].as_object().unwrap() {
            profile[0][setting][key] = value.clone();
        }
        let update = on(path, "Update", "a{sa{sv}}", &profile.to_string());
        gate.call(update).await.unwrap();
        assert_eq!(gate.call(asked).await.unwrap().values, secrets);
    }
    assert_eq!(seen, 3);
    // NetworkManager has the text, and the plugin's side never had.
    let kept = fs::read_dir(host.directory().join("profiles")).unwrap();
    let kept: Vec<String> = kept
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    assert_eq!(
        kept.iter().filter(|text| text.contains(TEXT)).count(),
        3,
        "{kept:?}"
    );
}
