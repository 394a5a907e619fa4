//! A component with its manifest and the signatures over it.

use serde::Deserialize;

use super::client::{Client, RegistryError};
use super::reference::Reference;
use crate::digest::Digest;
use crate::trust::evidence::{Evidence, LONGEST, MOST, SimpleSigning};
use crate::trust::manifest::{Descriptor, Image, MANIFEST, Manifest, WASM};

/// No larger manifest is read, in bytes: the most that registries take (OCI distribution specification 1.1, "Pushing manifests").
const LARGEST_MANIFEST: usize = 4 << 20;
/// An index of manifests.
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// A layer with a payload of cosign's simple signing.
const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Where the signature over such a payload stands.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// What a Sigstore bundle is called, up to its version.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";

/// A component from a registry.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// Where from, with the digest that its name stands for.
    pub reference: Reference,
    /// The component.
    pub component: Vec<u8>,
    /// Its manifest, and the signatures that the registry has for that.
    pub evidence: Evidence,
}

/// An index of manifests.
#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

/// Pulls a component.
///
/// # Errors
/// When the registry cannot be reached, has no such thing, sends other content than it was asked for, or the tag stands for another digest
/// than the one beside it.
pub fn pull(reference: &Reference, insecure: bool) -> Result<Pulled, RegistryError> {
    let mut client = Client::new(reference, insecure);
    let name = match (&reference.tag, &reference.digest) {
        (Some(tag), _) => tag.clone(),
        (None, Some(digest)) => digest.to_string(),
        (None, None) => unreachable!("a reference has one of them"),
    };
    let nothing = |why: &str| RegistryError::NoComponent {
        reference: reference.to_string(),
        why: why.to_owned(),
    };
    let manifest = client
        .get(&format!("manifests/{name}"), MANIFEST, LARGEST_MANIFEST)?
        .ok_or_else(|| nothing("the registry has no such artifact"))?;
    let now = Digest::of(&manifest);
    if let Some(before) = reference.digest
        && before != now
    {
        return Err(RegistryError::Moved {
            reference: reference.without_digest().to_string(),
            before,
            now,
        });
    }
    let found = Manifest::parse(&manifest).map_err(|why| nothing(&why))?;
    let component = content(&mut client, &found.component, WASM)?;
    let (cosign, simple_signing) = signatures(&mut client, &now)?;
    Ok(Pulled {
        reference: Reference {
            digest: Some(now),
            ..reference.clone()
        },
        component,
        evidence: Evidence {
            minisign: Vec::new(),
            cosign,
            manifest: Some(manifest),
            simple_signing,
        },
    })
}

/// What a descriptor stands for: as long as it says, and with its digest.
fn content(
    client: &mut Client,
    descriptor: &Descriptor,
    accept: &str,
) -> Result<Vec<u8>, RegistryError> {
    let path = format!("blobs/{}", descriptor.digest);
    let limit = usize::try_from(descriptor.size).unwrap_or(usize::MAX);
    let bytes = client.get(&path, accept, limit)?;
    let bytes = bytes.ok_or_else(|| RegistryError::Refused {
        url: path.clone(),
        status: 404,
        words: "its manifest names it, and the registry does not have it".to_owned(),
    })?;
    let found = Digest::of(&bytes);
    match found == descriptor.digest {
        true => Ok(bytes),
        false => Err(RegistryError::Swapped {
            url: path,
            expected: descriptor.digest,
            found,
        }),
    }
}

/// The bundles and the simple signatures that the registry has for a manifest: under the tag that cosign 1 and 2 give them, and as referrers.
fn signatures(
    client: &mut Client,
    manifest: &Digest,
) -> Result<(Vec<String>, Vec<SimpleSigning>), RegistryError> {
    let mut simple = Vec::new();
    let tag = format!("sha256-{}", manifest.hex());
    if let Some(image) = image(client, &format!("{tag}.sig"))? {
        for layer in layers(&image, SIMPLE_SIGNING) {
            let Some(signature) = layer.annotations.get(SIGNATURE) else {
                continue;
            };
            let payload = content(client, layer, SIMPLE_SIGNING)?;
            simple.push(SimpleSigning {
                payload: String::from_utf8_lossy(&payload).into_owned(),
                signature: signature.clone(),
            });
        }
    }
    // A registry without the referrers API keeps the same index under a tag (OCI distribution specification 1.1, "Referrers Tag Schema").
    let index = match client.get(&format!("referrers/{manifest}"), INDEX, LARGEST_MANIFEST)? {
        Some(index) => Some(index),
        None => client.get(&format!("manifests/{tag}"), INDEX, LARGEST_MANIFEST)?,
    };
    let index = index.and_then(|index| serde_json::from_slice::<Index>(&index).ok());
    let mut bundles = Vec::new();
    for referrer in index.iter().flat_map(|index| &index.manifests).take(MOST) {
        let Some(image) = image(client, &referrer.digest.to_string())? else {
            continue;
        };
        for layer in layers(&image, BUNDLE) {
            let bundle = content(client, layer, &layer.media_type)?;
            bundles.push(String::from_utf8_lossy(&bundle).into_owned());
        }
    }
    bundles.truncate(MOST);
    Ok((bundles, simple))
}

/// A manifest, if there is one and it can be read. What cannot be read is no signature.
fn image(client: &mut Client, name: &str) -> Result<Option<Image>, RegistryError> {
    let bytes = client.get(&format!("manifests/{name}"), MANIFEST, LARGEST_MANIFEST)?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// Layers of a media type that begins so, of a size that a signature may have.
fn layers<'a>(image: &'a Image, media_type: &'a str) -> impl Iterator<Item = &'a Descriptor> {
    image
        .layers
        .iter()
        .filter(move |layer| layer.media_type.starts_with(media_type) && layer.size <= LONGEST)
        .take(MOST)
}
