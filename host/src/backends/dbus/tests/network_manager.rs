//! A real NetworkManager in a network namespace of its own.

use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use tokio::process::{Child, Command};

use super::fixture::{PrivateBus, installed, method, plain};
use crate::backends::dbus::value::NoSecrets;
use crate::backends::dbus::{Bus, Terms};
use crate::contract::dbus::{MethodCall, Property, SignalMatch};
use crate::contract::types::FailureCode;

const NAME: &str = "org.freedesktop.NetworkManager";
const PATH: &str = "/org/freedesktop/NetworkManager";
const SETTINGS: &str = "/org/freedesktop/NetworkManager/Settings";
const CONNECTION: &str = "org.freedesktop.NetworkManager.Settings.Connection";

pub(crate) struct Host {
    private: PrivateBus,
    namespace: String,
    network_manager: Child,
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.network_manager.start_kill();
        let _ = process::Command::new("ip")
            .args(["netns", "delete", &self.namespace])
            .status();
    }
}

impl Host {
    /// `None`, and loudly so, where it cannot run.
    pub(crate) async fn start() -> Option<(Self, Bus)> {
        Self::start_after("true").await
    }

    /// As [`Self::start`], with /sys read-only: then it does not wait for udev to get to know its devices, and activates them where none runs.
    pub(crate) async fn start_without_udev() -> Option<(Self, Bus)> {
        Self::start_after("mount -o remount,ro /sys").await
    }

    /// Starts it in a namespace of its own, after a command there.
    async fn start_after(command: &str) -> Option<(Self, Bus)> {
        if !installed(&["NetworkManager", "nmcli", "ip"]) {
            return None;
        }
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let private = PrivateBus::start().await?;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("opdbus-bus-{}-{count}", process::id());
        run(Command::new("ip").args(["netns", "add", &namespace])).await;
        let here = private.directory();
        for directory in ["profiles", "conf.d", "state"] {
            std::fs::create_dir(here.join(directory)).unwrap();
        }
        let profiles = here.join("profiles").display().to_string();
        let configuration = format!(
            "[main]\nplugins=keyfile\nauth-polkit=false\ndns=none\ndhcp=internal\nno-auto-default=*\n[keyfile]\npath={profiles}\n[logging]\nlevel=ERR\n"
        );
        std::fs::write(here.join("nm.conf"), configuration).unwrap();
        let option = |name: &str, file: &str| format!("--{name}={}", here.join(file).display());
        // `ip netns exec` gives it mounts of its own: what it keeps in these directories must neither meet another test nor stay.
        let alone = format!(
            "{command} && mkdir -p /run/NetworkManager /var/lib/NetworkManager \
            && mount -t tmpfs none /run/NetworkManager && mount -t tmpfs none /var/lib/NetworkManager \
            && exec NetworkManager --no-daemon \"$@\""
        );
        let mut command = private.command("ip");
        command
            .args(["netns", "exec", &namespace, "sh", "-c", &alone, "sh"])
            .arg(option("config", "nm.conf"))
            .arg(option("config-dir", "conf.d"))
            .arg(option("system-config-dir", "conf.d"))
            .arg(option("state-file", "state/state"))
            .arg(option("intern-config", "state/intern.conf"))
            .arg(option("pid-file", "state/pid"));
        let bus = private.bus();
        let mut names = bus
            .subscribe(SignalMatch {
                sender: "org.freedesktop.DBus".into(),
                path: None,
                interface: None,
                member: Some("NameOwnerChanged".into()),
            })
            .await
            .unwrap();
        let network_manager = command.spawn().unwrap();
        let host = Self {
            private,
            namespace,
            network_manager,
        };
        while !bus.has_owner(NAME).await.unwrap() {
            names.next(&NoSecrets).await.unwrap();
        }
        // It owns its name before its objects are there.
        let list = settings("ListConnections", "", "[]".to_owned());
        while let Err(failure) = bus.call(&list, Terms::PLAIN).await {
            assert_eq!(failure.code, FailureCode::Unsupported, "{failure:?}");
        }
        Some((host, bus))
    }

