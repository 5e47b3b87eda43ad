//! Messages in frames, with few places.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use daemon::Shutdown;
use daemon::connections::{Limits, Listener};
use daemon::frames::{FrameService, Frames, Reply};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// Says each message again, sixty thousand times if it is "!", and ends after "bye".
struct Echo;

impl FrameService for Echo {
    async fn answer(&self, message: &[u8]) -> Reply {
        let message = if message == b"!" { vec![b'!'; 60_000] } else { message.to_vec() };
        Reply { is_last: message == b"bye", message }
    }
}

struct Server {
    address: SocketAddr,
    runtime: Runtime,
    shutdown: Shutdown,
    serving: JoinHandle<()>,
}

const MINUTE: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_millis(100);

/// Four places, and a minute for everything.
fn patient() -> Limits {
    Limits {
        connections: 4,
        headers: MINUTE,
        body: MINUTE,
        write: MINUTE,
        grace: MINUTE,
        ..Limits::default()
    }
}

impl Server {
    fn start(limits: Limits) -> Server {
        let (runtime, shutdown) = (Runtime::new().unwrap(), Shutdown::new());
        let bound = Listener::bind("127.0.0.1:0".parse().unwrap(), limits);
        let listener = runtime.block_on(bound).unwrap();
        let address = listener.address().unwrap();
        let serving = runtime.spawn(listener.serve(Frames(Arc::new(Echo)), shutdown.clone()));
        Server { address, runtime, shutdown, serving }
    }

    fn say(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(bytes).unwrap();
        stream
    }

    fn stop(self) {
        self.shutdown.request();
        self.runtime.block_on(self.serving).unwrap();
    }
}

/// Everything until the other side closes.
fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn messages_are_answered_in_order_until_the_last() {
    let server = Server::start(patient());
    let answers = rest(server.say(b"\0\x02hi\0\0\0\x03byeand what nobody reads"));
    assert_eq!(answers, b"\0\x02hi\0\0\0\x03bye");
    server.stop();
}

#[test]
fn a_crowd_of_silent_clients_makes_room() {
    let server = Server::start(patient());
    let crowd: Vec<TcpStream> = (0..12).map(|_| server.say(b"\xff\xffnot all of it")).collect();
    assert_eq!(rest(server.say(b"\0\x03bye")), b"\0\x03bye");
    drop(crowd);
    server.stop();
}

#[test]
fn a_client_that_is_silent_or_slow_is_closed() {
    let silent = Server::start(Limits { headers: MOMENT, ..patient() });
    assert_eq!(rest(silent.say(b"\0\x02hi")), b"\0\x02hi", "and then the time is over");
    silent.stop();
    let slow = Server::start(Limits { body: MOMENT, ..patient() });
    assert!(rest(slow.say(b"\0\x02h")).is_empty());
    slow.stop();
}

#[test]
fn a_client_that_never_reads_is_closed() {
    let server = Server::start(Limits { connections: 1, write: MOMENT, ..patient() });
    let greedy = server.say(&b"\0\x01!".repeat(1000));
    assert_eq!(rest(server.say(b"\0\x03bye")), b"\0\x03bye");
    drop(greedy);
    server.stop();
}

/// Sends something cheap without a pause, and reads the answers, until it is put out. `began` is met at the first.
fn ask_without_a_pause(mut stream: TcpStream, began: &Barrier) {
    let mut answers = stream.try_clone().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            answers.read_exact(&mut [0; 4]).unwrap();
            began.wait();
            // Until the other side closes.
            let _ = io::copy(&mut answers, &mut io::sink());
        });
        while stream.write_all(&b"\0\x02hi".repeat(100)).is_ok() {}
    });
}

/// None of the crowd is ever idle.
#[test]
fn a_crowd_that_asks_without_a_pause_does_not_keep_a_newcomer_out() {
    let server = Server::start(patient());
    let began = Barrier::new(5);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| ask_without_a_pause(server.say(b""), &began));
        }
        began.wait();
        let mut answer = Vec::new();
        let read = server.say(b"\0\x03bye").read_to_end(&mut answer);
        server.shutdown.request();
        assert_eq!((read.ok(), answer.as_slice()), (Some(5), &b"\0\x03bye"[..]));
    });
    server.stop();
}

/// A client that never reads its answers has a minute to do so, and is put out when its place is needed.
#[test]
fn a_client_that_never_reads_makes_room() {
    let server = Server::start(Limits { connections: 1, ..patient() });
    let greedy = server.say(&b"\0\x01!".repeat(1000));
    assert_eq!(rest(server.say(b"\0\x03bye")), b"\0\x03bye");
    drop(greedy);
    server.stop();
}

/// All places are taken, and the request waits to be accepted.
#[test]
fn a_stop_answers_who_waits_for_a_place() {
    let server = Server::start(Limits { connections: 1, ..patient() });
    let silent = server.say(b"\0\x05");
    let waiting = server.say(b"\0\x03bye");
    server.shutdown.request();
    assert_eq!(rest(waiting), b"\0\x03bye");
    assert!(rest(silent).is_empty());
    server.stop();
}

#[test]
fn a_client_that_asks_without_a_pause_does_not_delay_a_stop() {
    let server = Server::start(patient());
    let (stream, began) = (server.say(b""), Barrier::new(2));
    thread::scope(|scope| {
        scope.spawn(|| ask_without_a_pause(stream, &began));
        began.wait();
        let started = Instant::now();
        server.stop();
        assert!(started.elapsed() < MINUTE / 6, "{:?}", started.elapsed());
    });
}

#[test]
fn a_stop_answers_what_is_whole_and_waits_for_no_more() {
    let server = Server::start(patient());
    let (whole, part) = (server.say(b"\0\x02hi"), server.say(b"\0\x02h"));
    let mut answer = [0; 4];
    (&whole).read_exact(&mut answer).unwrap();
    server.stop();
    assert_eq!(&answer, b"\0\x02hi");
    assert!(rest(part).is_empty());
}
