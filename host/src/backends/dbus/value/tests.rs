//! A corpus by hand: what must be exact, and what must be refused with which words.

use super::*;

fn encode(signature: &str, text: &str) -> Result<Vec<u8>, String> {
    let parsed = Signature::parse(signature.as_bytes()).map_err(|error| error.to_string())?;
    from_json(parsed, text, Order::Little, &NoSecrets).map_err(|error| error.to_string())
}

fn decode(signature: &str, body: &[u8]) -> Result<String, String> {
    let parsed = Signature::parse(signature.as_bytes()).map_err(|error| error.to_string())?;
    to_json(parsed, body, Order::Little, 1 << 20, &NoSecrets).map_err(|error| error.to_string())
}

fn round(signature: &str, text: &str) -> String {
    decode(signature, &encode(signature, text).unwrap()).unwrap()
}

#[test]
fn integers_keep_every_digit_up_to_both_ends_of_their_range() {
    for (signature, text) in [
        ("y", "[255]"),
        ("nn", "[-32768,32767]"),
        ("q", "[65535]"),
        ("ii", "[-2147483648,2147483647]"),
        ("u", "[4294967295]"),
        ("xx", "[-9223372036854775808,9223372036854775807]"),
        ("tt", "[18446744073709551615,9007199254740993]"),
        ("at", "[[9007199254740993,0]]"),
    ] {
        assert_eq!(round(signature, text), text);
    }
    assert_eq!(round("xt", "[-0,0]"), "[0,0]");
    for (signature, text) in [
        ("y", "[256]"),
        ("y", "[-1]"),
        ("n", "[-32769]"),
        ("q", "[65536]"),
        ("i", "[2147483648]"),
        ("u", "[4294967296]"),
        ("x", "[9223372036854775808]"),
        ("x", "[-9223372036854775809]"),
        ("t", "[18446744073709551616]"),
        ("t", "[123456789012345678901234567890]"),
    ] {
        let error = encode(signature, text).unwrap_err();
        assert!(
            error.contains("out of its range"),
            "{signature} {text}: {error}"
        );
    }
    for text in ["[1.0]", "[1e3]", "[1E0]", "[-0.0]"] {
        assert!(
            encode("i", text).unwrap_err().contains("no fraction"),
            "{text}"
        );
    }
}

