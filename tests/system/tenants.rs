//! Tenants: several parties on one host, none of which reaches or stops another.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use op_dbus::digest::Digest;
use serde_json::{Value, json};

use crate::namespace::{CONFIGURATION, Namespace, Run, assert_same, cache};
use crate::server::wait_until;

/// A host with two tenants, `red` and `blue`, each in a network namespace of its own.
struct Host {
    red: Namespace,
    blue: Namespace,
}

/// What both tenants of a test have, unless it says otherwise.
const NET: &str = "plugins.net = {}";

impl Host {
    /// With these settings of the tenants, in TOML.
    fn with(red: &str, blue: &str) -> Self {
        let host = Self {
            red: Namespace::new(),
            blue: Namespace::new(),
        };
        host.configure(&format!(
            "[tenants.red]\nnetns = {:?}\n{red}\n[tenants.blue]\nnetns = {:?}\n{blue}\n",
            host.red.name(),
            host.blue.name()
        ));
        host
    }

    fn configure(&self, tenants: &str) {
        self.red.file(
            CONFIGURATION,
            format!("state-dir = {:?}\n{tenants}", self.state()),
        );
    }

    fn state(&self) -> PathBuf {
        self.red.directory().join("state")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_op-dbus"));
        command
            .arg("--config")
            .arg(self.red.directory().join(CONFIGURATION))
            .arg("--cache-dir")
            .arg(cache())
            .args(arguments);
        command
    }

    fn op_dbus(&self, arguments: &[&str]) -> Run {
        Run::of(&mut self.command(arguments))
    }

    /// `op-dbus` for a tenant.
    fn of(&self, tenant: &str, arguments: &[&str]) -> Run {
        self.op_dbus(&[&["--tenant", tenant], arguments].concat())
    }

    /// Starts `op-dbus` for a tenant.
    fn start(&self, tenant: &str, arguments: &[&str]) -> Child {
        self.command(&[&["--tenant", tenant], arguments].concat())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// A state file with a bridge of this name, and its path as text.
    fn bridge(&self, name: &str) -> String {
        self.file(name, &json!([{"name": name, "type": "bridge"}]))
    }

    fn file(&self, name: &str, interfaces: &Value) -> String {
        let state = json!({"version": 1, "plugins": {"net": {"interfaces": interfaces}}});
        let path = self.red.file(&format!("{name}.json"), state.to_string());
        path.to_str().unwrap().to_owned()
    }

    /// Whatever `red` does meanwhile: `blue` makes a bridge, sees it, and takes it away again.
    #[track_caller]
    fn blue_works(&self) {
        let before = self.blue.everything();
        let file = self.bridge("blue0");
        self.of("blue", &["apply", &file]).success();
        assert!(self.blue.link("blue0").is_some());
        self.of("blue", &["verify", &file]).success();
        self.of("blue", &["rollback"]).success();
        assert_same(&self.blue.everything(), &before);
    }
}

/// What a child said on standard error, and its exit code.
fn end(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said)
}

/// Many links: a long plan, a large checkpoint.
fn many(count: usize) -> Value {
    (0..count)
        .map(|number| json!({"name": format!("bridge{number}"), "type": "bridge", "mtu": 1400}))
        .collect()
}

#[test]
fn tenants_see_neither_each_others_network_nor_state_nor_records() {
    let host = Host::with(NET, NET);
    for (tenant, link) in [("red", "red0"), ("blue", "blue0")] {
        host.of(tenant, &["apply", &host.bridge(link)]).success();
    }
    assert!(host.red.link("blue0").is_none() && host.blue.link("red0").is_none());
    for (tenant, own, other) in [("red", "red0", "blue0"), ("blue", "blue0", "red0")] {
        let seen = host.of(tenant, &["query", "--json"]).success().stdout;
        assert!(seen.contains(own) && !seen.contains(other), "{seen}");
        let audit = host.of(tenant, &["audit", "show", "--json"]).success();
        assert!(!audit.stdout.contains(other), "{}", audit.stdout);
        for line in audit.stdout.lines() {
            let record: Value = serde_json::from_str(line).unwrap();
            assert_eq!(record["who"]["tenant"], tenant, "{record}");
        }
        host.of(tenant, &["audit", "verify"]).success();
        let checkpoints = host.of(tenant, &["checkpoint", "list", "--json"]).json();
        assert_eq!(checkpoints["checkpoints"].as_array().unwrap().len(), 1);
        let directory = host.state().join("tenants").join(tenant);
        for private in ["", "audit", "checkpoints"] {
            let meta = fs::metadata(directory.join(private)).unwrap();
            assert_eq!(meta.permissions().mode() & 0o777, 0o700, "{private}");
        }
    }
    assert!(!host.state().join("ns").exists(), "nothing is the host's");
    let listed = host.op_dbus(&["tenant", "list", "--json"]).success().json();
    let names: Vec<_> = listed["tenants"].as_array().unwrap().iter().collect();
    assert_eq!(names.len(), 2);
    assert_eq!(names[1]["netns"], host.red.name());
}

