//! What both ends offer, as it goes over the wire.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tunnel::Identity;

use crate::ends::{Cloud, LIMIT, Signer, loopback};
use crate::stock::{Destination, Folder, Program};

/// The lists of RFC 4253 §7.1, without those for languages.
const LISTS: usize = 8;
const CIPHERS: &str =
    "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes256-ctr,aes192-ctr,aes128-ctr";
const MACS: &str =
    "hmac-sha2-512-etm@openssh.com,hmac-sha2-256-etm@openssh.com,hmac-sha2-512,hmac-sha2-256";
const KEY_EXCHANGES: &str = "mlkem768x25519-sha256,curve25519-sha256,curve25519-sha256@libssh.org";
const SIGNATURES: &str = "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,\
                          rsa-sha2-512,rsa-sha2-256";

/// Sends a version, and reads the peer's first packet: what it offers.
async fn offered(mut stream: TcpStream) -> [String; LISTS] {
    stream.write_all(b"SSH-2.0-reader\r\n").await.unwrap();
    while stream.read_u8().await.unwrap() != b'\n' {}
    let length = stream.read_u32().await.unwrap();
    let mut packet = vec![0; length.try_into().unwrap()];
    stream.read_exact(&mut packet).await.unwrap();
    let mut rest = &packet[1 + 1 + 16..];
    [(); LISTS].map(|()| {
        let (length, after) = rest.split_at(4);
        let length = u32::from_be_bytes(length.try_into().unwrap());
        let (list, after) = after.split_at(length.try_into().unwrap());
        rest = after;
        String::from_utf8(list.to_vec()).unwrap()
    })
}

fn assert_offers(lists: &[String; LISTS], markers: &str, host_keys: &str) {
    let expected = [
        &format!("{KEY_EXCHANGES},{markers}"),
        host_keys,
        CIPHERS,
        CIPHERS,
        MACS,
        MACS,
        "none",
        "none",
    ];
    assert_eq!(lists.each_ref().map(String::as_str), expected);
}

#[tokio::test]
async fn the_endpoint_offers_these_algorithms_and_no_other() {
    let cloud = Cloud::with(&[]).await;
    let lists = offered(TcpStream::connect(cloud.address).await.unwrap()).await;
    assert_offers(&lists, "ext-info-s,kex-strict-s-v00@openssh.com", "ssh-ed25519");
    cloud.stop().await;
}

#[tokio::test]
async fn the_signers_end_offers_these_algorithms_and_no_other() {
    let listener = TcpListener::bind(loopback()).await.unwrap();
    let identity = Identity::generate("home").unwrap();
    let host_key = Identity::generate("host").unwrap().public();
    let signer = Signer::dial(&identity, listener.local_addr().unwrap(), host_key);
    let (stream, _) = timeout(LIMIT, listener.accept()).await.unwrap().unwrap();
    let lists = offered(stream).await;
    assert_offers(&lists, "ext-info-c,kex-strict-c-v00@openssh.com", SIGNATURES);
    signer.stop().await;
}

/// As a stock ssh hears it (RFC 8308 §3.1).
#[tokio::test]
async fn the_endpoint_takes_these_signatures_and_no_sha_1() {
    let folder = Folder::new();
    let key = folder.key("ed25519", 0);
    let cloud = Cloud::with(&[key.public()]).await;
    let destination = Destination::new(&folder, cloud.address, &cloud.host_key.public());
    let mut ssh = Program::start(destination.ssh(&key, &["-vv", "-T"]), &folder);
    ssh.ends().await;
    let taken = format!("server-sig-algs=<{SIGNATURES}>");
    assert!(ssh.said().contains(&taken), "{}", ssh.said());
    cloud.stop().await;
}
