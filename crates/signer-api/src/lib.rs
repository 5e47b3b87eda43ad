//! The remote signer's protocol, as octez-signer answers it and octez-baker asks it.
//!
//! - [`Call`]: what a request line asks for, parsed once, with octez's answers to what does not parse.
//! - [`Answer`]: everything that is answered, and the one place where HTTP statuses are chosen.
//! - [`SocketRequest`], [`SocketAnswer`]: the same in the binary protocol of sockets.
//! - [`client`]: the other direction, with octez's habits: a new connection for each request, a
//!   chunked body, and only 502 asked again.
//!
//! Bodies in JSON, BSON and octet-stream. Source: octez `src/lib_signer_services/signer_services.ml`, `resto`.

mod answer;
mod bson;
mod call;
pub mod client;
mod marks;
mod media;
mod origin;
mod socket;
pub mod timing;

pub use answer::{Answer, AnswerBody};
pub use call::{Call, CallError, SignatureVersion, parse_signing_body, signing_body};
pub use marks::Marks;
pub use media::Media;
pub use origin::{Hosts, OriginError};
pub use socket::{Question, SocketAnswer, SocketRequest, SocketRequestError};