#[test]
fn a_network_namespace_of_the_host_or_of_another_tenant_is_refused() {
    let host = Host::with(NET, NET);
    let file = host.bridge("red0");
    let apply = ["apply", &file];
    let tenants = |red: &str| {
        host.configure(&format!(
            "[tenants.red]\nnetns = {red:?}\n{NET}\n[tenants.blue]\nnetns = {:?}\n{NET}\n",
            host.blue.name()
        ));
    };
    for own in ["/proc/self/ns/net", "/proc/thread-self/ns/net"] {
        tenants(own);
        let run = host.of("red", &apply).code(1);
        assert!(run.stderr.contains("the host's own"), "{}", run.stderr);
    }
    // Not by its name, but by what it is.
    let shared = format!("/run/../run/netns/{}", host.blue.name());
    tenants(&shared);
    for (tenant, other) in [("red", "blue"), ("blue", "red")] {
        let run = host.of(tenant, &apply).code(1);
        let expected = format!("also that of tenant {other}");
        assert!(run.stderr.contains(&expected), "{}", run.stderr);
    }
    let report = host.op_dbus(&["doctor", "--json"]).code(1).json();
    let failed = report["checks"].as_array().unwrap().iter();
    let failed = failed.filter(|check| check["check"] == "tenant" && check["status"] == "fail");
    assert_eq!(failed.count(), 2, "{report}");
    // Nor does the host work past a tenant's journal.
    let run = host
        .op_dbus(&["--netns", host.blue.name(), "apply", &file])
        .code(1);
    assert!(run.stderr.contains("--tenant"), "{}", run.stderr);
    assert!(host.blue.link("red0").is_none());
    tenants("there-is-none");
    let run = host.of("red", &apply).code(1);
    assert!(run.stderr.contains("there-is-none"), "{}", run.stderr);
}

#[test]
fn what_the_configuration_says_of_a_tenant_no_option_says_otherwise() {
    let host = Host::with(NET, NET);
    for option in [
        ["--netns", "x"],
        ["--state-dir", "/x"],
        ["--secrets-dir", "/x"],
        ["--ovsdb", "unix:/x"],
        ["--dbus-address", "system"],
    ] {
        let run = host.of("red", &[&option[..], &["query"]].concat()).code(64);
        assert!(run.stderr.contains(option[0]), "{}", run.stderr);
        assert!(run.stderr.contains("[tenants.red]"), "{}", run.stderr);
    }
    let run = host.of("rde", &["query"]).code(1);
    assert!(
        run.stderr.contains("did you mean \"red\"?"),
        "{}",
        run.stderr
    );
    host.of("../red", &["query"]).code(1);
    // What is added belongs to the host.
    let run = host.of("red", &["plugin", "remove", "net"]).code(1);
    assert!(run.stderr.contains("without --tenant"), "{}", run.stderr);
}

#[test]
fn only_root_works_for_tenants() {
    let host = Host::with(NET, NET);
    let everybody = fs::Permissions::from_mode(0o755);
    fs::set_permissions(host.red.directory(), everybody).unwrap();
    let mut command = host.command(&["--tenant", "red", "query"]);
    // Whoever may not even start the program is no tenant either.
    let Ok(output) = command.uid(65534).gid(65534).output() else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("only root works for tenants"), "{said}");
}

