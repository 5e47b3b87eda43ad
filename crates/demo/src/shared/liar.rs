//! A gateway that lies: it asks different boxes for different votes at one mark, in every way that there is.

use shares::PartialSignature;
use signer_api::client::ClientError;
use tezos::{BlsScheme, Kind, Statement};

use crate::baker::Variant;
use crate::shared::boxes::ShareBox;
use crate::shared::story::Story;

/// One of two votes at one mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Vote {
    A,
    B,
}

/// What a liar got at one mark.
#[derive(Debug, Default)]
struct Loot {
    a: Vec<PartialSignature>,
    b: Vec<PartialSignature>,
    refused: usize,
}

impl Vote {
    fn other(self) -> Vote {
        if self == Vote::A { Vote::B } else { Vote::A }
    }

    fn variant(self) -> Variant {
        if self == Vote::A { 1 } else { 2 }
    }
}

impl Loot {
    fn of(&mut self, vote: Vote) -> &mut Vec<PartialSignature> {
        if vote == Vote::A { &mut self.a } else { &mut self.b }
    }
}

impl Story {
    /// Which box is asked first for which vote: each way once, at a level of its own; then each box for the other one.
    pub(super) async fn the_gateway_lies(&mut self) {
        daemon::say!(
            "\n4. The gateway lies: it asks some boxes for a vote A, and others for a vote B at"
        );
        daemon::say!("   the same mark; then each for the other one, too.\n");
        daemon::say!(
            "   level   first asked for               parts of A   of B   refused   signed"
        );
        for way in 0..1_u32 << self.boxes.len() {
            let level = self.next;
            self.next += 1;
            let asked: Vec<Vote> = (0..self.boxes.len()).map(|at| first_vote(way, at)).collect();
            let mut loot = self.lie(&asked, level).await;
            let signed: Vec<Vote> = [Vote::A, Vote::B]
                .into_iter()
                .filter(|vote| self.is_signed(level, *vote, loot.of(*vote)))
                .collect();
            self.tell_way(level, &asked, &loot, &signed);
            if signed.len() > 1 {
                self.tally.surprise(format!("TWO SIGNATURES at level {level}"));
            }
        }
        daemon::say!(
            "\n   Two votes would need two pairs of boxes, and two pairs have a box in common."
        );
    }

    async fn lie(&mut self, asked: &[Vote], level: u32) -> Loot {
        let (mut loot, mut lost) = (Loot::default(), Vec::new());
        for turn in [Vote::A, Vote::B] {
            for (share_box, first) in self.boxes.iter().zip(asked) {
                let vote = if turn == Vote::A { *first } else { first.other() };
                match share_box.sign_share(&self.vote(level, vote)).await {
                    Ok(part) => loot.of(vote).push(part),
                    Err(ClientError::Answer { .. }) => loot.refused += 1,
                    Err(error) => lost.push(error.to_string()),
                }
            }
        }
        lost.into_iter().for_each(|why| self.tally.surprise(why));
        loot
    }

    fn vote(&self, level: u32, vote: Vote) -> Vec<u8> {
        self.baker.payload(Kind::Attestation, level, vote.variant())
    }

    /// Whether these parts make a signature of the key.
    fn is_signed(&self, level: u32, vote: Vote, parts: &[PartialSignature]) -> bool {
        let bytes = self.vote(level, vote);
        let statement = Statement::Message { bytes: &bytes, scheme: BlsScheme::default() };
        self.group.combine(parts, statement).is_ok()
    }

    fn tell_way(&self, level: u32, asked: &[Vote], loot: &Loot, signed: &[Vote]) {
        let name = |(one, vote): (&ShareBox, &Vote)| format!("{} {vote:?}", one.name);
        let asked: Vec<String> = self.boxes.iter().zip(asked).map(name).collect();
        let signed: Vec<String> = signed.iter().map(|vote| format!("{vote:?}")).collect();
        let signed = if signed.is_empty() { "neither".to_owned() } else { signed.join(" AND ") };
        let (asked, a, b, refused) = (asked.join(", "), loot.a.len(), loot.b.len(), loot.refused);
        daemon::say!("{level:>8}   {asked:<27} {a:>12} {b:>6} {refused:>9}   {signed}");
    }
}

/// One bit of `way` for each box.
fn first_vote(way: u32, at: usize) -> Vote {
    if way >> at & 1 == 1 { Vote::B } else { Vote::A }
}
