//! Hostile components: what a host has to survive.
//!
//! [`HOSTILE`] does what its section asks for. The others are written as core modules, for what no compiler would produce; where one can
//! do several things, the first byte of the argument chooses (the files in `../core` say what).

/// The component of this name.
macro_rules! guest {
    ($(#[$doc:meta] $constant:ident = $name:literal;)*) => {
        $(#[$doc] pub const $constant: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".wasm"));)*
    };
}

guest! {
    /// Makes bridges and does what its section asks for.
    HOSTILE = "hostile";
    /// Never ends its start function.
    START = "start";
    /// Never ends `cabi_realloc`.
    REALLOC = "realloc";
    /// Never ends the function that is called after `validate`.
    POST_RETURN = "post-return";
    /// Has forty memories and grows each in turn.
    MANY_MEMORIES = "many-memories";
    /// Has more memories than a component may be made of.
    TOO_MANY_MEMORIES = "too-many-memories";
    /// Has one table of nine million elements.
    LARGE_TABLE = "large-table";
    /// Grows a table without end.
    GROWING_TABLE = "growing-table";
    /// Calls the host with arguments that are none.
    ARGUMENTS = "arguments";
    /// Answers `query` with what is no answer.
    ANSWERS = "answers";
    /// Speaks UTF-16, badly.
    UTF16 = "utf16";
    /// Drops and uses handles that are not its own.
    HANDLES = "handles";
    /// Calls WASI.
    WASI = "wasi";
    /// Was made for a version of the contract that there is not.
    FALSE_VERSION = "false-version";
}
