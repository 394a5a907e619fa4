//! Write op-dbus plugins in Rust.

#[allow(missing_docs, clippy::all)]
mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "state-plugin",
        pub_export_macro: true,
        default_bindings_module: "op_dbus_plugin::bindings",
        additional_derives: [PartialEq],
    });
}
