//! The computer in QEMU's words.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use lab::net::Namespace;

use super::{Clock, Firmware, Hardware, Line, credentials};

/// Nothing that is not named here. The instructions are interpreted: not every machine that tests has KVM.
const BARE: &str = "-accel tcg -cpu max -m 1024 -nodefaults -no-user-config -display none -no-reboot \
                    -device virtio-rng-pci -device virtio-serial-pci,id=ports";

/// Sockets for what is in `folder`: the control socket, the shell and both Ledgers; and the console, as a file.
pub(super) fn of(hardware: &Hardware, folder: &Path) -> anyhow::Result<Vec<OsString>> {
    let bare = [hardware.board.machine(), BARE].into_iter().flat_map(str::split_whitespace);
    let mut words: Vec<String> = bare.map(str::to_owned).collect();
    let mut add = |option: &str, value: String| words.extend([option.to_owned(), value]);
    let (folder_name, disk) = (folder.display(), hardware.disk.display());
    add("-qmp", format!("unix:{folder_name}/qmp,server=on,wait=off"));
    add("-serial", format!("file:{folder_name}/console"));
    for port in ["shell", "ledger0", "ledger1"] {
        let name = port.replace("ledger", "ledger.");
        add("-chardev", format!("socket,id={port},path={folder_name}/{port},server=on,wait=off"));
        add("-device", format!("virtserialport,bus=ports.0,chardev={port},name=peel.{name}"));
    }
    add("-blockdev", format!("driver=nbd,node-name=system,server.type=unix,server.path={disk}"));
    add("-device", "virtio-blk-pci,drive=system,bootindex=1".to_owned());
    if let Some(files) = &hardware.files {
        let files = files.display();
        add("-blockdev", format!("driver=file,node-name=files,filename={files},read-only=on"));
        add("-device", "virtio-blk-pci,drive=files,serial=peel-test".to_owned());
    }
    for line in Line::ALL {
        let (device, net, mac) = (line.device(), line.net(), line.mac());
        add("-netdev", format!("user,id=net-{device},net={net}"));
        add("-device", format!("virtio-net-pci,netdev=net-{device},id={device},mac={mac}"));
    }
    if let Clock::Off(by) = hardware.clock {
        let words = ["--utc", "--date", by, "+%Y-%m-%dT%H:%M:%S"];
        add("-rtc", format!("base={}", Namespace::here().run("date", &words)?.trim()));
    }
    for file in credentials::write(folder)? {
        add("-smbios", format!("type=11,path={}", file.display()));
    }
    match &hardware.firmware {
        Firmware::Efi => {
            let [code, original] = hardware.board.firmware()?;
            // A copy of its variables, which nothing has to keep.
            let variables = folder.join("variables");
            fs::copy(original, &variables)?;
            add("-drive", format!("if=pflash,format=raw,readonly=on,file={}", code.display()));
            add("-drive", format!("if=pflash,format=raw,file={}", variables.display()));
        }
        Firmware::Kernel { kernel, initrd, command_line } => {
            add("-kernel", kernel.display().to_string());
            add("-initrd", initrd.display().to_string());
            add("-append", command_line.clone());
        }
    }
    Ok(words.into_iter().map(OsString::from).collect())
}
