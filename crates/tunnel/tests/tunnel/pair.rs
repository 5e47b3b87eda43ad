//! Our two ends with each other.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tunnel::endpoint::{Limits, Refusal, SignerId};
use tunnel::home::{self, LinkState};
use tunnel::{Identity, PublicKey, Service, SignerPort};

use crate::ends::{Cloud, LIMIT, PORT, Signer, echoes, loopback, until};
use crate::stock::{Folder, program};

#[tokio::test]
async fn a_signer_is_reached_through_the_tunnel() {
    let identity = Identity::generate("home").unwrap();
    let mut cloud = Cloud::with(&[identity.public()]).await;
    let signer = Signer::dial(&identity, cloud.address, cloud.host_key.public());
    let session = cloud.session().await;
    assert_eq!((session.signer(), session.service()), (SignerId::new(0), Service::Signing));
    assert!(echoes(&session).await);
    assert!(session.ping().await.unwrap() < LIMIT);
    assert!(session.round_trip().is_some());
    until("the status says up", || signer.status.links()[0].state == LinkState::Up).await;
    signer.stop().await;
    session.gone().await;
    cloud.stop().await;
}

#[tokio::test]
async fn a_gateway_made_again_is_found() {
    let identity = Identity::generate("home").unwrap();
    let mut cloud = Cloud::with(&[identity.public()]).await;
    let signer = Signer::dial(&identity, cloud.address, cloud.host_key.public());
    cloud.session().await;
    until("the first one is up", || signer.status.links()[0].ups == 1).await;
    for _ in 0..3 {
        let (address, host_key) = cloud.stop().await;
        cloud = Cloud::at(address, host_key, &[identity.public()], Limits::default()).await;
        assert!(echoes(&cloud.session().await).await);
    }
    assert_eq!(signer.status.links()[0].ups, 4);
    signer.stop().await;
}

#[tokio::test]
async fn a_wrong_host_key_is_named_and_nothing_is_asked_of_it() {
    let identity = Identity::generate("home").unwrap();
    let mut cloud = Cloud::with(&[identity.public()]).await;
    let other = Identity::generate("other").unwrap();
    let signer = Signer::dial(&identity, cloud.address, other.public());
    let error = || signer.status.links()[0].error.clone();
    until("the wrong key is named", || error().is_some_and(|it| it.reason == "wrong_host_key"))
        .await;
    assert!(error().unwrap().message.contains(&cloud.host_key.public().fingerprint()));
    assert!(cloud.sessions.try_recv().is_err());
    signer.stop().await;
}

#[tokio::test]
async fn an_unknown_signer_is_refused_and_told_what_to_paste() {
    let known = Identity::generate("known").unwrap();
    let unauthenticated = Identity::generate("unauthenticated").unwrap();
    let cloud = Cloud::with(&[known.public()]).await;
    let signer = Signer::dial(&unauthenticated, cloud.address, cloud.host_key.public());
    let error = || signer.status.links()[0].error.clone();
    until("the signer is told", || error().is_some_and(|it| it.reason == "key_refused")).await;
    assert!(error().unwrap().message.contains(&unauthenticated.public().to_string()));
    assert!(cloud.refusals.count(Refusal::UnknownKey) > 0);
    signer.stop().await;
}

#[tokio::test]
async fn a_newer_session_is_handed_out_while_the_older_one_stays() {
    let identity = Identity::generate("home").unwrap();
    let mut cloud = Cloud::with(&[identity.public()]).await;
    let one = Signer::dial(&identity, cloud.address, cloud.host_key.public());
    let older = cloud.session().await;
    let other = Signer::dial(&identity, cloud.address, cloud.host_key.public());
    let newer = cloud.session().await;
    assert!(newer.id() > older.id());
    assert!(echoes(&older).await && echoes(&newer).await);
    one.stop().await;
    older.gone().await;
    assert!(echoes(&newer).await);
    other.stop().await;
}

