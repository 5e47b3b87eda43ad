//! The HTTP side: the requests that octez's client makes to a signer, answered for the signer of a port, or for all.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use daemon::Shutdown;
use daemon::config::Authentication;
use daemon::http::{Body, BodyError, HttpService};
use daemon::monitor::Monitor;
use http_body_util::Full;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::{Request, Response, Uri};
use signer_api::{
    Answer, Call, CallError, Hosts, Media, SignatureVersion, parse_signing_body, signing_body,
};
use tezos::{AuthenticatedRequest, Curve, KeyForm, Payload, PublicKeyHash, Signature};
use tunnel::SignerPort;
use tunnel::endpoint::SignerId;

use crate::asker::Asker;
use crate::gather::{Gather, Wanted, part_of};
use crate::http_client::{SignerRequest, SignerResponse};
use crate::metrics::{SIGN, call_word};
use crate::router::{Claim, Route, route};
use crate::shared_key::{SharedKey, SharedKeys};
use crate::signer::Signer;
use crate::signers::Signers;
use crate::unasked::Unasked;
use crate::witness::Position;

/// Answers bakers.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) signers: Signers,
    /// The port of one signer; none at the port of all signers.
    pub(crate) port: Option<SignerPort>,
    pub(crate) allow_list_known_keys: bool,
    pub(crate) asker: Asker,
    pub(crate) shared_keys: SharedKeys,
    pub(crate) gather: Gather,
    pub(crate) hosts: Hosts,
    pub(crate) monitor: Monitor,
    pub(crate) unasked: Unasked,
    /// Who may ask at this gateway; none: every client.
    pub(crate) authentication: Option<Authentication>,
    /// From then on a client that is answered has to connect anew, elsewhere.
    pub(crate) shutdown: Shutdown,
}

const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// The gateway's own answer, or a signer's response.
enum Reply {
    Own(Answer),
    /// No signer is asked, for one of [`NOT_ASKED`](crate::metrics::NOT_ASKED).
    NotAsked(&'static str, Answer),
    SignerResponse(SignerResponse),
}

impl HttpService for Api {
    type Reply = Full<Bytes>;

    async fn answer(&self, request: Request<Body>) -> Response<Full<Bytes>> {
        let accepted = Media::accepted(request.headers());
        let call = call_word(request.method(), request.uri().path());
        let reply = self.dispatch(request, accepted).await;
        if let Reply::NotAsked(reason, answer) = &reply {
            self.asker.metrics.note_not_asked(call, reason);
            if call == SIGN {
                self.unasked.note(reason, answer.failure().unwrap_or_default());
            }
        }
        let mut response = reply.into_response(accepted.unwrap_or(Media::Json));
        if self.shutdown.is_requested() {
            response.headers_mut().insert(CONNECTION, CLOSE);
        }
        response
    }
}

impl Reply {
    /// Signers are asked in JSON, and what they answer is passed on as it is, unless the client wants something else.
    fn into_response(self, media: Media) -> Response<Full<Bytes>> {
        match self {
            Reply::Own(answer) | Reply::NotAsked(_, answer) => answer.into_response(media),
            Reply::SignerResponse(response) => {
                let answer = if media == Media::Json { None } else { response.parse() };
                answer.map_or_else(|| response.into_response(), |it| it.into_response(media))
            }
        }
    }
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Reply {
        Reply::Own(answer)
    }
}

impl Api {
    async fn dispatch(&self, request: Request<Body>, accepted: Option<Media>) -> Reply {
        if let Err(error) = self.hosts.check(request.headers()) {
            return Reply::NotAsked("web_page", Answer::Forbidden(error));
        }
        if accepted.is_none() {
            return Reply::NotAsked("media", Answer::NotAcceptable);
        }
        match Call::parse(request.method(), request.uri()) {
            Err(error) => Reply::NotAsked("malformed", Answer::Misuse(error)),
            Ok(Call::Options(methods)) => Answer::Options(methods).into(),
            Ok(Call::Health) => self.health(request.uri()).await,
            Ok(
                Call::Marks | Call::Report | Call::SignShare { .. } | Call::ProveSharePossession(_),
            ) => Answer::Misuse(CallError::NotFound).into(),
            Ok(Call::AuthorizedKeys) => self.authorized_keys().await,
            Ok(Call::KnownKeys) => self.known_keys(),
            Ok(Call::PublicKey(key)) => self.public_key(key, request.uri()).await,
            Ok(Call::Status(key)) => self.status(&key, request.uri()).await,
            Ok(Call::ProvePossession { key, over }) => match self.shared(&key) {
                Some(shared) => self.prove_possession(&shared, over.as_ref()).await,
                None => self.relay_get(&key, request.uri()).await,
            },
            Ok(Call::Sign { key, version, authentication }) => {
                self.sign(key, version, authentication.as_ref(), request).await
            }
        }
    }

