//! What `[monitor]` shows: the signers' metrics and states, and a page.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::fake_signer::Script;
use crate::fixture::{BODY, Fixture, KEY, LIMIT, NOBODYS_KEY, OTHER_KEY, exchange, until};

/// A fact of a key.
fn key(name: &str, state: &str, verdict: &str) -> String {
    format!(
        "{{\"group\":\"key\",\"subject\":\"{name}\",\"state\":\"{state}\",\"verdict\":\"{verdict}\",\"line\":\"enter the PIN\"}}"
    )
}

/// With these metrics.
fn showing(key: &str, metrics: &str) -> Arc<Script> {
    let script = Script::with(&[key]);
    *script.metrics.lock().unwrap() = Some(metrics.to_owned());
    script
}

/// A report with these facts.
fn report(facts: &[String]) -> String {
    let (is_ready, facts) = (!facts.concat().contains("failed"), facts.join(","));
    format!(
        "{{\"daemon\":\"signer\",\"version\":\"0.1.0\",\"started\":1,\"now\":2,\"ready\":{is_ready},\"facts\":[{facts}]}}"
    )
}

const READY: &str =
    "# HELP peel_signer_ready Ready.\n# TYPE peel_signer_ready gauge\npeel_signer_ready 1\n";

#[tokio::test]
async fn the_metrics_of_each_signer_are_shown_with_its_name() {
    let fixture = Fixture::with(&[None, None]).await;
    let _one = fixture.heard_signer(0, &showing(KEY, READY)).await;
    let _other = fixture.heard_signer(1, &showing(OTHER_KEY, READY)).await;
    let metrics = fixture.metrics().await;
    for at in 0..2 {
        for line in [
            format!("peel_signer_ready{{signer=\"signer{at}\"}} 1\n"),
            format!("peel_gateway_signer_scraped{{signer=\"signer{at}\"}} 1\n"),
        ] {
            assert!(metrics.contains(&line), "{line} is not in\n{metrics}");
        }
    }
    assert_eq!(metrics.matches("# TYPE peel_signer_ready gauge").count(), 1, "{metrics}");
}

/// A line that is silent, a computer that stands still.
#[tokio::test]
async fn a_signer_that_never_answers_holds_up_no_scrape() {
    let fixture = Fixture::with(&[None, None]).await;
    let _silent = fixture.heard_signer(0, &Script::with(&[KEY])).await;
    let _other = fixture.heard_signer(1, &showing(OTHER_KEY, READY)).await;
    let reply = fixture.get_at(fixture.monitor, "/metrics").await;
    assert!(reply.took < Duration::from_secs(5), "{:?}", reply.took);
    assert!(
        reply.body.contains("peel_gateway_signer_scraped{signer=\"signer0\"} 0"),
        "{}",
        reply.body
    );
    assert!(reply.body.contains("peel_signer_ready{signer=\"signer1\"} 1"), "{}", reply.body);
    let facts = fixture.get_at(fixture.monitor, "/readyz").await;
    assert!(facts.took < Duration::from_secs(5), "{:?}", facts.took);
}

/// The owner of one signer's box writes nothing into the others' or the gateway's figures.
#[tokio::test]
async fn a_signer_shows_nothing_that_is_not_its_own() {
    let evil = "# TYPE peel_gateway_ready gauge\npeel_gateway_ready 770077\n\
                # TYPE process_open_fds gauge\nprocess_open_fds 770077\n\
                # TYPE peel_signer_ready gauge\npeel_signer_ready{signer=\"signer1\"} 770077\n\
                peel_signer_ready{x=\"\n\"} 770077\npeel_signer_ready{x=\"\\\"} 770077\npeel_signer_ready 770077e\n\
                # TYPE peel_signer_links gauge\npeel_signer_links{a=\"}\"} 1\n";
    let fixture = Fixture::with(&[None, None]).await;
    let _evil = fixture.heard_signer(0, &showing(KEY, evil)).await;
    let _other = fixture.heard_signer(1, &showing(OTHER_KEY, READY)).await;
    let metrics = fixture.metrics().await;
    assert!(!metrics.contains("770077"), "{metrics}");
    assert!(metrics.contains("peel_signer_links{signer=\"signer0\",a=\"}\"} 1\n"), "{metrics}");
    assert!(metrics.contains("peel_signer_ready{signer=\"signer1\"} 1\n"), "{metrics}");
}

