//! Every state that boxes, their marks and a lying gateway can come to: at no mark have two votes a signature. Each guard is
//! taken out once, and then there is one.
//!
//! ```text
//!  the enemy ──ask(box, mark, vote)──▶ box: is the mark above the last one? ──▶ reserve, mark, part
//!      │ owns the cloud, and some boxes:                 │ the same vote again? ──▶ the same part
//!      │ asks whatever, keeps every part                 │ else ──▶ refused
//!      └──kill, cut the power──▶ the mark stays ────── the reservation counts as signed
//! ```

use stateright::{Checker, HasDiscoveries, Model, Property};

/// Marks, in their order.
const MARKS: u8 = 2;
/// Votes at each.
const VOTES: u8 = 2;

/// What protects a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Guards {
    /// A box signs no other vote at a mark, and none at a lower one.
    mark: bool,
    /// What may have been signed is on disk before a part is given.
    reservation: bool,
}

/// Boxes with a share each, and an enemy who owns the cloud.
#[derive(Debug, Clone)]
struct Boxes {
    count: u8,
    needed: u32,
    /// The first ones: they sign whatever the enemy wants.
    owned: u8,
    guards: Guards,
}

/// What a box remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Memory {
    /// The mark and vote that it signed last, as long as the machine runs; a vote of none: closed up to that mark.
    last: Option<(u8, Option<u8>)>,
    /// On disk: up to this mark something may have been signed.
    reserved: Option<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    boxes: Vec<Memory>,
    /// The boxes whose parts the enemy has, a bit each, by mark and vote.
    parts: [[u16; VOTES as usize]; MARKS as usize],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Ask {
        of: u8,
        mark: u8,
        vote: u8,
    },
    /// The process ends, and is started again: what it wrote is still there.
    Kill {
        of: u8,
    },
    /// The machine goes down: what was not flushed is lost.
    CutPower {
        of: u8,
    },
}

impl Boxes {
    fn new(needed: u32, count: u8, owned: u8) -> Boxes {
        Boxes { count, needed, owned, guards: Guards { mark: true, reservation: true } }
    }

    /// What a box makes of a request: whether it gives its part, and what it remembers then.
    fn sign(&self, memory: Memory, mark: u8, vote: u8) -> (bool, Memory) {
        let marked = Memory {
            last: Some((mark, Some(vote))),
            reserved: if self.guards.reservation { Some(mark) } else { memory.reserved },
        };
        match memory.last {
            Some((last, _)) if mark > last => (true, marked),
            None => (true, marked),
            Some((last, made)) if mark == last && made == Some(vote) => (true, memory),
            Some(_) => (!self.guards.mark, memory),
        }
    }

    fn are_twice_signed(&self, state: &State) -> bool {
        state.parts.iter().any(|votes| votes.iter().all(|parts| parts.count_ones() >= self.needed))
    }
}

impl Model for Boxes {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State { boxes: vec![Memory::default(); self.count.into()], parts: Default::default() }]
    }

    fn actions(&self, _: &State, actions: &mut Vec<Action>) {
        for of in 0..self.count {
            let asked = (0..MARKS).flat_map(|mark| (0..VOTES).map(move |vote| (mark, vote)));
            actions.extend(asked.map(|(mark, vote)| Action::Ask { of, mark, vote }));
            actions.extend([Action::Kill { of }, Action::CutPower { of }]);
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        match action {
            Action::Ask { of, mark, vote } => {
                let own = next.boxes.get_mut(usize::from(of))?;
                let is_given = if of < self.owned {
                    true
                } else {
                    let (is_given, memory) = self.sign(*own, mark, vote);
                    *own = memory;
                    is_given
                };
                if is_given {
                    next.parts[usize::from(mark)][usize::from(vote)] |= 1 << of;
                }
            }
            Action::Kill { .. } => {}
            Action::CutPower { of } => {
                let own = next.boxes.get_mut(usize::from(of))?;
                own.last = own.reserved.map(|mark| (mark, None));
            }
        }
        (next != *state).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Boxes>> {
        vec![
            Property::always("never twice", |boxes: &Boxes, state: &State| {
                !boxes.are_twice_signed(state)
            }),
            Property::sometimes("a vote is signed", |boxes: &Boxes, state: &State| {
                state.parts.iter().flatten().any(|parts| parts.count_ones() >= boxes.needed)
            }),
        ]
    }
}

/// All states; how many there were, and the way to two signatures at a mark, if there is one.
fn search(boxes: Boxes) -> (usize, Option<Vec<Action>>) {
    let checker = boxes.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let found = checker.discovery("never twice").map(|path| path.into_actions());
    assert!(found.is_some() || checker.discovery("a vote is signed").is_some());
    (checker.unique_state_count(), found)
}

#[test]
fn no_state_has_two_signatures_at_a_mark() {
    for (needed, count, owned) in [(2, 2, 1), (2, 3, 0), (3, 4, 1), (3, 3, 2)] {
        let (states, found) = search(Boxes::new(needed, count, owned));
        println!("{needed} of {count}, {owned} owned: {states} states");
        assert_eq!(found, None, "{needed} of {count}, {owned} owned");
        assert!(states > 100, "{states}");
    }
}

#[test]
fn one_more_box_of_the_enemys_is_enough_for_two_signatures() {
    for (needed, count) in [(2, 2), (2, 3), (3, 4), (3, 5)] {
        let owned = u8::try_from(2 * needed).unwrap() - count;
        let (_, found) = search(Boxes::new(needed, count, owned));
        println!("{needed} of {count}, {owned} owned: {found:?}");
        assert!(found.is_some(), "{needed} of {count}, {owned} owned");
    }
}

#[test]
fn without_a_majority_two_halves_sign_two_votes() {
    let (_, found) = search(Boxes::new(2, 4, 0));
    assert_eq!(found.unwrap().len(), 4);
}

#[test]
fn without_the_mark_each_box_signs_both() {
    let guards = Guards { mark: false, reservation: true };
    let (_, found) = search(Boxes { guards, ..Boxes::new(2, 3, 0) });
    assert_eq!(found.unwrap().len(), 4);
}

/// The power is cut in one box that two pairs have in common.
#[test]
fn without_the_reservation_a_power_cut_forgets_a_vote() {
    let guards = Guards { mark: true, reservation: false };
    let (_, found) = search(Boxes { guards, ..Boxes::new(2, 3, 0) });
    let found = found.unwrap();
    let cuts = found.iter().filter(|action| matches!(action, Action::CutPower { .. }));
    assert_eq!(cuts.count(), 1, "{found:?}");
}
