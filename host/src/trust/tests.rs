//! The policy over real signatures. minisign's own program and openssl sign in the tests of the whole system.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::json;

use super::evidence::SimpleSigning;
use super::manifest::{MANIFEST, WASM, WASM_CONFIG};
use super::*;
use crate::digest::Digest;

const COMPONENT: &[u8] = b"component";

/// A key of minisign, which signs in the legacy form: over the bytes themselves.
struct Minisign {
    number: [u8; 8],
    pair: Ed25519KeyPair,
}

impl Minisign {
    fn new(seed: u8) -> Self {
        Self {
            number: [seed; 8],
            pair: Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap(),
        }
    }

    fn public(&self) -> String {
        STANDARD.encode([b"Ed", &self.number[..], self.pair.public_key().as_ref()].concat())
    }

    fn sign(&self, bytes: &[u8], comment: &str) -> String {
        let signature = self.pair.sign(bytes);
        let global = self
            .pair
            .sign(&[signature.as_ref(), comment.as_bytes()].concat());
        format!(
            "untrusted comment: whatever\n{}\ntrusted comment: {comment}\n{}\n",
            STANDARD.encode([b"Ed", &self.number[..], signature.as_ref()].concat()),
            STANDARD.encode(global)
        )
    }
}

/// A key of cosign.
struct Cosign(EcdsaKeyPair);