/// Its tunnel stands, and no vote is signed.
#[tokio::test]
async fn a_signer_that_cannot_sign_is_not_ready_and_neither_is_its_gateway() {
    let fixture = Fixture::with(&[None]).await;
    let script = showing(KEY, READY);
    *script.report.lock().unwrap() = Some(report(&[key("baker", "device_locked", "failed")]));
    let _signer = fixture.heard_signer(0, &script).await;
    let ready = async || fixture.get_at(fixture.monitor, "/readyz").await;
    until("the gateway has heard it", async || ready().await.status == 503).await;
    let facts = ready().await.body;
    let line = "[-] signer_signer0: key_baker: enter the PIN";
    assert!(facts.lines().any(|own| own == line), "{facts}");
    assert!(fixture.metrics().await.contains("peel_gateway_signer_ready{signer=\"signer0\"} 0"));
    let status = fixture.get_at(fixture.monitor, "/status").await.body;
    assert!(status.contains("\"state\":\"not_ready\""), "{status}");
    *script.report.lock().unwrap() = Some(report(&[key("baker", "ready", "good")]));
    until("it is ready again", async || ready().await.status == 200).await;
    let metrics = fixture.metrics().await;
    let state = "peel_gateway_signer_state{signer=\"signer0\",state=\"ready\"} 1";
    assert!(metrics.contains(state), "{metrics}");
}

/// A second key whose Ledger is locked, a second chain without a mark.
#[tokio::test]
async fn a_key_that_cannot_sign_takes_no_other_keys_votes_away() {
    let fixture = Fixture::with(&[None]).await;
    let script = showing(KEY, READY);
    let facts = [key("baker", "ready", "good"), key("spare", "device_locked", "failed")];
    *script.report.lock().unwrap() = Some(report(&facts));
    let _signer = fixture.heard_signer(0, &script).await;
    let ready = async || fixture.get_at(fixture.monitor, "/readyz").await;
    until("the gateway has heard it", async || ready().await.body.contains("key_spare")).await;
    let facts = ready().await;
    assert_eq!(facts.status, 200, "{}", facts.body);
    assert!(facts.body.contains("[-] signer_signer0: key_spare: enter the PIN"), "{}", facts.body);
}

/// All of its facts are good, and no vote is signed: a mark that was set too high, for instance.
#[tokio::test]
async fn a_signer_whose_answers_are_no_signatures_is_not_well() {
    let fixture = Fixture::with(&[None]).await;
    let script = showing(KEY, READY);
    *script.report.lock().unwrap() = Some(report(&[key("baker", "ready", "good")]));
    *script.refusal.lock().unwrap() = Some((500, "[]".to_owned()));
    let _signer = fixture.heard_signer(0, &script).await;
    for _ in 0..3 {
        fixture.sign(KEY).await;
    }
    let line = "[-] signer_signer0: its last 3 answers were no signatures; its log says why";
    let ready = async || fixture.get_at(fixture.monitor, "/readyz").await.body;
    until("it is told", async || ready().await.lines().any(|own| own == line)).await;
    *script.refusal.lock().unwrap() = None;
    fixture.sign(KEY).await;
    assert!(ready().await.contains("[+] signer_signer0"), "{}", ready().await);
}

/// An older version, or one whose device has died behind a living tunnel.
#[tokio::test]
async fn a_signer_that_says_nothing_of_itself_is_known_by_its_answers() {
    let fixture = Fixture::with(&[None]).await;
    let script = showing(KEY, READY);
    *script.refusal.lock().unwrap() = Some((502, "[]".to_owned()));
    let _signer = fixture.heard_signer(0, &script).await;
    let status = async || fixture.get_at(fixture.monitor, "/status").await.body;
    assert!(status().await.contains("\"state\":\"connected\""), "{}", status().await);
    for _ in 0..3 {
        fixture.sign(KEY).await;
    }
    until("it is told", async || status().await.contains("\"state\":\"not_signing\"")).await;
    *script.refusal.lock().unwrap() = None;
    fixture.sign(KEY).await;
    assert!(status().await.contains("\"state\":\"connected\""), "{}", status().await);
}