#[test]
fn a_tenant_gets_no_server_and_no_bus_and_no_plugin_that_it_was_not_given() {
    let host = Host::with(NET, "");
    let sockets = tempfile::tempdir().unwrap();
    let listen = |name: &str| {
        let listener = UnixListener::bind(sockets.path().join(name)).unwrap();
        listener.set_nonblocking(true).unwrap();
        listener
    };
    let (server, bus) = (listen("db.sock"), listen("bus"));
    let file = host.file("switch", &json!([{"name": "sw0", "type": "ovs-bridge"}]));
    let address = format!("unix:path={}", sockets.path().join("bus").display());
    for verb in [
        &["apply", &file][..],
        &["query"],
        &["doctor"],
        &["checkpoint", "create"],
    ] {
        let mut command = host.command(&[&["--tenant", "red"], verb].concat());
        command
            .env("OVS_RUNDIR", sockets.path())
            .env("DBUS_SYSTEM_BUS_ADDRESS", &address);
        let run = Run::of(&mut command);
        match verb[0] {
            "apply" => {
                let run = run.code(1);
                assert!(run.stderr.contains("no grant for ovsdb"), "{}", run.stderr);
            }
            _ => drop(run.success()),
        }
    }
    for (listener, what) in [(&server, "OVSDB"), (&bus, "the bus")] {
        let came = listener.accept().map(drop).unwrap_err();
        assert_eq!(came.kind(), std::io::ErrorKind::WouldBlock, "{what}");
    }
    let run = host.of("blue", &["apply", &host.bridge("b0")]).code(1);
    assert!(run.stderr.contains("net"), "{}", run.stderr);
    // A grant without a server is no configuration.
    host.configure("[tenants.red]\nnetns = \"r\"\nplugins.net.grant.ovsdb = {}\n");
    let run = host.of("red", &["query"]).code(1);
    assert!(run.stderr.contains("no server is named"), "{}", run.stderr);
}

#[test]
fn secrets_of_a_tenant_are_there_for_it_alone() {
    let host = Host::with(NET, NET);
    let secrets = |tenant: &str| host.red.directory().join(format!("secrets-{tenant}"));
    let keep = |directory: &Path, name: &str| {
        fs::create_dir_all(directory).unwrap();
        let path = directory.join(name);
        fs::write(&path, "8Lf1NT4fGxLIRtGBFqKgWDnSxSBhRt0GLfN2mDT3mkU=").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    };
    let of_host = host.red.directory().join("secrets");
    keep(&of_host, "wg-host");
    keep(&secrets("red"), "wg-red");
    keep(&secrets("blue"), "wg-blue");
    let tenant = |name: &str, namespace: &Namespace| {
        format!(
            "[tenants.{name}]\nnetns = {:?}\nsecrets-dir = {:?}\n{NET}\n",
            namespace.name(),
            secrets(name)
        )
    };
    let (red, blue) = (tenant("red", &host.red), tenant("blue", &host.blue));
    host.configure(&format!("secrets-dir = {of_host:?}\n{red}{blue}"));
    let with = |secret: &str| {
        let wireguard = json!({"private_key": {"secret": secret}});
        host.file(
            secret,
            &json!([{"name": "wg0", "type": "wireguard", "wireguard": wireguard}]),
        )
    };
    host.of("red", &["diff", &with("wg-red")]).code(2);
    for other in ["wg-blue", "wg-host"] {
        let mut command = host.command(&["--tenant", "red", "diff", &with(other)]);
        command.env("CREDENTIALS_DIRECTORY", &of_host);
        let run = Run::of(&mut command).code(1);
        let expected = format!("there is no secret \"{other}\"");
        assert!(run.stderr.contains(&expected), "{}", run.stderr);
    }
    // The same text has another fingerprint for each: one says nothing of the other.
    host.of("blue", &["diff", &with("wg-blue")]).code(2);
    let key = |tenant: &str| {
        let key = host
            .state()
            .join("tenants")
            .join(tenant)
            .join("secrets/key");
        fs::read(key).unwrap()
    };
    assert_ne!(key("red"), key("blue"));
}

