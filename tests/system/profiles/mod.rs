//! The plugin `networkmanager` on a real NetworkManager, each test with one of its own on a private bus.

mod activation;
mod by_hand;
mod deaths;
mod disturbed;
mod examples;
mod going_back;
mod hostile;
mod kinds;
mod kinds_wifi;
mod many;
mod secrets;

use serde_json::{Value, json};

use super::namespace::{Namespace, Run};
use super::network_manager::NetworkManager;

/// A namespace with these Ethernet links (one end of a pair each, the other end up), its NetworkManager, and op-dbus.
pub struct Host {
    pub namespace: Namespace,
    pub manager: NetworkManager,
}

impl Host {
    /// `None`, and loudly so, where NetworkManager is not installed; in CI that is a failure.
    pub fn start(links: &[&str]) -> Option<Self> {
        Self::start_denying(links, "")
    }

    /// The same on a bus with rules of a policy (dbus-daemon(1)).
    pub fn start_denying(links: &[&str], denied: &str) -> Option<Self> {
        let namespace = Namespace::new();
        for (at, link) in links.iter().enumerate() {
            let peer = format!("far{at}");
            namespace.ip(&["link", "add", link, "type", "veth", "peer", &peer]);
            namespace.ip(&["link", "set", &peer, "up"]);
        }
        let manager = NetworkManager::start_denying(&namespace, denied)?;
        Some(Self { namespace, manager })
    }

    /// Runs op-dbus on the namespace and the private bus.
    pub fn op_dbus(&self, arguments: &[&str]) -> Run {
        let address = self.manager.address();
        self.namespace
            .op_dbus(&[&["--dbus-address", &address], arguments].concat())
    }

    /// Runs a verb on a state file with this section.
    pub fn on(&self, verb: &str, section: &Value) -> Run {
        let state = json!({"version": 1, "plugins": {"networkmanager": section}});
        let file = self.namespace.file("state.json", state.to_string());
        self.op_dbus(&[verb, file.to_str().expect("a path in UTF-8")])
    }

    /// Runs a verb on a state file with these connections.
    pub fn connections(&self, verb: &str, connections: &Value) -> Run {
        self.on(verb, &json!({ "connections": connections }))
    }

    /// The section that `query` shows.
    pub fn query(&self) -> Value {
        let run = self.op_dbus(&["query", "--plugin", "networkmanager", "--json"]);
        let shown: Value = serde_json::from_str(&run.success().stdout).expect("JSON");
        shown["plugins"]["networkmanager"].clone()
    }

    /// The connection of this name in `query`.
    pub fn connection(&self, id: &str) -> Option<Value> {
        let section = self.query();
        let mut all = section["connections"].as_array().expect("a list").iter();
        all.find(|it| it["id"] == id).cloned()
    }

    /// A property of a profile, in nmcli's words.
    pub fn property(&self, profile: &str, property: &str) -> String {
        let arguments = ["--get-values", property, "connection", "show", profile];
        self.manager.nmcli(&arguments).trim().to_owned()
    }

    /// The names of the active profiles.
    pub fn active(&self) -> Vec<String> {
        let arguments = ["--get-values", "NAME", "connection", "show", "--active"];
        let shown = self.manager.nmcli(&arguments);
        let mut names: Vec<String> = shown
            .lines()
            .filter(|name| *name != "lo")
            .map(str::to_owned)
            .collect();
        names.sort();
        names
    }

    /// The IPv4 addresses of a link, with their prefix length.
    pub fn addresses(&self, link: &str) -> Vec<String> {
        let shown = self
            .namespace
            .try_ip(&["-json", "-4", "address", "show", "dev", link]);
        let links: Vec<Value> = serde_json::from_str(&shown.stdout).unwrap_or_default();
        let addresses = links
            .iter()
            .flat_map(|it| it["addr_info"].as_array().into_iter().flatten());
        addresses
            .map(|it| {
                format!(
                    "{}/{}",
                    it["local"].as_str().unwrap_or_default(),
                    it["prefixlen"]
                )
            })
            .collect()
    }
}

/// An Ethernet profile with one address.
pub fn wired(id: &str, link: &str, address: &str) -> Value {
    json!({
        "id": id, "type": "ethernet", "interface": link, "autoconnect": true,
        "ipv4": {"method": "manual", "addresses": [{"address": address, "prefix": 24}]},
        "ipv6": {"method": "disabled"}
    })
}
