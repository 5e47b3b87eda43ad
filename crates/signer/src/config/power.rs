//! `[power]`: what tells whether the computer runs on mains or battery, and what follows from it.

use thiserror::Error;

use crate::config::typed;
use crate::power::{Config, Limits, Source, SourceError};

/// What is wrong with `[power]`.
#[derive(Debug, Error)]
pub(super) enum PowerWhy {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("{field} is {value}; write the percentage of a full battery, 1 to 99")]
    Percentage { field: &'static str, value: i64 },
    #[error(
        "{0} needs to know the charge, which a GPIO line does not tell; leave it out, or name another source"
    )]
    NoCharge(&'static str),
}

const LOW_AT: &str = "low_at_charge";
const STOP_AT: &str = "stop_at_charge";
/// Percent.
const DEFAULT_LOW_AT: i64 = 30;

pub(super) fn understand(typed: typed::Power) -> Result<Config, PowerWhy> {
    let typed::Power { source, low_at_charge, stop_at_charge } = typed;
    let source: Source = source.parse()?;
    for (field, value) in [(LOW_AT, low_at_charge), (STOP_AT, stop_at_charge)] {
        if value.is_some() && !source.has_charge() {
            return Err(PowerWhy::NoCharge(field));
        }
    }
    let limits = Limits {
        low_at: share(LOW_AT, low_at_charge.unwrap_or(DEFAULT_LOW_AT))?,
        stop_at: stop_at_charge.map(|value| share(STOP_AT, value)).transpose()?,
    };
    Ok(Config { source, limits })
}

/// From percent. At 0 or 100 a limit would never act, or always.
fn share(field: &'static str, value: i64) -> Result<f64, PowerWhy> {
    match u8::try_from(value) {
        Ok(percent @ 1..=99) => Ok(f64::from(percent) / 100.0),
        Ok(_) | Err(_) => Err(PowerWhy::Percentage { field, value }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn understood(toml: &str) -> Result<Config, String> {
        let typed: typed::Power = toml::from_str(toml).unwrap();
        understand(typed).map_err(|why| why.to_string())
    }

    #[test]
    fn a_source_and_its_limits_are_understood() {
        let config = understood("source = \"sysfs\"").unwrap();
        let limits = Limits { low_at: 0.3, stop_at: None };
        assert_eq!(config, Config { source: Source::Sysfs, limits });
        let text = "source = \"nut://ups@[::1]:3493\"\nstop_at_charge = 10\nlow_at_charge = 50";
        let config = understood(text).unwrap();
        assert_eq!(config.limits, Limits { low_at: 0.5, stop_at: Some(0.1) });
        assert!(matches!(config.source, Source::Nut(_)));
        let config = understood("source = \"gpio:/dev/gpiochip0:6:active_low\"").unwrap();
        assert!(matches!(config.source, Source::Gpio(_)));
    }

    #[test]
    fn mistakes_are_told_with_the_cure() {
        let gpio = "source = \"gpio:/dev/gpiochip0:6\"\n";
        for (text, words) in [
            ("source = \"acpi\"".to_owned(), ["\"acpi\" is not known", "nut://UPS@HOST:PORT"]),
            (
                "source = \"nut://ups\"".to_owned(),
                ["source: \"nut://ups\" is no UPS", "127.0.0.1:3493"],
            ),
            ("source = \"gpio:6\"".to_owned(), ["source: \"6\" is no GPIO line", ":active_low"]),
            (format!("{gpio}stop_at_charge = 10"), ["stop_at_charge needs", "leave it out"]),
            (format!("{gpio}low_at_charge = 10"), ["low_at_charge needs", "another source"]),
            (
                "source = \"sysfs\"\nstop_at_charge = 0".to_owned(),
                ["stop_at_charge is 0;", "1 to 99"],
            ),
            (
                "source = \"sysfs\"\nlow_at_charge = 100".to_owned(),
                ["low_at_charge is 100;", "1 to 99"],
            ),
            (
                "source = \"sysfs\"\nlow_at_charge = -1".to_owned(),
                ["low_at_charge is -1;", "1 to 99"],
            ),
            ("source = \"sysfs\"\nlow_at_charge = 3000".to_owned(), ["is 3000;", "1 to 99"]),
        ] {
            let error = understood(&text).unwrap_err();
            assert!(words.iter().all(|word| error.contains(word)), "{text}: {error}");
        }
    }
}
