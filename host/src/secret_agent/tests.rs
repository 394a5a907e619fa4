//! The agent by itself, and registered with a real NetworkManager.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::backends::dbus::tests::network_manager::Host;
use crate::backends::dbus::value::NoSecrets;
use crate::contract::dbus::SignalMatch;

const SECTION: &str = r#"{"connections": [
    {"id": "wired", "type": "ethernet", "settings": {"802-1x": {"password": {"type": "s", "data": {"secret": "wired"}}}}},
    {"id": "wifi", "uuid": "b2c3d4e5-f6a7-2345-6789-01bcdef23456", "type": "wifi", "security": {"key_mgmt": "wpa-psk", "psk": {"secret": "office"}}},
    {"id": "plain", "type": "ethernet"}]}"#;

const TEXT: &str = "correct horse battery";

fn store(names: &[&str]) -> (tempfile::TempDir, Arc<SecretStore>) {
    let directory = tempfile::tempdir().unwrap();
    for name in names {
        let path = directory.path().join(name);
        fs::write(&path, TEXT).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let store = SecretStore::open(vec![directory.path().into()], None).unwrap();
    (directory, Arc::new(store))
}

fn grant(secrets: &str) -> Arc<Grant> {
    Arc::new(toml::from_str(&format!("secrets = {secrets}")).unwrap())
}

fn agent(secrets: Arc<SecretStore>) -> Agent {
    let owner = OnceLock::new();
    owner.set(":1.5".to_owned()).unwrap();
    Agent {
        profiles: profiles(SECTION),
        grant: grant(r#"["*"]"#),
        secrets,
        owner,
        answered: AtomicU64::new(0),
    }
}

/// What NetworkManager asks for a profile, by its id, and the flags of one key of a setting.
fn question(id: &str, uuid: &str, setting: &str, key: &str, flags: u32) -> Incoming {
    let text = |text: &str| json!({"type": "s", "data": text});
    let flags = json!({"type": "u", "data": flags});
    Incoming {
        sender: ":1.5".into(),
        member: "GetSecrets".into(),
        signature: "a{sa{sv}}osasu".into(),
        arguments: json!([
            {"connection": {"id": text(id), "uuid": text(uuid)}, setting: {format!("{key}-flags"): flags}},
            "/org/freedesktop/NetworkManager/Settings/1", setting, [], 4
        ])
        .to_string(),
    }
}

async fn ask(agent: &Agent, incoming: Incoming) -> Result<String, &'static str> {
    let answer = agent.answer(incoming).await;
    answer.map(|reply| reply.values).map_err(|error| error.name)
}

#[tokio::test]
async fn only_what_the_state_file_names_and_an_agent_owns_is_handed_out() {
    let (_directory, secrets) = store(&[]);
    let agent = agent(secrets);
    let uuid = "b2c3d4e5-f6a7-2345-6789-01bcdef23456";
    let psk = |uuid: &str, flags| question("wifi", uuid, "802-11-wireless-security", "psk", flags);
    assert_eq!(
        ask(&agent, psk(uuid, 1)).await.unwrap(),
        r#"[{"802-11-wireless-security":{"psk":{"data":{"secret":"office"},"type":"s"}}}]"#
    );
    let wired = question("wired", "any", "802-1x", "password", 1);
    assert!(
        ask(&agent, wired)
            .await
            .unwrap()
            .contains(r#"{"secret":"wired"}"#)
    );
    const NONE: &str = "org.freedesktop.NetworkManager.SecretAgent.NoSecrets";
    for refused in [
        // The system owns it, or nobody does.
        psk(uuid, 0),
        psk(uuid, 2),
        // Another profile of the same name.
        psk("another", 1),
        question("plain", "any", "802-1x", "password", 1),
        question("wired", "any", "802-1x", "pin", 1),
    ] {
        assert_eq!(ask(&agent, refused).await.unwrap_err(), NONE);
    }
}

/// The same question with these settings beside `connection`, and these flags of the question itself.
fn question_with(id: &str, setting: &str, values: Value, flags: u32) -> Incoming {
    Incoming {
        arguments: json!([
            {"connection": {"id": {"type": "s", "data": id}}, setting: values},
            "/org/freedesktop/NetworkManager/Settings/1", setting, [], flags
        ])
        .to_string(),
        ..question(id, "", setting, "", 0)
    }
}

#[tokio::test]
async fn what_network_manager_keeps_itself_goes_back_as_it_came() {
    let (_directory, secrets) = store(&[]);
    let agent = agent(secrets);
    let text = |text: &str| json!({"type": "s", "data": text});
    for (setting, values, expected) in [
        (
            "vpn",
            json!({"service-type": text("org.example.vpn"), "data": {"type": "a{ss}", "data": {"password-flags": "0"}},
                "secrets": {"type": "a{ss}", "data": {"password": "kept", "cert-pass": "too"}}}),
            json!({"secrets": {"type": "a{ss}", "data": {"password": "kept", "cert-pass": "too"}}}),
        ),
        (
            "wireguard",
            json!({"private-key": text("own"), "listen-port": {"type": "u", "data": 7}, "peers": {"type": "aa{sv}", "data": [
                {"public-key": text("a"), "endpoint": text("192.0.2.1:7"), "preshared-key": text("shared")},
                {"public-key": text("b"), "preshared-key": text("")}, {"public-key": text("c")}]}}),
            json!({"private-key": text("own"), "peers": {"type": "aa{sv}", "data": [
                {"public-key": text("a"), "preshared-key": text("shared")}]}}),
        ),
        (
            "802-1x",
            json!({"identity": text("me"), "private-key": {"type": "ay", "data": [1]}, "private-key-password": text("kept"),
                "password": text(""), "password-raw": {"type": "ay", "data": [7]}}),
            json!({"private-key-password": text("kept"), "password-raw": {"type": "ay", "data": [7]}}),
        ),
    ] {
        let incoming = || question_with("unknown", setting, values.clone(), 0);
        let answer: Value = serde_json::from_str(&ask(&agent, incoming()).await.unwrap()).unwrap();
        assert_eq!(answer, json!([{ setting: expected }]));
        // It was tried, and is wrong.
        let again = question_with("unknown", setting, values.clone(), 2);
        assert!(
            ask(&agent, again)
                .await
                .unwrap_err()
                .ends_with(".NoSecrets")
        );
    }
    assert_eq!(agent.answered.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn secrets_of_a_vpn_that_an_agent_owns_stand_beside_those_that_network_manager_keeps() {
    let (_directory, secrets) = store(&[]);
    let mut agent = agent(secrets);
    agent.profiles = profiles(
        r#"{"connections": [{"id": "work", "type": "vpn", "secrets":
            {"password": {"secret": "vpn"}, "Xauth_word": {"secret": "xauth"}, "cert-pass": {"secret": "certificate"}}}]}"#,
    );
    let values = json!({
        "data": {"type": "a{ss}", "data": {"password-flags": "1", "Xauth_word-flags": "3", "cert-pass-flags": "0", "gateway": "x"}},
        "secrets": {"type": "a{ss}", "data": {"cert-pass": "kept"}}});
    let answer = ask(&agent, question_with("work", "vpn", values, 0)).await;
    let answer: Value = serde_json::from_str(&answer.unwrap()).unwrap();
    let expected = json!({"password": {"secret": "vpn"}, "Xauth_word": {"secret": "xauth"}, "cert-pass": "kept"});
    assert_eq!(
        answer,
        json!([{"vpn": {"secrets": {"type": "a{ss}", "data": expected}}}])
    );
    assert_eq!(agent.answered.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_stranger_is_not_answered() {
    let (_directory, secrets) = store(&[]);
    let agent = agent(secrets);
    let mut incoming = question("wired", "any", "802-1x", "password", 1);
    incoming.sender = ":1.6".into();
    assert_eq!(
        ask(&agent, incoming).await.unwrap_err(),
        "org.freedesktop.DBus.Error.AccessDenied"
    );
    assert_eq!(agent.answered.load(Ordering::Relaxed), 0);
}

#[test]
fn of_two_secrets_under_one_key_the_setting_tells_which() {
    let found = profiles(
        r#"{"connections": [{"id": "x", "settings": {
            "802-1x": {"password": {"secret": "a"}}, "pppoe": {"password": {"secret": "b"}}, "vpn": {"secrets": {"password": {"secret": "c"}}}}}]}"#,
    );
    assert_eq!(found[0].secret("802-1x", "password"), Some("a"));
    assert_eq!(found[0].secret("pppoe", "password"), Some("b"));
    assert_eq!(found[0].secret("gsm", "password"), None);
}

