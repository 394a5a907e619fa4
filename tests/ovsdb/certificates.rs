//! Authorities and certificates made for a test.

use std::path::Path;
use std::process::Command;

use op_dbus::backends::ovsdb::TlsFiles;

use crate::server::run;

/// Makes an authority and a certificate that it signs, without any host name in it, as ovs-pki(8) does.
pub fn make_certificates(directory: &Path, name: &str) -> TlsFiles {
    let path = |suffix: &str| directory.join(format!("{name}-{suffix}.pem"));
    let key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ];
    let openssl = |arguments: &[&str]| {
        run(Command::new("openssl")
            .current_dir(directory)
            .args(arguments));
    };
    let (ca, ca_key, own, own_key, asked) = (
        format!("{name}-ca.pem"),
        format!("{name}-ca-key.pem"),
        format!("{name}-cert.pem"),
        format!("{name}-key.pem"),
        format!("{name}-request.pem"),
    );
    let authority = [
        "req",
        "-x509",
        "-subj",
        "/CN=test authority",
        "-days",
        "2",
        "-keyout",
        &ca_key,
        "-out",
        &ca,
    ];
    openssl(&[&authority[..], &key].concat());
    let request = [
        "req", "-subj", "/CN=test", "-keyout", &own_key, "-out", &asked,
    ];
    openssl(&[&request[..], &key].concat());
    std::fs::write(directory.join("extensions"), "basicConstraints=CA:false\n").expect("a file");
    openssl(&[
        "x509",
        "-req",
        "-in",
        &asked,
        "-CA",
        &ca,
        "-CAkey",
        &ca_key,
        "-set_serial",
        "7",
        "-days",
        "2",
        "-extfile",
        "extensions",
        "-out",
        &own,
    ]);
    TlsFiles {
        key: path("key"),
        certificate: path("cert"),
        ca: path("ca"),
        server_name: None,
    }
}
