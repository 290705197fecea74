//! The certificate, read again when its files change, so that a renewal needs no restart.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use crate::config::TlsFiles;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Why the certificate cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("TLS: {file}: {what}")]
pub struct TlsError {
    file: String,
    what: String,
}

fn error(file: &Path, what: impl ToString) -> TlsError {
    TlsError { file: file.display().to_string(), what: what.to_string() }
}

#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

fn load(files: &TlsFiles) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| error(&files.certificate, e))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|e| error(&files.key, e))?;
    let key = rustls::crypto::ring::sign::any_supported_type(&key).map_err(|e| error(&files.key, e))?;
    let certified = CertifiedKey::new(chain, key);
    certified.keys_match().map_err(|e| error(&files.certificate, e))?;
    Ok(Arc::new(certified))
}

fn changed_at(files: &TlsFiles) -> Option<(SystemTime, SystemTime)> {
    let at = |path: &Path| std::fs::metadata(path).and_then(|m| m.modified()).ok();
    Some((at(&files.certificate)?, at(&files.key)?))
}

/// An acceptor for the configured certificate. A task keeps it fresh for as long as the runtime lives; a renewal
/// that cannot be read is reported and the old certificate kept.
///
/// # Errors
/// The files cannot be read or do not belong together.
pub fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, TlsError> {
    let current = Arc::new(Current(RwLock::new(load(files)?)));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| error(&files.certificate, e))?
        .with_no_client_auth()
        .with_cert_resolver(current.clone());
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let (files, mut seen) = (files.clone(), changed_at(files));
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = changed_at(&files);
            if now == seen {
                continue;
            }
            match load(&files) {
                Ok(fresh) => {
                    *current.0.write().unwrap_or_else(PoisonError::into_inner) = fresh;
                    seen = now;
                    tracing::info!("the TLS certificate was renewed");
                }
                Err(e) => tracing::warn!(error = %e, "the new TLS certificate cannot be used; the old one stays"),
            }
        }
    });
    Ok(TlsAcceptor::from(Arc::new(config)))
}
