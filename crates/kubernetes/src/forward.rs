//! A port of a pod's loopback, as a stream: what "kubectl port-forward" opens a local port for.
//!
//! ```text
//!  input ──▶ copy ──▶ DuplexStream ──▶ kube's task ──▶ WebSocket ──▶ API server ──▶ node ──▶ 127.0.0.1:port
//! ```

use std::io;
use std::pin::Pin;
use std::time::Duration;

use kube::api::Portforwarder;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, copy, split};
use tokio::time::{sleep, timeout};

use crate::access::Cluster;
use crate::error::{ApiError, ForwardError, in_one_line};
use crate::pod::PodLife;

type Said = Pin<Box<dyn Future<Output = Option<String>> + Send>>;

/// A connection to a port of a pod. It ends when it is dropped.
pub struct Forward {
    stream: DuplexStream,
    way: Way,
}

/// What carries it, and what tells the reason of its end.
struct Way {
    cluster: Cluster,
    pod: String,
    port: u16,
    /// What the node says when the port cannot be used.
    said: Said,
    forwarder: Portforwarder,
    /// Which pod it was at the beginning; none when this account may not know.
    life: Option<PodLife>,
}

/// Which side ended a copy.
enum End {
    /// The client has sent all that it wants to.
    Client,
    /// The pod's side, after this many bytes.
    Pod(io::Result<u64>),
}

/// For what is on its way when a session ends, and for the reason of an end.
const END_LIMIT: Duration = Duration::from_secs(2);
/// For a node to tell that a container has ended.
const FATE_LIMIT: Duration = Duration::from_secs(4);
const ASK_AGAIN: Duration = Duration::from_millis(300);

impl Cluster {
    /// Connects with a port of a pod, for a session whose end has to be explained.
    ///
    /// # Errors
    /// When the API does not.
    pub async fn session(&self, pod: &str, port: u16) -> Result<Forward, ApiError> {
        let (forward, life) = tokio::join!(self.forward(pod, port), self.life(pod));
        let mut forward = forward?;
        forward.way.life = life.ok().flatten();
        Ok(forward)
    }

    /// Connects with a port of a pod.
    pub(crate) async fn forward(&self, pod: &str, port: u16) -> Result<Forward, ApiError> {
        let pods = self.pods();
        let ports = [port];
        let opened = pods.portforward(pod, &ports);
        let mut forwarder = self.request(("get and create", "pods/portforward"), opened).await?;
        let (stream, said) = (forwarder.take_stream(port), forwarder.take_error(port));
        let (Some(stream), Some(said)) = (stream, said) else {
            let said = "a port-forward without the port that was asked for".to_owned();
            return Err(ApiError::Refused { server: self.server.clone(), said });
        };
        let (cluster, pod, said) = (self.clone(), pod.to_owned(), Box::pin(said));
        let way = Way { cluster, pod, port, said, forwarder, life: None };
        Ok(Forward { stream, way })
    }
}

impl Cluster {
    /// How a pod has gone since it was `before`, if it has. The node tells the API a moment later: after an end that was
    /// not clean, it is asked again for so long.
    async fn fate(&self, pod: &str, before: Option<&PodLife>, is_clean: bool) -> Option<String> {
        let asked = async {
            loop {
                let state = self.what_became_of(pod, before).await;
                if is_clean || state.is_some() {
                    break state;
                }
                sleep(ASK_AGAIN).await;
            }
        };
        timeout(FATE_LIMIT, asked).await.ok().flatten()
    }
}

impl Forward {
    /// The bytes alone.
    pub(crate) fn into_stream(self) -> DuplexStream {
        self.stream
    }

    /// Copies both ways until either side ends. What is on its way to the pod then still goes.
    ///
    /// # Errors
    /// When the pod's side ended first, and not because the port was closed after it had said something.
    pub async fn copy(
        self,
        mut input: impl AsyncRead + Unpin,
        mut output: impl AsyncWrite + Unpin,
    ) -> Result<(), ForwardError> {
        let (mut from_pod, mut to_pod) = split(self.stream);
        let end = tokio::select! {
            _ = copy(&mut input, &mut to_pod) => End::Client,
            copied = copy(&mut from_pod, &mut output) => End::Pod(copied),
        };
        match end {
            End::Client => {
                // When the pod is gone, there is nothing to send to it.
                let _ = to_pod.shutdown().await;
                let rest = copy(&mut from_pod, &mut output);
                let rest = async { tokio::join!(rest, self.way.forwarder.join()) };
                let _ = timeout(END_LIMIT, rest).await;
                Ok(())
            }
            End::Pod(copied) => {
                drop((from_pod, to_pod));
                self.way.explain(copied).await
            }
        }
    }
}

impl Way {
    /// Why the pod's side ended, after so many bytes: the node's own words, what became of the pod, or what broke.
    async fn explain(self, copied: io::Result<u64>) -> Result<(), ForwardError> {
        let Way { cluster, pod, port, said, forwarder, life } = self;
        let broke = timeout(END_LIMIT, forwarder.join()).await;
        if let Ok(Some(said)) = timeout(END_LIMIT, said).await {
            return Err(ForwardError::Port { pod, port, said: said.trim().to_owned() });
        }
        let is_clean = matches!((&broke, &copied), (Ok(Ok(())), Ok(1..)));
        if let Some(state) = cluster.fate(&pod, life.as_ref(), is_clean).await {
            return Err(ForwardError::PodGone { pod, state });
        }
        match (broke, copied) {
            (Ok(Err(error)), _) => Err(ForwardError::Broken { pod, why: in_one_line(&error) }),
            (_, Ok(0)) => Err(ForwardError::Silent { pod, port }),
            _ => Ok(()),
        }
    }
}
