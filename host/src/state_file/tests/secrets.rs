use super::*;

const SECTION: &str = r#"{"a": {"secret": "psk"}, "b": [{"secret": "key \"1\"", "fingerprint": "old"}],
  "c": {"secret": "x", "other": 1}, "d": {"secret": 5}, "e": {"fingerprint": "kept"}, "f": {"fingerprint": null, "secret": "last"}}"#;

#[test]
fn finds_references_and_nothing_that_only_looks_like_one() {
    let section = net(SECTION);
    let secrets = section.secrets();
    let names: Vec<&str> = secrets.iter().map(|secret| secret.name.as_str()).collect();
    assert_eq!(names, ["psk", "key \"1\"", "last"]);
    let text = &section.source().text;
    assert_eq!(&text[secrets[0].span.range()], "\"psk\"");
}

#[test]
fn adds_a_fingerprint_to_each_reference() {
    let json = net(SECTION)
        .json_with_fingerprints(|secret| Ok::<_, ()>(format!("f:{}", secret.name)))
        .unwrap();
    assert_eq!(
        json,
        r#"{"a":{"secret":"psk","fingerprint":"f:psk"},"b":[{"secret":"key \"1\"","fingerprint":"f:key \"1\""}],"#.to_owned()
            + r#""c":{"secret":"x","other":1},"d":{"secret":5},"e":{"fingerprint":"kept"},"#
            + r#""f":{"fingerprint":"f:last","secret":"last"}}"#
    );
}

#[test]
fn stops_at_a_secret_that_is_not_there() {
    let failed =
        net(SECTION).json_with_fingerprints(|secret| Err::<String, _>(secret.name.clone()));
    assert_eq!(failed.unwrap_err(), "psk");
}
