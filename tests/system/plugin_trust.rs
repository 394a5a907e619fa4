//! Signatures: by minisign itself, and by openssl in the layout that cosign writes.

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use op_dbus::digest::Digest;
use serde_json::json;

use crate::namespace::{CONFIGURATION, Namespace, Run};
use crate::network_manager::installed;
use crate::plugin_add::version;
use crate::plugin_files::NET;

/// Makes a key of minisign without a password, and returns its public text.
fn minisign_key(namespace: &Namespace, name: &str) -> String {
    let of = |ending: &str| namespace.directory().join(format!("{name}.{ending}"));
    let mut command = Command::new("minisign");
    Run::of(
        command
            .args(["-G", "-W", "-f", "-p"])
            .arg(of("pub"))
            .arg("-s")
            .arg(of("key")),
    )
    .success();
    let text = std::fs::read_to_string(of("pub")).unwrap();
    text.lines().nth(1).unwrap().to_owned()
}

/// Signs a file, as `FILE.NAME.minisig`.
fn minisign(namespace: &Namespace, name: &str, file: &Path, more: &[&str]) {
    let key = namespace.directory().join(format!("{name}.key"));
    let mut signature = file.as_os_str().to_owned();
    signature.push(format!(".{name}.minisig"));
    let mut command = Command::new("minisign");
    command
        .arg("-S")
        .args(more)
        .arg("-s")
        .arg(key)
        .arg("-x")
        .arg(signature);
    Run::of(command.args(["-t", "vetted by hand", "-m"]).arg(file)).success();
}

/// Adds a component under the name `edge`, without a grant.
fn add(namespace: &Namespace, file: &Path) -> Run {
    let file = file.to_str().unwrap();
    namespace.op_dbus(&[
        "plugin", "add", file, "--name", "edge", "--grant", "none", "--yes",
    ])
}

/// Replaces the table `[trust]`, and leaves the plugins.
fn trust(namespace: &Namespace, table: &str) {
    let path = namespace.directory().join(CONFIGURATION);
    let text = std::fs::read_to_string(&path).unwrap();
    let plugins = text.find("[plugins").map_or("", |at| &text[at..]);
    std::fs::write(
        path,
        format!("[trust]\nsignatures = \"required\"\n{table}\n{plugins}"),
    )
    .unwrap();
}

fn verify(namespace: &Namespace) -> Run {
    namespace.op_dbus(&["plugin", "verify", "edge"])
}

#[track_caller]
fn refused(run: Run, words: &[&str]) {
    let run = run.code(1);
    for word in words {
        assert!(run.stderr.contains(word), "{word}: {}", run.stderr);
    }
}

#[test]
fn only_what_trusted_keys_of_minisign_have_signed_is_added_and_loaded() {
    if !installed(&["minisign"]) {
        return;
    }
    let namespace = Namespace::new();
    let [alice, bob, mallory] =
        ["alice", "bob", "mallory"].map(|name| minisign_key(&namespace, name));
    let file = namespace.file("edge.wasm", NET);
    trust(&namespace, &format!("keys = [{alice:?}]"));
    refused(
        add(&namespace, &file),
        &["1 key", "none was found", "minisign -S"],
    );
    minisign(&namespace, "mallory", &file, &[]);
    refused(add(&namespace, &file), &["not among the keys"]);
    // Prehashed, as minisign does by itself.
    minisign(&namespace, "alice", &file, &[]);
    add(&namespace, &file).success();
    let shown = namespace
        .op_dbus(&["plugin", "inspect", file.to_str().unwrap()])
        .success()
        .stdout;
    assert!(shown.contains("(trusted): vetted by hand"), "{shown}");
    let listed = verify(&namespace).success().stdout;
    assert!(listed.contains("signed by minisign key"), "{listed}");

    // Signatures are looked at whenever it is loaded: a key that is revoked counts no more.
    trust(
        &namespace,
        &format!("keys = [{alice:?}, {mallory:?}]\nrevoked = [{alice:?}, {mallory:?}]"),
    );
    refused(verify(&namespace), &["no key is left"]);
    trust(
        &namespace,
        &format!("keys = [{alice:?}, {bob:?}]\nrevoked = [{alice:?}]"),
    );
    refused(verify(&namespace), &["(revoked)"]);
    refused(
        namespace.op_dbus(&["query", "--plugin", "edge"]),
        &["not trusted"],
    );

    // Two signatures of one key are those of one key; a legacy one of another makes two.
    trust(
        &namespace,
        &format!("keys = [{alice:?}, {bob:?}]\nminimum = 2"),
    );
    let second = namespace.directory().join("edge.wasm.again.minisig");
    std::fs::copy(
        namespace.directory().join("edge.wasm.alice.minisig"),
        second,
    )
    .unwrap();
    refused(add(&namespace, &file), &["2 different keys", "1 count"]);
    minisign(&namespace, "bob", &file, &["-l"]);
    add(&namespace, &file).success();
    verify(&namespace).success();
}