#[test]
fn a_tenant_that_takes_all_the_memory_that_it_gets_is_told_so_while_another_works() {
    let host = Host::with("plugins.net = {}\nquota.memory = \"64 MiB\"", NET);
    let before = host.red.everything();
    // More than a plugin may have of it, and more than the host's own part may.
    for count in [20_000, 400_000] {
        let file = host.file("hog", &many(count));
        let hog = host.start("red", &["apply", &file]);
        host.blue_works();
        let (code, said) = end(hog);
        assert_eq!(code, Some(1), "{count}: {said}");
        assert!(said.contains("memory"), "{count}: {said}");
    }
    assert_same(&host.red.everything(), &before);
    host.of("red", &["apply", &host.bridge("red0")]).success();
}

#[test]
fn a_tenant_that_computes_for_too_long_is_stopped_while_another_works() {
    let host = Host::with("plugins.net = {}\nquota.cpu-time = \"1s\"", NET);
    let before = host.red.everything();
    let file = host.file("long", &many(100_000));
    let long = host.start("red", &["apply", &file]);
    host.blue_works();
    let (code, said) = end(long);
    // Before it had begun anything, or in the middle of it.
    assert!(matches!(code, Some(1 | 3)), "{code:?}: {said}");
    assert!(said.contains("cpu-time"), "{said}");
    assert_same(&host.red.everything(), &before);
}

#[test]
fn a_tenant_that_fills_its_state_directory_leaves_room_for_another() {
    let quota = "plugins.net = {}\nquota.state = \"4 MiB\"\nquota.checkpoints = 1000";
    let host = Host::with(quota, NET);
    host.of("red", &["apply", &host.file("some", &many(400))])
        .success();
    let before = host.red.everything();
    let mut created = 0;
    let refused = loop {
        let run = host.of("red", &["checkpoint", "create"]);
        if !run.is_success() {
            break run.code(1).stderr;
        }
        created += 1;
        assert!(created < 100, "it is never full");
    };
    assert!(refused.contains("tenants.red.quota.state"), "{refused}");
    assert!(refused.contains("delete checkpoints"), "{refused}");
    host.blue_works();
    let used = host.op_dbus(&["tenant", "list", "--json"]).json();
    let red = &used["tenants"][1];
    assert!(
        red["state_used"].as_u64() <= red["state_quota"].as_u64(),
        "{red}"
    );
    assert_same(&host.red.everything(), &before);
    // The way out is one.
    host.of("red", &["checkpoint", "delete", "2"]).success();
    host.of("red", &["checkpoint", "create"]).success();
}

#[test]
fn a_tenant_has_so_many_checkpoints() {
    let host = Host::with("plugins.net = {}\nquota.checkpoints = 2", NET);
    host.of("red", &["apply", &host.bridge("red0")]).success();
    host.of("red", &["checkpoint", "create"]).success();
    let run = host.of("red", &["checkpoint", "create"]).code(1);
    assert!(run.stderr.contains("checkpoint delete"), "{}", run.stderr);
    // Applies go on: the oldest of theirs gives way.
    host.of("red", &["apply", &host.bridge("red1")]).success();
    host.blue_works();
}

#[test]
fn a_full_state_directory_stops_an_apply_before_it_changes_anything() {
    let host = Host::with("plugins.net = {}\nquota.state = \"2 MiB\"", NET);
    host.of("red", &["query"]).success();
    let state = host.state().join("tenants/red");
    fs::write(state.join("filler"), vec![0; 2 << 20]).unwrap();
    let before = host.red.everything();
    let run = host.of("red", &["apply", &host.bridge("red0")]).code(1);
    assert!(
        run.stderr.contains("tenants.red.quota.state"),
        "{}",
        run.stderr
    );
    assert_same(&host.red.everything(), &before);
    host.of("red", &["query"]).success();
    let report = host.of("red", &["doctor", "--json"]).json();
    let checks = report["checks"].as_array().unwrap();
    let tenant = checks
        .iter()
        .find(|check| check["check"] == "tenant")
        .unwrap();
    assert_eq!(tenant["status"], "warn", "{report}");
    host.blue_works();
    fs::remove_file(state.join("filler")).unwrap();
    host.of("red", &["apply", &host.bridge("red0")]).success();
}

