//! The gateway's `[monitor]`: what every daemon shows there, and a page for people.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use daemon::http::{Body, HttpService};
use daemon::monitor::{Monitor, MonitorResponse, json};
use futures_util::stream::{Stream, unfold};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Request, Response, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::page;
use crate::status::Status;

/// Answers at `[monitor]`.
#[derive(Debug)]
pub(crate) struct MonitorApi {
    monitor: Monitor,
    status: Status,
    /// For pages that are open: one that is drawn each second is not free.
    viewers: Arc<Semaphore>,
}

const MAX_VIEWERS: usize = 8;
const DRAW_EVERY: Duration = Duration::from_secs(1);
/// A comment, in the place of an event.
const UNCHANGED: &str = ":\n\n";
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");

/// A body that is whole, or that goes on as long as a page is open.
type Reply = UnsyncBoxBody<Bytes, Infallible>;

impl MonitorApi {
    pub(crate) fn new(monitor: Monitor, status: Status) -> MonitorApi {
        MonitorApi { monitor, status, viewers: Arc::new(Semaphore::new(MAX_VIEWERS)) }
    }

    fn page(&self) -> MonitorResponse {
        let html = page::page(&self.status.report());
        let mut response = Response::new(Full::new(Bytes::from(html)));
        let headers = response.headers_mut();
        *headers = page::headers();
        headers.insert(CONTENT_TYPE, HTML);
        response
    }

    /// The content of the page, drawn anew while it is open.
    fn events(&self) -> Response<Reply> {
        let Ok(permit) = Arc::clone(&self.viewers).try_acquire_owned() else {
            let text = format!("{MAX_VIEWERS} pages are open already; close one\n");
            let mut response = Response::new(Full::new(Bytes::from(text)));
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            return whole(response);
        };
        let mut response = Response::new(StreamBody::new(self.drawings(permit)).boxed_unsync());
        let headers: &mut HeaderMap = response.headers_mut();
        *headers = page::headers();
        headers.insert(CONTENT_TYPE, EVENTS);
        response
    }
}

impl MonitorApi {
    /// An event each second, in which the content has changed; a comment in one in which it has not, which shows a
    /// client that is gone. It ends with the connection.
    fn drawings(
        &self,
        permit: OwnedSemaphorePermit,
    ) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> + use<> {
        let mut tick = interval(DRAW_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let drawn = Drawn {
            monitor: self.monitor.clone(),
            status: self.status.clone(),
            last: String::new(),
            tick,
            _permit: permit,
        };
        unfold(drawn, |mut drawn| async move {
            let event = drawn.next().await;
            Some((Ok(Frame::data(Bytes::from(event))), drawn))
        })
    }
}

/// A page that is open.
struct Drawn {
    monitor: Monitor,
    status: Status,
    last: String,
    tick: Interval,
    _permit: OwnedSemaphorePermit,
}

impl Drawn {
    async fn next(&mut self) -> String {
        self.tick.tick().await;
        // When too many wait, it is drawn a second later.
        let Ok(_turn) = self.monitor.turn().await else { return UNCHANGED.to_owned() };
        let content = page::content(&self.status.report());
        if content == self.last {
            return UNCHANGED.to_owned();
        }
        let event = event(&content);
        self.last = content;
        event
    }
}

impl HttpService for MonitorApi {
    type Reply = Reply;

    async fn answer(&self, request: Request<Body>) -> Response<Reply> {
        if let Err(refused) = self.monitor.admit(request.headers(), request.uri().path()) {
            return whole(refused);
        }
        match request.uri().path() {
            "/" => whole(self.monitor.in_turn(|| self.page()).await),
            "/events" => self.events(),
            "/status" => whole(self.monitor.in_turn(|| json(&self.status.report())).await),
            path => whole(self.monitor.show(path).await),
        }
    }
}

fn whole(response: MonitorResponse) -> Response<Reply> {
    response.map(BodyExt::boxed_unsync)
}

/// As server-sent events are written: each line of the data by itself.
fn event(content: &str) -> String {
    let lines: Vec<String> = content.lines().map(|line| format!("data: {line}\n")).collect();
    lines.concat() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_an_event_is_data() {
        assert_eq!(event("<p>\nevent: stop\n</p>"), "data: <p>\ndata: event: stop\ndata: </p>\n\n");
    }
}
