//! TLS and TCP to a real ovsdb-server, with authorities made for the test.

use op_dbus::backends::ovsdb::{Client, Options, OvsdbError, TlsFiles};

use crate::certificates::make_certificates;
use crate::server::{DATABASE, Server};

#[tokio::test]
async fn speaks_tls_and_tcp_and_trusts_only_its_authority() {
    let directory = tempfile::tempdir().unwrap();
    let ours = make_certificates(directory.path(), "ours");
    let theirs = make_certificates(directory.path(), "theirs");
    let Some(server) = Server::start_with(&[
        "--remote=pssl:0:127.0.0.1".to_owned(),
        "--remote=ptcp:0:127.0.0.2".to_owned(),
        format!("--private-key={}", ours.key.display()),
        format!("--certificate={}", ours.certificate.display()),
        format!("--ca-cert={}", ours.ca.display()),
    ]) else {
        return;
    };
    let remote = format!("ssl:127.0.0.1:{}", server.port("127.0.0.1"));
    let call = async |tls: Option<TlsFiles>| {
        let mut options = Options::new(remote.parse().unwrap());
        options.reconnect_within = std::time::Duration::ZERO;
        options.tls = tls;
        Client::connect(options).await?.list_dbs().await
    };
    let databases = call(Some(ours.clone())).await.unwrap();
    assert!(databases.contains(&DATABASE.to_owned()));

    let distrusting = TlsFiles {
        ca: theirs.ca.clone(),
        ..ours.clone()
    };
    let error = call(Some(distrusting)).await.unwrap_err();
    assert!(
        matches!(&error, OvsdbError::Tls { reason, .. } if reason.contains("certificate")),
        "{error}"
    );
    let distrusted = TlsFiles {
        ca: ours.ca.clone(),
        ..theirs.clone()
    };
    let error = call(Some(distrusted)).await.unwrap_err();
    assert!(
        matches!(
            &error,
            OvsdbError::Tls { .. } | OvsdbError::Lost { .. } | OvsdbError::Connect { .. }
        ),
        "{error}"
    );
    let named = TlsFiles {
        server_name: Some("ovs.example".to_owned()),
        ..ours.clone()
    };
    let error = call(Some(named)).await.unwrap_err();
    assert!(
        matches!(&error, OvsdbError::Tls { reason, .. } if reason.contains("not valid for")),
        "{error}"
    );
    let missing = TlsFiles {
        key: directory.path().join("no-such-file"),
        ..ours.clone()
    };
    let error = call(Some(missing)).await.unwrap_err();
    assert!(error.to_string().contains("no-such-file"), "{error}");
    let error = call(None).await.unwrap_err();
    assert!(error.to_string().contains("private key"), "{error}");

    let remote = format!("tcp:127.0.0.2:{}", server.port("127.0.0.2"));
    let client = Client::connect(Options::new(remote.parse().unwrap()))
        .await
        .unwrap();
    assert!(
        client
            .list_dbs()
            .await
            .unwrap()
            .contains(&DATABASE.to_owned())
    );
}