#[test]
fn a_transaction_that_takes_too_long_is_undone() {
    let host = Host::with("plugins.net = {}\nquota.transaction = \"1ms\"", NET);
    let before = host.red.everything();
    let run = host
        .of("red", &["apply", &host.file("many", &many(500))])
        .code(3);
    assert!(run.stderr.contains("`transaction`"), "{}", run.stderr);
    assert_same(&host.red.everything(), &before);
}

/// Red's probe, after the change: it says that it runs, and runs for as long as whoever asked lives.
const ENDLESS: &str = "plugins.net = {}\nquota.operations = 1\n[tenants.red.probes.endless]\nwithin = \"1h\"\ntimeout = \"1h\"\n\
    command = [\"/bin/sh\", \"-c\", \"ip link show red0 || exit 0; touch REACHED; while kill -0 $PPID; do sleep 0.05; done\"]";

/// An apply of red's that has changed everything and is not done.
fn half_way(host: &Host) -> Child {
    let reached = host.red.directory().join("reached");
    let text = fs::read_to_string(host.red.directory().join(CONFIGURATION)).unwrap();
    let text = text.replace("REACHED", reached.to_str().unwrap());
    host.red.file(CONFIGURATION, text);
    let child = host.start("red", &["apply", &host.bridge("red0")]);
    wait_until("the probe is asked", || reached.exists());
    fs::remove_file(reached).unwrap();
    assert!(host.red.link("red0").is_some());
    child
}

/// Kills an apply half-way through; its worker dies with it.
fn die_half_way(host: &Host) {
    let mut child = half_way(host);
    let worker = worker(host);
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("the worker dies too", || {
        !Path::new("/proc").join(&worker).exists()
    });
}

/// The process that has the lock: the one that works, not the one that watches.
fn worker(host: &Host) -> String {
    let lock = fs::read(host.state().join("tenants/red/lock")).unwrap();
    let holder: Value = serde_json::from_slice(&lock).unwrap();
    holder["pid"].to_string()
}

#[test]
fn a_command_that_dies_is_undone_at_once_and_one_that_is_killed_by_the_next() {
    let host = Host::with(ENDLESS, NET);
    let before = host.red.everything();
    // What the kernel does to it, whoever sends the signal.
    let child = half_way(&host);
    let killed = Command::new("kill")
        .args(["-KILL", &worker(&host)])
        .status();
    assert!(killed.unwrap().success());
    let (code, said) = end(child);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("killed by signal 9"), "{said}");
    assert_same(&host.red.everything(), &before);
    // Watcher and worker go together.
    die_half_way(&host);
    host.blue_works();
    assert!(
        host.red.link("red0").is_some(),
        "nobody has recovered it yet"
    );
    let run = host.of("red", &["query"]).success();
    assert!(run.stderr.contains("recover"), "{}", run.stderr);
    assert_same(&host.red.everything(), &before);
}

#[test]
fn a_tenant_has_so_many_commands_at_once_and_a_signal_to_one_reaches_it() {
    let host = Host::with(ENDLESS, NET);
    let before = host.red.everything();
    let child = half_way(&host);
    let run = host.of("red", &["query"]).code(1);
    assert!(
        run.stderr.contains("tenants.red.quota.operations"),
        "{}",
        run.stderr
    );
    host.blue_works();
    let asked = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status();
    assert!(asked.unwrap().success());
    let (code, said) = end(child);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("SIGTERM"), "{said}");
    assert_same(&host.red.everything(), &before);
    host.of("red", &["query"]).success();
}

/// The grant of the built-in plugin `net` in a tenant, as the operator may write it down.
const OWN_GRANT: &str = r#"plugins.net.grant.secrets = ["*"]
plugins.net.grant.netlink = {see = ["*"], change = ["*"], parents = ["*"], kinds = ["*"], networks = ["0.0.0.0/0", "::/0"], tables = ["0-4294967295"], rules = true, unknown_attributes = false}"#;