#[tokio::test]
async fn a_key_has_a_bounded_number_of_connections_and_the_newest_stay() {
    let identity = Identity::generate("home").unwrap();
    let limits = Limits { connections: 2, ..Limits::default() };
    let host_key = Identity::generate("host").unwrap();
    let mut cloud = Cloud::at(loopback(), host_key, &[identity.public()], limits).await;
    let mut signers = Vec::new();
    let mut sessions = Vec::new();
    for _ in 0..3 {
        signers.push(Signer::dial(&identity, cloud.address, cloud.host_key.public()));
        sessions.push(cloud.session().await);
    }
    sessions[0].gone().await;
    assert!(cloud.refusals.count(Refusal::Crowd) > 0);
    assert!(echoes(&sessions[2]).await);
}

/// The signing link of a signer whose shell copies to a client that does not read.
#[tokio::test]
async fn a_stalled_shell_does_not_stall_the_signing_port() {
    let identity = Identity::generate("home").unwrap();
    let mut cloud = Cloud::with(&[identity.public()]).await;
    let sshd = TcpListener::bind(loopback()).await.unwrap();
    let gateway = home::Gateway {
        name: "cloud".to_owned(),
        address: cloud.address.to_string(),
        user: "signer".to_owned(),
        host_key: cloud.host_key.public(),
    };
    let signer = Signer::with(home::Config {
        identity,
        port: SignerPort::new(PORT).unwrap(),
        shell: Some(sshd.local_addr().unwrap()),
        gateways: vec![gateway],
        uplinks: Vec::new(),
    });
    let sessions = [cloud.session().await, cloud.session().await];
    let of =
        |service| sessions.iter().find(|session| session.service() == service).unwrap().clone();
    let flood = tokio::spawn(async move {
        let (mut copying, _) = sshd.accept().await.unwrap();
        let block = vec![0; 64 * 1024];
        while copying.write_all(&block).await.is_ok() {}
    });
    let mut stalled = of(Service::Shell).open(loopback()).await.unwrap();
    let mut first = [0; 1];
    stalled.read_exact(&mut first).await.unwrap();
    for _ in 0..20 {
        assert!(echoes(&of(Service::Signing)).await);
    }
    drop(stalled);
    signer.stop().await;
    flood.abort();
}

/// A gateway that takes the connection and says nothing, then a good one at the same address.
#[tokio::test]
async fn an_endpoint_that_hangs_is_given_up() {
    let identity = Identity::generate("home").unwrap();
    let silent = TcpListener::bind(loopback()).await.unwrap();
    let address = silent.local_addr().unwrap();
    let host_key = Identity::generate("host").unwrap();
    let signer = Signer::dial(&identity, address, host_key.public());
    let (hanging, _) = silent.accept().await.unwrap();
    drop(silent);
    let mut cloud = Cloud::at(address, host_key, &[identity.public()], Limits::default()).await;
    assert!(echoes(&cloud.session().await).await);
    drop(hanging);
    signer.stop().await;
}

/// Peel's client sends a keepalive every second: for this endpoint it is dead before that.
#[tokio::test]
async fn a_silent_client_is_dead_after_the_limit() {
    let identity = Identity::generate("home").unwrap();
    let limits = Limits { silent: Duration::from_millis(300), ..Limits::default() };
    let host_key = Identity::generate("host").unwrap();
    let mut cloud = Cloud::at(loopback(), host_key, &[identity.public()], limits).await;
    let signer = Signer::dial(&identity, cloud.address, cloud.host_key.public());
    let first = cloud.session().await;
    first.gone().await;
    // Each is dead as soon, and one of them is used before.
    let used = async { while !echoes(&cloud.session().await).await {} };
    timeout(LIMIT, used).await.expect("none comes, or none is of use");
    signer.stop().await;
}

