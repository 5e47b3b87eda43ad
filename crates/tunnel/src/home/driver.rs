//! Performs the actions of a [`Link`], and feeds it the events.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::Service;
use crate::home::connection::{Connection, Handshake};
use crate::home::dial::dial;
use crate::home::error::LinkError;
use crate::home::name::Name;
use crate::home::status::{LinkState, StatusUpdater};
use crate::home::{Uplink, timing};
use crate::link::{Action, Event, Link, Phase, Timing};

/// A link with its connection, if it has one.
pub(super) struct Driver {
    pub(super) link: Link,
    pub(super) handshake: Handshake,
    pub(super) timing: Timing,
    /// None: whatever route the system has.
    pub(super) uplink: Option<Uplink>,
    pub(super) metered: watch::Receiver<BTreeSet<String>>,
    pub(super) interface: Option<String>,
    pub(super) service: Service,
    /// The port at the gateway.
    pub(super) port: u16,
    /// Shared by all links to the gateway.
    pub(super) name: Arc<Mutex<Name>>,
    pub(super) status: StatusUpdater,
    /// No uplink is up that is not metered: the limits of those hold for this one, too.
    pub(super) is_relied_on: bool,
    pub(super) step: Option<Step>,
    pub(super) connection: Option<Connection>,
}

/// What is under way.
pub(super) type Step = Pin<Box<dyn Future<Output = StepResult> + Send>>;

/// What came of it.
pub(super) enum StepResult {
    Connected(TcpStream),
    Authenticated(Box<Connection>),
    Granted,
    Denied,
    Failed(LinkError),
}

impl Driver {
    /// Keeps the link up until `stop`.
    pub(super) async fn run(mut self, mut changes: watch::Receiver<()>, stop: CancellationToken) {
        let mut changed = self.status.changed();
        loop {
            self.status.turn();
            let event = tokio::select! {
                () = stop.cancelled() => break,
                done = step(&mut self.step) => self.on_result(done),
                took = round_trip(self.connection.as_mut()) => {
                    if took.is_some() {
                        self.status.change(|report| report.round_trip = took);
                        continue;
                    }
                    self.log_end();
                    Event::Lost
                }
                Ok(()) = changes.changed() => Event::NetworkChanged,
                Ok(()) = self.metered.changed() => {
                    if !self.take_up_metered() {
                        continue;
                    }
                    self.link.handle(Event::SetTiming(self.timing), Instant::now());
                    Event::Lost
                }
                is_relied_on = reliance(&self.status, &mut changed, self.is_relied_on) => {
                    self.is_relied_on = is_relied_on;
                    Event::SetTiming(if is_relied_on { Timing::PROMPT } else { self.timing })
                }
                () = sleep_until(self.link.wake_at()) => Event::Tick(self.heard_at()),
            };
            let before = self.link.phase();
            let action = self.link.handle(event, Instant::now());
            self.act(action, before);
            self.report();
        }
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
    }

    /// Whether it is news for this link whether its uplink is metered: a new connection says it to the gateway.
    fn take_up_metered(&mut self) -> bool {
        let interfaces = self.metered.borrow_and_update().clone();
        let is_metered = self.uplink.as_ref().is_some_and(|uplink| uplink.is_metered(&interfaces));
        if is_metered == self.handshake.metered {
            return false;
        }
        tracing::info!(
            uplink = self.uplink_name(),
            is_metered,
            "the uplink's bytes cost money, or no longer: dialling anew"
        );
        self.handshake.metered = is_metered;
        (self.timing, self.is_relied_on) = (timing(self.service, is_metered), false);
        self.status.change(|report| report.metered = is_metered);
        true
    }

    fn heard_at(&self) -> Instant {
        self.connection
            .as_ref()
            .map_or_else(Instant::now, |connection| connection.liveness.heard_at())
    }

    /// The event that a finished step is to the link.
    fn on_result(&mut self, done: StepResult) -> Event {
        self.step = None;
        match done {
            StepResult::Connected(stream) => {
                let handshake = self.handshake.clone();
                self.step = Some(Box::pin(async {
                    let authenticated = handshake.run(stream).await;
                    authenticated.map_or_else(StepResult::Failed, |connection| {
                        StepResult::Authenticated(Box::new(connection))
                    })
                }));
                Event::Connected
            }
            StepResult::Authenticated(connection) => {
                self.connection = Some(*connection);
                Event::Authenticated
            }
            StepResult::Granted => Event::Granted,
            StepResult::Denied => {
                self.fail(LinkError::port_refused(&self.handshake.gateway, self.port));
                Event::Denied
            }
            StepResult::Failed(error) => {
                self.fail(error);
                Event::Lost
            }
        }
    }

