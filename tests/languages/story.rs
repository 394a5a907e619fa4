//! What a plugin does, step by step, in words that can be compared with those of another.

use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::namespace::{CONFIGURATION, Namespace};

/// A plugin at work in a network namespace.
pub struct Story {
    pub namespace: Namespace,
    plugin: String,
    /// Options before each verb.
    options: Vec<String>,
    told: Vec<String>,
}

impl Story {
    /// Begins one: the component is pinned and granted what `grant` says, a part of its table in the configuration.
    pub fn of(component: &Path, plugin: &str, grant: &str) -> Self {
        let namespace = Namespace::new();
        let bytes = std::fs::read(component).expect("the component was built");
        let digest: String = Sha256::digest(bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let table = format!(
            "[plugins.{plugin}]\ncomponent = {component:?}\ndigest = \"sha256:{digest}\"\n{grant}\n"
        );
        namespace.file(CONFIGURATION, table);
        Self {
            namespace,
            plugin: plugin.to_owned(),
            options: Vec::new(),
            told: Vec::new(),
        }
    }

    /// Lets it speak with services on this bus.
    pub fn on_bus(mut self, address: &str) -> Self {
        self.options = vec!["--dbus-address".into(), address.into()];
        self
    }

    /// Lets it speak with this OVSDB server.
    pub fn on_switch(mut self, remote: &str) -> Self {
        self.options = vec!["--ovsdb".into(), remote.into()];
        self
    }

    /// Writes down something that was seen.
    pub fn tell(&mut self, what: impl Into<String>) {
        self.told.push(what.into());
    }

    /// Everything that was told.
    pub fn end(self) -> Vec<String> {
        self.told
    }

    /// Runs `op-dbus` and tells how it ended, and what it said where that is about the plugin alone.
    pub fn op_dbus(&mut self, arguments: &[&str], code: i32) -> &mut Self {
        let options = self.options.iter().map(String::as_str);
        let all: Vec<&str> = options.chain(arguments.iter().copied()).collect();
        let run = self.namespace.op_dbus(&all).code(code);
        let said = match arguments[0] {
            // Names of transactions, and times, are of no plugin's making.
            "apply" | "rollback" => String::new(),
            _ => run.stdout + &run.stderr,
        };
        let directory = self.namespace.directory().display().to_string();
        self.tell(
            format!("op-dbus {}: {code}\n{said}", arguments.join(" ")).replace(&directory, "."),
        );
        self
    }

    /// Writes a state file with a section of the plugin, and returns its path.
    pub fn section(&self, name: &str, section: &Value) -> String {
        let state = json!({"version": 1, "plugins": {&self.plugin: section}});
        let path = self
            .namespace
            .file(&format!("{name}.json"), state.to_string());
        path.display().to_string()
    }

    /// What the plugin sees.
    pub fn query(&mut self) -> &mut Self {
        let plugin = self.plugin.clone();
        self.op_dbus(&["query", "--plugin", &plugin, "--json"], 0)
    }
}

/// The story of a plugin that keeps static neighbours.
pub fn neighbours(component: &Path) -> Vec<String> {
    let grant =
        "grant.netlink = {see = [\"eth*\"], change = [\"eth0\"], networks = [\"192.0.2.0/24\"]}";
    let mut story = Story::of(component, "static-neighbours", grant);
    story
        .namespace
        .ip(&["link", "add", "eth0", "type", "veth", "peer", "eth1"]);
    for words in [
        "192.0.2.8 lladdr 02:00:5e:00:53:08 dev eth0 nud permanent",
        "192.0.2.10 lladdr 02:00:5e:00:53:10 dev eth1 nud permanent",
        "2001:db8::8 lladdr 02:00:5e:00:53:08 dev eth0 nud permanent",
        "192.0.2.11 lladdr 02:00:5e:00:53:11 dev eth0 nud stale",
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        story
            .namespace
            .ip(&[&["neighbour", "add"], &words[..]].concat());
    }
    let see = |story: &mut Story| {
        let table = story
            .namespace
            .ip(&["neighbour", "show", "nud", "permanent"]);
        let mut lines: Vec<&str> = table.lines().map(str::trim_end).collect();
        lines.sort_unstable();
        story.tell(lines.join("\n"));
    };
    see(&mut story);
    story.query();
    let first = story.section(
        "first",
        &json!({"links": {"eth0": {"192.0.2.7": "02:00:5e:00:53:07", "192.0.2.8": null, "192.0.2.9": null}}}),
    );
    story
        .op_dbus(&["diff", &first, "--json"], 2)
        .op_dbus(&["verify", &first, "--json"], 2);
    story
        .op_dbus(&["apply", &first], 0)
        .op_dbus(&["diff", &first, "--json"], 0);
    see(&mut story);
    story.query().op_dbus(&["apply", &first], 0);
    // Another address for one, and a change outside of the grant: all of it is taken back.
    let denied = story.section(
        "denied",
        &json!({"links": {"eth0": {"192.0.2.7": "02:00:5e:00:53:77"}, "eth1": {"192.0.2.10": null}}}),
    );
    story
        .op_dbus(&["diff", &denied, "--json"], 2)
        .op_dbus(&["apply", &denied], 3);
    see(&mut story);
    let nowhere = story.section(
        "nowhere",
        &json!({"links": {"eth7": {"192.0.2.7": "02:00:5e:00:53:77"}}}),
    );
    story.op_dbus(&["apply", &nowhere], 3);
    let wrong = story.section(
        "wrong",
        &json!({"links": {"eth0": {"192.0.2.9": "01:00:5e:00:53:09", "224.0.0.1": null, "127.0.0.1": null}}}),
    );
    story
        .op_dbus(&["apply", &wrong], 1)
        .op_dbus(&["diff", &wrong], 1);
    story.op_dbus(&["rollback"], 0);
    see(&mut story);
    story.end()
}
