//! Plugins from a real registry (Debian's docker-registry) on the loopback of the test's own namespace, pushed as `wkg` pushes them.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use op_dbus::digest::Digest;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::{Value, json};

use crate::namespace::{CONFIGURATION, Namespace, Run, cache};
use crate::network_manager::installed;
use crate::plugin_add::version;
use crate::plugin_files::NET;
use crate::plugin_trust::{cosign_key, cosign_sign};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const PORT: u16 = 5000;

/// A registry, with a directory of its own; it ends with this.
struct Registry {
    namespace: Namespace,
    process: Child,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Registry {
    /// `None`, and loudly so, where it is not installed; in CI that is a failure.
    fn start() -> Option<Self> {
        if !installed(&["docker-registry"]) {
            return None;
        }
        let namespace = Namespace::new();
        namespace.ip(&["link", "set", "lo", "up"]);
        let configuration = json!({
            "version": 0.1, "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": namespace.directory().join("registry")}},
            "http": {"addr": format!("127.0.0.1:{PORT}")}
        });
        // JSON is YAML.
        let configuration = namespace.file("registry.yml", configuration.to_string());
        let process = Command::new("ip")
            .args([
                "netns",
                "exec",
                namespace.name(),
                "docker-registry",
                "serve",
            ])
            .arg(configuration)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("ip starts");
        let registry = Self { namespace, process };
        let patience = Instant::now() + Duration::from_secs(60);
        while registry.connect().is_err() {
            assert!(Instant::now() < patience, "the registry does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(registry)
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let place = File::open(Path::new("/run/netns").join(self.namespace.name()))?;
        // The thread that has entered the namespace ends; the socket stays there.
        let connecting = std::thread::spawn(move || {
            move_into_link_name_space(place.as_fd(), Some(LinkNameSpaceType::Network))?;
            TcpStream::connect(("127.0.0.1", PORT))
        });
        connecting.join().expect("no panic")
    }

    /// Sends a request, and returns the head of the answer.
    fn send(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> String {
        let mut stream = self.connect().expect("the registry listens");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{PORT}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).expect("a request");
        stream.write_all(body).expect("a body");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(
            answer.starts_with("HTTP/1.1 2"),
            "{method} {path}: {answer}"
        );
        answer
    }

    /// Pushes a blob (OCI distribution specification 1.1, "POST then PUT"), and returns its descriptor.
    fn blob(&self, kind: &str, content: &[u8]) -> Value {
        let started = self.send("POST", "/v2/team/edge/blobs/uploads/", kind, b"");
        let location = started
            .lines()
            .find_map(|line| line.strip_prefix("Location: "))
            .expect("a place to put it")
            .trim();
        let path = location.split_once("/v2/").expect("of the registry").1;
        let digest = Digest::of(content);
        let join = if path.contains('?') { '&' } else { '?' };
        self.send(
            "PUT",
            &format!("/v2/{path}{join}digest={digest}"),
            "application/octet-stream",
            content,
        );
        json!({"mediaType": kind, "digest": digest, "size": content.len()})
    }

    /// Pushes a manifest under a tag, and returns its digest.
    fn manifest(&self, tag: &str, manifest: &Value) -> Digest {
        let bytes = manifest.to_string().into_bytes();
        self.send(
            "PUT",
            &format!("/v2/team/edge/manifests/{tag}"),
            MANIFEST,
            &bytes,
        );
        Digest::of(&bytes)
    }

    /// Pushes a component as `wkg oci push` does.
    fn push(&self, tag: &str, component: &[u8]) -> Digest {
        let layer = self.blob("application/wasm", component);
        let configuration = json!({
            "created": "2026-01-01T00:00:00Z", "author": null, "architecture": "wasm", "os": "wasip2",
            "layerDigests": [layer["digest"]],
            "component": {"exports": ["op-dbus:plugin/state@0.1.0"], "imports": ["op-dbus:plugin/netlink@0.1.0"], "target": null}
        });
        let configuration = self.blob(
            "application/vnd.wasm.config.v0+json",
            configuration.to_string().as_bytes(),
        );
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": configuration, "layers": [layer]});
        self.manifest(tag, &manifest)
    }

    /// Signs a manifest as `cosign sign --key` does: a payload and its signature under a tag made of the digest.
    fn sign(&self, key: &str, manifest: Digest) {
        let payload = json!({"critical": {
            "identity": {"docker-reference": "127.0.0.1:5000/team/edge"},
            "image": {"docker-manifest-digest": manifest},
            "type": "cosign container image signature"
        }, "optional": null})
        .to_string();
        let mut layer = self.blob(
            "application/vnd.dev.cosign.simplesigning.v1+json",
            payload.as_bytes(),
        );
        let signature = cosign_sign(&self.namespace, key, payload.as_bytes());
        layer["annotations"] = json!({"dev.cosignproject.cosign/signature": signature});
        let configuration = self.blob("application/vnd.oci.image.config.v1+json", b"{}");
        let image = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": configuration, "layers": [layer]});
        self.manifest(&format!("sha256-{}.sig", manifest.hex()), &image);
    }

    /// Runs op-dbus within the namespace, where the registry is.
    fn op_dbus(&self, arguments: &[&str]) -> Run {
        let here = self.namespace.directory();
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", self.namespace.name()])
            .arg(env!("CARGO_BIN_EXE_op-dbus"))
            .arg("--state-dir")
            .arg(here.join("state"))
            .arg("--cache-dir")
            .arg(cache())
            .arg("--config")
            .arg(here.join(CONFIGURATION))
            .env("DOCKER_CONFIG", here);
        Run::of(command.args(arguments))
    }

    fn add(&self, reference: &str) -> Run {
        self.op_dbus(&[
            "plugin", "add", reference, "--name", "edge", "--grant", "none", "--yes",
        ])
    }
}

const TAG: &str = "oci://127.0.0.1:5000/team/edge:1";

#[test]
fn a_plugin_is_pulled_inspected_and_pinned_and_a_tag_that_moves_is_refused() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let one = registry.push("1", NET);
    let inspected = registry
        .op_dbus(&["plugin", "inspect", TAG, "--json"])
        .success()
        .json();
    assert_eq!(inspected["digest"], Digest::of(NET).to_string());
    assert_eq!(inspected["source"], format!("{TAG}@{one}"));
    registry.add(TAG).success();
    registry.op_dbus(&["plugin", "verify", "edge"]).success();
    // The same again is no change.
    registry.add(TAG).success();

