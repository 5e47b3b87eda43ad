//! What may listen where a node exporter should.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use tokio::time::Instant;

use super::*;

/// Answers each connection on a thread, one after the other.
pub(super) struct Server {
    address: SocketAddr,
    is_stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn new(answer: impl Fn(&mut TcpStream) + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let is_stopped = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&is_stopped);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                answer(&mut stream.unwrap());
            }
        });
        Server { address, is_stopped, thread: Some(thread) }
    }

    /// Takes connections and says nothing.
    pub(super) fn silent() -> Server {
        Server::new(until_closed)
    }

    /// After a request it answers so, and closes.
    fn says(answer: impl AsRef<[u8]> + Send + 'static) -> Server {
        Server::new(move |stream| {
            read_request(stream);
            // The reader may have seen enough.
            let _ = stream.write_all(answer.as_ref());
        })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/metrics", self.address)
    }
}

fn until_closed(stream: &mut TcpStream) {
    let mut buffer = [0; 1024];
    while stream.read(&mut buffer).is_ok_and(|count| count > 0) {}
}

fn read_request(stream: &mut TcpStream) {
    let (mut request, mut byte) = (Vec::new(), [0]);
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count > 0) {
        request.extend(byte);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Our own metrics are shown, and why not the exporter's.
async fn is_not_passed_through(server: &Server, why: &str) {
    is_not_passed_through_within(LONG, server, why).await;
}

async fn is_not_passed_through_within(limit: Duration, server: &Server, why: &str) {
    let host = with_exporter(&server.url(), limit);
    let asked = Instant::now();
    let text = host.text().await;
    assert!(asked.elapsed() < 5 * limit, "{why}: {:?}", asked.elapsed());
    assert!(text.contains("peel_signer_node_exporter_up 0\n"), "{why}: {text}");
    assert!(text.contains("\nnode_load1 "), "{why}: {text}");
    assert!(!text.contains("node_evil"), "{why}: {text}");
    let complaint = host.0.complaint.lock().clone().unwrap();
    assert!(complaint.contains(why), "{why} is not in {complaint}");
    assert!(complaints(&text).iter().all(|line| is_of_kernel(line)), "{text}");
}

#[tokio::test]
async fn an_exporter_that_is_silent_is_given_up_within_its_limit() {
    let (limit, why) = (Duration::from_secs(1), "has not answered within 1s");
    is_not_passed_through_within(limit, &Server::silent(), why).await;
    let stalls = Server::new(|stream| {
        read_request(stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nnode_evil 1\n");
        until_closed(stream);
    });
    is_not_passed_through_within(limit, &stalls, why).await;
}

#[tokio::test]
async fn an_exporter_that_never_ends_is_cut_at_its_limit() {
    let endless = Server::new(|stream| {
        read_request(stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        let line = "node_evil 1\n".repeat(1000);
        while stream.write_all(line.as_bytes()).is_ok() {}
    });
    is_not_passed_through(&endless, "longer than 2 MiB").await;
    let head = Server::new(|stream| {
        read_request(stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(b"x: node_evil\r\n").is_ok() {}
    });
    is_not_passed_through(&head, "does not answer in HTTP").await;
}

#[tokio::test]
async fn an_exporter_that_answers_something_else_is_not_passed_through() {
    let garbage: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    is_not_passed_through(&Server::says(garbage), "does not answer in HTTP").await;
    is_not_passed_through(&Server::says(""), "does not answer in HTTP").await;
    let cut = Server::says("HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\nnode_evil 1\n");
    is_not_passed_through(&cut, "breaks off").await;
    let page = Server::says(ok("<html>node_evil 1</html>\ngo_threads 1\n"));
    is_not_passed_through(&page, "no metric whose name begins with node_").await;
    let broken = Server::says("HTTP/1.1 500 Oh\r\ncontent-length: 12\r\n\r\nnode_evil 1\n");
    is_not_passed_through(&broken, "HTTP status 500").await;
}

/// It would lead to another computer.
#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Server::says(ok("node_evil 1\n"));
    let answer =
        format!("HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", other.url());
    is_not_passed_through(&Server::says(answer), "HTTP status 302").await;
}

#[tokio::test]
async fn what_is_half_broken_is_shown_as_far_as_prometheus_reads_it() {
    let body = "# TYPE node_a gauge\nnode_a 1\n# TYPE node_a gauge\nnode_a 1\nnode_a{x=\"\n\
                node_b 1e999\npeel_signer_link_up 1\n# TYPE node_c histogram\nnode_c 1\nnode_c{le=\"x\"} 2\n";
    let server = Server::says(ok(body));
    let text = with_exporter(&server.url(), LONG).text().await;
    assert!(
        text.starts_with(
            "# TYPE node_a gauge\nnode_a 1\nnode_c 1\nnode_c{le=\"x\"} 2\n# HELP peel"
        ),
        "{text}"
    );
    complaints(&text);
}

/// Lines of the real exporter with letters changed, added and gone.
#[test]
fn of_what_is_garbled_only_what_prometheus_reads_is_shown() {
    const LETTERS: &[u8] = b"{}\",=\\#_: \t\r\n0+.eNx\x00\xff";
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below).unwrap()).unwrap()
    };
    let real = RealExporter::here().text();
    let mut garbled = Vec::new();
    for line in real.lines().filter(|line| line.contains("node_")).cycle().take(5000) {
        let mut line = line.as_bytes().to_vec();
        for _ in 0..random(3) {
            let at = random(line.len() - 1);
            let letter = LETTERS[random(LETTERS.len())];
            match random(3) {
                0 => line[at] = letter,
                1 => line.insert(at, letter),
                _ => drop(line.remove(at)),
            }
        }
        garbled.extend(line);
        garbled.push(b'\n');
    }
    let shown = passed_through::filtered(&garbled);
    assert!(shown.lines().count() > 500, "{shown}");
    complaints(&shown);
}

#[tokio::test]
async fn an_exporter_that_is_back_is_passed_through_again() {
    let is_back = Arc::new(AtomicBool::new(false));
    let back = Arc::clone(&is_back);
    let server = Server::new(move |stream| {
        read_request(stream);
        let bad = "HTTP/1.1 503 Soon\r\ncontent-length: 0\r\n\r\n".to_owned();
        let answer = if back.load(Ordering::Relaxed) { ok("node_a 1\n") } else { bad };
        let _ = stream.write_all(answer.as_bytes());
    });
    let host = with_exporter(&server.url(), LONG);
    assert!(host.text().await.contains("peel_signer_node_exporter_up 0\n"));
    is_back.store(true, Ordering::Relaxed);
    host.forget();
    let text = host.text().await;
    assert!(text.starts_with("node_a 1\n# HELP peel_signer_node_exporter_up"), "{text}");
    assert!(host.0.complaint.lock().is_none());
}
