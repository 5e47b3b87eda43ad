//! A question to a pod, over HTTP through a port-forward.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderValue};
use hyper::{Request, Response, StatusCode, body::Incoming};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use crate::access::{Cluster, LIMIT};
use crate::error::{AskError, in_one_line};
use crate::pod::{GatewayPod, PodState};

/// Bytes; the report of a gateway with a thousand signers is the longest.
const MAX_ANSWER: usize = 64 * 1024 * 1024;
/// A listener on the loopback answers to this name, too.
const LOCALHOST: HeaderValue = HeaderValue::from_static("localhost");
const CLOSE: HeaderValue = HeaderValue::from_static("close");

type Cause = Box<dyn std::error::Error + Send + Sync>;

impl Cluster {
    /// What the `[monitor]` of a pod answers at this path.
    ///
    /// # Errors
    /// When it is not running, or does not answer with 200 and a text.
    pub async fn ask(&self, pod: &GatewayPod, path: &str) -> Result<String, AskError> {
        let name = pod.name.clone();
        if let PodState::Not(state) = &pod.state {
            return Err(AskError::NotRunning { pod: name, state: state.clone() });
        }
        let port = pod.monitor_port;
        let forward = self.forward(&pod.name, port).await?;
        let no_answer = |why| AskError::NoAnswer { pod: name, port, why };
        match timeout(LIMIT, get(forward.into_stream(), path)).await {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(why)) => Err(no_answer(in_one_line(&*why))),
            Err(_) => Err(no_answer(format!("none within {} s", LIMIT.as_secs()))),
        }
    }
}

async fn get(stream: impl AsyncRead + AsyncWrite + Unpin, path: &str) -> Result<String, Cause> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut request = Request::get(path).body(Empty::<Bytes>::new())?;
    request.headers_mut().insert(HOST, LOCALHOST);
    request.headers_mut().insert(CONNECTION, CLOSE);
    // The connection ends when the sender is dropped, which the exchange does.
    let exchange = async move { text(sender.send_request(request).await?).await };
    let (text, _) = tokio::join!(exchange, connection);
    text
}

async fn text(response: Response<Incoming>) -> Result<String, Cause> {
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await?.to_bytes();
    let text = String::from_utf8(body.to_vec())?;
    if status == StatusCode::OK {
        return Ok(text);
    }
    let said = text.lines().next().unwrap_or_default();
    Err(format!("{status} ({said})").into())
}
