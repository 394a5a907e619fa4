//! Values survive exactly, and every pointer leads to the text that it names.

use proptest::prelude::*;
use serde_json::{Map, Number, Value};

use super::*;

fn value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(Number::from),
        any::<u64>().prop_map(Number::from),
        any::<f64>().prop_filter_map("JSON has no such number", Number::from_f64),
    ];
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number.prop_map(Value::Number),
        text().prop_map(Value::String),
    ];
    scalar.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::Array),
            prop::collection::vec((text(), inner), 0..24)
                .prop_map(|entries| Value::Object(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Texts with what matters to parsers and pointers in them.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{0,6}",
        "[~/0-9\"\\\\\n\t: #\\-é😀\u{1}]{0,6}",
        any::<String>(),
    ]
}

fn json_with(value: &Value, pretty: bool) -> String {
    let file = serde_json::json!({"version": 1, "plugins": {"p": value}});
    if pretty {
        serde_json::to_string_pretty(&file).unwrap()
    } else {
        file.to_string()
    }
}

/// Calls `seen` with the pointer to every value, its key if it has one, and the value.
fn walk(
    value: &Value,
    pointer: String,
    key: Option<&str>,
    seen: &mut impl FnMut(&str, Option<&str>, &Value),
) {
    seen(&pointer, key, value);
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, format!("{pointer}/{index}"), None, seen);
            }
        }
        Value::Object(object) => {
            for (key, item) in object {
                let token = key.replace('~', "~0").replace('/', "~1");
                walk(item, format!("{pointer}/{token}"), Some(key), seen);
            }
        }
        _ => {}
    }
}

proptest! {
    #[test]
    fn any_json_survives_and_every_pointer_leads_to_its_text(value in value(), pretty: bool) {
        let file = load_text("state.json", &json_with(&value, pretty)).unwrap();
        let section = file.section("p").unwrap();
        prop_assert_eq!(serde_json::from_str::<Value>(section.json()).unwrap(), value.clone());
        prop_assert_eq!(section.json(), value.to_string());
        walk(&value, String::new(), None, &mut |pointer, key, value| {
            let span = section.place(pointer).unwrap();
            let text = &section.source().text[span.range()];
            assert_eq!(&serde_json::from_str::<Value>(text).unwrap(), value, "{pointer}");
            if let Some(key) = key {
                let place = section.key_place(pointer).unwrap();
                let text = &section.source().text[place.range()];
                assert_eq!(serde_json::from_str::<String>(text).unwrap(), key, "{pointer}");
            }
        });
    }

    #[test]
    fn json_read_as_yaml_is_the_same(value in value()) {
        // YAML reads the escapes of JSON, but has no surrogates and takes `\/` apart: serde_json writes neither.
        let file = load_text("state.yaml", &json_with(&value, true)).unwrap();
        let section = file.section("p").unwrap();
        let read: Value = serde_json::from_str(section.json()).unwrap();
        prop_assert_eq!(&read, &value);
        walk(&value, String::new(), None, &mut |pointer, _, value| {
            let span = section.place(pointer).unwrap();
            let text = &section.source().text[span.range()];
            assert_eq!(&serde_json::from_str::<Value>(text).unwrap(), value, "{pointer}");
        });
    }

    #[test]
    fn random_bytes_never_panic(bytes: Vec<u8>) {
        for name in ["a.json", "a.yaml"] {
            if let Ok(source) = read::text(name.into(), &bytes[..]) {
                let format = format(Path::new(name), &source.text);
                if let Err(error) = parse(source, format) {
                    error.render(Style::PLAIN);
                }
            }
        }
    }

    #[test]
    fn random_syntax_never_panics(text in "[\\[\\]{}:,\"'\\\\|>&*!?%@#~\\- \n\ta0.é\u{85}\u{2028}]{0,80}") {
        for name in ["a.json", "a.yaml"] {
            if let Err(error) = load_text(name, &text) {
                error.render(Style::PLAIN);
            }
        }
    }
}

#[test]
fn a_pointer_to_nothing_has_no_place_and_a_nearest_one() {
    let section = net(r#"{"a": [1, {"b": 2}]}"#);
    for pointer in ["/b", "/a/2", "/a/01", "/a/-", "/a/0/x", "a", "/a/1/b/c"] {
        assert_eq!(section.place(pointer), None, "{pointer}");
    }
    assert_eq!(
        section.nearest_place("/a/1/c"),
        section.place("/a/1").unwrap()
    );
    assert_eq!(
        section.nearest_place("nonsense"),
        section.place("").unwrap()
    );
}

#[test]
fn yaml_blocks_know_their_places() {
    let text = "version: 1\nplugins:\n  net:\n    ä: # comment\n      - x: 1\n        y: two words\n      - |\n        line\n\n    z: [1, {q: ~}]\n";
    let file = load_text("state.yaml", text).unwrap();
    let section = file.section("net").unwrap();
    let at = |pointer: &str| &text[section.place(pointer).unwrap().range()];
    assert_eq!(
        section.json(),
        r#"{"ä":[{"x":1,"y":"two words"},"line\n"],"z":[1,{"q":null}]}"#
    );
    assert_eq!(at("/ä/0"), "x: 1\n        y: two words");
    assert_eq!(at("/ä/0/y"), "two words");
    assert_eq!(at("/z"), "[1, {q: ~}]");
    assert_eq!(at("/z/1"), "{q: ~}");
    assert_eq!(at("/z/1/q"), "~");
    assert_eq!(&text[section.key_place("/ä/0/y").unwrap().range()], "y");
}

#[test]
fn yaml_words_and_numbers_follow_the_core_schema() {
    let text = "version: 1\nplugins:\n  p: [no, yes, on, off, True, ~, 0x1F, 0o17, 007, +5, 1., .5, -.5e3, 1:30, '1', 1.2.3, 18446744073709551615, -9223372036854775808, 0b1, 1_000, null, '']\n";
    let file = load_text("state.yaml", text).unwrap();
    assert_eq!(
        file.section("p").unwrap().json(),
        r#"["no","yes","on","off",true,null,31,15,7,5,1.0,0.5,-0.5e3,"1:30","1","1.2.3",18446744073709551615,-9223372036854775808,"0b1","1_000",null,""]"#
    );
}

#[test]
fn integers_of_64_bits_and_the_order_of_keys_survive() {
    let json = r#"{"z":18446744073709551615,"a":-9223372036854775808,"m":1.10,"e":1E5}"#;
    assert_eq!(net(json).json(), json);
}

#[test]
fn a_position_counts_characters_from_one() {
    let source = Source {
        name: "a".into(),
        text: "ab\näöx\r\n".into(),
    };
    assert_eq!(source.position(0), Position { line: 1, column: 1 });
    assert_eq!(source.position(7), Position { line: 2, column: 3 });
    assert_eq!(source.position(usize::MAX), Position { line: 3, column: 1 });
    assert_eq!(&source.text[source.line(4)], "äöx");
}