#[test]
fn doubles_are_the_shortest_that_read_back_the_same() {
    // The largest subnormal number, which once hung parsers, among them.
    for value in [
        0.1,
        -0.0,
        1.0,
        5e-324,
        f64::MAX,
        f64::MIN_POSITIVE,
        1e23,
        0.3,
        f64::from_bits(0x000f_ffff_ffff_ffff),
        9007199254740992.0,
    ] {
        let bytes = f64::to_bits(value).to_le_bytes();
        let text = decode("d", &bytes).unwrap();
        assert_eq!(encode("d", &text).unwrap(), bytes, "{text}");
    }
    assert_eq!(round("d", "[3]"), "[3.0]");
    assert_eq!(
        round("ddd", r#"["NaN","Infinity","-Infinity"]"#),
        r#"["NaN","Infinity","-Infinity"]"#
    );
    assert!(
        encode("d", "[1e999]")
            .unwrap_err()
            .contains("out of its range")
    );
    assert!(
        encode("d", r#"["nan"]"#)
            .unwrap_err()
            .contains("other than")
    );
    assert!(encode("d", "[null]").unwrap_err().contains("found null"));
}

#[test]
fn containers_are_empty_without_losing_their_types() {
    for (signature, text) in [
        ("", "[]"),
        ("as", "[[]]"),
        ("a{sv}", "[{}]"),
        ("a{uv}", "[[]]"),
        ("a(ix)y", "[[],7]"),
        ("aaaax", "[[[[],[]]]]"),
        ("v", r#"[{"type":"a{sa{sv}}","data":{}}]"#),
        (
            "v",
            r#"[{"type":"v","data":{"type":"v","data":{"type":"ay","data":[]}}}]"#,
        ),
        ("a{us}", r#"[[[1,"one"],[2,"two"]]]"#),
        ("a{bs}", r#"[[[true,"yes"]]]"#),
        ("a{ds}", r#"[[[0.5,"half"],["NaN","none"]]]"#),
        (
            "a{oa{sa{sv}}}",
            r#"[{"/a":{"b":{"c":{"type":"y","data":1}}}}]"#,
        ),
        ("a{gs}", r#"[{"a{sv}":"x","":"empty"}]"#),
        ("(ss)", r#"[["a","b"]]"#),
        ("ay", "[[0,10,255]]"),
        ("s", r#"["\"\\/\u0001\u001f\n\r\t\u007f é 漢 😀 \u2028"]"#),
    ] {
        let back = round(signature, text);
        let same: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&back).unwrap(),
            same
        );
    }
    assert_eq!(
        round("s", r#"["\ud83d\ude00\b\f\/"]"#),
        r#"["😀\u0008\u000c/"]"#
    );
}

#[test]
fn errors_name_the_place_the_type_and_what_was_found() {
    for (signature, text, words) in [
        ("s", "[1]", "/0: expected string (s), found the number 1"),
        (
            "sas",
            r#"["x",["a",null]]"#,
            "/1/1: expected string (s), found null",
        ),
        (
            "a{sv}",
            r#"[{"mtu":{"type":"u","data":"x"}}]"#,
            "/0/mtu/data: expected 32-bit unsigned integer (u), found a string",
        ),
        (
            "a{sv}",
            r#"[{"a/b~":{"data":true,"type":"u"}}]"#,
            "/0/a~1b~0/data: expected 32-bit unsigned integer (u), found a boolean",
        ),
        (
            "(is)",
            r#"[[1]]"#,
            "/0: expected an array of the structure's fields, found 1 items",
        ),
        (
            "(is)",
            r#"[[1,"a",2]]"#,
            "/0: expected an array of the structure's fields, found more than 2 items",
        ),
        ("s", "[]", "expected an array of 1 arguments, found 0 items"),
        (
            "",
            "[1]",
            "expected an array of 0 arguments, found more than 0 items",
        ),
        (
            "s",
            "{}",
            "expected an array of 1 arguments, found an object",
        ),
        (
            "a{sv}",
            r#"[[]]"#,
            "/0: expected dictionary with keys of text, an object, found an array",
        ),
        (
            "a{us}",
            r#"[{"1":"x"}]"#,
            "/0: expected dictionary, an array of pairs [key, value], found an object",
        ),
        (
            "a{us}",
            r#"[[[1,"x"],[1,"y"]]]"#,
            "/0: the key of entry 1 stands twice",
        ),
        (
            "a{ss}",
            r#"[{"k":"x","\u006b":"y"}]"#,
            "/0: the key \"k\" stands twice",
        ),
        (
            "v",
            r#"[{"type":"s","type":"s","data":"x"}]"#,
            "/0: the key \"type\" stands twice",
        ),
        (
            "v",
            r#"[{"data":"x","data":"x","type":"s"}]"#,
            "/0: the key \"data\" stands twice",
        ),
        (
            "v",
            r#"[{"type":"s","data":"x","data":"x"}]"#,
            "/0: the key \"data\" stands twice",
        ),
        (
            "v",
            r#"[{"type":"ss","data":"x"}]"#,
            "/0/type: a variant has one complete type, not \"ss\"",
        ),
        (
            "v",
            r#"[{"type":"","data":"x"}]"#,
            "/0/type: a variant has one complete type, not \"\"",
        ),
        (
            "v",
            r#"[{"data":"x"}]"#,
            "/0: expected variant (v), the key \"type\" is missing",
        ),
        (
            "v",
            r#"[{"type":"s"}]"#,
            "/0: expected variant (v), the key \"data\" is missing",
        ),
        ("v", r#"["x"]"#, "/0: expected variant (v), found a string"),
        (
            "o",
            r#"["no/path"]"#,
            "/0: expected object path (o), \"no/path\" is none",
        ),
        (
            "o",
            r#"["/a/"]"#,
            "/0: expected object path (o), \"/a/\" is none",
        ),
        ("h", "[0]", "/0: file descriptors do not travel"),
        (
            "v",
            r#"[{"type":"ah","data":[0]}]"#,
            "/0/data/0: file descriptors do not travel",
        ),
        (
            "s",
            r#"["a\u0000b"]"#,
            "/0: a D-Bus string cannot hold the character U+0000",
        ),
        ("b", "[1]", "/0: expected boolean (b), found the number 1"),
    ] {
        assert_eq!(
            encode(signature, text).unwrap_err(),
            words,
            "{signature} {text}"
        );
    }
    assert!(
        encode("g", r#"["a{vs}"]"#)
            .unwrap_err()
            .starts_with("/0: \"a{vs}\" is no D-Bus signature")
    );
}

#[test]
fn text_that_is_no_json_is_refused() {
    for text in [
        "",
        "[",
        "[1",
        "[1,]",
        "[,1]",
        "[1]x",
        "[01]",
        "[+1]",
        "[.5]",
        "[1.]",
        "[-]",
        "[1 2]",
        "[\"x]",
        "[\"\u{1}\"]",
        "[\"\\x\"]",
        "[\"\\ud800\"]",
        "[\"\\ud800\\u0041\"]",
        "[\"\\udc00\"]",
        "[\"\\u12\"]",
        "[\"\\u12é\"]",
        "[tru]",
        "[nul]",
        "[NaN]",
    ] {
        for signature in ["i", "d", "s", "b", "v"] {
            assert!(encode(signature, text).is_err(), "{signature} {text}");
        }
    }
    // Passed over first, because the type comes last.
    assert!(encode("v", r#"[{"data":[1,],"type":"ai"}]"#).is_err());
    assert!(encode("v", r#"[{"data":{"a" 1},"type":"ai"}]"#).is_err());
    let bomb = format!(
        r#"[{{"data":{}1{},"type":"ai"}}]"#,
        "[".repeat(200_000),
        "]".repeat(200_000)
    );
    assert!(encode("v", &bomb).unwrap_err().contains("deeper than 128"));
}

/// Variants in variants, the innermost a byte.
fn matryoshka(depth: usize, type_last: bool) -> String {
    let mut text = r#"{"type":"y","data":7}"#.to_owned();
    for _ in 1..depth {
        text = match type_last {
            true => format!(r#"{{"data":{text},"type":"v"}}"#),
            false => format!(r#"{{"type":"v","data":{text}}}"#),
        };
    }
    format!("[{text}]")
}

#[test]
fn sixty_four_containers_travel_and_one_more_does_not() {
    assert_eq!(round("v", &matryoshka(64, false)), matryoshka(64, false));
    assert_eq!(round("v", &matryoshka(64, true)), matryoshka(64, false));
    assert!(
        encode("v", &matryoshka(65, false))
            .unwrap_err()
            .ends_with("containers nest deeper than 64")
    );

    let mut body = b"\x01v\0".repeat(64);
    body.extend(b"\x01y\0\x07");
    assert!(
        decode("v", &body)
            .unwrap_err()
            .ends_with("containers nest deeper than 64")
    );
}

#[test]
fn variants_with_their_type_last_nest_beside_each_other() {
    // What is passed over at the outermost level is not passed over again at each level below.
    let filler = "1,".repeat(50_000);
    let mut text = format!(r#"{{"data":[{filler}1],"type":"ay"}}"#);
    for _ in 0..30 {
        text = format!(r#"{{"data":[{text},{{"data":{{}},"type":"a{{sv}}"}}],"type":"(vv)"}}"#);
    }
    let back = round("v", &format!("[{text}]"));
    assert_eq!(back.matches("(vv)").count(), 30);
}

#[test]
fn bodies_that_break_the_rules_are_refused() {
    for (signature, body, words) in [
        ("b", &[2, 0, 0, 0][..], "a boolean is 0 or 1"),
        ("s", &[1, 0, 0, 0, b'a', 1], "NUL"),
        ("s", &[2, 0, 0, 0, b'a', 0, 0], "NUL"),
        ("s", &[1, 0, 0, 0, 0xff, 0], "UTF-8"),
        ("s", &[255, 255, 255, 255, b'a', 0], "ends inside"),
        ("o", &[1, 0, 0, 0, b'a', 0], "object path"),
        ("g", &[1, b'z', 0], "signature"),
        ("yu", &[1, 0, 1, 0, 1, 0, 0, 0], "padding"),
        ("u", &[1, 0, 0], "ends inside"),
        ("y", &[1, 2], "longer than its signature"),
        (
            "ai",
            &[6, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0],
            "past the array's end",
        ),
        (
            "ai",
            &[8, 0, 0, 0, 1, 0, 0, 0],
            "past the end of the message",
        ),
        ("ay", &[1, 0, 0, 4, 0], "64 MiB"),
        ("v", &[2, b'y', b'y', 0, 1, 1], "one complete type"),
        ("v", &[0, 0], "one complete type"),
        ("h", &[0, 0, 0, 0], "file descriptors"),
        (
            "a{yy}",
            &[10, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 2],
            "twice",
        ),
    ] {
        let error = decode(signature, body).unwrap_err();
        assert!(error.contains(words), "{signature}: {error}");
    }
    let many = encode("ay", &format!("[[{}1]]", "1,".repeat(600_000))).unwrap();
    assert!(
        decode("ay", &many)
            .unwrap_err()
            .contains("more than 1048576 bytes")
    );
}

#[test]
fn the_last_value_counts_towards_the_limit_too() {
    for (signature, around) in [("s", 4), ("o", 4), ("v", 23), ("as", 6), ("a{sy}", 8)] {
        let largest = (1 << 20) - around;
        let text = |length: usize| "a".repeat(length);
        let document = |length: usize| match signature {
            "v" => format!(r#"[{{"type":"s","data":"{}"}}]"#, text(length)),
            "o" => format!(r#"["/{}"]"#, text(length - 1)),
            "as" => format!(r#"[["{}"]]"#, text(length)),
            "a{sy}" => format!(r#"[{{"{}":7}}]"#, text(length)),
            _ => format!(r#"["{}"]"#, text(length)),
        };
        let received = |length| decode(signature, &encode(signature, &document(length)).unwrap());
        received(largest).unwrap();
        let error = received(largest + 8).unwrap_err();
        assert!(error.contains("more than 1048576"), "{signature}: {error}");
    }
}