#[test]
fn a_valid_signature_does_not_carry_other_bytes() {
    if !installed(&["minisign"]) {
        return;
    }
    let namespace = Namespace::new();
    let alice = minisign_key(&namespace, "alice");
    let file = namespace.file("edge.wasm", NET);
    minisign(&namespace, "alice", &file, &[]);
    trust(&namespace, &format!("keys = [{alice:?}]"));
    std::fs::write(&file, version("0.2.0")).unwrap();
    refused(add(&namespace, &file), &["does not fit the component"]);
    std::fs::write(&file, NET).unwrap();
    add(&namespace, &file).success();

    // Swapped after it was verified: once the component alone, and once with the pin too.
    let digest = Digest::of(NET);
    let stored = namespace
        .directory()
        .join(format!("state/plugins/edge-{}.wasm", &digest.hex()[..16]));
    let other = version("0.2.0");
    std::fs::write(&stored, &other).unwrap();
    refused(verify(&namespace), &["is not the one that was pinned"]);
    let path = namespace.directory().join(CONFIGURATION);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        &path,
        text.replace(&digest.to_string(), &Digest::of(&other).to_string()),
    )
    .unwrap();
    refused(verify(&namespace), &["does not fit the component"]);
    // Where signatures are optional, one that is broken is still none to pass over.
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"required\"", "\"optional\"")).unwrap();
    refused(verify(&namespace), &["does not fit the component"]);
    for signature in std::fs::read_dir(stored.parent().unwrap()).unwrap() {
        let signature = signature.unwrap().path();
        if signature.extension().is_some_and(|it| it == "minisig") {
            std::fs::remove_file(signature).unwrap();
        }
    }
    verify(&namespace).success();
}

/// Makes a key as `cosign generate-key-pair` does (ECDSA on P-256), and returns the path of the public one.
pub fn cosign_key(namespace: &Namespace, name: &str) -> std::path::PathBuf {
    let of = |ending: &str| namespace.directory().join(format!("{name}.{ending}"));
    let mut make = Command::new("openssl");
    make.args([
        "genpkey",
        "-algorithm",
        "EC",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-out",
    ]);
    Run::of(make.arg(of("pem"))).success();
    let mut publish = Command::new("openssl");
    Run::of(
        publish
            .args(["pkey", "-pubout", "-in"])
            .arg(of("pem"))
            .arg("-out")
            .arg(of("pub")),
    )
    .success();
    of("pub")
}

/// Signs bytes as cosign does, in base64.
pub fn cosign_sign(namespace: &Namespace, name: &str, bytes: &[u8]) -> String {
    let message = namespace.file("message", bytes);
    let signature = namespace.directory().join("message.signature");
    let mut sign = Command::new("openssl");
    sign.args(["dgst", "-sha256", "-sign"])
        .arg(namespace.directory().join(format!("{name}.pem")));
    Run::of(sign.arg("-out").arg(&signature).arg(message)).success();
    STANDARD.encode(std::fs::read(signature).unwrap())
}

#[test]
fn signatures_of_cosign_over_a_file_count_in_each_of_its_layouts() {
    let namespace = Namespace::new();
    let key = cosign_key(&namespace, "team");
    cosign_key(&namespace, "other");
    let file = namespace.file("edge.wasm", NET);
    trust(&namespace, &format!("keys = [{key:?}]"));
    let signature = cosign_sign(&namespace, "team", NET);
    let digest = STANDARD.encode(Digest::of(NET).bytes());
    let bundle = |signature: &str, digest: &str| {
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {"publicKey": {"hint": ""}, "tlogEntries": []},
            "messageSignature": {
                "messageDigest": {"algorithm": "SHA2_256", "digest": digest}, "signature": signature}
        })
        .to_string()
    };
    let layouts = [
        ("edge.wasm.sig", signature.clone()),
        (
            "edge.wasm.bundle",
            json!({"base64Signature": signature, "cert": ""}).to_string(),
        ),
        ("edge.wasm.sigstore.json", bundle(&signature, &digest)),
    ];
    for (name, text) in layouts {
        let beside = namespace.file(name, text);
        add(&namespace, &file).success();
        verify(&namespace).success();
        std::fs::remove_file(beside).unwrap();
    }
    // The digest that a bundle names is held against the component as well.
    let wrong = bundle(&signature, &STANDARD.encode([0; 32]));
    namespace.file("edge.wasm.sigstore.json", wrong);
    refused(add(&namespace, &file), &["does not fit the component"]);
    // By another key, over other bytes, and no signature at all.
    for text in [
        bundle(&cosign_sign(&namespace, "other", NET), &digest),
        bundle(&cosign_sign(&namespace, "team", b"other bytes"), &digest),
        bundle("", &digest),
        "{".to_owned(),
    ] {
        namespace.file("edge.wasm.sigstore.json", text);
        refused(add(&namespace, &file), &["0 count"]);
    }
}
