//! Components that tests of the host break laws and contracts with.

/// The plugin that is sound until a flaw is chosen.
const FLAWED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/flawed.wasm"));

/// A component of the contract as it is; its functions trap.
pub const SOUND_SHAPE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/sound-shape.wasm"));
/// One of version 0.9.0.
pub const LATER_VERSION: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/later-version.wasm"));
/// One without `release` and `watches`.
pub const LACKING_EXPORTS: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/lacking-exports.wasm"));
/// One whose `operation` has a case more.
pub const ANOTHER_SHAPE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/another-shape.wasm"));
/// One that imports what nobody lends.
pub const FOREIGN_IMPORT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/foreign-import.wasm"));
/// A component that has nothing to do with the contract.
pub const NO_PLUGIN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/no-plugin.wasm"));

/// A version of the contract, with a component for each of its worlds.
pub type Release = (&'static str, &'static [(&'static str, &'static [u8])]);

/// The released versions.
pub const RELEASED: &[Release] = &include!(concat!(env!("OUT_DIR"), "/released.rs"));

/// How the word begins that says which flaw the plugin has.
const MARK: &[u8] = b"flaw:none";
/// Bytes of the word, padded with dots.
const LENGTH: usize = 32;

/// The plugin with a flaw; `none` is the sound one.
///
/// # Panics
/// When the flaw's name is too long, or the word is not once in the component.
pub fn flawed(flaw: &str) -> Vec<u8> {
    let mut component = FLAWED.to_vec();
    let found: Vec<usize> = (0..component.len().saturating_sub(MARK.len()))
        .filter(|at| component[*at..].starts_with(MARK))
        .collect();
    let [at] = found[..] else {
        panic!("the word is {} times in the component", found.len());
    };
    let mut word = format!("flaw:{flaw}").into_bytes();
    assert!(word.len() <= LENGTH, "{flaw} is too long");
    word.resize(LENGTH, b'.');
    component[at..at + LENGTH].copy_from_slice(&word);
    component
}
