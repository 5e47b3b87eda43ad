//! The life of a link: a connection to one gateway over one uplink for one service.
//!
//! ```text
//!            ┌───────────── lost, refused, silent ◀──────────────┐
//!            ▼                                                   │
//!  Waiting ──▶ Dialing ──▶ Authenticating ──▶ Forwarding ──▶ Up ─┤
//!     ▲  the network changed: in a moment        │    ▲         │
//!     │                                   denied ▼    │ again   │
//!     └─────────────────────────────────────── Standby ─────────┘
//! ```
//!
//! No clock, no socket, no task: [`Link::handle`] is told what happened and when, and says what to do.

use std::time::Duration;

use tokio::time::Instant;

/// How long a link waits for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Silence after which the gateway is sent a keepalive.
    pub keepalive: Duration,
    /// Silence after which the connection is dead.
    pub silent: Duration,
}

impl Timing {
    /// For requests, over an uplink that is not metered.
    pub const PROMPT: Timing =
        Timing { keepalive: Duration::from_secs(1), silent: Duration::from_secs(3) };
    /// For a metered uplink, while another one is up; and for the shell, whose large copies make an uplink
    /// slow.
    pub const THRIFTY: Timing =
        Timing { keepalive: Duration::from_secs(5), silent: Duration::from_secs(15) };
}

/// What happened to a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Time has passed; the gateway was last heard then.
    Tick(Instant),
    /// An interface, an address or a route of this computer changed.
    NetworkChanged,
    /// Other limits hold from now on.
    SetTiming(Timing),
    /// The gateway's port took the connection.
    Connected,
    /// Both sides have proved their keys.
    Authenticated,
    /// The gateway gave us the port.
    Granted,
    /// The gateway did not give us the port.
    Denied,
    /// The connection is gone, or was never made.
    Lost,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Wait: until [`Link::wake_at`] or the next event.
    Nothing,
    /// Drop what there is, and connect.
    Dial,
    /// Check the host key, and prove the identity.
    Authenticate,
    /// Ask for the port.
    AskForPort,
    /// Send a keepalive.
    Ping,
    /// Drop the connection: it took too long, or nothing is heard.
    HangUp,
}

/// Where a link is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not before then.
    Waiting(Instant),
    /// Since the attempt began.
    Dialing,
    /// Since then.
    Authenticating(Instant),
    /// Since then.
    Forwarding(Instant),
    /// Connected without the port; asks again then.
    Standby(Instant),
    /// Requests can come.
    Up,
}

/// A link.
#[derive(Debug, Clone)]
pub struct Link {
    timing: Timing,
    /// The limits that hold at present: those of the uplink, or closer ones while requests rely on it.
    present: Timing,
    phase: Phase,
    /// When the last attempt began.
    attempt: Instant,
    /// The network changed since then.
    is_stale: bool,
    /// That is why the last attempt began. No attempt is repeated twice for that reason.
    is_second: bool,
    /// Since when the link is up, if it is.
    up_since: Instant,
    /// Since when the link is not up.
    down_since: Instant,
    /// When the gateway was last heard.
    heard: Instant,
    /// When the last keepalive was sent.
    pinged: Instant,
    /// Silence before then means nothing: this program was not running, and sent and read nothing.
    excused: Instant,
    random: u64,
}

/// From one attempt to the next, while a link has not been down for long: at most this, at least half
/// of it.
const EAGER: Duration = Duration::from_millis(500);
/// For how long it is eager.
const EAGER_FOR: Duration = Duration::from_secs(30);
/// A link that was up for so long is eager again when it is lost.
const STEADY: Duration = Duration::from_secs(10);
/// From one attempt to the next after that: at most this, at least half of it.
const PATIENT: Duration = Duration::from_secs(5);
/// From one attempt to the next while the network keeps changing.
const HASTY: Duration = Duration::from_millis(100);
/// From a change of the network to a dial. An interface is announced before its queue sends and before it has
/// a route; what is sent in between is lost, and the system sends it again after a second.
const SETTLING: Duration = Duration::from_millis(50);
/// How long a connect is waited for that began before the network changed.
const STALE_DIAL: Duration = Duration::from_millis(300);
/// For a port to take the connection: the system's third try would come after it.
const DIAL_LIMIT: Duration = Duration::from_secs(3);
/// A tick that comes so much later than it was wanted comes to a program that was not running: the computer
/// slept, or others had the processor.
const OVERSLEPT: Duration = Duration::from_millis(500);
/// For each of the steps after that, in units of what counts as silence.
const STEP_LIMIT: u32 = 2;

