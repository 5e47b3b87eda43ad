//! Serves pages of samples, as the gateway serves its own.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use gateway::page;
use gateway::report::GatewayReport;

use crate::sample;

/// Serves `/SAMPLE/`, and `/SAMPLE/events`; `/turn/SAMPLE` is the sample of the events from then on, and `/turn/off`
/// ends them.
pub(crate) struct Server(SocketAddr);

/// Open streams of events, and whether new ones are refused.
#[derive(Default)]
struct Events {
    streams: Vec<TcpStream>,
    are_off: bool,
}

impl Server {
    pub(crate) fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let events = Arc::new(Mutex::new(Events::default()));
        // They end with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let events = Arc::clone(&events);
                thread::spawn(move || answer(stream, &events));
            }
        });
        Server(address)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0)
    }
}

/// The browser closes connections as it likes: an error ends this one.
fn answer(mut stream: TcpStream, events: &Mutex<Events>) {
    let Some(path) = path(&stream) else { return };
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let _ = match parts.as_slice() {
        ["turn", name] => turn(&mut stream, events, name),
        [_, "events"] => open(stream, events),
        [name] => match report(name) {
            Some(report) => respond(&mut stream, &page::page(&report)),
            None => write!(stream, "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"),
        },
        _ => write!(stream, "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"),
    };
}

/// Of one request; its headers are read and not looked at.
fn path(stream: &TcpStream) -> Option<String> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    lines.find(String::is_empty)?;
    Some(path)
}

fn respond(stream: &mut TcpStream, body: &str) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\n")?;
    for (name, value) in &page::headers() {
        write!(stream, "{name}: {}\r\n", value.to_str().unwrap())?;
    }
    write!(stream, "content-length: {}\r\n\r\n{body}", body.len())
}

fn open(mut stream: TcpStream, events: &Mutex<Events>) -> std::io::Result<()> {
    let mut events = events.lock().unwrap();
    if events.are_off {
        return write!(stream, "HTTP/1.1 503 Unavailable\r\ncontent-length: 0\r\n\r\n");
    }
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")?;
    events.streams.push(stream);
    Ok(())
}

/// To every page that is open.
fn turn(stream: &mut TcpStream, events: &Mutex<Events>, name: &str) -> std::io::Result<()> {
    let mut events = events.lock().unwrap();
    events.are_off = name == "off";
    match report(name) {
        Some(report) => {
            let event = format!("data: {}\n\n", page::content(&report));
            events.streams.retain_mut(|stream| stream.write_all(event.as_bytes()).is_ok());
        }
        None => events.streams.clear(),
    }
    let open = events.streams.len().to_string();
    respond(stream, &open)
}

fn report(name: &str) -> Option<GatewayReport> {
    let report = match name {
        "well" => sample::well(),
        "single" => sample::single(),
        "shared" => sample::shared(),
        "wrong" => sample::wrong(),
        "unsure" => sample::unsure(),
        "empty" => sample::empty(),
        "not-connected" => sample::not_connected(),
        "twenty" => sample::twenty(),
        "hostile" => sample::hostile(),
        _ => return None,
    };
    Some(report)
}
