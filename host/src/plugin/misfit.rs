//! Why a file is no plugin for this host: in words that say what to do.

use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;
use wasmtime::{Trap, WasmBacktrace};

use super::engine::engine;
use crate::output::escape::escape;

/// The package of the contract.
const PACKAGE: &str = "op-dbus:plugin/";
/// The interface that a plugin exports.
const STATE: &str = "state";
/// The versions of the contract that this host serves, the newest first.
pub const VERSIONS: [&str; 1] = ["0.1.0"];
/// What the host lends, by interface.
const LENT: [&str; 5] = ["types", "log", "netlink", "ovsdb", "dbus"];
/// The functions of `state`.
const EXPORTS: [&str; 10] = [
    "describe",
    "watches",
    "validate",
    "query",
    "diff",
    "apply",
    "verify",
    "checkpoint",
    "rollback",
    "release",
];

/// How a WebAssembly file of any kind begins (core specification, "Modules"; component model, "Binary").
const MAGIC: &[u8] = b"\0asm";
const CORE: &[u8] = &[1, 0, 0, 0];
const COMPONENT: &[u8] = &[0x0d, 0, 1, 0];

/// What is wrong with bytes that are no component at all; nothing where they look like one.
pub fn of_bytes(bytes: &[u8]) -> Option<String> {
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        let text = bytes.trim_ascii_start();
        return Some(match text.first() {
            None => "the file is empty".to_owned(),
            Some(b'(') => "it is WebAssembly as text; `wasm-tools parse` makes the binary form".to_owned(),
            Some(_) => "it is no WebAssembly file: a component begins with the bytes 00 61 73 6d 0d 00 01 00".to_owned(),
        });
    };
    if rest.starts_with(CORE) {
        return Some(
            "it is a core module, and a plugin is a component: `wasm-tools component new MODULE -o PLUGIN.wasm` makes one of a module that \
             was built with wit-bindgen for the world of wit/ (for a WASI target add `--adapt wasi_snapshot_preview1=ADAPTER.wasm`)"
                .to_owned(),
        );
    }
    match rest.starts_with(COMPONENT) {
        true => None,
        false => Some(format!(
            "its WebAssembly format is of version {:02x?}, which this op-dbus does not read; build it with current tools",
            rest.get(..4).unwrap_or(rest)
        )),
    }
}

/// What of a component does not fit the contract; nothing where its names all fit, and only a type can be another.
pub fn of_component(component: &Component) -> Option<String> {
    exports(component).or_else(|| imports(component))
}

/// What to say where the names fit and a type does not, in the engine's own words.
pub fn another_shape(error: &wasmtime::Error) -> String {
    format!(
        "its names are those of the contract and its types are not: {}. Build it from an unchanged wit/",
        escape(&format!("{error:#}"))
    )
}

/// Why a component cannot be instantiated, where that is because of the types of its exports.
pub fn of_instance(error: &wasmtime::Error) -> Option<String> {
    let runs = error.is::<WasmBacktrace>() || error.is::<Trap>();
    let of_types = error
        .chain()
        .any(|cause| cause.to_string().starts_with("failed to convert function"));
    (!runs && of_types).then(|| another_shape(error))
}

fn exports(component: &Component) -> Option<String> {
    let engine = engine();
    let all = component.component_type();
    let mut offered = Vec::new();
    for (name, item) in all.exports(engine) {
        let Some((STATE, version)) = of_contract(name) else {
            continue;
        };
        if !is_served(version) {
            offered.push(version.to_owned());
            continue;
        }
        let ComponentItem::ComponentInstance(state) = item.ty else {
            return Some(format!("its export {} is no interface", escape(name)));
        };
        let missing: Vec<&str> = EXPORTS
            .into_iter()
            .filter(|function| {
                let found = state.get_export(engine, function);
                !found.is_some_and(|found| matches!(found.ty, ComponentItem::ComponentFunc(_)))
            })
            .collect();
        return match missing.as_slice() {
            [] => None,
            [one] => Some(format!(
                "its interface {name} lacks the function `{one}`; every function of wit/state.wit must be exported"
            )),
            many => Some(format!(
                "its interface {name} lacks the functions `{}`; every function of wit/state.wit must be exported",
                many.join("`, `")
            )),
        };
    }
    let newest = VERSIONS[0];
    Some(match offered.as_slice() {
        [] => format!(
            "it does not export the interface {PACKAGE}{STATE}@{newest}, so it is a component, but no plugin; build it for a world of wit/, \
             such as `netlink-plugin`"
        ),
        versions => other_version(&versions.join(", ")),
    })
}

fn imports(component: &Component) -> Option<String> {
    let all = component.component_type();
    for (name, _) in all.imports(engine()) {
        if name.starts_with("wasi:") {
            continue;
        }
        match of_contract(name) {
            Some((interface, version)) if LENT.contains(&interface) => {
                if !is_served(version) {
                    return Some(other_version(version));
                }
            }
            _ => {
                return Some(format!(
                    "it imports {}, which op-dbus does not lend; a plugin may import {} of {PACKAGE} and WASI's interfaces (over an empty \
                     context)",
                    escape(name),
                    LENT[1..].join(", ")
                ));
            }
        }
    }
    None
}

fn other_version(versions: &str) -> String {
    format!(
        "it was built for version {} of the contract, and this op-dbus {} serves {}: rebuild it for that, or use an op-dbus that serves its own",
        escape(versions),
        env!("CARGO_PKG_VERSION"),
        VERSIONS.join(" and ")
    )
}

/// Interface and version of a name of the contract's package.
fn of_contract(name: &str) -> Option<(&str, &str)> {
    let rest = name.strip_prefix(PACKAGE)?;
    Some(rest.split_once('@').unwrap_or((rest, "none")))
}

/// Whether a version is one that the host serves, or differs from one only in what changes no shape (component model, "canonical version":
/// the first number that is not 0).
fn is_served(version: &str) -> bool {
    VERSIONS
        .iter()
        .any(|served| canonical(served) == canonical(version))
}

fn canonical(version: &str) -> String {
    let mut parts = version.split('.');
    let (major, minor) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    match (major, minor) {
        ("0", "0") => version.to_owned(),
        ("0", minor) => format!("0.{minor}"),
        (major, _) => major.to_owned(),
    }
}

#[cfg(test)]
mod tests;