    /// The metrics of the port's signer, as the existing charts read them; the gateway's own at the port of all.
    async fn health(&self, uri: &Uri) -> Reply {
        match self.port.and_then(|port| self.signers.at(port)) {
            Some(signer) => self.ask(&signer, &get(uri)).await,
            None => {
                let metrics = self.monitor.metrics().await;
                Answer::Metrics(metrics.map_err(|busy| busy.to_string())).into()
            }
        }
    }

    /// The gateway's own keys, if it has any; else, at a signer's port, those of the signer. At the port of all, no
    /// authentication is needed: a baker asks for this before every signature, and no signer decides for others.
    async fn authorized_keys(&self) -> Reply {
        if let Some(authentication) = &self.authentication {
            return Answer::AuthorizedKeys(Some(authentication.hashes())).into();
        }
        let Some(signer) = self.port.and_then(|port| self.signers.at(port)) else {
            return Answer::AuthorizedKeys(None).into();
        };
        match signer.advertised() {
            Some(advertised) => Reply::SignerResponse(advertised.authorized.clone()),
            None => self.ask(&signer, &SignerRequest::get("/authorized_keys")).await,
        }
    }

    fn known_keys(&self) -> Reply {
        if !self.allow_list_known_keys {
            return Answer::Failure("List known keys request not allowed.".to_owned()).into();
        }
        let all = self.signers.all();
        let here = all.iter().filter(|signer| self.port.is_none_or(|port| port == signer.port));
        let claims = here.map(|signer| signer.claim());
        let mut keys: BTreeSet<PublicKeyHash> =
            claims.flat_map(|claim| claim.keys().clone()).collect();
        if self.port.is_none() {
            keys.extend(self.shared_keys.all().iter().map(|shared| shared.config.hash()));
        }
        Answer::KnownKeys(keys.into_iter().collect()).into()
    }

    async fn public_key(&self, key: PublicKeyHash, uri: &Uri) -> Reply {
        if let Some(shared) = self.shared(&key) {
            return Answer::PublicKey(shared.config.group.public_key().clone()).into();
        }
        let signer = match self.await_signer_of(&key).await {
            Ok(signer) => signer,
            Err(Unavailable::NoSigner(_)) => return no_such_key(),
            Err(unavailable) => return unavailable.into(),
        };
        let advertised = signer.advertised();
        if let Some(answer) = advertised.as_ref().and_then(|known| known.public_key(&key)) {
            return Reply::SignerResponse(answer);
        }
        let reply = self.ask(&signer, &get(uri)).await;
        if let Reply::SignerResponse(answer) = &reply
            && answer.is_ok()
        {
            signer.has(key);
            if let Some(advertised) = advertised {
                advertised.note_public_key(key, answer.clone());
            }
        }
        reply
    }

    /// Whether the key can sign now is never answered from memory.
    async fn status(&self, key: &PublicKeyHash, uri: &Uri) -> Reply {
        if let Some(shared) = self.shared(key) {
            return Answer::Status(self.gather.status(&shared, &get(uri)).await).into();
        }
        let signer = match self.signer_of(key) {
            Ok(signer) => signer,
            Err(Unavailable::NoSigner(_)) => return no_such_key(),
            Err(unavailable) => {
                let answer = Answer::Status(Err(unavailable.message()));
                return Reply::NotAsked(unavailable.reason(), answer);
            }
        };
        match self.ask(&signer, &get(uri)).await {
            Reply::Own(Answer::AskAgain(message)) => Answer::Status(Err(message)).into(),
            reply @ (Reply::Own(_) | Reply::NotAsked(..) | Reply::SignerResponse(_)) => reply,
        }
    }

    async fn relay_get(&self, key: &PublicKeyHash, uri: &Uri) -> Reply {
        match self.signer_of(key) {
            Ok(signer) => self.ask(&signer, &get(uri)).await,
            Err(Unavailable::NoSigner(_)) => no_such_key(),
            Err(unavailable) => unavailable.into(),
        }
    }

