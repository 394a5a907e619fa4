//! busctl is the model: what it prints is what we print, and what it sends is what we send.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::fixture::{PrivateBus, installed};
use super::service::{NAME, PATH, Service, ask};
use crate::backends::dbus::Terms;

/// What `busctl --json` prints of a reply; the data as they stand, since serde_json may read a double as the one beside it.
#[derive(Deserialize)]
struct Printed {
    r#type: String,
    data: Box<RawValue>,
}

/// A signature, values as busctl takes them on its command line, and the same values as JSON.
fn corpus() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("s", "plain", json!(["plain"])),
        (
            "s",
            "Grüße-漢字-😀-\"quoted\"-back\\slash",
            json!(["Grüße-漢字-😀-\"quoted\"-back\\slash"]),
        ),
        ("ss", "a b", json!(["a", "b"])),
        ("(ss)", "a b", json!([["a", "b"]])),
        ("((ss)y)", "a b 3", json!([[["a", "b"], 3]])),
        ("y", "255", json!([255])),
        ("nq", "-32768 65535", json!([-32768, 65535])),
        ("iu", "-2147483648 4294967295", json!([i32::MIN, u32::MAX])),
        ("x", "-9223372036854775808", json!([i64::MIN])),
        ("x", "9223372036854775807", json!([i64::MAX])),
        ("t", "18446744073709551615", json!([u64::MAX])),
        ("t", "9007199254740993", json!([9007199254740993_u64])),
        ("bb", "true false", json!([true, false])),
        ("d", "0.5", json!([0.5])),
        ("d", "-1e300", json!([-1e300])),
        ("d", "0.1", json!([0.1])),
        ("o", "/org/example", json!(["/org/example"])),
        ("g", "a{sv}", json!(["a{sv}"])),
        ("ay", "3 0 10 255", json!([[0, 10, 255]])),
        ("ay", "0", json!([[]])),
        ("as", "0", json!([[]])),
        ("as", "2 a b", json!([["a", "b"]])),
        ("aas", "2 0 1 x", json!([[[], ["x"]]])),
        ("a(su)", "1 a 7", json!([[["a", 7]]])),
        ("a{sv}", "0", json!([{}])),
        ("a{ss}", "2 k v l w", json!([{"k": "v", "l": "w"}])),
        (
            "a{sv}",
            "2 addresses au 2 1 2 mtu u 1500",
            json!([{"mtu": {"type": "u", "data": 1500}, "addresses": {"type": "au", "data": [1, 2]}}]),
        ),
        (
            "a{oa{sv}}",
            "1 /a 1 k s v",
            json!([{"/a": {"k": {"type": "s", "data": "v"}}}]),
        ),
        (
            "a{sa{sv}}",
            "2 connection 1 id s lan ipv4 0",
            json!([{"connection": {"id": {"type": "s", "data": "lan"}}, "ipv4": {}}]),
        ),
        (
            "v",
            "v s deep",
            json!([{"type": "v", "data": {"type": "s", "data": "deep"}}]),
        ),
        ("v", "a{sv} 0", json!([{"type": "a{sv}", "data": {}}])),
        (
            "av",
            "2 y 1 (is) 2 x",
            json!([[{"type": "y", "data": 1}, {"type": "(is)", "data": [2, "x"]}]]),
        ),
    ]
}

#[tokio::test]
async fn busctl_sends_and_prints_what_we_send_and_print() {
    if !installed(&["busctl"]) {
        return;
    }
    let Some(private) = PrivateBus::start().await else {
        return;
    };
    let _echo = Service::start(&private.address, NAME).await;
    let bus = private.bus();
    for (signature, words, values) in corpus() {
        let output = private
            .command("busctl")
            .args([
                "--system",
                "--json=short",
                "call",
                NAME,
                PATH,
                NAME,
                "Echo",
                signature,
                "--",
            ])
            .args(words.split(' '))
            .output()
            .await
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{signature} {words}: {stderr}");
        let printed: Printed = serde_json::from_str(&stdout).unwrap();

        let ours = bus
            .call(&ask("Echo", signature, values.to_string()), Terms::PLAIN)
            .await
            .unwrap();
        assert_eq!(ours.signature, signature);
        assert_eq!(printed.r#type, signature);
        let back: Value = serde_json::from_str(&ours.values).unwrap();
        assert_eq!(back, values, "{signature} {words}");
        // Save for doubles, which busctl writes with seventeen digits, even the text is the same.
        if !signature.contains('d') {
            let data = format!("{{\"type\":\"{signature}\",\"data\":{}}}", ours.values);
            assert_eq!(stdout.trim_end(), data);
        }
        // What busctl printed is taken as it stands.
        let again = bus
            .call(&ask("Echo", signature, printed.data.get()), Terms::PLAIN)
            .await
            .unwrap();
        assert_eq!(again, ours);
    }
}

#[tokio::test]
async fn keys_that_are_no_text_are_beyond_busctl_and_pairs_for_us() {
    if !installed(&["busctl"]) {
        return;
    }
    let Some(private) = PrivateBus::start().await else {
        return;
    };
    let _echo = Service::start(&private.address, NAME).await;
    let output = private
        .command("busctl")
        .args([
            "--system",
            "--json=short",
            "call",
            NAME,
            PATH,
            NAME,
            "Echo",
            "a{us}",
            "1",
            "7",
            "x",
        ])
        .output()
        .await
        .unwrap();
    assert!(!output.status.success(), "{output:?}");
    let ours = private
        .bus()
        .call(&ask("Echo", "a{us}", r#"[[[7,"x"]]]"#), Terms::PLAIN)
        .await
        .unwrap();
    assert_eq!(ours.values, r#"[[[7,"x"]]]"#);
}