impl Cosign {
    fn new() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap())
    }

    fn public(&self) -> String {
        // RFC 5480 section 2: the parameters of P-256, then the point.
        let prefix = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
        let mut der: Vec<u8> = (0..prefix.len() / 2)
            .map(|at| u8::from_str_radix(&prefix[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        der.extend_from_slice(self.0.public_key().as_ref());
        let body = STANDARD.encode(der);
        format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
    }

    fn sign(&self, bytes: &[u8]) -> String {
        STANDARD.encode(self.0.sign(&SystemRandom::new(), bytes).unwrap())
    }
}

fn trust(required: bool, keys: &[String]) -> Trust {
    Trust {
        required,
        keys: keys.iter().map(|text| Key::parse(text).unwrap()).collect(),
        ..Trust::default()
    }
}

fn standings(trust: &Trust, evidence: &Evidence) -> Vec<Standing> {
    let found = trust.examine(COMPONENT, evidence);
    found.iter().map(|found| found.standing).collect()
}

fn minisign(signatures: &[String]) -> Evidence {
    Evidence {
        minisign: signatures.to_vec(),
        ..Evidence::default()
    }
}

#[test]
fn a_key_is_read_from_its_file_and_known_by_its_number() {
    let file = "untrusted comment: minisign public key E7620F1842B4E81F\nRWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\n";
    let key = Key::parse(file).unwrap();
    assert_eq!(key.to_string(), "minisign key E7620F1842B4E81F");
    let bare = Key::parse("RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3").unwrap();
    assert_eq!(key.identity(), bare.identity());
    assert!(key.is(&"E7620F1842B4E81F".parse().unwrap()));
    for wrong in [
        "",
        "RWQ",
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
        "untrusted comment: x",
    ] {
        assert!(Key::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_vectors_of_minisigns_own_library_hold() {
    let key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3".to_owned();
    let prehashed = "untrusted comment: signature from minisign secret key\n\
        RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=\n\
        trusted comment: timestamp:1633700835\tfile:test\tprehashed\n\
        wLMDjy9FLAuxZ3q4NlEvkgtyhrr0gtTu6KC4KBJdITbbOeAi1zBIYo0v4iTgt8jJpIidRJnp94ABQkJAgAooBQ==\n";
    let trust = trust(true, &[key]);
    let evidence = minisign(&[prehashed.to_owned()]);
    let found = trust.judge(trust.examine(b"test", &evidence)).unwrap();
    assert_eq!(found[0].standing, Standing::Trusted);
    assert!(trust.judge(trust.examine(b"Test", &evidence)).is_err());
    let forged = minisign(&[prehashed.replace("file:test", "file:tost")]);
    assert!(
        trust.judge(trust.examine(b"test", &forged)).is_err(),
        "the comment is signed too"
    );
}

#[test]
fn signatures_of_minisign_stand_as_their_keys_do() {
    let (one, two) = (Minisign::new(1), Minisign::new(2));
    let mut trust = trust(true, &[one.public()]);
    let signed = minisign(&[
        one.sign(COMPONENT, "c"),
        two.sign(COMPONENT, "c"),
        one.sign(b"other", "c"),
        "no signature".to_owned(),
    ]);
    assert_eq!(
        standings(&trust, &signed),
        [
            Standing::Trusted,
            Standing::Unknown,
            Standing::Broken,
            Standing::Unreadable
        ]
    );
    trust.revoked.push("0101010101010101".parse().unwrap());
    assert_eq!(standings(&trust, &signed)[0], Standing::Revoked);
    assert!(trust.counting().is_empty());
}

#[test]
fn a_key_that_takes_the_number_of_another_is_not_taken_for_it() {
    let (one, mut two) = (Minisign::new(1), Minisign::new(2));
    two.number = one.number;
    let trust = trust(true, &[one.public()]);
    let forged = minisign(&[two.sign(COMPONENT, "c")]);
    assert_eq!(standings(&trust, &forged), [Standing::Broken]);
    // One key under two numbers is one signer.
    let mut again = Minisign::new(1);
    again.number = [9; 8];
    let twice = Trust {
        minimum: 2,
        ..self::trust(true, &[one.public(), again.public()])
    };
    let signed = minisign(&[one.sign(COMPONENT, "c"), again.sign(COMPONENT, "c")]);
    let untrusted = twice.judge(twice.examine(COMPONENT, &signed)).unwrap_err();
    assert_eq!((untrusted.have, untrusted.need), (1, 2));
}

#[test]
fn where_signatures_are_optional_only_broken_and_revoked_ones_stand_in_the_way() {
    let (one, two) = (Minisign::new(1), Minisign::new(2));
    let mut trust = trust(false, &[one.public()]);
    let judge = |trust: &Trust, signatures: &[String]| {
        trust.judge(trust.examine(COMPONENT, &minisign(signatures)))
    };
    assert!(judge(&trust, &[]).is_ok());
    assert!(judge(&trust, &[two.sign(COMPONENT, "c")]).is_ok());
    assert!(judge(&trust, &[one.sign(b"other", "c")]).is_err());
    assert!(judge(&trust, &[one.sign(b"other", "c"), one.sign(COMPONENT, "c")]).is_ok());
    trust
        .revoked
        .push(Key::parse(&one.public()).unwrap().identity());
    assert!(judge(&trust, &[one.sign(COMPONENT, "c")]).is_err());
}

/// The manifest of an artifact with this component.
fn manifest(component: &[u8]) -> Vec<u8> {
    json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": WASM_CONFIG, "digest": Digest::of(b"{}"), "size": 2},
        "layers": [{"mediaType": WASM, "digest": Digest::of(component), "size": component.len()}]
    })
    .to_string()
    .into_bytes()
}

#[test]
fn a_simple_signature_counts_for_the_component_of_the_manifest_that_it_names() {
    let key = Cosign::new();
    let trust = trust(true, &[key.public()]);
    let payload = |kind: &str, manifest: &[u8]| {
        json!({"critical": {
            "identity": {"docker-reference": "registry.example.org/edge"},
            "image": {"docker-manifest-digest": Digest::of(manifest)}, "type": kind}})
        .to_string()
    };
    let kind = "cosign container image signature";
    let standing = |payload: String, signed: &str, manifest: Vec<u8>| {
        let evidence = Evidence {
            simple_signing: vec![SimpleSigning {
                signature: key.sign(signed.as_bytes()),
                payload,
            }],
            manifest: Some(manifest),
            ..Evidence::default()
        };
        standings(&trust, &evidence)[0]
    };
    let own = manifest(COMPONENT);
    let good = payload(kind, &own);
    assert_eq!(
        standing(good.clone(), &good, own.clone()),
        Standing::Trusted
    );
    assert_eq!(
        standing(good.clone(), "other", own.clone()),
        Standing::Unknown
    );
    // The manifest of another component, the payload of another kind, and a manifest that the payload does not name.
    let other = manifest(b"other");
    let of_other = payload(kind, &other);
    assert_eq!(
        standing(of_other.clone(), &of_other, other.clone()),
        Standing::Broken
    );
    let of_kind = payload("atomic container signature", &own);
    assert_eq!(
        standing(of_kind.clone(), &of_kind, own.clone()),
        Standing::Broken
    );
    assert_eq!(standing(good.clone(), &good, other), Standing::Broken);
}

#[test]
fn an_envelope_counts_if_it_is_what_cosign_sign_makes() {
    let key = Cosign::new();
    let trust = trust(true, &[key.public()]);
    let sign = "https://sigstore.dev/cosign/sign/v1";
    let standing = |predicate: &str, digest: Digest| {
        let kind = "application/vnd.in-toto+json";
        let payload = json!({
            "_type": "https://in-toto.io/Statement/v1", "predicateType": predicate,
            "subject": [{"digest": {"sha256": digest.hex()}}]})
        .to_string();
        let message = format!("DSSEv1 {} {kind} {} {payload}", kind.len(), payload.len());
        let bundle = json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {"publicKey": {"hint": "x"}},
            "dsseEnvelope": {
                "payload": STANDARD.encode(&payload), "payloadType": kind,
                "signatures": [{"sig": key.sign(message.as_bytes())}]}});
        let evidence = Evidence {
            cosign: vec![bundle.to_string()],
            manifest: Some(manifest(COMPONENT)),
            ..Evidence::default()
        };
        standings(&trust, &evidence)[0]
    };
    assert_eq!(standing(sign, Digest::of(COMPONENT)), Standing::Trusted);
    assert_eq!(
        standing(sign, Digest::of(&manifest(COMPONENT))),
        Standing::Trusted
    );
    assert_eq!(standing(sign, Digest::of(b"other")), Standing::Broken);
    // That somebody has scanned it does not say that they vouch for it.
    let scan = "https://cosign.sigstore.dev/attestation/vuln/v1";
    assert_eq!(standing(scan, Digest::of(COMPONENT)), Standing::Broken);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Each signature is by one of four keys, of which three are listed and some revoked, over the component or other bytes.
    #[test]
    fn no_signatures_below_the_minimum_pass_and_all_from_there_on_do(
        signatures in prop::collection::vec((0..4_usize, any::<bool>()), 0..6),
        revoked in any::<[bool; 3]>(),
        minimum in 1..4_usize,
    ) {
        let keys: Vec<_> = (1..=4).map(Minisign::new).collect();
        let listed: Vec<_> = keys[..3].iter().map(Minisign::public).collect();
        let mut trust = Trust { minimum, ..trust(true, &listed) };
        for (at, revoked) in revoked.iter().enumerate() {
            if *revoked {
                trust.revoked.push(Key::parse(&listed[at]).unwrap().identity());
            }
        }
        let evidence = minisign(&signatures.iter().map(|(key, fits)| {
            keys[*key].sign(if *fits { COMPONENT } else { b"other" }, "c")
        }).collect::<Vec<_>>());
        let counting: BTreeSet<_> = signatures.iter()
            .filter(|(key, fits)| *fits && *key < 3 && !revoked[*key])
            .map(|(key, _)| key)
            .collect();
        let judged = trust.judge(trust.examine(COMPONENT, &evidence));
        prop_assert_eq!(judged.is_ok(), counting.len() >= minimum);
        if let Err(untrusted) = judged {
            prop_assert_eq!(untrusted.have, counting.len());
        }
    }
}
