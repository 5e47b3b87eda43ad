//! What becomes of streams that are let go.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tunnel::endpoint::Limits;
use tunnel::home::Home;
use tunnel::{Identity, Stream};

use crate::ends::{Cloud, LIMIT, PORT, Signer, echo_server, echoes, gone, loopback};
use crate::log::Log;
use crate::stock::{Destination, Folder, Program};

/// More than a connection may have that the peer has not closed.
const MANY: usize = 5_000;

#[tokio::test]
async fn any_number_of_streams_goes_through_one_stock_ssh() {
    let folder = Folder::new();
    let key = folder.key("ed25519", 0);
    let mut cloud = Cloud::with(&[key.public()]).await;
    let destination = Destination::new(&folder, cloud.address, &cloud.host_key.public());
    let forwards = [(PORT, echo_server().await)];
    let _ssh = Program::start(destination.forwarding(&key, &forwards), &folder);
    let session = cloud.session().await;
    for count in 0..MANY {
        assert!(echoes(&session).await, "{count}");
    }
}

/// One of two russh has to close first, and keeps a little of each stream that it closes.
#[tokio::test]
async fn a_connection_at_its_channel_limit_is_replaced() {
    let log = Log::start();
    let identity = Identity::generate("home").unwrap();
    let mut cloud = Cloud::with(&[identity.public()]).await;
    let signer = Signer::dial(&identity, cloud.address, cloud.host_key.public());
    let mut session = cloud.session().await;
    for _ in 0..MANY {
        if !echoes(&session).await {
            gone(&session).await;
            session = cloud.session().await;
        }
    }
    assert_eq!(signer.status.links()[0].ups, 2);
    assert_eq!(log.lines_with(&["channel limit reached, reconnecting"]).len(), 1);
    assert_eq!(log.lines_with(&["closed the connection"]).len(), 0);
    signer.stop().await;
}

/// A signer's end that hands its streams to the test.
async fn signer_without_http(cloud: &Cloud, identity: &Identity) -> mpsc::Receiver<Stream> {
    let host_key = cloud.host_key.public();
    let (home, _) = Home::new(Signer::config(identity, PORT, cloud.address, host_key));
    let (send, streams) = mpsc::channel(16);
    tokio::spawn(home.run(send, CancellationToken::new()));
    streams
}

async fn ends(stream: &mut Stream) -> bool {
    let read = timeout(LIMIT, stream.read(&mut [0; 1])).await;
    matches!(read, Ok(Ok(0)))
}

#[tokio::test]
async fn a_stream_that_one_side_drops_ends_on_the_other() {
    let identity = Identity::generate("home").unwrap();
    let mut cloud = Cloud::with(&[identity.public()]).await;
    let mut streams = signer_without_http(&cloud, &identity).await;
    let session = cloud.session().await;

    let here = session.open(loopback()).await.unwrap();
    let mut there = streams.recv().await.unwrap();
    drop(here);
    assert!(ends(&mut there).await);

    let mut here = session.open(loopback()).await.unwrap();
    let there = streams.recv().await.unwrap();
    drop(there);
    assert!(ends(&mut here).await);
}

/// As when an answer was wanted sooner from somewhere else.
#[tokio::test]
async fn a_stream_that_opens_after_its_caller_was_dropped_is_closed() {
    let identity = Identity::generate("home").unwrap();
    let mut cloud = Cloud::with(&[identity.public()]).await;
    let mut streams = signer_without_http(&cloud, &identity).await;
    let session = cloud.session().await;
    for _ in 0..10 {
        tokio::select! {
            biased;
            _ = session.open(loopback()) => panic!("so soon?"),
            () = std::future::ready(()) => {}
        }
        let mut there = timeout(LIMIT, streams.recv()).await.unwrap().unwrap();
        assert!(ends(&mut there).await);
    }
}

/// russh waits for a reader that stalls. The end of the connection does not wait for russh.
#[tokio::test]
async fn a_stream_that_is_not_read_does_not_keep_a_dead_connection() {
    let identity = Identity::generate("home").unwrap();
    let limits = Limits { silent: Duration::from_secs(2), ..Limits::default() };
    let host_key = Identity::generate("host").unwrap();
    let mut cloud = Cloud::at(loopback(), host_key, &[identity.public()], limits).await;
    let mut streams = signer_without_http(&cloud, &identity).await;
    let session = cloud.session().await;
    let _unread = session.open(loopback()).await.unwrap();
    let mut there = streams.recv().await.unwrap();
    let flood = tokio::spawn(async move { while there.write_all(&[0; 1024]).await.is_ok() {} });
    gone(&session).await;
    assert!(session.open(loopback()).await.is_err());
    flood.abort();
}
