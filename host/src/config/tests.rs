//! What a configuration says, and how what is wrong is shown.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::component::Component;
use super::*;
use crate::digest::Digest;
use crate::output::Style;
use crate::transaction::probes::{Check, Families, HostPort};

fn parse(text: &str) -> Result<Config, ConfigError> {
    let source = Source {
        name: "op-dbus.toml".into(),
        text: text.into(),
    };
    Config::parse(source, &["net", "networkmanager"])
}

fn wrong(text: &str) -> String {
    parse(text).unwrap_err().render(Style::PLAIN)
}

#[test]
fn everything_that_can_be_set() {
    let config = parse(
        r#"
        state-dir = "/srv/op-dbus"
        network-plugin = "nm"
        transaction-deadline = "90s"
        [limits]
        memory = "64 MiB"
        deadline = "2m"
        host-calls = 7
        [plugins.net]
        grant.netlink = {see = ["*"], change = ["vmbr*"], tables = ["254"]}
        limits.deadline = "30s"
        [probes.uplink]
        gateway = "ipv4"
        [probes.api]
        tcp = "[2001:db8::1]:443"
        timeout = "500ms"
        within = "10s"
        [probes.own]
        command = ["/usr/local/bin/check", "--fast"]
        "#,
    )
    .unwrap();
    assert_eq!(config.state_dir.as_deref(), Some(Path::new("/srv/op-dbus")));
    assert_eq!(config.network_plugin, Some(NetworkPlugin::Nm));
    let netlink = config.grant("net").unwrap().netlink.unwrap();
    assert!(netlink.change[0].matches("vmbr0") && !netlink.change[0].matches("eth0"));
    assert!(!netlink.rules, "what is not named is denied");
    assert!(config.grant("networkmanager").is_none());
    assert_eq!(config.transaction_deadline(), Duration::from_secs(90));
    let (net, other) = (config.limits("net"), config.limits("networkmanager"));
    assert_eq!(net.memory, 64 << 20);
    assert_eq!(net.deadline, Duration::from_secs(30));
    assert_eq!(other.deadline, Duration::from_secs(120));
    assert_eq!(net.host_calls, 7);
    assert_eq!(net.log_lines, Limits::default().log_lines);
    assert_eq!(
        config.probes["uplink"].check,
        Check::Gateway(Families::Ipv4)
    );
    let api = &config.probes["api"];
    let server = HostPort {
        host: "2001:db8::1".into(),
        port: 443,
    };
    assert_eq!(api.check, Check::Tcp(server));
    assert_eq!(api.timeout, Duration::from_millis(500));
    assert_eq!(api.within, Duration::from_secs(10));
}

