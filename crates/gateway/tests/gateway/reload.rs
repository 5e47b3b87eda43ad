//! A configuration that changes while the gateway runs, and a stop that bakers do not notice.

use std::fmt::Write;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use daemon::Shutdown;
use daemon::free_port;
use gateway::{Config, Gateway};
use shares::gateway_block;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tunnel::Identity;
use tunnel::home::LinkState;

use crate::fake_signer::{FakeSigner, Script};
use crate::fixture::{BODY, KEY, LIMIT, OTHER_KEY, Reply, exchange, get_at, sign_at, until};
use crate::relay::Relay;
use crate::shares::{secret, shares_of};

/// A gateway with a file, and what may stand in it.
struct Filed {
    folder: TempDir,
    host_key: Identity,
    http: SocketAddr,
    ssh: SocketAddr,
    monitor: SocketAddr,
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

/// A signer that may stand in the file.
#[derive(Clone)]
struct Entry {
    name: &'static str,
    identity: Identity,
    port: u16,
    keys: Option<&'static str>,
}

impl Entry {
    fn new(name: &'static str) -> Entry {
        let identity = Identity::generate(name).unwrap();
        Entry { name, identity, port: free_port::choose().unwrap(), keys: None }
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }
}

fn file(entries: &[&Entry], http: &str) -> String {
    let mut text = format!(
        "[ssh]\nlisten = \"127.0.0.1:0\"\nhost_key = \"host_key\"\n[http]\nlisten = \"127.0.0.1:0\"\n{http}\n\
         [monitor]\nlisten = \"127.0.0.1:0\"\n"
    );
    for Entry { name, identity, port, keys } in entries {
        let key = identity.public();
        let keys = keys.map_or_else(String::new, |key| format!("keys = [\"{key}\"]\n"));
        write!(
            text,
            "[[signer]]\nname = \"{name}\"\nssh_public_key = \"{key}\"\nport = {port}\n{keys}"
        )
        .unwrap();
    }
    text
}

impl Filed {
    async fn with(entries: &[&Entry]) -> Filed {
        Filed::with_http(entries, "").await
    }

