use super::*;
use proptest::prelude::*;
use serde_json::Value;

/// What comes out when the pieces go in one after another.
fn frames<'a>(
    limit: usize,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Vec<u8>>, Option<FrameError>) {
    let mut framer = Framer::new(limit);
    let mut found = Vec::new();
    for piece in pieces {
        framer.push(piece);
        loop {
            match framer.next() {
                Ok(Some(message)) => found.push(message.to_vec()),
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
    }
    (found, None)
}

#[test]
fn brackets_and_quotes_in_strings_do_not_count() {
    let texts = [r#"{"a":"}]\"{["}"#, r#"{"b":"\\"}"#, r#"{"c":["\\\"",{}]}"#];
    let stream = texts.join(" \n");
    let (found, error) = frames(1000, [stream.as_bytes()]);
    assert_eq!(error, None);
    let expected: Vec<_> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_message_of_the_limit_passes_and_one_byte_more_does_not() {
    let text = br#"{"a":1}"#;
    assert_eq!(frames(text.len(), [&text[..]]).1, None);
    let limit = text.len() - 1;
    assert_eq!(
        frames(limit, [&text[..]]).1,
        Some(FrameError::TooLarge { limit })
    );
}

#[test]
fn depth_is_bounded() {
    let nested = |depth| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(frames(4096, [nested(MAX_DEPTH - 1).as_bytes()]).1, None);
    assert_eq!(
        frames(4096, [nested(MAX_DEPTH).as_bytes()]).1,
        Some(FrameError::TooDeep)
    );
}

#[test]
fn endless_whitespace_takes_no_memory_and_a_broken_stream_gives_it_back() {
    let mut framer = Framer::new(1000);
    for _ in 0..1000 {
        framer.push(&[b' '; 4096]);
        assert_eq!(framer.next(), Ok(None));
        assert_eq!(framer.pending(), 0);
    }
    assert!(framer.capacity() <= 8192);
    framer.push(b"{}nonsense");
    assert_eq!(framer.next(), Ok(Some(&b"{}"[..])));
    let error = FrameError::NoObject { found: b'n' };
    assert_eq!(framer.next(), Err(error.clone()));
    framer.push(br#"{"a":1}"#);
    assert_eq!(framer.next(), Err(error));
    assert_eq!((framer.pending(), framer.capacity()), (0, 0));
}

#[test]
fn each_byte_is_looked_at_once() {
    // 16 MiB in pieces of 64 bytes: a scanner that starts over looks at 2 TiB and does not return.
    let mut framer = Framer::new(1 << 25);
    framer.push(b"{\"a\":\"");
    for _ in 0..1 << 18 {
        framer.push(&[b'x'; 64]);
        assert_eq!(framer.next(), Ok(None));
    }
    framer.push(b"\"}");
    assert_eq!(framer.next().unwrap().map(<[u8]>::len), Some((1 << 24) + 8));
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
        ".*".prop_map(Value::from),
        r#"[\[\]{}"\\ ]*"#.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(r#"[a-z\\"{}]{0,5}"#, inner, 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// Objects, each with a number of blanks before it.
fn messages() -> impl Strategy<Value = Vec<(usize, Value)>> {
    let object = json().prop_map(|value| serde_json::json!({ "result": value }));
    prop::collection::vec((0..4usize, object), 0..8)
}

/// Cuts at the given places.
fn split<'a>(stream: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    places.extend([0, stream.len()]);
    places.sort_unstable();
    places
        .windows(2)
        .map(|pair| &stream[pair[0]..pair[1]])
        .collect()
}

proptest! {
    #[test]
    fn any_split_of_any_messages_gives_the_same_messages(
        messages in messages(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        pretty in any::<bool>(),
    ) {
        let mut stream = String::new();
        let mut expected = Vec::new();
        for (blanks, message) in &messages {
            let text = if pretty { format!("{message:#}") } else { message.to_string() };
            stream.push_str(&" \t\r\n"[..*blanks]);
            stream.push_str(&text);
            expected.push(text.into_bytes());
        }
        let stream = stream.as_bytes();
        for pieces in [split(stream, &cuts), stream.chunks(1).collect(), vec![stream]] {
            let (found, error) = frames(1 << 20, pieces);
            prop_assert_eq!(error, None);
            prop_assert_eq!(&found, &expected);
        }
    }

    #[test]
    fn random_bytes_never_panic_and_never_grow_memory_past_the_limit(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..50),
        open in any::<bool>(),
    ) {
        const LIMIT: usize = 512;
        let mut framer = Framer::new(LIMIT);
        if open {
            framer.push(b"{");
        }
        for piece in &pieces {
            framer.push(piece);
            while let Ok(Some(message)) = framer.next() {
                prop_assert!(message.len() <= LIMIT);
            }
            prop_assert!(framer.pending() <= LIMIT);
            // A vector at most doubles as it grows.
            prop_assert!(framer.capacity() <= 2 * (LIMIT + 200));
        }
    }

    #[test]
    fn bytes_that_json_is_made_of_come_out_the_same_however_they_are_cut(
        stream in r#"[{}\[\]"\\a ]{0,300}"#,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let whole = frames(128, [stream.as_bytes()]);
        prop_assert_eq!(frames(128, split(stream.as_bytes(), &cuts)), whole);
    }
}