#[tokio::test]
async fn a_signer_with_another_port_than_its_own_is_told_the_right_one() {
    let identity = Identity::generate("home").unwrap();
    let cloud = Cloud::with(&[identity.public()]).await;
    for wrong in [PORT + 1, 20_000] {
        let host_key = cloud.host_key.public();
        let signer = Signer::with(Signer::config(&identity, wrong, cloud.address, host_key));
        let error = || signer.status.links()[0].error.clone();
        until("the signer is told", || error().is_some_and(|it| it.reason == "port_refused")).await;
        let line = error().unwrap().message;
        assert!(line.contains(&format!("gateway.toml says port = {PORT}")), "{line}");
        assert_eq!(signer.status.links()[0].ups, 0);
        signer.stop().await;
    }
    assert!(cloud.refusals.count(Refusal::Port) > 0);
    cloud.stop().await;
}

/// OpenSSH writes one P-256 key in 256 with a secret of 31 bytes.
#[tokio::test]
async fn a_host_key_whose_secret_begins_with_a_zero_byte_is_read() {
    let folder = Folder::new();
    let path = folder.write("short", SHORT_KEY);
    let short = Identity::parse(SHORT_KEY).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let public = program("ssh-keygen", "openssh-client").arg("-yf").arg(&path).output().unwrap();
    let public: PublicKey = String::from_utf8(public.stdout).unwrap().parse().unwrap();
    assert_eq!(short.public(), public);
    let identity = Identity::generate("home").unwrap();
    let (keys, limits) = ([identity.public()], Limits::default());
    let mut cloud = Cloud::at(loopback(), short, &keys, limits).await;
    let signer = Signer::dial(&identity, cloud.address, public);
    assert!(echoes(&cloud.session().await).await);
    signer.stop().await;
}

/// Every fourth key of P-521 is one. ssh-key lengthens these itself: it takes no fewer than 32 bytes of any curve.
#[test]
fn secrets_of_the_longer_curves_that_begin_with_a_zero_byte_are_read() {
    let folder = Folder::new();
    for text in [SHORT_KEY_384, SHORT_KEY_521] {
        let path = folder.write("short", text);
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let public = program("ssh-keygen", "openssh-client").arg("-yf").arg(&path).output();
        let public: PublicKey = String::from_utf8(public.unwrap().stdout).unwrap().parse().unwrap();
        assert_eq!(Identity::parse(text).unwrap().public(), public);
    }
}

/// Made by ssh-keygen for this test.
const SHORT_KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\n\
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAaAAAABNlY2RzYS\n\
1zaGEyLW5pc3RwMjU2AAAACG5pc3RwMjU2AAAAQQSJ73pLAsWZUnB8KyBBQdE4JAT8pKTn\n\
UsgKACnoTsFeKrvfiTgSex+blMVOXrfVVyR90kR5vh5y8CmlutTWhFFuAAAAoJQfy7CUH8\n\
uwAAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBInveksCxZlScHwr\n\
IEFB0TgkBPykpOdSyAoAKehOwV4qu9+JOBJ7H5uUxU5et9VXJH3SRHm+HnLwKaW61NaEUW\n\
4AAAAfXDC0M0RYwCN5RtaZ0kR8BO8cdTPuHoA78iWY7Wh6ggAAAAVzaG9ydAECAwQ=\n\
-----END OPENSSH PRIVATE KEY-----\n";