impl Link {
    /// A link that dials at its first tick. `seed` makes its pauses differ from those of others.
    #[must_use]
    pub fn new(timing: Timing, seed: u64, now: Instant) -> Link {
        let (phase, random) = (Phase::Waiting(now), seed | 1);
        let attempt = now.checked_sub(PATIENT).unwrap_or(now);
        let present = timing;
        let (down_since, heard, pinged) = (now, now, now);
        Link {
            timing,
            present,
            phase,
            attempt,
            is_stale: false,
            is_second: false,
            up_since: now,
            down_since,
            heard,
            pinged,
            excused: now,
            random,
        }
    }

    /// Where it is.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// When it wants a tick, if nothing happens before.
    #[must_use]
    pub fn wake_at(&self) -> Instant {
        match self.phase {
            Phase::Waiting(until) => until,
            Phase::Dialing if self.is_stale => self.attempt + STALE_DIAL,
            Phase::Dialing => self.attempt + DIAL_LIMIT,
            Phase::Authenticating(since) | Phase::Forwarding(since) => self.step_end(since),
            Phase::Standby(ask_at) => ask_at.min(self.ping_at()).min(self.silent_at()),
            Phase::Up => self.ping_at().min(self.silent_at()),
        }
    }

    /// What to do about an event.
    pub fn handle(&mut self, event: Event, now: Instant) -> Action {
        match event {
            Event::Tick(heard) => self.tick(heard, now),
            Event::NetworkChanged => self.network_changed(now),
            Event::SetTiming(timing) => self.set_timing(timing, now),
            Event::Connected => {
                self.count_request(Phase::Authenticating(now), now, Action::Authenticate)
            }
            Event::Authenticated => {
                self.count_request(Phase::Forwarding(now), now, Action::AskForPort)
            }
            Event::Granted => self.count_request(Phase::Up, now, Action::Nothing),
            Event::Denied => {
                let again = now + self.present.keepalive / 2;
                self.count_request(Phase::Standby(again), now, Action::Nothing)
            }
            Event::Lost => self.lose(now, Action::Nothing),
        }
    }

    fn tick(&mut self, heard: Instant, now: Instant) -> Action {
        let overslept = now > self.wake_at() + OVERSLEPT;
        self.heard = self.heard.max(heard);
        match self.phase {
            Phase::Standby(_) | Phase::Up if overslept && now >= self.silent_at() => {
                self.excused = now;
                self.ping(now)
            }
            Phase::Waiting(until) if now >= until => self.dial(now),
            Phase::Dialing if self.is_stale && now >= self.attempt + STALE_DIAL => {
                let action = self.dial(now);
                self.is_second = true;
                action
            }
            Phase::Dialing if now >= self.attempt + DIAL_LIMIT => self.lose(now, Action::HangUp),
            Phase::Authenticating(since) | Phase::Forwarding(since)
                if now >= self.step_end(since) =>
            {
                self.lose(now, Action::HangUp)
            }
            Phase::Standby(_) | Phase::Up if now >= self.silent_at() => {
                self.lose(now, Action::HangUp)
            }
            Phase::Standby(ask_at) if now >= ask_at => {
                self.phase = Phase::Forwarding(now);
                Action::AskForPort
            }
            Phase::Standby(_) | Phase::Up if now >= self.ping_at() => self.ping(now),
            Phase::Waiting(_)
            | Phase::Dialing
            | Phase::Authenticating(_)
            | Phase::Forwarding(_)
            | Phase::Standby(_)
            | Phase::Up => Action::Nothing,
        }
    }

    fn network_changed(&mut self, now: Instant) -> Action {
        match self.phase {
            Phase::Waiting(until) => {
                let soon = (now + SETTLING).max(self.attempt + HASTY);
                self.phase = Phase::Waiting(until.min(soon));
                self.tick(self.heard, now)
            }
            Phase::Dialing => {
                self.is_stale = !self.is_second;
                self.tick(self.heard, now)
            }
            Phase::Authenticating(_) | Phase::Forwarding(_) | Phase::Standby(_) | Phase::Up => {
                Action::Nothing
            }
        }
    }

    fn set_timing(&mut self, timing: Timing, now: Instant) -> Action {
        self.present = timing;
        match self.phase {
            Phase::Standby(_) | Phase::Up => {
                // Silence before the keepalive has no meaning under the new limits.
                self.heard = now;
                self.ping(now)
            }
            Phase::Waiting(_)
            | Phase::Dialing
            | Phase::Authenticating(_)
            | Phase::Forwarding(_) => Action::Nothing,
        }
    }

