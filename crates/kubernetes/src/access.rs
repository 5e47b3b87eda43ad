//! A cluster that can be asked.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};
use tokio::time::timeout;

use crate::error::{ApiError, Asked, ConfigError, without_credentials};
use crate::kubeconfig;

/// Where the gateway is, as far as it was named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Of the kubeconfig; none for its current one, or for the cluster that this runs in.
    pub context: Option<String>,
    /// None for the context's own.
    pub namespace: Option<String>,
    /// The Helm release; none when there is one only.
    pub release: Option<String>,
}

/// A cluster, and a namespace of it.
#[derive(Clone)]
pub struct Cluster {
    pub(crate) client: Client,
    pub(crate) server: String,
    namespace: String,
    release: Option<String>,
}

/// For each request to the API.
pub(crate) const LIMIT: Duration = Duration::from_secs(15);

/// What a cluster is opened with did not do.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No cluster is named.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Its credentials cannot be had.
    #[error(transparent)]
    Api(#[from] ApiError),
}

impl ConnectError {
    /// Whether the command line or the configuration is wrong, and not the world.
    #[must_use]
    pub fn is_misuse(&self) -> bool {
        matches!(self, ConnectError::Config(_))
    }
}

impl Cluster {
    /// Reads the configuration, and gets the credentials that it names; the server itself is not asked yet. A program
    /// that gives credentials runs here, as long as it needs.
    ///
    /// # Errors
    /// When there is no configuration, or no credentials.
    pub async fn connect(place: &Place) -> Result<Cluster, ConnectError> {
        let config = kubeconfig::read(place.context.as_deref()).await?;
        let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let namespace = place.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let program = config.auth_info.exec.as_ref().and_then(|it| it.command.clone());
        let client = Client::try_from(config).map_err(|error| ApiError::Credentials {
            program: program.unwrap_or_else(|| "the kubeconfig".to_owned()),
            why: without_credentials(&error),
        })?;
        Ok(Cluster { client, server, namespace, release: place.release.clone() })
    }

    /// The namespace that is looked into.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The release that was named.
    pub(crate) fn release(&self) -> Option<&str> {
        self.release.as_deref()
    }

    pub(crate) fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Waits for a request, within its limit.
    pub(crate) async fn request<T>(
        &self,
        (verb, resource): (&'static str, &'static str),
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, ApiError> {
        let asked = Asked { server: &self.server, namespace: &self.namespace, verb, resource };
        match timeout(LIMIT, request).await {
            Ok(answered) => answered.map_err(|error| asked.failed(error)),
            Err(_) => Err(asked.too_slow(LIMIT)),
        }
    }
}
