//! Components from registries (OCI distribution specification 1.1), in the artifact format of the CNCF's Wasm working group, which `wkg` writes.
//!
//! # Layout
//! - [`reference`](mod@reference): `oci://HOST/REPOSITORY:TAG@DIGEST`.
//! - [`client`]: requests, tokens, limits. [`credentials`]: what `docker login` left.
//! - [`pull`](mod@pull): a component with its manifest and the signatures over it.
//!
//! Nothing that a registry says is believed: digests are computed here, sizes and times are bounded.

pub mod client;
pub mod credentials;
pub mod pull;
pub mod reference;

pub use pull::{Pulled, pull};
pub use reference::Reference;
