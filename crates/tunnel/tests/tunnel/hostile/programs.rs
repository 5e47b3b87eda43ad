//! With OpenSSH's own programs.

use std::process::Command;

use daemon::free_port;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tunnel::endpoint::Refusal;

use crate::ends::{LIMIT, PORT, connect, connect_to_socket};
use crate::hostile::Fixture;
use crate::stock::{Destination, Program, program};

impl Fixture {
    fn destination(&self) -> Destination {
        Destination::new(&self.folder, self.cloud.address, &self.cloud.host_key.public())
    }

    /// A program fails, for that reason alone.
    async fn refuses(self, command: Command, refusal: Refusal) {
        let mut program = Program::start(command, &self.folder);
        let status = program.ends().await;
        assert!(!status.success(), "{}", program.said());
        let fingerprint = self.key.public().fingerprint();
        self.has_refused(&fingerprint, refusal, &program.said()).await;
    }
}

/// `ssh` with these arguments fails.
async fn ssh_is_refused(arguments: &[&str], refusal: Refusal) {
    let fixture = Fixture::new().await;
    let ssh = fixture.destination().ssh(&fixture.key, arguments);
    fixture.refuses(ssh, refusal).await;
}

/// `ssh -N -R forward` fails.
async fn forward_is_refused(forward: &str, refusal: Refusal) {
    ssh_is_refused(&["-N", "-R", forward], refusal).await;
}

#[tokio::test]
async fn an_unknown_key_is_refused() {
    let mut fixture = Fixture::new().await;
    fixture.key = fixture.folder.key("ed25519", 0);
    let ssh = fixture.destination().ssh(&fixture.key, &["-N"]);
    fixture.refuses(ssh, Refusal::UnknownKey).await;
}

/// The public half is no secret: a client that has it can offer it, and nothing more.
#[tokio::test]
async fn a_known_key_without_its_secret_half_is_refused() {
    let fixture = Fixture::new().await;
    let forged = fixture.folder.key("ed25519", 0);
    std::fs::write(forged.path.with_extension("pub"), fixture.key.public_line()).unwrap();
    let ssh = fixture.destination().ssh(&forged, &["-N"]);
    fixture.refuses(ssh, Refusal::Login).await;
}

#[tokio::test]
async fn a_password_is_refused() {
    let fixture = Fixture::new().await;
    let askpass = fixture.folder.write("askpass", "#!/bin/sh\necho secret\n");
    let methods = ["-o", "PubkeyAuthentication=no", "-o", "BatchMode=no", "-N"];
    let mut ssh = fixture.destination().ssh(&fixture.key, &methods);
    ssh.env("SSH_ASKPASS", askpass).env("SSH_ASKPASS_REQUIRE", "force");
    let mut ssh = Program::start(ssh, &fixture.folder);
    assert!(!ssh.ends().await.success());
    fixture.has_refused("key=\"none\"", Refusal::Method, &ssh.said()).await;
}

/// The key is known, and an authority of the client's own has signed it.
#[tokio::test]
async fn a_certificate_is_refused() {
    let fixture = Fixture::new().await;
    let authority = fixture.folder.key("ed25519", 0);
    let mut sign = program("ssh-keygen", "openssh-client");
    sign.args(["-q", "-I", "root", "-n", "signer", "-s"]).arg(&authority.path);
    assert!(sign.arg(fixture.key.path.with_extension("pub")).status().unwrap().success());
    let only = "PubkeyAcceptedAlgorithms=ssh-ed25519-cert-v01@openssh.com";
    let ssh = fixture.destination().ssh(&fixture.key, &["-N", "-o", only]);
    fixture.refuses(ssh, Refusal::Method).await;
}

#[tokio::test]
async fn a_shell_is_refused() {
    ssh_is_refused(&["-tt"], Refusal::Session).await;
}

#[tokio::test]
async fn a_command_is_refused() {
    let fixture = Fixture::new().await;
    let mut ssh = fixture.destination().ssh(&fixture.key, &[]);
    ssh.arg("id");
    fixture.refuses(ssh, Refusal::Session).await;
}

#[tokio::test]
async fn sftp_is_refused() {
    let fixture = Fixture::new().await;
    let mut sftp = program("sftp", "openssh-client");
    sftp.args(fixture.destination().options(&fixture.key)).arg(fixture.destination().host());
    fixture.refuses(sftp, Refusal::Session).await;
}

#[tokio::test]
async fn scp_is_refused() {
    for protocol in ["-O", "-s"] {
        let fixture = Fixture::new().await;
        let mut scp = program("scp", "openssh-client");
        scp.args(fixture.destination().options(&fixture.key)).arg(protocol);
        scp.arg("/etc/hostname").arg(format!("{}:stolen", fixture.destination().host()));
        fixture.refuses(scp, Refusal::Session).await;
    }
}

#[tokio::test]
async fn an_agent_is_refused() {
    let fixture = Fixture::new().await;
    let mut ssh = fixture.destination().ssh(&fixture.key, &["-A", "-T"]);
    ssh.env("SSH_AUTH_SOCK", fixture.folder.new_path("agent"));
    fixture.refuses(ssh, Refusal::Session).await;
}

