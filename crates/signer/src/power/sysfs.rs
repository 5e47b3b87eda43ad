//! The power supplies that the kernel knows: `Documentation/ABI/testing/sysfs-class-power`.
//!
//! A folder of a few small files for each. Chargers (`Mains`, `USB`) say whether they are online, batteries whether they
//! charge; neither is always there, so what the computer runs on is judged from all of them together.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::Answer;

/// Where the kernel shows them.
pub(super) const ROOT: &str = "/sys/class/power_supply";

/// A file of sysfs is a page at most.
const MAX_BYTES: u64 = 4096;
/// No computer has so many; a folder that has is none of sysfs.
const MAX_SUPPLIES: usize = 64;

/// Why the supplies do not tell what the computer runs on. *Failed*.
#[derive(Debug, Error)]
pub(super) enum SysfsError {
    #[error(
        "no power supply in {}: this computer does not know what it runs on; name a UPS (nut://…) or a line of a UPS \
         hat (gpio:…) as source under [power], or leave the section out", .0.display()
    )]
    NoSupply(PathBuf),
    #[error("{} is {text:?}, which is no {expected}; name another source under [power]", path.display())]
    Garbage { path: PathBuf, text: String, expected: &'static str },
    #[error(
        "{}: no charger is there, and no battery says whether it is discharging; name another source under [power]",
        .0.display()
    )]
    NoStatus(PathBuf),
}

#[derive(Debug, Default)]
struct Supplies {
    chargers: Vec<Charger>,
    batteries: Vec<Battery>,
}

#[derive(Debug)]
struct Charger {
    is_online: bool,
    /// A USB port that nothing is plugged in to says nothing of a computer that has other ways to be fed.
    is_usb: bool,
}

#[derive(Debug)]
struct Battery {
    status: String,
    /// 0 to 100.
    capacity: Option<f64>,
    /// µWh.
    energy_full: Option<f64>,
}

/// Reads all supplies below `root`.
pub(super) fn read(root: &Path) -> Result<Answer, SysfsError> {
    let supplies = Supplies::read(root)?;
    if supplies.is_empty() {
        return Err(SysfsError::NoSupply(root.to_owned()));
    }
    let is_on_mains = supplies.is_on_mains();
    let is_on_mains = is_on_mains.ok_or_else(|| SysfsError::NoStatus(root.to_owned()))?;
    Ok(Answer { is_on_mains, charge: charge(&supplies.batteries), is_low: false })
}

impl Supplies {
    fn read(root: &Path) -> Result<Supplies, SysfsError> {
        let mut supplies = Supplies::default();
        let Ok(entries) = fs::read_dir(root) else { return Ok(supplies) };
        for entry in entries.take(MAX_SUPPLIES).flatten() {
            supplies.add(&entry.path())?;
        }
        Ok(supplies)
    }

    fn add(&mut self, folder: &Path) -> Result<(), SysfsError> {
        match text(folder, "type").as_deref() {
            // Of a mouse or a headset.
            _ if text(folder, "scope").as_deref() == Some("Device") => {}
            Some(kind @ ("Mains" | "USB")) => {
                if let Some(online) = number(folder, "online", "0, 1 or 2")? {
                    let (is_online, is_usb) = (online > 0.0, kind == "USB");
                    self.chargers.push(Charger { is_online, is_usb });
                }
            }
            Some("Battery" | "UPS") if text(folder, "present").as_deref() != Some("0") => {
                self.batteries.push(Battery::read(folder)?);
            }
            Some(_) | None => {}
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.batteries.is_empty() && self.chargers.iter().all(|charger| charger.is_idle_port())
    }

    /// A charger that is online counts before any battery: a weak one feeds a computer whose battery discharges, too.
    fn is_on_mains(&self) -> Option<bool> {
        let says = |status: &str| self.batteries.iter().any(|battery| battery.status == status);
        if self.chargers.iter().any(|charger| charger.is_online) || says("Charging") {
            return Some(true);
        }
        if says("Discharging") || self.chargers.iter().any(|charger| !charger.is_idle_port()) {
            return Some(false);
        }
        (says("Full") || says("Not charging")).then_some(true)
    }
}

impl Charger {
    fn is_idle_port(&self) -> bool {
        self.is_usb && !self.is_online
    }
}

impl Battery {
    fn read(folder: &Path) -> Result<Battery, SysfsError> {
        Ok(Battery {
            status: text(folder, "status").unwrap_or_default(),
            // Of a battery that has aged some drivers say a little more than 100.
            capacity: number(folder, "capacity", "percentage")?.map(|percent| percent.min(100.0)),
            energy_full: number(folder, "energy_full", "energy in µWh")?,
        })
    }
}

/// The mean, by how much each battery holds if all of them say so. Divided at the end, so that equal charges stay what
/// they are.
fn charge(batteries: &[Battery]) -> Option<f64> {
    let charged = batteries.iter().filter_map(|battery| Some((battery.capacity?, battery)));
    let charged: Vec<(f64, &Battery)> = charged.collect();
    let energies =
        charged.iter().map(|(_, battery)| battery.energy_full.filter(|energy| *energy > 0.0));
    let energies: Option<Vec<f64>> = energies.collect();
    let weights = energies.unwrap_or_else(|| vec![1.0; charged.len()]);
    let sum: f64 =
        charged.iter().zip(&weights).map(|((percent, _), weight)| percent * weight).sum();
    let all: f64 = weights.iter().sum();
    (all > 0.0).then(|| sum / all / 100.0)
}

/// None if it is not there, or the driver cannot tell: drivers answer such a question with various errors.
fn text(folder: &Path, file: &str) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(folder.join(file)).ok()?.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// 0 or more.
fn number(folder: &Path, file: &str, expected: &'static str) -> Result<Option<f64>, SysfsError> {
    let Some(text) = text(folder, file) else { return Ok(None) };
    match text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0) {
        Some(number) => Ok(Some(number)),
        None => {
            let text = text.chars().take(SHOWN_CHARS).collect();
            Err(SysfsError::Garbage { path: folder.join(file), text, expected })
        }
    }
}

