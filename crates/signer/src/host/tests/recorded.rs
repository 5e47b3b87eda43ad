//! Files of `/proc` and `/sys`, as a computer had them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;

use super::Computer;

/// A folder with `proc`, `sys` and `state`.
pub(super) struct Recorded(TempDir);

/// Of a Raspberry Pi 4 with a 4G modem, Debian 12.
const RASPBERRY_PI: [(&str, &str); 27] = [
    ("proc/loadavg", "0.31 0.22 0.18 1/213 20571\n"),
    (
        "proc/meminfo",
        "MemTotal:        3884324 kB\nMemFree:         2914236 kB\nMemAvailable:    3542312 kB\n\
         Buffers:           57836 kB\nHugePages_Total:       0\n",
    ),
    (
        "proc/stat",
        "cpu  51863 121 30245 18471639 8814 0 1507 0 0 0\n\
         cpu0 14532 30 8623 4611822 2431 0 1225 0 0 0\n\
         cpu1 12411 31 7214 4620122 2113 0 101 7 5 3\n\
         intr 13151112 0 6231 0\nctxt 21435661\nbtime 1762300145\nprocesses 20571\n\
         procs_running 1\nprocs_blocked 0\nsoftirq 5321 0 0 0 0 0 0 0 0 0 0\n",
    ),
    (
        "proc/net/dev",
        "Inter-|   Receive                                                |  Transmit\n \
         face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    \
         lo: 9000 90 0 0 0 0 0 0 9000 90 0 0 0 0 0 0\n  \
         eth0: 8123456789 6123456 0 12 0 0 0 431 912345678 1923456 0 0 0 0 0 0\n \
         wwan0: 4321 32 0 0 0 0 0 0 1234 21 0 0 0 0 0 0\n",
    ),
    ("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n"),
    ("sys/class/thermal/thermal_zone0/temp", "48312\n"),
    ("sys/class/thermal/thermal_zone0/policy", "step_wise\n"),
    ("sys/class/thermal/thermal_zone0/mode", "enabled\n"),
    ("sys/class/hwmon/hwmon0/name", "cpu_thermal\n"),
    ("sys/class/hwmon/hwmon0/temp1_input", "48312\n"),
    ("sys/class/hwmon/hwmon1/name", "rpi_volt\n"),
    ("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0\n"),
    ("sys/devices/platform/i2c-1/1-0048/name", "tmp102\n"),
    ("sys/class/hwmon/hwmon2/name", "tmp102\n"),
    ("sys/class/hwmon/hwmon2/temp1_input", "21062\n"),
    ("sys/class/hwmon/hwmon2/temp1_max", "80000\n"),
    ("sys/class/net/lo/operstate", "unknown\n"),
    ("sys/class/net/lo/carrier", "1\n"),
    ("sys/class/net/eth0/operstate", "up\n"),
    ("sys/class/net/eth0/carrier", "1\n"),
    ("sys/class/net/eth0/statistics/rx_bytes", "8123456789\n"),
    ("sys/class/net/eth0/statistics/tx_bytes", "912345678\n"),
    ("sys/class/net/eth0/device/vendor", "0x1\n"),
    ("sys/class/net/wwan0/operstate", "unknown\n"),
    ("sys/class/net/wwan0/statistics/rx_bytes", "4321\n"),
    ("sys/class/net/wwan0/statistics/tx_bytes", "1234\n"),
    ("sys/class/net/wwan0/device/vendor", "0x2\n"),
];

/// No system writes that; a device that is plugged in may.
const HOSTILE: [(&str, &str); 12] = [
    ("proc/loadavg", "nan inf -1e999\n"),
    ("proc/meminfo", "MemTotal: many kB\nMemAvailable: 1 GB\n"),
    ("proc/stat", "cpu0 a b c 4\ncpu\" 1 2\nbtime soon\n"),
    (
        "proc/self/mountinfo",
        "27 1 254:0\n - \n1 2 3 4 / 5 - ext4\n28 1 254:0 / / rw - ext4 /dev/\"\\012x rw\n",
    ),
    ("sys/class/thermal/thermal_zone0/type", "a\"}\n} 1\nup 0\\\n"),
    ("sys/class/thermal/thermal_zone0/temp", "1000\n"),
    ("sys/class/thermal/thermal_zone1/type", "none\n"),
    ("sys/class/thermal/thermal_zone1/temp", "hot\n"),
    ("sys/class/hwmon/hwmon\"0/temp\"1_input", "1000\n"),
    ("sys/class/net/e\"th/operstate", "up\n"),
    ("sys/class/net/e\"th/carrier", "yes\n"),
    ("sys/class/net/bonding_masters", "\n"),
];

impl Recorded {
    pub(super) fn raspberry_pi() -> Recorded {
        let recorded = Recorded::of(&RASPBERRY_PI);
        let (i2c, chip) = ("sys/devices/platform/i2c-1/1-0048", "sys/class/hwmon/hwmon2/device");
        symlink(recorded.path().join(i2c), recorded.path().join(chip)).unwrap();
        recorded
    }

    pub(super) fn hostile() -> Recorded {
        let recorded = Recorded::of(&HOSTILE);
        // A sensor whose bytes are no text.
        fs::write(recorded.path().join("sys/class/net/e\"th/statistics"), [0xff]).unwrap();
        recorded
    }

    fn of(files: &[(&str, &str)]) -> Recorded {
        let recorded = Recorded(tempfile::tempdir().unwrap());
        files.iter().for_each(|(name, text)| recorded.write(name, text));
        recorded
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn computer(&self) -> Computer {
        let at = |name: &str| self.path().join(name);
        Computer { proc: at("proc"), sys: at("sys"), state: at("state") }
    }
}
