//! One connection, from its first byte to its last.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use russh::Channel;
use russh::server::{Config as RusshConfig, Msg};
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Stream;
use crate::endpoint::house::House;
use crate::endpoint::lobby::Place;
use crate::endpoint::porter::Porter;
use crate::endpoint::refusal::brief;
use crate::endpoint::{Attendant, GRACE, Refusal};
use crate::stream::{Channels, Parting};
use crate::wire::{Watch, Wire};

/// One connection.
pub(super) struct Visit<A> {
    house: Arc<House>,
    attendant: Arc<A>,
    russh: Arc<RusshConfig>,
    place: Place,
    peer: SocketAddr,
    wire: BufReader<Wire>,
    watch: Watch,
}

/// Why a visit ended.
enum End {
    /// ssh ended, well or not.
    Ssh(Result<(), russh::Error>),
    /// No key was proved in time, or the place was wanted.
    Stranger,
    /// Nothing was heard for too long.
    Silent,
    /// The gateway stops.
    Stop,
}

impl<A: Attendant> Visit<A> {
    pub(super) fn new(
        house: Arc<House>,
        attendant: Arc<A>,
        russh: Arc<RusshConfig>,
        place: Place,
        (stream, peer): (TcpStream, SocketAddr),
    ) -> Visit<A> {
        let (wire, watch) = Wire::new(stream);
        Visit { house, attendant, russh, place, peer, wire, watch }
    }

    pub(super) async fn run(self, stop: CancellationToken) {
        let Visit { house, attendant, russh, place, peer, wire, watch } = self;
        let _cut = watch.cut_on_drop();
        let (admitted, leave) = (CancellationToken::new(), CancellationToken::new());
        let _leave = leave.clone().drop_guard();
        let tasks = TaskTracker::new();
        let scope = Scope {
            peer,
            watch: watch.clone(),
            admitted: admitted.clone(),
            leave: leave.clone(),
            tasks: tasks.clone(),
            parting: Parting::new(LINGER, tasks.clone(), leave.clone()),
            channels: Channels::default(),
        };
        let porter = Porter::new(Arc::clone(&house), attendant, scope);
        let ssh = async { russh::server::run_stream(russh, wire, porter).await?.await };
        tokio::pin!(ssh);
        let end = tokio::select! {
            ended = &mut ssh => End::Ssh(ended),
            () = stays_a_stranger(&house, place, &admitted) => End::Stranger,
            () = falls_silent(&house, &watch, &admitted) => End::Silent,
            () = stop.cancelled() => End::Stop,
        };
        watch.cut();
        if !matches!(end, End::Ssh(_)) && timeout(GRACE, ssh).await.is_err() {
            tracing::warn!(%peer, "an ssh connection does not end: nobody reads what came through it");
        }
        watch.forsake();
        leave.cancel();
        tasks.close();
        tasks.wait().await;
        end.tell(&house, peer, admitted.is_cancelled());
    }
}

/// What a visit, its porter and its sessions share.
#[derive(Clone)]
pub(super) struct Scope {
    pub(super) peer: SocketAddr,
    pub(super) watch: Watch,
    /// Cancelled when a key was proved.
    pub(super) admitted: CancellationToken,
    /// Cancelled when the connection is over.
    pub(super) leave: CancellationToken,
    /// Whoever attends; all end when `leave` is cancelled.
    pub(super) tasks: TaskTracker,
    parting: Parting,
    pub(super) channels: Channels,
}

/// For a signer's end to close what was let go here. Its own lingers for less.
const LINGER: Duration = Duration::from_secs(2);

impl Scope {
    /// What comes through a channel that was opened just now.
    pub(super) fn stream(&self, channel: Channel<Msg>) -> Stream {
        if self.channels.open() {
            tracing::info!(peer = %self.peer, "a connection is worn out, and has to be made anew");
            self.watch.cut();
        }
        Stream::new(channel.into_stream(), self.parting.clone())
    }
}

/// Returns when somebody without a key has to go.
async fn stays_a_stranger(house: &House, place: Place, admitted: &CancellationToken) {
    tokio::select! {
        () = admitted.cancelled() => {
            drop(place);
            std::future::pending().await
        }
        () = sleep(house.limits.login) => {}
        () = place.has_to_go() => {}
    }
}

/// Returns when a guest is dead.
async fn falls_silent(house: &House, watch: &Watch, admitted: &CancellationToken) {
    admitted.cancelled().await;
    watch.silence(house.limits.silent).await;
}

impl End {
    fn tell(&self, house: &House, peer: SocketAddr, was_admitted: bool) {
        match self {
            End::Stranger => {
                if let Some(suppressed) = house.refuse(Refusal::Login, None) {
                    tracing::warn!(%peer, "refused: {}{suppressed}", Refusal::Login);
                }
            }
            End::Ssh(Err(error)) if !was_admitted && is_nonsense(error) => {
                if let Some(suppressed) = house.refuse(Refusal::Protocol, None) {
                    let error = brief(&error.to_string());
                    tracing::warn!(%peer, "refused: {} ({error}){suppressed}", Refusal::Protocol);
                }
            }
            End::Silent => {
                let silent = house.limits.silent.as_secs();
                tracing::warn!(%peer, "a connection is dead: nothing heard for {silent} s");
            }
            End::Ssh(Err(error)) => tracing::debug!(%peer, %error, "a connection ended badly"),
            End::Ssh(Ok(())) | End::Stop => {}
        }
    }
}

/// Whether what came was not ssh. One that just went away is no news: probes do so.
fn is_nonsense(error: &russh::Error) -> bool {
    !matches!(
        error,
        russh::Error::Disconnect
            | russh::Error::HUP
            | russh::Error::IO(_)
            | russh::Error::SendError
    )
}
