//! The binary `op-dbus`.

use std::process::ExitCode;

use op_dbus::plugin::builtin::Builtin;

/// The plugins that the program carries.
const BUILTINS: &[Builtin] = &[
    Builtin {
        name: "net",
        wasm: include_bytes!(env!("OP_DBUS_NET_WASM")),
        #[cfg(compiled_builtins)]
        compiled: Some(op_dbus::include_paged!(env!("OP_DBUS_NET_CWASM"))),
        #[cfg(not(compiled_builtins))]
        compiled: None,
    },
    Builtin {
        name: "networkmanager",
        wasm: include_bytes!(env!("OP_DBUS_NETWORKMANAGER_WASM")),
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