#[test]
fn doctor_compares_a_tenant_s_grant_with_what_tenants_have() {
    let narrow = "plugins.net.grant.netlink = {see = [\"*\"]}";
    let host = Host::with(OWN_GRANT, narrow);
    let configuration = |tenant: &str| {
        let report = host.of(tenant, &["doctor", "--json"]).json();
        let checks = report["checks"].as_array().unwrap();
        let found = checks
            .iter()
            .find(|check| check["check"] == "configuration");
        found.unwrap()["found"].as_str().unwrap().to_owned()
    };
    let (red, blue) = (configuration("red"), configuration("blue"));
    assert!(!red.contains("instead of"), "{red}");
    let (_, instead) = blue.split_once("instead of").expect(&blue);
    assert!(instead.contains("\"unknown_attributes\":false"), "{blue}");
    assert!(instead.contains("\"ovsdb\":null"), "{blue}");
}

#[test]
fn a_tenant_does_not_delete_the_other_end_of_a_veth_that_lies_in_another_namespace() {
    let host = Host::with(NET, NET);
    // The pair that the host has laid: one end for red, one elsewhere.
    let elsewhere = Namespace::new();
    host.red.ip(&[
        "link",
        "add",
        "up0",
        "type",
        "veth",
        "peer",
        "name",
        "down0",
        "netns",
        elsewhere.name(),
    ]);
    let before = (host.red.everything(), elsewhere.everything());
    let absent = |name: &str| host.file("absent", &json!([{"name": name, "state": "absent"}]));
    let run = host.of("red", &["apply", &absent("up0")]).code(3);
    assert!(
        run.stderr.contains("another network namespace"),
        "{}",
        run.stderr
    );
    assert_same(&host.red.everything(), &before.0);
    assert_same(&elsewhere.everything(), &before.1);
    // A pair of its own goes.
    let pair = json!([
        {"name": "in0", "type": "veth", "veth": {"peer": "in1"}},
        {"name": "in1", "type": "veth"}
    ]);
    host.of("red", &["apply", &host.file("pair", &pair)])
        .success();
    host.of("red", &["apply", &absent("in0")]).success();
    assert_same(&host.red.everything(), &before.0);
}

#[test]
fn a_plugin_that_a_tenant_has_too_is_not_removed_and_an_update_leaves_it_its_file() {
    let host = Host::with("", NET);
    let component = host.red.file("hostile.wasm", test_guests::HOSTILE);
    let component = component.to_str().unwrap();
    let add = |component: &str| {
        let arguments = [
            "plugin", "add", component, "--name", "edge", "--grant", "none", "--yes",
        ];
        host.op_dbus(&arguments).success()
    };
    add(component);
    let path = host.red.directory().join(CONFIGURATION);
    let text = fs::read_to_string(&path).unwrap();
    let digest = Digest::of(test_guests::HOSTILE);
    let file = host
        .state()
        .join(format!("plugins/edge-{}.wasm", &digest.hex()[..16]));
    assert!(file.exists());
    let pin = format!(
        "[tenants.red.plugins.its]\ncomponent = {file:?}\ndigest = \"{digest}\"\n{HOSTILE_GRANT}"
    );
    host.red.file(CONFIGURATION, format!("{text}{pin}"));

    let run = host.op_dbus(&["plugin", "remove", "edge"]).code(1);
    assert!(
        run.stderr.contains("tenants.red.plugins.its"),
        "{}",
        run.stderr
    );
    let newer = host.red.file("newer.wasm", crate::plugin_files::NET);
    let run = add(newer.to_str().unwrap());
    assert!(
        run.stderr.contains("tenants.red.plugins.its"),
        "{}",
        run.stderr
    );
    let its = json!({"version": 1, "plugins": {"its": {"links": ["h0"]}}});
    let its = host.red.file("its.json", its.to_string());
    host.of("red", &["apply", its.to_str().unwrap()]).success();
    assert!(host.red.link("h0").is_some());

    // Once no tenant has it, it goes.
    let text = fs::read_to_string(&path).unwrap().replace(&pin, "");
    host.red.file(CONFIGURATION, text);
    host.op_dbus(&["plugin", "remove", "edge"]).success();
}