    let newer = version("0.2.0");
    let two = registry.push("1", &newer);
    for reference in [TAG, &format!("{TAG}@{one}")] {
        let run = registry.add(reference).code(1);
        for words in ["has moved", &one.to_string(), &two.to_string()] {
            assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
        }
    }
    // Named by its digest, the new one is what is meant; by the digest alone, the old one is there still.
    registry.add(&format!("{TAG}@{two}")).success();
    let listed = registry.op_dbus(&["plugin", "list"]).success().stdout;
    assert!(listed.contains(&two.to_string()), "{listed}");
    let run = registry
        .add(&format!("oci://127.0.0.1:5000/team/edge@{one}"))
        .code(1);
    assert!(run.stderr.contains("--allow-downgrade"), "{}", run.stderr);
}

#[test]
fn what_a_registry_has_wrong_is_refused() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let refused = |reference: &str, words: &str| {
        let run = registry.add(reference).code(1);
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    };
    refused("oci://127.0.0.1:5000/team/edge:none", "no such artifact");
    refused(
        "oci://127.0.0.1:5000/team/edge",
        "neither a tag nor a digest",
    );
    refused("oci://127.0.0.1:1/team/edge:1", "127.0.0.1:1");
    let configuration = registry.blob("application/vnd.oci.image.config.v1+json", b"{}");
    let layer = registry.blob("application/vnd.oci.image.layer.v1.tar", b"layer");
    let image = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": configuration, "layers": [layer]});
    registry.manifest("image", &image);
    refused("oci://127.0.0.1:5000/team/edge:image", "no Wasm artifact");

    // Other bytes under the same digest, as a broken or hostile registry sends them.
    registry.push("1", NET);
    let hex = Digest::of(NET).hex();
    let blob = registry.namespace.directory().join(format!(
        "registry/docker/registry/v2/blobs/sha256/{}/{hex}/data",
        &hex[..2]
    ));
    assert_eq!(std::fs::read(&blob).unwrap(), NET);
    std::fs::write(&blob, version("0.2.0")).unwrap();
    refused(TAG, "not what was asked for");
}

#[test]
fn signatures_of_cosign_in_a_registry_count_for_the_manifest_that_they_name() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let key = cosign_key(&registry.namespace, "team");
    cosign_key(&registry.namespace, "other");
    registry.namespace.file(
        CONFIGURATION,
        format!("[trust]\nsignatures = \"required\"\nkeys = [{key:?}]\n"),
    );
    let one = registry.push("1", NET);
    let run = registry.add(TAG).code(1);
    assert!(run.stderr.contains("none was found"), "{}", run.stderr);
    registry.sign("other", one);
    let run = registry.add(TAG).code(1);
    assert!(run.stderr.contains("not among the keys"), "{}", run.stderr);
    registry.sign("team", one);
    registry.add(TAG).success();
    // The manifest and the signature lie beside the component: they are checked again without the registry.
    let verified = registry
        .op_dbus(&["plugin", "verify", "edge"])
        .success()
        .stdout;
    assert!(
        verified.contains("signed by cosign key sha256:"),
        "{verified}"
    );

    // A signature that is moved to another manifest is none.
    let two = registry.push("2", &version("0.2.0"));
    let signature = format!("/v2/team/edge/manifests/sha256-{}.sig", one.hex());
    let mut stream = registry.connect().unwrap();
    write!(
        stream,
        "GET {signature} HTTP/1.1\r\nhost: r\r\naccept: {MANIFEST}\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let image: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    registry.manifest(&format!("sha256-{}.sig", two.hex()), &image);
    let run = registry.add("oci://127.0.0.1:5000/team/edge:2").code(1);
    assert!(
        run.stderr.contains("does not fit the component"),
        "{}",
        run.stderr
    );
}
