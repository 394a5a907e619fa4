//! `[ovsdb]`: where Open vSwitch's database server is, and the keys for the way to it.

use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

use super::absolute;
use crate::backends::ovsdb::{Options, Remote, TlsFiles, local_remote};

/// What the operator says of the OVSDB server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct OvsdbConfig {
    /// Where it is, unless the command line says otherwise.
    pub remote: Option<Remote>,
    /// For an `ssl:` remote.
    pub tls: Option<TlsFiles>,
}

/// The section's own shape. Keys and certificates are named as `ovs-vsctl` names them.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    #[serde(deserialize_with = "remote")]
    remote: Option<Remote>,
    #[serde(deserialize_with = "absolute")]
    private_key: Option<PathBuf>,
    #[serde(deserialize_with = "absolute")]
    certificate: Option<PathBuf>,
    #[serde(deserialize_with = "absolute")]
    ca_cert: Option<PathBuf>,
    server_name: Option<String>,
}

fn remote<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Remote>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Remote::from_str(&text).map(Some).map_err(de::Error::custom)
}

impl TryFrom<Written> for OvsdbConfig {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let tls = match (written.private_key, written.certificate, written.ca_cert) {
            (None, None, None) if written.server_name.is_none() => None,
            (Some(key), Some(certificate), Some(ca)) => Some(TlsFiles {
                key,
                certificate,
                ca,
                server_name: written.server_name,
            }),
            _ => {
                return Err(
                    "TLS takes three files: give `private-key`, `certificate` and `ca-cert`"
                        .to_owned(),
                );
            }
        };
        if tls.is_none() && matches!(written.remote, Some(Remote::Tls { .. })) {
            return Err(
                "an ssl: remote takes three files: give `private-key`, `certificate` and `ca-cert`"
                    .to_owned(),
            );
        }
        Ok(Self {
            remote: written.remote,
            tls,
        })
    }
}

impl OvsdbConfig {
    /// How to reach the server: `named` on the command line, else the configured one, else this machine's own.
    pub fn options(&self, named: Option<&Remote>) -> Options {
        let remote = named.or(self.remote.as_ref());
        Options {
            tls: self.tls.clone(),
            ..Options::new(remote.cloned().unwrap_or_else(local_remote))
        }
    }
}
