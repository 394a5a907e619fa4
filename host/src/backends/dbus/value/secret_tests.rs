//! Secrets in values, both ways.

use super::*;
use crate::contract::types::{Failure, FailureCode, Secret};

/// Knows one secret, and keeps what stands under `psk`.
struct One;

impl Secrets for One {
    fn keeps(&self, place: &str) -> bool {
        place == "psk"
    }

    fn reveal(&self, secret: &Secret, _: bool) -> Result<String, Failure> {
        match (secret.name.as_deref(), secret.fingerprint.as_deref()) {
            (Some("office-psk"), _) | (None, Some("f00d")) => Ok("correct \"horse\"".into()),
            (None, Some(fingerprint)) => Ok(fingerprint.chars().rev().collect()),
            _ => Err(Failure {
                code: FailureCode::NotFound,
                message: "there is no such secret".into(),
                backend: None,
            }),
        }
    }

    fn mask(&self, text: &str) -> Option<Secret> {
        let fingerprint = Some(text.chars().rev().collect());
        Some(Secret {
            name: None,
            fingerprint,
        })
    }

    fn censor(&self, text: &str) -> Option<String> {
        let horse = "horse";
        text.contains(horse).then(|| text.replace(horse, "…"))
    }
}

fn encode(signature: &str, text: &str) -> Result<Vec<u8>, String> {
    let parsed = Signature::parse(signature.as_bytes()).unwrap();
    from_json(parsed, text, Order::Little, &One).map_err(|error| error.to_string())
}

/// As it stands on the wire.
fn plainly(signature: &str, body: &[u8]) -> String {
    let parsed = Signature::parse(signature.as_bytes()).unwrap();
    to_json(parsed, body, Order::Little, 1 << 20, &NoSecrets).unwrap()
}

#[test]
fn secrets_stand_where_a_string_is_wanted_and_nowhere_else() {
    let expected = encode("s", r#"["correct \"horse\""]"#).unwrap();
    for text in [
        r#"[{"secret":"office-psk"}]"#,
        r#"[{"fingerprint":"f00d"}]"#,
        r#"[{"fingerprint":"ffff","secret":"office-psk"}]"#,
    ] {
        assert_eq!(encode("s", text).unwrap(), expected);
    }
    let psk = r#"[{"psk":{"type":"s","data":{"secret":"office-psk"}}}]"#;
    assert_eq!(
        plainly("a{sv}", &encode("a{sv}", psk).unwrap()),
        r#"[{"psk":{"type":"s","data":"correct \"horse\""}}]"#
    );

    let parsed = Signature::parse(b"as").unwrap();
    let error = from_json(
        parsed,
        r#"[["x",{"secret":"nobody"}]]"#,
        Order::Little,
        &One,
    )
    .unwrap_err();
    let failure = error.into_failure("the arguments");
    assert_eq!(failure.code, FailureCode::NotFound);
    assert_eq!(
        failure.message,
        "the arguments at /0/1: there is no such secret"
    );
    assert!(encode("o", r#"[{"secret":"office-psk"}]"#).is_err());
    assert!(
        encode("s", r#"[{"secret":1}]"#)
            .unwrap_err()
            .starts_with("/0/secret: expected a string")
    );
    assert!(
        encode("s", r#"[{"secrets":"x"}]"#)
            .unwrap_err()
            .contains("\"secrets\"")
    );
}

#[test]
fn what_stands_in_a_secret_place_comes_in_by_reference_and_goes_out_again() {
    let hidden = |signature: &str, text: &str| {
        let parsed = Signature::parse(signature.as_bytes()).unwrap();
        let body = encode(signature, text).unwrap();
        let masked = to_json(parsed, &body, Order::Little, 1 << 20, &One).unwrap();
        assert_eq!(encode(signature, &masked).unwrap(), body, "{masked}");
        masked
    };
    for (signature, text, masked) in [
        (
            "a{sv}",
            r#"[{"psk":{"type":"s","data":"abc"},"id":{"type":"s","data":"abc"}}]"#,
            r#"[{"psk":{"type":"s","data":{"fingerprint":"cba"}},"id":{"type":"s","data":"abc"}}]"#,
        ),
        (
            "a{sa{ss}}s",
            r#"[{"psk":{"a":"bc","n":""}},"abc"]"#,
            r#"[{"psk":{"a":{"fingerprint":"cb"},"n":""}},"abc"]"#,
        ),
        (
            "a{sv}",
            r#"[{"psk":{"type":"(ayu)","data":[[97,98],7]},"ssid":{"type":"ay","data":[97]}}]"#,
            r#"[{"psk":{"type":"(ayu)","data":[{"fingerprint":"ba"},7]},"ssid":{"type":"ay","data":[97]}}]"#,
        ),
    ] {
        assert_eq!(hidden(signature, text), masked);
    }
}

#[test]
fn a_known_secret_is_cut_out_of_any_other_text() {
    let body = encode("ss", r#"["the horse is wrong","well"]"#).unwrap();
    let parsed = Signature::parse(b"ss").unwrap();
    assert_eq!(
        to_json(parsed, &body, Order::Little, 1 << 20, &One).unwrap(),
        r#"["the … is wrong","well"]"#
    );
}
