//! How hot it is: the thermal zones of a Raspberry Pi, and the sensors of other boards.

use std::fs;
use std::path::{Path, PathBuf};

use super::bounded;
use super::exposition::{Exposition, Kind, Sample};

/// Zones, chips, and sensors of a chip that are read: each may be a question on a slow bus.
const MAX_SENSORS: usize = 32;
/// The system tells thousandths of a degree.
const PER_DEGREE: f64 = 1000.0;

pub(super) fn write(sys: &Path, text: &mut Exposition) {
    zones(&sys.join("class/thermal"), text);
    chips(&sys.join("class/hwmon"), text);
}

fn zones(folder: &Path, text: &mut Exposition) {
    let names = bounded::names(folder);
    let numbers = names.iter().filter_map(|name| name.strip_prefix("thermal_zone"));
    let samples = numbers.take(MAX_SENSORS).filter_map(|number| {
        let zone = folder.join(format!("thermal_zone{number}"));
        let labels =
            vec![("type", bounded::word(&zone.join("type"))?), ("zone", number.to_owned())];
        Some(Sample::new(labels, bounded::number(&zone.join("temp"))? / PER_DEGREE))
    });
    text.family(Kind::Gauge, ("node_thermal_zone_temp", "Zone temperature in Celsius"), samples);
}

fn chips(folder: &Path, text: &mut Exposition) {
    let names = bounded::names(folder);
    let chips = names.iter().take(MAX_SENSORS).map(|name| folder.join(name));
    let chips: Vec<(PathBuf, String)> =
        chips.filter_map(|chip| Some((chip.clone(), chip_label(&chip)?))).collect();
    let named = chips.iter().filter_map(|(chip, label)| {
        let name = clean(&bounded::word(&chip.join("name"))?);
        Some(Sample::new(vec![("chip", label.clone()), ("chip_name", name)], 1.0))
    });
    let help = "Annotation metric for human-readable chip names";
    text.family(Kind::Gauge, ("node_hwmon_chip_names", help), named);
    let sensors = chips.iter().flat_map(|(chip, label)| sensors(chip, label));
    let help = "Hardware monitor for temperature (input)";
    text.family(Kind::Gauge, ("node_hwmon_temp_celsius", help), sensors);
}

/// `temp1_input` is the temperature of `temp1`.
fn sensors(chip: &Path, label: &str) -> Vec<Sample> {
    let names = bounded::names(chip);
    let sensors = names.iter().filter_map(|name| name.strip_suffix("_input"));
    let sensors = sensors.filter(|sensor| sensor.starts_with("temp")).take(MAX_SENSORS);
    let samples = sensors.filter_map(|sensor| {
        let labels = vec![("chip", label.to_owned()), ("sensor", sensor.to_owned())];
        let degrees = bounded::number(&chip.join(format!("{sensor}_input")))? / PER_DEGREE;
        Some(Sample::new(labels, degrees))
    });
    samples.collect()
}

/// The place of the chip, which stays, where its number depends on what was loaded first: as in node_exporter's
/// `hwmonName` (`collector/hwmon_linux.go`). Else its name, else its number.
fn chip_label(chip: &Path) -> Option<String> {
    let of_device = fs::canonicalize(chip.join("device")).ok().and_then(|device| {
        let (bus, name) = (last_of(device.parent()?), last_of(&device));
        let parts = [bus, name].into_iter().flatten().filter(|part| !part.is_empty());
        Some(parts.collect::<Vec<_>>().join("_"))
    });
    let of_device = of_device.filter(|label| !label.is_empty());
    let own_name = || bounded::word(&chip.join("name")).map(|name| clean(&name));
    of_device.or_else(own_name).filter(|label| !label.is_empty()).or_else(|| last_of(chip))
}

fn last_of(path: &Path) -> Option<String> {
    Some(clean(path.file_name()?.to_str()?))
}

/// As node_exporter cleans it (`cleanMetricName`).
fn clean(name: &str) -> String {
    let is_clean = |c: char| matches!(c, 'a'..='z' | '0'..='9' | ':' | '_');
    let clean = |c: char| if is_clean(c) { c } else { '_' };
    let name: String = name.to_lowercase().chars().map(clean).collect();
    name.trim_matches('_').to_owned()
}