    async fn sign(
        &self,
        key: PublicKeyHash,
        version: SignatureVersion,
        authentication: Option<&Signature>,
        request: Request<Body>,
    ) -> Reply {
        let query = request.uri().query().map(str::to_owned);
        let (request, data) = match read(key, request) {
            Ok(read) => read,
            Err((reason, answer)) => return Reply::NotAsked(reason, answer),
        };
        if !self.is_allowed(&key, &data, authentication) {
            tracing::warn!(%key, "refused: invalid authentication signature");
            let answer = Answer::Failure("invalid authentication signature".to_owned());
            return Reply::NotAsked("authentication", answer);
        }
        if let Some(shared) = self.shared_keys.find(&key) {
            // Whatever the signer of this port said to it would count as the word of the whole key.
            if self.port.is_some() {
                tracing::warn!(%key, "not asked: it is in shares, and this is the port of one signer");
                return Unavailable::InShares(key).into();
            }
            let path_and_query = part_of(&key, query.as_deref());
            let request = SignerRequest { path_and_query, ..request };
            return self.sign_shared(&shared, &request, (data, version)).await;
        }
        let signer = match self.await_signer_of(&key).await {
            Ok(signer) => signer,
            Err(unavailable) => {
                tracing::warn!(%key, "not asked: {}", unavailable.message());
                return unavailable.into();
            }
        };
        let reply = self.ask(&signer, &request).await;
        if matches!(&reply, Reply::SignerResponse(answer) if answer.is_ok()) {
            signer.has(key);
        }
        reply
    }

    /// The key, if it is in shares, and asked for at the port of all signers: at the port of one there is its share alone.
    fn shared(&self, key: &PublicKeyHash) -> Option<Arc<SharedKey>> {
        self.shared_keys.find(key).filter(|_| self.port.is_none())
    }

    async fn sign_shared(
        &self,
        shared: &Arc<SharedKey>,
        request: &SignerRequest,
        (data, version): (Vec<u8>, SignatureVersion),
    ) -> Reply {
        let Some(scheme) = version.scheme(Curve::Bls) else {
            let why = "this key has no signature of the version that was asked for";
            return Answer::Failure(why.to_owned()).into();
        };
        let wanted = Wanted::Message { bytes: data.into(), scheme };
        let signed = self.gather.sign(shared, request, wanted).await;
        signed.map_or_else(|answer| answer, Answer::Signature).into()
    }

    /// Over the key itself only, as a signer that has all of it.
    async fn prove_possession(
        &self,
        shared: &Arc<SharedKey>,
        over: Option<&tezos::PublicKey>,
    ) -> Reply {
        if over.is_some_and(|over| over != shared.config.group.public_key()) {
            let why = "possession is proved of the key itself only";
            return Answer::Failure(why.to_owned()).into();
        }
        let request = SignerRequest::get(&part_of(&shared.config.hash(), None));
        let proved = self.gather.sign(shared, &request, Wanted::Possession).await;
        proved.map_or_else(|answer| answer, Answer::Possession).into()
    }

    fn is_allowed(
        &self,
        key: &PublicKeyHash,
        data: &[u8],
        authentication: Option<&Signature>,
    ) -> bool {
        let own = self.authentication.as_ref();
        own.is_none_or(|own| own.allows(AuthenticatedRequest::Sign, key, data, authentication))
    }

    async fn ask(&self, signer: &Signer, request: &SignerRequest) -> Reply {
        match self.asker.ask(signer, request).await {
            Ok(response) => Reply::SignerResponse(response),
            Err(answer) => {
                let why = answer.failure().unwrap_or_default();
                tracing::warn!(signer = signer.name, "no answer to {}: {why}", request.method);
                answer.into()
            }
        }
    }

    /// Waits for a moment: a gateway that was just started does not know yet which signer has which key.
    async fn await_signer_of(&self, key: &PublicKeyHash) -> Result<Arc<Signer>, Unavailable> {
        let settled = || {
            let signer = self.signer_of(key);
            (!matches!(signer, Err(Unavailable::Unknown { .. }))).then_some(signer)
        };
        self.signers.find(settled).await.unwrap_or_else(|| self.signer_of(key))
    }

