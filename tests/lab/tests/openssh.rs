//! The usual stack works in the lab as it does outside.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use daemon::free_port;
use lab::net::{CLOUD, Internet, Line, Namespace, in_test};
use lab::openssh::{Client, Endpoint, Forward, KeyKind, Sshd};
use lab::process::{Daemon, Signal, send};
use lab::wait;

const SOON: Duration = Duration::from_secs(20);
const SSH: u16 = 2222;
const SHOWN: u16 = 8443;

/// Echoes; gives where it listens.
fn echo(place: Namespace) -> SocketAddr {
    let bound = place.on_thread(|| Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?));
    let listener = bound.unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut words = [0; 5];
            let _ = stream.read_exact(&mut words).and_then(|()| stream.write_all(&words));
        }
    });
    address
}

fn answers(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<[u8; 5]> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"hello")?;
        let mut words = [0; 5];
        stream.read_exact(&mut words)?;
        Ok(words)
    };
    ask().is_ok_and(|words| words == *b"hello")
}

fn wait_for_answer() -> anyhow::Result<()> {
    let shown = SocketAddr::from((Ipv4Addr::LOCALHOST, SHOWN));
    wait::until("an answer through the tunnel", SOON, || Ok(answers(shown).then_some(())))
}

fn sshd_in_cloud(client: &Client) -> anyhow::Result<Sshd> {
    let address = SocketAddr::new(CLOUD, SSH);
    let mut sshd = Sshd::new(Namespace::here(), address, &[client.public_key()])?;
    sshd.start()?;
    Ok(sshd)
}

fn shown(internet: &Internet) -> [Forward; 1] {
    [Forward { port: SHOWN, to: echo(internet.home()) }]
}

#[test]
fn a_reverse_forward_shows_home_in_the_cloud() -> anyhow::Result<()> {
    in_test("a_reverse_forward_shows_home_in_the_cloud", |internet| {
        for (line, kind) in [(Line::Wired, KeyKind::Rsa), (Line::Mobile, KeyKind::Ecdsa)] {
            let client = Client::new(kind)?;
            let mut sshd = sshd_in_cloud(&client)?;
            let forwards = shown(internet);
            let mut ssh = client.ssh_reverse(internet.home(), &sshd.endpoint(), &forwards)?;
            ssh.args(["-o", &format!("BindInterface={}", line.interface())]);
            let before = internet.carried(line)?;
            let ssh = Daemon::start("ssh", ssh)?;
            wait_for_answer()?;
            assert!(internet.carried(line)? > before + 1000, "not over {line:?}");
            drop(ssh);
            sshd.kill()?;
        }
        Ok(())
    })
}

#[test]
fn a_wrong_key_on_either_side_opens_nothing() -> anyhow::Result<()> {
    in_test("a_wrong_key_on_either_side_opens_nothing", |internet| {
        let (known, unknown) = (Client::new(KeyKind::Ed25519)?, Client::new(KeyKind::Ed25519)?);
        let sshd = sshd_in_cloud(&known)?;
        let impostor = Endpoint { host_key: unknown.public_key().clone(), ..sshd.endpoint() };
        let attempts = [
            (&unknown, sshd.endpoint(), "Permission denied"),
            (&known, impostor, "Host key verification failed"),
        ];
        for (who, endpoint, said) in attempts {
            let ssh = who.ssh_reverse(internet.home(), &endpoint, &shown(internet))?;
            let mut ssh = Daemon::start("ssh", ssh)?;
            assert_eq!(ssh.wait(SOON)?.code(), Some(255));
            assert!(ssh.log()?.contains(said), "{}", ssh.log()?);
        }
        Ok(())
    })
}

#[test]
fn autossh_starts_ssh_again_also_after_the_endpoint_was_killed() -> anyhow::Result<()> {
    in_test("autossh_starts_ssh_again_also_after_the_endpoint_was_killed", |internet| {
        let client = Client::new(KeyKind::Ed25519)?;
        let mut sshd = sshd_in_cloud(&client)?;
        let forwards = shown(internet);
        let autossh = client.autossh_reverse(internet.home(), &sshd.endpoint(), &forwards)?;
        let autossh = Daemon::start("autossh", autossh)?;
        wait_for_answer()?;
        for ssh in autossh.children()? {
            send(ssh, Signal::KILL)?;
        }
        wait_for_answer()?;
        sshd.kill()?;
        assert!(!answers(SocketAddr::from((Ipv4Addr::LOCALHOST, SHOWN))), "it is not gone");
        sshd.start()?;
        wait_for_answer()
    })
}

#[test]
fn outside_of_the_lab_it_works_too() {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port::choose().unwrap()));
    let client = Client::new(KeyKind::Ed25519).unwrap();
    let mut sshd = Sshd::new(Namespace::here(), address, &[client.public_key()]).unwrap();
    sshd.start().unwrap();
    let mut ssh = client.ssh(Namespace::here(), &sshd.endpoint()).unwrap();
    ssh.args(["-N", "-o", "ExitOnForwardFailure=yes", "-R", "127.0.0.1:0:127.0.0.1:1"]);
    let mut ssh = Daemon::start("ssh", ssh).unwrap();
    ssh.wait_until_log_says("Allocated port", SOON).unwrap();
    assert!(sshd.daemon().unwrap().rss_kib().unwrap() > 1000);
}
