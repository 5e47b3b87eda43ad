//! The pods of a gateway, by the labels of its chart.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, ObjectList};

use crate::access::Cluster;
use crate::error::{ApiError, FindError};
use crate::pod::{GatewayPod, PodLife, PodState, RELEASE};

const CHART: &str = "app.kubernetes.io/name=peel-gateway";
/// More than a gateway has replicas.
const MAX_PODS: u32 = 100;
const GET: (&str, &str) = ("get", "pods");
const LIST: (&str, &str) = ("list", "pods");

impl Cluster {
    /// The pods of the gateway, by name; those that do not run among them.
    ///
    /// # Errors
    /// When there are none, or those of several releases, or the API does not say.
    pub async fn find(&self) -> Result<Vec<GatewayPod>, FindError> {
        let found = self.request(LIST, self.pods().list(&self.selected())).await?;
        let mut pods: Vec<GatewayPod> = found.iter().map(GatewayPod::of).collect();
        if pods.is_empty() {
            return Err(self.none().await);
        }
        let releases: BTreeSet<&str> = pods.iter().map(|pod| pod.release.as_str()).collect();
        if releases.len() > 1 {
            let releases = releases.into_iter().map(str::to_owned).collect();
            return Err(FindError::Releases { namespace: self.namespace().to_owned(), releases });
        }
        pods.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(pods)
    }

    /// Which pod has this name now; none when there is none.
    pub(crate) async fn life(&self, pod: &str) -> Result<Option<PodLife>, ApiError> {
        let found = self.request(GET, self.pods().get_opt(pod)).await?;
        Ok(found.as_ref().map(PodLife::of))
    }

    /// How a pod has gone since it was `before`; none when it has not, or this account may not know.
    pub(crate) async fn what_became_of(
        &self,
        pod: &str,
        before: Option<&PodLife>,
    ) -> Option<String> {
        let found = self.request(GET, self.pods().get_opt(pod)).await.ok()?;
        let Some(found) = found else { return Some("gone".to_owned()) };
        match PodState::of(&found) {
            PodState::Not(state) => Some(state),
            PodState::Running => before?.became(&PodLife::of(&found)).map(str::to_owned),
        }
    }

    fn selected(&self) -> ListParams {
        ListParams::default().labels(&self.selector()).limit(MAX_PODS)
    }

    fn selector(&self) -> String {
        match self.release() {
            Some(release) => format!("{CHART},{RELEASE}={release}"),
            None => CHART.to_owned(),
        }
    }

    async fn none(&self) -> FindError {
        let everywhere: Api<Pod> = Api::all(self.client.clone());
        // Few accounts may look into every namespace: without that, there is no hint.
        let found = self.request(LIST, everywhere.list(&self.selected())).await;
        let elsewhere = found.map_or_else(|_| Vec::new(), |pods| namespaces(&pods));
        let (selector, namespace) = (self.selector(), self.namespace().to_owned());
        FindError::None { selector, namespace, elsewhere }
    }
}

fn namespaces(pods: &ObjectList<Pod>) -> Vec<String> {
    let all: BTreeSet<String> =
        pods.iter().filter_map(|pod| pod.metadata.namespace.clone()).collect();
    all.into_iter().collect()
}