/// It must be possible beside a signer that runs, and take nothing from it.
#[tokio::test]
async fn a_check_says_whether_a_signer_would_be_let_in_and_serves_nothing() {
    let identity = Identity::generate("home").unwrap();
    let mut cloud = Cloud::with(&[identity.public()]).await;
    let running = Signer::dial(&identity, cloud.address, cloud.host_key.public());
    let session = cloud.session().await;
    let config = |identity: &Identity, port, host_key| {
        Signer::config(identity, port, cloud.address, host_key)
    };
    let admission = async |config: home::Config| config.check().await.remove(0).admission;
    let good = admission(config(&identity, PORT, cloud.host_key.public())).await;
    assert_eq!(good.unwrap(), home::Admission::Port);
    let other = Identity::generate("other").unwrap();
    let wrong = [
        (config(&identity, PORT + 1, cloud.host_key.public()), "port_refused"),
        (config(&identity, PORT, other.public()), "wrong_host_key"),
        (config(&other, PORT, cloud.host_key.public()), "key_refused"),
    ];
    for (config, word) in wrong {
        assert_eq!(admission(config).await.unwrap_err().reason, word);
    }
    assert!(cloud.sessions.try_recv().is_err(), "a check is no session");
    assert!(echoes(&session).await);
    assert_eq!(running.status.links()[0].ups, 1);
    running.stop().await;
}

/// A scalar of 47 bytes.
const SHORT_KEY_384: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\n\
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAiAAAABNlY2RzYS\n\
1zaGEyLW5pc3RwMzg0AAAACG5pc3RwMzg0AAAAYQTECJyaKIOtJ6ZDZzf0IGjnBTwTdB7G\n\
oSIQRjvpjFWzPkEc8oPwRlc1aD+r3f/MCRaMcZ5g29SuxU1lFgN5bdQw+YUHvnKPh9Kxwh\n\
6bFd2yyUFrjWGVEzQVh1eriyeuAf8AAADQcyfVX3Mn1V8AAAATZWNkc2Etc2hhMi1uaXN0\n\
cDM4NAAAAAhuaXN0cDM4NAAAAGEExAicmiiDrSemQ2c39CBo5wU8E3QexqEiEEY76YxVsz\n\
5BHPKD8EZXNWg/q93/zAkWjHGeYNvUrsVNZRYDeW3UMPmFB75yj4fSscIemxXdsslBa41h\n\
lRM0FYdXq4snrgH/AAAALxir7nstMWb8Wax/mKlTV91suXaJ6fvcMYqOPGyJ0Esc5XNdqD\n\
D5uMnYExdJdBtYAAAABXNob3J0AQIDBA==\n\
-----END OPENSSH PRIVATE KEY-----\n";

/// A scalar of 64 bytes.
const SHORT_KEY_521: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\n\
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAArAAAABNlY2RzYS\n\
1zaGEyLW5pc3RwNTIxAAAACG5pc3RwNTIxAAAAhQQAnvdz2utYqdvRoixDLoRE5SUsS1fN\n\
lNsnX6fYqmeNd9sX/vjN/UPaiO3/2EgruFrNVr2tsDReu67R1ONsh2Jr1ZcB+KlkU/jZN/\n\
esJChg1Q8wseGzmETFpvcXo9ctQ6HMcmFZu9I+tgBECPHsAmu14R04B6jLWrCCjU3CUZUv\n\
MSPtwyQAAAEI6IpbZuiKW2YAAAATZWNkc2Etc2hhMi1uaXN0cDUyMQAAAAhuaXN0cDUyMQ\n\
AAAIUEAJ73c9rrWKnb0aIsQy6EROUlLEtXzZTbJ1+n2KpnjXfbF/74zf1D2ojt/9hIK7ha\n\
zVa9rbA0Xruu0dTjbIdia9WXAfipZFP42Tf3rCQoYNUPMLHhs5hExab3F6PXLUOhzHJhWb\n\
vSPrYARAjx7AJrteEdOAeoy1qwgo1NwlGVLzEj7cMkAAAAQGkL31WIVKuiYsF9Smy+QZvc\n\
h/pcQzdgOimEDUDU9TQDSsZm0K0OEHDsE5qpLIhGC96Gy/ymEE5M44HJnG+JGwUAAAAFc2\n\
hvcnQBAgMEBQYH\n\
-----END OPENSSH PRIVATE KEY-----\n";
