//! Does what a [`Link`] says, and tells it what happened.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use tokio::net::TcpStream;
use tokio::sync::{Mutex, watch};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use crate::Door;
use crate::home::board::{Entry, LinkState, Trouble};
use crate::home::connection::{Connection, Terms};
use crate::home::dial::dial;
use crate::home::names::Name;
use crate::link::{Action, Event, Link, Phase, Timing};

/// A link with its connection, if it has one.
pub(super) struct Driver {
    pub(super) link: Link,
    pub(super) terms: Terms,
    pub(super) timing: Timing,
    pub(super) interface: Option<String>,
    pub(super) door: Door,
    /// The port at the gateway.
    pub(super) port: u16,
    /// Shared by all links to the gateway.
    pub(super) name: Arc<Mutex<Name>>,
    pub(super) entry: Entry,
    /// No line is up that is not metered: this one is watched as closely as they are.
    pub(super) is_relied_on: bool,
    pub(super) step: Option<Step>,
    pub(super) connection: Option<Connection>,
}

/// What is being done.
pub(super) type Step = Pin<Box<dyn Future<Output = Done> + Send>>;

/// What came of it.
pub(super) enum Done {
    Connected(TcpStream),
    Met(Box<Connection>),
    Granted,
    Denied,
    Failed(Trouble),
}

impl Driver {
    /// Keeps the link up until `stop`.
    pub(super) async fn run(mut self, mut changes: watch::Receiver<()>, stop: CancellationToken) {
        let mut news = self.entry.news();
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => break,
                done = step(&mut self.step) => self.note(done),
                () = gone(self.connection.as_ref()) => {
                    self.tell_end();
                    Event::Lost
                }
                Ok(()) = changes.changed() => Event::LineChanged,
                is_relied_on = reliance(&self.entry, &mut news, self.is_relied_on) => {
                    self.is_relied_on = is_relied_on;
                    Event::Watch(if is_relied_on { Timing::PROMPT } else { self.timing })
                }
                () = sleep_until(self.link.wake_at().into()) => Event::Tick(self.heard_at()),
            };
            let before = self.link.phase();
            let action = self.link.handle(event, Instant::now());
            self.act(action, before);
            self.show();
        }
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
    }

    fn heard_at(&self) -> Instant {
        self.connection.as_ref().map_or_else(Instant::now, |connection| connection.watch.heard_at())
    }

    /// What a finished step means to the link.
    fn note(&mut self, done: Done) -> Event {
        self.step = None;
        match done {
            Done::Connected(stream) => {
                let terms = self.terms.clone();
                self.step = Some(Box::pin(async {
                    let met = terms.meet(stream).await;
                    met.map_or_else(Done::Failed, |connection| Done::Met(Box::new(connection)))
                }));
                Event::Connected
            }
            Done::Met(connection) => {
                self.connection = Some(*connection);
                Event::Authenticated
            }
            Done::Granted => Event::Granted,
            Done::Denied => {
                self.trouble(Trouble::port_refused(&self.terms.gateway, self.port));
                Event::Denied
            }
            Done::Failed(trouble) => {
                self.trouble(trouble);
                Event::Lost
            }
        }
    }

    fn act(&mut self, action: Action, before: Phase) {
        if matches!(self.link.phase(), Phase::Waiting(_)) {
            // Also what is still going on is over.
            (self.step, self.connection) = (None, None);
        }
        match action {
            // The step that authenticates has begun when the port took the connection.
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
                            Ok(true) => Done::Granted,
                            Ok(false) => Done::Denied,
                            Err(trouble) => Done::Failed(trouble),
                        }
                    }));
                }
            }
            Action::Ping => {
                if let Some(connection) = &self.connection {
                    connection.ping();
                }
            }
            Action::HangUp => self.trouble(match before {
                Phase::Dialing => self.no_answer(),
                Phase::Waiting(_)
                | Phase::Authenticating(_)
                | Phase::Forwarding(_)
                | Phase::Standby(_)
                | Phase::Up => Trouble::silent(&self.terms.gateway),
            }),
        }
    }

    fn no_answer(&self) -> Trouble {
        let error = std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer");
        Trouble::unreachable(&self.terms.gateway, self.interface.as_deref(), &error)
    }

    fn dial(&self) -> Step {
        let (name, gateway) = (Arc::clone(&self.name), self.terms.gateway.clone());
        let (interface, door, silent) = (self.interface.clone(), self.door, self.timing.silent);
        Box::pin(async move {
            let addresses = match name.lock().await.addresses().await {
                Ok(addresses) => addresses,
                Err(error) => return Done::Failed(Trouble::no_name(&gateway, &error)),
            };
            match dial(&addresses, interface.as_deref(), door, silent).await {
                Ok(stream) => Done::Connected(stream),
                Err(error) => {
                    Done::Failed(Trouble::unreachable(&gateway, interface.as_deref(), &error))
                }
            }
        })
    }

    /// For the log.
    fn uplink(&self) -> &str {
        self.interface.as_deref().unwrap_or("any")
    }

    fn tell_end(&self) {
        let Some(connection) = &self.connection else { return };
        if connection.is_worn_out() {
            let (uplink, door) = (self.uplink(), self.door);
            tracing::info!(uplink, %door, "a link is worn out and made anew");
        } else {
            self.trouble(connection.ending());
        }
    }

    /// Shows why the link is not up, and logs it when that is news.
    fn trouble(&self, trouble: Trouble) {
        let told = self.entry.change(|report| report.trouble = Some(trouble));
        let Some([before, now]) = told else { return };
        let Some(trouble) = now.trouble else { return };
        if before.trouble.is_some_and(|before| before.word == trouble.word) {
            return;
        }
        let (uplink, door) = (self.uplink(), self.door);
        if matches!(trouble.word, "wrong_host_key" | "refused") {
            tracing::error!(uplink, %door, "{}", trouble.line);
        } else {
            tracing::warn!(uplink, %door, "{}", trouble.line);
        }
    }

    fn show(&self) {
        let state = match self.link.phase() {
            Phase::Up => LinkState::Up,
            Phase::Standby(_) => LinkState::Standby,
            // Asking again is still standing by.
            Phase::Forwarding(_) => return,
            Phase::Waiting(_) | Phase::Dialing | Phase::Authenticating(_) => LinkState::Down,
        };
        let told = self.entry.change(|report| {
            if report.state != state {
                (report.state, report.since) = (state, Instant::now());
                report.ups += u64::from(state == LinkState::Up);
            }
            if state == LinkState::Up {
                report.trouble = None;
            }
        });
        if let Some([before, now]) = told
            && now.ups > before.ups
        {
            let (uplink, door) = (self.uplink(), self.door);
            tracing::info!(uplink, %door, "a link to {} is up", self.terms.gateway.address);
        }
    }
}

/// The result of a step; never, if there is none.
async fn step(step: &mut Option<Step>) -> Done {
    match step {
        Some(step) => step.await,
        None => std::future::pending().await,
    }
}

/// Returns when a link is relied on that was not, or the other way round; tells which.
async fn reliance(entry: &Entry, news: &mut watch::Receiver<()>, was_relied_on: bool) -> bool {
    while entry.is_relied_on() == was_relied_on {
        if news.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
    !was_relied_on
}

/// Returns when the connection is over; never, if there is none.
async fn gone(connection: Option<&Connection>) {
    match connection {
        Some(connection) => connection.watch.gone().await,
        None => std::future::pending().await,
    }
}
