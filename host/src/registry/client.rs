//! Requests to a registry: over TLS, with a token where it asks for one, and never more of an answer than was expected.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use ureq::Agent;
use ureq::http::{Response, StatusCode};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::{Reference, credentials};
use crate::digest::Digest;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// How long until a registry begins to answer.
const ANSWER: Duration = Duration::from_secs(30);
/// How long one request may take as a whole, its answer included: 64 MiB at 250 KiB/s.
const WHOLE: Duration = Duration::from_secs(300);
/// No longer answer is read where a token is expected, in bytes.
const LONGEST_TOKEN: usize = 64 << 10;
/// Answers of a registry in an error are shown up to here, in bytes.
const LONGEST_WORDS: usize = 400;

/// Why a component could not be pulled.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The registry could not be reached, or did not answer in time.
    #[error("{url}: {why}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// Why.
        why: Box<ureq::Error>,
    },
    /// It refused.
    #[error("{url}: the registry answers {status}{}", shown(.words))]
    Refused {
        /// What was asked for.
        url: String,
        /// Its answer.
        status: u16,
        /// Its own words.
        words: String,
    },
    /// It sent more than it may.
    #[error("{url}: the answer is larger than {limit} bytes, and was not read")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// The most that it may have.
        limit: usize,
    },
    /// It sent other content than it was asked for.
    #[error("{url}: the registry sent {found}, which is not what was asked for: {expected}")]
    Swapped {
        /// What was asked for.
        url: String,
        /// The digest that was expected.
        expected: Digest,
        /// That of what came.
        found: Digest,
    },
    /// A name stands for other content than it did.
    #[error(
        "{reference} has moved: it stood for {before}, and stands for {now}. If that is meant, name the new content: {reference}@{now}"
    )]
    Moved {
        /// The name.
        reference: String,
        /// What it stood for.
        before: Digest,
        /// What it stands for.
        now: Digest,
    },
    /// It is no artifact with a component.
    #[error("{reference}: {why}")]
    NoComponent {
        /// What was pulled.
        reference: String,
        /// What it is instead.
        why: String,
    },
    /// Credentials are there and cannot be used.
    #[error("credentials for {registry}: {why}")]
    Credentials {
        /// For which registry.
        registry: String,
        /// What is wrong.
        why: String,
    },
    /// The registry wants a token from somewhere that is not to be trusted with credentials.
    #[error(
        "the registry {registry} sends for a token to {realm:?}, which is not reached over TLS"
    )]
    Realm {
        /// The registry.
        registry: String,
        /// Where it sends.
        realm: String,
    },
}

fn shown(words: &str) -> String {
    match words.is_empty() {
        true => String::new(),
        false => format!(": {words}"),
    }
}

/// A client for one repository.
pub struct Client {
    agent: Agent,
    base: String,
    registry: String,
    repository: String,
    plain: bool,
    authorization: Option<String>,
}

