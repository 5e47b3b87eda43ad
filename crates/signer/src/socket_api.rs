//! The side of the binary protocol, over tcp and unix sockets.

use daemon::frames::{FrameService, Reply};
use signer_api::{SocketAnswer, SocketRequest};
use tezos::AuthenticatedRequest;

use crate::api::Api;

/// Answers a baker over a socket.
#[derive(Debug, Clone)]
pub(crate) struct SocketApi(pub(crate) Api);

impl FrameService for SocketApi {
    /// After what is no request the connection is closed, as octez does; but not without a word.
    async fn answer(&self, message: &[u8]) -> Reply {
        let (answer, is_last) = match SocketRequest::parse(message) {
            Ok(request) => (self.dispatch(&request).await, false),
            Err(error) => (SocketAnswer::failure(error.to_string()), true),
        };
        Reply { message: answer.to_bytes(), is_last }
    }
}

impl SocketApi {
    async fn dispatch(&self, request: &SocketRequest) -> SocketAnswer {
        let SocketApi(api) = self;
        let answer = match request {
            SocketRequest::Sign { version, question } => api.sign(question, *version).await,
            SocketRequest::PublicKey(key) => api.public_key(key),
            SocketRequest::AuthorizedKeys => api.authorized_keys(),
            SocketRequest::KnownKeys => api.known_keys(),
            SocketRequest::ProvePossession { key, over } => {
                api.prove_possession(key, over.as_ref())
            }
            SocketRequest::Nonce(question) => {
                let nonce = api.nonce(AuthenticatedRequest::Nonce, question);
                return nonce
                    .map_or_else(SocketAnswer::failure, |made| SocketAnswer::Nonce(*made.nonce));
            }
            SocketRequest::NonceHash(question) => {
                let nonce = api.nonce(AuthenticatedRequest::NonceHash, question);
                return nonce
                    .map_or_else(SocketAnswer::failure, |made| SocketAnswer::Nonce(made.hash));
            }
            SocketRequest::SupportsNonces(key) => {
                let supports = api.supports_nonces(key);
                return supports.map_or_else(SocketAnswer::failure, SocketAnswer::SupportsNonces);
            }
        };
        SocketAnswer::Plain(answer)
    }
}
