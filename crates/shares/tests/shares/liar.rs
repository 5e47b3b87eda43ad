//! A box of a ceremony that is written a second time, with other libraries: so it can lie, where the program cannot.

use bls12_381_plus::{G1Projective, Scalar};
use hex::encode;
use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeS, Serializable};
use rand::rngs::StdRng;
use shares::ceremony::{Message, Round};
use tezos::{Curve, Digest, SecretKey};

use crate::boxes::{Wire, of_round};
use crate::common::rng;
use crate::text::{Values, digest, joined, read, text};

pub(crate) struct Liar {
    pub(crate) threshold: (u8, u8),
    pub(crate) number: u8,
    pub(crate) polynomial: Vec<Scalar>,
    /// That it knows the secret of its part.
    pub(crate) proof: Vec<u8>,
    /// What it adds to the value for each box.
    pub(crate) error: Scalar,
    /// To which box it seals what is for one.
    pub(crate) seal_to: fn(u8) -> u8,
    /// To which key others encrypt.
    pub(crate) key: [u8; 32],
    rng: StdRng,
}

/// A number that depends on these alone.
pub(crate) fn number(seed: u8, at: u8) -> Scalar {
    let mut bytes = digest("number", &[&[seed, at]]);
    bytes[31] &= 0x3f;
    Scalar::from_le_bytes(&bytes).unwrap()
}

pub(crate) fn secret_key(scalar: &Scalar) -> SecretKey {
    SecretKey::from_bytes(Curve::Bls, &scalar.to_le_bytes()).unwrap()
}

pub(crate) fn proof_of(scalar: &Scalar) -> Vec<u8> {
    secret_key(scalar).prove_possession().unwrap().bytes().to_vec()
}

impl Liar {
    /// One that does not lie yet.
    pub(crate) fn new(needed: u8, shares: u8, number_of_share: u8) -> Liar {
        let mut rng = rng(u64::from(number_of_share));
        let (_, public) = X25519HkdfSha256::gen_keypair_with_rng(&mut rng);
        let polynomial: Vec<Scalar> = (0..needed).map(|at| number(number_of_share, at)).collect();
        Liar {
            threshold: (needed, shares),
            number: number_of_share,
            proof: proof_of(&polynomial[0]),
            polynomial,
            error: Scalar::ZERO,
            seal_to: |receiver| receiver,
            key: public.to_bytes().into(),
            rng,
        }
    }

    pub(crate) fn commitments(&self) -> Vec<[u8; 48]> {
        let point = |coefficient: &Scalar| (G1Projective::GENERATOR * coefficient).to_compressed();
        self.polynomial.iter().map(point).collect()
    }

    fn at(&self, place: u8) -> Scalar {
        let (mut value, mut power) = (Scalar::ZERO, Scalar::ONE);
        for coefficient in &self.polynomial {
            value += coefficient * power;
            power *= Scalar::from(u64::from(place));
        }
        value + self.error
    }

    fn head(&self, round: Round) -> Values {
        let ((needed, shares), number) = (self.threshold, self.number);
        let about = format!(
            "ceremony, round {round} of 3, from share {number} of {shares}, to every box; nothing in it is secret to read"
        );
        let values = [
            ("about", about),
            ("format", "1".into()),
            ("procedure", "ceremony".into()),
            ("round", round.to_string()),
            ("set", "new".into()),
            ("from", number.to_string()),
            ("threshold", needed.to_string()),
            ("shares", shares.to_string()),
        ];
        values.map(|(name, value)| (name.to_owned(), value)).into()
    }

    fn message(&self, round: Round, values: &[(&str, String)]) -> Message {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        read(&text(&self.head(round).into_iter().chain(values).collect())).unwrap()
    }

    pub(crate) fn announcement(&self) -> Message {
        let numbers = [self.threshold.0, self.threshold.1, self.number];
        let promise = digest("promise", &[&numbers, &self.commitments().concat(), &self.proof]);
        let values = [("key", encode(self.key)), ("promise", encode(promise))];
        self.message(Round::First, &values)
    }

    /// Deals to the boxes of round 1.
    pub(crate) fn dealing(&mut self, wire: &Wire) -> Message {
        let mut announced = of_round(wire, Round::First);
        announced.sort_by_key(Message::sender);
        let seen = seen(&announced);
        let sealed: Vec<Vec<u8>> = (1..=self.threshold.1)
            .map(|receiver| self.seal(&announced, receiver, &seen.concat()))
            .collect();
        let values = [
            ("seen", encode(seen.concat())),
            ("proof", encode(&self.proof)),
            ("commitments", encode(self.commitments().concat())),
            ("sealed", encode(sealed.concat())),
        ];
        self.message(Round::Second, &values)
    }

    fn seal(&mut self, announced: &[Message], receiver: u8, seen: &[u8]) -> Vec<u8> {
        let to = (self.seal_to)(receiver);
        let key = crate::text::values(&announced[usize::from(to) - 1]);
        let key = hex::decode(&key.iter().find(|(name, _)| name == "key").unwrap().1).unwrap();
        let from = format!("share {}", self.number);
        let purpose = [&b"ceremony"[..], seen, from.as_bytes(), format!("share {to}").as_bytes()]
            .map(<[u8]>::to_vec);
        let purpose: Vec<&[u8]> = purpose.iter().map(Vec::as_slice).collect();
        let (key, sealed) =
            hpke::single_shot_seal_with_rng::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
                &OpModeS::Base,
                &Deserializable::from_bytes(&key).unwrap(),
                &joined("envelope", &purpose),
                &self.at(receiver).to_le_bytes(),
                &[],
                &mut self.rng,
            )
            .unwrap();
        [key.to_bytes().as_slice(), &sealed].concat()
    }

    /// Confirms what it has seen, with a key that it got from elsewhere.
    pub(crate) fn confirmation(&self, wire: &Wire, public_key: &[u8]) -> Message {
        let mut before = [of_round(wire, Round::First), of_round(wire, Round::Second)];
        before.iter_mut().for_each(|round| round.sort_by_key(Message::sender));
        let seen = [("seen", encode(seen(&before.concat()).concat()))];
        let key = [("public-key", encode(public_key))];
        self.message(Round::Third, &[seen, key].concat())
    }
}

fn seen(messages: &[Message]) -> Vec<Digest> {
    messages.iter().map(|message| digest("message", &[message.to_text().as_bytes()])).collect()
}