#[tokio::test]
async fn a_real_network_manager_asks_and_is_answered() {
    let Some((host, bus)) = Host::start_without_udev().await else {
        return;
    };
    let (_directory, secrets) = store(&["wired"]);
    let mut news = bus
        .subscribe(SignalMatch {
            sender: NAME.into(),
            path: None,
            interface: None,
            member: None,
        })
        .await
        .unwrap();
    host.ip(&["link", "add", "v0", "type", "veth", "peer", "v1"])
        .await;
    host.ip(&["link", "set", "v1", "up"]).await;
    let words = "connection add type ethernet con-name wired ifname v0 autoconnect no \
        802-1x.eap md5 802-1x.identity me 802-1x.password-flags 1";
    host.nmcli(&words.split_whitespace().collect::<Vec<_>>())
        .await;

    let address = bus.address().clone();
    let grant = grant(r#"["wired"]"#);
    let agent = Registered::new(address, profiles(SECTION), grant, secrets)
        .await
        .unwrap()
        .expect("the section names secrets");
    // Until NetworkManager has got to know the device, it says that there is none.
    while !host
        .try_nmcli(&["--wait", "0", "connection", "up", "wired"])
        .await
    {
        news.next(&NoSecrets).await.unwrap();
    }
    // NetworkManager asks when the activation has come so far. The test's own time limit ends the wait.
    while agent.answered() == 0 {
        tokio::task::yield_now().await;
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    drop(agent);
    // Its profile does not hold the secret.
    let profiles = host.directory().join("profiles");
    for profile in fs::read_dir(profiles).unwrap() {
        let text = fs::read_to_string(profile.unwrap().path()).unwrap();
        assert!(!text.contains(TEXT), "{text}");
    }
}
