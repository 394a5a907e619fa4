//! The binary `op-dbus`.

use std::process::ExitCode;

use op_dbus::plugin::builtin::Builtin;

/// The plugins that the program carries. They are built with it, and have its version.
const BUILTINS: &[Builtin] = &[
    Builtin {
        name: "net",
        version: env!("CARGO_PKG_VERSION"),
        wasm: include_bytes!(env!("OP_DBUS_NET_WASM")),
        digest: env!("OP_DBUS_NET_DIGEST"),
        #[cfg(compiled_builtins)]
        compiled: Some(op_dbus::include_paged!(env!("OP_DBUS_NET_CWASM"))),
        #[cfg(not(compiled_builtins))]
        compiled: None,
    },
    Builtin {
        name: "networkmanager",
        version: env!("CARGO_PKG_VERSION"),
        wasm: include_bytes!(env!("OP_DBUS_NETWORKMANAGER_WASM")),
        digest: env!("OP_DBUS_NETWORKMANAGER_DIGEST"),
        #[cfg(compiled_builtins)]
        compiled: Some(op_dbus::include_paged!(env!(
            "OP_DBUS_NETWORKMANAGER_CWASM"
        ))),
        #[cfg(not(compiled_builtins))]
        compiled: None,
    },
];

fn main() -> ExitCode {
    op_dbus::commands::run(BUILTINS, std::env::args_os())
}

#[cfg(test)]
mod tests {
    use op_dbus::digest::Digest;

    use super::BUILTINS;

    #[test]
    fn digests_that_were_taken_at_build_time_are_those_of_the_components() {
        for builtin in BUILTINS {
            assert_eq!(
                builtin.digest,
                Digest::of(builtin.wasm).hex(),
                "{}",
                builtin.name
            );
        }
    }
}
