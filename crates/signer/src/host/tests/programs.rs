//! Prometheus's own programs: the node exporter, and promtool.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use crate::starting;

const NODE_EXPORTER: &str = "/usr/bin/prometheus-node-exporter";
const PROMTOOL: &str = "/usr/bin/promtool";

/// A node exporter that runs.
pub(super) struct RealExporter {
    pub(super) url: String,
    child: Child,
    /// Its log, which it would end without.
    _log: BufReader<ChildStderr>,
}

impl RealExporter {
    /// Of this computer.
    pub(super) fn here() -> RealExporter {
        RealExporter::at("http://127.0.0.1:0/metrics", &[])
    }

    /// Of recorded files.
    pub(super) fn of(root: &Path) -> RealExporter {
        let flag = |name: &str| format!("--path.{name}fs={}", root.join(name).display());
        let (proc, sys) = (flag("proc"), flag("sys"));
        // Else it asks the kernel, which has other interfaces.
        let words = [proc.as_str(), sys.as_str(), "--no-collector.netdev.netlink"];
        RealExporter::at("http://127.0.0.1:0/metrics", &words)
    }

    /// At an address.
    pub(super) fn at(url: &str, words: &[&str]) -> RealExporter {
        assert!(super::is_there(NODE_EXPORTER), "please install prometheus-node-exporter");
        let address = url.strip_prefix("http://").unwrap().strip_suffix("/metrics").unwrap();
        let mut command = Command::new(NODE_EXPORTER);
        command.arg(format!("--web.listen-address={address}")).args(words);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = starting::alone(|| command.spawn()).unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let address = address_in(&mut log);
        RealExporter { url: format!("http://{address}/metrics"), child, _log: log }
    }

    /// What it shows, asked without any code of ours.
    pub(super) fn text(&self) -> String {
        let address = self.url.strip_prefix("http://").unwrap().strip_suffix("/metrics").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }
}

/// `msg="Listening on" address=127.0.0.1:35851`
fn address_in(log: &mut impl BufRead) -> String {
    let mut said = String::new();
    for line in log.lines() {
        let line = line.unwrap();
        if let Some((_, address)) = line.split_once("\"Listening on\" address=") {
            return address.trim().to_owned();
        }
        said += &line;
        said += "\n";
    }
    panic!("it has ended: {said}")
}

impl Drop for RealExporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What promtool finds odd. A text that Prometheus could not read fails the test.
pub(super) fn complaints(text: &str) -> Vec<String> {
    assert!(super::is_there(PROMTOOL), "please install prometheus");
    let mut command = Command::new(PROMTOOL);
    command.args(["check", "metrics"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = starting::alone(|| command.spawn()).unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    // 3: it can be read, and something is not as it is usual.
    assert!(matches!(output.status.code(), Some(0 | 3)), "{said}\n{text}");
    said.lines().map(str::to_owned).collect()
}

/// The same values written the same way: Go writes `1e+06` for a million.
pub(super) fn in_one_notation(text: &str) -> String {
    let lines = text.lines().map(|line| match line.rsplit_once(' ') {
        Some((series, value)) if !line.starts_with('#') => {
            format!("{series} {}\n", value.parse::<f64>().unwrap())
        }
        Some(_) | None => format!("{line}\n"),
    });
    lines.collect()
}

#[test]
fn promtool_finds_what_cannot_be_read() {
    let read = |text: &'static str| std::panic::catch_unwind(|| complaints(text));
    assert!(read("node_x{a=\"b} 1\n").is_err());
    assert!(read("# TYPE node_x gauge\nnode_x 1\n# TYPE node_x gauge\n").is_err());
    assert_eq!(read("# HELP node_x X.\n# TYPE node_x gauge\nnode_x 1\n").unwrap(), [""; 0]);
}
