//! The unit in the computer, and the package that it comes with.

use std::time::Duration;

use crate::home::Home;

/// For `dpkg --install`, on a processor that is interpreted.
const INSTALL_LIMIT: Duration = Duration::from_secs(240);
/// The archive with both packages, as the computer sees it.
const PACKAGES: &str = "/dev/disk/by-id/virtio-peel-test";

impl Home {
    /// Installs one of the packages that `cargo xtask test boot` has made.
    ///
    /// # Errors
    /// When dpkg fails.
    pub fn install(&mut self, package: &str) -> anyhow::Result<()> {
        let unpack = format!("mkdir -p /run/packages && tar -xf {PACKAGES} -C /run/packages");
        let install = format!("dpkg --install /run/packages/{package}");
        let line = format!("{unpack} && {install}");
        self.shell()?.run_within(INSTALL_LIMIT, &line).map(drop)
    }

    /// The number of the signer's process.
    ///
    /// # Errors
    /// When systemd does not say.
    pub fn main_process(&mut self) -> anyhow::Result<String> {
        self.shell()?.run("systemctl show --property=MainPID --value peel-signer")
    }
}
