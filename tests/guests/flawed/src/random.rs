//! Random numbers of WASI: the one thing of it that makes a plugin answer otherwise each time.

mod bindings {
    wit_bindgen::generate!({
        inline: "
            package op-dbus:flawed;
            world luck { import wasi:random/random@0.2.0; }
            package wasi:random@0.2.0 { interface random { get-random-u64: func() -> u64; } }
        ",
        generate_all,
    });
}

/// A number that nobody can foretell.
pub fn number() -> u64 {
    bindings::wasi::random::random::get_random_u64()
}
