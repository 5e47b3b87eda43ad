//! The HTTP side of the answers.

use std::time::Instant;

use bytes::Bytes;
use daemon::http::{Body, BodyError, HttpService};
use http_body_util::Full;
use hyper::{Method, Request, Response};
use signer_api::{Answer, Call, CallError, Media, Question, parse_signing_body, timing};

use crate::api::Api;

impl HttpService for Api {
    type Reply = Full<Bytes>;

    async fn answer(&self, request: Request<Body>) -> Response<Full<Bytes>> {
        let accepted = Media::accepted(request.headers());
        let tells_time = self.process.is_some() && request.method() == Method::POST;
        let begun = Instant::now();
        let answer = dispatch(self, request, accepted).await;
        let mut response = answer.into_response(accepted.unwrap_or(Media::Json));
        if tells_time {
            timing::write(response.headers_mut(), begun.elapsed());
        }
        response
    }
}

async fn dispatch(api: &Api, request: Request<Body>, accepted: Option<Media>) -> Answer {
    if let Err(error) = api.hosts.check(request.headers()) {
        return Answer::Forbidden(error);
    }
    if accepted.is_none() {
        return Answer::NotAcceptable;
    }
    match Call::parse(request.method(), request.uri()) {
        Err(error) => Answer::Misuse(error),
        Ok(Call::Options(methods)) => Answer::Options(methods),
        Ok(Call::Health) => {
            Answer::Metrics(api.monitor.metrics().await.map_err(|busy| busy.to_string()))
        }
        Ok(Call::Marks) => api.marks(),
        Ok(Call::Report) => api.report(),
        Ok(Call::AuthorizedKeys) => api.authorized_keys(),
        Ok(Call::KnownKeys) => api.known_keys(),
        Ok(Call::PublicKey(key)) => api.public_key(&key),
        Ok(Call::Status(key)) => api.status(&key),
        Ok(Call::ProvePossession { key, over }) => api.prove_possession(&key, over.as_ref()),
        Ok(Call::ProveSharePossession(key)) => api.prove_share_possession(&key),
        Ok(Call::Sign { key, version, authentication }) => match read_data(request) {
            Ok(data) => api.sign(&Question { key, data, authentication }, version).await,
            Err(answer) => answer,
        },
        Ok(Call::SignShare { key, version, authentication }) => match read_data(request) {
            Ok(data) => api.sign_share(&Question { key, data, authentication }, version).await,
            Err(answer) => answer,
        },
    }
}

/// The bytes to sign.
fn read_data(request: Request<Body>) -> Result<Vec<u8>, Answer> {
    let media = Media::of_body(request.headers()).ok_or(Answer::UnsupportedMedia)?;
    let body = request.into_body().map_err(|error| match error {
        BodyError::TooLarge(_) => Answer::TooLarge,
        BodyError::TooSlow(_) => Answer::TooSlow,
        BodyError::Broken => Answer::Misuse(CallError::Body(error.to_string())),
    })?;
    parse_signing_body(media, &body).map_err(Answer::Misuse)
}
