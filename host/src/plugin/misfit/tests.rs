//! What the operator reads of components that do not fit, and of guests that trap.

use std::sync::Arc;

use insta::assert_snapshot;

use super::*;
use crate::conformance::stage::{Simulated, Stage};
use crate::digest::Digest;
use crate::gate::grant::Grant;
use crate::plugin::cache::Cache;
use crate::plugin::failure::PluginError;
use crate::plugin::instance::Caller;
use crate::plugin::limits::Limits;
use crate::plugin::loader::Plugin;
use crate::transaction::book::Book;

fn load(bytes: &[u8]) -> Result<Plugin, PluginError> {
    let cache = Cache::new(None);
    Plugin::of_bytes("tried", bytes, &cache, Grant::default(), Limits::default())
}

fn trouble(bytes: &[u8]) -> String {
    match load(bytes) {
        Ok(_) => "it loads".into(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_is_no_component_is_told_what_it_is() {
    assert_snapshot!(trouble(b""), @"plugin tried cannot be loaded: the file is empty");
    assert_snapshot!(trouble(b"\x7fELF"), @"plugin tried cannot be loaded: it is no WebAssembly file: a component begins with the bytes 00 61 73 6d 0d 00 01 00");
    assert_snapshot!(trouble(b"(component)"), @"plugin tried cannot be loaded: it is WebAssembly as text; `wasm-tools parse` makes the binary form");
    assert_snapshot!(trouble(b"\0asm\x01\0\0\0"), @"plugin tried cannot be loaded: it is a core module, and a plugin is a component: `wasm-tools component new MODULE -o PLUGIN.wasm` makes one of a module that was built with wit-bindgen for the world of wit/ (for a WASI target add `--adapt wasi_snapshot_preview1=ADAPTER.wasm`)");
    assert_snapshot!(trouble(b"\0asm\x07\0\x01\0"), @"plugin tried cannot be loaded: its WebAssembly format is of version [07, 00, 01, 00], which this op-dbus does not read; build it with current tools");
}

#[test]
fn a_component_that_does_not_fit_is_told_why() {
    assert_snapshot!(trouble(flawed_guests::SOUND_SHAPE), @"it loads");
    assert_snapshot!(trouble(flawed_guests::LATER_VERSION), @"plugin tried cannot be loaded: it was built for version 0.9.0 of the contract, and this op-dbus 0.1.0 serves 0.1.0: rebuild it for that, or use an op-dbus that serves its own");
    assert_snapshot!(trouble(flawed_guests::LACKING_EXPORTS), @"plugin tried cannot be loaded: its interface op-dbus:plugin/state@0.1.0 lacks the functions `watches`, `release`; every function of wit/state.wit must be exported");
    assert_snapshot!(trouble(flawed_guests::FOREIGN_IMPORT), @"plugin tried cannot be loaded: it imports op-dbus:plugin/clock@0.1.0, which op-dbus does not lend; a plugin may import log, netlink, ovsdb, dbus of op-dbus:plugin/ and WASI's interfaces (over an empty context)");
    assert_snapshot!(trouble(flawed_guests::NO_PLUGIN), @"plugin tried cannot be loaded: it does not export the interface op-dbus:plugin/state@0.1.0, so it is a component, but no plugin; build it for a world of wit/, such as `netlink-plugin`");
}

#[tokio::test]
async fn a_component_with_another_type_is_told_so() {
    let another = match load(flawed_guests::ANOTHER_SHAPE) {
        Err(error) => error.to_string(),
        Ok(plugin) => {
            let caller = Caller {
                plugin: &plugin,
                backends: Simulated::default().stand().await.unwrap().backends,
                recorder: Arc::new(Book::reading()),
                listener: None,
            };
            caller.describe().await.unwrap_err().to_string()
        }
    };
    assert!(
        another.starts_with(
            "plugin tried cannot be loaded: its names are those of the contract and its types are not:"
        ),
        "{another}"
    );
}

/// What a call of the flawed plugin comes to.
async fn called(flaw: &str, query: bool) -> PluginError {
    let plugin = load(&flawed_guests::flawed(flaw)).unwrap();
    let caller = Caller {
        plugin: &plugin,
        backends: Simulated::default().stand().await.unwrap().backends,
        recorder: Arc::new(Book::reading()),
        listener: None,
    };
    match query {
        true => caller.query(None).await.map(drop).unwrap_err(),
        false => caller
            .validate(&"{}".to_owned())
            .await
            .map(drop)
            .unwrap_err(),
    }
}

#[tokio::test]
async fn a_trap_shows_the_guests_own_stack_with_names() {
    let error = called("trap", false).await;
    let PluginError::Trap { stack, reason, .. } = &error else {
        panic!("{error}");
    };
    assert!(reason.contains("unreachable"), "{reason}");
    let place = |name: &str| stack.iter().position(|frame| frame.contains(name));
    let cliff = place("op_dbus_flawed::fall_over_the_edge").expect("the function is named");
    let call = place("validate").expect("the export is named");
    assert!(cliff < call, "innermost first: {stack:?}");
    let text = error.to_string();
    assert!(
        text.starts_with("plugin tried 0.1.0 failed in validate: "),
        "{text}"
    );
    assert!(
        text.contains("\nthe plugin's own stack, innermost first:\n    0  "),
        "{text}"
    );
}

#[tokio::test]
async fn endless_recursion_is_told_from_other_traps_and_names_the_function() {
    let error = called("dig", true).await;
    let PluginError::Trap { stack, reason, .. } = &error else {
        panic!("{error}");
    };
    assert!(reason.contains("stack"), "{reason}");
    assert!(stack[0].contains("op_dbus_flawed::dig"), "{stack:?}");
}

#[tokio::test]
async fn a_trap_says_what_the_plugin_had_asked_before() {
    let mut plugin = load(&flawed_guests::flawed("links-are-there")).unwrap();
    // Nothing is granted: that is the answer that it does not expect.
    plugin.name = "careless".into();
    let caller = Caller {
        plugin: &plugin,
        backends: Simulated::default().stand().await.unwrap().backends,
        recorder: Arc::new(Book::reading()),
        listener: None,
    };
    let error = caller.query(None).await.unwrap_err().to_string();
    assert!(
        error.contains("careless 0.1.0 failed in query (after it had called netlink.links): "),
        "{error}"
    );
}

/// A folder of `wit/released`.
fn released() -> Vec<std::path::PathBuf> {
    let all = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../wit/released")).unwrap();
    let mut folders: Vec<_> = all
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

#[test]
fn a_released_contract_never_changes() {
    let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../wit/released"));
    let sums = std::fs::read_to_string(root.join("SHA256SUMS")).unwrap();
    let noted: Vec<(&str, &str)> = sums
        .lines()
        .map(|line| line.split_once("  ").expect("sum and name"))
        .collect();
    let mut found = 0;
    for folder in released() {
        for file in std::fs::read_dir(&folder).unwrap() {
            let path = file.unwrap().path();
            let name = path
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            let sum = Digest::of(&std::fs::read(&path).unwrap()).hex();
            assert!(
                noted.contains(&(&sum, &name)),
                "{name} is not as it was released: a new shape is a new version of the package"
            );
            found += 1;
        }
    }
    assert_eq!(found, noted.len(), "a released file is gone");
    assert!(found > 0);
}

#[test]
fn the_contract_in_use_says_what_was_released_under_its_number() {
    let said = |path: std::path::PathBuf| -> String {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.starts_with("//"));
        // Comments apart, and how it is laid out for them.
        let words: Vec<_> = lines.flat_map(str::split_whitespace).collect();
        words.join(" ").replace(", }", " }")
    };
    let now = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../wit"));
    let types = said(now.join("types.wit"));
    for folder in released() {
        let version = folder.file_name().unwrap().to_str().unwrap().to_owned();
        if !types.starts_with(&format!("package op-dbus:plugin@{version};")) {
            continue;
        }
        for file in std::fs::read_dir(&folder).unwrap() {
            let name = file.unwrap().file_name();
            assert!(
                said(now.join(&name)) == said(folder.join(&name)),
                "wit/{} differs from what was released as {version}: give the package a new version",
                name.display()
            );
        }
    }
}

#[test]
fn plugins_that_were_built_for_a_released_contract_keep_loading() {
    let folders = released();
    assert_eq!(folders.len(), flawed_guests::RELEASED.len());
    for (version, world, component) in flawed_guests::RELEASED.iter().flat_map(|(version, all)| {
        all.iter()
            .map(move |(world, component)| (version, world, component))
    }) {
        assert!(VERSIONS.contains(version), "{version} is served");
        if let Err(error) = load(component) {
            panic!("{version}, {world}: {error}");
        }
    }
}
