//! The worked examples in `sdk/examples/`.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::bus::{Bus, REFUSED};
use crate::namespace::{Run, assert_same, cache};
use crate::project::run_in;
use crate::readme::commands;
use crate::server::Server;
use crate::story::Story;
use crate::{assert_same_story, twins};

/// The story of a plugin that sets the machine's names.
fn hostname(component: &Path) -> Vec<String> {
    let bus = Bus::start();
    let asks = include_str!("../../sdk/examples/hostname/python/asks.json");
    let asks: Value = serde_json::from_str(asks).expect("a grant");
    let grant = format!("grant = {}", inline(&asks));
    let mut story = Story::of(component, "hostname", &grant).on_bus(&bus.address());
    story.query();
    let named = story.section(
        "named",
        &json!({"hostname": "web1", "timezone": "Europe/Berlin"}),
    );
    story
        .op_dbus(&["diff", &named, "--json"], 2)
        .op_dbus(&["verify", &named, "--json"], 2);
    story
        .op_dbus(&["apply", &named], 0)
        .op_dbus(&["verify", &named, "--json"], 0);
    story.tell(bus.kept());
    story.query();
    // The service refuses one of two: both are as they were.
    let refused = story.section(
        "refused",
        &json!({"hostname": REFUSED, "pretty_hostname": "Größe \"1\""}),
    );
    story
        .op_dbus(&["diff", &refused, "--json"], 2)
        .op_dbus(&["apply", &refused], 3);
    story.tell(bus.kept());
    let wrong = story.section("wrong", &json!({"hostname": "Not A Name"}));
    story.op_dbus(&["diff", &wrong], 1);
    story.op_dbus(&["rollback"], 0);
    story.tell(bus.kept());
    story.end()
}

