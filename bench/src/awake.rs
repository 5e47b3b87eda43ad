//! Keeps the processors awake.
//!
//! A virtual machine that idles gives its processors back, and a busy host takes milliseconds to return them: a figure of
//! the host, and of no program here. A loop of the idle class (`sched(7)`) runs on each meanwhile, and gives way at once
//! to whatever else has to run.

use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::Context;

/// The loops, until they are dropped.
pub(crate) struct Awake(Vec<Child>);

impl Awake {
    /// One loop for each processor.
    pub(crate) fn start() -> anyhow::Result<Awake> {
        let count = thread::available_parallelism()?.get();
        let mut loops = Awake(Vec::new());
        for _ in 0..count {
            let mut command = Command::new("chrt");
            command.args(["--idle", "0", "sh", "-c", "while :; do :; done"]);
            let started = command.stdin(Stdio::null()).spawn();
            loops.0.push(started.context("chrt: apt-get install util-linux")?);
        }
        Ok(loops)
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // One that has ended is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