    fn signer_of(&self, key: &PublicKeyHash) -> Result<Arc<Signer>, Unavailable> {
        // As they are now: the configuration may be read anew at any moment.
        let all = self.signers.all();
        let find = |is_it: &dyn Fn(&Signer) -> bool| all.iter().find(|signer| is_it(signer));
        let no_signer = || Unavailable::NoSigner(*key);
        let own = match self.port {
            Some(port) => Some(find(&|signer| signer.port == port).ok_or_else(no_signer)?),
            None => None,
        };
        // Whatever else its signer has: it says what it knows of its share.
        if let (Some(own), Some(shared)) = (own, self.shared_keys.find(key)) {
            return match shared.config.share_of(&own.name) {
                Some(_) => Ok(Arc::clone(own)),
                None => Err(Unavailable::InShares(*key)),
            };
        }
        let claims: Vec<(SignerId, Arc<Claim>)> =
            all.iter().map(|signer| (signer.id, signer.claim())).collect();
        let name = |id: SignerId| {
            find(&|signer| signer.id == id).map_or_else(String::new, |signer| signer.name.clone())
        };
        match route(&claims, key, own.map(|signer| signer.id)) {
            Route::To(id) => find(&|signer| signer.id == id).map(Arc::clone).ok_or_else(no_signer),
            Route::Standby { first } => Err(Unavailable::Standby {
                key: *key,
                first: name(first),
                own: own.map(|signer| signer.name.clone()),
            }),
            Route::Unknown(id) => Err(Unavailable::Unknown { key: *key, first: name(id) }),
            Route::NoSigner => Err(no_signer()),
        }
    }
}

/// Why no signer is asked for a key.
enum Unavailable {
    NoSigner(PublicKeyHash),
    Standby { key: PublicKeyHash, first: String, own: Option<String> },
    Unknown { key: PublicKeyHash, first: String },
    InShares(PublicKeyHash),
}

impl Unavailable {
    fn message(&self) -> String {
        match self {
            Unavailable::NoSigner(key) => format!(
                "no signer says that it has {key}; is it under keys in gateway.toml, or in the \
                 signer's configuration?"
            ),
            Unavailable::Standby { key, first, own } => format!(
                "signer {:?} is a cold standby for {key}: {first:?} is asked for it. To change over, \
                 make sure that {first:?} is off, and name the other first in gateway.toml",
                own.as_deref().unwrap_or_default()
            ),
            Unavailable::Unknown { key, first } => format!(
                "signer {first:?} comes first in gateway.toml and has not said yet whether it has \
                 {key}; name the keys of each signer under keys there"
            ),
            Unavailable::InShares(key) => format!(
                "{key} is in shares: ask at the port of all signers. If a signer still has the whole key, stop it, and \
                 destroy that"
            ),
        }
    }

    /// One of [`NOT_ASKED`](crate::metrics::NOT_ASKED).
    fn reason(&self) -> &'static str {
        match self {
            Unavailable::NoSigner(_) => "no_signer",
            Unavailable::Standby { .. } => "standby",
            Unavailable::Unknown { .. } => "unknown",
            Unavailable::InShares(_) => "in_shares",
        }
    }

    /// A standby refuses. A signer that may still connect is worth another request.
    fn into_answer(self) -> Answer {
        let message = self.message();
        match self {
            Unavailable::NoSigner(_) | Unavailable::Standby { .. } | Unavailable::InShares(_) => {
                Answer::Failure(message)
            }
            Unavailable::Unknown { .. } => Answer::AskAgain(message),
        }
    }
}

impl From<Unavailable> for Reply {
    fn from(unavailable: Unavailable) -> Reply {
        Reply::NotAsked(unavailable.reason(), unavailable.into_answer())
    }
}

fn no_such_key() -> Reply {
    Reply::NotAsked("no_signer", Answer::UnknownKey)
}

/// A signing request as it will be sent, and the bytes to sign; else why it is not, and its answer.
fn read(
    key: PublicKeyHash,
    request: Request<Body>,
) -> Result<(SignerRequest, Vec<u8>), (&'static str, Answer)> {
    let Some(media) = Media::of_body(request.headers()) else {
        return Err(("media", Answer::UnsupportedMedia));
    };
    let malformed = |error| ("malformed", Answer::Misuse(error));
    let (method, path_and_query) = (request.method().clone(), path_and_query(request.uri()));
    let body: Bytes = match request.into_body() {
        Ok(body) => body,
        Err(BodyError::TooLarge(_)) => return Err(("too_large", Answer::TooLarge)),
        Err(BodyError::TooSlow(_)) => return Err(("too_slow", Answer::TooSlow)),
        Err(error @ BodyError::Broken) => {
            return Err(malformed(CallError::Body(error.to_string())));
        }
    };
    let data = parse_signing_body(media, &body).map_err(malformed)?;
    let body = match media {
        Media::Json => body,
        Media::Bson | Media::OctetStream => Bytes::from(signing_body(&data)),
    };
    // A payload that does not parse here is refused by the signer, with the reason.
    let payload = Payload::parse_any_form(&data, KeyForm::of(&key)).ok();
    let position = payload.map(|payload| Position {
        key,
        chain: payload.chain(),
        kind: payload.kind(),
        level: payload.mark().level,
        share: None,
    });
    Ok((SignerRequest { method, path_and_query, body, position }, data))
}

fn get(uri: &Uri) -> SignerRequest {
    SignerRequest::get(&path_and_query(uri))
}

fn path_and_query(uri: &Uri) -> String {
    uri.path_and_query().map_or_else(|| uri.path().to_owned(), ToString::to_string)
}