impl Client {
    /// A client for the repository of `reference`; without TLS only on loopback, or where the operator says so with `insecure`.
    pub fn new(reference: &Reference, insecure: bool) -> Self {
        let plain = insecure || reference.is_loopback();
        let config = Agent::config_builder()
            .https_only(!plain)
            .http_status_as_error(false)
            .max_redirects(4)
            .user_agent(concat!("op-dbus/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .timeout_global(Some(WHOLE))
            .tls_config(tls(plain));
        let config = match reference.is_loopback() {
            true => config.proxy(None),
            false => config,
        };
        let scheme = if plain { "http" } else { "https" };
        Self {
            agent: config.build().into(),
            base: format!(
                "{scheme}://{}/v2/{}",
                reference.registry, reference.repository
            ),
            registry: reference.registry.clone(),
            repository: reference.repository.clone(),
            plain,
            authorization: None,
        }
    }

    /// Asks for `path` in the repository, and reads at most `limit` bytes of the answer. `None` where the registry has no such thing.
    ///
    /// # Errors
    /// When the registry cannot be reached, refuses, or answers with more.
    pub fn get(
        &mut self,
        path: &str,
        accept: &str,
        limit: usize,
    ) -> Result<Option<Vec<u8>>, RegistryError> {
        let url = format!("{}/{path}", self.base);
        let mut answer = self.send(&url, accept)?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            let challenge = answer.headers().get("www-authenticate");
            let challenge = challenge.and_then(|value| value.to_str().ok());
            if let Some(authorization) = self.answer(challenge.unwrap_or_default())? {
                self.authorization = Some(authorization);
                answer = self.send(&url, accept)?;
            }
        }
        match answer.status() {
            StatusCode::OK => body(&url, answer, limit).map(Some),
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(RegistryError::Refused {
                words: words(answer),
                status: status.as_u16(),
                url,
            }),
        }
    }

    fn send(&self, url: &str, accept: &str) -> Result<Response<ureq::Body>, RegistryError> {
        let request = self.agent.get(url).header("accept", accept);
        let request = match &self.authorization {
            Some(authorization) => request.header("authorization", authorization),
            None => request,
        };
        request.call().map_err(|why| RegistryError::Unreachable {
            url: url.to_owned(),
            why: Box::new(why),
        })
    }

    /// What to send as authorization, for what the registry asks (RFC 9110 section 11; "Token Authentication" of the distribution project).
    fn answer(&self, challenge: &str) -> Result<Option<String>, RegistryError> {
        let login = credentials::of(&self.registry).map_err(|why| RegistryError::Credentials {
            registry: self.registry.clone(),
            why,
        })?;
        let basic = login.map(|login| format!("Basic {}", STANDARD.encode(login)));
        let Some(parameters) = challenge.strip_prefix("Bearer ") else {
            return Ok(basic);
        };
        let Some(realm) = parameter(parameters, "realm") else {
            return Ok(None);
        };
        if !(realm.starts_with("https://") || (self.plain && realm.starts_with("http://"))) {
            return Err(RegistryError::Realm {
                registry: self.registry.clone(),
                realm,
            });
        }
        let mut request = self
            .agent
            .get(&realm)
            .query("scope", format!("repository:{}:pull", self.repository));
        if let Some(service) = parameter(parameters, "service") {
            request = request.query("service", service);
        }
        if let Some(basic) = basic {
            request = request.header("authorization", basic);
        }
        let answer = request.call().map_err(|why| RegistryError::Unreachable {
            url: realm.clone(),
            why: Box::new(why),
        })?;
        if answer.status() != StatusCode::OK {
            return Err(RegistryError::Refused {
                status: answer.status().as_u16(),
                words: words(answer),
                url: realm,
            });
        }
        let body = body(&realm, answer, LONGEST_TOKEN)?;
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let token = body["token"].as_str().or(body["access_token"].as_str());
        Ok(token.map(|token| format!("Bearer {token}")))
    }
}

/// TLS through ring, the one crypto provider of this program.
fn tls(plain: bool) -> TlsConfig {
    let provider = tokio_rustls::rustls::crypto::ring::default_provider();
    TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(provider))
        .root_certs(roots(plain))
        .build()
}

/// The certificates that this machine trusts, or those in SSL_CERT_FILE.
fn roots(plain: bool) -> RootCerts {
    if plain {
        return RootCerts::new_with_certs(&[]);
    }
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!("certificates: {error}");
    }
    let certificates: Vec<_> = found
        .certs
        .iter()
        .map(|certificate| Certificate::from_der(certificate).to_owned())
        .collect();
    RootCerts::new_with_certs(&certificates)
}

/// The value of a parameter in a challenge: `realm="…",service="…"`.
fn parameter(parameters: &str, name: &str) -> Option<String> {
    let mut rest = parameters;
    while let Some((key, more)) = rest.split_once("=\"") {
        let (value, more) = more.split_once('"')?;
        if key.trim_start_matches([',', ' ']) == name {
            return Some(value.to_owned());
        }
        rest = more;
    }
    None
}

fn body(url: &str, answer: Response<ureq::Body>, limit: usize) -> Result<Vec<u8>, RegistryError> {
    let mut bytes = Vec::new();
    answer
        .into_body()
        .into_reader()
        .take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| RegistryError::Unreachable {
            url: url.to_owned(),
            why: Box::new(error.into()),
        })?;
    match bytes.len() > limit {
        true => Err(RegistryError::TooLarge {
            url: url.to_owned(),
            limit,
        }),
        false => Ok(bytes),
    }
}

/// What a registry says to an error, as far as it is text.
fn words(answer: Response<ureq::Body>) -> String {
    let mut bytes = Vec::new();
    let reader = answer.into_body().into_reader();
    // What cannot be read is no loss: the status says the rest.
    let _ = reader.take(LONGEST_WORDS as u64).read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_taken_apart() {
        let challenge = "realm=\"https://auth.example.org/token\", service=\"registry.example.org\",scope=\"repository:a:pull\"";
        let found = |name| parameter(challenge, name);
        assert_eq!(
            found("realm").as_deref(),
            Some("https://auth.example.org/token")
        );
        assert_eq!(found("service").as_deref(), Some("registry.example.org"));
        assert_eq!(found("error"), None);
        assert_eq!(parameter("realm=\"open", "realm"), None);
    }
}
