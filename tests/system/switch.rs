//! Open vSwitch in a test's own namespace: a private ovsdb-server, and an ovs-vswitchd whose bridges switch in user space.

use std::ffi::OsStr;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::namespace::{Namespace, Run, assert_same};
use crate::server::Server;

/// A namespace with Open vSwitch in it.
pub struct Switch {
    // Dropped before its namespace.
    pub server: Server,
    pub namespace: Namespace,
}

impl Switch {
    /// `None`, and loudly so, where Open vSwitch is not installed.
    pub fn start() -> Option<Self> {
        let mut server = Server::start()?;
        let namespace = Namespace::new();
        server.start_switch_in(namespace.name());
        Some(Self { server, namespace })
    }

    /// A pair of virtual cards, both up: the first is the machine's, the second the far end.
    pub fn card(&self, name: &str) {
        let far = format!("{name}-far");
        self.namespace
            .ip(&["link", "add", name, "type", "veth", "peer", "name", &far]);
        self.namespace.ip(&["link", "set", name, "up"]);
        self.namespace.ip(&["link", "set", &far, "up"]);
    }

    pub fn op_dbus<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Run {
        let remote = self.server.remote().to_string();
        let mut all = vec!["--ovsdb".into(), remote.into()];
        all.extend(
            arguments
                .iter()
                .map(|argument| argument.as_ref().to_owned()),
        );
        self.namespace.op_dbus(&all)
    }

    pub fn file(&self, section: &Value) -> PathBuf {
        let state = json!({"version": 1, "plugins": {"net": section}});
        self.namespace.file("state.json", state.to_string())
    }

    pub fn run(&self, verb: &str, section: &Value) -> Run {
        let file = self.file(section);
        self.op_dbus(&[verb.as_ref(), file.as_os_str()])
    }

    /// Applies a section; afterwards the system is as it says.
    #[track_caller]
    pub fn apply(&self, section: &Value) {
        self.run("apply", section).success();
        self.run("verify", section).success();
        self.run("diff", section).success();
    }

    /// What the database says of bridges and ports, without what ovs-vswitchd notes of itself.
    pub fn database(&self) -> Vec<String> {
        let list = |table: &str, columns: &str| {
            let text = self.server.vsctl(&[
                "-f",
                "csv",
                "--no-headings",
                &format!("--columns={columns}"),
                "list",
                table,
            ]);
            text.lines()
                .map(|line| format!("{table} {line}"))
                .collect::<Vec<_>>()
        };
        let mut all = list(
            "Bridge",
            "name,fail_mode,stp_enable,rstp_enable,datapath_type,protocols,other_config,external_ids",
        );
        all.extend(list(
            "Port",
            "name,tag,trunks,vlan_mode,bond_mode,lacp,other_config,external_ids",
        ));
        all.extend(list("Interface", "name,type,options,mtu_request,mac"));
        all.sort();
        all
    }

    pub fn get(&self, table: &str, record: &str, column: &str) -> String {
        let text = self.server.vsctl(&["get", table, record, column]);
        text.trim().trim_matches('"').to_owned()
    }

