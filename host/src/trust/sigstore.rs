//! Signatures of cosign with a key, checked offline. What a transparency log would say is not asked for.
//!
//! - over the component: base64 as `cosign sign-blob` prints it; the bundle of cosign 1 and 2 (`{"base64Signature": …}`); a Sigstore bundle
//!   with a `messageSignature` (sigstore/protobuf-specs, `sigstore_bundle.proto`).
//! - over the manifest that names the component in a registry: the payload of cosign's "simple signing" (cosign, `specs/SIGNATURE_SPEC.md`),
//!   or a Sigstore bundle with a `dsseEnvelope` around an in-toto statement of the type that `cosign sign` makes. An attestation of another
//!   type (a bill of materials, a scan) says something about the component, not that its signer vouches for it.
//!
//! ECDSA on P-256 with SHA-256, the signature in ASN.1 (RFC 3279 section 2.2.3).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde_json::Value;

use super::evidence::{Evidence, SimpleSigning};
use super::key::Key;
use super::manifest::Manifest;
use super::{Found, Standing, Trust};
use crate::digest::Digest;

/// What `cosign sign` says in its statements that a signature is.
const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";
/// The type of an in-toto statement in an envelope.
const STATEMENT: &str = "application/vnd.in-toto+json";
/// What a payload of simple signing says that it is.
const SIMPLE: &str = "cosign container image signature";

/// Something that was signed, with the signatures over it, any of which may be by the key that counts.
struct Signed<'a> {
    message: std::borrow::Cow<'a, [u8]>,
    signatures: Vec<Vec<u8>>,
    /// The key that it says it is by: SHA-256 of the SubjectPublicKeyInfo, in base64.
    hint: Option<String>,
    /// Whether what was signed is about the component.
    fits: bool,
    /// What its signer wrote beside it.
    comment: Option<String>,
}

/// Looks at all signatures of cosign.
pub(super) fn examine(trust: &Trust, component: &[u8], evidence: &Evidence) -> Vec<Found> {
    let subject = Subject {
        component,
        digest: Digest::of(component),
        manifest: evidence.manifest.as_deref(),
    };
    let blobs = evidence.cosign.iter().map(|text| subject.blob(text));
    let simple = evidence.simple_signing.iter().map(|it| subject.simple(it));
    blobs
        .chain(simple)
        .map(|signed| match signed {
            Some(signed) => judge(trust, &signed),
            None => Found {
                by: "cosign signature".to_owned(),
                standing: Standing::Unreadable,
                comment: None,
                key: None,
            },
        })
        .collect()
}

fn judge(trust: &Trust, signed: &Signed<'_>) -> Found {
    let mut broken = None;
    for key in &trust.keys {
        let Key::P256 { fingerprint, point } = key else {
            continue;
        };
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point);
        let good = signed
            .signatures
            .iter()
            .any(|signature| public.verify(&signed.message, signature).is_ok());
        if good && signed.fits {
            return Found {
                by: key.to_string(),
                standing: trust.standing(key),
                comment: signed.comment.clone(),
                key: Some(key.identity()),
            };
        }
        let claimed = signed.hint.as_deref() == Some(&STANDARD.encode(fingerprint.bytes()));
        if good || claimed {
            broken = Some(key);
        }
    }
    Found {
        by: match (broken, &signed.hint) {
            (Some(key), _) => key.to_string(),
            (None, Some(hint)) => format!("cosign key {hint}"),
            (None, None) => "cosign signature".to_owned(),
        },
        standing: match broken {
            Some(_) => Standing::Broken,
            None => Standing::Unknown,
        },
        comment: None,
        key: None,
    }
}

/// What signatures have to be about.
struct Subject<'a> {
    component: &'a [u8],
    digest: Digest,
    manifest: Option<&'a [u8]>,
}

impl<'a> Subject<'a> {
    /// A signature over the component, or a bundle.
    fn blob(&self, text: &str) -> Option<Signed<'a>> {
        let text = text.trim();
        if !text.starts_with('{') {
            return self.over_component(text, None, true);
        }
        let bundle: Value = serde_json::from_str(text).ok()?;
        if let Some(signature) = bundle["base64Signature"].as_str() {
            return self.over_component(signature, None, true);
        }
        let hint = bundle["verificationMaterial"]["publicKey"]["hint"].as_str();
        let hint = hint.map(str::to_owned);
        if let Some(envelope) = bundle.get("dsseEnvelope") {
            return self.envelope(envelope, hint);
        }
        let message = &bundle["messageSignature"];
        let digest = &message["messageDigest"];
        let fits = match (digest["algorithm"].as_str(), digest["digest"].as_str()) {
            (None, None) => true,
            (Some("SHA2_256"), Some(digest)) => digest == STANDARD.encode(self.digest.bytes()),
            _ => return None,
        };
        self.over_component(message["signature"].as_str()?, hint, fits)
    }

    fn over_component(
        &self,
        signature: &str,
        hint: Option<String>,
        fits: bool,
    ) -> Option<Signed<'a>> {
        Some(Signed {
            message: self.component.into(),
            signatures: vec![STANDARD.decode(signature).ok()?],
            hint,
            fits,
            comment: None,
        })
    }

    /// A DSSE envelope (secure-systems-lab/dsse, `protocol.md`).
    fn envelope(&self, envelope: &Value, hint: Option<String>) -> Option<Signed<'a>> {
        let kind = envelope["payloadType"].as_str()?;
        let payload = STANDARD.decode(envelope["payload"].as_str()?).ok()?;
        let signatures = envelope["signatures"].as_array()?.iter();
        let signatures = signatures
            .map(|it| STANDARD.decode(it["sig"].as_str()?).ok())
            .collect::<Option<_>>()?;
        let mut message = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
        message.extend_from_slice(&payload);
        let statement: Value = serde_json::from_slice(&payload).ok()?;
        let subjects = statement["subject"].as_array()?.iter();
        let mut digests = subjects.filter_map(|it| it["digest"]["sha256"].as_str());
        let of_sign = kind == STATEMENT && statement["predicateType"] == SIGN;
        Some(Signed {
            message: message.into(),
            signatures,
            hint,
            fits: of_sign && digests.any(|digest| self.is(&format!("sha256:{digest}"))),
            comment: None,
        })
    }

    /// A payload of simple signing, and the signature over it.
    fn simple(&self, it: &SimpleSigning) -> Option<Signed<'a>> {
        let payload: Value = serde_json::from_str(&it.payload).ok()?;
        let critical = &payload["critical"];
        let digest = critical["image"]["docker-manifest-digest"].as_str()?;
        let name = critical["identity"]["docker-reference"].as_str();
        Some(Signed {
            message: it.payload.clone().into_bytes().into(),
            signatures: vec![STANDARD.decode(it.signature.trim()).ok()?],
            hint: None,
            fits: critical["type"] == SIMPLE && self.is(digest),
            comment: name.map(str::to_owned),
        })
    }

    /// Whether a digest is that of the component, or of the manifest by which it was pulled.
    fn is(&self, digest: &str) -> bool {
        let Ok(digest) = digest.parse::<Digest>() else {
            return false;
        };
        if digest == self.digest {
            return true;
        }
        let Some(bytes) = self.manifest else {
            return false;
        };
        digest == Digest::of(bytes)
            && Manifest::parse(bytes).is_ok_and(|manifest| manifest.component.digest == self.digest)
    }
}
