//! Open vSwitch that goes away, starts anew, or says what it must not, while op-dbus is at work on it; and op-dbus that dies over it.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::process::{Child, Stdio};

use op_dbus::transaction::failpoint::NAMES;
use serde_json::{Value, json};

use crate::certificates::make_certificates;
use crate::namespace::{CONFIGURATION, Namespace, Run, assert_same};
use crate::paused::Paused;
use crate::server::{Server, wait_until};
use crate::switch::{Switch, bridge};

/// A bridge that takes a card and its address.
fn section() -> Value {
    let mut vmbr0 = bridge(
        "vmbr0",
        json!(["eth0", {"name": "mgmt0", "type": "internal"}]),
    );
    vmbr0["ipv4"] =
        json!({"method": "manual", "addresses": [{"address": "192.0.2.2", "prefix": 24}]});
    json!({"interfaces": [vmbr0, {"name": "eth0", "ipv4": {"addresses": []}}]})
}

/// A card with an address.
fn machine() -> Option<Switch> {
    let switch = Switch::start()?;
    switch.card("eth0");
    let address = ["address", "add", "192.0.2.2/24", "dev", "eth0"];
    switch.namespace.ip(&address);
    Some(switch)
}

/// An apply that has sent its transaction and waits for an ovs-vswitchd that stands still.
struct Waiting {
    child: Child,
}

impl Waiting {
    fn start(switch: &Switch) -> Self {
        switch.server.freeze_switch();
        let file = switch.file(&section());
        let child = switch
            .namespace
            .op_dbus_command()
            .args(["--ovsdb", &switch.server.remote().to_string(), "apply"])
            .arg(file)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let child = child.expect("op-dbus starts");
        wait_until("the transaction took effect", || {
            let bridges = switch.server.vsctl(&["--no-wait", "list-br"]);
            bridges.contains("vmbr0")
        });
        Self { child }
    }

    /// It succeeds, or everything is as before.
    fn ends_whole(self, switch: &Switch, before: &(Vec<String>, Vec<String>)) {
        let output = self.child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => {
                switch.run("verify", &section()).success();
                switch.op_dbus(&["rollback"]).success();
            }
            Some(3) => {}
            code => panic!("exit code {code:?}: {said}"),
        }
        assert_eq!(switch.database(), before.1, "{said}");
        assert_same(&switch.namespace.everything(), &before.0);
    }
}

#[test]
fn an_ovsdb_server_that_starts_anew_between_the_transaction_and_its_effect_leaves_nothing_half_done()
 {
    let Some(mut switch) = machine() else { return };
    let before = (switch.namespace.everything(), switch.database());
    let waiting = Waiting::start(&switch);
    switch.server.kill_server();
    switch.server.start_server();
    switch.server.thaw_switch();
    waiting.ends_whole(&switch, &before);
}

#[test]
fn an_ovs_vswitchd_that_starts_anew_between_the_transaction_and_its_effect_leaves_nothing_half_done()
 {
    let Some(mut switch) = machine() else { return };
    let before = (switch.namespace.everything(), switch.database());
    let waiting = Waiting::start(&switch);
    switch.server.kill_switch();
    switch.server.start_switch();
    waiting.ends_whole(&switch, &before);
}

#[test]
fn an_apply_that_is_killed_while_it_waits_for_ovs_vswitchd_is_undone_by_the_next_command() {
    let Some(switch) = machine() else { return };
    let before = (switch.namespace.everything(), switch.database());
    let mut waiting = Waiting::start(&switch);
    waiting.child.kill().expect("it is ours");
    waiting.child.wait().expect("it ends");
    switch.server.thaw_switch();
    let next = switch.op_dbus(&["query"]).success();
    assert!(next.stderr.contains("recovery:"), "{}", next.stderr);
    assert_eq!(switch.database(), before.1);
    assert_same(&switch.namespace.everything(), &before.0);
}

#[test]
fn an_undo_killed_at_any_point_on_open_vswitch_is_taken_up_by_the_next_command() {
    let Some(switch) = machine() else { return };
    let before = (switch.namespace.everything(), switch.database());
    let mut refused = section();
    refused["interfaces"][0]["ports"] = json!(["eth0", "missing0"]);
    let file = switch.file(&refused);
    let remote = switch.server.remote().to_string();
    let dies = |arguments: &[&str], point: &str, turn: u32| {
        let mut command = switch.namespace.op_dbus_command();
        command
            .args(["--ovsdb", &remote])
            .args(arguments)
            .env("OP_DBUS_FAILPOINT", format!("{point}:{turn}=kill"));
        command
            .output()
            .expect("op-dbus starts")
            .status
            .code()
            .is_none()
    };
    let apply = ["apply", file.to_str().expect("a path in UTF-8")];
    let mut killed = 0;
    for point in NAMES.iter().filter(|name| name.starts_with("ovsdb-undo.")) {
        let mut turn = 1;
        while dies(&apply, point, turn) {
            killed += 1;
            // The recovery dies as well, where it passes the point so often.
            killed += u32::from(dies(&["query"], point, turn));
            switch.op_dbus(&["query"]).success();
            assert_eq!(switch.database(), before.1, "{point}:{turn}");
            assert_same(&switch.namespace.everything(), &before.0);
            switch.op_dbus(&["audit", "verify"]).success();
            turn += 1;
        }
        assert!(turn > 1, "{point} is never passed");
        assert_eq!(switch.database(), before.1, "{point} survived");
        assert_same(&switch.namespace.everything(), &before.0);
    }
    println!("killed {killed} undos of Open vSwitch's rows");
    assert!(killed >= 6, "{killed}");
}

