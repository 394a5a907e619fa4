//! Plans: what `diff --out` computed is carried out, or nothing.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::namespace::{Namespace, Run, assert_same};

/// A link with an address, a state file that changes its MTU, and the plan for that.
fn planned() -> (Namespace, PathBuf) {
    let namespace = Namespace::new();
    namespace.ip(&["link", "add", "eth0", "type", "veth", "peer", "name", "far"]);
    namespace.ip(&["address", "add", "192.0.2.5/24", "dev", "eth0"]);
    let state = json!({"version": 1, "plugins": {"net": {"interfaces": [
        {"name": "eth0", "mtu": 1400,
         "ipv4": {"method": "manual", "addresses": [{"address": "192.0.2.5", "prefix": 24}]}},
        {"name": "br0", "type": "bridge"},
    ]}}});
    let file = namespace.file("state.json", state.to_string());
    let plan = namespace.directory().join("plan");
    let run = namespace
        .op_dbus(&[
            "diff".as_ref(),
            file.as_os_str(),
            "--out".as_ref(),
            plan.as_os_str(),
        ])
        .code(2);
    assert!(
        run.stdout.contains("op-dbus apply --plan"),
        "{}",
        run.stdout
    );
    (namespace, plan)
}

fn apply(namespace: &Namespace, plan: &Path) -> Run {
    namespace.op_dbus(&["apply".as_ref(), "--plan".as_ref(), plan.as_os_str()])
}

#[test]
fn a_plan_is_carried_out_without_its_state_file() {
    let (namespace, plan) = planned();
    std::fs::remove_file(namespace.directory().join("state.json")).unwrap();
    let rehearsal = namespace
        .op_dbus(&[
            "apply".as_ref(),
            "--dry-run".as_ref(),
            "--plan".as_ref(),
            plan.as_os_str(),
        ])
        .success();
    assert!(rehearsal.stdout.contains("br0"), "{}", rehearsal.stdout);
    apply(&namespace, &plan).success();
    assert_eq!(namespace.link("eth0").unwrap()["mtu"], 1400);
    assert!(namespace.link("br0").is_some());
    let run = apply(&namespace, &plan).code(1);
    assert!(
        run.stderr.contains("state has moved"),
        "the plan was for another state: {}",
        run.stderr
    );
}

#[test]
fn a_plan_whose_state_has_moved_is_refused_and_the_objects_are_named() {
    let (namespace, plan) = planned();
    namespace.ip(&["link", "set", "eth0", "mtu", "1300"]);
    namespace.ip(&["address", "add", "192.0.2.6/24", "dev", "eth0"]);
    let before = namespace.everything();
    let run = apply(&namespace, &plan).code(1);
    assert!(run.stderr.contains("interfaces eth0"), "{}", run.stderr);
    assert!(run.stderr.contains("mtu: 1500 → 1300"), "{}", run.stderr);
    assert!(run.stderr.contains("ipv4.addresses: "), "{}", run.stderr);
    assert_same(&namespace.everything(), &before);
    let none = namespace.op_dbus(&["rollback"]).code(1);
    assert!(none.stderr.contains("no checkpoint"), "{}", none.stderr);
}

#[test]
fn what_a_plan_does_not_concern_may_move() {
    let (namespace, plan) = planned();
    namespace.ip(&["link", "add", "other", "type", "bridge"]);
    apply(&namespace, &plan).success();
}

#[test]
fn a_plan_that_somebody_changed_or_cut_off_is_refused() {
    let (namespace, plan) = planned();
    let before = namespace.everything();
    let text = std::fs::read_to_string(&plan).unwrap();
    for (changed, reason) in [
        (text.replace("1400", "1280"), "not as this host wrote it"),
        (text[..text.len() / 2].to_owned(), "its end is missing"),
        (String::new(), "is no plan"),
    ] {
        std::fs::write(&plan, changed).unwrap();
        let run = apply(&namespace, &plan).code(1);
        assert!(run.stderr.contains(reason), "{}", run.stderr);
    }
    assert_same(&namespace.everything(), &before);
}

#[test]
fn a_plan_of_another_namespace_is_refused() {
    let (namespace, plan) = planned();
    let other = Namespace::new();
    // The same key, so that only the namespace differs.
    let run = Run::of(
        namespace
            .op_dbus_on(other.name())
            .args(["apply", "--plan"])
            .arg(&plan),
    );
    let run = run.code(1);
    assert!(
        run.stderr.contains("another network namespace"),
        "{}",
        run.stderr
    );
}

#[test]
fn no_secret_is_in_a_plan_and_one_that_changed_is_named() {
    let namespace = Namespace::new();
    let secrets = namespace.directory().join("secrets");
    let key = "QFgHIFsbF7/3nmpUXeqzzGJYXRT7MCPQ1SKYbAmaMl8=";
    std::fs::create_dir(&secrets).unwrap();
    let write = |text: &str| {
        use std::os::unix::fs::PermissionsExt;
        let file = secrets.join("wg0");
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    write(key);
    let state = json!({"version": 1, "plugins": {"net": {"interfaces": [
        {"name": "wg0", "type": "wireguard", "wireguard": {"private_key": {"secret": "wg0"}}},
    ]}}});
    let file = namespace.file("wg.json", state.to_string());
    let plan = namespace.directory().join("plan");
    let run = |arguments: &[&std::ffi::OsStr]| {
        let mut all = vec!["--secrets-dir".as_ref(), secrets.as_os_str()];
        all.extend(arguments);
        namespace.op_dbus(&all)
    };
    let out = [
        "diff".as_ref(),
        file.as_os_str(),
        "--out".as_ref(),
        plan.as_os_str(),
    ];
    run(&out).code(2);
    let text = std::fs::read_to_string(&plan).unwrap();
    assert!(!text.contains(key));
    write("mDNrXV9oR5AVEqa7XbgKRMLdYRjmk1SpSUVvRwD6cXI=");
    let refused = run(&["apply".as_ref(), "--plan".as_ref(), plan.as_os_str()]).code(1);
    assert!(
        refused.stderr.contains("these secrets have changed: wg0"),
        "{}",
        refused.stderr
    );
}