    pub fn addresses(&self, link: &str) -> Vec<String> {
        let shown = self
            .namespace
            .ip_json(&["-4", "address", "show", "dev", link]);
        let list = shown[0]["addr_info"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        list.iter()
            .filter_map(|it| it["local"].as_str().map(str::to_owned))
            .collect()
    }
}

/// A bridge that switches in user space: the local kernel may have no datapath.
pub fn bridge(name: &str, ports: Value) -> Value {
    json!({"name": name, "type": "ovs-bridge", "ovs-bridge": {"datapath_type": "netdev"}, "ports": ports})
}

#[test]
fn the_bridges_of_a_server_come_up_and_the_second_apply_has_nothing_to_do() {
    let Some(switch) = Switch::start() else {
        return;
    };
    switch.card("eth0");
    switch.card("nm-network");
    let section = json!({"interfaces": [bridge("vmbr0", json!(["eth0"])), bridge("mesh", json!(["nm-network"]))]});
    switch.run("diff", &section).code(2);
    switch.apply(&section);
    assert_eq!(switch.server.vsctl(&["list-ports", "vmbr0"]).trim(), "eth0");
    assert_eq!(
        switch.server.vsctl(&["list-ports", "mesh"]).trim(),
        "nm-network"
    );
    assert!(switch.namespace.link("vmbr0").is_some());
    let again = switch.run("apply", &section).success();
    assert!(again.stdout.contains("sync"), "{}", again.stdout);
}

#[test]
fn what_is_shown_is_a_state_file_that_changes_nothing() {
    let Some(switch) = Switch::start() else {
        return;
    };
    for name in ["eth0", "eth1", "eth2"] {
        switch.card(name);
    }
    let mut vmbr0 = bridge(
        "vmbr0",
        json!([
            {"name": "eth0", "vlans": {"trunk": [10, "20-22"], "native": 1}},
            {"name": "mgmt0", "type": "internal", "vlans": {"access": 10}},
            {"name": "vx0", "type": "vxlan", "remote": "198.51.100.7", "key": "42"},
            {"name": "bond0", "bond": {"mode": "balance-slb", "ports": ["eth1", "eth2"]}},
        ]),
    );
    vmbr0["mtu"] = json!(1400);
    vmbr0["mac"] = json!("02:00:00:00:00:01");
    vmbr0["ipv4"] = json!({"addresses": [{"address": "192.0.2.2", "prefix": 24}]});
    let mgmt0 = json!({"name": "mgmt0", "mtu": 1300, "mac": "02:00:00:00:00:02"});
    switch.apply(&json!({"interfaces": [vmbr0, mgmt0], "ovs-db": {"external_ids": {"rack": "7"}}}));
    let shown = switch.op_dbus(&["query", "--json"]).success().stdout;
    for key in [
        "ofport",
        "link_state",
        "mtu_request",
        "mac_request",
        "members",
    ] {
        assert!(shown.contains(key), "{key} is shown: {shown}");
    }
    let file = switch.namespace.file("shown.json", &shown);
    for verb in ["diff", "verify", "apply"] {
        switch.op_dbus(&[verb.as_ref(), file.as_os_str()]).success();
    }
}

#[test]
fn an_address_moves_to_the_bridge_and_stays_where_it_was_when_the_apply_fails() {
    let Some(switch) = Switch::start() else {
        return;
    };
    switch.card("eth0");
    switch
        .namespace
        .ip(&["address", "add", "192.0.2.2/24", "dev", "eth0"]);
    switch.namespace.ip(&[
        "route",
        "add",
        "default",
        "via",
        "192.0.2.254",
        "proto",
        "static",
    ]);
    let moved = |ports: Value| {
        let mut vmbr0 = bridge("vmbr0", ports);
        vmbr0["ipv4"] = json!({"method": "manual", "addresses": [{"address": "192.0.2.2", "prefix": 24}], "gateway": "192.0.2.254"});
        json!({"interfaces": [vmbr0, {"name": "eth0", "ipv4": {"addresses": []}}]})
    };
    let before = (switch.namespace.everything(), switch.database());
    let failed = switch
        .run("apply", &moved(json!(["eth0", "missing0"])))
        .code(3);
    assert!(
        format!("{}{}", failed.stdout, failed.stderr)
            .contains("could not open network device missing0"),
        "{}{}",
        failed.stdout,
        failed.stderr
    );
    assert_same(&switch.namespace.everything(), &before.0);
    assert_eq!(switch.database(), before.1);

    switch.apply(&moved(json!(["eth0"])));
    assert_eq!(switch.addresses("vmbr0"), ["192.0.2.2"]);
    assert_eq!(switch.addresses("eth0"), Vec::<String>::new());
    let routes = switch.namespace.ip_json(&["route", "show", "default"]);
    assert_eq!(routes[0]["dev"], "vmbr0");

    switch.op_dbus(&["rollback"]).success();
    assert_eq!(switch.addresses("eth0"), ["192.0.2.2"]);
    assert_eq!(switch.database(), before.1);
    let routes = switch.namespace.ip_json(&["route", "show", "default"]);
    assert_eq!(routes[0]["dev"], "eth0");
}

#[test]
fn every_kind_of_port_is_what_ovs_vsctl_shows() {
    let Some(switch) = Switch::start() else {
        return;
    };
    for name in ["eth0", "eth1", "eth2"] {
        switch.card(name);
    }
    let before = switch.database();
    let mut vmbr0 = bridge(
        "vmbr0",
        json!([
            {"name": "eth0", "vlans": {"trunk": [10, "20-22"], "native": 1}},
            {"name": "mgmt0", "type": "internal", "vlans": {"access": 10}},
            {"name": "vx0", "type": "vxlan", "remote": "198.51.100.7", "key": "42"},
            {"name": "gn0", "type": "geneve", "remote": "198.51.100.8", "key": "flow"},
            {"name": "gr0", "type": "gre", "remote": "198.51.100.9"},
            {"name": "pa", "type": "patch", "peer": "pb"},
            {"name": "bond0", "bond": {"mode": "balance-slb", "lacp": "active", "lacp_rate": "fast", "ports": ["eth1", "eth2"]}}
        ]),
    );
    vmbr0["mac"] = json!("02:00:00:00:00:01");
    vmbr0["ovs-bridge"]["fail_mode"] = json!("secure");
    let section = json!({
        "interfaces": [vmbr0, bridge("vmbr1", json!([{"name": "pb", "type": "patch", "peer": "pa"}])),
            {"name": "mgmt0", "mtu": 1400, "ipv4": {"method": "manual", "addresses": [{"address": "192.0.2.10", "prefix": 24}]}}],
        "ovs-db": {"external_ids": {"rack": "7"}}
    });
    switch.apply(&section);
    assert_eq!(switch.get("Port", "eth0", "vlan_mode"), "native-untagged");
    assert_eq!(switch.get("Port", "eth0", "trunks"), "[10, 20, 21, 22]");
    assert_eq!(switch.get("Port", "mgmt0", "tag"), "10");
    assert_eq!(
        switch.get("Interface", "vx0", "options:remote_ip"),
        "198.51.100.7"
    );
    assert_eq!(switch.get("Interface", "gn0", "options:key"), "flow");
    assert_eq!(
        switch.get("Port", "bond0", "other_config:lacp-time"),
        "fast"
    );
    assert_eq!(switch.get("Open_vSwitch", ".", "external_ids:rack"), "7");
    let link = switch
        .namespace
        .link("vmbr0")
        .expect("ovs-vswitchd made it");
    assert_eq!(link["address"], "02:00:00:00:00:01");
    assert_eq!(switch.namespace.link("mgmt0").unwrap()["mtu"], 1400);
    assert_eq!(switch.addresses("mgmt0"), ["192.0.2.10"]);

    let shown = switch
        .op_dbus(&["query", "--json", "--interface", "bond0"])
        .success()
        .json();
    assert!(shown.to_string().contains("\"members\""), "{shown}");

    switch.op_dbus(&["rollback"]).success();
    assert_eq!(switch.database(), before);
    assert!(switch.namespace.link("vmbr0").is_none());
}

#[test]
fn ports_and_keys_of_others_are_kept() {
    let Some(switch) = Switch::start() else {
        return;
    };
    switch.card("eth0");
    switch.card("tap100");
    switch.server.vsctl(&[
        "add-br",
        "vmbr0",
        "--",
        "set",
        "Bridge",
        "vmbr0",
        "datapath_type=netdev",
        "external_ids:site=a",
        "--",
        "add-port",
        "vmbr0",
        "tap100",
    ]);
    switch.apply(
        &json!({"interfaces": [{"name": "vmbr0", "type": "ovs-bridge",
        "ovs-bridge": {"external_ids": {"rack": "7"}}, "ports": ["eth0"]}]}),
    );
    assert_eq!(
        switch.server.vsctl(&["list-ports", "vmbr0"]),
        "eth0\ntap100\n"
    );
    switch.apply(&json!({"interfaces": [{"name": "vmbr0", "type": "ovs-bridge", "ports": []}]}));
    assert_eq!(switch.server.vsctl(&["list-ports", "vmbr0"]), "tap100\n");
    assert_eq!(
        switch.get("Bridge", "vmbr0", "external_ids"),
        "{rack=\"7\", site=a}"
    );
    let refused = switch
        .run(
            "apply",
            &json!({"interfaces": [{"name": "vmbr0", "state": "absent"}]}),
        )
        .code(1);
    assert!(refused.stderr.contains("tap100"), "{}", refused.stderr);
}

#[test]
fn a_bridge_of_the_kernel_becomes_one_of_open_vswitch_with_its_addresses() {
    let Some(switch) = Switch::start() else {
        return;
    };
    switch.card("eth0");
    switch.apply(
        &json!({"interfaces": [{"name": "vmbr0", "type": "bridge", "ports": ["eth0"],
        "ipv4": {"method": "manual", "addresses": [{"address": "192.0.2.2", "prefix": 24}]}}]}),
    );
    switch.apply(&json!({"interfaces": [bridge("vmbr0", json!(["eth0"]))]}));
    assert_eq!(switch.addresses("vmbr0"), ["192.0.2.2"]);
    assert_eq!(switch.server.vsctl(&["list-ports", "vmbr0"]), "eth0\n");
}

#[test]
fn without_ovs_vswitchd_the_apply_is_rolled_back() {
    let Some(mut server) = Server::start() else {
        return;
    };
    let namespace = Namespace::new();
    server.start_switch_in(namespace.name());
    server.kill_switch();
    let switch = Switch { server, namespace };
    let before = switch.database();
    switch
        .run(
            "apply",
            &json!({"interfaces": [bridge("vmbr0", json!([]))]}),
        )
        .code(3);
    assert_eq!(switch.database(), before);
}

#[test]
fn without_open_vswitch_all_else_works_and_a_bridge_is_refused_with_the_reason() {
    let namespace = Namespace::new();
    let nowhere = format!("unix:{}", namespace.directory().join("db.sock").display());
    let file = |interface: Value| {
        let state = json!({"version": 1, "plugins": {"net": {"interfaces": [interface]}}});
        namespace.file("state.json", state.to_string())
    };
    let run = |verb: &str, file: &PathBuf| {
        namespace.op_dbus(&[
            "--ovsdb".as_ref(),
            OsStr::new(&nowhere),
            verb.as_ref(),
            file.as_os_str(),
        ])
    };
    let veth = file(json!({"name": "eth0", "type": "veth", "veth": {"peer": "eth1"}}));
    run("apply", &veth).success();
    namespace.op_dbus(&["--ovsdb", &nowhere, "query"]).success();
    let bridge = file(bridge("vmbr0", json!(["eth0"])));
    let refused = run("diff", &bridge).code(1);
    assert!(
        refused.stderr.contains("openvswitch-switch"),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_server_whose_schema_lacks_a_column_is_shown_changed_verified_and_brought_back() {
    let without = |schema: &mut Value| {
        let columns = schema["tables"]["Bridge"]["columns"].as_object_mut();
        let removed = columns.and_then(|columns| columns.remove("mcast_snooping_enable"));
        assert!(removed.is_some(), "the schema has the column");
    };
    let Some(mut server) = Server::start_with_schema(without) else {
        return;
    };
    let namespace = Namespace::new();
    server.start_switch_in(namespace.name());
    let switch = Switch { server, namespace };
    switch.card("eth0");
    let old = ["add-br", "old0", "--", "set", "Bridge", "old0"];
    switch
        .server
        .vsctl(&[&old[..], &["datapath_type=netdev"]].concat());
    let before = switch.database();
    let shown = switch.op_dbus(&["query", "--json"]).success().json();
    let of = |name: &str| {
        let list = shown["plugins"]["net"]["interfaces"].as_array();
        let mut list = list.into_iter().flatten();
        list.find(|it| it["name"] == name).cloned()
    };
    let bridge_shown = of("old0").unwrap_or_else(|| panic!("old0 is shown: {shown}"));
    assert_eq!(bridge_shown["ovs-bridge"]["stp"], false, "{bridge_shown}");
    let section = json!({"interfaces": [bridge("vmbr0", json!(["eth0"])),
        {"name": "old0", "ovs-bridge": {"fail_mode": "secure"}}]});
    switch.run("diff", &section).code(2);
    switch.apply(&section);
    assert_eq!(switch.server.vsctl(&["list-ports", "vmbr0"]), "eth0\n");
    switch.op_dbus(&["rollback"]).success();
    assert_eq!(switch.database(), before);

    let snooping =
        json!({"interfaces": [{"name": "old0", "ovs-bridge": {"mcast_snooping": true}}]});
    let refused = switch.run("apply", &snooping).code(3);
    assert!(
        refused.stderr.contains("mcast_snooping_enable"),
        "{}",
        refused.stderr
    );
    assert_eq!(switch.database(), before);
}

#[test]
fn bonds_spanning_trees_snooping_and_controllers_are_set_on_the_daemon() {
    let Some(switch) = Switch::start() else {
        return;
    };
    for name in ["eth0", "eth1", "eth2", "eth3"] {
        switch.card(name);
    }
    let before = switch.database();
    let mut vmbr0 = bridge(
        "vmbr0",
        json!([
            {"name": "bond0", "bond": {"mode": "balance-tcp", "lacp": "active", "ports": ["eth0", "eth1"]}},
            {"name": "bond1", "bond": {"mode": "active-backup", "primary": "eth3", "ports": ["eth2", "eth3"]}}
        ]),
    );
    vmbr0["ovs-bridge"]["stp"] = json!(true);
    vmbr0["ovs-bridge"]["mcast_snooping"] = json!(true);
    vmbr0["ovs-bridge"]["controllers"] = json!(["tcp:127.0.0.1:6653", "ptcp:6654:127.0.0.1"]);
    let mut vmbr1 = bridge("vmbr1", json!([]));
    vmbr1["ovs-bridge"]["rstp"] = json!(true);
    switch.apply(&json!({"interfaces": [vmbr0, vmbr1]}));
    for (record, column, wanted) in [
        ("bond0", "bond_mode", "balance-tcp"),
        ("bond0", "lacp", "active"),
        ("bond1", "bond_mode", "active-backup"),
        ("bond1", "other_config:bond-primary", "eth3"),
    ] {
        assert_eq!(
            switch.get("Port", record, column),
            wanted,
            "{record} {column}"
        );
    }
    for (record, column) in [
        ("vmbr0", "stp_enable"),
        ("vmbr0", "mcast_snooping_enable"),
        ("vmbr1", "rstp_enable"),
    ] {
        assert_eq!(
            switch.get("Bridge", record, column),
            "true",
            "{record} {column}"
        );
    }
    // What only the running daemon knows.
    assert!(switch.get("Bridge", "vmbr0", "status").contains("stp_"));
    assert!(
        switch
            .get("Bridge", "vmbr1", "rstp_status")
            .contains("rstp_")
    );
    assert_eq!(
        switch.server.vsctl(&["get-controller", "vmbr0"]),
        "ptcp:6654:127.0.0.1\ntcp:127.0.0.1:6653\n"
    );
    switch.op_dbus(&["rollback"]).success();
    assert_eq!(switch.database(), before);
    assert_eq!(switch.server.vsctl(&["list", "Controller"]), "");
}

#[test]
fn mirrors_and_queues_that_others_made_survive_an_apply_and_a_rollback() {
    let Some(switch) = Switch::start() else {
        return;
    };
    for name in ["eth0", "eth1"] {
        switch.card(name);
    }
    switch.apply(&json!({"interfaces": [bridge("vmbr0", json!(["eth0"]))]}));
    let mirror = "-- --id=@p get Port eth0 -- --id=@m create Mirror name=m0 select-all=true output-port=@p \
                  -- add Bridge vmbr0 mirrors @m -- --id=@q create QoS type=linux-noop queues=0=@q0 \
                  -- --id=@q0 create Queue other-config:max-rate=1000000 -- set Port eth0 qos=@q";
    let mirror: Vec<&str> = mirror.split_whitespace().collect();
    switch.server.vsctl(&mirror);
    let foreign = || {
        [
            switch.get("Bridge", "vmbr0", "mirrors"),
            switch.get("Mirror", "m0", "output_port"),
            switch.get("Port", "eth0", "_uuid"),
            switch.get("Port", "eth0", "qos"),
            switch
                .server
                .vsctl(&["--columns=_uuid,queues", "list", "QoS"]),
        ]
    };
    let before = foreign();
    assert_eq!(before[1], before[2], "{before:?}");
    let mut changed = bridge(
        "vmbr0",
        json!([{"name": "eth0", "vlans": {"access": 10}}, "eth1"]),
    );
    changed["ovs-bridge"]["fail_mode"] = json!("secure");
    switch.apply(&json!({"interfaces": [changed]}));
    assert_eq!(foreign(), before);
    switch.op_dbus(&["rollback"]).success();
    assert_eq!(foreign(), before);
    // A port that goes takes them along, and comes back with them.
    switch.apply(&json!({"interfaces": [{"name": "eth0", "controller": null}]}));
    assert_eq!(switch.get("Mirror", "m0", "output_port"), "[]");
    switch.op_dbus(&["rollback"]).success();
    assert_eq!(foreign(), before);
}
