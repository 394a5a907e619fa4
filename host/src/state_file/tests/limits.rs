//! Files that are made to hurt.

use std::cell::Cell;
use std::io::{self, Read};

use super::*;

/// A file that never ends, and counts what is read of it.
struct Endless<'c> {
    byte: u8,
    read: &'c Cell<u64>,
}

impl Read for Endless<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        buffer.fill(self.byte);
        self.read.set(self.read.get() + buffer.len() as u64);
        Ok(buffer.len())
    }
}

#[test]
fn reading_stops_at_the_limit() {
    let read = Cell::new(0);
    let endless = Endless {
        byte: b' ',
        read: &read,
    };
    let error = read::text("endless".into(), endless).unwrap_err();
    assert!(matches!(error, StateFileError::TooLarge { .. }), "{error}");
    assert_eq!(read.get(), LARGEST_FILE + 1);
    assert_eq!(
        error.to_string(),
        "endless: larger than 64 MiB, the largest state file that is read"
    );
}

#[test]
fn a_file_that_says_it_is_too_large_is_not_read() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(10 << 30).unwrap();
    assert!(matches!(
        load(file.path()),
        Err(StateFileError::TooLarge { .. })
    ));
}

#[test]
fn what_is_no_file_says_so() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(
        load(directory.path()),
        Err(StateFileError::Directory { .. })
    ));
    let missing = load(&directory.path().join("absent.json")).unwrap_err();
    assert!(missing.to_string().contains("No such file"), "{missing}");
    assert!(matches!(
        load(Path::new("/dev/null")),
        Err(StateFileError::Empty { .. })
    ));
    assert!(matches!(
        load(Path::new("/dev/zero")),
        Err(StateFileError::TooLarge { .. })
    ));
    let fifo = directory.path().join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .unwrap();
    assert!(matches!(load(&fifo), Err(StateFileError::Unwritten { .. })));
}

#[test]
fn a_fifo_with_a_writer_is_read_to_its_end() {
    let (reader, mut writer) = io::pipe().unwrap();
    let path = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reader));
    let text = std::thread::spawn(move || load(Path::new(&path)));
    // Two writes, so that the reader has to wait for the second one.
    io::Write::write_all(&mut writer, b"{\"version\": 1, ").unwrap();
    io::Write::write_all(&mut writer, b"\"plugins\": {}}").unwrap();
    drop(writer);
    assert!(text.join().unwrap().unwrap().plugins.is_empty());
}

#[test]
fn an_empty_file_says_what_the_smallest_one_is() {
    for (name, text) in [
        ("a.json", ""),
        ("a.yaml", " \n\n"),
        ("a.yaml", "# nothing\n"),
    ] {
        let error = load_text(name, text).unwrap_err();
        assert!(
            matches!(error, StateFileError::Empty { .. }),
            "{text:?}: {error}"
        );
    }
}

#[test]
fn a_file_that_is_not_utf8_names_the_line_and_the_way_out() {
    let shown = |bytes: &[u8]| read::text("a.json".into(), bytes).unwrap_err().to_string();
    assert_eq!(
        shown(b"{\n\"a\": \"b\xe4\"}"),
        "a.json:2: not UTF-8 (byte 0xe4); save it as UTF-8"
    );
    assert!(shown(b"\xff\xfe{\0").contains("UTF-16"));
    assert!(shown(b"\x1f\x8b\x08\0").contains("gzip"));
}

#[test]
fn a_byte_order_mark_is_no_error() {
    let file = load_text("a.json", "\u{feff}{\"version\": 1, \"plugins\": {}}");
    assert!(file.is_ok());
}

#[test]
fn depth_stops_at_the_limit_in_both_languages() {
    for (name, open, close) in [
        ("a.json", "[", "]"),
        ("a.json", "{\"a\":", "}"),
        ("a.yaml", "[", "]"),
        ("a.yaml", "{a: ", "}"),
        ("a.yaml", "- ", ""),
    ] {
        for depth in [DEEPEST + 1, 1_000_000] {
            for close in [close, ""] {
                let text = format!("{}1{}", open.repeat(depth), close.repeat(depth));
                let error = load_text(name, &text).unwrap_err();
                assert!(
                    matches!(error, StateFileError::Wrong { .. }),
                    "{name} {open}: {error}"
                );
            }
        }
        // As deep as can be: the depth is no error, only that it is no state file.
        let text = format!("{}1{}", open.repeat(DEEPEST), close.repeat(DEEPEST));
        let error = load_text(name, &text).unwrap_err().to_string();
        assert!(!error.contains("deeper"), "{name} {open}: {error}");
    }
}

#[test]
fn a_file_of_tiny_values_stops_at_the_limit() {
    let text = format!("[{}0]", "0,".repeat(LARGEST_COUNT));
    let error = load_text("a.json", &text).unwrap_err();
    assert!(
        error.to_string().contains("more than 8388608 values"),
        "{error}"
    );
}

#[test]
fn yaml_larger_than_its_own_limit_says_the_way_out() {
    for text in [
        "#".repeat(LARGEST_YAML + 1),
        format!("[{}0]", "0,".repeat(1 << 20)),
    ] {
        let error = load_text("a.yaml", &text).unwrap_err().to_string();
        assert!(error.contains("as JSON"), "{error}");
    }
}

#[test]
fn many_keys_are_told_apart_and_a_late_duplicate_is_found() {
    let keys: String = (0..100_000).map(|n| format!("\"k{n}\":{n},")).collect();
    let found = load_text("a.json", &format!("{{{keys}\"k99999\":0}}"))
        .unwrap_err()
        .to_string();
    assert!(found.contains("\"k99999\" is here twice"), "{found}");
    let found = load_text("a.json", &format!("{{{keys}\"other\":0}}"))
        .unwrap_err()
        .to_string();
    assert!(!found.contains("twice"), "{found}");
}

#[test]
fn an_alias_bomb_is_refused_before_it_unfolds() {
    let mut text = "a0: &a0 [x, x]\n".to_owned();
    for n in 1..64 {
        text += &format!("a{n}: &a{n} [*a{}, *a{}]\n", n - 1, n - 1);
    }
    let error = load_text("a.yaml", &text).unwrap_err().to_string();
    assert!(error.contains("anchors are not supported"), "{error}");
}
