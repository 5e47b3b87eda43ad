//! The node's network, and home's, in namespaces without anything else.

use std::fs;

use anyhow::Context;
use lab::net::Namespace;
use lab::programs;

use super::HOME;

/// What is mounted first. Everything in /run is the node's own: sockets of containerd, names of network namespaces.
/// The kubelet's mounts have to be seen by containerd, which wants them shared; nothing is shared with the machine.
const MOUNTS: [&str; 2] = ["--make-rshared /", "-t tmpfs -o mode=755 tmpfs /run"];

/// The node's address is on an interface of its own, for the kubelet takes none of the loopback's: one end of a pair, for
/// not every kernel has dummy interfaces. What goes out by it is lost.
const NODE: &str = "link set lo up
link add node type veth peer name nowhere
address add 10.200.0.1/24 dev node
link set node up
link set nowhere up
route add default dev node
netns add home
link add home type veth peer name node netns home
address add 10.201.0.1/24 dev home
link set home up
";

const AT_HOME: &str = "link set lo up
address add 10.201.0.2/24 dev node
link set node up
route add default via 10.201.0.1
";

/// Whether there is no interface but the loopback's: the tests are in a network of their own.
pub(super) fn is_empty() -> anyhow::Result<bool> {
    let interfaces = fs::read_to_string("/proc/self/net/dev").context("/proc/self/net/dev")?;
    // Below two lines of titles.
    Ok(interfaces.lines().skip(2).count() <= 1)
}

pub(super) fn build() -> anyhow::Result<()> {
    let (here, mount) = (Namespace::here(), programs::path("mount")?);
    for words in MOUNTS {
        let words: Vec<&str> = words.split(' ').collect();
        here.run(&mount.to_string_lossy(), &words)?;
    }
    fs::create_dir("/run/netns")?;
    here.ip(NODE)?;
    HOME.ip(AT_HOME)?;
    here.set_ipv4("ip_forward", "1")
}
