//! The same on real interfaces of a real kernel, in a network namespace of the test's own.

use std::env;
use std::process::Command;
use std::time::Duration;

use lab::programs;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tunnel::home::Uplink;

use crate::lines::{LineState, Lines};
use crate::links::tests::links;

const LIMIT: Duration = Duration::from_secs(20);
/// Set where the test is in the namespace.
const INSIDE: &str = "PEEL_LINES_INSIDE";
const TEST: &str = "lines::real::a_real_interface_is_told_what_it_lacks_at_each_step";
/// `/sys` shows the interfaces of the namespace in which it was mounted.
const SETUP: &str = "mount -t sysfs sysfs /sys && exec \"$@\"";

/// What is done to `eth0`, and what it lacks then.
const STEPS: [(&str, LineState); 11] = [
    ("link set lo up", LineState::NoInterface),
    ("link add eth0 type veth peer name router", LineState::NoCarrier),
    ("link set eth0 up", LineState::NoCarrier),
    // With IPv6, it has an address of the link from here on.
    ("link set router up", LineState::NoAddress),
    ("address add 192.0.2.2/24 dev eth0 label eth0:1", LineState::NoRoute),
    ("route add default via 192.0.2.1 dev eth0", LineState::Dialling),
    ("link set router down", LineState::NoCarrier),
    ("link set router up", LineState::Dialling),
    ("address flush dev eth0 scope global", LineState::NoAddress),
    ("address add 2001:db8::2/64 dev eth0 nodad", LineState::NoRoute),
    ("route add default via 2001:db8::1 dev eth0", LineState::Dialling),
];

#[tokio::test]
async fn a_real_interface_is_told_what_it_lacks_at_each_step() {
    if env::var_os(INSIDE).is_some() {
        return inside().await;
    }
    let Some(rights) = rights() else {
        return lab::skip("no network namespaces are to be had here");
    };
    let test = env::current_exe().unwrap();
    let mut command = unshare(rights);
    command.args(["sh", "-c", SETUP, "sh"]).arg(test).args(["--exact", TEST, "--nocapture"]);
    let output = command.env(INSIDE, "").output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// With what a namespace is given here.
fn rights() -> Option<&'static [&'static str]> {
    const WAYS: [&[&str]; 2] = [&[], &["--user", "--map-root-user"]];
    let is_given = |rights: &&[&str]| {
        let mut command = unshare(rights);
        command.args(["sh", "-c", SETUP, "sh", "true"]).output().unwrap().status.success()
    };
    WAYS.into_iter().find(is_given)
}

fn unshare(rights: &[&str]) -> Command {
    let mut command = Command::new(programs::path("unshare").unwrap());
    command.args(["--net", "--mount"]).args(rights);
    command
}

async fn inside() {
    let eth0 = Uplink { interface: "eth0".to_owned(), metered: Some(false) };
    let configured = Lines::new(vec![eth0], links(&[]));
    let found = Lines::new(Vec::new(), links(&[]));
    for (step, state) in STEPS {
        let status = Command::new(programs::path("ip").unwrap()).args(step.split(' ')).status();
        assert!(status.unwrap().success(), "ip {step}");
        comes_to(&configured, &[state], step).await;
        let has_route = state == LineState::Dialling;
        let states: &[LineState] = if has_route { &[LineState::Dialling] } else { &[] };
        // While there is no carrier, the kernel keeps the route and does not use it.
        if state != LineState::NoCarrier {
            comes_to(&found, states, step).await;
        }
    }
}

/// The kernel tells of a carrier a moment after it came or went.
async fn comes_to(lines: &Lines, wanted: &[LineState], step: &str) {
    let coming = async {
        loop {
            lines.refresh(&mut JoinSet::new()).await;
            let readings = lines.readings();
            let states: Vec<LineState> = readings.iter().map(|line| line.state).collect();
            if states == wanted {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    let came = timeout(LIMIT, coming).await;
    assert!(came.is_ok(), "after ip {step}: {:?} and not {wanted:?}", lines.readings());
}