#[test]
fn a_misspelt_key_is_underlined_with_the_valid_ones() {
    insta::assert_snapshot!(wrong("state-dir = \"/a\"\nstate_dri = \"/b\"\n"), @r##"
    error: unknown field `state_dri`, expected one of `state-dir`, `cache-dir`, `secrets-dir`, `network-plugin`, `transaction-deadline`, `limits`, `plugins`, `ovsdb`, `probes`, `tenants`, `trust`
     --> op-dbus.toml:2:1
      |
    2 | state_dri = "/b"
      | ^^^^^^^^^
      |
      = help: did you mean "state-dir"?
    "##);
}

#[test]
fn a_misspelt_grant_is_underlined_with_the_valid_ones() {
    insta::assert_snapshot!(wrong("[plugins.net.grant.netlink]\nsee = [\"*\"]\nchagne = [\"eth0\"]\n"), @r##"
    error: unknown field `chagne`, expected one of `see`, `change`, `parents`, `kinds`, `networks`, `tables`, `rules`, `unknown_attributes`
     --> op-dbus.toml:3:1
      |
    3 | chagne = ["eth0"]
      | ^^^^^^
      |
      = help: did you mean "change"?
    "##);
}

#[test]
fn a_plugin_that_there_is_not_is_underlined() {
    insta::assert_snapshot!(wrong("[plugins.ner.limits]\nmemory = 1\n[plugins.zz]"), @r##"
    error: there is no plugin "ner"
     --> op-dbus.toml:1:10
      |
    1 | [plugins.ner.limits]
      |          ^^^
      |
      = help: did you mean "net"?

    error: there is no plugin "zz"
     --> op-dbus.toml:3:10
      |
    3 | [plugins.zz]
      |          ^^
      |
      = help: built in are net, networkmanager; any other needs `component` and `digest`, which `op-dbus plugin add FILE` writes
    "##);
}

#[test]
fn a_plugin_from_a_file_has_no_grant_of_its_own() {
    let digest = Digest::of(b"component");
    let config = parse(&format!(
        "[plugins.edge]\ncomponent = \"/srv/edge.wasm\"\ndigest = \"{digest}\"\n\
         [plugins.lab]\ncomponent = \"builtin:net\"\n"
    ))
    .unwrap();
    let edge = &config.plugins["edge"];
    assert_eq!(
        edge.component,
        Some(Component::File("/srv/edge.wasm".into()))
    );
    assert_eq!(edge.digest, Some(digest));
    assert!(config.grant("edge").is_none());
    assert_eq!(
        config.component("lab"),
        Some(&Component::Builtin("net".into()))
    );
}

#[test]
fn a_plugin_that_is_not_named_or_pinned_as_it_must_be_is_underlined() {
    let pin = format!("digest = \"{}\"", Digest::of(b""));
    insta::assert_snapshot!(
        [
            "[plugins.edge]\ncomponent = \"/srv/edge.wasm\"",
            "[plugins.edge]\ncomponent = \"edge.wasm\"",
            "[plugins.edge]\ncomponent = \"oci://example.org/edge:1\"",
            "[plugins.edge]\ncomponent = \"/srv/edge.wasm\"\ndigest = \"sha256:12\"",
            "[plugins.edge]\ncomponent = \"builtin:nett\"",
            &format!("[plugins.edge]\ncomponent = \"builtin:net\"\n{pin}"),
            &format!("[plugins.net]\n{pin}"),
            &format!("[plugins.Edge]\ncomponent = \"/srv/edge.wasm\"\n{pin}"),
        ]
        .map(wrong)
        .join("\n"),
        @r##"
    error: plugin edge is a file, and has no `digest` to hold it against
     --> op-dbus.toml:1:10
      |
    1 | [plugins.edge]
      |          ^^^^
      |
      = help: `op-dbus plugin inspect /srv/edge.wasm` prints it; write digest = "sha256:…"


    error: "edge.wasm" is neither an absolute path nor builtin:NAME
     --> op-dbus.toml:2:13
      |
    2 | component = "edge.wasm"
      |             ^^^^^^^^^^^


    error: a registry is asked once, by `op-dbus plugin add oci://example.org/edge:1`; what is named here is the file that it puts down
     --> op-dbus.toml:2:13
      |
    2 | component = "oci://example.org/edge:1"
      |             ^^^^^^^^^^^^^^^^^^^^^^^^^^


    error: "sha256:12" is no digest; write sha256: and 64 hexadecimal digits
     --> op-dbus.toml:3:10
      |
    3 | digest = "sha256:12"
      |          ^^^^^^^^^^^


    error: there is no built-in plugin "nett"
     --> op-dbus.toml:1:10
      |
    1 | [plugins.edge]
      |          ^^^^
      |
      = help: did you mean "net"?


    error: `digest` of plugin edge pins a file, and its component is part of the program
     --> op-dbus.toml:1:10
      |
    1 | [plugins.edge]
      |          ^^^^
      |
      = help: take the line out, or name the file with `component`


    error: `digest` of plugin net pins a file, and its component is part of the program
     --> op-dbus.toml:1:10
      |
    1 | [plugins.net]
      |          ^^^
      |
      = help: take the line out, or name the file with `component`


    error: "Edge" is no name for a plugin; begin it with one of a-z, and go on with a-z, 0-9 and -
     --> op-dbus.toml:1:10
      |
    1 | [plugins.Edge]
      |          ^^^^
    "##
    );
}

#[test]
fn keys_that_cannot_be_what_they_are_to_be_are_underlined() {
    let key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    for (text, place, words) in [
        ("[trust]\nkeys = [\"RWQ\"]", "2:9", "no public key"),
        ("[trust]\nkeys = [\"/no/such/key\"]", "2:9", "No such file"),
        (
            "[trust]\nsignatures = \"required\"",
            "2:14",
            "no key is left",
        ),
        (
            &format!(
                "[trust]\nsignatures = \"required\"\nkeys = [\"{key}\", \"{key}\"]\nminimum = 2"
            ),
            "4:11",
            "only 1 of the keys count",
        ),
        (
            &format!("[trust]\nkeys = [\"{key}\"]\nminimum = 0"),
            "3:11",
            "at least one",
        ),
        ("[trust]\nrevoked = [\"E762\"]", "2:12", "minisign's number"),
        ("[trust]\nkey = []", "2:1", "did you mean \"keys\"?"),
    ] {
        let shown = wrong(text);
        assert!(
            shown.contains(&format!("op-dbus.toml:{place}")),
            "{place}: {shown}"
        );
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let config = parse(&format!(
        "[trust]\nsignatures = \"required\"\nkeys = [\"{key}\"]\nrevoked = [\"0000000000000001\"]\n"
    ))
    .unwrap();
    assert!(config.trust.required);
    assert_eq!(config.trust.minimum, 1);
    assert_eq!(config.trust.counting().len(), 1);
}

#[test]
fn a_value_that_makes_no_sense_is_underlined() {
    insta::assert_snapshot!(
        [
            "network-plugin = \"netlnik\"",
            "[limits]\nmemory = \"512 MB\"",
            "[limits]\ndeadline = 30",
            "[limits]\nparts = -1",
            "state-dir = \"var/lib\"",
            "[plugins.net.grant.netlink]\ntables = [\"254\", \"9-1\"]",
            "[plugins.net.grant.netlink]\nnetworks = [\"10.0.0.1/8\"]",
        ]
        .map(wrong)
        .join("\n"),
        @r##"
    error: unknown variant `netlnik`, expected one of `auto`, `nm`, `netlink`
     --> op-dbus.toml:1:18
      |
    1 | network-plugin = "netlnik"
      |                  ^^^^^^^^^
      |
      = help: did you mean "netlink"?


    error: invalid value: string "512 MB", expected a size like "512 MiB", "64 KiB" or a number of bytes
     --> op-dbus.toml:2:10
      |
    2 | memory = "512 MB"
      |          ^^^^^^^^


    error: invalid type: integer `30`, expected a duration like "500ms", "30s" or "2m"
     --> op-dbus.toml:2:12
      |
    2 | deadline = 30
      |            ^^


    error: invalid value: integer `-1`, expected usize
     --> op-dbus.toml:2:9
      |
    2 | parts = -1
      |         ^^


    error: "var/lib" is no absolute path; begin it with /
     --> op-dbus.toml:1:13
      |
    1 | state-dir = "var/lib"
      |             ^^^^^^^^^


    error: "9-1" is no range of numbers; write it like 100 or 1000-1999
     --> op-dbus.toml:2:10
      |
    2 | tables = ["254", "9-1"]
      |          ^^^^^^^^^^^^^^


    error: "10.0.0.1/8" names an address within a network; clear the bits after /8
     --> op-dbus.toml:2:12
      |
    2 | networks = ["10.0.0.1/8"]
      |            ^^^^^^^^^^^^^^
    "##
    );
}

#[test]
fn a_probe_that_asks_not_exactly_one_thing_is_underlined() {
    insta::assert_snapshot!(
        [
            "[probes.a]\ntimeout = \"1s\"",
            "[probes.a]\nresolve = \"a\"\ntcp = \"b:1\"",
            "[probes.a]\ntcp = \"example.org\"",
            "[probes.a]\ncommand = [\"ping\", \"192.0.2.1\"]",
            "[probes.a]\ngatway = \"any\"",
        ]
        .map(wrong)
        .join("\n"),
        @r##"
    error: a probe asks one thing: give it one of `gateway`, `resolve`, `tcp`, `command`
     --> op-dbus.toml:1:1
      |
    1 | [probes.a]
      | ^^^^^^^^^^


    error: a probe asks one thing: give it one of `gateway`, `resolve`, `tcp`, `command`
     --> op-dbus.toml:1:1
      |
    1 | [probes.a]
      | ^^^^^^^^^^


    error: "example.org" is no HOST:PORT; write it like example.org:443 or [2001:db8::1]:22
     --> op-dbus.toml:2:7
      |
    2 | tcp = "example.org"
      |       ^^^^^^^^^^^^^


    error: `command` is a list: the program by its absolute path, then its arguments
     --> op-dbus.toml:1:1
      |
    1 | [probes.a]
      | ^^^^^^^^^^


    error: unknown field `gatway`, expected one of `gateway`, `resolve`, `tcp`, `command`, `timeout`, `within`
     --> op-dbus.toml:2:1
      |
    2 | gatway = "any"
      | ^^^^^^
      |
      = help: did you mean "gateway"?
    "##
    );
}

#[test]
fn the_ovsdb_server_with_the_files_for_tls() {
    let keys = "private-key = \"/k\"\ncertificate = \"/c\"\nca-cert = \"/a\"\n";
    let config = parse(&format!("[ovsdb]\nremote = \"ssl:192.0.2.9\"\n{keys}")).unwrap();
    let options = config.ovsdb.options(None);
    assert_eq!(options.remote.to_string(), "ssl:192.0.2.9:6640");
    assert_eq!(options.tls.unwrap().ca, Path::new("/a"));
    let named = "unix:/run/db.sock".parse().unwrap();
    assert_eq!(config.ovsdb.options(Some(&named)).remote, named);
    insta::assert_snapshot!(
        [
            "[ovsdb]\nremote = \"ssl:192.0.2.9\"",
            "[ovsdb]\nprivate-key = \"/k\"",
            "[ovsdb]\nremote = \"udp:192.0.2.9\"",
            "[ovsdb]\nca_cert = \"/a\"",
        ]
        .map(wrong)
        .join("\n"),
        @r##"
    error: an ssl: remote takes three files: give `private-key`, `certificate` and `ca-cert`
     --> op-dbus.toml:1:1
      |
    1 | [ovsdb]
      | ^^^^^^^


    error: TLS takes three files: give `private-key`, `certificate` and `ca-cert`
     --> op-dbus.toml:1:1
      |
    1 | [ovsdb]
      | ^^^^^^^


    error: the OVSDB remote "udp:192.0.2.9" is malformed: that method is unknown; valid are unix:PATH, tcp:HOST:PORT, ssl:HOST:PORT (or tls:), an IPv6 address in brackets, the port 6640 if left out
     --> op-dbus.toml:2:10
      |
    2 | remote = "udp:192.0.2.9"
      |          ^^^^^^^^^^^^^^^


    error: unknown field `ca_cert`, expected one of `remote`, `private-key`, `certificate`, `ca-cert`, `server-name`
     --> op-dbus.toml:2:1
      |
    2 | ca_cert = "/a"
      | ^^^^^^^
      |
      = help: did you mean "ca-cert"?
    "##
    );
}

#[test]
fn what_is_no_toml_is_underlined() {
    insta::assert_snapshot!(wrong("state-dir = /var/lib\n"), @r##"
    error: string values must be quoted, expected literal string
     --> op-dbus.toml:1:13
      |
    1 | state-dir = /var/lib
      |             ^^^^^^^^
    "##);
    let twice = wrong("[limits]\nparts = 1\nparts = 2\n");
    assert!(twice.contains("duplicate key"), "{twice}");
    assert!(twice.contains("op-dbus.toml:3:1"), "{twice}");
}

#[test]
fn a_missing_file_is_an_error_when_it_was_named() {
    let directory = tempfile::tempdir().unwrap();
    let error = Config::load(Some(&directory.path().join("none.toml")), &[]).unwrap_err();
    assert!(error.to_string().contains("none.toml"), "{error}");
}

#[test]
fn an_empty_file_is_a_configuration() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let config = Config::load(Some(file.path()), &[]).unwrap();
    assert_eq!(config.origin.unwrap().file, file.path());
}

#[test]
fn a_file_that_others_may_write_to_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for mode in [0o620, 0o602] {
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        let error = Config::load(Some(file.path()), &[]).unwrap_err();
        assert!(matches!(error, ConfigError::Exposed(_)), "{error}");
    }
}

#[test]
fn a_load_is_audited_when_the_content_has_changed() {
    use crate::audit::{Filter, show};
    use crate::transaction::state_dir::{StateDir, tests::namespace};
    let root = tempfile::tempdir().unwrap();
    let state = StateDir::open(root.path(), namespace(1)).unwrap();
    let load = |text: &str| {
        let file = root.path().join("op-dbus.toml");
        std::fs::write(&file, text).unwrap();
        Config::load(Some(&file), &["net"]).unwrap()
    };
    let one = load("[plugins.net.grant.netlink]\nchange = [\"eth0\"]\n");
    let two = load("");
    for config in [
        &Config::default(),
        &one,
        &one,
        &two,
        &two,
        &Config::default(),
    ] {
        noted::note(config, &state, &[]).unwrap();
    }
    let mut records = Vec::new();
    show(&state.audit(), &Filter::default(), |record| {
        records.push(record.clone());
        Ok(())
    })
    .unwrap();
    let summaries: Vec<_> = records.iter().map(|record| &record.entry.summary).collect();
    assert_eq!(summaries.len(), 3, "{summaries:?}");
    assert!(summaries[0].contains("op-dbus.toml"), "{summaries:?}");
    assert_eq!(
        records[0].entry.detail["grants"]["net"]["netlink"]["change"][0],
        "eth0"
    );
    assert!(summaries[2].contains("no configuration"), "{summaries:?}");
}

#[test]
fn of_a_tenant_holds_what_is_said_of_it_and_nothing_that_is_said_of_the_host() {
    let text = r#"
        state-dir = "/srv/op-dbus"
        secrets-dir = "/srv/secrets"
        network-plugin = "nm"
        [limits]
        host-calls = 7
        [plugins.net.grant.netlink]
        change = ["vmbr*"]
        [probes.uplink]
        gateway = "ipv4"
        [tenants.blue]
        netns = "blue"
        ovsdb.remote = "unix:/run/blue.sock"
        plugins.net.limits.deadline = "1s"
        quota = {memory = "128 MiB", operations = 2}
    "#;
    let (config, tenant) = parse(text).unwrap().of_tenant("blue").unwrap();
    let state = Path::new("/srv/op-dbus/tenants/blue");
    assert_eq!(config.state_dir.as_deref(), Some(state));
    let secrets = config.secrets_dir.as_deref().unwrap();
    assert_eq!(secrets, Path::new("/etc/op-dbus/tenants-secrets/blue"));
    assert_eq!(config.network_plugin, None);
    assert!(config.grant("net").is_none() && config.probes.is_empty());
    let limits = config.limits("net");
    assert_eq!((limits.host_calls, limits.deadline.as_secs()), (7, 1));
    assert_eq!(tenant.netns, "blue");
    let remote = config.ovsdb.remote.as_ref().unwrap();
    assert_eq!(remote.to_string(), "unix:/run/blue.sock");
    assert_eq!(tenant.dbus_address, None);
    assert_eq!(tenant.quota.memory.0, 128 << 20);
    assert_eq!(tenant.quota.operations, 2);
    let other = parse(text).unwrap().of_tenant("bleu").unwrap_err();
    assert!(other.contains("did you mean \"blue\"?"), "{other}");
}

#[test]
fn what_is_wrong_of_a_tenant_is_underlined() {
    for (text, line, words) in [
        ("[tenants.Blue]\nnetns = \"b\"", 1, "lower-case"),
        ("[tenants.\"../b\"]\nnetns = \"b\"", 1, "lower-case"),
        ("[tenants.b]\n", 1, "missing field `netns`"),
        (
            "[tenants.b]\nnetns = \"..\"",
            2,
            "no name of a network namespace",
        ),
        ("[tenants.b]\nnetns = \"run/b\"", 2, "begin it with /"),
        (
            "[tenants.b]\nnetns = \"b\"\nnetsn = 1",
            3,
            "did you mean \"netns\"?",
        ),
        (
            "[tenants.b]\nnetns = \"b\"\n[tenants.b.quota]\nmemory = \"1 MiB\"",
            4,
            "less than",
        ),
        (
            "[tenants.b]\nnetns = \"b\"\n[tenants.b.quota]\nmemroy = 1",
            4,
            "did you mean \"memory\"?",
        ),
        (
            "[tenants.b]\nnetns = \"b\"\n[tenants.b.plugins.ner]",
            3,
            "did you mean \"net\"?",
        ),
        (
            "[tenants.b]\nnetns = \"b\"\nplugins.net.grant.ovsdb = {}",
            1,
            "no server is named",
        ),
        (
            "[tenants.b]\nnetns = \"b\"\nplugins.networkmanager.grant.dbus = {}",
            1,
            "no bus is named",
        ),
    ] {
        let said = wrong(text);
        assert!(said.contains(words), "{text}\n{said}");
        assert!(
            said.contains(&format!("op-dbus.toml:{line}:")),
            "{text}\n{said}"
        );
    }
}
