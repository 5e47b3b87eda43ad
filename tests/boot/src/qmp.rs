//! QEMU's own control socket, for what is done to the hardware.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};

/// A connection to QEMU.
#[derive(Debug)]
pub(crate) struct Qmp {
    stream: BufReader<UnixStream>,
}

/// For one answer.
const LIMIT: Duration = Duration::from_secs(30);

impl Qmp {
    pub(crate) fn new(stream: UnixStream) -> anyhow::Result<Qmp> {
        stream.set_read_timeout(Some(LIMIT))?;
        let mut qmp = Qmp { stream: BufReader::new(stream) };
        // QEMU's greeting.
        qmp.line()?;
        qmp.execute("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// Plugs a network cable in, or takes it out.
    pub(crate) fn set_link(&mut self, device: &str, up: bool) -> anyhow::Result<()> {
        self.execute("set_link", &json!({ "name": device, "up": up })).map(drop)
    }

    fn execute(&mut self, command: &str, arguments: &Value) -> anyhow::Result<Value> {
        let message = json!({ "execute": command, "arguments": arguments });
        self.stream.get_mut().write_all(format!("{message}\n").as_bytes())?;
        loop {
            let answer = self.line()?;
            if let Some(error) = answer.get("error") {
                bail!("QEMU refuses {message}: {error}");
            }
            // What is neither is an event.
            if let Some(value) = answer.get("return") {
                return Ok(value.clone());
            }
        }
    }

    fn line(&mut self) -> anyhow::Result<Value> {
        let mut line = String::new();
        self.stream.read_line(&mut line).context("QEMU's control socket")?;
        serde_json::from_str(&line).with_context(|| format!("QEMU's control socket: {line:?}"))
    }
}
