//! TLS to an `ssl:` remote, with the files and the rules of Open vSwitch's own programs.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore,
    SignatureScheme,
};

/// The PEM files for `ssl:` remotes: those that `ovs-vsctl --private-key --certificate --ca-cert` takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Our private key.
    pub key: PathBuf,
    /// Our certificate, with its chain.
    pub certificate: PathBuf,
    /// The authorities, one of which must have signed the server's certificate.
    pub ca: PathBuf,
    /// The name that the server's certificate must carry. Without one, its authority alone decides, as in every program
    /// of Open vSwitch: the certificates that ovs-pki(8) makes carry no host name.
    pub server_name: Option<String>,
}

/// What is needed to secure a stream.
pub(super) struct Connector {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// Reads the files.
///
/// # Errors
/// A sentence about the file that is unusable.
pub(super) fn connector(files: &TlsFiles, host: &str) -> Result<Connector, String> {
    let name = files.server_name.as_deref().unwrap_or(host).to_owned();
    Ok(Connector {
        config: Arc::new(configuration(files)?),
        name: ServerName::try_from(name).map_err(|error| error.to_string())?,
    })
}

impl Connector {
    /// Shakes hands.
    pub(super) async fn connect(self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let connector = TlsConnector::from(self.config);
        connector.connect(self.name, stream).await
    }
}

fn configuration(files: &TlsFiles) -> Result<ClientConfig, String> {
    let unreadable =
        |path: &PathBuf, what: &str, reason: String| format!("{what} {}: {reason}", path.display());
    let certificates = |path: &PathBuf, what: &str| {
        let found: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect)
            .map_err(|error| unreadable(path, what, error.to_string()))?;
        if found.is_empty() {
            return Err(unreadable(path, what, "no certificate is in it".to_owned()));
        }
        Ok(found)
    };
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| unreadable(&files.key, "private key", error.to_string()))?;
    let own = certificates(&files.certificate, "certificate")?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&files.ca, "CA certificate")? {
        roots
            .add(certificate)
            .map_err(|error| unreadable(&files.ca, "CA certificate", error.to_string()))?;
    }
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|error| error.to_string())?;
    ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier {
            webpki: verifier,
            provider,
            name_matters: files.server_name.is_some(),
        }))
        .with_client_auth_cert(own, key)
        .map_err(|error| error.to_string())
}

/// Checks the server's certificate as webpki does, and the name in it only where one is asked for.
#[derive(Debug)]
struct Verifier {
    webpki: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
    name_matters: bool,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let verdict = self.webpki.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verdict {
            // webpki looks at the name last: the chain, the dates and the purpose have been found good.
            Err(TlsError::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.name_matters => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.webpki
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.webpki
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