    fn ping(&mut self, now: Instant) -> Action {
        self.pinged = now;
        Action::Ping
    }

    fn dial(&mut self, now: Instant) -> Action {
        self.phase = Phase::Dialing;
        (self.attempt, self.is_stale, self.is_second) = (now, false, false);
        Action::Dial
    }

    /// Something good happened, unless it comes from an attempt that was given up.
    fn count_request(&mut self, next: Phase, now: Instant, action: Action) -> Action {
        let expected = match next {
            Phase::Authenticating(_) => matches!(self.phase, Phase::Dialing),
            Phase::Forwarding(_) => matches!(self.phase, Phase::Authenticating(_)),
            Phase::Up | Phase::Standby(_) => matches!(self.phase, Phase::Forwarding(_)),
            Phase::Waiting(_) | Phase::Dialing => false,
        };
        if !expected {
            return Action::Nothing;
        }
        self.heard = now;
        if next == Phase::Up {
            self.up_since = now;
        }
        self.phase = next;
        action
    }

    /// The attempt or the connection is over: at once again, if the last attempt was long ago.
    fn lose(&mut self, now: Instant, action: Action) -> Action {
        match self.phase {
            Phase::Waiting(_) => return Action::Nothing,
            // One that is lost as soon as it is up was not really up.
            Phase::Up if now >= self.up_since + STEADY => self.down_since = now,
            Phase::Up => {}
            Phase::Dialing
            | Phase::Authenticating(_)
            | Phase::Forwarding(_)
            | Phase::Standby(_) => {}
        }
        let longest = if now < self.down_since + EAGER_FOR { EAGER } else { PATIENT };
        self.phase = Phase::Waiting(now.max(self.attempt + self.share_of(longest)));
        action
    }

    /// Between half and all of it: the signers of a gateway that was lost do not reconnect all at once, and
    /// the links of one signer take turns.
    fn share_of(&mut self, longest: Duration) -> Duration {
        // xorshift64: pauses need no better randomness.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let share = u32::try_from(self.random % 1_000).unwrap_or_default();
        longest / 2 + longest / 2 * share / 1_000
    }

    fn ping_at(&self) -> Instant {
        self.heard.max(self.pinged) + self.present.keepalive
    }

    fn silent_at(&self) -> Instant {
        self.heard.max(self.excused) + self.present.silent
    }