#[tokio::test]
async fn x11_is_refused() {
    let fixture = Fixture::new().await;
    let mut ssh = fixture.destination().ssh(&fixture.key, &["-X", "-T"]);
    ssh.env("DISPLAY", "127.0.0.1:10");
    fixture.refuses(ssh, Refusal::Session).await;
}

/// Neither counted nor logged: russh answers by itself what it does not know.
#[tokio::test]
async fn a_tunnel_device_is_refused() {
    let fixture = Fixture::new().await;
    let ssh = fixture.destination().ssh(&fixture.key, &["-N", "-w", "any"]);
    let mut ssh = Program::start(ssh, &fixture.folder);
    assert!(!ssh.ends().await.success(), "{}", ssh.said());
    fixture.bystander.was_there_all_the_time().await;
}

#[tokio::test]
async fn a_connection_to_anywhere_is_refused() {
    for target in ["10.1.2.3:80", "127.0.0.1:8444", "localhost:6732"] {
        ssh_is_refused(&["-W", target], Refusal::Direct).await;
    }
}

#[tokio::test]
async fn a_local_forward_leads_nowhere() {
    let fixture = Fixture::new().await;
    let socket = fixture.folder.new_path("socket");
    let forward = format!("{}:127.0.0.1:8444", socket.display());
    let ssh = fixture.destination().ssh(&fixture.key, &["-N", "-L", &forward]);
    let ssh = Program::start(ssh, &fixture.folder);
    let mut through = connect_to_socket(&socket).await;
    let end = timeout(LIMIT, through.read(&mut [0; 1])).await.unwrap();
    assert_eq!(end.unwrap_or(0), 0);
    let fingerprint = fixture.key.public().fingerprint();
    fixture.has_refused(&fingerprint, Refusal::Direct, &ssh.said()).await;
}

#[tokio::test]
async fn a_forward_to_a_socket_here_leads_nowhere() {
    let fixture = Fixture::new().await;
    let socket = fixture.folder.new_path("socket");
    let forward = format!("{}:/run/docker.sock", socket.display());
    let ssh = fixture.destination().ssh(&fixture.key, &["-N", "-L", &forward]);
    let ssh = Program::start(ssh, &fixture.folder);
    let mut through = connect_to_socket(&socket).await;
    let end = timeout(LIMIT, through.read(&mut [0; 1])).await.unwrap();
    assert_eq!(end.unwrap_or(0), 0);
    let fingerprint = fixture.key.public().fingerprint();
    fixture.has_refused(&fingerprint, Refusal::Direct, &ssh.said()).await;
}

/// SOCKS5 without a password, to 10.1.2.3:80 (RFC 1928).
#[tokio::test]
async fn a_dynamic_forward_leads_nowhere() {
    const HELLO: [u8; 3] = [5, 1, 0];
    const CONNECT: [u8; 10] = [5, 1, 0, 1, 10, 1, 2, 3, 0, 80];
    let fixture = Fixture::new().await;
    let port = free_port::choose().unwrap();
    let ssh = fixture.destination().ssh(&fixture.key, &["-N", "-D", &format!("127.0.0.1:{port}")]);
    let ssh = Program::start(ssh, &fixture.folder);
    let mut socks = connect(port).await;
    for words in [&HELLO[..], &CONNECT] {
        socks.write_all(words).await.unwrap();
    }
    let mut said = Vec::new();
    let end = timeout(LIMIT, socks.read_to_end(&mut said)).await.unwrap();
    assert!(end.is_err() || said.len() < HELLO.len() + CONNECT.len(), "{said:?}");
    let fingerprint = fixture.key.public().fingerprint();
    fixture.has_refused(&fingerprint, Refusal::Direct, &ssh.said()).await;
}

#[tokio::test]
async fn a_port_that_is_not_its_own_is_refused() {
    // Another signer's, its shell's, a port of the gateway, of the system, and any.
    for port in [PORT + 1, PORT + 1001, 6732, 22, 0] {
        forward_is_refused(&format!("{port}:127.0.0.1:80"), Refusal::Port).await;
    }
}

#[tokio::test]
async fn a_port_on_another_address_is_refused() {
    for address in ["10.1.2.3", "127.0.0.2"] {
        forward_is_refused(&format!("{address}:{PORT}:127.0.0.1:80"), Refusal::Address).await;
    }
}

#[tokio::test]
async fn a_socket_is_refused() {
    forward_is_refused("/tmp/peel-test.sock:127.0.0.1:80", Refusal::Address).await;
    assert!(!std::path::Path::new("/tmp/peel-test.sock").exists());
}

#[tokio::test]
async fn more_monitor_ports_than_autossh_needs_are_refused() {
    let forwards = ["20000", "20001", "20002"].map(|port| format!("{port}:127.0.0.1:80"));
    let [one, two, three] = forwards.each_ref().map(String::as_str);
    ssh_is_refused(&["-N", "-R", one, "-R", two, "-R", three], Refusal::Port).await;
}