/// Every signer is well, and gateway.toml names the key that was changed at home.
#[tokio::test]
async fn a_gateway_that_asks_no_signer_for_a_vote_does_not_say_that_all_is_well() {
    let fixture = Fixture::with(&[Some(&[KEY])]).await;
    let script = showing(KEY, READY);
    *script.report.lock().unwrap() = Some(report(&[key("baker", "ready", "good")]));
    let _signer = fixture.heard_signer(0, &script).await;
    let facts = async || fixture.get_at(fixture.monitor, "/readyz").await;
    until("the signer is well", async || facts().await.body.contains("[+] signer_signer0")).await;
    for _ in 0..2 {
        assert_eq!(fixture.sign(NOBODYS_KEY).await.status, 500);
    }
    assert!(facts().await.body.contains("[+] requests: ok\n"), "{}", facts().await.body);
    fixture.sign(NOBODYS_KEY).await;
    let facts = facts().await;
    let line = "[-] requests: several requests to sign were asked of no signer: no signer says that it has";
    assert!(facts.body.contains(line), "{}", facts.body);
    assert_eq!(facts.status, 200, "a client that asks for nonsense takes no gateway away");
}

#[tokio::test]
async fn without_a_signer_the_gateway_is_not_ready() {
    let fixture = Fixture::with(&[None]).await;
    let facts = fixture.get_at(fixture.monitor, "/readyz").await;
    assert_eq!(facts.status, 503);
    assert!(facts.body.contains("[-] signers: no signer is connected"), "{}", facts.body);
}

/// Each request that a baker sends is in one series, whatever became of it.
#[tokio::test]
async fn every_signing_request_is_counted() {
    let fixture = Fixture::with(&[Some(&[KEY]), Some(&[OTHER_KEY])]).await;
    let count = async |labels: &str| -> u64 {
        let metrics = fixture.metrics().await;
        let line = format!("peel_gateway_requests_total{{{labels}}} ");
        let value = metrics.lines().find_map(|own| own.strip_prefix(&line));
        value.unwrap_or_else(|| panic!("{line} is not in\n{metrics}")).parse().unwrap()
    };
    let post = |reason| format!("signer=\"\",call=\"sign\",result=\"refused\",reason=\"{reason}\"");
    let unanswered =
        "signer=\"signer0\",call=\"sign\",result=\"unanswered\",reason=\"not_connected\"";
    let declined = "signer=\"signer1\",call=\"sign\",result=\"declined\",reason=\"\"";
    let answered = "signer=\"signer1\",call=\"sign\",result=\"answered\",reason=\"\"";
    let all: Vec<String> = ["no_signer", "malformed", "media", "web_page"].map(post).into();
    for labels in all.iter().map(String::as_str).chain([unanswered, declined, answered]) {
        assert_eq!(count(labels).await, 0, "{labels}");
    }
    let script = showing(OTHER_KEY, READY);
    let _signer = fixture.heard_signer(1, &script).await;
    fixture.sign(NOBODYS_KEY).await;
    fixture.sign(KEY).await;
    fixture.sign(OTHER_KEY).await;
    *script.refusal.lock().unwrap() = Some((500, "[]".to_owned()));
    fixture.sign(OTHER_KEY).await;
    let request = |headers: &str, body: &str| {
        format!(
            "POST /keys/{KEY} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    exchange(fixture.http, &request("content-type: application/json\r\n", "\"1")).await;
    exchange(fixture.http, &request("content-type: text/html\r\n", BODY)).await;
    exchange(fixture.http, &request("origin: http://evil.example\r\n", BODY)).await;
    for labels in all.iter().map(String::as_str).chain([unanswered, declined, answered]) {
        assert_eq!(count(labels).await, 1, "{labels}");
    }
}