    pub(crate) async fn ip(&self, arguments: &[&str]) {
        run(Command::new("ip")
            .args(["-netns", &self.namespace])
            .args(arguments))
        .await;
    }

    /// The directory of its bus, configuration and profiles.
    pub(crate) fn directory(&self) -> &std::path::Path {
        self.private.directory()
    }

    /// Runs `nmcli` and says whether it succeeded.
    pub(crate) async fn try_nmcli(&self, arguments: &[&str]) -> bool {
        let status = self.private.command("nmcli").args(arguments).status().await;
        status.unwrap().success()
    }

    pub(crate) async fn nmcli(&self, arguments: &[&str]) {
        run(self.private.command("nmcli").args(arguments)).await;
    }
}

async fn run(command: &mut Command) {
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

fn settings(member: &str, signature: &str, arguments: impl Into<String>) -> MethodCall {
    let interface = "org.freedesktop.NetworkManager.Settings";
    method(NAME, SETTINGS, interface, member, signature, arguments)
}

async fn profiles(bus: &Bus) -> Vec<String> {
    let reply = bus
        .call(&settings("ListConnections", "", "[]"), Terms::PLAIN)
        .await
        .unwrap();
    let (paths,): (Vec<String>,) = serde_json::from_str(&reply.values).unwrap();
    paths
}

#[tokio::test]
async fn profiles_of_nmcli_go_through_update_unchanged() {
    let Some((host, bus)) = Host::start().await else {
        return;
    };
    for profile in [
        "type ethernet con-name plain ifname eth7",
        "type ethernet con-name static ifname eth8 ipv4.method manual ipv4.addresses 192.0.2.7/24,192.0.2.8/25 ipv4.gateway 192.0.2.1 ipv4.dns 192.0.2.53 ipv4.routes 198.51.100.0/24 ipv6.method manual ipv6.addresses 2001:db8::7/64 802-3-ethernet.cloned-mac-address 02:00:00:00:00:07 connection.permissions root",
        "type bridge con-name bridge ifname br7 bridge.stp no",
        "type bond con-name bond ifname bond7 bond.options mode=active-backup,miimon=100",
        "type vlan con-name vlan ifname vlan7 dev eth7 id 7",
        "type wifi con-name wifi ifname wlan7 ssid Büro 802-11-wireless-security.key-mgmt wpa-psk",
        "type wireguard con-name wireguard ifname wg7",
    ] {
        let words: Vec<&str> = ["connection", "add", "autoconnect", "no"]
            .into_iter()
            .chain(profile.split(' '))
            .collect();
        host.nmcli(&words).await;
    }
    let paths = profiles(&bus).await;
    assert_eq!(paths.len(), 7);
    let on = |path: &String, member: &str, signature: &str, arguments: &str| {
        method(NAME, path, CONNECTION, member, signature, arguments)
    };
    let read: Vec<_> = paths
        .iter()
        .map(|path| on(path, "GetSettings", "", "[]"))
        .collect();
    let before = bus.call_all(&plain(&read)).await;
    let write: Vec<_> = paths
        .iter()
        .zip(&before)
        .map(|(path, reply)| on(path, "Update", "a{sa{sv}}", &reply.as_ref().unwrap().values))
        .collect();
    for answer in bus.call_all(&plain(&write)).await {
        answer.unwrap();
    }
    let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    for (before, after) in before.iter().zip(bus.call_all(&plain(&read)).await) {
        let (before, after) = (before.as_ref().unwrap(), after.unwrap());
        assert_eq!(before.signature, "a{sa{sv}}");
        assert_eq!(value(&before.values), value(&after.values));
    }
}

#[tokio::test]
async fn five_hundred_profiles_are_added_and_read_and_a_wrong_one_says_why() {
    let Some((_host, bus)) = Host::start().await else {
        return;
    };
    let add = |number: usize| {
        let arguments = format!(
            r#"[{{"connection":{{"id":{{"type":"s","data":"p{number}"}},"type":{{"type":"s","data":"802-3-ethernet"}},"autoconnect":{{"type":"b","data":false}}}},"ipv4":{{"method":{{"type":"s","data":"auto"}}}}}}]"#
        );
        settings("AddConnectionUnsaved", "a{sa{sv}}", arguments)
    };
    let calls: Vec<_> = (0..500).map(add).collect();
    for answer in bus.call_all(&plain(&calls)).await {
        answer.unwrap();
    }
    let paths = profiles(&bus).await;
    let calls: Vec<_> = paths
        .iter()
        .map(|path| method(NAME, path, CONNECTION, "GetSettings", "", "[]"))
        .collect();
    let answers = bus.call_all(&plain(&calls)).await;
    let ids: std::collections::HashSet<String> = answers
        .into_iter()
        .map(|answer| {
            let value: Value = serde_json::from_str(&answer.unwrap().values).unwrap();
            value[0]["connection"]["id"]["data"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(ids.len(), 500);

    let wrong = settings(
        "AddConnection",
        "a{sa{sv}}",
        r#"[{"connection":{"id":{"type":"u","data":7}}}]"#,
    );
    let failure = bus.call(&wrong, Terms::PLAIN).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Refused);
    let backend = failure.backend.unwrap();
    assert!(
        backend
            .name
            .starts_with("org.freedesktop.NetworkManager.Settings"),
        "{backend:?}"
    );
    assert!(backend.text.is_some());
}

#[tokio::test]
async fn a_new_device_is_signalled_and_its_properties_are_read() {
    let Some((host, bus)) = Host::start().await else {
        return;
    };
    let mut added = bus
        .subscribe(SignalMatch {
            sender: NAME.into(),
            path: Some(PATH.into()),
            interface: Some(NAME.into()),
            member: Some("DeviceAdded".into()),
        })
        .await
        .unwrap();
    host.ip(&["link", "add", "v0", "type", "veth", "peer", "v1"])
        .await;
    let mut names = Vec::new();
    while names.len() < 2 {
        let signal = added.next(&NoSecrets).await.unwrap();
        assert_eq!(signal.signature, "o");
        let (path,): (String,) = serde_json::from_str(&signal.arguments).unwrap();
        let of = Property {
            destination: NAME.into(),
            path,
            interface: "org.freedesktop.NetworkManager.Device".into(),
            name: "Interface".into(),
        };
        let value: Value =
            serde_json::from_str(&bus.get_property(&of, Terms::PLAIN).await.unwrap()).unwrap();
        let name = value["data"].as_str().unwrap().to_owned();
        if name.starts_with('v') {
            names.push(name);
        }
    }
    names.sort();
    assert_eq!(names, ["v0", "v1"]);
}

#[tokio::test]
async fn network_manager_killed_in_mid_call_leaves_it_open_and_gone_afterwards() {
    let Some((mut host, bus)) = Host::start().await else {
        return;
    };
    // Stopped, so that the call is on its way for as long as we like.
    let pid = host.network_manager.id().unwrap().to_string();
    run(Command::new("kill").args(["-STOP", &pid])).await;
    let list = settings("ListConnections", "", "[]");
    let call = bus.call(&list, Terms::PLAIN);
    let kill = async {
        // The bus answers in order: it has taken the call by then.
        bus.has_owner(NAME).await.unwrap();
        host.network_manager.kill().await.unwrap();
    };
    let (answer, ()) = tokio::join!(call, kill);
    let failure = answer.unwrap_err();
    assert_eq!(failure.code, FailureCode::Timeout, "{failure:?}");
    assert_eq!(
        failure.backend.unwrap().name,
        "org.freedesktop.DBus.Error.NoReply"
    );
    let failure = bus.call(&list, Terms::PLAIN).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Unavailable, "{failure:?}");
}
