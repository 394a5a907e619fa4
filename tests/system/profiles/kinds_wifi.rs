//! Wireless networks of simulated radios (mac80211_hwsim), with hostapd at the other end: on a full Debian kernel only.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::namespace::{Namespace, Run};
use super::Host;

/// Radios, an access point with a WPA2 and a WPA3 network, and a supplicant on the bus of the host's NetworkManager.
struct Air {
    _far: Namespace,
    daemons: Vec<Child>,
}

impl Drop for Air {
    fn drop(&mut self) {
        for daemon in &mut self.daemons {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

impl Air {
    fn new(host: &Host) -> Self {
        Run::of(Command::new("modprobe").args(["mac80211_hwsim", "radios=2"])).success();
        let radios = fs::read_dir("/sys/class/ieee80211").expect("there are radios");
        let mut radios: Vec<String> = radios
            .map(|it| {
                it.expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        radios.sort();
        let far = Namespace::new();
        for (radio, namespace) in radios.iter().zip([&host.namespace, &far]) {
            Run::of(Command::new("iw").args([
                "phy",
                radio,
                "set",
                "netns",
                "name",
                namespace.name(),
            ]))
            .success();
        }
        let link = wireless_link(&far);
        let text = format!(
            "interface={link}\nssid=two\nhw_mode=g\nchannel=1\nwpa=2\nwpa_key_mgmt=WPA-PSK\nrsn_pairwise=CCMP\nwpa_passphrase={RIGHT}\n\
             bss={link}_3\nssid=three\nwpa=2\nwpa_key_mgmt=SAE\nrsn_pairwise=CCMP\nieee80211w=2\nsae_password={RIGHT}\n"
        );
        let configuration = far.file("hostapd.conf", text);
        let within = |namespace: &Namespace| {
            let mut command = Command::new("ip");
            command
                .args(["netns", "exec", namespace.name()])
                .stdin(Stdio::null())
                .stdout(Stdio::null());
            command
        };
        let hostapd = within(&far)
            .arg("hostapd")
            .arg(configuration)
            .spawn()
            .expect("hostapd starts");
        let supplicant = within(&host.namespace)
            .args(["wpa_supplicant", "-u"])
            .env("DBUS_SYSTEM_BUS_ADDRESS", host.manager.address())
            .spawn()
            .expect("wpa_supplicant starts");
        Self {
            _far: far,
            daemons: vec![hostapd, supplicant],
        }
    }
}

const RIGHT: &str = "correct horse battery";

/// The one wireless link of a namespace.
fn wireless_link(namespace: &Namespace) -> String {
    let links = namespace.ip_json(&["link"]);
    let mut names = links
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|it| it["ifname"].as_str());
    names
        .find(|name| name.starts_with("wlan"))
        .expect("the radio has a link")
        .to_owned()
}

/// Waits until NetworkManager has heard of a network.
fn hear(host: &Host, ssid: &str) {
    let give_up = Instant::now() + Duration::from_secs(300);
    loop {
        let heard = host.manager.try_nmcli(&[
            "--get-values",
            "SSID",
            "device",
            "wifi",
            "list",
            "--rescan",
            "yes",
        ]);
        if heard.stdout.lines().any(|line| line == ssid) {
            return;
        }
        assert!(
            Instant::now() < give_up,
            "nobody hears of {ssid}: {}{}",
            heard.stdout,
            heard.stderr
        );
        std::thread::sleep(Duration::from_millis(500));
    }
}

#[test]
fn wpa2_and_wpa3_networks_are_joined_and_a_wrong_password_is_rolled_back() {
    if std::env::var_os("OP_DBUS_VM").is_none() {
        eprintln!(
            "!! SKIPPED: radios are simulated in a virtual machine only; `cargo xtask vm-test` tests it"
        );
        return;
    }
    let Some(host) = Host::start(&[]) else {
        return;
    };
    let secrets = host.namespace.directory().join("secrets");
    fs::create_dir(&secrets).expect("a directory");
    for (name, text) in [("right", RIGHT), ("wrong", "wrong horse battery")] {
        let file = secrets.join(name);
        fs::write(&file, text).expect("a file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("its owner's alone");
    }
    let secrets = secrets.to_str().expect("a path in UTF-8").to_owned();
    let _air = Air::new(&host);
    let link = wireless_link(&host.namespace);
    let apply = |connection: Value| {
        let state =
            json!({"version": 1, "plugins": {"networkmanager": {"connections": [connection]}}});
        let file = host.namespace.file("wifi.json", state.to_string());
        host.op_dbus(&[
            "--secrets-dir",
            &secrets,
            "apply",
            file.to_str().expect("a path in UTF-8"),
        ])
    };
    let profile = |ssid: &str, key_mgmt: &str, secret: &str, address: &str| {
        json!({
            "id": ssid, "type": "wifi", "ssid": ssid, "state": "up",
            "security": {"key_mgmt": key_mgmt, "psk": {"secret": secret}},
            "ipv4": {"method": "manual", "addresses": [{"address": address, "prefix": 24}]}, "ipv6": {"method": "disabled"}
        })
    };
    for (ssid, key_mgmt, address) in [("two", "wpa-psk", "10.8.2.2"), ("three", "sae", "10.8.3.2")]
    {
        hear(&host, ssid);
        apply(profile(ssid, key_mgmt, "right", address)).success();
        assert_eq!(host.active(), [ssid]);
        assert_eq!(host.addresses(&link), [format!("{address}/24")]);
    }
    // Not the network that it is in: there the supplicant would use the key that it has (PMKSA caching), and ask for no password.
    let failed = apply(profile("two", "wpa-psk", "wrong", "10.8.2.9")).code(3);
    assert!(
        failed.stderr.contains("NetworkManager's reason"),
        "{}",
        failed.stderr
    );
    comes_back(&host, &link, "three", "10.8.3.2/24");
}

/// NetworkManager associates anew in its own time, which may go on after the rollback has ended.
fn comes_back(host: &Host, link: &str, ssid: &str, address: &str) {
    let patience = Instant::now() + Duration::from_secs(120);
    while host.active() != [ssid] || host.addresses(link) != [address] {
        assert!(Instant::now() < patience, "{:?}", host.active());
        std::thread::sleep(Duration::from_millis(500));
    }
}
