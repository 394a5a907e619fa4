//! Manifests of artifacts in registries: which layer is the component.

use serde::Deserialize;

use crate::digest::Digest;

/// No larger component is taken, in bytes: sixty times the largest that we know, and compiling it would take a minute.
pub const LARGEST_COMPONENT: u64 = 64 << 20;
/// The media type of a manifest (OCI image specification).
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// That of the configuration of a Wasm artifact (CNCF TAG Runtime, "Wasm OCI artifact layout").
pub const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// That of a layer which is a component.
pub const WASM: &str = "application/wasm";

/// A reference to content by its digest.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the content is.
    pub media_type: String,
    /// By what it is known.
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    /// What is said about it.
    #[serde(default)]
    pub annotations: std::collections::BTreeMap<String, String>,
}

/// The parts of any manifest that matter here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// What describes the whole.
    pub config: Descriptor,
    /// What it is made of.
    pub layers: Vec<Descriptor>,
}

/// The manifest of a Wasm artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The component.
    pub component: Descriptor,
}

impl Manifest {
    /// Reads the manifest of a Wasm artifact.
    ///
    /// # Errors
    /// What it is instead.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let image: Image = serde_json::from_slice(bytes)
            .map_err(|error| format!("this is no manifest of an artifact: {error}"))?;
        if image.config.media_type != WASM_CONFIG {
            return Err(format!(
                "this is no Wasm artifact but {:?}; push it with `wkg oci push`",
                image.config.media_type
            ));
        }
        let [component] = image.layers.as_slice() else {
            return Err(format!(
                "a Wasm artifact has one layer, this one has {}",
                image.layers.len()
            ));
        };
        if component.media_type != WASM {
            return Err(format!(
                "its layer is {:?}, not {WASM}",
                component.media_type
            ));
        }
        if component.size > LARGEST_COMPONENT {
            return Err(format!(
                "its component has {} MiB, more than the {} that a plugin may have",
                component.size >> 20,
                LARGEST_COMPONENT >> 20
            ));
        }
        Ok(Self {
            component: component.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn manifest() -> Value {
        let digest = Digest::of(b"component").to_string();
        json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": WASM_CONFIG, "digest": Digest::of(b"{}"), "size": 2},
            "layers": [{"mediaType": WASM, "digest": digest, "size": 9}]
        })
    }

    #[test]
    fn the_component_of_a_wasm_artifact_is_found() {
        let found = Manifest::parse(manifest().to_string().as_bytes()).unwrap();
        assert_eq!(found.component.digest, Digest::of(b"component"));
        assert_eq!(found.component.size, 9);
    }

    #[test]
    fn other_artifacts_are_refused() {
        let with = |pointer: &str, value: Value| {
            let mut manifest = manifest();
            *manifest.pointer_mut(pointer).unwrap() = value;
            Manifest::parse(manifest.to_string().as_bytes()).unwrap_err()
        };
        let image = "application/vnd.oci.image.config.v1+json";
        assert!(with("/config/mediaType", json!(image)).contains("wkg"));
        assert!(with("/layers", json!([])).contains("has 0"));
        let two = json!([manifest()["layers"][0], manifest()["layers"][0]]);
        assert!(with("/layers", two).contains("has 2"));
        assert!(with("/layers/0/mediaType", json!("text/plain")).contains("text/plain"));
        assert!(with("/layers/0/size", json!(1_u64 << 40)).contains("MiB"));
        assert!(with("/layers/0/digest", json!("sha256:1")).contains("no manifest"));
    }
}