    async fn with_http(entries: &[&Entry], http: &str) -> Filed {
        let folder = tempfile::tempdir().unwrap();
        let host_key = Identity::generate("host").unwrap();
        let path = folder.path().join("host_key");
        fs::write(&path, host_key.to_openssh().unwrap()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let path = folder.path().join("gateway.toml");
        fs::write(&path, file(entries, http)).unwrap();
        let shutdown = Shutdown::new();
        let config = Config::read(&path).unwrap();
        let gateway = Gateway::start(config, shutdown.clone()).await.unwrap();
        let (http, monitor) = (gateway.http().unwrap(), gateway.monitor().unwrap());
        let ssh = gateway.ssh();
        let task = tokio::spawn(gateway.run());
        Filed { folder, host_key, http, ssh, monitor, shutdown, task }
    }

    /// As a tool writes it: renamed into its place.
    fn write(&self, text: &str) {
        let new = self.folder.path().join("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.folder.path().join("gateway.toml")).unwrap();
    }

    /// Writes the file, and returns when the gateway has taken it up.
    async fn take_up(&self, entries: &[&Entry]) {
        let before = self.metric("config_last_reload_success_timestamp_seconds").await;
        self.write(&file(entries, ""));
        until("the file was read anew", async || {
            self.metric("config_last_reload_success_timestamp_seconds").await != before
        })
        .await;
    }

    async fn metric(&self, name: &str) -> String {
        let metrics = get_at(self.monitor, "/metrics").await.body;
        let name = format!("peel_gateway_{name} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
        assert!(line.is_some(), "no {name} in {metrics}");
        line.unwrap().to_owned()
    }

    async fn ready(&self) -> Reply {
        get_at(self.monitor, "/readyz").await
    }

    async fn signer(&self, entry: &Entry, key: &str) -> (FakeSigner, Arc<Script>) {
        self.signer_over(self.ssh, entry, key).await
    }

    async fn signer_over(
        &self,
        line: SocketAddr,
        entry: &Entry,
        key: &str,
    ) -> (FakeSigner, Arc<Script>) {
        let script = Script::with(&[key]);
        let host_key = self.host_key.public();
        let signer = FakeSigner::dial(&script, &entry.identity, entry.port, &host_key, &[line]);
        until("it is asked", async || sign_at(entry.address(), key).await.status == 200).await;
        (signer, script)
    }

    async fn stop(self) {
        self.shutdown.request();
        timeout(LIMIT, self.task).await.expect("it does not stop").unwrap();
    }
}

fn ups(signer: &FakeSigner) -> u64 {
    signer.status.links().iter().map(|link| link.ups).sum()
}

#[tokio::test]
async fn a_signer_is_added_and_removed_without_a_reconnect_of_another() {
    let (one, other) = (Entry::new("one"), Entry::new("other"));
    let gateway = Filed::with(&[&one]).await;
    let (first, _script) = gateway.signer(&one, KEY).await;
    gateway.take_up(&[&one, &other]).await;
    let (second, _script) = gateway.signer(&other, OTHER_KEY).await;
    assert_eq!(sign_at(gateway.http, OTHER_KEY).await.status, 200);
    let series = "peel_gateway_signer_ready{signer=\"other\"}";
    assert!(get_at(gateway.monitor, "/metrics").await.body.contains(series));

    gateway.take_up(&[&one]).await;
    until("it is told why", async || {
        let links = second.status.links();
        links.iter().any(|link| link.error.as_ref().is_some_and(|why| why.reason == "key_refused"))
    })
    .await;
    until("its port is closed", async || {
        tokio::net::TcpStream::connect(other.address()).await.is_err()
    })
    .await;
    assert!(!get_at(gateway.monitor, "/metrics").await.body.contains("signer=\"other\""));
    assert_eq!(sign_at(gateway.http, KEY).await.status, 200);
    assert_eq!(ups(&first), 1, "it had to connect again");
    gateway.stop().await;
}

#[tokio::test]
async fn two_signers_exchange_their_ports() {
    let (mut one, mut other) = (Entry::new("one"), Entry::new("other"));
    let gateway = Filed::with(&[&one, &other]).await;
    std::mem::swap(&mut one.port, &mut other.port);
    gateway.take_up(&[&one, &other]).await;
    let (_first, script) = gateway.signer(&one, KEY).await;
    let (_second, _script) = gateway.signer(&other, OTHER_KEY).await;
    let before = script.posts();
    assert_eq!(sign_at(one.address(), KEY).await.status, 200);
    assert_eq!(script.posts(), before + 1);
    gateway.stop().await;
}

/// Both have the key; the one that the file names first is asked for it.
#[tokio::test]
async fn keys_and_order_are_taken_up_without_a_reconnect() {
    let (one, other) = (Entry::new("one"), Entry::new("other"));
    let gateway = Filed::with(&[&one]).await;
    let (first, script) = gateway.signer(&one, KEY).await;
    gateway.take_up(&[&other, &one]).await;
    let (second, other_script) = gateway.signer(&other, KEY).await;
    assert_eq!(sign_at(one.address(), KEY).await.status, 500, "a cold standby");
    let (posts, other_posts) = (script.posts(), other_script.posts());
    gateway.take_up(&[&other.clone().having(OTHER_KEY), &one]).await;
    assert_eq!(sign_at(gateway.http, KEY).await.status, 200);
    assert_eq!((script.posts(), other_script.posts()), (posts + 1, other_posts));
    // What it advertised is what counts again.
    gateway.take_up(&[&other, &one]).await;
    assert_eq!(sign_at(gateway.http, KEY).await.status, 200);
    assert_eq!((script.posts(), other_script.posts()), (posts + 1, other_posts + 1));
    assert_eq!((ups(&first), ups(&second)), (1, 1));
    gateway.stop().await;
}

impl Entry {
    fn having(self, key: &'static str) -> Entry {
        Entry { keys: Some(key), ..self }
    }
}

#[tokio::test]
async fn a_wrong_file_is_refused_loudly_and_what_was_before_goes_on() {
    let (one, other) = (Entry::new("one"), Entry::new("other"));
    let gateway = Filed::with(&[&one]).await;
    let (signer, _script) = gateway.signer(&one, KEY).await;
    let taken = TcpListener::bind(("127.0.0.1", other.port)).unwrap();
    let right = file(&[&one, &other], "");
    for (wrong, why) in [
        (right.replace("name = \"other\"", "name = \"one\""), "two signers have the name"),
        (right.replace("port = ", "prot = "), "prot"),
        (right.replace("[[signer]]", "[[singer]]"), "singer"),
        ("\u{0}".to_owned(), "gateway.toml"),
        (right.clone(), "is another program on that port?"),
    ] {
        gateway.write(&wrong);
        until("it is refused", async || gateway.ready().await.body.contains(why)).await;
        let ready = gateway.ready().await;
        assert_eq!(ready.status, 200, "{ready:?}");
        assert_eq!(gateway.metric("config_last_reload_successful").await, "0");
        assert_eq!(sign_at(gateway.http, KEY).await.status, 200);
    }
    drop(taken);
    gateway.take_up(&[&one, &other]).await;
    assert_eq!(gateway.metric("config_last_reload_successful").await, "1");
    assert_eq!(ups(&signer), 1, "it had to connect again");
    gateway.stop().await;
}

#[tokio::test]
async fn what_waits_for_a_restart_is_named_and_the_rest_is_taken_up() {
    let (one, other) = (Entry::new("one"), Entry::new("other").having(KEY));
    let gateway = Filed::with(&[&one]).await;
    let text = file(&[&other, &one], "answer_limit_seconds = 7");
    gateway.write(&text.replace("[monitor]", "[state]\ndirectory = \"state\"\n[monitor]"));
    until("it is told", async || {
        let ready = gateway.ready().await.body;
        ready.contains(
            "[http] answer_limit_seconds, [state] directory changed in the file since the start",
        )
    })
    .await;
    let (_signer, _script) = gateway.signer(&other, KEY).await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_key_in_shares_is_taken_up() {
    let (one, other) = (Entry::new("one"), Entry::new("other"));
    let gateway = Filed::with(&[&one, &other]).await;
    let shares = shares_of(&secret(1), 2, 2);
    let group = shares[0].group();
    let block = gateway_block(group, ["one", "other"].map(str::to_owned));
    gateway.write(&(file(&[&one, &other], "") + &block));
    let path = format!("/keys/{}", group.public_key().hash());
    until("it is known", async || get_at(gateway.http, &path).await.status == 200).await;
    gateway.write(&file(&[&one, &other], ""));
    until("it is gone", async || get_at(gateway.http, &path).await.status != 200).await;
    gateway.stop().await;
}

/// A load balancer learns that it is not ready, and bakers that are connected are led elsewhere.
#[tokio::test]
async fn a_gateway_that_drains_is_not_ready_and_still_answers() {
    let one = Entry::new("one");
    let gateway = Filed::with_http(&[&one], "drain_seconds = 2").await;
    let (_signer, _script) = gateway.signer(&one, KEY).await;
    until("it is ready", async || gateway.ready().await.status == 200).await;
    gateway.shutdown.request();
    let ready = gateway.ready().await;
    assert_eq!(ready.status, 503);
    assert!(ready.body.contains("[-] running: a stop was asked for"), "{ready:?}");
    let request = format!(
        "POST /keys/{KEY} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    // The connection is kept alive, as far as the client is concerned.
    let reply = exchange(gateway.http, &request).await;
    assert_eq!(reply.status, 200);
    assert!(reply.took < Duration::from_millis(1500), "it was closed by its idle limit");
    gateway.stop().await;
}

#[tokio::test]
async fn a_signer_is_told_that_the_gateway_stops() {
    let one = Entry::new("one");
    let gateway = Filed::with(&[&one]).await;
    // The next connection, which it tries at once, would be refused: that is another error.
    let line = Relay::for_one_to(gateway.ssh).await;
    let (signer, _script) = gateway.signer_over(line.address, &one, KEY).await;
    gateway.shutdown.request();
    until("it has heard", async || {
        let links = signer.status.links();
        links.iter().all(|link| {
            let why = link.error.as_ref().map(|why| why.message.as_str()).unwrap_or_default();
            link.state != LinkState::Up && why.contains("the gateway is stopping")
        })
    })
    .await;
    gateway.stop().await;
}