#[test]
fn a_port_that_comes_between_plan_and_apply_does_not_go_with_its_bridge() {
    let Some(switch) = machine() else { return };
    switch.card("tap100");
    switch.apply(&json!({"interfaces": [bridge("vmbr0", json!(["eth0"]))]}));
    let file = switch.file(&json!({"interfaces": [{"name": "vmbr0", "state": "absent"}]}));
    let remote = switch.server.remote().to_string();
    let file = file.to_str().expect("a path in UTF-8");
    let arguments = ["--ovsdb", &remote, "apply", file];
    let paused = Paused::at(&switch.namespace, "apply.before-plugin=pause", &arguments);
    switch.server.vsctl(&["add-port", "vmbr0", "tap100"]);
    let (code, said) = paused.go_on();
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("tap100"), "{said}");
    let ports = switch.server.vsctl(&["list-ports", "vmbr0"]);
    assert_eq!(ports, "eth0\ntap100\n");
}

/// Answers every connection's first request with these bytes, and hangs up when the client does.
fn saying(namespace: &Namespace, bytes: Vec<u8>) -> String {
    let path = namespace.directory().join("hostile.sock");
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).expect("a socket");
    // It ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(mut stream), bytes) = (stream, bytes.clone()) else {
                return;
            };
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(&bytes);
                let _ = stream.read_to_end(&mut Vec::new());
            });
        }
    });
    format!("unix:{}", path.display())
}

#[test]
fn a_server_that_breaks_the_protocol_is_an_error_that_says_so_and_nothing_is_touched() {
    let namespace = Namespace::new();
    let before = namespace.everything();
    let state =
        json!({"version": 1, "plugins": {"net": {"interfaces": [bridge("vmbr0", json!([]))]}}});
    let file = namespace.file("state.json", state.to_string());
    let endless = {
        let mut text = b"{\"id\":0,\"result\":[\"".to_vec();
        text.resize(65 << 20, b'x');
        text
    };
    for (bytes, words) in [
        (&b"HTTP/1.1 400 Bad Request\r\n"[..], "broke the protocol"),
        (
            b"{\"id\":0,\"result\":{\"no\":\"list\"},\"error\":null}",
            "broke the protocol",
        ),
        (
            b"{\"id\":0,\"id\":0,\"result\":[],\"error\":null}",
            "broke the protocol",
        ),
        (
            b"{\"id\":0,\"result\":[\"\xff\xfe\"],\"error\":null}",
            "broke the protocol",
        ),
        (
            b"{\"id\":7,\"result\":[],\"error\":null}",
            "broke the protocol",
        ),
        (
            b"{\"id\":0,\"result\":null,\"error\":{\"error\":\"\\u001b[31mred\",\"details\":\"d\"}}",
            "red",
        ),
        (&endless, "limit"),
    ] {
        let remote = saying(&namespace, bytes.to_vec());
        let run = namespace.op_dbus(&[
            "--ovsdb".as_ref(),
            remote.as_ref(),
            "apply".as_ref(),
            file.as_os_str(),
        ]);
        let run = run.code(1);
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
        assert!(!run.stderr.contains('\x1b'), "{}", run.stderr);
        assert_same(&namespace.everything(), &before);
    }
}

#[test]
fn a_server_behind_tls_is_reached_with_the_files_of_the_configuration() {
    let directory = tempfile::tempdir().expect("a directory");
    let ours = make_certificates(directory.path(), "ours");
    let theirs = make_certificates(directory.path(), "theirs");
    let arguments = [
        "--remote=pssl:0:127.0.0.1".to_owned(),
        format!("--private-key={}", ours.key.display()),
        format!("--certificate={}", ours.certificate.display()),
        format!("--ca-cert={}", ours.ca.display()),
    ];
    let Some(mut server) = Server::start_with(&arguments) else {
        return;
    };
    let namespace = Namespace::new();
    server.start_switch_in(namespace.name());
    let switch = Switch { server, namespace };
    let configured = |authority: &std::path::Path| {
        let text = format!(
            "[ovsdb]\nremote = \"ssl:127.0.0.1:{}\"\nprivate-key = {:?}\ncertificate = {:?}\nca-cert = {:?}\n",
            switch.server.port("127.0.0.1"),
            ours.key,
            ours.certificate,
            authority
        );
        switch.namespace.file(CONFIGURATION, text);
    };
    configured(&ours.ca);
    let file = switch.file(&json!({"interfaces": [bridge("vmbr0", json!([]))]}));
    let run = |verb: &str| -> Run { switch.namespace.op_dbus(&[verb.as_ref(), file.as_os_str()]) };
    run("apply").success();
    run("verify").success();
    assert_eq!(switch.server.vsctl(&["list-br"]).trim(), "vmbr0");
    switch.namespace.op_dbus(&["rollback"]).success();
    assert_eq!(switch.server.vsctl(&["list-br"]), "");

    configured(&theirs.ca);
    let refused = run("apply").code(1);
    assert!(refused.stderr.contains("certificate"), "{}", refused.stderr);
}