#[test]
fn a_plugin_is_not_changed_under_a_tenant_s_transaction() {
    let host = Host::with(ENDLESS, NET);
    let component = host.red.file("net.wasm", crate::plugin_files::NET);
    let component = component.to_str().unwrap();
    let add = |component: &str| {
        host.op_dbus(&[
            "plugin", "add", component, "--name", "edge", "--grant", "none", "--yes",
        ])
    };
    add(component).success();
    let path = host.red.directory().join(CONFIGURATION);
    let digest = Digest::of(crate::plugin_files::NET);
    let file = host
        .state()
        .join(format!("plugins/edge-{}.wasm", &digest.hex()[..16]));
    // Under the name of a built-in plugin, and with all that this has.
    let given =
        format!("plugins.net.component = {file:?}\nplugins.net.digest = \"{digest}\"\n{OWN_GRANT}");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replacen("plugins.net = {}", &given, 1);
    host.red.file(CONFIGURATION, &text);
    die_half_way(&host);
    let other = host.red.file("other.wasm", test_guests::HOSTILE);
    let run = add(other.to_str().unwrap()).code(1);
    assert!(run.stderr.contains("--tenant red"), "{}", run.stderr);
    assert!(file.exists());
    host.of("red", &["query"]).success();
    add(other.to_str().unwrap()).success();
}

/// What red's plugin `hostile` is granted: links whose names begin with `h`.
const HOSTILE_GRANT: &str = "grant.netlink = {see = [\"*\"], change = [\"h*\"], kinds = [\"bridge\"]}\n\
    limits = {memory = \"64 MiB\", deadline = \"3s\", log-lines = 20, log-line-length = 100}\n";

#[test]
fn a_tenant_s_hostile_plugin_stops_neither_its_own_network_nor_another_tenant() {
    let host = Host::with("", NET);
    let component = host.red.file("hostile.wasm", test_guests::HOSTILE);
    let digest = Digest::of(test_guests::HOSTILE);
    let socket = host.red.directory().join("db.sock");
    let _silent = UnixListener::bind(&socket).unwrap();
    let tenant = |name: &str, namespace: &Namespace, rest: &str| {
        format!(
            "[tenants.{name}]\nnetns = {:?}\n{NET}\n{rest}\n",
            namespace.name()
        )
    };
    let red = format!(
        "ovsdb.remote = \"unix:{}\"\n[tenants.red.plugins.hostile]\ncomponent = {component:?}\ndigest = \"{digest}\"\n{HOSTILE_GRANT}\
         grant.ovsdb = {{databases = [\"Open_vSwitch\"], tables = {{\"*\" = [\"select\"]}}}}\n",
        socket.display()
    );
    let (red, blue) = (
        tenant("red", &host.red, &red),
        tenant("blue", &host.blue, ""),
    );
    host.configure(&format!("{red}{blue}"));
    let before = (host.red.everything(), host.blue.everything());
    let file = |misdeeds: &Value| {
        let hostile = json!({"links": ["h0", "h1", "h2"], "misdeeds": misdeeds});
        let state = json!({"version": 1, "plugins": {"hostile": hostile}});
        let path = host.red.file("hostile.json", state.to_string());
        path.to_str().unwrap().to_owned()
    };
    let late = "did not finish apply within 3 s";
    for (misdeeds, codes, reason) in [
        (json!({"apply": "trap"}), &[3][..], "failed in apply"),
        (json!({"apply": "loop"}), &[3], late),
        (json!({"apply": "grow"}), &[3], "`memory`"),
        (json!({"apply": "hang"}), &[3], late),
        (
            json!({"apply": {"log": {"lines": 5_000, "length": 1000}}}),
            &[0],
            "more lines",
        ),
        // It is answered or it is late, as the machine has it.
        (json!({"query": {"look": 200_000}}), &[0, 1], "query"),
    ] {
        let child = host.start("red", &["apply", &file(&misdeeds)]);
        host.blue_works();
        let (ended, said) = end(child);
        let ended = ended.filter(|code| codes.contains(code));
        assert!(ended.is_some(), "{misdeeds}: {said}");
        assert!(
            ended == Some(0) && codes.len() > 1 || said.contains(reason),
            "{misdeeds}: {said}"
        );
        if ended == Some(0) {
            host.of("red", &["rollback"]).success();
        }
        assert_same(&host.red.everything(), &before.0);
        assert_same(&host.blue.everything(), &before.1);
        for tenant in ["red", "blue"] {
            host.of(tenant, &["audit", "verify"]).success();
        }
    }
    host.of("red", &["apply", &file(&json!({}))]).success();
    assert!(host.red.link("h2").is_some());
}
