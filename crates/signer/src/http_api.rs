//! The HTTP side of the answers.

use daemon::http::{Body, BodyError, HttpResponse, HttpService};
use hyper::Request;
use signer_api::{Answer, Call, CallError, Media, Question, parse_signing_body};

use crate::api::Api;

impl HttpService for Api {
    async fn answer(&self, request: Request<Body>) -> HttpResponse {
        let accepted = Media::accepted(request.headers());
        let answer = dispatch(self, request, accepted).await;
        answer.into_response(accepted.unwrap_or(Media::Json))
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
        Ok(Call::Health) => Answer::Metrics(api.monitor.metrics()),
        Ok(Call::Marks) => api.marks(),
        Ok(Call::AuthorizedKeys) => api.authorized_keys(),
        Ok(Call::KnownKeys) => api.known_keys(),
        Ok(Call::PublicKey(key)) => api.public_key(&key),
        Ok(Call::Status(key)) => api.status(&key),
        Ok(Call::ProvePossession { key, over }) => api.prove_possession(&key, over.as_ref()),
        Ok(Call::Sign { key, version, authentication }) => match read_data(request) {
            Ok(data) => api.sign(&Question { key, data, authentication }, version).await,
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