/// A value in TOML's own notation, which differs from JSON's in objects alone.
fn inline(value: &Value) -> String {
    match value {
        Value::Object(entries) => {
            let entries: Vec<_> = entries
                .iter()
                .map(|(key, value)| format!("{key} = {}", inline(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

#[test]
#[ignore = "needs op-dbus-sdk: `cargo xtask languages`"]
fn the_machine_gets_its_name_over_the_bus_and_its_old_one_back() {
    let component = twins::build("hostname");
    keeps_the_laws(&component, "hostname", &NAMES);
    let story = hostname(&component);
    let kept: Vec<&String> = story.iter().filter(|line| line.starts_with('{')).collect();
    assert!(
        kept[0].contains("\"web1\"") && kept[0].contains("\"Europe/Berlin\""),
        "{kept:?}"
    );
    assert_eq!(kept[1], kept[0], "one of two was refused");
    assert!(
        kept[2].contains("\"before\"") && kept[2].contains("\"UTC\""),
        "{kept:?}"
    );
}

#[test]
#[ignore = "needs componentize-py: `cargo xtask languages python`"]
fn the_example_in_python_does_what_its_twin_does() {
    let out = tempfile::tempdir().expect("a directory");
    let component = out.path().join("hostname.wasm");
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk/examples/hostname/python");
    run_in(
        &place,
        &as_documented("hostname", "hostname.wasm", &component),
    );
    keeps_the_laws(&component, "hostname", &NAMES);
    assert_same_story(&hostname(&component), &hostname(&twins::build("hostname")));
}

/// The story of a plugin that mirrors ports.
fn mirrors(component: &Path) -> Option<Vec<String>> {
    let mut server = Server::start()?;
    let asks: Value =
        serde_json::from_str(include_str!("../../sdk/examples/ovs-mirrors/asks.json"))
            .expect("a grant");
    let mut story = Story::of(
        component,
        "ovs-mirrors",
        &format!("grant = {}", inline(&asks)),
    );
    server.start_switch_in(story.namespace.name());
    story = story.on_switch(&server.remote().to_string());
    server.vsctl(&[
        "add-br",
        "br0",
        "--",
        "set",
        "Bridge",
        "br0",
        "datapath_type=netdev",
    ]);
    for port in ["p0", "p1", "p2"] {
        server.vsctl(&[
            "add-port",
            "br0",
            port,
            "--",
            "set",
            "Interface",
            port,
            "type=internal",
        ]);
    }
    server.vsctl(&[
        "--",
        "--id=@m",
        "create",
        "Mirror",
        "name=old",
        "select_all=true",
        "--",
        "set",
        "Bridge",
        "br0",
        "mirrors=@m",
    ]);
    let columns = "--columns=name,select_all,select_src_port,select_dst_port,output_port";
    let see = |story: &mut Story, server: &Server| {
        let mut table = server.vsctl(&["--bare", columns, "list", "Mirror"]);
        // Rows and UUIDs as names, so that two servers can be compared.
        for port in ["p0", "p1", "p2"] {
            let id = server.vsctl(&["get", "Port", port, "_uuid"]);
            table = table.replace(id.trim(), port);
        }
        let mut rows: Vec<&str> = table.split("\n\n").map(str::trim).collect();
        rows.sort_unstable();
        story.tell(format!("mirrors\n{}", rows.join("\n\n")));
    };
    see(&mut story, &server);
    story.op_dbus(&["schema", "ovs-mirrors"], 0).query();
    let span = story.section(
        "span",
        &json!({"bridges": {"br0": {"old": null, "span": {"output_port": "p2", "select_src_port": ["p1", "p0"]}}}}),
    );
    story
        .op_dbus(&["diff", &span, "--json"], 2)
        .op_dbus(&["verify", &span, "--json"], 2);
    story
        .op_dbus(&["apply", &span], 0)
        .op_dbus(&["diff", &span, "--json"], 0)
        .query();
    see(&mut story, &server);
    let other = story.section(
        "other",
        &json!({"bridges": {"br0": {"span": {"output_port": "p1", "select_all": true}}}}),
    );
    story
        .op_dbus(&["diff", &other, "--json"], 2)
        .op_dbus(&["apply", &other], 0);
    see(&mut story, &server);
    let nowhere = story.section(
        "nowhere",
        &json!({"bridges": {"br0": {"x": {"output_port": "p9", "select_all": true}}}}),
    );
    story.op_dbus(&["apply", &nowhere], 3);
    let wrong = story.section("wrong", &json!({"bridges": {"br0": {"a": {}, "b": {"output_port": "p1", "select_src_port": ["p1"]}}}}));
    story.op_dbus(&["diff", &wrong], 1);
    story.op_dbus(&["rollback"], 0).op_dbus(&["rollback"], 0);
    see(&mut story, &server);
    // Before the namespace that it is in.
    drop(server);
    Some(story.end())
}

#[test]
#[ignore = "needs op-dbus-sdk: `cargo xtask languages`"]
fn ports_are_mirrored_and_the_mirrors_of_before_come_back() {
    let component = twins::build("ovs-mirrors");
    keeps_the_laws(&component, "ovs-mirrors", &[]);
    let Some(story) = mirrors(&component) else {
        return;
    };
    let seen: Vec<&String> = story
        .iter()
        .filter(|line| line.starts_with("mirrors"))
        .collect();
    assert!(
        seen[1].contains("span") && !seen[1].contains("old"),
        "{seen:#?}"
    );
    assert_eq!(seen[0], seen[3], "two rollbacks");
}

#[test]
#[ignore = "needs jco: `cargo xtask languages javascript`"]
fn the_example_in_javascript_does_what_its_twin_does() {
    let out = tempfile::tempdir().expect("a directory");
    let component = out.path().join("ovs-mirrors.wasm");
    let place =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk/examples/ovs-mirrors/javascript");
    run_in(
        &place,
        &as_documented("ovs-mirrors", "ovs-mirrors.wasm", &component),
    );
    keeps_the_laws(&component, "ovs-mirrors", &[]);
    assert_same_story(
        &mirrors(&component).unwrap_or_default(),
        &mirrors(&twins::build("ovs-mirrors")).unwrap_or_default(),
    );
}

/// Holds a component against the contract's laws, on a simulated host: all of them are tried, and hold.
fn keeps_the_laws(component: &Path, example: &str, options: &[&str]) {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk/examples");
    let mut test = Command::new(env!("CARGO_BIN_EXE_op-dbus"));
    test.current_dir(examples.join(example));
    test.arg("--cache-dir").arg(cache());
    test.args(["plugin", "test", "--json"]).arg(component);
    let run = Run::of(test.args(["--state", "example.yaml"]).args(options));
    let report: Value = serde_json::from_str(&run.stdout).expect("a report");
    let laws = report["laws"].as_array().expect("laws");
    assert!(laws.len() > 15, "{report:#}");
    let others: Vec<&Value> = laws.iter().filter(|it| it["result"] != "held").collect();
    assert!(others.is_empty(), "{others:#?}");
    run.success();
}

/// What the services of the example `hostname` look like.
const NAMES: [&str; 2] = ["--bus", "bus.json"];

/// The state file that an example's README shows is the one that it is tried with.
#[test]
fn the_state_files_of_the_examples_are_those_of_their_readmes() {
    for (readme, file) in [
        (
            include_str!("../../sdk/examples/ovs-mirrors/README.md"),
            include_str!("../../sdk/examples/ovs-mirrors/example.yaml"),
        ),
        (
            include_str!("../../sdk/examples/ipam-check/README.md"),
            include_str!("../../sdk/examples/ipam-check/example.yaml"),
        ),
    ] {
        let (_, rest) = readme.split_once("```yaml\n").expect("a state file");
        let (shown, _) = rest.split_once("```").expect("its end");
        assert_eq!(shown, file);
    }
}

/// The command of an example's README, with another place for what it makes.
fn as_documented(example: &str, made: &str, component: &Path) -> String {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../sdk/examples")
        .join(example)
        .join("README.md");
    let readme = std::fs::read_to_string(readme).expect("a README");
    let commands = commands(&readme);
    let command = commands.first().expect("a command");
    assert!(command.ends_with(made), "{command}");
    command.replace(made, &format!("'{}'", component.display()))
}

#[test]
#[ignore = "needs op-dbus-sdk: `cargo xtask languages`"]
fn an_address_outside_of_the_plan_takes_the_whole_apply_back() {
    let component = twins::build("ipam-check");
    keeps_the_laws(&component, "ipam-check", &[]);
    let story = Story::of(&component, "ipam-check", "grant.netlink = {see = [\"*\"]}");
    let namespace = &story.namespace;
    namespace.ip(&["link", "add", "eth0", "type", "veth", "peer", "eth1"]);
    namespace.ip(&["link", "set", "eth0", "up"]);
    let before = namespace.everything();
    let state = |address: &str| {
        let interface = json!({"name": "eth0", "ipv4": {"method": "manual", "addresses": [{"address": address, "prefix": 24}]}});
        json!({"version": 1, "plugins": {
            "net": {"interfaces": [interface]},
            "ipam-check": {"networks": {"192.0.2.0/24": ["eth0"]}},
        }})
    };
    let outside = namespace.file("outside.json", state("198.51.100.7").to_string());
    let run = namespace
        .op_dbus(&["apply".as_ref(), outside.as_os_str()])
        .code(3);
    assert!(
        run.stderr.contains("198.51.100.7/24 on eth0"),
        "{}",
        run.stderr
    );
    assert_same(&namespace.everything(), &before);
    let inside = namespace.file("inside.json", state("192.0.2.7").to_string());
    namespace
        .op_dbus(&["apply".as_ref(), inside.as_os_str()])
        .success();
    assert!(
        namespace
            .ip(&["address", "show", "eth0"])
            .contains("192.0.2.7/24")
    );
}