    fn act(&mut self, action: Action, before: Phase) {
        if matches!(self.link.phase(), Phase::Waiting(_)) {
            // A step that is under way is dropped, too.
            (self.step, self.connection) = (None, None);
        }
        match action {
            // The handshake has begun as soon as TCP was connected.
            Action::Nothing | Action::Authenticate => {}
            Action::Dial => {
                self.connection = None;
                self.step = Some(self.dial());
            }
            Action::AskForPort => {
                if let Some(connection) = &self.connection {
                    let was_denied = matches!(before, Phase::Standby(_));
                    let asking = connection.ask_for(self.port, was_denied);
                    self.step = Some(Box::pin(async move {
                        match asking.await {
                            Ok(true) => StepResult::Granted,
                            Ok(false) => StepResult::Denied,
                            Err(error) => StepResult::Failed(error),
                        }
                    }));
                }
            }
            Action::Ping => {
                if let Some(connection) = &mut self.connection {
                    connection.ping();
                }
            }
            Action::HangUp => self.fail(match before {
                Phase::Dialing => self.no_answer(),
                Phase::Waiting(_)
                | Phase::Authenticating(_)
                | Phase::Forwarding(_)
                | Phase::Standby(_)
                | Phase::Up => LinkError::silent(&self.handshake.gateway),
            }),
        }
    }

    fn no_answer(&self) -> LinkError {
        let error = std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer");
        LinkError::unreachable(&self.handshake.gateway, self.interface.as_deref(), &error)
    }

    fn dial(&self) -> Step {
        let (name, gateway) = (Arc::clone(&self.name), self.handshake.gateway.clone());
        let (interface, service, silent) =
            (self.interface.clone(), self.service, self.timing.silent);
        Box::pin(async move {
            let addresses = match name.lock().await.addresses().await {
                Ok(addresses) => addresses,
                Err(error) => return StepResult::Failed(LinkError::no_name(&gateway, &error)),
            };
            match dial(&addresses, interface.as_deref(), service, silent).await {
                Ok(stream) => StepResult::Connected(stream),
                Err(error) => StepResult::Failed(LinkError::unreachable(
                    &gateway,
                    interface.as_deref(),
                    &error,
                )),
            }
        })
    }

    /// For the log.
    fn uplink_name(&self) -> &str {
        self.interface.as_deref().unwrap_or("any")
    }

    fn log_end(&self) {
        let Some(connection) = &self.connection else { return };
        if connection.has_reached_channel_limit() {
            let (uplink, service) = (self.uplink_name(), self.service);
            tracing::info!(uplink, %service, "channel limit reached, reconnecting");
        } else {
            self.fail(connection.ending());
        }
    }

    /// Shows why the link is not up, and logs it when that is changed.
    fn fail(&self, error: LinkError) {
        let [before, now] = self.status.change(|report| report.error = Some(error));
        let Some(error) = now.error else { return };
        if before.error.is_some_and(|before| before.reason == error.reason) {
            return;
        }
        let (uplink, service) = (self.uplink_name(), self.service);
        if matches!(error.reason, "wrong_host_key" | "refused") {
            tracing::error!(uplink, %service, "{}", error.message);
        } else {
            tracing::warn!(uplink, %service, "{}", error.message);
        }
    }

    fn report(&self) {
        let state = match self.link.phase() {
            Phase::Up => LinkState::Up,
            Phase::Standby(_) => LinkState::Standby,
            // Still standing by: the port is requested again.
            Phase::Forwarding(_) => return,
            Phase::Waiting(_) | Phase::Dialing | Phase::Authenticating(_) => LinkState::Down,
        };
        let [before, now] = self.status.change(|report| {
            if report.state != state {
                (report.state, report.since) = (state, Instant::now());
                report.ups += u64::from(state == LinkState::Up);
            }
            match state {
                LinkState::Up => report.error = None,
                LinkState::Down => report.round_trip = None,
                LinkState::Standby => {}
            }
        });
        if now.ups > before.ups {
            let (uplink, service) = (self.uplink_name(), self.service);
            tracing::info!(uplink, %service, "a link to {} is up", self.handshake.gateway.address);
        }
    }
}

/// The result of a step; never, if there is none.
async fn step(step: &mut Option<Step>) -> StepResult {
    match step {
        Some(step) => step.await,
        None => std::future::pending().await,
    }
}

/// Returns when the link begins to be relied on, or ends to be; gives which.
async fn reliance(
    status: &StatusUpdater,
    changed: &mut watch::Receiver<()>,
    was_relied_on: bool,
) -> bool {
    while status.is_relied_on() == was_relied_on {
        if changed.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
    !was_relied_on
}

/// Returns when a keepalive was answered, with the round trip, and when the connection has ended, without; never, if
/// there is no connection.
async fn round_trip(connection: Option<&mut Connection>) -> Option<Duration> {
    match connection {
        Some(connection) => connection.round_trip().await,
        None => std::future::pending().await,
    }
}
