//! TLS of a listener: a certificate and its private key in files, read anew when they change.
//!
//! A certificate lives for weeks, a signer for months: the files are looked at before a handshake, at most once a second.
//! New ones that cannot be used leave the old ones in force, and are a line in the log.

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig, version};
use tokio_rustls::server::TlsStream;
use x509_cert::Certificate;
use x509_cert::der::Decode;

use crate::file_stamp::FileStamp;
use crate::secret_file::{self, SecretFileError};

/// What a listener shows to its clients. Clones share it.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    certificates: Arc<Certificates>,
}

/// Files that give no TLS. *Misused* or *failed*.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The certificate cannot be read.
    #[error("{}: {cause}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// There is nothing in it that is one.
    #[error(
        "{} holds no certificate; it must be PEM: the server's first, then those that vouch for it", .0.display()
    )]
    NoCertificate(PathBuf),
    /// The private key's file.
    #[error(transparent)]
    Secret(#[from] SecretFileError),
    /// There is nothing in it that is one.
    #[error("{} holds no private key; it must be PEM, without a password", .0.display())]
    NoKey(PathBuf),
    /// They do not go together, or are of a kind that is not known.
    #[error("the private key does not go with the certificate in {}: {cause}", path.display())]
    Mismatch {
        /// The certificate's file.
        path: PathBuf,
        /// What is wrong.
        cause: rustls::Error,
    },
    /// The library refuses its own algorithms: a bug.
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}

#[derive(Debug, Clone)]
struct Files {
    certificate: PathBuf,
    private_key: PathBuf,
}

/// What tells that a file is another one.
type Stamp = [Option<FileStamp>; 2];

#[derive(Debug)]
struct Certificates {
    files: Files,
    provider: Arc<CryptoProvider>,
    shown: Mutex<Shown>,
}

#[derive(Debug)]
struct Shown {
    key: Arc<CertifiedKey>,
    stamp: Stamp,
    looked: Instant,
    /// Why those that are there now are not used.
    complaint: Option<String>,
}

/// Between two looks at the files.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

impl Tls {
    /// From PEM files: the certificate with those that vouch for it, and its private key.
    ///
    /// # Errors
    /// When they cannot be read, or do not go together.
    pub fn read(certificate: PathBuf, private_key: PathBuf) -> Result<Tls, TlsError> {
        let (files, provider) = (Files { certificate, private_key }, Arc::new(provider()));
        let stamp = files.stamp();
        let shown =
            Shown { key: files.read(&provider)?, stamp, looked: Instant::now(), complaint: None };
        let provider_of_keys = Arc::clone(&provider);
        let certificates =
            Certificates { files, provider: provider_of_keys, shown: Mutex::new(shown) };
        let certificates = Arc::new(certificates);
        let versions = [&version::TLS13, &version::TLS12];
        let builder = ServerConfig::builder_with_provider(provider);
        let builder = builder.with_protocol_versions(&versions).map_err(TlsError::Setup)?;
        let mut config =
            builder.with_no_client_auth().with_cert_resolver(Arc::clone(&certificates) as _);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A baker comes anew for each vote: nothing of the last connection is kept for it.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Tls { config: Arc::new(config), certificates })
    }

    /// When the certificate in force ends, in seconds since 1970; none when that cannot be read.
    #[must_use]
    pub fn expiry(&self) -> Option<f64> {
        let shown = self.certificates.shown.lock();
        expiry(shown.key.cert.first()?)
    }

    /// Why the files that are there now are not used, if they are not.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        self.certificates.shown.lock().complaint.clone()
    }

    /// The handshake with a client, after a look at the files.
    ///
    /// # Errors
    /// When the client speaks no TLS, or none that is spoken here.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        if self.certificates.is_to_be_looked_at() {
            let certificates = Arc::clone(&self.certificates);
            // A disk that hangs holds up this handshake, and no other connection.
            let looked = spawn_blocking(move || certificates.look()).await;
            looked.map_err(io::Error::other)?;
        }
        TlsAcceptor::from(Arc::clone(&self.config)).accept(stream).await
    }
}

/// The end of a certificate's validity (RFC 5280 §4.1.2.5).
fn expiry(certificate: &CertificateDer<'_>) -> Option<f64> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let end = certificate.tbs_certificate().validity().not_after;
    Some(end.to_unix_duration().as_secs_f64())
}

/// Every algorithm by its name, so that none comes in with an update.
fn provider() -> CryptoProvider {
    use ring::cipher_suite as suite;
    CryptoProvider {
        cipher_suites: vec![
            suite::TLS13_AES_256_GCM_SHA384,
            suite::TLS13_AES_128_GCM_SHA256,
            suite::TLS13_CHACHA20_POLY1305_SHA256,
            suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![ring::kx_group::X25519, ring::kx_group::SECP256R1],
        ..ring::default_provider()
    }
}

impl Files {
    fn read(&self, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, TlsError> {
        let path = &self.certificate;
        let bytes =
            fs::read(path).map_err(|cause| TlsError::Certificate { path: path.clone(), cause })?;
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(&bytes).collect::<Result<_, _>>().unwrap_or_default();
        if chain.is_empty() {
            return Err(TlsError::NoCertificate(path.clone()));
        }
        let secret = secret_file::read(&self.private_key)?;
        let key = PrivateKeyDer::from_pem_slice(secret.as_bytes())
            .map_err(|_| TlsError::NoKey(self.private_key.clone()))?;
        CertifiedKey::from_der(chain, key, provider)
            .map(Arc::new)
            .map_err(|cause| TlsError::Mismatch { path: path.clone(), cause })
    }

    fn stamp(&self) -> Stamp {
        [&self.certificate, &self.private_key].map(|path| FileStamp::of(path))
    }
}

impl Certificates {
    /// Whether the last look was a while ago; if so, who asks is the one to look.
    fn is_to_be_looked_at(&self) -> bool {
        let mut shown = self.shown.lock();
        let is_due = shown.looked.elapsed() >= LOOK_PAUSE;
        if is_due {
            shown.looked = Instant::now();
        }
        is_due
    }

    /// Takes the files if they have changed. Those that cannot be used, as in the middle of a renewal, are tried again.
    fn look(&self) {
        let stamp = self.files.stamp();
        if stamp == self.shown.lock().stamp {
            return;
        }
        let read = self.files.read(&self.provider);
        let mut shown = self.shown.lock();
        match read {
            Ok(key) => {
                tracing::info!("{}: a new certificate", self.files.certificate.display());
                *shown = Shown { key, stamp, looked: shown.looked, complaint: None };
            }
            Err(error) => {
                let complaint = Some(error.to_string());
                if shown.complaint != complaint {
                    tracing::warn!("the new certificate is not used, the old one is: {error}");
                }
                shown.complaint = complaint;
            }
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.shown.lock().key))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}