/// It is read by a person, and not by a page of another site, nor under a name that was made to lead here.
#[tokio::test]
async fn the_monitor_answers_no_page_of_another_site() {
    let fixture = Fixture::with(&[None]).await;
    let ask = async |headers: &str| {
        let request = format!("GET /status HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
        exchange(fixture.monitor, &request).await.status
    };
    assert_eq!(ask("host: localhost\r\n").await, 200);
    assert_eq!(ask("host: localhost\r\nsec-fetch-site: none\r\n").await, 200);
    assert_eq!(ask("host: localhost\r\nsec-fetch-site: same-origin\r\n").await, 200);
    assert_eq!(ask("host: localhost\r\nsec-fetch-site: cross-site\r\n").await, 403);
    assert_eq!(ask("host: localhost\r\norigin: http://evil.example\r\n").await, 403);
    assert_eq!(ask("host: evil.example\r\n").await, 403);
}

#[tokio::test]
async fn more_requests_than_are_of_use_are_told_to_wait() {
    let fixture = Fixture::with(&[None]).await;
    let mut stream = TcpStream::connect(fixture.monitor).await.unwrap();
    let asked = "GET /nothing HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(500)
        + "GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let mut answers = String::new();
    let exchanging = async {
        let (mut reader, mut writer) = stream.split();
        let (written, read) =
            tokio::join!(writer.write_all(asked.as_bytes()), reader.read_to_string(&mut answers));
        written.unwrap();
        read.unwrap();
    };
    timeout(LIMIT, exchanging).await.expect("no answer");
    assert!(answers.contains("HTTP/1.1 404 Not Found"), "{answers}");
    assert!(answers.contains("HTTP/1.1 429 Too Many Requests"), "{answers}");
    assert!(answers.contains("retry-after: 1"), "{answers}");
    // A probe is answered all the same.
    assert!(answers.ends_with("[+] running: ok\n"), "{answers}");
}

/// At a port of bakers, of a gateway whose signer never answers: the metrics take two seconds.
#[tokio::test]
async fn a_crowd_that_asks_for_metrics_does_not_wait_for_them() {
    let fixture = Fixture::with(&[None]).await;
    let _silent = fixture.heard_signer(0, &Script::with(&[KEY])).await;
    let crowd = join_all((0..32).map(|_| fixture.get("/healthz"))).await;
    let answered = |status| crowd.iter().filter(move |reply| reply.status == status);
    assert!(answered(200).count() >= 1, "{crowd:?}");
    let busy = answered(429).next().expect("all of them wait");
    assert!(busy.body.contains("ask again in a second"), "{busy:?}");
}

/// A page that stays open.
struct Viewer(TcpStream);

impl Viewer {
    async fn open(fixture: &Fixture) -> (Viewer, String) {
        let mut stream = TcpStream::connect(fixture.monitor).await.unwrap();
        let asked =
            b"GET /events HTTP/1.1\r\nhost: localhost\r\nsec-fetch-site: same-origin\r\n\r\n";
        stream.write_all(asked).await.unwrap();
        let mut viewer = Viewer(stream);
        let head = viewer.read_until("\r\n\r\n").await;
        (viewer, head)
    }

    async fn read_until(&mut self, end: &str) -> String {
        let mut text = String::new();
        let reading = async {
            while !text.ends_with(end) {
                text.push(char::from(self.0.read_u8().await.unwrap()));
            }
        };
        timeout(LIMIT, reading).await.expect("no answer");
        text
    }
}

#[tokio::test]
async fn an_open_page_is_drawn_anew_until_the_gateway_stops() {
    let fixture = Fixture::with(&[None]).await;
    let page = fixture.get_at(fixture.monitor, "/").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("signer0"), "{}", page.body);
    let (mut viewer, head) = Viewer::open(&fixture).await;
    assert!(head.contains("text/event-stream"), "{head}");
    for _ in 0..2 {
        let event = viewer.read_until("\n\n").await;
        assert!(event.contains("data: "), "{event}");
    }
    fixture.stop().await;
    let mut rest = Vec::new();
    // Cut, or ended: not held open.
    let _ = timeout(LIMIT, viewer.0.read_to_end(&mut rest)).await.expect("it stays open");
}

#[tokio::test]
async fn only_so_many_pages_are_open_at_once() {
    let fixture = Fixture::with(&[None]).await;
    let mut viewers = Vec::new();
    for _ in 0..8 {
        let (viewer, head) = Viewer::open(&fixture).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        viewers.push(viewer);
    }
    let (_one_more, head) = Viewer::open(&fixture).await;
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    viewers.pop();
    until("a page that was closed makes room", async || {
        Viewer::open(&fixture).await.1.starts_with("HTTP/1.1 200")
    })
    .await;
    // Bakers are served all the while.
    assert_eq!(fixture.get("/authorized_keys").await.status, 200);
}