/// Of a text that means nothing an error repeats so much.
const SHOWN_CHARS: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    /// A supply's folder, and what is in its files.
    type Device<'a> = (&'a str, &'a [(&'a str, &'a str)]);

    fn read_from(devices: &[Device<'_>]) -> Result<Answer, String> {
        let root = tempfile::tempdir().unwrap();
        for (device, files) in devices {
            let folder = root.path().join(device);
            fs::create_dir(&folder).unwrap();
            for (file, text) in *files {
                fs::write(folder.join(file), format!("{text}\n")).unwrap();
            }
        }
        read(root.path()).map_err(|error| {
            let text = error.to_string();
            text.replace(root.path().to_str().unwrap(), "ROOT")
        })
    }

    fn mains(charge: Option<f64>) -> Result<Answer, String> {
        Ok(Answer { is_on_mains: true, charge, is_low: false })
    }

    fn on_battery(charge: Option<f64>) -> Result<Answer, String> {
        Ok(Answer { is_on_mains: false, charge, is_low: false })
    }

    const PLUGGED: Device<'_> = ("AC", &[("type", "Mains"), ("online", "1")]);
    const UNPLUGGED: Device<'_> = ("AC", &[("type", "Mains"), ("online", "0")]);
    const IDLE_PORT: Device<'_> = ("ucsi-source-psy-1", &[("type", "USB"), ("online", "0")]);
    const FED_PORT: Device<'_> = ("ucsi-source-psy-1", &[("type", "USB"), ("online", "1")]);
    const MOUSE: Device<'_> = (
        "hidpp_battery_0",
        &[("type", "Battery"), ("scope", "Device"), ("status", "Discharging"), ("capacity", "7")],
    );
    const EMPTY_BAY: Device<'_> = ("BAT1", &[("type", "Battery"), ("present", "0")]);

    fn battery<'a>(files: &'a [(&'a str, &'a str)]) -> Device<'a> {
        ("BAT0", files)
    }

    fn in_state(status: &str, others: &[Device<'_>]) -> Result<Answer, String> {
        let files = [("type", "Battery"), ("status", status), ("capacity", "64")];
        read_from(&[&[battery(&files)], others].concat())
    }

    #[test]
    fn a_laptop_runs_on_mains_while_a_charger_is_online() {
        for status in ["Charging", "Full", "Not charging", "Discharging", "Unknown"] {
            assert_eq!(in_state(status, &[PLUGGED]), mains(Some(0.64)), "{status}");
            assert_eq!(in_state(status, &[UNPLUGGED, FED_PORT]), mains(Some(0.64)), "{status}");
        }
    }

    #[test]
    fn a_laptop_runs_on_battery_when_no_charger_is_online() {
        // The battery of some notices it a while later.
        for status in ["Discharging", "Full", "Not charging", "Unknown"] {
            assert_eq!(in_state(status, &[UNPLUGGED]), on_battery(Some(0.64)), "{status}");
        }
        assert_eq!(in_state("Discharging", &[IDLE_PORT]), on_battery(Some(0.64)));
    }

    #[test]
    fn without_a_charger_the_battery_tells() {
        assert_eq!(in_state("Discharging", &[]), on_battery(Some(0.64)));
        assert_eq!(in_state("Charging", &[]), mains(Some(0.64)));
        assert_eq!(in_state("Full", &[IDLE_PORT]), mains(Some(0.64)));
        let error = in_state("Unknown", &[]).unwrap_err();
        assert!(error.contains("ROOT: no charger") && error.contains("another source"), "{error}");
    }

    #[test]
    fn a_desktop_has_mains_and_no_charge() {
        assert_eq!(read_from(&[PLUGGED]), mains(None));
        assert_eq!(read_from(&[PLUGGED, MOUSE, IDLE_PORT]), mains(None));
    }

    /// A UPS hat may say no more than that.
    #[test]
    fn mains_that_are_off_and_no_battery_are_a_battery_without_a_charge() {
        assert_eq!(read_from(&[UNPLUGGED]), on_battery(None));
    }

    #[test]
    fn a_computer_with_a_mouse_and_idle_ports_has_no_supply() {
        for devices in [&[][..], &[MOUSE], &[IDLE_PORT, EMPTY_BAY], &[("odd", &[])]] {
            let error = read_from(devices).unwrap_err();
            assert!(error.contains("no power supply in ROOT: "), "{error}");
            assert!(
                error.contains("nut://…") && error.contains("leave the section out"),
                "{error}"
            );
        }
        let error = read(Path::new("/nowhere")).unwrap_err().to_string();
        assert!(error.contains("no power supply in /nowhere: "), "{error}");
    }

    #[test]
    fn the_charge_of_several_batteries_is_their_mean_by_what_they_hold() {
        let two = |first: &[(&str, &str)], second: &[(&str, &str)]| {
            let base = [("type", "Battery"), ("status", "Discharging")];
            let (first, second) = ([&base, first].concat(), [&base, second].concat());
            read_from(&[("BAT0", &first), ("BAT1", &second), EMPTY_BAY_2]).unwrap().charge
        };
        let (full, empty) = (("capacity", "100"), ("capacity", "0"));
        let (large, small) = (("energy_full", "60000000"), ("energy_full", "20000000"));
        assert_eq!(two(&[full, large], &[empty, small]), Some(0.75));
        assert_eq!(two(&[full, large], &[empty]), Some(0.5));
        assert_eq!(two(&[full], &[empty]), Some(0.5));
        let ten = ("capacity", "10");
        assert_eq!(two(&[ten, ("energy_full", "47520003")], &[ten, small]), Some(0.1));
        // That one cannot tell.
        assert_eq!(two(&[("capacity", "40"), large], &[small]), Some(0.4));
        assert_eq!(two(&[large], &[small]), None);
    }

    const EMPTY_BAY_2: Device<'_> = ("BAT2", &[("type", "Battery"), ("present", "0")]);

    #[test]
    fn more_than_full_is_full() {
        let files = [("type", "Battery"), ("status", "Full"), ("capacity", "103")];
        assert_eq!(read_from(&[battery(&files)]), mains(Some(1.0)));
    }

    #[test]
    fn garbage_in_a_file_is_told_with_the_file() {
        for (capacity, shown) in [
            ("banana", "ROOT/BAT0/capacity is \"banana\", which is no percentage; "),
            ("", "ROOT/BAT0/capacity is \"\""),
            ("-5", "is \"-5\""),
            ("NaN", "is \"NaN\""),
            ("inf", "is \"inf\""),
        ] {
            let files = [("type", "Battery"), ("status", "Discharging"), ("capacity", capacity)];
            let error = read_from(&[battery(&files)]).unwrap_err();
            assert!(error.contains(shown) && error.contains("another source"), "{error}");
        }
        let error = read_from(&[("AC", &[("type", "Mains"), ("online", "yes")])]).unwrap_err();
        assert!(error.contains("ROOT/AC/online is \"yes\", which is no 0, 1 or 2"), "{error}");
    }

    #[test]
    fn of_an_endless_file_no_more_than_a_page_is_read() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("BAT0");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("type"), "Battery").unwrap();
        std::os::unix::fs::symlink("/dev/zero", folder.join("capacity")).unwrap();
        assert_eq!(text(&folder, "capacity").unwrap().len(), 4096);
        let error = read(root.path()).unwrap_err().to_string();
        assert!(error.contains("capacity is ") && error.len() < 500, "{error}");
    }
}