    fn step_end(&self, since: Instant) -> Instant {
        since + self.timing.silent * STEP_LIMIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn link() -> (Link, Instant) {
        let now = Instant::now();
        (Link::new(Timing::PROMPT, 7, now), now)
    }

    /// A link that is up, and when it came up.
    fn up() -> (Link, Instant) {
        let (mut link, now) = link();
        for event in [Event::Tick(now), Event::Connected, Event::Authenticated, Event::Granted] {
            link.handle(event, now);
        }
        assert_eq!(link.phase(), Phase::Up);
        (link, now)
    }

    #[test]
    fn a_link_goes_the_whole_way() {
        let (mut link, now) = link();
        assert_eq!(link.handle(Event::Tick(now), now), Action::Dial);
        assert_eq!(link.handle(Event::Connected, now), Action::Authenticate);
        assert_eq!(link.handle(Event::Authenticated, now), Action::AskForPort);
        assert_eq!(link.handle(Event::Granted, now), Action::Nothing);
        assert_eq!(link.phase(), Phase::Up);
    }

    #[test]
    fn a_link_that_was_up_is_dialled_again_at_once() {
        let (mut link, now) = up();
        let later = now + 10_000 * MS;
        link.handle(Event::Lost, later);
        assert_eq!(link.handle(Event::Tick(later), later), Action::Dial);
    }

    #[test]
    fn silence_of_three_seconds_is_death() {
        let (mut link, now) = up();
        let heard = now + 5_000 * MS;
        for seconds in 1..3 {
            assert_eq!(link.handle(Event::Tick(heard), heard + 1_000 * MS * seconds), Action::Ping);
            assert_eq!(link.wake_at(), heard + 1_000 * MS * (seconds + 1));
        }
        assert_eq!(link.handle(Event::Tick(heard), heard + 2_999 * MS), Action::Nothing);
        assert_eq!(link.handle(Event::Tick(heard), heard + 3_000 * MS), Action::HangUp);
        assert_eq!(link.handle(Event::Tick(heard), heard + 3_000 * MS), Action::Dial);
    }

    /// Its answers may be there, unread; or it was not asked.
    #[test]
    fn silence_while_this_program_was_not_running_is_no_death() {
        let (mut link, now) = up();
        let awake = now + 60_000 * MS;
        assert_eq!(link.handle(Event::Tick(now), awake), Action::Ping);
        assert_eq!(link.handle(Event::Tick(now), awake + 1_000 * MS), Action::Ping);
        assert_eq!(link.handle(Event::Tick(now), awake + 2_000 * MS), Action::Ping);
        assert_eq!(link.handle(Event::Tick(now), awake + 3_000 * MS), Action::HangUp);
    }

    #[test]
    fn a_gateway_that_is_heard_is_sent_no_keepalive() {
        let (mut link, now) = up();
        for tenths in 1..100 {
            let heard = now + 100 * MS * tenths;
            assert_eq!(link.handle(Event::Tick(heard), heard), Action::Nothing);
            assert_eq!(link.wake_at(), heard + 1_000 * MS);
        }
    }

    #[test]
    fn closer_limits_begin_with_a_keepalive() {
        let now = Instant::now();
        let mut link = Link::new(Timing::THRIFTY, 7, now);
        for event in [Event::Tick(now), Event::Connected, Event::Authenticated, Event::Granted] {
            link.handle(event, now);
        }
        let later = now + 4_900 * MS;
        assert_eq!(link.handle(Event::SetTiming(Timing::PROMPT), later), Action::Ping);
        assert_eq!(link.handle(Event::Tick(now), later + 2_999 * MS), Action::Ping);
        assert_eq!(link.handle(Event::Tick(now), later + 3_000 * MS), Action::HangUp);
    }

    #[test]
    fn at_most_half_a_second_apart_for_half_a_minute_then_at_most_five() {
        let (mut link, start) = up();
        link.handle(Event::Lost, start + 10_000 * MS);
        let (mut now, down) = (start + 10_000 * MS, start + 10_000 * MS);
        let mut pauses = Vec::new();
        while now < down + Duration::from_secs(120) {
            assert_eq!(link.handle(Event::Tick(start), now), Action::Dial);
            link.handle(Event::Lost, now + MS);
            pauses.push((now - down, link.wake_at() - now));
            now = link.wake_at();
        }
        for (after, pause) in pauses {
            let longest = if after < EAGER_FOR - MS { EAGER } else { PATIENT };
            assert!(longest / 2 <= pause && pause <= longest, "{pause:?} after {after:?}");
        }
    }

    #[test]
    fn links_do_not_come_back_all_at_once() {
        let now = Instant::now();
        let mut pauses: Vec<Duration> = (1..100)
            .map(|seed| Link::new(Timing::PROMPT, seed * 0x9E37_79B9, now).share_of(PATIENT))
            .collect();
        pauses.sort();
        pauses.dedup();
        assert!(pauses.len() > 50, "{pauses:?}");
    }

    #[test]
    fn an_uplink_that_comes_up_is_dialled_as_soon_as_it_carries() {
        let (mut link, now) = link();
        link.down_since = now - Duration::from_secs(600);
        link.handle(Event::Tick(now), now);
        link.handle(Event::Lost, now);
        assert!(link.wake_at() > now + 2_000 * MS);
        assert_eq!(link.handle(Event::NetworkChanged, now + 500 * MS), Action::Nothing);
        assert_eq!(link.handle(Event::NetworkChanged, now + 510 * MS), Action::Nothing);
        assert_eq!(link.wake_at(), now + 500 * MS + SETTLING);
        assert_eq!(link.handle(Event::Tick(now), now + 500 * MS + SETTLING), Action::Dial);
    }

    #[test]
    fn an_uplink_that_comes_and_goes_is_not_dialled_all_the_time() {
        let (mut link, now) = link();
        link.handle(Event::Tick(now), now);
        link.handle(Event::Lost, now);
        assert_eq!(link.handle(Event::NetworkChanged, now + 10 * MS), Action::Nothing);
        assert_eq!(link.wake_at(), now + HASTY);
    }

    #[test]
    fn a_dial_over_a_dead_uplink_is_not_waited_for_when_the_network_changed() {
        let (mut link, now) = link();
        link.handle(Event::Tick(now), now);
        assert_eq!(link.wake_at(), now + DIAL_LIMIT);
        assert_eq!(link.handle(Event::NetworkChanged, now + 400 * MS), Action::Dial);
        assert_eq!(link.wake_at(), now + 400 * MS + DIAL_LIMIT);
    }

    /// The network can change all the time (containers come and go), and a dial may need longer than that.
    #[test]
    fn a_dial_is_repeated_for_that_reason_once_only() {
        let (mut link, now) = link();
        link.handle(Event::Tick(now), now);
        assert_eq!(link.handle(Event::NetworkChanged, now + 400 * MS), Action::Dial);
        for tenths in 5..30 {
            let later = now + 100 * MS * tenths;
            assert_eq!(link.handle(Event::NetworkChanged, later), Action::Nothing);
        }
    }

    #[test]
    fn a_link_that_is_lost_as_soon_as_it_is_up_is_not_dialled_eagerly_for_ever() {
        let (mut link, start) = link();
        let mut now = start;
        let mut dials = 0;
        while now < start + Duration::from_secs(300) {
            assert_eq!(link.handle(Event::Tick(now), now), Action::Dial);
            for event in [Event::Connected, Event::Authenticated, Event::Granted, Event::Lost] {
                link.handle(event, now + MS);
            }
            dials += 1;
            now = link.wake_at();
        }
        assert!(dials < 300, "{dials} in five minutes");
    }

    /// An interface is announced before its route: a dial in between goes nowhere.
    #[test]
    fn a_dial_is_repeated_when_the_network_changed_soon_after_it() {
        let (mut link, now) = link();
        link.handle(Event::Tick(now), now);
        assert_eq!(link.handle(Event::NetworkChanged, now + 5 * MS), Action::Nothing);
        assert_eq!(link.wake_at(), now + STALE_DIAL);
        assert_eq!(link.handle(Event::Tick(now), now + STALE_DIAL), Action::Dial);
        assert_eq!(link.wake_at(), now + STALE_DIAL + DIAL_LIMIT);
    }

    #[test]
    fn a_denied_port_is_asked_for_again() {
        let (mut link, now) = link();
        for event in [Event::Tick(now), Event::Connected, Event::Authenticated, Event::Denied] {
            link.handle(event, now);
        }
        assert_eq!(link.wake_at(), now + 500 * MS);
        assert_eq!(link.handle(Event::Tick(now), now + 500 * MS), Action::AskForPort);
        assert_eq!(link.handle(Event::Granted, now + 501 * MS), Action::Nothing);
        assert_eq!(link.phase(), Phase::Up);
    }

    #[test]
    fn what_comes_from_an_attempt_that_was_given_up_means_nothing() {
        let (mut link, now) = link();
        for event in [Event::Connected, Event::Authenticated, Event::Granted, Event::Denied] {
            assert_eq!(link.handle(event, now), Action::Nothing);
            assert_eq!(link.phase(), Phase::Waiting(now));
        }
    }

    /// Every sequence of five events, at every pace: it never stops dialling, and never hammers.
    #[test]
    fn every_short_life_ends_in_a_dial_that_comes_neither_late_nor_twice() {
        let events = |heard| {
            [
                Event::Tick(heard),
                Event::NetworkChanged,
                Event::SetTiming(Timing::THRIFTY),
                Event::Connected,
                Event::Authenticated,
                Event::Granted,
                Event::Denied,
                Event::Lost,
            ]
        };
        let paces = [0, 90, 600, 4_000, 40_000];
        for code in 0..8_u32.pow(5) * 5 {
            let (mut link, start) = link();
            let mut now = start;
            let mut dials: Vec<Instant> = Vec::new();
            for at in 0..5 {
                let pace = paces[(code as usize + at as usize) % paces.len()];
                now += MS * pace;
                let event = events(now)[(code / 8_u32.pow(at) % 8) as usize];
                if link.handle(event, now) == Action::Dial {
                    dials.push(now);
                }
            }
            // From now on only time passes, and nothing is heard.
            for _ in 0..16 {
                let wake = link.wake_at().max(now);
                assert!(
                    wake - now <= Duration::from_secs(9),
                    "{code}: sleeps for {:?}",
                    wake - now
                );
                now = wake;
                if link.handle(Event::Tick(start), now) == Action::Dial {
                    dials.push(now);
                }
            }
            assert!(!dials.is_empty(), "{code}: never dials");
            for pair in dials.windows(2) {
                assert!(pair[1] - pair[0] >= HASTY, "{code}: dials twice within {HASTY:?}");
            }
        }
    }
}
